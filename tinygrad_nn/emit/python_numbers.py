"""What Python computes of its own numbers, as text; its integers have no bounds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..node import Node
from ..weak import checked, plain
from .code import OPERATORS, PREFIXES

_TEXTS: dict[Any, str] = {
    **{function: f"{{0}} {symbol} {{1}}" for function, (symbol, _) in OPERATORS.items()},
    **{function: f"{symbol}{{0}}" for function, symbol in PREFIXES.items()},
    np.absolute: "abs({0})",
}


def expression(node: Node, given: list[str], constant: Callable[[Any, str], str]) -> str | None:
    """Python's expression for a Python number; None if none of its operators computes it.

    Args:
        node: the operation.
        given: the text of each operand: a name, or a number that needs no further parentheses.
        constant: gives the name of a value that the text needs, called as wanted.
    """
    if node.function is np.round:
        return f"round({', '.join(given)})"
    text = _TEXTS.get(node.function)
    if text is None or node.keywords:
        return None
    text = text.format(*given)
    if node.function is np.power and not _keeps_type(node):
        kind = type(plain(node.value))
        check = partial(checked, kind=kind)
        return f"{constant(check, f'checked_{kind.__name__}')}({text})"
    return text


def _keeps_type(node: Node) -> bool:
    """Whether a power is of the traced type whatever the numbers are."""
    base, exponent = node.arguments
    if not isinstance(exponent, int):
        return False
    is_whole = isinstance(base, int)
    return not is_whole or (not isinstance(node.inputs[1], Node) and exponent >= 0)
