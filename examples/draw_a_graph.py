"""The computation graph of a small function: as text, and as a picture with its gradients."""

import sys

import numpy as np

import tinygrad_nn as tg


def loss(W, b, X, y):
    """The mean squared error of a small affine layer with a tanh."""
    h = X @ W + b
    a = np.tanh(h)
    error = a - y
    return np.mean(error**2)


state = np.random.RandomState(0)
W, b = state.randn(3, 2), np.zeros(2)
X, y = state.randn(5, 3), state.randn(5, 2)

graph = tg.trace(loss, W, b, X, y)
print(graph)

# An SVG, PNG or PDF, by the name's ending.
path = sys.argv[1] if len(sys.argv) > 1 else "graph.svg"
graph.render(path, gradients=True)
print(f"\nThe same as a picture, with its gradients: {path}")
