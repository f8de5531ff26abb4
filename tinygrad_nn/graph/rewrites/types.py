"""The types of nodes (shape, dtype, Python number or not), and how a new one's is found."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ...node import Node, stand_in
from ...weak import OPERATORS, WEAK, WeakBool, WeakFloat, WeakInt, plain, usual, weak
from ..build import apply


class NoTypeError(ArithmeticError):
    """A function that has no value for operands of such dtypes."""


_BLANK: dict[Any, Any] = {
    WeakFloat: WeakFloat("nan"), WeakInt: WeakInt(0), WeakBool: WeakBool(False)
}  # fmt: skip


@lru_cache(4096)
def _blank(shape: tuple[int, ...], dtype: Any) -> Any:
    array = stand_in(np.empty((), dtype)) if shape == () else stand_in(_Like(shape, dtype))
    return array[()] if shape == () else array


class _Like:
    """What a stand-in is made from."""

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape, self.dtype, self.ndim = shape, dtype, len(shape)


def blank(value: Any) -> Any:
    """A value of the same type and of no meaning, that takes no memory."""
    if isinstance(value, WEAK):
        return _BLANK[type(value)]
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return stand_in(value)  # an array, and no number
    return _blank(value.shape, value.dtype)


def type_of(x: Any) -> Any:
    """What a replacement has to agree in with what it replaces: shape, dtype, Python's or not."""
    value = x.value if isinstance(x, Node) else weak(x)
    if not hasattr(value, "dtype"):
        return type(value)
    return value.shape, value.dtype, isinstance(value, WEAK)


def infer(function: Any, operands: tuple[Any, ...], keywords: dict[str, Any] | None) -> Any:
    """A value of the type that a new node has."""
    if isinstance(function, np.ufunc) and function.signature is None and not keywords:
        values = [x.value if isinstance(x, Node) else weak(x) for x in operands]
        if function in OPERATORS and all(isinstance(v, WEAK) for v in values):
            return usual(function, values)
        shape = np.broadcast_shapes(*(np.shape(v) for v in values))
        return _blank(shape, _dtype(function, tuple(map(_kind, values))))
    if function is np.matmul and not keywords:
        return _blank(*_product(*operands))
    return blank(apply(function, *operands, keywords=keywords).value)


def _kind(value: Any) -> Any:
    if isinstance(value, (WeakFloat, WeakInt)):
        return (type(plain(value)),)  # no dtype is equal to a tuple; and (1,) would be to (1.0,)
    return np.asarray(value).dtype


@lru_cache(4096)
def _dtype(function: Any, kinds: tuple[Any, ...]) -> Any:
    """The dtype of an elementwise function's result, for operands of these dtypes."""
    samples = [k[0](1) if isinstance(k, tuple) else np.ones(1, k) for k in kinds]
    try:
        with np.errstate(all="ignore"):
            return np.asarray(function(*samples)).dtype
    except TypeError as error:  # a difference of truth values
        raise NoTypeError(str(error)) from None


def keeps_loop(function: Any, before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    """Whether an elementwise function computes in the same dtypes for values of other types.

    The result's dtype does not tell: a comparison of float32 with float64 is one in float64, and
    with a Python number in float32, and the result is a truth value in either case.
    """
    first, second = (_loop(function, tuple(map(_kind, values))) for values in (before, after))
    return first is not None and first == second


@lru_cache(4096)
def _loop(function: Any, kinds: tuple[Any, ...]) -> Any:
    """The dtypes in which an elementwise function computes; None if it has none for these."""
    given = [k[0] if isinstance(k, tuple) else k for k in kinds]
    try:
        return function.resolve_dtypes((*given, *[None] * function.nout))
    except TypeError:
        return None


def _product(a: Any, b: Any) -> tuple[tuple[int, ...], Any]:
    """The type of ``a @ b``, without multiplying."""
    a, b = (x.value if isinstance(x, Node) else x for x in (a, b))
    dtype = _dtype(np.multiply, (_kind(a), _kind(b)))
    thin = [
        np.broadcast_to(np.zeros((), np.bool_), _without(x.shape, i)) for x, i in ((a, -1), (b, -2))
    ]
    return np.matmul(*thin).shape, dtype


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """The shape of a matrix or a vector whose inner length is 0: products of it cost nothing."""
    at = axis if len(shape) > 1 else -1
    lengths = list(shape)
    lengths[at] = 0
    return tuple(lengths)
