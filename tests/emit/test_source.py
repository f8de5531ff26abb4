"""derive and Graph.source: standalone NumPy that computes the same, and that a person can read."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections import namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings

import tinygrad_nn as tg
from models import softmax_classifier, svm_classifier, two_layer_net, two_layer_net_analytic
from tests.emit.generated import assert_same, compiled
from tests.programs import PROGRAMS, starting_arrays, step
from tests.rules import elementwise_cases, linalg_cases, reduction_cases, shape_cases  # noqa: F401
from tests.rules.cases import CASES
from tinygrad_nn.datasets import toy, toy_parameters
from tinygrad_nn.errors import TraceError
from tinygrad_nn.graph import Graph, trace
from tinygrad_nn.tree import leaves

X, Y = toy()
PARAMS = toy_parameters()
LINEAR = {"W": np.linspace(-1, 1, 12).reshape(4, 3), "b": np.arange(3.0)}
TWO_LAYER = '''\
import numpy as np


def loss(params, X, y, reg):
    """Return loss and its gradient with respect to params.

    Written for W1 (4, 10), b1 (10,), W2 (10, 3), b2 (3,), X (5, 4), y (5,) int64, reg a float.
    """
    W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
    if (
        [a.shape for a in (W1, b1, W2, b2, X, y)] != [(4, 10), (10,), (10, 3), (3,), (5, 4), (5,)]
        or y.min() < 0
        or y.max() >= 3
    ):
        raise ValueError("written for the shapes above and labels y from 0 to 2")
    # forward
    h1 = X @ W1 + b1  # (5, 10)
    a1 = np.maximum(0, h1)  # (5, 10)
    scores = a1 @ W2 + b2  # (5, 3)
    shifted = scores - scores.max(axis=1, keepdims=True)  # (5, 3)
    exp_scores = np.exp(shifted)  # (5, 3)
    normaliser = exp_scores.sum(axis=1)  # (5,)
    data_loss = np.mean(np.log(normaliser) - shifted[np.arange(5), y])  # ()
    reg_loss = 0.5 * reg * (np.sum(W1 * W1) + np.sum(W2 * W2))  # ()
    loss = data_loss + reg_loss  # ()
    # backward
    dscores = exp_scores / normaliser[:, None]  # (5, 3)  of data_loss (line 23)
    dscores[np.arange(5), y] -= 1  # (5, 3)  of data_loss (line 23)
    dscores /= 5  # (5, 3)  of data_loss (line 23)
    db2 = dscores.sum(axis=0)  # (3,)  of scores (line 19)
    da1 = dscores @ W2.T  # (5, 10)  of scores (line 19)
    dW2 = a1.T @ dscores + reg * W2  # (10, 3)  of scores (line 19) and reg_loss (line 24)
    dh1 = da1 * (h1 > 0)  # (5, 10)  of a1 (line 18)
    db1 = dh1.sum(axis=0)  # (10,)  of h1 (line 17)
    dW1 = X.T @ dh1 + reg * W1  # (4, 10)  of h1 (line 17) and reg_loss (line 24)
    return loss, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
'''


# --- the two-layer net ----------------------------------------------------------------------------


def test_the_two_layer_net_reads_like_the_case_study() -> None:
    assert tg.derive(two_layer_net.loss, PARAMS, X, Y, 0.1) == TWO_LAYER


def test_the_two_layer_nets_source_is_right() -> None:
    f = compiled(TWO_LAYER)
    args = (PARAMS, X, Y, 0.1)
    assert_same(f(*args), tg.value_and_grad(two_layer_net.loss)(*args))
    by_hand = two_layer_net_analytic.loss_and_gradients(*args)
    assert_same(f(*args), by_hand, rtol=1e-12, atol=1e-12)


def test_no_more_than_25_statements() -> None:
    statements = [n for n in ast.walk(ast.parse(TWO_LAYER)) if isinstance(n, ast.stmt)]
    assert len(statements) <= 25


def test_a_backward_line_names_the_forward_line_that_it_differentiates() -> None:
    lines = TWO_LAYER.splitlines()
    found = re.findall(r"(\w+) \(line (\d+)\)", TWO_LAYER)
    assert len(found) == 11
    for name, number in found:
        assert lines[int(number) - 1].strip().startswith(f"{name} = ")


def test_arguments_that_would_give_a_wrong_number_are_refused() -> None:
    f = compiled(TWO_LAYER)
    for labels in ([-1, 1, 2, 2, 1], [0, 1, 2, 2, 3]):
        with pytest.raises(ValueError, match="labels y from 0 to 2"):
            f(PARAMS, X, np.array(labels), 0.1)
    with pytest.raises(ValueError, match="shapes"):
        f(PARAMS, X[:4], Y[:4], 0.1)
    with pytest.raises(ValueError, match="shapes"):
        f({**PARAMS, "b1": np.zeros((1, 10))}, X, Y, 0.1)


def test_large_scores_do_not_overflow() -> None:
    params = {**PARAMS, "W2": PARAMS["W2"] * 1e4}
    f = compiled(tg.derive(two_layer_net.loss, PARAMS, X, Y, 0.1))
    assert_same(f(params, X, Y, 0.0), tg.value_and_grad(two_layer_net.loss)(params, X, Y, 0.0))


# --- every rule, every model, random programs ----------------------------------------------------

TRACED = [case for case in CASES if case.function is not np.extract]


@pytest.mark.parametrize("case", TRACED, ids=str)
def test_the_source_of_every_function_gives_what_the_graph_gives(case: Any) -> None:
    graph = trace(case, *case.args)
    assert_same(compiled(graph.source())(*case.args), graph.run(*case.args))


@pytest.mark.parametrize("case", TRACED, ids=str)
def test_the_derived_source_of_every_function_gives_what_autodiff_gives(case: Any) -> None:
    def f(*args: Any) -> Any:
        return sum(np.sum(np.sin(1.3 * y) * y) for y in leaves(case(*args)))

    wrt = tuple(range(len(case.args)))
    derived = compiled(tg.derive(f, *case.args, wrt=wrt))
    expected = tg.value_and_grad(f, wrt)(*case.args)
    assert_same(derived(*case.args), expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("case", [c for c in TRACED if c.float32], ids=str)
def test_float32_stays_float32(case: Any) -> None:
    args = tuple(np.float32(a) for a in case.args)
    graph = trace(case, *args)
    for a, b in zip(leaves(compiled(graph.source())(*args)), leaves(graph.run(*args)), strict=True):
        assert a.dtype == b.dtype == np.float32


@pytest.mark.parametrize("model", [softmax_classifier, svm_classifier])
def test_the_linear_classifiers(model: Any) -> None:
    args = (LINEAR, X, Y, 0.1)
    derived = compiled(tg.derive(model.loss, *args))
    assert_same(derived(*args), tg.value_and_grad(model.loss)(*args))
    with pytest.raises(ValueError, match="labels y from 0 to 2"):
        derived(LINEAR, X, Y - 1, 0.1)


@pytest.mark.parametrize(
    "view",
    [np.flip, np.transpose, lambda x: np.reshape(x, (3, 2)), lambda x: x[::-1]],
)
def test_what_is_written_is_no_view_of_an_argument(view: Any) -> None:
    def f(x: Any) -> Any:
        y = +x  # a copy that is left out where the program is simplified
        view(y)[...] = y.reshape(view(y).shape)
        return y

    x = np.arange(6.0).reshape(2, 3)
    for version in (tg.trace(f, x), tg.trace(f, x).simplify()):
        given = x.copy()
        assert_same(compiled(version.source())(given), f(x))
        assert np.array_equal(given, x)


@settings(max_examples=150, deadline=None)
@given(PROGRAMS, starting_arrays())
def test_random_programs_with_changes_in_place(program: Any, arrays: Any) -> None:
    def f(*args: Any) -> Any:
        names = [+a for a in args]
        for each in program:
            step(names, *each)
        return names

    graph = _traced(f, arrays)
    for version in (graph, graph.simplify()):
        assert_same(compiled(version.source())(*arrays), graph.run(*arrays), rtol=1e-12, atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(PROGRAMS, starting_arrays())
def test_derived_random_programs(program: Any, arrays: Any) -> None:
    def f(*args: Any) -> Any:
        names = [+a for a in args]
        for each in program:
            step(names, *each)
        return sum(np.sum(np.sin(x)) for x in names)

    _traced(f, arrays)
    try:
        text = tg.derive(f, *arrays, wrt=(0, 1))
    except TraceError:  # a mask that depends on values, which a kept program may not have
        return
    expected = tg.value_and_grad(f, (0, 1))(*arrays)
    assert_same(compiled(text)(*arrays), expected, rtol=1e-9, atol=1e-9)


def _traced(f: Any, arrays: Any) -> Graph:
    """The graph of a random program, if NumPy can run it and no shape depends on a mask."""
    try:
        f(*arrays)
        return trace(f, *arrays)
    except (ValueError, TypeError, IndexError, AttributeError, ZeroDivisionError):
        assume(False)
        raise


# --- the look -------------------------------------------------------------------------------------


def test_the_source_is_formatted(tmp_path: Any) -> None:
    ruff = shutil.which("ruff")
    if ruff is None:
        pytest.skip("ruff is not installed")
    for i, case in enumerate(TRACED[::7]):
        (tmp_path / f"g{i}.py").write_text(trace(case, *case.args).source())
    (tmp_path / "two_layer.py").write_text(TWO_LAYER)
    (tmp_path / "many.py").write_text(trace(_many, [np.ones(3)] * 30, X).source())
    command = [ruff, "format", "--isolated", "--line-length", "100", "--diff", str(tmp_path)]
    assert subprocess.run(command, capture_output=True, check=False, text=True).stdout == ""


def _many(arrays: Any, x: Any) -> Any:
    joined = np.concatenate(arrays)
    return {"joined": joined, "an entry with a long name": [x, arrays, None], "end": (joined,)}


def test_the_same_program_gives_the_same_text() -> None:
    first, second = (tg.derive(two_layer_net.loss, PARAMS, X, Y, 0.1) for _ in range(2))
    assert first == second


def test_lines_are_no_longer_than_100_columns() -> None:
    def f(a: Any, b: Any) -> Any:
        return np.tanh(
            a * b + np.sin(a) * np.cos(b) - np.exp(-(a**2)) / (1 + b**2) + np.log(1 + a**2 + b**2)
        ) * np.sqrt(a * a + b * b + np.maximum(a, b) ** 2 + np.minimum(a, b) ** 4).sum(axis=0)

    text = trace(f, X, X).source()
    assert max(map(len, text.splitlines())) <= 100
    assert_same(compiled(text)(X, X + 1), f(X, X + 1))


def test_what_is_used_once_stands_in_the_users_own_line() -> None:
    def f(x: Any, w: Any) -> Any:
        h = np.tanh(x @ w + 1)
        y = h * h
        return y

    body = trace(f, X, X.T).source().split('shapes above")\n')[1]
    assert body == ("    h = np.tanh(x @ w + 1)  # (5, 5)\n    y = h * h  # (5, 5)\n    return y\n")


def test_changes_in_place_are_written_in_place() -> None:
    def f(h: Any, dout: Any) -> Any:
        dh = dout * 2
        dh[h <= 0] = 0
        dh += h
        return dh

    text = trace(f, X, X).source()
    assert "    dh[h <= 0] = 0  # (5, 4)\n    dh += h  # (5, 4)\n" in text
    assert_same(compiled(text)(X, X + 1), f(X, X + 1))


def test_a_variable_that_is_assigned_again_is_changed_in_place() -> None:
    def f(x: Any) -> Any:
        h = np.tanh(x)
        for _ in range(3):
            h += x
        return h

    text = trace(f, X).source()
    assert text.count("    h += x  # (5, 4)\n") == 3
    assert_same(compiled(text)(X), f(X))


def test_a_loss_without_a_name_is_the_value() -> None:
    def mse(w: Any, X: Any, t: Any) -> Any:
        return tg.mse_loss(np.tanh(X @ w), t)

    args = (X[0], X, X[:, 0])
    text = tg.derive(mse, *args)
    assert "    value = np.mean(" in text
    assert "    dw = X.T @ (" in text  # a vector, not a column that is made one again
    assert_same(compiled(text)(*args), tg.value_and_grad(mse)(*args))


def test_what_is_needed_later_is_copied_before_a_change_in_place() -> None:
    def f(x: Any) -> Any:
        a = np.exp(x)
        b = +a
        b[0] = 7
        b[1] += a[0]
        return a, b

    assert_same(compiled(trace(f, X).source())(X), f(X))


# --- structures, results, updates ----------------------------------------------------------------


def test_gradients_have_the_form_of_wrt() -> None:
    def f(a: Any, b: Any) -> Any:
        return np.sum(a["x"] * b[0]) + b[1] ** 2

    args = ({"x": X[0]}, [X[1], 3.0])
    assert_same(compiled(tg.derive(f, *args))(*args)[1], {"x": X[1]})
    assert_same(compiled(tg.derive(f, *args, wrt=1))(*args)[1], [X[0], np.float64(6.0)])
    both = compiled(tg.derive(f, *args, wrt=(1, 0)))(*args)[1]
    assert isinstance(both, tuple)
    assert_same(both, ([X[0], np.float64(6.0)], {"x": X[1]}))


@pytest.mark.parametrize(
    ("dtype", "factor", "written"),
    [
        (np.float64, 1, "dx = np.ones((2, 3))"),
        (np.float32, 1, "dx = np.ones((2, 3), dtype=np.float32)"),
        (np.float64, 3, "dx = np.full((2, 3), 3.0)"),
    ],
)
def test_a_gradient_that_is_the_same_everywhere(dtype: Any, factor: int, written: str) -> None:
    source = tg.derive(lambda x: factor * np.sum(x), np.zeros((2, 3), dtype))
    assert f"{written}  #" in source


def test_a_gradient_of_nothing_is_zeros_of_its_own() -> None:
    f = compiled(tg.derive(lambda a, b: np.sum(a), X, Y * 1.0, wrt=(0, 1)))
    _, (da, db) = f(X, Y * 1.0)
    np.testing.assert_array_equal(da, np.ones_like(X))
    np.testing.assert_array_equal(db, np.zeros(5))
    da += 1  # an array that can be written into
    assert f(X, Y * 1.0)[1][0][0, 0] == 1


def test_results_share_no_memory_with_arguments_or_with_one_another() -> None:
    held = np.arange(30.0)

    def f(x: Any) -> Any:
        return x, x, x.T, x[1:], held * 1, tg.Tensor(held), np.exp(x), np.exp(x).T

    g = compiled(trace(f, X).source())
    first, second = g(X), g(X)
    for i, a in enumerate(first):
        assert not np.shares_memory(a, X)
        assert not any(np.shares_memory(a, b) for b in (*first[:i], *second))
    assert_same(
        first, [np.asarray(v) for v in (X, X, X.T, X[1:], held, held, np.exp(X), np.exp(X).T)]
    )


def test_nested_results() -> None:
    Pair = namedtuple("Pair", "left right")

    def f(x: Any) -> Any:
        return {"a": [x + 1, (x + 2,), None], 3: Pair(x, {}), "b": ()}

    out = compiled(trace(f, X).source())(X)
    assert out["a"][2] is None
    assert out["b"] == ()
    assert list(out) == ["a", 3, "b"]
    np.testing.assert_array_equal(out["a"][1][0], X + 2)
    np.testing.assert_array_equal(out[3][0], X)


def test_python_numbers_stay_pythons() -> None:
    def f(x: Any, scale: Any, n: Any) -> Any:
        half = scale / 2
        return x * half, half * 3, n + 1, x + np.float64(0.5), -(scale**2)

    x = np.float32(X)
    graph = trace(f, x, 0.1, 3)
    out = compiled(graph.source())(x, 0.1, 3)
    assert_same(out, graph.run(x, 0.1, 3))
    assert [type(v) for v in out[1:3]] == [float, int]
    assert (out[0].dtype, out[3].dtype) == (np.float32, np.float64)


def test_updates_are_written_into_the_arguments() -> None:
    def training(params: Any, X: Any, y: Any, lr: Any) -> Any:
        loss, grads = tg.value_and_grad(two_layer_net.loss)(params, X, y, 0.1)
        for name in params:
            params[name] -= lr * grads[name]
        return loss

    graph = trace(training, PARAMS, X, Y, 0.1)
    for version in (graph, graph.simplify()):
        text = version.source()
        assert "    W1 -= lr * dW1  # (4, 10)\n" in text
        ours, reference = ({k: v.copy() for k, v in PARAMS.items()} for _ in range(2))
        assert_same(compiled(text)(ours, X, Y, 0.1), training(reference, X, Y, 0.1))
        assert_same(ours, reference)


def test_updates_that_read_one_another_see_the_old_values() -> None:
    def exchange(a: Any, b: Any, c: Any) -> Any:
        old, view = +a, c[:2]
        a[...] = b
        b -= old
        c *= 2
        return old, view

    def arrays() -> Any:
        return X.copy(), X + 5, np.arange(3.0)

    graph = trace(exchange, *arrays())
    for version in (graph, graph.simplify()):
        ours, reference = arrays(), arrays()
        out = compiled(version.source())(*ours)
        assert_same(ours, [reference[1].copy(), reference[1] - reference[0], reference[2] * 2])
        np.testing.assert_array_equal(out[0], reference[0])


def test_a_program_without_inputs() -> None:
    graph = trace(lambda: tg.Tensor(X) * 2)
    assert_same(compiled(graph.source())(), X * 2)
