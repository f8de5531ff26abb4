"""Numeric differences: the derivative of a program along a line, with an error bar.

A program is run as a black box, on plain float64 arrays. Central differences at three step sizes
are extrapolated to step zero (Richardson); a window of steps that does not settle, because it
crosses a kink or leaves the domain, gives way to a smaller one. Nothing here knows the rules.

Imports: program, errors, tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DtypeError, GradientError
from ..tensor import Tensor
from .program import Array, Function, plain
from .report import number

#: The outputs at a distance along a line, or None where the function has no value.
Line = Callable[[float], Array | None]

#: The first step, relative to the scale of what is moved. Three extrapolations leave a truncation
#: error of about its sixth power, as large as float64's rounding error.
_STEP = 2.0**-6
#: How often the window of steps may shrink, eightfold each time.
_WINDOWS = 12
#: After how many windows that see the same kink it is taken to be at the point itself.
_STEADY = 4
#: How often it may grow instead, where rounding error is all that blurs it.
_WIDER = 3
#: Steps, relative to the scale, so short that a function is a line but for its rounding.
_HAIRS = (2.0**-42, 2.0**-38, 2.0**-31, 2.0**-24)
#: By how many times the rounding error a window is blurred by more than that.
_BLUR = 10
#: Relative error bar at which a slope needs no smaller steps.
_SETTLED = 1e-9
#: Along how many random directions a large array is examined.
DIRECTIONS = 2


# --- a program at a point -------------------------------------------------------------------------


class Point:
    """A program and the place where its derivatives are taken.

    Its outputs are one long vector, contracted with fixed random weights into a single number, so
    that every output counts. A program with a single number for its value is taken as it is.

    Args:
        run: a function of the leaves to a list of floating-point arrays or tensors.
        leaves: where, float64.
        weights: one for each output; drawn if they are not given.
        blur: an error that each output may have beside the rounding of its value; 0 by default.

    Raises:
        GradientError: the value is NaN or infinite, or another at every call.
        DtypeError: nothing floating-point comes out.
    """

    def __init__(
        self,
        run: Function,
        leaves: list[Array],
        weights: Array | None = None,
        blur: Array | None = None,
    ) -> None:
        self.run = run
        self.leaves = leaves
        self.scales = [scales(x) for x in leaves]
        self._jitters: dict[int, Array] = {}
        self.on_tensors = False
        outputs = self._first_run()
        if not outputs:
            raise DtypeError(
                "nothing to differentiate: the function returns no floating-point value"
            )
        self.shapes = [np.shape(out) for out in outputs]
        self.epsilon = np.concatenate(
            [np.full(out.size, np.finfo(out.dtype).eps) for out in outputs]
        )
        self.value = _flat(outputs)
        if not np.isfinite(self.value).all():
            bad = self.value[~np.isfinite(self.value)][0]
            raise GradientError(f"the function's value is {bad} here, so it has no gradient")
        self.blur = np.zeros(self.value.shape) if blur is None else blur
        self._check_repeatable()
        self.weights = _weights(outputs) if weights is None else weights

    def _first_run(self) -> list[Any]:
        """Run on plain arrays, as an oracle should; on tensors if the function asks for those."""
        try:
            return self.outputs(self.leaves)
        except (AttributeError, TypeError, NotImplementedError):
            self.on_tensors = True
            return self.outputs(self.leaves)

    def _check_repeatable(self) -> None:
        again = self.at(self.leaves)
        if again is None or self.differs(again).any():
            i = 0 if again is None else int(np.argmax(np.abs(again - self.value)))
            other = "something of another shape" if again is None else number(again[i])
            raise GradientError(
                "the function is not deterministic: called twice with the same arguments it gave "
                f"{number(self.value[i])} and {other}\n"
                "  numeric differences need the same value for the same arguments: seed the random "
                "numbers inside the function, or switch dropout off"
            )

    def differs(self, value: Array) -> NDArray[np.bool_]:
        """Where another value of the outputs is not the same, by more than rounding explains."""
        slack = np.sqrt(self.epsilon) * np.max(np.abs(self.value), initial=0)
        different: NDArray[np.bool_] = np.abs(value - self.value) > slack
        return different

    def outputs(self, leaves: Sequence[Any]) -> list[Any]:
        """The outputs as arrays, for copies of the given leaves."""
        values = [Tensor(x) if self.on_tensors else x.copy()[()] for x in leaves]
        with np.errstate(all="ignore"):
            return [np.asarray(plain(out)) for out in self.run(*values)]

    def at(self, leaves: Sequence[Any]) -> Array | None:
        """The outputs as one vector; None where there is no value of the usual shape."""
        try:
            outputs = self.outputs(leaves)
        except (ArithmeticError, ValueError):  # outside the domain, such as a singular matrix
            return None
        if [np.shape(out) for out in outputs] != self.shapes:
            return None
        return _flat(outputs)

    def cotangents(self) -> list[Array]:
        """The weights in the outputs' shapes."""
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        parts = np.split(self.weights, np.cumsum(sizes)[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]

    # --- moving along a line --------------------------------------------------------------------

    def along(self, i: int, direction: Array, factor: float = 1.0) -> Slope:
        """The derivative when leaf ``i`` moves along ``direction``, of the leaf's shape.

        ``factor`` changes the first step.
        """

        def line(t: float) -> Array | None:
            return self.at(self._moved(i, t * direction))

        return self._blurred(slope(line, self, self.jitter(i), _STEP * factor), 1.0)

    def entry(self, i: int, index: tuple[int, ...], factor: float = 1.0) -> Slope:
        """The derivative with respect to one entry of leaf ``i``; ``factor`` as in ``along``."""
        leaf = self.leaves[i]

        def line(t: float) -> Array | None:
            moved = leaf.copy()
            moved[index] += t
            return self.at([*self.leaves[:i], moved, *self.leaves[i + 1 :]])

        scale = float(self.scales[i][index])
        return self._blurred(slope(line, self, self.jitter(i), _STEP * factor * scale), scale)

    def _blurred(self, found: Slope, scale: float) -> Slope:
        """The slope, with the error bar that any derivative has by the rounding of the outputs.

        Also those outputs count that stay the same along the line: a derivative that is nothing
        beside them may be what a cancellation has left, in autodiff as well.
        """
        return replace(found, error=found.error + self.rounding() / scale)

    def rounding(self) -> float:
        """By how much the weighted outputs may be off, in the precision that they are in."""
        return 4 * _norm(self.epsilon * self.weights * self.value) + _norm(self.weights * self.blur)

    def gradient_blur(self) -> Array:
        """The error that each entry of the gradient may have by the rounding of the outputs."""
        return self.rounding() / np.concatenate([unit.ravel() for unit in self.scales])

    def jitter(self, i: int) -> Array:
        """The rounding error of each output as leaf ``i`` moves: what no derivative explains.

        Seven values a hair apart lie on a line, but for rounding; their third differences show it.
        An output whose value is what a cancellation has left rounds much worse than its last digit.

        Source: J. J. More and S. M. Wild, "Estimating Computational Noise", 2011.
        """
        if i not in self._jitters:
            found = np.zeros(self.value.shape)
            moved = np.zeros(self.value.shape, int)
            for hair in _HAIRS:
                values = self._along_a_hair(i, hair)
                if values is None:
                    continue
                changed = (moved < 2) & np.ptp(values, axis=0).astype(bool)
                third = np.max(np.abs(np.diff(values, 3, axis=0)), axis=0) / np.sqrt(20)
                found[changed] = np.maximum(found, third)[changed]
                moved += changed  # twice, because equal steps may also round to equal ones
                if (moved == 2).all():
                    break
            self._jitters[i] = np.where(found > 0, found, self.blur)
        return self._jitters[i]

    def _along_a_hair(self, i: int, hair: float) -> Array | None:
        """Seven values of the outputs, ``hair`` apart; None if one of them is missing."""
        step = hair * directions(self, i)[0]
        values = [self.at(self._moved(i, k * step)) for k in range(7)]
        found = [v for v in values if v is not None and np.isfinite(v).all()]
        return np.array(found) if len(found) == len(values) else None

    def _moved(self, i: int, by: Array) -> list[Array]:
        return [*self.leaves[:i], np.asarray(self.leaves[i] + by), *self.leaves[i + 1 :]]

    def nudged(self) -> list[Point]:
        """Points on opposite sides, off any kink that this one sits on; those that have a value."""
        found: list[Point] = []
        for amount in (2.0**-10, -(2.0**-10)):
            lines = zip(self.leaves, self.random(DIRECTIONS), strict=True)
            moved = [np.asarray(x + amount * d) for x, d in lines]
            value = self.at(moved)
            if value is not None and np.isfinite(value).all():
                found.append(Point(self.run, moved, self.weights, self.blur))
        return found

    def random(self, seed: int) -> list[Array]:
        """For each leaf a random direction without a tiny component, in proportion to its scale."""
        random = np.random.default_rng(seed)
        return [unit * signed(random, unit.shape) for unit in self.scales]


def directions(point: Point, i: int) -> list[Array]:
    """The random directions along which leaf ``i`` is examined, the same at every call."""
    return [point.random(seed)[i] for seed in range(DIRECTIONS)]


def scales(x: Array) -> Array:
    """For each entry a natural unit to move it by, a power of two.

    Its own size, but not much less than what is usual in the array (a geometric mean, which a few
    huge entries do not lift); 1 in an array of zeros.
    """
    size = np.abs(x)
    usual = np.exp(np.mean(np.log(size[size > 0]))) if size.any() else 10.0
    unit: Array = np.exp2(np.round(np.log2(np.maximum(size, 0.1 * usual))))
    return unit


def signed(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Random numbers of either sign, between 1/2 and 3/2 in size."""
    sizes: Array = np.asarray(random.uniform(0.5, 1.5, shape))
    signs: Array = np.asarray(random.choice([-1.0, 1.0], shape))
    return sizes * signs


def _flat(outputs: list[Any]) -> Array:
    return np.concatenate([np.ravel(out).astype(np.float64) for out in outputs])


def _weights(outputs: list[Any]) -> Array:
    """One weight for each output entry: large and small outputs of a structure count alike."""
    if len(outputs) == 1:
        return np.ones(1) if outputs[0].size == 1 else signed(_random(), outputs[0].shape).ravel()
    random = _random()
    sizes = [float(np.max(np.abs(out), initial=0)) or 1.0 for out in outputs]
    drawn = [signed(random, out.shape).ravel() / s for out, s in zip(outputs, sizes, strict=True)]
    return np.concatenate(drawn)


def _random() -> np.random.Generator:
    return np.random.default_rng(1)


# --- the slope of a line --------------------------------------------------------------------------


@dataclass(frozen=True)
class Slope:
    """A numeric derivative.

    Attributes:
        value: the two-sided derivative, or the one-sided one at the edge of the domain; NaN if
            nothing could be measured.
        error: how far it (at a kink: the one-sided ones) may be off, by the disagreement of the
            steps and the rounding error of the function's value.
        left, right: the one-sided derivatives.
        kink: whether these two disagree.
    """

    value: float
    error: float
    left: float
    right: float
    kink: bool = False


@dataclass(frozen=True)
class _Window:
    """What one window of steps gives.

    Attributes:
        slope: the derivative.
        doubt: its error, a gap between the one-sided derivatives included: a kink anywhere inside
            the window falsifies the two-sided one without disturbing its extrapolation.
        noise: the part of the error that comes from rounding.
        gap: the gap between the one-sided derivatives.
        sides: the error of these.
    """

    slope: Slope
    doubt: float
    noise: float
    gap: float = 0.0
    sides: float = np.inf

    def sees_more(self, wider: _Window | None) -> bool:
        """Whether a kink is clear here, or clearer: at a jump the gap grows as the steps shrink."""
        if not self.slope.kink or wider is None:
            return self.slope.kink
        return self.gap > 20 * self.sides or self.gap > 4 * wider.gap

    def sees_the_same(self, wider: _Window | None) -> bool:
        """Whether both see a kink, with the same derivatives on its two sides."""
        if wider is None or not self.gap > 20 * self.sides:
            return False
        slack = self.sides + wider.sides
        changes = (self.slope.left - wider.slope.left, self.slope.right - wider.slope.right)
        return max(map(abs, changes)) <= slack


def slope(line: Line, point: Point, jitter: Array, step: float) -> Slope:
    """The derivative at 0 of the weighted outputs along ``line``.

    Windows of shrinking steps are tried until one settles, or rounding error takes over; where
    rounding is all that blurs the first, larger ones. The one of least doubt is the answer, unless
    even that has not come off a kink that wider ones saw.

    Args:
        line: a number to the outputs there; None where there are none.
        point: whose value is that at 0, with weights.
        jitter: the rounding error of each output.
        step: the first step.
    """
    probe = _Probe(line, point, jitter)
    best: _Window | None = None
    kink: _Window | None = None
    steady = 1
    h = widest = step
    for _ in range(_WINDOWS):
        window = _window(probe, h)
        if window is None:
            h /= 64
            continue
        # As long as more than rounding blurs them, smaller steps are better: what happens inside
        # a window happens inside wider ones as well, even if these by chance seem settled.
        blurred = window.doubt > _BLUR * window.noise
        if best is None or blurred or window.doubt < best.doubt:
            best, widest = window, h
        steady = steady + 1 if window.sees_the_same(kink) else 1
        if window.sees_more(kink):
            kink = window
        # The next window's rounding error is eight times this one's.
        if _is_settled(best) or 8 * window.noise >= best.doubt or steady == _STEADY:
            break
        h /= 8
    if best is None:
        return Slope(np.nan, np.nan, np.nan, np.nan)
    if kink is not None and (best.slope.kink or best.doubt > 0.1 * kink.gap):
        return kink.slope
    if widest == step and probe.touched.any():
        best = _widened(probe, step, best)
    return best.slope


def _widened(probe: _Probe, step: float, best: _Window) -> _Window:
    """The best of larger windows, as long as rounding is all that blurs them."""
    for _ in range(_WIDER):
        if _is_settled(best) or best.doubt > _BLUR * best.noise:
            break
        step *= 8
        window = _window(probe, step)
        if window is None or window.doubt >= best.doubt or not _are_consistent(window, best):
            break
        best = window
    return best


def _are_consistent(a: _Window, b: _Window) -> bool:
    return abs(a.slope.value - b.slope.value) <= 4 * (a.doubt + b.doubt)


def _is_settled(window: _Window) -> bool:
    return window.doubt <= _SETTLED * abs(window.slope.value)


class _Probe:
    """The outputs along a line, and how they round there."""

    def __init__(self, line: Line, point: Point, jitter: Array) -> None:
        self.line = line
        self.value = point.value
        self.weights = point.weights
        self.epsilon = point.epsilon
        self.jitter = jitter
        self.touched = np.zeros(point.value.shape, bool)

    def side(self, steps: list[float]) -> list[Array] | None:
        """The outputs at each step, or None if they are not finite everywhere."""
        found: list[Array] = []
        for h in steps:
            outputs = self.line(h)
            if outputs is None or not np.isfinite(outputs).all():
                return None
            found.append(outputs)
            self.touched |= outputs != self.value
        return found

    def rounding(self, *sides: list[Array] | None) -> float:
        """The rounding error of the weighted outputs.

        An output that no step has changed does not round differently either. If none has changed,
        any change may have been lost in rounding: of the values, or of numbers near 1 behind a
        saturated function whose value is as good as 0.
        """
        size = np.abs(self.value)
        for outputs in sides:
            if outputs is not None:
                size = np.maximum(size, np.abs(outputs[0]))
        if not self.touched.any():
            return 4 * _norm(self.epsilon * self.weights * np.maximum(size, 1))
        each = self.weights * np.maximum(self.epsilon * size, self.jitter)
        return 4 * _norm(each[self.touched])


def _window(probe: _Probe, step: float) -> _Window | None:
    """Differences at steps h, h/2 and h/4, extrapolated; None if both sides lack a value."""
    steps = [step, step / 2, step / 4]
    with np.errstate(all="ignore"):
        ahead = probe.side(steps)
        behind = probe.side([-h for h in steps])
        if ahead is None and behind is None:
            return None
        noise = probe.rounding(ahead, behind) / steps[-1]
        left, left_error = _one_sided(probe, behind, [-h for h in steps])
        right, right_error = _one_sided(probe, ahead, steps)
        if ahead is None or behind is None:
            value, error = (left, left_error) if ahead is None else (right, right_error)
            return _Window(Slope(value, error + 4 * noise, value, value), error + 4 * noise, noise)
        value, error, gap = _two_sided(probe, ahead, behind, steps)
    doubt = error + noise + max(0.0, gap - 2 * noise)
    sides = left_error + right_error + 4 * noise
    kink = gap > 5 * sides
    measured = Slope(value, sides if kink else doubt, left, right, kink)
    return _Window(measured, doubt, noise, gap, sides)


def _one_sided(
    probe: _Probe, outputs: list[Array] | None, steps: list[float]
) -> tuple[float, float]:
    """The one-sided derivative, extrapolated, and the last correction as its error bar."""
    if outputs is None:
        return np.nan, np.inf
    a, b, c = (
        float(probe.weights @ (y - probe.value)) / h for y, h in zip(outputs, steps, strict=True)
    )
    first_order = 2 * c - b
    second_order = (4 * first_order - (2 * b - a)) / 3
    return second_order, abs(second_order - first_order)


def _two_sided(
    probe: _Probe, ahead: list[Array], behind: list[Array], steps: list[float]
) -> tuple[float, float, float]:
    """The two-sided derivative, its error bar, and the gap between the one-sided derivatives.

    The two-sided differences are a series in even powers of the step, the gaps one in odd powers.
    """
    rates: list[float] = []
    gaps: list[float] = []
    for a, b, h in zip(ahead, behind, steps, strict=True):
        rates.append(float(probe.weights @ (a - b)) / (2 * h))
        gaps.append(float(probe.weights @ ((a - probe.value) + (b - probe.value))) / h)
    wide, narrow = rates[1] + (rates[1] - rates[0]) / 3, rates[2] + (rates[2] - rates[1]) / 3
    value = narrow + (narrow - wide) / 15
    gap = (8 * (2 * gaps[2] - gaps[1]) - (2 * gaps[1] - gaps[0])) / 7
    return value, abs(narrow - wide), abs(gap)


def _norm(x: Array) -> float:
    """The Euclidean length, also of numbers whose squares overflow."""
    largest = float(np.max(np.abs(x), initial=0))
    return largest * float(np.linalg.norm(x / largest)) if 0 < largest < np.inf else largest
