"""A recorded run computed again with other numbers, and its derivatives.

The recording fixes what was executed: another draw of the parameters takes the same branches and
the same loops, so that every value of one draw has its counterpart in the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ....graph.graph import compute
from ....node import Node
from ....rules.indexing import getitem, setitem
from ....rules.registry import RULES, Vjp, plain
from ....walk import _unpacked, _vjps, unbroadcast

#: The part of a node's derivative that comes through one use: (consumer, argument number).
Contributions = dict[tuple[Node, int], Any]


class Values(dict[Node, Any]):
    """The value of each node: as recorded, where no other is set."""

    def __init__(
        self, nodes: Iterable[Node] = (), values: Mapping[Node, Any] | None = None
    ) -> None:
        super().__init__((n, n.value) for n in nodes)
        self.update(values or {})

    def __missing__(self, node: Node) -> Any:
        return node.value


def adjoint(
    loss: Node,
    forward: Iterable[Node],
    values: Mapping[Node, Any],
    seed: Any = None,
    change: Callable[[Any], Any] | None = None,
) -> tuple[dict[Node, Any], Contributions]:
    """The derivative of the loss with respect to every node that it was computed from.

    Args:
        loss: a node of one entry.
        forward: the operations that it was computed from, in the order of execution.
        values: of all nodes.
        seed: for a node of several entries the weight of each. Then what the user's code has made
            of constants counts as well.
        change: done to each contribution.

    Returns:
        The derivatives (cotangents), and each single contribution to them.
    """
    cotangents: dict[Node, Any] = {loss: np.ones_like(values[loss]) if seed is None else seed}
    contributions: Contributions = {}
    for node in reversed(list(forward)):
        g = cotangents.get(node)
        followed = node.requires_grad if seed is None else node.function in RULES
        if g is None or not followed:
            continue
        for i, part in _pull(node, g, values, seed is not None):
            parent = node.inputs[i]
            part = part if change is None else change(part)
            contributions[node, i] = part
            cotangents[parent] = cotangents[parent] + part if parent in cotangents else part
    return cotangents, contributions


def _pull(
    node: Node, g: Any, values: Mapping[Node, Any], constants: bool = False
) -> Iterable[tuple[int, Any]]:
    """For each argument through which a gradient flows its number and its contribution."""
    function: Any = node.function
    rule = RULES[function]
    args = tuple(
        values[parent] if isinstance(parent, Node) else given
        for parent, given in zip(node.inputs, node.arguments, strict=True)
    )
    y, keywords, given = values[node], node.keywords or {}, args
    vjps: Any = rule.vjps
    if rule.packed:
        vjps, given, keywords = _unpacked(rule, g, y, args, node.keywords), (), {}
    elif rule.special or len(vjps) < len(args):
        vjps = _vjps(rule, node)
    for i, (parent, x) in enumerate(zip(node.inputs, args, strict=True)):
        if not isinstance(parent, Node) or not (parent.requires_grad or constants):
            continue
        if constants and getattr(x, "dtype", None) != np.float64:
            continue
        vjp: Vjp | None = vjps[i]
        if vjp is None:
            continue
        part = vjp(g, y, *given, **keywords)
        yield i, unbroadcast(part, np.shape(x)) if np.shape(part) != np.shape(x) else part


def replay(nodes: Iterable[Node], values: dict[Node, Any]) -> dict[Node, Any]:
    """Compute ``nodes``, in order, from the given values, into the same dict; it is returned.

    A node that already has a value keeps it.
    """
    for node in nodes:
        if node not in values:
            function = _ALONE.get(node.function)
            if function is None or node.keywords:
                values[node] = _computed(node, values)
            else:  # most of a loop's nodes, without the care that others need
                pairs = zip(node.inputs, node.arguments, strict=True)
                values[node] = function(*[values.get(p, a) for p, a in pairs])
    return values


def _computed(node: Node, values: dict[Node, Any]) -> Any:
    """A node's value; all is float64, also what the program makes narrower."""
    value = compute(node, values)
    if getattr(value, "dtype", None) not in (np.float32, np.float16):
        return value
    source = values.get(node.inputs[0]) if node.function is np.astype else None
    wide = getattr(source, "dtype", None) == np.float64
    return np.asarray(source if wide else value, dtype=np.float64)[()]


#: Functions of arrays alone, and what computes them on plain ones.
_ALONE: dict[Any, Any] = {f: plain(f) for f in (getitem, setitem)}
_ALONE |= {f: f for f in (np.add, np.subtract, np.multiply, np.divide, np.matmul, np.dot)}
