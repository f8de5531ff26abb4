"""The linear softmax classifier with its gradients derived by hand.

    scores = X W + b      probs = softmax(scores)
    loss = -1/N sum_i log probs[i, y_i]  +  the L2 penalty on W (l2.py)

X (N, D), y (N,) integer labels in 0..C-1, W (D, C), b (C,) or (1, C).
Source: CS231n, "Putting it together: Minimal Neural Network Case Study".
"""

import numpy as np

from models.l2 import factor
from models.labels import check_labels


def loss_and_gradients(params, X, y, reg=0.0, l2="half"):
    """Return the loss and its gradients, a dict with the names and shapes of `params` (W, b).

    Raises ValueError for labels that do not fit X and W, or an `l2` other than "half" and "full".
    """
    W, b = params["W"], params["b"]
    N = len(X)

    scores = X @ W + b
    check_labels(y, scores)
    # A row's probabilities do not change when its largest score is taken off, and exp stays finite.
    shifted = scores - np.max(scores, axis=1, keepdims=True)
    log_probs = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    data_loss = -np.mean(log_probs[np.arange(N), y])
    loss = data_loss + factor(l2) * reg * np.sum(W * W)

    probs = np.exp(log_probs)
    dscores = probs.copy()
    dscores[np.arange(N), y] -= 1
    dscores /= N

    dW = X.T @ dscores
    dW += 2 * factor(l2) * reg * W
    db = np.sum(dscores, axis=0).reshape(b.shape)
    return loss, {"W": dW, "b": db}


def predict(params, X):
    """Return the class with the highest score for each sample, shape (N,)."""
    return np.argmax(X @ params["W"] + params["b"], axis=1)
