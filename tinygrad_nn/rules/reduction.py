"""Reductions along axes, and running sums. NumPy only.

In the rules ``x`` is the argument, ``axis`` an int, a tuple of ints or None (all axes).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .registry import OUTPUT, constant, rule, spread


def expand(reduced: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """Give a reduced array its axes back (of length 1), so that it broadcasts against ``x``."""
    if keepdims:
        return reduced
    if axis is None:
        return np.reshape(reduced, (1,) * x.ndim)
    axes = {a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))} if x.ndim else ()
    return np.reshape(reduced, tuple(1 if i in axes else n for i, n in enumerate(x.shape)))


def _sum(g: Any, y: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    if axis is None and not keepdims and isinstance(g, np.floating):
        return spread(g, x.shape)
    return np.broadcast_to(expand(g, x, axis, keepdims), x.shape)


def _extreme(g: Any, y: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Maximum or minimum: entries that tie share the gradient evenly."""
    hit = x == expand(y, x, axis, keepdims)
    count = np.sum(hit, axis=axis, keepdims=True).astype(x.dtype)
    count = np.where(count == 0, np.nan, count)  # a NaN is equal to nothing: it spoils the gradient
    return hit * (expand(g, x, axis, keepdims) / count)


def _cumsum(g: Any, y: Any, x: Any, axis: Any = None) -> Any:
    """Each entry adds to all the sums from its own on: the sum of g from the end."""
    if axis is None:
        return np.reshape(np.flip(np.cumsum(np.flip(g))), x.shape)
    return np.flip(np.cumsum(np.flip(g, axis), axis=axis), axis)


rule(np.sum, _sum, shape_only=(0, OUTPUT))
rule(np.max, _extreme)
rule(np.min, _extreme)
rule(np.cumsum, _cumsum, shape_only=(0, OUTPUT))

constant(np.argmax, np.argmin, np.argsort, np.any, np.all, np.count_nonzero)
constant(np.nanargmax, np.nanargmin, np.argpartition, np.argwhere, np.nonzero, np.flatnonzero)
constant(np.searchsorted, np.digitize, np.lexsort)
