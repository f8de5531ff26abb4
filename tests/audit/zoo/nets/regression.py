"""Squared-error regression: a sigmoid hidden layer and an L1 penalty."""

import numpy as np


def loss(params, X, y, reg):
    W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
    z = X @ W1 + b1
    h = 1.0 / (1.0 + np.exp(-z))
    pred = h @ W2 + b2
    error = pred - y
    mse = np.mean(error**2)
    l1 = reg * (np.abs(W1).sum() + np.abs(W2).sum())

    dpred = 2 * error / error.size
    dW2 = h.T @ dpred
    db2 = dpred.sum(0)
    dh = dpred @ W2.T
    dz = dh * h * (1 - h)
    dW1 = X.T @ dz
    db1 = dz.sum(0)
    dW1 += reg * np.sign(W1)
    dW2 += reg * np.sign(W2)
    return mse + l1, dict(W1=dW1, b1=db1, W2=dW2, b2=db2)
