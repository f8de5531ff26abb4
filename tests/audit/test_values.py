"""Why a gradient is wrong: parts, indicators, exponents, axes, indices, accumulators in common."""

import numpy as np
import pytest

import tinygrad_nn as tg

NORM = """
import numpy as np


def loss(params, X, y):
    W, b = params["W"], params["b"]
    n = len(X)
    z = X @ W + b
    mean = z.mean(axis=0)
    d = z - mean
    var = (d * d).sum(axis=0) / n
    inv = (var + 1e-3) ** -0.5
    out = d * inv
    e = out - y
    value = np.sum(e**3) / n
    dout = 3 * e**2 / n
    dd = dout * inv
    dinv = (dout * d).sum(axis=0)
    dvar = -0.5 * (var + 1e-3) ** -1.5 * dinv
    dd += 2 * d * dvar / n
    dz = dd - dd.mean(axis=0)
    return value, {"W": X.T @ dz, "b": dz.sum(axis=0)}
"""

HINGE = """
import numpy as np


def loss(params, X, y):
    W = params["W"]
    n = len(X)
    scores = X @ W
    margins = np.maximum(0, scores - scores[np.arange(n), y][:, None] + 1)
    margins[np.arange(n), y] = 0
    ds = (margins > 0).astype(float)
    ds[np.arange(n), y] -= ds.sum(axis=1)
    return margins.sum() / n, {"W": X.T @ ds / n}
"""

LOOPS = """
import numpy as np


def loss(params, X, y):
    W = params["W"]
    dW = np.zeros(W.shape)
    value = 0.0
    for i in range(len(X)):
        scores = X[i].dot(W)
        for j in range(W.shape[1]):
            if j == y[i]:
                continue
            margin = scores[j] - scores[y[i]] + 1
            if margin > 0:
                value += margin
                dW[:, j] += X[i]
                dW[:, y[i]] -= X[i]
    return value, {"W": dW}
"""

TWO = """
import numpy as np


def loss(params, X, y):
    U, V = params["U"], params["V"]
    dU, dV = np.zeros_like(U), np.zeros_like(V)
    value = 0.0
    for x, t in zip(X, y):
        e = np.sum(np.sin(x @ U)) * np.sum(x @ V) - t
        value = value + e**2
        dU += 2 * e * np.sum(x @ V) * np.outer(x, np.cos(x @ U))
        dV += 2 * e * np.sum(np.sin(x @ U)) * np.outer(x, np.ones(V.shape[1]))
    return value, {"U": dU, "V": dV}
"""

MISTAKES = {
    "exponent": (NORM, "** -1.5", "** -0.5", "-1.5", "exponent"),
    "indicator": (
        HINGE, "(margins > 0).astype(float)", "margins.copy()", "margins > 0", "indicator"
    ),
    "index": (LOOPS, "dW[:, j] += X[i]", "dW[:, y[i]] += X[i]", "dW[:, j] += X[i]", "`scores[j]`"),
    "one array": (TWO, "dU, dV = np.zeros_like(U), np.zeros_like(V)",
                  "dU = dV = np.zeros_like(U)", "", "one and the same array"),
}  # fmt: skip


def data(text):
    draw = np.random.default_rng(3)
    if text is TWO:
        params = {name: draw.normal(size=(3, 2)) for name in "UV"}
        return params, draw.normal(size=(4, 3)), draw.normal(size=4)
    if text is NORM:
        params = {"W": draw.normal(size=(3, 4)), "b": draw.normal(size=4)}
        return params, draw.normal(size=(6, 3)), draw.normal(size=(6, 4))
    return {"W": draw.normal(size=(3, 4))}, draw.normal(size=(6, 3)), np.array([0, 3, 1, 2, 1, 0])


def load(text, folder):
    path = folder / f"program_{len(list(folder.iterdir()))}.py"
    path.write_text(text)
    scope = {"__name__": "program"}
    exec(compile(text, str(path), "exec"), scope)
    return scope["loss"]


@pytest.mark.parametrize("text", [NORM, HINGE, LOOPS, TWO])
def test_the_programs_are_sound(text, tmp_path):
    assert tg.audit(load(text, tmp_path), *data(text)).ok


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_in_its_line(name, tmp_path):
    text, right, wrong, correction, reason = MISTAKES[name]
    assert text.count(right) == 1
    culprit = tg.audit(load(text.replace(right, wrong), tmp_path), *data(text)).culprit
    assert reason in culprit.explanation
    assert correction in culprit.correction
    assert culprit.exact
