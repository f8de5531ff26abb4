"""The report of an audit as text, at most 100 columns wide; :mod:`.html` makes the page.

Colour is asked for by who prints; ``str(audit)`` has none.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from ....provenance import _width
from ...report import Table
from ..result import Audit, AuditRow
from .html import html as html
from .html import write_html as write_html
from .view import (
    HEADERS,
    MARKS,
    MISSING,
    Line,
    Listing,
    correction_label,
    error_figure,
    full,
    headline,
    listings,
    printable,
    short,
    short_verdict,
    sureness,
    three_numbers,
    told_apart,
    where_worst,
)

__all__ = ["html", "text", "write_html"]

#: The widest line; a narrower one can be asked for.
WIDTH = 100
NARROWEST = 60

_MARK = max(map(len, MARKS.values()))

#: What is not broken between two lines: a derivative, and short code between backquotes.
_TOGETHER = re.compile(r"d loss / d \w+|`[^`]{1,40}`")

_STYLES = {"good": "32", "bad": "1;31", "spoilt": "31", "strong": "1", "faint": "2"}
_BY_STATUS = {"right": "good", "wrong": "bad", "follows": "spoilt"}


class _Paint:
    """Colour for a terminal, or none."""

    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def __call__(self, style: str | None, text: str) -> str:
        if not (self.colour and style and text):
            return text
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"


def text(audit: Audit, width: int = WIDTH, colour: bool = False) -> str:
    """The report as plain text.

    Args:
        audit: what was found.
        width: of the longest line, from 60 to 100 columns.
        colour: whether to colour it, with a terminal's escape codes.
    """
    width = max(NARROWEST, min(width, WIDTH))
    paint = _Paint(colour)
    verdict = "good" if audit.ok else "bad"
    blocks = [
        [paint(verdict, line) for line in _wrapped(headline(audit), width, "", "  ")],
        _table(audit, width, paint),
        *(_code(audit, listing, width, paint) for listing in listings(audit)),
        [line for note in audit.notes for line in _wrapped(note, width, "note: ", "  ")],
    ]
    return "\n\n".join("\n".join(lines) for lines in blocks if lines)


def _wrapped(text: str, width: int, first: str, rest: str) -> list[str]:
    lines = [printable(line) for line in text.splitlines()] or [""]
    found: list[str] = []
    for line in lines:
        found += _fold(line, width, rest if found else first, rest)
    return found


def _fold(text: str, width: int, first: str, rest: str) -> list[str]:
    """Text in lines of so many columns, wide characters counted as two."""
    text = _TOGETHER.sub(lambda found: found[0].replace(" ", "\xa0"), text)
    room = width - max(_width(first), _width(rest))
    # textwrap counts characters; where some are wide, fewer fit.
    wide = max(1.0, _width(text) / max(1, len(text)))
    lines = textwrap.wrap(
        text,
        max(10, int(room / wide)) + len(first),
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
    )
    return [line.replace("\xa0", " ") for line in lines] or [first.rstrip()]


# --- the table ------------------------------------------------------------------------------------


def _table(audit: Audit, width: int, paint: _Paint) -> list[str]:
    """A row for each parameter; the three numbers in it, or below it where it would be too wide."""
    if not audit.rows:
        return []
    with_numbers = _cells(audit.rows, numbers=True).text().splitlines()
    in_table = max(map(_width, with_numbers)) <= width and all(map(told_apart, audit.rows))
    lines = with_numbers if in_table else _cells(audit.rows, numbers=False).text().splitlines()
    head = paint("faint", _cut(lines[0], width))
    rows = [
        paint(None if row.ok else "bad", _cut(line, width))
        for row, line in zip(audit.rows, lines[1:], strict=True)
    ]
    return [head, *rows, *_details(audit, width, numbers=not in_table)]


def _cells(rows: tuple[AuditRow, ...], numbers: bool) -> Table:
    return Table(HEADERS if numbers else HEADERS[:-3], [_row(row, numbers) for row in rows])


def _row(row: AuditRow, numbers: bool) -> list[str]:
    name = printable(row.parameter)
    cells = [
        name if len(name) <= 24 else f"{name[:21]}...",
        str(tuple(map(int, row.shape))),
        short_verdict(row),
        error_figure(row.error),
        error_figure(row.relative),
        where_worst(row),
    ]
    return cells + [short(x) for x in three_numbers(row)] if numbers else cells


def _details(audit: Audit, width: int, numbers: bool) -> Iterator[str]:
    for row in audit.rows:
        parts = []
        if numbers and any(x is not None for x in three_numbers(row)):
            named = zip(("autodiff", "yours", "numeric"), three_numbers(row), strict=True)
            parts.append(", ".join(f"{k} {full(x)}" for k, x in named if x is not None))
        if short_verdict(row) != row.verdict:
            parts.append(printable(row.verdict))
        if row.note:
            parts.append(printable(row.note))
        if parts:
            name = f"{row.parameter}{where_worst(row)}" if numbers and row.worst else row.parameter
            yield from _wrapped(f"{name}: {'; '.join(parts)}", width, "  ", "    ")


def _cut(text: str, width: int) -> str:
    """A text that takes at most so many columns, its end left out where it would take more."""
    if _width(text) <= width:
        return text
    while _width(text) > width - 3:
        text = text[:-1]
    return f"{text}..."


# --- the code -------------------------------------------------------------------------------------


def _code(audit: Audit, listing: Listing, width: int, paint: _Paint) -> list[str]:
    """The lines of one file: mark, number, code, and what each computes as a column."""
    digits = max(len(str(line.number)) for line in listing.lines)
    margin = " " * (_MARK + 2 + digits + 2)
    room = width - len(margin)
    # Only lines that have something on their right have to leave room for it.
    longest = max((_width(line.code) for line in listing.lines if line.computes), default=0)
    widest = max((_width(line.computes) for line in listing.lines), default=0)
    columns = min(longest, max(room * 11 // 20, room - 2 - widest))
    lines = [paint("strong", _cut(listing.file, width))]
    for line in listing.lines:
        style = _BY_STATUS.get(line.status)
        number = paint("faint", str(line.number).rjust(digits))
        first = f"{paint(style, MARKS.get(line.status, '?').rjust(_MARK))}  {number}  "
        left = _left(line, columns if line.computes else room, paint)
        right = _fold(line.computes, room - columns - 2, "", "  ") if line.computes else []
        for i in range(max(len(left), len(right))):
            plain, painted = left[i] if i < len(left) else ("", "")
            gap = " " * (columns - _width(plain) + 2)
            said = paint(None if style == "good" else style, right[i]) if i < len(right) else ""
            tail = gap + said if said else ""
            lines.append(f"{margin if i else first}{painted}{tail}".rstrip())
        if line.culprit:
            if line.underlined is None:
                mark = paint("bad", MARKS["wrong"])
                lines.append(f"{mark}{margin[_MARK:]}{paint('bad', MISSING)}")
            lines += _explanation(audit, margin, width, paint)
    return lines


def _left(line: Line, columns: int, paint: _Paint) -> list[tuple[str, str]]:
    """The code, and what underlines it: each plain, to be measured, and painted."""
    shown, start, end = _window(line, columns)
    before, inside, after = shown[:start], shown[start:end], shown[end:]
    painted = paint("faint", shown) if line.status == "forward" else shown
    if line.underlined is None:
        return [(shown, painted)]
    space, bar = " " * _width(before), "^" * max(1, _width(inside))
    return [
        (shown, before + paint("bad", inside) + after),
        (space + bar, space + paint("bad", bar)),
    ]


def _window(line: Line, columns: int) -> tuple[str, int, int]:
    """The part of a line that fits, with what is underlined in it; and where that begins and ends.

    Of a line that is too long the end is left out, or the beginning where the end counts.
    """
    shown = line.code
    start, end = line.underlined or (0, 0)
    while start > 3 and _width(shown[:end]) > columns - 3:
        cut = 1 if shown.startswith("...") else 4
        shown = f"...{shown[3 + cut if cut == 1 else cut :]}"
        start, end = start - 1, end - 1
    shown = _cut(shown, columns)
    return shown, min(start, len(shown)), min(end, len(shown))


def _explanation(audit: Audit, margin: str, width: int, paint: _Paint) -> Iterator[str]:
    """Below the line to mend: what is wrong, how sure that is, and what would be right."""
    culprit = audit.culprit
    if culprit is None:
        return
    bar = f"{margin}| "
    if culprit.explanation:
        yield from _wrapped(culprit.explanation, width, bar, bar)
    yield from _wrapped(sureness(culprit), width, bar, bar)
    label = f"{correction_label(culprit)} "
    for line in culprit.correction.expandtabs(4).splitlines():
        for folded in _fold(printable(line), width - len(bar), label, " " * len(label)):
            yield bar + paint("good", folded)
        label = " " * len(label)
