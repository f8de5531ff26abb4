"""What the handlers of NumPy's functions share."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import DtypeError, InPlaceError, TinygradError
from ..node import underline_frame, user_frame, would_freeze
from ..tensor import HANDLERS, Tensor
from ..weak import plain

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
    if result.requires_grad:
        why = "carries a gradient, and out= is a plain array that cannot"
    elif would_freeze(result._node):
        why = "is traced, and out= is a plain array, which would keep this run's value"
    elif isinstance(out, np.ndarray):
        out[...] = plain_value(result)
        return out
    else:
        why = f"cannot be written into {type(out).__name__}"
    raise InPlaceError(
        f"np.{name}: the result {why}\n"
        "  write X = X + t instead of X += t, or make the array a tg.Tensor\n"
        f"{underline_frame(user_frame(2))}"
    )


def plain_value(x: Any) -> Any:
    """The value of a tensor, of one of Python's numbers the plain one; anything else as it is."""
    return plain(x._current()) if isinstance(x, Tensor) else x


def whole(n: Any) -> int:
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


def wholes(numbers: Any) -> tuple[int, ...]:
    """A shape or several axes as a tuple of Python ints."""
    return tuple(map(whole, numbers)) if isinstance(numbers, (list, tuple)) else (whole(numbers),)


def axes_of(axis: Any) -> Any:
    """An ``axis`` as recorded: an int or a tuple of ints, so that equal calls look equal."""
    return tuple(map(whole, axis)) if isinstance(axis, (list, tuple)) else whole(axis)
