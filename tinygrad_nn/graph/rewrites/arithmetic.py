"""Rewrites of arithmetic: neutral operands, signs, constant factors.

A number times an array is one pass over it; so constant factors are collected into one, in front of
everything else: ``c * (d * x)`` is ``(c d) x``. The same for signs, which then turn a sum into a
difference.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ...node import Node
from ...rules.neural import relu
from ...weak import WEAK, weak
from .pattern import is_minus_zero, is_number, operands_of, rewrite
from .types import keeps_loop

#: A line of the table that is true of floating-point operands.
real = partial(rewrite, floats=True)

# --- neutral operands -----------------------------------------------------------------------------
# Not x * 0 = 0: it is NaN where x is infinite. Not x + 0 = x nor 0 - x = -x: the sign of a zero
# differs, and with it that of 1 / (0 - x).

rewrite(lambda x: +x, lambda x: x)
rewrite(lambda x: x * 1, lambda x: x)
rewrite(lambda x: x / 1, lambda x: x)
rewrite(lambda x, c: x + c, lambda x, c: x, when=lambda c: is_minus_zero(c))
rewrite(lambda x: x - 0, lambda x: x)
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


#: Functions that take a Python number for one of the array's dtype.
_FUNCTIONS: tuple[Any, ...] = (
    np.add, np.subtract, np.multiply, np.divide, np.power, np.maximum, np.minimum, np.equal,
    np.not_equal, np.greater, np.greater_equal, np.less, np.less_equal,
)  # fmt: skip


def _add_for(f: Any) -> None:
    def plain_first(c: Any, x: Any) -> bool:
        return _is_odd(c) and keeps_loop(f, (c, x.value), (weak(plain_number(c)), x.value))

    def plain_last(c: Any, x: Any) -> bool:
        return _is_odd(c) and keeps_loop(f, (x.value, c), (x.value, weak(plain_number(c))))

    # array(2.0) * x = 2 * x: taken only where what is computed is of the same dtypes
    rewrite(lambda c, x: f(c, x), lambda c, x: f(plain_number(c), x), plain_first, as_written=True)
    rewrite(lambda x, c: f(x, c), lambda x, c: f(x, plain_number(c)), plain_last, as_written=True)

    def one_first(c: Any, x: Any, y: Any) -> bool:
        return bool(c == 1) and keeps_loop(f, ((c * x).value, y.value), (x.value, y.value))

    def one_last(c: Any, x: Any, y: Any) -> bool:
        return bool(c == 1) and keeps_loop(f, (y.value, (c * x).value), (y.value, x.value))

    # (1 * x) op y = x op y: 1 * x may have another dtype than x, and the result still the same
    rewrite(lambda c, x, y: f(c * x, y), lambda x, y: f(x, y), one_first, as_written=True)
    rewrite(lambda c, x, y: f(y, c * x), lambda x, y: f(y, x), one_last, as_written=True)


for _function in _FUNCTIONS:
    _add_for(_function)

# --- signs ----------------------------------------------------------------------------------------


def _is_negative(c: Any) -> bool:
    return bool(c < 0)


def _negated(c: Any) -> Any:
    """-c, also of the whole number 0, which knows no sign where the program's zeros have one."""
    return -0.0 if type(c) is int and c == 0 else -c


real(lambda x: np.negative(-x), lambda x: x)
real(lambda c, x: -(c * x), lambda c, x: _negated(c) * x)
real(
    lambda c, x: -(c / x),
    lambda c, x: _negated(c) / x,
    when=lambda c, x: c != 1 or x.constant is not None,
)
real(lambda x: -1 / x, lambda x: -(1 / x), when=lambda x: x.constant is None)
real(lambda x: x * -1, lambda x: -x)
real(lambda x: x / -1, lambda x: -x)
real(lambda c, x: x / c, lambda c, x: -(x / -c), when=_is_negative)
real(lambda c, x: c * -x, lambda c, x: _negated(c) * x)
real(lambda c, x: c / -x, lambda c, x: _negated(c) / x)
real(lambda c, x: -x / c, lambda c, x: -(x / c))
real(lambda x, y: x * -y, lambda x, y: -(x * y), as_written=True)
real(lambda x, y: -x * y, lambda x, y: -(x * y), as_written=True)
real(lambda x, y: -x / y, lambda x, y: -(x / y))
real(lambda x, y: x / -y, lambda x, y: -(x / y))
real(lambda x, y: x + -y, lambda x, y: x - y)
real(lambda x, y: x - -y, lambda x, y: x + y)
real(lambda x, y, c: x + c * y, lambda x, y, c: x - -c * y, when=_is_negative)
real(lambda x, y, c: x - c * y, lambda x, y, c: x + -c * y, when=_is_negative)
real(lambda x, y, z, c: x + c * y * z, lambda x, y, z, c: x - -c * y * z, when=_is_negative)
real(lambda x, y, z, c: x - c * y * z, lambda x, y, z, c: x + -c * y * z, when=_is_negative)
real(lambda x, c: x + c, lambda x, c: x - -c, when=_is_negative)
real(lambda x, c: x - c, lambda x, c: x + -c, when=_is_negative)

# --- constant factors -----------------------------------------------------------------------------


# What is multiplied first may overflow where the program's own order does not: nothing is moved in
# half precision, whose largest number is 65504, and in single precision no factor that is extreme.


def narrow(*operands: Any) -> bool:
    """Whether one of the operands is of half precision."""
    return any(getattr(x, "dtype", None) == np.float16 for x in operands)


def _limit(*operands: Any) -> float:
    """How far factors may be from 1 that are moved: far from what the dtypes cannot hold."""
    if narrow(*operands):
        return 1.0
    return 1e6 if any(getattr(x, "dtype", None) == np.float32 for x in operands) else 1e12


def moderate(c: Any, x: Any, y: Any = 1.0) -> bool:
    """Whether a factor ``c`` may be moved among operands like ``x`` and ``y``."""
    limit = _limit(c, x, y)
    return bool(1 / limit < abs(c) < limit)


def _are_moderate(c: Any, d: Any, x: Any) -> bool:
    """Whether constants may be made one."""
    return moderate(c, x, d) and moderate(d, x, c) and moderate(c * d, x)


def _all_moderate(c: Any, d: Any, x: Any, y: Any) -> bool:
    """Whether two products may have their constants made one, before x and y have met."""
    if not (_are_moderate(c, d, x) and _are_moderate(c, d, y)):
        return False
    return _limit(x, y) > 1e6 or abs(c * d) >= 1  # then x * y is not larger than the result


def _is_real(c: Any) -> bool:
    return isinstance(c, (float, np.floating))


def _divides(c: Any, n: Any, x: Any) -> bool:
    """Whether n / c is a whole number."""
    return c != 0 and n != 0 and _are_moderate(1 / c, n, x) and n / c == round(n / c)


def _is_divided(c: Any, n: Any, x: Any) -> bool:
    return n != 0 and _divides(n, c, x)


def _before(x: Any, y: Any) -> bool:
    """Whether a factor is better put to ``x`` than to ``y``: it is not known, and smaller."""
    return x.constant is None and x.size < y.size and not narrow(x, y)


real(lambda c, d, x: c * (d * x), lambda c, d, x: (c * d) * x, when=_are_moderate)
real(lambda c, d, x: x / c / d, lambda c, d, x: x / (c * d), when=_are_moderate)
real(lambda c, d, x: c * (d / x), lambda c, d, x: (c * d) / x, when=_are_moderate)
real(lambda c, n, x: c * (x / n), lambda c, n, x: x / (n / c), when=_divides)
real(lambda c, n, x: c * (x / n), lambda c, n, x: (c / n) * x, when=_is_divided)
real(lambda c, n, x: c * x / n, lambda c, n, x: x / (n / c), when=_divides)
real(lambda c, n, x: c * x / n, lambda c, n, x: (c / n) * x, when=_is_divided)
real(lambda c, d, n, x: c * (d * x / n), lambda c, d, n, x: c * d * x / n, when=_are_moderate)
real(
    lambda c, d, x, y: c * (d * x * y),
    lambda c, d, x, y: c * d * x * y,
    when=lambda c, d, x, y: _are_moderate(c, d, x) and _are_moderate(c, d, y),
)
# 1 / N times x is x / N: a division by the size of the batch can be seen to be one
rewrite(
    lambda c, n, x: c / n * x,
    lambda c, n, x: c * x / n,
    when=lambda c, x: _is_real(c) and (abs(c) == 1 or moderate(c, x)),
)
# known numbers first, then unknown ones, then arrays, the largest last
real(
    lambda c, x, y: x * (c * y),
    lambda c, x, y: (c * x) * y,
    when=lambda c, x, y: _before(x, y) and moderate(c, x, y) and (c * y).used_once,
)
real(
    lambda c, x, y: c * (x * y),
    lambda c, x, y: (c * x) * y,
    when=lambda c, x, y: _before(x, y) and moderate(c, x, y),
)
real(lambda s, x, y: s * (x * y), lambda s, x, y: (s * x) * y, when=lambda s, x, y: _before(x, y))
real(lambda c, d, x, y: (c * x) * (d * y), lambda c, d, x, y: (c * d) * (x * y), when=_all_moderate)
real(
    lambda c, x, y: (c * x) / y,
    lambda c, x, y: c * (x / y),
    when=lambda c, x, y: y.ndim > 0 and moderate(c, x, y),
)
real(lambda c, s, x: (c * s) * x, lambda c, s, x: (plain_number(c) * s) * x, when=_is_odd)


# --- equal terms ----------------------------------------------------------------------------------

real(lambda x: x + x, lambda x: 2 * x)
real(lambda c, x: c * x + x, lambda c, x: (c + 1) * x)
real(lambda c, d, x: c * x + d * x, lambda c, d, x: (c + d) * x)
# but Python refuses a power that is too large, where its product is infinite
real(lambda x: x**2, lambda x: x * x, when=lambda x: not isinstance(x.value, WEAK))
real(lambda x: np.square(x), lambda x: x * x)
# the derivative of y = 1 / (1 + exp(-x)) is y (1 - y)
real(
    lambda x: 1 / (1 + np.exp(x)) / (1 + np.exp(x)) * np.exp(x),
    lambda x: 1 / (1 + np.exp(x)) * (1 - 1 / (1 + np.exp(x))),
)
real(
    lambda x, y: y * (1 / (1 + np.exp(x))) / (1 + np.exp(x)) * np.exp(x),
    lambda x, y: y * (1 / (1 + np.exp(x))) * (1 - 1 / (1 + np.exp(x))),
)


def is_positive(z: Any) -> bool:
    """Whether a divisor is known not to be 0.

    That is a number, a sum of exponentials (a softmax's), or the root of a sum of squares and a
    number (a standard deviation's).
    """
    if z.function is np.sum:
        parent = z.operand.inputs[0]
        return parent is not None and parent.function is np.exp
    if z.function is np.sqrt and isinstance(z.operand.inputs[0], Node):
        inner = z.operand.inputs[0]
        terms = operands_of(inner) if inner.function is np.add else ()
        numbers = [x for x in terms if is_number(x) and 0 < x < np.inf]
        return len(numbers) == 1 and any(map(_is_sum_of_squares, terms))
    return is_number(z.constant) and bool(0 < z.constant < np.inf)


def _is_sum_of_squares(x: Any) -> bool:
    """Whether a node is a sum of squares, or a mean of them."""
    if isinstance(x, Node) and x.function is np.divide and is_number(x.arguments[1]):
        x = x.inputs[0] if x.arguments[1] > 0 else None
    if not isinstance(x, Node) or x.function is not np.sum:
        return False
    square = x.inputs[0]
    return (
        isinstance(square, Node)
        and square.function is np.multiply
        and isinstance(square.inputs[0], Node)
        and square.inputs[0] is square.inputs[1]
    )


real(
    lambda x, y, z: x / z + y / z,
    lambda x, y, z: (x + y) / z,
    when=lambda x, y, z: is_positive(z) and not narrow(x, y),
)
real(
    lambda x, y, z: x / z - y / z,
    lambda x, y, z: (x - y) / z,
    when=lambda x, y, z: is_positive(z) and not narrow(x, y),
)

# what is divided by one standard deviation is divided once
real(
    lambda x, y, z, n: y / z / n * x,
    lambda x, y, z, n: y / n * (x / z),
    when=lambda x, y, z, n: moderate(n, y) and not narrow(y) and x.builder.has(np.divide, x, z),
)
real(
    lambda x, y, z, w, n: x / z + y / z / n * w,
    lambda x, y, z, w, n: (x + y / n * w) / z,
    when=lambda x, z: is_positive(z) and not narrow(x),
)
real(
    lambda x, y, z, w, n: x / z - y / z / n * w,
    lambda x, y, z, w, n: (x - y / n * w) / z,
    when=lambda x, z: is_positive(z) and not narrow(x),
)

# A product of matrices, then what is added to it: dW = X.T @ dh + reg * W.
rewrite(lambda s, a, b, x: s * x + a @ b, lambda s, a, b, x: a @ b + s * x, as_written=True)

# --- kinks and choices ----------------------------------------------------------------------------


def _is_share(c: Any, n: Any) -> bool:
    """Whether 0 / n * c is 0: neither NaN nor -0."""
    return bool(0 <= c < np.inf and 0 < n < np.inf)


rewrite(lambda x: relu(x), lambda x: np.maximum(0, x))
rewrite(lambda p, x: np.where(p, x, x), lambda p, x: x)
rewrite(lambda p, x, y: np.where(np.logical_not(p), x, y), lambda p, x, y: np.where(p, y, x))
# A truth value counts 1 in a product, of whatever dtype.
rewrite(lambda x, y, i: x * y.astype(i), lambda x, y: x * y, when=lambda y: y.dtype.kind == "b")
rewrite(
    lambda p, c, n: np.where(p, c / n, 0),
    lambda p, c, n: p / n * c,
    when=lambda p, c, n: _is_truth(p) and _is_share(c, n),
)
rewrite(
    lambda p, c, n: np.where(p, c / n, 0),
    lambda p, c, n: p.astype(c.dtype) / n * c,
    when=lambda p, c, n: _is_truth(p) and isinstance(c, np.floating) and _is_share(c, n),
)
rewrite(lambda p, q, n: p / n * q, lambda p, q, n: (p & q) / n, when=_are_truths)
rewrite(
    lambda p, q, i, n: p.astype(i) / n * q,
    lambda p, q, i, n: (p & q).astype(i) / n,
    when=_are_truths,
)
