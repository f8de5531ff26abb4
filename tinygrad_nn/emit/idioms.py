"""What a person would write where a graph says the same in more words: means, masks, products.

Each idiom takes a node, whose inputs have been looked at already, and gives the nodes that take its
place, or None. The result is for reading, and to be written as source at once: it holds functions
(np.mean, np.full, np.ones) that no graph has otherwise. Imports: graph, rules, node.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..graph import Graph
from ..graph.build import apply
from ..graph.graph import live_nodes
from ..node import Leaf, Node, leaf
from ..rules.indexing import getitem, setitem
from .expand import with_inputs
from .literals import literal
from .naming import NUMBERED

#: A constant array is written where it is used up to this many characters, and named beyond.
_SHORT = 40


def readable(graph: Graph) -> Graph:
    """The same program, one in NumPy's functions and indexing, in the idioms of NumPy."""
    return _Reading(graph).result()


class _Reading:
    """One graph on its way: what each node became, and how often each is used."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.now: dict[Node, Node] = {}
        self.names = dict(graph.names)
        self.origin: dict[Node, Node] = {}
        self.constants: dict[Any, Leaf] = {}
        self.uses: dict[Node, int] = {}
        for node in graph.nodes:
            for parent in node.inputs:
                if isinstance(parent, Node):
                    self.uses[parent] = self.uses.get(parent, 0) + 1
        self.outputs = {*graph.outputs, *(new for _, new in graph.updates)}

    def result(self) -> Graph:
        graph, nodes = self.graph, []
        for node in graph.nodes:
            new = with_inputs(node, tuple(self.now.get(i, i) for i in node.inputs))
            made = self.rewritten(new, node) or [new]
            made = [*made[:-1], self.with_named_constants(made[-1])]
            self.now[node] = made[-1]
            self.uses.setdefault(made[-1], self.uses.get(node, 0))
            if made[-1] not in self.names or not NUMBERED.fullmatch(self.names[node]):
                self.names[made[-1]] = self.names[node]
            for part in made:
                self.names.setdefault(part, "t0")
                if node in graph.origin:
                    of = graph.origin[node]
                    self.origin[part] = self.now.get(of, of)
            nodes += made
        outputs = tuple(self.now.get(n, n) for n in graph.outputs)
        updates = tuple((n, self.now.get(new, new)) for n, new in graph.updates)
        live = live_nodes((*outputs, *(new for _, new in updates)))
        return replace(
            graph,
            captured=(*graph.captured, *self.constants.values()),
            nodes=tuple(n for n in nodes if n in live),
            outputs=outputs,
            updates=updates,
            names=self.names,
            origin=self.origin,
        )

    def rewritten(self, node: Node, old: Node) -> list[Node] | None:
        """What takes the place of ``node``, which was ``old`` in the graph."""
        if node.function is np.broadcast_to and old in self.outputs:
            return _filled(node)
        if old in self.graph.origin:
            for idiom in _BACKWARD.get(node.function, ()):
                made = idiom(node, self)
                if made is not None:
                    return made
        return _mean(node, self) if node.function is np.divide else None

    def is_passing(self, node: Node) -> bool:
        """Whether a node has no name of its own, and one use."""
        unnamed = NUMBERED.fullmatch(self.names.get(node, "t0")) is not None
        return unnamed and self.uses.get(node, 0) == 1 and node not in self.outputs

    def with_named_constants(self, node: Node) -> Node:
        """The node with its long constant arrays as leaves, which have a name in the source."""
        inputs = list(node.inputs)
        for i, value in enumerate(node.arguments):
            if isinstance(node.inputs[i], Node) or not isinstance(value, np.ndarray):
                continue
            if value.size > 4 and len(literal(value).text) > _SHORT:
                key = (value.dtype.str, value.shape, value.tobytes())
                constant = self.constants.setdefault(key, leaf(value, False))
                self.names.setdefault(constant, f"c{len(self.constants)}")
                inputs[i] = constant
        return with_inputs(node, tuple(inputs))


# --- the idioms -----------------------------------------------------------------------------------


def _filled(node: Node) -> list[Node] | None:
    """A result is an array of its own: np.ones or np.full, not a number spread over a shape."""
    x, (value, shape) = node.inputs[0], node.arguments
    if np.shape(value) != () or not shape:
        return None
    if not isinstance(x, Node):
        dtype = node.value.dtype
        if value == 1:
            keywords = {} if dtype == np.float64 else {"dtype": dtype}
            return [apply(np.ones, shape, like=node, keywords=keywords)]
        x = float(value) if dtype == np.float64 else value
    return [apply(np.full, shape, x, like=node)]


def _mean(node: Node, reading: _Reading) -> list[Node] | None:
    """np.sum(x) / n is np.mean(x), to the bit, if n is the number of entries of each sum."""
    total, n = node.inputs[0], node.arguments[1]
    if not isinstance(total, Node) or total.function is not np.sum or not reading.is_passing(total):
        return None
    x = total.arguments[0]
    exact = total.value.dtype in (np.float64, np.float32) and x.dtype == total.value.dtype
    same_type = type(n) in (int, float) or getattr(n, "dtype", None) == x.dtype
    if not exact or not same_type or isinstance(node.inputs[1], Node) or np.ndim(n):
        return None
    if not x.size or n * max(1, total.value.size) != x.size:
        return None
    return [apply(np.mean, total.inputs[0], like=node, keywords=total.keywords)]


def _mask(node: Node, reading: _Reading) -> list[Node] | None:
    """The derivative of max(0, h) where it is not 0: h > 0.

    A NaN is neither, so its derivative is 0 here and NaN in the graph; the value is NaN anyway.
    """
    y = node.inputs[0]
    if not isinstance(y, Node) or y.function is not np.maximum or not _is_zero(node, 1):
        return None
    if not (_is_zero(y, 0) or _is_zero(y, 1)):
        return None
    h = y.inputs[1] if _is_zero(y, 0) else y.inputs[0]
    named = not NUMBERED.fullmatch(reading.names.get(h, "t0"))
    return [apply(np.greater, h if named else y, 0, like=node)]


def _is_zero(node: Node, i: int) -> bool:
    """Whether a node's argument is the constant 0."""
    value = node.arguments[i]
    return node.inputs[i] is None and np.ndim(value) == 0 and bool(value == 0)


def _changed_probs(node: Node, reading: _Reading) -> list[Node] | None:
    """What the softmax becomes when 1 is taken off at the labels is no softmax any more."""
    probs = node.inputs[0]
    changed = reading.names.get(probs, "").startswith("probs") if probs is not None else False
    if not changed or not NUMBERED.fullmatch(reading.names.get(node, "t0")):
        return None
    reading.names[node] = "dscores"
    return [node]


def _vector(node: Node, reading: _Reading) -> list[Node] | None:
    """A matrix times a vector as a column, and of that the column: a matrix times a vector."""
    product = node.inputs[0]
    if not isinstance(product, Node) or product.function is not np.matmul:
        return None
    matrix, column = product.inputs
    if not isinstance(column, Node) or not isinstance(matrix, Node) or matrix.value.ndim != 2:
        return None
    index = node.arguments[1:]
    if len(index) != 2 or index[0] is not Ellipsis or type(index[1]) is not int:
        return None
    vector = column.inputs[0] if column.function in (getitem, np.reshape) else None
    if not isinstance(vector, Node) or column.value.shape != (*vector.value.shape, 1):
        return None
    if vector.value.ndim != 1:
        return None
    return [apply(np.matmul, matrix, vector, like=node)]


def _dropped_axes(node: Node, reading: _Reading) -> list[Node] | None:
    """A reduction that keeps its axes, which are then taken away, does not keep them."""
    inner = node.inputs[0]
    signs = isinstance(inner, Node) and inner.function is np.negative
    total = inner.inputs[0] if isinstance(inner, Node) and signs else inner
    if not isinstance(total, Node) or total.function not in (np.sum, np.max, np.min):
        return None
    keywords = dict(total.keywords or {})
    if not keywords.pop("keepdims", False) or not isinstance(total.inputs[0], Node):
        return None
    less = apply(total.function, total.inputs[0], like=total, keywords=keywords)
    if less.value.shape != node.value.shape:
        return None
    reading.uses[less] = 1
    return [less, apply(np.negative, less, like=node)] if signs else [less]


def _subtraction(node: Node, reading: _Reading) -> list[Node] | None:
    """Adding the opposite is subtracting."""
    a, b = node.inputs
    if not isinstance(b, Node) or b.function is not np.negative or not reading.is_passing(b):
        return None
    return [apply(np.subtract, a if a is not None else node.arguments[0], b.inputs[0], like=node)]


def _product_first(node: Node, reading: _Reading) -> list[Node] | None:
    """A gradient is the product and then the penalty: ``a1.T @ dscores + reg * W2``."""
    a, b = node.inputs
    if not isinstance(a, Node) or not isinstance(b, Node) or a.value.shape != b.value.shape:
        return None
    swap = b.function is np.matmul and a.function in (np.multiply, np.negative)
    return [apply(np.add, b, a, like=node)] if swap else None


_Idiom = Callable[[Node, _Reading], list[Node] | None]
_BACKWARD: dict[Any, tuple[_Idiom, ...]] = {
    np.not_equal: (_mask,),
    np.greater: (_mask,),
    setitem: (_changed_probs,),
    np.add: (_product_first, _subtraction),
    np.reshape: (_dropped_axes,),
    getitem: (_vector,),
}
