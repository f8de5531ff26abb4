"""Means, spreads, products and quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import NoRuleError
from ..rules.indexing import getitem
from .table import (
    arrayed,
    axes_of,
    composes,
    count,
    flat_along,
    given,
    kept_axes,
    reduced_axis,
    refuse,
)


@composes(np.mean)
def mean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    *,
    where: Any = True,
) -> Any:
    """The sum over the count; of float16 in float32, as NumPy's, since sums soon overflow."""
    refuse("mean", out=out)
    if dtype is None and a.dtype == np.float16:
        wide = np.mean(a.astype(np.float32), axis=axis, keepdims=keepdims, where=where)
        return wide.astype(np.float16)
    axis = reduced_axis(axis)
    keepdims = given(keepdims) and bool(keepdims)
    if dtype is not None:
        a = a.astype(dtype)
    elif a.dtype.kind != "f":
        a = a.astype(float)
    if given(where) and where is not True:
        total = np.sum(np.where(where, a, 0), axis=axis, keepdims=keepdims)
        counts = np.sum(np.broadcast_to(where, a.shape), axis=axis, keepdims=keepdims)
        return total / counts.astype(a.dtype)
    return np.sum(a, axis=axis, keepdims=keepdims) / count(a, axis)


@composes(np.average)
def average(
    a: Any,
    axis: Any = None,
    weights: Any = None,
    returned: bool = False,
    *,
    keepdims: Any = False,
) -> Any:
    """The weighted mean; with ``returned`` also the sum of the weights."""
    a = arrayed(a)
    axis = reduced_axis(axis)
    keepdims = given(keepdims) and bool(keepdims)
    if weights is None:
        out = np.mean(a, axis=axis, keepdims=keepdims)
        return (out, np.full_like(out, count(a, axis))) if returned else out
    weights = _aligned(arrayed(weights), a, axis)
    total = np.sum(weights, axis=axis, keepdims=keepdims)
    out = np.sum(a * weights, axis=axis, keepdims=keepdims) / total
    return (out, np.broadcast_to(total, out.shape)) if returned else out


def _aligned(weights: Any, a: Any, axis: Any) -> Any:
    """Weights of the shape of ``a``: given so, or only along the axes that are averaged."""
    if weights.shape == a.shape:
        return weights
    if axis is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    axes = axes_of(a, axis)
    if weights.shape != tuple(a.shape[i] for i in axes):
        raise ValueError(
            "Shape of weights must be consistent with shape of a along specified axis."
        )
    weights = np.transpose(weights, tuple(np.argsort(axes)))
    column = tuple(n if i in axes else 1 for i, n in enumerate(a.shape))
    return np.broadcast_to(np.reshape(weights, column), a.shape)


@composes(np.var)
def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: Any = False,
    *,
    correction: Any = None,
    **rest: Any,
) -> Any:
    """The mean squared distance from the mean, with ``ddof`` fewer in the count."""
    refuse("var", out=out, **rest)
    if given(correction):
        if ddof != 0:
            raise ValueError("ddof and correction can't be provided simultaneously.")
        ddof = correction
    if dtype is not None:
        a = a.astype(dtype)
    axis = reduced_axis(axis)
    d = a - np.mean(a, axis=axis, keepdims=True)
    square = np.sum(d * d, axis=axis, keepdims=given(keepdims) and bool(keepdims))
    return square / max(count(a, axis) - ddof, 0)


@composes(np.std)
def std(a: Any, *args: Any, **kwargs: Any) -> Any:
    """The square root of the variance; of constant data the derivative is 0."""
    return root(np.var(a, *args, **kwargs))


def root(total: Any, order: float = 2) -> Any:
    """``total ** (1 / order)``, with derivative 0 where ``total`` is 0 (the tip of a cone)."""
    zero = total == 0
    safe = np.where(zero, 1, total)
    return np.where(zero, 0, np.sqrt(safe) if order == 2 else safe ** (1 / order))


def _of_dtype(a: Any, dtype: Any) -> Any:
    """What a product is formed in: ``dtype``, or of small integers and truth values an int64."""
    if dtype is None and a.dtype.kind in "biu":
        dtype = np.prod(np.ones(1, a.dtype)).dtype
    return a if dtype is None or dtype == a.dtype else a.astype(dtype)


@composes(np.prod)
def prod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """The product along axes, by multiplying halves: right also where entries are zero."""
    refuse("prod", out=out)
    a = _of_dtype(a, dtype)
    if given(where) and where is not True:
        a = np.where(where, a, 1)
    shape = kept_axes(a, axis) if given(keepdims) and keepdims else None
    x = flat_along(a, axis)
    while x.shape[-1] > 1:
        half = x.shape[-1] // 2
        odd = x[..., 2 * half :]
        x = x[..., :half] * x[..., half : 2 * half]
        x = np.concatenate([x, odd], axis=-1) if odd.shape[-1] else x
    x = x[..., 0] if x.shape[-1] else np.sum(x, axis=-1) + 1
    x = x if shape is None else np.reshape(x, shape)
    return x * initial if given(initial) else x


@composes(np.cumprod)
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """Running products, in log2(n) rounds of doubling: right also where entries are zero."""
    refuse("cumprod", out=out)
    a = _of_dtype(a, dtype)
    if axis is None or a.ndim == 0:
        a, axis = np.ravel(a), 0
    a = np.moveaxis(a, axis, -1)
    n, done = a.shape[-1], 1
    while done < n:  # a[i] is the product of the `done` entries that end at i
        a = np.concatenate([a[..., :done], a[..., done:] * a[..., :-done]], axis=-1)
        done *= 2
    return np.moveaxis(a, -1, axis)


@composes(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    """Maximum less minimum."""
    refuse("ptp", out=out)
    keepdims = given(keepdims) and bool(keepdims)
    return np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)


# --- quantiles --------------------------------------------------------------------------------


@composes(np.quantile)
def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    **rest: Any,
) -> Any:
    """Between the two nearest entries in order, linearly; ``q`` is a constant."""
    refuse("quantile", out=out, **rest)
    if method != "linear":
        raise NoRuleError(f"np.quantile of a tensor: method {method!r} has no derivative rule")
    q = np.asarray(q, dtype=float)
    if not ((q >= 0) & (q <= 1)).all():
        raise ValueError("Quantiles must be in the range [0, 1]")
    shape = kept_axes(a, axis) if given(keepdims) and keepdims else None
    x = np.moveaxis(np.sort(flat_along(a, axis), axis=-1), -1, 0)
    place = q * (x.shape[0] - 1)
    low, high = np.floor(place).astype(np.intp), np.ceil(place).astype(np.intp)
    fraction = np.reshape(place - low, q.shape + (1,) * (x.ndim - 1)).astype(a.dtype)
    below, above = getitem(x, low), getitem(x, high)
    picked = below + (above - below) * fraction
    picked = np.where(np.isnan(x[-1]), x[-1], picked)  # NaN is sorted last, and spoils all
    return picked if shape is None else np.reshape(picked, q.shape + shape)


@composes(np.percentile)
def percentile(a: Any, q: Any, *args: Any, **kwargs: Any) -> Any:
    """np.quantile in hundredths."""
    return np.quantile(a, np.true_divide(q, 100), *args, **kwargs)


@composes(np.median)
def median(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False
) -> Any:
    """The middle entry, or the mean of the two middle ones."""
    refuse("median", out=out)
    return np.quantile(a, 0.5, axis=axis, keepdims=keepdims)


# --- passing over NaN -------------------------------------------------------------------------


@composes(np.nansum)
def nansum(a: Any, *args: Any, **kwargs: Any) -> Any:
    """The sum, in which a NaN counts 0."""
    return np.sum(np.where(np.isnan(a), 0, a), *args, **kwargs)


@composes(np.nanprod)
def nanprod(a: Any, *args: Any, **kwargs: Any) -> Any:
    """The product, in which a NaN counts 1."""
    return np.prod(np.where(np.isnan(a), 1, a), *args, **kwargs)


@composes(np.nanmean)
def nanmean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    *,
    where: Any = True,
) -> Any:
    """The mean of what is not NaN."""
    numbers = np.logical_not(np.isnan(a))
    if given(where) and where is not True:
        numbers = np.logical_and(numbers, where)
    return np.mean(a, axis=axis, dtype=dtype, out=out, keepdims=keepdims, where=numbers)


@composes(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """The covariance matrix of the rows (the columns with ``rowvar=False``)."""
    refuse("cov", fweights=fweights, aweights=aweights, dtype=dtype)
    x = _rows(arrayed(m), rowvar)
    if y is not None:
        x = np.concatenate([x, _rows(arrayed(y), rowvar)], axis=0)
    ddof = (0 if bias else 1) if ddof is None else ddof
    d = x - np.mean(x, axis=1, keepdims=True)
    return np.squeeze(d @ np.transpose(d)) / max(x.shape[1] - ddof, 0)


def _rows(x: Any, rowvar: bool) -> Any:
    """One variable a row."""
    if x.ndim < 2:
        return np.reshape(x, (1, -1))
    return x if rowvar else np.transpose(x)


@composes(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """The covariance over the product of the standard deviations."""
    refuse("corrcoef", dtype=dtype)
    c = np.cov(x, y, rowvar)
    if c.ndim == 0:
        return c / c
    d = np.sqrt(np.diagonal(c))
    return c / np.outer(d, d)
