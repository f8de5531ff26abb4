"""What stands in a picture's nodes: operations, types and numbers, as text a reader takes in."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape
from typing import Any

import numpy as np

from ..node import Node, function_name, stand_in
from ..rules.indexing import getitem, setitem
from ..rules.linalg import mT
from .style import TABLES

#: Stands for an operand that arrives along an edge.
OPERAND = "·"

#: Arrays of up to this many entries are written into the operation; larger ones are drawn.
_WRITTEN_OUT = 4

_LONGEST = 32

_INFIX = {
    np.add: "+",
    np.subtract: "−",
    np.multiply: "×",
    np.divide: "/",
    np.floor_divide: "//",
    np.remainder: "%",
    np.power: "**",
    np.float_power: "**",
    np.matmul: "@",
    np.equal: "==",
    np.not_equal: "≠",
    np.less: "<",
    np.less_equal: "≤",
    np.greater: ">",
    np.greater_equal: "≥",
    np.bitwise_and: "&",
    np.bitwise_or: "|",
    np.bitwise_xor: "^",
    np.left_shift: "<<",
    np.right_shift: ">>",
}

#: Of one operand, and nothing else.
_AROUND = {
    np.negative: "−·",
    np.positive: "+·",
    np.square: "·²",
    np.absolute: "|·|",
    np.reciprocal: "1 / ·",
    np.invert: "~·",
    np.transpose: "·.T",
    mT: "·.mT",
}

_SHORT = {np.maximum: "max", np.minimum: "min"}

_COMMUTE = {
    *(np.add, np.multiply, np.maximum, np.minimum, np.fmax, np.fmin, np.equal, np.not_equal),
    *(np.logical_and, np.logical_or, np.logical_xor, np.logaddexp, np.logaddexp2, np.hypot),
    *(np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.inner, np.vdot, np.isclose),
}

#: Keywords that the result's type, which is shown, says already.
_SHOWN_BY_TYPE = {"keepdims", "dtype", "shape"}


def operation(node: Node) -> str:
    """The operation as one would write it, with a dot for each operand that an edge brings."""
    arguments = list(zip(node.inputs, node.arguments, strict=False))  # a residual may follow
    texts = [
        OPERAND if isinstance(parent, Node) or is_drawn(value) else literal(value)
        for parent, value in arguments
        if isinstance(parent, Node) or not _is_shape(value, node)
    ]
    options = [
        f"{key}={literal(value)}"
        for key, value in (node.keywords or {}).items()
        if key not in _SHOWN_BY_TYPE and value is not None
    ]
    return shortened(_call(node.function, texts, options))


def _call(function: Any, texts: list[str], options: list[str]) -> str:
    if function in _INFIX and len(texts) == 2 and not options:
        symbol = _INFIX[function]
        return symbol if texts == [OPERAND, OPERAND] else f" {symbol} ".join(texts)
    if function in _AROUND and texts == [OPERAND] and not options:
        return _AROUND[function]
    if function is getitem:
        return f"·[{', '.join(texts[1:])}]"
    if function is setitem:
        return f"·[{', '.join(texts[2:])}] = {texts[1]}"
    name = function_name(function).strip("_")
    if any(text != OPERAND for text in texts):
        return f"{_SHORT.get(function, name)}({', '.join(texts + options)})"
    return f"{name}({', '.join(options)})" if options else name


def _is_shape(value: Any, node: Node) -> bool:
    """Whether an argument only repeats the result's shape, as that of np.reshape does."""
    return isinstance(value, tuple) and value == node.value.shape and value != ()


def is_drawn(value: Any) -> bool:
    """Whether a constant has a box of its own, as it is too large for the operation's label."""
    return is_array(value) and value.size > _WRITTEN_OUT


def order_matters(node: Node) -> bool:
    """Whether operands that come along edges could be taken for one another, and must not be.

    Scores and integer labels, or a condition and a number, tell themselves apart by their type.
    """
    if node.function in _COMMUTE:
        return False
    drawn = {
        parent if isinstance(parent, Node) else i: value.dtype.kind
        for i, (parent, value) in enumerate(zip(node.inputs, node.arguments, strict=False))
        if isinstance(parent, Node) or is_drawn(value)
    }
    return len(set(drawn.values())) < len(drawn)


def is_infix(node: Node) -> bool:
    """Whether the operation is written between its two operands."""
    return node.function in _INFIX


def literal(value: Any) -> str:
    """A constant in few characters."""
    if isinstance(value, slice):
        parts = [value.start, value.stop] + ([] if value.step is None else [value.step])
        return ":".join("" if part is None else literal(part) for part in parts)
    if value is Ellipsis:
        return "..."
    if isinstance(value, np.dtype | type):
        return np.dtype(value).name if isinstance(value, np.dtype) else value.__name__
    if is_array(value):
        if value.size > _WRITTEN_OUT:
            return f"array {tuple(value.shape)}"
        return literal(np.asarray(value).tolist())
    if isinstance(value, tuple | list):
        left, right = "()" if isinstance(value, tuple) else "[]"
        comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
        return f"{left}{', '.join(map(literal, value))}{comma}{right}"
    if isinstance(value, float):
        return number(value)
    return shortened(repr(value))


def number(x: Any) -> str:
    """A number in three digits: what stays the same from one machine to the next."""
    x = float(x)
    return f"{x:.0f}" if x.is_integer() and abs(x) < 1e4 else f"{x:.3g}"


def type_of(value: Any, every_dtype: bool) -> str:
    """``(5, 10)``, and the data type where it is not float64; of a single number that only."""
    shape = f"({', '.join(map(str, value.shape))}{',' if value.ndim == 1 else ''})"
    parts = [shape] if value.ndim else []
    if every_dtype or value.dtype != np.float64:
        parts.append(str(value.dtype))
    return " ".join(parts)


def size_of(value: Any) -> str:
    """What one number says of a gradient's size: itself, or the Euclidean norm of an array."""
    if value.size == 1:
        return number(value.reshape(())[()])
    # By the largest entry, so that squares do not overflow.
    largest = float(np.max(np.abs(value))) if value.size else 0.0
    if not largest or not math.isfinite(largest):
        return number(largest)
    return number(largest * float(np.sqrt(np.sum(np.abs(value / largest) ** 2))))


def range_of(value: Any) -> str:
    """A single number, or the smallest and largest entry; empty if the value was not kept."""
    if is_stand_in(value) or value.dtype.kind not in "biuf":
        return ""
    if value.size == 0:
        return "empty"
    if value.size == 1:
        return f"= {number(value.reshape(())[()])}"
    low, high = float(value.min()), float(value.max())
    if math.isnan(low):
        return "has nan"
    if low == high:
        return f"all {number(low)}"
    return f"{number(low)} … {number(high)}"


def is_array(value: Any) -> bool:
    """Whether a constant is an array, of whatever package."""
    attributes = ("shape", "dtype", "size")  # which the class np.float64 has as well
    return not isinstance(value, type) and all(hasattr(value, name) for name in attributes)


def is_stand_in(value: Any) -> bool:
    """Whether only the type of a value is known."""
    base = getattr(value, "base", None)
    return base is not None and base is stand_in(value).base


def shortened(text: str) -> str:
    """Text of a length that a node has room for."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def plain(text: str) -> str:
    """Text on one line, without the characters that no picture can show."""
    return "".join(c if c.isprintable() else " " for c in text)


#: A low line that keeps a name's underscores clear of the line below.
GAP = '<FONT POINT-SIZE="2"> </FONT>'


def html(lines: Iterable[str]) -> str:
    """Lines, each already marked up, as one of Graphviz's HTML-like labels."""
    return f"<{'<BR/>'.join(lines)}>"


def cells(operation: str, about: list[str], role: str) -> str:
    """A label of two cells: an operation, and beside it what is said about its result."""
    look = TABLES[role]
    rule = ' SIDES="R" BORDER="1"' if about else ""
    columns = [f"<TD{rule}>{operation}</TD>"]
    if about:
        columns.append(f"<TD>{'<BR/>'.join(about)}</TD>")
    return f"<<TABLE{look}><TR>{''.join(columns)}</TR></TABLE>>"


def marked(text: str, *, bold: bool = False, color: str = "", size: float = 0) -> str:
    """Text with every special character escaped, in a weight, a colour and a size."""
    out = escape(plain(text)).replace("\\", "\\\\")  # else a backslash and N is the node's id
    if bold:
        out = f"<B>{out}</B>"
    attributes = (f' COLOR="{color}"' if color else "") + (f' POINT-SIZE="{size}"' if size else "")
    return f"<FONT{attributes}>{out}</FONT>" if attributes else out
