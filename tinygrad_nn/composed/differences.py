"""Differences of neighbours, and the integrals and derivatives of sampled functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import along, arrayed, axes_of, composes, refuse


@composes(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours, ``n`` times."""
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n!r}")
    a = arrayed(a)
    refuse("diff", prepend=prepend, append=append)
    (axis,) = axes_of(a, axis)
    for _ in range(n):
        a = a[along(axis, slice(1, None))] - a[along(axis, slice(None, -1))]
    return a


@composes(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Differences of neighbours in the flattened array, between what is put at the ends."""
    a = np.ravel(arrayed(ary))
    ends = [None if x is None else np.ravel(arrayed(x)) for x in (to_begin, to_end)]
    parts = [x for x in (ends[0], a[1:] - a[:-1], ends[1]) if x is not None]
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


@composes(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Central differences inside and one-sided ones at the edges; the spacing is even."""
    axes = axes_of(f, axis)
    spacings = varargs * len(axes) if len(varargs) == 1 else varargs or (1.0,) * len(axes)
    if len(spacings) != len(axes):
        raise TypeError("invalid number of arguments")
    refuse("gradient", uneven_spacing=any(np.ndim(h) for h in spacings) or None)
    slopes = [_slope(f, h, i, edge_order) for h, i in zip(spacings, axes, strict=True)]
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def _slope(f: Any, h: Any, axis: int, edge_order: int) -> Any:
    if f.shape[axis] < edge_order + 1:
        raise ValueError(
            "Shape of array too small to calculate a numerical gradient, "
            "at least (edge_order + 1) elements are required."
        )

    def part(start: Any, stop: Any) -> Any:
        return f[along(axis, slice(start, stop))]

    inside = (part(2, None) - part(None, -2)) / 2
    if edge_order == 1:
        first, last = part(1, 2) - part(0, 1), part(-1, None) - part(-2, -1)
    else:
        first = 2 * part(1, 2) - 1.5 * part(0, 1) - 0.5 * part(2, 3)
        last = 1.5 * part(-1, None) - 2 * part(-2, -1) + 0.5 * part(-3, -2)
    return np.concatenate([first, inside, last], axis=axis) / h


@composes(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral of the piecewise linear function through the samples."""
    y = arrayed(y)
    (i,) = axes_of(y, axis)
    if x is not None:
        x = arrayed(x)
        if x.ndim > y.ndim:
            y = np.broadcast_to(y, np.broadcast_shapes(x.shape, y.shape))
            (i,) = axes_of(y, axis)
        dx = np.diff(x) if x.ndim == 1 else np.diff(x, axis=axis)
        if dx.ndim == 1:
            dx = np.reshape(dx, (-1,) + (1,) * (y.ndim - 1 - i))
    pairs = y[along(i, slice(1, None))] + y[along(i, slice(None, -1))]
    return np.sum(dx * pairs / 2.0, axis=i)
