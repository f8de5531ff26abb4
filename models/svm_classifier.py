"""The linear support vector machine, declared: affine - multi-class hinge, with an L2 penalty.

X (N, D), y (N,) integer labels in 0..C-1, W (D, C), b (C,).
Beside it stands svm_classifier_analytic.py, the same with its gradients derived by hand.
"""

import numpy as np

import tinygrad_nn as tg
from models.classifier import Classifier
from models.l2 import factor


def forward(params, X):
    """Return the scores of the classes, shape (N, C)."""
    scores = X @ params["W"] + params["b"]
    return scores


def loss(params, X, y, reg=0.0, l2="half"):
    """Return the mean hinge loss of the scores, margin 1, plus the L2 penalty on W (l2.py)."""
    W = params["W"]
    data_loss = tg.hinge_loss(forward(params, X), y)
    reg_loss = factor(l2) * reg * np.sum(W * W)
    loss = data_loss + reg_loss
    return loss


class SVMClassifier(Classifier):
    """The classifier with its parameters: `weight_scale` times a normal draw, zero biases."""

    forward = staticmethod(forward)
    objective = staticmethod(loss)

    def __init__(self, input_size, num_classes, weight_scale=0.01, l2="half", rng=None):
        randn = (np.random if rng is None else rng).randn
        params = {"W": weight_scale * randn(input_size, num_classes), "b": np.zeros(num_classes)}
        super().__init__(params, l2)
