"""Which constants of a traced program depend on the batch size, and how.

A trace holds ``reshape(x, (5, 12))`` and ``total / 5``, and nothing in it says which 5 is the batch
size. So the function is traced again with other batch sizes: what stays the same is a constant, and
what changes has to be a known function of the batch size, or is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import tree
from ...errors import ExportError, TinygradError
from ...graph import Graph, trace
from ...graph.graph import Constant
from ...node import Node, describe, where
from ...weak import plain

#: Batch sizes that are tried beside the traced one, few samples and many. A program need not run
#: with a single one (its variance), but if it does it has to be the same program.
SIZES = (1, 3, 17, 211)


INT64 = np.dtype(np.int64)


@dataclass(frozen=True)
class Sized:
    """A number that depends on the batch size N: scale * N + offset, or one over that."""

    scale: Any
    offset: Any
    inverse: bool = False
    dtype: np.dtype[Any] = INT64

    @staticmethod
    def of(x: Any) -> Sized:
        """An integer that may depend on the batch size."""
        return x if isinstance(x, Sized) else Sized(0, x)


@dataclass(frozen=True)
class Filled:
    """An array whose entries are all the same, of a shape that depends on the batch size."""

    value: Any
    shape: tuple[Any, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class Ramp:
    """An array ``start + step * i``, i counting along an axis whose length depends on the batch.

    Attributes:
        start: the first entries along the axis, which has length 1 here.
        step: by how much they grow, of the same shape; None if not at all.
        axis: where i counts.
        shape: the array's shape.
        dtype: its dtype.
    """

    start: Any
    step: Any
    axis: int
    shape: tuple[Any, ...]
    dtype: np.dtype[Any]


class UnexplainedError(Exception):
    """A constant changes with the batch size in a way that is none of the known ones."""


class Batch:
    """A graph whose constants and shapes are known for any batch size.

    Attributes:
        name: what the batch size is called in the model.
        inputs: those of the graph whose first axis is the batch; none if its size is fixed.
    """

    def __init__(self, graph: Graph, inputs: Sequence[Node] = (), name: str = "N") -> None:
        self.name = name
        self.inputs = tuple(inputs)
        self.graph = graph
        self.sizes = [0]
        self.graphs = [graph]
        if not inputs:
            return
        self.sizes, self.graphs = _traced_again(graph, self.inputs)
        self._same = {
            node: list(nodes)
            for node, *nodes in zip(*(g.everything for g in self.graphs), strict=True)
        }

    def argument(self, node: Node, i: int) -> Any:
        """A constant argument: what it is in every trace, or a function of the batch size."""
        return self._explained(node, [n.arguments[i] for n in self._versions(node)])

    def keywords(self, node: Node) -> dict[str, Any]:
        """A node's keywords."""
        given = [n.keywords or {} for n in self._versions(node)]
        return {key: self._explained(node, [k[key] for k in given]) for key in given[0]}

    def captured(self, node: Node) -> Any:
        """The value of a captured node."""
        return self._explained(node, [n.value for n in self._versions(node)])

    def shape(self, node: Node) -> tuple[Any, ...]:
        """The lengths of a node's axes: an int, a :class:`Sized`, or None if it is neither."""
        lengths = zip(*(n.value.shape for n in self._versions(node)), strict=True)
        return tuple(self._length(each) for each in lengths)

    def _length(self, lengths: Any) -> Any:
        try:
            return explain(list(lengths), self.sizes)
        except UnexplainedError:
            return None

    def _versions(self, node: Node) -> list[Node]:
        return [node, *self._same[node]] if self.inputs else [node]

    def _explained(self, node: Node, values: list[Any]) -> Any:
        try:
            return explain(values, self.sizes)
        except UnexplainedError:
            raise ExportError(
                f"{describe(node)} holds a constant that depends on the batch size, in a way that "
                "cannot be exported\n"
                f"  with {_listed(self.sizes)} samples it is {', '.join(map(_short, values))}\n"
                "  compute it from the inputs, or pass it as an input\n"
                f"{where(node)}"
            ) from None


def _listed(sizes: Sequence[int]) -> str:
    return ", ".join(map(str, sizes))


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    text = repr(plain(value))
    return text if len(text) < 40 else f"{text[:37]}..."


# --- tracing again --------------------------------------------------------------------------------


def _traced_again(graph: Graph, batch: tuple[Node, ...]) -> tuple[list[int], list[Graph]]:
    """The graph with several batch sizes, its own first: the same program every time."""
    sizes, graphs = [batch[0].value.shape[0]], [graph]
    for n in SIZES:
        if n == sizes[0]:
            continue
        try:
            other = _traced_with(graph, batch, n)
        except (TinygradError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            if n == 1:
                continue
            raise ExportError(
                f"{graph.name} does not run with a batch of {n}, so its batch size cannot be left "
                f"open\n  {type(error).__name__}: {error}"
            ) from error
        _compare(graph, other, n)
        sizes.append(n)
        graphs.append(other)
    return sizes, graphs


def _traced_with(graph: Graph, batch: tuple[Node, ...], size: int) -> Graph:
    """The graph of the same function with a batch of ``size``: the samples are repeated."""
    slots = tree.leaves(graph.arguments)
    values = [
        slot.value if isinstance(slot, Constant) else _resized(graph.inputs[slot], batch, size)
        for slot in slots
    ]
    with np.errstate(all="ignore"):
        return trace(graph.function, *tree.fill(graph.arguments, iter(values)))


def _resized(node: Node, batch: tuple[Node, ...], size: int) -> Any:
    value = plain(node.value)
    if node not in batch:
        return value.copy() if isinstance(value, np.ndarray) else value
    return value[np.arange(size) % value.shape[0]]


def _compare(graph: Graph, other: Graph, size: int) -> None:
    """Raise unless both graphs are the same program, but for shapes and constants."""
    if len(graph.captured) != len(other.captured):
        raise ExportError(
            f"with a batch of {size} {graph.name} uses other arrays than its inputs, so its batch "
            "size cannot be left open"
        )
    for a, b in zip(graph.nodes, other.nodes, strict=False):
        if not _alike(graph, a, other, b):
            raise ExportError(
                f"with a batch of {size} {graph.name} is another program, so its batch size cannot "
                f"be left open: it differs at {describe(a)}\n{where(a)}"
            )
    ends = [[g.index[node] for node in g.outputs] for g in (graph, other)]
    captured = all(map(_same_type, graph.captured, other.captured))
    if len(graph.nodes) != len(other.nodes) or ends[0] != ends[1] or not captured:
        raise ExportError(
            f"{graph.name} has {len(graph.nodes)} operations, and {len(other.nodes)} with a batch "
            f"of {size}: its batch size cannot be left open"
        )


def _alike(graph: Graph, a: Node, other: Graph, b: Node) -> bool:
    places = [
        [g.index[i] if isinstance(i, Node) else None for i in node.inputs]
        for g, node in ((graph, a), (other, b))
    ]
    return (
        a.function is b.function
        and places[0] == places[1]
        and (a.keywords or {}).keys() == (b.keywords or {}).keys()
        and _same_type(a, b)
    )


def _same_type(a: Node, b: Node) -> bool:
    return bool(a.value.ndim == b.value.ndim and a.value.dtype == b.value.dtype)


# --- explaining -----------------------------------------------------------------------------------


def explain(values: list[Any], sizes: Sequence[int]) -> Any:
    """What a constant is for any batch size, from its values with batches of ``sizes``.

    Returns:
        The value itself if it is always the same, or a :class:`Sized`, :class:`Filled` or
        :class:`Ramp`, or a tuple, list or slice that holds such numbers.

    Raises:
        UnexplainedError: it is none of these.
    """
    first = values[0]
    if len(values) == 1 or all(_equal(first, v) for v in values[1:]):
        return first
    if len({type(v) for v in values}) != 1:
        raise UnexplainedError
    if isinstance(first, (tuple, list)):
        if len({len(v) for v in values}) != 1:
            raise UnexplainedError
        return type(first)(explain(list(each), sizes) for each in zip(*values, strict=True))
    if isinstance(first, slice):
        parts = ("start", "stop", "step")
        return slice(*(explain([getattr(v, p) for v in values], sizes) for p in parts))
    if isinstance(first, np.ndarray) and first.ndim:
        return _array(values, sizes)
    return _number(values, sizes)


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        if np.shape(a) != np.shape(b) or np.asarray(a).dtype != np.asarray(b).dtype:
            return False
        return bool(np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f"))
    if isinstance(a, (tuple, list)):
        same = type(a) is type(b) and len(a) == len(b)
        return same and all(map(_equal, a, b))
    return type(a) is type(b) and bool(a == b or (a != a and b != b))


def _number(values: list[Any], sizes: Sequence[int]) -> Sized:
    """A number as a linear function of the batch size, or one over such a function."""
    dtype = np.asarray(plain(values[0])).dtype
    if dtype.kind in "iu":
        line = _line([int(v) for v in values], sizes)
        if line is not None:
            return Sized(*line, dtype=dtype)
    elif dtype.kind == "f":
        numbers = [float(v) for v in values]
        line = _line(numbers, sizes, dtype)
        if line is not None:
            return Sized(*line, dtype=dtype)
        if all(numbers):
            line = _line([1 / v for v in numbers], sizes, dtype)
            if line is not None:
                return Sized(*line, inverse=True, dtype=dtype)
    raise UnexplainedError


def _line(values: list[Any], sizes: Sequence[int], dtype: Any = None) -> tuple[Any, Any] | None:
    """``(scale, offset)`` of the line through all points; None if there is none."""
    near, far = (sizes.index(n) for n in (min(sizes), max(sizes)))
    rise, run = values[far] - values[near], sizes[far] - sizes[near]
    if dtype is None:
        scale, rest = divmod(rise, run)
        offset = values[near] - scale * sizes[near]
        fits = not rest and all(scale * n + offset == v for n, v in zip(sizes, values, strict=True))
        return (scale, offset) if fits else None
    tolerance = 8 * float(np.finfo(dtype).eps)
    scale = _rounded(rise / run, tolerance)
    offset = _rounded(values[near] - scale * sizes[near], tolerance * abs(values[near]))
    fits = all(
        abs(scale * n + offset - v) <= tolerance * abs(v)
        for n, v in zip(sizes, values, strict=True)
    )
    return (scale, offset) if fits else None


def _rounded(x: float, tolerance: float) -> float:
    """``x`` without the last digits, if they can only be rounding errors."""
    near = float(round(x * 840)) / 840  # a multiple of 1/2, 1/3, ... 1/8
    return near if abs(near - x) <= tolerance * max(1.0, abs(x)) else x


def _array(values: list[Any], sizes: Sequence[int]) -> Any:
    """Arrays that are filled with one number, or of which each row grows by the same steps."""
    first = values[0]
    same = len({v.dtype for v in values}) == 1 and len({v.ndim for v in values}) == 1
    if not same or first.dtype.kind not in "biuf":
        raise UnexplainedError
    lengths = list(zip(*(v.shape for v in values), strict=True))
    shape = tuple(explain(list(each), sizes) for each in lengths)
    longer = [i for i, n in enumerate(shape) if isinstance(n, Sized)]
    if len(longer) == 1:
        ramp = _ramp(values, longer[0], shape)
        if ramp is not None:
            return ramp
    if all(v.size and (v == v.flat[0]).all() for v in values):
        return Filled(explain([v.flat[0] for v in values], sizes), shape, first.dtype)
    raise UnexplainedError


def _ramp(values: list[Any], axis: int, shape: tuple[Any, ...]) -> Ramp | None:
    """Arrays that start the same and go on by the same steps along an axis; None for others."""
    longest = max(values, key=lambda v: v.shape[axis])
    start, second = (longest.take([i], axis) for i in (0, 1))
    if all((v == start).all() for v in values):
        return Ramp(start, None, axis, shape, start.dtype)
    if start.dtype.kind == "b":
        return None
    with np.errstate(all="ignore"):
        step = second - start
        for v in values:
            column = [-1 if i == axis else 1 for i in range(v.ndim)]
            counts = np.arange(v.shape[axis]).astype(v.dtype).reshape(column)
            if not (v == start + step * counts).all():
                return None
    return Ramp(start, step, axis, shape, start.dtype)
