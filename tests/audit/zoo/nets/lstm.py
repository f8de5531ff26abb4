# ruff: noqa: NPY002 (as people write it)
"""An LSTM with functions for a step and for a step back; a regression on its last state."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def step(x, h_prev, c_prev, Wx, Wh, b):
    H = h_prev.shape[1]
    z = np.dot(x, Wx) + np.dot(h_prev, Wh) + b
    i = sigmoid(z[:, :H])
    f = sigmoid(z[:, H : 2 * H])
    o = sigmoid(z[:, 2 * H : 3 * H])
    g = np.tanh(z[:, 3 * H :])
    c = f * c_prev + i * g
    tc = np.tanh(c)
    h = o * tc
    return h, c, (x, h_prev, c_prev, i, f, o, g, tc, Wh)


def step_back(dh, dc, cache):
    x, h_prev, c_prev, i, f, o, g, tc, Wh = cache
    do = dh * tc
    dc = dc + dh * o * (1 - tc**2)
    df = dc * c_prev
    di = dc * g
    dg = dc * i
    dz = np.hstack([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)])
    dWx = np.dot(x.T, dz)
    dWh = np.dot(h_prev.T, dz)
    db = np.sum(dz, axis=0)
    dh_prev = np.dot(dz, Wh.T)
    dc_prev = dc * f
    return dh_prev, dc_prev, dWx, dWh, db


class LSTM:
    def __init__(self, D, H):
        self.H = H
        self.params = {
            "Wx": np.random.randn(D, 4 * H),
            "Wh": np.random.randn(H, 4 * H),
            "b": np.zeros(4 * H),
            "Wy": np.random.randn(H, 1),
        }

    def loss(self, x, t):
        p = self.params
        N, T, _ = x.shape
        h = np.zeros((N, self.H))
        c = np.zeros((N, self.H))
        caches = []
        for s in range(T):
            h, c, cache = step(x[:, s], h, c, p["Wx"], p["Wh"], p["b"])
            caches.append(cache)
        e = h @ p["Wy"] - t
        loss = 0.5 * np.sum(e**2) / N

        de = e / N
        grads = {"Wy": h.T @ de, "Wx": 0, "Wh": 0, "b": 0}
        dh = de @ p["Wy"].T
        dc = np.zeros_like(dh)
        for cache in reversed(caches):
            dh, dc, dWx, dWh, db = step_back(dh, dc, cache)
            grads["Wx"] = grads["Wx"] + dWx
            grads["Wh"] = grads["Wh"] + dWh
            grads["b"] = grads["b"] + db
        return loss, grads
