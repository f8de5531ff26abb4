"""The two-layer network, declared: affine - relu - affine - softmax, with an L2 penalty.

X (N, D), y (N,) integer labels in 0..C-1, W1 (D, H), b1 (H,), W2 (H, C), b2 (C,).
Beside it stands two_layer_net_analytic.py, the same with its gradients derived by hand.
"""

import numpy as np

import tinygrad_nn as tg
from models.classifier import Classifier
from models.l2 import factor


def forward(params, X):
    """Return the scores of the classes, shape (N, C)."""
    h1 = X @ params["W1"] + params["b1"]
    a1 = np.maximum(0, h1)
    scores = a1 @ params["W2"] + params["b2"]
    return scores


def loss(params, X, y, reg=0.0, l2="half"):
    """Return the mean cross entropy of the scores, plus the L2 penalty on W1 and W2 (l2.py)."""
    W1, W2 = params["W1"], params["W2"]
    scores = forward(params, X)
    data_loss = tg.cross_entropy(scores, y)
    reg_loss = factor(l2) * reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
    loss = data_loss + reg_loss
    return loss


class TwoLayerNet(Classifier):
    """The network with its parameters: weights of `weight_scale` times a normal draw, zero biases.

    The draws come from `rng` (a RandomState; by default NumPy's own), W1 first.
    """

    forward = staticmethod(forward)
    objective = staticmethod(loss)

    def __init__(
        self, input_size, hidden_size, num_classes, weight_scale=1e-4, l2="half", rng=None
    ):
        randn = (np.random if rng is None else rng).randn
        params = {
            "W1": weight_scale * randn(input_size, hidden_size),
            "b1": np.zeros(hidden_size),
            "W2": weight_scale * randn(hidden_size, num_classes),
            "b2": np.zeros(num_classes),
        }
        super().__init__(params, l2)
