"""A graph again, with a gradient flowing from certain inputs and no others.

Which inputs that are decides about a rule at one point: a tie of np.maximum goes to the operand
that is a constant. So a trace carries no gradient, and what differentiates a graph marks it first.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import NoRuleError
from ..node import Node, describe, function_name, leaf, where
from ..rules.registry import CONSTANTS, RULES
from .build import with_inputs
from .graph import Graph


def marked(graph: Graph, wanted: Iterable[Node]) -> dict[Node, Node]:
    """For every node the one that takes its place when ``wanted`` inputs carry a gradient.

    Raises:
        NoRuleError: the gradient would flow through a function that has no derivative rule.
    """
    wanted = set(wanted)
    new: dict[Node, Node] = {node: node for node in (*graph.inputs, *graph.captured)}
    for node in graph.inputs:
        if node.requires_grad != (node in wanted):
            new[node] = leaf(node.value, node in wanted)
    for node in graph.nodes:
        new[node] = _marked(node, new)
    return new


def _marked(node: Node, new: dict[Node, Node]) -> Node:
    inputs = tuple(new[i] if isinstance(i, Node) else i for i in node.inputs)
    carries = any(isinstance(i, Node) and i.requires_grad for i in inputs)
    if carries and node.function not in RULES and node.function not in CONSTANTS:
        raise NoRuleError(
            f"{function_name(node.function)} has no derivative rule, and a gradient flows through "
            f"{describe(node)}\n{where(node)}"
        )
    return with_inputs(node, inputs, carries and node.function not in CONSTANTS)
