"""The programs whose drawings are kept in tests/draw/golden, one .dot file for each.

After a change that is meant to change pictures, look at one of them, then write the files anew:

    python -m tests.draw.golden
"""

from pathlib import Path

import numpy as np

import tinygrad_nn as tg
from tinygrad_nn.datasets import toy, toy_parameters
from tinygrad_nn.draw import to_dot

FOLDER = Path(__file__).parent / "golden"
PARAMETERS = ("W1", "b1", "W2", "b2")


def loss(params, X, y, reg=0.1):
    """The two-layer net's: hidden ReLU, softmax, L2 penalty."""
    W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
    h1 = X @ W1 + b1
    a1 = np.maximum(0, h1)
    scores = a1 @ W2 + b2
    data_loss = tg.cross_entropy(scores, y)
    reg_loss = 0.5 * reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
    return data_loss + reg_loss


def loop(x, W):
    h = np.zeros(4)
    for t in range(3):
        h = np.tanh(h @ W + x[t])
    return {"last": h, "size": np.sum(h * h)}


def square(x):
    return x * x


TABLE = np.arange(12.0).reshape(3, 4)


def constants(x):
    joined = np.concatenate([x, [[1.0, 2.0, 3.0, 4.0]]], axis=0)
    product = x @ TABLE.T
    return np.where(joined > 0.5, joined, -1.0), np.subtract(product, TABLE[:, :3] + 1)


def two_layer_net():
    return tg.trace(loss, toy_parameters(), *toy())


def drawings():
    """The DOT source of each drawing."""
    net = two_layer_net()
    return {
        "two_layer_net": to_dot(net, parameters=PARAMETERS),
        "two_layer_net_gradients": to_dot(net, parameters=PARAMETERS, gradients=True),
        "two_layer_net_backward": to_dot(net.gradient().simplify()),
        "loop": to_dot(tg.trace(loop, np.ones((3, 4)), np.eye(4)), values=True, direction="LR"),
        "square": to_dot(tg.trace(square, np.float32(3.0))),
        "constants": to_dot(tg.trace(constants, np.ones((3, 4)))),
    }


if __name__ == "__main__":
    for name, dot in drawings().items():
        (FOLDER / f"{name}.dot").write_text(dot, encoding="utf-8")
