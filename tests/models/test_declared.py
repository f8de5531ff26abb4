"""The declared models against the same derived by hand, and against the published figures."""

from functools import partial

import numpy as np
import pytest

import tinygrad_nn as tg
from models import (
    softmax_classifier,
    softmax_classifier_analytic,
    svm_classifier,
    svm_classifier_analytic,
    two_layer_net,
    two_layer_net_analytic,
)
from models.softmax_classifier import SoftmaxClassifier
from models.svm_classifier import SVMClassifier
from models.two_layer_net import TwoLayerNet
from tinygrad_nn.datasets import spiral, toy, toy_parameters

TOY_SCORES = [
    [-0.81233741, -1.27654624, -0.70335995],
    [-0.17129677, -1.18803311, -0.47310444],
    [-0.51590475, -1.01354314, -0.85042150],
    [-0.15419291, -0.48629638, -0.52901952],
    [-0.00618733, -0.12435261, -0.15226949],
]

PAIRS = [
    (softmax_classifier, softmax_classifier_analytic, ("W", "b"), (4, 3)),
    (svm_classifier, svm_classifier_analytic, ("W", "b"), (4, 3)),
    (two_layer_net, two_layer_net_analytic, ("W1", "b1", "W2", "b2"), None),
]


def parameters(shape, rng):
    if shape is None:
        return toy_parameters()
    return {"W": 0.1 * rng.randn(*shape), "b": 0.1 * rng.randn(shape[1])}


def assert_equal_gradients(ours, theirs):
    """At most 1e-12 of the largest entry of each gradient."""
    assert list(ours) == list(theirs)
    for name, expected in theirs.items():
        np.testing.assert_allclose(
            ours[name], expected, rtol=0, atol=1e-12 * np.max(np.abs(expected)), err_msg=name
        )


@pytest.mark.parametrize("l2", ["half", "full"])
@pytest.mark.parametrize(("declared", "analytic", "names", "shape"), PAIRS)
def test_autodiff_agrees_with_the_formulas_on_the_toy_data(declared, analytic, names, shape, l2):
    X, y = toy()
    params = parameters(shape, np.random.RandomState(3))
    loss, gradients = tg.value_and_grad(declared.loss)(params, X, y, 0.1, l2)
    expected_loss, expected = analytic.loss_and_gradients(params, X, y, 0.1, l2)
    assert loss == pytest.approx(expected_loss, rel=1e-14)
    assert tuple(gradients) == names
    assert_equal_gradients(gradients, expected)


def test_autodiff_agrees_with_the_formulas_on_the_case_study():
    rng = np.random.RandomState(0)
    X, y = spiral(seed=rng)
    params = TwoLayerNet(2, 100, 3, weight_scale=0.5, rng=rng).params
    _, gradients = tg.value_and_grad(two_layer_net.loss)(params, X, y, 1e-3)
    assert_equal_gradients(
        gradients, two_layer_net_analytic.loss_and_gradients(params, X, y, 1e-3)[1]
    )


def test_the_toy_net_has_the_published_scores():
    net = TwoLayerNet(4, 10, 3, weight_scale=0.1, rng=np.random.RandomState(0))
    X, _ = toy()
    np.testing.assert_allclose(net.loss(X), TOY_SCORES, rtol=0, atol=1e-7)


@pytest.mark.parametrize("l2", ["half", "full"])
def test_the_toy_net_trains_to_the_published_loss(l2):
    X, y = toy()
    net = TwoLayerNet(4, 10, 3, weight_scale=0.1, l2=l2, rng=np.random.RandomState(0))
    history = net.train(
        X, y, X, y, learning_rate=0.1, reg=5e-6, num_iters=100, rng=np.random.RandomState(1)
    )
    assert len(history.loss) == len(history.val_accuracy) == 100
    assert history.loss[-1] <= 0.0172
    assert history.val_accuracy[-1] == 1
    np.testing.assert_array_equal(net.predict(X), y)


def test_the_linear_softmax_reaches_the_published_losses_on_the_spiral():
    rng = np.random.RandomState(0)
    X, y = spiral(seed=rng)
    net = SoftmaxClassifier(2, 3, rng=rng)
    history = net.train(X, y, X, y, learning_rate=1.0, reg=1e-3, num_iters=200, batch_size=None)
    assert history.loss[180] == pytest.approx(0.786331, abs=1e-6)
    assert history.loss[190] == pytest.approx(0.786302, abs=1e-6)
    assert net.accuracy(X, y) == pytest.approx(0.49, abs=0.005)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("make", [SoftmaxClassifier, SVMClassifier, partial(TwoLayerNet, 4, 10, 3)])
def test_compiled_training_goes_the_same_way(make, backend):
    if backend == "numba":
        pytest.importorskip("numba")
    X, y = toy()
    sizes = () if isinstance(make, partial) else (4, 3)
    losses = []
    for used in (None, backend):
        net = make(*sizes, rng=np.random.RandomState(0))
        rng = np.random.RandomState(1)
        losses.append(net.train(X, y, X, y, 0.1, num_iters=20, rng=rng, backend=used).loss)
    np.testing.assert_allclose(*losses, rtol=1e-10)
    assert losses[0][-1] < losses[0][0]


def test_the_svm_learns_the_toy_data():
    X, y = toy()
    net = SVMClassifier(4, 3, rng=np.random.RandomState(0))
    history = net.train(
        X, y, X, y, learning_rate=0.01, reg=1e-4, num_iters=300, rng=np.random.RandomState(1)
    )
    assert history.loss[-1] < 0.1 * history.loss[0]


def test_the_loss_without_labels_is_the_scores_and_with_labels_a_pair():
    X, y = toy()
    net = TwoLayerNet(4, 10, 3, weight_scale=0.1, rng=np.random.RandomState(0))
    assert net.loss(X).shape == (5, 3)
    loss, gradients = net.loss(X, y, reg=0.05)
    assert isinstance(float(loss), float)
    assert {name: g.shape for name, g in gradients.items()} == {
        name: p.shape for name, p in net.params.items()
    }


def test_a_convention_that_does_not_exist_is_refused():
    X, y = toy()
    with pytest.raises(ValueError, match="half"):
        TwoLayerNet(4, 10, 3, l2="both").loss(X, y, reg=0.1)


def test_mismatched_lengths_are_refused_before_training():
    X, y = toy()
    with pytest.raises(ValueError, match="5 samples and y 4"):
        TwoLayerNet(4, 10, 3).train(X, y[:4], X, y)


def test_training_in_float32_stays_in_float32():
    X, y = toy()
    net = TwoLayerNet(4, 10, 3, weight_scale=0.1, rng=np.random.RandomState(0))
    net.params = {name: p.astype(np.float32) for name, p in net.params.items()}
    loss, gradients = net.loss(X.astype(np.float32), y, reg=0.1)
    assert loss.dtype == np.float32
    assert {g.dtype for g in gradients.values()} == {np.dtype(np.float32)}
