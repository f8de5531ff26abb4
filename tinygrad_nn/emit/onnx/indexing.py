"""Indexing in ONNX: Slice, Gather and GatherND for picking, ScatterND for writing.

Where several entries are written, what ``x[index] = value`` means is left to picking itself: the
same index picks from an array that holds each entry's own place, and there the values go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...node import Node
from ...rules.indexing import getitem, scatter_add, setitem
from .batch import INT64, Filled, Ramp, Sized
from .elementwise import select
from .values import BOOL, Emitter, Value, exports

_FIRST, _LAST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@dataclass(frozen=True)
class _Integers:
    """One integer, or an array of them, in an index.

    Attributes:
        known: the integers, or how they depend on the batch size; None if they are computed.
        node: what computes them.
        dims: the lengths of their axes.
    """

    known: Any
    node: Node | None
    dims: tuple[Any, ...]

    def value(self, e: Emitter) -> Value:
        """The integers as a tensor."""
        if self.node is not None:
            return e.cast(e.values[self.node], INT64)
        return e.of_constant(self.known, INT64)


@dataclass(frozen=True)
class _Index:
    """An index as one part for each axis: a slice, integers, or None for a new axis.

    Attributes:
        parts: the parts.
        gap: how many of them come before the Ellipsis. NumPy takes index arrays on both sides of it
            for arrays that are not side by side, even where it stands for no axis.
    """

    parts: list[Any]
    gap: int


# --- reading an index -----------------------------------------------------------------------------


def _index(e: Emitter, node: Node, first: int, ndim: int) -> _Index:
    """The index that a node's arguments from ``first`` on are, into an array of ``ndim`` axes."""
    parts: list[Any] = []
    for i in range(first, len(node.arguments)):
        parent = node.inputs[i]
        if isinstance(parent, Node):
            if parent.value.dtype.kind == "b":
                raise e.error(
                    "the shape of its result depends on the values of a mask\n"
                    "  multiply by the mask, or use np.where"
                )
            parts.append(_Integers(None, parent, e.dims(parent)))
        else:
            parts += _constant_parts(e, e.batch.argument(node, i))
    axes = sum(part is not None and part is not Ellipsis for part in parts)
    if not any(part is Ellipsis for part in parts):
        parts.append(Ellipsis)
    at = next(i for i, part in enumerate(parts) if part is Ellipsis)
    return _Index([*parts[:at], *[slice(None)] * (ndim - axes), *parts[at + 1 :]], at)


def _constant_parts(e: Emitter, part: Any) -> list[Any]:
    if part is None or part is Ellipsis or isinstance(part, slice):
        return [part]
    if isinstance(part, (bool, np.bool_)):
        raise e.error("a single truth value as an index has no counterpart in ONNX")
    if isinstance(part, np.ndarray) and part.dtype.kind == "b":
        return [_Integers(where, None, where.shape) for where in np.nonzero(part)]
    if isinstance(part, (Filled, Ramp)):
        return [_Integers(part, None, part.shape)]
    return [_Integers(part, None, np.shape(part) if not isinstance(part, Sized) else ())]


# --- picking --------------------------------------------------------------------------------------


@exports(getitem)
def _getitem(e: Emitter, node: Node) -> Value:
    ndim = len(e.dims_of(node, 0))
    return _picked(e, e.value(node, 0), _index(e, node, 1, ndim))


def _picked(e: Emitter, x: Value, index: _Index) -> Value:
    """``x[index]``; first the new axes, then the slices, then the integers."""
    x = e.unsqueeze(x, [i for i, part in enumerate(index.parts) if part is None])
    parts: list[Any] = [slice(None) if part is None else part for part in index.parts]
    x = _sliced(e, x, parts)
    chosen = [i for i, part in enumerate(parts) if isinstance(part, _Integers)]
    arrays = [i for i in chosen if parts[i].dims]
    if not arrays or len(chosen) == 1:
        for axis in reversed(chosen):
            x = e.op("Gather", x, parts[axis].value(e), axis=axis)
        return x
    return _gathered(e, x, parts, chosen, index.gap)


def _sliced(e: Emitter, x: Value, parts: list[Any]) -> Value:
    """The slices: forwards first, and then those of negative step as turns of what is left.

    ONNX does not say as NumPy does what a slice backwards gives that begins before the first entry.
    """
    slices = {i: p for i, p in enumerate(parts) if isinstance(p, slice) and p != slice(None)}
    if any(isinstance(p.step, Sized) for p in slices.values()):
        raise e.error("the step of a slice depends on the batch size")
    forwards = {i: p if (p.step or 1) > 0 else _turned(e, p) for i, p in slices.items()}
    x = _slice(e, x, {i: p for i, p in forwards.items() if p != slice(None)})
    return _slice(e, x, {i: slice(_LAST, _FIRST, p.step) for i, p in slices.items() if _turns(p)})


def _slice(e: Emitter, x: Value, slices: dict[int, slice]) -> Value:
    if not slices:
        return x
    bounds = [
        (p.start or 0, _LAST if p.stop is None else p.stop, i, p.step or 1)
        for i, p in slices.items()
    ]
    return e.op("Slice", x, *(e.shape_tensor(each) for each in zip(*bounds, strict=True)))


def _turns(part: slice) -> bool:
    return part.step is not None and part.step < 0


def _turned(e: Emitter, part: slice) -> slice:
    """What a slice of negative step picks from, in the order of the axis."""

    def after(bound: Any, at_the_end: Any) -> Any:
        if isinstance(bound, Sized):
            if bound.scale < 0 or bound.offset < -1:
                raise e.error("the slice may begin or end at another side with few samples")
            return Sized(bound.scale, bound.offset + 1)
        return bound if bound is None else at_the_end if bound == -1 else bound + 1

    return slice(after(part.stop, _LAST), after(part.start, None))


def _gathered(e: Emitter, x: Value, parts: list[Any], chosen: list[int], gap: int) -> Value:
    """Entries at several index arrays at once, with the axes where NumPy puts them."""
    rest = [i for i in range(len(parts)) if i not in chosen]
    x = e.op("GatherND", e.transpose(x, [*chosen, *rest]), _tuples(e, [parts[i] for i in chosen]))
    first, last = chosen[0], chosen[-1]
    if last - first + 1 != len(chosen) or first < gap <= last:
        return x  # the index arrays are not side by side: their axes come first
    new = max(len(parts[i].dims) for i in chosen)
    before = sum(i < first for i in rest)
    order = [*range(new, new + before), *range(new), *range(new + before, new + len(rest))]
    return e.transpose(x, order)


def _tuples(e: Emitter, arrays: list[_Integers]) -> Value:
    """Index arrays, broadcast against one another, side by side along a new last axis."""
    if all(a.node is None and isinstance(a.known, (int, np.integer, np.ndarray)) for a in arrays):
        return e.constant(np.stack(np.broadcast_arrays(*(a.known for a in arrays)), -1), INT64)
    values = [a.value(e) for a in arrays]
    ndim = max(len(a.dims) for a in arrays)
    if any(a.dims != arrays[0].dims or None in a.dims for a in arrays):
        zeros = values[0] * 0
        for v in values[1:]:
            zeros = zeros + v * 0
        values = [v + zeros for v in values]
    return e.op("Concat", *(e.unsqueeze(v, [ndim]) for v in values), axis=ndim)


# --- writing --------------------------------------------------------------------------------------


@exports(setitem)
def _setitem(e: Emitter, node: Node) -> Value:
    x, value = e.value(node, 0), e.value(node, 1, node.value.dtype)
    dims = e.dims(node)
    index = node.inputs[2:]
    if len(index) == 1 and isinstance(index[0], Node) and index[0].value.dtype.kind == "b":
        return _masked(e, node, x, value)
    where = _index(e, node, 2, len(dims))
    if all(part == slice(None) for part in where.parts):
        return e.op("Expand", value, e.shape_tensor(dims))
    single = all(n == 1 for n in e.dims_of(node, 1))
    known = _known_places(dims, where)
    if known is None and not single and not _is_distinct(where.parts):
        raise e.error(
            "an entry may be written twice, with different values, and ONNX does not say which "
            "stays"
        )
    places = _places(e, dims, where)
    value = e.reshape(e.op("Expand", value, e.op("Shape", places, dtype=INT64)), [-1])
    if known is not None:
        last = _last(known.reshape(-1))
        if len(last) < known.size:
            value = e.op("Gather", value, e.constant(last, INT64))
            places = e.constant(known.reshape(-1)[last], INT64)
    return _scattered(e, e.reshape(x, [-1]), places, value, dims)


def _masked(e: Emitter, node: Node, x: Value, value: Value) -> Value:
    """``x[mask] = number``."""
    mask = node.inputs[2]
    if any(n != 1 for n in e.dims_of(node, 1)):
        raise e.error("what is written at a mask has to be one number\n  use np.where")
    value = e.reshape(value, [])
    new = range(mask.value.ndim, len(e.dims(node)))
    return select(e.unsqueeze(e.values[mask], list(new)), value, x)


@exports(scatter_add)
def _scatter_add(e: Emitter, node: Node) -> Value:
    dims, dtype = e.dims(node), node.value.dtype
    if dtype == BOOL:
        raise e.error("ONNX does not add truth values")
    places = _places(e, dims, _index(e, node, 2, len(dims)))
    value = e.op("Expand", e.value(node, 0, dtype), e.op("Shape", places, dtype=INT64))
    value = e.reshape(value, [-1])
    shape = e.reshape(_size(e, dims), [1])
    zeros = e.op("Expand", e.constant(0, dtype), shape)
    return _scattered(e, zeros, places, value, dims, reduction="add")


def _scattered(
    e: Emitter, flat: Value, places: Value, value: Value, dims: Any, **options: Any
) -> Value:
    out = e.op("ScatterND", flat, e.reshape(places, [-1, 1]), value, **options)
    return e.reshape(out, dims)


def _size(e: Emitter, dims: Any) -> Value:
    """The number of entries of an array."""
    return e.op("ReduceProd", e.shape_tensor(dims), keepdims=0)


def _places(e: Emitter, dims: Any, index: _Index) -> Value:
    """The place in the flat array of each entry that an index picks."""
    known = _known_places(dims, index)
    if known is not None:
        return e.constant(known, INT64)
    size = _size(e, dims)
    places = e.op("Range", size.like(0), size, size.like(1))
    return _picked(e, e.reshape(places, dims), index)


def _known_places(dims: Any, index: _Index) -> Any:
    """The places, if they can be computed now; else None."""
    if not all(isinstance(n, int) for n in dims) or not all(map(_is_known, index.parts)):
        return None
    parts = [p.known if isinstance(p, _Integers) else p for p in index.parts]
    parts.insert(index.gap, Ellipsis)
    return np.asarray(np.arange(np.prod(dims, dtype=int)).reshape(dims)[tuple(parts)])


def _last(places: Any) -> Any:
    """Where each of the places comes for the last time: what NumPy writes there stays."""
    _, first_from_the_end = np.unique(places[::-1], return_index=True)
    return np.sort(places.size - 1 - first_from_the_end)


def _is_known(part: Any) -> bool:
    if isinstance(part, _Integers):
        return part.node is None and not isinstance(part.known, (Sized, Ramp, Filled))
    if isinstance(part, slice):
        return not any(isinstance(x, Sized) for x in (part.start, part.stop, part.step))
    return True


def _is_distinct(parts: list[Any]) -> bool:
    """Whether no entry is picked twice, as far as that can be known."""
    arrays = [part for part in parts if isinstance(part, _Integers) and part.dims]
    if not arrays:
        return True
    if any(len(a.dims) > 1 for a in arrays):
        return False
    return any(
        _ascends(a.known) and all(b.dims in (a.dims, (1,)) for b in arrays)
        for a in arrays
        if a.node is None
    )


def _ascends(known: Any) -> bool:
    """Whether integers are all different; negative ones count from the end."""
    if isinstance(known, Ramp):
        return known.step is not None and bool(known.step > 0 and known.start >= 0)
    if isinstance(known, Filled):
        return False
    integers = np.asarray(known)
    return bool((integers >= 0).all() and (integers[1:] > integers[:-1]).all())
