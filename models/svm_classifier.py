"""The linear support vector machine, declared: affine - multi-class hinge, with an L2 penalty.

X (N, D), y (N,) integer labels in 0..C-1, W (D, C), b (C,).
Beside it stands svm_classifier_analytic.py, the same with its gradients derived by hand.
"""

import numpy as np

import tinygrad_nn as tg
from models.l2 import factor
from models.linear import LinearClassifier, forward


def loss(params, X, y, reg=0.0, l2="half"):
    """Return the mean hinge loss of the scores, margin 1, plus the L2 penalty on W (l2.py)."""
    W = params["W"]
    data_loss = tg.hinge_loss(forward(params, X), y)
    reg_loss = factor(l2) * reg * np.sum(W * W)
    loss = data_loss + reg_loss
    return loss


class SVMClassifier(LinearClassifier):
    """The classifier with its parameters."""

    objective = staticmethod(loss)
