"""Elementwise functions: NumPy's ufuncs of real numbers. NumPy only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .registry import OUTPUT, constant, operation, rule, spread

LN2, LN10 = math.log(2.0), math.log(10.0)
SHAPES = (0, 1, OUTPUT)  # a linear function of two arguments: its rules need no value at all

# Arithmetic
rule(np.add, lambda g, y, a, b: g, lambda g, y, a, b: g, shape_only=SHAPES)
rule(np.subtract, lambda g, y, a, b: g, lambda g, y, a, b: -g, shape_only=SHAPES)
rule(
    np.multiply,
    lambda g, y, a, b: g * b,
    lambda g, y, a, b: g * a,
    twice=lambda g, y, a, _: _doubled(g) * a,
    shape_only=(OUTPUT,),
)
rule(np.divide, lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b, shape_only=(0,))
rule(np.negative, lambda g, y, x: -g, shape_only=(0, OUTPUT))
rule(np.positive, lambda g, y, x: g, shape_only=(0, OUTPUT))
rule(np.conjugate, lambda g, y, x: g, shape_only=(0, OUTPUT))
rule(np.reciprocal, lambda g, y, x: -g * y * y, shape_only=(0,))
rule(np.square, lambda g, y, x: 2 * g * x, shape_only=(OUTPUT,))
# The quotients are whole numbers, as NumPy rounded them: a / b may round to the next one.
rule(np.remainder, lambda g, y, a, b: g, lambda g, y, a, b: -g * np.floor_divide(a, b))
rule(np.fmod, lambda g, y, a, b: g, lambda g, y, a, b: -g * np.rint((a - y) / b))


def _doubled(g: Any) -> Any:
    """2 g; of one number spread over an array (the gradient of a sum) without an array of 2 g."""
    if isinstance(g, np.ndarray) and not any(g.strides) and g.size:
        return spread(2 * g[(0,) * g.ndim], g.shape)
    return 2 * g


def _power_base(g: Any, y: Any, x: Any, p: Any) -> Any:
    """d(x**p)/dx = p x**(p-1), and 0 where p = 0, also at x = 0."""
    if isinstance(p, (int, float)):
        return g * (p * x ** (p - 1)) if p != 0 else g * np.zeros_like(x)
    return g * p * x ** np.where(p == 0, 1, p - 1)


def _power_exponent(g: Any, y: Any, x: Any, p: Any) -> Any:
    """d(x**p)/dp = x**p log x, and 0 at x = 0; there is none for a negative base (NaN)."""
    return g * y * np.log(np.where(x == 0, 1, x))


rule(np.power, _power_base, _power_exponent)
rule(np.float_power, _power_base, _power_exponent)

# Exponentials and logarithms
rule(np.exp, lambda g, y, x: g * y, shape_only=(0,))
rule(np.exp2, lambda g, y, x: g * y * LN2, shape_only=(0,))
rule(np.expm1, lambda g, y, x: g * (y + 1), shape_only=(0,))
rule(np.log, lambda g, y, x: g / x, shape_only=(OUTPUT,))
rule(np.log2, lambda g, y, x: g / x / LN2, shape_only=(OUTPUT,))
rule(np.log10, lambda g, y, x: g / x / LN10, shape_only=(OUTPUT,))
rule(np.log1p, lambda g, y, x: g / (x + 1), shape_only=(OUTPUT,))
rule(
    np.logaddexp,
    lambda g, y, a, b: g * np.exp(a - _above(y)),
    lambda g, y, a, b: g * np.exp(b - _above(y)),
)
rule(
    np.logaddexp2,
    lambda g, y, a, b: g * np.exp2(a - _above(y)),
    lambda g, y, a, b: g * np.exp2(b - _above(y)),
)


def _above(y: Any) -> Any:
    """The logarithm of a sum, and 0 for that of nothing (-inf), so that exp(x - y) is 0."""
    return np.where(y == -np.inf, 0, y)


rule(np.sqrt, lambda g, y, x: g * 0.5 / y, shape_only=(0,))
rule(np.cbrt, lambda g, y, x: g / (3 * y * y), shape_only=(0,))

# Trigonometric and hyperbolic functions
rule(np.sin, lambda g, y, x: g * np.cos(x), shape_only=(OUTPUT,))
rule(np.cos, lambda g, y, x: -g * np.sin(x), shape_only=(OUTPUT,))
rule(np.tan, lambda g, y, x: g * (1 + y * y), shape_only=(0,))
rule(np.arcsin, lambda g, y, x: g / np.sqrt((1 - x) * (1 + x)), shape_only=(OUTPUT,))
rule(np.arccos, lambda g, y, x: -g / np.sqrt((1 - x) * (1 + x)), shape_only=(OUTPUT,))
rule(np.arctan, lambda g, y, x: g / (1 + x * x), shape_only=(OUTPUT,))
rule(
    np.arctan2,
    lambda g, y, a, b: g * b / (a * a + b * b),
    lambda g, y, a, b: -g * a / (a * a + b * b),
    shape_only=(OUTPUT,),
)
rule(np.sinh, lambda g, y, x: g * np.cosh(x), shape_only=(OUTPUT,))
rule(np.cosh, lambda g, y, x: g * np.sinh(x), shape_only=(OUTPUT,))
rule(np.tanh, lambda g, y, x: g * (1 - y * y), shape_only=(0,))
rule(np.arcsinh, lambda g, y, x: g / np.sqrt(x * x + 1), shape_only=(OUTPUT,))
rule(np.arccosh, lambda g, y, x: g / np.sqrt((x - 1) * (x + 1)), shape_only=(OUTPUT,))
rule(np.arctanh, lambda g, y, x: g / ((1 - x) * (1 + x)), shape_only=(OUTPUT,))
rule(
    np.hypot,
    lambda g, y, a, b: g * _ratio(a, y),
    lambda g, y, a, b: g * _ratio(b, y),
)
rule(np.deg2rad, lambda g, y, x: g * (math.pi / 180), shape_only=(0, OUTPUT))
rule(np.radians, lambda g, y, x: g * (math.pi / 180), shape_only=(0, OUTPUT))
rule(np.rad2deg, lambda g, y, x: g * (180 / math.pi), shape_only=(0, OUTPUT))
rule(np.degrees, lambda g, y, x: g * (180 / math.pi), shape_only=(0, OUTPUT))


def _ratio(a: Any, y: Any) -> Any:
    """The quotient, and 0 where y = 0: the derivative that a cone is given at its tip."""
    return a / np.where(y == 0, 1, y)


# Kinks: abs'(0) = 0
rule(np.absolute, lambda g, y, x: g * np.sign(x), shape_only=(OUTPUT,))
rule(np.fabs, lambda g, y, x: g * np.sign(x), shape_only=(OUTPUT,))
rule(
    np.copysign,
    lambda g, y, a, b: g * np.sign(a) * np.copysign(1, b),
    lambda g, y, a, b: np.zeros_like(g),
)
rule(np.ldexp, lambda g, y, x, e: np.ldexp(g, e), None, shape_only=(0, OUTPUT))


def _share(g: Any, wins: Any, ties: Any) -> Any:
    """All of ``g`` where this operand wins, half of it at a tie."""
    return g * wins + (0.5 * g) * ties


# A tie is shared by two tensors; against a constant the constant takes all of it (``alone``), so
# that np.maximum(0, x) agrees with relu.
_UNLESS_TIED = (lambda g, y, a, b: g * (y != b), lambda g, y, a, b: g * (y != a))
_UNLESS_TIED_IN_PLACE = (
    lambda g, y, a, b: np.multiply(g, y != b, out=g),
    lambda g, y, a, b: np.multiply(g, y != a, out=g),
)
rule(
    np.maximum,
    lambda g, y, a, b: _share(g, a > b, a == b),
    lambda g, y, a, b: _share(g, b > a, a == b),
    alone=_UNLESS_TIED,
    in_place=_UNLESS_TIED_IN_PLACE,
)
rule(
    np.minimum,
    lambda g, y, a, b: _share(g, a < b, a == b),
    lambda g, y, a, b: _share(g, b < a, a == b),
    alone=_UNLESS_TIED,
    in_place=_UNLESS_TIED_IN_PLACE,
)
# fmax and fmin pass over a NaN, so the winner is the operand that the output equals.
for _f in (np.fmax, np.fmin):
    rule(
        _f,
        lambda g, y, a, b: _share(g, (y == a) & (y != b), a == b),
        lambda g, y, a, b: _share(g, (y == b) & (y != a), a == b),
        alone=(
            lambda g, y, a, b: g * ((y != b) & (y == y)),
            lambda g, y, a, b: g * ((y != a) & (y == y)),
        ),
    )

rule(
    np.where,
    lambda g, y, c, a, b: np.zeros_like(c),
    lambda g, y, c, a, b: np.where(c, g, 0),
    lambda g, y, c, a, b: np.where(c, 0, g),
    shape_only=(1, 2, OUTPUT),
)

# Constant almost everywhere, or truth values
constant(np.sign, np.floor, np.ceil, np.rint, np.trunc, np.round, np.around, np.fix)
constant(np.floor_divide, np.heaviside, np.signbit, np.spacing, np.nextafter)
constant(np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)
constant(np.logical_and, np.logical_or, np.logical_not, np.logical_xor, np.isclose)
constant(np.isnan, np.isinf, np.isfinite, np.isposinf, np.isneginf, np.isreal, np.iscomplex)
constant(np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.gcd, np.lcm)
constant(np.left_shift, np.right_shift)


@operation
def stop_gradient(x: Any) -> Any:
    """``x``, as a constant: what ``t.detach()`` is in a traced program."""
    return x


constant(stop_gradient)
