"""What a traced program's tape tells about the derivatives in it."""

from __future__ import annotations

from collections.abc import Container, Iterable
from itertools import pairwise

import numpy as np

from ..node import Node, Tape
from ..tensor import Tensor


class Backward:
    """Which operations belong to a derivative, and what they are the derivative of.

    Attributes:
        origin: for each operation of a backward walk, the node whose rule made it.
        gradient_of: for the node of a whole gradient, the nodes that it is the gradient of: several
            where a sum hands its gradient on as it is.
    """

    def __init__(self, tape: Tape) -> None:
        self.origin: dict[Node, Node] = {}
        self.gradient_of: dict[Node, list[Node]] = {}
        on_tape = {node: i for i, node in enumerate(tape.nodes)}
        ends = [start for _, _, start in tape.backward] + [len(tape.nodes)]
        for (forward, gradient, _), (start, end) in zip(tape.backward, pairwise(ends), strict=True):
            if forward is None:
                continue
            if on_tape.get(forward, -1) < start:
                for node in tape.nodes[start:end]:
                    self.origin.setdefault(node, forward)
            made = gradient._node if isinstance(gradient, Tensor) else None
            if made is not None and made in on_tape:
                self.gradient_of.setdefault(made, []).append(_source(forward))

    def origin_in(self, nodes: Iterable[Node], graph: Container[Node]) -> dict[Node, Node]:
        """The origins of some nodes, as far as they are part of a graph.

        In a derivative's derivative the node whose rule was run may itself belong to a derivative
        that nobody needs; then what that one is the derivative of stands for it.
        """
        found = {}
        for node in nodes:
            of = self.origin.get(node)
            while of is not None and of not in graph:
                of = self.origin.get(of)
            if of is not None:
                found[node] = of
        return found


def _source(node: Node) -> Node:
    """What a transform differentiates with respect to is a copy of what it was given."""
    while node.function is np.positive and isinstance(node.inputs[0], Node):
        node = node.inputs[0]
    return node
