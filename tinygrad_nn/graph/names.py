"""Names for nodes: the user's own where they can be known, always unique identifiers."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable

from ..node import Leaf, Node
from ..provenance import place
from .backward import Backward


def assign(
    inputs: dict[Node, str], captured: Iterable[Node], nodes: Iterable[Node], backward: Backward
) -> dict[Node, str]:
    """A unique identifier for every node.

    An input given inside a structure (``params['W1']``) is called by its last key if that is
    unique. A name that is assigned again (a loop's ``h``) is numbered: ``h``, ``h_2``. Of several
    operations on one expression (np.mean is a sum and a division) the last has the name. The
    gradient of ``h`` is called ``dh``.
    """
    known = _Names({})
    short = [identifier(_last_key(path)) for path in inputs.values()]
    for (node, path), last in zip(inputs.items(), short, strict=True):
        known.give(node, last if short.count(last) == 1 else identifier(path))
    known.give_all(list(captured), list(nodes), backward)
    return known.names


def extended(
    names: dict[Node, str], captured: Iterable[Node], nodes: Iterable[Node], backward: Backward
) -> dict[Node, str]:
    """``names`` with those of further nodes; only of what is still there."""
    known = _Names(dict(names))
    captured, nodes = list(captured), list(nodes)
    known.give_all(captured, nodes, backward)
    there = {*captured, *nodes}
    return {n: name for n, name in known.names.items() if n in there or n.function is None}


class _Names:
    """The names given so far."""

    def __init__(self, names: dict[Node, str]) -> None:
        self.names = names
        self.taken = set(names.values())
        self.last: dict[str, int] = {}

    def give(self, node: Node, wanted: str) -> None:
        """Call ``node`` so, or by that name and a number."""
        n = self.last.get(wanted, 0)  # of a name that a loop assigns again and again
        name = wanted
        while n or name in self.taken or name in RESERVED or keyword.iskeyword(name):
            n = max(n, 1) + 1
            name = f"{wanted}_{n}"
            if name not in self.taken:
                break
        if n:
            self.last[wanted] = n
        self.taken.add(name)
        self.names[node] = name

    def give_all(self, captured: list[Node], nodes: list[Node], backward: Backward) -> None:
        """Name all of these that have no name yet."""
        for node in captured:
            if node not in self.names:
                tensor = node.tensor if isinstance(node, Leaf) else None
                own = tensor.name if tensor is not None else None
                self.give(node, identifier(own or user_name(node) or "c"))
        forward = [n for n in nodes if n not in self.names and n not in backward.origin]
        final = _final(forward)
        for node in forward:
            name = user_name(node)
            if name is not None and node in final:
                self.give(node, identifier(name))
        self.give_numbers(forward)
        for node in nodes:
            if node not in self.names and node in backward.gradient_of:
                names = [self.names.get(n, "t1") for n in backward.gradient_of[node]]
                best = next((name for name in names if not NUMBERED.fullmatch(name)), None)
                if best is not None:
                    self.give(node, f"d{best}")
        self.give_numbers(nodes)

    def give_numbers(self, nodes: list[Node]) -> None:
        """Number what is still without a name: ``t1``, ``t2``."""
        count = 0
        for node in nodes:
            if node not in self.names:
                count += 1
                while f"t{count}" in self.taken:
                    count += 1
                self.give(node, f"t{count}")


#: A name that only tells nodes apart.
NUMBERED = re.compile(r"t(\d+)")

#: Names that the text form gives a meaning of its own.
RESERVED = {"np", "nan", "inf"}


def user_name(node: Node) -> str | None:
    """The name that the user assigned a node's value to, if it is known."""
    return place(node.code, node.offset).name if node.code is not None else None


def identifier(text: str) -> str:
    """``text`` as an identifier: what cannot stand in one becomes an underscore.

    Python itself reads identifiers in the normal form NFKC.
    """
    normal = unicodedata.normalize("NFKC", str(text))
    if normal.isidentifier() and not normal.startswith("__"):
        return normal
    name = re.sub(r"\W+", "_", normal).strip("_") or "x"
    name = f"x{name}" if name[0].isdecimal() else name
    return name if name.isidentifier() else identifier(name.encode("ascii", "ignore").decode())


def _last_key(path: str) -> str:
    """``W1`` of ``params['W1']``; the whole path if it ends in a number."""
    found = re.search(r"\[(['\"])(.*)\1\]$", path)
    return found.group(2) if found else path


def _final(nodes: list[Node]) -> set[Node]:
    """The nodes whose value is that of the user's whole expression.

    One expression makes several nodes when NumPy's function is composed of others, and when it runs
    several times, in a loop. A loop repeats the same functions: the last of each round is meant.
    """
    of_spot: dict[tuple[int, int], list[Node]] = {}
    for node in nodes:
        of_spot.setdefault((id(node.code), node.offset), []).append(node)
    final: set[Node] = set()
    for same in of_spot.values():
        functions = [node.function for node in same]
        n = len(functions)
        period = next(
            p for p in range(1, n + 1) if n % p == 0 and functions[p:] == functions[: n - p]
        )
        final.update(same[period - 1 :: period])
    return final
