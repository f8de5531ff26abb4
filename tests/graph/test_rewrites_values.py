"""Values that a rewrite must not change: ties, large, empty and signed ones; labels from the end.

The oracle is the program itself, run by NumPy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_nn as tg
from tinygrad_nn.emit.onnx.export import to_onnx
from tinygrad_nn.errors import LabelError
from tinygrad_nn.graph.simplify import simplify
from tinygrad_nn.rules import neural

random = np.random.default_rng(3)
SINGLE = np.full(3, 0.1, np.float32)
HALF, LARGE = np.full(1000, 100, np.float16), np.full(3, 60000, np.float16)
SIGNED = np.array([0.0, -0.0, 1.0, -1.0])
ROWS = np.arange(3)
SCORES, FROM_END = random.normal(size=(3, 4)), np.array([0, 1, -1])


def assert_as_numpy(f: Any, *args: Any, rtol: float = 0) -> None:
    """f, its simplified graph and its compiled form agree, to the sign of a zero."""
    with np.errstate(all="ignore"):
        expected = np.asarray(f(*args))
        for found in (tg.trace(f, *args).simplify().run(*args), tg.compile(f)(*args)):
            np.testing.assert_allclose(found, expected, rtol=rtol)
            assert np.asarray(found).dtype == expected.dtype
            np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.where(x > np.float64(0.1), 1.0, 0.0),
        lambda x: np.where(np.less(np.float64(0.1), x), 1.0, 0.0),
        lambda x: np.where(np.float64(1) * x > 0.1, 1.0, 0.0),
        lambda x: np.where(np.equal(0.1, np.float64(1) * x), 1.0, 0.0),
        lambda x: np.where(x != np.float64(0.1), 1.0, 0.0),
        lambda x: np.where(x > 0.1, 1.0, 0.0),
        lambda x: np.where(x > np.float32(0.1), 1.0, 0.0),
    ],
)
def test_a_comparison_keeps_its_precision(f: Any) -> None:
    assert_as_numpy(f, SINGLE)


def test_a_number_that_is_spread_keeps_its_precision() -> None:
    assert_as_numpy(lambda x, s: np.where(x > np.broadcast_to(s, (3,)), 1.0, 0.0), SINGLE, 0.1)
    assert_as_numpy(lambda x, s: np.where(np.reshape(s, (1,)) < x, 1.0, 0.0), SINGLE, 0.1)
    assert_as_numpy(
        lambda x, s: np.where(np.logical_and(x, np.reshape(s, (1,))), 1.0, 0.0), SINGLE, 1e-300
    )


def test_a_sum_in_double_precision_stays_one() -> None:
    x, y = np.full(8, 1e38, np.float32), np.full(3, 0.1)
    assert_as_numpy(lambda x, y: np.sum(x[:, None] * y, axis=0), x, y, rtol=1e-14)
    assert_as_numpy(lambda x: (np.float64(2) * x) * (3 * x), np.full(2, 1e20, np.float32))


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: np.sum(x / 1000), HALF),
        (lambda x: np.sum(x * 0.001), HALF),
        (lambda x: np.sum(x[:, None] * np.full(3, 0.001, np.float16), axis=0), HALF),
        (lambda x: (0.05 * x) * (0.05 * np.exp(0.08 * x)), HALF),
        (lambda x: 2 * (0.75 * x / 5), LARGE),
        (lambda x: x / 10 + x[::-1] / 10, LARGE),
        (lambda x: (0.01 * x) / (x / 1e4 / 12), LARGE),
        (lambda x: np.sum(np.broadcast_to(x[0] * 1e-5, (70000,))), HALF),
    ],
)
def test_half_precision_does_not_overflow(f: Any, x: Any) -> None:
    with np.errstate(all="ignore"):
        assert np.isfinite(f(x)).all()
    assert_as_numpy(f, x, rtol=2e-3)


def test_a_mean_of_half_precision_is_taken_in_single() -> None:
    z = np.full(4000, 50, np.float16)
    value, slope = tg.value_and_grad(np.mean)(z)
    assert value == np.mean(z) == 50
    np.testing.assert_allclose(slope, np.full(4000, 1 / 4000), rtol=1e-3)
    assert slope.dtype == np.asarray(value).dtype == np.float16
    table = np.full((3000, 2), 50, np.float16)
    some = np.arange(3000)[:, None] % 2 == 0
    for options in ({"axis": 0, "keepdims": True}, {"axis": 0, "where": some}, {"dtype": float}):

        def f(x: Any, options: Any = options) -> Any:
            return np.sum(np.mean(x, **options), dtype=float)

        assert tg.value_and_grad(f)(table)[0] == f(table) == pytest.approx(f(np.float64(table)))
    assert_as_numpy(np.mean, z)


def test_single_precision_does_not_overflow() -> None:
    x, y = np.full(3, 1e20, np.float32), np.full(3, 2e18, np.float32)
    assert_as_numpy(lambda x, y: (0.01 * x) * (0.01 * y), x, y, rtol=1e-6)
    assert_as_numpy(lambda x: np.sum(x / 1e20), np.full(3, 3e38, np.float32), rtol=1e-6)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: 1 / (0 - x),
        lambda x: 1 / (x + 0),
        lambda x: 1 / (0.0 + x),
        lambda x: 1 / (x + -0.0),
        lambda x: 1 / (x - 0.0),
        lambda x: 1 / (x - -0.0),
        lambda x: 1 / -(x - x),
        lambda x: 1 / (-x - x),
        lambda x: 1 / -(0 * x),
        lambda x: 1 / (0 * -x),
        lambda x: 0 * (-2 * x),
        lambda x: 1 / np.where(x > 0, 0.0, -0.0),
        lambda x: 1 / np.where(x > 0, np.array([0.0]), np.array([-0.0])),
        lambda x: np.where(x > 0, -1 / 4, 0),
    ],
)
def test_the_sign_of_a_zero_stays(f: Any) -> None:
    assert_as_numpy(f, SIGNED)


def test_a_sum_of_nothing_is_zero() -> None:
    empty = np.zeros(0)
    assert_as_numpy(lambda x, n: np.sum(x / n), empty, np.float64(0))
    assert_as_numpy(lambda x, n: np.sum(x / n, axis=0), np.zeros((0, 2)), 0.5)
    assert_as_numpy(lambda x, n: np.sum(x * n), empty, np.float64(np.inf))
    assert_as_numpy(lambda x: np.sum(np.broadcast_to(x, (0, 2)), axis=0), np.array([np.inf, 1]))


def test_what_divides_by_zero_is_nan_where_the_program_is() -> None:
    x, zero = np.array([2.0, -1.0]), np.float64(0)
    assert_as_numpy(lambda x, n: np.sum(x / n), x, zero)
    assert_as_numpy(lambda x, y, z: x / z - y / z, x, x / 2, np.zeros(2))


def test_what_wraps_around_is_not_negated() -> None:
    assert_as_numpy(lambda x, n: x + -n, np.ones(3), np.uint8(3))
    assert_as_numpy(lambda x, n: x + -np.max(n), np.ones(3), np.array([3, 2], np.uint8))
    assert_as_numpy(lambda x: -(np.uint64(3) * x), np.ones(3, np.float32))


# --- labels ---------------------------------------------------------------------------------------


def by_log_softmax(scores: Any, y: Any) -> Any:
    return -np.mean(tg.log_softmax(scores)[ROWS, y])


def by_probabilities(scores: Any, y: Any) -> Any:
    e = np.exp(scores - np.max(scores, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    return -np.sum(np.log(p[np.arange(3), y])) / 3


def by_logsumexp(scores: Any, y: Any) -> Any:
    return np.mean(tg.logsumexp(scores) - scores[ROWS, y])


SPELLINGS = [by_log_softmax, by_probabilities, by_logsumexp]


@pytest.mark.parametrize("loss", SPELLINGS)
def test_a_pick_counts_from_the_end_as_numpys_does(loss: Any) -> None:
    p = np.exp(SCORES) / np.exp(SCORES).sum(axis=1, keepdims=True)
    value = -np.log(p[ROWS, FROM_END]).mean()
    p[ROWS, FROM_END] -= 1
    args = SCORES, FROM_END
    assert loss(*args) == pytest.approx(value)
    assert tg.compile(loss)(*args) == pytest.approx(value)
    graph = tg.trace(loss, SCORES, abs(FROM_END))
    assert neural.cross_entropy in [n.function for n in graph.simplify().nodes]
    assert graph.simplify().run(*args) == pytest.approx(value)
    pair = tg.value_and_grad(loss)
    orders = (graph.gradient().simplify(), graph.simplify().gradient())
    for run in (*(g.run for g in (*orders, orders[1].simplify())), tg.compile(pair), pair):
        found, slope = run(*args)
        assert found == pytest.approx(value)
        np.testing.assert_allclose(slope, p / 3, atol=1e-15)


@pytest.mark.parametrize("loss", SPELLINGS)
@pytest.mark.parametrize("label", [4, -5])
def test_a_pick_refuses_what_numpy_refuses(loss: Any, label: int) -> None:
    labels = np.array([0, 1, label])
    with pytest.raises(IndexError):
        loss(SCORES, labels)
    with pytest.raises(IndexError):
        tg.trace(loss, SCORES, FROM_END).simplify().run(SCORES, labels)
    compiled = tg.compile(loss)
    compiled(SCORES, FROM_END)
    with pytest.raises(IndexError):
        compiled(SCORES, labels)


def test_a_hinge_loss_by_hand_counts_from_the_end() -> None:
    def hinge(scores: Any, y: Any) -> Any:
        margins = np.maximum(0, scores - scores[ROWS, y][:, None] + 1)
        return np.sum(np.where(y[:, None] != np.arange(4), margins, 0)) / 3

    assert tg.compile(hinge)(SCORES, FROM_END) == pytest.approx(hinge(SCORES, FROM_END))


@pytest.mark.parametrize("loss", [tg.cross_entropy, tg.hinge_loss])
def test_our_losses_refuse_labels_beside_a_pick(loss: Any) -> None:
    def both(scores: Any, y: Any) -> Any:
        return loss(scores, y) + by_log_softmax(scores, y)

    compiled = tg.compile(both)
    good = abs(FROM_END)
    assert compiled(SCORES, good) == pytest.approx(both(SCORES, good))
    with pytest.raises(LabelError):
        compiled(SCORES, FROM_END)
    with pytest.raises(LabelError):
        tg.compile(tg.value_and_grad(loss))(SCORES, FROM_END)


def test_a_pick_does_not_vouch_for_labels() -> None:
    """p - onehot of labels that only a pick has seen: a comparison finds no negative ones."""

    def f(x: Any, y: Any) -> Any:
        onehot = (np.reshape(y, (3, 1)) == np.arange(4)).astype(float)
        return by_log_softmax(x, y), tg.softmax(x) - onehot

    graph = tg.trace(f, SCORES, FROM_END)
    expected, found = graph.run(SCORES, FROM_END), simplify(graph).run(SCORES, FROM_END)
    np.testing.assert_allclose(found[1], expected[1])


@pytest.mark.parametrize("loss", SPELLINGS)
def test_an_onnx_model_counts_from_the_end(loss: Any, tmp_path: Path) -> None:
    reference = pytest.importorskip("onnx.reference")
    path = str(tmp_path / "loss.onnx")
    to_onnx(tg.trace(loss, SCORES, FROM_END).simplify(), path)
    (value,) = reference.ReferenceEvaluator(path).run(None, {"scores": SCORES, "y": FROM_END})
    assert value == pytest.approx(loss(SCORES, FROM_END))
