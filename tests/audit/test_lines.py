"""The line that is named, where several could be mended: the one that a teacher would point at."""

import linecache

import numpy as np
import pytest

import tinygrad_nn as tg

draw = np.random.default_rng(5)
X, Y = draw.normal(size=(6, 4)), np.array([0, 2, 1, 1, 0, 2])
PARAMS = {
    "W1": draw.normal(size=(4, 4)),
    "W2": draw.normal(size=(4, 4)),
    "W3": draw.normal(size=(4, 3)),
}


def linear_back(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout


def linear_back_twice(dout, cache):
    x, w = cache
    dw = 2 * x.T @ dout  # BODY
    return dout @ w.T, dw


def tanh_back(dout, out):
    return dout * (1 - out**2)


def layer_back(dout, out, cache):
    d = tanh_back(dout, out)
    return linear_back(d, cache)


def layer_back_skipping(dout, out, cache):
    d = tanh_back(dout, out)  # noqa: F841
    return linear_back(dout, cache)  # SKIPPED


def softmax_loss(scores):
    n = len(scores)
    e = np.exp(scores)
    p = e / e.sum(axis=1, keepdims=True)
    d = p.copy()
    d[np.arange(n), Y] -= 1
    d /= n
    return -np.mean(np.log(p[np.arange(n), Y])), d


def forward(params):
    a1 = np.tanh(X @ params["W1"])
    a2 = np.tanh(a1 @ params["W2"])
    loss, d = softmax_loss(a2 @ params["W3"])
    return loss, d, [(None, (X, params["W1"])), (a1, (a1, params["W2"])), (a2, (a2, params["W3"]))]


def wrong_body(params):
    loss, d, caches = forward(params)
    grads = {}
    d, grads["W3"] = linear_back_twice(d, caches[2][1])
    d, grads["W2"] = linear_back_twice(tanh_back(d, caches[2][0]), caches[1][1])
    d, grads["W1"] = linear_back_twice(tanh_back(d, caches[1][0]), caches[0][1])
    return loss, grads


def stale_in_a_loop(params):
    loss, d, caches = forward(params)
    grads = {}
    dout, grads["W3"] = linear_back(d, caches[2][1])
    for i in (2, 1):
        _, grads[f"W{i}"] = layer_back(dout, caches[i][0], caches[i - 1][1])  # STALE
    return loss, grads


def unused(params):
    loss, d, caches = forward(params)
    grads = {}
    dout, grads["W3"] = linear_back(d, caches[2][1])
    dout, grads["W2"] = layer_back_skipping(dout, caches[2][0], caches[1][1])
    _, grads["W1"] = layer_back(dout, caches[1][0], caches[0][1])
    return loss, grads


def swapped(params):
    loss, d, caches = forward(params)
    d2, dW3 = linear_back(d, caches[2][1])
    d1, dW2 = layer_back(d2, caches[2][0], caches[1][1])
    _, dW1 = layer_back(d1, caches[1][0], caches[0][1])
    return loss, {"W1": dW2, "W2": dW1, "W3": dW3}  # SWAPPED


@pytest.mark.parametrize(
    ("f", "mark"),
    [(wrong_body, "BODY"), (stale_in_a_loop, "STALE"), (unused, "SKIPPED"), (swapped, "SWAPPED")],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_a_body_that_is_right_elsewhere_is_not_to_blame(f, mark) -> None:
    culprit = tg.audit(f, PARAMS).culprit
    assert f"# {mark}" in linecache.getline(culprit.file, culprit.line)


def sigma(u):
    return 1.0 / (1.0 + np.exp(-u))


LABELS = np.array([1.0, -1.0, 1.0, 1.0, -1.0, 1.0])


def logistic(params):
    u = LABELS * (X @ params["w"] + params["b"])
    r = LABELS * sigma(-u)  # HERE
    return np.mean(np.log1p(np.exp(-u))), {"w": X.T @ r / 6, "b": r.mean()}


def one_missing_before_a_division(params):
    s = X @ params["w"]
    e = np.exp(s)
    p = e / e.sum(axis=1, keepdims=True)
    ds = p.copy()  # HERE
    ds /= 6
    return -np.mean(np.log(p[np.arange(6), Y])), {"w": X.T @ ds}


def division_missing_after_the_last_change(params):
    s = X @ params["w"]
    margins = np.maximum(0, s - s[np.arange(6), Y][:, None] + 1.0)
    margins[np.arange(6), Y] = 0
    ds = (margins > 0) * 1.0
    ds[np.arange(6), Y] -= ds.sum(axis=1)  # HERE
    return np.mean(np.sum(margins, axis=1)), {"w": X.T @ ds}


def rounds(params):
    weights = [params["W1"], params["W2"], params["V"]]
    loss, grads = 0.0, [np.zeros(w.shape) for w in weights]
    for x in X:
        outs = [x]
        for w in weights:
            outs.append(np.tanh(outs[-1] @ w))
        loss = loss + np.sum(outs[-1] ** 2)
        d = 2 * outs[-1] * (1 - outs[-1] ** 2)
        grads[-1] = grads[-1] + np.outer(outs[-2], d)
        for k in range(2, 4):
            d = (weights[-k] @ d) * (1 - outs[-k] ** 2)  # HERE (weights[-k + 1])
            grads[-k] = grads[-k] + np.outer(outs[-k - 1], d)
    return loss, {"W1": grads[0], "W2": grads[1], "V": grads[2]}


SQUARE = {"W1": PARAMS["W1"] / 2, "W2": PARAMS["W2"] / 2, "V": draw.normal(size=(4, 4)) / 2}


@pytest.mark.parametrize(
    ("f", "params"),
    [
        (logistic, {"w": PARAMS["W3"][:, 0], "b": 0.3}),
        (one_missing_before_a_division, {"w": PARAMS["W3"]}),
        (division_missing_after_the_last_change, {"w": PARAMS["W3"]}),
        (rounds, SQUARE),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_the_line_that_computes_the_wrong_thing_is_named(f, params) -> None:
    culprit = tg.audit(f, params).culprit
    assert "# HERE" in linecache.getline(culprit.file, culprit.line)
