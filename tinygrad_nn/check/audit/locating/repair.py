"""Trying a repair: another value in the place of a step, and the gradients that come of it.

The steps after it are computed again, as they were recorded. If the wrong gradients become right,
and the right ones stay so, the step is where to look, and the value is what it should have been.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....node import Node
from ..observing.draws import Draw
from ..observing.observe import Observation
from ..observing.replay import replay
from ..rounding import least
from .linear import Foretold
from .matching import nice

#: Relative difference that is still agreement.
_SAME = 1e-8

#: What is put in the place of each node, for one draw.
Change = dict[Node, Any]


@dataclass(frozen=True)
class Outcome:
    """What a repair does.

    Attributes:
        mended: the parameters whose gradients become right.
        factor: what the change was multiplied by for that.
    """

    mended: frozenset[str]
    factor: float = 1.0


class Repairs:
    """The wrong gradients of an observation, and what would mend them.

    Args:
        observation: the run.
        draws: the draws in which a repair must work.
        wrong: the names of the wrong gradients.
        right: those of the right ones, which must stay so.
    """

    def __init__(
        self,
        observation: Observation,
        draws: Sequence[Draw],
        wrong: Iterable[str],
        right: Iterable[str],
    ) -> None:
        self.draws = draws
        self.roots = {n: g for n, g in observation.grads.items() if isinstance(g, Node)}
        self.wrong = [n for n in wrong if n in self.roots]
        self.right = [n for n in right if n in self.roots]
        self.backward = observation.backward
        self.position = {node: i for i, node in enumerate(observation.backward)}
        self.truth = [
            {n: d.gradient(observation, n) for n in (*self.wrong, *self.right)} for d in draws
        ]
        #: Of what was wrong a rest so small is nothing.
        self.floors = {
            n: 1e-12 * float(np.max(np.abs(draws[0].values.get(g, 0.0)), initial=0))
            + (least(observation, draws[0], n) if n in observation.params else 0.0)
            for n, g in self.roots.items()
        }
        self.users: dict[Node, list[Node]] = {}
        for node in observation.backward:
            for parent in set(node.inputs):
                if isinstance(parent, Node):
                    self.users.setdefault(parent, []).append(node)
        self._after: dict[Any, list[Node]] = {}
        self.foretold = Foretold(
            draws[0],
            self.backward,
            self.roots,
            self.truth[0],
            lambda change, names, only: self.gradients(0, dict(change), names, only),
        )

    def after(self, nodes: Iterable[Node], only: frozenset[Node] | None = None) -> list[Node]:
        """All that is computed from the nodes, in the order of execution, without these.

        Args:
            nodes: where to begin.
            only: of the steps that use them directly, the ones to follow; by default all.
        """
        key = frozenset(nodes)
        if (key, only) not in self._after:
            seen = set(key)
            stack = [u for n in key for u in self.users.get(n, ()) if only is None or u in only]
            while stack:
                user = stack.pop()
                if user not in seen:
                    seen.add(user)
                    stack.extend(self.users.get(user, ()))
            found = [n for n in seen if n in self.position and n not in key]
            self._after[key, only] = sorted(found, key=self.position.__getitem__)
        return self._after[key, only]

    def touched(self, nodes: Iterable[Node], only: frozenset[Node] | None = None) -> set[str]:
        """The wrong gradients that depend on the nodes."""
        reached = {*self.after(nodes, only), *(() if only is not None else nodes)}
        return {name for name in self.wrong if self.roots[name] in reached}

    def gradients(
        self, i: int, change: Change, names: Iterable[str], only: frozenset[Node] | None = None
    ) -> dict[str, Any] | None:
        """The hand-written gradients in draw i after a change; None if it cannot be computed.

        With ``only`` given, other steps go on using the old values.
        """
        after = self.after(change, only)
        values = dict(self.draws[i].values)
        for node in after:
            del values[node]
        if only is None:
            values.update(change)
        try:
            with np.errstate(all="ignore"):
                if only is not None:
                    for node in (n for n in after if n in only):
                        self._replay_until(node, after, values)
                        values[node] = replay([node], {**values, **change})[node]
                replay(after, values)
        except (ArithmeticError, ValueError, TypeError, IndexError):
            return None
        return {n: values[self.roots[n]] for n in names if self.roots[n] in values}

    def _replay_until(self, node: Node, after: list[Node], values: Change) -> None:
        position = self.position[node]
        replay((n for n in after if self.position[n] < position), values)

    def attempt(
        self,
        changes: Sequence[Change],
        scale: bool = True,
        only: frozenset[Node] | None = None,
    ) -> Outcome | None:
        """Try a change, one for each draw, also multiplied by a factor; None if nothing mends.

        A gradient that was right and is not any more makes it None as well.
        """
        touched = self.touched(changes[0], only)
        if not touched:
            return None
        for factor in self._factors(changes[0], touched, only, scale):
            outcome = self._outcome(changes, factor, touched, only)
            if outcome is not None:
                return outcome
        return None

    def _factors(
        self, change: Change, touched: set[str], only: frozenset[Node] | None, scale: bool
    ) -> Iterator[float]:
        """The factors with which a change is worth trying: 1, or what is fitted."""
        scale = scale and all(np.size(v) > 1 and v.dtype != bool for v in change.values())
        foretold = self.foretold.factors(change, sorted(touched), only, scale)
        known = [f for f in foretold if f is not None]
        if len(known) < len(foretold) or any(1.0 in f for f in known):
            yield 1.0
        if not scale:
            return
        if len(known) < len(foretold):
            fitted = self._fitted(change, touched, only)
        else:
            fitted = next((nice(f) for found in known for f in found if f != 1.0), None)
        if fitted is not None and fitted != 1.0:
            yield fitted

    def _outcome(
        self,
        changes: Sequence[Change],
        factor: float,
        touched: set[str],
        only: frozenset[Node] | None,
    ) -> Outcome | None:
        mended = set(touched)
        for i, change in enumerate(changes):
            scaled = {n: _times(v, factor) for n, v in change.items()}
            found = self.gradients(i, scaled, (*touched, *self.right), only)
            if found is None:
                return None
            mended = {n for n in mended if self._same(found.get(n), i, n)}
            broken = any(n in found and not self._same(found[n], i, n) for n in self.right)
            if broken or not mended:
                return None
        return Outcome(frozenset(mended), factor)

    def _same(self, value: Any, i: int, name: str) -> bool:
        return same(value, self.truth[i][name], self.floors[name])

    def _fitted(
        self, change: Change, touched: set[str], only: frozenset[Node] | None
    ) -> float | None:
        """The factor with which a change mends the gradients in the first draw, if there is one.

        Hand-written gradients depend linearly on each of their steps, so two trials tell.
        """
        twice = {n: _times(v, 2.0) for n, v in change.items()}
        one, two = (self.gradients(0, c, touched, only) for c in (change, twice))
        if one is None or two is None:
            return None
        for name in sorted(touched & one.keys() & two.keys()):
            truth = self.truth[0][name]
            if np.shape(one[name]) != np.shape(truth):
                continue
            slope = np.ravel(two[name] - one[name])
            gap = np.ravel(truth - one[name])
            size = float(slope @ slope)
            if not size or not np.isfinite(size):
                continue
            step = float(gap @ slope) / size
            if np.linalg.norm(gap - step * slope) <= 1e-7 * np.linalg.norm(gap):
                factor = nice(1 + step)
                return factor if abs(factor) > 1e-6 else None
        return None


def _times(value: Any, factor: float) -> Any:
    return value if factor == 1.0 else value * factor


def same(a: Any, b: Any, floor: float = 0.0) -> bool:
    """Whether two gradients are the same, to rounding, or to an absolute difference."""
    if a is None or np.shape(a) != np.shape(b):
        return False
    bound = _SAME * float(np.max(np.abs(b), initial=0)) + floor
    return bool(np.all(np.abs(np.asarray(a) - b) <= bound))


def scaled(change: Change, factor: float) -> Change:
    """A change multiplied by a factor."""
    return change if factor == 1.0 else {n: v * factor for n, v in change.items()}


def ratio_of(value: Any, right: Any) -> float | None:
    """By which factor a value is a multiple of the right one; None if it is none."""
    if np.shape(value) != np.shape(right) or np.asarray(value).dtype.kind != "f":
        return None
    a, b = np.ravel(value), np.ravel(right)
    size = float(b @ b)
    if not size or not np.isfinite(size + float(a @ a)):
        return None
    factor = float(a @ b) / size
    close = np.linalg.norm(a - factor * b) <= 1e-8 * np.linalg.norm(a)
    return factor if factor and close else None
