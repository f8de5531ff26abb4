"""Logistic regression number by number, in Python's loops; the bias is a number without axes."""

import numpy as np


def sig(z):
    return 1.0 / (1.0 + np.exp(-z))


def loss(params, X, y, lam):
    w = params["w"]
    b = params["b"]
    n, d = X.shape
    cost = 0.0
    gw = np.zeros(d)
    gb = 0.0
    for i in range(n):
        z = b
        for j in range(d):
            z = z + w[j] * X[i, j]
        yhat = sig(z)
        cost += -(y[i] * np.log(yhat) + (1 - y[i]) * np.log(1 - yhat))
        err = yhat - y[i]
        for j in range(d):
            gw[j] += err * X[i, j]
        gb += err
    cost /= n
    gw /= n
    gb /= n
    for j in range(d):
        cost += lam / 2 * w[j] ** 2
        gw[j] += lam * w[j]
    return cost, {"w": gw, "b": gb}
