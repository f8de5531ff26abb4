"""Cases of elementwise functions."""

from __future__ import annotations

import numpy as np

import tinygrad_nn as tg
from tests.rules.cases import apart, case, normal, positive, unit, with_nan

ANYWHERE = (np.negative, np.positive, np.conjugate, np.square, np.exp, np.exp2, np.expm1)
ANYWHERE += (np.sin, np.cos, np.arctan, np.sinh, np.cosh, np.tanh, np.arcsinh)
ANYWHERE += (np.deg2rad, np.radians, np.rad2deg, np.degrees)
POSITIVE = (np.log, np.log2, np.log10, np.log1p, np.sqrt, np.cbrt, np.reciprocal)
UNIT = (np.arcsin, np.arccos, np.arctanh, np.tan)
NONZERO = (np.absolute, np.fabs)

for functions, point in ((ANYWHERE, normal), (POSITIVE, positive), (UNIT, unit), (NONZERO, apart)):
    for function in functions:
        for shape in ((), (3,), (2, 3)):
            case(function, point(*shape))
        case(function, point(0, 3))
case(np.arccosh, 1.2 + positive(2, 3))
case(np.cbrt, apart(4))
case(np.reciprocal, apart(4))

SHAPES = (((3,), (3,)), ((), (2, 3)), ((2, 3), ()), ((2, 1), (3,)), ((1, 3), (2, 1)))
SHAPES += (((4, 2, 3), (1, 3)), ((1,), (2, 1, 3)), ((0, 3), (1, 3)), ((), ()))
for a, b in SHAPES:
    for function in (np.add, np.subtract, np.multiply, np.logaddexp, np.logaddexp2):
        case(function, normal(*a), normal(*b))
    case(np.divide, normal(*a), apart(*b))
    for function in (np.power, np.float_power):
        case(function, positive(*a), normal(*b), float32=function is np.power)
    for function in (np.arctan2, np.hypot, np.copysign):
        case(function, apart(*a), apart(*b))
    for function in (np.maximum, np.minimum, np.fmax, np.fmin):
        case(function, apart(*a), 0.05 + apart(*b))
    case(np.where, apart(*a), apart(*b), via=lambda x, y: np.where(x > 0.47, x, y))
for function in (np.remainder, np.fmod):
    case(function, np.array([[7.0], [5.1]]), np.array([1.2, 2.2, 3.1]))
    case(function, np.array([7.3, -7.3, 7.4]), np.array([2.0, 2.1, -2.2]))

case(np.power, apart(4), via=lambda x: x**2)
case(np.power, apart(4), via=lambda x: x**3)
case(np.power, apart(4), via=lambda x: x**-1)
case(np.power, apart(4), via=lambda x: x**0)
case(np.power, positive(4), via=lambda x: x**0.5)
case(np.power, apart(4), via=lambda x: x ** np.array([0, 1, 2, 3]), float32=False)
case(np.power, normal(4), via=lambda x: 2.0**x)
case(np.ldexp, normal(3), via=lambda x: np.ldexp(x, np.array([-1, 0, 3])))
for function in (np.maximum, np.minimum, np.fmax, np.fmin):
    case(function, apart(2, 3), via=lambda x, f=function: f(0, x))
    case(function, apart(2, 3), via=lambda x, f=function: f(x, np.zeros(3)), float32=False)
    case(function, apart(3), via=lambda x, f=function: f(x, x**2))
case(np.fmin, apart(3), via=lambda x: np.fmin(np.array([np.nan, 0.0, 0.1]), x), float32=False)
case(np.fmax, apart(3), via=lambda x: np.fmax(x, np.array([np.nan, 0.0, 0.1])), float32=False)
case(np.where, apart(3), via=lambda x: np.where(x > 0, x, 0.0))
case(np.where, apart(3), apart(2, 1), via=lambda x, y: np.where([True, False, True], x, y))
case(np.where, apart(3), apart(3), via=lambda c, x: np.where(c, x, 2 * x), label="of a number")

case(np.clip, apart(2, 4), via=lambda x: np.clip(x, -0.77, 0.87))
case(np.clip, apart(2, 4), via=lambda x: np.clip(x, None, 0.87))
case(np.clip, apart(2, 4), via=lambda x: np.clip(x, min=-0.77))
case(np.clip, apart(2, 4), apart(4), via=lambda x, high: np.clip(x, -10, 0.05 + high))
case(np.nan_to_num, with_nan(5))
case(np.nan_to_num, np.array([1.0, np.inf, -np.inf, np.nan]), nan=2.0, posinf=3.0, neginf=4.0)
case(np.sinc, apart(5))
case(np.sinc, np.zeros(2))
case(np.copy, normal(2, 3))
case(np.real, normal(2, 3))
case(np.real_if_close, normal(2, 3))
KNOTS = np.array([-1.0, 0.0, 0.5, 2.0])
case(np.interp, apart(6), normal(4), via=lambda x, y: np.interp(x, KNOTS, y), float32=False)
case(np.interp, apart(6), KNOTS, normal(4), float32=False)
case(np.interp, apart(3), normal(1), via=lambda x, y: np.interp(x, [0.1], y), float32=False)
case(np.interp, apart(6), via=lambda x: np.interp(x, KNOTS, KNOTS**2, -5, 5), float32=False)
case(np.select, apart(5), via=lambda x: np.select([x > 1, x > 0], [x**2, 3 * x], 7.0))
case(np.select, apart(5), via=lambda x: np.select([x > 1, x > 0], [x**2, 3 * x], -x))
case(np.polyval, normal(4), normal(2, 3))
case(np.polyval, normal(3), via=lambda x: np.polyval([1.0, 2.0, 3.0], x), float32=False)

for ufunc in (np.add, np.multiply, np.subtract, np.divide, np.maximum):
    case(ufunc, apart(2, 3), 0.05 + apart(2), via=ufunc.outer, label="outer")

for shape in ((), (4,), (2, 3)):
    case(tg.relu, apart(*shape), numpy=False)
    case(tg.sigmoid, normal(*shape), numpy=False)
