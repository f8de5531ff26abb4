"""Rewrites for source that is to be read: what a person would write, where a machine need not.

They come after those of the table, whose every line applies here too. A program is rewritten by
:data:`READING` before it is differentiated, so these keep derivatives as well, at every point, and
by :data:`DERIVED` afterwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...rules.indexing import getitem, scatter_add, setitem
from .arithmetic import moderate
from .indexing import is_plain
from .neural import is_rows
from .pattern import TABLE, Table

#: The table, and after it what is for reading.
READING = Table()
for _each in TABLE.rewrites:
    READING.add_rewrite(_each)

rewrite = READING.add

# --- labels ---------------------------------------------------------------------------------------


def _all_but_labels(x: Any, labels: Any, i: Any, classes: Any) -> bool:
    """Whether ``labels`` are compared with all classes, of which they are known to be."""
    if x.ndim != 2 or classes.constant is None:
        return False
    n, c = x.shape
    fits = i == (n, 1) and labels.shape == (n,) and classes.shape == (c,)
    return fits and is_rows(classes) and labels.builder.knows_labels(labels.operand, c)


# margins[np.arange(N), y] = 0
rewrite(
    lambda x, labels, i, classes: np.where(np.reshape(labels, i) != classes, x, 0),
    lambda x, labels: setitem(x, 0, np.arange(x.shape[0]), labels),
    when=_all_but_labels,
)


def _is_cleared(x: Any, *index: Any) -> bool:
    """Whether zeros are written into ``x`` in the same places anyway."""
    return bool(x.builder.has(setitem, x, 0, *index))


# where the margins are 0 at the labels, those that are not 0 are not the labels'
rewrite(
    lambda x, n, *index: setitem((x != 0) / n, 0, *index),
    lambda x, n, *index: (setitem(x, 0, *index) != 0) / n,
    when=_is_cleared,
)
rewrite(
    lambda x, dtype, *index: setitem((x != 0).astype(dtype), 0, *index),
    lambda x, dtype, *index: (setitem(x, 0, *index) != 0).astype(dtype),
    when=_is_cleared,
)

# --- choices --------------------------------------------------------------------------------------
# What is not chosen does not count: 0 times an infinite slope, which is NaN, is 0 here.

rewrite(lambda p, x, y: np.where(p, x, 0) + np.where(p, 0, y), lambda p, x, y: np.where(p, x, y))
rewrite(
    lambda p, x, y, z: np.where(p, x, 0) + np.where(p, 0, y) * z,
    lambda p, x, y, z: np.where(p, x, y * z),
)
rewrite(
    lambda p, x, y, z: np.where(p, x, 0) * z + np.where(p, 0, y),
    lambda p, x, y, z: np.where(p, x * z, y),
)
rewrite(
    lambda p, x, y, z, w: np.where(p, x, 0) * z + np.where(p, 0, y) * w,
    lambda p, x, y, z, w: np.where(p, x * z, y * w),
)
rewrite(
    lambda p, c, n, x, y: p / n * x + np.where(p, 0, c / n) * y,
    lambda p, n, x, y: np.where(p, x, y) / n,
    when=lambda p, c: p.dtype.kind == "b" and c == 1,
)

# a choice within the same choice is made already
rewrite(lambda p, x, y, z: np.where(p, x, np.where(p, y, z)), lambda p, x, z: np.where(p, x, z))
rewrite(
    lambda p, x, y, z, w: np.where(p, x, np.where(p, y, z) * w),
    lambda p, x, z, w: np.where(p, x, z * w),
)
rewrite(
    lambda p, x, y, z, w: np.where(p, x, np.where(p, y, z) / w),
    lambda p, x, z, w: np.where(p, x, z / w),
)
rewrite(
    lambda p, x, y, z: np.where(p, x, np.negative(np.where(p, y, z))),
    lambda p, x, z: np.where(p, x, -z),
)
rewrite(
    lambda p, c, x: c * np.where(p, 0, x),
    lambda p, c, x: np.where(p, 0, c * x),
    when=lambda c, x: x.dtype.kind == "f" and moderate(c, x),
)

# --- slices ---------------------------------------------------------------------------------------


def _adds_to_own(x: Any, i: Any, *index: Any) -> bool:
    """Whether a slice of ``x``, which nothing else needs, can be added to."""
    plain = all(is_plain(each) for each in index)
    return plain and x.shape == i and x.function is not None and x.used_once


# da[:, 6:12] += df, and no zeros around it
rewrite(
    lambda x, y, i, *index: x + scatter_add(y, i, *index),
    lambda x, y, i, *index: setitem(x, x[*index] + y, *index),
    when=_adds_to_own,
)


def _are_others(i: Any, j: Any) -> bool:
    """Whether two places along the first axis are known not to be the same."""
    return type(i) is type(j) is int and i != j and min(i, j) >= 0


def _is_new(y: Any) -> bool:
    """Whether what is written is not what was there before, and something more."""
    if y.function not in (np.add, np.subtract, np.multiply, np.divide):
        return True
    return all(i is None or i.function is not getitem for i in y.operand.inputs)


# zeros that were written elsewhere do not matter, and what was written here is known
rewrite(
    lambda x, i, j: setitem(x, 0, i)[j],
    lambda x, j: x[j],
    when=_are_others,
)
rewrite(
    lambda x, y, i: setitem(x, y, i)[i],
    lambda x, y: y,
    when=lambda y, i: type(i) is int and _is_new(y),
)

# --- what is not differentiated any more ----------------------------------------------------------

#: All that is for reading, and what is not to be differentiated afterwards.
DERIVED = Table()
for _each in READING.rewrites:
    DERIVED.add_rewrite(_each)


def _sum_of_squares(x: Any, axis: Any, keepdims: Any) -> Any:
    return np.sum(x * x, axis=axis, keepdims=keepdims)


def _root(x: Any, axis: Any, keepdims: Any) -> Any:
    """The root of a sum of squares, and 1 where that is 0."""
    square = _sum_of_squares(x, axis, keepdims)
    return np.sqrt(np.where(square == 0, 1, square))


# a norm is written with its derivative at 0 in mind
DERIVED.add(lambda x: np.where(x == 0, 0, np.sqrt(np.where(x == 0, 1, x))), lambda x: np.sqrt(x))
# its slope where the norm, and with it every entry, is 0
DERIVED.add(
    lambda x, c, axis, keepdims: (
        np.where(_sum_of_squares(x, axis, keepdims) == 0, 0, c / _root(x, axis, keepdims)) * x
    ),
    lambda x, c, axis, keepdims: c * x / _root(x, axis, keepdims),
    floats=True,
)
