"""Rewrites of sums and maxima along axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .arithmetic import is_positive, moderate, narrow
from .pattern import is_number, rewrite


def reduced_axes(x: Any, axis: Any) -> tuple[int, ...]:
    """The axes that a reduction runs over."""
    if axis is None:
        return tuple(range(x.ndim))
    return axis if isinstance(axis, tuple) else (axis,)


def is_column(z: Any, x: Any, axis: Any) -> bool:
    """Whether ``z`` is a number, or of length 1 where ``x`` has ``axis``."""
    if z.ndim == 0:
        return True
    return z.ndim == x.ndim and all(z.shape[a] == 1 for a in reduced_axes(x, axis))


def _sum(x: Any, axis: Any, keepdims: Any) -> Any:
    return np.sum(x, axis=axis, keepdims=keepdims)


# --- signs and factors come out: fewer products ---------------------------------------------------

rewrite(
    lambda x, axis, keepdims: _sum(-x, axis, keepdims),
    lambda x, axis, keepdims: -_sum(x, axis, keepdims),
    floats=True,
)
rewrite(
    lambda x, y, axis, keepdims: _sum(x * y, axis, keepdims),
    lambda x, y, axis, keepdims: _sum(x, axis, keepdims) * y,
    when=lambda x, y, axis, keepdims: _comes_out(x * y, x, y, axis, keepdims),
    floats=True,
)
rewrite(
    lambda x, y, axis, keepdims: _sum(x / y, axis, keepdims),
    lambda x, y, axis, keepdims: _sum(x, axis, keepdims) / y,
    when=lambda x, y, axis, keepdims: is_positive(y) and _comes_out(x / y, x, y, axis, keepdims),
    floats=True,
)


def _comes_out(z: Any, x: Any, y: Any, axis: Any, keepdims: Any) -> bool:
    """Whether a factor ``y`` of ``z`` is better applied to the sum of the ``x``.

    A sum of nothing is 0, whatever the factor. A sum of what has not been made small may be too
    large for half precision, and where the factor is extreme for single precision.
    """
    if x.shape != z.shape or not x.size or not z.used_once or not _is_moderate(y, x):
        return False
    if y.ndim == 0 or (keepdims and is_column(y, x, axis)):
        return True
    return not keepdims and _are_leading(x, axis) and y.ndim <= x.ndim - len(reduced_axes(x, axis))


def _is_moderate(y: Any, x: Any) -> bool:
    return moderate(y.constant, x) if is_number(y.constant) else not narrow(x, y)


# --- shapes ---------------------------------------------------------------------------------------


def _add_for(f: Any) -> None:
    # over axes of length 1 there is nothing to do
    rewrite(
        lambda x, axis, keepdims: f(x, axis=axis, keepdims=keepdims),
        lambda x, axis, keepdims: np.reshape(x, _reduced_shape(x, axis, keepdims)),
        when=lambda x, axis: x.ndim > 0 and all(x.shape[a] == 1 for a in reduced_axes(x, axis)),
    )
    rewrite(lambda x: f(x), lambda x: x)  # of a single number
    # the axes that a reshape gives back need not go; but axes in front are none to broadcasting
    rewrite(
        lambda x, axis, i: np.reshape(f(x, axis=axis), i),
        lambda x, axis: f(x, axis=axis, keepdims=True),
        when=lambda x, axis, i: (
            _reduced_shape(x, axis, True) == i
            and not _are_leading(x, axis)
            and f(x, axis=axis).used_once
        ),
    )
    rewrite(
        lambda x, axis: f(x, axis=axis, keepdims=True),
        lambda x, axis: np.reshape(f(x, axis=axis), _reduced_shape(x, axis, True)),
        when=lambda x, axis: x.ndim > 0 and _are_leading(x, axis),
    )
    rewrite(
        lambda x, axis, i: np.reshape(f(x, axis=axis, keepdims=True), i),
        lambda x, axis: f(x, axis=axis),
        when=lambda x, axis, i: _reduced_shape(x, axis, False) == i,
    )


def _are_leading(x: Any, axis: Any) -> bool:
    axes = reduced_axes(x, axis)
    return axes == tuple(range(len(axes)))


def _reduced_shape(x: Any, axis: Any, keepdims: Any) -> tuple[int, ...]:
    axes = reduced_axes(x, axis)
    if keepdims:
        return tuple(1 if a in axes else n for a, n in enumerate(x.shape))
    return tuple(n for a, n in enumerate(x.shape) if a not in axes)


for _function in (np.sum, np.max, np.min):
    _add_for(_function)

# --- sums of what was broadcast -------------------------------------------------------------------


def _of_broadcast(x: Any, i: Any, axis: Any, keepdims: Any) -> Any:
    """sum(broadcast(x)) = count * x, if ``x`` has one entry along the axes that are summed."""
    axes = range(len(i)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    lengths = (1,) * (len(i) - x.ndim) + x.shape
    if any(lengths[a] != 1 for a in axes) or x.dtype.kind != "f":
        return None
    if x.dtype.itemsize < 4 or 0 in i:  # a count that is too large, or a sum of nothing
        return None
    shape = tuple(1 if a in axes else n for a, n in enumerate(i))
    if not keepdims:
        shape = tuple(n for a, n in enumerate(shape) if a not in axes)
        lengths = tuple(n for a, n in enumerate(lengths) if a not in axes)
    count = math.prod(i[a] for a in axes)
    return np.broadcast_to(np.reshape(x, lengths) * count, shape)


rewrite(lambda x, i: np.sum(np.reshape(x, i)), lambda x: np.sum(x))
rewrite(lambda x, i, axis, keepdims: _sum(np.broadcast_to(x, i), axis, keepdims), _of_broadcast)
