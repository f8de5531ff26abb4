"""The case study's linear classifier: softmax, a bias row, gradients in the memory of probs."""

import numpy as np


def loss(params, X, y, reg):
    W, b = params["W"], params["b"]
    num_examples = X.shape[0]

    # forward
    scores = np.dot(X, W) + b
    exp_scores = np.exp(scores)
    probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
    correct_logprobs = -np.log(probs[range(num_examples), y])
    data_loss = np.sum(correct_logprobs) / num_examples
    reg_loss = 0.5 * reg * np.sum(W * W)
    loss = data_loss + reg_loss

    # backward
    dscores = probs
    dscores[range(num_examples), y] -= 1
    dscores /= num_examples

    dW = np.dot(X.T, dscores)
    db = np.sum(dscores, axis=0, keepdims=True)
    dW += reg * W
    return loss, {"W": dW, "b": db}
