"""What a function keeps for itself beside its arguments, as far as it can be seen.

A trace runs a function once or twice, and the program that comes of it is run many times: a random
draw, a counter or a list that grows would be frozen. So the state of these is compared before and
after. Looked at are random generators, numbers, and small dicts, lists and sets of them, in the
function's closure and defaults, among the globals that it names, and in the object of a method;
also those of the functions that it calls by name.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from ..node import INTERNAL

#: How far functions that call functions are followed.
_DEPTH = 4

#: Entries up to which a container is looked at.
_SMALL = 1000

_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic)


def state(f: Callable[..., Any]) -> list[tuple[str, Any]]:
    """What can be seen of it now: pairs of a name and a value that can be compared."""
    found = [("np.random", _generator_state(np.random)), ("random", random.getstate())]
    for name, value in _around(f, _DEPTH, set()):
        seen = _seen(value)
        if seen is not None:
            found.append((name, seen))
    return found


def changed(before: list[tuple[str, Any]], after: list[tuple[str, Any]]) -> str | None:
    """The name of what is not as it was; None if all is."""
    for (name, x), (_, y) in zip(before, after, strict=False):
        if x != y:
            return name
    return None


def _around(f: Any, depth: int, visited: set[int]) -> Iterator[tuple[str, Any]]:
    """What a function reaches, each with the name by which it does."""
    while hasattr(f, "func") or hasattr(f, "__wrapped__"):  # functools.partial, functools.wraps
        if id(f) in visited:
            return
        visited.add(id(f))
        if isinstance(f, FunctionType):
            yield from _inside(f, depth, visited)
        f = f.func if hasattr(f, "func") else f.__wrapped__
    if isinstance(f, MethodType):
        for name, value in getattr(f.__self__, "__dict__", {}).items():
            yield f"self.{name}", value
        f = f.__func__
    if isinstance(f, FunctionType) and id(f) not in visited:
        visited.add(id(f))
        yield from _inside(f, depth, visited)


def _inside(f: FunctionType, depth: int, visited: set[int]) -> Iterator[tuple[str, Any]]:
    if INTERNAL[f.__code__.co_filename]:
        return
    names = zip(f.__code__.co_freevars, f.__closure__ or (), strict=False)
    held = [(name, cell.cell_contents) for name, cell in names if _is_filled(cell)]
    held += [(name, f.__globals__[name]) for name in f.__code__.co_names if name in f.__globals__]
    held += [(f"a default of {f.__name__}", value) for value in f.__defaults__ or ()]
    for name, value in held:
        yield name, value
        if depth and callable(value) and not isinstance(value, type):
            yield from _around(value, depth - 1, visited)


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # not yet
        return False


def _seen(value: Any) -> Any:
    """A copy of what can be compared; None for what cannot, or is no state."""
    if isinstance(value, (np.random.Generator, np.random.RandomState, random.Random)):
        return _generator_state(value)
    if isinstance(value, _PLAIN):
        return (type(value), repr(value))
    if isinstance(value, (dict, list, set, tuple)) and len(value) <= _SMALL:
        entries = value.items() if isinstance(value, dict) else value
        return (len(value), [repr(e) for e in entries if _is_plain(e)])
    return None


def _is_plain(entry: Any) -> bool:
    parts = entry if isinstance(entry, tuple) else (entry,)
    return all(isinstance(part, _PLAIN) for part in parts)


def _generator_state(generator: Any) -> Any:
    if isinstance(generator, np.random.Generator):
        return repr(generator.bit_generator.state)
    if isinstance(generator, random.Random):
        return generator.getstate()
    kind, keys, *rest = generator.get_state()
    return (kind, keys.tobytes(), *rest)
