"""Rewrites of the softmax and the cross entropy, in the spellings written by hand.

In what follows p is the softmax of the scores, and ``x[rows, labels]`` picks each row's own class.
A label is as valid here as it was before: a pick counts a negative one from the end and refuses
what is no index, and so does the cross entropy that takes its place (``from_end``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...node import Node
from ...rules.indexing import scatter_add, setitem
from ...rules.neural import cross_entropy, log_softmax, logsumexp, sigmoid, softmax
from .arithmetic import real
from .pattern import is_number, operands_of, rewrite
from .reductions import is_column

# --- softmax --------------------------------------------------------------------------------------


def _total(x: Any, axis: Any) -> Any:
    return np.sum(x, axis=axis, keepdims=True)


rewrite(lambda x, axis: np.exp(log_softmax(x, axis=axis)), lambda x, axis: softmax(x, axis=axis))
rewrite(lambda x, axis: np.log(softmax(x, axis=axis)), lambda x, axis: log_softmax(x, axis=axis))
rewrite(
    lambda x, axis: np.exp(x) / _total(np.exp(x), axis),
    lambda x, axis: softmax(x, axis=axis),
    when=lambda axis: isinstance(axis, int),
)
rewrite(
    lambda x, axis: np.exp(x) / np.sum(np.exp(x), axis=axis),
    lambda x, axis: softmax(x, axis=0),
    when=lambda x, axis: axis == 0 or (axis is None and x.ndim == 1),
)
# the same where something is multiplied in between, as in derivatives
rewrite(
    lambda x, y, axis: y / _total(np.exp(x), axis) * np.exp(x),
    lambda x, y, axis: y * softmax(x, axis=axis),
    when=lambda axis: isinstance(axis, int),
)
rewrite(
    lambda x, axis: x - np.log(_total(np.exp(x), axis)),
    lambda x, axis: log_softmax(x, axis=axis),
    when=lambda axis: isinstance(axis, int),
)
rewrite(
    lambda x, axis: x - logsumexp(x, axis=axis, keepdims=True),
    lambda x, axis: log_softmax(x, axis=axis),
    when=lambda axis: axis is None or isinstance(axis, int),
)


def _add_shift_for(f: Any) -> None:
    # what is subtracted from a whole row changes nothing
    rewrite(
        lambda x, y, axis: f(x - y, axis=axis),
        lambda x, axis: f(x, axis=axis),
        when=lambda x, y, axis: y.function is np.max and is_column(y, x, _row_axis(x, axis)),
    )


def _row_axis(x: Any, axis: Any) -> int:
    return x.ndim - 1 if axis is None else int(axis)


_add_shift_for(softmax)
_add_shift_for(log_softmax)

# --- logistic regression --------------------------------------------------------------------------


def is_probability(p: Any) -> bool:
    """Whether ``p`` is a sigmoid: between 0 and 1, and neither but for rounding."""
    if p.function is sigmoid:
        return True
    if p.function is not np.divide:
        return False
    above, below = operands_of(p.operand)
    if not (is_number(above) and above == 1 and isinstance(below, Node)):
        return False
    terms = operands_of(below) if below.function is np.add else ()
    ones = [x for x in terms if is_number(x) and x == 1]
    return len(ones) == 1 and any(isinstance(x, Node) and x.function is np.exp for x in terms)


# the derivative of -(y log p + (1 - y) log(1 - p)), times that of the sigmoid, is p - y
real(
    lambda x, y, p: (x / (1 - p) - y / p) * p * (1 - p),
    lambda x, y, p: x * p - y * (1 - p),
    when=lambda p: is_probability(p),
)
real(lambda y, n, p: (1 - y) / n * p - y / n * (1 - p), lambda y, n, p: (p - y) / n)
real(lambda y, p: (1 - y) * p - y * (1 - p), lambda y, p: p - y)

# --- cross entropy --------------------------------------------------------------------------------


def is_rows(rows: Any) -> bool:
    """Whether an index array is 0, 1, 2, ..."""
    r = rows.constant
    return (
        isinstance(r, np.ndarray)
        and r.ndim == 1
        and r.dtype.kind in "iu"
        and bool((r == np.arange(len(r))).all())
    )


def _is_pick(shape: tuple[int, ...], rows: Any, labels: Any) -> bool:
    """Whether ``x[rows, labels]`` of an x of ``shape`` is one entry of each row."""
    n = shape[0] if len(shape) == 2 else -1
    if not (rows.is_array and labels.is_array and rows.shape == labels.shape == (n,)):
        return False
    if labels.dtype.kind not in "iu":
        return False
    return is_rows(rows) and (labels.constant is None or int(labels.constant.min(initial=0)) >= 0)


def _is_mean(x: Any, rows: Any, labels: Any, c: Any) -> bool:
    return c == x.shape[0] and _is_pick(x.shape, rows, labels)


def _cross_entropy(x: Any, labels: Any) -> Any:
    """The cross entropy of labels that a program picks with."""
    return cross_entropy(x, labels, from_end=labels.constant is None)


rewrite(
    lambda x, rows, labels, c: np.sum(log_softmax(x)[rows, labels]) / c,
    lambda x, labels: -_cross_entropy(x, labels),
    when=_is_mean,
)
rewrite(
    lambda x, rows, labels, c: np.sum(np.log(softmax(x)[rows, labels])) / c,
    lambda x, labels: -_cross_entropy(x, labels),
    when=_is_mean,
)
rewrite(
    lambda x, rows, labels, c: np.sum(logsumexp(x) - x[rows, labels]) / c,
    lambda x, labels: _cross_entropy(x, labels),
    when=_is_mean,
)

# --- its derivative: (p - onehot) / N -------------------------------------------------------------


def minus_onehot(p: Any, rows: Any, labels: Any) -> Any:
    """``p[rows, labels] -= 1``: as many subtractions as there are rows."""
    return setitem(p, p[rows, labels] - 1, rows, labels)


rewrite(
    lambda x, labels, i, classes, dtype: (
        softmax(x) - (np.reshape(labels, i) == classes).astype(dtype)
    ),
    lambda x, labels: minus_onehot(softmax(x), np.arange(x.shape[0]), labels),
    when=lambda x, labels, i, classes: _is_onehot(x, labels, i, classes),
)


def _is_onehot(x: Any, labels: Any, i: Any, classes: Any) -> bool:
    """Whether ``labels`` are compared with all classes, and are known to be among them."""
    if x.ndim != 2:
        return False
    n, c = x.shape
    return (
        i == (n, 1)
        and labels.shape == (n,)
        and classes.shape == (c,)
        and is_rows(classes)
        and labels.builder.knows_labels(labels.operand, c)
    )


# the same of labels that may be negative, and then count from the end
rewrite(
    lambda x, labels, i, classes, before, dtype: (
        softmax(x)
        - (
            (np.reshape(labels, i) == classes).astype(dtype)
            + (np.reshape(labels, i) == before).astype(dtype)
        )
    ),
    lambda x, labels: minus_onehot(softmax(x), np.arange(x.shape[0]), labels),
    when=lambda x, labels, i, classes, before: _is_onehot_from_end(x, labels, i, classes, before),
)


def _is_onehot_from_end(x: Any, labels: Any, i: Any, classes: Any, before: Any) -> bool:
    """Whether ``labels`` are compared with 0..C-1 and -C..-1, and have been picked with."""
    if x.ndim != 2 or before.constant is None:
        return False
    n, c = x.shape
    counted = np.array_equal(before.constant, np.arange(-c, 0))
    fits = i == (n, 1) and labels.shape == (n,) and classes.shape == (c,)
    picked = labels.builder.knows_labels(labels.operand, c, from_end=True)
    return fits and is_rows(classes) and counted and picked


# --- the same as it comes out of the spellings by hand --------------------------------------------
# The derivative of x[rows, labels] is zeros with numbers scattered in; p is neither infinite nor,
# but for rounding, zero.

rewrite(
    lambda x, i, rows, labels, axis: np.sum(
        scatter_add(x, i, rows, labels), axis=axis, keepdims=True
    ),
    lambda x: np.reshape(x, (*x.shape, 1)),
    when=lambda i, rows, labels, axis: axis == 1 and _is_pick(i, rows, labels),
)
rewrite(
    lambda x, i, rows, labels, y: scatter_add(x, i, rows, labels) * softmax(y),
    lambda x, i, rows, labels, y: scatter_add(x * softmax(y)[rows, labels], i, rows, labels),
    when=lambda i, rows, labels: _is_pick(i, rows, labels),
)
rewrite(
    lambda x, i, rows, labels, y: scatter_add(x, i, rows, labels) / softmax(y),
    lambda x, i, rows, labels, y: scatter_add(x / softmax(y)[rows, labels], i, rows, labels),
    when=lambda i, rows, labels: _is_pick(i, rows, labels),
)
rewrite(
    lambda x, i, rows, labels, y, z: softmax(y) * (scatter_add(x, i, rows, labels) - z),
    lambda x, i, rows, labels, y, z: scatter_add(x, i, rows, labels) * softmax(y) - softmax(y) * z,
    when=lambda i, rows, labels: _is_pick(i, rows, labels),
)
rewrite(
    lambda x, i, rows, labels, y, z: softmax(y) * (scatter_add(x, i, rows, labels) + z),
    lambda x, i, rows, labels, y, z: scatter_add(x, i, rows, labels) * softmax(y) + softmax(y) * z,
    when=lambda i, rows, labels: _is_pick(i, rows, labels),
)
rewrite(
    lambda x, y, rows, labels: x / softmax(y)[rows, labels] * softmax(y)[rows, labels],
    lambda x, labels: np.broadcast_to(x, labels.shape),
)
# A row's sum of p - onehot is 0: nothing goes back to the row's maximum that was subtracted.
rewrite(
    lambda x, rows, labels, axis: _total(
        setitem(softmax(x), softmax(x)[rows, labels] - 1, rows, labels), axis
    ),
    lambda x: np.broadcast_to(x.number(0), (x.shape[0], 1)),
    when=lambda x, rows, labels, axis: axis == 1 and _is_pick(x.shape, rows, labels),
)
rewrite(
    lambda x, rows, labels, n, axis: _total(
        setitem(softmax(x), softmax(x)[rows, labels] - 1, rows, labels) / n, axis
    ),
    lambda x: np.broadcast_to(x.number(0), (x.shape[0], 1)),
    when=lambda x, rows, labels, axis: axis == 1 and _is_pick(x.shape, rows, labels),
)
rewrite(
    lambda x, c, d, y: x * (c / np.where(y == 0, d, y)),
    lambda x, y, c: np.broadcast_to(y.number(c), x.shape),
    when=lambda x, c, d: c == 0 and d != d and x.dtype.kind == "b",
)

# scattered are numbers -1/n, beside p/n: that is (p - onehot) / n
rewrite(
    lambda x, c, n, i, j, rows, labels: (
        scatter_add(np.broadcast_to(c / n, i), j, rows, labels) + softmax(x) / n
    ),
    lambda x, n, rows, labels: minus_onehot(softmax(x), rows, labels) / n,
    when=lambda x, c, j, rows, labels: c == -1 and _is_pick(j, rows, labels),
)
rewrite(
    lambda x, c, d, n, i, j, rows, labels, axis: (
        scatter_add(np.broadcast_to(c / n, i), j, rows, labels)
        + np.exp(x - np.reshape(np.where(logsumexp(x) == d, 0, logsumexp(x)), axis)) / n
    ),
    lambda x, n, rows, labels: minus_onehot(softmax(x), rows, labels) / n,
    when=lambda x, c, j, rows, labels, axis: (
        c == -1 and _is_pick(j, rows, labels) and axis == (x.shape[0], 1)
    ),
)
# what is scattered at one entry of each row, and added to something: x[rows, labels] += v
rewrite(
    lambda x, y, i, rows, labels: scatter_add(y, i, rows, labels) + x,
    lambda x, y, rows, labels: setitem(x, x[rows, labels] + y, rows, labels),
    when=lambda x, i, rows, labels: x.shape == i and _is_pick(i, rows, labels),
)
rewrite(
    lambda x, y, i, rows, labels: x - scatter_add(y, i, rows, labels),
    lambda x, y, rows, labels: setitem(x, x[rows, labels] - y, rows, labels),
    when=lambda x, i, rows, labels: x.shape == i and _is_pick(i, rows, labels),
)
