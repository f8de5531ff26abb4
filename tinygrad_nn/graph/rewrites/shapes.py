"""Rewrites of what moves values about: transposes, reshapes, broadcasts, casts."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...weak import WEAK
from .pattern import rewrite
from .types import keeps_loop

# --- transposes -----------------------------------------------------------------------------------


def _axes(x: Any, axes: Any) -> tuple[int, ...]:
    """np.transpose's axes, written out."""
    return tuple(range(x.ndim))[::-1] if axes is None else tuple(a % x.ndim for a in axes)


def _composed(x: Any, first: Any, second: Any) -> Any:
    inner = _axes(x, first)
    return np.transpose(x, tuple(inner[a] for a in _axes(x, second)))


rewrite(lambda x: x.T.T, lambda x: x)
rewrite(lambda x: x.T, lambda x: x, when=lambda x: x.ndim < 2)
rewrite(
    lambda x, i: np.transpose(x, i),
    lambda x, i: x.T,
    when=lambda x, i: _axes(x, i) == _axes(x, None),
)
rewrite(
    lambda x, i: np.transpose(x, i),
    lambda x, i: x,
    when=lambda x, i: _axes(x, i) == tuple(range(x.ndim)),
)
rewrite(lambda x, i, j: np.transpose(np.transpose(x, i), j), lambda x, i, j: _composed(x, i, j))
rewrite(lambda x, i: np.transpose(np.transpose(x), i), lambda x, i: _composed(x, None, i))
rewrite(lambda x, i: np.transpose(np.transpose(x, i)), lambda x, i: _composed(x, i, None))

# a product's transpose is the product of the transposes, the other way round
rewrite(lambda a, b: (a.T @ b).T, lambda a, b: b.T @ a, when=lambda a, b: a.ndim == b.ndim == 2)
rewrite(lambda a, b: (a @ b.T).T, lambda a, b: b @ a.T, when=lambda a, b: a.ndim == b.ndim == 2)


def _swaps_last(a: Any, b: Any, i: Any) -> bool:
    """Whether axes ``i`` are those of a stack of matrices, each transposed."""
    n = a.ndim
    return n == b.ndim and n > 2 and _axes(a, i) == (*range(n - 2), n - 1, n - 2)


# and of a stack of matrices
rewrite(
    lambda a, b, i: np.transpose(np.transpose(a, i) @ b, i),
    lambda a, b, i: np.transpose(b, i) @ a,
    when=_swaps_last,
)
rewrite(
    lambda a, b, i: np.transpose(a @ np.transpose(b, i), i),
    lambda a, b, i: b @ np.transpose(a, i),
    when=_swaps_last,
)

# --- reshapes and casts ---------------------------------------------------------------------------

rewrite(lambda x, i, j: np.reshape(np.reshape(x, i), j), lambda x, i, j: np.reshape(x, j))
rewrite(lambda x, i: np.reshape(x, i), lambda x, i: x)  # where the shape is x's own
rewrite(lambda x, i: np.broadcast_to(x, i), lambda x, i: x)
rewrite(lambda x, i: x.astype(i), lambda x, i: x)
rewrite(lambda s, i: np.reshape(s, i), lambda s, i: np.broadcast_to(s, i))
rewrite(
    lambda x, i, j: np.reshape(np.broadcast_to(x, i), j),
    lambda x, i, j: np.broadcast_to(x, j),
    when=lambda x: x.ndim == 0,
)

# --- broadcasts -----------------------------------------------------------------------------------

rewrite(
    lambda x, i, j: np.broadcast_to(np.broadcast_to(x, i), j), lambda x, i, j: np.broadcast_to(x, j)
)


def _leads(x: Any, i: Any) -> bool:
    """Whether a reshape only puts axes of length 1 in front of x's own."""
    n = len(i) - x.ndim
    return n > 0 and tuple(i[n:]) == x.shape and all(m == 1 for m in i[:n])


rewrite(
    lambda x, i, j: np.broadcast_to(np.reshape(x, i), j),
    lambda x, i, j: np.broadcast_to(x, j),
    when=_leads,
)

#: Elementwise functions of one argument, and of two.
_OF_ONE: tuple[Any, ...] = (
    np.negative, np.exp, np.log, np.sqrt, np.sign, np.absolute, np.logical_not, np.tanh,
)  # fmt: skip
_OF_TWO: tuple[Any, ...] = (
    np.add, np.subtract, np.multiply, np.divide, np.power, np.maximum, np.minimum, np.equal,
    np.not_equal, np.greater, np.greater_equal, np.less, np.less_equal, np.logical_and,
    np.logical_or,
)  # fmt: skip


def _add_for_one(f: Any) -> None:
    # of equal numbers one is enough
    rewrite(lambda x, i: f(np.broadcast_to(x, i)), lambda x, i: np.broadcast_to(f(x), i))
    # axes in front come last
    rewrite(lambda x, i: f(np.reshape(x, i)), lambda x, i: np.reshape(f(x), i), when=_leads)


def _strong(x: Any) -> Any:
    """What an array is made of that has ``x`` as its entries: a Python number gets a dtype."""
    return x.value.dtype.type(0) if isinstance(x.value, WEAK) else x.value


def _add_for_two(f: Any) -> None:
    def stays(x: Any, y: Any) -> bool:
        """Whether f computes in the same dtypes with x alone as with an array of x."""
        return keeps_loop(f, (_strong(x), y.value), (x.value, y.value))

    def stays_last(x: Any, y: Any) -> bool:
        return keeps_loop(f, (y.value, _strong(x)), (y.value, x.value))

    def both_stay(x: Any, y: Any) -> bool:
        return keeps_loop(f, (_strong(x), _strong(y)), (x.value, y.value))

    def leads(x: Any, i: Any, y: Any) -> bool:
        return _leads(x, i) and stays(x, y)

    def leads_last(x: Any, i: Any, y: Any) -> bool:
        return _leads(x, i) and stays_last(x, y)

    # of equal numbers one is enough
    rewrite(
        lambda x, i, y, j: f(np.broadcast_to(x, i), np.broadcast_to(y, j)),
        lambda x, i, y, j: np.broadcast_to(f(x, y), np.broadcast_shapes(i, j)),
        both_stay,
        as_written=True,
    )
    # the function itself broadcasts; taken only where the other operand has the full shape
    rewrite(lambda x, i, y: f(np.broadcast_to(x, i), y), lambda x, y: f(x, y), stays, True)
    rewrite(lambda x, i, y: f(y, np.broadcast_to(x, i)), lambda x, y: f(y, x), stays_last, True)
    rewrite(lambda x, i, y: f(np.reshape(x, i), y), lambda x, y: f(x, y), leads, True)
    rewrite(lambda x, i, y: f(y, np.reshape(x, i)), lambda x, y: f(y, x), leads_last, True)
    rewrite(
        lambda x, i, s: f(np.broadcast_to(x, i), s),
        lambda x, i, s: np.broadcast_to(f(x, s), i),
        lambda x, s: stays(x, s),
        as_written=True,
    )
    rewrite(
        lambda x, i, s: f(s, np.broadcast_to(x, i)),
        lambda x, i, s: np.broadcast_to(f(s, x), i),
        lambda x, s: stays_last(x, s),
        as_written=True,
    )
    # axes in front come last
    rewrite(
        lambda x, i, s: f(np.reshape(x, i), s),
        lambda x, i, s: np.reshape(f(x, s), i),
        lambda x, i, s: leads(x, i, s),
        as_written=True,
    )
    rewrite(
        lambda x, i, s: f(s, np.reshape(x, i)),
        lambda x, i, s: np.reshape(f(s, x), i),
        lambda x, i, s: leads_last(x, i, s),
        as_written=True,
    )


rewrite(lambda p, x, i, y: np.where(p, np.broadcast_to(x, i), y), lambda p, x, y: np.where(p, x, y))
rewrite(lambda p, x, i, y: np.where(p, y, np.broadcast_to(x, i)), lambda p, x, y: np.where(p, y, x))

for _function in _OF_ONE:
    _add_for_one(_function)
for _function in _OF_TWO:
    _add_for_two(_function)
