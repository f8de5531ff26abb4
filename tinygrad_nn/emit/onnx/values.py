"""The values of an ONNX model under construction, and the operations that make them.

Formulas are written with Python's operators on :class:`Value`. Every operation's types are held
against ONNX's own schema when it is made, so that what the standard does not take is refused where
the user's line is still known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import ExportError
from ...graph import Graph
from ...node import Node, describe, function_name, where
from ...weak import WEAK, plain
from .batch import INT64, Batch, Filled, Ramp, Sized

#: The version of the standard. Old enough for most runtimes, and the first in which every reduction
#: takes its axes as an input and ScatterND adds.
OPSET = 18

BOOL = np.dtype(np.bool_)

_TYPES = {"float32": "float", "float64": "double"}

Handler = Callable[["Emitter", Node], "Value"]
HANDLERS: dict[Any, Handler] = {}


def exports(*functions: Any) -> Callable[[Handler], Handler]:
    """Register the decorated function as what writes NumPy's ``functions``."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(functions, handler))
        return handler

    return register


class Value:
    """A tensor of the model: its name and dtype."""

    __slots__ = ("dtype", "emitter", "name")

    def __init__(self, emitter: Emitter, name: str, dtype: Any) -> None:
        self.emitter = emitter
        self.name = name
        self.dtype = np.dtype(dtype)

    def _with(self, kind: str, other: Any, dtype: Any = None) -> Value:
        return self.emitter.op(kind, self, self.like(other), dtype=dtype)

    def like(self, x: Any) -> Value:
        """A number as a constant of this value's dtype; a value as it is."""
        return x if isinstance(x, Value) else self.emitter.constant(x, self.dtype)

    def __add__(self, other: Any) -> Value:
        return self._with("Add", other)

    def __sub__(self, other: Any) -> Value:
        return self._with("Sub", other)

    def __mul__(self, other: Any) -> Value:
        return self._with("Mul", other)

    def __truediv__(self, other: Any) -> Value:
        return self._with("Div", other)

    def __lt__(self, other: Any) -> Value:
        return self._with("Less", other, BOOL)

    def __gt__(self, other: Any) -> Value:
        return self._with("Greater", other, BOOL)

    def equals(self, other: Any) -> Value:
        """Where both are equal."""
        return self._with("Equal", other, BOOL)

    def __neg__(self) -> Value:
        return self.emitter.op("Neg", self)

    def __and__(self, other: Value) -> Value:
        return self._with("And", other)

    def __or__(self, other: Value) -> Value:
        return self._with("Or", other)

    def __invert__(self) -> Value:
        return self.emitter.op("Not", self)

    def apply(self, kind: str, **attributes: Any) -> Value:
        """An operation of this value alone that keeps its dtype."""
        return self.emitter.op(kind, self, **attributes)


class Emitter:
    """An ONNX model under construction.

    Attributes:
        nodes: the model's operations so far.
        initializers: its constants so far.
        values: for each node of the graph the tensor that holds its value.
        node: the node of the graph that is being written.
    """

    def __init__(self, graph: Graph, batch: Batch) -> None:
        self.graph = graph
        self.batch = batch
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.values: dict[Node, Value] = {}
        self.node: Node | None = None
        self.taken = set(graph.names.values())
        self._counts: dict[str, int] = {}
        self._constants: dict[Any, Value] = {}
        self._batch_size: Value | None = None

    # --- making operations ------------------------------------------------------------------------

    def fresh(self, wanted: str) -> str:
        """A name that nothing in the model has."""
        name, n = wanted, self._counts.get(wanted, 1)
        while name in self.taken:
            n += 1
            name = f"{wanted}_{n}"
        self._counts[wanted] = n
        self.taken.add(name)
        return name

    def op(
        self, kind: str, *inputs: Value, dtype: Any = None, outputs: int = 1, **attributes: Any
    ) -> Value:
        """The (last) output of ONNX's ``kind``, of the first input's dtype or of ``dtype``."""
        from onnx import helper

        self._check_types(kind, inputs)
        base = self.graph.names[self.node] if self.node is not None else self.batch.name
        names = [self.fresh(f"{base}_{kind.lower()}") for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, [i.name for i in inputs], names, **attributes))
        return Value(self, names[-1], inputs[0].dtype if dtype is None else dtype)

    def _check_types(self, kind: str, inputs: tuple[Value, ...]) -> None:
        from onnx import defs

        formal = defs.get_schema(kind, OPSET).inputs
        same: dict[str, str] = {}
        for i, value in enumerate(inputs):
            parameter = formal[min(i, len(formal) - 1)]
            name = value.dtype.name
            if f"tensor({_TYPES.get(name, name)})" not in parameter.types:
                raise self.error(f"ONNX's {kind} does not take {name}")
            if same.setdefault(parameter.type_str, name) != name:
                raise self.error(
                    f"ONNX's {kind} takes one data type, not {same[parameter.type_str]} and {name}"
                )

    def constant(self, x: Any, dtype: Any = None) -> Value:
        """A constant tensor, the same one for equal numbers."""
        from onnx import numpy_helper

        given = np.asarray(plain(x))
        native = (given.dtype if dtype is None else np.dtype(dtype)).newbyteorder("=")
        self.element_type(native)
        array = np.array(given.astype(native), order="C")
        if native.kind in "iu" and given.dtype.kind in "iu" and (array != given).any():
            raise self.error(f"{x!r} is no {native.name}")
        key = (array.dtype, array.shape, array.tobytes()) if array.size <= 64 else object()
        found = self._constants.get(key)
        if found is None:
            name = self.fresh("constant")
            self.initializers.append(numpy_helper.from_array(array, name))
            found = self._constants[key] = Value(self, name, array.dtype)
        return found

    def element_type(self, dtype: Any) -> int:
        """ONNX's number for a dtype."""
        from onnx import helper

        try:
            return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype).newbyteorder("=")))
        except ValueError:
            raise self.error(f"ONNX has no data type {np.dtype(dtype).name}") from None

    def cast(self, x: Value, dtype: Any) -> Value:
        """``x`` in another dtype; as it is if it has that one."""
        dtype = np.dtype(dtype).newbyteorder("=")
        if x.dtype == dtype:
            return x
        return self.op("Cast", x, dtype=dtype, to=self.element_type(dtype))

    # --- arguments --------------------------------------------------------------------------------

    def value(self, node: Node, i: int, dtype: Any = None) -> Value:
        """An argument of a node as a tensor, of a given dtype or of its own."""
        parent = node.inputs[i]
        if isinstance(parent, Node):
            value = self.values[parent]
            return value if dtype is None else self.cast(value, dtype)
        return self.of_constant(self.batch.argument(node, i), dtype)

    def of_constant(self, x: Any, dtype: Any = None) -> Value:
        """A constant of the program as a tensor; one that depends on the batch is computed."""
        if isinstance(x, Sized):
            value = self.sized(x)
        elif isinstance(x, Ramp):
            value = self._ramp(x)
        elif isinstance(x, Filled):
            entry = self.of_constant(x.value, x.dtype)
            value = self.op("Expand", entry, self.shape_tensor(x.shape))
        else:
            return self.constant(x, dtype)
        return self.cast(value, x.dtype if dtype is None else dtype)

    def _ramp(self, x: Ramp) -> Value:
        start = self.constant(x.start)
        if x.step is None:
            return self.op("Expand", start, self.shape_tensor(x.shape))
        stop = self.sized(x.shape[x.axis])
        counts = self.cast(self.op("Range", stop.like(0), stop, stop.like(1)), x.dtype)
        if len(x.shape) > 1:
            counts = self.reshape(counts, [-1 if i == x.axis else 1 for i in range(len(x.shape))])
        if (x.step != 1).any():
            counts = counts * self.constant(x.step)
        return counts + start if x.start.any() else counts

    def static(self, node: Node, i: int) -> Any:
        """An argument that has to be a constant, such as an axis or a shape."""
        if isinstance(node.inputs[i], Node):
            raise self.error(f"argument {i} is computed; ONNX needs it as a constant")
        return self.batch.argument(node, i)

    def options(self, node: Node, **defaults: Any) -> dict[str, Any]:
        """The arguments after the first by name, given in the order of the function's parameters.

        Whatever else is given is refused.
        """
        found = dict(defaults)
        for i, name in zip(range(1, len(node.arguments)), defaults, strict=False):
            found[name] = self.static(node, i)
        for name, value in self.batch.keywords(node).items():
            if name not in defaults:
                raise self.error(f"the option {name}={value!r} has no counterpart in ONNX")
            found[name] = value
        return found

    def loop(self, node: Node) -> tuple[np.dtype[Any], ...]:
        """The dtypes in which a ufunc computes, its result's last; Python numbers adapt."""
        given: list[Any] = []
        for parent, value in zip(node.inputs, node.arguments, strict=True):
            x = parent.value if isinstance(parent, Node) else value
            weak = isinstance(x, WEAK) or type(x) in (float, int)
            number: Any = float if isinstance(x, float) else int
            given.append(number if weak else np.asarray(x).dtype)
        function: Any = node.function
        if all(kind in (float, int) for kind in given):  # as Python computes on its own numbers
            exact = node.value.dtype
            if function in (np.power, np.divide) and exact.kind == "f":
                return (exact,) * (len(given) + 1)
        return tuple(
            np.dtype(d) for d in function.resolve_dtypes((*given, *(None,) * function.nout))
        )

    # --- shapes -----------------------------------------------------------------------------------

    def dims(self, node: Node) -> tuple[Any, ...]:
        """The lengths of a node's axes: an int, a :class:`Sized`, or None if not known."""
        return self.batch.shape(node)

    def dims_of(self, node: Node, i: int) -> tuple[Any, ...]:
        """The lengths of the axes of an argument."""
        parent = node.inputs[i]
        if isinstance(parent, Node):
            return self.dims(parent)
        value = self.batch.argument(node, i)
        return value.shape if isinstance(value, (Filled, Ramp)) else np.shape(value)

    def shape_tensor(self, dims: Any) -> Value:
        """Lengths as a tensor of shape (n,)."""
        if all(isinstance(n, (int, np.integer)) for n in dims):
            return self.constant(list(dims), INT64)
        if any(n is None for n in dims):
            raise self.error("the length of an axis depends on the batch size in an unknown way")
        one = self.constant([1], INT64)
        parts = [
            self.op("Reshape", self.sized(n), one)
            if isinstance(n, Sized)
            else self.constant([n], INT64)
            for n in dims
        ]
        return self.op("Concat", *parts, axis=0)

    def sized(self, x: Sized) -> Value:
        """A number that depends on the batch size, as a tensor of shape ()."""
        if not x.scale:
            return self.constant(x.offset, x.dtype)
        kind = np.dtype(float) if x.inverse or x.dtype.kind == "f" else INT64
        value = self.cast(self.batch_size(), kind)
        if x.scale != 1:
            value = value * x.scale
        if x.offset:
            value = value + x.offset
        return self.cast(value.like(1) / value if x.inverse else value, x.dtype)

    def batch_size(self) -> Value:
        """The batch size as a tensor of shape (): the length of an input's first axis."""
        if self._batch_size is None:
            node, self.node = self.node, None
            x = self.values[self.batch.inputs[0]]
            length = self.op("Shape", x, dtype=INT64, start=0, end=1)
            self._batch_size = self.op("Squeeze", length, self.constant([0], INT64))
            self.node = node
        return self._batch_size

    def reshape(self, x: Value, dims: Any) -> Value:
        """``x`` with other lengths of its axes."""
        dims = list(dims)
        open_axes = [i for i, n in enumerate(dims) if not isinstance(n, (int, np.integer))]
        if len(open_axes) == 1 and 0 not in dims:
            dims[open_axes[0]] = -1  # which shape inference understands better than a computed one
        return self.op("Reshape", x, self.shape_tensor(dims), allowzero=int(0 in dims))

    def transpose(self, x: Value, axes: Any) -> Value:
        """``x`` with its axes in another order."""
        axes = list(axes)
        return x if axes == sorted(axes) else self.op("Transpose", x, perm=axes)

    def unsqueeze(self, x: Value, axes: Any) -> Value:
        """``x`` with new axes of length 1."""
        return self.op("Unsqueeze", x, self.constant(list(axes), INT64)) if axes else x

    # --- errors -----------------------------------------------------------------------------------

    def error(self, reason: str) -> ExportError:
        """What cannot be exported, and why, with the user's line."""
        node = self.node
        if node is None or node.function is None:
            name = self.graph.name if node is None else self.graph.names[node]
            return ExportError(f"{name} cannot be exported: {reason}")
        name = function_name(node.function)
        parts = [f"{describe(node)} ({name}) cannot be exported: {reason}", where(node)]
        return ExportError("\n".join(part for part in parts if part))
