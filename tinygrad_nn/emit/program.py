"""What a backend makes of a graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Run = Callable[..., tuple[Any, ...]]


@dataclass(frozen=True)
class Program:
    """Generated code, ready to run.

    Attributes:
        source: the code, for reading; it is what runs.
        instantiate: gives a function of the graph's inputs, by position, to a tuple of its outputs.
            Each has memory of its own to work in, so one that runs must not be called again before
            it has returned.
    """

    source: str
    instantiate: Callable[[], Run]
