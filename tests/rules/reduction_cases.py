"""Cases of reductions, statistics and differences."""

from __future__ import annotations

import numpy as np

import tinygrad_nn as tg
from tests.rules.cases import apart, case, normal, positive, with_nan
from tinygrad_nn.rules.neural import cross_entropy

AXES = (None, 0, -1, 1, (0, 2), (-1, 0), (0, 1, 2), ())
REDUCTIONS = (np.sum, np.max, np.min, np.mean, np.var, np.std, np.prod, np.ptp)
for function in REDUCTIONS:
    for axis in AXES:
        if axis == () and function in (np.max, np.min, np.std, np.var, np.ptp):
            continue
        case(function, apart(2, 3, 2), axis=axis)
    case(function, apart(2, 3, 2), axis=1, keepdims=True)
    case(function, apart(2, 3, 2), axis=(0, 2), keepdims=True)
    case(function, apart(3, 4), keepdims=True)
    case(function, apart(2, 1, 3), axis=0)
    case(function, apart(5))
    if function not in (np.var, np.std):
        case(function, apart())
        case(function, apart(3, 1), axis=1)
for function in (np.sum, np.prod):
    case(function, apart(0))
    case(function, apart(0, 3), axis=0)
    case(function, apart(0, 3), axis=0, keepdims=True)
    case(function, apart(2, 3), initial=2.0)
    case(function, apart(2, 3), axis=0, where=np.array([[True], [False]]))
    case(function, apart(), axis=0)
case(np.mean, apart(2, 3), axis=1, where=np.array([True, False, True]))
case(np.max, apart(2, 3), axis=1, initial=0.4)
case(np.max, apart(2, 3), axis=1, initial=-9.0, where=np.array([True, False, True]))
case(np.min, apart(2, 3), axis=1, initial=0.4)
case(np.max, apart(2, 3), via=np.amax, label="amax")
case(np.min, apart(2, 3), via=np.amin, label="amin")
for function in (np.var, np.std):
    case(function, normal(4), ddof=1)
    case(function, normal(3, 4), axis=0, ddof=1)
    case(function, normal(3, 4), axis=(0, 1), correction=1)
case(np.prod, np.array([0.0, 2.0, 3.0]))
case(np.prod, np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 4.0]]), axis=1)

for function in (np.cumsum, np.cumprod):
    for axis in (None, 0, 1, -1):
        case(function, apart(2, 3), axis=axis)
    case(function, apart(7))
    case(function, apart(1))
    case(function, apart())
    case(function, apart(0))
case(np.cumprod, np.array([2.0, 0.0, 3.0, 0.0, 1.5]))
case(np.add, apart(2, 3), via=np.add.accumulate, label="accumulate")
case(np.multiply, apart(2, 3), via=np.multiply.accumulate, label="accumulate")
for ufunc in (np.add, np.multiply, np.maximum, np.minimum):
    case(ufunc, apart(2, 3), via=ufunc.reduce, label="reduce")
    case(ufunc, apart(2, 3), via=ufunc.reduce, label="reduce", axis=1)

WEIGHTS = np.array([1.0, 2.0, 0.5])
case(np.average, normal(2, 3))
case(np.average, normal(2, 3), axis=0)
case(np.average, normal(2, 3), positive(2, 3), via=lambda a, w: np.average(a, weights=w))
case(np.average, normal(2, 3), positive(3), via=lambda a, w: np.average(a, 1, w, keepdims=True))
case(np.average, normal(2, 3), positive(3), via=lambda a, w: np.average(a, 1, w, returned=True))
case(np.average, normal(2, 3), via=lambda a: np.average(a, -1, WEIGHTS), float32=False)
case(np.average, normal(2, 3), via=lambda a: np.average(a, 0, returned=True))
case(np.average, positive(3), via=lambda w: np.average(WEIGHTS, weights=w), float32=False)

for axis in (None, 0, 1, (0, 1), -1):
    for keepdims in (False, True):
        case(np.median, apart(3, 4), axis=axis, keepdims=keepdims)
case(np.median, apart(2, 3, 3), axis=(2, 0))
case(np.median, apart(1))
case(np.quantile, apart(7), q=0.3)
case(
    np.quantile,
    apart(3, 5),
    q=np.array([[0.1, 0.5], [1.0, 0.0]]),
    axis=1,
    keepdims=True,
    float32=False,
)
case(np.percentile, apart(3, 5), q=[10, 55.0], axis=0, float32=False)
for function in (np.nansum, np.nanmean, np.nanprod):
    case(function, with_nan(3, 4))
    case(function, with_nan(3, 4), axis=1)
    case(function, with_nan(3, 4), axis=0, keepdims=True)
case(np.cov, normal(3, 5), float32=False)
case(np.cov, normal(5), float32=False)
case(np.cov, normal(5, 2), rowvar=False, bias=True, float32=False)
case(np.cov, normal(2, 5), normal(5), ddof=0, float32=False)
case(np.corrcoef, normal(3, 5), float32=False)

case(np.diff, normal(5))
case(np.diff, normal(4, 3), axis=0)
case(np.diff, normal(4, 5), n=2)
case(np.ediff1d, normal(2, 3))
case(np.ediff1d, normal(3), normal(2), via=lambda x, e: np.ediff1d(x, to_end=e, to_begin=e))
case(np.gradient, normal(5))
case(np.gradient, normal(3, 4))
case(np.gradient, normal(3, 4), axis=1)
case(np.gradient, normal(4, 5), via=lambda f: np.gradient(f, 0.5, 2.0, edge_order=2))
case(np.trapezoid, normal(5))
case(np.trapezoid, normal(3, 4), axis=0, dx=0.5)
case(np.trapezoid, normal(3, 4), normal(4))
case(np.trapezoid, normal(2, 3, 4), normal(3), axis=1)
case(np.trapezoid, normal(3, 4), normal(3, 4), axis=0)

for axis in (-1, 0, 1):
    for function in (tg.softmax, tg.log_softmax, tg.logsumexp):
        case(function, normal(3, 4), axis=axis, numpy=False)
for function in (tg.softmax, tg.log_softmax, tg.logsumexp):
    case(function, normal(4), numpy=False)
    case(function, normal(2, 3, 2), axis=1, numpy=False)
case(tg.logsumexp, normal(3, 4), axis=None, numpy=False)
case(tg.logsumexp, normal(3, 4), axis=(0, 1), keepdims=True, numpy=False)

LABELS = np.array([1, 0, 2, 2])
for loss in (cross_entropy, tg.cross_entropy):
    case(loss, normal(4, 3), via=lambda x, f=loss: f(x, LABELS), numpy=False)
    case(loss, normal(1, 1), via=lambda x, f=loss: f(x, np.array([0])), numpy=False)
case(tg.hinge_loss, 3 * apart(4, 3), labels=LABELS, numpy=False)
case(tg.hinge_loss, 3 * apart(4, 3), labels=LABELS, margin=0.31, numpy=False)
case(tg.mse_loss, normal(4, 3), normal(4, 3), numpy=False)
case(tg.mse_loss, normal(), normal(), numpy=False)
