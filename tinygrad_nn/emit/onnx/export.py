"""From a forward graph to an ONNX model.

Names are the graph's own; what takes several ONNX operations has its last one named so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ... import tree
from ...errors import DataError, ExportError
from ...graph import Graph
from ...graph.names import identifier
from ...node import Node, function_name
from ...weak import WEAK
from . import arrays, elementwise, indexing  # noqa: F401 (fill the table)
from .batch import Batch, Sized
from .values import HANDLERS, OPSET, Emitter, Value

#: protobuf's limit for one file.
_LARGEST = 2**31 - 1


def to_onnx(
    graph: Graph,
    path: str | Path,
    *,
    batch: str | Sequence[str] = (),
    batch_name: str = "N",
    weights: Mapping[str, Any] | None = None,
) -> Path:
    """Write a forward graph as an ONNX model.

    Inputs, outputs and intermediate values have the graph's names; an output that the traced
    function returns in a dict has its key's. A Python number among the arguments is an input of
    shape () and of type float64 (or int64), and takes on the dtype that it meets, as in NumPy.
    Captured arrays become constants of the model.

    Args:
        graph: what :func:`trace` gave.
        path: the file to write, usually ``*.onnx``.
        batch: the inputs whose first axis is the batch, of a size that is left open: one name or
            several, as in ``graph.names``. The traced function then runs again, with batches of
            1 to 211 samples, to learn what depends on their number. (That it would do something
            else with more than that is not noticed.) By default all shapes are fixed.
        batch_name: what the model calls the open size.
        weights: values by the names of inputs: they become constants of the model instead.

    Returns:
        The path.

    Raises:
        ExportError: an operation that ONNX does not have, a program that depends on the batch size
            in an unknown way, a file that cannot be written, or onnx is not installed.
        DataError: a name that is none of an input, or weights that do not fit their input.

    Example:
        >>> import numpy as np, tinygrad_nn as tg
        >>> def forward(W, X):
        ...     scores = np.maximum(X @ W, 0)
        ...     return scores
        >>> W, X = np.ones((4, 3)), np.ones((5, 4))
        >>> tg.trace(forward, W, X).to_onnx(
        ...     "net.onnx", batch="X", weights={"W": W}
        ... )  # doctest: +SKIP
        PosixPath('net.onnx')
    """
    _library()
    if graph.updates:
        names = ", ".join(graph.names[node] for node, _ in graph.updates)
        raise ExportError(f"{graph.name} changes {names} in place; an ONNX model has no such thing")
    try:
        path = Path(path)
    except TypeError as error:
        raise DataError(f"the path of a file, not {path!r}") from error
    model = _model(graph, _batch(graph, batch, batch_name), _weights(graph, weights or {}))
    if model.ByteSize() > _LARGEST:
        raise ExportError("an ONNX file holds at most 2 GiB: pass large arrays as inputs")
    _check(model, graph.name)
    try:
        path.write_bytes(model.SerializeToString())
    except OSError as error:
        raise ExportError(f"cannot write {path}: {error.strerror}") from error
    return path


def _check(model: Any, name: str) -> None:
    onnx = _library()
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"onnx does not accept the model of {name}: {error}") from error


def _library() -> Any:
    try:
        import onnx
        import onnx.checker
        import onnx.shape_inference
    except ImportError:
        raise ExportError(
            "the export needs the onnx package, which was not found\n"
            "  install it with:  pip install 'tinygrad_nn[onnx]'"
        ) from None
    return onnx


# --- arguments ------------------------------------------------------------------------------------


def _input(graph: Graph, name: str, what: str) -> Node:
    for node in graph.inputs:
        if graph.names[node] == name:
            return node
    known = ", ".join(graph.names[node] for node in graph.inputs)
    raise DataError(f"{what} names the inputs of {graph.name}, {known}; it has no {name!r}")


def _batch(graph: Graph, batch: str | Sequence[str], name: str) -> Batch:
    names = [batch] if isinstance(batch, str) else list(batch)
    inputs = [_input(graph, n, "batch") for n in names]
    if not inputs:
        return Batch(graph)
    if graph.function is None:
        raise ExportError(
            f"the batch size of {graph.name} can be left open only in the graph that trace gave: "
            "what depends on it is learned by tracing again"
        )
    if not (isinstance(name, str) and name.isidentifier()):
        raise DataError(f"batch_name is an identifier, not {name!r}")
    sizes = [node.value.shape[:1] for node in inputs]
    if len(set(sizes)) != 1 or sizes[0] in ((), (0,)):
        came = ", ".join(f"{n} has shape {x.value.shape}" for n, x in zip(names, inputs))
        raise DataError(f"the first axis of each of the inputs in batch is the batch: {came}")
    return Batch(graph, inputs, name)


def _weights(graph: Graph, weights: Mapping[str, Any]) -> dict[Node, Any]:
    found = {}
    for name, given in weights.items():
        node = _input(graph, name, "weights")
        value = np.asarray(getattr(given, "_value", given))
        if value.shape != node.value.shape or value.dtype != node.value.dtype:
            raise DataError(
                f"{name} was traced as {node.value.dtype} of shape {node.value.shape}, and its "
                f"weights are {value.dtype} of shape {value.shape}"
            )
        found[node] = value
    return found


# --- the model ------------------------------------------------------------------------------------


def _model(graph: Graph, batch: Batch, weights: dict[Node, Any]) -> Any:
    from onnx import helper

    e = Emitter(graph, batch)
    inputs = []
    for node in batch.inputs:
        if node in weights:
            raise DataError(f"{graph.names[node]} is named in batch and in weights")
    for node in graph.inputs:
        name = graph.names[node]
        if node in weights:
            e.values[node] = _named_constant(e, name, weights[node])
        else:
            e.values[node] = Value(e, name, _dtype(node))
            inputs.append(_info(e, name, node))
    for node in graph.captured:
        _capture(e, node)
    for node in graph.nodes:
        _emit(e, node)
    outputs = _outputs(e)
    infos = [_info(e, graph.names[node], node) for node in graph.nodes]
    known = {info.name for info in outputs}
    used = {name for node in e.nodes for name in node.input}
    made = helper.make_graph(
        e.nodes,
        graph.name,
        inputs,
        outputs,
        [constant for constant in e.initializers if constant.name in used],
        value_info=[info for info in infos if info.name not in known],
    )
    for node in made.node:
        node.name = node.output[-1]
    opset = helper.make_opsetid("", OPSET)
    version = helper.find_min_ir_version_for([opset])
    return helper.make_model(
        made, opset_imports=[opset], ir_version=version, producer_name="tinygrad_nn"
    )


def _dtype(node: Node) -> Any:
    return node.value.dtype.newbyteorder("=")


def _info(e: Emitter, name: str, node: Node) -> Any:
    """The type of a value, with the batch size by its name where that is open."""
    from onnx import helper

    shape: list[Any] = []
    for n in e.dims(node):
        open_size = isinstance(n, Sized) and (n.scale, n.offset) == (1, 0)
        shape.append(int(n) if isinstance(n, int) else e.batch.name if open_size else None)
    e.node = node
    return helper.make_tensor_value_info(name, e.element_type(_dtype(node)), shape)


def _named_constant(e: Emitter, name: str, value: Any) -> Value:
    from onnx import numpy_helper

    dtype = np.asarray(value).dtype.newbyteorder("=")
    e.element_type(dtype)
    array = np.asarray(value).astype(dtype)
    e.initializers.append(numpy_helper.from_array(np.asarray(array), name))
    return Value(e, name, dtype)


def _capture(e: Emitter, node: Node) -> None:
    e.node = node
    value = e.batch.captured(node)
    name = e.graph.names[node]
    if isinstance(value, (np.ndarray, np.generic, *WEAK)):
        e.values[node] = _named_constant(e, name, value)
        return
    start = len(e.nodes)
    e.values[node] = _called(e, e.of_constant(value, _dtype(node)), name, start)


def _emit(e: Emitter, node: Node) -> None:
    e.node = node
    handler = HANDLERS.get(node.function)
    if handler is None:
        raise e.error(f"the ONNX standard has no operation for {function_name(node.function)}")
    start = len(e.nodes)
    value = handler(e, node)
    if value.dtype != _dtype(node):
        raise e.error(f"it gives {value.dtype} in ONNX, and {_dtype(node)} in NumPy")
    e.values[node] = _called(e, value, e.graph.names[node], start)


def _called(e: Emitter, value: Value, name: str, start: int) -> Value:
    """A value under another name: that of the operation that made it, if it was made just now."""
    made = e.nodes[start:]
    if not any(value.name in node.output for node in made):
        made = []
        value = value.apply("Identity")
        made = [e.nodes[-1]]
    for node in made:
        for names in (node.input, node.output):
            for i, given in enumerate(names):
                if given == value.name:
                    names[i] = name
    return Value(e, name, value.dtype)


def _outputs(e: Emitter) -> list[Any]:
    """The types of the outputs: each has a name of its own, and is no input."""
    graph = e.graph
    wanted = _keys(graph.structure)
    leaves = {graph.names[node] for node in (*graph.inputs, *graph.captured)}
    infos: list[Any] = []
    given: set[str] = set()
    for i, node in enumerate(graph.outputs):
        own = graph.names[node]
        name = wanted.get(i, own)
        name = own if name in e.taken else name
        if name != own or name in leaves or name in given:
            name = e.fresh(name)
            e.node = node
            e.values[node].apply("Identity")
            e.nodes[-1].output[0] = name
        given.add(name)
        infos.append(_info(e, name, node))
    return infos


def _keys(structure: Any) -> dict[int, str]:
    """For the outputs in dicts, by their number: their key as a name."""
    found = {}
    for path, i in tree.paths(structure, ""):
        key = path.rpartition("['")[2] if path.endswith("']") else ""
        if key:
            found[i] = identifier(key.removesuffix("']"))
    return found
