"""What generated Numba code calls. Imported by it alone, so that only it needs Numba."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from ...errors import DtypeError, RangeError, ShapeError
from ...weak import converted as converted  # for generated code


@intrinsic
def plus(context: Any, total: Any, value: Any) -> Any:
    """``total + value`` as part of a sum that may be formed in any order, so in vectors."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fadd(args[0], args[1], flags=("reassoc",))

    return total(total, total), generate


def array(dtype: str, ndim: int) -> Any:
    """The type of an array that is written, in C order."""
    return types.Array(getattr(types, dtype), ndim, "C")


def given(dtype: str, ndim: int) -> Any:
    """The type of an array that is only read, in C order."""
    return types.Array(getattr(types, dtype), ndim, "C", readonly=True)


def number(dtype: str) -> Any:
    """The type of a single number."""
    return getattr(types, dtype)


def result(value: Any, shape: tuple[int, ...], dtype: str, own: bool = False) -> Any:
    """What NumPy computed, as generated loops expect it: of the planned type, and contiguous.

    Args:
        value: the result.
        shape: its shape when the program was traced.
        dtype: its dtype then.
        own: it has to be an array that nobody else holds.

    Raises:
        ShapeError: it is of another shape.
        DtypeError: it is of another dtype.
        RangeError: it is an object of Python's, of an integer that is too large for NumPy.
    """
    if not isinstance(value, (np.ndarray, np.generic)):
        raise RangeError(f"a Python integer that fits no dtype of NumPy's gave {value!r}")
    if value.shape != shape or value.dtype != dtype:
        kind, what = (ShapeError, "shape") if value.shape != shape else (DtypeError, "dtype")
        raise kind(
            f"a compiled program's arrays keep their {what}s: expected "
            f"{dtype}{list(shape)}, got {value.dtype}{list(value.shape)}"
        )
    if not shape:
        return np.array(value) if own and isinstance(value, np.ndarray) else value
    if own and (value.base is not None or not value.flags.c_contiguous):
        return value.copy()
    return np.ascontiguousarray(value)
