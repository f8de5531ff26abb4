"""Some of the entries, in some order: by index, by rank, by place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..errors import NoRuleError
from ..node import refuse_to_freeze
from ..rules.indexing import getitem, scatter_add
from .table import along, arrayed, composes, refuse


@composes(np.take)
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    """Entries along an axis by index."""
    refuse("take", out=out)
    a, indices = arrayed(a), arrayed(indices)
    if axis is None:
        a, axis = np.ravel(a), 0
    axis = normalize_axis_index(axis, a.ndim)
    n = a.shape[axis]
    if mode == "clip":
        indices = np.clip(indices, 0, n - 1)
    elif mode == "wrap":
        indices = np.mod(indices, n)
    return getitem(a, *along(axis, indices))


@composes(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    """Entries along an axis, by an index for each."""
    arr, indices = arrayed(arr), arrayed(indices)
    if axis is None:
        return getitem(np.ravel(arr), indices)
    axis = normalize_axis_index(axis, arr.ndim)
    if indices.ndim != arr.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    grid = [
        np.reshape(np.arange(n), tuple(-1 if j == i else 1 for j in range(arr.ndim)))
        for i, n in enumerate(arr.shape)
    ]
    grid[axis] = indices
    return getitem(arr, *grid)


@composes(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """The entries in ascending order: a pick by np.argsort."""
    refuse("sort", order=order)
    if axis is None:
        a, axis = np.ravel(a), -1
    options = {"kind": kind, "stable": stable}
    chosen = {name: value for name, value in options.items() if value is not None}
    return np.take_along_axis(a, np.argsort(a, axis=axis, **chosen), axis)


@composes(np.partition)
def partition(
    a: Any, kth: Any, axis: Any = -1, kind: Any = "introselect", order: Any = None
) -> Any:
    """The entries so that those at ``kth`` are in their sorted places: a pick by argpartition."""
    refuse("partition", order=order)
    if axis is None:
        a, axis = np.ravel(a), -1
    return np.take_along_axis(a, np.argpartition(a, kth, axis=axis, kind=kind), axis)


@composes(np.compress)
def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    """The entries along an axis for which the condition holds."""
    refuse("compress", out=out)
    return np.take(a, np.flatnonzero(condition), axis=axis)


@composes(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    """The entries of the flattened array for which the condition holds."""
    return np.take(np.ravel(arrayed(arr)), np.flatnonzero(condition))


@composes(np.repeat)
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    """Each entry several times: a pick of entries."""
    if axis is None:
        a, axis = np.ravel(a), 0
    axis = normalize_axis_index(axis, a.ndim)
    return getitem(a, *along(axis, np.repeat(np.arange(a.shape[axis]), repeats)))


_PICKING_PADS = ("edge", "reflect", "symmetric", "wrap")


@composes(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """Wider at the edges: constants around it, or a pick of its entries."""
    if mode == "constant":
        frame = np.pad(np.zeros(array.shape, array.dtype), pad_width, **kwargs)
        starts = (before for before, _ in _pad_pairs(pad_width, array.ndim))
        inside = tuple(slice(s, s + n) for s, n in zip(starts, array.shape, strict=True))
        out = np.zeros_like(array, shape=frame.shape)
        out[inside] = array
        return out + frame if kwargs else out
    if mode not in _PICKING_PADS or kwargs:
        raise NoRuleError(
            f"np.pad of a tensor: mode {mode!r} with these options has no derivative rule"
        )
    places = np.pad(np.arange(array.size).reshape(array.shape), pad_width, mode)
    return getitem(np.ravel(array), places)


def _pad_pairs(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    """How much to add before and after, for each axis."""
    if isinstance(pad_width, dict):
        widths = {axis % ndim: width for axis, width in pad_width.items()}
        pad_width = [np.broadcast_to(widths.get(i, 0), 2) for i in range(ndim)]
    return [(int(a), int(b)) for a, b in np.broadcast_to(pad_width, (ndim, 2))]


@composes(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """How often each number occurs, or the sum of the weights at its places."""
    x = arrayed(x)
    if x.dtype == np.bool_:
        x = x.astype(np.intp)  # else they would be a mask
    shape = np.bincount(getattr(x, "_value", x), minlength=minlength).shape
    if shape[0] > minlength:
        refuse_to_freeze(getattr(x, "_node", None), "np.bincount without a minlength")
    if weights is None:
        return scatter_add(np.ones(x.shape, np.intp), shape, x)
    weights = arrayed(weights)
    if weights.shape != x.shape:
        raise ValueError("The weights and list don't have the same length.")
    return scatter_add(np.astype(weights, np.float64), shape, x)  # as NumPy does


@composes(np.trace)
def trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Any:
    """The sum of the diagonal."""
    refuse("trace", out=out)
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


@composes(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """A vector as a diagonal matrix, or a matrix's diagonal."""
    if v.ndim == 2:
        return np.diagonal(v, k)
    if v.ndim != 1:
        raise ValueError("Input must be 1- or 2-d.")
    n = v.shape[0] + abs(k)
    out = np.zeros_like(v, shape=(n, n))
    i = np.arange(v.shape[0])
    out[i + max(-k, 0), i + max(k, 0)] = v
    return out


@composes(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    """The flattened array as a diagonal matrix."""
    return np.diag(np.ravel(v), k)
