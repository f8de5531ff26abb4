"""Judging a derivative by its numeric value: tolerance, error bars, kinks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .program import Array
from .slope import Slope

#: Relative difference that is still agreement, before the numeric error bar is added.
TOLERANCE = 1e-7
#: Rounding error that an entry may have from its array's largest entries, relative to these.
_ROUNDING = 1e-11
#: Error bar, relative to what is measured, beyond which a relative error means nothing.
_RESOLVED = 1e-3
#: ... unless it is so small that nobody will ask.
_HARMLESS = 1e-6
#: How many error bars of the numeric derivative are still agreement.
_BARS = 8
#: How many disagreements are measured again, before the others are believed.
PATIENCE = 8
#: Other first steps, to measure again with where the first measurement disagrees: an error bar is
#: an estimate, and kinks in the wrong places can deceive it.
_OTHER_STEPS = (0.37, 0.022, 90.0, 65536.0)


@dataclass(frozen=True)
class Finding:
    """One derivative, two ways.

    Attributes:
        autodiff: the derivative that is judged.
        measured: the numeric one.
        tolerance: by how much they may differ.
        agrees: whether they do, or a kink excuses it.
        beside: whether the numbers are those of a point moved slightly, off a kink.
    """

    autodiff: float
    measured: Slope
    tolerance: float
    agrees: bool
    beside: bool = False

    @property
    def numeric(self) -> float:
        """The numeric derivative; NaN if it could not be measured."""
        return self.measured.value

    @property
    def kink(self) -> bool:
        """Whether the one-sided derivatives differ at the given point."""
        return self.measured.kink or self.beside

    @property
    def lost(self) -> bool:
        """Whether the numeric derivative could not be measured."""
        return bool(np.isnan(self.numeric))

    @property
    def difference(self) -> float:
        """How far the two are from each other."""
        return abs(self.autodiff - self.numeric)

    @property
    def excess(self) -> float:
        """The difference in units of what is allowed."""
        if self.lost or not self.difference:
            return 0.0
        return self.difference / self.tolerance if self.tolerance else np.inf

    def is_resolved(self, floor: float) -> bool:
        """Whether the relative error, with this floor, says more than how the value rounds."""
        size = max(floor, abs(self.autodiff) + abs(self.numeric))
        clear = self.measured.error <= _RESOLVED * size
        return clear or not self.agrees or self.difference <= _HARMLESS * size


def judge(autodiff: float, measured: Slope, size: float, floor: float) -> Finding:
    """Compare a derivative with its numeric value.

    Args:
        autodiff: the derivative to judge.
        measured: the numeric one.
        size: what the relative tolerance is relative to.
        floor: an absolute difference that rounding alone explains.
    """
    tolerance = TOLERANCE * size + floor + _BARS * measured.error
    agrees = abs(autodiff - measured.value) <= tolerance
    if measured.kink and not agrees:
        # Where several kinks meet, a rule that gives 0 at its own leaves terms out, so 0 belongs
        # to what may come out.
        low = min(measured.left, measured.right, 0.0) - tolerance
        high = max(measured.left, measured.right, 0.0) + tolerance
        agrees = low <= autodiff <= high
    return Finding(autodiff, measured, tolerance, bool(agrees))


def judge_entry(autodiff: Array, index: tuple[int, ...], measured: Slope) -> Finding:
    """Judge one entry of a gradient, given all of it."""
    a = float(autodiff[index])
    size = max(abs(a), abs(float(np.nan_to_num(measured.value))))
    return judge(a, measured, size, _ROUNDING * float(np.max(np.abs(autodiff))))


def judge_direction(autodiff: Array, direction: Array, measured: Slope) -> Finding:
    """Judge a gradient by its component along a direction."""
    terms = autodiff * direction
    return judge(float(np.sum(terms)), measured, float(np.linalg.norm(terms)), 0.0)


def confirmed(found: Finding, again: Callable[[float], Finding]) -> Finding:
    """The finding, unless a measurement with other steps excuses it.

    Args:
        found: a first finding.
        again: the same, measured with the first step multiplied by a factor. It counts only if its
            error bar is small enough to have told the difference.
    """
    if found.agrees or found.kink or found.lost:
        return found
    for factor in _OTHER_STEPS:
        other = again(factor)
        telling = other.measured.error <= 0.25 * found.difference
        if telling and other.agrees and other.difference <= 0.5 * found.difference:
            return other
    return found


def sample_entries(gradient: Array, count: int, seed: int) -> list[int]:
    """Positions of up to ``count`` entries: half the largest in size, half drawn at random."""
    order = np.argsort(-np.abs(gradient), axis=None, kind="stable")
    half = count // 2
    drawn = np.random.default_rng(seed).permutation(order[half:])[: count - half]
    return [int(i) for i in (*order[:half], *drawn)]
