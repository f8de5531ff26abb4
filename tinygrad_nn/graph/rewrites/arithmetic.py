"""Rewrites of arithmetic: neutral operands, signs, constant factors.

A number times an array is one pass over it; so constant factors are collected into one, in front of
everything else: ``c * (d * x)`` is ``(c d) x``. The same for signs, which then turn a sum into a
difference.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...rules.neural import relu
from .pattern import rewrite

# --- neutral operands -----------------------------------------------------------------------------
# Not x * 0 = 0: it is NaN where x is infinite.

rewrite(lambda x: +x, lambda x: x)
rewrite(lambda x: x * 1, lambda x: x)
rewrite(lambda x: x / 1, lambda x: x)
rewrite(lambda x: x + 0, lambda x: x)
rewrite(lambda x: x - 0, lambda x: x)
rewrite(lambda x: 0 - x, lambda x: -x)
rewrite(lambda x: x**1, lambda x: x)

# --- numbers --------------------------------------------------------------------------------------


def plain_number(c: Any) -> Any:
    """A number as one would write it: Python's own, and a whole one without a point."""
    number = c.item() if isinstance(c, np.generic) else c
    if (
        isinstance(number, float)
        and number.is_integer()
        and abs(number) < 1000
        and repr(number) != "-0.0"
    ):
        return int(number)
    return number


def _is_odd(c: Any) -> bool:
    return type(plain_number(c)) is not type(c)


#: Functions whose result has the dtype of the array, whatever Python number it meets.
_FUNCTIONS: tuple[Any, ...] = (
    np.add, np.subtract, np.multiply, np.divide, np.power, np.maximum, np.minimum, np.equal,
    np.not_equal, np.greater, np.greater_equal, np.less, np.less_equal,
)  # fmt: skip


def _add_for(f: Any) -> None:
    # array(2.0) * x = 2 * x: taken only where the result's dtype stays
    rewrite(lambda c, x: f(c, x), lambda c, x: f(plain_number(c), x), when=_is_odd)
    rewrite(lambda x, c: f(x, c), lambda x, c: f(x, plain_number(c)), when=_is_odd)
    # (1 * s) op x = s op x: 1 * s may have another dtype than s, and the result still the same
    rewrite(lambda s, x: f(1 * s, x), lambda s, x: f(s, x))
    rewrite(lambda x, s: f(x, 1 * s), lambda x, s: f(x, s))


for _function in _FUNCTIONS:
    _add_for(_function)

# --- signs ----------------------------------------------------------------------------------------

rewrite(lambda x: -(-x), lambda x: x)
rewrite(lambda c, x: -(c * x), lambda c, x: -c * x)
rewrite(lambda c, x: -(c / x), lambda c, x: -c / x)
rewrite(lambda x, y: -(x - y), lambda x, y: y - x)
rewrite(lambda x: x * -1, lambda x: -x)
rewrite(lambda x: x / -1, lambda x: -x)
rewrite(lambda c, x: c * -x, lambda c, x: -c * x)
rewrite(lambda c, x: c / -x, lambda c, x: -c / x)
rewrite(lambda c, x: -x / c, lambda c, x: -(x / c))
rewrite(lambda x, y: x * -y, lambda x, y: -(x * y))
rewrite(lambda x, y: -x / y, lambda x, y: -(x / y))
rewrite(lambda x, y: x / -y, lambda x, y: -(x / y))
rewrite(lambda x, y: x + -y, lambda x, y: x - y)
rewrite(lambda x, y: x - -y, lambda x, y: x + y)
rewrite(lambda x, y: -x - y, lambda x, y: -(x + y))
rewrite(lambda x, y, c: x + c * y, lambda x, y, c: x - -c * y, when=lambda c: c < 0)
rewrite(lambda x, y, c: x - c * y, lambda x, y, c: x + -c * y, when=lambda c: c < 0)
rewrite(lambda x, c: x + c, lambda x, c: x - -c, when=lambda c: c < 0)
rewrite(lambda x, c: x - c, lambda x, c: x + -c, when=lambda c: c < 0)

# --- constant factors -----------------------------------------------------------------------------


def _moderate(*numbers: Any) -> bool:
    """Whether a product of constants stays far from overflow and underflow, in float32 too."""
    return all(c == 0 or 1e-12 < abs(c) < 1e12 for c in numbers)


def _divides(c: Any, d: Any) -> bool:
    """Whether c / d is a whole number."""
    return bool(d != 0 and c / d == round(c / d))


rewrite(lambda c, d, x: c * (d * x), lambda c, d, x: (c * d) * x, when=lambda c, d: _moderate(c, d))
rewrite(lambda c, d, x: x / c / d, lambda c, d, x: x / (c * d), when=lambda c, d: _moderate(c, d))
rewrite(lambda c, d, x: c * (d / x), lambda c, d, x: (c * d) / x, when=lambda c, d: _moderate(c, d))
rewrite(lambda c, d, x: c * (x / d), lambda c, d, x: x / (d / c), when=lambda c, d: _divides(d, c))
rewrite(lambda c, d, x: c * (x / d), lambda c, d, x: (c / d) * x, when=lambda c, d: _divides(c, d))
rewrite(lambda c, d, x: (c * x) / d, lambda c, d, x: x / (d / c), when=lambda c, d: _divides(d, c))
rewrite(lambda c, d, x: (c * x) / d, lambda c, d, x: (c / d) * x, when=lambda c, d: _divides(c, d))
# 1 / N times x is x / N: what divides by the size of the batch is seen to
rewrite(lambda c, d, x: (c / d) * x, lambda c, d, x: (c * x) / d)
# numbers first, arrays last: 2 * (s * x) = (2 * s) * x
rewrite(lambda c, s, x: c * (s * x), lambda c, s, x: (c * s) * x, when=lambda s, x: _is_outer(s, x))
rewrite(
    lambda s, t, x: s * (t * x), lambda s, t, x: (s * t) * x, when=lambda s, t, x: _is_outer(t, x)
)
rewrite(lambda c, s, x: (c * s) * x, lambda c, s, x: (plain_number(c) * s) * x, when=_is_odd)


def _is_outer(s: Any, x: Any) -> bool:
    """Whether ``s`` is a number that is not known, and ``x`` an array."""
    return hasattr(s, "node") and np.ndim(x) > 0


# --- equal terms ----------------------------------------------------------------------------------

rewrite(lambda x: x + x, lambda x: 2 * x)
rewrite(lambda c, x: c * x + x, lambda c, x: (c + 1) * x)
rewrite(lambda c, d, x: c * x + d * x, lambda c, d, x: (c + d) * x)
rewrite(lambda x: x**2, lambda x: x * x)
rewrite(lambda x: np.square(x), lambda x: x * x)
rewrite(lambda x, y: x * (1 / y), lambda x, y: x / y)

# --- kinks and choices ----------------------------------------------------------------------------

rewrite(lambda x: relu(x), lambda x: np.maximum(0, x))
rewrite(lambda c, x: np.where(c, x, x), lambda c, x: x)
