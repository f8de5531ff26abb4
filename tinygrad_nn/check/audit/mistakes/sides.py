"""Sides of a choice that the data never takes, so that what is computed there was not tested."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....node import Node
from ....rules.indexing import setitem
from ..mending import operands, squeeze
from ..observing.observe import Observation, where

#: So many of them are told.
_MOST = 3


def untaken(observation: Observation) -> tuple[str, ...]:
    """A note for every choice of the backward pass of which only one side is taken.

    That is a ``np.where`` with a condition that holds everywhere or nowhere, or an assignment by a
    mask that is empty or full, in all its executions.
    """
    found: dict[Any, list[tuple[Node, Any]]] = {}
    for node in observation.backward:
        condition = _condition(node)
        if condition is not None:
            found.setdefault((id(node.code), node.offset), []).append((node, condition))
    notes = []
    for group in found.values():
        holds = [bool(np.all(c)) for _, c in group]
        fails = [not np.any(c) for _, c in group]
        if all(holds) or all(fails):
            notes.append(_said(group[0][0], all(holds)))
    kept = [n for n in dict.fromkeys(notes) if n]
    return tuple(kept[:_MOST])


def _condition(node: Node) -> Any:
    """The condition that decides entry by entry; None if there is none."""
    if node.function is np.where and len(node.arguments) == 3:
        condition = node.arguments[0]
    elif node.function is setitem and len(node.arguments) == 3:
        condition = node.arguments[2]
    else:
        return None
    if getattr(condition, "dtype", None) != np.bool_ or np.size(condition) < 2:
        return None
    return np.asarray(condition)


def _said(node: Node, holds: bool) -> str:
    place = where(node)
    if place is None or not place.line:
        return ""
    texts = operands(node)
    known = node.function is np.where and len(texts) == 3
    code = squeeze(place.expression)
    condition = texts[0] if known else code[code.find("[") + 1 : code.rfind("]")]
    which = "every entry" if holds else "no entry"
    if known:
        rest = f"`{texts[2] if holds else texts[1]}` was not tested"
    else:
        rest = "what happens where it does not was not tested" if holds else "it was not tested"
    return f"line {place.line}: `{condition}` holds for {which} of this data: {rest}"
