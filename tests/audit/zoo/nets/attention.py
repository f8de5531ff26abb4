"""One head of masked attention over T steps, with a residual connection; mean squared error."""

import numpy as np


def softmax(x):
    ex = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return ex / np.sum(ex, axis=-1, keepdims=True)


def loss(params, x, target):
    Wq, Wk, Wv, Wo = (params[name] for name in ("Wq", "Wk", "Wv", "Wo"))
    T = len(x)
    dk = Wq.shape[1]
    q = x @ Wq
    k = x @ Wk
    v = x @ Wv
    scores = q @ k.T / np.sqrt(dk)
    future = np.triu(np.ones((T, T)), 1) > 0
    scores = np.where(future, -1e9, scores)
    att = softmax(scores)
    ctx = att @ v
    out = ctx @ Wo + x
    loss = np.mean((out - target) ** 2)

    dout = 2 * (out - target) / out.size
    dWo = ctx.T @ dout
    dctx = dout @ Wo.T
    datt = dctx @ v.T
    dv = att.T @ dctx
    dscores = att * (datt - np.sum(datt * att, axis=-1, keepdims=True))
    dscores = np.where(future, 0, dscores) / np.sqrt(dk)
    dq = dscores @ k
    dk_ = dscores.T @ q
    dWq = x.T @ dq
    dWk = x.T @ dk_
    dWv = x.T @ dv
    return loss, {"Wq": dWq, "Wk": dWk, "Wv": dWv, "Wo": dWo}
