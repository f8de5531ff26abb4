"""The verdict on each gradient, three ways: autodiff's, yours, and numeric differences."""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import TinygradError
from ...node import Node
from ..analytic import ABSENT
from ..judge import Finding, confirmed, judge_direction, judge_entry
from ..numeric import Point, directions
from ..program import Array, unravel
from ..report import relative_error
from .observing.draws import Draw, draw, moved
from .observing.observe import Observation, ancestors, observe, parameters_at, plain_run, where
from .result import UNJUDGED, AuditRow

#: Relative to the largest entry: what rounding explains, by precision.
_ROUNDING = {np.dtype(np.float64): 1e-9, np.dtype(np.float32): 2e-4, np.dtype(np.float16): 0.05}
#: Relative to the largest entry: what no mistake makes, but a small number that the loss
#: adds for safety, as in np.log(p + 1e-8), and the formula of its gradient leaves out.
_NEGLIGIBLE = 1e-6
#: Up to so many entries in all, every one is measured numerically.
_ALL = 100
#: How small a move is that only gets off a kink.
_HAIR = 1e-4
#: How many times what errors in the last place change is still explained by rounding ...
_NOISE = 100.0
#: ... if it is no more than this, relative to the terms that the loss is computed from.
_ROUNDED = 1e-12
#: By so much of itself the loss is changed by what no run can show, and no program means.
_NOTHING = 1e-40


@dataclass(frozen=True)
class Run:
    """The user's call."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    @functools.cached_property
    def at(self) -> int | str | None:
        """Which argument holds the parameters."""
        return parameters_at(self.function, self.args, self.kwargs)

    def observe(self, values: Mapping[str, Any] | None = None) -> Observation:
        """Recorded; with other parameters, if they are given."""
        if values is None:
            return observe(self.function, self.args, self.kwargs, at=self.at)
        with quiet():
            return observe(self.function, self.args, self.kwargs, values, self.at)

    def loss(self, values: Mapping[str, Any]) -> float:
        """On plain arrays."""
        return plain_run(self.function, self.args, self.kwargs, values, self.at)[0]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what the user's code prints, and without warnings of overflow and the like."""
    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        yield


# --- comparing ------------------------------------------------------------------------------------


def value_of(g: Any) -> Any:
    """A returned gradient's value."""
    return g.value if isinstance(g, Node) else g


def slack(observation: Observation, name: str) -> float:
    """The relative difference that the precision of the run explains."""
    value = value_of(observation.grads[name])
    kinds = [getattr(x, "dtype", np.dtype(float)) for x in (value, observation.params[name].value)]
    return max(_ROUNDING.get(kind, 1e-9) for kind in kinds)


def agree(a: Any, b: Any, relative: float, floor: float = 0.0) -> bool:
    """Whether two gradients are the same, to rounding relative to the largest entry."""
    if np.shape(a) != np.shape(b):
        return False
    bound = relative * max(np.max(np.abs(a), initial=0), np.max(np.abs(b), initial=0)) + floor
    return bool(np.all(np.abs(np.asarray(a) - b) <= bound))


def floor(observation: Observation, d: Draw, name: str) -> float:
    """An absolute difference that rounding explains: of the terms of which a sum is left.

    A gradient may be what cancels of much larger terms; its rounding error is theirs.
    """
    node = observation.params[name]
    largest = 0.0
    consumers = []
    for consumer, i in d.contributions:
        if consumer.inputs[i] is node:
            consumers.append(consumer)
            largest = max(largest, float(np.max(np.abs(d.contributions[consumer, i]), initial=0)))
    for consumer in consumers:
        g = d.cotangents.get(consumer)
        if g is not None:
            others = [d.values.get(p, 0.0) for p in consumer.inputs if isinstance(p, Node)]
            sizes = [float(np.max(np.abs(x), initial=0)) for x in others]
            largest = max(largest, float(np.sum(np.abs(g))) * max(1.0, *sizes, 0.0) * 0.01)
    return largest


# --- the rows -------------------------------------------------------------------------------------


def rows(run: Run, observation: Observation, own: Draw, others: tuple[Draw, ...]) -> Any:
    """A verdict for each parameter, and notes."""
    notes = list(observation.notes)
    unknown = _unbounded_loss(observation, own)
    if unknown:
        notes.append(unknown)
    measure = _Numeric(run, observation, notes if not unknown else [])
    found = [
        _row(measure, observation, own, others, name)
        if name in observation.params
        else AuditRow(
            name, np.shape(value_of(g)), False, "extra", note="no parameter has this name"
        )
        for name, g in observation.grads.items()
    ]
    found = _with_hidden(run, observation, others, found)
    if observation.conversions and any("not autodiff's" in row.note for row in found):
        lost = observation.conversions[-1]
        notes.append(
            f"{lost.how} took a number out of the recording ({observation.name_of(lost.node)}): "
            "autodiff does not see what was computed from it"
        )
    return tuple(found), tuple(notes)


def _row(
    measure: _Numeric, observation: Observation, own: Draw, others: tuple[Draw, ...], name: str
) -> AuditRow:
    truth, given = own.gradient(observation, name), value_of(observation.grads[name])
    unusual = _unusual(measure, observation, own, truth, name)
    if unusual is not None:
        return unusual
    shape, yours = np.shape(truth), np.asarray(given, dtype=np.float64)
    slacks = slack(observation, name)
    lowest = np.finfo(np.float64).eps * 1e2 * floor(observation, own, name) * slacks / 1e-9
    same = agree(truth, yours, slacks, lowest + nothing(observation, own, name))
    note = "" if observation.params[name] in own.cotangents else "the loss does not depend on it"
    excused = not same and _excused(observation, others, own, name)
    if excused:
        same, note = True, "at a kink, or what rounding leaves: a hair aside both are the same"
    elif not same and _is_noise(observation, own, others, name):
        same = excused = True
        note = "the difference is what rounding leaves of numbers that cancel"
    difference = np.abs(truth - yours)
    if not same and agree(truth, yours, _NEGLIGIBLE):
        same, note = True, "differs by less than a millionth of its largest entry"
    relative = relative_error(truth, yours)
    worst = unravel(int(np.argmax(difference)), shape)
    finding = measure.worst(name, truth, yours, worst)
    numeric, ok = None, same
    if finding is not None:
        numeric = None if np.isnan(finding.numeric) else finding.numeric
        if not excused and not measure.confirms(name, truth):
            ok = measure.confirms(name, yours)
            note = "numeric differences confirm " + ("yours, not autodiff's" if ok else "neither")
    return AuditRow(
        name,
        shape,
        ok,
        "right" if ok else "wrong",
        error=float(np.max(difference, initial=0)),
        relative=float(np.max(relative, initial=0)),
        worst=worst,
        autodiff=float(truth[worst]),
        yours=float(yours[worst]),
        numeric=numeric,
        note=note,
    )


def _unusual(
    measure: _Numeric, observation: Observation, own: Draw, truth: Any, name: str
) -> AuditRow | None:
    """The row where numbers cannot be compared one by one; None where they can."""
    given, shape = value_of(observation.grads[name]), np.shape(truth)
    fault = _fault(given, truth)
    if fault:
        return AuditRow(name, shape, False, fault)
    if _unbounded_loss(observation, own):
        return AuditRow(name, shape, False, UNJUDGED)
    finite = bool(np.isfinite(given).all())
    if not np.isfinite(truth).all():
        note = _unbounded(observation, own)
        if (
            finite
            and measure.point is not None
            and measure.confirms(name, np.asarray(given, float))
        ):
            return AuditRow(name, shape, True, "right", note=f"as numeric differences say; {note}")
        return AuditRow(name, shape, False, UNJUDGED, note=note)
    if not finite:
        note = _first_of_gradient(observation, name)
        return AuditRow(name, shape, False, "not finite", note=note)
    return None


def _fault(given: Any, truth: Any) -> str:
    """What is wrong with a gradient before its numbers are looked at; empty if nothing."""
    if given is ABSENT or given is None:
        return "missing"
    try:
        value = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        return f"not an array of numbers, but a {type(given).__name__}"
    shape, right = value.shape, np.shape(truth)
    if shape != right:
        return f"wrong shape {shape}, should be {right}" + _as_what(value, truth)
    return ""


def _as_what(value: Array, truth: Any) -> str:
    """How a gradient of another shape has the right numbers, if it has."""
    if value.shape == truth.shape[::-1] and value.ndim == 2 and agree(value.T, truth, 1e-4):
        return ": transposed"
    if value.shape == truth.shape[::-1] and value.ndim == 2:
        return ": as if transposed"
    if value.size == truth.size and agree(np.reshape(value, truth.shape), truth, 1e-4):
        return ": the numbers are right"
    return ""


# --- what is not finite ---------------------------------------------------------------------------


def _unbounded_loss(observation: Observation, own: Draw) -> str:
    """What was not finite first where the loss is not; empty if it is finite."""
    loss = observation.loss
    if not np.isfinite(loss.value).all():
        order = [n for n in observation.nodes if n in observation.forward]
        text = f"the loss is {_what(loss.value)}"
        return "; ".join(filter(None, (text, _first(observation, order))))
    if not np.isfinite(own.values[loss]).all():
        return f"the loss, computed in float64, is {_what(own.values[loss])}"
    return ""


def _unbounded(observation: Observation, own: Draw) -> str:
    """Which derivative of the loss was not finite first."""
    order = [n for n in observation.nodes if n in observation.forward]
    for node in (*reversed(order), *observation.inputs.values(), *observation.params.values()):
        g = own.cotangents.get(node)
        if g is not None and not np.isfinite(g).all():
            of = f"with respect to {observation.name_of(node)}{_line(node)}"
            return f"autodiff's derivative of the loss {of} is {_what(g)}"
    return ""


def _first_of_gradient(observation: Observation, name: str) -> str:
    """What was not finite first on the way to a hand-written gradient."""
    root = observation.grads[name]
    needed = ancestors([root]) if isinstance(root, Node) else set()
    return _first(observation, [n for n in observation.nodes if n in needed])


def _first(observation: Observation, order: list[Node]) -> str:
    """Of steps in the order of execution the first that made something not finite of finite."""
    spoilt = [n for n in order if not _is_finite(n.value)]
    for node in (*(n for n in spoilt if all(map(_is_finite, n.arguments))), *spoilt):
        what = observation.name_of(node)
        return f"{what}{_line(node)} is {_what(node.value)} first"
    return ""


def _line(node: Node) -> str:
    place = where(node)
    return f", line {place.line}," if place is not None and place.line else ""


def _is_finite(x: Any) -> bool:
    kind = getattr(x, "dtype", np.dtype(type(x)) if isinstance(x, (int, float)) else None)
    return getattr(kind, "kind", "") not in ("f", "c") or bool(np.isfinite(x).all())


def _what(x: Any) -> str:
    """``nan``, ``inf`` or ``-inf``: the first that is found in an array."""
    flat = np.ravel(x)
    return str(float(flat[np.argmin(np.isfinite(flat))]))


# --- kinks and rounding ---------------------------------------------------------------------------


def _excused(observation: Observation, others: tuple[Draw, ...], own: Draw, name: str) -> bool:
    """Whether a difference is gone as soon as the parameters are moved off the point."""
    node = observation.grads[name]
    if not isinstance(node, Node):
        return False
    hairs = [draw(observation, seed, by=_HAIR) for seed in (11, 12)]
    nearby = [d for d in (*hairs, *others) if d is not None]
    return len(nearby) >= 2 and all(same_in(observation, d, name) for d in nearby)


def same_in(observation: Observation, d: Draw, name: str) -> bool:
    """Whether a hand-written gradient is right in a draw."""
    node = observation.grads[name]
    truth = d.gradient(observation, name)
    lowest = np.finfo(np.float64).eps * 1e2 * floor(observation, d, name)
    lowest += nothing(observation, d, name)
    return agree(truth, _yours(observation, d, name), _slack_of(d, node), lowest)


def _right_in(observation: Observation, d: Draw, seed: int, name: str) -> bool:
    return same_in(observation, d, name) or _within_noise(observation, d, seed, name)


def _near(observation: Observation, d: Draw, name: str) -> bool:
    """Whether a hand-written gradient is right in a draw, but for what no mistake makes."""
    yours = _yours(observation, d, name)
    small = agree(d.gradient(observation, name), yours, _NEGLIGIBLE)
    return small or same_in(observation, d, name)


def _yours(observation: Observation, d: Draw, name: str) -> Any:
    """A hand-written gradient in a draw."""
    node = observation.grads[name]
    return d.values[node] if isinstance(node, Node) and node in d.values else value_of(node)


def nothing(observation: Observation, d: Draw, name: str) -> float:
    """A gradient so small that moving the parameter by its own size changes nothing of the loss."""
    loss = float(np.max(np.abs(d.values[observation.loss]), initial=0))
    size = float(np.max(np.abs(d.values[observation.params[name]]), initial=0))
    return _NOTHING * loss / size if size else 0.0


def _is_noise(observation: Observation, own: Draw, others: tuple[Draw, ...], name: str) -> bool:
    """Whether a difference is no larger than what errors in the last place make of it.

    So it is where numbers cancel on the way, as in a saturated softmax. Beside the user's point it
    must be as small, or right.
    """
    return (
        len(others) >= 2
        and _within_noise(observation, own, None, name)
        and all(_right_in(observation, d, seed, name) for seed, d in enumerate(others, 1))
    )


def _within_noise(observation: Observation, d: Draw, seed: int | None, name: str) -> bool:
    if not isinstance(observation.grads[name], Node):
        return False
    truth, yours = d.gradient(observation, name), _yours(observation, d, name)
    narrow = slack(observation, name) > _ROUNDING[np.dtype(np.float64)] and seed is None
    precision = float(np.finfo(np.float32).eps / np.finfo(np.float64).eps) if narrow else 1.0
    gap = float(np.max(np.abs(truth - yours), initial=0))
    size = float(np.max(np.abs(d.values[observation.params[name]]), initial=0))
    if gap * size > _ROUNDED * precision * _terms(d):
        return False
    noise = 0.0
    for shake in (31, 32, 33):
        other = draw(observation, seed, shake=shake)
        if other is None:
            return False
        pairs = (
            (truth, other.gradient(observation, name)),
            (yours, _yours(observation, other, name)),
        )
        noise = max(noise, *(float(np.max(np.abs(b - a), initial=0)) for a, b in pairs))
    return gap <= _NOISE * noise * precision


def _terms(d: Draw) -> float:
    """How large the terms are that the loss is computed from."""
    sizes = (np.sum(np.abs(g * d.values[n])) for n, g in d.cotangents.items() if n in d.values)
    return max((float(s) for s in sizes if np.isfinite(s)), default=0.0)


def _slack_of(d: Draw, node: Any) -> float:
    kind = getattr(d.values.get(node), "dtype", np.dtype(float))
    return _ROUNDING.get(kind, 1e-9)


def _with_hidden(
    run: Run, observation: Observation, others: tuple[Draw, ...], found: list[AuditRow]
) -> list[AuditRow]:
    """The rows, with the faults that the user's own numbers hide.

    A bias that is zero hides a penalty on it; ``reg`` that is zero hides nothing that counts. Such
    a fault is believed when the user's code, really run with moved parameters, shows it.
    """
    suspects = [
        row.parameter
        for row in found
        if row.ok and len(others) >= 2 and row.parameter in observation.params and not row.note
        and not any(_right_in(observation, d, i, row.parameter) for i, d in enumerate(others, 1))
    ]  # fmt: skip
    if not suspects:
        return found
    wrong = set(suspects)
    for seed in (1, 2):
        params = observation.params.items()
        values = {n: moved(p.value, 1000 * seed + i) for i, (n, p) in enumerate(params)}
        try:
            real = run.observe(values)
        except (TinygradError, ArithmeticError, ValueError, IndexError):
            return found
        again = draw(real)
        wrong &= {n for n in suspects if again is not None and not _near(real, again, n)}
    note = "right at these very numbers only: with parameters a little moved it is wrong"
    return [
        replace(row, ok=False, verdict="wrong", note=note) if row.parameter in wrong else row
        for row in found
    ]


# --- numeric differences --------------------------------------------------------------------------


class _Numeric:
    """Numeric derivatives of the loss that the user's code computes on plain arrays."""

    def __init__(self, run: Run, observation: Observation, notes: list[str]) -> None:
        self.names = list(observation.params)
        leaves = [np.array(n.value, dtype=np.float64) for n in observation.params.values()]
        self.complete = sum(x.size for x in leaves) <= _ALL
        self.known: dict[Any, Any] = {}
        self.point: Point | None = None

        def loss(*values: Any) -> list[Any]:
            with quiet():
                return [np.float64(run.loss(dict(zip(self.names, values, strict=True))))]

        try:
            self.point = Point(loss, leaves)
        except TinygradError as error:
            notes.append(f"no numeric differences: {str(error).splitlines()[0]}")
            return
        value = float(np.reshape(observation.loss.value, ()))
        tolerance = 1e-9 if observation.loss.value.dtype == np.float64 else 1e-3
        if abs(value - self.point.value[0]) > tolerance * (1 + abs(value)):
            notes.append(
                f"the loss is {value:.10g} when recorded and {self.point.value[0]:.10g} on plain "
                "arrays"
            )

    def _entry(self, name: str, index: tuple[int, ...], factor: float = 1.0) -> Any:
        key = (name, index, factor)
        if key not in self.known and self.point is not None:
            self.known[key] = self.point.entry(self.names.index(name), index, factor)
        return self.known[key]

    def _along(self, name: str, factor: float = 1.0) -> Any:
        key = (name, None, factor)
        if key not in self.known and self.point is not None:
            i = self.names.index(name)
            self.known[key] = self.point.along(i, directions(self.point, i)[0], factor)
        return self.known[key]

    def worst(
        self, name: str, truth: Array, yours: Array, index: tuple[int, ...]
    ) -> Finding | None:
        """Autodiff's entry at an index, judged; None if nothing could be measured."""
        if self.point is None:
            return None
        return judge_entry(np.asarray(truth), index, self._entry(name, index))

    def confirms(self, name: str, gradient: Array) -> bool:
        """Whether a gradient is that of the loss, as far as it was measured."""
        if self.point is None:
            return True
        gradient = np.asarray(gradient)
        i = self.names.index(name)
        if self.complete or gradient.size == 1:
            return all(self._agrees_at(name, gradient, at) for at in np.ndindex(gradient.shape))
        direction = directions(self.point, i)[0]
        return confirmed(
            judge_direction(gradient, direction, self._along(name)),
            lambda factor: judge_direction(gradient, direction, self._along(name, factor)),
        ).agrees

    def _agrees_at(self, name: str, gradient: Array, index: tuple[int, ...]) -> bool:
        return confirmed(
            judge_entry(gradient, index, self._entry(name, index)),
            lambda factor: judge_entry(gradient, index, self._entry(name, index, factor)),
        ).agrees
