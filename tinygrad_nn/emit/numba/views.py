"""Where an entry of a view lies in the array that it is a view of.

Loops need no copies of transposed, broadcast or sliced arrays: they read the original at another
place. A place is one term for each axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np

from ...node import Node
from ...rules.indexing import getitem


@dataclass(frozen=True)
class Axis:
    """``start + step * (the variable of a loop)``."""

    loop: int
    start: int = 0
    step: int = 1


@dataclass(frozen=True)
class At:
    """An entry of an index array, which has to lie within ``extent``."""

    array: Any
    terms: tuple[Any, ...]
    extent: int


Term = int | Axis | At


def loops_of(shape: Sequence[int]) -> tuple[tuple[Term, ...], tuple[int, ...]]:
    """The place of the current entry in loops over ``shape``, and the lengths of the loops.

    An axis of length 1 has no loop.
    """
    dims = tuple(n for n in shape if n != 1)
    numbers = iter(range(len(dims)))
    return tuple(Axis(next(numbers)) if n != 1 else 0 for n in shape), dims


def broadcast(terms: Sequence[Term], shape: Sequence[int]) -> tuple[Term, ...]:
    """The place in an array of ``shape`` that is broadcast to where ``terms`` count.

    What is written into an array may have more axes than it, of length 1.
    """
    more = len(shape) - len(terms)
    last = (*(0,) * more, *terms[max(0, -more) :])
    return tuple(0 if n == 1 else term for term, n in zip(last, shape, strict=True))


def is_view(node: Node) -> bool:
    """Whether :func:`origin` can follow ``node``: its entries are entries of its first operand."""
    if node.function is None or len(node.inputs) == 0 or not hasattr(node.arguments[0], "shape"):
        return False
    return origin(node, tuple(0 for _ in node.value.shape)) is not None


def origin(node: Node, terms: tuple[Term, ...]) -> tuple[Term, ...] | None:
    """The place in a view's operand of its entry at ``terms``; None if it is no such view."""
    x = node.arguments[0]
    keywords = node.keywords or {}
    if node.function is np.broadcast_to:
        return broadcast(terms, x.shape)
    if node.function is np.transpose:
        axes = keywords.get("axes", node.arguments[1] if len(node.arguments) > 1 else None)
        axes = range(x.ndim)[::-1] if axes is None else [a % x.ndim for a in axes]
        return tuple(terms[list(axes).index(a)] for a in range(x.ndim))
    if node.function is np.reshape and not set(keywords) - {"shape"}:
        kept = [t for t, n in zip(terms, node.value.shape, strict=True) if n != 1]
        dims = [n for n in node.value.shape if n != 1]
        if dims != [n for n in x.shape if n != 1]:
            return None
        rest = iter(kept)
        return tuple(next(rest) if n != 1 else 0 for n in x.shape)
    if node.function is getitem and all(i is None for i in node.inputs[1:]):
        return _sliced(x.shape, node.arguments[1:], terms)
    return None


def _sliced(
    shape: tuple[int, ...], parts: Sequence[Any], terms: tuple[Term, ...]
) -> tuple[Term, ...] | None:
    """The place in an array of its entry ``[parts][terms]``, for an index without arrays."""
    if not all(p is None or p is Ellipsis or _is_plain(p) for p in parts):
        return None
    missing = len(shape) - sum(p is not None and p is not Ellipsis for p in parts)
    whole = [slice(None)] * missing
    at = next((i for i, p in enumerate(parts) if p is Ellipsis), len(parts))
    rest, axis, out = list(terms), 0, []
    for part in [*parts[:at], *whole, *parts[at + 1 :]]:
        if part is None:
            rest.pop(0)
            continue
        n = shape[axis]
        axis += 1
        if isinstance(part, slice):
            start, _, step = part.indices(n)
            term = _along(rest.pop(0), start, step)
            if term is None:
                return None
            out.append(term)
        else:
            out.append(index(part) % n)
    return tuple(out)


def _is_plain(part: Any) -> bool:
    return isinstance(part, slice) or (
        isinstance(part, (int, np.integer)) and not isinstance(part, (bool, np.bool_))
    )


def _along(term: Term, start: int, step: int) -> Term | None:
    """The place in an array of the entry at ``term`` of its slice."""
    if isinstance(term, Axis):
        return Axis(term.loop, start + step * term.start, step * term.step)
    if isinstance(term, At):
        return term if (start, step) == (0, 1) else None
    return start + step * term
