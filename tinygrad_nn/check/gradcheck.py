"""The gradient check: autodiff against numeric differences, entry by entry and along directions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..autodiff import vjp
from ..errors import DataError, GradientError
from ..node import underline_frame, user_frame
from .judge import (
    PATIENCE,
    Finding,
    confirmed,
    judge_direction,
    judge_entry,
    sample_entries,
)
from .numeric import DIRECTIONS, Point, directions
from .program import Array, Function, first, parameter_names, plain, program, unravel
from .report import FLOOR, Table, at, figure, html_report, number, place, relative_error
from .slope import Slope

#: Arrays with more entries are checked along directions, and at a sample of entries.
_SMALL = 200
_SAMPLE = 16


# --- the report -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class GradientRow:
    """What was found for one argument.

    Attributes:
        order: 1 for the gradient, 2 for the gradient's own derivative, and so on.
        argument: the expression that reaches it, ``params['W1']``.
        shape: its shape.
        error: the largest relative error found, NaN if there was nothing to compare; entries at a
            kink, and those too small beside the rounding error of the function's value, left out.
        index: where autodiff and numeric differ most, in units of what is allowed.
        autodiff, numeric: the two numbers there; NaN for an empty argument.
        checked: how: ``"all entries"`` or ``"2 directions, 16 entries"``.
        note: ``"kink at [0]"`` where one-sided derivatives differ, else empty.
    """

    order: int
    argument: str
    shape: tuple[int, ...]
    error: float
    index: tuple[int, ...]
    autodiff: float
    numeric: float
    checked: str
    note: str = ""


@dataclass(frozen=True)
class GradientReport:
    """A gradient check that succeeded; prints as a table, and is true."""

    rows: tuple[GradientRow, ...]

    def __bool__(self) -> bool:
        return True

    def __str__(self) -> str:
        return self._table().text()

    def _repr_html_(self) -> str:
        return html_report(self._table(), [])

    def _table(self) -> Table:
        headers = ("argument", "shape", "max relative error", "worst", "autodiff", "numeric")
        rows = [
            (
                row.argument,
                str(row.shape),
                figure(row.error),
                at(row.index),
                number(row.autodiff),
                number(row.numeric),
                str(row.order),
                row.checked,
                row.note,
            )
            for row in self.rows
        ]
        return Table((*headers, "order", "checked", "note"), rows)


# --- the check ------------------------------------------------------------------------------------


def gradcheck(f: Function, *args: Any, order: int = 1) -> GradientReport:
    """Check autodiff's derivatives of ``f`` against numeric differences.

    Every floating-point argument is checked: Python floats, arrays, tensors, and nested dicts,
    lists and tuples of them. Anything else is passed through. The check is made in float64, also
    for float32 arguments, which are converted first. Up to 200 entries an argument is checked entry
    by entry; a larger one along two random directions, which no wrong entry escapes, and at a
    sample of entries.

    At a kink, where the one-sided derivatives differ, any value between them (or 0) is a rightful
    one; the rules are then checked at a point moved slightly, and the report says "kink".

    Args:
        f: a function to a number, an array, or a structure of arrays. Its outputs are contracted
            with fixed random weights, so that all of them are checked. Called with plain arrays for
            the numeric differences, with tensors for autodiff.
        args: its arguments, not changed.
        order: 2 to check the second derivatives as well, autodiff of autodiff's gradient against
            numeric differences of it; and so on.

    Returns:
        A report that prints as a table, one row for each argument and order.

    Raises:
        GradientError: a derivative is wrong or not finite; the message names the argument, the
            index and both numbers. Also if ``f`` is not deterministic, or has no finite value.
        DataError: an argument holds NaN or infinity, or ``order`` is less than 1.
        DtypeError: no argument is floating-point.

    Source: the random direction without a tiny component is Chainer's (``gradient_check.py``).

    Example:
        >>> bool(gradcheck(lambda x: x**3, 2.0, order=2))
        True
    """
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise DataError(f"order is 1 for the gradient, 2 for its derivative, ...; not {order!r}")
    bound = program(f, args, parameter_names(f, len(args)))
    run: Function = bound
    rows: list[GradientRow] = []
    blur: Array | None = None
    for k in range(1, order + 1):
        check = _Check(run, Point(run, bound.leaves, blur=blur))
        found = [_examine(check, i, name, k) for i, name in enumerate(bound.names)]
        wrong = [fault for _, fault in found if fault]
        if wrong:
            place_of_call = underline_frame(user_frame(1))
            raise GradientError("\n".join([wrong[0], *_others(wrong), place_of_call]))
        rows += [row for row, _ in found]
        run = _gradient_function(run, check.point.cotangents())
        blur = check.point.gradient_blur()
    return GradientReport(tuple(rows))


def _others(faults: list[str]) -> list[str]:
    return [f"  also: {fault.splitlines()[0]}" for fault in faults[1:]]


def _gradient_function(run: Function, cotangents: list[Array]) -> Function:
    """The gradient of the contracted outputs, as a function of the same leaves."""

    def gradients(*leaves: Any) -> list[Any]:
        _, pullback = vjp(run, *leaves)
        return list(pullback(list(cotangents)))

    return gradients


def autodiff_gradients(run: Function, point: Point) -> tuple[Array, list[Array]]:
    """The outputs as autodiff computes them, and its gradient for each leaf, at ``point``."""
    with np.errstate(all="ignore"):  # what is not finite is told in the report
        outputs, pullback = vjp(run, *(x.copy()[()] for x in point.leaves))
        gradients = pullback(point.cotangents())
    value = np.concatenate([np.ravel(plain(out)) for out in outputs])
    return value, [np.asarray(plain(g), dtype=np.float64) for g in gradients]


class _Check:
    """Both derivatives at a point and, where kinks ask for it, beside it."""

    def __init__(self, run: Function, point: Point) -> None:
        self.run = run
        self.point = point
        self.patience = PATIENCE
        self.kinks: dict[int, bool] = {}
        value, self.gradients = autodiff_gradients(run, self.point)
        different = self.point.differs(value)
        if different.any():
            (i,) = first(different)
            raise GradientError(
                f"the function gives {number(value[i])} on tensors and "
                f"{number(self.point.value[i])} on plain arrays: it is not the same function"
            )

    @cached_property
    def beside(self) -> list[_Check]:
        """The same check at points moved slightly, to either side."""
        return [_Check(self.run, point) for point in self.point.nudged()]

    def entry(self, i: int, index: tuple[int, ...]) -> Finding:
        """Compare one entry of leaf ``i``."""

        def look(check: _Check, factor: float) -> Finding:
            measured = check.point.entry(i, index, factor)
            return judge_entry(check.gradients[i], index, measured)

        return self._find(i, look)

    def direction(self, i: int, direction: Array) -> Finding:
        """Compare the derivatives of leaf ``i`` along a direction."""

        def look(check: _Check, factor: float) -> Finding:
            measured = check.point.along(i, direction, factor)
            return judge_direction(check.gradients[i], direction, measured)

        return self._find(i, look)

    def _is_at_kink(self, i: int) -> bool:
        """Whether leaf ``i`` is at a kink in general, if not along the line of interest.

        Where three values tie for the median, say, moving any one of them changes nothing. Either
        there is a kink along another line, or derivatives along lines do not add up.
        """
        if i not in self.kinks:
            lines = directions(self.point, i)
            along = [self.point.along(i, d) for d in lines]
            self.kinks[i] = any(measured.kink for measured in along) or not all(
                self._adds_up(i, d, measured) for d, measured in zip(lines, along, strict=True)
            )
        return self.kinks[i]

    def _adds_up(self, i: int, direction: Array, measured: Slope) -> bool:
        """Whether the numeric derivatives of all entries give that along a direction."""
        if direction.size > _SMALL:
            return True
        numeric = np.zeros(direction.shape)
        error = np.zeros(direction.shape)
        for index in np.ndindex(direction.shape):
            entry = self.point.entry(i, index)
            numeric[index], error[index] = entry.value, entry.error
        bar = Slope(measured.value, measured.error + float(np.sum(error * np.abs(direction))), 0, 0)
        return judge_direction(numeric, direction, bar).agrees

    def _find(self, i: int, look: Callable[[_Check, float], Finding]) -> Finding:
        """Look here and, at a kink, beside it as well: there a wrong rule cannot hide.

        What comes out at the kink itself need be no one-sided derivative (where sorted values tie,
        say), so beside it is where a rule is judged, unless there are kinks as well.
        """
        found = self._confirmed(look)
        at_kink = found.kink or (not found.agrees and self._is_at_kink(i))
        if not at_kink:
            return found
        for check in self.beside:
            beside = check._confirmed(look)
            if beside.kink or beside.lost:
                continue
            if not beside.agrees:
                return replace(beside, beside=True)
            found = replace(found, agrees=True, measured=replace(found.measured, kink=True))
        return found

    def _confirmed(self, look: Callable[[_Check, float], Finding]) -> Finding:
        found = look(self, 1.0)
        if self.patience and not found.agrees:
            found = confirmed(found, lambda factor: look(self, factor))
            self.patience -= not found.agrees
        return found


def _examine(check: _Check, i: int, name: str, order: int) -> tuple[GradientRow, str]:
    """The row for leaf ``i``, and what is wrong with it ("" if nothing)."""
    gradient = check.gradients[i]
    shape = gradient.shape
    checked = "all entries" if gradient.size <= _SMALL else ""
    if not gradient.size:
        return GradientRow(order, name, shape, np.nan, (), np.nan, np.nan, checked), ""
    if not np.isfinite(gradient).all():
        index = first(~np.isfinite(gradient))
        return _unfinished(check, i, name, index, order)
    positions = list(range(gradient.size))
    along: list[Finding] = []
    fault = ""
    if not checked:
        positions = sample_entries(gradient, _SAMPLE, seed=i)
        checked = f"{DIRECTIONS} directions, {_SAMPLE} entries"
        for direction in directions(check.point, i):
            along.append(check.direction(i, direction))
            if not along[-1].agrees:
                positions = [_locate(check, i, direction), *positions]
                fault = _along_fault(along[-1])
                break
    entries = {index: check.entry(i, index) for index in (unravel(p, shape) for p in positions)}
    worst = max(entries, key=lambda index: (not entries[index].agrees, entries[index].excess))
    if not entries[worst].agrees or fault:
        text = _describe(name, worst, entries[worst], order)
        bad = sum(not finding.agrees for finding in entries.values())
        text += f"\n  {bad} of the {len(entries)} entries looked at disagree; shape {shape}"
        fault = text + fault
    row = _row(name, order, gradient, entries, along, checked)
    return row, fault


def _row(
    name: str,
    order: int,
    gradient: Array,
    entries: dict[tuple[int, ...], Finding],
    along: list[Finding],
    checked: str,
) -> GradientRow:
    floor = min(FLOOR, FLOOR * float(np.max(np.abs(gradient)))) or FLOOR
    kinks = [index for index, finding in entries.items() if finding.kink]
    note = f"kink at {at(kinks[0]) or name}" if kinks else ""
    if len(kinks) > 1:
        note = f"kink at {len(kinks)} entries"
    elif any(finding.kink for finding in along):
        note = "kink along a direction"
    counted = [d for d in (*entries.values(), *along) if not d.kink and d.is_resolved(floor)]
    errors = [float(relative_error(d.autodiff, d.numeric, floor)) for d in counted]
    smooth = [index for index in entries if index not in kinks]
    worst = max(smooth or entries, key=lambda index: entries[index].excess)
    return GradientRow(
        order,
        name,
        gradient.shape,
        max(errors, default=np.nan),
        worst,
        entries[worst].autodiff,
        entries[worst].numeric,
        checked,
        note,
    )


def _locate(check: _Check, i: int, direction: Array) -> int:
    """The position of an entry that is wrong, given a direction that is: by halving its support."""
    everything = np.arange(direction.size)
    if check.direction(i, direction).beside:
        check = max(check.beside, key=lambda c: _misfit(c, i, direction, everything))
    support = everything
    while len(support) > 1:
        halves = np.array_split(support, 2)
        support = max(halves, key=lambda half: _misfit(check, i, direction, half))
    return int(support[0])


def _misfit(check: _Check, i: int, direction: Array, positions: Any) -> float:
    part = np.zeros_like(direction)
    part.flat[positions] = direction.flat[positions]
    found = judge_direction(check.gradients[i], part, check.point.along(i, part))
    return 0.0 if found.lost else found.difference


# --- what to say ----------------------------------------------------------------------------------

_ORDINALS = {1: "gradient", 2: "second derivative", 3: "third derivative"}


def _quantity(order: int) -> str:
    return _ORDINALS.get(order, f"{order}th derivative")


def _describe(name: str, index: tuple[int, ...], found: Finding, order: int) -> str:
    where = place(name, index)
    if found.lost:
        return (
            f"the {_quantity(order)} with respect to {where} cannot be checked: the function has "
            f"no finite value next to this point (autodiff {number(found.autodiff)})"
        )
    text = (
        f"the {_quantity(order)} with respect to {where} is wrong: "
        f"autodiff {number(found.autodiff)}, numeric {number(found.numeric)}"
    )
    if found.beside:
        text += "\n  (measured at a point moved slightly, because there is a kink at the given one)"
    return text


def _along_fault(found: Finding) -> str:
    return (
        "\n  along a random direction: "
        f"autodiff {number(found.autodiff)}, numeric {number(found.numeric)}"
    )


def _unfinished(
    check: _Check, i: int, name: str, index: tuple[int, ...], order: int
) -> tuple[GradientRow, str]:
    """The row and the message for a gradient that is NaN or infinite."""
    value = float(check.gradients[i][index])
    numeric = check.point.entry(i, index).value
    row = GradientRow(order, name, check.gradients[i].shape, np.nan, index, value, numeric, "")
    text = (
        f"the {_quantity(order)} with respect to {place(name, index)} is not finite: "
        f"autodiff {number(value)}, numeric {number(numeric)}"
    )
    return row, text
