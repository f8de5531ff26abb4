"""Affine, batch norm, relu, affine, softmax; the batch norm's backward pass in small steps."""

import numpy as np


class BatchNormNet:
    def __init__(self, input_size, hidden_size, num_classes):
        rng = np.random.default_rng(0)
        self.eps = 1e-5
        self.params = {
            "W1": 0.1 * rng.standard_normal((input_size, hidden_size)),
            "gamma": np.ones(hidden_size),
            "beta": np.zeros(hidden_size),
            "W2": 0.1 * rng.standard_normal((hidden_size, num_classes)),
            "b2": np.zeros(num_classes),
        }

    def loss(self, X, y=None, reg=0.0):
        p = self.params
        N = X.shape[0]
        h = X.dot(p["W1"])
        mu = 1.0 / N * np.sum(h, axis=0)
        hmu = h - mu
        var = 1.0 / N * np.sum(hmu**2, axis=0)
        std = np.sqrt(var + self.eps)
        hhat = hmu / std
        bn = p["gamma"] * hhat + p["beta"]
        a = np.maximum(0, bn)
        scores = a.dot(p["W2"]) + p["b2"]
        if y is None:
            return scores
        exp = np.exp(scores - scores.max(axis=1, keepdims=True))
        probs = exp / exp.sum(axis=1, keepdims=True)
        loss = -np.log(probs[np.arange(N), y]).sum() / N
        loss += 0.5 * reg * (np.sum(p["W1"] ** 2) + np.sum(p["W2"] ** 2))

        dscores = probs.copy()
        dscores[np.arange(N), y] -= 1
        dscores /= N
        da = dscores.dot(p["W2"].T)
        dbn = da * (bn > 0)
        dgamma = np.sum(dbn * hhat, axis=0)
        dbeta = np.sum(dbn, axis=0)
        dhhat = dbn * p["gamma"]
        dstd = -np.sum(dhhat * hmu, axis=0) / std**2
        dvar = 0.5 * dstd / std
        dhmu = dhhat / std
        dhmu += 2.0 / N * hmu * dvar
        dmu = -np.sum(dhmu, axis=0)
        dh = dhmu + 1.0 / N * dmu
        grads = {
            "W1": X.T.dot(dh) + reg * p["W1"],
            "gamma": dgamma,
            "beta": dbeta,
            "W2": a.T.dot(dscores) + reg * p["W2"],
            "b2": np.sum(dscores, axis=0),
        }
        return loss, grads
