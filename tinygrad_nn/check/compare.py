"""The three-way comparison: autodiff, hand-derived and numeric gradients, side by side."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from .. import tree
from ..errors import DtypeError, ShapeError
from ..node import transforming, underline_frame, user_frame
from ..tensor import Parameter, Tensor
from .analytic import ABSENT, as_gradient, call_analytic, is_flat, matched, multiple
from .comparison import CompareRow, Comparison
from .gradcheck import autodiff_gradients
from .judge import (
    PATIENCE,
    Finding,
    confirmed,
    judge_direction,
    judge_entry,
    sample_entries,
)
from .numeric import DIRECTIONS, Point, directions
from .program import (
    Array,
    Function,
    Program,
    first,
    fresh,
    is_float,
    parameter_names,
    plain,
    program,
    unravel,
)
from .report import FLOOR, TinygradWarning, number, relative_error

#: Up to so many entries in all, every one is measured numerically.
_ALL = 2_000
#: Beyond, those of small parameters are, and of large ones directions and a sample of entries.
_SMALL = 50
_SAMPLE = 16


def compare(f: Function, analytic: Function, *args: Any) -> Comparison:
    """Compare autodiff's gradient of a loss with the analytic and the numeric one.

    All three are computed in float64, for copies of the arguments (floating-point ones converted).

    Args:
        f: ``f(*args)`` is the loss, a single number, written with NumPy or tensors.
        analytic: the hand-derived gradients: ``analytic(*args)`` returns them in the structure of
            ``args[0]``, or returns ``(loss, gradients)``.
        args: the parameters (a dict of arrays, one array, a tuple, nested), then what is handed on.

    Returns:
        A report that prints as a table, one row for each parameter; ``.ok``, ``.rows``.

    Raises:
        ShapeError: ``f`` returns something else than a single number.
        DtypeError: no parameter is floating-point.
        DataError: a parameter is not finite, or ``analytic`` returns nothing.
        GradientError: the loss is not finite, or another at every call.

    Warns:
        TinygradWarning: the loss does not depend on a parameter.

    Example:
        >>> import numpy as np
        >>> report = compare(lambda x: np.sum(x**2), lambda x: 2 * x, np.array([1.0, 3.0]))
        >>> report.ok
        True
    """
    if not args:
        raise DtypeError("compare(f, analytic, *args) needs the parameters as its first argument")
    params, *rest = (tree.map_leaves(_in_float64, arg) for arg in args)
    prefix = parameter_names(f, 1)[0]
    bound = program(lambda p: f(p, *_copies(rest)), (params,), [prefix])
    _check_loss(f, params, rest)
    point = Point(bound, bound.leaves)
    _, autodiff = autodiff_gradients(bound, point)
    loss, gradients, notes = call_analytic(analytic, params, rest)

    value = float(point.value[0])
    mismatch = _loss_mismatch(value, loss)
    measure = _Measurements(point)
    named = dict(matched(params, gradients, prefix, flat=is_flat(params)))
    rows = []
    for i, name in enumerate(name for name, (leaf, _) in named.items() if is_float(leaf)):
        row = _row(measure, i, name, autodiff[i], named[name][1])
        if not autodiff[i].any() and not _depends(bound, i):
            warning = f"the loss does not depend on {name}: its gradient is zero"
            warnings.warn(warning, TinygradWarning, stacklevel=2)
            if row.agrees or named[name][1] is None:
                row = replace(row, verdict="loss does not depend on it", agrees=True)
        rows.append(row)
    rows += [
        CompareRow(name, np.shape(plain(gradient)), "extra", agrees=False)
        for name, (leaf, gradient) in named.items()
        if leaf is ABSENT
    ]
    return Comparison(tuple(rows), value, loss, measure.method, (*notes, *mismatch), not mismatch)


def _loss_mismatch(value: float, analytic: float | None) -> list[str]:
    """A note if both losses are known and not the same number."""
    if analytic is None:
        return []
    if abs(analytic - value) <= 1e-9 * (abs(analytic) + abs(value)) + 1e-15:
        return []
    return [f"the losses differ: f returns {number(value)}, analytic {number(analytic)}"]


def _in_float64(x: Any) -> Any:
    """A copy of an argument, a floating-point array or tensor as float64."""
    if not is_float(x) or isinstance(x, float):
        return fresh(x)
    value = np.array(plain(x), dtype=np.float64)[()]
    return Tensor(value) if isinstance(x, Tensor) else value


def _copies(args: Any) -> Any:
    return [tree.map_leaves(fresh, arg) for arg in args]


def _check_loss(f: Function, params: Any, rest: list[Any]) -> None:
    """Raise ShapeError unless the loss is one number."""
    tensors = tree.map_leaves(lambda x: Tensor(x) if is_float(x) else fresh(x), params)
    loss = f(tensors, *_copies(rest))
    if isinstance(loss, (dict, list, tuple)) or loss is None or np.shape(plain(loss)) != ():
        got = (
            f"an array of shape {np.shape(loss)}"
            if hasattr(loss, "shape")
            else f"a {type(loss).__name__}"
        )
        raise ShapeError(
            f"compare needs a loss that is a single number; f returned {got}\n"
            "  the gradients are returned by the second function, analytic\n"
            f"{underline_frame(user_frame(1))}"
        )


def _depends(bound: Program, i: int) -> bool:
    """Whether any path leads from parameter ``i`` to the loss, even if no gradient comes along."""
    with transforming():
        leaves = [Parameter(x) for x in bound.leaves]
        (loss,) = bound(*leaves)
        if not isinstance(loss, Tensor) or not loss.requires_grad:
            return False
        loss.backward()
    return leaves[i].grad is not None


# --- one parameter --------------------------------------------------------------------------------


class _Measurements:
    """Numeric derivatives of the loss: every entry, or directions and a sample of entries."""

    def __init__(self, point: Point) -> None:
        self.point = point
        self.patience = PATIENCE
        count = sum(x.size for x in point.leaves)
        self.complete = count <= _ALL
        self.method = f"every entry ({count} in all)"
        if not self.complete:
            self.method = (
                f"{count} entries are too many to measure each; parameters of more than {_SMALL}: "
                f"{DIRECTIONS} random directions, {_SAMPLE} entries and those that differ most"
            )

    def is_complete(self, i: int) -> bool:
        return self.complete or self.point.leaves[i].size <= _SMALL

    def findings(self, i: int, autodiff: Array, analytic: Array | None) -> dict[Any, Finding]:
        """Autodiff's gradient judged: by index for entries, by number for directions."""
        positions = list(range(autodiff.size))
        found: dict[Any, Finding] = {}
        if not self.is_complete(i):
            positions = sample_entries(autodiff, _SAMPLE, seed=i)
            if analytic is not None:
                positions.append(int(np.argmax(np.abs(autodiff - analytic))))
                positions.append(int(np.argmax(relative_error(autodiff, analytic))))
            for k, direction in enumerate(directions(self.point, i)):
                found[k] = self._direction(i, autodiff, direction)
        for position in positions:
            index = unravel(position, autodiff.shape)
            found[index] = self._entry(i, autodiff, index)
        return found

    def _entry(self, i: int, autodiff: Array, index: tuple[int, ...]) -> Finding:
        return self._confirmed(
            lambda factor: judge_entry(autodiff, index, self.point.entry(i, index, factor))
        )

    def _direction(self, i: int, autodiff: Array, direction: Array) -> Finding:
        return self._confirmed(
            lambda factor: judge_direction(
                autodiff, direction, self.point.along(i, direction, factor)
            )
        )

    def _confirmed(self, look: Callable[[float], Finding]) -> Finding:
        found = look(1.0)
        if self.patience and not found.agrees:
            found = confirmed(found, look)
            self.patience -= not found.agrees
        return found


def _row(measure: _Measurements, i: int, name: str, autodiff: Array, gradient: Any) -> CompareRow:
    """Compare the three gradients of one parameter."""
    analytic, verdict = as_gradient(gradient, autodiff.shape)
    if not np.isfinite(autodiff).all():
        verdict = verdict or "not finite"
    if verdict or analytic is None:
        mine = measure.findings(i, np.nan_to_num(autodiff), None)
        return _faulty_row(name, autodiff, analytic, mine, verdict)
    mine = measure.findings(i, autodiff, analytic)
    along = directions(measure.point, i)
    theirs = {
        key: judge_entry(analytic, key, found.measured)
        if isinstance(key, tuple)
        else judge_direction(analytic, along[key], found.measured)
        for key, found in mine.items()
    }
    for key, found in mine.items():
        # Two rightful derivatives of a kink need not lie between those that were measured; that
        # they are the same is evidence enough.
        if found.kink and abs(found.autodiff - theirs[key].autodiff) <= found.tolerance:
            mine[key] = replace(found, agrees=True)
            theirs[key] = replace(theirs[key], agrees=True)
    right = [all(found.agrees for found in findings.values()) for findings in (mine, theirs)]
    verdict = {
        (True, True): "agree",
        (True, False): "analytic differs",
        (False, True): "autodiff differs",
        (False, False): "analytic and autodiff differ",
    }[right[0], right[1]]
    return _measured_row(name, autodiff, analytic, (mine, theirs), verdict)


def _measured_row(
    name: str,
    autodiff: Array,
    analytic: Array,
    findings: tuple[dict[Any, Finding], dict[Any, Finding]],
    verdict: str,
) -> CompareRow:
    """The row of a parameter of which all three gradients are there."""
    mine, theirs = findings
    indices = [index for index in mine if isinstance(index, tuple)]
    kinks = [index for index in indices if mine[index].kink]
    small = [key for key in mine if not _is_resolved(mine[key], theirs[key])]
    smooth = [key for key in mine if not mine[key].kink and key not in small]
    away = np.ones(autodiff.shape, bool)
    for index in kinks:
        away[index] = False
    numeric = np.array([mine[key].numeric for key in smooth])
    of_autodiff = np.array([mine[key].autodiff for key in smooth])
    of_analytic = np.array([theirs[key].autodiff for key in smooth])
    entries = np.array([isinstance(key, tuple) for key in smooth], bool)

    def excess(index: tuple[int, ...]) -> tuple[bool, float]:
        pair = (theirs[index], mine[index])
        return not all(found.agrees for found in pair), max(found.excess for found in pair)

    row = CompareRow(
        name,
        autodiff.shape,
        verdict,
        verdict == "agree",
        autodiff_analytic=_largest(relative_error(autodiff[away], analytic[away])),
        autodiff_numeric=_largest(relative_error(of_autodiff, numeric)),
        analytic_numeric=_largest(relative_error(of_analytic, numeric)),
        autodiff_analytic_absolute=_largest(np.abs(autodiff - analytic)[away]),
        autodiff_numeric_absolute=_largest(np.abs(of_autodiff - numeric)[entries]),
        analytic_numeric_absolute=_largest(np.abs(of_analytic - numeric)[entries]),
        hint=multiple(analytic, autodiff) if verdict == "analytic differs" else "",
        kinks=len(kinks),
        small=sum(isinstance(key, tuple) for key in small),
    )
    if not indices:
        return row
    worst = max(indices, key=excess)
    return replace(
        row,
        index=worst,
        autodiff=mine[worst].autodiff,
        analytic=theirs[worst].autodiff,
        numeric=mine[worst].numeric,
    )


def _is_resolved(mine: Finding, theirs: Finding) -> bool:
    return mine.is_resolved(FLOOR) or theirs.is_resolved(FLOOR)


def _largest(errors: Array) -> float:
    """The largest; NaN if there is none."""
    return float(np.max(errors)) if errors.size else np.nan


def _faulty_row(
    name: str,
    autodiff: Array,
    analytic: Array | None,
    findings: dict[Any, Finding],
    verdict: str,
) -> CompareRow:
    """The row where the analytic gradient cannot be compared, or something is not finite."""
    smooth = [
        (autodiff[key], found.numeric)
        for key, found in findings.items()
        if isinstance(key, tuple) and not found.kink
    ]
    a, n = np.array(smooth, dtype=np.float64).reshape(-1, 2).T
    row = CompareRow(
        name,
        autodiff.shape,
        verdict,
        agrees=False,
        autodiff_numeric=_largest(relative_error(a, n)),
        autodiff_numeric_absolute=_largest(np.abs(a - n)),
    )
    if verdict != "not finite":
        return row
    given = np.full(autodiff.shape, np.nan) if analytic is None else analytic
    index = first(~np.isfinite(autodiff + given))
    return replace(
        row,
        index=index,
        autodiff=float(autodiff[index]),
        analytic=float(given[index]),
        numeric=findings[index].numeric if index in findings else np.nan,
    )
