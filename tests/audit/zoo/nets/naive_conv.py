"""A convolution, relu and 2 x 2 max pooling in plain loops, then an affine layer and softmax."""

import numpy as np


def conv_forward_naive(x, w, b):
    N, _, H, W = x.shape
    F, _, HH, WW = w.shape
    H_out, W_out = H - HH + 1, W - WW + 1
    out = np.zeros((N, F, H_out, W_out))
    for n in range(N):
        for f in range(F):
            for i in range(H_out):
                for j in range(W_out):
                    window = x[n, :, i : i + HH, j : j + WW]
                    out[n, f, i, j] = np.sum(window * w[f]) + b[f]
    return out, (x, w, b)


def conv_backward_naive(dout, cache):
    x, w, b = cache
    HH, WW = w.shape[2:]
    dw, db = np.zeros_like(w), np.zeros_like(b)
    for n in range(dout.shape[0]):
        for f in range(dout.shape[1]):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    window = x[n, :, i : i + HH, j : j + WW]
                    dw[f] += window * dout[n, f, i, j]
                    db[f] += dout[n, f, i, j]
    return dw, db


def max_pool_backward_naive(dout, x):
    dx = np.zeros_like(x)
    for n in range(x.shape[0]):
        for f in range(x.shape[1]):
            largest = np.max(x[n, f])
            dx[n, f] = dout[n, f] * (x[n, f] == largest)
    return dx


def loss(params, X, y, reg):
    N = X.shape[0]
    conv, cache = conv_forward_naive(X, params["K"], params["k"])
    relu = np.maximum(0, conv)
    pooled = np.max(relu, axis=(2, 3))
    scores = pooled.dot(params["W"]) + params["b"]
    probs = np.exp(scores - np.max(scores, axis=1, keepdims=True))
    probs /= np.sum(probs, axis=1, keepdims=True)
    loss = -np.sum(np.log(probs[np.arange(N), y])) / N
    loss += 0.5 * reg * (np.sum(params["K"] ** 2) + np.sum(params["W"] ** 2))

    dscores = probs.copy()
    dscores[np.arange(N), y] -= 1
    dscores /= N
    grads = {}
    grads["W"] = pooled.T.dot(dscores) + reg * params["W"]
    grads["b"] = dscores.sum(axis=0)
    dpooled = dscores.dot(params["W"].T)
    drelu = max_pool_backward_naive(dpooled, relu)
    dconv = drelu * (conv > 0)
    dK, grads["k"] = conv_backward_naive(dconv, cache)
    grads["K"] = dK + reg * params["K"]
    return loss, grads
