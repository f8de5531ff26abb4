"""Strength reductions: the same value by a cheaper NumPy call, to rounding. A table, at the end.

Each was measured to pay on arrays of the sizes in benchmarks/two_layer_step.py; none changes what
NaN or infinity in the operands lead to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ...graph import Graph
from ...node import Node
from ...weak import WEAK
from .steps import Kind, Step, Words, general, same_type

#: Entries up to which BLAS's running sum in float32 is as good as NumPy's pairwise one.
_SHORT = 2**13

#: Columns up to which a reduction along rows is better done column by column.
_FEW = 12

#: Entries that NumPy handles in one go when a constant takes part: a part of the nearest cache.
_BLOCK = 4096

#: Constants from which on a number may be an integer that no dtype holds.
_HUGE = 1e30


def cheaper(graph: Graph) -> dict[Node, Step]:
    """The nodes of a graph that the table has a step for."""
    uses = Counter(p for node in graph.nodes for p in node.inputs if isinstance(p, Node))
    uses.update(graph.outputs)
    uses.update(new for _, new in graph.updates)
    found = {}
    for node in graph.nodes:
        for pattern in TABLE.get(node.function, ()):
            step = pattern(node, uses)
            if step is not None:
                found[node] = step
                break
    return found


def _sum_of_products(node: Node, uses: Counter[Node]) -> Step | None:
    """``np.sum(a * b)``: one pass and no array for the products."""
    product = node.inputs[0]
    if not isinstance(product, Node) or uses[product] > 1 or node.value.ndim:
        return None
    if (node.keywords or {}).get("keepdims") or product.keywords:
        return None
    if product.function is np.square:
        a = b = product.inputs[0]
    elif product.function is np.multiply:
        a, b = product.inputs
    else:
        return None
    if not isinstance(a, Node) or not isinstance(b, Node) or not _real(a, b, product, node):
        return None
    if not a.value.shape == b.value.shape == product.value.shape or a.value.ndim == 0:
        return None
    words = Words(node)
    texts = words.read(a), words.read(b)
    text = f"np.vdot({texts[0]}, {texts[1]})"
    if a.value.dtype.char == "f" and a.value.size > _SHORT:
        length = _block(a.value.size)
        if length < 64:
            return None
        rows = [f"{t}.reshape(-1, {length})" for t in texts]
        text = f"np.add.reduce(np.vecdot({rows[0]}, {rows[1]}))"
    return words.step(Kind.NUMBER, expression=text)


@lru_cache(1024)
def _block(size: int) -> int:
    """The length of the longest equal blocks that ``size`` entries can be cut into."""
    return next((n for n in range(min(size, _BLOCK), 0, -1) if size % n == 0), 0)


def _real(*nodes: Node) -> bool:
    """Whether the nodes are of one dtype that BLAS computes with."""
    dtypes = {None if isinstance(n.value, WEAK) else n.value.dtype for n in nodes}
    dtype = dtypes.pop()
    return not dtypes and dtype is not None and dtype.isnative and dtype.char in "fd"


def _sum_of_matrix(node: Node, uses: Counter[Node]) -> Step | None:
    """``np.sum(x, axis=0)`` as ones @ x; ``np.sum(x, axis=1)`` of short rows as x @ ones."""
    x = node.inputs[0]
    keywords = node.keywords or {}
    if not isinstance(x, Node) or not _real(x, node) or x.value.ndim != 2 or x.value.size == 0:
        return None
    if not set(keywords) <= {"axis", "keepdims"} or len(node.arguments) != 1:
        return None
    axis, (rows, columns) = keywords.get("axis"), x.value.shape
    if isinstance(axis, tuple) and len(axis) == 1:
        axis = axis[0]
    words = Words(node)
    operand = words.read(x)
    kept = keywords.get("keepdims", False)
    if axis in (0, -2):
        ones = words.constant(np.ones((1, rows) if kept else rows, x.value.dtype), "ones")
        text = f"np.dot({ones}, {operand}"
    elif axis in (1, -1) and columns <= 64:
        ones = words.constant(np.ones((columns, 1) if kept else columns, x.value.dtype), "ones")
        text = f"np.dot({operand}, {ones}"
    else:
        return None
    lines = (f"{text}, out={{out}})",)
    return words.step(Kind.INTO, expression=f"{text})", lines=lines, contiguous=True)


def _extreme_of_short_rows(node: Node, uses: Counter[Node]) -> Step | None:
    """``np.max(x, axis=1)`` of many short rows: NumPy is slow along them and fast along columns."""
    x = node.inputs[0]
    keywords = node.keywords or {}
    if not isinstance(x, Node) or isinstance(x.value, WEAK) or x.value.ndim != 2:
        return None
    rows, columns = x.value.shape
    if keywords.get("axis") not in (1, -1) or not 2 <= columns <= _FEW or rows < 64:
        return None
    step = general(node)
    if step.kind is not Kind.INTO:
        return None
    function = "np.maximum" if node.function is np.max else "np.minimum"
    lines = [f"{function}({{column0}}, {{column1}}, out={{flat}})"]
    lines += [f"{function}({{flat}}, {{column{i}}}, out={{flat}})" for i in range(2, columns)]
    prepared = {f"column{i}": f"{{0}}[:, {i}]" for i in range(columns)}
    prepared["flat"] = "{out}.reshape(-1)"
    step.fixed = Step(node, step.reads, Kind.INTO, lines=tuple(lines), prepared=prepared)
    return step


def _extreme_of_constant(node: Node, uses: Counter[Node]) -> Step | None:
    """``np.maximum(x, 0)``: slow in NumPy for a single number, fast for an array of zeros."""
    given = [p for p in node.inputs if isinstance(p, Node)]
    constants = [
        a for p, a in zip(node.inputs, node.arguments, strict=True) if not isinstance(p, Node)
    ]
    if len(given) != 1 or len(constants) != 1 or np.ndim(constants[0]) or node.keywords:
        return None
    x, value = given[0], constants[0]
    if not _real(x, node) or x.value.shape != node.value.shape or not abs(value) < _HUGE:
        return None
    length = _block(node.value.size)
    if length < 64:
        return None
    step = general(node)
    name = f"np.{node.function.__name__}"  # type: ignore[union-attr]
    words = Words(node)
    words.read(x)
    row = words.constant(np.full(length, value, x.value.dtype), "row")
    step.fixed = words.step(
        Kind.INTO,
        lines=(f"{name}({{blocks}}, {row}, out={{blocks_out}})",),
        over=step.over,
        prepared={
            "blocks": f"{{0}}.reshape(-1, {length})",
            "blocks_out": f"{{out}}.reshape(-1, {length})",
        },
    )
    return step


def _square(node: Node, uses: Counter[Node]) -> Step | None:
    """``np.power(x, 2)``: a multiplication instead of the C library's pow."""
    x, exponent = node.inputs[0], node.arguments[1]
    if not isinstance(x, Node) or isinstance(node.inputs[1], Node) or node.keywords:
        return None
    if np.ndim(exponent) or exponent != 2 or not same_type(x, node):
        return None
    words = Words(node)
    text = f"np.square({words.read(x)}"
    if node.value.ndim == 0:
        return words.step(Kind.NUMBER, expression=f"{text})")
    lines = (f"{text}, out={{out}})",)
    return words.step(Kind.INTO, expression=f"{text})", lines=lines, over=(0,))


Pattern = Callable[[Node, "Counter[Node]"], Step | None]

#: For each function the patterns to try, in order.
TABLE: dict[Any, tuple[Pattern, ...]] = {
    np.sum: (_sum_of_products, _sum_of_matrix),
    np.max: (_extreme_of_short_rows,),
    np.min: (_extreme_of_short_rows,),
    np.maximum: (_extreme_of_constant,),
    np.minimum: (_extreme_of_constant,),
    np.power: (_square,),
}
