"""The line to point at, where it is not the one that computed the wrong value.

A function that is right for what it was given is not to blame, but the line that calls it; and a
step may be missing in a line that computes nothing: ``dh1 = da1``.
"""

from __future__ import annotations

import ast
import linecache
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import CodeType

import numpy as np

from ....node import Node
from ....provenance import Place
from ..mending import is_known
from ..observing.calls import Call
from ..observing.draws import Draw
from ..observing.observe import Observation, ancestors, where
from ..suspect import Label, Suspect
from .matching import Labels, instruction
from .repair import Repairs, same


@dataclass(frozen=True)
class Spot:
    """A place in the user's program.

    Attributes:
        file, line: where it is.
        code: the expression or statement.
        columns: where that begins and ends in its line.
        missing: whether it is right, and something should come after it.
    """

    file: str
    line: int
    code: str
    columns: tuple[int, int] | None = None
    missing: bool = False


@dataclass(frozen=True)
class Argument:
    """A call that was given the wrong value.

    Attributes:
        spot: the call.
        text: what is wrong with it.
        correction: the line as it should be; empty if it cannot be written.
    """

    spot: Spot
    text: str
    correction: str


def of_place(place: Place, missing: bool = False) -> Spot:
    """The spot of a recorded step, or of a call."""
    columns = None
    if place.expression:
        end = place.end_column if place.end_line == place.line else len(place.source_line)
        columns = place.column, end
    code = place.expression or place.source_line.strip()
    return Spot(place.file, place.line, code, columns, missing)


class Blame:
    """Which line is at fault, given a step.

    Args:
        observation: of the run.
        draws: in which the wrong gradients are wrong.
        labels: what each value is.
        wrong: the parameters with wrong gradients.
        right: those with right ones.
    """

    def __init__(
        self,
        observation: Observation,
        draws: Sequence[Draw],
        labels: Labels,
        wrong: Iterable[str],
        right: Iterable[str],
    ) -> None:
        self.observation = observation
        self.draws = draws
        self.labels = labels
        self.repairs = Repairs(observation, draws, wrong, right)
        self.calls = observation.calls

    # --- a step that is missing -------------------------------------------------------------------

    def of_missing(self, node: Node) -> Spot | None:
        """The line where what should come after a right step is missing; None if it is its own."""
        last = self._largest(node)
        other = self._counterpart(last) or (last if last is not node else None)
        place = where(other) if other is not None else None
        if place is not None:
            return of_place(place, missing=True)
        users = self._users(node)
        for call in self._where_named(node, users):
            after = self._line_in(call, node)
            for target, spot in _renamings(call.code, call.names.get(node, ())):
                if spot.line >= after and all(self._takes(u, call, target) for u in users):
                    return spot
        return self._call_after(node, users)

    def of_taken(self, node: Node) -> Spot | None:
        """The line that takes a value of the forward pass for the derivative with respect to it."""
        for value in node.inputs:
            if value not in self.observation.forward:
                continue
            if not all(value in d.cotangents for d in self.draws):
                continue
            changes = [{value: d.cotangents[value]} for d in self.draws]
            outcome = self.repairs.attempt(changes, scale=False)
            if outcome is None or outcome.mended != set(self.repairs.wrong):
                continue
            for call in self.chain(node)[:1]:
                for target, spot in _renamings(call.code, call.names.get(value, ())):
                    if self._takes(node, call, target):
                        return spot
        return None

    def _line_in(self, call: Call, node: Node) -> int:
        """The line of a call's function in which a value was made, or returned; 0 if in none."""
        place = where(node)
        for inner in self.chain(node):
            if inner is call:
                return place.line if place is not None else 0
            place = inner.place
        return 0

    def is_part(self, node: Node) -> bool:
        """Whether a returned gradient is a part of what it should be: others are not added to it.

        They are not, if what other executions of the step have computed is not used.
        """
        label, used = self.labels.found.get(node), self.repairs.position
        if node not in self.repairs.roots.values():
            return False
        part = label is not None and label.kind == "contribution"
        return part or any(n not in used for n, _ in self._other_executions([node]))

    def is_forward(self, node: Node) -> bool:
        """Whether a value is one of the forward pass, or only made of such: ``-u``."""
        if node in self.observation.forward or node.function is None:
            return True
        label = self.labels.found.get(node)
        return label is not None and label.kind == "forward"

    def _users(self, node: Node) -> list[Node]:
        """What takes a value to wrong gradients, and to no right one."""
        needed = ancestors(self.repairs.roots[n] for n in self.repairs.wrong)
        shared = ancestors(self.repairs.roots[n] for n in self.repairs.right)
        return [u for u in self.repairs.users.get(node, ()) if u in needed and u not in shared]

    def chain(self, node: Node) -> list[Call]:
        """The calls that a step was executed in, from the inside out."""
        call = self.calls.get(node)
        return list(call.chain()) if call is not None else []

    def _where_named(self, node: Node, users: list[Node]) -> Iterator[Call]:
        """The calls in which a value may have been renamed: where it is used, and made."""
        chains = [self.chain(u) for u in users]
        common = [c for c in chains[0] if all(c in chain for chain in chains)] if chains else []
        seen = {id(c) for c in common[:1]}
        yield from common[:1]
        yield from (c for c in self.chain(node) if id(c) not in seen)

    def _takes(self, user: Node, call: Call, name: str) -> bool:
        """Whether what was executed for a step, in the text of a call, mentions a name.

        If the step is outside the call, whether the call returns what has that name.
        """
        if call not in self.chain(user):
            return name in _returned_names(call.code)
        place = where(user)
        for inner in self.chain(user):
            if inner is call:
                break
            place = inner.place
        text = place.expression if place is not None else ""
        return re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text) is not None

    def _call_after(self, node: Node, users: list[Node]) -> Spot | None:
        """The call that a value was returned from, if its function has done all that it should.

        It has, if it has given the derivative with respect to what its counterpart in the forward
        pass was given.
        """
        call, label = self.calls.get(node), self.labels.found.get(node)
        if call is None or call.parent is None or label is None or not users:
            return None
        if any(call in self.chain(u) for u in users) or not self._has_its_factor(call, label):
            return None
        contributions = self.draws[0].contributions
        edges = [label.use, *label.others] if label.use is not None else contributions
        if self._lost(label) & {self.calls.get(e[0]) for e in edges if e is not None}:
            return None
        consumers = [e[0] for e in edges if e is not None and e[0].inputs[e[1]] is label.node]
        origin = self.calls.get(label.node)
        for consumer in consumers:
            chain = self.chain(consumer)
            if not chain or chain[0] is origin or (origin is not None and origin not in chain):
                return None
        place = call.place
        return of_place(place, missing=True) if place is not None and consumers else None

    def _has_its_factor(self, call: Call, label: Label) -> bool:
        """Whether a function returns a derivative with the factor that it was given one with."""
        if label.is_exact:
            return True
        inside = [n for n in self.observation.backward if call in self.chain(n)]
        given = {p for n in inside for p in n.inputs if isinstance(p, Node)} - set(inside)
        found = [self.labels.found[p] for p in given if p in self.labels.found]
        found = [x for x in found if x.kind in ("cotangent", "contribution")]
        return not found or any(abs(x.factor / label.factor - 1) < 1e-8 for x in found)

    def _lost(self, label: Label) -> set[Call | None]:
        """The calls of the forward pass through whose uses a part of a derivative does not come."""
        if label.use is None:
            return set()
        uses = [c for c, i in self.draws[0].contributions if c.inputs[i] is label.node]
        return {self.calls.get(c) for c in uses if instruction(c) not in _steps(label)}

    def _largest(self, node: Node) -> Node:
        """Of parts that are added up one by one the last: what is missing may follow that one."""
        label = self.labels.found.get(node)
        if label is None or label.kind != "contribution":
            return node
        known, found = _steps(label), node
        for user in self.repairs.after([node]):
            other = self.labels.found.get(user)
            larger = other is not None and other.kind == "contribution" and other.is_exact
            if larger and other is not None and other.node is label.node and known < _steps(other):
                found, known = user, _steps(other)
        return found

    def _counterpart(self, node: Node) -> Node | None:
        """Of parts that are added up the one of the function that leaves another part out.

        What a value gives in one function of the forward pass comes from one in the backward pass.
        """
        label = self.labels.found.get(node)
        if label is None or label.kind != "contribution" or label.use is None:
            return None
        every = self.draws[0].contributions.items()
        lost, known = self._lost(label), _steps(label)
        parts = ((c, g) for (c, i), g in every if c.inputs[i] is label.node)
        given = [g for c, g in parts if self.calls.get(c) in lost and instruction(c) in known]
        if len(lost) != 1 or not given or lost == {self.calls.get(label.node)}:
            return None
        before, value = ancestors([node]) - {node}, sum(given)
        for other in reversed(self.observation.backward):
            if other in before and same(self.draws[0].values[other], value):
                return other
        return None

    # --- a function that is right ----------------------------------------------------------------

    def of_shared(self, nodes: Sequence[Node]) -> Spot | None:
        """The call of a function that is right where it is called elsewhere."""
        calls = [self.calls.get(n) for n in nodes]
        if any(c is None or c.parent is None for c in calls):
            return None
        sites = {_site(c) for c in calls if c is not None}
        others = set()
        for node, call in self._other_executions(nodes):
            if node not in self.observation.forward and not self.labels.is_right(node):
                return None
            others.add(_site(call))
        first = calls[0]
        if not others or others & sites or len(sites) > 1 or first is None or first.place is None:
            return None
        return of_place(first.place)

    def _other_executions(self, nodes: Sequence[Node]) -> Iterator[tuple[Node, Call]]:
        function, key = nodes[0].function, instruction(nodes[0])
        for node, call in self.calls.items():
            if node.function is function and node not in nodes and instruction(node) == key:
                yield node, call

    def of_argument(self, suspect: Suspect) -> Argument | None:
        """The call that was given one value of the forward pass where another one belongs."""
        call = self.calls.get(suspect.node)
        same = all(self.calls.get(n) is call for n in suspect.nodes)
        if call is None or call.parent is None or call.place is None or not same:
            return None
        inside = {n for n in self.observation.backward if call in self.chain(n)}
        steps = sorted(inside, key=self.repairs.position.__getitem__)
        given = (p for n in steps for p in n.inputs if isinstance(p, Node) and p not in inside)
        for old in dict.fromkeys(given):
            name = self.given_as(old, call)
            if name is None:
                continue
            only = frozenset(u for u in self.repairs.users.get(old, ()) if u in inside)
            for new in self._values_like(old, steps[0]):
                changes = [{old: d.values[new]} for d in self.draws]
                outcome = self.repairs.attempt(changes, scale=False, only=only)
                if outcome is not None and outcome.mended == set(self.repairs.wrong):
                    return self.told(call.place, suspect.node, name, self.observation.name_of(new))
        return None

    def given_as(self, node: Node, call: Call) -> str | None:
        """The argument of a call that is a value; None if none is."""
        names = call.parent.names.get(node, []) if call.parent is not None else []
        operands = call.place.operands if call.place is not None else ()
        return next((n for n in (*names, self.observation.name_of(node)) if n in operands), None)

    def _values_like(self, old: Node, first: Node) -> Iterator[Node]:
        """What else could have been given: values of the forward pass, and right derivatives."""
        value = self.draws[0].values[old]
        earlier = self.observation.backward[: self.repairs.position[first]]
        before = {n for n in earlier if self.labels.is_right(n)} | self.observation.forward
        for node in (*self.observation.params.values(), *self.observation.nodes):
            other = self.draws[0].values.get(node)
            if node is old or node not in before or getattr(other, "dtype", None) != np.float64:
                continue
            if other is not None and np.shape(other) == np.shape(value):
                yield node

    def told(self, place: Place, node: Node, old: str, new: str) -> Argument:
        """A call of the function that a step is in, in words, with the name that belongs there."""
        text = f"`{place.expression}` is given {old}, where {new} belongs"
        code, line = place.expression, place.source_line.strip()
        mended = re.sub(rf"(?<![\w.]){re.escape(old)}(?!\w)", lambda _: new, code)
        correction = line.replace(code, mended) if code in line else ""
        calls = self.calls.get(node)
        here = next((n for n, c in self.calls.items() if calls and c is calls.parent), None)
        known = here is not None and is_known(correction, here)
        return Argument(of_place(place), text, correction if known else "")


def unreturned(observation: Observation, draw: Draw, names: Iterable[str]) -> Suspect | None:
    """For gradients that are missing: the step that computes one of them all the same.

    If none does, it is the first that uses the derivative that the gradient is to be computed from.
    """
    absent = [name for name in names if not isinstance(observation.grads[name], Node)]
    for name in absent:
        truth = draw.gradient(observation, name)
        label = Label("cotangent", observation.params[name])
        for node in reversed(observation.nodes):
            if node not in observation.forward and same(draw.values.get(node, node.value), truth):
                return Suspect(node, (node,), "missing", label, computes=label, wrong=tuple(absent))
    for name in absent:
        param = observation.params[name]
        above = [c for c, i in draw.contributions if c.inputs[i] is param and c in draw.cotangents]
        for node in observation.backward:
            parents = [p for p in node.inputs if isinstance(p, Node) and p in draw.values]
            if any(same(draw.values[p], draw.cotangents[c]) for p in parents for c in above):
                label = Label("cotangent", param)
                return Suspect(node, (node,), "missing", label, wrong=tuple(absent))
    return None


def _steps(label: Label) -> set[object]:
    """The steps of the forward pass through which a derivative comes."""
    uses = (label.use, *label.others) if label.use is not None else ()
    return {instruction(consumer) for consumer, _ in uses}


def _site(call: Call) -> tuple[int, int]:
    return (id(call.parent.code) if call.parent is not None else 0, call.site)


def _renamings(code: CodeType, names: Iterable[str]) -> Iterator[tuple[str, Spot]]:
    """The statements of a function that give one of these names another one."""
    known = set(names)
    lines = linecache.getlines(code.co_filename)
    function = _function(lines, code) if known else None
    for statement in ast.walk(function) if function is not None else ():
        if not isinstance(statement, (ast.Assign, ast.AnnAssign)):
            continue
        value = statement.value
        if not isinstance(value, ast.Name) or value.id not in known:
            continue
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        line, end = statement.lineno, statement.end_col_offset or 0
        spot = Spot(code.co_filename, line, ast.unparse(statement), (statement.col_offset, end))
        yield from ((ast.unparse(t), spot) for t in targets)


def entry_of(code: CodeType, name: str) -> Spot | None:
    """The statement of a function that gives a dict an entry of this name, or writes one."""
    function = _function(linecache.getlines(code.co_filename), code)
    for statement in ast.walk(function) if function is not None else ():
        keys: list[ast.expr | None] = []
        if isinstance(statement, (ast.Assign, ast.Return, ast.AnnAssign)):
            inner = [n for n in ast.walk(statement) if isinstance(n, (ast.Dict, ast.Call))]
            keys += [k for n in inner if isinstance(n, ast.Dict) for k in n.keys]
            given = [k.arg for n in inner if isinstance(n, ast.Call) for k in n.keywords]
            targets = statement.targets if isinstance(statement, ast.Assign) else []
            keys += [t.slice for t in targets if isinstance(t, ast.Subscript)]
            named = any(isinstance(k, ast.Constant) and k.value == name for k in keys)
            if named or name in given:
                text = linecache.getline(code.co_filename, statement.lineno).strip()
                return Spot(code.co_filename, statement.lineno, text)
    return None


def _returned_names(code: CodeType) -> set[str]:
    """The names that a function's return statements mention."""
    function = _function(linecache.getlines(code.co_filename), code)
    found = ast.walk(function) if function is not None else ()
    returned = [n.value for n in found if isinstance(n, ast.Return) and n.value is not None]
    return {n.id for value in returned for n in ast.walk(value) if isinstance(n, ast.Name)}


def _function(lines: list[str], code: CodeType) -> ast.AST | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if first == code.co_firstlineno:
                return node
    return None
