"""The toy problem: five samples and a 4-10-3 network, small enough to print and check by eye.

Its data and its weights are drawn from two fresh streams with their own fixed seeds (1 and 0), so
that the published scores come out whatever was drawn before.
"""

import numpy as np
from numpy.typing import NDArray


def toy() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the five samples and their labels, `(X, y)`: X (5, 4) float64, y (5,) int64 in 0..2.

    Source: CS231n, assignment 1, "Implementing a Neural Network".

    >>> X, y = toy()
    >>> X.shape, y.tolist()
    ((5, 4), [0, 1, 2, 2, 1])
    """
    state = np.random.RandomState(1)
    return 10 * state.randn(5, 4), np.array([0, 1, 2, 2, 1], dtype=np.int64)


def toy_parameters() -> dict[str, NDArray[np.float64]]:
    """Return the initial parameters of the 4-10-3 network, fresh arrays at every call.

    W1 (4, 10) and W2 (10, 3) are normal with standard deviation 0.1, drawn in this order; b1 (10,)
    and b2 (3,) are zero. All are float64.

    Source: CS231n, assignment 1, "Implementing a Neural Network".

    >>> {name: value.shape for name, value in toy_parameters().items()}
    {'W1': (4, 10), 'b1': (10,), 'W2': (10, 3), 'b2': (3,)}
    """
    state = np.random.RandomState(0)
    return {
        "W1": 0.1 * state.randn(4, 10),
        "b1": np.zeros(10),
        "W2": 0.1 * state.randn(10, 3),
        "b2": np.zeros(3),
    }
