"""A two-layer tanh net with a sample in each column; dZ undivided, every gradient divided by m."""

import numpy as np


def softmax(Z):
    e = np.exp(Z - np.max(Z, axis=0))
    return e / np.sum(e, axis=0)


def forward_propagation(X, parameters):
    W1, b1 = parameters["W1"], parameters["b1"]
    W2, b2 = parameters["W2"], parameters["b2"]
    Z1 = np.dot(W1, X) + b1
    A1 = np.tanh(Z1)
    Z2 = np.dot(W2, A1) + b2
    A2 = softmax(Z2)
    return A2, {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}


def compute_cost(A2, Y, parameters, reg):
    m = Y.shape[1]
    cross_entropy = -1 / m * np.sum(Y * np.log(A2))
    penalty = np.sum(np.square(parameters["W1"])) + np.sum(np.square(parameters["W2"]))
    return cross_entropy + reg / (2 * m) * penalty


def backward_propagation(X, Y, cache, parameters, reg):
    m = X.shape[1]
    W1, W2 = parameters["W1"], parameters["W2"]
    A1, A2 = cache["A1"], cache["A2"]
    dZ2 = A2 - Y
    dW2 = 1 / m * np.dot(dZ2, A1.T) + reg / m * W2
    db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)
    dZ1 = np.dot(W2.T, dZ2) * (1 - np.power(A1, 2))
    dW1 = 1 / m * np.dot(dZ1, X.T) + reg / m * W1
    db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}


def loss(params, X, y, reg):
    num_classes = params["W2"].shape[0]
    Y = np.zeros((num_classes, X.shape[1]))
    Y[y, np.arange(X.shape[1])] = 1
    A2, cache = forward_propagation(X, params)
    cost = compute_cost(A2, Y, params, reg)
    grads = backward_propagation(X, Y, cache, params, reg)
    return cost, grads
