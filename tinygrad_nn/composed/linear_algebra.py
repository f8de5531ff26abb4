"""Norms, products of vectors and matrices, convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import NoRuleError
from ..rules.indexing import getitem
from ..rules.linalg import logabsdet, sign_of_det
from .statistics import root
from .table import TABLE, arrayed, axes_of, composes, refuse

# --- norms ------------------------------------------------------------------------------------


@composes(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Vector norms of any order, and the Frobenius, 1 and infinity norms of matrices."""
    axes = axes_of(x, axis)
    if ord is None:
        return _vector_norm(x, 2, axes, keepdims)
    if len(axes) == 1:
        return _vector_norm(x, ord, axes, keepdims)
    if len(axes) != 2:
        raise ValueError("Improper number of dimensions to norm.")
    return _matrix_norm(x, ord, axes, keepdims)


def _matrix_norm(x: Any, ord: Any, axes: Any, keepdims: bool) -> Any:
    if ord == "fro":
        return _vector_norm(x, 2, axes, keepdims)
    if ord not in (1, -1, np.inf, -np.inf):
        raise NoRuleError(
            f"np.linalg.norm of a tensor: the matrix norm ord={ord!r} has no derivative rule"
        )
    row, column = axes
    summed, compared = (row, column) if abs(ord) == 1 else (column, row)
    sums = np.sum(np.abs(x), axis=summed, keepdims=True)
    extreme = (np.max if ord > 0 else np.min)(sums, axis=compared, keepdims=True)
    return extreme if keepdims else np.squeeze(extreme, axis=axes)


def _vector_norm(x: Any, ord: Any, axes: Any, keepdims: bool) -> Any:
    if isinstance(ord, str):
        raise ValueError(f"Invalid norm order '{ord}' for vectors")
    if ord == 2:
        return root(np.sum(x * x, axis=axes, keepdims=keepdims))
    if ord == 0:
        return np.sum((x != 0).astype(x.dtype), axis=axes, keepdims=keepdims)
    size = np.abs(x)
    if ord in (np.inf, -np.inf):
        return (np.max if ord > 0 else np.min)(size, axis=axes, keepdims=keepdims)
    if ord == 1:
        return np.sum(size, axis=axes, keepdims=keepdims)
    total = np.sum(size**ord, axis=axes, keepdims=keepdims)
    return root(total, ord) if ord > 1 else total ** (1 / ord)


@composes(np.linalg.vector_norm)
def vector_norm(
    x: Any,
    /,
    *,
    axis: Any = None,
    keepdims: bool = False,
    ord: Any = 2,
) -> Any:
    """The norm of all entries, or along axes."""
    return _vector_norm(x, ord, axes_of(x, axis), keepdims)


@composes(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """The norm of each matrix of a stack."""
    return np.linalg.norm(x, ord, (-2, -1), keepdims)


# --- products ---------------------------------------------------------------------------------

TABLE[np.linalg.matmul] = np.matmul
TABLE[np.linalg.outer] = np.outer
TABLE[np.linalg.tensordot] = np.tensordot
TABLE[np.linalg.vecdot] = np.vecdot
TABLE[np.linalg.trace] = lambda x, /, *, offset=0, dtype=None: np.trace(x, offset, -2, -1, dtype)
TABLE[np.linalg.diagonal] = lambda x, /, *, offset=0: np.diagonal(x, offset, -2, -1)


@composes(np.cross)
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None
) -> Any:
    """The vector product in three dimensions."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(arrayed(a), axisa, -1), np.moveaxis(arrayed(b), axisb, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ValueError(
            f"Both input arrays must be (arrays of) 3-dimensional vectors, but they are "
            f"{a.shape[-1]} and {b.shape[-1]} dimensional instead."
        )
    later, last = np.array([1, 2, 0]), np.array([2, 0, 1])
    first, second = (getitem(x, Ellipsis, later) for x in (a, b))
    return np.moveaxis(
        first * getitem(b, Ellipsis, last) - getitem(a, Ellipsis, last) * second, -1, axisc
    )


TABLE[np.linalg.cross] = lambda x1, x2, /, *, axis=-1: np.cross(x1, x2, axis=axis)


@composes(np.kron)
def kron(a: Any, b: Any) -> Any:
    """Every entry of ``a`` times all of ``b``, as blocks."""
    a, b = arrayed(a), arrayed(b)
    ndim = max(a.ndim, b.ndim)
    a_shape, b_shape = ((1,) * (ndim - x.ndim) + x.shape for x in (a, b))
    a = np.reshape(a, tuple(n for m in a_shape for n in (m, 1)))
    b = np.reshape(b, tuple(n for m in b_shape for n in (1, m)))
    return np.reshape(a * b, tuple(m * n for m, n in zip(a_shape, b_shape, strict=True)))


@composes(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    """The product of several matrices, from the left."""
    refuse("linalg.multi_dot", out=out)
    first, *others = arrays
    for a in others:
        first = np.dot(first, a)
    return first


@composes(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    """A matrix times itself, by repeated squaring."""
    if n < 0:
        a, n = np.linalg.inv(a), -n
    if n == 0:
        return 0 * a + np.eye(a.shape[-1], dtype=a.dtype)
    out = None
    while n:
        if n & 1:
            out = a if out is None else out @ a
        n >>= 1
        a = a @ a if n else a
    return out


@composes(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """The sign (a constant) and log |det|."""
    return _SLOGDET(sign_of_det(a), logabsdet(a))


_SLOGDET: Any = type(np.linalg.slogdet(np.eye(1)))


# --- convolution ------------------------------------------------------------------------------


@composes(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """The product of all windows of the longer sequence with the shorter one, turned round."""
    a, v = np.atleast_1d(arrayed(a)), np.atleast_1d(arrayed(v))
    if v.shape[0] > a.shape[0]:
        a, v = v, a
    return _windows(a, v, mode) @ np.flip(v)


@composes(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """The product of all windows of the longer sequence with the shorter one."""
    a, v = np.atleast_1d(arrayed(a)), np.atleast_1d(arrayed(v))
    if v.shape[0] > a.shape[0]:
        return np.flip(_windows(v, a, mode) @ a)
    return _windows(a, v, mode) @ v


def _windows(a: Any, v: Any, mode: str) -> Any:
    """The windows of v's length into ``a``, zeros around it, as rows."""
    n, m = a.shape[0], v.shape[0]
    if a.ndim != 1 or v.ndim != 1:
        raise ValueError("object too deep for desired array")
    if m == 0:
        raise ValueError("v cannot be empty")
    before = {"full": m - 1, "same": m // 2, "valid": 0}.get(mode)
    if before is None:
        raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got {mode!r})")
    after = m - 1 - before if mode == "same" else before
    zeros = np.zeros(m, a.dtype)
    padded = np.concatenate([zeros[:before], a, zeros[:after]]) if before + after else a
    starts = np.arange(n + before + after - m + 1)
    return getitem(padded, starts[:, None] + np.arange(m))
