"""NumPy's functions on tensors: how each one's call becomes recorded operations.

A handler takes what the user passed to the NumPy function. Three kinds: a *primitive* puts its
arguments in order and records one node; a *composed* function (in ``composed``) is written with
others; a *constant* one has no derivative and is recorded as such. What is in none of the tables
raises NoRuleError. Imports: recording, tensor, rules, composed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from . import composed
from .composed.table import VIEWING, arrayed, given, refuse
from .errors import (
    DataError,
    DetachError,
    DtypeError,
    InPlaceError,
    TensorIndexError,
    TinygradError,
)
from .node import function_name, refuse_to_freeze, underline_frame, user_frame
from .recording import explained, no_rule, record
from .rules.einsum import explicit
from .rules.indexing import as_index, scatter_add
from .rules.registry import CONSTANTS
from .tensor import HANDLERS, Tensor, untracked
from .tree import leaves, map_leaves

Handler = Callable[..., Any]


def handles(*functions: Any) -> Callable[[Handler], Handler]:
    """Register the decorated function as the handler of NumPy's ``functions``."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(functions, handler))
        return handler

    return register


def deliver(result: Any, out: Any, name: str) -> Any:
    """Put a result where ``out=`` asks for it, or say why that cannot be."""
    if out is None:
        return result
    if isinstance(out, (Tensor, np.ndarray)) and not np.can_cast(
        result.dtype, out.dtype, "same_kind"
    ):
        raise DtypeError(
            f"np.{name}: the result has dtype {result.dtype}, which does not fit into out= of "
            f"{out.dtype}\n{underline_frame(user_frame(2))}"
        )
    if isinstance(out, Tensor):
        out[...] = result
        return out
    if isinstance(out, np.ndarray) and not result.requires_grad:
        out[...] = _value(result)
        return out
    raise InPlaceError(
        f"np.{name}: the result carries a gradient, and out= is a plain array that cannot\n"
        "  write X = X + t instead of X += t, or make the array a tg.Tensor\n"
        f"{underline_frame(user_frame(2))}"
    )


def _value(x: Any) -> Any:
    return x._current() if isinstance(x, Tensor) else x


def _whole(n: Any) -> int:
    """An axis, a length or a shift as a Python int."""
    try:
        return operator.index(n)
    except TinygradError:
        raise
    except TypeError:
        raise DtypeError(
            f"an axis, a length or a shift is a whole number, not {n!r}\n"
            f"{underline_frame(user_frame(2))}"
        ) from None


def _wholes(numbers: Any) -> tuple[int, ...]:
    """A shape or several axes as a tuple of Python ints."""
    return tuple(map(_whole, numbers)) if isinstance(numbers, (list, tuple)) else (_whole(numbers),)


def _axes(axis: Any) -> Any:
    """An ``axis`` as recorded: an int or a tuple of ints, so that equal calls look equal."""
    return tuple(map(_whole, axis)) if isinstance(axis, (list, tuple)) else _whole(axis)


# --- ufuncs ---------------------------------------------------------------------------------------


def _call_ufunc(ufunc: Any, method: str, inputs: Any, kwargs: Any) -> Any:
    """A ufunc with keywords, with two outputs, or one of its methods."""
    if method != "__call__":
        return _ufunc_method(ufunc, method, inputs, kwargs)
    name = ufunc.__name__
    if ufunc.nout == 2:
        if ufunc not in _TWO_OUTPUTS:
            return _unknown(ufunc, inputs, kwargs)
        refuse(name, **kwargs)
        return _TWO_OUTPUTS[ufunc](*inputs)
    (out,) = kwargs.pop("out", (None,))
    dtype = kwargs.pop("dtype", None)
    if kwargs.get("where") is True:
        del kwargs["where"]
    refuse(name, **kwargs)
    if dtype is not None:
        inputs = tuple(arrayed(x).astype(dtype) for x in inputs)
    return deliver(record(ufunc, tuple(inputs)), out, name)


def _ufunc_method(ufunc: Any, method: str, inputs: Any, kwargs: Any) -> Any:
    if method == "at":
        if ufunc is np.add:
            return _add_at(*inputs)
        raise no_rule(getattr(ufunc, method), user_frame(2))
    if method == "outer":
        refuse(f"{ufunc.__name__}.outer", **kwargs)
        return composed.outer(ufunc, *inputs)
    function = _METHODS.get((ufunc, method))
    if function is None:
        return _unknown(getattr(ufunc, method), inputs, kwargs)
    (out,) = kwargs.pop("out", (None,))
    axis = inputs[1] if len(inputs) > 1 else kwargs.pop("axis", 0)
    return deliver(function(inputs[0], axis=axis, **kwargs), out, f"{ufunc.__name__}.{method}")


#: A ufunc's methods that are functions of their own.
_METHODS: dict[tuple[Any, str], Handler] = {
    (np.add, "reduce"): np.sum,
    (np.multiply, "reduce"): np.prod,
    (np.maximum, "reduce"): np.max,
    (np.minimum, "reduce"): np.min,
    (np.logical_and, "reduce"): np.all,
    (np.logical_or, "reduce"): np.any,
    (np.add, "accumulate"): np.cumsum,
    (np.multiply, "accumulate"): np.cumprod,
}

_TWO_OUTPUTS: dict[Any, Handler] = {
    np.divmod: lambda a, b: (np.floor_divide(a, b), np.remainder(a, b)),
    np.modf: lambda x: (np.fmod(x, 1), np.trunc(x)),
}


def _add_at(t: Any, index: Any, value: Any) -> None:
    """np.add.at: add at an index, repeated entries repeatedly."""
    if not isinstance(t, Tensor):
        raise DetachError(
            "np.add.at(X, ...) with a tensor would put it into the plain array X\n"
            f"  make X a tg.Tensor\n{underline_frame(user_frame(2))}"
        )
    index = as_index(index)
    try:
        picked = np.broadcast_to(np.False_, t.shape)[tuple(map(_value, index))]
    except IndexError as error:
        raise TensorIndexError(
            f"{error}\n  in np.add.at of a tensor of shape {t.shape}\n"
            f"{underline_frame(user_frame(2))}"
        ) from None
    value = np.broadcast_to(arrayed(value), picked.shape)
    t += scatter_add(value if isinstance(value, Tensor) else untracked(value), t.shape, *index)


# --- reductions: only keywords that differ from their defaults are recorded -----------------------


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
            keywords["axis"] = _axes(axis)
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
    result = record(np.cumsum, (a,), None if axis is None else {"axis": _whole(axis)})
    return deliver(result, out, "cumsum")


# --- products -------------------------------------------------------------------------------------


def _product(function: Any) -> Handler:
    def handler(a: Any, b: Any, out: Any = None) -> Any:
        return deliver(record(function, (arrayed(a), arrayed(b))), out, function_name(function))

    return handler


@handles(np.tensordot)
def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    a, b = arrayed(a), arrayed(b)
    if isinstance(axes, (int, np.integer)):
        return record(np.tensordot, (a, b), None if axes == 2 else {"axes": int(axes)})
    return record(np.tensordot, (a, b), {"axes": tuple(_axes(x) for x in axes)})


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
    shape = _wholes(shape)
    if order == "F":
        return np.transpose(np.reshape(np.transpose(a), shape[::-1]))
    refuse("reshape", order=None if order == "C" else order, copy=copy)
    return record(np.reshape, (a, shape))


@handles(np.transpose)
def _transpose(a: Any, axes: Any = None) -> Any:
    if axes is None:
        return record(np.transpose, (a,))
    return record(np.transpose, (a, _wholes(axes)))


@handles(np.broadcast_to)
def _broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    shape = _wholes(shape)
    return record(np.broadcast_to, (array, shape))


@handles(np.flip)
def _flip(m: Any, axis: Any = None) -> Any:
    return record(np.flip, (m,) if axis is None else (m, _axes(axis)))


@handles(np.diagonal)
def _diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    given = {"offset": (offset, 0), "axis1": (axis1, 0), "axis2": (axis2, 1)}
    keywords = {name: operator.index(x) for name, (x, default) in given.items() if x != default}
    return record(np.diagonal, (a,), keywords or None)


@handles(np.roll)
def _roll(a: Any, shift: Any, axis: Any = None) -> Any:
    shift = _axes(shift.tolist() if isinstance(shift, np.ndarray) else shift)
    if axis is None:
        return record(np.roll, (a, sum(shift) if isinstance(shift, tuple) else shift))
    return record(np.roll, (a, shift, _axes(axis)))


@handles(np.concatenate)
def _concatenate(arrays: Any, /, axis: Any = 0, out: Any = None, **rest: Any) -> Any:
    return _joined(np.concatenate, arrays, axis, out, rest)


@handles(np.stack)
def _stack(arrays: Any, axis: int = 0, out: Any = None, **rest: Any) -> Any:
    return _joined(np.stack, arrays, axis, out, rest)


def _joined(function: Any, arrays: Any, axis: Any, out: Any, rest: dict[str, Any]) -> Any:
    refuse(function.__name__, **rest)
    keywords = None if axis == 0 else {"axis": None if axis is None else _whole(axis)}

    def compute(*values: Any, axis: Any = 0) -> Any:
        return function(values, axis)

    result = record(function, tuple(map(arrayed, arrays)), keywords, compute)
    return deliver(result, out, function.__name__)


def _triangle(function: Any) -> Handler:
    return lambda m, k=0: record(function, (m,), {"k": _whole(k)} if k else None)


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


def _of_matrix(function: Any) -> Handler:
    return lambda a: record(function, (a,))


@handles(np.linalg.cholesky)
def _cholesky(a: Any, /, *, upper: bool = False) -> Any:
    lower = record(np.linalg.cholesky, (a,))
    return np.matrix_transpose(lower) if upper else lower


# --- what has no derivative, and what is written in place -----------------------------------------


#: Constant functions the shape of whose result depends on the values.
_SHAPED_BY_VALUES = (np.nonzero, np.flatnonzero, np.argwhere)


def _tensors(tree: Any) -> bool:
    return any(isinstance(x, Tensor) for x in leaves(tree))


def _constant(function: Any) -> Handler:
    def handler(*args: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        nested = any(isinstance(a, (tuple, list)) for a in args)
        if function in _SHAPED_BY_VALUES or nested or _tensors(kwargs):
            _refuse_to_freeze(function, args, kwargs)
            value = function(*map_leaves(_value, args), **map_leaves(_value, kwargs))
            return map_leaves(untracked, value)
        return deliver(record(function, args, kwargs or None), out, function_name(function))

    return handler


#: Questions about an array, answered with plain Python or NumPy objects.
_QUESTIONS = (np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.min_scalar_type,
              np.may_share_memory, np.shares_memory, np.iscomplexobj, np.isrealobj,
              np.array_equal, np.array_equiv, np.allclose, np.array_repr, np.array_str,
              np.array2string, np.common_type, np.einsum_path, np.diag_indices_from,
              np.tril_indices_from, np.triu_indices_from)  # fmt: skip

#: Functions that write into their argument.
_WRITERS = (np.put, np.place, np.putmask, np.fill_diagonal, np.put_along_axis)


#: Of these, the ones whose answer depends on the values.
_OF_VALUES = (np.array_equal, np.array_equiv, np.allclose)


def _asking(function: Any) -> Handler:
    def handler(*args: Any, **kwargs: Any) -> Any:
        if function in _OF_VALUES:
            _refuse_to_freeze(function, args, kwargs)
        return function(*map_leaves(_value, args), **map_leaves(_value, kwargs))

    return handler


def _refuse_to_freeze(function: Any, args: Any, kwargs: Any) -> None:
    for x in leaves([args, kwargs]):
        if isinstance(x, Tensor):
            refuse_to_freeze(x._node, f"np.{function_name(function)}")


def _writing(function: Any) -> Handler:
    def handler(*args: Any, **kwargs: Any) -> Any:
        raise InPlaceError(
            f"np.{function_name(function)} writes into its argument: on a tensor use "
            f"t[...] = value\n{underline_frame(user_frame(2))}"
        )

    return handler


@handles(np.copyto)
def _copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    if not isinstance(dst, Tensor):
        return np.copyto(dst, np.asarray(src), casting, np.asarray(where))
    refuse("copyto", casting=None if casting == "same_kind" else casting)
    dst[...] = src if where is True else np.where(where, src, dst)


def _unknown(function: Any, args: Any, kwargs: Any) -> Any:
    """A NumPy function in no table: fine as long as no gradient would be lost."""
    if any(isinstance(x, Tensor) and x.requires_grad for x in leaves([args, kwargs])):
        raise no_rule(function, user_frame(2))
    _refuse_to_freeze(function, args, kwargs)
    result = function(*map_leaves(_value, args), **map_leaves(_value, kwargs))
    return map_leaves(lambda v: untracked(v) if isinstance(v, np.ndarray) else v, result)


# --- filling the table ----------------------------------------------------------------------------


def _composed(function: Any, composition: Handler) -> Handler:
    """A composition that honours ``out=``, and whose errors name the function and the shapes."""

    def handler(*args: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        try:
            result = composition(*args, **kwargs)
        except TinygradError:
            raise
        except (ValueError, TypeError, IndexError) as error:
            arrays = [a for a in leaves([args, kwargs]) if isinstance(a, (Tensor, np.ndarray))]
            values = list(map(_value, arrays))
            raise explained(function, tuple(arrays), values, error) from error
        if function not in VIEWING:
            result = map_leaves(_owned(leaves([args, kwargs])), result)
        return result if out is None else deliver(result, out, function_name(function))

    return handler


def _owned(args: list[Any]) -> Callable[[Any], Any]:
    """Of a composition's result, what NumPy's function makes of it: memory of its own.

    Its last operation may happen to give a view, or the argument itself, which a later change in
    place would show.
    """

    def own(result: Any) -> Any:
        if any(result is a for a in args):
            return +result
        if isinstance(result, Tensor):
            result._view = None
        return result

    return own


def _fill_tables() -> None:
    function: Any
    for function in (np.dot, np.inner, np.outer, np.vdot, np.linalg.solve):
        HANDLERS[function] = _product(function)
    for function in (np.linalg.inv, np.linalg.det):
        HANDLERS[function] = _of_matrix(function)
    for function in (np.tril, np.triu):
        HANDLERS[function] = _triangle(function)
    for function in CONSTANTS:
        if not isinstance(function, np.ufunc):
            HANDLERS[function] = _constant(function)
    for function in _QUESTIONS:
        HANDLERS[function] = _asking(function)
    for function in _WRITERS:
        HANDLERS[function] = _writing(function)
    for function in (np.einsum, np.tensordot, np.concatenate, np.stack):
        HANDLERS[function] = _composed(function, HANDLERS[function])
    for function, composition in composed.TABLE.items():
        HANDLERS[function] = _composed(function, composition)


_fill_tables()
Tensor._call_ufunc = staticmethod(_call_ufunc)
Tensor._call_unknown = staticmethod(_unknown)
