"""Forward passes of the field as one writes them, with what they are called with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_nn as tg

random = np.random.default_rng(0)
N, D, H, C = 5, 4, 6, 3
X = random.normal(size=(N, D))
Y = random.integers(0, C, N)
T = random.integers(0, 2, N).astype(float)

#: For each net its arguments, and the places of those to differentiate with respect to.
NETS: dict[Callable[..., Any], tuple[tuple[Any, ...], Any]] = {}


def net(*args: Any, wrt: Any = 0) -> Callable[[Any], Any]:
    def add(f: Any) -> Any:
        NETS[f] = (args, wrt)
        return f

    return add


def normal(*shape: int) -> Any:
    return random.normal(size=shape) * 0.5


@net({"w": normal(D), "b": np.zeros(1)}, X, T)
def logistic(params: Any, X: Any, t: Any) -> Any:
    z = X @ params["w"] + params["b"]
    p = 1 / (1 + np.exp(-z))
    return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))


@net({"W": normal(D, C), "b": normal(C)}, X, Y, 0.1)
def softmax_by_hand(params: Any, X: Any, y: Any, reg: Any) -> Any:
    W, b = params["W"], params["b"]
    scores = X @ W + b
    exp_scores = np.exp(scores - np.max(scores, axis=1, keepdims=True))
    probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
    data_loss = np.sum(-np.log(probs[np.arange(len(y)), y])) / len(y)
    return data_loss + 0.5 * reg * np.sum(W * W)


@net(normal(D, C), X, Y, 0.1)
def svm(W: Any, X: Any, y: Any, reg: Any) -> Any:
    rows = np.arange(X.shape[0])
    scores = X @ W
    correct = scores[rows, y][:, np.newaxis]
    margins = np.maximum(0, scores - correct + 1.0)
    margins[rows, y] = 0
    loss = np.sum(margins) / X.shape[0]
    loss += reg * np.sum(W * W)
    return loss


@net(normal(D, C), X, Y, 0.1)
def hinge(W: Any, X: Any, y: Any, reg: Any) -> Any:
    scores = X @ W
    return tg.hinge_loss(scores, y) + reg * np.sum(W * W)


@net({"W1": normal(D, H), "b1": normal(H), "W2": normal(H, C)}, X, Y, random.random((N, H)) < 0.5)
def dropout(p: Any, X: Any, y: Any, mask: Any) -> Any:
    h = tg.sigmoid(X @ p["W1"] + p["b1"]) * mask / 0.5
    return tg.cross_entropy(h @ p["W2"], y)


@net([normal(D, H), normal(H), normal(H, H), normal(H), normal(H, C), normal(C)], X, Y)
def deep(params: Any, X: Any, y: Any) -> Any:
    h = X
    for i in (0, 2):
        h = np.maximum(0, h @ params[i] + params[i + 1])
    return tg.cross_entropy(h @ params[4] + params[5], y)


@net(X, normal(D), normal(D), normal(N, D), wrt=(0, 1, 2))
def batch_norm(x: Any, gamma: Any, beta: Any, target: Any) -> Any:
    mu = np.mean(x, axis=0)
    xmu = x - mu
    var = np.mean(xmu**2, axis=0)
    std = np.sqrt(var + 1e-5)
    xhat = xmu / std
    out = gamma * xhat + beta
    return np.sum(out * target)


@net(X, normal(D), normal(D), normal(N, D), wrt=(0, 1, 2))
def layer_norm(x: Any, gamma: Any, beta: Any, target: Any) -> Any:
    mu = x.mean(axis=-1, keepdims=True)
    std = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    xhat = (x - mu) / std
    return np.sum((gamma * xhat + beta) * target)


@net(
    {"Wx": normal(D, H), "Wh": normal(H, H), "b": normal(H), "Wy": normal(H, C)},
    normal(3, N, D),
    random.integers(0, C, (3, N)),
)
def rnn(p: Any, xs: Any, ys: Any) -> Any:
    h = np.zeros((xs.shape[1], p["Wh"].shape[0]))
    loss = 0.0
    for i in range(3):
        h = np.tanh(xs[i] @ p["Wx"] + h @ p["Wh"] + p["b"])
        scores = h @ p["Wy"]
        loss = loss + tg.cross_entropy(scores, ys[i])
    return loss


@net(
    {"Wx": normal(D, 4 * H), "Wh": normal(H, 4 * H), "b": normal(4 * H)},
    X,
    normal(N, H),
    normal(N, H),
)
def lstm(p: Any, x: Any, h_prev: Any, c_prev: Any) -> Any:
    a = x @ p["Wx"] + h_prev @ p["Wh"] + p["b"]
    i, f, o = tg.sigmoid(a[:, :H]), tg.sigmoid(a[:, H : 2 * H]), tg.sigmoid(a[:, 2 * H : 3 * H])
    g = np.tanh(a[:, 3 * H :])
    c = f * c_prev + i * g
    h = o * np.tanh(c)
    return np.sum(h**2)


@net({"Wq": normal(D, H), "Wk": normal(D, H), "Wv": normal(D, H)}, normal(2, N, D))
def attention(p: Any, x: Any) -> Any:
    q, k, v = x @ p["Wq"], x @ p["Wk"], x @ p["Wv"]
    scores = q @ k.mT / np.sqrt(q.shape[-1])
    causal = np.tril(np.ones((N, N), dtype=bool))
    masked = np.where(causal, scores, -np.inf)
    e = np.exp(masked - masked.max(axis=-1, keepdims=True))
    attn = e / e.sum(axis=-1, keepdims=True)
    return np.mean((attn @ v) ** 2)


@net(normal(3), normal(8), wrt=(0, 1))
def conv_by_slices(w: Any, x: Any) -> Any:
    out = sum(w[k] * x[k : 6 + k] for k in range(3))
    return np.sum(out**2)


@net(normal(3), normal(8))
def conv_by_loop(w: Any, x: Any) -> Any:
    out = tg.Tensor(np.zeros(6))
    for i in range(6):
        out[i] = np.sum(x[i : i + 3] * w)
    return np.sum(out**2)


@net({"E": normal(10, D), "W": normal(D, C)}, np.array([1, 4, 4, 9, 0]), Y)
def embedding(p: Any, tokens: Any, y: Any) -> Any:
    return tg.cross_entropy(p["E"][tokens] @ p["W"], y)


@net(normal(D), X, T)
def mean_squares(w: Any, X: Any, t: Any) -> Any:
    pred = X @ w
    return np.mean((pred - t) ** 2)


@net(normal(D), X, 3 * T)
def huber(w: Any, X: Any, t: Any) -> Any:
    r = X @ w - t
    return np.mean(np.where(np.abs(r) <= 1.0, 0.5 * r**2, np.abs(r) - 0.5))


@net({"W1": normal(D, H), "W2": normal(H, C)}, X, Y)
def elu(p: Any, X: Any, y: Any) -> Any:
    z = X @ p["W1"]
    h = np.where(z > 0, z, np.exp(z) - 1)
    return tg.cross_entropy(h @ p["W2"], y)


@net(normal(D, C), X, Y)
def gather(W: Any, X: Any, y: Any) -> Any:
    logp = tg.log_softmax(X @ W)
    return -np.mean(np.take_along_axis(logp, y[:, None], axis=1))


@net(normal(D, H), X, normal(N, H), wrt=(0, 1, 2))
def bilinear(W: Any, u: Any, v: Any) -> Any:
    s = np.einsum("bi,ij,bj->b", u, W, v)
    return np.mean(s**2)


@net(normal(D, H), X)
def norm(W: Any, X: Any) -> Any:
    return np.linalg.norm(X @ W)


@net({"W1": normal(D, H), "b1": normal(H), "W2": normal(H, C)}, X, Y, 0.1)
def weight_decay(params: Any, X: Any, y: Any, reg: Any) -> Any:
    h = np.maximum(0, X @ params["W1"] + params["b1"])
    loss = tg.cross_entropy(h @ params["W2"], y)
    for name in params:
        loss = loss + 0.5 * reg * np.sum(params[name] ** 2)
    return loss
