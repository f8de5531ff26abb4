"""One node as a Python expression in NumPy, as a person would write it.

Operators where Python has them, methods of what has a name (``x.sum(axis=0)``), NumPy's functions
otherwise.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import TraceError
from ...node import Node, function_name
from ...rules.indexing import getitem
from ...rules.linalg import logabsdet, sign_of_det
from ...rules.registry import RULES
from ...weak import WEAK, is_python_number, kind_name, plain
from ..code import (
    NAME,
    OPERATORS,
    PREFIXES,
    Code,
    binary,
    bracketed,
    call,
    method,
    unary,
)
from ..literals import as_python_number, dtype, literal, number

#: Reductions that arrays have as methods.
_REDUCTIONS = frozenset((np.sum, np.mean, np.max, np.min, np.any, np.all))

#: The function that a node's operand becomes: the name of a variable, or an expression.
Operand = Callable[[Node], Code]


def expression(node: Node, operand: Operand) -> Code:
    """The expression that computes ``node``.

    Args:
        node: an operation that has a value: neither setitem nor scatter_add, which are statements.
        operand: gives the code of each node that it needs.

    Raises:
        TraceError: a function that is not NumPy's.
    """
    codes = [argument(node, i, operand) for i in range(len(node.inputs))]
    special = _SPECIAL.get(node.function)
    code = special(node, codes) if special is not None else None
    if code is None:
        code = _operator(node, codes)
    if code is None:
        code = _call(node, codes)
    return code


def argument(node: Node, i: int, operand: Operand) -> Code:
    """The code of a node's argument ``i``."""
    parent, value = node.inputs[i], node.arguments[i]
    if isinstance(parent, Node):
        return operand(parent)
    if isinstance(value, np.generic) and _takes_python_number(node, i):
        other = node.arguments[1 - i]
        exact = as_python_number(value, short=other.dtype == value.dtype)
        if exact is not None:
            return exact
    return literal(value)


def _takes_python_number(node: Node, i: int) -> bool:
    """Whether a Python number in place of the NumPy number ``i`` gives the same type and value."""
    if node.function not in OPERATORS or len(node.inputs) != 2:
        return False
    value, other = node.arguments[i], node.arguments[1 - i]
    kind = getattr(other, "dtype", None)
    if kind is None or isinstance(other, WEAK) or value.dtype.kind == "b" or kind.kind == "b":
        return False
    return np.result_type(kind, value.dtype) == kind and not (
        value.dtype.kind == "f" and kind.kind != "f"
    )


# --- operators ------------------------------------------------------------------------------------


def _operator(node: Node, codes: list[Code]) -> Code | None:
    """The node with Python's operator, if there is one and it means the same."""
    function = node.function
    plain_numbers = all(map(is_python_number, node.arguments))
    if plain_numbers and not isinstance(node.value, WEAK):
        return None  # NumPy gives a NumPy number, Python would not
    if any(isinstance(value, (tuple, list)) for value in node.arguments) or node.keywords:
        return None
    first = getattr(node.arguments[0], "dtype", None)
    if function is np.power and first == np.bool_ and not isinstance(node.value, WEAK):
        return None  # x**2 is np.square(x), of another dtype
    if function in PREFIXES:
        return unary(PREFIXES[function], codes[0])
    if function not in OPERATORS or len(codes) != 2:
        return None
    symbol, level = OPERATORS[function]
    return binary(codes[0], symbol, codes[1], level)


# --- functions ------------------------------------------------------------------------------------


def numpy_name(function: Any) -> str:
    """``np.linalg.solve``: where NumPy has a function.

    Raises:
        TraceError: it is not NumPy's.
    """
    name = function_name(function)
    found: Any = np
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not function:
        raise TraceError(f"source needs NumPy alone, and {name} is none of its functions")
    return f"np.{name}"


def _call(node: Node, codes: list[Code]) -> Code:
    function = node.function
    keywords = {key: literal(value) for key, value in (node.keywords or {}).items()}
    rule = RULES.get(function) if function is not None else None
    if rule is not None and rule.packed:
        codes = [bracketed("[", codes, "]")]
    if function in (logabsdet, sign_of_det):
        half = 1 if function is logabsdet else 0
        return bracketed(f"np.linalg.slogdet({codes[0].text})[", [number(half)], "]")
    code = call("np.abs" if function is np.absolute else numpy_name(function), codes, keywords)
    if isinstance(node.value, WEAK):
        code = call(kind_name(node.value), [code])
    return code


def _has_methods(node: Node, codes: list[Code]) -> bool:
    """Whether the first operand is an array with a name."""
    return codes[0].level >= NAME and isinstance(node.inputs[0], Node) and not is_python_number(
        node.arguments[0]
    )  # fmt: skip


def _reduction(node: Node, codes: list[Code]) -> Code | None:
    if not _has_methods(node, codes) or len(codes) != 1:
        return None
    keywords = {key: literal(value) for key, value in (node.keywords or {}).items()}
    return call(method(codes[0], node.function.__name__), [], keywords)  # type: ignore[union-attr]


def _transpose(node: Node, codes: list[Code]) -> Code | None:
    if is_python_number(node.arguments[0]):
        return None
    ndim = len(node.arguments[0].shape)
    axes = node.arguments[1] if len(node.arguments) > 1 else None
    order = tuple(range(ndim)) if axes is None else tuple(a % ndim for a in axes)
    if axes is None or order == tuple(range(ndim))[::-1]:
        return Code(method(codes[0], "T"), NAME)
    if ndim > 2 and order == (*range(ndim - 2), ndim - 1, ndim - 2):
        return Code(method(codes[0], "mT"), NAME)
    return call(method(codes[0], "transpose"), [number(a) for a in order])


def _reshape(node: Node, codes: list[Code]) -> Code | None:
    if is_python_number(node.arguments[0]):
        return None
    old, new = node.arguments[0].shape, node.arguments[1]
    where = _inserted(old, new)
    if where is not None and old:
        return subscript(codes[0], [Code("None" if i else ":") for i in where])
    shape = [number(operator.index(n)) for n in new]
    if codes[0].level < NAME or not shape:
        return None
    return call(method(codes[0], "reshape"), shape)


def _inserted(old: tuple[int, ...], new: tuple[int, ...]) -> list[bool] | None:
    """Where axes of length 1 were added to get the new shape; None if it is another change."""
    where, rest = [], list(old)
    for n in new:
        kept = bool(rest) and rest[0] == n
        if not kept and n != 1:
            return None
        where.append(not kept)
        rest = rest[1:] if kept else rest
    return where if not rest and any(where) else None


def _astype(node: Node, codes: list[Code]) -> Code | None:
    kind = dtype(np.dtype(node.arguments[1]))
    if is_python_number(node.arguments[0]):
        own = dtype(np.dtype(type(plain(node.arguments[0]))))
        codes = [call(own.text, codes[:1])]
    return call(method(codes[0], "astype"), [kind])


# --- indexing -------------------------------------------------------------------------------------


def subscript(x: Code, index: list[Code]) -> Code:
    """``x[index]``."""
    return bracketed(f"{x.inside(NAME - 1)}[", index or [Code("()")], "]", min(x.level, NAME))


def index_codes(node: Node, first: int, operand: Operand) -> list[Code]:
    """What stands in the brackets: the arguments of ``node`` from ``first`` on."""
    codes = []
    for parent, value in zip(node.inputs[first:], node.arguments[first:], strict=True):
        codes.append(operand(parent) if isinstance(parent, Node) else _index(value))
    return codes


def _index(value: Any) -> Code:
    if isinstance(value, slice):
        start, stop, step = (
            "" if part is None else str(operator.index(part))
            for part in (value.start, value.stop, value.step)
        )
        return Code(f"{start}:{stop}:{step}" if step else f"{start}:{stop}")
    if isinstance(value, np.integer):
        return number(int(value))
    return literal(value)


def _getitem(node: Node, codes: list[Code]) -> Code:
    index = node.arguments[1:]
    adds_axis = len(index) == 2 and index[0] is Ellipsis and node.inputs[2] is index[1] is None
    if adds_axis and len(node.arguments[0].shape) == 1:
        index = (slice(None), None)  # as it is usually written
    indices = [
        code if isinstance(parent, Node) else _index(value)
        for code, parent, value in zip(codes[1:], node.inputs[1:], index, strict=True)
    ]
    return subscript(codes[0], indices)


def _round(node: Node, codes: list[Code]) -> Code | None:
    return call("round", codes) if isinstance(node.value, WEAK) else None


_SPECIAL: dict[Any, Callable[[Node, list[Code]], Code | None]] = {
    np.round: _round,
    **dict.fromkeys(_REDUCTIONS, _reduction),
    np.transpose: _transpose,
    np.reshape: _reshape,
    np.astype: _astype,
    getitem: _getitem,
}
