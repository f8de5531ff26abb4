# ruff: noqa: NPY002 (as people write it)
"""A net of three affine layers from modular layers, its caches kept in a list."""

import numpy as np

from .modular_layers import (
    affine_backward,
    affine_forward,
    affine_relu_backward,
    affine_relu_forward,
    softmax_loss,
)


class FullyConnectedNet:
    def __init__(self, input_size, hidden_size, num_classes):
        dims = [input_size, hidden_size, hidden_size + 1, num_classes]
        self.num_layers = 3
        self.params = {}
        for i in range(1, 4):
            self.params[f"W{i}"] = 0.1 * np.random.randn(dims[i - 1], dims[i])
            self.params[f"b{i}"] = np.zeros(dims[i])

    def loss(self, X, y=None, reg=0.0):
        out = X
        caches = []
        for i in range(1, self.num_layers):
            out, cache = affine_relu_forward(out, self.params[f"W{i}"], self.params[f"b{i}"])
            caches.append(cache)
        last = self.num_layers
        scores, cache = affine_forward(out, self.params[f"W{last}"], self.params[f"b{last}"])
        caches.append(cache)
        if y is None:
            return scores

        loss, dout = softmax_loss(scores, y)
        for i in range(1, self.num_layers + 1):
            loss += 0.5 * reg * np.sum(self.params[f"W{i}"] ** 2)

        grads = {}
        dout, dw, db = affine_backward(dout, caches[-1])
        grads[f"W{last}"] = dw + reg * self.params[f"W{last}"]
        grads[f"b{last}"] = db
        for i in range(self.num_layers - 1, 0, -1):
            dout, dw, db = affine_relu_backward(dout, caches[i - 1])
            grads[f"W{i}"] = dw + reg * self.params[f"W{i}"]
            grads[f"b{i}"] = db
        return loss, grads
