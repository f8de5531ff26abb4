"""The operations of neural networks, each one node of the graph. NumPy only; numerically stable.

Scores (logits) have the classes on the last axis unless ``axis`` says otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .reduction import expand
from .registry import OUTPUT, operation, rule


@operation
def relu(x: Any) -> Any:
    """max(0, x), elementwise; its derivative at 0 is 0."""
    return np.maximum(x, 0)


@operation
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), elementwise, without overflow for any x."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


@operation
def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) / sum(exp(x)) along ``axis``: positive, summing to 1."""
    x = x if hasattr(x, "ndim") else np.asarray(x)
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


@operation
def log_softmax(x: Any, axis: int = -1) -> Any:
    """The logarithm of the softmax, x - logsumexp(x), along ``axis``."""
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


@operation
def logsumexp(x: Any, axis: Any = -1, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) along ``axis`` (an int, a tuple, or None for all axes)."""
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)  # a row of -inf has the value -inf, not NaN
    with np.errstate(divide="ignore"):
        out = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return out if keepdims else _squeeze(out, axis)


@operation
def cross_entropy(scores: Any, labels: Any, from_end: bool = False) -> Any:
    """The softmax loss: the mean over the batch of -log softmax(scores)[i, labels[i]].

    Args:
        scores: floats of shape (N, C).
        labels: integers of shape (N,), each in 0..C-1.
        from_end: whether a negative label counts from the end, as NumPy's index does: this takes
            the place of a loss that picks ``log_probs[np.arange(N), labels]`` itself. Otherwise it
            is refused.

    Returns:
        A scalar. Its derivative with respect to ``scores`` is (softmax - onehot) / N.
    """
    if not from_end and np.min(labels) < 0:  # a too large one is refused by NumPy itself
        raise IndexError(f"labels are class indices from 0 on, not {np.min(labels)}")
    return _cross_entropy_forward(scores, labels)[0]


def _cross_entropy_forward(scores: Any, labels: Any, from_end: bool = False) -> tuple[Any, Any]:
    """The loss, and the softmax that its derivative is made of."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    p = np.exp(shifted)
    normaliser = p.sum(axis=1)
    loss = (np.log(normaliser) - pick(shifted, labels)).sum() / scores.shape[0]
    return loss, p / normaliser[:, None]


def pick(scores: Any, labels: Any) -> Any:
    """``scores[i, labels[i]]`` for each row i. Shapes (N, C) and (N,) to (N,)."""
    if isinstance(scores, np.ndarray) or hasattr(scores, "__record__"):
        return scores[np.arange(scores.shape[0]), labels]
    return np.sum(np.where(onehot(labels, scores), scores, 0), axis=1)  # arrays without fancy picks


def onehot(labels: Any, like: Any) -> Any:
    """Rows with a 1 at the label, shaped and typed like the (N, C) array ``like``."""
    return (np.expand_dims(labels, 1) == np.arange(like.shape[1])).astype(like.dtype)


def _cross_entropy(
    g: Any, y: Any, scores: Any, labels: Any, p: Any = None, from_end: bool = False
) -> Any:
    """(softmax - onehot) / N."""
    n, classes = scores.shape
    if not isinstance(p, np.ndarray):
        chosen = onehot(labels, scores)
        if from_end:
            counted = np.expand_dims(labels, 1) == np.arange(-classes, 0)
            chosen = chosen + counted.astype(scores.dtype)
        return (softmax(scores) - chosen) * g / n
    ds = p * (g / n)
    ds[np.arange(n), labels] -= g / n
    return ds


def _squeeze(x: Any, axis: Any) -> Any:
    return np.squeeze(x, axis=axis if axis is not None else tuple(range(x.ndim)))


def _logsumexp(g: Any, y: Any, x: Any, axis: Any = -1, keepdims: bool = False) -> Any:
    y = np.where(y == -np.inf, 0, y)  # of a row of -inf, so that its derivative is 0, not NaN
    return expand(g, x, axis, keepdims) * np.exp(x - expand(y, x, axis, keepdims))


# The derivatives of softmax and log-softmax: J. S. Bridle (1990).
rule(
    relu,
    lambda g, y, x: g * (y > 0),
    alone=(lambda g, y, x: g * (y > 0),),
    in_place=(lambda g, y, x: np.multiply(g, y > 0, out=g),),
    shape_only=(0,),
)
rule(sigmoid, lambda g, y, x: g * y * (1 - y), shape_only=(0,))
rule(
    softmax,
    lambda g, y, x, axis=-1: y * (g - np.sum(g * y, axis=axis, keepdims=True)),
    shape_only=(0,),
)
rule(
    log_softmax,
    lambda g, y, x, axis=-1: g - np.exp(y) * np.sum(g, axis=axis, keepdims=True),
    shape_only=(0,),
)
rule(logsumexp, _logsumexp)
rule(
    cross_entropy,
    _cross_entropy,
    None,
    shape_only=(OUTPUT,),
    residual=_cross_entropy_forward,
)
