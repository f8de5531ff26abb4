"""What an audit found, as data: for programs to read, and for the report to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: The verdict where a loss, or its gradient, is not finite.
UNJUDGED = "cannot judge"


@dataclass(frozen=True)
class AuditRow:
    """The verdict on one parameter's gradient.

    Attributes:
        parameter: its name.
        shape: of the parameter.
        ok: whether the hand-written gradient is right.
        verdict: in words: "right", "wrong", "wrong shape (10, 3), should be (3, 10): transposed",
            "missing", "extra", "not finite", or "cannot judge" where there is no right gradient
            to compare it with.
        error: the largest absolute difference from autodiff's gradient; None if there is none to
            take.
        relative: the largest relative one, |a - b| / (|a| + |b|).
        worst: the index where it is largest.
        autodiff, yours, numeric: the three numbers there (numeric may be along a direction: then
            None here and said in the note).
        note: what else there is to say.
    """

    parameter: str
    shape: tuple[int, ...]
    ok: bool
    verdict: str
    error: float | None = None
    relative: float | None = None
    worst: tuple[int, ...] | None = None
    autodiff: float | None = None
    yours: float | None = None
    numeric: float | None = None
    note: str = ""

    @property
    def judged(self) -> bool:
        """Whether there is a verdict: the loss and its gradient are finite."""
        return self.verdict != UNJUDGED

    @property
    def wrong(self) -> bool:
        """Whether the hand-written gradient is known to be wrong."""
        return self.judged and not self.ok


@dataclass(frozen=True)
class AuditLine:
    """A line of the user's code that took part.

    Attributes:
        file, number: where it is.
        code: its text.
        computes: what its value equals, such as "d loss / d scores"; empty if nothing known.
        status: "forward", "right", "wrong" (the culprit), "follows" (wrong because of an earlier
            line) or "unknown".
    """

    file: str
    number: int
    code: str
    computes: str = ""
    status: str = "unknown"


@dataclass(frozen=True)
class Culprit:
    """The line to mend.

    Attributes:
        file, line: where it is.
        code: the expression at fault, as the user wrote it.
        columns: where the expression begins and ends in its line.
        explanation: what is wrong with it, in the terms of the user's forward pass.
        exact: whether the explanation reproduces the user's numbers exactly; otherwise this is only
            where the code first differs.
        correction: the right expression, if it is known.
        missing: whether something should have come after this line, rather than in it.
    """

    file: str
    line: int
    code: str
    columns: tuple[int, int] | None = None
    explanation: str = ""
    exact: bool = False
    correction: str = ""
    missing: bool = False


@dataclass(frozen=True)
class Audit:
    """The result of :func:`tinygrad_nn.audit`; prints as a report.

    Attributes:
        name: of the audited function.
        loss: its value.
        rows: a verdict for each parameter.
        lines: the user's lines in order of execution, with what each one computes.
        culprit: the line to mend; None if all is right, or nothing can be said.
        notes: what else there is to say.
    """

    name: str
    loss: float
    rows: tuple[AuditRow, ...]
    lines: tuple[AuditLine, ...] = ()
    culprit: Culprit | None = None
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every gradient is right; not where one cannot be judged."""
        return all(row.ok for row in self.rows)

    @property
    def judged(self) -> bool:
        """Whether there is an answer: a gradient is wrong, or all of them could be judged."""
        return any(row.wrong for row in self.rows) or all(row.judged for row in self.rows)

    def __str__(self) -> str:
        from .showing.report import text

        return text(self)

    def html(self, path: Any) -> Any:
        """Write the report as a web page; returns the path."""
        from .showing.report import write_html

        return write_html(self, path)

    def _repr_html_(self) -> str:
        from .showing.report import html

        return html(self)
