"""Rewrites of picked and scattered entries."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...rules.indexing import scatter_add, setitem
from .pattern import rewrite


def _only_shapes(*index: Any) -> bool:
    """Whether an index picks everything, and at most adds axes."""
    return all(
        i is None or i is Ellipsis or (isinstance(i, slice) and i == slice(None)) for i in index
    )


def _with_axes(shape: tuple[int, ...], index: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape with an axis for each None of an index that picks everything."""
    slices = sum(isinstance(i, slice) for i in index)
    rest = iter(shape)
    whole = index if Ellipsis in index else (*index, Ellipsis)
    out: list[int] = []
    for i in whole:
        if i is Ellipsis:
            out += [next(rest) for _ in range(len(shape) - slices)]
        else:
            out.append(1 if i is None else next(rest))
    return tuple(out)


def _goes_forward(i: Any) -> bool:
    """Whether an index picks by place alone, in the order of the places."""
    return is_plain(i) and not (isinstance(i, slice) and i.step is not None and i.step < 0)


def is_plain(i: Any) -> bool:
    """Whether an index picks by place alone, and nothing twice."""
    return i is None or isinstance(i, (slice, int)) or i is Ellipsis


# x[:, None] is a reshape
rewrite(
    lambda x, *index: x[*index],
    lambda x, *index: np.reshape(x, _with_axes(x.shape, index)),
    when=lambda *index: _only_shapes(*index) and any(i is None for i in index),
)
rewrite(
    lambda x, i, *index: scatter_add(x, i, *index),
    lambda x, i: np.reshape(x, i),
    when=lambda x, i, *index: all(map(_goes_forward, index)) and x.size == math.prod(i),
)
# zeros written into equal numbers, then a mask: the numbers times the mask, then the zeros
rewrite(
    lambda s, i, y, *index: setitem(np.broadcast_to(s, i), 0, *index) * y,
    lambda s, y, *index: setitem(s * y, 0, *index),
    when=lambda y, i: y.dtype.kind == "b" and y.shape == i,
)


def _is_column(i: Any) -> bool:
    """Whether an index is an array of shape (N, 1), as ``y[:, None]`` is."""
    return bool(i.is_array and i.ndim == 2 and i.shape[1] == 1 and i.dtype.kind in "iu")


def _line(i: Any) -> Any:
    return np.reshape(i if i.constant is None else i.constant, (i.shape[0],))


# np.take_along_axis(x, y[:, None], axis=1) is x[np.arange(N), y] in a column
rewrite(
    lambda x, rows, labels: x[rows, labels],
    lambda x, rows, labels: np.reshape(x[_line(rows), _line(labels)], labels.shape),
    when=lambda x, rows, labels: (
        x.ndim == 2 and _is_column(rows) and _is_column(labels) and rows.shape == labels.shape
    ),
)
