"""Functions without a derivative: constants, questions about arrays, and what writes in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..composed.table import refuse
from ..errors import InPlaceError
from ..node import function_name, refuse_to_freeze, underline_frame, user_frame
from ..recording import no_rule, record
from ..tensor import Tensor, untracked
from ..tree import leaves, map_leaves
from .common import Handler, deliver, handles, plain_value

#: Constant functions the shape of whose result depends on the values.
_SHAPED_BY_VALUES = (np.nonzero, np.flatnonzero, np.argwhere)


def _tensors(tree: Any) -> bool:
    return any(isinstance(x, Tensor) for x in leaves(tree))


def constant(function: Any) -> Handler:
    """The handler of a function whose derivative is zero wherever it exists."""

    def handler(*args: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        nested = any(isinstance(a, (tuple, list)) for a in args)
        if function in _SHAPED_BY_VALUES or nested or _tensors(kwargs):
            _refuse_to_freeze(function, args, kwargs)
            value = function(*map_leaves(plain_value, args), **map_leaves(plain_value, kwargs))
            return map_leaves(untracked, value)
        return deliver(record(function, args, kwargs or None), out, function_name(function))

    return handler


#: Questions about an array, answered with plain Python or NumPy objects.
QUESTIONS = (np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.min_scalar_type,
              np.may_share_memory, np.shares_memory, np.iscomplexobj, np.isrealobj,
              np.array_equal, np.array_equiv, np.allclose, np.array_repr, np.array_str,
              np.array2string, np.common_type, np.einsum_path, np.diag_indices_from,
              np.tril_indices_from, np.triu_indices_from)  # fmt: skip

#: Functions that write into their argument.
WRITERS = (np.put, np.place, np.putmask, np.fill_diagonal, np.put_along_axis)


#: Of these, the ones whose answer depends on the values.
_OF_VALUES = (np.array_equal, np.array_equiv, np.allclose, np.min_scalar_type)


def asking(function: Any) -> Handler:
    """The handler of a question about arrays."""

    def handler(*args: Any, **kwargs: Any) -> Any:
        if function in _OF_VALUES:
            _refuse_to_freeze(function, args, kwargs)
        return function(*map_leaves(plain_value, args), **map_leaves(plain_value, kwargs))

    return handler


def _refuse_to_freeze(function: Any, args: Any, kwargs: Any) -> None:
    for x in leaves([args, kwargs]):
        if isinstance(x, Tensor):
            refuse_to_freeze(x._node, f"np.{function_name(function)}")


def writing(function: Any) -> Handler:
    """The handler of a function that writes into its argument: it is refused."""

    def handler(*args: Any, **kwargs: Any) -> Any:
        raise InPlaceError(
            f"np.{function_name(function)} writes into its argument: on a tensor use "
            f"t[...] = value\n{underline_frame(user_frame(2))}"
        )

    return handler


@handles(np.copyto)
def _copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    if not isinstance(dst, Tensor):
        return np.copyto(dst, np.asarray(src), casting, np.asarray(where))
    refuse("copyto", casting=None if casting == "same_kind" else casting)
    dst[...] = src if where is True else np.where(where, src, dst)


def unknown(function: Any, args: Any, kwargs: Any) -> Any:
    """A NumPy function in no table: fine as long as no gradient would be lost."""
    if any(isinstance(x, Tensor) and x.requires_grad for x in leaves([args, kwargs])):
        raise no_rule(function, user_frame(2))
    _refuse_to_freeze(function, args, kwargs)
    result = function(*map_leaves(plain_value, args), **map_leaves(plain_value, kwargs))
    return map_leaves(lambda v: untracked(v) if isinstance(v, np.ndarray) else v, result)
