"""Numeric differences: a program at a point, as a black box run on plain float64 arrays.

It is moved along lines, an entry or a random direction of one argument; ``slope`` then measures.
Nothing here knows the rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DtypeError, GradientError
from ..tensor import Tensor
from .program import Array, Function, plain
from .report import number
from .slope import Line, Probe, Slope, norm, slope

#: The first step, relative to the scale of what is moved. Three extrapolations leave a truncation
#: error of about its sixth power, as large as float64's rounding error.
_STEP = 2.0**-6
#: Steps, relative to the scale, so short that a function is a line but for its rounding.
_HAIRS = (2.0**-42, 2.0**-38, 2.0**-31, 2.0**-24)
#: Along how many random directions a large array is examined.
DIRECTIONS = 2


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

        return self._slope(line, i, factor, 1.0)

    def entry(self, i: int, index: tuple[int, ...], factor: float = 1.0) -> Slope:
        """The derivative with respect to one entry of leaf ``i``; ``factor`` as in ``along``."""
        leaf = self.leaves[i]

        def line(t: float) -> Array | None:
            moved = leaf.copy()
            moved[index] += t
            return self.at([*self.leaves[:i], moved, *self.leaves[i + 1 :]])

        scale = float(self.scales[i][index])
        return self._slope(line, i, factor, scale)

    def _slope(self, line: Line, i: int, factor: float, scale: float) -> Slope:
        """The slope, with the error bar that any derivative has by the rounding of the outputs.

        Also those outputs count that stay the same along the line: a derivative that is nothing
        beside them may be what a cancellation has left, in autodiff as well.
        """
        probe = Probe(line, self.value, self.weights, self.epsilon, self.jitter(i))
        found = slope(probe, _STEP * factor * scale)
        return replace(found, error=found.error + self.rounding() / scale)

    def rounding(self) -> float:
        """By how much the weighted outputs may be off, in the precision that they are in."""
        return 4 * norm(self.epsilon * self.weights * self.value) + norm(self.weights * self.blur)

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
