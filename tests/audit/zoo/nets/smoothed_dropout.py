"""Weights as rows of outputs, softplus, dropout by a given mask, smoothed labels."""

import numpy as np


def softplus(x):
    return np.log(1 + np.exp(x))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def loss(params, X, y, mask, keep=0.8, eps=0.1, reg=0.05):
    n, C = len(y), params["V"].shape[0]
    a = X.dot(params["U"].T) + params["c"]
    h = softplus(a)
    hd = h * mask / keep
    o = hd.dot(params["V"].T) + params["d"]
    top = np.max(o, axis=1, keepdims=True)
    logp = o - (top + np.log(np.sum(np.exp(o - top), axis=1, keepdims=True)))
    target = np.full((n, C), eps / C)
    target[np.arange(n), y] += 1 - eps
    data = -np.mean(np.sum(target * logp, axis=1))
    loss = data + reg * (np.sum(params["U"] ** 2) + np.sum(params["V"] ** 2))

    do = (np.exp(logp) - target) / n
    dV = do.T.dot(hd)
    dd = np.sum(do, axis=0)
    dhd = do.dot(params["V"])
    dh = dhd * mask / keep
    da = dh * sigmoid(a)
    dU = da.T.dot(X)
    dc = np.sum(da, axis=0)
    dV += 2 * reg * params["V"]
    dU += 2 * reg * params["U"]
    return loss, {"U": dU, "c": dc, "V": dV, "d": dd}
