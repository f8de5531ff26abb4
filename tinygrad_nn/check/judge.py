"""Judging a derivative by its numeric value: tolerance, error bars, kinks. Imports: numeric."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .numeric import Array, Slope

#: Relative difference that is still agreement, before the numeric error bar is added.
TOLERANCE = 1e-7
#: Rounding error that an entry may have from its array's largest entries, relative to these.
_ROUNDING = 1e-11
#: How many error bars of the numeric derivative are still agreement.
_BARS = 4


@dataclass(frozen=True)
class Finding:
    """One derivative, two ways.

    Attributes:
        autodiff, numeric: the two numbers.
        tolerance: by how much they may differ.
        agrees: whether they do, or a kink excuses it.
        kink: whether the one-sided derivatives differ there.
        beside: whether the numbers are those of a point moved slightly, off a kink.
        lost: whether the numeric derivative could not be measured.
    """

    autodiff: float
    numeric: float
    tolerance: float
    agrees: bool
    kink: bool = False
    beside: bool = False
    lost: bool = False

    @property
    def excess(self) -> float:
        """The difference in units of what is allowed."""
        difference = abs(self.autodiff - self.numeric)
        return difference / self.tolerance if self.tolerance else (np.inf if difference else 0.0)


def judge(autodiff: float, measured: Slope, size: float, floor: float) -> Finding:
    """Compare a derivative with its numeric value.

    Args:
        autodiff: the derivative to judge.
        measured: the numeric one.
        size: what the relative tolerance is relative to.
        floor: an absolute difference that rounding alone explains.
    """
    tolerance = TOLERANCE * size + floor + _BARS * measured.error
    if np.isnan(measured.value):
        return Finding(autodiff, np.nan, tolerance, agrees=False, lost=True)
    agrees = abs(autodiff - measured.value) <= tolerance
    if measured.kink:
        # Where several kinks meet, a rule that gives 0 at its own leaves terms out, so 0 belongs
        # to what may come out.
        low = min(measured.left, measured.right, 0.0) - tolerance
        high = max(measured.left, measured.right, 0.0) + tolerance
        agrees = agrees or low <= autodiff <= high
    return Finding(autodiff, measured.value, tolerance, bool(agrees), measured.kink)


def judge_entry(autodiff: Array, index: tuple[int, ...], measured: Slope) -> Finding:
    """Judge one entry of a gradient, given all of it."""
    a = float(autodiff[index])
    size = max(abs(a), abs(np.nan_to_num(measured.value)))
    return judge(a, measured, size, _ROUNDING * float(np.max(np.abs(autodiff))))


def judge_direction(autodiff: Array, direction: Array, measured: Slope) -> Finding:
    """Judge a gradient by its component along a direction."""
    terms = autodiff * direction
    return judge(float(np.sum(terms)), measured, float(np.linalg.norm(terms)), 0.0)


def sample_entries(gradient: Array, count: int, seed: int) -> list[int]:
    """Positions of up to ``count`` entries: half the largest in size, half drawn at random."""
    order = np.argsort(-np.abs(gradient), axis=None, kind="stable")
    half = count // 2
    drawn = np.random.default_rng(seed).permutation(order[half:])[: count - half]
    return [int(i) for i in (*order[:half], *drawn)]
