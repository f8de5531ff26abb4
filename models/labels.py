"""The check of the labels that every classifier here makes before it indexes with them."""

import numpy as np


def check_labels(y, scores):
    """Raise ValueError unless `y` is one integer label in 0..C-1 for each row of `scores` (N, C).

    NumPy itself would count a label of -1 from the end, or repeat a single label for all rows,
    and a wrong loss would come out without a word.
    """
    N, C = scores.shape
    if N == 0:
        raise ValueError("X must have at least one sample\n  got an empty batch")
    labels = np.asarray(y)
    if labels.shape != (N,):
        raise ValueError(
            f"y must have one label for each of the {N} samples, shape ({N},)\n"
            f"  got shape {labels.shape}"
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"y must hold integer labels\n  got {labels.dtype}")
    if labels.min() < 0 or labels.max() >= C:
        raise ValueError(
            f"y must hold labels from 0 to {C - 1}, the scores having {C} columns\n"
            f"  got labels from {labels.min()} to {labels.max()}"
        )
