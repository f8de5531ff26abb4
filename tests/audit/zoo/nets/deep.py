"""Four layers with tanh, sigmoid and relu between them; log-sum-exp; L2 added in a loop."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def loss(params, X, y, reg):
    W1, W2, W3, W4 = params["W1"], params["W2"], params["W3"], params["W4"]
    b1, b2, b3, b4 = params["b1"], params["b2"], params["b3"], params["b4"]
    n = X.shape[0]

    z1 = X @ W1 + b1
    a1 = np.tanh(z1)
    z2 = a1 @ W2 + b2
    a2 = sigmoid(z2)
    z3 = a2 @ W3 + b3
    a3 = np.maximum(z3, 0.0)
    z4 = a3 @ W4 + b4
    top = z4.max(axis=1, keepdims=True)
    logp = z4 - top - np.log(np.exp(z4 - top).sum(axis=1, keepdims=True))
    loss = -logp[np.arange(n), y].mean()
    for W in (W1, W2, W3, W4):
        loss = loss + reg * (W**2).sum() / 2

    delta4 = np.exp(logp)
    delta4[np.arange(n), y] -= 1.0
    delta4 = delta4 / n
    delta3 = (delta4 @ W4.T) * (z3 > 0)
    delta2 = (delta3 @ W3.T) * a2 * (1 - a2)
    delta1 = (delta2 @ W2.T) * (1 - a1**2)
    grads = {
        "W4": a3.T @ delta4 + reg * W4,
        "b4": delta4.sum(axis=0),
        "W3": a2.T @ delta3 + reg * W3,
        "b3": delta3.sum(axis=0),
        "W2": a1.T @ delta2 + reg * W2,
        "b2": delta2.sum(axis=0),
        "W1": X.T @ delta1 + reg * W1,
        "b1": delta1.sum(axis=0),
    }
    return loss, grads
