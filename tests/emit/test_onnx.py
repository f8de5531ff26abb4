"""An exported model computes what NumPy computes; what ONNX does not have is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from hypothesis import HealthCheck, given, settings

import tinygrad_nn as tg
from models import two_layer_net
from tests.emit.exported import TWICE, assert_runs_as, check, export, model_of, refusal, runs
from tests.programs import PROGRAMS, starting_arrays, step
from tests.rules import elementwise_cases, linalg_cases, reduction_cases, shape_cases  # noqa: F401
from tests.rules.cases import CASES
from tinygrad_nn.datasets import toy, toy_parameters
from tinygrad_nn.errors import DataError, ExportError, TinygradError
from tinygrad_nn.graph import parse
from tinygrad_nn.rules.neural import cross_entropy

rng = np.random.default_rng(5)

#: What a case's export may be refused for.
NO_OPERATION = {
    "arctan2", "copysign", "ldexp", "searchsorted", "linalg.solve", "linalg.inv",
    "linalg.cholesky", "logabsdet", "sign_of_det", "argpartition", "cofactors",
}  # fmt: skip
ONE_TRUTH_VALUE = "a single truth value as an index"


#: np.extract's shape depends on values, so that it cannot be traced.
TRACED = [case for case in CASES if case.function is not np.extract]


@pytest.mark.parametrize("case", TRACED, ids=str)
def test_every_operation_computes_what_numpy_does_or_is_refused(case: Any, tmp_path: Path) -> None:
    why = refusal(tmp_path, case, *case.args)
    operation = why.removeprefix("the ONNX standard has no operation for ")
    assert not why or operation in NO_OPERATION or why.startswith(ONE_TRUTH_VALUE)


@pytest.mark.parametrize("case", [c for c in TRACED if c.float32][::5], ids=str)
def test_in_single_precision_too(case: Any, tmp_path: Path) -> None:
    args = [np.asarray(a, np.float32) for a in case.args]
    why = refusal(tmp_path, case, *args)
    assert why == refusal(tmp_path, case, *case.args)


# --- functions without a derivative ---------------------------------------------------------------

FLOATS = np.array([-2.5, -1.5, -1.0, -0.4, 0.0, 0.5, 1.0, 1.5, 3.7])
INTS = np.array([-7, -3, -1, 1, 2, 5], np.int64)
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, 1.0])
TRUTH = np.array([True, False, True, True])


@pytest.mark.parametrize(
    "f",
    [np.sign, np.floor, np.ceil, np.rint, np.trunc, np.fix, np.round, np.square, np.logical_not],
)
@pytest.mark.parametrize("x", [FLOATS, FLOATS.astype(np.float32), INTS], ids=["f8", "f4", "i8"])
def test_rounding(f: Any, x: Any, tmp_path: Path) -> None:
    check(tmp_path, f, x)


@pytest.mark.parametrize(
    "f", [np.isnan, np.isinf, np.isfinite, np.isposinf, np.isneginf, np.nan_to_num]
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_questions_about_numbers(f: Any, dtype: Any, tmp_path: Path) -> None:
    check(tmp_path, f, SPECIAL.astype(dtype))


@pytest.mark.parametrize(
    "f",
    [
        np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
        np.logical_and, np.logical_or, np.logical_xor, np.maximum, np.minimum,
    ],
)  # fmt: skip
def test_comparisons_of_every_kind(f: Any, tmp_path: Path) -> None:
    check(tmp_path, f, FLOATS, FLOATS[::-1].copy())
    check(tmp_path, f, FLOATS[:6], INTS)
    check(tmp_path, f, INTS, INTS[::-1].copy())
    check(tmp_path, f, TRUTH, ~TRUTH)
    check(tmp_path, lambda x: f(x, 1), FLOATS)
    check(tmp_path, lambda x: f(1, x), INTS)


@pytest.mark.parametrize("f", [np.remainder, np.fmod, np.floor_divide])
def test_remainders_have_numpys_signs(f: Any, tmp_path: Path) -> None:
    a = np.array([7.3, -7.3, 7.3, -7.3, 6.0, -6.0, 0.0, 1e-30, -1e-30, 0.9, 5e20])
    b = np.array([2.0, 2.0, -2.1, -2.1, 3.0, 3.0, -1.5, 1.0, 1.0, 0.1, 3.0])
    check(tmp_path, f, a, b)
    check(tmp_path, f, INTS[:, None], INTS)
    check(tmp_path, f, np.array([1.0, -1.0]), np.array([np.inf, np.inf]))


def test_division_by_zero_gives_what_numpy_gives(tmp_path: Path) -> None:
    with np.errstate(all="ignore"):
        check(tmp_path, lambda x: (x / 0.0, x // 0.0, 0.0 / x), FLOATS)


@pytest.mark.parametrize(
    "f", [np.add, np.multiply, np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.logical_and]
)
def test_arithmetic_of_truth_values_and_of_integers(f: Any, tmp_path: Path) -> None:
    check(tmp_path, f, TRUTH, TRUTH[::-1].copy())
    check(tmp_path, f, INTS, INTS[::-1].copy())


def test_integers_become_floating_point_where_numpy_makes_them_so(tmp_path: Path) -> None:
    check(tmp_path, lambda x: (x / 2, np.exp(x), x**2, x * 0.5, np.sqrt(x * x), -x, abs(x)), INTS)
    check(tmp_path, lambda x: (x * 2, x + np.float32(1), x > 0.5), INTS.astype(np.int32))
    check(tmp_path, lambda x: (np.sum(x), np.mean(x), np.cumsum(x), ~x), TRUTH)


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("keepdims", [False, True])
def test_places_and_counts(axis: Any, keepdims: Any, tmp_path: Path) -> None:
    x = rng.permutation(np.arange(12.0)).reshape(3, 4) - 5
    for f in (np.argmax, np.argmin, np.any, np.all, np.count_nonzero):
        check(tmp_path, lambda a, f=f: f(a, axis=axis, keepdims=keepdims), x)
        check(tmp_path, lambda a, f=f: f(a > 0, axis=axis, keepdims=keepdims), x)
    if not keepdims:
        check(tmp_path, lambda a: np.argsort(a, axis=axis), x)
        check(tmp_path, lambda a: np.argmax(a, axis), x)


def test_of_equal_entries_the_first_is_the_largest(tmp_path: Path) -> None:
    check(tmp_path, lambda x: (np.argmax(x, axis=1), np.argmin(x)), np.ones((2, 3)))


# --- formulas that are written out ----------------------------------------------------------------

TINY = np.array([1e-18, -1e-18, 1e-9, -1e-9, 1e-5, 0.0, 0.3, -0.3, 2.0, -0.9, 30.0])


@pytest.mark.parametrize("f", [np.log1p, np.expm1])
def test_written_out_functions_are_as_exact_as_numpys(f: Any, tmp_path: Path) -> None:
    _, feed = export(tmp_path, f, TINY)
    for (ours,) in runs(tmp_path / "model.onnx", feed).values():
        np.testing.assert_allclose(ours, f(TINY), rtol=4e-15, atol=0)


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (np.log1p, (np.array([np.inf, -1.0, 1e300]),)),
        (np.expm1, (np.array([np.inf, -np.inf, -800.0, 700.0]),)),
        (np.logaddexp, (np.array([np.inf, -np.inf, 5e3, -np.inf]), np.array([1, 2, 5e3, -np.inf]))),
        (np.logaddexp2, (np.array([np.inf, -np.inf, 5e3]), np.array([1, -np.inf, 4.9e3]))),
        (np.hypot, (np.array([1e300, 0.0, np.inf, 1e-300]), np.array([1e300, 0.0, np.inf, 0.0]))),
        (np.fmax, (np.array([np.nan, 1.0, np.nan]), np.array([1.0, np.nan, np.nan]))),
        (np.fmin, (np.array([np.nan, 1.0, np.nan]), np.array([1.0, np.nan, np.nan]))),
        (np.heaviside, (np.array([-1.0, 0.0, 2.0, np.nan]), np.array([0.5, 0.5, 0.5, 0.5]))),
        (tg.logsumexp, (np.array([[1e4, 1e4], [-1e4, -1e4], [-np.inf, -np.inf]]),)),
        (cross_entropy, (np.array([[1e4, 0.0], [-30.0, 0.0]]), np.array([0, 1]))),
        (tg.softmax, (np.array([[1e4, 0.0], [-1e4, 0.0]]),)),
        (tg.sigmoid, (np.array([-1e4, 1e4, 0.0]),)),
    ],
)
def test_extreme_numbers(f: Any, args: Any, tmp_path: Path) -> None:
    with np.errstate(all="ignore"):
        check(tmp_path, f, *args)


# --- dtypes ---------------------------------------------------------------------------------------


def test_a_python_number_takes_on_the_dtype_that_it_meets(tmp_path: Path) -> None:
    def f(x: Any, rate: float, n: int) -> Any:
        half = 0.5 * rate
        return x * half + n, half, x * np.float64(2), n * rate

    x = rng.standard_normal(3).astype(np.float32)
    _, feed = export(tmp_path, f, x, 0.1, 3)
    expected = f(x, 0.1, 3)
    assert [np.asarray(v).dtype.name for v in expected] == ["float32", *["float64"] * 3]
    assert_runs_as(tmp_path / "model.onnx", feed, expected)
    assert_runs_as(
        tmp_path / "model.onnx",
        {"x": x, "rate": np.array(0.7), "n": np.array(-2)},
        f(x, 0.7, -2),
    )
    model = onnx.load(str(tmp_path / "model.onnx"))
    kinds = [i.type.tensor_type.elem_type for i in model.graph.input]
    assert kinds == [onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.INT64]


@pytest.mark.parametrize(
    "dtype", ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", ">f4"]
)
def test_every_dtype_can_be_moved_about(dtype: Any, tmp_path: Path) -> None:
    x = np.arange(6).reshape(2, 3).astype(dtype)

    def f(x: Any) -> Any:
        return x.T, x[:, ::-1], np.concatenate([x, x[:1]]), x.astype(np.float32), x[[1, 0], [0, 2]]

    check(tmp_path, f, x)


def test_half_precision_computes(tmp_path: Path) -> None:
    x = rng.standard_normal((4, 3)).astype(np.float16)
    check(tmp_path, lambda x: np.exp(x @ x.T) + tg.relu(x).sum(), x, tolerance=2e-2)


# --- random programs ------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(starting_arrays(), PROGRAMS)
def test_any_program_in_place_runs_in_onnx_or_is_refused(
    tmp_path_factory: Any, arrays: Any, program: Any
) -> None:
    def f(*starts: Any) -> Any:
        alive = [x * 1 for x in starts]
        for statement in program:
            try:
                step(alive, *statement)
            except (ValueError, TypeError, IndexError, ZeroDivisionError):
                break
        return alive

    why = refusal(tmp_path_factory.mktemp("onnx"), f, *arrays)
    assert not why or why.startswith((TWICE, "the shape of its result depends on the values of a"))


# --- names ----------------------------------------------------------------------------------------


def names(values: Any) -> list[str]:
    return [value.name for value in values]


def test_names_are_the_users(tmp_path: Path) -> None:
    _, feed = export(tmp_path, two_layer_net.loss, toy_parameters(), *toy(), 0.1)
    model = model_of(tmp_path)
    assert names(model.input) == ["W1", "b1", "W2", "b2", "X", "y", "reg"] == list(feed)
    assert names(model.output) == ["loss"]
    assert {"h1", "a1", "scores", "data_loss", "reg_loss"} <= {n.output[0] for n in model.node}
    assert model.name == "loss"
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.value_info}
    assert shapes["h1"] == [5, 10]
    assert shapes["scores"] == [5, 3]


def test_outputs_are_called_by_their_keys(tmp_path: Path) -> None:
    def f(x: Any) -> Any:
        h = np.exp(x)
        s = h * 2
        return {"scores": s, "hidden": h, "same": [h, h], "x": x, "n": 3.0}

    x = np.arange(3.0)
    graph, feed = export(tmp_path, f, x)
    assert names(model_of(tmp_path).output) == ["scores", "hidden", "h", "h_2", "x_2", "n"]
    assert_runs_as(tmp_path / "model.onnx", feed, graph.run(x))


def test_whatever_a_user_names_things_names_stay_apart(tmp_path: Path) -> None:
    def f(t1: Any, constant: Any, N: Any, h_add: Any) -> Any:
        h_mul = t1 * constant
        h = np.mean(h_mul + 1, axis=0) + np.log1p(h_add)
        return h, N + h.sum()

    args = [rng.uniform(1, 2, (4, 3)) for _ in range(4)]
    graph, feed = export(tmp_path, f, *args, batch=["N", "t1", "constant"])
    assert_runs_as(tmp_path / "model.onnx", feed, graph.run(*args))


def test_the_same_program_gives_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for _ in range(2):
        export(tmp_path, two_layer_net.loss, toy_parameters(), *toy(), 0.1, batch=["X", "y"])
        written.append((tmp_path / "model.onnx").read_bytes())
    assert written[0] == written[1]


def test_weights_and_captured_arrays_are_constants_of_the_model(tmp_path: Path) -> None:
    scale = tg.Parameter(np.array([1.0, 2.0, 3.0]), name="scale")
    params, (X, _) = toy_parameters(), toy()

    def f(params: Any, X: Any) -> Any:
        return two_layer_net.forward(params, X) * scale

    graph, _ = export(tmp_path, f, params, X, weights=params)
    model = model_of(tmp_path)
    assert names(model.input) == ["X"]
    assert {"W1", "b1", "W2", "b2", "scale"} <= set(names(model.initializer))
    assert_runs_as(tmp_path / "model.onnx", {"X": X}, graph.run(params, X))
    others = {name: 2 * p for name, p in params.items()}
    graph.to_onnx(tmp_path / "model.onnx", weights=others)
    assert_runs_as(tmp_path / "model.onnx", {"X": X}, graph.run(others, X))


def test_a_gradient_and_a_graph_read_from_text_can_be_exported(tmp_path: Path) -> None:
    params, (X, y) = toy_parameters(), toy()
    graph = tg.trace(two_layer_net.loss, params, X, y, 0.1).gradient()
    feed = {**params, "X": X, "y": y, "reg": np.array(0.1)}
    for g in (graph, parse(str(graph))):
        g.to_onnx(tmp_path / "model.onnx")
        assert_runs_as(tmp_path / "model.onnx", feed, graph.run(params, X, y, 0.1))
    assert names(model_of(tmp_path).output) == ["loss", "dW1", "db1", "dW2", "db2"]


# --- errors ---------------------------------------------------------------------------------------

GRAPH = tg.trace(lambda x, W: np.tanh(x @ W), np.ones((2, 3)), np.ones((3, 2)))


def test_a_missing_operation_names_itself_and_the_users_line(tmp_path: Path) -> None:
    def f(a: Any) -> Any:
        b = a + 1
        return np.linalg.inv(b) @ a

    with pytest.raises(ExportError) as raised:
        export(tmp_path, f, np.eye(3))
    message = str(raised.value)
    assert "the ONNX standard has no operation for linalg.inv" in message
    assert "return np.linalg.inv(b) @ a" in message
    assert "^^^^^^^^^^^^^^^^" in message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("f", "x", "reason"),
    [
        (lambda x: x[x > 0] * 2, np.ones(3), "depends on the values of a mask"),
        (lambda x: x * 2, np.ones(3, np.longdouble), "ONNX has no data type"),
        (lambda x: x @ x, np.ones((2, 2), np.int8), "no products of matrices of int8"),
        (lambda x: x << 1, np.ones(3, np.int64), "no operation for left_shift"),
        (lambda x: x < 300, np.ones(3, np.uint8), "300 is no uint8"),
        (lambda x: x < x.astype(np.int64), np.ones(3, np.uint64), "takes one data type, not"),
        (lambda x: np.maximum(x, x[::-1]), np.ones(3, np.float16), None),
        (lambda x: np.isnan(x), np.ones(3, np.float16), None),
        (lambda x: np.round(x, 2), np.ones(3), "ONNX rounds to whole numbers"),
        (lambda x: np.isclose(x, 1.0), np.ones(3), "no operation for isclose"),
    ],
)
def test_what_has_no_counterpart_is_refused(f: Any, x: Any, reason: Any, tmp_path: Path) -> None:
    if reason is None:
        check(tmp_path, f, x)
        return
    with pytest.raises(ExportError, match=reason):
        export(tmp_path, f, x)


def test_a_function_that_changes_its_arguments_is_refused(tmp_path: Path) -> None:
    def f(W: Any, g: Any) -> Any:
        W -= 0.1 * g
        return np.sum(W)

    with pytest.raises(ExportError, match="f changes W in place"):
        export(tmp_path, f, np.ones(2), np.ones(2))


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"cannot write .*missing.*: No such file or directory"):
        GRAPH.to_onnx(tmp_path / "missing" / "a.onnx")
    with pytest.raises(ExportError, match="cannot write"):
        GRAPH.to_onnx(tmp_path)
    with pytest.raises(DataError, match="the path of a file, not 3"):
        GRAPH.to_onnx(3)
    assert GRAPH.to_onnx(str(tmp_path / "a.onnx")) == tmp_path / "a.onnx"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": "X"}, "batch names the inputs of f, x, W; it has no 'X'"),
        ({"weights": {"w": 1}}, "weights names the inputs of f, x, W; it has no 'w'"),
        ({"batch": ["x", "W"]}, r"x has shape \(2, 3\), W has shape \(3, 2\)"),
        ({"batch": "x", "batch_name": "a b"}, "batch_name is an identifier, not 'a b'"),
        ({"batch": "x", "weights": {"x": np.ones((2, 3))}}, "x is named in batch and in weights"),
        (
            {"weights": {"W": np.ones((2, 3))}},
            r"W was traced as float64 of shape \(3, 2\), and its weights are float64 of shape",
        ),
        ({"weights": {"W": np.ones((3, 2), int)}}, "W was traced as float64 .* weights are int64"),
    ],
)
def test_options_that_fit_no_input(options: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        GRAPH.to_onnx(tmp_path / "a.onnx", **options)


def test_onnx_is_named_where_it_is_missing(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(ExportError, match=r"pip install 'tinygrad_nn\[onnx\]'"):
        GRAPH.to_onnx(tmp_path / "a.onnx")


def test_every_error_is_one_of_ours() -> None:
    assert issubclass(ExportError, TinygradError)
    assert issubclass(ExportError, RuntimeError)
