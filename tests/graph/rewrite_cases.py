"""Cases for the table of rewrites: a program on the left becomes the one on the right."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

import tinygrad_nn as tg
from tinygrad_nn.graph.rewrites import Table
from tinygrad_nn.graph.simplify import simplify
from tinygrad_nn.rules import neural
from tinygrad_nn.rules.indexing import scatter_add, setitem

random = np.random.default_rng(1)
X, Y = random.normal(size=(4, 3)), random.normal(size=(4, 3)) + 4
B = random.normal(size=3)
COLUMN = random.normal(size=(4, 1)) + 3
SQUARE = random.normal(size=(3, 4))
CUBE = random.normal(size=(2, 3, 4))
LABELS = np.array([0, 2, 1, 1])
ROWS = np.arange(4)
MASK = X > 0


def lines(graph: tg.Graph) -> str:
    """A graph's text without its names."""
    numbers = {graph.names[n]: f"v{i}" for i, n in enumerate(graph.everything)}
    body = str(graph).split("\n", 1)[1]
    return re.sub(r"[A-Za-z_]\w*", lambda m: numbers.get(m[0], m[0]), body)


def shared(graph: tg.Graph) -> tg.Graph:
    """With what is computed twice put together, and no rewrite applied."""
    return simplify(graph, Table())


def total(x: Any, axis: int = 1) -> Any:
    return np.sum(x, axis=axis, keepdims=True)


def onehot(labels: Any) -> Any:
    return (np.reshape(labels, (4, 1)) == np.arange(3)).astype(np.float64)


def picked(x: Any, y: Any) -> Any:
    """p - onehot, in place."""
    return setitem(neural.softmax(x), neural.softmax(x)[ROWS, y] - 1, ROWS, y)


def logistic(x: Any) -> Any:
    return 1 / (1 + np.exp(x))


def product_first(x: Any, y: Any, s: Any) -> Any:
    penalty = s * x
    return y @ x + penalty


def weighted_slope(x: Any, y: Any, z: Any) -> Any:
    p = tg.sigmoid(z)
    q = 1 - p
    return x * p - y * q


def deviation(z: Any) -> Any:
    return np.sqrt(np.sum(z * z, axis=0) / 4 + 1e-5)


def onehot_from_end(labels: Any) -> Any:
    return (np.reshape(labels, (4, 1)) == np.arange(-3, 0)).astype(np.float64)


def scattered_onto(x: Any, v: Any, y: Any, z: Any) -> Any:
    p = tg.softmax(x)
    change = v * p[ROWS, y]
    onto = p * z
    return setitem(onto, onto[ROWS, y] + change, ROWS, y)


def scattered_less(x: Any, v: Any, y: Any, z: Any) -> Any:
    p = tg.softmax(x)
    return scatter_add(v * p[ROWS, y], (4, 3), ROWS, y) - p * z


def maximum_slope(mask: Any, z: Any) -> Any:
    count = np.sum(mask, axis=1, keepdims=True).astype(float)
    return mask * (z / np.where(count == 0, np.nan, count))


#: A program, what it becomes, and what both are called with.
CASES: list[tuple[Any, Any, tuple[Any, ...]]] = [
    # neutral operands
    (lambda x: +x, lambda x: x, (X,)),
    (lambda x: x * 1, lambda x: x, (X,)),
    (lambda x: 1.0 * x, lambda x: x, (X,)),
    (lambda x: np.float64(1) * x, lambda x: x, (X,)),
    (lambda x: x / 1, lambda x: x, (X,)),
    (lambda x: x + -0.0, lambda x: x, (X,)),
    (lambda x: x - 0.0, lambda x: x, (X,)),
    (lambda x: x**1, lambda x: x, (X,)),
    # numbers
    (lambda x: np.float64(2) * x, lambda x: 2 * x, (X,)),
    (lambda x: x - np.float64(2.5), lambda x: x - 2.5, (X,)),
    (lambda x, s: (np.float64(1) * s) * x, lambda x, s: s * x, (X, 0.5)),
    (lambda x, s: x - np.float64(1) * s, lambda x, s: x - s, (X, 0.5)),
    (lambda x, s: (np.float64(2) * s) * x, lambda x, s: (2 * s) * x, (X, 0.5)),
    # signs
    (lambda x: -(-x), lambda x: x, (X,)),  # noqa: B002
    (lambda x: -(2 * x), lambda x: -2 * x, (X,)),
    (lambda x: -(2 / x), lambda x: -2 / x, (Y,)),
    (lambda x: -1 / x, lambda x: -(1 / x), (Y,)),
    (lambda x: x * -1, lambda x: -x, (X,)),
    (lambda x: x / -1, lambda x: -x, (X,)),
    (lambda x, y: y + x / -5, lambda x, y: y - x / 5, (X, Y)),
    (lambda x: 2 * -x, lambda x: -2 * x, (X,)),
    (lambda x: 2 / -x, lambda x: -2 / x, (Y,)),
    (lambda x: -x / 2, lambda x: -(x / 2), (X,)),
    (lambda x, y: x * -y, lambda x, y: -(x * y), (X, Y)),
    (lambda x, y: -x * -y, lambda x, y: x * y, (X, Y)),
    (lambda x, y: -x / y, lambda x, y: -(x / y), (X, Y)),
    (lambda x, y: x / -y, lambda x, y: -(x / y), (X, Y)),
    (lambda x, y: x + -y, lambda x, y: x - y, (X, Y)),
    (lambda x, y: -x + y, lambda x, y: y - x, (X, Y)),
    (lambda x, y: x - -y, lambda x, y: x + y, (X, Y)),
    (lambda x, y: x + -0.5 * y, lambda x, y: x - 0.5 * y, (X, Y)),
    (lambda x, y: x - -0.5 * y, lambda x, y: x + 0.5 * y, (X, Y)),
    (lambda x, y: x + -0.5 * x * y, lambda x, y: x - 0.5 * x * y, (X, Y)),
    (lambda x, y: x - -0.5 * x * y, lambda x, y: x + 0.5 * x * y, (X, Y)),
    (lambda x: x + -0.5, lambda x: x - 0.5, (X,)),
    (lambda x: x - -0.5, lambda x: x + 0.5, (X,)),
    # constant factors
    (lambda x: 3 * (0.5 * x), lambda x: 1.5 * x, (X,)),
    (lambda x: 2 * (0.5 * x), lambda x: x, (X,)),
    (lambda x: x / 2 / 3, lambda x: x / 6, (X,)),
    (lambda x: 2 * (3 / x), lambda x: 6 / x, (Y,)),
    (lambda x: 2 * (x / 6), lambda x: x / 3, (X,)),
    (lambda x: 6 * (x / 2), lambda x: 3 * x, (X,)),
    (lambda x: 2 * x / 6, lambda x: x / 3, (X,)),
    (lambda x: 6 * x / 2, lambda x: 3 * x, (X,)),
    (lambda x: 2 * (0.75 * x / 5), lambda x: 1.5 * x / 5, (X,)),
    (lambda x, y: 0.5 * (3 * x * y), lambda x, y: 1.5 * x * y, (X, Y)),
    (lambda x, s: 2 * (s * x), lambda x, s: (2 * s) * x, (X, 0.5)),
    (lambda x, s: s * (2 * x), lambda x, s: (2 * s) * x, (X, 0.5)),
    (lambda x, s, t: s * (t * x), lambda x, s, t: (s * t) * x, (X, 0.5, 0.3)),
    (lambda x, y: (2 * x) * (3 * y), lambda x, y: 6 * (x * y), (X, Y)),
    (lambda x, y: (2 * x) / y, lambda x, y: 2 * (x / y), (X, Y)),
    # equal terms
    (lambda x: x + x, lambda x: 2 * x, (X,)),
    (lambda x: 2 * x + x, lambda x: 3 * x, (X,)),
    (lambda x: 2 * x + 0.5 * x, lambda x: 2.5 * x, (X,)),
    (lambda x: x**2, lambda x: x * x, (X,)),
    (lambda x: x**2.0, lambda x: x * x, (X,)),
    (lambda x: np.square(x), lambda x: x * x, (X,)),
    (lambda x, y: x / 5 + y / 5, lambda x, y: (x + y) / 5, (X, Y)),
    (lambda x, y: x / 5 - y / 5, lambda x, y: (x - y) / 5, (X, Y)),
    (
        lambda x: logistic(x) / (1 + np.exp(x)) * np.exp(x),
        lambda x: logistic(x) * (1 - logistic(x)),
        (X,),
    ),
    (
        lambda x, y: y * logistic(x) / (1 + np.exp(x)) * np.exp(x),
        lambda x, y: y * logistic(x) * (1 - logistic(x)),
        (X, Y),
    ),
    (lambda x, y, s: s * x + y @ x, product_first, (X, np.eye(4), 0.5)),
    # one standard deviation
    (
        lambda x, y, z: (x / z, y / z / 5 * x),
        lambda x, y, z: (x / z, y / 5 * (x / z)),
        (X, B, B + 3),
    ),
    (
        lambda x, y, z, w: x / deviation(z) - y / deviation(z) / 5 * w,
        lambda x, y, z, w: np.divide(*(deviation(z), x - y / 5 * w)[::-1]),
        (X, B, Y, Y + 1),
    ),
    (
        lambda x, y, z, w: x / deviation(z) + y / deviation(z) / 5 * w,
        lambda x, y, z, w: np.divide(*(deviation(z), x + y / 5 * w)[::-1]),
        (X, B, Y, Y + 1),
    ),
    # kinks and choices
    (lambda x: tg.relu(x), lambda x: np.maximum(0, x), (X,)),
    (lambda m, x: np.where(m, x, x), lambda m, x: x, (MASK, X)),
    (
        lambda m, x, y: np.where(np.logical_not(m), x, y),
        lambda m, x, y: np.where(m, y, x),
        (MASK, X, Y),
    ),
    (lambda m, x: x * m.astype(float), lambda m, x: x * m, (MASK, X)),
    # shapes
    (lambda x: x.T.T, lambda x: x, (X,)),
    (lambda x: x.T, lambda x: x, (B,)),
    (lambda x: np.swapaxes(x, 0, 1), lambda x: x.T, (X,)),
    (lambda x: np.transpose(x, (0, 1)), lambda x: x, (X,)),
    (
        lambda x: np.transpose(np.transpose(x, (1, 2, 0)), (1, 2, 0)),
        lambda x: np.transpose(x, (2, 0, 1)),
        (CUBE,),
    ),
    (
        lambda x: np.transpose(np.transpose(x), (1, 0, 2)),
        lambda x: np.transpose(x, (1, 2, 0)),
        (CUBE,),
    ),
    (
        lambda x: np.transpose(np.transpose(x, (1, 0, 2))),
        lambda x: np.transpose(x, (2, 0, 1)),
        (CUBE,),
    ),
    (lambda a, b: (a.T @ b).T, lambda a, b: b.T @ a, (X, Y)),
    (lambda a, b: (a @ b.T).T, lambda a, b: b @ a.T, (X, Y)),
    (lambda a, b: (a.mT @ b).mT, lambda a, b: b.mT @ a, (CUBE, CUBE + 1)),
    (lambda a, b: (a @ b.mT).mT, lambda a, b: b @ a.mT, (CUBE, CUBE + 1)),
    (lambda x: np.reshape(np.reshape(x, (2, 6)), (3, 4)), lambda x: np.reshape(x, (3, 4)), (X,)),
    (lambda x: np.reshape(x, (4, 3)), lambda x: x, (X,)),
    (lambda x: np.broadcast_to(x, (4, 3)), lambda x: x, (X,)),
    (lambda x: x.astype(np.float64), lambda x: x, (X,)),
    (
        lambda x: np.broadcast_to(np.broadcast_to(x, (4, 3)), (2, 4, 3)),
        lambda x: np.broadcast_to(x, (2, 4, 3)),
        (B,),
    ),
    (
        lambda x: np.broadcast_to(np.reshape(x, (1, 3)), (4, 3)),
        lambda x: np.broadcast_to(x, (4, 3)),
        (B,),
    ),
    (
        lambda x: np.reshape(np.broadcast_to(np.sum(x), (4, 3)), (2, 6)),
        lambda x: np.broadcast_to(np.sum(x), (2, 6)),
        (X,),
    ),
    (lambda x, b: np.broadcast_to(b, (4, 3)) * x, lambda x, b: b * x, (X, B)),
    (lambda x, b: x - np.broadcast_to(b, (4, 3)), lambda x, b: x - b, (X, B)),
    (lambda x, b: np.reshape(b, (1, 3)) * x, lambda x, b: b * x, (X, B)),
    (lambda x, b: x - np.reshape(b, (1, 3)), lambda x, b: x - b, (X, B)),
    (
        lambda b: np.exp(np.broadcast_to(b, (4, 3))),
        lambda b: np.broadcast_to(np.exp(b), (4, 3)),
        (B,),
    ),
    (lambda b: np.exp(np.reshape(b, (1, 3))), lambda b: np.reshape(np.exp(b), (1, 3)), (B,)),
    (
        lambda b: np.broadcast_to(b, (4, 3)) * 2.5,
        lambda b: np.broadcast_to(b * 2.5, (4, 3)),
        (B,),
    ),
    (
        lambda b: 2.5 - np.broadcast_to(b, (4, 3)),
        lambda b: np.broadcast_to(2.5 - b, (4, 3)),
        (B,),
    ),
    (
        lambda b, z: np.broadcast_to(b, (4, 3)) + np.broadcast_to(z, (4, 3)),
        lambda b, z: np.broadcast_to(b + z, (4, 3)),
        (B, B + 1),
    ),
    (lambda b: np.reshape(b, (1, 3)) * 2.5, lambda b: np.reshape(b * 2.5, (1, 3)), (B,)),
    (lambda b: 2.5 - np.reshape(b, (1, 3)), lambda b: np.reshape(2.5 - b, (1, 3)), (B,)),
    (
        lambda m, x, b: np.where(m, np.broadcast_to(b, (4, 3)), x),
        lambda m, x, b: np.where(m, b, x),
        (MASK, X, B),
    ),
    (
        lambda m, x, b: np.where(m, x, np.broadcast_to(b, (4, 3))),
        lambda m, x, b: np.where(m, x, b),
        (MASK, X, B),
    ),
    # reductions
    (lambda x: np.sum(-x, axis=0), lambda x: -np.sum(x, axis=0), (X,)),
    (lambda x: np.sum(x * 2.5, axis=0), lambda x: np.sum(x, axis=0) * 2.5, (X,)),
    (lambda x, b: np.sum(x * b, axis=0), lambda x, b: np.sum(x, axis=0) * b, (X, B)),
    (lambda x, z: total(x * z), lambda x, z: total(x) * z, (X, COLUMN)),
    (lambda x: np.sum(x / 7), lambda x: np.sum(x) / 7, (X,)),
    (
        lambda x, z: total(x / total(np.exp(z))),
        lambda x, z: np.divide(*(total(np.exp(z)), total(x))[::-1]),
        (X, Y),
    ),
    (lambda x: np.sum(x, axis=1), lambda x: np.reshape(x, (4,)), (COLUMN,)),
    (lambda x: np.sum(x, axis=-1), lambda x: np.sum(x, axis=1), (X,)),
    (lambda x: np.max(x, axis=(0, 1)), lambda x: np.max(x), (X,)),
    (lambda x: np.sum(np.sum(x)), lambda x: np.sum(x), (X,)),
    (lambda x: np.reshape(np.sum(x, axis=1), (4, 1)), lambda x: total(x), (X,)),
    (
        lambda x: np.reshape(np.max(x, axis=1, keepdims=True), (4,)),
        lambda x: np.max(x, axis=1),
        (X,),
    ),
    (lambda x: x - total(x, axis=0), lambda x: x - np.sum(x, axis=0), (X,)),
    (lambda b: np.sum(np.broadcast_to(b, (4, 3)), axis=0), lambda b: b * 4, (B,)),
    (
        lambda z: np.sum(np.broadcast_to(z, (4, 3)), axis=1, keepdims=True),
        lambda z: z * 3,
        (COLUMN,),
    ),
    (lambda x: np.sum(np.reshape(x, (2, 6))), lambda x: np.sum(x), (X,)),
    # indexing
    (lambda b: b[:, None], lambda b: np.reshape(b, (3, 1)), (B,)),
    (lambda x: x[None, ..., None], lambda x: np.reshape(x, (1, 4, 3, 1)), (X,)),
    (lambda x: x[:, None, :], lambda x: np.reshape(x, (4, 1, 3)), (X,)),
    (
        lambda x, y: np.take_along_axis(x, y[:, None], axis=1),
        lambda x, y: np.reshape(x[ROWS, y], (4, 1)),
        (X, LABELS),
    ),
    (
        lambda x: scatter_add(x, (4, 3), Ellipsis, None),
        lambda x: np.reshape(x, (4, 3)),
        (X[..., None],),
    ),
    (
        lambda b: scatter_add(b, (3, 1), slice(None), 0),
        lambda b: np.reshape(b, (3, 1)),
        (B,),
    ),
    (
        lambda s, m: setitem(np.broadcast_to(s, (4, 3)), 0, slice(0, 2)) * m,
        lambda s, m: setitem(s * m, 0, slice(0, 2)),
        (np.float64(0.25), MASK),
    ),
    # softmax
    (lambda x: np.exp(tg.log_softmax(x)), lambda x: tg.softmax(x), (X,)),
    (lambda x: np.log(tg.softmax(x, axis=0)), lambda x: tg.log_softmax(x, axis=0), (X,)),
    (lambda x: np.exp(x) / total(np.exp(x)), lambda x: tg.softmax(x), (X,)),
    (lambda x: np.exp(x) / np.sum(np.exp(x), axis=0), lambda x: tg.softmax(x, axis=0), (X,)),
    (lambda x: np.exp(x) / np.sum(np.exp(x)), lambda x: tg.softmax(x), (B,)),
    (lambda x, y: y / total(np.exp(x)) * np.exp(x), lambda x, y: y * tg.softmax(x), (X, Y)),
    (lambda x: x - np.log(total(np.exp(x))), lambda x: tg.log_softmax(x), (X,)),
    (lambda x: x - tg.logsumexp(x, keepdims=True), lambda x: tg.log_softmax(x), (X,)),
    (lambda x: tg.softmax(x - np.max(x, axis=1, keepdims=True)), lambda x: tg.softmax(x), (X,)),
    (lambda x: tg.log_softmax(x - np.max(x)), lambda x: tg.log_softmax(x), (X,)),
    # logistic regression
    (
        lambda x, y, z: (
            (x / (1 - tg.sigmoid(z)) - y / tg.sigmoid(z)) * tg.sigmoid(z) * (1 - tg.sigmoid(z))
        ),
        weighted_slope,
        (X, Y, X),
    ),
    (
        lambda y, z: (
            ((1 - y) / 5 / (1 - logistic(z)) - y / 5 / logistic(z))
            * (logistic(z))
            * (1 - logistic(z))
        ),
        lambda y, z: (logistic(z) - y) / 5,
        (Y, X),
    ),
    (
        lambda y, z: (
            ((1 - y) / (1 - logistic(z)) - y / logistic(z)) * (logistic(z)) * (1 - logistic(z))
        ),
        lambda y, z: logistic(z) - y,
        (Y, X),
    ),
    # cross entropy
    (
        lambda x, y: -np.mean(tg.log_softmax(x)[ROWS, y]),
        lambda x, y: neural.cross_entropy(x, y, from_end=True),
        (X, LABELS),
    ),
    (
        lambda x, y: -np.sum(np.log(tg.softmax(x)[ROWS, y])) / 4,
        lambda x, y: neural.cross_entropy(x, y, from_end=True),
        (X, LABELS),
    ),
    (
        lambda x, y: np.mean(tg.logsumexp(x) - x[ROWS, y]),
        lambda x, y: neural.cross_entropy(x, y, from_end=True),
        (X, LABELS),
    ),
    (  # labels that are known need no check
        lambda x: -np.mean(tg.log_softmax(x)[ROWS, LABELS]),
        lambda x: tg.cross_entropy(x, LABELS),
        (X,),
    ),
    # its derivative, and its parts
    (
        lambda x, y: (tg.cross_entropy(x, y), tg.softmax(x) - onehot(y)),
        lambda x, y: (tg.cross_entropy(x, y), picked(x, y)),
        (X, LABELS),
    ),
    (
        lambda x, y: (
            neural.cross_entropy(x, y, from_end=True),
            tg.softmax(x) - (onehot(y) + onehot_from_end(y)),
        ),
        lambda x, y: (neural.cross_entropy(x, y, from_end=True), picked(x, y)),
        (X, LABELS - 3),
    ),
    (
        lambda x, v, y: total(scatter_add(v, (4, 3), ROWS, y)) + x,
        lambda x, v, y: np.reshape(v, (4, 1)) + x,
        (X, np.arange(4.0), LABELS),
    ),
    (
        lambda x, v, y: scatter_add(v, (4, 3), ROWS, y) * tg.softmax(x),
        lambda x, v, y: scatter_add(v * tg.softmax(x)[ROWS, y], (4, 3), ROWS, y),
        (X, np.arange(4.0), LABELS),
    ),
    (
        lambda x, v, y: scatter_add(v, (4, 3), ROWS, y) / tg.softmax(x),
        lambda x, v, y: scatter_add(v / tg.softmax(x)[ROWS, y], (4, 3), ROWS, y),
        (X, np.arange(4.0), LABELS),
    ),
    (
        lambda x, v, y, z: tg.softmax(x) * (scatter_add(v, (4, 3), ROWS, y) + z),
        scattered_onto,
        (X, np.arange(4.0), LABELS, COLUMN),
    ),
    (
        lambda x, v, y, z: tg.softmax(x) * (scatter_add(v, (4, 3), ROWS, y) - z),
        scattered_less,
        (X, np.arange(4.0), LABELS, COLUMN),
    ),
    (
        lambda x, v, y: v / tg.softmax(x)[ROWS, y] * tg.softmax(x)[ROWS, y],
        lambda x, v, y: v,
        (X, np.arange(4.0), LABELS),
    ),
    (
        lambda x, v, y: x + scatter_add(v, (4, 3), ROWS, y),
        lambda x, v, y: setitem(x, x[ROWS, y] + v, ROWS, y),
        (X, np.arange(4.0), LABELS),
    ),
    (
        lambda x, v, y: x - scatter_add(v, (4, 3), ROWS, y),
        lambda x, v, y: setitem(x, x[ROWS, y] - v, ROWS, y),
        (X, np.arange(4.0), LABELS),
    ),
    (
        lambda x, y: x - total(picked(x, y)),
        lambda x, y: x,
        (X, LABELS),
    ),
    (
        lambda x, y: (picked(x, y) / 4, x - total(picked(x, y) / 4)),
        lambda x, y: (picked(x, y) / 4, x),
        (X, LABELS),
    ),
    (
        lambda x, y, m: x - maximum_slope(m, total(picked(x, y))),
        lambda x, y, m: x,
        (X, LABELS, MASK),
    ),
]
