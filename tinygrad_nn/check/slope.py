"""The slope of a line: differences at ever smaller steps, extrapolated, with an error bar.

Central differences at three step sizes are extrapolated to step zero (Richardson). A window of
steps that does not settle, because it crosses a kink or leaves the domain, gives way to a smaller
one. Three steps leave a truncation error of about the sixth power of the step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .program import Array

#: The outputs at a distance along a line, or None where the function has no value.
Line = Callable[[float], Array | None]
#: How often the window of steps may shrink, eightfold each time.
_WINDOWS = 12
#: After how many windows that see the same kink it is taken to be at the point itself.
_STEADY = 4
#: How often it may grow instead, where rounding error is all that blurs it.
_WIDER = 3
#: By how many times the rounding error a window is blurred by more than that.
_BLUR = 10
#: Relative error bar at which a slope needs no smaller steps.
_SETTLED = 1e-9


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


class Probe:
    """The outputs along a line, and how they round there.

    Args:
        line: a number to the outputs at that distance; None where there are none.
        value: the outputs at 0.
        weights: with which they add up to the number that is differentiated.
        epsilon: the relative rounding error of each.
        jitter: an absolute one.
    """

    def __init__(
        self, line: Line, value: Array, weights: Array, epsilon: Array, jitter: Array
    ) -> None:
        self.line = line
        self.value = value
        self.weights = weights
        self.epsilon = epsilon
        self.jitter = jitter
        self.touched = np.zeros(value.shape, bool)

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
            return 4 * norm(self.epsilon * self.weights * np.maximum(size, 1))
        each = self.weights * np.maximum(self.epsilon * size, self.jitter)
        return 4 * norm(each[self.touched])


def slope(probe: Probe, step: float) -> Slope:
    """The derivative at 0 of the weighted outputs along a line.

    Windows of shrinking steps are tried until one settles, or rounding error takes over; where
    rounding is all that blurs the first, larger ones. The one of least doubt is the answer, unless
    even that has not come off a kink that wider ones saw.

    Args:
        probe: the line.
        step: the first step.
    """
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
        if (
            best is None
            or blurred
            or window.doubt < best.doubt
            or not _are_consistent(window, best)
        ):
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


def _widened(probe: Probe, step: float, best: _Window) -> _Window:
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
    return abs(a.slope.value - b.slope.value) <= 2 * (a.doubt + b.doubt)


def _is_settled(window: _Window) -> bool:
    return window.doubt <= _SETTLED * abs(window.slope.value)


def _window(probe: Probe, step: float) -> _Window | None:
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
    probe: Probe, outputs: list[Array] | None, steps: list[float]
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
    probe: Probe, ahead: list[Array], behind: list[Array], steps: list[float]
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


def norm(x: Array) -> float:
    """The Euclidean length, also of numbers whose squares overflow."""
    largest = float(np.max(np.abs(x), initial=0))
    return largest * float(np.linalg.norm(x / largest)) if 0 < largest < np.inf else largest
