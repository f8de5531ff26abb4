"""ndarray's methods, each one the NumPy function of the same name. NumPy only.

``t.sum(axis=0)`` is ``np.sum(t, axis=0)``: the tensor's protocol records it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as _np

np: Any = _np  # NumPy's stubs know arrays only, and a tensor is none


class ArrayMethods:
    """The methods that a tensor shares with ndarray; see NumPy's documentation for each."""

    __slots__ = ()
    _record: Callable[..., Any]

    def sum(self, axis: Any = None, *, keepdims: bool = False, **kwargs: Any) -> Any:
        """np.sum."""
        return np.sum(self, axis=axis, keepdims=keepdims, **kwargs)

    def mean(self, axis: Any = None, *, keepdims: bool = False, **kwargs: Any) -> Any:
        """np.mean."""
        return np.mean(self, axis=axis, keepdims=keepdims, **kwargs)

    def prod(self, axis: Any = None, *, keepdims: bool = False, **kwargs: Any) -> Any:
        """np.prod."""
        return np.prod(self, axis=axis, keepdims=keepdims, **kwargs)

    def max(self, axis: Any = None, *, keepdims: bool = False, **kwargs: Any) -> Any:
        """np.max."""
        return np.max(self, axis=axis, keepdims=keepdims, **kwargs)

    def min(self, axis: Any = None, *, keepdims: bool = False, **kwargs: Any) -> Any:
        """np.min."""
        return np.min(self, axis=axis, keepdims=keepdims, **kwargs)

    def var(self, axis: Any = None, *, keepdims: bool = False, **kwargs: Any) -> Any:
        """np.var."""
        return np.var(self, axis=axis, keepdims=keepdims, **kwargs)

    def std(self, axis: Any = None, *, keepdims: bool = False, **kwargs: Any) -> Any:
        """np.std."""
        return np.std(self, axis=axis, keepdims=keepdims, **kwargs)

    def any(self, axis: Any = None, *, keepdims: bool = False, **kwargs: Any) -> Any:
        """np.any."""
        return np.any(self, axis=axis, keepdims=keepdims, **kwargs)

    def all(self, axis: Any = None, *, keepdims: bool = False, **kwargs: Any) -> Any:
        """np.all."""
        return np.all(self, axis=axis, keepdims=keepdims, **kwargs)

    def argmax(self, axis: Any = None, *, keepdims: bool = False, **kwargs: Any) -> Any:
        """np.argmax."""
        return np.argmax(self, axis=axis, keepdims=keepdims, **kwargs)

    def argmin(self, axis: Any = None, *, keepdims: bool = False, **kwargs: Any) -> Any:
        """np.argmin."""
        return np.argmin(self, axis=axis, keepdims=keepdims, **kwargs)

    def cumsum(self, axis: Any = None) -> Any:
        """np.cumsum."""
        return np.cumsum(self, axis=axis)

    def cumprod(self, axis: Any = None) -> Any:
        """np.cumprod."""
        return np.cumprod(self, axis=axis)

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        """np.reshape, with the new shape as one tuple or as several ints."""
        return np.reshape(self, _one_tuple(shape), order=order)

    def transpose(self, *axes: Any) -> Any:
        """np.transpose, with the axes as one tuple or as several ints."""
        return np.transpose(self, None if axes in ((), (None,)) else _one_tuple(axes))

    def flatten(self, order: Any = "C") -> Any:
        """A copy in one dimension."""
        return np.ravel(self, order=order).copy()

    def ravel(self, order: Any = "C") -> Any:
        """np.ravel."""
        return np.ravel(self, order=order)

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        """np.swapaxes."""
        return np.swapaxes(self, axis1, axis2)

    def squeeze(self, axis: Any = None) -> Any:
        """np.squeeze."""
        return np.squeeze(self, axis=axis)

    def repeat(self, repeats: Any, axis: Any = None) -> Any:
        """np.repeat."""
        return np.repeat(self, repeats, axis=axis)

    def take(self, indices: Any, axis: Any = None) -> Any:
        """np.take."""
        return np.take(self, indices, axis=axis)

    def dot(self, other: Any) -> Any:
        """np.dot."""
        return np.dot(self, other)

    def clip(self, min: Any = None, max: Any = None) -> Any:
        """np.clip."""
        return np.clip(self, min, max)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        """np.diagonal."""
        return np.diagonal(self, offset, axis1, axis2)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        """np.trace."""
        return np.trace(self, offset, axis1, axis2)

    def argsort(self, axis: int = -1) -> Any:
        """np.argsort."""
        return np.argsort(self, axis=axis)

    def nonzero(self) -> Any:
        """np.nonzero."""
        return np.nonzero(self)

    def round(self, decimals: int = 0) -> Any:
        """np.round."""
        return np.round(self, decimals)

    def conj(self) -> Any:
        """np.conjugate."""
        return np.conjugate(self)

    def conjugate(self) -> Any:
        """np.conjugate."""
        return np.conjugate(self)

    def searchsorted(self, v: Any, side: Any = "left") -> Any:
        """np.searchsorted."""
        return np.searchsorted(self, v, side=side)

    def copy(self) -> Any:
        """A tensor of its own, through which the gradient flows."""
        return self._record(np.positive, (self,), None, lambda x: x.copy())

    def astype(self, dtype: Any) -> Any:
        """np.astype: the same values in another floating-point dtype."""
        return np.astype(self, np.dtype(dtype))


def _one_tuple(given: tuple[Any, ...]) -> Any:
    return given[0] if len(given) == 1 else given
