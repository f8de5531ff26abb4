"""NumPy's elementwise functions in ONNX: those it has, and those that are a short formula of them.

What is written out is written to be as exact as NumPy's own, not to overflow where it does not, and
to treat NaN and infinities alike. What cannot be (it would need the sign of a zero) is not here.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...node import Node
from ...rules.elementwise import stop_gradient
from ...rules.neural import relu, sigmoid
from .values import BOOL, HANDLERS, Emitter, Value, exports

#: Functions that ONNX has, in the dtype in which NumPy computes them.
SAME = {
    np.add: "Add", np.subtract: "Sub", np.multiply: "Mul", np.divide: "Div", np.power: "Pow",
    np.float_power: "Pow", np.negative: "Neg", np.reciprocal: "Reciprocal", np.sqrt: "Sqrt",
    np.exp: "Exp", np.log: "Log", np.sin: "Sin", np.cos: "Cos", np.tan: "Tan", np.arcsin: "Asin",
    np.arccos: "Acos", np.arctan: "Atan", np.sinh: "Sinh", np.cosh: "Cosh", np.tanh: "Tanh",
    np.arcsinh: "Asinh", np.arccosh: "Acosh", np.arctanh: "Atanh", np.absolute: "Abs",
    np.fabs: "Abs", np.sign: "Sign", np.floor: "Floor", np.ceil: "Ceil", np.rint: "Round",
    np.maximum: "Max", np.minimum: "Min", np.isnan: "IsNaN", np.isinf: "IsInf",
    np.equal: "Equal", np.less: "Less", np.less_equal: "LessOrEqual", np.greater: "Greater",
    np.greater_equal: "GreaterOrEqual", np.logical_and: "And", np.logical_or: "Or",
    np.logical_xor: "Xor", np.logical_not: "Not", np.bitwise_and: "BitwiseAnd",
    np.bitwise_or: "BitwiseOr", np.bitwise_xor: "BitwiseXor", np.invert: "BitwiseNot",
    np.positive: "Identity", np.conjugate: "Identity",
}  # fmt: skip

#: What NumPy does with truth values.
OF_TRUTH_VALUES = {
    np.add: "Or", np.multiply: "And", np.maximum: "Or", np.minimum: "And", np.absolute: "Identity",
    np.bitwise_and: "And", np.bitwise_or: "Or", np.bitwise_xor: "Xor", np.invert: "Not",
}  # fmt: skip

#: Functions of which ONNX knows the floating-point case alone; whole numbers stay as they are.
_ROUNDING = {np.floor, np.ceil, np.rint, np.trunc, np.fix}
_LOGICAL = {np.logical_and, np.logical_or, np.logical_xor, np.logical_not}
_ORDER = {np.less, np.less_equal, np.greater, np.greater_equal}


def operands(e: Emitter, node: Node) -> list[Value]:
    """The arguments of a ufunc in the dtypes in which it computes."""
    *given, _ = e.loop(node)
    if node.function in _LOGICAL:
        given = [BOOL] * len(given)
    elif node.function in _ORDER and given[0] == BOOL:
        given = [np.dtype(np.uint8)] * len(given)
    return [e.value(node, i, dtype) for i, dtype in enumerate(given)]


@exports(*SAME)
def _same(e: Emitter, node: Node) -> Value:
    function: Any = node.function
    xs = operands(e, node)
    out = e.loop(node)[-1]
    kind = SAME[function]
    if xs[0].dtype == BOOL:
        kind = OF_TRUTH_VALUES.get(function, kind)
    if function in _ROUNDING and xs[0].dtype.kind in "iu":
        kind = "Identity"
    return e.cast(e.op(kind, *xs, dtype=out), node.value.dtype)


@exports(relu, sigmoid)
def _activation(e: Emitter, node: Node) -> Value:
    kind = "Relu" if node.function is relu else "Sigmoid"
    return e.value(node, 0, node.value.dtype).apply(kind)


@exports(stop_gradient)
def _identity(e: Emitter, node: Node) -> Value:
    return e.value(node, 0)


@exports(np.not_equal)
def _not_equal(e: Emitter, node: Node) -> Value:
    a, b = operands(e, node)
    return ~a.equals(b)


@exports(np.isfinite)
def _isfinite(e: Emitter, node: Node) -> Value:
    (x,) = operands(e, node)
    return abs_(x) < np.inf


@exports(np.isposinf, np.isneginf)
def _infinite(e: Emitter, node: Node) -> Value:
    x = e.value(node, 0)
    return x.equals(np.inf if node.function is np.isposinf else -np.inf)


@exports(np.where)
def _where(e: Emitter, node: Node) -> Value:
    dtype = node.value.dtype
    return select(e.value(node, 0, BOOL), e.value(node, 1, dtype), e.value(node, 2, dtype))


def select(condition: Value, a: Any, b: Any) -> Value:
    """np.where; one of the two may be a number."""
    a, b = (b.like(a), b) if isinstance(b, Value) else (a, a.like(b))
    return condition.emitter.op("Where", condition, a, b, dtype=a.dtype)


def abs_(x: Value) -> Value:
    """|x|."""
    return x.apply("Abs")


# --- written out ----------------------------------------------------------------------------------


def log1p(x: Value) -> Value:
    """log(1 + x), exact also near 0 (W. Kahan): the rounding of 1 + x is divided out again."""
    u = x + 1
    exact = u.apply("Log") * (x / (u - 1))
    return select(x > 1, u.apply("Log"), select(u.equals(1), x, exact))


def expm1(x: Value) -> Value:
    """exp(x) - 1 = tanh(x/2) (exp(x) + 1), exact also near 0."""
    return (x / 2).apply("Tanh") * (x.apply("Exp") + 1)


def _exp2(x: Value) -> Value:
    return x.emitter.op("Pow", x.like(2), x)


def _cbrt(x: Value) -> Value:
    return x.apply("Sign") * x.emitter.op("Pow", abs_(x), x.like(1 / 3))


def _scaled(factor: float) -> Any:
    return lambda x: x * factor


def _trunc(x: Value) -> Value:
    return select(x < 0, x.apply("Ceil"), x.apply("Floor"))


_FORMULAS: dict[Any, Any] = {
    np.square: lambda x: x * x,
    np.exp2: _exp2,
    np.expm1: expm1,
    np.log1p: log1p,
    np.log2: lambda x: x.apply("Log") / math.log(2),
    np.log10: lambda x: x.apply("Log") / math.log(10),
    np.cbrt: _cbrt,
    np.deg2rad: _scaled(math.pi / 180),
    np.radians: _scaled(math.pi / 180),
    np.rad2deg: _scaled(180 / math.pi),
    np.degrees: _scaled(180 / math.pi),
    np.trunc: _trunc,
}


@exports(*_FORMULAS)
def _formula(e: Emitter, node: Node) -> Value:
    (x,) = operands(e, node)
    if node.function in _ROUNDING and x.dtype.kind in "iub":
        return e.cast(x, node.value.dtype)
    return _FORMULAS[node.function](x)  # type: ignore[no-any-return]


@exports(np.fix, np.round, np.around)
def _rounded(e: Emitter, node: Node) -> Value:
    x = e.value(node, 0, node.value.dtype)
    if node.function is np.fix:
        return _trunc(x) if x.dtype.kind == "f" else x
    decimals = e.options(node, decimals=0)["decimals"]
    if decimals:
        raise e.error("ONNX rounds to whole numbers")
    return x.apply("Round") if x.dtype.kind == "f" else x


def _log_of_sum(e: Emitter, node: Node) -> Value:
    """log(exp(a) + exp(b)) = max + log1p(exp(-|a - b|)), also to base 2."""
    a, b = operands(e, node)
    top = e.op("Max", a, b)
    distance = -abs_(a - b)
    if node.function is np.logaddexp:
        return select(a.equals(b), a + math.log(2), top + log1p(distance.apply("Exp")))
    return select(a.equals(b), a + 1, top + log1p(_exp2(distance)) / math.log(2))


HANDLERS[np.logaddexp] = HANDLERS[np.logaddexp2] = _log_of_sum


@exports(np.hypot)
def _hypot(e: Emitter, node: Node) -> Value:
    """The longer side times sqrt(1 + ratio**2), which does not overflow before the result does."""
    a, b = (abs_(x) for x in operands(e, node))
    top = e.op("Max", a, b)
    ratio = e.op("Min", a, b) / top
    length = top * (ratio * ratio + 1).apply("Sqrt")
    infinite = a.equals(np.inf) | b.equals(np.inf)
    return select(infinite, np.inf, select(top.equals(0), top, length))


@exports(np.fmax, np.fmin)
def _over_nan(e: Emitter, node: Node) -> Value:
    a, b = operands(e, node)
    kind = "Max" if node.function is np.fmax else "Min"
    if a.dtype.kind != "f":
        return e.op(kind, a, b)
    nan_a, nan_b = (e.op("IsNaN", x, dtype=BOOL) for x in (a, b))
    return select(nan_a, b, select(nan_b, a, e.op(kind, a, b)))


@exports(np.heaviside)
def _heaviside(e: Emitter, node: Node) -> Value:
    x, at_zero = operands(e, node)
    sign = select(x < 0, x.like(0), select(x > 0, x.like(1), at_zero))
    return select(e.op("IsNaN", x, dtype=BOOL), x, sign)


@exports(np.remainder, np.fmod, np.floor_divide)
def _division(e: Emitter, node: Node) -> Value:
    """The remainder has the divisor's sign; fmod's has the dividend's, as C has it."""
    a, b = operands(e, node)
    function = node.function
    if a.dtype.kind in "iu":
        remainder = e.op("Mod", a, b, fmod=int(function is np.fmod))
        return (a - remainder) / b if function is np.floor_divide else remainder
    remainder = e.op("Mod", a, b, fmod=1)
    if function is np.fmod:
        return remainder
    other_sign = e.op("Xor", remainder < 0, b < 0) & ~remainder.equals(0)
    if function is np.remainder:
        return select(other_sign, remainder + b, remainder)
    quotient = (a - remainder) / b
    whole = select(other_sign, quotient - 1, quotient).apply("Round")
    return select(b.equals(0), a / b, whole)


@exports(np.astype)
def _astype(e: Emitter, node: Node) -> Value:
    return e.value(node, 0, node.value.dtype)
