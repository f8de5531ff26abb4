"""Which call was given the wrong value, where the function is right for other ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ....node import Node
from ..observing.calls import Call
from ..observing.observe import ancestors
from ..observing.replay import replay
from ..suspect import listed
from .blame import Argument, Blame, Spot, entry_of, of_place
from .changes import Possible, Step
from .matching import instruction
from .repair import same


def of_loop(blame: Blame, node: Node) -> Spot | None:
    """The call that gives a wrong value to a function that was right in another round of a loop.

    It is the outermost one of which that can be said.
    """
    key, roots = instruction(node), blame.repairs.roots
    executed = [n for n in blame.repairs.position if instruction(n) == key]
    right = ancestors(roots[n] for n in blame.repairs.right)
    wrong = {blame.calls.get(n) for n in executed if n not in right}
    others: set[Call | None] = {blame.calls.get(n) for n in executed if n in right} - wrong
    call = blame.calls.get(node)
    if call is None or wrong != {call}:
        return None
    found = None
    while call.parent is not None and others and _is_given_wrong(blame, call):
        found, call = call, call.parent
        others = _around_alike(blame, found) - {call}
    place = found.place if found is not None else None
    return of_place(place) if place is not None else None


def _around_alike(blame: Blame, call: Call) -> set[Call | None]:
    """The calls that one is made in, by the same line, as often as it is."""
    every = {outer for c in set(blame.calls.values()) for outer in c.chain()}
    code = call.parent.code if call.parent is not None else None
    alike = (c.parent for c in every if c.site == call.site and c.parent is not None)
    return {parent for parent in alike if parent.code is code}


def _is_given_wrong(blame: Blame, call: Call) -> bool:
    """Whether a derivative in the place of an argument makes the wrong gradients right."""
    inside = [n for n in blame.observation.backward if call in blame.chain(n)]
    own = set(inside)
    given = (p for n in inside for p in n.inputs if isinstance(p, Node) and p not in own)
    possible = Possible(blame.observation, blame.draws, blame.labels.candidates, ())
    for old in dict.fromkeys(given):
        if blame.is_forward(old):
            continue
        only = frozenset(u for u in blame.repairs.users.get(old, ()) if u in own)
        for label, changes in possible.single(old):
            if label.kind not in ("cotangent", "contribution") or label.transposed:
                continue
            outcome = blame.repairs.attempt(changes, only=only)
            if outcome is not None and outcome.mended == set(blame.repairs.wrong):
                return True
    return False


def of_unused(blame: Blame, nodes: Sequence[Node]) -> Argument | None:
    """The call that is given a value where one that was made of it, and is not used, belongs."""
    values = _with_unused(blame, blame.draws[0].values)
    possible = Possible(blame.observation, blame.draws, blame.labels.candidates, ())
    for group in _calls_given(blame, nodes) if values is not None else ():
        parents = [call.parent for call, _ in group]
        unused = list(_unused_in(blame, parents))
        olds = tuple(dict.fromkeys(old for _, old in group))
        if not unused or len(olds) < len(group):
            continue
        calls = {call for call, _ in group}
        users = [u for old in olds for u in blame.repairs.users.get(old, ())]
        only = frozenset(u for u in users if calls & set(blame.chain(u)))
        for label, changes in possible.of(Step(olds, olds)):
            if label.kind not in ("cotangent", "contribution") or label.transposed:
                continue
            fitting = (m for m in unused if same(values[m[0]], changes[0][olds[0]]))  # type: ignore[index]
            made = next(fitting, None)
            if made is None:
                continue
            outcome = blame.repairs.attempt(changes, scale=False, only=only)
            if outcome is not None and outcome.mended == set(blame.repairs.wrong):
                return _named(blame, *group[0], made[0])
    return None


def _named(blame: Blame, call: Call, old: Node, new: Node) -> Argument | None:
    """A call that is given one value where another belongs, in words; None without their names."""
    names = call.parent.names.get(new, []) if call.parent is not None else []
    name = blame.given_as(old, call)
    if call.place is None or name is None or not names:
        return None
    inner = next(n for n in blame.observation.backward if blame.calls.get(n) is call)
    return blame.told(call.place, inner, name, names[0])


def _calls_given(blame: Blame, nodes: Sequence[Node]) -> Iterator[list[tuple[Call, Node]]]:
    """The calls that values are given to, those of one site together, each with its value."""
    groups: dict[Any, list[tuple[Call, Node]]] = {}
    for node in nodes:
        made_in = set(blame.chain(node))
        for user in blame.repairs.users.get(node, ()):
            for call in blame.chain(user):
                if call.parent is None or call in made_in:
                    continue
                group = groups.setdefault((call.parent.code, call.site), [])
                if (call, node) not in group:
                    group.append((call, node))
    yield from groups.values()


def _unused_in(blame: Blame, parents: Sequence[Call | None]) -> Iterator[list[Node]]:
    """For each step in calls whose value has a name there and is not used: its values, in order."""
    seen, position = blame.observation, blame.repairs.position
    found: dict[Any, dict[Call, Node]] = {}
    for node in seen.nodes:
        if node in seen.forward or node in position:
            continue
        for call in blame.chain(node):
            if call in parents and node in call.names:
                found.setdefault(instruction(node), {})[call] = node
    for made in found.values():
        if all(p in made for p in parents if p is not None):
            yield [made[p] for p in parents if p is not None]


def _with_unused(blame: Blame, values: dict[Node, Any]) -> dict[Node, Any] | None:
    """The values of a draw, with those that no gradient needs."""
    seen: Iterable[Node] = blame.observation.nodes
    try:
        with np.errstate(all="ignore"):
            return replay((n for n in seen if n not in blame.observation.forward), dict(values))
    except (ArithmeticError, ValueError, TypeError, IndexError):
        return None


def of_swapped(blame: Blame) -> Argument | None:
    """The line that returns right gradients under one another's names."""
    repairs, draws = blame.repairs, blame.draws
    names = [n for n in repairs.wrong if repairs.roots[n] in draws[0].values]
    taken = {
        name: other
        for name in names
        for other in names
        if other != name and _is_gradient(blame, name, other)
    }
    if len(names) < 2 or sorted(taken.values()) != sorted(repairs.wrong):
        return None
    codes = dict.fromkeys(c.code for call in set(blame.calls.values()) for c in call.chain())
    spot = next((s for code in codes if (s := entry_of(code, names[0])) is not None), None)
    if spot is None:
        return None
    pairs = [f"that of {taken[n]} is returned as that of {n}" for n in names]
    return Argument(spot, f"the gradients of {listed(names)} are swapped: {listed(pairs)}", "")


def _is_gradient(blame: Blame, name: str, of: str) -> bool:
    """Whether what is returned as one parameter's gradient is that of another one."""
    root, truths = blame.repairs.roots[name], blame.repairs.truth
    pairs = zip(blame.draws, truths, strict=True)
    return all(same(d.values.get(root), truth[of]) for d, truth in pairs)
