# ruff: noqa: NPY002 (as people write it)
"""Layers as objects that remember what they need; a leaky relu and a sigmoid between them."""

import numpy as np


class Linear:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad):
        self.dW = self.x.T @ grad
        self.db = grad.sum(axis=0)
        return grad @ self.W.T


class LeakyReLU:
    slope = 0.1

    def forward(self, x):
        self.negative = x < 0
        out = x.copy()
        out[self.negative] *= self.slope
        return out

    def backward(self, grad):
        grad = grad.copy()
        grad[self.negative] *= self.slope
        return grad


class Sigmoid:
    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, grad):
        return grad * self.out * (1.0 - self.out)


class SoftmaxCrossEntropy:
    def forward(self, scores, y):
        self.y = y
        shifted = scores - scores.max(axis=1, keepdims=True)
        self.probs = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
        picked = self.probs[np.arange(len(y)), y]
        return -np.log(picked).mean()

    def backward(self):
        grad = self.probs
        grad[np.arange(len(self.y)), self.y] -= 1
        return grad / len(self.y)


class Network:
    def __init__(self, input_size, hidden_size, num_classes):
        sizes = [input_size, hidden_size, hidden_size, num_classes]
        self.params = {}
        for i in (1, 2, 3):
            scale = np.sqrt(2 / sizes[i - 1])
            self.params[f"W{i}"] = scale * np.random.randn(sizes[i - 1], sizes[i])
            self.params[f"b{i}"] = np.zeros(sizes[i])

    def loss(self, X, y=None, reg=0.0):
        affine = {i: Linear(self.params[f"W{i}"], self.params[f"b{i}"]) for i in (1, 2, 3)}
        layers = [affine[1], LeakyReLU(), affine[2], Sigmoid(), affine[3]]
        out = X
        for layer in layers:
            out = layer.forward(out)
        if y is None:
            return out
        criterion = SoftmaxCrossEntropy()
        loss = criterion.forward(out, y)

        grad = criterion.backward()
        for layer in reversed(layers):
            grad = layer.backward(grad)
        grads = {}
        for i, layer in affine.items():
            loss += reg * np.sum(layer.W**2)
            grads[f"W{i}"] = layer.dW + 2 * reg * layer.W
            grads[f"b{i}"] = layer.db
        return loss, grads
