"""Checks that several data sets make of their arguments."""

import operator
from typing import Any

import numpy as np

from tinygrad_nn.errors import DataError


def whole_number(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Return `value` as an int if it is a whole number from `least` to `most`, both included.

    Raises DataError, naming the argument, for anything else, booleans included.
    """
    expected = f"at least {least}" if most is None else f"from {least} to {most}"
    try:
        # True and False have an index too, but nobody means them as an amount.
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least or (most is not None and number > most):
        raise DataError(
            f"{name} must be a whole number {expected}\n"
            f"  got {value!r}, of type {type(value).__name__}"
        )
    return number


def random_state(seed: int | np.random.RandomState | None) -> np.random.RandomState:
    """Return the source of random draws that `seed` stands for.

    An int makes a fresh stream and leaves NumPy's global one alone; a RandomState is used as it
    is, so that a later draw from it continues the same stream; None is the stream that
    `np.random.seed` and `np.random.randn` work on.

    The legacy RandomState is meant here: the published figures were drawn with it, and NumPy
    promises that its streams never change.
    """
    if seed is None:
        # The object behind np.random.randn; it has no public name. Building another RandomState on
        # its bit generator would lose the second half of a pair of normal draws.
        return np.random.mtrand._rand
    if isinstance(seed, np.random.RandomState):
        return seed
    try:
        return np.random.RandomState(whole_number("seed", seed, 0, 2**32 - 1))
    except DataError:
        raise DataError(
            "seed must be an int from 0 to 2**32 - 1, a numpy.random.RandomState, or None\n"
            f"  got {seed!r}, of type {type(seed).__name__}"
        ) from None
