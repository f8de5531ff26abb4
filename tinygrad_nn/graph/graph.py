"""Graph: a recorded program. Its nodes are those of the recording, in the order of execution."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import index
from typing import Any

import numpy as np

from .. import tree, weak
from ..errors import DataError, ShapeError
from ..node import Node, where
from ..rules.indexing import getitem
from ..rules.registry import RULES
from ..tensor import Tensor
from ..walk import walk
from ..weak import WEAK, WeakFloat, plain


@dataclass(frozen=True, eq=False)
class Constant:
    """An argument of a traced function that is no array, and so a constant of the program."""

    value: Any


@dataclass(frozen=True, eq=False)
class Graph:
    """A program of recorded operations, as data.

    Attributes:
        name: the traced function's name.
        inputs: one leaf node for each array among the arguments.
        captured: leaf nodes that the program uses and that are no arguments (parameters that the
            function closes over); they keep their values.
        nodes: the operations, each after those it needs, in the order in which they ran.
        outputs: the nodes of the result's arrays, in the order of its structure.
        names: for every node a unique identifier: the user's own name where there is one.
        structure: the result's structure, with the index of an output at each leaf.
        arguments: the structure of the traced function's arguments, with the index of an input or a
            :class:`Constant` at each leaf; None if only the inputs are known.
        parameters: what the function calls its arguments; empty if that is not known.
        labels: inputs that hold class labels, each with the number of classes: what a loss checks
            has to be checked also where only the loss's gradient is left.
        updates: what the program writes into its arguments: pairs of an input and the node whose
            value it has in the end.
        origin: for each node that belongs to a derivative, the node whose rule made it.
        merged: for such a node of a simplified graph, further nodes whose rules' work it does.
        function: what was traced; None for a graph that was made otherwise.
    """

    name: str
    inputs: tuple[Node, ...]
    captured: tuple[Node, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Node, ...]
    names: dict[Node, str] = field(repr=False)
    structure: Any = 0
    arguments: Any = None
    parameters: tuple[str, ...] = ()
    labels: dict[Node, int] = field(default_factory=dict, repr=False)
    updates: tuple[tuple[Node, Node], ...] = ()
    origin: dict[Node, Node] = field(default_factory=dict, repr=False)
    merged: dict[Node, tuple[Node, ...]] = field(default_factory=dict, repr=False)
    function: Any = field(default=None, repr=False)

    @cached_property
    def index(self) -> dict[Node, int]:
        """The place of each node: inputs first, then captured ones, then the operations."""
        return {node: i for i, node in enumerate(self.everything)}

    @property
    def everything(self) -> Iterable[Node]:
        """Inputs, captured nodes and operations, in this order."""
        return (*self.inputs, *self.captured, *self.nodes)

    def run(self, *args: Any) -> Any:
        """Execute the program on arrays, and return the result in its structure.

        Args:
            args: as the traced function's; arrays of the shapes it was traced with. Those that the
                function changes in place are changed.

        Raises:
            DataError: arguments of another structure than the function was traced with, or another
                value for one that is a constant of the program.
            ShapeError: an array of another shape than the graph was traced with, also one that
                the program computes, as by a mask with more entries.
        """
        values = self._inputs_of(args)
        env: dict[Node, Any] = {node: plain(node.value) for node in self.captured}
        for node, value in zip(self.inputs, values, strict=True):
            if np.shape(value) != node.value.shape:
                raise ShapeError(
                    f"{self.names[node]} was traced with shape {node.value.shape}, "
                    f"not {np.shape(value)}"
                )
            tracked = isinstance(value, Tensor) and value._node is not None
            env[node] = value if tracked else _as_traced(getattr(value, "_value", value), node)
        for node in self.nodes:
            env[node] = value = compute(node, env)
            if getattr(value, "shape", ()) != node.value.shape:
                raise ShapeError(
                    f"{self.names[node]} has shape {value.shape} now, and had "
                    f"{node.value.shape} when {self.name} was traced\n"
                    f"  its shape depends on values, and the program on its shape\n{where(node)}"
                )
        if not self.updates:
            return tree.map_leaves(lambda i: env[self.outputs[i]], self.structure)
        # What is written or returned may be an array that is about to change, or a view of one.
        written = [_own(env[new]) for _, new in self.updates]
        result = tree.map_leaves(lambda i: _own(env[self.outputs[i]]), self.structure)
        for (node, _), value in zip(self.updates, written, strict=True):
            env[node][...] = value
        return result

    def _inputs_of(self, args: tuple[Any, ...]) -> list[Any]:
        """The arrays among ``args``, one for each input, checked but for their shapes."""
        if self.arguments is not None and len(args) != len(self.arguments):
            names = ", ".join(self.parameters) or "arrays"
            raise DataError(
                f"{self.name} is run with as many arguments as it was traced with: "
                f"{len(self.arguments)} ({names}), not {len(args)}"
            )
        slots = tree.leaves(self.arguments)
        if self.arguments is None:
            slots, given = list(range(len(self.inputs))), tree.leaves(args)
        else:
            try:
                given = tree.leaves_like(self.arguments, args)
            except ValueError as error:
                raise DataError(f"the arguments of {self.name}: {error}") from None
        arrays = {}
        for slot, x in zip(slots, given, strict=False):
            if isinstance(slot, Constant):
                if x is not slot.value and x != slot.value:
                    raise DataError(
                        f"{self.name} was traced with {slot.value!r}, a constant of the program, "
                        f"and is run with {x!r}; what should vary has to be an array"
                    )
            elif is_input(x):
                arrays[slot] = x
            elif self.arguments is not None:
                came = tree.kind(x) if isinstance(x, (list, tuple)) else repr(x)
                name = self.names[self.inputs[slot]]
                raise DataError(
                    f"{name} was traced as an array or a number, and {self.name} is run with {came}"
                )
        if len(arrays) != len(self.inputs) or len(given) != len(slots):
            raise DataError(
                f"{self.name} takes {len(self.inputs)} arrays "
                f"({', '.join(self.names[n] for n in self.inputs)}), not {len(arrays)}"
            )
        return [arrays[i] for i in range(len(self.inputs))]

    def cotangents(self) -> dict[Node, Any]:
        """The derivative of the (single, scalar) output with respect to every node it depends on.

        Raises:
            ShapeError: the graph has several outputs, or one that is not a single number.
        """
        if len(self.outputs) != 1 or self.outputs[0].value.size != 1:
            raise ShapeError(
                "gradients are those of one number; this graph's outputs have shapes "
                f"{', '.join(str(n.value.shape) for n in self.outputs)}"
            )
        from .marking import marked

        found: dict[Node, Any] = {}
        new = marked(self, [node for node in self.inputs if node.value.dtype.kind == "f"])
        root = new.get(self.outputs[0], self.outputs[0])
        if root.requires_grad:
            walk([(root, np.ones_like(root.value))], visit=found.__setitem__)
        return {node: found[new[node]] for node in self.everything if new[node] in found}

    def gradient(self, wrt: Any = 0) -> Graph:
        """The forward and the backward pass as one graph.

        Args:
            wrt: what to differentiate with respect to: the place of an argument of the traced
                function (a dict or a list of arrays is one argument), or a tuple of places. The
                arguments must be floating-point.

        Returns:
            A graph of the same inputs to ``(value, gradients)``, with the gradients in the
            structure of the argument. A gradient node is named after its forward node: ``dW1``.

        Raises:
            ShapeError: the graph has several outputs, or one that is not a single number.
            DtypeError: an argument that is not floating-point.
            DataError: a place where there is no argument, or a program that changes an argument in
                place.
            NoRuleError: a gradient would flow through a function that has no derivative rule.
        """
        from .gradient import gradient

        return gradient(self, wrt)

    def check(self) -> Graph:
        """Derive every shape and dtype anew, and hold everything against its place in the graph.

        Returns:
            The graph itself, if it is consistent.

        Raises:
            GraphError: it is not; with the first wrong line of the text form, what it declares and
                what was computed.
        """
        from .check import check

        return check(self)

    def simplify(self) -> Graph:
        """The same program with fewer operations; see :mod:`tinygrad_nn.graph.simplify`.

        Values are equal to rounding. What the outputs do not need is dropped, what is computed
        twice is shared, what is constant is computed now, and a table of rewrites is applied.
        """
        from .simplify import simplify

        return simplify(self)

    def source(self) -> str:
        """The program as standalone NumPy source; see :func:`tinygrad_nn.derive`.

        Raises:
            TraceError: a function that is not NumPy's, or a constant that source cannot hold: an
                array of more than 100 entries, an object.
        """
        from ..emit.readable.derive import source  # a floor above

        return source(self)

    def to_onnx(self, path: Any, **options: Any) -> Any:
        """Write a forward graph as an ONNX model; see `tinygrad_nn.emit.onnx.export.to_onnx`."""
        from ..emit.onnx.export import to_onnx  # a floor above

        return to_onnx(self, path, **options)

    def __str__(self) -> str:
        from .text import text

        return text(self)

    def to_dot(self, **style: Any) -> str:
        """The graph in Graphviz's language; see :func:`tinygrad_nn.draw.to_dot` for the styles."""
        from ..draw import to_dot  # a floor above

        return to_dot(self, **style)

    def render(self, path: Any, **style: Any) -> Any:
        """Draw the graph into a file: SVG, PNG or PDF by its suffix; returns the path.

        Raises:
            RenderError: neither pygraphviz nor a ``dot`` program is there; the .dot file is left.
        """
        from ..draw import render  # a floor above

        return render(self, path, **style)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from ..draw import mimebundle  # a floor above

        return mimebundle(self)


def count_uses(graph: Graph) -> dict[Node, int]:
    """In how many places each node is used: as an argument, an output or an update."""
    uses: dict[Node, int] = {}
    ends = (*graph.outputs, *(new for _, new in graph.updates))
    for node in (*(i for n in graph.nodes for i in n.inputs), *ends):
        if isinstance(node, Node):
            uses[node] = uses.get(node, 0) + 1
    return uses


def live_nodes(ends: Iterable[Node]) -> dict[Node, None]:
    """What the ends need, the ends included."""
    live = dict.fromkeys(ends)
    stack = list(live)
    while stack:
        for parent in stack.pop().inputs:
            if isinstance(parent, Node) and parent not in live:
                live[parent] = None
                stack.append(parent)
    return live


def is_input(x: Any) -> bool:
    """Whether ``x`` is an input of a traced program, rather than a constant of it.

    Inputs are arrays, and Python's floats and ints.
    """
    return (hasattr(x, "shape") and hasattr(x, "dtype")) or type(x) in (float, int)


def _own(x: Any) -> Any:
    return x.copy() if isinstance(x, (np.ndarray, Tensor)) else x


def _as_traced(x: Any, node: Node) -> Any:
    """An argument for an input: for a Python number, a Python number."""
    if isinstance(x, Tensor):
        return x
    if isinstance(node.value, WEAK):
        return float(x) if type(node.value) is WeakFloat else plain(type(node.value)(index(x)))
    return x


#: Functions that take no Python number, and NumPy's only.
OF_ARRAYS = (np.astype, getitem)


def compute(node: Node, env: dict[Node, Any]) -> Any:
    """The value of a node, given the values of the nodes that it needs."""
    args = [
        env[parent] if isinstance(parent, Node) and parent in env else plain(value)
        for parent, value in zip(node.inputs, node.arguments, strict=True)
    ]
    function: Any = node.function
    if isinstance(node.value, WEAK):
        try:
            return weak.compute(function, args, node.value)
        except weak.AnotherTypeError as error:
            raise weak.AnotherTypeError(f"{error}\n{where(node)}".rstrip()) from None
    if function in OF_ARRAYS:
        args[0] = weak.as_numpy(args[0])
    elif function is np.positive and node.value is not None and node.value.dtype.kind == "b":
        function = np.copy  # which it stands for; NumPy has no plus sign for truth values
    return _as_recorded(called(function, args, node.keywords), node.value)


def called(function: Any, args: Sequence[Any], keywords: dict[str, Any] | None) -> Any:
    """``function`` of a node's arguments: some take them packed, as np.stack its arrays."""
    rule = RULES.get(function)
    if rule is not None and rule.packed:
        return function(args, **(keywords or {}))
    return function(*args, **(keywords or {}))


def _as_recorded(value: Any, recorded: Any) -> Any:
    """A value of shape () as the number, or the array, that it was when it was recorded.

    Another function may have taken the place of the one that ran.
    """
    if isinstance(value, np.generic):
        return np.asarray(value) if isinstance(recorded, np.ndarray) else value
    is_array = isinstance(value, np.ndarray) and value.ndim == 0
    return value[()] if is_array and isinstance(recorded, np.generic) else value
