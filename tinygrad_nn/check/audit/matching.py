"""What each value of the backward pass equals: which derivative of the loss, or which value.

A value is compared, in several draws at once, with the derivative of the loss with respect to every
node of the forward pass, with each single contribution to these, with the elementwise derivatives
between neighbours, and with the forward values; also up to a constant factor and transposed.
Imports: observe, draws, suspect.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...node import Node
from .draws import Draw
from .observe import Observation, where
from .suspect import Label

#: Relative difference of two values that are the same.
_SAME = 1e-9
#: How many steps apart two nodes may be whose elementwise derivative is tried.
_NEAR = 8


@dataclass(frozen=True, eq=False)
class Candidate:
    """Something that a value of the backward pass may be.

    Attributes:
        label: what it is.
        values: in each draw.
        flat: the same as one vector.
        norm: its length.
    """

    label: Label
    values: tuple[Any, ...]
    flat: Any
    norm: float


class Candidates:
    """All that a backward pass may compute, by shape."""

    def __init__(self, observation: Observation, draws: tuple[Draw, ...]) -> None:
        self.observation = observation
        self.draws = draws
        self.of_shape: dict[tuple[int, ...], list[Candidate]] = defaultdict(list)
        first = draws[0]
        order = [n for n in observation.nodes if n in observation.forward]
        nodes: list[Node] = [*observation.params.values(), *observation.inputs.values(), *order]
        for node in nodes:
            if node in first.cotangents:
                self._add(Label("cotangent", node), [d.cotangents[node] for d in draws])
        for (node, consumer), numbers in _uses(first).items():
            label = Label("contribution", node, use=(consumer, numbers[0]))
            self._add(label, [sum(d.contributions[consumer, i] for i in numbers) for d in draws])
        for node in (*nodes, *(n for n in observation.forward if n.function is None)):
            if getattr(first.values.get(node), "dtype", np.dtype(int)).kind == "f":
                self._add(Label("forward", node), [d.values[node] for d in draws])
        for u, v in _neighbours(order):
            self._add_local(u, v)

    def _add(self, label: Label, values: list[Any]) -> None:
        flat = np.concatenate([np.ravel(v).astype(np.float64) for v in values])
        norm = float(np.linalg.norm(flat))
        if norm and np.isfinite(norm):
            self.of_shape[squeezed(values[0])].append(Candidate(label, tuple(values), flat, norm))

    def _add_local(self, u: Node, v: Node) -> None:
        """The elementwise derivative of v with respect to u, where it is known in every entry."""
        values = []
        for d in self.draws:
            above, below = d.cotangents.get(v), d.cotangents.get(u)
            if above is None or below is None or not np.all(above):
                return
            values.append(below / above)
        if not all(np.array_equal(x, np.ones_like(x)) for x in values):
            self._add(Label("local", u, of=v), values)

    def like(self, value: Any) -> list[tuple[Candidate, bool]]:
        """Those of a value's shape, each with whether it must be transposed for that."""
        shape = squeezed(value)
        found = [(c, False) for c in self.of_shape.get(shape, ())]
        if len(shape) == 2:
            found += [(c, True) for c in self.of_shape.get(shape[::-1], ())]
        return found


def _uses(draw: Draw) -> dict[tuple[Node, Node], list[int]]:
    """For each node used by several others: each of these, with the numbers of its arguments."""
    uses: dict[Node, dict[Node, list[int]]] = defaultdict(lambda: defaultdict(list))
    for consumer, i in draw.contributions:
        uses[consumer.inputs[i]][consumer].append(i)
    return {
        (node, consumer): numbers
        for node, consumers in uses.items()
        if len(consumers) > 1
        for consumer, numbers in consumers.items()
    }


def squeezed(value: Any) -> tuple[int, ...]:
    """A value's shape without axes of length 1."""
    return tuple(n for n in np.shape(value) if n != 1)


def _neighbours(order: list[Node]) -> Iterable[tuple[Node, Node]]:
    """Pairs (u, v) of forward nodes of one shape, v computed from u in a few elementwise steps."""
    for v in order:
        reached, frontier = set(), {v}
        for _ in range(_NEAR):
            frontier = {
                p
                for n in frontier
                for p in n.inputs
                if isinstance(p, Node)
                and p.requires_grad
                and p not in reached
                and np.shape(p.value) == np.shape(v.value) != ()
            }
            reached |= frontier
        yield from ((u, v) for u in reached)


class Labels:
    """What every value of a backward pass is."""

    def __init__(self, candidates: Candidates) -> None:
        self.candidates = candidates
        observation, draws = candidates.observation, candidates.draws
        self.found: dict[Node, Label] = {}
        for node in observation.backward:
            label = self._label(node, [d.values.get(node) for d in draws])
            if label is not None:
                self.found[node] = label

    def _label(self, node: Node, values: list[Any]) -> Label | None:
        if any(getattr(v, "dtype", np.dtype(int)).kind not in "fb" for v in values):
            return None
        best: tuple[Any, Label] | None = None
        for transposed in (False, True):
            turned = [np.transpose(v) if transposed else v for v in values]
            flat = np.concatenate([np.ravel(v).astype(np.float64) for v in turned])
            norm = float(np.linalg.norm(flat))
            if not norm or not np.isfinite(norm):
                return None
            for c, turn in self.candidates.like(values[0]):
                if turn != transposed or c.flat.shape != flat.shape:
                    continue
                factor = float(flat @ c.flat) / c.norm**2
                if abs(factor) * c.norm < 0.99 * norm:
                    continue
                if np.linalg.norm(flat - factor * c.flat) > _SAME * norm:
                    continue
                label = replace(c.label, factor=nice(factor), transposed=transposed)
                rank = self._rank(node, label)
                if best is None or rank > best[0]:
                    best = (rank, label)
        return best[1] if best is not None else None

    def _rank(self, node: Node, label: Label) -> Any:
        """The better of several things that a value equals: exact, whole, called alike."""
        kinds = ("forward", "local", "contribution", "cotangent")
        name = self.candidates.observation.name_of(label.node)
        mine = where(node)
        called = (mine.name if mine is not None else None) or ""
        place = where(label.node)
        named = label.node.function is None or (place is not None and place.name is not None)
        return (
            label.is_exact,
            kinds.index(label.kind) if label.is_exact or label.kind != "forward" else -1,
            not label.transposed,
            called in (name, f"d{name}", f"grad_{name}"),
            named,
        )

    def is_right(self, node: Node) -> bool:
        """Whether the value is exactly something that belongs into a backward pass."""
        label = self.found.get(node)
        return label is not None and label.is_exact


def nice(factor: float) -> float:
    """A fitted factor, rounded to what was meant if that is a whole number or one over it."""
    for value in (factor, 1 / factor if factor else 0.0):
        whole = round(value)
        if whole and abs(value - whole) <= 1e-8 * abs(whole):
            return float(whole) if value is factor else 1.0 / whole
    return factor
