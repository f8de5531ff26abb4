"""What a trace would freeze is refused; what it can follow is not."""

from __future__ import annotations

import copy
import itertools
import pickle
import random
from typing import Any

import numpy as np
import pytest

import tinygrad_nn as tg
from tinygrad_nn.errors import InPlaceError, ShapeError, TraceError
from tinygrad_nn.graph.frozen import trace_for_good

X = np.arange(6.0).reshape(2, 3) + 0.5


def branch(x: Any) -> Any:
    return x if x.sum() > 0 else -x


def caught(x: Any) -> Any:
    try:
        return x * float(x.sum())
    except TraceError:
        return x


@pytest.mark.parametrize(
    "f",
    [
        branch,
        lambda x: x * float(x.sum()),
        lambda x: x * int(x.sum()),
        lambda x: x * x.sum().item(),
        lambda x: x * x.tolist()[0][0],
        lambda x: x if 2.5 in x else -x,
        lambda x: x * np.asarray(x > 1),
        lambda x: x * np.asarray(x.detach()),
        lambda x: x * np.array([x[0, 0].detach()]),
        lambda x: x[: np.argmax(x[0])],
        lambda x: sum(x for _ in range(np.argmax(x[0]))),
        lambda x: x and 1.0,
        lambda x: x if np.allclose(x, 1) else -x,
        lambda x: x if np.array_equal(x, X) else -x,
        lambda x: x * x.data.max(),
        lambda x: x[np.nonzero(x > 1)],
        lambda x: x[tuple(np.argwhere(x > 1)[0])],
        lambda x: x * np.median(x.detach().data),
        lambda x: x * max(x[0].detach()),
        lambda x: f"{x.sum():.3f}" and x,
        lambda x: x * tg.Tensor(x),
        lambda x: x * pickle.loads(pickle.dumps(x)),
        lambda x: np.zeros(X.shape).__setitem__(0, x[0]),
        lambda x: np.eye(6)[x[0].astype(int)],
        lambda x: np.delete(x, np.argmax(x)),
        lambda x: np.bincount(x[0].astype(int)),
        caught,
    ],
)
def test_a_value_that_python_asks_for_is_refused(f: Any) -> None:
    with pytest.raises(TraceError, match="the next run may have another value"):
        tg.trace(f, X)


def test_the_message_names_the_purpose_and_the_line() -> None:
    with pytest.raises(TraceError) as caught:
        tg.trace(branch, X)
    message = str(caught.value)
    assert "bool(), `if` or `and` needs the value of `x.sum() > 0`" in message
    assert "return x if x.sum() > 0 else -x" in message
    assert "np.where" in message


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (lambda x, n: np.sum(x.reshape(n, -1), axis=0), (X, 3)),
        (lambda x, n: sum((x * i for i in range(n)), 0 * x), (X, 3)),
        (lambda x, n: x * (2.0 if n else 1.0), (X, 3)),
        (lambda x, n: np.sum(x, axis=n), (X, 1)),
        (lambda x, n: x[:n], (X, 1)),
    ],
)
def test_an_integer_that_decides_about_a_shape_or_a_loop_is_a_constant(f: Any, args: Any) -> None:
    graph = tg.trace(f, *args)
    np.testing.assert_array_equal(graph.run(*args), f(*args))
    assert len(graph.inputs) == 1
    with pytest.raises(tg.TinygradError, match="a constant of the program"):
        graph.run(X, args[1] + 1)


def test_other_numbers_are_inputs_and_take_on_the_dtype_they_meet() -> None:
    def f(x: Any, a: float, n: int) -> Any:
        return x * (0.5 * a) / n + a

    x = X.astype(np.float32)
    graph = tg.trace(f, x, 3.0, 2)
    assert graph.outputs[0].value.dtype == np.float32
    again = graph.run(x, 5.0, 4)
    assert again.dtype == np.float32
    np.testing.assert_array_equal(again, f(x, 5.0, 4))
    total = tg.trace(lambda x, a, n: np.sum(f(x, a, n)), x, 3.0, 2)
    value, gradient = total.gradient(1).run(x, 5.0, 4)
    np.testing.assert_allclose(gradient, np.sum(x.astype(float) * 0.5 / 4 + 1), rtol=1e-6)
    assert value.dtype == np.float32


STATE = np.random.RandomState(0)
COUNTER = itertools.count()
RNG = np.random.default_rng(0)
PYTHONS = random.Random(0)
SEEN: list[int] = []
STEPS = {"t": 0}


def counted(x: Any) -> Any:
    STEPS["t"] += 1
    return x * (0.1 if STEPS["t"] <= 10 else 0.01)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x * (0.5 if RNG.random() < 2 else 1.0),  # the same constant both times
        lambda x: np.sum(x) if PYTHONS.random() < 2 else np.sum(x * x),
        lambda x: x * 0.0 * random.random() if random.random() < -1 else x,
        lambda x: counted(x),
        lambda x: SEEN.append(1) or x * 2,
        lambda x: x * STATE.rand(2, 3),
        lambda x: x * (np.random.rand(*x.shape) < 0.5),  # noqa: NPY002
        lambda x: np.where(STATE.rand(2, 3) < 0.5, x, 0),
        lambda x: x * next(COUNTER),
        lambda x: (x, STATE.rand()),
        lambda x: x if next(COUNTER) % 2 else np.exp(x),
    ],
)
def test_what_is_not_the_same_twice_is_refused(f: Any) -> None:
    with pytest.raises(TraceError, match="runs again"):
        trace_for_good(f, X)


def test_a_parameter_from_around_the_function_is_refused() -> None:
    W = tg.Parameter(np.ones((3, 1)), name="W")
    with pytest.raises(TraceError, match="uses W, which carries a gradient"):
        trace_for_good(lambda x: x @ W, X)


def test_a_mask_that_picks_is_refused_and_one_that_writes_is_not() -> None:
    with pytest.raises(TraceError, match="depends on the values of a mask"):
        trace_for_good(lambda x: x[x > 1], X)

    def f(x: Any) -> Any:
        y = x * 1
        y[x > 1] = 0
        return y

    np.testing.assert_array_equal(trace_for_good(f, X).run(-X), f(-X))


def test_a_parameter_cannot_be_updated_in_a_trace() -> None:
    W = tg.Parameter(np.ones((3, 1)), name="W")

    def step(x: Any) -> Any:
        loss = (x @ W).sum()
        with tg.no_grad():
            W.data = np.zeros((3, 1))
        return loss

    with pytest.raises(TraceError, match="W is changed while a program is traced"):
        tg.trace(step, X)


def test_replacing_an_array_in_a_dict_is_refused() -> None:
    def step(params: Any) -> Any:
        params["W"] = params["W"] * 0.5
        return params["W"].sum()

    with pytest.raises(TraceError, match="return the new value, or write in place"):
        tg.trace(step, {"W": X})


def test_a_detached_value_is_followed_but_not_differentiated() -> None:
    def f(x: Any) -> Any:
        return np.sum(x * x.detach())

    value, gradient = tg.trace(f, X).gradient().run(2 * X)
    np.testing.assert_array_equal(value, np.sum(4 * X * X))
    np.testing.assert_array_equal(gradient, 2 * X)


def add_in_place(x: Any) -> Any:
    total = np.zeros(X.shape)
    total += x
    return total


def add_to_a_row(x: Any) -> Any:
    total = np.zeros(X.shape)
    total[0] += x[0]
    return total


def out(x: Any) -> Any:
    total = np.zeros(X.shape)
    np.exp(x, out=total)
    return total


@pytest.mark.parametrize("f", [add_in_place, add_to_a_row, out])
def test_a_plain_array_would_keep_what_is_written_into_it(f: Any) -> None:
    with pytest.raises(InPlaceError, match="is traced, and out= is a plain array"):
        tg.trace(f, X)
    constant = tg.trace(lambda x: x * f(np.ones(X.shape)), X)  # nothing here is traced
    assert np.array_equal(constant.run(2 * X), 2 * X * f(np.ones(X.shape)))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_of_an_argument_is_part_of_the_program(copied: Any) -> None:
    graph = tg.trace(lambda x, n: np.sum(copied(x) ** 2) * copied(n), X, 3.0)
    assert graph.run(2 * X, 5.0) == pytest.approx(20 * np.sum(X * X), rel=1e-15)
    assert np.allclose(graph.gradient().run(X, 3.0)[1], 6 * X, rtol=1e-15)


def test_a_number_that_chooses_from_a_dict_is_compiled_in() -> None:
    @tg.compile
    def f(params: Any, n: int) -> Any:
        return np.sum(params[f"W{n}"]) * {1: 10.0, 2: 100.0}[n] + (n in {2, 3})

    params = {"W1": X, "W2": 2 * X}
    for n, expected in ((1, 10 * X.sum()), (2, 200 * X.sum() + 1), (1, 10 * X.sum())):
        assert f(params, n) == pytest.approx(expected, rel=1e-15)
    with pytest.raises(TraceError, match="a look into a dict or set needs the value"):
        tg.trace(lambda x, rate: x * (2 if rate in {0.1} else 1), X, 0.1)


def test_another_count_of_picked_entries_is_refused() -> None:
    graph = tg.trace(lambda x, mask: np.mean(x[mask]), X, X > 1)
    assert graph.run(2 * X, X < 5) == pytest.approx(2 * X[X < 5].mean(), rel=1e-15)
    with pytest.raises(ShapeError, match="depends on values") as error:
        graph.run(X, X > 3)
    assert "np.mean(x[mask])" in str(error.value)


def test_a_derivative_at_what_the_function_makes_is_part_of_the_program() -> None:
    def fit(x: Any, y: Any, rate: float) -> Any:
        w = np.zeros(3)
        for _ in range(3):
            w = w - rate * tg.grad(lambda w: np.mean((x @ w - y) ** 2))(w)
        return w

    y = np.array([1.0, 2.0])
    fast = tg.compile(fit)
    for x, rate in ((X, 0.01), (2 * X, 0.02)):
        assert np.allclose(fast(x, y, rate), fit(x, y, rate), rtol=1e-14)


def test_a_tensor_from_around_is_not_changed() -> None:
    running = tg.Tensor(np.zeros(3))

    def f(x: Any) -> Any:
        running[...] = x.mean(axis=0)
        return np.sum(x)

    with pytest.raises(TraceError, match="running is changed while a program is traced") as caught:
        tg.trace(f, X)
    assert "running[...] = x.mean(axis=0)" in str(caught.value)
    assert not np.any(running.data)
