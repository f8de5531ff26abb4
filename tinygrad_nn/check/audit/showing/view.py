"""What a report shows, whatever it is shown as: headline, table, code, explanation.

Text that comes from the user's program may be anything; here it loses its control characters, so
that it can do nothing to a terminal. HTML is escaped where it is written.
"""

from __future__ import annotations

import linecache
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from ...report import at, figure, number
from ..result import Audit, AuditLine, AuditRow, Culprit

HEADERS = ("parameter", "shape", "verdict", "abs diff", "rel diff", "worst at",
           "autodiff", "yours", "numeric")  # fmt: skip

#: What stands before a line, by its status, so that nothing is said by colour alone.
MARKS = {"right": "ok", "wrong": "WRONG", "follows": "wrong", "unknown": "", "forward": ""}

#: The longest piece of the user's code that is shown of one line.
_LONGEST = 400


def printable(text: str) -> str:
    r"""Text in which whatever is not printable, line ends included, is written as an escape.

    >>> print(printable("a\x1b[31mb"))
    a\x1b[31mb
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text.expandtabs(4))


def listed(names: Iterable[str]) -> str:
    """Names as in a sentence: ``W1, b1 and W2``."""
    *first, last = map(printable, names)
    return f"{', '.join(first)} and {last}" if first else last


def short_file(file: str) -> str:
    """A file as the user knows it: from the working directory on, or its name alone."""
    try:
        relative = os.path.relpath(file)
    except (OSError, ValueError):  # the working directory is gone; or another drive
        relative = file
    return printable(os.path.basename(file) if relative.startswith("..") else relative)


# --- the verdict ----------------------------------------------------------------------------------


def headline(audit: Audit) -> str:
    """The verdict in one sentence."""
    parts = []
    for kind, (one, many) in _SENTENCES.items():
        names = [row.parameter for row in audit.rows if _kind(row) == kind]
        if kind == "right" and len(names) == len(audit.rows):
            return f"{printable(audit.name)}: {_all_right(names)}"
        if names:
            parts.append((one if len(names) == 1 else many).format(listed(names)))
    return f"{printable(audit.name)}: {'; '.join(parts)}"


def _all_right(names: list[str]) -> str:
    if not names:
        return "there is no gradient to judge"
    return f"the gradient{'s' * (len(names) > 1)} of {listed(names)} {_are(names)} right"


def _are(names: list[str]) -> str:
    return "are" if len(names) > 1 else "is"


_SENTENCES = {
    "wrong": ("the gradient of {} is wrong", "the gradients of {} are wrong"),
    "wrong shape": (
        "the gradient of {} has the wrong shape",
        "the gradients of {} have the wrong shape",
    ),
    "not finite": ("the gradient of {} is not finite", "the gradients of {} are not finite"),
    "missing": ("the gradient of {} is missing", "the gradients of {} are missing"),
    "extra": ("there is no parameter {}", "there are no parameters {}"),
    "cannot judge": ("the gradient of {} cannot be judged", "the gradients of {} cannot be judged"),
    "right": ("{} is right", "{} are right"),
}


def _kind(row: AuditRow) -> str:
    if row.ok:
        return "right"
    return next((k for k in _SENTENCES if k != "wrong" and row.verdict.startswith(k)), "wrong")


def short_verdict(row: AuditRow) -> str:
    """The verdict for a narrow column; the details are printed below the table."""
    verdict = printable(row.verdict)
    return verdict if len(verdict) <= 12 else _kind(row)


def where_worst(row: AuditRow) -> str:
    """The index of the worst entry, ``[2, 3]``."""
    return "-" if row.worst is None else at(tuple(map(int, row.worst))) or "-"


def three_numbers(row: AuditRow) -> tuple[float | None, float | None, float | None]:
    """Autodiff's number, the user's and the numeric one, at the worst entry."""
    return row.autodiff, row.yours, row.numeric


def error_figure(error: float | None) -> str:
    """An error as two digits and an exponent."""
    return "-" if error is None else figure(error)


def short(value: float | None) -> str:
    """A number for a narrow column."""
    return "-" if value is None else f"{value + 0.0:.6g}"  # never -0


def full(value: float | None) -> str:
    """A number with as many digits as tell it from its neighbours."""
    return "-" if value is None else number(value)


def told_apart(row: AuditRow) -> bool:
    """Whether the short form of the numbers shows that they differ."""
    return row.ok or row.autodiff == row.yours or short(row.autodiff) != short(row.yours)


def sureness(culprit: Culprit) -> str:
    """How sure the explanation is, as a sentence."""
    if culprit.exact:
        return "This reproduces your numbers exactly."
    if culprit.explanation:
        return "Your code first differs here; the reason given may not be the whole of it."
    return "Your code first differs here; why is not known."


#: What is shown in the place of a line that should be there.
MISSING = "(a step is missing here)"


def correction_label(culprit: Culprit) -> str:
    """Whether the correction stands for the line, or comes after it."""
    return "add here:" if culprit.missing and culprit.code not in culprit.correction else "right:"


# --- the code -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """A line of the user's code, ready to be shown.

    Attributes:
        number: of the line.
        status: as in :class:`AuditLine`.
        code: its text, printable, without the indentation that all lines have.
        computes: what its value equals.
        underlined: for the culprit, the span of ``code`` at fault; None if it is not in this line
            but missing after it.
        culprit: whether the explanation belongs below it.
    """

    number: int
    status: str
    code: str
    computes: str
    underlined: tuple[int, int] | None = None
    culprit: bool = False


@dataclass(frozen=True)
class Listing:
    """The lines of one file, in the order in which they stand there."""

    file: str
    lines: tuple[Line, ...]


def listings(audit: Audit) -> list[Listing]:
    """The backward pass, file by file; of the forward pass only what the explanation speaks of."""
    culprit = audit.culprit
    by_file: dict[str, dict[int, AuditLine]] = {}
    for line in audit.lines:
        if line.status != "forward" or _spoken_of(line, culprit):
            seen = by_file.setdefault(line.file, {})
            seen[line.number] = _worse(seen.get(line.number), line)
    if culprit is not None:
        lines = by_file.setdefault(culprit.file, {})
        if culprit.line not in lines:
            code = next((x.code for x in audit.lines if _is_at(culprit, x)), culprit.code)
            lines[culprit.line] = AuditLine(culprit.file, culprit.line, code)
    return [_listing(file, list(lines.values()), culprit) for file, lines in by_file.items()]


def _is_at(culprit: Culprit, line: AuditLine) -> bool:
    return (culprit.file, culprit.line) == (line.file, line.number)


def _spoken_of(line: AuditLine, culprit: Culprit | None) -> bool:
    if culprit is None or line.file != culprit.file:
        return False
    return str(line.number) in re.findall(r"\blines? (\d+)", culprit.explanation)


_WORST_FIRST = ("wrong", "follows", "unknown", "right", "forward")


def _worse(known: AuditLine | None, line: AuditLine) -> AuditLine:
    """Of two records of one line (it was executed twice) the one that tells of a fault."""
    if known is None:
        return line
    return min(known, line, key=lambda x: (_WORST_FIRST.index(x.status), not x.computes))


def _listing(file: str, lines: list[AuditLine], culprit: Culprit | None) -> Listing:
    lines.sort(key=lambda line: line.number)
    texts = [line.code.expandtabs(4).rstrip() for line in lines]
    margin = min((len(t) - len(t.lstrip()) for t in texts if t.strip()), default=0)
    shown = []
    for line, text in zip(lines, texts, strict=True):
        ours = culprit if culprit is not None and _is_at(culprit, line) else None
        wrong = ours if ours is not None and not ours.missing else None
        span = _span(line.code, text, margin, wrong) if wrong is not None else None
        code = text[margin:]
        if span is not None:  # escapes are longer than what they stand for
            span = len(printable(code[: span[0]])), len(printable(code[: span[1]]))
        shown.append(
            Line(
                number=line.number,
                status="wrong" if wrong is not None else line.status,
                code=printable(code)[:_LONGEST],
                computes=_computes(line, culprit),
                underlined=span,
                culprit=ours is not None,
            )
        )
    return Listing(short_file(file), tuple(shown))


def _span(raw: str, text: str, margin: int, culprit: Culprit) -> tuple[int, int] | None:
    """Where the expression at fault stands in the shown code; all of it if that is not known.

    The columns count from the line's beginning in its file, which its text may have lost.
    """
    expression = culprit.code.splitlines()[0].rstrip() if culprit.code.strip() else ""
    found = None
    for lost in (0, _indentation(culprit)):
        start = (culprit.columns or (0, 0))[0] - lost
        if expression and start >= 0 and raw[start:].startswith(expression):
            found = start
    if found is None and expression and raw.count(expression) == 1:
        found = raw.index(expression)
    if found is None:
        return 0, max(1, len(text) - margin)
    start, end = (len(raw[:at].expandtabs(4)) for at in (found, found + len(expression)))
    return max(0, start - margin), max(1, end - margin)


def _indentation(culprit: Culprit) -> int:
    line = ""
    with suppress(Exception):  # whatever a file's name, or a loader, brings up
        line = linecache.getline(culprit.file, culprit.line)
    return len(line) - len(line.lstrip())


#: What an assignment names: ``dscores`` of ``dscores[range(N), y] -= 1``, with a key if it has one.
_ASSIGNED = re.compile(
    r"""\s*(\w+(?:\.\w+|\[f?(?:"[^"]*"|'[^']*')\])*)(?:\[.*?\])?\s*(?:\*\*|//|[-+*/@%&|^])?=(?!=)"""
)


def _computes(line: AuditLine, culprit: Culprit | None) -> str:
    """What the line's value equals, with the name that the line gives it."""
    computes = printable(line.computes)
    if not computes:
        because = line.status == "follows" and culprit is not None
        return f"wrong because of line {culprit.line}" if because and culprit else ""
    assigned = _ASSIGNED.match(line.code) if " = " not in computes else None
    return f"{assigned[1]} = {computes}" if assigned else computes


def _because(line: AuditLine, culprit: Culprit | None) -> str:
    if line.status != "follows" or culprit is None:
        return ""
    return f"wrong because of line {culprit.line}"
