"""Calling a hand-derived gradient, and matching what it returns with the parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .. import tree
from ..errors import DataError
from .program import Array, Function, fresh, is_float, parameter_names, plain


def call_analytic(
    analytic: Function, params: Any, rest: list[Any]
) -> tuple[float | None, Any, list[str]]:
    """The loss if it is returned, the gradients, and notes on arguments changed in place."""
    args = [tree.map_leaves(lambda x: fresh(plain(x)), arg) for arg in (params, *rest)]
    before = [tree.map_leaves(fresh, arg) for arg in args]
    result = analytic(*args)
    notes = [
        f"analytic changed its argument {name} in place"
        for name, old, new in _leaves_twice(before, args, parameter_names(analytic, len(args)))
        if not np.array_equal(old, new, equal_nan=is_float(old))
    ]
    if result is None:
        raise DataError("analytic returned None instead of gradients, or (loss, gradients)")
    if _has_loss(result, params):
        return float(plain(result[0])), result[1], notes
    return None, result, notes


def _leaves_twice(
    before: list[Any], after: list[Any], names: list[str]
) -> Iterator[tuple[str, Any, Any]]:
    """The arrays of both argument lists, in pairs; what was removed counts as changed."""
    for old_arg, new_arg, prefix in zip(before, after, names, strict=True):
        new = dict(tree.paths(new_arg, prefix))
        for name, old in tree.paths(old_arg, prefix):
            if isinstance(old, np.ndarray):
                yield name, old, new.get(name)


def _has_loss(result: Any, params: Any) -> bool:
    """Whether ``result`` is (loss, gradients) rather than the gradients of two parameters."""
    if not isinstance(result, tuple) or len(result) != 2:
        return False
    if isinstance(result[0], (dict, list, tuple)) or np.shape(plain(result[0])) != ():
        return False
    two = isinstance(params, (list, tuple)) and len(params) == 2
    return not two or isinstance(result[1], (dict, list, tuple))


#: Stands for a parameter or a gradient that is not there.
ABSENT = object()


def is_flat(params: Any) -> bool:
    """Whether the parameters are a dict whose keys alone can serve as names."""
    return isinstance(params, dict) and not any(
        isinstance(value, (dict, list, tuple)) or not isinstance(key, str)
        for key, value in params.items()
    )


def matched(params: Any, gradients: Any, name: str, flat: bool = False) -> Iterator[Any]:
    """For each leaf ``(name, (parameter, gradient))``, with ``ABSENT`` where there is none."""
    if isinstance(params, (dict, list, tuple)):
        mine, theirs = _children(params), _children(gradients)
        for key in [*mine, *(key for key in theirs if key not in mine)]:
            child = key if flat else f"{name}[{key!r}]"
            yield from matched(mine.get(key, ABSENT), theirs.get(key, ABSENT), child)
    elif params is not None:
        yield name, (params, gradients)


def _children(value: Any) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    return dict(enumerate(value)) if isinstance(value, (list, tuple)) else {}


def as_gradient(gradient: Any, shape: tuple[int, ...]) -> tuple[Array | None, str]:
    """The analytic gradient as an array, or what is wrong with it."""
    if gradient is ABSENT or gradient is None:
        return None, "missing"
    try:
        value = np.asarray(plain(gradient), dtype=np.float64)
    except (TypeError, ValueError):
        return None, f"not a number, but {type(gradient).__name__}"
    if value.shape != shape:
        return None, f"wrong shape {value.shape} for {shape}"
    return value, "" if np.isfinite(value).all() else "not finite"


def multiple(analytic: Array, right: Array) -> str:
    """The hint that a wrong gradient is a multiple of the right one, if it is."""
    large = np.abs(right) > 1e-3 * np.max(np.abs(right))
    if not large.any():
        return ""
    ratios = analytic[large] / right[large]
    factor = float(np.mean(ratios))
    if not np.allclose(analytic, factor * right, rtol=1e-6, atol=1e-9 * np.max(np.abs(right))):
        return ""
    return f"analytic is {factor:.6g} times the gradient throughout"
