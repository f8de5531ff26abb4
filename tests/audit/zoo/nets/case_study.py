"""The case study's two-layer net: mask by assignment, L2 halved, bias rows."""

import numpy as np


def loss(params, X, y, reg):
    W, b = params["W"], params["b"]
    W2, b2 = params["W2"], params["b2"]
    N = X.shape[0]

    hidden_layer = np.maximum(0, np.dot(X, W) + b)
    scores = np.dot(hidden_layer, W2) + b2

    exp_scores = np.exp(scores)
    probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
    correct_logprobs = -np.log(probs[range(N), y])
    data_loss = np.sum(correct_logprobs) / N
    reg_loss = 0.5 * reg * np.sum(W * W) + 0.5 * reg * np.sum(W2 * W2)
    loss = data_loss + reg_loss

    dscores = probs
    dscores[range(N), y] -= 1
    dscores /= N
    # backprop into W2 and b2, then into the hidden layer
    dW2 = np.dot(hidden_layer.T, dscores)
    db2 = np.sum(dscores, axis=0, keepdims=True)
    dhidden = np.dot(dscores, W2.T)
    # backprop the ReLU
    dhidden[hidden_layer <= 0] = 0
    dW = np.dot(X.T, dhidden)
    db = np.sum(dhidden, axis=0, keepdims=True)
    # add the regularisation gradient
    dW2 += reg * W2
    dW += reg * W
    return loss, {"W": dW, "b": db, "W2": dW2, "b2": db2}
