"""Memory is freed at once, by reference counting alone, and no depth is too deep."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_nn as tg

DEEP = 300_000
X = np.array([1.0, 2.0, 3.0])


@pytest.fixture(autouse=True)
def _reference_counting_only() -> Iterator[None]:
    """With the collector off, and without a cycle left behind."""
    while gc.collect():  # what earlier tests have left; finalizers may leave more
        pass
    gc.disable()
    try:
        yield
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_chain_of_many_operations_runs_forward_and_backward_and_is_freed() -> None:
    x = tg.Parameter(1.0)
    h = x
    for _ in range(DEEP):
        h = h * 1.0
    first = weakref.ref(h)
    h.backward()
    assert x.grad == 1.0
    del h
    assert first() is None


@pytest.mark.parametrize(
    "deepen",
    [
        lambda h: h.T,
        lambda h: h[...],
        lambda h: np.tanh(h.reshape(2, 2)),
        lambda h: h.__iadd__(1.0),
        lambda h: h.__setitem__((0, 0), h[1, 1] * 1.0) or h,
        lambda h: h[0].__imul__(1.0) is None or h,
    ],
)
def test_a_chain_of_any_kind_is_walked_and_freed(deepen: Callable[[Any], Any]) -> None:
    x = tg.Parameter(np.ones((2, 2)))
    h = x * 1.0
    for _ in range(5_000):
        h = deepen(h)
    h.sum().backward()
    assert np.isfinite(x.grad).all()


def test_a_write_through_many_views_reaches_the_root() -> None:
    x = tg.Tensor(np.ones((2, 3)))
    view = x
    for _ in range(5_000):
        view = view.T
    view[0, 1] = 5.0
    assert x.data[0, 1] == 5.0


def test_deep_functions_are_differentiated_twice_and_traced() -> None:
    def deep(x: Any) -> Any:
        for _ in range(3_000):
            x = x * 1.0
        return x * x

    assert tg.grad(tg.grad(deep))(3.0) == 2.0
    graph = tg.trace(deep, np.float64(3.0))
    assert len(graph.nodes) == 3_001
    assert graph.run(np.float64(2.0)) == 4.0


def test_the_value_of_an_operation_dies_with_the_last_name_that_needs_it() -> None:
    x = tg.Parameter(np.ones(100))
    h = np.exp(x)  # its derivative reads its value
    value, node = weakref.ref(h.data.base), h
    loss = h.sum()
    del h, node
    assert value() is not None
    del loss
    assert value() is None


def test_a_value_that_no_derivative_reads_dies_before_the_backward_pass() -> None:
    x = tg.Parameter(np.ones(100_000))
    h = x + 1.0
    value = weakref.ref(h.data.base)
    loss = h.sum()
    del h
    assert value() is None
    loss.backward()
    assert (x.grad == 1).all()


def test_a_parameter_dies_although_graphs_of_it_live_on() -> None:
    p = tg.Parameter(X)
    loss = (p * p).sum()
    handle = weakref.ref(p)
    del p
    assert handle() is None
    loss.backward()  # a gradient that nobody asks for any more


def test_training_leaves_no_cycles() -> None:
    rng = np.random.default_rng(0)
    data, labels = rng.normal(size=(8, 4)), np.arange(8) % 3
    W, b = tg.Parameter(rng.normal(size=(4, 3))), tg.Parameter(np.zeros(3))
    for _ in range(5):
        scores = data @ W + b
        scores[scores < -5] = -5.0
        view = scores[:2]
        view *= 0.5
        loss = tg.cross_entropy(scores, labels) + 0.01 * (W * W).sum()
        loss.backward()
        with tg.no_grad():
            for p in (W, b):
                p -= 0.1 * p.grad
                p.grad = None


def test_transforms_and_traces_leave_no_cycles() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.tanh(x) * x)

    tg.value_and_grad(f)(X)
    tg.hessian(f)(X)
    tg.hvp(f, X, X)
    graph = tg.trace(f, X)
    graph.run(X)
    str(graph)
    graph.cotangents()
    tg.trace(tg.grad(f), X)


def test_errors_leave_no_cycles() -> None:
    W = tg.Parameter(np.ones((4, 3)))
    for wrong in (lambda: X[:2] @ W, lambda: W[9], lambda: np.asarray(W), lambda: np.fft.fft(W)):
        with pytest.raises(tg.TinygradError):
            wrong()
