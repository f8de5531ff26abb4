"""What a change of a step would do to hand-written gradients, foretold without computing them.

A backward pass is linear in each of its derivatives. So what a change of one does to the gradients
is known from two random projections of each gradient and their derivatives with respect to every
step, which one walk over the user's backward pass gives. Whether a step is linear is tried with a
random change first; where it is not, nothing is foretold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....node import Node
from ..observing.draws import Draw
from ..observing.replay import Contributions, adjoint

#: What is put in the place of each node.
Change = Mapping[Node, Any]
#: The gradients, by name, after a change, with only some of the steps that use it following.
Compute = Callable[[Change, Iterable[str], "frozenset[Node] | None"], "dict[str, Any] | None"]

#: Relative difference between what is foretold and what is needed that is none.
_CLOSE = 1e-6
_PROJECTIONS = 2


class Foretold:
    """Whether a change can make a gradient right, and multiplied by what.

    Args:
        draw: the values before the change.
        backward: the operations of the backward pass, in order.
        roots: the hand-written gradients.
        truth: the right ones.
        compute: computes gradients after a change.
    """

    def __init__(
        self,
        draw: Draw,
        backward: Sequence[Node],
        roots: Mapping[str, Node],
        truth: Mapping[str, Any],
        compute: Compute,
    ) -> None:
        self.values, self.backward = draw.values, backward
        self.roots, self.truth, self.compute = roots, truth, compute
        self.random = np.random.default_rng(7)
        self._walks: dict[Any, tuple[dict[Node, Any], Contributions] | None] = {}
        self._needs: dict[Any, list[Need] | None] = {}
        self._directions = {
            name: [self.random.standard_normal(np.shape(x)) for _ in range(_PROJECTIONS)]
            for name, x in truth.items()
        }

    def factors(
        self, change: Change, names: Iterable[str], only: frozenset[Node] | None, scale: bool
    ) -> list[list[float] | None]:
        """With which factors a change may make each gradient right; None where it is not known."""
        nodes = tuple(change)
        shapes = [v.shape for v in change.values()]
        values = [v.ravel() for v in change.values()]
        size = math.sqrt(sum([float(v @ v) for v in values]))
        found: list[list[float] | None] = []
        for name in names:
            key = (nodes, name, only)
            if key not in self._needs:
                self._needs[key] = self._need(change, name, only)
            needs = self._needs[key]
            if needs is None or shapes != needs[0].shapes:
                found.append(None)
            else:
                found.append(_fitting(needs, values, size, scale))
        return found

    def _need(self, change: Change, name: str, only: frozenset[Node] | None) -> list[Need] | None:
        """What a change of these nodes must do to a gradient; None if that is not foretold."""
        old = [self.values.get(n) for n in change]
        root, truth = self.values[self.roots[name]], self.truth[name]
        floats = all(getattr(x, "dtype", None) == np.float64 for x in (*old, root))
        if not floats or np.shape(root) != np.shape(truth):
            return None
        needs = []
        for i, direction in enumerate(self._directions[name]):
            slopes = self._slopes(tuple(change), name, i, only)
            if slopes is None:
                return None
            gap = float(np.sum(direction * (truth - root)))
            size = float(np.linalg.norm(direction) * np.linalg.norm(truth - root))
            needs.append(_need(slopes, old, gap, size))
        return needs if self._is_linear(tuple(change), old, name, needs, only) else None

    def _slopes(
        self, nodes: tuple[Node, ...], name: str, i: int, only: frozenset[Node] | None
    ) -> list[Any] | None:
        """The derivatives of a gradient's component with respect to nodes that are all replaced."""
        stop = frozenset(nodes) if len(nodes) > 1 else frozenset()
        key = (stop, name, i)
        if key not in self._walks:
            order = [n for n in self.backward if n not in stop]
            seed = self._directions[name][i]
            try:
                self._walks[key] = adjoint(self.roots[name], order, self.values, seed)
            except Exception:  # noqa: BLE001, RUF100 (a rule that refuses: nothing is foretold)
                self._walks[key] = None
        walk = self._walks[key]
        if walk is None:
            return None
        cotangents, contributions = walk
        found = []
        for node in nodes:
            g = cotangents.get(node)
            if only is not None:
                parts = [
                    contributions[user, i]
                    for user in only
                    for i, parent in enumerate(user.inputs)
                    if parent is node and (user, i) in contributions
                ]
                g = sum(parts[1:], parts[0]) if parts else None
            found.append(np.zeros_like(self.values[node]) if g is None else g)
        return found

    def _is_linear(
        self,
        nodes: tuple[Node, ...],
        old: list[Any],
        name: str,
        needs: list[Need],
        only: frozenset[Node] | None,
    ) -> bool:
        """Whether a random change of the same nodes does what is foretold."""
        moves = []
        for x in old:
            unit = float(np.max(np.abs(x), initial=0)) or 1.0
            moves.append(np.asarray(unit * self.random.standard_normal(np.shape(x))))
        trial = {n: (x + move)[()] for n, x, move in zip(nodes, old, moves, strict=True)}
        found = self.compute(trial, [name], only)
        if found is None or not np.isfinite(found[name]).all():
            return False
        moved = found[name] - self.values[self.roots[name]]
        size = math.sqrt(sum(float(np.sum(x * x)) for x in (*old, *moves)))
        for direction, need in zip(self._directions[name], needs, strict=True):
            foretold = sum(float(g @ np.ravel(m)) for g, m in zip(need.slopes, moves, strict=True))
            length = float(np.linalg.norm(direction) * np.linalg.norm(moved))
            if abs(foretold - float(np.sum(direction * moved))) > 1e-3 * need.tolerance(
                size, length
            ):
                return False
        return True


def _fitting(needs: list[Need], values: list[Any], size: float, scale: bool) -> list[float]:
    """1, and another factor, if new values do what is needed with it."""
    new = [sum([float(g @ v) for g, v in zip(n.slopes, values, strict=True)]) for n in needs]
    found = []
    if all(n.is_met(a, size) for n, a in zip(needs, new, strict=True)):
        found.append(1.0)
    if scale and any(new):
        at = max(range(_PROJECTIONS), key=lambda i: abs(new[i]))
        factor = (needs[at].gap + needs[at].old) / new[at]
        near = (n.is_met(factor * a, abs(factor) * size) for n, a in zip(needs, new, strict=True))
        if abs(factor) > 1e-6 and all(near):
            found.append(factor)
    return found


@dataclass(frozen=True, eq=False)
class Need:
    """What a change must do to one component of a gradient.

    Attributes:
        slopes: the component's derivatives with respect to each node, flat.
        shapes: of the nodes.
        old: what the nodes' values give now.
        gap: by how much it must change.
        size, length: of the numbers that this is computed from.
    """

    slopes: list[Any]
    shapes: list[tuple[int, ...]]
    old: float
    gap: float
    size: float
    length: float

    def is_met(self, new: float, size: float) -> bool:
        """Whether new values of this length, which give this, make the component right."""
        return abs(new - self.old - self.gap) <= _CLOSE * (self.length * size + self.size)

    def tolerance(self, size: float, more: float = 0.0) -> float:
        """What rounding explains, for new values of this length."""
        return _CLOSE * (self.length * size + self.size + more)


def _need(slopes: list[Any], old: list[Any], gap: float, size: float) -> Need:
    flat = [np.ravel(g).astype(np.float64) for g in slopes]
    length = math.sqrt(sum(float(g @ g) for g in flat))
    values = [np.ravel(x) for x in old]
    now = sum(float(g @ v) for g, v in zip(flat, values, strict=True))
    size += length * math.sqrt(sum(float(v @ v) for v in values))
    return Need(flat, [np.shape(x) for x in old], now, gap, size, length)
