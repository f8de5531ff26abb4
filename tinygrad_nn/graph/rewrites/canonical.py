"""One way to write a call, so that equal calls look equal and patterns need not list spellings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...node import Node
from ...rules import neural

_REDUCTIONS = frozenset({np.sum, np.max, np.min})
_ALONG_LAST = frozenset({neural.softmax, neural.log_softmax, neural.logsumexp})
_CANONICAL = _REDUCTIONS | _ALONG_LAST | {np.reshape}

Call = tuple[Any, tuple[Any, ...], dict[str, Any] | None]


def canonical(function: Any, operands: tuple[Any, ...], keywords: dict[str, Any] | None) -> Call:
    """The call with its axes counted from the front, and none where the default says the same."""
    if function not in _CANONICAL:
        return function, operands, keywords
    if function is np.reshape:
        return function, _with_full_shape(*operands), keywords
    x, *positional = operands
    named = dict(zip(("axis", "keepdims"), positional, strict=False)) | (keywords or {})
    ndim = len(x.value.shape if isinstance(x, Node) else np.shape(x))
    out: dict[str, Any] = {}
    if function in _ALONG_LAST:
        axis = named.get("axis", -1)
        if axis is None or isinstance(axis, tuple):
            out["axis"] = axis
        elif ndim and axis % ndim != ndim - 1:
            out["axis"] = axis % ndim
    elif named.get("axis") is not None:
        axis = named["axis"]
        axes = (
            sorted({a % ndim for a in (axis if isinstance(axis, tuple) else (axis,))})
            if ndim
            else []
        )
        if len(axes) != ndim:
            out["axis"] = axes[0] if len(axes) == 1 else tuple(axes)
    if named.get("keepdims"):
        out["keepdims"] = True
    return function, (x,), out or None


def _with_full_shape(x: Any, shape: Any) -> tuple[Any, Any]:
    """The operands of a reshape, with the length written out that NumPy would work out."""
    rest = math.prod(n for n in shape if n != -1)
    if -1 not in shape or rest == 0:
        return x, shape
    size = math.prod(x.value.shape if isinstance(x, Node) else np.shape(x))
    return x, tuple(size // rest if n == -1 else n for n in shape)
