"""Which operations Numba computes as NumPy does, entry by entry, and how they are written.

A table of those that are known to agree: same dtype, same treatment of NaN and infinity, values
equal but for rounding. What is not in it runs in NumPy.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...weak import is_python_number, plain

#: The dtypes of generated loops.
DTYPES = frozenset(map(np.dtype, ("bool", "f4", "f8", *(f"{k}{n}" for k in "iu" for n in "1248"))))

_FLOAT, _NUMBER, _SIGNED = "f", "fiu", "fi"

#: For each function the kinds of dtype that it may compute in, and its text. An operand that stands
#: twice in a text has to be a name.
_TEXTS: dict[Any, tuple[str, str]] = {
    np.add: (_NUMBER, "{0} + {1}"),
    np.subtract: (_NUMBER, "{0} - {1}"),
    np.multiply: (_NUMBER, "{0} * {1}"),
    np.divide: (_FLOAT, "{0} / {1}"),
    np.negative: (_SIGNED, "-{0}"),
    np.positive: (_NUMBER, "{0}"),
    np.square: (_NUMBER, "{0} * {0}"),
    np.reciprocal: (_FLOAT, "{one} / {0}"),
    np.absolute: (_SIGNED, "abs({0})"),
    np.fabs: (_FLOAT, "abs({0})"),
    np.power: (_FLOAT, "{0} ** {1}"),
    np.arctan2: (_FLOAT, "np.arctan2({0}, {1})"),
    np.hypot: (_FLOAT, "np.hypot({0}, {1})"),
    np.copysign: (_FLOAT, "np.copysign({0}, {1})"),
    np.equal: ("bfiu", "{0} == {1}"),
    np.not_equal: ("bfiu", "{0} != {1}"),
    np.less: (_NUMBER, "{0} < {1}"),
    np.less_equal: (_NUMBER, "{0} <= {1}"),
    np.greater: (_NUMBER, "{0} > {1}"),
    np.greater_equal: (_NUMBER, "{0} >= {1}"),
    np.logical_and: ("b", "{0} & {1}"),
    np.logical_or: ("b", "{0} | {1}"),
    np.logical_xor: ("b", "{0} ^ {1}"),
    np.logical_not: ("b", "not {0}"),
    np.isnan: (_FLOAT, "{0} != {0}"),
    np.isfinite: (_FLOAT, "np.isfinite({0})"),
    np.isinf: (_FLOAT, "np.isinf({0})"),
}
_TEXTS.update(
    (getattr(np, name), (_FLOAT, f"np.{name}({{0}})"))
    for name in (
        "exp", "expm1", "log", "log2", "log10", "log1p", "sqrt", "floor", "ceil", "trunc", "rint",
        "sin", "cos", "tan", "sinh", "cosh", "tanh",
        "arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh",
    )
)  # fmt: skip
COMPARISONS = frozenset(
    (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)
)
_EXTREMES = {np.maximum: ">", np.minimum: "<"}


class UnsupportedError(Exception):
    """An operation that is left to NumPy."""


def literal(value: Any, dtype: np.dtype[Any]) -> str:
    """A number as text that Numba gives exactly this dtype."""
    if dtype.kind in "iu" and not np.iinfo(dtype).min <= int(value) <= np.iinfo(dtype).max:
        raise UnsupportedError
    number = dtype.type(value).item()
    if dtype.kind == "b":
        return repr(number)
    text = repr(number)
    if dtype.kind == "f" and not math.isfinite(number):
        text = "np.nan" if number != number else "np.inf" if number > 0 else "-np.inf"
    return text if dtype == np.float64 else f"np.{dtype.name}({text})"


def cast(text: str, have: np.dtype[Any], want: np.dtype[Any]) -> str:
    """The text of a value converted from one dtype to another, as ``astype`` does."""
    if have == want:
        return text
    if want.kind == "b":
        return f"({text} != 0)"
    if have.kind == "f" and want.kind != "f":
        raise UnsupportedError  # what NumPy makes of NaN depends on the machine
    return f"np.{want.name}({text})"


def template(function: Any, types: list[Any], out: np.dtype[Any], values: list[Any]) -> Any:
    """How an elementwise operation is written.

    Args:
        function: the operation.
        types: for each operand its dtype, or ``float`` or ``int`` for a Python number.
        out: the result's dtype.
        values: for each operand its value if it is a single constant number, else None.

    Returns:
        The text, with ``{0}``, ``{1}`` for the operands, and the dtype that each is converted to.

    Raises:
        UnsupportedError: NumPy has to do it.
    """
    if function in (np.copy, np.astype):
        return "{0}", [out]
    if function is np.where and len(types) == 3:
        return "({1} if {0} else {2})", [np.dtype(bool), out, out]
    kinds, text = _TEXTS.get(function, (_NUMBER if function in _EXTREMES else "", ""))
    if not kinds:
        raise UnsupportedError
    loop = _loop(function, types, out)
    kind = loop[0].kind
    if kind not in kinds or any(t != loop[0] for t in loop[:-1]) or loop[-1] != out:
        raise UnsupportedError
    if function in _EXTREMES:
        text = _extreme(_EXTREMES[function], kind, values)
    elif function is np.power:
        text = _power(text, values)
    elif kind in "iu" and out.kind in "iu":
        text = f"np.{out.name}({text})"  # Numba would compute in 64 bits
    if "{one}" in text:
        text = text.replace("{one}", literal(1, out))
    return text, list(loop[:-1])


def _loop(function: Any, types: list[Any], out: np.dtype[Any]) -> tuple[np.dtype[Any], ...]:
    """The dtypes that NumPy computes in."""
    if len(types) != function.nin:
        raise UnsupportedError
    if all(isinstance(t, type) for t in types):
        types = [np.dtype(t) for t in types]
    try:
        loop = function.resolve_dtypes((*types, *[None] * function.nout))
    except TypeError:
        raise UnsupportedError from None
    if any(t not in DTYPES for t in loop):
        raise UnsupportedError
    return tuple(loop)


def _power(text: str, values: list[Any]) -> str:
    """As NumPy, which multiplies for a square and takes the root for 0.5 (of -inf it is NaN)."""
    base, exponent = values
    if exponent is not None and exponent in (2, 0.5):
        return "{0} * {0}" if exponent == 2 else "np.sqrt({0})"
    return "({0}) ** {1}" if base is not None and np.signbit(base) else text


def _extreme(sign: str, kind: str, values: list[Any]) -> str:
    """np.maximum or np.minimum: a NaN stays, wherever it comes from."""
    opposite = {">": "<", "<": ">"}[sign]
    for constant, other in ((0, 1), (1, 0)):
        value = values[constant]
        if value is not None and value == value:
            return f"({{{constant}}} if {{{other}}} {opposite}= {{{constant}}} else {{{other}}})"
    if kind == "f":
        return f"({{0}} if ({{0}} {sign}= {{1}}) | ({{0}} != {{0}}) else {{1}})"
    return f"({{0}} if {{0}} {sign}= {{1}} else {{1}})"


def is_elementwise(function: Any) -> bool:
    """Whether :func:`template` may know the function."""
    return function in _TEXTS or function in _EXTREMES or function in (np.copy, np.astype, np.where)


def type_of(value: Any) -> Any:
    """A value's dtype, or ``float`` or ``int`` for one of Python's numbers.

    Raises:
        UnsupportedError: a dtype that loops do not compute in.
    """
    if is_python_number(value):
        kind = type(plain(value))
        return np.dtype(bool) if kind is bool else kind
    dtype = getattr(value, "dtype", None)
    if dtype not in DTYPES:
        raise UnsupportedError
    return dtype
