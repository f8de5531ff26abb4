"""Other shapes for the same entries: axes added, dropped, exchanged, broadcast."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from .table import TABLE, arrayed, axes_of, composes, refuse


@composes(np.ravel)
def ravel(a: Any, order: Any = "C") -> Any:
    """One dimension; a view of contiguous memory, else (unlike np.reshape's) always a copy."""
    flat: Any = np.reshape(a, (-1,), order=order)
    flags = getattr(getattr(a, "_value", a), "flags", None)
    if flags is not None and not (flags.f_contiguous if order == "F" else flags.c_contiguous):
        flat._view = None
    return flat


@composes(np.squeeze)
def squeeze(a: Any, axis: Any = None) -> Any:
    """Without axes of length 1."""
    if axis is None:
        return np.reshape(a, tuple(n for n in a.shape if n != 1))
    axes = axes_of(a, axis)
    if any(a.shape[i] != 1 for i in axes):
        raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
    return np.reshape(a, tuple(n for i, n in enumerate(a.shape) if i not in axes))


@composes(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
    """With axes of length 1 at the given places of the result."""
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    axes = normalize_axis_tuple(axes, a.ndim + len(axes))
    lengths = iter(a.shape)
    return np.reshape(
        a, tuple(1 if i in axes else next(lengths) for i in range(a.ndim + len(axes)))
    )


@composes(np.swapaxes)
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """With two axes exchanged."""
    i, j = normalize_axis_index(axis1, a.ndim), normalize_axis_index(axis2, a.ndim)
    order = list(range(a.ndim))
    order[i], order[j] = j, i
    return np.transpose(a, tuple(order))


@composes(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """With axes moved to other places."""
    sources = normalize_axis_tuple(source, a.ndim, "source")
    places = normalize_axis_tuple(destination, a.ndim, "destination")
    if len(sources) != len(places):
        raise ValueError(
            "`source` and `destination` arguments must have the same number of elements"
        )
    order = [i for i in range(a.ndim) if i not in sources]
    for place, i in sorted(zip(places, sources, strict=True)):
        order.insert(place, i)
    return a if order == list(range(a.ndim)) else np.transpose(a, tuple(order))


@composes(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """With an axis moved back until it lies before another."""
    axis = normalize_axis_index(axis, a.ndim)
    start = start + a.ndim if start < 0 else start
    return np.moveaxis(a, axis, start - 1 if axis < start else start)


@composes(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any) -> Any:
    """The transpose of each matrix of a stack."""
    return np.swapaxes(x, -1, -2)


def _each(reshape: Any, arrays: Any) -> Any:
    out = tuple(reshape(arrayed(a)) for a in arrays)
    return out[0] if len(out) == 1 else out


@composes(np.atleast_1d)
def atleast_1d(*arrays: Any) -> Any:
    """With at least one axis."""
    return _each(lambda a: a if a.ndim else np.reshape(a, (1,)), arrays)


@composes(np.atleast_2d)
def atleast_2d(*arrays: Any) -> Any:
    """With at least two axes."""
    return _each(lambda a: a if a.ndim > 1 else np.reshape(a, (1, -1)), arrays)


@composes(np.atleast_3d)
def atleast_3d(*arrays: Any) -> Any:
    """With at least three axes: (n,) as (1, n, 1), and (m, n) as (m, n, 1)."""

    def reshape(a: Any) -> Any:
        if a.ndim > 2:
            return a
        return np.reshape(a, (1, -1, 1) if a.ndim < 2 else (*a.shape, 1))

    return _each(reshape, arrays)


@composes(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """Turned by ``k`` right angles, from the first of the two axes towards the second."""
    i, j = normalize_axis_tuple(axes, m.ndim)
    k %= 4
    if k == 0:
        return m[...]
    if k == 2:
        return np.flip(m, (i, j))
    return np.swapaxes(np.flip(m, j), i, j) if k == 1 else np.flip(np.swapaxes(m, i, j), j)


@composes(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    """All of the shape that they broadcast to."""
    arrays = [arrayed(a) for a in args]
    shape = np.broadcast_shapes(*(a.shape for a in arrays))
    return tuple(np.broadcast_to(a, shape) for a in arrays)


@composes(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    """The coordinates of a grid, from the coordinates along each axis."""
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    n = len(xi)
    places = list(range(n))
    if indexing == "xy" and n > 1:
        places[:2] = 1, 0
    columns = [
        np.reshape(arrayed(x), tuple(-1 if i == place else 1 for i in range(n)))
        for x, place in zip(xi, places, strict=True)
    ]
    return tuple(columns) if sparse else np.broadcast_arrays(*columns)


@composes(np.tile)
def tile(A: Any, reps: Any) -> Any:
    """The whole array several times along each axis."""
    reps = (reps,) if isinstance(reps, (int, np.integer)) else tuple(int(n) for n in reps)
    ndim = max(A.ndim, len(reps))
    shape = (1,) * (ndim - A.ndim) + A.shape
    reps = (1,) * (ndim - len(reps)) + reps
    column = [n for length in shape for n in (1, length)]
    wide = [n for pair in zip(reps, shape, strict=True) for n in pair]
    full = np.broadcast_to(np.reshape(A, tuple(column)), tuple(wide))
    return np.reshape(full, tuple(r * n for r, n in zip(reps, shape, strict=True)))


TABLE[np.flipud] = lambda m: np.flip(m, 0)
TABLE[np.fliplr] = lambda m: np.flip(m, 1)


@composes(np.full_like)
def full_like(a: Any, fill_value: Any, dtype: Any = None, shape: Any = None, **rest: Any) -> Any:
    """One value spread over the shape of ``a``."""
    rest = {name: value for name, value in rest.items() if name not in ("order", "subok")}
    refuse("full_like", **rest)
    fill = arrayed(fill_value).astype(a.dtype if dtype is None else dtype)
    out = np.zeros_like(a, dtype=fill.dtype, shape=shape)
    out[...] = fill
    return out
