"""A hidden layer whose units take the larger of two values (maxout), then softmax."""

import numpy as np


def loss(params, X, y, reg):
    W1, b1, W2 = params["W1"], params["b1"], params["W2"]
    N = X.shape[0]
    h = (X @ W1 + b1).reshape(N, -1, 2)
    a = np.max(h, axis=2)
    scores = a @ W2
    scores = scores - np.max(scores, axis=1)[:, np.newaxis]
    log_sums = np.log(np.sum(np.exp(scores), axis=1))
    loss = np.mean(log_sums - scores[np.arange(N), y]) + reg * np.sum(W2 * W2)

    probs = np.exp(scores - log_sums[:, np.newaxis])
    target = np.eye(W2.shape[1])[y]
    dscores = (probs - target) / N
    dW2 = np.matmul(a.T, dscores) + 2 * reg * W2
    da = np.matmul(dscores, W2.T)
    dh = da[:, :, np.newaxis] * (h == a[:, :, np.newaxis])
    dh = dh.reshape(N, -1)
    dW1 = np.matmul(X.T, dh)
    db1 = dh.sum(axis=0)
    return loss, {"W1": dW1, "b1": db1, "W2": dW2}
