"""What a change of some steps would do to all wrong gradients, foretold by two random projections.

A backward pass is linear in its derivatives. One walk over it gives what every step contributes to
a projection of the hand-written gradients; then a change of a step, or of all its executions, costs
no more than these steps to be refused. Whether the rest is linear in them is tried once, with
random numbers; where it is not, nothing is foretold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graph.graph import compute
from ....node import Node
from ....rules.registry import RULES
from ..observing.observe import ancestors
from ..observing.replay import Values
from ..observing.replay import _pull as pull

if TYPE_CHECKING:
    from .trial import Apply, Edit, Env, Trial

#: Relative difference between what is foretold and what is needed that is none.
_CLOSE = 1e-5
_PROJECTIONS = 2


@dataclass(frozen=True, eq=False)
class Slopes:
    """What some steps contribute to the projections.

    Attributes:
        nodes: the steps.
        given: for each projection the derivative with respect to each step, flat.
        rest: for each projection what comes of all else.
        path: the steps, and what is computed between them, in order.
    """

    nodes: tuple[Node, ...]
    given: list[list[Any]]
    rest: list[float]
    path: list[Node]

    def at(self, values: list[Any]) -> tuple[list[float], float]:
        """The projections with these values, and about how large their terms are."""
        flat = [np.ravel(v) for v in values]
        found, size = [], 0.0
        for part, rest in zip(self.given, self.rest, strict=True):
            terms = [float(g @ v) for g, v in zip(part, flat, strict=True)]
            found.append(sum(terms) + rest)
            size = max(size, abs(rest), *map(abs, terms))
        return found, size


class Foresight:
    """The projections of a trial's wrong gradients, in its first draw."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.random = np.random.default_rng(17)
        self.order = [n for n in trial.observation.backward if n.function in RULES]
        self.values = Values((), trial.values[0])
        self.seeds: list[dict[Node, Any]] = [{} for _ in range(_PROJECTIONS)]
        self.target = [0.0] * _PROJECTIONS
        self._walks: dict[Any, list[dict[Node, Any]] | None] = {}
        self._slopes: dict[tuple[Node, ...], Slopes | None] = {}
        self.works = all(self._take(name) for name in trial.wrong)

    def _take(self, name: str) -> bool:
        """Take part of a gradient into the projections; False if that cannot be done."""
        root, truth = self.trial.observation.grads[name], self.trial.truth(name, 0)
        mine = self.values[root]
        if np.shape(mine) != np.shape(truth) or not _is_wide(mine):
            return False
        gap = float(np.linalg.norm(np.ravel(truth - mine)))
        if not gap or not np.isfinite(gap):
            return False
        for i, seeds in enumerate(self.seeds):
            seed = self.random.standard_normal(np.shape(truth)) / gap
            seeds[root] = seeds[root] + seed if root in seeds else seed
            self.target[i] += float(np.sum(seed * truth))
        return True

    # --- what is asked ----------------------------------------------------------------------------

    def refuses(self, edit: Edit) -> bool:
        """Whether a change certainly leaves a wrong gradient wrong."""
        found = self.project(edit.nodes, edit.apply)
        if found is None:
            return False
        return not self._is_met(*found)

    def _is_met(self, made: list[float], size: float) -> bool:
        pairs = zip(made, self.target, strict=True)
        return all(abs(a - b) <= _CLOSE * (size + abs(b)) for a, b in pairs)

    def project(self, nodes: tuple[Node, ...], apply: Apply) -> tuple[list[float], float] | None:
        """The projections with some steps changed; None if that is not foretold."""
        slopes = self.slopes(nodes)
        if slopes is None:
            return None
        env = self.trial.env(0)
        rows = {node: j for j, node in enumerate(nodes)}
        if not self.trial.compute(env, slopes.path, rows, apply):
            return [float("nan")] * _PROJECTIONS, 0.0
        values = [env[n] for n in nodes]
        pairs = zip(values, nodes, strict=True)
        if any(np.shape(v) != np.shape(self.values[n]) for v, n in pairs):
            return None
        return slopes.at(values)

    def factor(
        self, nodes: tuple[Node, ...], one: Apply, two: Apply, a: float, b: float
    ) -> list[float] | None:
        """The number c, between two of which changes are given, that is needed; None if unknown.

        Empty if no number does. For steps that depend on one another it is one of the two, or none.
        """
        slopes = self.slopes(nodes)
        if slopes is None:
            return None
        at_one, at_two = self.project(nodes, one), self.project(nodes, two)
        if at_one is None or at_two is None:
            return None
        (first, size), (second, more) = at_one, at_two
        if len(slopes.path) > len(nodes):
            made = ((a, first, size), (b, second, more))
            return [c for c, x, scale in made if self._is_met(x, scale)][:1]
        found = []
        for p, q, target in zip(first, second, self.target, strict=True):
            if abs(q - p) <= 1e-12 * (size + more) or not np.isfinite(q - p):
                return []
            found.append(a + (b - a) * (target - p) / (q - p))
        c = found[0]
        near = all(abs(x - c) <= 1e-4 * max(1.0, abs(c)) for x in found)
        return [c] if near and np.isfinite(c) else []

    # --- slopes -----------------------------------------------------------------------------------

    def slopes(self, nodes: tuple[Node, ...]) -> Slopes | None:
        """What the steps contribute, if the rest is linear in them."""
        if nodes not in self._slopes:
            wide = self.works and all(_is_wide(self.values[n]) for n in nodes)
            self._slopes[nodes] = self._made(nodes) if wide else None
        return self._slopes[nodes]

    def _made(self, nodes: tuple[Node, ...]) -> Slopes | None:
        walks = self._walk(frozenset(nodes) if len(nodes) > 1 else frozenset())
        if walks is None:
            return None
        above = ancestors(nodes) if len(nodes) > 1 else set(nodes)
        path = [n for n in self.trial.below(nodes) if n in above or n in nodes]
        given = [[np.ravel(g.get(n, np.zeros_like(self.values[n]))) for n in nodes] for g in walks]
        made = Slopes(nodes, given, [0.0] * _PROJECTIONS, path)
        here, _ = made.at([self.values[n] for n in nodes])
        now = [_dot(seeds, self.values) for seeds in self.seeds]
        rest = [a - b for a, b in zip(now, here, strict=True)]
        made = Slopes(nodes, given, rest, path)
        return made if self._is_linear(made) else None

    def _walk(self, stop: frozenset[Node]) -> list[dict[Node, Any]] | None:
        """The derivatives of the projections with respect to all steps, these held apart."""
        if stop not in self._walks:
            try:
                with np.errstate(all="ignore"):
                    self._walks[stop] = [self._adjoint(seeds, stop) for seeds in self.seeds]
            except Exception:  # noqa: BLE001, RUF100 (a rule that refuses: nothing is foretold)
                self._walks[stop] = None
        return self._walks[stop]

    def _adjoint(self, seeds: dict[Node, Any], stop: frozenset[Node]) -> dict[Node, Any]:
        g = dict(seeds)
        for node in reversed(self.order):
            if node not in g or node in stop:
                continue
            self.trial.spend(node)
            for i, part in pull(node, g[node], self.values, True):
                parent = node.inputs[i]
                g[parent] = g[parent] + part if parent in g else part
        return g

    def _is_linear(self, slopes: Slopes) -> bool:
        """Whether random values of the steps give what is foretold of them."""
        env = self.trial.env(0)
        for n in slopes.nodes:
            old = self.values[n]
            unit = float(np.max(np.abs(old), initial=0)) or 1.0
            env.changed[n] = (old + unit * self.random.standard_normal(np.shape(old)))[()]
        own = set(slopes.nodes)
        part = [n for n in self.trial.below(slopes.nodes) if n not in own]
        try:
            with np.errstate(all="ignore"):
                for n in part:
                    if n in self.trial.backward:
                        env.changed[n] = compute(n, env)  # type: ignore[arg-type]
                        self.trial.spend(n)
        except Exception:  # noqa: BLE001, RUF100 (shapes or kinds that depend on the values)
            return False
        told, size = slopes.at([env[n] for n in slopes.nodes])
        found = [_dot(seeds, env) for seeds in self.seeds]
        near = (abs(a - b) <= 0.01 * _CLOSE * (size + abs(b)) for a, b in zip(told, found))
        return all(near)


def _is_wide(x: Any) -> bool:
    return getattr(x, "dtype", None) == np.float64


def _dot(seeds: dict[Node, Any], values: Values | Env) -> float:
    return sum(float(np.sum(seed * values[root])) for root, seed in seeds.items())
