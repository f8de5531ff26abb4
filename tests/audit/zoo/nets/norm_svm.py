# ruff: noqa: NPY002 (as people write it)
"""Batch normalisation that keeps its values in the object, relu, and a hinge loss."""

import numpy as np


class NormNet:
    def __init__(self, D, H, C):
        self.reg = 0.01
        self.params = {
            "W1": np.random.randn(D, H),
            "gamma": np.ones(H),
            "beta": np.zeros(H),
            "W2": np.random.randn(H, C),
            "b2": np.zeros(C),
        }

    def norm(self, x):
        self.mu = x.mean(axis=0)
        self.var = x.var(axis=0)
        self.xhat = (x - self.mu) / np.sqrt(self.var + 1e-5)
        return self.params["gamma"] * self.xhat + self.params["beta"]

    def norm_back(self, dout, x):
        N = x.shape[0]
        inv = 1.0 / np.sqrt(self.var + 1e-5)
        self.grads["gamma"] = (dout * self.xhat).sum(axis=0)
        self.grads["beta"] = dout.sum(axis=0)
        dxhat = dout * self.params["gamma"]
        dvar = np.sum(dxhat * (x - self.mu), axis=0) * -0.5 * inv**3
        dmu = -np.sum(dxhat * inv, axis=0) + dvar * np.mean(-2.0 * (x - self.mu), axis=0)
        dx = dxhat * inv
        dx = dx + dvar * 2.0 * (x - self.mu) / N
        dx = dx + dmu / N
        return dx

    def loss(self, X, y):
        N = X.shape[0]
        W1, W2 = self.params["W1"], self.params["W2"]
        self.grads = {}
        z = X.dot(W1)
        a = self.norm(z)
        h = a * (a > 0)
        S = h.dot(W2) + self.params["b2"]
        margins = np.maximum(0, S - S[np.arange(N), y].reshape(-1, 1) + 1)
        margins[np.arange(N), y] = 0
        loss = margins.sum() / N
        loss += self.reg * (np.sum(W1 * W1) + np.sum(W2 * W2))

        dS = (margins > 0).astype(X.dtype)
        dS[np.arange(N), y] -= dS.sum(axis=1)
        dS /= N
        self.grads["W2"] = h.T.dot(dS) + 2 * self.reg * W2
        self.grads["b2"] = dS.sum(axis=0)
        dh = dS.dot(W2.T)
        da = dh
        da[a <= 0] = 0
        dz = self.norm_back(da, z)
        self.grads["W1"] = X.T.dot(dz) + 2 * self.reg * W1
        return loss, self.grads
