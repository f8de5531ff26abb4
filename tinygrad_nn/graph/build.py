"""New nodes for a graph, with no program that ran: their shapes and dtypes are inferred or kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..node import ORDER, Node, stand_in
from ..rules.registry import CONSTANTS
from ..weak import OPERATORS, is_python_number, plain, usual, weak
from .graph import compute


def apply(
    function: Any, *operands: Any, like: Node | None = None, keywords: dict[str, Any] | None = None
) -> Node:
    """The node of an operation on nodes and constants.

    Args:
        function: a NumPy function or an operation of ours, as in :attr:`Node.function`.
        operands: its arguments in order: nodes, or anything else as a constant.
        like: a node whose place in the user's program the new one takes.
        keywords: static keyword arguments, only those that differ from their defaults.

    Returns:
        A node whose value is a stand-in: of the right shape and dtype, and of no meaning.

    Raises:
        ValueError, TypeError, IndexError: as ``function`` itself, on operands that do not fit.
    """
    node = Node()
    node.function = function
    node.inputs = tuple(x if isinstance(x, Node) else None for x in operands)
    node.arguments = tuple(x.value if isinstance(x, Node) else x for x in operands)
    node.keywords = keywords or None
    node.value = infer(node)
    node.requires_grad = function not in CONSTANTS and any(
        i is not None and i.requires_grad for i in node.inputs
    )
    node.order = next(ORDER) if node.requires_grad else 0
    node.code, node.offset = (None, 0) if like is None else (like.code, like.offset)
    return node


def with_inputs(
    node: Node, inputs: tuple[Node | None, ...], requires_grad: bool | None = None
) -> Node:
    """The same operation on other nodes of the same types; ``node`` itself if nothing is another.

    Args:
        node: an operation.
        inputs: the nodes that take the place of its own; None for a constant.
        requires_grad: whether a gradient flows through the new one; as through ``node`` by default.
    """
    carries = node.requires_grad if requires_grad is None else requires_grad
    same = all(a is b for a, b in zip(inputs, node.inputs, strict=True))
    if same and carries == node.requires_grad:
        return node
    new = Node()
    new.function, new.inputs, new.arguments = node.function, inputs, node.arguments
    new.keywords, new.value, new.requires_grad = node.keywords, node.value, carries
    new.order = next(ORDER) if carries else 0
    new.code, new.offset = node.code, node.offset
    return new


def infer(node: Node, python: bool = True) -> Any:
    """A stand-in of the type that a node's value has, found by running it on stand-ins.

    Of Python's numbers alone Python's operator is meant, or NumPy's function if not ``python``.
    """
    given = [
        spared(plain(value)) if isinstance(parent, Node) else plain(value)
        for parent, value in zip(node.inputs, node.arguments, strict=True)
    ]
    if python and node.function in OPERATORS and all(map(is_python_number, given)):
        return _of_numbers(node.function, given)
    node.value = None
    with np.errstate(all="ignore"):
        value = compute(node, dict(zip(node.inputs, given, strict=True)))
    return stand_in(np.asarray(value)) if np.ndim(value) else np.asarray(value)[()]


def _of_numbers(function: Any, given: list[Any]) -> Any:
    """What Python computes of its own numbers; where they do not permit it, one of the type."""
    try:
        value = OPERATORS[function](*given)
    except (ArithmeticError, ValueError, TypeError):
        value = None
    return weak(value) if is_python_number(value) else usual(function, given)


def spared(value: Any) -> Any:
    """A stand-in for an array, which takes no memory; a number as it is."""
    return stand_in(value) if isinstance(value, np.ndarray) and value.ndim else value
