"""Pieces of Python source: expressions that know how tightly they bind.

The layout is that of the formatters in common use: four spaces, double quotes, lines of up to
:data:`WIDTH` columns, and what does not fit is broken at its outermost brackets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

WIDTH = 100

#: How tightly an expression binds, loosest first: Python's own order.
OR, COMPARE, BIT_OR, BIT_XOR, BIT_AND, SHIFT, SUM, PRODUCT, UNARY, POWER, ATOM, NAME = range(12)

#: For each of these functions Python's operator, and how tightly it binds.
OPERATORS: dict[Any, tuple[str, int]] = {
    np.add: ("+", SUM),
    np.subtract: ("-", SUM),
    np.multiply: ("*", PRODUCT),
    np.divide: ("/", PRODUCT),
    np.floor_divide: ("//", PRODUCT),
    np.remainder: ("%", PRODUCT),
    np.matmul: ("@", PRODUCT),
    np.power: ("**", POWER),
    np.left_shift: ("<<", SHIFT),
    np.right_shift: (">>", SHIFT),
    np.bitwise_and: ("&", BIT_AND),
    np.bitwise_xor: ("^", BIT_XOR),
    np.bitwise_or: ("|", BIT_OR),
    np.equal: ("==", COMPARE),
    np.not_equal: ("!=", COMPARE),
    np.less: ("<", COMPARE),
    np.less_equal: ("<=", COMPARE),
    np.greater: (">", COMPARE),
    np.greater_equal: (">=", COMPARE),
}

#: The same for functions of one operand; all bind as UNARY does.
PREFIXES: dict[Any, str] = {np.negative: "-", np.positive: "+", np.invert: "~"}


@dataclass(frozen=True)
class Code:
    """An expression's text.

    Attributes:
        text: the expression on one line.
        level: how tightly it binds; a NAME is a variable or an attribute or entry of one.
        items: of a call or a display, what stands between the brackets.
        opening, closing: of a call or a display, what stands around the items.
    """

    text: str
    level: int = ATOM
    items: tuple[Code, ...] = ()
    opening: str = ""
    closing: str = ""

    def inside(self, level: int) -> str:
        """The text as an operand of something that binds with ``level``."""
        return self.text if self.level >= level else f"({self.text})"


def name(text: str) -> Code:
    """A variable."""
    return Code(text, NAME)


def bracketed(opening: str, items: Sequence[Code], closing: str, level: int = ATOM) -> Code:
    """A call, a display or a subscript: ``opening``, the items and ``closing``."""
    text = ", ".join(item.text for item in items)
    return Code(f"{opening}{text}{closing}", level, tuple(items), opening, closing)


def call(function: str, arguments: Sequence[Code], keywords: dict[str, Code] | None = None) -> Code:
    """``function(arguments, keywords)``."""
    named = [Code(f"{key}={value.text}") for key, value in (keywords or {}).items()]
    return bracketed(f"{function}(", [*arguments, *named], ")")


def binary(left: Code, operator: str, right: Code, level: int) -> Code:
    """An operator between two operands; with parentheses exactly where Python needs them.

    Equal levels group from the left, a power from the right, and comparisons not at all: floating
    point is not associative, so no parenthesis may be dropped.
    """
    if level == POWER:
        a, b = left.inside(ATOM), right.inside(UNARY)
        simple = left.level >= ATOM and _is_simple(left) and _is_simple(right)
        return Code(f"{a}{operator}{b}" if simple else f"{a} {operator} {b}", POWER)
    a = left.inside(level + 1 if level == COMPARE else level)
    return Code(f"{a} {operator} {right.inside(level + 1)}", level)


def _is_simple(operand: Code) -> bool:
    """Whether formatters put no spaces around the ``**`` beside it: a name or a number."""
    return operand.text.replace(".", "").removeprefix("-").isidentifier() or _is_number(operand)


def _is_number(operand: Code) -> bool:
    return operand.text.removeprefix("-").replace(".", "").replace("e-", "").isdecimal()


def unary(operator: str, operand: Code) -> Code:
    """``-x``, ``~x``; formatters write ``-(x**2)``."""
    inner = operand.inside(ATOM if operand.level == POWER else UNARY)
    return Code(f"{operator}{inner}", UNARY)


def method(operand: Code, attribute: str) -> str:
    """``x.attribute``, with parentheses around what is no atom."""
    return f"{operand.inside(ATOM)}.{attribute}"


def string(text: str) -> Code:
    """A string literal, in double quotes unless it holds some."""
    quoted = repr(text)
    if quoted[0] == "'" and '"' not in quoted:
        quoted = '"' + quoted[1:-1].replace("\\'", "'") + '"'
    return Code(quoted)


def statement(prefix: str, code: Code, indent: int, suffix: str = "") -> list[str]:
    """The lines of ``prefix`` and an expression, broken at its brackets if it is too long."""
    margin = " " * indent
    line = f"{margin}{prefix}{code.text}{suffix}"
    if len(line) <= WIDTH or not code.items:
        return [line]
    inner = ", ".join(item.text for item in code.items)
    if indent + 4 + len(inner) <= WIDTH and not _is_display(code):
        body = [f"{margin}    {inner}"]
    else:
        comma = "" if len(code.items) == 1 and not _is_display(code) else ","
        body = [part for item in code.items for part in statement("", item, indent + 4, comma)]
    return [f"{margin}{prefix}{code.opening}", *body, f"{margin}{code.closing}{suffix}"]


def _is_display(code: Code) -> bool:
    """Whether the items are those of a tuple, a list or a dict, which go on a line each."""
    return code.opening in ("(", "[", "{")
