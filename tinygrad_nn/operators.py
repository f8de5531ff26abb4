"""Python's operators on tensors, each recorded as the NumPy function that it stands for.

Python's operator on the values is what the ufunc computes, and on single numbers six times faster;
so the operator computes, and the ufunc is what is recorded.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from .rules.indexing import as_index, getitem
from .rules.registry import plain
from .weak import WEAK


class Operators:
    """The operators of a tensor; what records is given by recording.py."""

    __slots__ = ()
    _record: Callable[..., Any]
    _record_pair: Callable[..., Any]
    _record_operator: Callable[..., Any]
    _round_to_int: Callable[..., Any]

    def __add__(self, other: Any) -> Any:
        return self._record_pair(np.add, (self, other), operator.add)

    def __radd__(self, other: Any) -> Any:
        return self._record_pair(np.add, (other, self), operator.add)

    def __sub__(self, other: Any) -> Any:
        return self._record_pair(np.subtract, (self, other), operator.sub)

    def __rsub__(self, other: Any) -> Any:
        return self._record_pair(np.subtract, (other, self), operator.sub)

    def __mul__(self, other: Any) -> Any:
        return self._record_pair(np.multiply, (self, other), operator.mul)

    def __rmul__(self, other: Any) -> Any:
        return self._record_pair(np.multiply, (other, self), operator.mul)

    def __truediv__(self, other: Any) -> Any:
        return self._record_pair(np.divide, (self, other), operator.truediv)

    def __rtruediv__(self, other: Any) -> Any:
        return self._record_pair(np.divide, (other, self), operator.truediv)

    def __matmul__(self, other: Any) -> Any:
        return self._record_pair(np.matmul, (self, other), np.matmul)

    def __rmatmul__(self, other: Any) -> Any:
        return self._record_operator(np.matmul, (other, self))

    def __pow__(self, other: Any) -> Any:
        return self._record_pair(np.power, (self, other), operator.pow)

    def __rpow__(self, other: Any) -> Any:
        return self._record_pair(np.power, (other, self), operator.pow)

    def __floordiv__(self, other: Any) -> Any:
        return self._record_operator(np.floor_divide, (self, other), operator.floordiv)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._record_operator(np.floor_divide, (other, self), operator.floordiv)

    def __mod__(self, other: Any) -> Any:
        return self._record_operator(np.remainder, (self, other), operator.mod)

    def __rmod__(self, other: Any) -> Any:
        return self._record_operator(np.remainder, (other, self), operator.mod)

    def __divmod__(self, other: Any) -> tuple[Any, Any]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Any, Any]:
        return other // self, other % self

    def __round__(self, ndigits: Any = None) -> Any:
        if isinstance(getattr(self, "_value", None), WEAK):
            digits = () if ndigits is None else (operator.index(ndigits),)
            return self._record(np.round, (self, *digits), None, round)
        if ndigits is None and isinstance(getattr(self, "_value", None), np.generic):
            self._round_to_int()
        return np.round(self, ndigits or 0)  # type: ignore[call-overload]

    def __neg__(self) -> Any:
        return self._record(np.negative, (self,), None, operator.neg)

    def __pos__(self) -> Any:
        return self._record(np.positive, (self,), None, operator.pos)

    def __abs__(self) -> Any:
        return self._record(np.absolute, (self,), None, operator.abs)

    def __invert__(self) -> Any:
        return self._record(np.invert, (self,), None, operator.invert)

    def __and__(self, other: Any) -> Any:
        return self._record_operator(np.bitwise_and, (self, other), operator.and_)

    def __or__(self, other: Any) -> Any:
        return self._record_operator(np.bitwise_or, (self, other), operator.or_)

    def __xor__(self, other: Any) -> Any:
        return self._record_operator(np.bitwise_xor, (self, other), operator.xor)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __lshift__(self, other: Any) -> Any:
        return self._record_operator(np.left_shift, (self, other), operator.lshift)

    def __rlshift__(self, other: Any) -> Any:
        return self._record_operator(np.left_shift, (other, self), operator.lshift)

    def __rshift__(self, other: Any) -> Any:
        return self._record_operator(np.right_shift, (self, other), operator.rshift)

    def __rrshift__(self, other: Any) -> Any:
        return self._record_operator(np.right_shift, (other, self), operator.rshift)

    def _compared(self, function: Any, python: Any, other: Any) -> Any:
        """A comparison, by Python's operator if this is one of its numbers: that gives a bool."""
        own = python if isinstance(getattr(self, "_value", None), WEAK) else None
        return self._record_operator(function, (self, other), own)

    def __eq__(self, other: Any) -> Any:
        return self._compared(np.equal, operator.eq, other)

    def __ne__(self, other: Any) -> Any:
        return self._compared(np.not_equal, operator.ne, other)

    def __lt__(self, other: Any) -> Any:
        return self._compared(np.less, operator.lt, other)

    def __le__(self, other: Any) -> Any:
        return self._compared(np.less_equal, operator.le, other)

    def __gt__(self, other: Any) -> Any:
        return self._compared(np.greater, operator.gt, other)

    def __ge__(self, other: Any) -> Any:
        return self._compared(np.greater_equal, operator.ge, other)

    def __getitem__(self, index: Any) -> Any:
        return self._record(getitem, (self, *as_index(index)), None, plain(getitem))
