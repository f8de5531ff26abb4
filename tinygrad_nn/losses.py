"""The losses, with their arguments checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import DataError, LabelError, ShapeError
from .node import MODE, underline_frame, user_frame
from .recording import record
from .rules import neural
from .rules.neural import pick
from .tensor import Tensor


def cross_entropy(scores: Any, labels: Any) -> Any:
    """The softmax loss, the mean over the batch of -log softmax(scores)[i, labels[i]].

    Args:
        scores: floats of shape (N, C), one row of class scores for each sample.
        labels: integer class indices of shape (N,), each in 0..C-1.

    Returns:
        A scalar; its derivative with respect to ``scores`` is (softmax - onehot) / N.

    Raises:
        LabelError: labels that are no such integers, or not N of them.
        DataError: an empty batch.
        ShapeError: scores that do not have two axes.
    """
    scores, labels = _checked(scores, labels)
    if isinstance(scores, Tensor):  # neural.cross_entropy would come to this, a little later
        return record(neural.cross_entropy, (scores, labels))
    return neural.cross_entropy(scores, labels)


def hinge_loss(scores: Any, labels: Any, margin: float = 1.0) -> Any:
    """The multi-class support vector machine loss.

    The mean over the batch of sum over j != labels[i] of
    max(0, scores[i, j] - scores[i, labels[i]] + margin).

    Args:
        scores: floats of shape (N, C).
        labels: integer class indices of shape (N,), each in 0..C-1.
        margin: by how much the right class should lead.

    Raises:
        LabelError, DataError, ShapeError: as :func:`cross_entropy`.
    """
    scores, labels = _checked(scores, labels)
    correct = pick(scores, labels)
    margins = np.maximum(0, scores - correct[:, None] + margin)
    others = np.expand_dims(labels, 1) != np.arange(scores.shape[1])
    return np.sum(np.where(others, margins, 0)) / scores.shape[0]


def mse_loss(predictions: Any, targets: Any) -> Any:
    """The mean squared error over all entries.

    Args:
        predictions: floats of any shape.
        targets: of the same shape (no broadcasting: (N,) against (N, 1) would silently compare
            every pair).

    Raises:
        ShapeError: shapes that differ.
        DataError: nothing to compare.
    """
    if np.shape(predictions) != np.shape(targets):
        raise ShapeError(
            f"mse_loss compares entry by entry: predictions have shape {np.shape(predictions)}, "
            f"targets {np.shape(targets)}\n{underline_frame(user_frame(2))}"
        )
    if np.size(predictions) == 0:
        raise DataError(f"mse_loss of an empty batch\n{underline_frame(user_frame(2))}")
    predictions, targets = (_floats(x) for x in (predictions, targets))
    difference = predictions - targets
    return np.mean(difference * difference)


def _floats(x: Any) -> Any:
    """``x`` as an array or tensor of floats: differences of small integers would wrap around."""
    x = x if hasattr(x, "dtype") else np.asarray(x)
    return x if x.dtype.kind == "f" else np.astype(x, np.dtype(float))


def _checked(scores: Any, labels: Any) -> tuple[Any, Any]:
    """Both as arrays (or the tensors they were), after every check that a loss relies on."""
    scores = _floats(scores)
    if scores.ndim != 2:
        raise ShapeError(
            f"a loss over classes needs scores of shape (N, C), not {scores.shape}\n{_place()}"
        )
    n, classes = scores.shape
    if n == 0 or classes == 0:
        raise DataError(f"an empty batch: the scores have shape {scores.shape}\n{_place()}")
    try:
        y = labels._current() if isinstance(labels, Tensor) else np.asarray(labels)
    except ValueError as error:
        raise LabelError(f"labels are {n} integers: {error}\n{_place()}") from None
    if y.dtype.kind not in "iu":
        raise LabelError(
            f"labels are integer class indices 0..{classes - 1}, not {y.dtype}\n{_place()}"
        )
    if y.shape != (n,):
        raise LabelError(
            f"{n} rows of scores need labels of shape ({n},), not {y.shape}\n{_place()}"
        )
    # Seen as unsigned numbers, negative labels are huge: one pass finds both kinds.
    if y.view(y.dtype.str.replace("i", "u")).max() >= classes:
        at = int(np.argmax((y < 0) | (y >= classes)))
        raise LabelError(
            f"labels must be in 0..{classes - 1} for {classes} classes; labels[{at}] is {y[at]}\n"
            f"{_place()}"
        )
    if not isinstance(labels, Tensor):
        return scores, y
    tape = MODE.get().tape
    if tape is not None and labels._node is not None:  # to be checked in every run
        tape.labels[labels._node] = min(classes, tape.labels.get(labels._node, classes))
    return scores, labels


def _place() -> str:
    return underline_frame(user_frame(3))
