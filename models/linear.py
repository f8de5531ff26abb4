"""What the two linear classifiers share: the scores, and their parameters W (D, C) and b (C,)."""

import numpy as np

from models.classifier import Classifier


def forward(params, X):
    """Return the scores of the classes, shape (N, C)."""
    scores = X @ params["W"] + params["b"]
    return scores


class LinearClassifier(Classifier):
    """A classifier with linear scores: W is `weight_scale` times a normal draw, b zero."""

    forward = staticmethod(forward)

    def __init__(self, input_size, num_classes, weight_scale=0.01, l2="half", rng=None):
        randn = (np.random if rng is None else rng).randn
        params = {"W": weight_scale * randn(input_size, num_classes), "b": np.zeros(num_classes)}
        super().__init__(params, l2)
