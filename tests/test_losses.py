"""The losses: their values and derivatives against formulas, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

import tinygrad_nn as tg
from tinygrad_nn.errors import DataError, LabelError, ShapeError

CLASSIFIERS = [tg.cross_entropy, tg.hinge_loss]
SCORES = np.random.default_rng(0).normal(size=(4, 3))
LABELS = np.array([0, 1, 2, 0])


@st.composite
def batches(draw: Any) -> tuple[Any, Any]:
    n, classes = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    scores = random.normal(size=(n, classes)) * draw(st.sampled_from([0.1, 1.0, 30.0, 1000.0]))
    return scores, random.integers(0, classes, n)


@given(batches())
@settings(deadline=None)
def test_cross_entropy_is_the_mean_log_probability_and_its_gradient_softmax_minus_onehot(
    batch: Any,
) -> None:
    scores, labels = batch
    n = len(labels)
    value, g = tg.value_and_grad(tg.cross_entropy)(scores, labels)
    expected = -log_softmax(scores, axis=1)[np.arange(n), labels].mean()
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)
    onehot = np.eye(scores.shape[1])[labels]
    np.testing.assert_allclose(g, (softmax(scores, axis=1) - onehot) / n, atol=1e-14)


@given(batches(), st.floats(0.1, 3.0))
@settings(deadline=None)
def test_hinge_loss_is_the_sum_over_the_wrong_classes(batch: Any, margin: float) -> None:
    scores, labels = batch
    value, g = tg.value_and_grad(tg.hinge_loss)(scores, labels, margin)
    expected, slope = 0.0, np.zeros_like(scores)
    for i, y in enumerate(labels):
        for j in range(scores.shape[1]):
            lead = scores[i, j] - scores[i, y] + margin
            if j != y and lead > 0:
                expected += lead
                slope[i, j] += 1
                slope[i, y] -= 1
    np.testing.assert_allclose(value, expected / len(labels), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(g, slope / len(labels), atol=1e-14)


@given(batches())
@settings(deadline=None)
def test_mse_is_the_mean_square(batch: Any) -> None:
    predictions, _ = batch
    targets = np.cos(predictions)
    (a, b), value = tg.grad(tg.mse_loss, (0, 1))(predictions, targets), predictions - targets
    np.testing.assert_allclose(a, 2 * value / value.size)
    np.testing.assert_allclose(b, -a)
    np.testing.assert_allclose(tg.mse_loss(predictions, targets), np.mean(value**2))


def test_scores_far_apart_neither_overflow_nor_vanish() -> None:
    scores = np.array([[1e4, -1e4, 0.0], [-1e300, 1e300, 0.0]])
    assert tg.cross_entropy(scores, [0, 1]) == 0.0
    assert tg.cross_entropy(scores[:1], [1]) == 2e4
    g = tg.grad(tg.cross_entropy)(scores, np.array([1, 1]))
    np.testing.assert_array_equal(g, [[0.5, -0.5, 0], [0, 0, 0]])


@pytest.mark.parametrize("loss", CLASSIFIERS)
@pytest.mark.parametrize(
    "labels",
    [
        [0, 1, 2, 0],
        (0, 1, 2, 0),
        LABELS.astype(np.uint8),
        LABELS.astype(np.int16),
        LABELS.astype(">i4"),
        LABELS.astype(">u2"),
        np.repeat(LABELS, 2)[::2],
        tg.Tensor(LABELS),
    ],
)
def test_labels_may_be_integers_of_any_kind(loss: Any, labels: Any) -> None:
    p = tg.Parameter(SCORES)
    value = loss(p, labels)
    value.backward()
    assert value.item() == loss(SCORES, LABELS)
    assert float(loss(SCORES.tolist(), labels)) == pytest.approx(value.item())
    np.testing.assert_allclose(p.grad, tg.grad(loss)(SCORES, LABELS))


@pytest.mark.parametrize("loss", CLASSIFIERS)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 2, 3], r"in 0..2 for 3 classes; labels\[3\] is 3"),
        ([0, -1, 2, 0], r"labels\[1\] is -1"),
        (np.array([0, 1, -2, 0], ">i4"), r"labels\[2\] is -2"),
        (np.array([0, 200, 2, 0], np.uint8), r"labels\[1\] is 200"),
        (np.array([0, 1, 2, 2**40]), r"is 1099511627776"),
        ([0.0, 1.0, 2.0, 0.0], "integer class indices 0..2, not float64"),
        ([True, False, True, False], "not bool"),
        (["a", "b", "c", "d"], "not <U1"),
        ([0, 1, 2, None], "not object"),
        (None, "not object"),
        ([0, 1, 2], r"4 rows of scores need labels of shape \(4,\), not \(3,\)"),
        ([[0], [1], [2], [0]], r"not \(4, 1\)"),
        (np.eye(3, dtype=int)[LABELS], r"not \(4, 3\)"),
        (0, r"not \(\)"),
        ([], "not float64"),
        ([[0, 1], [2]], "inhomogeneous"),
        (tg.Tensor([0, 1, 2, 5]), r"labels\[3\] is 5"),
        (tg.Parameter(LABELS * 1.0), "not float64"),
    ],
)
def test_labels_that_are_no_classes_are_refused(loss: Any, labels: Any, message: str) -> None:
    for scores in (SCORES, tg.Parameter(SCORES)):
        with pytest.raises(LabelError, match=message) as error:
            loss(scores, labels)
        assert "loss(scores, labels)" in str(error.value)


@pytest.mark.parametrize("loss", CLASSIFIERS)
def test_scores_of_another_form_are_refused(loss: Any) -> None:
    for shape in ((0, 3), (3, 0), (0, 0)):
        with pytest.raises(DataError, match=r"an empty batch: the scores have shape \(\d, \d\)"):
            loss(np.zeros(shape), np.zeros(shape[0], int))
    for shape in ((), (3,), (2, 3, 4)):
        with pytest.raises(ShapeError, match=r"needs scores of shape \(N, C\), not"):
            loss(np.zeros(shape), [0, 1])


def test_mse_refuses_to_broadcast_and_to_average_nothing() -> None:
    with pytest.raises(ShapeError, match=r"predictions have shape \(4,\), targets \(4, 1\)"):
        tg.mse_loss(tg.Parameter(np.zeros(4)), np.zeros((4, 1)))
    with pytest.raises(DataError, match="empty batch"):
        tg.mse_loss(np.zeros((0, 2)), np.zeros((0, 2)))


def test_whole_numbers_are_compared_as_floats() -> None:
    a, b = np.array([100, 0], np.uint8), np.array([0, 200], np.uint8)
    assert tg.mse_loss(a, b) == (100**2 + 200**2) / 2
    assert tg.mse_loss([1, 2], [1, 4]) == 2.0
    assert tg.hinge_loss(np.array([[1, 3]], np.uint8), [1], margin=1) == 0.0


@pytest.mark.parametrize("loss", CLASSIFIERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_keep_the_dtype(loss: Any, dtype: Any) -> None:
    value, g = tg.value_and_grad(loss)(SCORES.astype(dtype), LABELS)
    assert value.dtype == g.dtype == dtype


@pytest.mark.parametrize("loss", CLASSIFIERS)
def test_labels_may_be_changed_after_the_forward_pass(loss: Any) -> None:
    p, labels = tg.Parameter(SCORES), LABELS.copy()
    value = loss(p, labels)
    labels[:] = 2
    value.backward()
    np.testing.assert_allclose(p.grad, tg.grad(loss)(SCORES, LABELS))


def test_losses_are_differentiated_twice_and_traced() -> None:
    probabilities = softmax(SCORES[:1])[0]
    hessian = tg.hessian(lambda s: tg.cross_entropy(s[None], [1]))(SCORES[0])
    np.testing.assert_allclose(
        hessian, np.diag(probabilities) - np.outer(probabilities, probabilities), atol=1e-15
    )
    for loss in CLASSIFIERS:
        graph = tg.trace(loss, SCORES, LABELS)
        other = (LABELS + 1) % 3
        np.testing.assert_allclose(graph.run(2 * SCORES, other), loss(2 * SCORES, other))
