"""NumPy's functions on tensors: how each one's call becomes recorded operations.

A handler takes what the user passed to the NumPy function. Three kinds: a *primitive* puts its
arguments in order and records one node; a *composed* function (in ``composed``) is written with
others; a *constant* one has no derivative and is recorded as such. What is in none of the tables
raises NoRuleError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import composed
from ..composed.table import VIEWING
from ..errors import TinygradError
from ..node import MODE, function_name
from ..recording import explained
from ..rules.registry import CONSTANTS
from ..tensor import HANDLERS, Tensor
from ..tree import leaves, map_leaves
from ..weak import WEAK
from .common import Handler, deliver, plain_value
from .constants import QUESTIONS, WRITERS, asking, constant, unknown, writing
from .primitives import of_matrix, product, triangle
from .ufuncs import call_ufunc


def _composed(function: Any, composition: Handler) -> Handler:
    """A composition that honours ``out=``, and whose errors name the function and the shapes."""

    def handler(*args: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        try:
            result = composition(*args, **kwargs)
        except TinygradError:
            raise
        except (ValueError, TypeError, IndexError) as error:
            arrays = [a for a in leaves([args, kwargs]) if isinstance(a, (Tensor, np.ndarray))]
            values = list(map(plain_value, arrays))
            raise explained(function, tuple(arrays), values, error) from error
        if function not in VIEWING:
            result = map_leaves(_owned(function, leaves([args, kwargs])), result)
        return result if out is None else deliver(result, out, function_name(function))

    return handler


#: Functions of the table that give an array of shape () where others give a number.
_ARRAYS = frozenset((np.copy, np.select, np.broadcast_to))


def _make_number(result: Any) -> None:
    """Let what a traced composition ended in be the number that NumPy's function gives."""
    node = result._node
    if result._value.ndim == 0 and node is not None and MODE.get().tape is not None:
        result._value = node.value = result._value[()]


def _owned(function: Any, args: list[Any]) -> Callable[[Any], Any]:
    """Of a composition's result, what NumPy's function makes of it: memory of its own.

    Its last operation may happen to give a view, or the argument itself, which a later change in
    place would show.
    """

    def own(result: Any) -> Any:
        if any(result is a for a in args):
            return np.copy(result) if isinstance(result._value, WEAK) else +result
        if isinstance(result, Tensor):
            result._view = None
            if function not in _ARRAYS and isinstance(result._value, np.ndarray):
                _make_number(result)
        return result

    return own


def _fill_tables() -> None:
    function: Any
    for function in (np.dot, np.inner, np.outer, np.vdot, np.linalg.solve):
        HANDLERS[function] = product(function)
    for function in (np.linalg.inv, np.linalg.det):
        HANDLERS[function] = of_matrix(function)
    for function in (np.tril, np.triu):
        HANDLERS[function] = triangle(function)
    for function in CONSTANTS:
        if not isinstance(function, np.ufunc):
            HANDLERS[function] = constant(function)
    for function in QUESTIONS:
        HANDLERS[function] = asking(function)
    for function in WRITERS:
        HANDLERS[function] = writing(function)
    for function in (np.einsum, np.tensordot, np.concatenate, np.stack):
        HANDLERS[function] = _composed(function, HANDLERS[function])
    for function, composition in composed.TABLE.items():
        HANDLERS[function] = _composed(function, composition)


_fill_tables()


Tensor._call_ufunc = staticmethod(call_ufunc)
Tensor._call_unknown = staticmethod(unknown)
