"""From a step that mends the gradients, when it is changed, to the one that a person would change.

Several steps in a row may mend alike: a term can be added before or after a division, a sum can be
divided where it is taken or where it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ....node import Node
from ..observing.calls import Call
from ..observing.observe import ancestors, where
from ..suspect import Suspect
from .blame import Blame, Spot, of_place
from .matching import instruction, nice
from .repair import ratio_of

_SUMS = (np.sum, np.add.reduce)
#: So many steps apart a sum and its use may be.
_NEAR = 6


def unscaled(blame: Blame, suspect: Suspect) -> Suspect:
    """A suspect after which a term is missing, before the divisions that the term goes through."""
    node, label = suspect.node, suspect.expected
    if suspect.kind != "missing" or label is None or len(suspect.nodes) > 1:
        return suspect
    found = before_scaling(blame, node, suspect)
    if found is node:
        return suspect
    ratio = ratio_of(blame.draws[0].values[node], blame.draws[0].values[found])
    if ratio is None:
        return suspect
    expected = replace(label, factor=nice(label.factor / ratio))
    computes = blame.labels.found.get(found)
    return replace(suspect, node=found, nodes=(found,), expected=expected, computes=computes)


def before_scaling(blame: Blame, node: Node, suspect: Suspect) -> Node:
    """The step after which a term is missing: before a division that the term goes through, too.

    ``dW /= N`` at the end is right for a term of the loss that is divided by N as well.
    """
    found = node
    while suspect.factor is None:  # or else it is a factor that is missing
        scaled = _scaled(found)
        if scaled is None or scaled not in blame.repairs.position or not _in_place(found):
            return found
        ratio = ratio_of(blame.draws[0].values[found], blame.draws[0].values[scaled])
        if ratio is None or not any(abs(f / ratio - 1) < 1e-9 for f in _through(blame, suspect)):
            return found
        found = scaled
    return found


def _scaled(node: Node) -> Node | None:
    """What a step multiplies or divides by a number."""
    if node.function not in (np.multiply, np.divide, np.true_divide):
        return None
    size = np.size(node.value)
    shapes = [(i, p) for i, p in enumerate(node.inputs) if isinstance(p, Node)]
    shapes = [(i, p) for i, p in shapes if np.size(p.value) == size]
    whole = len(shapes) == 1 and (node.function is np.multiply or shapes[0][0] == 0)
    return shapes[0][1] if whole and size > 1 else None


def _in_place(node: Node) -> bool:
    """Whether a line gives what it divides its name again: ``dW /= N``, ``dW = dW / N``."""
    place = where(node)
    line = place.source_line if place is not None else ""
    found = re.match(r"\s*(\S.*?)\s*([-+*/]?=)(?!=)\s*(.*)", line)
    return found is not None and (found[2] != "=" or found[3].startswith(f"{found[1]} "))


def _through(blame: Blame, suspect: Suspect) -> Iterator[float]:
    """The numbers by which the loss divides, or multiplies, what the suspect leaves out."""
    label, computed = suspect.expected, suspect.computes
    if label is None:
        return
    draw, seen = blame.draws[0], blame.observation
    known = {instruction(c) for c, _ in (computed.use, *computed.others) if c is not None} \
        if computed is not None and computed.use is not None else set()  # fmt: skip
    uses = (c for c, i in draw.contributions if c.inputs[i] is label.node)
    lost = [c for c in uses if instruction(c) not in known]
    below = set(lost)
    for node in seen.nodes:
        if node in seen.forward and any(p in below for p in node.inputs):
            below.add(node)
            if node.function in (np.multiply, np.divide, np.true_divide):
                parts = [p for p in node.inputs if isinstance(p, Node) and p.requires_grad]
                ratio = ratio_of(draw.values[node], draw.values[parts[0]]) if parts else None
                if len(parts) == 1 and ratio is not None:
                    yield ratio


def of_sum(blame: Blame, node: Node) -> Node | None:
    """The sum that should be a mean, where what was computed from it is too large."""
    level, seen = [node], {node}
    for _ in range(_NEAR):
        level = [
            p for n in level for p in n.inputs if p in blame.repairs.position and p not in seen
        ]
        seen.update(level)
        for found in level:
            if found.function not in _SUMS or not isinstance(found.inputs[0], Node):
                continue
            count = np.size(found.inputs[0].value) / max(np.size(found.value), 1)
            executed = [
                n
                for n in blame.repairs.position
                if n.function is found.function and instruction(n) == instruction(found)
            ]
            changes = [{n: d.values[n] / count for n in executed} for d in blame.draws]
            outcome = blame.repairs.attempt(changes, scale=False) if count > 1 else None
            if outcome is not None and outcome.mended == set(blame.repairs.wrong):
                return found
    return None


def of_helper(blame: Blame, node: Node, whole: bool = True) -> Spot | None:
    """The call of a helper that is right: of forward values it makes what it is there for.

    Args:
        blame: of the run.
        node: a step in the helper.
        whole: whether what the helper makes must be known exactly; else it may be a multiple of
            the derivative with respect to one of its arguments.
    """
    call = blame.calls.get(node)
    if call is None or call.parent is None or call.place is None:
        return None
    inside = [n for n, c in blame.calls.items() if call in c.chain()]
    seen = blame.observation
    if any(n in seen.forward or not _is_by_entry(n) for n in inside):
        return None
    entering = {p for n in inside for p in n.inputs if isinstance(p, Node)} - set(inside)
    given = set(call.names) - set(inside)  # what it does not use, too
    if not all(blame.is_forward(p) for p in entering | given):
        return None
    returned = _returned(blame, inside, node)
    label = blame.labels.found.get(returned) if returned is not None else None
    used_forward = any(instruction(n) == instruction(node) for n in seen.forward)
    known = label is not None and label.is_exact and label.kind in ("local", "cotangent")
    derivative = returned is not None and _is_derivative(blame, returned, entering)
    if used_forward or (known if whole else derivative):
        return of_place(call.place)
    return None


def _is_derivative(blame: Blame, node: Node, of: Iterable[Node]) -> bool:
    """Whether a value is a multiple of the derivative of the loss with respect to one of others."""
    draw = blame.draws[0]
    known = [draw.cotangents[p] for p in of if p in draw.cotangents]
    return any(ratio_of(draw.values[node], g) is not None for g in known)


def _is_by_entry(node: Node) -> bool:
    return isinstance(node.function, np.ufunc) and node.function is not np.matmul


def _returned(blame: Blame, inside: Iterable[Node], node: Node) -> Node | None:
    """What of a call is used outside it, and comes of a step."""
    own = set(inside)
    for n in own:
        users = blame.repairs.users.get(n, ())
        if any(u not in own for u in users) and node in ancestors([n]):
            return n
    return None


def beside(suspect: Suspect, node: Node) -> Node:
    """For a gradient that is not returned: the step of another one, beside which it belongs."""
    first = suspect.node
    used = suspect.kind == "missing" and not suspect.repairs and node in first.inputs
    return first if used and first.code is node.code else node


def last_change(blame: Blame, node: Node) -> Node | None:
    """The last of the steps that go on changing a value, after which a factor is missing.

    ``ds = ...; ds[rows, y] -= ds.sum(axis=1)``: a division belongs after the second.
    """
    call, after = blame.calls.get(node), blame.repairs.after([node])
    after = [n for n in after if blame.calls.get(n) is call]
    line = _line(node)
    name = next(
        (p.name for n in (node, *after) if (p := where(n)) and p.line == line and p.name), ""
    )
    if not name:
        return None
    found = None
    for user in after:
        at = where(user)
        if at is None or at.line == line:
            continue
        if getattr(user.function, "__name__", "") != "setitem" or not _changes(at.expression, name):
            continue
        outcome = blame.repairs.attempt([{user: d.values[user]} for d in blame.draws])
        if outcome is not None and outcome.mended == set(blame.repairs.wrong):
            found = user
    return found


def divided(node: Node, step: Any) -> str:
    """The statement that divides what a step has changed, ``ds`` of ``ds[rows, y] -= 1``."""
    place = where(node)
    name = re.match(r"\s*([A-Za-z_]\w*)\[", place.source_line) if place is not None else None
    return f"{name[1]} = {name[1]} / {step[1]}" if name and step and step[0] == "/" else ""


def _line(node: Node) -> int:
    place = where(node)
    return place.line if place is not None else 0


def _changes(expression: str, name: str) -> bool:
    return expression.startswith(f"{name}[")


def outer_calls(call: Call | None) -> Iterator[Call]:
    """A call and those around it, but for the audited function itself."""
    while call is not None and call.parent is not None:
        yield call
        call = call.parent


def executions(blame: Blame, node: Node, suspect: Suspect) -> tuple[Node, ...]:
    """The executions of a step that are mended, where the suspect's are: in the same calls."""
    calls = {blame.calls.get(n) for n in suspect.nodes}
    key = instruction(node)
    found = [n for n in blame.repairs.position if instruction(n) == key]
    found = [n for n in found if n.function is node.function and blame.calls.get(n) in calls]
    return tuple(found) if node in found else (node,)


def of_slope(blame: Blame, node: Node) -> Node | None:
    """The wrong value, made of forward ones alone on another line, that a step takes.

    ``sp = sigmoid_prime(a); delta = da * sp``: it is the first line that is wrong.
    """
    position, labels = blame.repairs.position, blame.labels.found
    derivatives = ("cotangent", "contribution")
    for given in node.inputs if node.function is np.multiply else ():
        if not isinstance(given, Node) or given not in position or given in labels:
            continue
        above = [n for n in ancestors([given]) if n in position and n in labels]
        alone = blame.repairs.users.get(given) == [node] and _line(given) != _line(node)
        if alone and not any(labels[n].kind in derivatives for n in above):
            return given
    return None


def in_calls_of(blame: Blame, made: Node, node: Node) -> Spot | None:
    """The call, in the function that a step is in, that another value was made in."""
    own = blame.calls.get(node)
    call = next((c for c in blame.chain(made) if c.parent is own and own is not None), None)
    place = call.place if call is not None else None
    return of_place(place) if place is not None else None


def is_step_of_values(step: Any) -> bool:
    """Whether a step that is missing multiplies by a derivative, not by a number."""
    return step is not None and step[0] == "*" and not step[1].lstrip("( ").startswith("1")
