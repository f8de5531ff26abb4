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


def _is_truth(p: Any) -> bool:
    return bool(p.dtype.kind == "b")


def _are_truths(p: Any, q: Any) -> bool:
    return _is_truth(p) and _is_truth(q)


#: Functions whose result has the dtype of the array, whatever Python number it meets.
_FUNCTIONS: tuple[Any, ...] = (
    np.add, np.subtract, np.multiply, np.divide, np.power, np.maximum, np.minimum, np.equal,
    np.not_equal, np.greater, np.greater_equal, np.less, np.less_equal,
)  # fmt: skip


def _add_for(f: Any) -> None:
    # array(2.0) * x = 2 * x: taken only where the result's dtype stays
    rewrite(lambda c, x: f(c, x), lambda c, x: f(plain_number(c), x), _is_odd, as_written=True)
    rewrite(lambda x, c: f(x, c), lambda x, c: f(x, plain_number(c)), _is_odd, as_written=True)
    # (1 * x) op y = x op y: 1 * x may have another dtype than x, and the result still the same
    rewrite(lambda x, y: f(1 * x, y), lambda x, y: f(x, y), as_written=True)
    rewrite(lambda x, y: f(y, 1 * x), lambda x, y: f(y, x), as_written=True)


for _function in _FUNCTIONS:
    _add_for(_function)

# --- signs ----------------------------------------------------------------------------------------


def _is_negative(c: Any) -> bool:
    return c < 0 and not isinstance(c, np.integer)  # -c of the smallest one does not exist


rewrite(lambda x: np.negative(-x), lambda x: x)
rewrite(lambda c, x: -(c * x), lambda c, x: -c * x)
rewrite(
    lambda c, x: -(c / x),
    lambda c, x: -c / x,
    when=lambda c, x: c != 1 or x.constant is not None,
)
rewrite(lambda x: -1 / x, lambda x: -(1 / x), when=lambda x: x.constant is None)
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
rewrite(lambda x, y, c: x + c * y, lambda x, y, c: x - -c * y, when=_is_negative)
rewrite(lambda x, y, c: x - c * y, lambda x, y, c: x + -c * y, when=_is_negative)
rewrite(lambda x, c: x + c, lambda x, c: x - -c, when=_is_negative)
rewrite(lambda x, c: x - c, lambda x, c: x + -c, when=_is_negative)

# --- constant factors -----------------------------------------------------------------------------


def _moderate(c: Any, d: Any) -> bool:
    """Whether a product of constants stays far from overflow and underflow, in float32 too."""
    return all(n == 0 or 1e-12 < abs(n) < 1e12 for n in (c, d))


def _divides(c: Any, n: Any) -> bool:
    """Whether n / c is a whole number."""
    return c != 0 and _moderate(c, n) and n / c == round(n / c)


rewrite(lambda c, d, x: c * (d * x), lambda c, d, x: (c * d) * x, when=_moderate)
rewrite(lambda c, d, x: x / c / d, lambda c, d, x: x / (c * d), when=_moderate)
rewrite(lambda c, d, x: c * (d / x), lambda c, d, x: (c * d) / x, when=_moderate)
rewrite(lambda c, n, x: c * (x / n), lambda c, n, x: x / (n / c), when=lambda c, n: _divides(c, n))
rewrite(lambda c, n, x: c * (x / n), lambda c, n, x: (c / n) * x, when=lambda c, n: _divides(n, c))
rewrite(lambda c, n, x: c * x / n, lambda c, n, x: x / (n / c), when=lambda c, n: _divides(c, n))
rewrite(lambda c, n, x: c * x / n, lambda c, n, x: (c / n) * x, when=lambda c, n: _divides(n, c))
rewrite(lambda c, d, n, x: c * (d * x / n), lambda c, d, n, x: c * d * x / n, when=_moderate)
# 1 / N times x is x / N: a division by the size of the batch can be seen to be one
rewrite(lambda c, n, x: c / n * x, lambda c, n, x: c * x / n)
# known numbers first, then unknown ones, then arrays, the largest last
rewrite(
    lambda c, x, y: x * (c * y), lambda c, x, y: (c * x) * y, when=lambda c, x, y: _before(x, y)
)
rewrite(
    lambda c, x, y: c * (x * y), lambda c, x, y: (c * x) * y, when=lambda c, x, y: _before(x, y)
)
rewrite(
    lambda s, x, y: s * (x * y), lambda s, x, y: (s * x) * y, when=lambda s, x, y: _before(x, y)
)
rewrite(lambda c, d, x, y: (c * x) * (d * y), lambda c, d, x, y: (c * d) * (x * y), when=_moderate)
rewrite(lambda c, x, y: (c * x) / y, lambda c, x, y: c * (x / y), when=lambda c, y: y.ndim > 0)
rewrite(lambda c, s, x: (c * s) * x, lambda c, s, x: (plain_number(c) * s) * x, when=_is_odd)


def _before(x: Any, y: Any) -> bool:
    """Whether a factor is better put to ``x`` than to ``y``: it is not known, and smaller."""
    return x.constant is None and x.size < y.size


# --- equal terms ----------------------------------------------------------------------------------

rewrite(lambda x: x + x, lambda x: 2 * x)
rewrite(lambda c, x: c * x + x, lambda c, x: (c + 1) * x)
rewrite(lambda c, d, x: c * x + d * x, lambda c, d, x: (c + d) * x)
rewrite(lambda x: x**2, lambda x: x * x)
rewrite(lambda x: np.square(x), lambda x: x * x)
rewrite(lambda x, y: x / (1 + y) * y, lambda x, y: x * (1 - 1 / (1 + y)))
rewrite(lambda x, y, z: x / z + y / z, lambda x, y, z: (x + y) / z)
rewrite(lambda x, y, z: x / z - y / z, lambda x, y, z: (x - y) / z)

# A product of matrices, then what is added to it: dW = X.T @ dh + reg * W.
rewrite(lambda s, a, b, x: s * x + a @ b, lambda s, a, b, x: a @ b + s * x, as_written=True)

# --- kinks and choices ----------------------------------------------------------------------------

rewrite(lambda x: relu(x), lambda x: np.maximum(0, x))
rewrite(lambda p, x: np.where(p, x, x), lambda p, x: x)
rewrite(lambda p, x, y: np.where(np.logical_not(p), x, y), lambda p, x, y: np.where(p, y, x))
# A truth value counts 1 in a product, of whatever dtype.
rewrite(lambda x, y, i: x * y.astype(i), lambda x, y: x * y, when=lambda y: y.dtype.kind == "b")
rewrite(lambda p, c, n: np.where(p, c / n, 0), lambda p, c, n: p / n * c, when=_is_truth)
rewrite(
    lambda p, c, n: np.where(p, c / n, 0),
    lambda p, c, n: p.astype(c.dtype) / n * c,
    when=lambda p, c: _is_truth(p) and isinstance(c, np.floating),
)
rewrite(lambda p, q, n: p / n * q, lambda p, q, n: (p & q) / n, when=_are_truths)
rewrite(
    lambda p, q, i, n: p.astype(i) / n * q,
    lambda p, q, i, n: (p & q).astype(i) / n,
    when=_are_truths,
)
