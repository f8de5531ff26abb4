"""Several arrays as one, and one as several."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..node import refuse_to_freeze
from ..rules.indexing import getitem
from .table import TABLE, along, arrayed, composes, refuse


def _joined(name: str, arrays: Any, axis: int, options: dict[str, Any]) -> Any:
    refuse(name, **options)
    return np.concatenate(list(arrays), axis=axis)


@composes(np.vstack)
def vstack(tup: Any, **options: Any) -> Any:
    """Stacked as rows."""
    return _joined("vstack", (np.atleast_2d(arrayed(a)) for a in tup), 0, options)


@composes(np.hstack)
def hstack(tup: Any, **options: Any) -> Any:
    """Side by side."""
    arrays = [np.atleast_1d(arrayed(a)) for a in tup]
    return _joined("hstack", arrays, 0 if arrays and arrays[0].ndim == 1 else 1, options)


@composes(np.dstack)
def dstack(tup: Any) -> Any:
    """Stacked along the third axis."""
    return np.concatenate([np.atleast_3d(arrayed(a)) for a in tup], axis=2)


@composes(np.column_stack)
def column_stack(tup: Any) -> Any:
    """Stacked as columns."""
    arrays = (arrayed(a) for a in tup)
    return np.concatenate([np.reshape(a, (-1, 1)) if a.ndim < 2 else a for a in arrays], axis=1)


@composes(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """One after the other."""
    arr, values = arrayed(arr), arrayed(values)
    if axis is None:
        return np.concatenate([np.ravel(arr), np.ravel(values)])
    return np.concatenate([arr, values], axis=axis)


@composes(np.block)
def block(arrays: Any) -> Any:
    """Nested lists of blocks put together: the innermost along the last axis."""
    depth, inner = 0, arrays
    while isinstance(inner, list):
        depth, inner = depth + 1, inner[0]
    ndim = max(depth, *(np.ndim(a) for a in _blocks(arrays)))

    def build(nested: Any, level: int) -> Any:
        if not isinstance(nested, list):
            if level:
                raise ValueError("List depths are mismatched.")
            a = arrayed(nested)
            return np.reshape(a, (1,) * (ndim - a.ndim) + a.shape)
        return np.concatenate([build(part, level - 1) for part in nested], axis=-level)

    return build(arrays, depth)


def _blocks(nested: Any) -> Any:
    """The arrays in nested lists."""
    if isinstance(nested, list):
        for part in nested:
            yield from _blocks(part)
    else:
        yield nested


def _split(function: Any, ary: Any, sections: Any, axis: int) -> list[Any]:
    """Slices where ``function`` (np.split or np.array_split) cuts."""
    axis = normalize_axis_index(axis, ary.ndim)
    out, start = [], 0
    for part in function(np.arange(ary.shape[axis]), sections):
        if part.size:
            start = int(part[0])
        out.append(ary[along(axis, slice(start, start + part.size))])
    return out


@composes(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Slices along an axis, equal ones."""
    return _split(np.split, ary, indices_or_sections, axis)


@composes(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Slices along an axis, of nearly equal length."""
    return _split(np.array_split, ary, indices_or_sections, axis)


@composes(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Slices from left to right."""
    return _split(np.split, ary, indices_or_sections, 1 if ary.ndim > 1 else 0)


TABLE[np.vsplit] = lambda ary, indices_or_sections: _split(np.split, ary, indices_or_sections, 0)
TABLE[np.dsplit] = lambda ary, indices_or_sections: _split(np.split, ary, indices_or_sections, 2)

if hasattr(np, "unstack"):  # NumPy 2.1

    @composes(np.unstack)
    def unstack(x: Any, /, *, axis: int = 0) -> Any:
        """The slices along an axis, without it."""
        axis = normalize_axis_index(axis, x.ndim)
        return tuple(x[along(axis, i)] for i in range(x.shape[axis]))


def _places(obj: Any, name: str) -> Any:
    """The places that an argument names, on which the result's shape or order depends."""
    refuse_to_freeze(getattr(obj, "_node", None), name)
    return getattr(obj, "_value", obj)


@composes(np.delete)
def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    """Without some entries of an axis: a pick of the others."""
    obj = _places(obj, "np.delete")
    if axis is None:
        arr, axis = np.ravel(arr), 0
    axis = normalize_axis_index(axis, arr.ndim)
    return getitem(arr, *along(axis, np.delete(np.arange(arr.shape[axis]), obj)))


@composes(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """With more entries on an axis: all of them side by side, and a pick."""
    obj = _places(obj, "np.insert")
    arr, values = arrayed(arr), arrayed(values)
    if axis is None:
        arr, axis = np.ravel(arr), 0
    axis = normalize_axis_index(axis, arr.ndim)
    values = np.reshape(values, (1,) * (arr.ndim - values.ndim) + values.shape)
    n = arr.shape[axis]
    if isinstance(obj, slice):
        obj = range(*obj.indices(n))
    if np.ndim(obj) == 0:
        values = np.moveaxis(values, 0, axis)
    new = values.shape[axis] if np.size(obj) == 1 else np.size(obj)
    order = np.insert(np.arange(n), obj, n + np.arange(new))
    values = np.broadcast_to(values, arr.shape[:axis] + (new,) + arr.shape[axis + 1 :])
    both = np.concatenate([arr, values.astype(arr.dtype)], axis=axis)
    return getitem(both, *along(axis, order))
