"""The recorded run with other numbers for the parameters: draws.

What holds at one point may hold by coincidence: a bias that is zero hides what is added to it, a
margin may be exactly 0, two derivatives may have the same numbers. A few draws beside the user's
own point tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....node import Node
from ...numeric import scales, signed
from .observe import Observation
from .replay import Contributions, adjoint, replay

#: By how much a parameter is moved, relative to its natural unit.
_MOVE = 0.06


@dataclass(frozen=True, eq=False)
class Draw:
    """All values of the run for one choice of the parameters, in float64.

    Attributes:
        values: of every node of the forward and of the backward part.
        cotangents, contributions: as in :class:`Observation`.
    """

    values: dict[Node, Any]
    cotangents: dict[Node, Any]
    contributions: Contributions

    def gradient(self, observation: Observation, name: str) -> Any:
        """The derivative of the loss with respect to a parameter; zeros if there is none."""
        node = observation.params[name]
        value = self.cotangents.get(node)
        return np.zeros_like(self.values[node]) if value is None else value


def moved(x: Any, seed: int, by: float = _MOVE) -> Any:
    """A parameter's value, every entry moved a little, in float64."""
    value = np.asarray(x, dtype=np.float64)
    step = by * scales(value) * signed(np.random.default_rng(seed), value.shape)
    return np.asarray(value + step)[()]


def draw(
    observation: Observation,
    seed: int | None = None,
    by: float = _MOVE,
    shake: int | None = None,
) -> Draw | None:
    """The run again at the user's own point (seed None), or beside it; None if it is not finite.

    Args:
        observation: of the run.
        seed: of the move.
        by: how far, relative to each parameter's natural unit.
        shake: a seed for errors in the last place that every step then makes: what they change of
            a result is its rounding error.
    """
    values: dict[Node, Any] = {}
    shaken = None if shake is None else _Shaken(shake)
    nodes = [*observation.forward, *observation.backward]
    parameters = {node: i for i, node in enumerate(observation.params.values())}
    for node in {*nodes, *_leaves(nodes), *parameters}:
        if node.function is None:
            if seed is not None and node in parameters:
                values[node] = moved(node.value, 1000 * seed + parameters[node], by)
            else:
                values[node] = _in_float64(node.value)
    part = set(nodes)
    order = [n for n in observation.nodes if n in part]
    with np.errstate(all="ignore"):
        try:
            if shaken is None:
                replay(order, values)
            else:
                for node in order:
                    values[node] = shaken(replay([node], values)[node])
        except (ArithmeticError, ValueError, IndexError):
            return None
        forward = [n for n in order if n in observation.forward]
        cotangents, contributions = adjoint(observation.loss, forward, values, change=shaken)
    if seed is not None and not all(np.isfinite(values[n]).all() for n in forward):
        return None
    return Draw(values, cotangents, contributions)


def draws(observation: Observation, count: int = 2) -> tuple[Draw, ...]:
    """The user's own point, and up to ``count`` others."""
    others = [draw(observation, seed) for seed in range(1, count + 1)]
    own = draw(observation)
    return tuple(d for d in (own, *others) if d is not None)


class _Shaken:
    """A value with an error in its last place."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def __call__(self, x: Any) -> Any:
        if getattr(x, "dtype", None) != np.float64:
            return x
        error = np.finfo(np.float64).eps * self.random.uniform(-1, 1, np.shape(x))
        return np.asarray(x * (1 + error))[()]


def _leaves(nodes: Iterable[Node]) -> set[Node]:
    found = set()
    for node in nodes:
        found |= {p for p in node.inputs if isinstance(p, Node) and p.function is None}
    return found


def _in_float64(x: Any) -> Any:
    narrow = getattr(x, "dtype", None) in (np.float32, np.float16)
    return np.asarray(x, dtype=np.float64)[()] if narrow else x
