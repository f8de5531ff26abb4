"""The step at fault, in small programs of their own: the marked line is to be named."""

import inspect

import numpy as np
import pytest

import tinygrad_nn as tg

RNG = np.random.default_rng(3)


def rand(*shape):
    return RNG.standard_normal(shape)


X, T = rand(5, 3), rand(5, 2)
Y = np.array([0, 1, 1, 0, 1])
WEIGHTS = {"W": rand(3, 4), "V": rand(4, 2)}


def marked(f):
    """The numbers of the lines marked with HERE."""
    lines, first = inspect.getsourcelines(f)
    return [first + i for i, line in enumerate(lines) if "# HERE" in line]


# --- one wrong step -------------------------------------------------------------------------------


def elu(params):
    W, V = params["W"], params["V"]
    h = X @ W
    a = np.where(h > 0, h, np.exp(h) - 1)
    d = a @ V - T
    loss = 0.5 * np.sum(d**2)
    dV = a.T @ d
    da = d @ V.T
    slope = np.where(h > 0, 1.0, a)  # HERE (a + 1)
    return loss, {"W": X.T @ (da * slope), "V": dV}


def softplus(params):
    W, V = params["W"], params["V"]
    h = X @ W
    a = np.log(1 + np.exp(h))
    d = a @ V - T
    loss = np.mean(d**2)
    dout = 2 * d / d.size
    s = np.exp(h) / (1 + np.exp(h)) ** 2  # HERE (not squared)
    return loss, {"V": a.T @ dout, "W": X.T @ (dout @ V.T * s)}


def gate(params):
    W, V = params["W"], params["V"]
    z = X @ W
    g = 1 / (1 + np.exp(-z))
    c = np.tanh(z)
    h = g * c
    out = h @ V
    loss = np.sum((out - T) ** 2)
    dout = 2 * (out - T)
    dV = h.T @ dout
    dh = dout @ V.T
    dg = dh * c
    dc = dh * g
    dz = dg * g * (1 - g)
    dz = dz + dc * (1 - h**2)  # HERE (c)
    return loss, {"V": dV, "W": X.T @ dz}


def residual(params):
    W, V = params["W"], params["V"]
    a = np.tanh(X @ W)
    U = params["U"]
    b = a + np.tanh(a @ U)
    d = b @ V - T
    loss = 0.5 * np.sum(d * d)
    db = d @ V.T
    dr = db * (1 - (b - a) ** 2)
    da = dr @ U.T  # HERE (+ db)
    dz = da * (1 - a * a)
    return loss, {"V": b.T @ d, "U": a.T @ dr, "W": X.T @ dz}


def weighted(params):
    W, V = params["W"], params["V"]
    weights = np.array([1.0, 2.0, 0.5, 1.0, 3.0])
    a = np.maximum(X @ W, 0)
    d = a @ V - T
    loss = np.sum(weights[:, None] * d**2) / np.sum(weights)
    dout = 2 * weights[:, None] * d
    dout = dout / len(weights)  # HERE (sum(weights))
    da = dout @ V.T
    da[a == 0] = 0
    return loss, {"V": a.T @ dout, "W": X.T @ da}


def normalised(params):
    W, V = params["W"], params["V"]
    h = X @ W
    n = np.sqrt(np.sum(h * h, axis=1, keepdims=True))
    u = h / n
    d = u @ V - T
    loss = np.sum(d * d)
    dd = 2 * d
    du = dd @ V.T
    dn = -np.sum(du * h, axis=1, keepdims=True) / n  # HERE (n**2)
    dh = du / n + dn * h / n
    return loss, {"V": u.T @ dd, "W": X.T @ dh}


def temperature(params):
    W, V = params["W"], params["V"]
    s = np.tanh(X @ W) @ V
    t = 2.0
    e = np.exp(s / t)
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.mean(np.log(p[np.arange(5), Y]))
    ds = p.copy()
    ds[np.arange(5), Y] -= 1
    ds /= 5  # HERE (5 * t)
    a = np.tanh(X @ W)
    return loss, {"V": a.T @ ds, "W": X.T @ (ds @ V.T * (1 - a**2))}


def embedding(params):
    W, V = params["W"], params["V"]
    words = np.array([0, 2, 2, 1, 0])
    rows = W[words]
    d = rows @ V - T
    loss = 0.5 * np.sum(d**2)
    dW = np.zeros_like(W)
    drows = d @ V.T
    for i in range(len(words)):
        dW[words[i]] = drows[i]  # HERE (+=)
    return loss, {"V": rows.T @ d, "W": dW}


def attention(params):
    W, V = params["W"], params["V"]
    q = X @ W
    s = q @ q.T
    d = s @ X @ W @ V - T
    loss = 0.5 * np.sum(d * d)
    o = X @ W @ V
    dV = (s @ X @ W).T @ d
    ds = d @ o.T
    dq = ds @ q  # HERE (+ ds.T @ q)
    dW = X.T @ dq + X.T @ s.T @ d @ V.T
    return loss, {"V": dV, "W": dW}


VALUES = [elu, softplus, gate, residual, weighted, normalised, temperature, embedding, attention]


@pytest.mark.parametrize("f", VALUES)
def test_a_wrong_step_is_named(f):
    params = dict(WEIGHTS)
    if f is residual:
        params["U"] = rand(4, 4)
    report = tg.audit(f, params)
    assert not report.ok
    assert report.culprit.file == __file__
    assert [report.culprit.line] == marked(f)


# --- the marks of a suspect -----------------------------------------------------------------------


def two_ways(change, **options):
    """A linear net whose gradient's parts may be changed."""

    def f(params):
        W, b = params["W"], params["b"]
        z = X @ W + b
        loss = np.sum(np.tanh(z)) + 0.5 * np.sum(W * W)
        dz = 1 - np.tanh(z) ** 2
        dz, data, penalty = change(dz, X, W)
        return loss, {"W": data(dz) + penalty, "b": dz.sum(axis=0)}

    return tg.audit(f, {"W": rand(3, 4), "b": rand(4)}, **options)


def test_the_line_of_a_helper_in_the_users_code():
    def change(dz, X, W):
        return (
            dz,
            lambda dz: X.T @ dz,
            2 * W,  # HERE
        )

    report = two_ways(change)
    assert report.culprit.line == marked(change)[0]
    assert report.culprit.code == "2 * W"
    assert [row.parameter for row in report.rows if not row.ok] == ["W"]


def test_a_missing_term_stands_after_the_last_step():
    def f(params):
        W = params["W"]
        d = X @ W
        loss = 0.5 * np.sum(d * d) + np.sum(W**2)
        dW = X.T @ d  # HERE
        return loss, {"W": dW}

    report = tg.audit(f, {"W": rand(3, 4)})
    assert report.culprit.line == marked(f)[0]
    assert report.culprit.missing


def test_a_missing_mask_stands_after_the_product():
    def f(params):
        W, V = params["W"], params["V"]
        a = np.maximum(0, X @ W)
        d = a @ V - T
        da = d @ V.T  # HERE
        return 0.5 * np.sum(d * d), {"V": a.T @ d, "W": X.T @ da}

    report = tg.audit(f, WEIGHTS)
    assert report.culprit.line == marked(f)[0]
    assert report.culprit.missing


def test_a_wrong_operand_is_told_from_a_missing_mask():
    def f(params):
        W, V, b = params["W"], params["V"], params["b"]
        h = X @ W + b
        a = np.maximum(0, h)
        d = a @ V - T
        da = d @ V.T
        dh = da * (h > 0)
        dW = X.T @ da  # HERE
        return 0.5 * np.sum(d * d), {"V": a.T @ d, "W": dW, "b": dh.sum(axis=0)}

    report = tg.audit(f, {**WEIGHTS, "b": rand(4)})
    assert report.culprit.line == marked(f)[0]
    assert not report.culprit.missing


def layer_backward(grad, x, w):
    return (
        grad @ w,  # HERE (w.T)
        x.T @ grad,
    )


def test_a_helper_for_several_layers():
    def f(params):
        hs = [X]
        for w in params.values():
            hs.append(np.tanh(hs[-1] @ w))
        grad, grads = np.ones_like(hs[-1]), {}
        for i in reversed(range(3)):
            name = f"W{i}"
            grad = grad * (1 - hs[i + 1] ** 2)
            grad, grads[name] = layer_backward(grad, hs[i], params[name])
        return np.sum(hs[-1]), grads

    params = {f"W{i}": 0.5 * rand(3, 3) for i in range(3)}
    report = tg.audit(f, params)
    assert [row.parameter for row in report.rows if not row.ok] == ["W0", "W1"]
    assert report.culprit.line == marked(layer_backward)[0]


def test_a_gradient_that_is_not_returned():
    def f(params):
        W = params["W"]
        d = X @ W
        dW = X.T @ d  # HERE
        grads = {}
        grads["w"] = dW
        return 0.5 * np.sum(d * d), grads

    report = tg.audit(f, {"W": rand(3, 4)})
    assert [(row.parameter, row.verdict) for row in report.rows] == [
        ("W", "missing"),
        ("w", "extra"),
    ]
    assert report.culprit.line == marked(f)[0]


def test_two_faults_name_the_first():
    def f(params):
        W, V = params["W"], params["V"]
        a = np.tanh(X @ W)
        d = a @ V - T
        dV = 2 * a.T @ d  # HERE
        da = d @ V.T
        dz = da * (1 + a**2)  # HERE
        return 0.5 * np.sum(d * d), {"V": dV, "W": X.T @ dz}

    report = tg.audit(f, WEIGHTS)
    assert report.culprit.line in marked(f)


def test_nothing_is_named_where_all_is_right():
    def f(params):
        W = params["W"]
        return np.sum(W**3), {"W": W * W + 2 * W**2}

    report = tg.audit(f, {"W": rand(2, 2)})
    assert report.ok
    assert report.culprit is None
