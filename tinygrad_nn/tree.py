"""Nested dicts, lists and tuples as one flat list of leaves, and back. Standard library only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

_BRANCHES = (dict, list, tuple, type(None))


def _is_flat(values: Iterable[Any]) -> bool:
    """Whether all of them are leaves: the usual case, told by their few types."""
    for kind in {*map(type, values)}:  # noqa: SIM110 (a generator would take longer than the loop)
        if issubclass(kind, _BRANCHES):
            return False
    return True


def leaves(tree: Any) -> list[Any]:
    """The leaves in order, a dict's in that of its keys' insertion. None is an empty branch."""
    if isinstance(tree, dict):
        tree = tree.values()
    elif not isinstance(tree, (list, tuple)):
        return [] if tree is None else [tree]
    if _is_flat(tree):
        return list(tree)
    return [leaf for branch in tree for leaf in leaves(branch)]


def leaves_like(tree: Any, other: Any, path: str = "") -> list[Any]:
    """The leaves of ``other``, which has the structure of ``tree``, in the order of tree's.

    A dict's keys may come in another order; lists and tuples may stand for one another.

    Raises:
        ValueError: another structure, with the place and what is there.
    """
    if isinstance(tree, dict):
        if not isinstance(other, dict) or tree.keys() != other.keys():
            raise ValueError(f"expected {kind(tree)}{_at(path)}, not {kind(other)}")
        pairs = [(f"{path}[{key!r}]", value, other[key]) for key, value in tree.items()]
    elif isinstance(tree, (list, tuple)):
        if not isinstance(other, (list, tuple)) or len(tree) != len(other):
            raise ValueError(f"expected {kind(tree)}{_at(path)}, not {kind(other)}")
        pairs = [(f"{path}[{i}]", *both) for i, both in enumerate(zip(tree, other, strict=True))]
    else:
        if (tree is None) != (other is None) or isinstance(other, dict):
            raise ValueError(f"expected {kind(tree)}{_at(path)}, not {kind(other)}")
        return [] if tree is None else [other]
    return [leaf for path, a, b in pairs for leaf in leaves_like(a, b, path)]


def kind(tree: Any) -> str:
    """What ``tree`` is, in words: a tuple of 2, a dict with certain keys, an array, None."""
    if isinstance(tree, dict):
        return f"a dict with the keys {list(tree)}"
    if isinstance(tree, (list, tuple)):
        return f"a {type(tree).__name__} of {len(tree)}"
    return "None" if tree is None else "an array"


def _at(path: str) -> str:
    return f" at {path}" if path else ""


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
        if _is_flat(tree.values()):
            return dict(zip(tree, values))
        return {key: fill(value, values) for key, value in tree.items()}
    if not isinstance(tree, (list, tuple)):
        return None if tree is None else next(values)
    branches = [fill(value, values) for value in tree]
    if isinstance(tree, list):
        return branches
    return type(tree)(*branches) if hasattr(tree, "_fields") else tuple(branches)
