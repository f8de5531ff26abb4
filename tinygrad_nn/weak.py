"""Python numbers in a traced program: inputs like any other, that take on the dtype they meet.

NumPy lets ``array32 * 0.5`` stay float32 and ``array32 * np.float64(0.5)`` not; so a traced program
must remember which of its numbers are Python's. These are Python numbers that can be asked for
their shape and dtype like an array. NumPy takes them for its own, so what computes with them is
handed the plain number (:func:`plain`). Imports: nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np


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


WEAK = (WeakFloat, WeakInt)


def weak(x: Any) -> Any:
    """A plain Python number in the form that can be asked; anything else as it is."""
    if type(x) is float:
        return WeakFloat(x)
    return WeakInt(x) if type(x) is int else x


def plain(x: Any) -> Any:
    """A weak number as the plain one; anything else as it is."""
    if type(x) is WeakFloat:
        return float(x)
    return int(x) if type(x) is WeakInt else x
