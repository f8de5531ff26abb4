"""Nested dicts, lists and tuples as one flat list of leaves, and back. Standard library only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def leaves(tree: Any) -> list[Any]:
    """The leaves in order; a dict's in the order of its keys' insertion. None is an empty branch."""
    if isinstance(tree, dict):
        tree = tree.values()
    elif not isinstance(tree, (list, tuple)):
        return [] if tree is None else [tree]
    found = []
    for branch in tree:
        if isinstance(branch, (dict, list, tuple)):
            found += leaves(branch)
        elif branch is not None:
            found.append(branch)
    return found


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
    if not isinstance(tree, (dict, list, tuple)):
        return None if tree is None else function(tree)
    if isinstance(tree, dict):
        return {key: map_leaves(function, value) for key, value in tree.items()}
    branches = [map_leaves(function, value) for value in tree]
    if isinstance(tree, list):
        return branches
    return type(tree)(*branches) if hasattr(tree, "_fields") else tuple(branches)


def fill(tree: Any, values: Iterator[Any]) -> Any:
    """The same structure with its leaves replaced, in order, by ``values``."""
    if isinstance(tree, dict):
        return {
            key: fill(value, values)
            if value is None or isinstance(value, (dict, list, tuple))
            else next(values)
            for key, value in tree.items()
        }
    if not isinstance(tree, (list, tuple)):
        return None if tree is None else next(values)
    branches = [fill(value, values) for value in tree]
    if isinstance(tree, list):
        return branches
    return type(tree)(*branches) if hasattr(tree, "_fields") else tuple(branches)
