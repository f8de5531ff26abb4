# ruff: noqa: NPY002 (as people write it)
"""A two-layer net, one sample at a time: outer products summed up, the losses in a list."""

import numpy as np


class LoopedNet:
    def __init__(self, input_size, hidden_size, num_classes):
        self.params = {
            "W1": np.random.normal(0, 0.1, (input_size, hidden_size)),
            "b1": np.zeros((hidden_size,)),
            "W2": np.random.normal(0, 0.1, (hidden_size, num_classes)),
            "b2": np.zeros((num_classes,)),
        }

    def loss(self, X, y=None, reg=0.0):
        W1, b1, W2, b2 = (self.params[k] for k in ("W1", "b1", "W2", "b2"))
        N = len(X)
        losses = []
        dW1, db1 = np.zeros_like(W1), np.zeros_like(b1)
        dW2, db2 = np.zeros_like(W2), np.zeros_like(b2)
        for i in range(N):
            h = np.dot(X[i], W1) + b1
            a = np.maximum(h, 0)
            s = np.dot(a, W2) + b2
            s -= np.max(s)
            p = np.exp(s) / np.sum(np.exp(s))
            losses.append(-np.log(p[y[i]]))

            ds = p.copy()
            ds[y[i]] -= 1
            dW2 += np.outer(a, ds)
            db2 += ds
            da = np.dot(W2, ds)
            dh = np.where(h > 0, da, 0)
            dW1 += np.outer(X[i], dh)
            db1 += dh
        loss = np.array(losses).mean()
        loss = loss + 0.5 * reg * (np.sum(W1**2) + np.sum(W2**2))
        dW1 = dW1 / N + reg * W1
        dW2 = dW2 / N + reg * W2
        db1 = db1 / N
        db2 = db2 / N
        return loss, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
