"""A recurrent net over three steps: each weight is used again at every step."""

import numpy as np


def loss(params, X, y, reg):
    Wx, Wh, b, V = params["Wx"], params["Wh"], params["b"], params["V"]
    N, T, _ = X.shape
    h = {-1: np.zeros((N, Wh.shape[0]))}
    for t in range(T):
        h[t] = np.tanh(X[:, t] @ Wx + h[t - 1] @ Wh + b)
    scores = h[T - 1] @ V
    e = np.exp(scores)
    probs = e / e.sum(axis=1, keepdims=True)
    loss = np.mean(-np.log(probs[np.arange(N), y]))
    loss = loss + 0.5 * reg * np.sum(Wh * Wh)

    dscores = probs
    dscores[np.arange(N), y] -= 1
    dscores /= N
    dV = h[T - 1].T @ dscores
    dWx, dWh, db = np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(b.shape)
    dh = dscores @ V.T
    for t in reversed(range(T)):
        dz = dh * (1 - h[t] * h[t])
        dWx += X[:, t].T @ dz
        dWh += h[t - 1].T @ dz
        db += dz.sum(axis=0)
        dh = dz @ Wh.T
    dWh += reg * Wh
    return loss, {"Wx": dWx, "Wh": dWh, "b": db, "V": dV}
