"""Rewrites of the softmax and the losses, in the spellings in which they are written by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...rules.indexing import getitem, scatter_add, setitem
from ...rules.neural import cross_entropy, log_softmax, logsumexp, softmax
from .pattern import rewrite

# --- softmax --------------------------------------------------------------------------------------

rewrite(lambda x, axis: np.exp(log_softmax(x, axis=axis)), lambda x, axis: softmax(x, axis=axis))
rewrite(lambda x, axis: np.log(softmax(x, axis=axis)), lambda x, axis: log_softmax(x, axis=axis))


def _is_rows(rows: Any) -> bool:
    """Whether an index array is 0, 1, 2, ..."""
    return (
        isinstance(rows, np.ndarray)
        and rows.ndim == 1
        and rows.dtype.kind in "iu"
        and bool((rows == np.arange(len(rows))).all())
    )


def _is_labels(labels: Any, scores: Any) -> bool:
    """Whether ``labels`` may hold one class for each row of ``scores``; constants are looked at."""
    if np.ndim(labels) != 1 or labels.dtype.kind not in "iu" or labels.shape[0] != scores.shape[0]:
        return False
    return hasattr(labels, "node") or bool(labels.min(initial=0) >= 0)


def _is_pick(scores: Any, rows: Any, labels: Any) -> bool:
    """Whether ``scores[rows, labels]`` is one entry of each row: its label's."""
    return (
        scores.ndim == 2
        and _is_rows(rows)
        and len(rows) == scores.shape[0]
        and _is_labels(labels, scores)
    )


rewrite(
    lambda x, rows, labels, n: -(np.sum(log_softmax(x)[rows, labels]) / n),
    lambda x, labels: cross_entropy(x, labels),
    when=lambda x, rows, labels, n: (
        _is_pick(x, rows, labels) and np.ndim(n) == 0 and n == x.shape[0]
    ),
)
rewrite(
    lambda x, rows, labels, n: np.sum(log_softmax(x)[rows, labels]) / n,
    lambda x, labels: -cross_entropy(x, labels),
    when=lambda x, rows, labels, n: (
        _is_pick(x, rows, labels) and np.ndim(n) == 0 and n == x.shape[0]
    ),
)
