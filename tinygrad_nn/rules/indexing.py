"""Indexing as functions: picking entries, replacing them, adding into them. NumPy only.

``x[i, j]`` is the operation ``getitem(x, i, j)``, so that an index array is an argument like any
other (and can be an input of a traced program). An index is made of ints, slices, None, Ellipsis,
and integer or boolean arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .registry import OUTPUT, operation, rule


@operation
def getitem(x: Any, *index: Any) -> Any:
    """``x[index]``."""
    return x[index]


@operation
def setitem(x: Any, value: Any, *index: Any) -> Any:
    """A copy of ``x`` in which ``x[index] = value`` was carried out."""
    out = x.copy(order="K") if isinstance(x, np.ndarray) else np.array(x)
    out[index] = value
    return out


@operation
def scatter_add(value: Any, shape: tuple[int, ...], *index: Any) -> Any:
    """Zeros of ``shape`` to which ``value`` is added at ``index``, repeated entries repeatedly."""
    out = np.zeros_like(value, shape=shape)
    basic = all(_is_basic(i) for i in index)
    if basic or (isinstance(out, np.ndarray) and _picks_rows(index, shape)):
        out[index] = value
    else:
        np.add.at(out, index, value)
    return out


def _is_basic(i: Any) -> bool:
    return i is None or i is Ellipsis or isinstance(i, (int, slice, np.integer))


def _picks_rows(index: tuple[Any, ...], shape: tuple[int, ...]) -> bool:
    """Whether ``index`` is ``[0..n-1, labels]``, the classic pick, which repeats no entry.

    Assigning is several times cheaper than np.add.at, and as right when no entry repeats. A boolean
    mask alone repeats none either.
    """
    if len(index) == 1:
        return isinstance(index[0], np.ndarray) and index[0].dtype == np.bool_
    if len(index) != 2 or not all(isinstance(i, np.ndarray) and i.ndim == 1 for i in index):
        return False
    rows, columns = index
    return bool(
        rows.dtype != np.bool_
        and columns.dtype != np.bool_
        and rows.size == columns.size
        and rows.size <= shape[0]
        and (rows[1:] > rows[:-1]).all()
        and (rows.size == 0 or rows[0] >= 0)
    )


def _written(g: Any, y: Any, x: Any, value: Any, *index: Any) -> Any:
    """The gradient of what was written; of an entry written repeatedly, the last one stays."""
    picked = getitem(g, *index)
    if x.dtype.kind != "f":  # what is written among integers is cut to one: flat
        return np.zeros_like(picked)
    if all(_is_basic(i) for i in index) or _picks_rows(index, x.shape):
        return picked
    order = np.reshape(np.arange(picked.size), picked.shape)
    last = setitem(np.zeros(x.shape, np.intp), order, *index)
    return picked * (getitem(last, *index) == order)


rule(
    getitem,
    lambda g, y, x, *index: scatter_add(g, x.shape, *index),
    shape_only=(0, OUTPUT),
    view=True,
)
rule(
    setitem,
    lambda g, y, x, value, *index: setitem(g, 0, *index),
    _written,
    shape_only=(0, 1, OUTPUT),
)
rule(
    scatter_add,
    lambda g, y, value, shape, *index: getitem(g, *index),
    shape_only=(0, OUTPUT),
)


def as_index(index: Any) -> tuple[Any, ...]:
    """What stands in the brackets, as the arguments of :func:`getitem`.

    Lists and ranges become arrays, as NumPy would make of them.
    """
    parts = index if type(index) is tuple else (index,)
    return tuple(_array(i) if isinstance(i, (list, range)) else i for i in parts)


def _array(indices: Any) -> Any:
    """A list of indices as an array; np.asarray makes one of floats of an empty list."""
    return np.asarray(indices) if len(indices) else np.zeros(0, np.intp)
