"""Convolution over a signal, relu, mean pooling by two, and a squared hinge for labels -1 and 1."""

import numpy as np


def loss(params, signal, y):
    K, b, w = params["K"], params["b"], params["w"]
    n, L = signal.shape
    F, k = K.shape
    M = L - k + 1
    conv = np.zeros((n, F, M))
    for t in range(M):
        conv[:, :, t] = np.dot(signal[:, t : t + k], K.T) + b
    act = np.maximum(conv, 0)
    pooled = act.reshape(n, F, M // 2, 2).mean(axis=3)
    flat = pooled.reshape(n, -1)
    s = flat.dot(w)
    margin = 1 - y * s
    hinge = np.maximum(0, margin)
    loss = np.mean(hinge**2)

    dmargin = 2 * hinge / n
    ds = -y * dmargin
    dw = flat.T.dot(ds)
    dflat = np.outer(ds, w)
    dpooled = dflat.reshape(pooled.shape)
    dact = np.repeat(dpooled, 2, axis=2) / 2
    dconv = dact.copy()
    dconv[conv < 0] = 0
    dK = np.zeros_like(K)
    db = np.zeros_like(b)
    for t in range(M):
        dK += np.dot(dconv[:, :, t].T, signal[:, t : t + k])
        db += dconv[:, :, t].sum(axis=0)
    return loss, {"K": dK, "b": db, "w": dw}
