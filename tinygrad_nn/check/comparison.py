"""What a three-way comparison found, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .report import Table, figure, html_report, number, place


@dataclass(frozen=True)
class CompareRow:
    """What was found for one parameter.

    The relative errors are max |a - n| / max(1e-8, |a| + |n|) over the entries compared, NaN where
    there is nothing to compare; the ``_absolute`` ones are max |a - n|. Both leave out the entries
    at a kink, where the numeric gradient is between two values, and those that agree but are too
    small to be measured, beside the rounding error of the loss.

    Attributes:
        parameter: its name.
        shape: its shape.
        autodiff_analytic, autodiff_numeric, analytic_numeric: relative errors.
        autodiff_analytic_absolute, ...: the largest differences.
        index: the worst entry.
        autodiff, analytic, numeric: the three numbers there; NaN for one that is missing.
        verdict: "agree", "analytic differs", "autodiff differs", "analytic and autodiff differ",
            "wrong shape (10,) for (1, 10)", "missing", "extra", "not finite",
            "loss does not depend on it".
        agrees: whether the analytic and the autodiff gradient are both right.
        hint: what the difference looks like, such as "analytic is 2 times the numeric gradient".
        kinks: how many of the entries measured are at a kink.
        small: how many are too small to be measured.
    """

    parameter: str
    shape: tuple[int, ...]
    verdict: str
    agrees: bool
    autodiff_analytic: float = np.nan
    autodiff_numeric: float = np.nan
    analytic_numeric: float = np.nan
    autodiff_analytic_absolute: float = np.nan
    autodiff_numeric_absolute: float = np.nan
    analytic_numeric_absolute: float = np.nan
    index: tuple[int, ...] = ()
    autodiff: float = np.nan
    analytic: float = np.nan
    numeric: float = np.nan
    hint: str = ""
    kinks: int = 0
    small: int = 0


@dataclass(frozen=True)
class Comparison:
    """The result of :func:`compare`; prints as a table, with a line for each disagreement.

    Attributes:
        rows: one for each parameter.
        loss: the value of the loss.
        analytic_loss: that of the analytic function, None if it returns gradients only.
        method: how the numeric gradient was measured.
        notes: what else should be known: losses that differ, arguments changed in place.
        losses_agree: whether the two losses are the same number, as far as both are known.
    """

    rows: tuple[CompareRow, ...]
    loss: float
    analytic_loss: float | None
    method: str
    notes: tuple[str, ...] = ()
    losses_agree: bool = True

    @property
    def ok(self) -> bool:
        """Whether all gradients agree, and the losses too."""
        return self.losses_agree and all(row.agrees for row in self.rows)

    def __str__(self) -> str:
        return "\n".join([self._table().text(), *self._lines()])

    def markdown(self) -> str:
        """A Markdown table, the disagreements as a list below it."""
        lines = [f"- {line.strip()}" for line in self._lines()]
        return "\n".join([self._table().markdown(), "", *lines])

    def _repr_html_(self) -> str:
        return html_report(self._table(), self._lines())

    def _table(self) -> Table:
        headers = (
            "parameter",
            "shape",
            "autodiff-analytic",
            "autodiff-numeric",
            "analytic-numeric",
            "verdict",
        )
        rows = [
            (
                row.parameter,
                str(row.shape),
                figure(row.autodiff_analytic),
                figure(row.autodiff_numeric),
                figure(row.analytic_numeric),
                row.verdict,
            )
            for row in self.rows
        ]
        return Table(headers, rows)

    def _lines(self) -> list[str]:
        uncompared = ("wrong shape", "missing", "extra")
        lines = [
            _detail(row)
            for row in self.rows
            if not row.agrees and not row.verdict.startswith(uncompared)
        ]
        for row in self.rows:
            if row.kinks:
                lines.append(
                    f"  {row.parameter}: entries at a kink of the loss, left out: {row.kinks}"
                )
            if row.small:
                lines.append(
                    f"  {row.parameter}: entries too small to be measured, left out: {row.small}"
                )
        return [*lines, *(f"  {note}" for note in self.notes), f"  numeric: {self.method}"]


def _detail(row: CompareRow) -> str:
    text = (
        f"  {place(row.parameter, row.index)}: autodiff {number(row.autodiff)}, "
        f"analytic {number(row.analytic)}, numeric {number(row.numeric)}"
    )
    return f"{text}; {row.hint}" if row.hint else text
