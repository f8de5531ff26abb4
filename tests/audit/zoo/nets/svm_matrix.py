"""The multi-class SVM, vectorised: the margins become their own mask."""

import numpy as np


def loss(params, X, y, reg):
    W, b = params["W"], params["b"]
    num_train = X.shape[0]
    scores = X.dot(W) + b
    correct_class_scores = scores[np.arange(num_train), y].reshape(num_train, 1)
    margins = np.maximum(0, scores - correct_class_scores + 1.0)
    margins[np.arange(num_train), y] = 0
    loss = np.sum(margins) / num_train
    loss += reg * np.sum(W * W)

    binary = margins
    binary[margins > 0] = 1
    row_sum = np.sum(binary, axis=1)
    binary[np.arange(num_train), y] = -row_sum
    dW = np.dot(X.T, binary)
    db = np.sum(binary, axis=0)
    dW /= num_train
    db /= num_train
    dW += 2 * reg * W
    return loss, {"W": dW, "b": db}
