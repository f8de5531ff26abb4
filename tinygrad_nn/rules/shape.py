"""Functions that move values about without changing them. NumPy only."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .indexing import scatter_add
from .registry import OUTPUT, constant, rule

SHAPES = (0, OUTPUT)

rule(np.reshape, lambda g, y, x, shape: np.reshape(g, x.shape), shape_only=SHAPES, view=True)
rule(
    np.transpose,
    lambda g, y, x, axes=None: np.transpose(g, inverse_axes(axes, x.ndim)),
    shape_only=SHAPES,
    view=True,
)
rule(
    np.broadcast_to,
    lambda g, y, x, shape: g,  # the walk sums it back to x's shape
    shape_only=SHAPES,
    view=True,
)
rule(np.flip, lambda g, y, x, axis=None: np.flip(g, axis), shape_only=SHAPES, view=True)
rule(
    np.roll,
    lambda g, y, x, shift, axis=None: np.roll(g, _negative(shift), axis),
    shape_only=SHAPES,
)
rule(np.tril, lambda g, y, x, k=0: np.tril(g, k), shape_only=SHAPES)
rule(np.triu, lambda g, y, x, k=0: np.triu(g, k), shape_only=SHAPES)
rule(
    np.astype,
    lambda g, y, x, dtype: g,  # the walk casts it back to x's dtype
    shape_only=SHAPES,
)


def _diagonal(g: Any, y: Any, x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """G on the diagonals of zeros."""
    matrices = np.moveaxis(np.empty(x.shape, np.bool_), (axis1, axis2), (-2, -1)).shape
    i = np.arange(g.shape[-1])
    on_diagonals = scatter_add(g, matrices, Ellipsis, i + max(-offset, 0), i + max(offset, 0))
    return np.moveaxis(on_diagonals, (-2, -1), (axis1, axis2))


rule(np.diagonal, _diagonal, shape_only=SHAPES, view=True)


def inverse_axes(axes: Any, ndim: int) -> tuple[int, ...] | None:
    """The ``axes`` that undo ``np.transpose(x, axes)`` for an x with ``ndim`` axes."""
    if axes is None:
        return None
    order = [a % ndim for a in axes]
    return tuple(order.index(i) for i in range(ndim))


def _negative(shift: Any) -> Any:
    return tuple(-s for s in shift) if isinstance(shift, tuple) else -shift


def _concatenate(g: Any, y: Any, *arrays: Any, axis: int | None = 0) -> list[Any]:
    """For each array the slice of g that came from it."""
    lengths = [a.size if axis is None else a.shape[axis] for a in arrays]
    where: list[Any] = [slice(None)] * g.ndim
    slices = []
    for stop, length in zip(itertools.accumulate(lengths), lengths, strict=True):
        where[axis or 0] = slice(stop - length, stop)
        slices.append(g[tuple(where)])
    if axis is None:
        return [np.reshape(s, a.shape) for s, a in zip(slices, arrays, strict=True)]
    return slices


def _stack(g: Any, y: Any, *arrays: Any, axis: int = 0) -> list[Any]:
    rows = np.moveaxis(g, axis, 0)
    return [rows[i] for i in range(len(arrays))]


rule(np.concatenate, variadic=_concatenate, packed=True, shape_only=(OUTPUT,))
rule(np.stack, variadic=_stack, packed=True, shape_only=(OUTPUT,))

constant(np.zeros_like, np.ones_like, np.empty_like)
