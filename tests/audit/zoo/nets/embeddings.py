"""The mean of looked-up rows, a relu layer, softmax; the gradients are added up in a dict."""

import numpy as np


def loss(params, tokens, labels, lam):
    E, W, b = params["E"], params["W"], params["b"]
    Wo, bo = params["Wo"], params["bo"]
    B, T = tokens.shape
    emb = E[tokens]
    bag = emb.mean(axis=1)
    z = bag @ W + b
    h = np.maximum(z, 0)
    logits = h @ Wo + bo
    shifted = logits - np.max(logits, axis=1, keepdims=True)
    probs = np.exp(shifted) / np.sum(np.exp(shifted), axis=1, keepdims=True)
    correct = probs[np.arange(B), labels]
    loss = np.mean(-np.log(correct))
    loss += 0.5 * lam * (np.sum(W**2) + np.sum(Wo**2) + np.sum(E**2))

    grads = {k: np.zeros_like(v) for k, v in params.items()}
    dlogits = probs.copy()
    dlogits[np.arange(B), labels] -= 1.0
    dlogits /= B
    grads["Wo"] += h.T @ dlogits
    grads["bo"] += np.sum(dlogits, axis=0)
    dh = dlogits @ Wo.T
    dz = dh * (z > 0)
    grads["W"] += bag.T @ dz
    grads["b"] += np.sum(dz, axis=0)
    dbag = dz @ W.T
    demb = np.repeat(dbag[:, None, :], T, axis=1) / T
    np.add.at(grads["E"], tokens, demb)
    grads["E"] += lam * E
    grads["W"] += lam * W
    grads["Wo"] += lam * Wo
    return loss, grads
