"""The table of rewrites, line by line, and the spellings of the cross entropy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_nn as tg
from tests.graph.rewrite_cases import CASES, LABELS, ROWS, X, lines, shared
from tinygrad_nn.graph.rewrites import TABLE, Builder
from tinygrad_nn.rules import neural
from tinygrad_nn.tree import leaves


@pytest.mark.parametrize(
    ("before", "after", "args"), CASES, ids=[str(i) for i in range(len(CASES))]
)
def test_a_program_becomes_another(before: Any, after: Any, args: tuple[Any, ...]) -> None:
    graph = tg.trace(before, *args)
    simple = graph.simplify()
    assert lines(simple) == lines(shared(tg.trace(after, *args)))
    for e, f in zip(leaves(graph.run(*args)), leaves(simple.run(*args)), strict=True):
        np.testing.assert_allclose(f, e, rtol=1e-13, atol=1e-15)


def test_every_line_of_the_table_has_a_case(monkeypatch: pytest.MonkeyPatch) -> None:
    builders: list[Builder] = []
    original = Builder.__init__

    def remember(self: Builder, *args: Any) -> None:
        original(self, *args)
        builders.append(self)

    monkeypatch.setattr(Builder, "__init__", remember)
    for before, _, args in CASES:
        tg.trace(before, *args).simplify()
    for f in [*SPELLINGS, tg.hinge_loss]:
        for dtype in (np.float64, np.float32):
            tg.trace(f, X.astype(dtype), LABELS).gradient().simplify()
    applied = {id(r.replacement.__code__) for b in builders for r in b.applied if r is not None}
    missing = [
        f"{code.co_filename.rsplit('/', 1)[-1]}:{code.co_firstlineno}"
        for code in {
            id(r.replacement.__code__): r.replacement.__code__ for r in TABLE.rewrites
        }.values()
        if id(code) not in applied
    ]
    assert not missing


# --- the spellings of the cross entropy -----------------------------------------------------------


def by_log_softmax(scores: Any, y: Any) -> Any:
    return -np.mean(tg.log_softmax(scores)[np.arange(4), y])


def by_hand(scores: Any, y: Any) -> Any:
    shifted = scores - np.max(scores, axis=1, keepdims=True)
    log_probs = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    return -np.mean(log_probs[np.arange(4), y])


def by_probabilities(scores: Any, y: Any) -> Any:
    e = np.exp(scores - np.max(scores, axis=1, keepdims=True))
    probs = e / np.sum(e, axis=1, keepdims=True)
    correct_logprobs = -np.log(probs[range(4), y])
    return np.sum(correct_logprobs) / 4


def without_shift(scores: Any, y: Any) -> Any:
    e = np.exp(scores)
    return np.mean(-np.log((e / np.sum(e, axis=1, keepdims=True))[range(4), y]))


def log_of_softmax(scores: Any, y: Any) -> Any:
    return -np.sum(np.log(tg.softmax(scores))[np.arange(4), y]) / 4


def log_of_picked(scores: Any, y: Any) -> Any:
    return -np.sum(np.log(tg.softmax(scores)[np.arange(4), y])) / 4


def by_logsumexp(scores: Any, y: Any) -> Any:
    return np.mean(tg.logsumexp(scores) - scores[np.arange(4), y])


SPELLINGS = [
    tg.cross_entropy,
    by_log_softmax,
    by_hand,
    by_probabilities,
    without_shift,
    log_of_softmax,
    log_of_picked,
    by_logsumexp,
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", SPELLINGS)
def test_the_derivative_of_every_spelling_is_p_minus_onehot(loss: Any, dtype: Any) -> None:
    scores = X.astype(dtype)
    graph = tg.trace(loss, scores, LABELS).gradient()
    functions = [n.function for n in graph.simplify().nodes]
    names = [f.__name__ for f in functions if f is not neural.cross_entropy]
    assert functions.count(neural.cross_entropy) == 1
    assert names == ["softmax", "getitem", "subtract", "setitem", "divide"]
    p = np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)
    value, slope = graph.simplify().run(scores, LABELS)
    np.testing.assert_allclose(value, -np.log(p[ROWS, LABELS]).mean(), rtol=1e-5)
    p[ROWS, LABELS] -= 1
    np.testing.assert_allclose(slope, p / 4, rtol=1e-4, atol=1e-7)
    assert slope.dtype == dtype
