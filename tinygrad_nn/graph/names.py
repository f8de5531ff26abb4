"""Names for nodes: the user's own where they can be known, always unique identifiers."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable

from ..node import Leaf, Node
from ..provenance import place


def assign(
    inputs: dict[Node, str], captured: Iterable[Node], nodes: Iterable[Node]
) -> dict[Node, str]:
    """A unique identifier for every node.

    An input given inside a structure (``params['W1']``) is called by its last key if that is
    unique. A name that is assigned again (a loop's ``h``) is numbered: ``h``, ``h_2``. Of several
    operations on one expression (np.mean is a sum and a division) the last has the name.
    """
    taken: set[str] = set()
    names: dict[Node, str] = {}

    def give(node: Node, wanted: str) -> None:
        name, n = wanted, 1
        while name in taken or name in _RESERVED or keyword.iskeyword(name):
            n += 1
            name = f"{wanted}_{n}"
        taken.add(name)
        names[node] = name

    short = [identifier(_last_key(path)) for path in inputs.values()]
    for (node, path), last in zip(inputs.items(), short, strict=True):
        give(node, last if short.count(last) == 1 else identifier(path))
    for node in captured:
        tensor = node.tensor if isinstance(node, Leaf) else None
        own = tensor.name if tensor is not None else None
        give(node, identifier(own or user_name(node) or "c"))
    nodes = list(nodes)
    final = _final(nodes)
    for node in nodes:
        name = user_name(node)
        if name is not None and node in final:
            give(node, identifier(name))
    count = 0
    for node in nodes:
        if node not in names:
            count += 1
            while f"t{count}" in taken:
                count += 1
            give(node, f"t{count}")
    return names


#: Names that the text form gives a meaning of its own.
_RESERVED = {"np", "nan", "inf"}


def user_name(node: Node) -> str | None:
    """The name that the user assigned a node's value to, if it is known."""
    return place(node.code, node.offset).name if node.code is not None else None


def identifier(text: str) -> str:
    """``text`` as an identifier: what cannot stand in one becomes an underscore.

    Python itself reads identifiers in the normal form NFKC.
    """
    name = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", str(text))).strip("_") or "x"
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
