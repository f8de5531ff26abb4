"""Python numbers in a traced program: inputs like any other, that take on the dtype they meet.

NumPy lets ``array32 * 0.5`` stay float32 and ``array32 * np.float64(0.5)`` not; so a traced program
must remember which of its numbers are Python's. These are Python numbers that can be asked for
their shape and dtype like an array: weak ones, as the field calls a dtype that gives way to the one
it meets. NumPy takes them for its own, so what computes with them is handed the plain number
(:func:`plain`).

A node has such a value exactly if Python computed it: its function then stands for Python's
operator, whose integers have no bounds, and not for NumPy's function.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .errors import RangeError, TraceError


class _Weak:
    """What an array of one number answers."""

    __slots__ = ()
    shape: tuple[int, ...] = ()
    ndim = 0
    size = 1
    nbytes = 8

    def astype(self, dtype: Any) -> Any:
        """The number as one of NumPy's, of ``dtype``."""
        return np.dtype(dtype).type(self)

    def item(self) -> Any:
        """The plain number."""
        return plain(self)


class WeakFloat(_Weak, float):
    """A Python float."""

    __slots__ = ()
    dtype = np.dtype(float)


class WeakInt(_Weak, int):
    """A Python int."""

    __slots__ = ()
    dtype = np.dtype(int)


class WeakBool(_Weak, int):
    """A Python bool: what comparing Python's numbers gives. NumPy takes it as one of its own."""

    __slots__ = ()
    dtype = np.dtype(bool)
    nbytes = 1


WEAK = (WeakFloat, WeakInt, WeakBool)

_WEAK: dict[Any, Any] = {float: WeakFloat, int: WeakInt, bool: WeakBool}
_PLAIN: dict[Any, Any] = {form: kind for kind, form in _WEAK.items()}


def weak(x: Any) -> Any:
    """A plain Python number in the form that can be asked; anything else as it is."""
    form = _WEAK.get(type(x))
    return x if form is None else form(x)


def plain(x: Any) -> Any:
    """A weak number as the plain one; anything else as it is."""
    kind = _PLAIN.get(type(x))
    return x if kind is None else kind(x)


def is_python_number(x: Any) -> bool:
    """Whether ``x`` is one of Python's numbers (or truth values), weak or plain."""
    return type(x) in _PLAIN or type(x) in _WEAK


def kind_name(x: Any) -> str:
    """``float``, ``int`` or ``bool``, of a weak number."""
    return str(_PLAIN[type(x)].__name__)


# --- what is computed of them ---------------------------------------------------------------------

#: Python's own operators, by the function that stands for each in a graph.
OPERATORS: dict[Any, Any] = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.divide: operator.truediv,
    np.floor_divide: operator.floordiv,
    np.remainder: operator.mod,
    np.power: operator.pow,
    np.negative: operator.neg,
    np.positive: operator.pos,
    np.absolute: operator.abs,
    np.invert: operator.invert,
    np.bitwise_and: operator.and_,
    np.bitwise_or: operator.or_,
    np.bitwise_xor: operator.xor,
    np.left_shift: operator.lshift,
    np.right_shift: operator.rshift,
    np.equal: operator.eq,
    np.not_equal: operator.ne,
    np.less: operator.lt,
    np.less_equal: operator.le,
    np.greater: operator.gt,
    np.greater_equal: operator.ge,
    np.round: round,
}

COMPARISONS = frozenset(
    (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)
)
_OF_BITS = frozenset((np.bitwise_and, np.bitwise_or, np.bitwise_xor))


def usual(function: Any, args: Any) -> Any:
    """A number of the type that Python's operator gives for numbers of these types.

    A power of integers is a float here, as it is for a negative exponent.
    """
    kinds = {type(plain(x)) for x in args}
    if function in COMPARISONS or (kinds == {bool} and function in _OF_BITS):
        return WeakBool(False)
    if function is np.round:
        broken = float in kinds and len(args) > 1
    else:
        broken = float in kinds or function in (np.divide, np.power)
    return WeakFloat("nan") if broken else WeakInt(0)


class AnotherTypeError(TraceError):
    """A Python number is of another type than in the program that was traced.

    A compiled function is then compiled for this type, too.
    """


def compute(function: Any, args: list[Any], traced: Any) -> Any:
    """What Python computes of its own numbers, for a node whose value is ``traced``.

    Raises:
        AnotherTypeError: the result is of another type than the traced one.
    """
    value = OPERATORS.get(function, function)(*args)
    if not isinstance(value, (int, float, complex, np.generic)):
        return value  # a tensor
    return checked(value, type(plain(traced)))


def checked(value: Any, kind: type) -> Any:
    """A computed number, if it is of the type that it had when the program was traced.

    Raises:
        AnotherTypeError: it is not, so that NumPy might go on in another dtype.
    """
    if type(value) is kind:
        return value
    if isinstance(value, np.generic) and type(value.item()) is kind:
        return value.item()
    raise AnotherTypeError(
        f"what Python computes of its numbers is {value!r} here, and was {_A[kind]} when the "
        "program was traced\n  an integer to a negative power is a float, a negative number to a "
        "broken one complex:\n  give a float where a float should come out, or compute the number "
        "outside the function"
    )


_A: dict[type, str] = {int: "an int", float: "a float", bool: "a bool"}


def as_numpy(x: Any) -> Any:
    """A Python number as NumPy's, for what calls a method of it; anything else as it is.

    Raises:
        RangeError: an integer that is too large for NumPy.
    """
    kind = type(x)
    return converted(x, np.dtype(kind)) if kind in _WEAK else x


def converted(number: Any, dtype: Any) -> Any:
    """A Python number as one of ``dtype``, that of what it meets.

    Raises:
        RangeError: it does not fit.
    """
    try:
        return np.dtype(dtype).type(number)
    except OverflowError:
        text = f"{number:,}" if abs(number) < 10**30 else f"of {number.bit_length()} bits"
        raise RangeError(
            f"the Python integer {text} does not fit into {np.dtype(dtype)}, the dtype of what it "
            "meets"
        ) from None
