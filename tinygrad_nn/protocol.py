"""NumPy's functions on tensors: how each one's call becomes recorded operations.

A handler takes what the user passed to the NumPy function. Three kinds: a *primitive* puts its
arguments in order and records one node; a *composed* function (in ``composed.py``) is written with
others; a *constant* one has no derivative and is recorded as such. What is in none of the tables
raises NoRuleError. Imports: tensor, rules, composed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import composed
from .errors import DetachError, InPlaceError, NoRuleError
from .node import function_name, underline_frame, user_frame
from .rules.einsum import explicit
from .rules.registry import CONSTANTS, RULES
from .tensor import HANDLERS, Tensor, no_rule, record, untracked
from .tree import leaves, map_leaves

Handler = Callable[..., Any]


def handles(*functions: Any) -> Callable[[Handler], Handler]:
    """Register the decorated function as the handler of NumPy's ``functions``."""

    def register(handler: Handler) -> Handler:
        for function in functions:
            HANDLERS[function] = handler
        return handler

    return register


def refuse(function: str, **given: Any) -> None:
    """Raise for keyword arguments that a recorded operation cannot honour."""
    for name, value in given.items():
        if value is not None and value is not np._NoValue:
            raise NoRuleError(
                f"np.{function} of a tensor does not take {name}=...\n"
                f"{underline_frame(user_frame(2))}"
            )


# --- ufuncs ---------------------------------------------------------------------------------------


@handles(np.ufunc)
def ufunc_call(ufunc: Any, method: str, inputs: Any, kwargs: Any) -> Any:
    """A ufunc with keywords, with two outputs, or one of its methods."""
    out = kwargs.pop("out", None)
    out = out[0] if isinstance(out, tuple) and len(out) == 1 else out
    if method == "__call__":
        if ufunc in _TWO_OUTPUTS and out is None and not kwargs:
            return _TWO_OUTPUTS[ufunc](*inputs)
        if kwargs.pop("where", True) is not True:
            raise NoRuleError(
                f"np.{ufunc.__name__} of a tensor does not take where=...: use np.where(...)\n"
                f"{underline_frame(user_frame(2))}"
            )
        dtype = kwargs.pop("dtype", None)
        kwargs.pop("casting", None)
        refuse(ufunc.__name__, **kwargs)
        result = record(ufunc, tuple(inputs))
        result = result if dtype is None else result.astype(dtype)
    else:
        function = _METHODS.get((ufunc, method))
        if function is None:
            raise no_rule(getattr(ufunc, method), user_frame(2))
        result = function(*inputs, **kwargs)
        if function is _add_at:
            return None
    return result if out is None else deliver(result, out, ufunc.__name__)


def deliver(result: Any, out: Any, name: str) -> Any:
    """Put a result where ``out=`` asks for it, or say why that cannot be."""
    if isinstance(out, Tensor):
        out[...] = result
        return out
    if isinstance(out, np.ndarray) and not result.requires_grad:
        out[...] = result._current()
        return out
    raise InPlaceError(
        f"np.{name}: the result carries a gradient, and out= is a plain array that cannot\n"
        "  write X = X + t instead of X += t, or make the array a tg.Tensor\n"
        f"{underline_frame(user_frame(2))}"
    )


def _add_at(t: Any, index: Any, value: Any) -> None:
    """np.add.at: add at an index, repeated entries repeatedly."""
    from .rules.indexing import as_index, scatter_add

    if not isinstance(t, Tensor):
        raise DetachError(
            "np.add.at(X, ...) with a tensor would put it into the plain array X\n"
            f"  make X a tg.Tensor\n{underline_frame(user_frame(2))}"
        )
    index = as_index(index)
    value = np.broadcast_to(value, np.shape(np.empty(t.shape, np.bool_)[_plain_index(index)]))
    t += scatter_add(value if isinstance(value, Tensor) else untracked(value), t.shape, *index)


def _plain_index(index: Any) -> Any:
    return tuple(i._current() if isinstance(i, Tensor) else i for i in index)


# --- reductions: only keywords that differ from their defaults are recorded -----------------------


def _reduction(function: Any, compute: Callable[..., Any]) -> None:
    name = function.__name__

    @handles(function)
    def handler(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = False,
        **rest: Any,
    ) -> Any:
        refuse(name, **rest)
        keywords: dict[str, Any] = {}
        if axis is not None:
            keywords["axis"] = tuple(axis) if isinstance(axis, (list, tuple)) else int(axis)
        if keepdims and keepdims is not np._NoValue:
            keywords["keepdims"] = True
        if dtype is not None:
            a = np.astype(a, np.dtype(dtype))
        result = record(function, (a,), keywords or None, compute)
        return result if out is None else deliver(result, out, name)


def _extreme(function: Any, compute: Callable[..., Any]) -> None:
    name = function.__name__

    @handles(function)
    def handler(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, **rest: Any) -> Any:
        refuse(name, **rest)
        keywords: dict[str, Any] = {}
        if axis is not None:
            keywords["axis"] = tuple(axis) if isinstance(axis, (list, tuple)) else int(axis)
        if keepdims and keepdims is not np._NoValue:
            keywords["keepdims"] = True
        result = record(function, (a,), keywords or None, compute)
        return result if out is None else deliver(result, out, name)


_reduction(np.sum, lambda x, **keywords: x.sum(**keywords))
_extreme(np.max, lambda x, **keywords: x.max(**keywords))
_extreme(np.min, lambda x, **keywords: x.min(**keywords))


@handles(np.cumsum)
def _cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    refuse("cumsum", dtype=dtype)
    result = record(np.cumsum, (a,), None if axis is None else {"axis": int(axis)})
    return result if out is None else deliver(result, out, "cumsum")


# --- products -------------------------------------------------------------------------------------


def _product(function: Any) -> None:
    @handles(function)
    def handler(a: Any, b: Any, out: Any = None) -> Any:
        result = record(function, (_arrayed(a), _arrayed(b)))
        return result if out is None else deliver(result, out, function.__name__)


def _arrayed(x: Any) -> Any:
    return x if hasattr(x, "ndim") else np.asarray(x)


for _f in (np.dot, np.inner, np.outer, np.vdot):
    _product(_f)


@handles(np.tensordot)
def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    frozen = axes if isinstance(axes, int) else tuple(
        tuple(x) if isinstance(x, (list, tuple, np.ndarray)) else x for x in axes
    )
    return record(np.tensordot, (_arrayed(a), _arrayed(b)), None if axes == 2 else {"axes": frozen})


@handles(np.einsum)
def _einsum(*operands: Any, out: Any = None, optimize: Any = False, **rest: Any) -> Any:
    refuse("einsum", **rest)
    subscripts, arrays = explicit(operands)
    result = record(np.einsum, (subscripts, *arrays))
    return result if out is None else deliver(result, out, "einsum")


# --- shapes ---------------------------------------------------------------------------------------


@handles(np.reshape)
def _reshape(a: Any, /, shape: Any = None, order: str = "C", *, newshape: Any = None, copy: Any = None) -> Any:
    shape = newshape if shape is None else shape
    if order == "F":
        reversed_shape = shape[::-1] if isinstance(shape, (tuple, list)) else shape
        return np.transpose(np.reshape(np.transpose(a), reversed_shape))
    refuse("reshape", order=None if order == "C" else order, copy=copy)
    shape = tuple(int(n) for n in shape) if isinstance(shape, (tuple, list)) else (int(shape),)
    return record(np.reshape, (a, shape))


@handles(np.transpose, np.permute_dims)
def _transpose(a: Any, axes: Any = None) -> Any:
    if axes is None:
        return record(np.transpose, (a,))
    return record(np.transpose, (a, tuple(int(i) for i in axes)))


@handles(np.broadcast_to)
def _broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    shape = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(shape)
    return array if array.shape == shape else record(np.broadcast_to, (array, shape))


@handles(np.flip)
def _flip(m: Any, axis: Any = None) -> Any:
    if axis is None:
        return record(np.flip, (m,))
    return record(np.flip, (m, tuple(axis) if isinstance(axis, (list, tuple)) else int(axis)))


@handles(np.roll)
def _roll(a: Any, shift: Any, axis: Any = None) -> Any:
    shift = tuple(shift) if isinstance(shift, (list, tuple, np.ndarray)) else int(shift)
    axis = tuple(axis) if isinstance(axis, (list, tuple)) else axis
    if isinstance(shift, tuple) and axis is None:
        shift = sum(shift)
    return record(np.roll, (a, shift) if axis is None else (a, shift, axis))


@handles(np.concatenate)
def _concatenate(arrays: Any, /, axis: Any = 0, out: Any = None, **rest: Any) -> Any:
    refuse("concatenate", **rest)
    keywords = None if axis == 0 else {"axis": axis}
    result = record(
        np.concatenate, tuple(map(_arrayed, arrays)), keywords, lambda *a, axis=0: np.concatenate(a, axis)
    )
    return result if out is None else deliver(result, out, "concatenate")


@handles(np.stack)
def _stack(arrays: Any, axis: int = 0, out: Any = None, **rest: Any) -> Any:
    refuse("stack", **rest)
    keywords = None if axis == 0 else {"axis": int(axis)}
    result = record(
        np.stack, tuple(map(_arrayed, arrays)), keywords, lambda *a, axis=0: np.stack(a, axis)
    )
    return result if out is None else deliver(result, out, "stack")


@handles(np.tril)
def _tril(m: Any, k: int = 0) -> Any:
    return record(np.tril, (m,), {"k": k} if k else None)


@handles(np.triu)
def _triu(m: Any, k: int = 0) -> Any:
    return record(np.triu, (m,), {"k": k} if k else None)


@handles(np.astype)
def _astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    dtype = np.dtype(dtype)
    if x.requires_grad and dtype.kind != "f":
        return untracked(x._current().astype(dtype))  # counts and truth values carry no gradient
    return record(np.astype, (x, dtype), None, lambda v, d: v.astype(d))


@handles(np.where)
def _where(condition: Any, /, x: Any = None, y: Any = None) -> Any:
    if x is None and y is None:
        return np.nonzero(condition)
    return record(np.where, (condition, x, y))


# --- linear algebra -------------------------------------------------------------------------------


@handles(np.linalg.solve)
def _solve(a: Any, b: Any) -> Any:
    return record(np.linalg.solve, (_arrayed(a), _arrayed(b)))


for _f in (np.linalg.inv, np.linalg.det):
    HANDLERS[_f] = lambda a, _f=_f: record(_f, (a,))


@handles(np.linalg.cholesky)
def _cholesky(a: Any, /, *, upper: bool = False) -> Any:
    lower = record(np.linalg.cholesky, (a,))
    return np.matrix_transpose(lower) if upper else lower


# --- what has no derivative -----------------------------------------------------------------------


def _constant(function: Any) -> Handler:
    def handler(*args: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        value = function(*map_leaves(_value, args), **map_leaves(_value, kwargs))
        if isinstance(value, tuple):  # np.nonzero
            return tuple(untracked(v) for v in value)
        positional = all(not isinstance(a, (tuple, list)) for a in args)
        if positional and not any(isinstance(v, Tensor) for v in leaves(kwargs)):
            result = record(function, args, kwargs or None)
        else:
            result = untracked(value)
        return result if out is None else deliver(result, out, function.__name__)

    return handler


def _value(x: Any) -> Any:
    return x._current() if isinstance(x, Tensor) else x


#: Questions about an array, answered with plain Python or NumPy objects.
_QUESTIONS = (np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.min_scalar_type,
              np.may_share_memory, np.shares_memory, np.iscomplexobj, np.isrealobj,
              np.array_equal, np.array_equiv, np.allclose, np.array_repr, np.array_str,
              np.array2string, np.common_type)  # fmt: skip

#: Functions that write into their argument.
_WRITERS = (np.put, np.place, np.putmask, np.fill_diagonal, np.put_along_axis)


def _asking(function: Any) -> Handler:
    return lambda *args, **kwargs: function(
        *map_leaves(_value, args), **map_leaves(_value, kwargs)
    )


def _writing(function: Any) -> Handler:
    def handler(*args: Any, **kwargs: Any) -> Any:
        raise InPlaceError(
            f"np.{function_name(function)} writes into its argument: on a tensor use "
            f"t[...] = value\n{underline_frame(user_frame(2))}"
        )

    return handler


@handles(np.copyto)
def _copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    if not isinstance(dst, Tensor):
        _value_without_gradient = src.__array__()
        np.copyto(dst, _value_without_gradient, casting, where)  # type: ignore[call-overload]
    elif where is True:
        dst[...] = src
    else:
        dst[...] = np.where(where, src, dst)


@handles(Any)
def _unknown(function: Any, args: Any, kwargs: Any) -> Any:
    """A NumPy function in no table: fine as long as no gradient would be lost."""
    if any(isinstance(x, Tensor) and x.requires_grad for x in leaves([args, kwargs])):
        raise no_rule(function, user_frame(2))
    result = function(*map_leaves(_value, args), **map_leaves(_value, kwargs))
    return map_leaves(lambda v: untracked(v) if isinstance(v, np.ndarray) else v, result)


def _fill_tables() -> None:
    for function in CONSTANTS:
        if not isinstance(function, np.ufunc):
            HANDLERS[function] = _constant(function)
    for function in _QUESTIONS:
        HANDLERS[function] = _asking(function)
    for function in _WRITERS:
        HANDLERS[function] = _writing(function)
    HANDLERS.update(composed.TABLE)


_fill_tables()

#: A ufunc's methods that are functions of their own.
_METHODS: dict[tuple[Any, str], Handler] = {
    (np.add, "reduce"): lambda a, axis=0, **kw: np.sum(a, axis=axis, **kw),
    (np.multiply, "reduce"): lambda a, axis=0, **kw: np.prod(a, axis=axis, **kw),
    (np.maximum, "reduce"): lambda a, axis=0, **kw: np.max(a, axis=axis, **kw),
    (np.minimum, "reduce"): lambda a, axis=0, **kw: np.min(a, axis=axis, **kw),
    (np.add, "accumulate"): lambda a, axis=0, **kw: np.cumsum(a, axis=axis, **kw),
    (np.multiply, "accumulate"): lambda a, axis=0, **kw: np.cumprod(a, axis=axis, **kw),
    (np.multiply, "outer"): lambda a, b: composed.outer(np.multiply, a, b),
    (np.add, "outer"): lambda a, b: composed.outer(np.add, a, b),
    (np.subtract, "outer"): lambda a, b: composed.outer(np.subtract, a, b),
    (np.divide, "outer"): lambda a, b: composed.outer(np.divide, a, b),
    (np.add, "at"): _add_at,
}

_TWO_OUTPUTS: dict[Any, Handler] = {
    np.divmod: lambda a, b: (np.floor_divide(a, b), np.remainder(a, b)),
    np.modf: lambda x: (x - np.trunc(x), np.trunc(x)),
}

__all__ = ["RULES", "deliver", "handles"]
