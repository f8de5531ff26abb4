"""A function seen as a function of its floating-point leaves, whatever their structure."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import tree
from ..errors import DataError, DtypeError
from ..tensor import Tensor
from .report import place

Array = NDArray[np.float64]
Function = Callable[..., Any]


@dataclass(frozen=True)
class Program:
    """A function with its arguments, seen as a function of their floating-point leaves alone.

    Attributes:
        function: the user's function.
        args: its arguments; leaves that are not floating-point are passed through, copied.
        names: for each floating-point leaf the expression that reaches it, ``params['W1']``.
        leaves: their values, float64 whatever they were.
    """

    function: Function
    args: tuple[Any, ...]
    names: list[str]
    leaves: list[Array]

    def __call__(self, *leaves: Any) -> list[Any]:
        """The floating-point leaves of the function's value, given those of its arguments."""
        values = iter(leaves)
        args = tree.map_leaves(lambda x: next(values) if is_float(x) else fresh(x), self.args)
        return [out for out in tree.leaves(self.function(*args)) if is_float(out)]


def program(function: Function, args: tuple[Any, ...], names: Sequence[str]) -> Program:
    """Bind ``function`` to ``args``, called ``names`` in messages.

    Raises:
        DtypeError: no argument is floating-point.
        DataError: an argument holds NaN or an infinite number.
    """
    found = [
        (name, np.array(plain(leaf), dtype=np.float64))
        for arg, prefix in zip(args, names, strict=True)
        for name, leaf in tree.paths(arg, prefix)
        if is_float(leaf)
    ]
    if not found:
        kinds = ", ".join(dict.fromkeys(str(_kind(x)) for x in tree.leaves(args))) or "none at all"
        raise DtypeError(
            "nothing to check: a derivative needs a floating-point argument\n"
            f"  got {kinds}; write 3.0 instead of 3, or convert with .astype(float)"
        )
    for name, leaf in found:
        if not np.isfinite(leaf).all():
            index = first(~np.isfinite(leaf))
            raise DataError(f"{place(name, index)} is {leaf[index]}: gradients need finite input")
    return Program(function, args, [name for name, _ in found], [leaf for _, leaf in found])


def parameter_names(function: Function, count: int) -> list[str]:
    """What ``function`` calls its first ``count`` positional arguments."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # builtins without a signature
        parameters = []
    names: list[str] = []
    for p in parameters[:count]:
        if p.kind is p.VAR_POSITIONAL:
            return names + [f"{p.name}[{i}]" for i in range(count - len(names))]
        names.append(p.name)
    return names + [f"args[{i}]" for i in range(len(names), count)]


def is_float(x: Any) -> bool:
    """Whether a leaf is a floating-point number, array or tensor."""
    return isinstance(x, float) or getattr(getattr(x, "dtype", None), "kind", "") == "f"


def plain(x: Any) -> Any:
    """A tensor's value as an array; anything else as it is."""
    return np.asarray(x.detach()) if isinstance(x, Tensor) else x


def fresh(x: Any) -> Any:
    """A copy of an array or tensor, for a function that may change it; anything else as it is."""
    if isinstance(x, Tensor):
        return Tensor(x.detach())
    return x.copy() if isinstance(x, np.ndarray) else x


def first(where: Any) -> tuple[int, ...]:
    """The index of the first true entry."""
    return unravel(int(np.argmax(where)), np.shape(where))


def unravel(i: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The index of entry ``i`` of an array of ``shape``, as Python integers."""
    return tuple(int(k) for k in np.unravel_index(i, shape)) if shape else ()


def _kind(x: Any) -> Any:
    return getattr(x, "dtype", type(x).__name__)
