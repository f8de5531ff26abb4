"""What the checkers print: one table as text, Markdown or HTML, and the published error measure.

Imports NumPy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

#: Gradients smaller than this count as absolute, not relative, errors in the published measure.
FLOOR = 1e-8


class TinygradWarning(UserWarning):
    """Something that is not an error, but rarely what was meant."""


def relative_error(a: Any, n: Any, floor: float = FLOOR) -> Any:
    """|a - n| / max(floor, |a| + |n|), entry by entry: 0 if equal, at most 1.

    Args:
        a: numbers or arrays.
        n: the same, to compare them with.
        floor: below it the error counts as absolute; also the value of 0/0.

    Source: CS231n, "Neural Networks Part 3: Learning and Evaluation", as in its assignments.
    """
    return np.abs(a - n) / np.maximum(floor, np.abs(a) + np.abs(n))


@dataclass(frozen=True)
class Table:
    """Rows of text under headers, all of the same length."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """Aligned columns, two spaces apart."""
        lines = [self.headers, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        padded = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            for line in lines
        ]
        return "\n".join(line.rstrip() for line in padded)

    def markdown(self) -> str:
        """A Markdown table."""
        lines = [self.headers, ["---"] * len(self.headers), *self.rows]
        return "\n".join(
            "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
        )

    def html(self) -> str:
        """An HTML table, its text escaped."""
        head = "".join(f"<th>{escape(cell)}</th>" for cell in self.headers)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def html_report(table: Table, lines: Sequence[str]) -> str:
    """A table with lines of text below it, as HTML."""
    return table.html() + "".join(f"<p>{escape(line.strip())}</p>" for line in lines)


def figure(error: float) -> str:
    """An error as two digits and an exponent; a dash for one that was not measured."""
    if np.isnan(error):
        return "-"
    return f"{error:.1e}" if error else "0"


def number(value: float) -> str:
    """A gradient's entry, with as many digits as tell it from its neighbours in a report."""
    return f"{value + 0.0:.10g}"  # never -0


def place(name: str, index: tuple[int, ...]) -> str:
    """The expression for one entry: ``W1[2, 3]``, or the name alone for a single number."""
    return f"{name}{at(index)}"


def at(index: tuple[int, ...]) -> str:
    """An index in brackets; empty for a single number."""
    return f"[{', '.join(map(str, index))}]" if index else ""
