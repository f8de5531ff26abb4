"""A small number in the loss that the formula of its gradient leaves out is no mistake."""

import numpy as np
import pytest

import tinygrad_nn as tg

X = np.random.default_rng(0).normal(size=(6, 4))
Y = np.array([0, 1, 2, 2, 1, 0])
W = np.random.default_rng(1).normal(size=(4, 3))


def loss(params, X, y, safety, factor=1.0):
    scores = X @ params["W"]
    exp_scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    probs = exp_scores / exp_scores.sum(axis=1, keepdims=True)
    value = -np.mean(np.log(probs[np.arange(len(y)), y] + safety))
    dscores = probs.copy()
    dscores[np.arange(len(y)), y] -= 1
    return value, {"W": factor * X.T @ dscores / len(y)}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_safe_logarithm_is_none(dtype):
    report = tg.audit(loss, {"W": W.astype(dtype)}, X.astype(dtype), Y, 1e-8)
    assert report.ok
    assert report.culprit is None


def test_the_report_says_that_it_differs():
    (row,) = tg.audit(loss, {"W": W}, X, Y, 1e-8).rows
    assert row.ok
    assert 0 < row.relative < 1e-5
    assert "less than a millionth" in row.note


@pytest.mark.parametrize(("safety", "factor"), [(1e-3, 1.0), (0.0, 1 + 1e-5), (1e-8, 1 + 1e-5)])
def test_what_is_larger_is_told(safety, factor):
    assert not tg.audit(loss, {"W": W}, X, Y, safety, factor).ok
