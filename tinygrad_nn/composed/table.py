"""The table of composed functions, and what reading NumPy's arguments needs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..errors import NoRuleError
from ..node import underline_frame, user_frame

Composition = Callable[..., Any]

TABLE: dict[Any, Composition] = {}


#: The composed functions that give views in NumPy too.
VIEWING = frozenset((
    np.atleast_1d, np.atleast_2d, np.atleast_3d, np.array_split, np.broadcast_arrays, np.diag,
    np.diagonal, np.dsplit, np.expand_dims, np.fliplr, np.flipud, np.hsplit, np.linalg.diagonal,
    np.linalg.matrix_transpose, np.matrix_transpose, np.moveaxis, np.ravel, np.real, np.rollaxis,
    np.rot90, np.split, np.squeeze, np.swapaxes, np.vsplit,
    *(f for f in [getattr(np, "unstack", None)] if f is not None),
))  # fmt: skip


def composes(*functions: Any) -> Callable[[Composition], Composition]:
    """Register the decorated function as the composition of NumPy's ``functions``."""

    def register(composition: Composition) -> Composition:
        TABLE.update(dict.fromkeys(functions, composition))
        return composition

    return register


def given(value: Any) -> bool:
    """Whether an optional argument was passed, and is not None."""
    return value is not None and value is not np._NoValue


def refuse(name: str, **options: Any) -> None:
    """Raise for those of the ``options`` that were given: what is recorded cannot honour them."""
    for option, value in options.items():
        if given(value):
            raise NoRuleError(
                f"np.{name} of a tensor does not take {option}={value!r}\n"
                f"{underline_frame(user_frame(2))}"
            )


def arrayed(x: Any) -> Any:
    """A list or a Python number as an array; what has a shape as it is."""
    return x if hasattr(x, "ndim") else np.asarray(x)


def axes_of(a: Any, axis: Any) -> tuple[int, ...]:
    """NumPy's ``axis`` (an int, a tuple, None for all) as non-negative ints.

    Raises:
        numpy.exceptions.AxisError: an axis that ``a`` does not have, or one given twice.
    """
    if axis is None:
        return tuple(range(a.ndim))
    if a.ndim == 0 and axis in (0, -1):  # NumPy reduces a single number along either
        return ()
    return normalize_axis_tuple(axis, a.ndim)


def reduced_axis(axis: Any) -> Any:
    """``axis`` as recorded: an int, a tuple of ints, or None."""
    return tuple(axis) if isinstance(axis, list) else axis


def count(a: Any, axis: Any) -> int:
    """How many entries each result of a reduction is made of."""
    if axis is None:
        return int(a.size)
    if isinstance(axis, int) and a.ndim:
        return int(a.shape[axis])
    return math.prod(a.shape[i] for i in axes_of(a, axis))


def kept_axes(a: Any, axis: Any) -> tuple[int, ...]:
    """The shape of a reduction's result with ``keepdims``."""
    axes = axes_of(a, axis)
    return tuple(1 if i in axes else n for i, n in enumerate(a.shape))


def flat_along(a: Any, axis: Any) -> Any:
    """``a`` with the axes of a reduction as one, the last."""
    axes = axes_of(a, axis)
    kept = tuple(i for i in range(a.ndim) if i not in axes)
    n = math.prod(a.shape[i] for i in axes)
    if kept + axes != tuple(range(a.ndim)):
        a = np.transpose(a, kept + axes)
    return np.reshape(a, a.shape[: len(kept)] + (n,))


def along(axis: int, part: Any) -> tuple[Any, ...]:
    """The index that picks ``part`` of a non-negative axis, and all of the others."""
    return (slice(None),) * axis + (part,)
