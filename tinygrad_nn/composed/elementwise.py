"""Entry by entry: bounds, replacements, and functions given in pieces."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..rules.indexing import getitem
from .table import TABLE, arrayed, composes, given, refuse


@composes(np.clip)
def clip(
    a: Any,
    a_min: Any = None,
    a_max: Any = None,
    out: Any = None,
    *,
    min: Any = None,
    max: Any = None,
    **rest: Any,
) -> Any:
    """min(max(a, low), high); at a bound that is a constant the derivative is 0."""
    refuse("clip", out=out, **rest)
    low, high = (a_min if given(a_min) else min), (a_max if given(a_max) else max)
    # NumPy's is one function of three arguments, and takes a number as an array.
    a = arrayed(a)
    common = np.result_type(a if a.ndim else a.dtype, *(b for b in (low, high) if given(b)))
    if a.ndim == 0 or common != a.dtype:
        a = a.astype(common)
    if given(low):
        a = np.maximum(a, low)
    return np.minimum(a, high) if given(high) else a


@composes(np.nan_to_num)
def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """Numbers in place of NaN and infinities; where one was put the derivative is 0."""
    refuse("nan_to_num", copy=None if copy else False)
    if x.dtype.kind != "f":
        return +x
    info = np.finfo(x.dtype)
    x = np.where(np.isnan(x), nan, x)
    x = np.where(np.isposinf(x), info.max if posinf is None else posinf, x)
    return np.where(np.isneginf(x), info.min if neginf is None else neginf, x)


@composes(np.sinc)
def sinc(x: Any) -> Any:
    """sin(pi x) / (pi x), and 1 at 0."""
    zero = x == 0
    z = np.pi * np.where(zero, 1, x)
    return np.where(zero, 1 - (np.pi * x) ** 2 / 6, np.sin(z) / z)


@composes(np.interp)
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """The piecewise linear function through (xp, fp), constant beyond the ends."""
    refuse("interp", period=period)
    x, xp, fp = arrayed(x), arrayed(xp), arrayed(fp)
    if xp.shape[0] == 1:
        return np.where(x < xp[0], fp[0] if left is None else left, 0 * x + fp[0])
    i = np.clip(np.searchsorted(xp, x, side="right") - 1, 0, xp.shape[0] - 2)
    x0, y0 = getitem(xp, i), getitem(fp, i)
    slope = (getitem(fp, i + 1) - y0) / (getitem(xp, i + 1) - x0)
    y = y0 + slope * (x - x0)
    y = np.where(x < xp[0], fp[0] if left is None else left, y)
    return np.where(x > xp[-1], fp[-1] if right is None else right, y)


@composes(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """The first choice whose condition holds."""
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ValueError("list of cases must be same length as list of conditions, and not empty")
    out = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        out = np.where(condition, choice, out)
    return out


@composes(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """A polynomial's value by Horner's rule, the highest power first."""
    p, x = arrayed(p), arrayed(x)
    y = 0 * x
    for i in range(p.shape[0]):
        y = y * x + p[i]
    return y


@composes(np.copy)
def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """A tensor of its own, through which the gradient flows; of a number, an array of shape ()."""
    return a.copy() if a.ndim else a._record(np.positive, (a,), None, np.copy)


@composes(np.real)
def real(val: Any) -> Any:
    """The tensor: its numbers are real."""
    return val


def outer(ufunc: Any, a: Any, b: Any) -> Any:
    """A ufunc's ``outer``: every entry of ``a`` with every entry of ``b``."""
    a, b = arrayed(a), arrayed(b)
    return ufunc(np.reshape(a, a.shape + (1,) * b.ndim), b)


TABLE[np.real_if_close] = lambda a, tol=100: a
