"""The step at fault, in small programs of their own: the marked line is to be named."""

import inspect

import numpy as np
import pytest

import tinygrad_nn as tg

RNG = np.random.default_rng(3)


def rand(*shape):
    return RNG.standard_normal(shape)


X, T, OUT = rand(5, 3), rand(5, 2), rand(5, 4)
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


# --- whose fault it is ----------------------------------------------------------------------------


def logistic(z):
    return 1 / (1 + np.exp(-z))


def test_a_function_that_is_given_the_wrong_value_is_not_to_blame():
    def f(params):
        W, V = params["W"], params["V"]
        z = X @ W
        a = np.log(1 + np.exp(z))
        d = a @ V - T
        da = d @ V.T
        dz = da * logistic(a)  # HERE (z)
        return 0.5 * np.sum(d * d), {"W": X.T @ dz, "V": a.T @ d}

    report = tg.audit(f, WEIGHTS)
    assert report.culprit.line == marked(f)[0]
    assert report.culprit.exact


def normalised(x):
    c = x - np.mean(x, axis=1, keepdims=True)
    scale = 1 / np.sqrt(np.mean(c**2, axis=1, keepdims=True) + 1e-3)
    return c * scale, scale


def test_parts_of_a_derivative_through_one_function():
    def backward(g, y, scale):
        m = np.mean(g * y, axis=1, keepdims=True)
        return (g - y * m) * scale  # HERE (np.mean(g))

    def f(params):
        h = X @ params["W"]
        y, scale = normalised(h)
        out = h + y @ params["V"]
        d = out - OUT
        dy = d @ params["V"].T
        dh = backward(dy, y, scale)
        dh = dh + d
        return 0.5 * np.sum(d * d), {"W": X.T @ dh, "V": y.T @ d}

    report = tg.audit(f, {"W": rand(3, 4), "V": rand(4, 4)})
    assert report.culprit.line == marked(backward)[0]


def test_what_the_caller_does_not_add_is_missing_in_the_caller():
    def backward(g, y, scale):
        m = np.mean(g * y, axis=1, keepdims=True)
        return (g - np.mean(g, axis=1, keepdims=True) - y * m) * scale

    def f(params):
        h = X @ params["W"]
        y, scale = normalised(h)
        out = h + y @ params["V"]
        d = out - OUT
        dy = d @ params["V"].T
        dh = backward(dy, y, scale)  # HERE (+ d)
        return 0.5 * np.sum(d * d), {"W": X.T @ dh, "V": y.T @ d}

    report = tg.audit(f, {"W": rand(3, 4), "V": rand(4, 4)})
    assert report.culprit.line == marked(f)[0]
    assert report.culprit.missing


def test_a_line_that_only_renames_is_where_a_step_is_missing():
    def f(params):
        W, V = params["W"], params["V"]
        a = np.tanh(X @ W)
        d = a @ V - T
        da = d @ V.T
        dz = da  # HERE (* (1 - a**2))
        return 0.5 * np.sum(d * d), {"W": X.T @ dz, "V": a.T @ d}

    report = tg.audit(f, WEIGHTS)
    assert report.culprit.line == marked(f)[0]
    assert report.culprit.code == "dz = da"


def test_a_gradient_that_is_overwritten_where_the_function_returns_it():
    def backward(dh, h, x, U):
        dz = dh * (1 - h**2)
        return dz @ U.T, x.T @ dz

    def f(params):
        W, U, hs = params["W"], params["U"], [np.zeros((5, 4))]
        for _ in range(3):
            hs.append(np.tanh(X @ W + hs[-1] @ U))
        dh, grads = hs[-1], {"W": 0.0}
        for i in (3, 2, 1):
            before = dh
            dh, dW = backward(dh, hs[i], X, U)
            grads["W"] = dW  # HERE (+=)
            dU = hs[i - 1].T @ (before * (1 - hs[i] ** 2))
            grads["U"] = grads.get("U", 0.0) + dU
        return 0.5 * np.sum(hs[-1] ** 2), grads

    report = tg.audit(f, {"W": rand(3, 4), "U": rand(4, 4)})
    assert [row.parameter for row in report.rows if not row.ok] == ["W"]
    assert report.culprit.line == marked(f)[0]


def test_zeros_in_the_place_of_a_derivative_that_goes_through_time():
    def backward(dh, h, U):
        dz = dh * (1 - h**2)
        return np.zeros_like(dh), dz  # HERE (dz @ U.T)

    def f(params):
        W, U, hs = params["W"], params["U"], [np.zeros((5, 4))]
        for _ in range(3):
            hs.append(np.tanh(X @ W + hs[-1] @ U))
        dh, dW, dU = hs[-1], 0.0, 0.0
        for i in (3, 2, 1):
            dh, dz = backward(dh, hs[i], U)
            dW = dW + X.T @ dz
            dU = dU + hs[i - 1].T @ dz
        return 0.5 * np.sum(hs[-1] ** 2), {"W": dW, "U": dU}

    report = tg.audit(f, {"W": rand(3, 4), "U": rand(4, 4)})
    assert report.culprit.line == marked(backward)[0]
    assert "zeros_like" in report.culprit.code


def test_the_derivative_that_is_wrong_is_blamed_and_not_its_use():
    def f(params):
        W, V = params["W"], params["V"]
        a = np.tanh(X @ W)
        e = np.exp(a - np.max(a, axis=1, keepdims=True))
        p = e / np.sum(e, axis=1, keepdims=True)
        d = p @ V - T
        dp = d @ V.T
        da = p * (1 - p) * dp  # HERE (not the softmax's derivative)
        dz = np.where(True, da, 0.0) * (1 - a**2)
        return 0.5 * np.sum(d * d), {"W": X.T @ dz, "V": p.T @ d}

    assert tg.audit(f, WEIGHTS).culprit.line == marked(f)[0]


def test_a_wrong_sign_is_where_it_came_in():
    def f(params):
        W = params["W"]
        d = X @ W - OUT
        g = OUT - X @ W  # HERE
        g = g / len(X)
        return 0.5 * np.sum(d * d) / len(X), {"W": X.T @ g}

    assert tg.audit(f, {"W": rand(3, 4)}).culprit.line == marked(f)[0]


def test_of_two_mistakes_the_other_one_is_noted():
    def f(params):
        W, b, V, c = (params[k] for k in ("W", "b", "V", "c"))
        a = np.tanh(X @ W + b)
        d = a @ V + c - T
        dV = a.T @ d * 3  # HERE
        dz = d @ V.T * (1 - a**2)
        db = dz.mean(axis=0)  # HERE
        return 0.5 * np.sum(d * d), {"W": X.T @ dz, "b": db, "V": dV, "c": d.sum(axis=0)}

    report = tg.audit(f, WEIGHTS | {"b": rand(4), "c": rand(2)})
    first, second = marked(f)
    assert report.culprit.line == first
    assert any(f"line {second}" in note and "of b" in note for note in report.notes)


def test_steps_of_tiny_numbers_are_told_apart():
    def f(params):
        W, V = params["W"], params["V"]
        z = X @ W
        d = z @ V - 1e-9 * T
        dz = d @ V.T
        dW = X.T @ dz * 2  # HERE
        return 0.5 * np.sum(d * d), {"W": dW, "V": z.T @ d}

    params = {name: 1e-8 * value for name, value in WEIGHTS.items()}
    report = tg.audit(f, params)
    assert [row.parameter for row in report.rows if not row.ok] == ["W"]
    assert report.culprit.line == marked(f)[0]


def test_executions_are_grouped_by_where_they_stand():
    def f(params):
        total, dw = 0.0, np.zeros(3)
        w = params["w"]
        for _ in range(4):  # some more, so that the interpreter specialises the loop
            for i in range(5):
                s = np.sum(X[i] * w)
                total = total + 0.5 * s * s
                dw = dw + X[i] * s * 2  # HERE
        return total, {"w": dw}

    report = tg.audit(f, {"w": rand(3)})
    assert report.culprit.line == marked(f)[0]


def test_a_value_that_is_taken_for_its_derivative():
    def f(params):
        W = params["W"]
        a = np.tanh(X @ W)
        d = a - OUT
        da = d  # HERE (2 * d)
        return np.sum(d * d), {"W": X.T @ (da * (1 - a**2))}

    report = tg.audit(f, {"W": rand(3, 4)})
    assert report.culprit.line == marked(f)[0]


def test_of_parts_that_are_added_up_the_last_is_where_one_is_missing():
    def f(params):
        W, U, V = params["W"], params["U"], params["V"]
        h = np.tanh(X @ W)
        out = h * 3 + np.tanh(h @ U) + np.sin(h @ V) + h**2
        d = out - OUT
        dh = 3 * d
        du = d * (1 - np.tanh(h @ U) ** 2)
        dv = d * np.cos(h @ V)
        dh = dh + du @ U.T
        dh = dh + 2 * h * d  # HERE (dv @ V.T)
        grads = {"U": h.T @ du, "V": h.T @ dv}
        return 0.5 * np.sum(d * d), {"W": X.T @ (dh * (1 - h**2)), **grads}

    report = tg.audit(f, {"W": rand(3, 4), "U": rand(4, 4), "V": rand(4, 4)})
    assert [row.parameter for row in report.rows if not row.ok] == ["W"]
    assert report.culprit.line == marked(f)[0]


def test_a_part_that_a_function_leaves_out_is_missing_in_the_function():
    def gated(z):
        return z * np.tanh(z)

    def gated_backward(g, z):
        return g * np.tanh(z)  # HERE (z * the derivative of tanh)

    def f(params):
        W, V = params["W"], params["V"]
        z = X @ W
        a = gated(z)
        d = a @ V - T
        dz = gated_backward(d @ V.T, z)
        return 0.5 * np.sum(d * d), {"W": X.T @ dz, "V": a.T @ d}

    assert tg.audit(f, WEIGHTS).culprit.line == marked(gated_backward)[0]


def test_an_argument_is_known_by_the_callers_name():
    def swish(z):
        return z / (1 + np.exp(-z))

    def swish_backward(g, z):
        s = 1 / (1 + np.exp(-z))
        return g * (s + z * s * (1 - s))

    def f(params):
        W, V = params["W"], params["V"]
        z = X @ W
        a = swish(z)
        d = a @ V - T
        dz = swish_backward(d @ V.T, a)  # HERE (z)
        return 0.5 * np.sum(d * d), {"W": X.T @ dz, "V": a.T @ d}

    report = tg.audit(f, WEIGHTS)
    assert report.culprit.line == marked(f)[0]
    assert "z belongs" in report.culprit.explanation
