"""Nested dicts, lists and tuples as one flat list of leaves, and back. Standard library only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def leaves(tree: Any) -> Iterator[Any]:
    """The leaves in order; a dict's in the order of its keys' insertion. None is an empty branch."""
    if isinstance(tree, dict):
        for value in tree.values():
            yield from leaves(value)
    elif isinstance(tree, (list, tuple)):
        for value in tree:
            yield from leaves(value)
    elif tree is not None:
        yield tree


def paths(tree: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Each leaf with the expression that reaches it: ``params['W1']``, ``layers[0]``."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from paths(value, f"{prefix}[{key!r}]")
    elif isinstance(tree, (list, tuple)):
        for i, value in enumerate(tree):
            yield from paths(value, f"{prefix}[{i}]")
    elif tree is not None:
        yield prefix, tree


def map_leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """The same structure with ``function`` applied to each leaf."""
    if isinstance(tree, dict):
        return {key: map_leaves(function, value) for key, value in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(map_leaves(function, value) for value in tree))
    if isinstance(tree, (list, tuple)):
        return type(tree)(map_leaves(function, value) for value in tree)
    return None if tree is None else function(tree)


def fill(tree: Any, values: Iterator[Any]) -> Any:
    """The same structure with its leaves replaced, in order, by ``values``."""
    return map_leaves(lambda _: next(values), tree)
