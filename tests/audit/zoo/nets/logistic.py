"""Binary logistic regression: weights of one axis, a bias that is one number."""

import numpy as np


def loss(params, X, y, reg):
    w, b = params["w"], params["b"]
    n = len(y)
    z = X @ w + b
    p = 1 / (1 + np.exp(-z))
    cross_entropy = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    loss = cross_entropy + reg / 2 * w @ w

    dz = (p - y) / n
    grads = {}
    grads["w"] = X.T @ dz + reg * w
    grads["b"] = np.sum(dz)
    return loss, grads
