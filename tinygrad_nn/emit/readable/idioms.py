"""What a person would write where a graph says the same in more words: means, masks, products.

Each idiom takes a node, whose inputs have been looked at already, and gives the nodes that take its
place, or None. The result is for reading, and to be written as source at once: it holds functions
(np.mean, np.full, np.ones) that no graph has otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import TraceError
from ...graph import Graph
from ...graph.build import apply, infer, with_inputs
from ...graph.graph import live_nodes
from ...graph.rewrites.arithmetic import plain_number
from ...graph.rewrites.pattern import operands_of
from ...node import Leaf, Node, leaf, where
from ...provenance import place
from ...rules.indexing import getitem, scatter_add, setitem
from ..literals import WRITTEN_OUT, is_readable, literal
from ..naming import NUMBERED

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
        self.instead: dict[Node, Node] = {}
        self.uses: dict[Node, int] = {}
        self.readers: dict[Node, list[Node]] = {}
        for node in graph.nodes:
            for parent in node.inputs:
                if isinstance(parent, Node):
                    self.uses[parent] = self.uses.get(parent, 0) + 1
                    self.readers.setdefault(parent, []).append(node)
        self.outputs = {*graph.outputs, *(new for _, new in graph.updates)}

    def result(self) -> Graph:
        graph, nodes = self.graph, []
        for node in graph.captured:
            if isinstance(node.value, np.ndarray):
                refuse_large(node.value, graph.names[node], node)
        for node in graph.nodes:
            new = with_inputs(node, tuple(self.now.get(i, i) for i in node.inputs))
            *ratios, new = _with_plain_ratios(new)
            made = [*ratios, *(self.rewritten(new, node) or [new])]
            made = [*made[:-1], *self.with_named_constants(made[-1])]
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
            captured=(*(n for n in graph.captured if n in live), *self.constants.values()),
            nodes=tuple(n for n in nodes if n in live),
            outputs=outputs,
            updates=updates,
            names=self.names,
            origin={node: self.instead.get(of, of) for node, of in self.origin.items()},
            merged={
                self.now.get(node, node): tuple(self.became(each) for each in of)
                for node, of in graph.merged.items()
            },
        )

    def became(self, node: Node) -> Node:
        """What stands for a node of the graph in the end."""
        new = self.now.get(node, node)
        return self.instead.get(new, new)

    def rewritten(self, node: Node, old: Node) -> list[Node] | None:
        """What takes the place of ``node``, which was ``old`` in the graph."""
        if node.function is np.broadcast_to and (old in self.outputs or old in self.graph.origin):
            return _filled(node, self)
        if old in self.graph.origin:
            for idiom in _BACKWARD.get(node.function, ()):
                made = idiom(node, self)
                if made is not None:
                    return made
        if node.function is setitem and self.starts(node.inputs[0]):
            self.names[old] = self.names[node.inputs[0]]
            return [with_inputs(node, (None, *node.inputs[1:]))]
        if _is_cleared_maximum(node) and NUMBERED.fullmatch(self.names[old]):
            self.names[node] = "margins"
            return [node]
        if node.function is np.add:
            return _first_term(node, self, old)
        return _mean(node, self) if node.function is np.divide else None

    def starts(self, x: Any) -> bool:
        """Whether an array that a program holds is there to be written into, and for nothing else.

        Then it is made where that is done, under the same name.
        """
        return x in self.graph.captured and self.uses[x] == 1 and x not in self.outputs

    def is_passing(self, node: Node) -> bool:
        """Whether a node has no name of its own, and one use."""
        unnamed = NUMBERED.fullmatch(self.names.get(node, "t0")) is not None
        return unnamed and self.uses.get(node, 0) == 1 and node not in self.outputs

    def with_named_constants(self, node: Node) -> list[Node]:
        """The node with its long constant arrays as leaves, which have a name in the source.

        Before it, the transposes of such constants that it needs.
        """
        inputs, transposes = list(node.inputs), []
        for i, value in enumerate(node.arguments):
            if isinstance(node.inputs[i], Node) or not isinstance(value, np.ndarray):
                continue
            refuse_large(value, own_name(node, i), node)
            own = own_name(node, i)
            if value.size <= 4 or len(literal(value).text) <= (_SHORT // 2 if own else _SHORT):
                continue
            turned = self.constants.get(_key(value.T)) if value.ndim == 2 else None
            if turned is not None and _key(value) not in self.constants:
                inputs[i] = apply(np.transpose, turned, like=node)
                self.names[inputs[i]] = "t0"
                transposes.append(inputs[i])
                continue
            constant = self.constants.setdefault(_key(value), leaf(value, False))
            if constant not in self.names:
                self.names[constant] = own or f"c{len(self.constants)}"
            inputs[i] = constant
        return [*transposes, with_inputs(node, tuple(inputs))]


def own_name(node: Node, i: int) -> str | None:
    """What the user calls a constant operand, as far as the text of the expression tells."""
    operands = place(node.code, node.offset).operands if node.code is not None else ()
    named = len(operands) == len(node.inputs) and operands[i].isidentifier()
    return operands[i] if named else None


def refuse_large(value: Any, name: str | None, node: Node) -> None:
    """Refuse an array that a program holds, and that nobody would read.

    Raises:
        TraceError: it is larger than that, and no call makes it.
    """
    if is_readable(value):
        return
    array = f"{name}, an array" if name else "an array"
    argument = name or "X"
    raise TraceError(
        f"{array} of shape {value.shape}, is none of the function's arguments: its "
        f"{value.size:,} numbers would have to stand in the source, which has room for "
        f"{WRITTEN_OUT}\n"
        f"  pass it as an argument: f(..., {argument}) and tg.derive(f, ..., {argument})\n"
        f"{where(node)}"
    )


def _key(value: Any) -> Any:
    return value.dtype.str, value.shape, value.tobytes()


# --- the idioms -----------------------------------------------------------------------------------


def _filled(node: Node, reading: _Reading) -> list[Node] | None:
    """A result is an array of its own: np.ones or np.full, not a number spread over a shape."""
    x, (value, shape) = node.inputs[0], node.arguments
    if np.shape(value) != () or not shape:
        return None
    if set(shape) == {1} and isinstance(x, Node) and x.function is np.sum:
        entries = x.arguments[0]
        if not x.keywords and np.ndim(entries) == len(shape) and reading.is_passing(x):
            return [apply(np.sum, x.inputs[0], like=node, keywords={"keepdims": True})]
    if not isinstance(x, Node):
        dtype = node.value.dtype
        if value == 1:
            keywords = {} if dtype == np.float64 else {"dtype": dtype}
            return [apply(np.ones, shape, like=node, keywords=keywords)]
        x = float(value) if dtype == np.float64 else value
    return _with_plain_ratios(apply(np.full, shape, x, like=node))


def _scattered(node: Node, reading: _Reading) -> list[Node] | None:
    """What is added to each of several entries may be a single number."""
    spread = node.inputs[0]
    if spread is None or spread.function not in (np.full, np.ones, np.broadcast_to):
        return None
    if spread.function is np.ones:
        x, value = None, node.value.dtype.type(1)
    else:
        at = 1 if spread.function is np.full else 0
        x, value = spread.inputs[at], spread.arguments[at]
    if np.ndim(value):
        return None
    new = with_inputs(node, (x, *node.inputs[1:]))
    new.arguments = (value, *node.arguments[1:])
    return [new]


def _with_plain_ratios(node: Node) -> list[Node]:
    """The node with Python's ``1 / 5`` for NumPy's, where that makes no difference.

    Python's numbers take on the dtype that they meet. The quotients come before the node.
    """
    if not isinstance(node.value, (np.ndarray, np.generic)) or node.function in (
        setitem, scatter_add, np.broadcast_to
    ):  # fmt: skip
        return [node]
    ratios = {
        i: _as_plain(parent)
        for i, parent in enumerate(node.inputs)
        if parent is not None and _is_ratio(parent)
    }
    if not ratios:
        return [node]
    inputs = tuple(ratios.get(i, parent) for i, parent in enumerate(node.inputs))
    new = with_inputs(node, inputs)
    new.arguments = tuple(
        ratios[i].value if i in ratios else value for i, value in enumerate(node.arguments)
    )
    same = infer(new)
    if same.dtype != node.value.dtype or np.shape(same) != np.shape(node.value):
        return [node]
    new.value = node.value
    return [*ratios.values(), new]


def _is_ratio(node: Node) -> bool:
    """Whether a node is a quotient of two numbers that are known, one of them NumPy's."""
    return (
        node.function is np.divide
        and all(i is None for i in node.inputs)
        and all(np.ndim(value) == 0 for value in node.arguments)
        and isinstance(node.value, np.floating)
    )


def _as_plain(node: Node) -> Node:
    return apply(np.divide, *(plain_number(value) for value in node.arguments), like=node)


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
    if not isinstance(y, Node) or not _is_zero(node, 1):
        return None
    if _is_cleared_maximum(y):  # the hinge loss's margins, which are 0 at the labels
        return [apply(np.greater, y, 0, like=node)]
    if y.function is not np.maximum:
        return None
    if not (_is_zero(y, 0) or _is_zero(y, 1)):
        return None
    h = y.inputs[1] if _is_zero(y, 0) else y.inputs[0]
    named = not NUMBERED.fullmatch(reading.names.get(h, "t0"))
    return [apply(np.greater, h if named else y, 0, like=node)]


def _is_cleared_maximum(y: Node) -> bool:
    """Whether ``y`` is max(0, h) with zeros written into it."""
    x = y.inputs[0] if y.function is setitem and _is_zero(y, 1) else None
    return x is not None and x.function is np.maximum and (_is_zero(x, 0) or _is_zero(x, 1))


def _first_term(node: Node, reading: _Reading, old: Node) -> list[Node] | None:
    """A sum that a program begins with 0 begins with its first term.

    The first term may be -0.0, to which 0 + x makes a difference that a further sum hides.
    """
    a, x = node.inputs
    if a is not None or not _is_zero(node, 0) or not isinstance(x, Node):
        return None
    same = type(x.value) is type(node.value) and x.value.dtype == node.value.dtype
    hidden = all(reader.function in _SUMS for reader in reading.readers.get(old, ()))
    if not same or not hidden or not reading.is_passing(x):
        return None
    first = apply(x.function, *operands_of(x), like=x, keywords=x.keywords)
    reading.instead[x] = first
    return [first]


_SUMS = frozenset({np.add, np.subtract, np.sum, np.mean})


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
    scatter_add: (_scattered,),
    getitem: (_vector,),
}
