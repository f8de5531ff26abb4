"""The verdict on each gradient, three ways: autodiff's, yours, and numeric differences.

Imports: observe, draws; check/judge, numeric, report.
"""

from __future__ import annotations

import contextlib
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
from .draws import Draw, draw, moved
from .observe import Observation, observe, plain_run
from .result import AuditRow

#: Relative to the largest entry: what rounding explains, by precision.
_ROUNDING = {np.dtype(np.float64): 1e-9, np.dtype(np.float32): 2e-4, np.dtype(np.float16): 0.05}
#: Up to so many entries in all, every one is measured numerically.
_ALL = 400
#: How small a move is that only gets off a kink.
_HAIR = 1e-4


@dataclass(frozen=True)
class Run:
    """The user's call."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def observe(self, values: Mapping[str, Any] | None = None) -> Observation:
        """Recorded; with other parameters, if they are given."""
        if values is None:
            return observe(self.function, self.args, self.kwargs)
        with quiet():
            return observe(self.function, self.args, self.kwargs, values)

    def loss(self, values: Mapping[str, Any]) -> float:
        """On plain arrays."""
        return plain_run(self.function, self.args, self.kwargs, values)[0]


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
    measure = _Numeric(run, observation, notes)
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
    shape = np.shape(truth)
    fault = _fault(given, truth, own, observation, name)
    if fault:
        return AuditRow(name, shape, False, fault)
    yours = np.asarray(given, dtype=np.float64)
    slacks = slack(observation, name)
    lowest = np.finfo(np.float64).eps * 1e2 * floor(observation, own, name) * slacks / 1e-9
    same = agree(truth, yours, slacks, lowest)
    note = "" if observation.params[name] in own.cotangents else "the loss does not depend on it"
    excused = not same and _excused(observation, others, own, name)
    if excused:
        same, note = True, "at a kink, or what rounding leaves: a hair aside both are the same"
    difference = np.abs(truth - yours)
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


def _fault(given: Any, truth: Any, own: Draw, observation: Observation, name: str) -> str:
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
    return "" if np.isfinite(value).all() else "not finite"


def _as_what(value: Array, truth: Any) -> str:
    """How a gradient of another shape has the right numbers, if it has."""
    if value.shape == truth.shape[::-1] and value.ndim == 2 and agree(value.T, truth, 1e-4):
        return ": transposed"
    if value.shape == truth.shape[::-1] and value.ndim == 2:
        return ": as if transposed"
    if value.size == truth.size and agree(np.reshape(value, truth.shape), truth, 1e-4):
        return ": the numbers are right"
    return ""


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
    value = d.values[node] if isinstance(node, Node) and node in d.values else value_of(node)
    truth = d.gradient(observation, name)
    lowest = np.finfo(np.float64).eps * 1e2 * floor(observation, d, name)
    return agree(truth, value, _slack_of(d, node), lowest)


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
        and not any(same_in(observation, d, row.parameter) for d in others)
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
        wrong &= {n for n in suspects if again is not None and not same_in(real, again, n)}
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
