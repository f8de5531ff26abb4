"""Functions that are one operation: their arguments put in order, and recorded.

Only keywords that differ from their defaults are recorded, so that equal calls look equal.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..composed.table import arrayed, given, refuse
from ..errors import DataError, DtypeError
from ..node import function_name, underline_frame, user_frame
from ..recording import record
from ..rules.einsum import explicit
from ..tensor import HANDLERS
from .common import Handler, axes_of, deliver, handles, whole, wholes


def _reduction(
    function: Any, compute: Handler, combine: Handler, neutral: Any, positional: tuple[str, ...]
) -> Handler:
    """The handler of np.sum, np.max or np.min.

    Args:
        function: the reduction.
        compute: the same of an array, faster.
        combine: the function of two arguments that it repeats.
        neutral: what an entry counts that ``where`` leaves out; None if there is no such number.
        positional: the names of the parameters after ``axis``, in order.
    """
    name = function.__name__

    def handler(
        a: Any,
        axis: Any = None,
        *args: Any,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = False,
        **rest: Any,
    ) -> Any:
        if args:
            options = {"dtype": dtype, "out": out, "keepdims": keepdims, **rest}
            return handler(a, axis, **{**options, **dict(zip(positional, args, strict=False))})
        if rest:
            return masked(a, axis, dtype=dtype, out=out, keepdims=keepdims, **rest)
        if dtype is not None:
            a = a.astype(dtype)
        keywords: dict[str, Any] = {}
        if axis is not None:
            keywords["axis"] = axes_of(axis)
        if keepdims and keepdims is not np._NoValue:
            keywords["keepdims"] = True
        result = record(function, (a,), keywords or None, compute)
        return result if out is None else deliver(result, out, name)

    def masked(
        a: Any, axis: Any, *, out: Any, initial: Any = None, where: Any = True, **options: Any
    ) -> Any:
        if given(where) and where is not True:
            filler = initial if neutral is None else neutral
            refuse(name, where=None if given(filler) else where)
            a = np.where(where, a, filler)
        result = handler(a, axis, **options)
        return deliver(combine(result, initial) if given(initial) else result, out, name)

    return handler


_AFTER_AXIS = ("out", "keepdims", "initial", "where")
HANDLERS[np.sum] = _reduction(
    np.sum, lambda x, **keywords: x.sum(**keywords), np.add, 0, ("dtype", *_AFTER_AXIS)
)
HANDLERS[np.max] = HANDLERS[np.amax] = _reduction(
    np.max, lambda x, **keywords: x.max(**keywords), np.maximum, None, _AFTER_AXIS
)
HANDLERS[np.min] = HANDLERS[np.amin] = _reduction(
    np.min, lambda x, **keywords: x.min(**keywords), np.minimum, None, _AFTER_AXIS
)


@handles(np.cumsum)
def _cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    if dtype is not None:
        a = a.astype(dtype)
    result = record(np.cumsum, (a,), None if axis is None else {"axis": whole(axis)})
    return deliver(result, out, "cumsum")


# --- products -------------------------------------------------------------------------------------


def product(function: Any) -> Handler:
    """The handler of a product of two arrays."""

    def handler(a: Any, b: Any, out: Any = None) -> Any:
        return deliver(record(function, (arrayed(a), arrayed(b))), out, function_name(function))

    return handler


@handles(np.tensordot)
def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    a, b = arrayed(a), arrayed(b)
    if isinstance(axes, (int, np.integer)):
        return record(np.tensordot, (a, b), None if axes == 2 else {"axes": int(axes)})
    return record(np.tensordot, (a, b), {"axes": tuple(axes_of(x) for x in axes)})


@handles(np.einsum)
def _einsum(*operands: Any, out: Any = None, optimize: Any = False, **rest: Any) -> Any:
    refuse("einsum", **rest)
    subscripts, arrays = explicit(operands)
    keywords = {"optimize": optimize} if optimize is not False else None
    return deliver(record(np.einsum, (subscripts, *arrays), keywords), out, "einsum")


# --- shapes ---------------------------------------------------------------------------------------


@handles(np.reshape)
def _reshape(
    a: Any, /, shape: Any = None, order: str = "C", *, newshape: Any = None, copy: Any = None
) -> Any:
    shape = newshape if shape is None else shape
    shape = wholes(shape)
    if order == "F":
        return np.transpose(np.reshape(np.transpose(a), shape[::-1]))
    refuse("reshape", order=None if order == "C" else order, copy=copy)
    return record(np.reshape, (a, shape))


@handles(np.transpose)
def _transpose(a: Any, axes: Any = None) -> Any:
    if axes is None:
        return record(np.transpose, (a,))
    return record(np.transpose, (a, wholes(axes)))


@handles(np.broadcast_to)
def _broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    shape = wholes(shape)
    return record(np.broadcast_to, (array, shape))


@handles(np.flip)
def _flip(m: Any, axis: Any = None) -> Any:
    return record(np.flip, (m,) if axis is None else (m, axes_of(axis)))


@handles(np.diagonal)
def _diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    given = {"offset": (offset, 0), "axis1": (axis1, 0), "axis2": (axis2, 1)}
    keywords = {name: operator.index(x) for name, (x, default) in given.items() if x != default}
    return record(np.diagonal, (a,), keywords or None)


@handles(np.roll)
def _roll(a: Any, shift: Any, axis: Any = None) -> Any:
    shift = axes_of(shift.tolist() if isinstance(shift, np.ndarray) else shift)
    if axis is None:
        return record(np.roll, (a, sum(shift) if isinstance(shift, tuple) else shift))
    return record(np.roll, (a, shift, axes_of(axis)))


@handles(np.concatenate)
def _concatenate(arrays: Any, /, axis: Any = 0, out: Any = None, **rest: Any) -> Any:
    return _joined(np.concatenate, arrays, axis, out, rest)


@handles(np.stack)
def _stack(arrays: Any, axis: int = 0, out: Any = None, **rest: Any) -> Any:
    return _joined(np.stack, arrays, axis, out, rest)


def _joined(function: Any, arrays: Any, axis: Any, out: Any, rest: dict[str, Any]) -> Any:
    refuse(function.__name__, **rest)
    keywords = None if axis == 0 else {"axis": None if axis is None else whole(axis)}

    def compute(*values: Any, axis: Any = 0) -> Any:
        return function(values, axis)

    result = record(function, tuple(map(arrayed, arrays)), keywords, compute)
    return deliver(result, out, function.__name__)


def triangle(function: Any) -> Handler:
    """The handler of np.tril or np.triu."""
    return lambda m, k=0: record(function, (m,), {"k": whole(k)} if k else None)


@handles(np.astype)
def _astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    refuse("astype", device=device)
    dtype = np.dtype(dtype)
    if dtype.kind not in "biuf":
        raise DtypeError(f"a tensor holds real numbers, not {dtype}")
    if x.requires_grad and dtype.kind != "f":  # counts and truth values carry no gradient
        x = x != 0 if dtype.kind == "b" else np.trunc(x)
    return record(np.astype, (x, dtype), None, lambda v, d: v.astype(d))


@handles(np.where)
def _where(condition: Any, /, x: Any = None, y: Any = None) -> Any:
    if x is None and y is None:
        return np.nonzero(condition)
    if x is None or y is None:
        raise DataError(
            f"np.where takes both x and y, or neither\n{underline_frame(user_frame(2))}"
        )
    return record(np.where, (condition, x, y))


# --- linear algebra -------------------------------------------------------------------------------


def of_matrix(function: Any) -> Handler:
    """The handler of a function of one matrix."""
    return lambda a: record(function, (a,))


@handles(np.linalg.cholesky)
def _cholesky(a: Any, /, *, upper: bool = False) -> Any:
    lower = record(np.linalg.cholesky, (a,))
    return np.matrix_transpose(lower) if upper else lower
