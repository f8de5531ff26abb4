"""NumPy functions that are composed of recorded operations instead of having a rule of their own.

Each is written in plain NumPy on its argument; on a tensor the operations inside record themselves.
``TABLE`` is what ``protocol.py`` registers. Imports: NumPy and rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import NoRuleError
from .rules.linalg import logabsdet

TABLE: dict[Any, Callable[..., Any]] = {}


def composes(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated function as the composition of NumPy's ``functions``."""

    def register(composition: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions:
            TABLE[function] = composition
        return composition

    return register


def _count(a: Any, axis: Any) -> int:
    """How many entries each result of a reduction is made of."""
    if axis is None:
        return int(a.size)
    axes = axis if isinstance(axis, tuple) else (axis,)
    return math.prod(a.shape[i] for i in axes)


def _given(value: Any) -> bool:
    return value is not None and value is not np._NoValue and value is not False


def _only(name: str, **unsupported: Any) -> None:
    for keyword, value in unsupported.items():
        if _given(value) and value is not True:
            raise NoRuleError(f"np.{name} of a tensor does not take {keyword}=...")


# --- statistics -----------------------------------------------------------------------------------


@composes(np.mean, np.average)
def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **rest: Any
) -> Any:
    """The sum over the count."""
    weights = rest.pop("weights", None)
    _only("mean", out=out, **rest)
    keepdims = _given(keepdims)
    axis = tuple(axis) if isinstance(axis, list) else axis
    if weights is not None:
        return np.sum(a * weights, axis=axis, keepdims=keepdims) / np.sum(
            np.broadcast_to(weights, a.shape), axis=axis, keepdims=keepdims
        )
    if dtype is not None:
        a = a.astype(dtype)
    elif a.dtype.kind != "f":
        a = a.astype(np.float64)
    return np.sum(a, axis=axis, keepdims=keepdims) / _count(a, axis)


@composes(np.var)
def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: Any = False,
    **rest: Any,
) -> Any:
    """The mean squared distance from the mean, with ``ddof`` fewer in the count."""
    ddof = rest.pop("correction", ddof) if _given(rest.get("correction")) else ddof
    rest.pop("correction", None)
    _only("var", dtype=dtype, out=out, **rest)
    axis = tuple(axis) if isinstance(axis, list) else axis
    d = a - np.mean(a, axis=axis, keepdims=True)
    return np.sum(d * d, axis=axis, keepdims=_given(keepdims)) / (_count(a, axis) - ddof)


@composes(np.std)
def std(a: Any, *args: Any, **kwargs: Any) -> Any:
    """The square root of the variance; of constant data the derivative is 0."""
    return _root(np.var(a, *args, **kwargs))


def _root(square: Any) -> Any:
    """sqrt, with derivative 0 where the argument is 0 (the tip of a cone)."""
    zero = square == 0
    return np.where(zero, 0 * square, np.sqrt(np.where(zero, 1, square)))


@composes(np.prod)
def prod(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **rest: Any
) -> Any:
    """The product along axes, by multiplying halves: right also where entries are zero."""
    _only("prod", dtype=dtype, out=out, **rest)
    shape = a.shape
    axes = range(a.ndim) if axis is None else (axis if isinstance(axis, tuple) else (axis,))
    axes = [i % a.ndim for i in axes]
    kept = [i for i in range(a.ndim) if i not in axes]
    x = np.reshape(np.transpose(a, kept + axes), (*(shape[i] for i in kept), -1)) if axes else a
    if not axes:
        return +a
    while x.shape[-1] > 1:
        half = x.shape[-1] // 2
        rest_of = x[..., 2 * half :]
        x = x[..., :half] * x[..., half : 2 * half]
        x = np.concatenate([x, rest_of], axis=-1) if rest_of.shape[-1] else x
    if x.shape[-1] == 0:
        return np.ones(tuple(shape[i] for i in kept), a.dtype) + np.sum(x, axis=-1)
    x = x[..., 0]
    if _given(keepdims):
        x = np.reshape(x, tuple(1 if i in axes else n for i, n in enumerate(shape)))
    return x


@composes(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    """Maximum less minimum."""
    keepdims = _given(keepdims)
    return np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)


@composes(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, **rest: Any) -> Any:
    """Differences of neighbours, ``n`` times."""
    _only("diff", **rest)
    for _ in range(n):
        after = [slice(None)] * a.ndim
        before = list(after)
        after[axis], before[axis] = slice(1, None), slice(None, -1)
        a = a[tuple(after)] - a[tuple(before)]
    return a


# --- elementwise ----------------------------------------------------------------------------------


@composes(np.clip)
def clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **rest: Any) -> Any:
    """min(max(a, a_min), a_max); at a bound the bound is what counts, and the derivative is 0."""
    low = a_min if _given(a_min) or a_min is not np._NoValue else None
    low = rest.pop("min", low)
    high = rest.pop("max", a_max if a_max is not np._NoValue else None)
    _only("clip", out=out, **rest)
    if low is not None and low is not np._NoValue:
        a = np.maximum(a, low)
    if high is not None and high is not np._NoValue:
        a = np.minimum(a, high)
    return a


@composes(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """Numbers in place of NaN and infinities; where one was put the derivative is 0."""
    info = np.finfo(x.dtype)
    x = np.where(np.isnan(x), nan, x)
    x = np.where(np.isposinf(x), info.max if posinf is None else posinf, x)
    return np.where(np.isneginf(x), info.min if neginf is None else neginf, x)


@composes(np.sinc)
def sinc(x: Any) -> Any:
    """sin(pi x) / (pi x), and 1 at 0."""
    zero = x == 0
    z = np.pi * np.where(zero, 1, x)
    return np.where(zero, 1 - (np.pi * x) ** 2 / 6, np.sin(z) / z)


def outer(ufunc: Any, a: Any, b: Any) -> Any:
    """A ufunc's ``outer``: every entry of ``a`` with every entry of ``b``."""
    a, b = (x if hasattr(x, "ndim") else np.asarray(x) for x in (a, b))
    return ufunc(np.reshape(a, a.shape + (1,) * b.ndim), b)


# --- shapes ---------------------------------------------------------------------------------------


@composes(np.ravel)
def ravel(a: Any, order: str = "C") -> Any:
    """One dimension."""
    return np.reshape(a, (-1,), order=order)


@composes(np.squeeze)
def squeeze(a: Any, axis: Any = None) -> Any:
    """Without axes of length 1."""
    if axis is None:
        axes = {i for i, n in enumerate(a.shape) if n == 1}
    else:
        axes = {i % a.ndim for i in (axis if isinstance(axis, (tuple, list)) else (axis,))}
        if any(a.shape[i] != 1 for i in axes):
            np.squeeze(np.empty(a.shape, np.bool_), axis=axis)  # NumPy's own error
    return np.reshape(a, tuple(n for i, n in enumerate(a.shape) if i not in axes))


@composes(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
    """With axes of length 1 at the given places of the result."""
    return np.reshape(a, np.expand_dims(np.empty(a.shape, np.bool_), axis).shape)


@composes(np.swapaxes)
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """With two axes exchanged."""
    order = list(range(a.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return np.transpose(a, order)


@composes(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """With axes moved to other places."""
    places = np.moveaxis(np.empty(tuple(range(2, 2 + a.ndim)), np.bool_), source, destination)
    return np.transpose(a, [n - 2 for n in places.shape])


@composes(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any) -> Any:
    """The transpose of each matrix of a stack."""
    return np.swapaxes(x, -1, -2)


@composes(np.atleast_1d)
def atleast_1d(*arrays: Any) -> Any:
    """With at least one axis."""
    out = tuple(np.reshape(a, (1,)) if a.ndim == 0 else a for a in arrays)
    return out[0] if len(out) == 1 else out


@composes(np.atleast_2d)
def atleast_2d(*arrays: Any) -> Any:
    """With at least two axes."""
    out = tuple(np.reshape(a, (1, -1)) if a.ndim < 2 else a for a in arrays)
    return out[0] if len(out) == 1 else out


@composes(np.vstack)
def vstack(tup: Any) -> Any:
    """Stacked as rows."""
    return np.concatenate([a[None] if np.ndim(a) == 1 else a for a in tup], axis=0)


@composes(np.hstack)
def hstack(tup: Any) -> Any:
    """Side by side."""
    return np.concatenate(list(tup), axis=0 if np.ndim(tup[0]) == 1 else 1)


@composes(np.column_stack)
def column_stack(tup: Any) -> Any:
    """Stacked as columns."""
    return np.concatenate([a[:, None] if np.ndim(a) == 1 else a for a in tup], axis=1)


@composes(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """One after the other."""
    if axis is None:
        return np.concatenate([np.ravel(arr), np.ravel(values)])
    return np.concatenate([arr, values], axis=axis)


@composes(np.split, np.array_split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Slices along an axis; as np.split, equal ones only."""
    return _split(np.split, ary, indices_or_sections, axis)


def _split(function: Any, ary: Any, sections: Any, axis: int) -> list[Any]:
    parts = function(np.arange(ary.shape[axis]), sections)
    where: list[Any] = [slice(None)] * ary.ndim
    out, start = [], 0
    for part in parts:
        if part.size:
            start = int(part[0])
        where[axis] = slice(start, start + part.size)
        out.append(ary[tuple(where)])
    return out


TABLE[np.array_split] = lambda ary, sections, axis=0: _split(np.array_split, ary, sections, axis)
TABLE[np.vsplit] = lambda ary, sections: _split(np.split, ary, sections, 0)
TABLE[np.hsplit] = lambda ary, sections: _split(np.split, ary, sections, 1 if ary.ndim > 1 else 0)
TABLE[np.flipud] = lambda m: np.flip(m, 0)
TABLE[np.fliplr] = lambda m: np.flip(m, 1)


@composes(np.repeat)
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    """Each entry several times: a pick of entries."""
    if axis is None:
        a, axis = np.ravel(a), 0
    return np.take(a, np.repeat(np.arange(a.shape[axis]), repeats), axis=axis)


@composes(np.tile)
def tile(A: Any, reps: Any) -> Any:  # noqa: N803 (NumPy's name)
    """The whole array several times along each axis."""
    reps = (reps,) if isinstance(reps, (int, np.integer)) else tuple(reps)
    ndim = max(A.ndim, len(reps))
    shape = (1,) * (ndim - A.ndim) + A.shape
    reps = (1,) * (ndim - len(reps)) + reps
    column = [n for pair in zip((1,) * ndim, shape, strict=True) for n in pair]
    wide = [n for pair in zip(reps, shape, strict=True) for n in pair]
    full = np.broadcast_to(np.reshape(A, tuple(column)), tuple(wide))
    return np.reshape(full, tuple(r * n for r, n in zip(reps, shape, strict=True)))


@composes(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """Wider at the edges: a pick of entries, or constants around."""
    index = np.pad(np.arange(array.size).reshape(array.shape), pad_width, "constant", constant_values=-1)
    if mode != "constant":
        if mode not in ("edge", "reflect", "symmetric", "wrap") or kwargs:
            raise NoRuleError(f"np.pad of a tensor: mode {mode!r} with these options has no derivative rule")
        return np.ravel(array)[np.pad(np.arange(array.size).reshape(array.shape), pad_width, mode)]
    fill = np.pad(np.zeros(array.shape, array.dtype), pad_width, **kwargs)
    out = np.zeros_like(array, shape=index.shape)
    inside = tuple(
        slice(before, before + n)
        for (before, _), n in zip(_pad_pairs(pad_width, array.ndim), array.shape, strict=True)
    )
    out[inside] = array
    return out + fill if kwargs else out


def _pad_pairs(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    if isinstance(pad_width, dict):
        pairs = [(0, 0)] * ndim
        for axis, width in pad_width.items():
            pairs[axis] = (width, width) if isinstance(width, int) else tuple(width)
        return pairs
    return [(int(a), int(b)) for a, b in np.broadcast_to(pad_width, (ndim, 2))]


@composes(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonals of the matrices that two axes make; a pick of entries, last axis."""
    a = np.moveaxis(a, (axis1, axis2), (-2, -1))
    rows, columns = a.shape[-2:]
    n = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    i = np.arange(n)
    return a[..., i - min(offset, 0), i + max(offset, 0)]


@composes(np.trace)
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, **rest: Any) -> Any:
    """The sum of the diagonal."""
    _only("trace", **rest)
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1)


@composes(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """A vector as a diagonal matrix, or a matrix's diagonal."""
    if v.ndim == 2:
        return np.diagonal(v, k)
    n = v.shape[0] + abs(k)
    out = np.zeros_like(v, shape=(n, n))
    i = np.arange(v.shape[0])
    out[i + max(-k, 0), i + max(k, 0)] = v
    return out


# --- picking --------------------------------------------------------------------------------------


@composes(np.take)
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    """Entries along an axis by index."""
    _only("take", out=out)
    if axis is None:
        a, axis = np.ravel(a), 0
    if mode != "raise":
        n = a.shape[axis]
        indices = np.clip(indices, 0, n - 1) if mode == "clip" else np.mod(indices, n)
    return a[(slice(None),) * (axis % a.ndim) + (indices,)]


@composes(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    """Entries along an axis, by an index for each."""
    if axis is None:
        return np.ravel(arr)[indices]
    axis %= arr.ndim
    shape = np.shape(indices)
    where = tuple(
        indices
        if i == axis
        else np.reshape(np.arange(arr.shape[i]), tuple(-1 if j == i else 1 for j in range(arr.ndim)))
        for i in range(len(shape))
    )
    return arr[where]


@composes(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """The entries in ascending order: a pick by np.argsort."""
    if axis is None:
        a, axis = np.ravel(a), -1
    return np.take_along_axis(a, np.argsort(a, axis=axis, kind=kind, stable=stable), axis)


# --- linear algebra -------------------------------------------------------------------------------


@composes(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A002
    """Vector norms of any order, and the Frobenius, 1 and infinity norms of matrices."""
    if axis is None and ord is None:
        return _vector_norm(x, 2, tuple(range(x.ndim)), keepdims)
    axes = tuple(range(x.ndim)) if axis is None else (axis if isinstance(axis, tuple) else (axis,))
    if len(axes) == 1:
        return _vector_norm(x, 2 if ord is None else ord, axes, keepdims)
    if ord is None or ord == "fro":
        return _vector_norm(x, 2, axes, keepdims)
    row, column = (i % x.ndim for i in axes)
    if ord in (1, -1, np.inf, -np.inf):
        first, second = (row, column) if abs(ord) == 1 else (column, row)
        sums = np.sum(np.abs(x), axis=first, keepdims=True)
        extreme = np.max if ord > 0 else np.min
        out = extreme(sums, axis=second, keepdims=True)
        return out if keepdims else np.squeeze(out, axis=(row, column))
    raise NoRuleError(f"np.linalg.norm of a tensor: the matrix norm ord={ord!r} has no derivative rule")


def _vector_norm(x: Any, ord: Any, axes: Any, keepdims: bool) -> Any:  # noqa: A002
    if ord == 2:
        return _root(np.sum(x * x, axis=axes, keepdims=keepdims))
    if ord == np.inf:
        return np.max(np.abs(x), axis=axes, keepdims=keepdims)
    if ord == -np.inf:
        return np.min(np.abs(x), axis=axes, keepdims=keepdims)
    if ord == 0:
        return np.sum((x != 0).astype(x.dtype), axis=axes, keepdims=keepdims)
    if ord == 1:
        return np.sum(np.abs(x), axis=axes, keepdims=keepdims)
    return np.sum(np.abs(x) ** ord, axis=axes, keepdims=keepdims) ** (1 / ord)


TABLE[np.linalg.vector_norm] = lambda x, /, *, axis=None, keepdims=False, ord=2: _vector_norm(
    x, ord, tuple(range(x.ndim)) if axis is None else axis, keepdims
)
TABLE[np.linalg.matrix_norm] = lambda x, /, *, keepdims=False, ord="fro": norm(
    x, ord, (-2, -1), keepdims
)
TABLE[np.linalg.matmul] = np.matmul
TABLE[np.linalg.outer] = np.outer
TABLE[np.linalg.trace] = lambda x, /, *, offset=0: np.trace(x, offset, -2, -1)
TABLE[np.linalg.diagonal] = lambda x, /, *, offset=0: np.diagonal(x, offset, -2, -1)
TABLE[np.linalg.tensordot] = np.tensordot
TABLE[np.linalg.vecdot] = np.vecdot


@composes(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """The sign (a constant) and log |det|."""
    sign = np.sign(np.linalg.det(a.detach()))
    return type(np.linalg.slogdet(np.eye(1)))(sign, logabsdet(a))


@composes(np.linalg.multi_dot)
def multi_dot(arrays: Any, **rest: Any) -> Any:
    """The product of several matrices, from the left."""
    _only("multi_dot", **rest)
    out = arrays[0]
    for a in arrays[1:]:
        out = np.dot(out, a)
    return out


@composes(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    """A matrix times itself, by repeated squaring."""
    if n < 0:
        a, n = np.linalg.inv(a), -n
    if n == 0:
        return np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape) + 0 * a
    out = None
    while n:
        if n & 1:
            out = a if out is None else out @ a
        n >>= 1
        a = a @ a if n else a
    return out
