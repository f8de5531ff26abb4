"""The linear classifier with the multi-class hinge (SVM) loss, its gradients derived by hand.

    scores = X W + b
    loss = 1/N sum_i sum_{j != y_i} max(0, scores[i, j] - scores[i, y_i] + 1)
           + the L2 penalty on W (l2.py)

X (N, D), y (N,) integer labels in 0..C-1, W (D, C), b (C,) or (1, C).
Source: CS231n, "Linear Classification: Support Vector Machine, Softmax"; the loss is that of
J. Weston and C. Watkins, "Support Vector Machines for Multi-Class Pattern Recognition", 1999.
"""

import numpy as np

from models.l2 import factor
from models.labels import check_labels


def loss_and_gradients(params, X, y, reg=0.0, l2="half"):
    """Return the loss and its gradients, a dict with the names and shapes of `params` (W, b).

    Where a margin is exactly met the loss has a kink; its gradient there is taken to be zero.
    Raises ValueError for labels that do not fit X and W, or an `l2` other than "half" and "full".
    """
    W, b = params["W"], params["b"]
    N = len(X)

    scores = X @ W + b
    check_labels(y, scores)
    correct = scores[np.arange(N), y].reshape(N, 1)
    margins = np.maximum(0, scores - correct + 1)
    margins[np.arange(N), y] = 0
    data_loss = np.sum(margins) / N
    loss = data_loss + factor(l2) * reg * np.sum(W * W)

    # Each violated margin raises the loss with its own score and lowers it with the correct one.
    violated = margins > 0
    dscores = violated.astype(scores.dtype)
    dscores[np.arange(N), y] -= np.sum(violated, axis=1)
    dscores /= N

    dW = X.T @ dscores
    dW += 2 * factor(l2) * reg * W
    db = np.sum(dscores, axis=0).reshape(b.shape)
    return loss, {"W": dW, "b": db}


def predict(params, X):
    """Return the class with the highest score for each sample, shape (N,)."""
    return np.argmax(X @ params["W"] + params["b"], axis=1)
