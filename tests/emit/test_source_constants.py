"""Constants in derived source: exact, written once, under the user's name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_nn as tg
from tests.emit.generated import assert_same, compiled
from tinygrad_nn.datasets import toy
from tinygrad_nn.errors import TraceError
from tinygrad_nn.graph import trace

X, _ = toy()


@pytest.mark.parametrize(
    "held",
    [
        np.arange(5), np.arange(3, 8), np.arange(5.0), np.zeros((5, 1)), np.ones(5, np.float32),
        np.full((5, 4), 0.1), np.full((5, 4), np.float32(0.1)), np.eye(5)[:, :4], np.eye(4),
        np.linspace(0, 1, 20).reshape(5, 4), np.random.default_rng(0).random((5, 4)),
        np.random.default_rng(0).random((5, 5, 4)), np.tril(np.ones((5, 4))),
        np.triu(np.ones((30, 4, 4))[0], k=1), np.tril(np.ones((5, 4), bool)), np.arange(5)[:, None],
        np.array([[np.nan], [np.inf], [-np.inf], [-0.0], [5e-324]]),
        np.array([True, False, True, True]), np.float32([0.1, 0.2, 1e-30, 3.4e38]),
        np.float16([0.1, 1, 2, 3]),
        np.arange(80).reshape(20, 1, 4), np.array([2**62, -5, 1, 0]), np.uint8([255, 1, 2, 3]),
        np.longdouble(X) / 3, np.float64(1) / 3, np.float32(0.1), np.int8(3), True,
        np.ones((5, 4), order="F"), X[:, ::-1], np.zeros((0, 5, 4)),
    ],
    ids=str,
)  # fmt: skip
def test_constants_are_exact_to_the_bit(held: Any) -> None:
    graph = trace(lambda x: (x[0, 0] * held, np.where(x[0, 0] > 0, held, x[0, 0])), X)
    for a, b in zip(compiled(graph.source())(X), graph.run(X), strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(np.signbit(a), np.signbit(b))


def test_a_constant_and_an_argument_of_one_name_are_told_apart() -> None:
    held = np.random.default_rng(0).random((5, 4))

    def f(X: Any, W_: Any) -> Any:
        def inner(W: Any, X: Any = held) -> Any:
            return np.mean(np.tanh(X @ W) * 2.0)

        return inner(X) + np.sum(W_)

    text = tg.derive(f, np.ones((4, 2)), np.ones(2), wrt=(0, 1))
    assert "def f(X, W_):" in text
    assert "    X_2 = np.array(" in text
    expected = tg.value_and_grad(f, (0, 1))(np.ones((4, 2)), np.ones(2))
    assert_same(compiled(text)(np.ones((4, 2)), np.ones(2)), expected, rtol=1e-13)


def test_a_long_constant_is_written_once() -> None:
    held = np.random.default_rng(0).random((5, 4))
    text = trace(lambda x: x * held + np.exp(held - x), X).source()
    assert text.count(repr(float(held[0, 0]))) == 1


def test_a_constant_is_called_by_its_name_and_turned_where_it_is_needed() -> None:
    held = np.random.default_rng(0).random((5, 4))
    f = compiled(text := tg.derive(lambda W: np.mean((held @ W) ** 2), np.ones((4, 2))))
    assert text.count(repr(float(held[0, 0]))) == 1
    assert "held = np.array(" in text
    assert "dW = held.T @ " in text
    W = np.random.default_rng(1).random((4, 2))
    assert_same(f(W)[1], 2 * held.T @ held @ W / 10, rtol=1e-13)


@pytest.mark.parametrize("kind", [np.asarray, tg.Tensor])
def test_a_large_array_has_to_be_an_argument(kind: Any) -> None:
    held = kind(np.random.default_rng(0).random((50, 4)))
    with pytest.raises(TraceError) as error:
        tg.derive(lambda W: np.mean((held @ W) ** 2), np.ones((4, 2)))
    for part in ("held, an array of shape (50, 4)", "200 numbers", "pass it as an argument", "^^^"):
        assert part in str(error.value)


def test_a_large_array_that_a_call_makes_may_be_a_constant() -> None:
    def f(scores: Any) -> Any:
        causal = np.tril(np.ones((40, 40), bool))
        return np.sum(np.where(causal, scores, 0) ** 2)

    x = np.random.default_rng(0).random((40, 40))
    text = tg.derive(f, x)
    assert "    causal = np.tril(np.ones((40, 40), dtype=np.bool))" in text
    assert_same(compiled(text)(x), (np.sum(np.tril(x) ** 2), 2 * np.tril(x)))
