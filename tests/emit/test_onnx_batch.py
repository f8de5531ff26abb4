"""A model whose batch size is open is right for every batch size, or is not exported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx

import tinygrad_nn as tg
from models import softmax_classifier, svm_classifier, two_layer_net
from tests.emit.exported import assert_runs_as
from tinygrad_nn.emit.onnx.batch import Filled, Ramp, Sized, UnexplainedError, explain
from tinygrad_nn.errors import ExportError
from tinygrad_nn.graph import parse
from tinygrad_nn.tree import map_leaves

rng = np.random.default_rng(8)
CLASSES, FEATURES, HIDDEN = 3, 4, 10

#: The traced size first.
BATCHES = (5, 1, 2, 8, 300)


def samples(n: int, dtype: Any = np.float64) -> tuple[Any, Any]:
    """X (n, FEATURES) and labels y (n,)."""
    return rng.standard_normal((n, FEATURES)).astype(dtype), rng.integers(0, CLASSES, n)


# --- whole networks -------------------------------------------------------------------------------


def parameters(model: Any, dtype: Any) -> dict[str, Any]:
    def draw(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(dtype)

    if model is two_layer_net:
        return {
            "W1": draw(FEATURES, HIDDEN),
            "b1": draw(HIDDEN),
            "W2": draw(HIDDEN, CLASSES),
            "b2": draw(CLASSES),
        }
    return {"W": draw(FEATURES, CLASSES), "b": draw(CLASSES)}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("model", [softmax_classifier, svm_classifier, two_layer_net])
def test_every_model_runs_at_any_batch_size(model: Any, dtype: Any, tmp_path: Path) -> None:
    path, params = tmp_path / "model.onnx", parameters(model, dtype)
    X, y = samples(BATCHES[0], dtype)
    tg.trace(model.forward, params, X).to_onnx(path, batch="X", weights=params)
    for n in BATCHES:
        X, y = samples(n, dtype)
        assert_runs_as(path, {"X": X}, model.forward(params, X))
    tg.trace(model.loss, params, X, y, 0.1).to_onnx(path, batch=["X", "y"])
    for n in BATCHES:
        X, y = samples(n, dtype)
        loss = np.asarray(model.loss(params, X, y, 0.3))
        assert loss.dtype == dtype
        assert_runs_as(path, {**params, "X": X, "y": y, "reg": np.array(0.3)}, loss)


def test_a_whole_gradient_runs_at_any_batch_size(tmp_path: Path) -> None:
    params = parameters(two_layer_net, np.float64)
    step = tg.value_and_grad(two_layer_net.loss)
    tg.trace(step, params, *samples(5), 0.1).to_onnx(tmp_path / "a.onnx", batch=["X", "y"])
    for n in BATCHES:
        X, y = samples(n)
        expected = step(params, X, y, 0.1)
        assert_runs_as(tmp_path / "a.onnx", {**params, "X": X, "y": y, "reg": 0.1}, expected)


def test_the_open_axis_has_its_name(tmp_path: Path) -> None:
    params = parameters(two_layer_net, np.float64)
    graph = tg.trace(two_layer_net.forward, params, samples(5)[0])
    graph.to_onnx(tmp_path / "a.onnx", batch="X", batch_name="samples")
    model = onnx.load(str(tmp_path / "a.onnx")).graph
    shapes = {
        v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*model.input, *model.value_info, *model.output)
    }
    assert shapes["X"] == ["samples", FEATURES]
    assert shapes["h1"] == ["samples", HIDDEN]
    assert shapes["scores"] == ["samples", CLASSES]
    assert shapes["W1"] == [FEATURES, HIDDEN]


# --- what depends on the batch size ---------------------------------------------------------------

ROW = tg.Tensor(np.arange(4.0))


def written_at_labels(x: Any, y: Any) -> Any:
    margins = x * 1
    margins[np.arange(len(x)), y] = 0
    return margins


def written_in_rows(x: Any, y: Any) -> Any:
    out = x * 1
    out[:, 1] = np.arange(len(x)) * 1.0
    out[out < 0] = 0.5
    return out


def batch_norm(x: Any, y: Any) -> Any:
    return (x - np.mean(x, axis=0)) / np.sqrt(np.var(x, axis=0) + 1e-5)


def attention(x: Any, y: Any) -> Any:
    z = np.stack([x, 2 * x, x + 1], axis=1)
    return tg.softmax(z @ z.mT / np.sqrt(x.shape[1])) @ z


def added_at(x: Any, y: Any) -> Any:
    out = tg.Tensor(np.zeros((len(x), 4)))
    np.add.at(out, (np.arange(len(x)), y), x[:, 0])
    return out + tg.Tensor(np.full((len(x), 1), 1.0 / len(x)))


def two_fives(x: Any, y: Any) -> Any:
    """Traced with five samples: a five that is the batch size, and one that is not."""
    return np.sum(x, axis=0) / 5 + np.sum(x, axis=0) / len(x) + len(x) + 5


OPEN = {
    "mean": lambda x, y: (np.mean(x), np.mean(x, axis=0), np.mean(x, axis=1)),
    "two fives": two_fives,
    "deviation": lambda x, y: (np.std(x, axis=0), np.var(x), np.cov(x, rowvar=False, bias=True)),
    "quotients": lambda x, y: (x / np.float32(len(x)), x / (len(x) + 1), x * (0.5 / len(x))),
    "pick": lambda x, y: x[np.arange(len(x)), y],
    "rows": lambda x, y: (x[-1], x[len(x) - 1], x[::-1], x[: len(x) - 1], x[-2:], x[1:]),
    "backwards": lambda x, y: (x[-3::-1], x[:-3:-2], x[len(x) - 1 :: -1], x[: len(x) - 1 : -1]),
    "reshape": lambda x, y: (x.reshape(len(x), 2, 2), x.reshape(-1, 2), x.reshape(2, 2 * len(x))),
    "flat": lambda x, y: (np.ravel(x), np.outer(x[:, 0], x[:, 1]), (x @ x.T).reshape(-1)),
    "broadcast": lambda x, y: np.broadcast_to(ROW, x.shape) + np.broadcast_to(x[0], (len(x), 4)),
    "ones": lambda x, y: (np.ones(len(x)) @ x, np.full(len(x), 1 / len(x)) @ x),
    "counting": lambda x, y: x * np.arange(len(x))[:, None] + np.arange(2 * len(x))[::2, None],
    "table": lambda x, y: x + np.arange(4 * len(x)).reshape(-1, 4) * 0.5,
    "repeated rows": lambda x, y: x * np.tile([1.0, 2.0, 3.0, 4.0], (len(x), 1)),
    "masks": lambda x, y: np.where(np.ones(len(x), bool)[:, None], x, 0),
    "joined": lambda x, y: (np.concatenate([x, x, 2 * x[:1]]), np.stack([x, x]), np.tile(x, 2)),
    "moved": lambda x, y: (np.roll(x, 2, axis=0), np.roll(x, 1), np.flip(x, 0), x.T),
    "sorted": lambda x, y: (np.sort(x, axis=0), np.sort(x, axis=1), np.argsort(x[:, 0])),
    "sums": lambda x, y: (np.cumsum(x), np.cumsum(x, axis=0), np.diff(x, axis=0)),
    "onehot": lambda x, y: (y[:, None] == np.arange(3)).astype(float) / len(y),
    "accuracy": lambda x, y: np.mean(np.argmax(x, axis=1) == y),
    "softmax": lambda x, y: (tg.softmax(x), tg.log_softmax(x, axis=0), tg.logsumexp(x, axis=0)),
    "losses": lambda x, y: (tg.cross_entropy(x, y), tg.hinge_loss(x, y), tg.mse_loss(x, x * 2)),
    "einsum": lambda x, y: np.einsum("ni,nj->ij", x, x) / len(x),
    "weights": lambda x, y: np.average(x, axis=0, weights=y + 1.0),
    "norms": lambda x, y: x / np.linalg.norm(x, axis=1, keepdims=True),
    "written at labels": written_at_labels,
    "written in rows": written_in_rows,
    "batch norm": batch_norm,
    "attention": attention,
    "added at": added_at,
}


@pytest.mark.parametrize("name", OPEN)
def test_constants_follow_the_batch_size(name: str, tmp_path: Path) -> None:
    f = OPEN[name]
    x, y = samples(BATCHES[0])
    graph = tg.trace(f, x, y)
    x_name, y_name = (graph.names[node] for node in graph.inputs)
    graph.to_onnx(tmp_path / "a.onnx", batch=[x_name, y_name])
    for n in BATCHES:
        x, y = samples(n)
        given = (tg.Tensor(x), y)  # what writes into an array of its own writes into a tensor
        expected = map_leaves(
            lambda t: t.detach().data if isinstance(t, tg.Tensor) else t, f(*given)
        )
        assert_runs_as(tmp_path / "a.onnx", {x_name: x, y_name: y}, expected)


def test_a_program_that_cannot_run_with_one_sample_is_right_for_more(tmp_path: Path) -> None:
    def f(x: Any) -> Any:
        return np.var(x, axis=0, ddof=1) * (1 / (len(x) - 1))

    tg.trace(f, samples(5)[0]).to_onnx(tmp_path / "a.onnx", batch="x")
    for n in (2, 7, 100):
        x, _ = samples(n)
        assert_runs_as(tmp_path / "a.onnx", {"x": x}, f(x))


def test_several_inputs_and_structures(tmp_path: Path) -> None:
    def f(batch: Any, scale: float, mode: str) -> Any:
        x, (y, z) = batch["x"], batch["pair"]
        return {"out": (x * scale + y[:, None]) @ z.T / len(x)}

    def batch(n: int) -> Any:
        x = rng.standard_normal((n, 3))
        return {"x": x, "pair": [x[:, 0].copy(), x * 2]}

    graph = tg.trace(f, batch(4), 0.5, "mode")
    names = [graph.names[node] for node in graph.inputs]
    graph.to_onnx(tmp_path / "a.onnx", batch=names[:3])
    for n in BATCHES:
        b = batch(n)
        arrays = (b["x"], *b["pair"], np.array(0.25))
        expected = f(b, 0.25, "mode")
        assert_runs_as(tmp_path / "a.onnx", dict(zip(names, arrays, strict=True)), expected)


def test_arguments_are_left_as_they_are(tmp_path: Path) -> None:
    x, y = samples(5)
    before = x.copy(), y.copy()
    tg.trace(written_at_labels, x, y).to_onnx(tmp_path / "a.onnx", batch=["x", "y"])
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


# --- what is refused ------------------------------------------------------------------------------

REFUSED = {
    "random": (lambda x: x * np.random.default_rng().random(x.shape), "depends on the batch size"),
    "identity": (lambda x: np.eye(len(x)) @ x, "depends on the batch size"),
    "root": (lambda x: x / np.sqrt(len(x)), r"with 5, 1, 3, 17, 211 samples it is .*2\.236"),
    "square": (lambda x: x / len(x) ** 2, "samples it is 25, 1, 9, 289, 44521"),
    "half": (lambda x: x[: len(x) // 2], "depends on the batch size"),
    "at most": (lambda x: np.mean(x[:64], axis=0), "samples it is 5, 1, 3, 17, 64"),
    "at least": (lambda x: x[2:] / max(len(x), 100), "depends on the batch size"),
    "before the first": (lambda x: x[len(x) - 2 :: -1], "at another side with few samples"),
    "evenly": (lambda x: x * np.linspace(0, 1, len(x))[:, None], "depends on the batch size"),
    "branch": (lambda x: x * 2 if len(x) > 100 else x / 2, "with a batch of 211 f is another prog"),
    "loop": (lambda x: sum(x[i] for i in range(len(x))), "f has 10 operations, and 2 with a batch"),
    "squeezed": (lambda x: np.squeeze(x[:, :2]), "with a batch of 1 f is another program"),
    "fixed": (lambda x: x + np.ones((5, 4)), "f does not run with a batch of 3"),
    "mask": (lambda x: x[x[:, 0] > 0], "the shape of its result depends on the values of a mask"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_wrong_at_another_size_is_refused(name: str, tmp_path: Path) -> None:
    f, message = REFUSED[name]
    graph = tg.trace(f, samples(5)[0])
    with pytest.raises(ExportError, match=message):
        graph.to_onnx(tmp_path / "a.onnx", batch="x")
    assert not (tmp_path / "a.onnx").exists()


def test_the_users_line_is_underlined(tmp_path: Path) -> None:
    def f(x: Any) -> Any:
        scale = np.sqrt(len(x))
        return x / scale

    with pytest.raises(ExportError) as raised:
        tg.trace(f, samples(5)[0]).to_onnx(tmp_path / "a.onnx", batch="x")
    assert "return x / scale" in str(raised.value)
    assert "^^^^^^^^^" in str(raised.value)


def test_a_graph_that_trace_did_not_give_has_a_fixed_batch(tmp_path: Path) -> None:
    graph = tg.trace(two_fives, *samples(5))
    for other in (parse(str(graph)), tg.trace(lambda x: np.sum(x), samples(5)[0]).gradient()):
        name = other.names[other.inputs[0]]
        with pytest.raises(ExportError, match="only in the graph that trace gave"):
            other.to_onnx(tmp_path / "a.onnx", batch=name)
        other.to_onnx(tmp_path / "a.onnx")


def test_a_graph_that_is_no_longer_what_was_traced_is_refused(tmp_path: Path) -> None:
    graph = tg.trace(lambda x: np.mean(np.tanh(x), axis=0), samples(5)[0])
    other = replace(graph, nodes=graph.nodes[:1], outputs=graph.nodes[:1])
    with pytest.raises(ExportError, match="its batch size cannot be left open"):
        other.to_onnx(tmp_path / "a.onnx", batch="x")


# --- explaining -----------------------------------------------------------------------------------

SIZES = [5, 3, 17, 211]


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (lambda n: 7, 7),
        (lambda n: n, Sized(1, 0)),
        (lambda n: 3 * n - 2, Sized(3, -2)),
        (lambda n: -n, Sized(-1, 0)),
        (lambda n: 0.5 * n, Sized(0.5, 0, dtype=np.dtype(float))),
        (lambda n: 1 / n, Sized(1, 0, True, np.dtype(float))),
        (lambda n: 0.1 / n, Sized(10, 0, True, np.dtype(float))),
        (lambda n: np.float32(n), Sized(1, 0, dtype=np.dtype(np.float32))),
        (lambda n: (n, 4, -1), (Sized(1, 0), 4, -1)),
        (lambda n: slice(None, n, 2), slice(None, Sized(1, 0), 2)),
        (lambda n: np.zeros((n, n)), Filled(0.0, (Sized(1, 0), Sized(1, 0)), np.dtype(float))),
        (lambda n: float("nan"), None),
        (lambda n: "text", "text"),
    ],
)
def test_constants_are_told_from_functions_of_the_batch_size(of: Any, expected: Any) -> None:
    found = explain([of(n) for n in SIZES], SIZES)
    if expected is None:
        assert found != found
    else:
        assert found == expected


def test_arrays_that_count() -> None:
    found = explain([np.arange(2, 2 + 3 * n, 3) for n in SIZES], SIZES)
    assert isinstance(found, Ramp)
    assert (found.start.tolist(), found.step.tolist(), found.axis) == ([2], [3], 0)
    assert found.shape == (Sized(1, 0),)


@pytest.mark.parametrize(
    "of",
    [
        lambda n: n * n,
        lambda n: np.sqrt(n),
        lambda n: min(n, 100),
        lambda n: n // 2,
        lambda n: float(n) ** -2,
        lambda n: np.log(n),
        lambda n: n > 100,
        lambda n: "a" * n,
        lambda n: (1,) * n,
        lambda n: np.arange(n) ** 2,
        lambda n: np.eye(n),
        lambda n: None if n > 100 else 1,
        lambda n: 1 if n > 100 else 1.0,
        lambda n: np.random.default_rng(n).random(n),
        lambda n: np.arange(n) + n,
        lambda n: 0.0 if n > 100 else 1.0,
    ],
)
def test_nothing_else_is_explained(of: Any) -> None:
    with pytest.raises(UnexplainedError):
        explain([of(n) for n in SIZES], SIZES)


@pytest.mark.parametrize("n", [1000, 10**6])
def test_an_explanation_holds_at_sizes_that_were_not_tried(n: int) -> None:
    for of in (lambda n: 0.3 * n + 0.7, lambda n: 1 / (3 * n - 1), lambda n: 0.07 / n):
        found = explain([of(k) for k in SIZES], SIZES)
        value = found.scale * n + found.offset
        assert (1 / value if found.inverse else value) == pytest.approx(of(n), rel=1e-12)
