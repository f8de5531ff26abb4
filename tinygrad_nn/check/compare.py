"""The three-way comparison: autodiff, hand-derived (analytic) and numeric gradients, side by side.

Imports: gradcheck (how two derivatives are judged), numeric, report, errors, node, tensor, tree.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import tree
from ..errors import DtypeError, ShapeError
from ..node import transforming, underline_frame, user_frame
from ..tensor import Parameter, Tensor
from .gradcheck import (
    Finding,
    autodiff_gradients,
    judge_direction,
    judge_entry,
    sample_entries,
)
from .numeric import (
    Array,
    Function,
    Point,
    Program,
    Slope,
    first,
    fresh,
    is_float,
    parameter_names,
    plain,
    program,
    unravel,
)
from .report import (
    TinygradWarning,
    number,
    relative_error,
)

#: Up to so many entries in all, every one is measured numerically.
_ALL = 2_000
#: Beyond, those of small parameters are, and of large ones directions and a sample of entries.
_SMALL = 50
_SAMPLE = 16
_DIRECTIONS = 2

_INDEPENDENT = "loss does not depend on it"


# --- the comparison -------------------------------------------------------------------------------


def compare(f: Function, analytic: Function, *args: Any) -> Comparison:
    """Compare autodiff's gradient of a loss with the analytic and the numeric one.

    All three are computed in float64, for copies of the arguments (floating-point ones converted).

    Args:
        f: ``f(*args)`` is the loss, a single number, written with NumPy or tensors.
        analytic: the hand-derived gradients: ``analytic(*args)`` returns them in the structure of
            ``args[0]``, or returns ``(loss, gradients)``.
        args: the first holds the parameters (a dict of arrays, one array, a tuple, nested); the
            others are handed on.

    Returns:
        A report, one row for each parameter: ``.ok``, ``.rows``, prints as a table,
        ``.markdown()``.

    Raises:
        ShapeError: ``f`` returns something else than a single number.
        DtypeError: no parameter is floating-point.
        DataError: a parameter holds NaN or infinity, or ``analytic`` returns nothing.
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

    measure = _Measurements(point)
    named = dict(matched(params, gradients, prefix, flat=is_flat(params)))
    rows = []
    floats = [name for name, (value, _) in named.items() if is_float(value)]
    for i, name in enumerate(floats):
        rows.append(_row(measure, i, name, autodiff[i], named[name][1]))
        if not autodiff[i].any() and not _depends(bound, i):
            rows[-1] = _independent(rows[-1])
            warnings.warn(
                f"the loss does not depend on {name}: its gradient is zero",
                TinygradWarning,
                stacklevel=2,
            )
    rows += [
        CompareRow(name, np.shape(plain(gradient)), "extra", agrees=False)
        for name, (value, gradient) in named.items()
        if value is ABSENT
    ]
    value = float(point.value[0])
    same = loss is None or bool(abs(loss - value) <= 1e-9 * (1e-8 + abs(loss) + abs(value)))
    if not same:
        notes.append(
            f"the losses differ: autodiff's is {number(value)}, analytic's {number(loss or 0.0)}"
        )
    return Comparison(tuple(rows), value, loss, measure.method, tuple(notes), same)


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


def _independent(row: CompareRow) -> CompareRow:
    """The row of a parameter that the loss does not depend on."""
    return CompareRow(**{**vars(row), "verdict": _INDEPENDENT}) if row.agrees else row


# --- one parameter --------------------------------------------------------------------------------


class _Measurements:
    """Numeric derivatives of the loss: every entry, or directions and a sample of entries."""

    def __init__(self, point: Point) -> None:
        self.point = point
        count = sum(x.size for x in point.leaves)
        self.complete = count <= _ALL
        self.method = f"every entry ({count} in all)"
        if not self.complete:
            self.method = (
                f"{count} entries are too many to measure each; parameters of more than {_SMALL}: "
                f"{_DIRECTIONS} random directions, {_SAMPLE} entries and those that differ most"
            )

    def is_complete(self, i: int) -> bool:
        return self.complete or self.point.leaves[i].size <= _SMALL

    def entries(self, i: int, autodiff: Array, analytic: Array | None) -> dict[Any, Slope]:
        """The numeric derivative by index, at all entries or at those worth a look."""
        positions = list(range(autodiff.size))
        if not self.is_complete(i):
            positions = sample_entries(autodiff, _SAMPLE, seed=i)
            if analytic is not None:
                positions.append(int(np.argmax(np.abs(autodiff - analytic))))
                positions.append(int(np.argmax(relative_error(autodiff, analytic))))
        indices = dict.fromkeys(unravel(p, autodiff.shape) for p in positions)
        return {index: self.point.entry(i, index) for index in indices}

    def directions(self, i: int) -> list[tuple[Array, Slope]]:
        """Directions for a large parameter, each with the derivative along it."""
        if self.is_complete(i):
            return []
        chosen = [list(self.point.directions(seed))[i] for seed in range(_DIRECTIONS)]
        return [(direction, self.point.along(i, direction)) for direction in chosen]


def _row(measure: _Measurements, i: int, name: str, autodiff: Array, gradient: Any) -> CompareRow:
    """Compare the three gradients of one parameter."""
    shape = autodiff.shape
    analytic, verdict = as_gradient(gradient, shape)
    if not np.isfinite(autodiff).all():
        verdict = verdict or "not finite"
    slopes = measure.entries(i, autodiff, analytic if not verdict else None)
    along = measure.directions(i)
    if verdict:
        return _faulty_row(name, autodiff, analytic, slopes, verdict)
    assert analytic is not None
    mine = _judge(autodiff, slopes, along)
    theirs = _judge(analytic, slopes, along)
    right = [all(found.agrees for found in findings.values()) for findings in (mine, theirs)]
    verdict = {
        (True, True): "agree",
        (True, False): "analytic differs",
        (False, True): "autodiff differs",
        (False, False): "analytic and autodiff differ",
    }[right[0], right[1]]
    return _measured_row(name, autodiff, analytic, (mine, theirs), verdict)


def _judge(
    gradient: Array, slopes: dict[Any, Slope], along: list[tuple[Array, Slope]]
) -> dict[Any, Finding]:
    """The findings for a gradient, by index, and by number for directions."""
    found: dict[Any, Finding] = {
        index: judge_entry(gradient, index, measured) for index, measured in slopes.items()
    }
    for k, (direction, measured) in enumerate(along):
        found[k] = judge_direction(gradient, direction, measured)
    return found


def _measured_row(
    name: str,
    autodiff: Array,
    analytic: Array,
    findings: tuple[dict[Any, Finding], dict[Any, Finding]],
    verdict: str,
) -> CompareRow:
    mine, theirs = findings
    indices = [index for index in mine if isinstance(index, tuple)]
    kinks = [index for index in indices if mine[index].kink]
    smooth = [index for index in mine if not mine[index].kink]
    of_autodiff = np.array([mine[index].autodiff for index in smooth])
    of_analytic = np.array([theirs[index].autodiff for index in smooth])
    numeric = np.array([mine[index].numeric for index in smooth])
    away = np.ones(autodiff.shape, bool)
    for index in kinks:
        away[index] = False

    def excess(index: tuple[int, ...]) -> tuple[bool, float]:
        pair = (theirs[index], mine[index])
        return not all(found.agrees for found in pair), max(found.excess for found in pair)

    worst = max(indices, key=excess, default=())
    return CompareRow(
        name,
        autodiff.shape,
        verdict,
        verdict == "agree",
        *(
            _largest(relative_error(a, n))
            for a, n in (
                (autodiff[away], analytic[away]),
                (of_autodiff, numeric),
                (of_analytic, numeric),
            )
        ),
        _largest(np.abs(autodiff - analytic)[away]),
        _largest(np.abs(of_autodiff - numeric)),
        _largest(np.abs(of_analytic - numeric)),
        worst,
        *((float(autodiff[worst]), float(analytic[worst])) if indices else (np.nan, np.nan)),
        mine[worst].numeric if indices else np.nan,
        "" if verdict != "analytic differs" else multiple(analytic, autodiff),
        len(kinks),
    )


def _largest(errors: Array) -> float:
    """The largest; 0 of an empty parameter; NaN as it is."""
    return float(np.max(errors)) if errors.size else np.nan


def _faulty_row(
    name: str, autodiff: Array, analytic: Array | None, slopes: dict[Any, Slope], verdict: str
) -> CompareRow:
    """The row where the analytic gradient cannot be compared, or something is not finite."""
    index: tuple[int, ...] = ()
    if verdict == "not finite":
        bad = ~np.isfinite(autodiff)
        index = (
            first(~np.isfinite(analytic)) if analytic is not None and not bad.any() else first(bad)
        )
    elif slopes:
        index = next(iter(slopes))
    numeric = np.array([measured.value for measured in slopes.values() if not measured.kink])
    chosen = np.array([autodiff[k] for k, measured in slopes.items() if not measured.kink])
    return CompareRow(
        name,
        autodiff.shape,
        verdict,
        agrees=False,
        autodiff_numeric=_largest(relative_error(chosen, numeric)),
        autodiff_numeric_absolute=_largest(np.abs(chosen - numeric)),
        index=index,
        autodiff=float(autodiff[index]),
        analytic=float(analytic[index]) if analytic is not None else np.nan,
        numeric=slopes[index].value if index in slopes else np.nan,
    )
