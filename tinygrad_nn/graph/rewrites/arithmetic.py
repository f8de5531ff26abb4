"""Rewrites of arithmetic: neutral operands, signs, constant factors.

A number times an array is one pass over it; so constant factors are collected into one, in front of
everything else: ``c * (d * x)`` is ``(c d) x``. The same for signs, which then turn a sum into a
difference.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ...rules.neural import relu
from .pattern import rewrite

#: A line of the table that is true of floating-point operands.
real = partial(rewrite, floats=True)

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
    return bool(c < 0)


real(lambda x: np.negative(-x), lambda x: x)
real(lambda c, x: -(c * x), lambda c, x: -c * x)
real(
    lambda c, x: -(c / x),
    lambda c, x: -c / x,
    when=lambda c, x: c != 1 or x.constant is not None,
)
real(lambda x: -1 / x, lambda x: -(1 / x), when=lambda x: x.constant is None)
real(lambda x, y: -(x - y), lambda x, y: y - x)
real(lambda x: x * -1, lambda x: -x)
real(lambda x: x / -1, lambda x: -x)
real(lambda c, x: x / c, lambda c, x: -(x / -c), when=_is_negative)
real(lambda c, x: c * -x, lambda c, x: -c * x)
real(lambda c, x: c / -x, lambda c, x: -c / x)
real(lambda c, x: -x / c, lambda c, x: -(x / c))
real(lambda x, y: x * -y, lambda x, y: -(x * y), as_written=True)
real(lambda x, y: -x * y, lambda x, y: -(x * y), as_written=True)
real(lambda x, y: -x / y, lambda x, y: -(x / y))
real(lambda x, y: x / -y, lambda x, y: -(x / y))
real(lambda x, y: x + -y, lambda x, y: x - y)
real(lambda x, y: x - -y, lambda x, y: x + y)
real(lambda x, y: -x - y, lambda x, y: -(x + y))
real(lambda x, y, c: x + c * y, lambda x, y, c: x - -c * y, when=_is_negative)
real(lambda x, y, c: x - c * y, lambda x, y, c: x + -c * y, when=_is_negative)
real(lambda x, c: x + c, lambda x, c: x - -c, when=_is_negative)
real(lambda x, c: x - c, lambda x, c: x + -c, when=_is_negative)

# --- constant factors -----------------------------------------------------------------------------


def _moderate(c: Any, d: Any, x: Any) -> bool:
    """Whether constants and their product stay far from what x's dtype cannot hold."""
    limit = 1e3 if x.dtype.itemsize < 4 else 1e12
    return all(n == 0 or 1 / limit < abs(n) < limit for n in (c, d, c * d))


def _is_real(c: Any) -> bool:
    return isinstance(c, (float, np.floating))


def _divides(c: Any, n: Any, x: Any) -> bool:
    """Whether n / c is a whole number."""
    return c != 0 and _moderate(1 / c, n, x) and n / c == round(n / c)


def _is_divided(c: Any, n: Any, x: Any) -> bool:
    return n != 0 and _divides(n, c, x)


real(lambda c, d, x: c * (d * x), lambda c, d, x: (c * d) * x, when=_moderate)
real(lambda c, d, x: x / c / d, lambda c, d, x: x / (c * d), when=_moderate)
real(lambda c, d, x: c * (d / x), lambda c, d, x: (c * d) / x, when=_moderate)
real(lambda c, n, x: c * (x / n), lambda c, n, x: x / (n / c), when=_divides)
real(lambda c, n, x: c * (x / n), lambda c, n, x: (c / n) * x, when=_is_divided)
real(lambda c, n, x: c * x / n, lambda c, n, x: x / (n / c), when=_divides)
real(lambda c, n, x: c * x / n, lambda c, n, x: (c / n) * x, when=_is_divided)
real(lambda c, d, n, x: c * (d * x / n), lambda c, d, n, x: c * d * x / n, when=_moderate)
real(lambda c, d, x, y: c * (d * x * y), lambda c, d, x, y: c * d * x * y, when=_moderate)
# 1 / N times x is x / N: a division by the size of the batch can be seen to be one
rewrite(lambda c, n, x: c / n * x, lambda c, n, x: c * x / n, when=_is_real)
# known numbers first, then unknown ones, then arrays, the largest last
real(lambda c, x, y: x * (c * y), lambda c, x, y: (c * x) * y, when=lambda c, x, y: _before(x, y))
real(lambda c, x, y: c * (x * y), lambda c, x, y: (c * x) * y, when=lambda c, x, y: _before(x, y))
real(lambda s, x, y: s * (x * y), lambda s, x, y: (s * x) * y, when=lambda s, x, y: _before(x, y))
real(lambda c, d, x, y: (c * x) * (d * y), lambda c, d, x, y: (c * d) * (x * y), when=_moderate)
real(lambda c, x, y: (c * x) / y, lambda c, x, y: c * (x / y), when=lambda c, y: y.ndim > 0)
real(lambda c, s, x: (c * s) * x, lambda c, s, x: (plain_number(c) * s) * x, when=_is_odd)


def _before(x: Any, y: Any) -> bool:
    """Whether a factor is better put to ``x`` than to ``y``: it is not known, and smaller."""
    return x.constant is None and x.size < y.size


# --- equal terms ----------------------------------------------------------------------------------

real(lambda x: x + x, lambda x: 2 * x)
real(lambda c, x: c * x + x, lambda c, x: (c + 1) * x)
real(lambda c, d, x: c * x + d * x, lambda c, d, x: (c + d) * x)
real(lambda x: x**2, lambda x: x * x)
real(lambda x: np.square(x), lambda x: x * x)
# the derivative of y = 1 / (1 + exp(-x)) is y (1 - y)
real(
    lambda x: 1 / (1 + np.exp(x)) / (1 + np.exp(x)) * np.exp(x),
    lambda x: _logistic_slope(1 / (1 + np.exp(x))),
)
real(
    lambda x, y: y * (1 / (1 + np.exp(x))) / (1 + np.exp(x)) * np.exp(x),
    lambda x, y: y * _logistic_slope(1 / (1 + np.exp(x))),
)


def _logistic_slope(y: Any) -> Any:
    return y * (1 - y)


real(lambda x, y, z: x / z + y / z, lambda x, y, z: (x + y) / z)
real(lambda x, y, z: x / z - y / z, lambda x, y, z: (x - y) / z)

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
