"""Which of the arguments holds the parameters."""

import numpy as np

import tinygrad_nn as tg
from tinygrad_nn.check.audit.observing.observe import observe


def test_the_parameters_are_the_dict_with_the_names_of_the_gradients_wherever_it_stands() -> None:
    def loss(X, y, params, scale=None):
        residual = X @ params["W"] - y
        if scale is not None:
            residual = residual * scale["s"]
        g = 2 * residual if scale is None else 2 * residual * scale["s"]
        return np.sum(residual**2), {"W": X.T @ g}

    X, y = np.arange(6.0).reshape(3, 2), np.ones(3)
    params, scale = {"W": np.array([1.0, -2.0])}, {"s": np.array([1.0, 2.0, 3.0])}
    for args, kwargs in (
        ((X, y, params), {}),
        ((X, y), {"params": params}),
        ((), {"scale": scale, "params": params, "X": X, "y": y}),
        ((X, y, params, scale), {}),
    ):
        assert list(observe(loss, args, kwargs).params) == ["W"]
        report = tg.audit(loss, *args, **kwargs)
        assert report.ok
        assert [row.parameter for row in report.rows] == ["W"]


def test_a_first_argument_that_is_an_array_is_the_parameter_beside_a_dict_of_data() -> None:
    def loss(w, data):
        r = data["X"] @ w
        return np.sum(r * r), 2 * data["X"].T @ r

    assert list(observe(loss, (np.ones(2), {"X": np.eye(2)}), {}).params) == ["w"]
