"""Every way to run a traced program on Python numbers, and what is the same as in Python."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

import tinygrad_nn as tg
from tests.rules import elementwise_cases, linalg_cases, reduction_cases, shape_cases  # noqa: F401

X = np.array([1.5, -2.0])
NUMBA = pytest.param(
    "numba",
    marks=pytest.mark.skipif(
        importlib.util.find_spec("numba") is None or importlib.util.find_spec("scipy") is None,
        reason="the Numba backend needs the extra: pip install 'tinygrad_nn[jit]'",
    ),
)
COMPILED = ("numpy", NUMBA)
HOW = ("run", "simplified", "source", *COMPILED)


def program(f, how, *args):
    """``f`` made for such arguments, to be called with others."""
    if how == "run":
        return tg.trace(f, *args).run
    if how == "simplified":
        return tg.trace(f, *args).simplify().run
    if how == "source":
        names: dict[str, object] = {}
        exec(tg.trace(f, *args).simplify().source(), names)
        return names[next(reversed(names))]
    compiled = tg.compile(f, backend=how)
    compiled(*(a.copy() if isinstance(a, np.ndarray) else a for a in args))
    return compiled


def assert_same(actual, expected, exactly=True):
    """Equal in value, type, dtype and shape.

    Not ``exactly``: where NumPy gives a number, an array of shape () will do.
    """
    if isinstance(expected, (tuple, list)):
        assert type(actual) is type(expected)
        assert len(actual) == len(expected)
        for a, b in zip(actual, expected, strict=True):
            assert_same(a, b, exactly)
        return
    arrays = isinstance(actual, np.ndarray) and isinstance(expected, (np.ndarray, np.generic))
    assert type(actual) is type(expected) or (arrays and not exactly)
    assert np.shape(actual) == np.shape(expected)
    assert getattr(actual, "dtype", None) == getattr(expected, "dtype", None)
    if isinstance(expected, (np.ndarray, np.generic)):
        np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-13)
    elif type(expected) is float:
        assert actual == pytest.approx(expected, rel=1e-15)
    else:
        assert actual == expected
