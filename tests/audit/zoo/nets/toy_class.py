# ruff: noqa: NPY002, RUF059 (as people write it)
"""The toy model's class: methods of arrays, one-hot labels, masks by multiplication, full L2."""

import numpy as np


class TwoLayerNet:
    def __init__(self, input_size, hidden_size, num_classes, std=0.1):
        self.params = {}
        self.params["W1"] = std * np.random.randn(input_size, hidden_size)
        self.params["b1"] = np.zeros(hidden_size)
        self.params["W2"] = std * np.random.randn(hidden_size, num_classes)
        self.params["b2"] = np.zeros(num_classes)

    def loss(self, X, y=None, reg=0.0):
        W1, b1 = self.params["W1"], self.params["b1"]
        W2, b2 = self.params["W2"], self.params["b2"]
        N, D = X.shape

        h1 = X.dot(W1) + b1
        a1 = np.maximum(0, h1)
        scores = a1.dot(W2) + b2
        if y is None:
            return scores

        scores = scores - np.max(scores, axis=1, keepdims=True)
        exp_scores = np.exp(scores)
        probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
        loss = np.sum(-np.log(probs[np.arange(N), y])) / N
        loss += reg * (np.sum(W1 * W1) + np.sum(W2 * W2))

        onehot = np.zeros_like(probs)
        onehot[np.arange(N), y] = 1
        dscores = (probs - onehot) / N

        grads = {}
        grads["W2"] = a1.T.dot(dscores)
        grads["b2"] = np.sum(dscores, axis=0)
        da1 = dscores.dot(W2.T)
        dh1 = da1 * (h1 > 0)
        grads["W1"] = X.T.dot(dh1)
        grads["b1"] = np.sum(dh1, axis=0)
        grads["W1"] += 2 * reg * W1
        grads["W2"] += 2 * reg * W2
        return loss, grads
