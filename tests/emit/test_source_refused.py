"""What derive and Graph.source refuse, and what the code that they write does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_nn as tg
from tests.emit.generated import assert_same, compiled
from tests.rules import elementwise_cases, linalg_cases, reduction_cases, shape_cases  # noqa: F401
from tinygrad_nn.datasets import toy
from tinygrad_nn.errors import DtypeError, ShapeError, TraceError
from tinygrad_nn.graph import trace

X, Y = toy()


def test_constants_among_the_arguments_are_held_to_their_value() -> None:
    def f(x: Any, n: int, kind: str, flag: bool, nothing: None) -> Any:
        for _ in range(n):
            x = np.sin(x) if kind == "sin" else x
        return np.sum(x)

    derived = compiled(tg.derive(f, X, 2, "sin", True, None))
    assert_same(derived(X, 2, "sin", True, None), tg.value_and_grad(f)(X, 2, "sin", True, None))
    for args in ((3, "sin", True, None), (2, "cos", True, None), (2, "sin", False, None)):
        with pytest.raises(ValueError, match="written for"):
            derived(X, *args)
    with pytest.raises(ValueError, match="written for"):
        derived(X, 2, "sin", True, 1)


def test_a_constant_that_cannot_be_compared_with_is_refused() -> None:
    with pytest.raises(TraceError, match="leave it out of the arguments"):
        tg.derive(lambda x, f: np.sum(f(x)), X, np.tanh)


def test_random_draws_are_refused() -> None:
    rng = np.random.default_rng(0)

    def dropout(x: Any) -> Any:
        return np.sum(x * (rng.random(x.shape) > 0.5))

    with pytest.raises(TraceError, match="random"):
        tg.derive(dropout, X)


def test_captured_parameters_are_refused() -> None:
    W = tg.Parameter(X, name="W")
    with pytest.raises(TraceError, match="W"):
        tg.derive(lambda x: np.sum(x * W), X)


def test_masks_that_decide_about_shapes_are_refused() -> None:
    with pytest.raises(TraceError, match="mask"):
        tg.derive(lambda x: np.sum(x[x > 0]), X)


def test_what_has_no_gradient_is_refused() -> None:
    with pytest.raises(ShapeError):
        tg.derive(lambda x: x * 2, X)
    with pytest.raises(DtypeError):
        tg.derive(lambda x: np.sum(x * 2.0), Y)


def test_functions_that_are_not_numpys_are_refused() -> None:
    special = pytest.importorskip("scipy.special")
    from tinygrad_nn.rules.registry import RULES, rule

    rule(special.erf, lambda g, y, x: g * 2 / np.sqrt(np.pi) * np.exp(-x * x))
    try:
        with pytest.raises(TraceError, match="erf"):
            tg.derive(lambda x: np.sum(special.erf(x)), X)
    finally:
        del RULES[special.erf]


def test_computed_labels_are_checked_where_they_are_computed() -> None:
    def f(scores: Any, labels: Any) -> Any:
        return tg.cross_entropy(scores, labels - 1)

    scores, labels = X[:, :3], Y + 1
    derived = compiled(tg.derive(f, scores, labels))
    assert_same(derived(scores, labels), tg.value_and_grad(f)(scores, labels))
    with pytest.raises(ValueError, match="must be from 0 to 2"):
        derived(scores, labels - 1)


def test_the_source_of_a_loss_alone_checks_its_labels() -> None:
    source = compiled(trace(tg.cross_entropy, X[:, :3], Y).source())
    assert_same(source(X[:, :3], Y), tg.cross_entropy(X[:, :3], Y).data[()])
    for wrong in (Y - 1, Y + 1):
        with pytest.raises(ValueError, match="labels"):
            source(X[:, :3], wrong)
