"""Programs that no line of the table may touch: what it would make of them is not the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_nn as tg
from tests.graph.rewrite_cases import (
    COLUMN,
    LABELS,
    MASK,
    ROWS,
    SQUARE,
    B,
    X,
    Y,
    lines,
    onehot,
    shared,
    total,
)

HALF: list[Any] = [
    lambda x, y: np.sum(x / 1000) + np.sum(y * 0.001),
    lambda x, y: np.sum(x * y[0], axis=0),
    lambda x, y: (0.05 * x) * (0.05 * y),
    lambda x, y: 2 * (0.75 * x / 5),
    lambda x, y: (0.05 * x) / y,
    lambda x, y: x / 10 + y / 10,
    lambda x, y: np.sum(np.broadcast_to(y[0], (5, 3)), axis=0),
]

MIXED: list[Any] = [
    lambda x, y, s: x > np.float64(0.1),
    lambda x, y, s: np.equal(np.float64(0.1), x),
    lambda x, y, s: np.float64(1) * x > 0.1,
    lambda x, y, s: np.less(0.1, np.float64(1) * x),
    lambda x, y, s: np.broadcast_to(s, (4, 3)) < x,
    lambda x, y, s: np.broadcast_to(s, (1, 3)) >= x,
    lambda x, y, s: (2 * x) * (3 * (x * y)),
    lambda x, y, s: np.sum(x * y[0], axis=0),
    lambda x, y, s: x / 5 + y / 5,
]

KEPT: list[tuple[Any, tuple[Any, ...]]] = [
    (lambda x: x * 0, (X,)),  # NaN where x is infinite
    (lambda x: x - x, (X,)),
    (lambda x: x / x, (X,)),
    (lambda x: np.float64(1) * x, (X.astype(np.float32),)),  # the dtype changes
    (lambda x: x + 0.0, (LABELS,)),
    (lambda x: 2 * (100 * x), (LABELS.astype(np.int8),)),  # 200 does not fit
    (lambda x, y: x + -y, (LABELS, LABELS.astype(np.uint8))),  # wraps around in 8 bits
    (lambda x: np.sum(-x), (LABELS.astype(np.uint8),)),
    (lambda x: x / 5, (X,)),  # not x * 0.2
    # the sign of a zero, and with it that of an infinity
    (lambda x: x + 0, (X,)),
    (lambda x: 0 - x, (X,)),
    (lambda x, y: -(x - y), (X, Y)),
    (lambda x, y: -x - y, (X, Y)),
    (lambda m: np.where(m, 0.0, -0.0), (MASK,)),
    # a divisor that may be 0, and a sum of nothing
    (lambda x, z: total(x / z), (X, COLUMN)),
    (lambda x, y, z: x / z + y / z, (X, Y, Y)),
    (lambda x: np.sum(x / 3, axis=0), (X[:0],)),
    (lambda x, s: np.sum(x * s), (X[:0], 0.5)),
    (lambda b: np.sum(np.broadcast_to(b, (0, 3)), axis=0), (B,)),
    # what is added or multiplied first would overflow
    *[(f, (X.astype(np.float16), Y.astype(np.float16))) for f in HALF],
    (lambda x, y: (0.05 * x) * (0.05 * y), (X.astype(np.float32), Y.astype(np.float32))),
    (lambda x: np.sum(x / 1e20), (X.astype(np.float32),)),
    # another dtype is computed in, though the result has the same
    *[(f, (X.astype(np.float32), Y, 0.1)) for f in MIXED],
    (lambda x: 1e8 * (1e8 * x), (X,)),  # float32 knows no product of many such numbers
    (lambda x, b: np.reshape(b, (3, 1)) * x, (np.ones((3, 3)), B)),  # columns are no rows
    (lambda x, b: np.broadcast_to(b, (4, 3)), (X, B)),
    (lambda x, y: (np.sum(x / 5, axis=0), x / 5), (X, Y)),  # x / 5 is needed anyway
    (lambda a, b: (a @ b).T, (X, SQUARE)),
    (lambda x, y: -np.mean(tg.log_softmax(x)[ROWS[::-1].copy(), y]), (X, LABELS)),
    (lambda x, y: np.sum(tg.log_softmax(x)[ROWS, y]) / 3, (X, LABELS)),
    (lambda x, y: tg.softmax(x) - onehot(y), (X, LABELS)),  # nobody checks these labels
    (lambda x: tg.softmax(x - np.max(x, axis=0)), (X,)),  # the maximum along another axis
    (lambda x, u: x * u / (1 + u), (X, np.exp(Y))),  # exact for a small u
]


@pytest.mark.parametrize(("f", "args"), KEPT, ids=[str(i) for i in range(len(KEPT))])
def test_what_would_not_be_the_same_is_kept(f: Any, args: tuple[Any, ...]) -> None:
    graph = tg.trace(f, *args)
    assert lines(graph.simplify()) == lines(shared(graph))
