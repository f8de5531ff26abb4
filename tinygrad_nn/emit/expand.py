"""Our own operations written out in NumPy, so that an emitter needs to know NumPy only.

An expansion is a short NumPy function. It is run on tensors that stand for the operation's
arguments, and what that records takes the operation's place. What two expansions have in common
(the shifted scores of a softmax and of the cross entropy) is there once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import TraceError
from ..graph import Graph
from ..graph.build import spared, with_inputs
from ..graph.tracer import needed
from ..node import Node, function_name, tracing
from ..rules.elementwise import stop_gradient
from ..rules.indexing import getitem, scatter_add, setitem
from ..rules.linalg import LARGEST_WITH_MINORS, cofactors, logabsdet, minor_index, mT, sign_of_det
from ..rules.neural import cross_entropy, log_softmax, logsumexp, relu, sigmoid, softmax
from ..rules.registry import plain
from ..tensor import Tensor, wrap
from .naming import NUMBERED, unique

#: What is left as it is: indexing, which has a syntax of its own, and the two halves of
#: np.linalg.slogdet, which gives a pair where a node has one value.
KEPT = frozenset((getitem, setitem, scatter_add, logabsdet, sign_of_det))


def expand(graph: Graph) -> Graph:
    """The same program in NumPy's functions alone, beside those of :data:`KEPT`.

    The new nodes have readable names (``shifted``, ``exp_scores``, ``probs``). Those of a backward
    operation have its origin; an origin that was expanded is the node of its value. Cross entropy's
    check of its labels is not in the result: see :func:`labels_to_check`. Nor is the barrier of
    ``stop_gradient``, so take the gradient first.

    Raises:
        TraceError: an operation that was registered by the user and decides on values.
    """
    if not any(_is_own(node) for node in graph.nodes):
        return graph
    return _Expansion(graph).result()


def labels_to_check(graph: Graph) -> dict[Node, int]:
    """For each node that holds labels, the number of classes.

    Labels are in 0..C-1, and a loss refuses others; NumPy would count a negative one from the end.
    A program that picks with an index of its own is NumPy's, and keeps the meaning it has there.

    They are what the traced program's losses checked, and what :func:`cross_entropy` takes as such.
    Of computed labels, and in a graph that was not traced, it is also integers that are both
    compared with 0, 1, ..., C-1 and used as an index, as the hinge loss does. Constants are not
    here: they were checked when they were recorded.
    """
    found: dict[Node, int] = dict(graph.labels)
    compared: dict[Node, int] = {}
    known = set(graph.inputs) if graph.function is not None else set()
    for node in graph.nodes:
        if node.function is cross_entropy and isinstance(node.inputs[1], Node):
            if (node.keywords or {}).get("from_end"):
                continue
            _note(found, node.inputs[1], node.arguments[0].shape[1])
        elif node.function in (np.equal, np.not_equal):
            column, classes = node.inputs[0], node.arguments[1]
            if isinstance(column, Node) and column.function is np.reshape:
                labels = column.inputs[0]
                if isinstance(labels, Node) and _is_range(classes):
                    _note(compared, labels, len(classes))
    for node in graph.nodes:
        if node.function is getitem:
            for index in node.inputs[1:]:
                if index in compared and index not in known:
                    _note(found, index, compared[index])
    return found


def _note(classes: dict[Node, int], labels: Node, count: int) -> None:
    """Labels that are used twice must fit both times."""
    classes[labels] = min(count, classes.get(labels, count))


def _is_range(values: Any) -> bool:
    """Whether an array is 0, 1, 2, ..."""
    return isinstance(values, np.ndarray) and np.array_equal(values, np.arange(values.size))


def _is_own(node: Node) -> bool:
    return getattr(node.function, "is_operation", False) and node.function not in KEPT


# --- the expansions: each gives its value, and names for what it computes on the way -----------

Expanded = tuple[Any, dict[str, Any]]


def _shifted(x: Any, axis: Any) -> Expanded:
    """The scores with each row's largest taken off, so that exp cannot overflow, and their exp."""
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted, {"shifted": shifted, "exp_scores": np.exp(shifted)}


def _softmax(x: Any, axis: int = -1) -> Expanded:
    axis = axis % x.ndim
    _, names = _shifted(x, axis)
    normaliser = np.sum(names["exp_scores"], axis=axis)
    probs = names["exp_scores"] / np.expand_dims(normaliser, axis)
    return probs, {**names, "normaliser": normaliser, "probs": probs}


def _log_softmax(x: Any, axis: int = -1) -> Expanded:
    axis = axis % x.ndim
    shifted, names = _shifted(x, axis)
    normaliser = np.sum(names["exp_scores"], axis=axis)
    log_probs = shifted - np.expand_dims(np.log(normaliser), axis)
    return log_probs, {**names, "normaliser": normaliser, "log_probs": log_probs}


def _cross_entropy(scores: Any, labels: Any, from_end: bool = False) -> Expanded:
    shifted, names = _shifted(scores, 1)
    normaliser = np.sum(names["exp_scores"], axis=1)
    correct = shifted[np.arange(scores.shape[0]), labels]
    loss = np.sum(np.log(normaliser) - correct) / scores.shape[0]
    return loss, {**names, "normaliser": normaliser}


def _logsumexp(x: Any, axis: Any = -1, keepdims: bool = False) -> Expanded:
    return plain(logsumexp)(x, axis, keepdims), {}


def _relu(x: Any) -> Expanded:
    return np.maximum(0, x), {}


def _sigmoid(x: Any) -> Expanded:
    e = np.exp(-np.abs(x))  # of a number that is not positive: it cannot overflow
    return np.where(x >= 0, 1, e) / (1 + e), {"e": e}


def _cofactors(a: Any) -> Expanded:
    """By minors, which needs no inverse; matrices for which that is too much must have one."""
    if a.shape[-1] > LARGEST_WITH_MINORS:
        return np.linalg.det(a)[..., None, None] * mT(np.linalg.inv(a)), {}
    rows, columns, signs = minor_index(a)
    minors = np.linalg.det(a[..., rows, columns])
    return signs * minors, {"minors": minors}


_EXPANSIONS: dict[Any, Callable[..., Expanded]] = {
    softmax: _softmax,
    log_softmax: _log_softmax,
    cross_entropy: _cross_entropy,
    logsumexp: _logsumexp,
    relu: _relu,
    sigmoid: _sigmoid,
    cofactors: _cofactors,
    stop_gradient: lambda x: (x, {}),
}


def _by_its_own_code(function: Any) -> Callable[..., Expanded]:
    """An operation is plain NumPy itself."""
    return lambda *args, **keywords: (plain(function)(*args, **keywords), {})


# --- putting them in ------------------------------------------------------------------------------


class _Expansion:
    """One graph's expansion: what each node became, and the expanded nodes made so far."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.now: dict[Node, Node] = {}
        self.nodes: list[Node] = []
        self.names = dict(graph.names)
        self.taken = set(graph.names.values())
        self.origin: dict[Node, Node] = {}
        self.known: dict[Any, Node] = {}
        self.count = 1

    def result(self) -> Graph:
        graph = self.graph
        for node in graph.nodes:
            if _is_own(node):
                self.now[node] = self.expanded(node)
            else:
                self.now[node] = self.rewired(node)
        outputs = tuple(self.now.get(node, node) for node in graph.outputs)
        kept = {*graph.inputs, *graph.captured, *self.nodes, *outputs}
        return replace(
            graph,
            nodes=tuple(self.nodes),
            outputs=outputs,
            updates=tuple((node, self.now.get(new, new)) for node, new in graph.updates),
            names={n: name for n, name in self.names.items() if n in kept},
            origin={n: of for n, of in self.origin.items() if n in kept},
            merged={
                self.now.get(n, n): tuple(self.now.get(each, each) for each in of)
                for n, of in graph.merged.items()
            },
        )

    def rewired(self, node: Node) -> Node:
        """The same operation on what its inputs have become."""
        new = with_inputs(node, tuple(self.now.get(i, i) for i in node.inputs))
        if new is not node:
            self.names[new] = self.names[node]
        self.nodes.append(new)
        if node in self.graph.origin:
            self.origin[new] = self.origin_of(node)
        return new

    def origin_of(self, node: Node) -> Node:
        forward = self.graph.origin[node]
        return self.now.get(forward, forward)

    def expanded(self, node: Node) -> Node:
        """The node that has the operation's value, after adding those that compute it."""
        inputs = [self.now.get(i, i) for i in node.inputs]
        parents = [i for i in inputs if isinstance(i, Node)]
        operands = [
            wrap(spared(value), parent) if isinstance(parent, Node) else value
            for parent, value in zip(inputs, node.arguments, strict=True)
        ]
        function = _EXPANSIONS.get(node.function) or _by_its_own_code(node.function)
        with tracing(parents) as tape, np.errstate(all="ignore"):
            value, named = function(*operands, **(node.keywords or {}))
        result = value._node if isinstance(value, Tensor) else None
        if result is None:
            raise TraceError(f"{function_name(node.function)} gives nothing that NumPy computes")
        used = needed((result,), set(parents), tape.nodes)[1]
        made = {new: self.added(new, node) for new in used}
        result = made.get(result, result)
        self.taken.discard(self.graph.names[node])  # nobody else is called so any more
        if result in made.values():
            self.name(result, [self.graph.names[node]])
        for wanted, tensor in named.items():
            if tensor._node in made:
                self.name(made[tensor._node], [wanted])
        for new in made.values():
            self.name(new, [])
        return result

    def added(self, new: Node, node: Node) -> Node:
        """``new``, a part of ``node``'s expansion, or the same operation that is there already."""
        new.inputs = tuple(self.now.get(i, i) for i in new.inputs)
        key = (new.function, *map(_key, new.inputs, new.arguments), repr(new.keywords))
        if key in self.known:
            self.now[new] = self.known[key]
            return self.known[key]
        new.code, new.offset = node.code, node.offset
        new.value = spared(new.value)
        self.known[key] = self.now[new] = new
        self.nodes.append(new)
        if node in self.graph.origin:
            self.origin[new] = self.origin_of(node)
        return new

    def name(self, node: Node, wanted: list[str]) -> None:
        """Call ``node`` by the wanted name if it has none that says more than a number."""
        if not NUMBERED.fullmatch(self.names.get(node, "t0")):
            return
        for name in wanted:
            if not NUMBERED.fullmatch(name):
                self.names[node] = unique(name, self.taken)
                return
        if node not in self.names:
            while f"t{self.count}" in self.taken:
                self.count += 1
            self.names[node] = unique(f"t{self.count}", self.taken)


def _key(parent: Any, value: Any) -> Any:
    """Equal for the same argument: the same node, or constants of one type and value."""
    if isinstance(parent, Node):
        return id(parent)
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    return type(value), repr(value)
