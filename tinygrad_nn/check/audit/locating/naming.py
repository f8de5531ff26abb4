"""What a line calls its value, and whether that is what derivatives are called."""

from __future__ import annotations

import re
from typing import Any

from ....node import Node
from ..observing.draws import Draw
from ..observing.observe import where
from .repair import ratio_of


def assigned(node: Node) -> str:
    """What the line of a step calls its value: ``z`` for ``cache["z"] = ...``; or nothing."""
    place = where(node)
    line = place.source_line if place is not None else ""
    found = re.match(r"\s*([\w.\[\]'\"]+)\s*=(?!=)", line)
    return re.findall(r"\w+", found[1])[-1] if found is not None else ""


def is_called(node: Node, value: Any, draw: Draw) -> bool:
    """Whether a step's name is that of a derivative, ``dz``, which has a value, or a multiple."""
    own = assigned(node)
    if not own.startswith("d"):
        return False
    named = (n for n in draw.cotangents if own.removeprefix("d").removeprefix("_") == assigned(n))
    return any(ratio_of(value, draw.cotangents[n]) is not None for n in named)
