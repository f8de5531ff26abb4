"""Trying a change of the user's backward pass: does it make every gradient right?

A mistake is a single change of the text, so its repair is one too: the same operation of the user's
program is changed in all its executions, what depends on it is computed again, and the gradients
are compared with autodiff's, in every draw. Nothing of the user's code is run again for it.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ....graph.graph import compute
from ....node import Node
from ....rules.registry import RULES
from ....weak import plain
from ..observing.draws import Draw
from ..observing.observe import Observation, ancestors, where
from ..observing.replay import replay
from ..rounding import least
from .foresight import Foresight

#: Relative to the largest entry: the difference that rounding explains, by precision of the run.
ROUNDING = {np.dtype(np.float32): 2e-5, np.dtype(np.float16): 0.02}
#: How many numbers may be computed while one audit's mistakes are searched.
BUDGET = 1e9
#: What one operation costs at least, in numbers computed.
_OVERHEAD = 10_000

#: A node's new value, from the number of its execution and the values of the changed program.
Apply = Callable[[Node, int, "Env"], Any]


class Env(Mapping[Node, Any]):
    """The values of the changed program: those of a draw, where nothing has changed."""

    def __init__(self, trial: Trial, number: int) -> None:
        self.trial = trial
        self.number = number  # of the draw
        self.given = trial.values[number]
        self.changed: dict[Node, Any] = {}

    def __getitem__(self, node: Node) -> Any:
        if node in self.changed:
            return self.changed[node]
        return self.given.get(node, node.value)

    def __contains__(self, node: object) -> bool:
        return node in self.changed or node in self.given

    def __iter__(self) -> Any:
        return iter(self.given)

    def __len__(self) -> int:
        return len(self.given)

    def arguments(self, node: Node) -> list[Any]:
        """What a node's function is applied to."""
        return [
            self[parent] if isinstance(parent, Node) else plain(given)
            for parent, given in zip(node.inputs, node.arguments, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Edit:
    """A single change of the user's backward pass.

    Attributes:
        nodes: the executions of the operation that is changed.
        apply: the value that each has then.
        cost: how far-fetched the change is.
        say: its words, made only if it is the one.
        missing: whether it is a step after the operation, rather than another operation.
        doubt: what is added to the cost if it does work; asked only then.
        called: whether it is one of how the function is called that the operation is in.
        fits: whether it would fit whatever is wrong before it: a derivative of the loss, or a
            number fitted to the gradients, is put in.
    """

    nodes: tuple[Node, ...]
    apply: Apply
    cost: float
    say: Callable[[], Any]
    missing: bool = False
    doubt: Callable[[], float] = lambda: 0.0
    called: bool = False
    fits: bool = False


@dataclass
class Trial:
    """The user's program, ready to be changed.

    Attributes:
        observation: of the run.
        draws: in which a change must make the gradients right.
        wide: further away, so that masks and choices are others there; a mistake holds there, too.
        names: the parameters that have a gradient of the right kind to be compared.
        wrong: those of them whose gradient is wrong, and is to become right.
        optional: those whose gradient is wrong, and may stay so.
        program: all operations that are no part of the forward pass, in order; also those that no
            gradient was computed from.
    """

    observation: Observation
    draws: tuple[Draw, ...]
    wrong: tuple[str, ...]
    optional: frozenset[str] = frozenset()
    wide: tuple[Draw, ...] = ()
    points: tuple[Draw, ...] = ()
    names: tuple[str, ...] = ()
    program: tuple[Node, ...] = ()
    values: list[dict[Node, Any]] = field(default_factory=list)
    index: dict[Node, int] = field(default_factory=dict)
    spent: float = 0.0
    _users: dict[Node, list[Node]] = field(default_factory=lambda: defaultdict(list))
    _stages: dict[tuple[Node, ...], list[tuple[str, list[Node]]]] = field(default_factory=dict)
    _ancestors: dict[str, set[Node]] = field(default_factory=dict)
    _paths: dict[Any, list[Node]] = field(default_factory=dict)
    _above_home: dict[Node, set[Node]] = field(default_factory=dict)
    _below: dict[tuple[Node, ...], list[Node]] = field(default_factory=dict)
    _least: dict[tuple[str, int], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seen = self.observation
        traced = [n for n in seen.params if isinstance(seen.grads.get(n), Node)]
        self.names = tuple(n for n in traced if n not in self.optional)
        self.program = tuple(n for n in seen.nodes if n not in seen.forward)
        self.index = {node: i for i, node in enumerate(seen.nodes)}
        for node in self.program:
            for parent in {p for p in node.inputs if isinstance(p, Node)}:
                self._users[parent].append(node)
        self.draws = self._played(self.draws, True)
        self.wide = self._played(self.wide, False)
        self.points = (*self.draws, *self.wide)

    def _played(self, given: tuple[Draw, ...], needed: bool) -> tuple[Draw, ...]:
        """The draws in which the whole program can be computed; the first one, if it is needed."""
        kept: list[Draw] = []
        for d in given:
            values = dict(d.values)
            try:
                with np.errstate(all="ignore"):
                    replay(self.program, values)
            except Exception:  # noqa: BLE001, RUF100 (dead code of the user's may not be replayable)
                if kept or not needed:
                    continue
                values = {**{n: n.value for n in self.program}, **values}
            kept.append(d)
            self.values.append(values)
        return tuple(kept)

    @functools.cached_property
    def backward(self) -> frozenset[Node]:
        """The operations that the gradients need beyond the forward pass."""
        return frozenset(self.observation.backward)

    def users(self, node: Node) -> list[Node]:
        """What was computed from a node outside the forward pass."""
        return self._users.get(node, [])

    def spend(self, node: Node) -> None:
        """Note that something was computed of about the cost of a node."""
        self.spent += _cost(node)

    def value(self, node: Node, draw: int = 0) -> Any:
        """A node's value in a draw."""
        return self.values[draw].get(node, node.value)

    @property
    def exhausted(self) -> bool:
        """Whether as much was computed as one audit may."""
        return self.spent > BUDGET

    def rounding(self, name: str) -> float:
        """The relative difference that is none."""
        dtype = getattr(self.observation.params[name].value, "dtype", np.dtype(float))
        return ROUNDING.get(dtype, 1e-8)

    def below(self, nodes: tuple[Node, ...]) -> list[Node]:
        """The nodes, and what was computed from them outside the forward pass, in order."""
        known = self._below.get(nodes)
        if known is None:
            seen = set(nodes)
            stack = list(nodes)
            while stack:
                for user in self._users[stack.pop()]:
                    if user not in seen:
                        seen.add(user)
                        stack.append(user)
            known = self._below[nodes] = sorted(seen, key=self.index.__getitem__)
        return known

    def stages(self, nodes: tuple[Node, ...]) -> list[tuple[str, list[Node]]]:
        """For each gradient that a change of ``nodes`` reaches what it takes to compute it anew.

        The cheapest comes first, and what an earlier one takes is not repeated.
        """
        known = self._stages.get(nodes)
        if known is None:
            below = self.below(nodes)
            needed = {name: [n for n in below if n in self._above(name)] for name in self.names}
            cost = {name: sum(map(_cost, part)) for name, part in needed.items()}
            done: set[Node] = set()
            known = []
            for name in sorted((n for n in self.names if needed[n]), key=cost.__getitem__):
                known.append((name, [n for n in needed[name] if n not in done]))
                done.update(needed[name])
            self._stages[nodes] = known
        return known

    def _above(self, name: str) -> set[Node]:
        """What a hand-written gradient was computed from, itself included."""
        if name not in self._ancestors:
            self._ancestors[name] = ancestors([self.observation.grads[name]])
        return self._ancestors[name]

    def compute(self, env: Env, part: Iterable[Node], rows: dict[Node, int], apply: Apply) -> bool:
        """Compute nodes of the changed program, in order; False if that cannot be done."""
        try:
            with np.errstate(all="ignore"):
                for node in part:
                    j = rows.get(node)
                    self.spent += _cost(node)
                    env.changed[node] = compute(node, env) if j is None else apply(node, j, env)  # type: ignore[arg-type]
        except Exception:  # noqa: BLE001, RUF100 (a change that does not fit: shapes, indices, kinds)
            return False
        return True

    def run(self, nodes: tuple[Node, ...], apply: Apply, draw: int) -> Env | None:
        """The whole program with ``nodes`` changed, in a draw; None if that cannot be computed."""
        env = Env(self, draw)
        rows = {node: j for j, node in enumerate(nodes)}
        return env if self.compute(env, self.below(nodes), rows, apply) else None

    def gradient(self, nodes: tuple[Node, ...], apply: Apply, draw: int, name: str) -> Any:
        """One gradient of the program with ``nodes`` changed; None if it cannot be computed."""
        env = Env(self, draw)
        rows = {node: j for j, node in enumerate(nodes)}
        part = [n for n in self.below(nodes) if n in self._above(name)]
        if not self.compute(env, part, rows, apply):
            return None
        return env[self.observation.grads[name]]

    def truth(self, name: str, draw: int) -> Any:
        """Autodiff's gradient."""
        return self.points[draw].gradient(self.observation, name)

    def agrees(self, name: str, gradient: Any, draw: int) -> bool:
        """Whether a gradient is autodiff's, but for rounding."""
        if (name, draw) not in self._least:
            self._least[name, draw] = least(self.observation, self.points[draw], name)
        floor = self._least[name, draw]
        return same(gradient, self.truth(name, draw), self.rounding(name), floor)

    def accepts(self, edit: Edit) -> bool:
        """Whether the change makes every wrong gradient right, and leaves the right ones right."""
        stages = self.stages(edit.nodes)
        if not {name for name, _ in stages}.issuperset(self.wrong):
            return False
        if self.foresight.refuses(edit):
            return False
        return all(self._mends(edit, stages, draw) for draw in range(len(self.draws)))

    @functools.cached_property
    def foresight(self) -> Foresight:
        """What changes would do, as far as it can be foretold."""
        return Foresight(self)

    def env(self, draw: int) -> Env:
        """The values of a program in which nothing has changed yet."""
        return Env(self, draw)

    def gives(self, edit: Edit, home: Node, expected: list[Any]) -> bool:
        """Whether a change makes of one value one of those that it should be, in the first draw."""
        env = Env(self, 0)
        rows = {node: j for j, node in enumerate(edit.nodes)}
        path = (edit.nodes, home)
        if path not in self._paths:
            above = self._above_of(home)
            self._paths[path] = [n for n in self.below(edit.nodes) if n in above]
        if not self.compute(env, self._paths[path], rows, edit.apply):
            return False
        return any(same(env[home], value, 1e-7) for value in expected)

    def _above_of(self, home: Node) -> set[Node]:
        if home not in self._above_home:
            self._above_home[home] = ancestors([home])
        return self._above_home[home]

    def holds(self, edit: Edit) -> bool:
        """Whether an accepted change does so far away as well."""
        stages, near = self.stages(edit.nodes), len(self.draws)
        return all(self._mends(edit, stages, near + i) for i in range(len(self.wide)))

    def _mends(self, edit: Edit, stages: list[tuple[str, list[Node]]], draw: int) -> bool:
        rows = {node: j for j, node in enumerate(edit.nodes)}
        env = Env(self, draw)
        for name, part in stages:
            if not self.compute(env, part, rows, edit.apply):
                return False
            if not self.agrees(name, env[self.observation.grads[name]], draw):
                return False
        return True

    def caller(self, node: Node) -> Node | None:
        """The operation that uses what a helper makes of forward values: ``sigmoid(h)``.

        None if the node is in no such helper: it uses a derivative, or its code uses its value.
        """
        code, current = node.code, node
        for _ in range(50):
            users = self.users(current)
            outside = [n for n in users if n.code is not code]
            if outside:
                given = (n for n in ancestors([current]) if n.code is not code)
                return None if any(n in self.backward for n in given) else outside[0]
            if not users:
                return None
            current = users[0]
        return None

    def spoils(self, edit: Edit) -> bool:
        """Whether a change makes another of what is right already: ``dh`` that is d loss / d h."""
        below = [n for n in self.below(edit.nodes) if n in self._settled and n not in edit.nodes]
        if not below:
            return False
        env = self.run(edit.nodes, edit.apply, 0)
        return env is None or any(not same(env[n], self.value(n)) for n in below)

    def leaves(self, edit: Edit) -> bool:
        """Whether a change leaves something wrong that is named after a derivative."""
        unsettled = self._unsettled
        if not unsettled:
            return False
        env = self.run(edit.nodes, edit.apply, 0)
        if env is None:
            return True
        return any(not any(same(env[n], g) for g in meant) for n, meant in unsettled.items())

    @functools.cached_property
    def _unsettled(self) -> dict[Node, list[Any]]:
        """The last value of each name such as ``dh`` that is not d loss / d h, and what that is."""
        last: dict[Any, Node] = {}
        for node in self.observation.backward:
            place = where(node)
            if place is not None and place.name and place.name[:1] == "d":
                last[id(node.code), place.name] = node
        found = {}
        for (_, name), node in last.items():
            shape = np.shape(node.value)
            meant = [g for g in self._derivatives.get(name[1:], ()) if np.shape(g) == shape]
            if shape and meant and node not in self._settled:
                found[node] = meant
        return found

    @functools.cached_property
    def _derivatives(self) -> dict[str, list[Any]]:
        """The derivatives of the loss, by the name of what they are with respect to."""
        own = self.draws[0]
        named: dict[str, list[Any]] = defaultdict(list)
        for node, g in own.cotangents.items():
            place = where(node)
            if np.ndim(g) and place is not None and place.name:
                named[place.name].append(g)
        return named

    @functools.cached_property
    def _settled(self) -> frozenset[Node]:
        """The values that are the derivative that they are named after."""
        named = self._derivatives
        found = set()
        for node in self.observation.backward:
            place = where(node)
            name = (place.name or "") if place is not None else ""
            value = self.value(node)
            if any(same(value, g) for g in named.get(name[1:], ()) if name[:1] == "d"):
                found.add(node)
        return frozenset(found)

    def also_right(self, edit: Edit) -> list[str]:
        """Those of the optional gradients that the change makes right as well."""
        found = set(self.optional)
        for draw in range(len(self.draws)):
            env = self.run(edit.nodes, edit.apply, draw)
            roots = {n: self.observation.grads.get(n) for n in found}
            found = {
                n
                for n, root in roots.items()
                if env is not None and isinstance(root, Node) and self.agrees(n, env[root], draw)
            }
        return [n for n in self.observation.params if n in found]


def perform(node: Node, args: list[Any], function: Any = None, keywords: Any = None) -> Any:
    """A node's function (or another one) applied to other arguments."""
    function = node.function if function is None else function
    given = (node.keywords if keywords is None else keywords) or {}
    rule = RULES.get(function)
    packed = rule is not None and rule.packed
    return function(args, **given) if packed else function(*args, **given)


def same(a: Any, b: Any, relative: float = 1e-9, floor: float = 0.0) -> bool:
    """Whether two values are the same, to rounding relative to the largest entry, or absolutely."""
    if np.shape(a) != np.shape(b):
        return False
    a, b = np.asarray(a), np.asarray(b)
    if a.size == 0:
        return True
    bound = relative * max(float(np.max(np.abs(a))), float(np.max(np.abs(b))))
    bound += floor + 1e-300
    return bool(np.isfinite(bound) and np.all(np.abs(a - b) <= bound))


def _cost(node: Node) -> float:
    """About how many numbers are computed for a node, and what any operation costs."""
    size = float(np.size(node.value))
    if node.function in (np.matmul, np.dot):
        last = np.shape(node.arguments[0])
        size *= 0.2 * (last[-1] if last else 1)
    return _OVERHEAD + max(size, *(float(np.size(a)) for a in node.arguments), 0.0)


def sites(nodes: Iterable[Node]) -> list[tuple[Node, ...]]:
    """The nodes by the operation of the user's text whose executions they are."""
    found: dict[Any, list[Node]] = defaultdict(list)
    for node in nodes:
        found[key(node)].append(node)
    return [tuple(group) for group in found.values()]


def key(node: Node) -> Any:
    """What executions of one operation of the user's text have in common.

    That is where it stands, not the offset of its instruction: an interpreter that has specialised
    an instruction may report a later one, of the same place.
    """
    at = where(node)
    if at is None:
        return id(node)
    if not at.expression:
        return id(node.code), node.offset, node.function
    span = (at.line, at.column, at.end_line, at.end_column)
    return id(node.code), span, node.function


def one_line(a: Node, b: Node) -> bool:
    """Whether two operations stand in one line (that of a view's base has no code of its own)."""
    first, second = where(a), where(b)
    if first is None or second is None:
        return False
    return (first.file, first.line) == (second.file, second.line)
