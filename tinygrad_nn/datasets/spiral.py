"""The spiral: interleaved arms in the plane, one per class, that no linear classifier separates."""

import numpy as np
from numpy.typing import NDArray

from tinygrad_nn.datasets._arguments import random_state, whole_number


def spiral(
    points_per_class: int = 100,
    classes: int = 3,
    seed: int | np.random.RandomState | None = 0,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the points of the spiral and their labels, `(X, y)`.

    With N points per class and K classes, X has shape (N*K, 2), float64, and y shape (N*K,),
    int64, in 0..K-1, class after class. On arm j, with r from 0 to 1 and the angle t (radians)
    from 4j to 4(j+1) plus normal noise of standard deviation 0.2, a point is (r sin t, r cos t).

    `seed` is an int, a `numpy.random.RandomState`, or None for NumPy's global legacy stream.
    The default gives the published data. The case study goes on to draw its weights from the
    same stream; pass a RandomState, and go on drawing from it, to do likewise.

    Raises DataError for a count below 1 or not whole, and for any other kind of seed.

    Source: CS231n, "Putting it together: Minimal Neural Network Case Study".

    >>> X, y = spiral(points_per_class=2, classes=3)
    >>> X.shape, y.tolist()
    ((6, 2), [0, 0, 1, 1, 2, 2])
    """
    points_per_class = whole_number("points_per_class", points_per_class, 1)
    classes = whole_number("classes", classes, 1)
    state = random_state(seed)

    radius = np.linspace(0.0, 1.0, points_per_class)
    arms = []
    for label in range(classes):
        noise = 0.2 * state.randn(points_per_class)
        angle = np.linspace(4 * label, 4 * (label + 1), points_per_class) + noise
        arms.append(np.column_stack([radius * np.sin(angle), radius * np.cos(angle)]))
    return np.concatenate(arms), np.repeat(np.arange(classes, dtype=np.int64), points_per_class)
