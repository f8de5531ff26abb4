"""The gradient of a graph, as a graph: the same rules, run on tensors and recorded."""

from __future__ import annotations

from dataclasses import replace
from operator import index
from typing import Any

import numpy as np

from .. import tree
from ..errors import DataError, DtypeError, ShapeError
from ..node import Node, describe, leaf, tracing, transforming, where
from ..tensor import Tensor, untracked
from ..walk import walk
from .backward import Backward
from .graph import Constant, Graph
from .marking import marked
from .names import extended
from .rewrites import READING
from .simplify import simplify
from .tracer import needed


def gradient(graph: Graph, wrt: Any = 0, simple: bool = False) -> Graph:
    """The forward and the backward pass as one graph; see :meth:`Graph.gradient`.

    Args:
        graph: a program that gives a single number.
        wrt: what to differentiate with respect to.
        simple: simplify the program before it is differentiated: what it computes twice gets one
            gradient, and a softmax written by hand the short one.
    """
    _single_number(graph)
    structure, chosen = _chosen(graph, wrt)
    new = marked(graph, chosen)
    graph = _renewed(graph, new)
    if simple:  # once it is known where gradients flow, for on that the simplification depends
        graph = simplify(graph, READING)
    (root,), wanted = graph.outputs, [new[node] for node in chosen]
    with tracing(graph.inputs) as tape, transforming():
        grads: dict[Node, Any] = {}
        if root.requires_grad:
            one = untracked(root.value.dtype.type(1))
            grads = walk([(root, one)], wanted, lift=True, visit=tape.passed)
        outputs = [root, *(_node(grads.get(node), node) for node in wanted)]
    backward = Backward(tape)
    tape_nodes = [*graph.nodes, *tape.nodes]
    captured, nodes = needed(tuple(outputs), set(graph.inputs), tape_nodes)
    order = tree.fill(structure, iter(range(1, len(outputs))))
    return Graph(
        name=graph.name,
        inputs=graph.inputs,
        captured=captured,
        nodes=nodes,
        outputs=tuple(outputs),
        names=extended(graph.names, captured, nodes, backward),
        structure=(0, order),
        arguments=graph.arguments,
        parameters=graph.parameters,
        labels=graph.labels,
        origin={**graph.origin, **backward.origin_in(nodes, {*graph.inputs, *captured, *nodes})},
    )


def _renewed(graph: Graph, new: dict[Node, Node]) -> Graph:
    """The graph of the nodes that take the place of its own."""
    return replace(
        graph,
        inputs=tuple(new[n] for n in graph.inputs),
        nodes=tuple(new[n] for n in graph.nodes),
        outputs=tuple(new.get(n, n) for n in graph.outputs),
        names={new.get(n, n): name for n, name in graph.names.items()},
        labels={new[n]: classes for n, classes in graph.labels.items()},
        origin={new[n]: new.get(of, of) for n, of in graph.origin.items() if n in new},
    )


def _single_number(graph: Graph) -> None:
    """Refuse a program of which there is no one number to differentiate."""
    if len(graph.outputs) != 1:
        shapes = ", ".join(str(node.value.shape) for node in graph.outputs)
        raise ShapeError(
            f"the gradient is that of a single number; {graph.name} returns {len(graph.outputs)} "
            f"values, of shapes {shapes}\n"
            "  let the function return the loss alone"
        )
    (output,) = graph.outputs
    if output.value.shape != ():
        raise ShapeError(
            f"the gradient is that of a single number; {graph.name} returns {describe(output)} "
            f"of shape {output.value.shape}\n"
            f"  make a number of it, by np.sum or np.mean\n{where(output)}".rstrip()
        )
    if graph.updates:
        node, new = graph.updates[0]
        raise DataError(
            f"{graph.name} changes its argument {graph.names[node]} in place, and what is "
            "differentiated leaves its arguments as they are\n"
            f"  compute the new value under a name of its own, or make the step outside\n"
            f"{where(new)}".rstrip()
        )


def _chosen(graph: Graph, wrt: Any) -> tuple[Any, list[Node]]:
    """The structure of the gradients, and the inputs that they are for."""
    arguments = graph.arguments
    if arguments is None:
        arguments = tuple(range(len(graph.inputs)))
    single = not isinstance(wrt, (tuple, list))
    places = (wrt,) if single else tuple(wrt)
    if not places:
        raise _no_such_place(graph, len(arguments), wrt)
    chosen = []
    for place in places:
        try:
            chosen.append(arguments[index(place)])
        except (IndexError, TypeError):
            raise _no_such_place(graph, len(arguments), wrt) from None
    slots = tree.leaves(chosen)
    for slot in slots:
        node = None if isinstance(slot, Constant) else graph.inputs[slot]
        if node is None or node.value.dtype.kind != "f":
            came = (
                f"the constant {slot.value!r}"
                if node is None
                else f"{graph.names[node]}, which holds {node.value.dtype}"
            )
            raise DtypeError(
                f"a gradient needs floating-point arguments, and wrt={wrt!r} asks for that of "
                f"{came}\n"
                "  write 3.0 instead of 3, convert with .astype(float), or choose others with wrt"
            )
    return chosen[0] if single else tuple(chosen), [graph.inputs[slot] for slot in slots]


def _no_such_place(graph: Graph, count: int, wrt: Any) -> DataError:
    names = graph.parameters or [graph.names[node] for node in graph.inputs]
    places = ", ".join(f"{i} for {name}" for i, name in enumerate(names))
    return DataError(
        f"wrt is the place of an argument, or a tuple of places ({places}): {graph.name} has "
        f"{count} argument{'s' if count != 1 else ''}, and wrt is {wrt!r}"
    )


def _node(g: Any, wanted: Node) -> Node:
    """The node of a gradient; of one that is zero, a constant."""
    if isinstance(g, Tensor) and g._node is not None:
        return g._node
    if g is None:
        g = np.zeros(wanted.value.shape, wanted.value.dtype)[()]
    return leaf(g._value if isinstance(g, Tensor) else g, False)
