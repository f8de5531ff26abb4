"""Which operations are written as changes in place: ``dscores[np.arange(5), y] -= 1``.

A change in place is right where nobody looks at the old value any more, and where its memory is
nobody else's.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ...graph import Graph
from ...graph.graph import count_uses
from ...node import Node
from ...rules.indexing import getitem, scatter_add, setitem
from ...rules.registry import RULES
from ..code import OPERATORS
from ..naming import NUMBERED

#: The functions that Python has as an assignment with an operator.
AUGMENTED: dict[Any, str] = {
    function: f"{OPERATORS[function][0]}="
    for function in (
        np.add, np.subtract, np.multiply, np.divide, np.floor_divide, np.remainder, np.power
    )
}  # fmt: skip


def is_basic(parent: Any, value: Any) -> bool:
    """Whether an index picks a view: numbers, slices, None and the ellipsis do."""
    if isinstance(value, np.ndarray) or getattr(value, "dtype", None) == np.bool_:
        return False
    return not isinstance(value, bool)


def views(node: Node) -> Node | None:
    """The node whose memory ``node`` may share; None if it has memory of its own."""
    rule = RULES.get(node.function) if node.function is not None else None
    if rule is None or not rule.view or not isinstance(node.inputs[0], Node):
        return None
    if node.function is getitem and not all(
        map(is_basic, node.inputs[1:], node.arguments[1:])
    ):  # fmt: skip
        return None
    return node.inputs[0]


def memory(node: Node) -> Node:
    """The node in whose memory the value may lie."""
    while (base := views(node)) is not None:
        node = base
    return node


class InPlace:
    """The plan of one graph.

    Attributes:
        next: for a node that is changed in place, the node that is made of it.
        before: the other way round: what such a node is made of.
        absorbed: nodes that are part of a statement ``x[i] -= v`` and of no other.
        augmented: for a setitem, the arithmetic that the statement does: the node ``x[i] - v``.
        kept: nodes whose memory is looked at from outside, or in the end, and is never changed.
        uses, readers: in how many places each node is used, and by which operations.
    """

    def __init__(self, graph: Graph, phase: dict[Node, int], kept: set[Node]) -> None:
        self.graph = graph
        self.phase = phase
        self.kept = {*kept, *graph.outputs, *graph.inputs, *graph.captured}
        self.uses = count_uses(graph)
        self.readers: dict[Node, list[Node]] = {}
        for node in graph.nodes:
            for parent in node.inputs:
                if isinstance(parent, Node):
                    self.readers.setdefault(parent, []).append(node)
        self.next: dict[Node, Node] = {}
        self.before: dict[Node, Node] = {}
        self.absorbed: set[Node] = set()
        self.augmented: dict[Node, Node] = {}
        for node in graph.nodes:
            if node.function is setitem:
                self.plan_setitem(node)
            elif node.function in AUGMENTED:
                self.plan_arithmetic(node)
        self._last: dict[Node, Node] = {}
        for node in reversed(graph.nodes):
            after = self.next.get(node, node)
            self._last[node] = self._last.get(after, after)

    def plan_setitem(self, node: Node) -> None:
        """Entries are replaced in the memory of ``x`` if nothing looks at it afterwards."""
        x, readers = node.inputs[0], 1
        arithmetic = self.arithmetic_of(node)
        if arithmetic is not None:
            self.augmented[node] = arithmetic
            self.absorbed |= {arithmetic, arithmetic.inputs[0]}
            readers = 2
        if not isinstance(x, Node) or not self.is_own(x, node):
            return
        own = {node, *((arithmetic, arithmetic.inputs[0]) if arithmetic is not None else ())}
        others = [reader for reader in self.readers[x] if reader not in own]
        if self.uses[x] == readers + len(others) and all(self.is_for(r, own) for r in others):
            self.chain(x, node)

    def is_for(self, reader: Node, statement: set[Node]) -> bool:
        """Whether a node is computed for nothing but a statement: then it is computed before."""
        while reader not in statement:
            if self.uses[reader] != 1 or reader in self.kept:
                return False
            (reader,) = self.readers[reader]
        return True

    def arithmetic_of(self, node: Node) -> Node | None:
        """The node ``x[i] - v`` of ``x[i] = x[i] - v``, if nothing else needs it."""
        value, x = node.inputs[1], node.inputs[0]
        if not isinstance(value, Node) or value.function not in AUGMENTED:
            return None
        picked = value.inputs[0]
        if not isinstance(picked, Node) or picked.function is not getitem or x is None:
            return None
        passing = self.uses[value] == self.uses[picked] == 1 and not {value, picked} & self.kept
        same_place = picked.inputs[0] is x and _same_index(node, picked)
        same_type = value.value.dtype == node.value.dtype
        same_shape = value.value.shape == picked.value.shape and value.inputs[1] is not picked
        return value if passing and same_place and same_type and same_shape else None

    def plan_arithmetic(self, node: Node) -> None:
        """Arithmetic is in place on what was changed in place, and where the user's name stays."""
        x = node.inputs[0]
        if not isinstance(x, Node) or self.uses[x] != 1 or not self.is_own(x, node):
            return
        if x.value.dtype != node.value.dtype or x.value.shape != node.value.shape:
            return
        again = self.is_same_variable(x, node)
        written = x.function in (setitem, scatter_add) or x in self.before
        if again or (written and x.value.ndim):
            self.chain(x, node)

    def is_same_variable(self, x: Node, node: Node) -> bool:
        """Whether the user assigns both to one variable, whose values are numbered: h, h_2, h_3."""
        before, after = (self.graph.names.get(n, "t0") for n in (x, node))
        numbered = re.fullmatch(r"(.+)_\d+", after)
        same = numbered is not None and numbered[1] == re.sub(r"_\d+$", "", before)
        return same and not NUMBERED.fullmatch(before)

    def is_own(self, x: Node, node: Node) -> bool:
        """Whether ``x`` has memory of its own, which only ``node`` looks at."""
        return (
            x not in self.kept
            and x.function is not None
            and views(x) is None
            and isinstance(x.value, (np.ndarray, np.generic))  # a number gets the name anew
            and self.phase[x] == self.phase[node]
        )

    def chain(self, x: Node, node: Node) -> None:
        """Let ``node`` be made of ``x`` in place."""
        self.next[x] = node
        self.before[node] = x

    def last(self, node: Node) -> Node:
        """What has become of ``node`` after all changes in place."""
        return self._last.get(node, node)


def _same_index(node: Node, picked: Node) -> bool:
    """Whether ``setitem(x, value, *index)`` and ``getitem(x, *index)`` mean the same entries."""
    if len(node.inputs) - 2 != len(picked.inputs) - 1:
        return False
    pairs = zip(node.inputs[2:], picked.inputs[1:], strict=True)
    values = zip(node.arguments[2:], picked.arguments[1:], strict=True)
    return all(
        i is j if isinstance(i, Node) or isinstance(j, Node) else _same_constant(a, b)
        for (i, j), (a, b) in zip(pairs, values, strict=True)
    )


def _same_constant(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and bool(np.array_equal(a, b))
    return type(a) is type(b) and bool(a == b)
