"""The hand-derived networks: published figures, and gradients against numeric differences."""

import numpy as np
import pytest

from models import softmax_classifier_analytic as softmax_classifier
from models import svm_classifier_analytic as svm_classifier
from models import two_layer_net_analytic as two_layer_net
from models.l2 import factor
from models.labels import check_labels
from tinygrad_nn.datasets import digits, spiral, toy, toy_parameters

MODELS = [softmax_classifier, svm_classifier, two_layer_net]


def random_parameters(model, rows=False):
    """Parameters that fit the toy data, every entry drawn, so that no bias hides at zero."""
    state = np.random.RandomState(7)
    if model is two_layer_net:
        shapes = {"W1": (4, 10), "b1": (10,), "W2": (10, 3), "b2": (3,)}
    else:
        shapes = {"W": (4, 3), "b": (3,)}
    if rows:
        shapes = {name: shape if len(shape) == 2 else (1, *shape) for name, shape in shapes.items()}
    return {name: 0.1 * state.randn(*shape) for name, shape in shapes.items()}


def central_differences(loss, params, h=1e-5):
    gradients = {}
    for name, value in params.items():
        gradients[name] = np.zeros_like(value)
        for index in np.ndindex(value.shape):

            def shifted(step, name=name, index=index):
                moved = {key: array.copy() for key, array in params.items()}
                moved[name][index] += step
                return loss(moved)

            gradients[name][index] = (shifted(h) - shifted(-h)) / (2 * h)
    return gradients


def relative_error(a, n):
    """The measure of the published walk-throughs: max |a - n| / max(1e-8, |a| + |n|)."""
    return np.max(np.abs(a - n) / np.maximum(1e-8, np.abs(a) + np.abs(n)))


def errors_against_differences(model, params, X, y, reg, loss_l2, gradient_l2):
    """Relative error of each gradient of one convention against the loss of another."""
    _, gradients = model.loss_and_gradients(params, X, y, reg, gradient_l2)
    numeric = central_differences(
        lambda moved: model.loss_and_gradients(moved, X, y, reg, loss_l2)[0], params
    )
    return {name: relative_error(gradients[name], numeric[name]) for name in params}


def descend(model, params, X, y, iterations, step, reg):
    """Full-batch gradient descent in place; the loss before each step."""
    losses = []
    for _ in range(iterations):
        loss, gradients = model.loss_and_gradients(params, X, y, reg)
        losses.append(loss)
        for name in params:
            params[name] -= step * gradients[name]
    return losses


# Gradients


@pytest.mark.parametrize("l2", ["half", "full"])
@pytest.mark.parametrize("reg", [0.0, 0.1])
@pytest.mark.parametrize("model", MODELS)
def test_hand_gradients_agree_with_central_differences(model, reg, l2):
    X, y = toy()
    params = random_parameters(model)
    errors = errors_against_differences(model, params, X, y, reg, l2, l2)
    assert max(errors.values()) <= 1e-8, errors


def test_toy_gradient_errors_are_at_least_as_good_as_published():
    X, y = toy()
    errors = errors_against_differences(two_layer_net, toy_parameters(), X, y, 0.1, "half", "half")
    published = {"W1": 3.6e-9, "W2": 3.4e-9, "b1": 2.7e-9, "b2": 4.4e-11}
    for name, figure in published.items():
        # The published figures are rounded, and rounding noise differs between BLAS libraries.
        assert errors[name] <= 2 * figure, name


@pytest.mark.parametrize(("loss_l2", "gradient_l2"), [("half", "full"), ("full", "half")])
@pytest.mark.parametrize("model", MODELS)
def test_mixing_the_two_l2_conventions_is_caught_in_the_weights_alone(model, loss_l2, gradient_l2):
    X, y = toy()
    params = random_parameters(model)
    errors = errors_against_differences(model, params, X, y, 0.1, loss_l2, gradient_l2)
    for name, error in errors.items():
        if name.startswith("W"):
            assert error > 1e-3, name
        else:
            assert error <= 1e-8, name


@pytest.mark.parametrize("model", MODELS)
def test_the_l2_conventions_differ_by_a_factor_of_two_and_spare_the_biases(model):
    X, y = toy()
    params = random_parameters(model)
    loss, bare = model.loss_and_gradients(params, X, y, 0.0)
    half_loss, half = model.loss_and_gradients(params, X, y, 0.3, "half")
    full_loss, full = model.loss_and_gradients(params, X, y, 0.3, "full")

    squares = sum(np.sum(value**2) for name, value in params.items() if name.startswith("W"))
    assert half_loss - loss == pytest.approx(0.15 * squares)
    assert full_loss - loss == pytest.approx(0.3 * squares)
    for name, value in params.items():
        penalty = 0.3 * value if name.startswith("W") else 0.0
        np.testing.assert_allclose(half[name] - bare[name], penalty + 0 * value, atol=1e-14)
        np.testing.assert_allclose(full[name] - bare[name], 2 * penalty + 0 * value, atol=1e-14)


@pytest.mark.parametrize("model", MODELS)
def test_biases_may_be_rows(model):
    X, y = toy()
    loss, flat = model.loss_and_gradients(random_parameters(model), X, y, 0.1)
    params = random_parameters(model, rows=True)
    row_loss, rows = model.loss_and_gradients(params, X, y, 0.1)
    assert row_loss == loss
    for name in params:
        assert rows[name].shape == params[name].shape
        np.testing.assert_array_equal(rows[name].reshape(flat[name].shape), flat[name])


@pytest.mark.parametrize("model", MODELS)
def test_neither_the_parameters_nor_the_data_are_changed(model):
    X, y = toy()
    params = random_parameters(model)
    before = {name: value.copy() for name, value in params.items()}
    model.loss_and_gradients(params, X, y, 0.1)
    np.testing.assert_array_equal(X, toy()[0])
    np.testing.assert_array_equal(y, toy()[1])
    for name in params:
        np.testing.assert_array_equal(params[name], before[name])


@pytest.mark.parametrize("model", MODELS)
def test_float32_stays_float32(model):
    X, y = toy()
    params = {name: value.astype(np.float32) for name, value in random_parameters(model).items()}
    loss, gradients = model.loss_and_gradients(params, X.astype(np.float32), y, 0.1)
    assert loss.dtype == np.float32
    assert {value.dtype for value in gradients.values()} == {np.dtype(np.float32)}


# Losses


def test_hinge_loss_is_the_double_sum_of_its_definition():
    X, y = toy()
    params = random_parameters(svm_classifier)
    s = X @ params["W"] + params["b"]
    total = 0.0
    for i in range(5):
        for j in range(3):
            if j != y[i]:
                total += max(0.0, s[i, j] - s[i, y[i]] + 1)
    assert svm_classifier.loss_and_gradients(params, X, y)[0] == pytest.approx(total / 5)


def test_hinge_gradient_is_zero_where_the_margin_is_exactly_met():
    params = {"W": np.array([[1.0, 0.0]]), "b": np.zeros(2)}
    loss, gradients = svm_classifier.loss_and_gradients(params, np.ones((1, 1)), np.array([0]))
    assert loss == 0
    assert not gradients["W"].any()
    assert not gradients["b"].any()


def test_relu_has_gradient_zero_at_zero():
    params = toy_parameters()
    X, y = toy()
    _, gradients = two_layer_net.loss_and_gradients(params, np.zeros_like(X), y)
    assert not gradients["b1"].any()


@pytest.mark.parametrize("model", [softmax_classifier, two_layer_net])
def test_softmax_loss_stays_finite_for_huge_scores(model):
    X, y = toy()
    params = {name: 1e4 * value for name, value in random_parameters(model).items()}
    loss, gradients = model.loss_and_gradients(params, X, y)
    assert np.isfinite(loss)
    assert loss > 100
    for value in gradients.values():
        assert np.isfinite(value).all()


# Published figures


def test_linear_softmax_on_the_spiral_reaches_the_published_loss_and_accuracy():
    state = np.random.RandomState(0)
    X, y = spiral(seed=state)
    params = {"W": 0.01 * state.randn(2, 3), "b": np.zeros((1, 3))}
    losses = descend(softmax_classifier, params, X, y, 200, step=1.0, reg=1e-3)
    assert losses[180] == pytest.approx(0.786331, abs=1e-6)
    assert losses[190] == pytest.approx(0.786302, abs=1e-6)
    accuracy = np.mean(softmax_classifier.predict(params, X) == y)
    assert accuracy == pytest.approx(0.49, abs=0.005)


def test_two_layer_net_on_the_spiral_reaches_the_published_loss_and_accuracy():
    state = np.random.RandomState(0)
    X, y = spiral(seed=state)
    state.randn(2, 3)  # the linear classifier's weights, drawn before in the case study
    W1 = 0.01 * state.randn(2, 100)
    W2 = 0.01 * state.randn(100, 3)
    params = {"W1": W1, "b1": np.zeros((1, 100)), "W2": W2, "b2": np.zeros((1, 3))}
    losses = descend(two_layer_net, params, X, y, 10_000, step=1.0, reg=1e-3)
    assert losses[0] == pytest.approx(1.0987, abs=2e-4)
    assert losses[9000] == pytest.approx(0.2450, abs=1e-3)
    accuracy = np.mean(two_layer_net.predict(params, X) == y)
    assert accuracy == pytest.approx(0.98, abs=0.01)


def test_two_layer_net_reads_held_out_digits():
    X_train, y_train, X_test, y_test = digits().split()
    state = np.random.RandomState(0)
    params = {
        "W1": 0.1 * state.randn(64, 100),
        "b1": np.zeros(100),
        "W2": 0.1 * state.randn(100, 10),
        "b2": np.zeros(10),
    }
    for epoch in range(30):
        order = state.permutation(len(X_train))
        for start in range(0, len(order), 50):
            batch = order[start : start + 50]
            descend(
                two_layer_net, params, X_train[batch], y_train[batch], 1, 0.5 * 0.95**epoch, 1e-3
            )
    assert np.mean(two_layer_net.predict(params, X_test) == y_test) >= 0.95


# Bad input


@pytest.mark.parametrize("l2", ["both", "", None, 0.5, ["half"]])
@pytest.mark.parametrize("model", MODELS)
def test_an_unknown_l2_convention_is_answered_with_both_names(model, l2):
    X, y = toy()
    with pytest.raises(ValueError, match=r'(?s)"half".*"full".*got') as caught:
        model.loss_and_gradients(random_parameters(model), X, y, 0.1, l2)
    assert repr(l2) in str(caught.value)


def test_l2_factors():
    assert (factor("half"), factor("full")) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1, 2, 2, 3], "labels from 0 to 2.*got labels from 0 to 3"),
        ([0, 1, 2, 2, -1], "labels from 0 to 2.*got labels from -1 to 2"),
        ([0, 1, 2, 2], r"shape \(5,\).*got shape \(4,\)"),
        ([1], r"shape \(5,\).*got shape \(1,\)"),
        ([[0], [1], [2], [2], [1]], r"shape \(5,\).*got shape \(5, 1\)"),
        ([0.0, 1.0, 2.0, 2.0, 1.0], "integer labels.*got float64"),
    ],
)
@pytest.mark.parametrize("model", MODELS)
def test_labels_that_do_not_fit_never_give_a_number(model, y, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        model.loss_and_gradients(random_parameters(model), toy()[0], np.array(y))


@pytest.mark.parametrize("model", MODELS)
def test_an_empty_batch_never_gives_a_number(model):
    with pytest.raises(ValueError, match="empty batch"):
        model.loss_and_gradients(random_parameters(model), np.zeros((0, 4)), np.zeros(0, int))


def test_labels_that_fit_pass():
    check_labels([0, 2], np.zeros((2, 3)))
