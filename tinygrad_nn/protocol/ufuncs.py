"""Ufuncs with keywords or two outputs, and their methods (``np.add.reduce``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import composed
from ..composed.table import arrayed, refuse
from ..errors import DetachError, TensorIndexError
from ..node import underline_frame, user_frame
from ..recording import no_rule, record
from ..rules.indexing import as_index, scatter_add
from ..tensor import Tensor, untracked
from .common import Handler, deliver, plain_value
from .constants import unknown


def call_ufunc(ufunc: Any, method: str, inputs: Any, kwargs: Any) -> Any:
    """A ufunc with keywords, with two outputs, or one of its methods."""
    if method != "__call__":
        return _ufunc_method(ufunc, method, inputs, kwargs)
    name = ufunc.__name__
    if ufunc.nout == 2:
        if ufunc not in _TWO_OUTPUTS:
            return unknown(ufunc, inputs, kwargs)
        refuse(name, **kwargs)
        return _TWO_OUTPUTS[ufunc](*inputs)
    (out,) = kwargs.pop("out", (None,))
    dtype = kwargs.pop("dtype", None)
    if kwargs.get("where") is True:
        del kwargs["where"]
    refuse(name, **kwargs)
    if dtype is not None:
        inputs = tuple(arrayed(x).astype(dtype) for x in inputs)
    return deliver(record(ufunc, tuple(inputs)), out, name)


def _ufunc_method(ufunc: Any, method: str, inputs: Any, kwargs: Any) -> Any:
    if method == "at":
        if ufunc is np.add:
            return _add_at(*inputs)
        raise no_rule(getattr(ufunc, method), user_frame(2))
    if method == "outer":
        refuse(f"{ufunc.__name__}.outer", **kwargs)
        return composed.outer(ufunc, *inputs)
    function = _METHODS.get((ufunc, method))
    if function is None:
        return unknown(getattr(ufunc, method), inputs, kwargs)
    (out,) = kwargs.pop("out", (None,))
    axis = inputs[1] if len(inputs) > 1 else kwargs.pop("axis", 0)
    return deliver(function(inputs[0], axis=axis, **kwargs), out, f"{ufunc.__name__}.{method}")


#: A ufunc's methods that are functions of their own.
_METHODS: dict[tuple[Any, str], Handler] = {
    (np.add, "reduce"): np.sum,
    (np.multiply, "reduce"): np.prod,
    (np.maximum, "reduce"): np.max,
    (np.minimum, "reduce"): np.min,
    (np.logical_and, "reduce"): np.all,
    (np.logical_or, "reduce"): np.any,
    (np.add, "accumulate"): np.cumsum,
    (np.multiply, "accumulate"): np.cumprod,
}

_TWO_OUTPUTS: dict[Any, Handler] = {
    np.divmod: lambda a, b: (np.floor_divide(a, b), np.remainder(a, b)),
    np.modf: lambda x: (np.fmod(x, 1), np.trunc(x)),
}


def _add_at(t: Any, index: Any, value: Any) -> None:
    """np.add.at: add at an index, repeated entries repeatedly."""
    if not isinstance(t, Tensor):
        raise DetachError(
            "np.add.at(X, ...) with a tensor would put it into the plain array X\n"
            f"  make X a tg.Tensor\n{underline_frame(user_frame(2))}"
        )
    index = as_index(index)
    try:
        picked = np.broadcast_to(np.False_, t.shape)[tuple(map(plain_value, index))]
    except IndexError as error:
        raise TensorIndexError(
            f"{error}\n  in np.add.at of a tensor of shape {t.shape}\n"
            f"{underline_frame(user_frame(2))}"
        ) from None
    value = np.broadcast_to(arrayed(value), picked.shape)
    t += scatter_add(value if isinstance(value, Tensor) else untracked(value), t.shape, *index)
