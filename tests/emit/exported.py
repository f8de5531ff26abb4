"""Running exported models: in onnx's reference evaluator, and in onnxruntime where it is."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_nn as tg
from tinygrad_nn import tree
from tinygrad_nn.errors import ExportError

#: What an export is refused for that writes at an index it does not know.
TWICE = "an entry may be written twice"

onnx = pytest.importorskip("onnx")
reference = pytest.importorskip("onnx.reference")

try:
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
except ImportError:
    onnxruntime = None


def _options() -> Any:
    """Without the optimisations that compute factors of float64 products in float32."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.intra_op_num_threads = 1
    return options


def runs(path: Path, feed: dict[str, Any]) -> dict[str, list[Any]]:
    """The outputs of a model, by what ran it. A runtime need not have every operation."""
    model = onnx.load(str(path))
    onnx.checker.check_model(model, full_check=True)
    names = {i.name for i in model.graph.input}
    native = {name: np.asarray(x) for name, x in feed.items() if name in names}
    feed = {name: x.astype(x.dtype.newbyteorder("=")) for name, x in native.items()}
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found["reference"] = reference.ReferenceEvaluator(model).run(None, feed)
    if onnxruntime is not None:
        try:
            session = onnxruntime.InferenceSession(
                str(path), _options(), providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            if "NOT_IMPLEMENTED" not in str(error):
                raise
        else:
            found["onnxruntime"] = session.run(None, feed)
    return found


def assert_runs_as(path: Path, feed: dict[str, Any], expected: Any, tolerance: Any = None) -> None:
    """Every runtime gives the expected arrays, of their shapes and dtypes."""
    expected = [np.asarray(x) for x in tree.leaves(expected)]
    for runtime, outputs in runs(path, feed).items():
        assert len(outputs) == len(expected), runtime
        for ours, theirs in zip(outputs, expected, strict=True):
            ours = np.asarray(ours)
            assert ours.dtype.newbyteorder("=") == theirs.dtype.newbyteorder("="), runtime
            assert ours.shape == theirs.shape, runtime
            if theirs.dtype.kind != "f":
                np.testing.assert_array_equal(ours, theirs, err_msg=runtime)
                continue
            near = tolerance or (1e-11 if theirs.dtype == np.float64 else 2e-5)
            np.testing.assert_allclose(ours, theirs, rtol=near, atol=near, err_msg=runtime)


def export(path: Path, f: Any, *args: Any, **options: Any) -> tuple[tg.Graph, dict[str, Any]]:
    """The exported graph, and its arguments by name."""
    graph = tg.trace(f, *args)
    graph.to_onnx(path / "model.onnx", **options)
    feed = dict(zip((graph.names[node] for node in graph.inputs), tree.leaves(args), strict=True))
    return graph, feed


def check(path: Path, f: Any, *args: Any, tolerance: Any = None) -> None:
    """A function's model gives what the function gives."""
    graph, feed = export(path, f, *args)
    with np.errstate(all="ignore"):
        assert_runs_as(path / "model.onnx", feed, graph.run(*args), tolerance)


def refusal(path: Path, f: Any, *args: Any) -> str:
    """Why a function's export was refused; empty if its model gives what the function does."""
    try:
        check(path, f, *args)
    except ExportError as error:
        return str(error).splitlines()[0].partition(" cannot be exported: ")[2]
    return ""


def model_of(path: Path) -> Any:
    """The graph of the model that :func:`export` wrote."""
    return onnx.load(str(path / "model.onnx")).graph
