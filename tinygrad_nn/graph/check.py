"""Whether a graph is consistent in itself: names, order, and the type of every node.

Types are derived anew, by running each operation on stand-ins of its inputs' declared types.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import tree
from ..errors import GraphError
from ..node import Node, where
from ..rules.indexing import getitem, scatter_add, setitem
from ..weak import WEAK, WeakInt, is_python_number, plain
from .build import infer
from .graph import Constant, Graph, compute
from .names import RESERVED
from .text import call_of, type_of

_INDEXING = (getitem, setitem, scatter_add)


def check(graph: Graph) -> Graph:
    """Derive every shape and dtype anew; see :meth:`Graph.check`."""
    lines = _Lines(graph)
    _check_names(graph, lines)
    known: set[Node] = set()
    for node in graph.everything:
        if node in known:
            raise lines.error(node, "is defined twice")
        if lines.is_operation(node):
            _check_parents(node, known, lines)
            _check_type(node, lines)
        known.add(node)
    _check_ends(graph, known, lines)
    return graph


class _Lines:
    """A graph's text form, for messages: made only of what is needed."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.number = dict.fromkeys(graph.inputs, 1)
        for i, node in enumerate((*graph.captured, *graph.nodes)):
            self.number.setdefault(node, i + 2)

    def name(self, node: Any) -> str:
        return str(self.graph.names.get(node, "a node without a name"))

    def is_operation(self, node: Node) -> bool:
        """Whether it is one of this program: a captured node may have been one of another."""
        return self.number[node] > 1 + len(self.graph.captured)

    def _has_text(self, node: Node) -> bool:
        named = all(i in self.graph.names for i in (node, *node.inputs) if isinstance(i, Node))
        whole = node.function is not None and len(node.inputs) == len(node.arguments)
        return self.is_operation(node) and named and whole

    def error(self, node: Node, message: str) -> GraphError:
        """What is wrong with a node, with its line of the text and the user's own."""
        text = f"line {self.number[node]}: {self.name(node)}: {message}"
        names = self.graph.names
        if self._has_text(node):
            text += f"\n  {names[node]}: {_type(node.value)} = {call_of(node, names)}"
        return GraphError("\n".join(part for part in (text, where(node)) if part))


def _type(value: Any) -> str:
    has_type = hasattr(value, "shape") and hasattr(value, "dtype")
    return type_of(value) if has_type else f"no array ({type(value).__name__})"


def _check_names(graph: Graph, lines: _Lines) -> None:
    owner: dict[str, Node] = {}
    for node in graph.everything:
        name = graph.names.get(node)
        if name is None:
            raise lines.error(node, "every node needs a name")
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise lines.error(node, f"{name!r} is no identifier")
        if name in RESERVED:
            raise lines.error(node, f"{name!r} has a meaning of its own in the text form")
        if owner.setdefault(name, node) is not node:
            raise lines.error(node, f"line {lines.number[owner[name]]} has the same name")


def _check_parents(node: Node, known: set[Node], lines: _Lines) -> None:
    if node.function is None:
        raise lines.error(node, "a leaf stands among the operations")
    if len(node.inputs) != len(node.arguments):
        raise lines.error(
            node, f"{len(node.arguments)} arguments, and inputs for {len(node.inputs)} of them"
        )
    for parent, value in zip(node.inputs, node.arguments, strict=True):
        if not isinstance(parent, Node):
            continue
        if parent not in known:
            later = parent in lines.number
            reason = "is used before it is defined" if later else "is no node of the graph"
            raise lines.error(node, f"{lines.name(parent)} {reason}")
        if _type(value) != _type(parent.value):
            raise lines.error(
                node,
                f"its argument {lines.name(parent)} is {_type(value)}, and "
                f"{lines.name(parent)} is declared {_type(parent.value)}",
            )


def _check_type(node: Node, lines: _Lines) -> None:
    declared, computed, refused = _type(node.value), [], None
    for values in _trials(node):
        try:
            computed.append(type_of(_computed(node, values)))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            refused = refused or error  # LinAlgError is a ValueError
            continue
        if computed[-1] == declared:
            return
    if computed:
        raise lines.error(node, f"declared {declared}, computed {computed[0]}")
    raise lines.error(node, f"declared {declared}, and cannot be computed: {refused}")


def _computed(node: Node, values: list[Any] | None) -> Any:
    """The node's type: on NaN, or on given values for its inputs."""
    trial = Node()
    trial.function, trial.keywords = node.function, node.keywords
    trial.inputs = node.inputs
    trial.arguments = tuple(
        parent.value if isinstance(parent, Node) else value
        for parent, value in zip(node.inputs, node.arguments, strict=True)
    )
    python = isinstance(node.value, WEAK)
    if values is None:
        return infer(trial, python)
    trial.arguments, trial.value = tuple(values), None
    if python and all(map(is_python_number, values)):
        return infer(trial)
    trial.inputs = (None,) * len(values)
    with np.errstate(all="ignore"):
        return np.asarray(compute(trial, {}))[()]


def _trials(node: Node) -> Iterator[list[Any] | None]:
    """What to run a node on, the next if the one before was refused or gave another type.

    None stands for NaN. Some functions refuse it (a singular matrix), and of some the type depends
    on the values: a mask's number of entries, the sign of an integer exponent.
    """
    yield None
    yield _with_inputs(node, _regular)
    parents = [i for i in node.inputs if isinstance(i, Node)]
    masks = [i for i in parents if i.value.dtype.kind == "b"]
    if node.function in _INDEXING and masks:
        sizes = {n for x in (node, *parents) for n in x.value.shape}
        for k in sorted(sizes | {1}):
            yield _with_inputs(node, lambda value, k=k: _mask(value, k))
    if node.function is np.power and all(isinstance(i.value, int) for i in parents):
        yield _with_inputs(node, lambda value: WeakInt(-1))


def _with_inputs(node: Node, value: Any) -> list[Any]:
    """The arguments, with ``value`` of each input's declared value in place of the inputs'."""
    return [
        value(parent.value) if isinstance(parent, Node) else plain(argument)
        for parent, argument in zip(node.inputs, node.arguments, strict=True)
    ]


def _regular(value: Any) -> Any:
    """Values that no function refuses: 1, ascending numbers, identity matrices."""
    if isinstance(value, WEAK):
        return type(value)(1)
    if value.dtype.kind != "f":
        return np.zeros(value.shape, value.dtype)[()]
    if value.ndim < 2:
        return np.arange(1, 1 + value.size, dtype=value.dtype).reshape(value.shape)[()]
    return np.broadcast_to(np.eye(*value.shape[-2:], dtype=value.dtype), value.shape)


def _mask(value: Any, k: int) -> Any:
    """A mask of ``k`` true entries; anything else regular."""
    if isinstance(value, WEAK) or value.dtype.kind != "b":
        return _regular(value)
    return np.reshape(np.arange(value.size) < k, value.shape)[()]


def _check_ends(graph: Graph, known: set[Node], lines: _Lines) -> None:
    """Outputs, updates, origins and the two structures speak of nodes of the graph."""
    for i, node in enumerate(graph.outputs):
        if node not in known:
            raise GraphError(f"output {i} ({lines.name(node)}) is no node of the graph")
    for node, new in graph.updates:
        if node not in graph.inputs:
            raise GraphError(f"{lines.name(node)} is updated, and is no input of the graph")
        if new not in known:
            raise GraphError(f"{lines.name(node)} is updated with {lines.name(new)}, no known node")
        if _type(node.value) != _type(new.value):
            raise GraphError(
                f"{lines.name(node)}[...] = {lines.name(new)}: writes {_type(new.value)} into "
                f"{_type(node.value)}"
            )
    for node, forward in graph.origin.items():
        if node in known and forward not in known:
            raise lines.error(node, "is made by the rule of a node that is not in the graph")
    _check_structure("structure", graph.structure, len(graph.outputs))
    if graph.arguments is not None:
        _check_structure("arguments", graph.arguments, len(graph.inputs))


def _check_structure(what: str, structure: Any, count: int) -> None:
    found = [slot for slot in tree.leaves(structure) if not isinstance(slot, Constant)]
    if sorted(map(str, found)) != sorted(map(str, range(count))):
        raise GraphError(f"{what}: the places 0 to {count - 1} once each, not {found}")
