"""Traces that are kept: refused if they would freeze what another run may have otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import TraceError
from ..node import ORDER, Leaf, Node, describe, where
from ..rules.indexing import getitem
from .graph import Graph
from .surroundings import changed, state
from .tracer import trace


def trace_for_good(f: Callable[..., Any], *args: Any) -> Graph:
    """As :func:`trace`, for a graph that stands for ``f`` in other runs too.

    ``f`` runs twice: what is not the same both times (random draws, the time, a counter) would be
    frozen.

    Raises:
        TraceError: the program depends on something that is none of its arguments and may change,
            or the shapes in it depend on values.
    """
    before, begun = state(f), next(ORDER)
    graph, again = trace(f, *args), trace(f, *args)
    _refuse_differences(graph, again)
    name = changed(before, state(f))
    if name is not None:
        raise TraceError(
            f"{graph.name} draws from {name}, or changes it, when it runs again: in a program that "
            "is kept\n  this would happen once; draw random numbers outside and pass them as "
            "arguments,\n  and return what changes"
        )
    _refuse_parameters(graph, begun)
    _refuse_masks(graph)
    return graph


def _refuse_differences(graph: Graph, again: Graph) -> None:
    if len(graph.nodes) != len(again.nodes) or len(graph.outputs) != len(again.outputs):
        raise TraceError(
            f"{graph.name} does other things when it runs again with the same arguments"
        )
    for a, b in zip(graph.nodes, again.nodes, strict=True):
        if a.function is not b.function or not _same(a.keywords, b.keywords):
            raise _differs(a)
        for i, j, x, y in zip(a.inputs, b.inputs, a.arguments, b.arguments, strict=True):
            if isinstance(i, Node):
                if graph.index.get(i) != again.index.get(j):
                    raise _differs(a)
            elif not _same(x, y):
                raise _differs(a)
    for a, b in zip(graph.outputs, again.outputs, strict=True):
        if a not in graph.inputs and a.function is None and not _same(a.value, b.value):
            raise _differs(a)


def _same(x: Any, y: Any) -> bool:
    if isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
        same_type = (np.shape(x), getattr(x, "dtype", 0)) == (np.shape(y), getattr(y, "dtype", 0))
        return same_type and bool(np.array_equal(x, y, equal_nan=x.dtype.kind == "f"))
    if isinstance(x, (tuple, list)) and isinstance(y, (tuple, list)):
        return len(x) == len(y) and all(map(_same, x, y))
    return bool(x == y) or (x != x and y != y)


def _differs(node: Node) -> TraceError:
    return TraceError(
        f"`{describe(node).strip('`')}` has another constant in it when the function runs again\n"
        "  a trace would freeze it: draw random numbers outside, and pass them as arguments\n"
        f"{where(node)}"
    )


def _refuse_parameters(graph: Graph, begun: int) -> None:
    for node in graph.captured:
        if node.function is None and node.order > begun:
            continue  # made by the function itself, as zeros that a derivative is taken at
        tensor = node.tensor if isinstance(node, Leaf) else None
        if node.requires_grad or node.function is not None:
            name = (tensor.name if tensor is not None else None) or graph.names[node]
            raise TraceError(
                f"{graph.name} uses {name}, which carries a gradient and is none of its arguments\n"
                "  its value would be frozen: pass it as an argument\n"
                f"{where(node)}"
            )


def _refuse_masks(graph: Graph) -> None:
    for node in graph.nodes:
        if node.function is not getitem:
            continue
        for parent in node.inputs[1:]:
            if isinstance(parent, Node) and parent.value.dtype.kind == "b":
                raise TraceError(
                    f"the shape of {describe(node)} depends on the values of a mask\n"
                    "  in a program that is kept every shape is fixed: use np.where, or multiply "
                    f"by the mask\n{where(node)}"
                )
