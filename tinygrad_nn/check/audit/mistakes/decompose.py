"""A gradient as a sum: how often does the hand-written one count each use of its parameter?

The derivative of the loss with respect to a parameter is the sum of what comes through each use of
it in the forward pass: a product, a penalty, the same product for every sample or step. A gradient
that is wrong may still be a combination of just these. Or one use of some value in between is
counted wrongly, and all gradients below it follow.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ....node import Node
from ..observing.replay import Values
from ..observing.replay import _pull as pull
from .trial import Trial, key, same

#: Beyond so many uses their factors are not fitted one by one.
_MOST = 40


@dataclass(frozen=True)
class Use:
    """A use of a parameter, or all executions of one.

    Attributes:
        consumers: the operations, executions of one expression of the user's text.
        numbers: as which argument, for each.
        first: the number of the first of these executions, if not all are meant.
        of: how many executions there are in all.
    """

    consumers: tuple[Node, ...]
    numbers: tuple[int, ...]
    first: int = 0
    of: int = 1

    @property
    def node(self) -> Node:
        """The operation (its first execution)."""
        return self.consumers[0]


@dataclass(frozen=True)
class Combination:
    """A gradient as a sum of multiples of what comes through each use.

    Attributes:
        name: of the parameter.
        factors: for each use how often it is counted; 1 is right.
    """

    name: str
    factors: tuple[tuple[Use, float], ...]

    @property
    def off(self) -> tuple[tuple[Use, float], ...]:
        """The uses that are not counted once, each with its factor."""
        return tuple((use, f) for use, f in self.factors if abs(f - 1) > 1e-6)

    @property
    def common(self) -> float | None:
        """The factor, if all uses have the same."""
        values = [f for _, f in self.factors]
        return values[0] if all(abs(f - values[0]) <= 1e-6 for f in values) else None


def uses(trial: Trial, name: str) -> list[Use]:
    """The uses of a parameter, by expression."""
    leaf = trial.observation.params[name]
    groups: dict[Any, list[tuple[Node, int]]] = defaultdict(list)
    for consumer, i in trial.draws[0].contributions:
        if consumer.inputs[i] is leaf:
            groups[key(consumer)].append((consumer, i))
    found = []
    for group in groups.values():
        group.sort(key=lambda use: (trial.index[use[0]], use[1]))
        found.append(Use(tuple(c for c, _ in group), tuple(i for _, i in group)))
    return sorted(found, key=lambda use: trial.index[use.node])


def contribution(trial: Trial, use: Use, draw: int) -> Any:
    """What comes through a use, in a draw."""
    parts = trial.draws[draw].contributions
    return sum(parts[pair] for pair in zip(use.consumers, use.numbers, strict=True))


def decompose(trial: Trial, name: str) -> Combination | None:
    """The hand-written gradient of a parameter as such a sum; None if it is no such sum."""
    whole = uses(trial, name)
    found = _fit(trial, name, whole)
    if found is None:
        single = [u for use in whole for u in _executions(use)]
        if len(whole) < len(single) <= _MOST:
            found = _fit(trial, name, single)
    return found


def _executions(use: Use) -> list[Use]:
    """A use taken apart into its executions."""
    groups: dict[Node, list[int]] = defaultdict(list)
    for consumer, i in zip(use.consumers, use.numbers, strict=True):
        groups[consumer].append(i)
    return [
        Use((node,) * len(numbers), tuple(numbers), first=j, of=len(groups))
        for j, (node, numbers) in enumerate(groups.items())
    ]


def _fit(trial: Trial, name: str, parts: list[Use]) -> Combination | None:
    """The factors that reproduce the gradient in every draw."""
    if not parts:
        return None
    arrays, given = [], []
    for draw in range(len(trial.draws)):
        g = trial.values[draw].get(trial.observation.grads[name])
        if g is None or np.shape(g) != np.shape(trial.truth(name, draw)):
            return None
        given.append(np.ravel(g))
        arrays.append([np.ravel(contribution(trial, use, draw)) for use in parts])
    b = np.concatenate(given).astype(np.float64)
    A = np.stack([np.concatenate(column) for column in zip(*arrays, strict=True)], axis=1)
    if not np.isfinite(b).all():
        return None
    scale = np.linalg.norm(A, axis=0)
    kept = scale > 0
    if not kept.any() or len(b) <= len(parts):
        return None
    gram, rhs = (A[:, kept] / scale[kept]).T @ (A[:, kept] / scale[kept]), A[:, kept].T @ b
    if np.linalg.cond(gram) > 1e10:
        return None
    solved = np.linalg.solve(gram, rhs / scale[kept]) / scale[kept]
    factors = np.ones(len(parts))
    factors[kept] = [nice(float(f)) for f in solved]
    if not same(A @ factors, b, trial.rounding(name)):
        return None
    return Combination(name, tuple(zip(parts, map(float, factors), strict=True)))


def nice(x: float, tolerance: float = 1e-9) -> float:
    """A fitted number, rounded to the simple fraction that it is close to."""
    near = Fraction(x).limit_denominator(1024) if np.isfinite(x) and abs(x) < 1e9 else None
    if near is not None and abs(float(near) - x) <= tolerance * max(1.0, abs(x)):
        return float(near)
    return x


# --- one use, followed down -----------------------------------------------------------------------


@dataclass(frozen=True)
class Path:
    """One use in the forward pass that is counted wrongly, and nothing else.

    Attributes:
        consumer: the operation (its first execution).
        number: as which argument.
        factor: how often it is counted; 1 would be right.
    """

    consumer: Node
    number: int
    factor: float


def single_use(trial: Trial) -> Path | None:
    """The use of a forward value that, counted wrongly, reproduces all wrong gradients."""
    seen = trial.observation
    order = [n for n in seen.nodes if n in seen.forward]
    users: dict[Node, int] = defaultdict(int)
    groups: dict[Any, list[tuple[Node, int]]] = defaultdict(list)
    for consumer, i in trial.draws[0].contributions:
        users[consumer.inputs[i]] += 1
        groups[key(consumer), i].append((consumer, i))
    for group in sorted(groups.values(), key=lambda g: -trial.index[g[0][0]]):
        if not any(users[c.inputs[i]] > 1 for c, i in group) or trial.exhausted:
            continue
        found = _counted(trial, order, frozenset(group))
        if found is not None:
            first = min(group, key=lambda pair: trial.index[pair[0]])
            return Path(*first, found)
    return None


def _counted(trial: Trial, order: list[Node], group: frozenset[tuple[Node, int]]) -> float | None:
    """How often a use is counted, if that alone is wrong."""
    without = _scaled(trial, order, group, 0.0, 0)
    top = bottom = 0.0
    for name in trial.names:
        truth = trial.truth(name, 0)
        g = trial.values[0].get(trial.observation.grads[name])
        if g is None or np.shape(g) != np.shape(truth) or not np.isfinite(g).all():
            return None
        step = without[name] - truth
        top += float(np.sum(step * (g - truth)))
        bottom += float(np.sum(step * step))
    if bottom == 0:
        return None
    factor = nice(1 - top / bottom)
    if abs(factor - 1) < 1e-9:
        return None
    for draw in range(len(trial.draws)):
        made = _scaled(trial, order, group, factor, draw) if (factor, draw) != (0, 0) else without
        for name in trial.names:
            g = trial.values[draw][trial.observation.grads[name]]
            if not same(made[name], g, trial.rounding(name)):
                return None
    return factor


def _scaled(
    trial: Trial, order: list[Node], group: frozenset[tuple[Node, int]], c: float, draw: int
) -> dict[str, Any]:
    """Autodiff's gradients with one use counted c times."""
    values = Values((), trial.values[draw])
    loss = trial.observation.loss
    g: dict[Node, Any] = {loss: np.ones_like(values[loss])}
    for node in reversed(order):
        if node not in g or not node.requires_grad:
            continue
        trial.spend(node)
        for i, part in pull(node, g[node], values, False):
            part = c * part if (node, i) in group else part
            parent = node.inputs[i]
            g[parent] = g[parent] + part if parent in g else part
    leaves = trial.observation.params
    return {n: g.get(leaves[n], np.zeros_like(trial.truth(n, draw))) for n in trial.names}
