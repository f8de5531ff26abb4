"""The two-layer network, affine - relu - affine - softmax, with its gradients derived by hand.

    h1 = X W1 + b1      a1 = max(0, h1)      scores = a1 W2 + b2      probs = softmax(scores)
    loss = -1/N sum_i log probs[i, y_i]  +  the L2 penalty on W1 and W2 (l2.py)

X (N, D), y (N,) integer labels in 0..C-1, W1 (D, H), b1 (H,) or (1, H), W2 (H, C), b2 (C,) or
(1, C).
Source: CS231n, "Putting it together: Minimal Neural Network Case Study".
"""

import numpy as np

from models.l2 import factor
from models.labels import check_labels


def forward(params, X):
    """Return `(h1, a1, scores)`: h1 and a1 (N, H), before and after relu, and scores (N, C)."""
    h1 = X @ params["W1"] + params["b1"]
    a1 = np.maximum(0, h1)
    scores = a1 @ params["W2"] + params["b2"]
    return h1, a1, scores


def loss_and_gradients(params, X, y, reg=0.0, l2="half"):
    """Return the loss and its gradients, a dict with the names and shapes of `params`.

    Raises ValueError for labels that do not fit X and W2, or an `l2` other than "half" and "full".
    """
    W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
    N = len(X)

    h1, a1, scores = forward(params, X)
    check_labels(y, scores)
    # A row's probabilities do not change when its largest score is taken off, and exp stays finite.
    shifted = scores - np.max(scores, axis=1, keepdims=True)
    log_probs = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    data_loss = -np.mean(log_probs[np.arange(N), y])
    loss = data_loss + factor(l2) * reg * (np.sum(W1 * W1) + np.sum(W2 * W2))

    probs = np.exp(log_probs)
    dscores = probs.copy()
    dscores[np.arange(N), y] -= 1
    dscores /= N

    dW2 = a1.T @ dscores
    dW2 += 2 * factor(l2) * reg * W2
    db2 = np.sum(dscores, axis=0).reshape(b2.shape)

    da1 = dscores @ W2.T
    dh1 = da1 * (h1 > 0)

    dW1 = X.T @ dh1
    dW1 += 2 * factor(l2) * reg * W1
    db1 = np.sum(dh1, axis=0).reshape(b1.shape)
    return loss, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}


def predict(params, X):
    """Return the class with the highest score for each sample, shape (N,)."""
    _, _, scores = forward(params, X)
    return np.argmax(scores, axis=1)
