"""A two-layer network with its backward pass written by hand, in the style of a course's homework.

It has one mistake, a real one: in one of the published write-ups of this network the loss adds half
the squares of the weights and the gradient adds twice the weights. `audit_homework.py` finds it.
"""

import numpy as np


class TwoLayerNet:
    """Affine - relu - affine - softmax, with L2 regularisation of the weights."""

    def __init__(self, input_size, hidden_size, num_classes, std=1e-1):
        self.params = {
            "W1": std * np.random.randn(input_size, hidden_size),  # noqa: NPY002 (the course's)
            "b1": np.zeros(hidden_size),
            "W2": std * np.random.randn(hidden_size, num_classes),  # noqa: NPY002
            "b2": np.zeros(num_classes),
        }

    def loss(self, X, y=None, reg=0.0):
        """Return the scores of samples X (N, D); or, given labels y, the loss and gradients."""
        W1, b1 = self.params["W1"], self.params["b1"]
        W2, b2 = self.params["W2"], self.params["b2"]
        N = X.shape[0]

        hidden = np.maximum(0, X.dot(W1) + b1)
        scores = hidden.dot(W2) + b2
        if y is None:
            return scores

        exp_scores = np.exp(scores - np.max(scores, axis=1, keepdims=True))
        probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
        data_loss = -np.mean(np.log(probs[range(N), y]))
        reg_loss = 0.5 * reg * np.sum(W1 * W1) + 0.5 * reg * np.sum(W2 * W2)
        loss = data_loss + reg_loss

        dscores = probs
        dscores[range(N), y] -= 1
        dscores /= N

        grads = {}
        grads["W2"] = hidden.T.dot(dscores)
        grads["b2"] = np.sum(dscores, axis=0)
        dhidden = dscores.dot(W2.T)
        dhidden[hidden <= 0] = 0
        grads["W1"] = X.T.dot(dhidden)
        grads["b1"] = np.sum(dhidden, axis=0)

        grads["W2"] += 2 * reg * W2
        grads["W1"] += reg * W1
        return loss, grads
