"""Compiled functions do what the function does: values, types, structures, changes in place."""

from __future__ import annotations

import copy
import threading
import weakref
from collections import namedtuple
from typing import Any

import numpy as np
import pytest

import tinygrad_nn as tg
from models import softmax_classifier, svm_classifier, two_layer_net, two_layer_net_analytic
from tinygrad_nn import compiler
from tinygrad_nn.datasets import toy, toy_parameters
from tinygrad_nn.errors import DataError, InPlaceError, LabelError, TraceError

BACKENDS = ["numpy"]
try:
    import numba  # noqa: F401

    BACKENDS.append("numba")
except ImportError:
    pass

backends = pytest.mark.parametrize("backend", BACKENDS)
TOY = toy()
STATE = np.random.RandomState(0)


def step(params: Any, X: Any, y: Any, reg: float, rate: float) -> Any:
    loss, gradients = tg.value_and_grad(two_layer_net.loss)(params, X, y, reg)
    for name, parameter in params.items():
        parameter -= rate * gradients[name]
    return loss


def analytic_step(params: Any, X: Any, y: Any, reg: float, rate: float) -> Any:
    loss, gradients = two_layer_net_analytic.loss_and_gradients(params, X, y, reg)
    for name, parameter in params.items():
        parameter -= rate * gradients[name]
    return loss


@backends
def test_a_training_step_compiled_trains_as_the_formulas_do(backend: str) -> None:
    ours, theirs = toy_parameters(), toy_parameters()
    run = tg.compile(step, backend=backend)
    rate = 0.1
    for _ in range(50):
        loss = run(ours, *TOY, 1e-3, rate)
        np.testing.assert_allclose(loss, analytic_step(theirs, *TOY, 1e-3, rate), rtol=1e-11)
        rate *= 0.95
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-10, atol=1e-13)
    assert "1 programs" in repr(run)  # the shrinking rate did not compile it again


@backends
@pytest.mark.parametrize("model", [softmax_classifier, svm_classifier, two_layer_net])
def test_the_models_and_their_gradients(model: Any, backend: str) -> None:
    state = np.random.RandomState(0)
    params = toy_parameters()
    if model is not two_layer_net:
        params = {"W": state.randn(4, 3), "b": state.randn(3)}
    for dtype in (np.float64, np.float32):
        p = {name: value.astype(dtype) for name, value in params.items()}
        X = TOY[0].astype(dtype)
        f = tg.value_and_grad(model.loss)
        run = tg.compile(f, backend=backend)
        for scale in (1, 2):
            value, gradients = run(p, X * dtype(scale), TOY[1], 0.1)
            expected, eager = f(p, X * dtype(scale), TOY[1], 0.1)
            assert value.dtype == expected.dtype == dtype
            np.testing.assert_allclose(value, expected, rtol=1e-5 if dtype == np.float32 else 1e-12)
            for name, g in gradients.items():
                assert g.dtype == dtype
                tolerance = 2e-5 if dtype == np.float32 else 1e-12
                np.testing.assert_allclose(g, eager[name], rtol=tolerance, atol=tolerance / 10)


@backends
def test_every_shape_and_dtype_has_its_program(backend: str) -> None:
    run = tg.compile(lambda x: np.sum(x * 2.0), backend=backend)
    for x in (np.ones(3), np.ones((2, 2)), np.ones(3, np.float32), np.arange(4), np.ones(3)):
        result = run(x)
        assert result == np.sum(x * 2.0)
        assert result.dtype == np.sum(x * 2.0).dtype
    assert "4 programs" in repr(run)


def test_kept_programs_are_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(compiler, "KEPT", 3)
    run = tg.compile(lambda x: x * 2)
    for n in (1, 2, 3, 4, 5, 1):
        np.testing.assert_array_equal(run(np.ones(n)), np.full(n, 2.0))
    assert "3 programs" in repr(run)


Pair = namedtuple("Pair", "a b")


def test_structures_go_in_and_come_out() -> None:
    @tg.compile
    def f(p: Any, q: Any, flag: Any = None) -> Any:
        return {1: [p["a"] + q.b], "x'\"": (q.a, None), "pair": Pair(p["a"] * 1, {})}

    p, q = {"a": np.ones(2)}, Pair(np.zeros(3), np.full(2, 5.0))
    for _ in range(2):
        out = f(p, q)
        assert list(out) == [1, "x'\"", "pair"]
        np.testing.assert_array_equal(out[1][0], [6, 6])
        np.testing.assert_array_equal(out["x'\""][0], q.a)
        assert out["x'\""][1] is None
        assert out["x'\""][0] is not q.a
        assert isinstance(out["pair"], Pair)


def test_a_dicts_keys_may_come_in_another_order() -> None:
    run = tg.compile(lambda p: p["a"] - p["b"])
    np.testing.assert_array_equal(run({"a": np.ones(2), "b": np.zeros(2)}), [1, 1])
    np.testing.assert_array_equal(run({"b": np.zeros(2), "a": np.ones(2)}), [1, 1])


def test_results_are_nobody_elses() -> None:
    run = tg.compile(lambda x: (x, x * 2, x.T, x.reshape(-1)))
    x = np.ones((2, 3))
    first = run(x)
    kept = [a.copy() for a in first]
    second = run(5 * x)
    for a, b in zip(first, kept, strict=True):
        np.testing.assert_array_equal(a, b)
    arrays = [x, *first, *second]
    for i, a in enumerate(arrays):
        for b in arrays[i + 1 :]:
            assert not np.shares_memory(a, b)


@backends
def test_a_donated_array_comes_back(backend: str) -> None:
    @tg.compile(backend=backend, donate_argnums=(0,))
    def update(params: Any, gradients: Any, rate: float) -> Any:
        return {name: p - rate * gradients[name] for name, p in params.items()}

    params = {"b": np.ones(3), "a": np.full(3, 2.0)}
    given = dict(params)
    gradients = {"a": np.ones(3), "b": np.full(3, 4.0)}
    new = update(params, gradients, 0.5)
    for name in params:
        assert new[name] is given[name]
    np.testing.assert_array_equal(new["a"], [1.5] * 3)
    np.testing.assert_array_equal(new["b"], [-1.0] * 3)


@backends
def test_arrays_that_change_places_in_place(backend: str) -> None:
    def swap(a: Any, b: Any) -> None:
        old = a * 1.0
        a[...] = b
        b[...] = old

    a, b = np.arange(3.0), np.arange(3.0) + 10
    run = tg.compile(swap, backend=backend)
    assert run(a, b) is None
    np.testing.assert_array_equal(a, [10, 11, 12])
    np.testing.assert_array_equal(b, [0, 1, 2])


@pytest.mark.parametrize("make", [lambda x: x, lambda x: x[:], lambda x: x[::-1], lambda x: x.T])
def test_arguments_that_overlap_mean_what_they_mean_in_numpy(make: Any) -> None:
    def f(w: Any, x: Any) -> Any:
        w -= 0.5 * w
        return np.sum(w * x)

    run = tg.compile(f)
    for _ in range(2):
        w, v = np.arange(4.0), np.arange(4.0)
        assert run(w, make(w)) == f(v, make(v))
        np.testing.assert_array_equal(w, v)


def test_what_is_read_only_is_not_written() -> None:
    @tg.compile
    def f(w: Any) -> None:
        w *= 2.0

    w = np.ones(3)
    w.flags.writeable = False
    with pytest.raises(InPlaceError, match="w is read-only, and f writes into it"):
        f(w)
    np.testing.assert_array_equal(w, [1, 1, 1])


def test_python_numbers_are_inputs_and_shapes_are_not(monkeypatch: Any) -> None:
    calls = []
    trace = compiler.trace_for_good
    monkeypatch.setattr(compiler, "trace_for_good", lambda *a: calls.append(1) or trace(*a))

    @tg.compile
    def f(x: Any, scale: float, n: int) -> Any:
        return scale * x.reshape(n, -1)

    x = np.ones(6)
    assert f(x, 2.0, 2).shape == (2, 3)
    assert f(x, 3.0, 2)[0, 0] == 3.0
    traced = len(calls)
    assert f(x, 4.0, 3).shape == (3, 2)
    assert len(calls) > traced
    traced = len(calls)
    assert f(x, 5.0, 2)[0, 0] == 5.0
    assert f(x, 5.0, 3).shape == (3, 2)
    assert len(calls) == traced
    with pytest.raises(TraceError, match="needs the value of"):
        tg.compile(lambda x, s: x if s > 0 else -x)(x, 1.0)


def test_float32_stays_float32() -> None:
    run = tg.compile(lambda x, a, n: a * x / n + 1.0)
    out = run(np.ones(3, np.float32), 0.5, 2)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, np.full(3, 1.25))


def test_keywords_and_defaults_take_their_places() -> None:
    @tg.compile
    def f(x: Any, scale: float = 2.0, mode: str = "a") -> Any:
        return x * scale + (1 if mode == "a" else 0)

    x = np.ones(2)
    np.testing.assert_array_equal(f(x), [3, 3])
    np.testing.assert_array_equal(f(x, mode="b"), [2, 2])
    np.testing.assert_array_equal(f(scale=3.0, x=x), [4, 4])
    np.testing.assert_array_equal(f(x, 3.0), [4, 4])
    np.testing.assert_array_equal(f(x), [3, 3])  # fewer arguments than in the call before
    with pytest.raises(TypeError, match="unexpected"):
        f(x, other=1)
    with pytest.raises(TypeError):
        f()
    with pytest.raises(DataError, match="by position"):
        tg.compile(lambda x, *, scale: x * scale)(x, scale=2.0)


def test_a_compiled_function_can_be_differentiated_and_traced() -> None:
    f = tg.compile(lambda x: np.sum(x * x))
    x = np.array([1.0, 2.0])
    f(x)
    np.testing.assert_array_equal(tg.grad(f)(x), [2, 4])
    assert "np.multiply" in str(tg.trace(f, x))


def test_untracked_tensors_are_arrays() -> None:
    f = tg.compile(lambda x: x * 2)
    np.testing.assert_array_equal(f(tg.Tensor([1.0, 2.0])), [2, 4])


@pytest.mark.parametrize(
    ("make", "args", "error", "message"),
    [
        (
            lambda: tg.compile(lambda x: x, backend="cuda"),
            None,
            DataError,
            "numpy, numba, not 'cuda'",
        ),
        (lambda: tg.compile(3), None, DataError, "compile takes a function, not int"),
        (lambda: tg.compile(np.sum, donate_argnums=1.0), None, DataError, "place of an argument"),
        (lambda: tg.compile(np.sum, donate_argnums="x"), None, DataError, "not 'x'"),
        (lambda: tg.compile(lambda x: x * 2, donate_argnums=1), (np.ones(2),), DataError, "1 arg"),
        (
            lambda: tg.compile(lambda x: x if x.sum() > 0 else -x),
            (np.ones(2),),
            TraceError,
            "np.where",
        ),
        (lambda: tg.compile(lambda x: x * STATE.rand()), (np.ones(2),), TraceError, "random"),
        (lambda: tg.compile(lambda o, x: x), (object(), np.ones(2)), TraceError, "not object"),
        (lambda: tg.compile(lambda x: "a"), (np.ones(2),), TraceError, "real numbers"),
    ],
)
def test_wrong_uses_are_refused(make: Any, args: Any, error: Any, message: str) -> None:
    def use() -> None:
        make()(*args)

    with pytest.raises(error, match=message):
        use()


def test_a_method_with_state_is_refused() -> None:
    class Net:
        scale = 2.0

        @tg.compile
        def forward(self: Any, x: Any) -> Any:
            return x * self.scale

        def backward(self, x: Any) -> Any:
            return x

    with pytest.raises(TraceError, match="forward is a method"):
        Net().forward(np.ones(2))
    with pytest.raises(TraceError, match="backward is a method"):
        tg.compile(Net().backward)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_compiled_function_can_be_copied(copied: Any) -> None:
    f = tg.compile(lambda x: x + 1, donate_argnums=np.int64(0))
    x = np.ones(2)
    assert f(x) is x
    again = copied(f)
    assert again(x) is x
    np.testing.assert_array_equal(x, [3, 3])


def test_the_source_is_there_after_the_first_call() -> None:
    f = tg.compile(lambda x: np.exp(x) * 2)
    with pytest.raises(DataError, match="before the first call"):
        f.source  # noqa: B018
    f(np.ones(2))
    assert "exp" in f.source
    compile(f.source, "source", "exec")


@backends
def test_wrong_labels_are_refused_in_every_call(backend: str) -> None:
    run = tg.compile(two_layer_net.loss, backend=backend)
    params = toy_parameters()
    X, y = TOY
    run(params, X, y, 0.1)
    for bad in (-1, 3, 10**6):
        wrong = y.copy()
        wrong[2] = bad
        with pytest.raises(LabelError, match=rf"labels must be in 0..2 .* y\[2\] is {bad}"):
            run(params, X, wrong, 0.1)
    np.testing.assert_allclose(run(params, X, y, 0.1), two_layer_net.loss(params, X, y, 0.1))


@backends
def test_threads_do_not_disturb_one_another(backend: str) -> None:
    run = tg.compile(lambda x: np.sum(np.exp(np.tanh(x @ x.T)), axis=0), backend=backend)
    inputs = [np.random.RandomState(i).randn(30, 30) for i in range(4)]
    expected = [np.sum(np.exp(np.tanh(x @ x.T)), axis=0) for x in inputs]
    wrong = []

    def work(x: Any, result: Any) -> None:
        for _ in range(200):
            if not np.allclose(run(x), result, rtol=1e-12):
                wrong.append(1)

    threads = [
        threading.Thread(target=work, args=pair) for pair in zip(inputs, expected, strict=True)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_an_error_in_a_call_leaves_the_function_usable() -> None:
    f = tg.compile(lambda x: np.linalg.inv(x))
    f(np.eye(2))
    with pytest.raises(np.linalg.LinAlgError):
        f(np.zeros((2, 2)))
    np.testing.assert_array_equal(f(2 * np.eye(2)), 0.5 * np.eye(2))


@backends
def test_the_arrays_of_a_call_are_not_kept(backend: str) -> None:
    f = tg.compile(lambda x: np.exp(x * 2), backend=backend)
    x = np.ones(1000)
    alive = weakref.ref(x)
    f(x)
    del x
    assert alive() is None


@backends
@pytest.mark.parametrize("loss", [tg.cross_entropy, tg.hinge_loss])
def test_labels_are_checked_also_where_only_the_gradient_is_left(loss: Any, backend: str) -> None:
    run = tg.compile(tg.grad(loss), backend=backend)
    scores = np.random.RandomState(0).randn(4, 3)
    y = np.array([0, 1, 2, 1])
    np.testing.assert_allclose(run(scores, y), tg.grad(loss)(scores, y), rtol=1e-12)
    for bad in (-1, 3):
        with pytest.raises(LabelError):
            run(scores, np.array([0, 1, bad, 1]))


@pytest.mark.parametrize("orders", ["CFC", "FCF"])
def test_the_memory_order_of_a_call_decides_about_views(orders: Any) -> None:
    def f(W: Any) -> Any:
        v = W.reshape(-1)
        v += 1
        return np.sum(W)

    run = tg.compile(f)
    for order in orders:
        a, b = np.zeros((2, 3), order=order), np.zeros((2, 3), order=order)
        assert run(a) == f(b)
        np.testing.assert_array_equal(a, b)
    strided, again = np.zeros((4, 6))[::2, ::2], np.zeros((4, 6))[::2, ::2]
    assert run(strided) == f(again)


def test_a_loop_over_a_dict_goes_by_its_order() -> None:
    def f(d: Any) -> Any:
        total = 0.0
        for key in d:
            total = total * 2 + np.sum(d[key])
        return total

    run, p, q = tg.compile(f), np.ones(2), np.full(2, 5.0)
    for d in ({"a": p, "b": q}, {"b": q, "a": p}, {"a": p, "b": q}):
        assert run(d) == f(d)


@backends
def test_nothing_is_written_when_computed_labels_are_wrong(backend: str) -> None:
    def f(W: Any, X: Any, y: Any) -> Any:
        loss, gradient = tg.value_and_grad(lambda W: tg.cross_entropy(X @ W, y - 1))(W)
        W -= gradient
        return loss

    run = tg.compile(f, backend=backend)
    W, V, X = np.zeros((2, 3)), np.zeros((2, 3)), np.ones((2, 2))
    assert run(W, X, np.array([1, 2])) == f(V, X, np.array([1, 2]))
    np.testing.assert_allclose(W, V, rtol=1e-14)
    with pytest.raises(LabelError):
        run(W, X, np.array([0, 2]))
    np.testing.assert_allclose(W, V, rtol=1e-14)


def test_arrays_that_compute_otherwise_are_refused() -> None:
    masked = np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0])
    with pytest.raises(DataError, match="MaskedArray computes otherwise"):
        tg.compile(lambda x: np.sum(x))(masked)


def test_an_integer_of_numpy_may_decide_about_a_loop() -> None:
    def f(x: Any, n: Any) -> Any:
        for _ in range(n):
            x = x * 2
        return x

    run = tg.compile(f)
    for n in (np.int64(3), np.int64(2), 3):
        np.testing.assert_array_equal(run(np.ones(2), n), f(np.ones(2), n))
