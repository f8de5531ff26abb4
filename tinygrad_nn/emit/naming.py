"""Safe names for generated code, whatever the user called things."""

from __future__ import annotations

import keyword
from collections.abc import Iterable

from ..graph.names import NUMBERED, identifier

__all__ = ["NUMBERED", "Names", "safe", "unique"]

#: What generated code uses, and a name therefore may not hide.
_USED = frozenset(("np", "ValueError", "abs", "bytes", "float", "int", "slice", "self", "cls"))


def safe(text: str) -> str:
    """``text`` as an identifier that generated code may assign to."""
    name = identifier(text)
    if name.startswith("__"):
        name = identifier(name.strip("_"))
    return f"{name}_" if keyword.iskeyword(name) or name in _USED else name


def unique(wanted: str, taken: set[str]) -> str:
    """``wanted``, or that and a number if it is taken; it is taken from now on."""
    name, n = wanted, 1
    while name in taken:
        n += 1
        name = f"{wanted}_{n}"
    taken.add(name)
    return name


class Names:
    """The names of one generated function, each given once."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = set(taken)
        self.count = 0

    def give(self, wanted: str) -> str:
        """``wanted`` made safe, or that and a number if it is taken."""
        return unique(safe(wanted), self.taken)

    def number(self, prefix: str = "t") -> str:
        """The next of ``t1``, ``t2``, ..."""
        while True:
            self.count += 1
            if f"{prefix}{self.count}" not in self.taken:
                return self.give(f"{prefix}{self.count}")
