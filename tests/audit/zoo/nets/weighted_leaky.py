"""Softmax with a weight for each class, a leaky relu by `np.where`, and a default argument."""

import numpy as np


def one_hot(y, C):
    return np.eye(C)[y]


def loss(params, X, y, class_weights, slope=0.1):
    W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
    z = X @ W1 + b1
    h = np.where(z > 0, z, slope * z)
    scores = h @ W2 + b2
    scores = scores - scores.max(axis=1, keepdims=True)
    e = np.exp(scores)
    probs = e / e.sum(axis=1, keepdims=True)
    onehot = one_hot(y, W2.shape[1])
    w = class_weights[y]
    logp = np.sum(onehot * np.log(probs), axis=1)
    loss = -np.sum(w * logp) / np.sum(w)

    dscores = (probs - onehot) * w[:, None]
    dscores = dscores / np.sum(w)
    dW2 = h.T @ dscores
    db2 = dscores.sum(axis=0)
    dh = dscores @ W2.T
    dz = np.where(z > 0, dh, slope * dh)
    dW1 = X.T @ dz
    db1 = dz.sum(axis=0)
    return loss, dict(W1=dW1, b1=db1, W2=dW2, b2=db2)
