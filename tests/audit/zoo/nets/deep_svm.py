"""Three layers in lists, relu between them, an SVM on top; walked from the last layer down."""

import numpy as np


def loss(params, X, y, reg):
    weights = [params["W1"], params["W2"], params["W3"]]
    biases = [params["b1"], params["b2"], params["b3"]]
    rows = np.arange(X.shape[0])

    activations = [X]
    for k, (W, b) in enumerate(zip(weights, biases)):
        out = activations[-1] @ W + b
        if k < 2:
            out = out * (out > 0)
        activations.append(out)

    scores = activations[-1]
    margins = scores - scores[rows, y][:, None] + 1
    margins[rows, y] = 0
    hinge = np.mean(np.sum(margins.clip(0), axis=1))
    penalty = sum(np.sum(W * W) for W in weights)

    violated = (margins > 0).astype(X.dtype)
    delta = violated / len(rows)
    delta[rows, y] -= np.sum(violated, axis=1) / len(rows)
    grads = {}
    for k in (2, 1, 0):
        if k < 2:
            delta = delta * (activations[k + 1] > 0)
        grads[f"W{k + 1}"] = activations[k].T @ delta + 2 * reg * weights[k]
        grads[f"b{k + 1}"] = np.sum(delta, axis=0, keepdims=True)
        delta = delta @ weights[k].T
    return hinge + reg * penalty, grads
