"""What each value of the backward pass equals: which derivative of the loss, or which value.

A value is compared, in several draws at once, with the derivative of the loss with respect to every
node of the forward pass, with each single contribution to these, with the elementwise derivatives
between neighbours, and with the forward values; also up to a constant factor and transposed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from ....node import Node
from ..observing.draws import Draw
from ..observing.observe import Observation, where
from ..suspect import Label

#: Relative difference of two values that are the same.
_SAME = 1e-9
#: Of so many uses of a value all sums are known; of up to so many those of uses in a row.
_FEW, _MANY = 4, 10
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
        for (node, key), edges in _uses(first).items():
            edges.reverse()  # in the order of execution
            label = Label("contribution", node, use=edges[0], whole=not isinstance(key, Node))
            self._add(label, [sum(d.contributions[edge] for edge in edges) for d in draws])
        for node, parts in _sums(first):
            edges = [edge for part in parts for edge in part]
            others = tuple(part[0] for part in parts[1:])
            label = Label("contribution", node, use=edges[0], others=others, whole=True)
            self._add(label, [sum(d.contributions[edge] for edge in edges) for d in draws])
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


def _uses(draw: Draw) -> dict[tuple[Node, Any], list[tuple[Node, int]]]:
    """For each node that is used several times its uses: by consumer, and by instruction."""
    uses: dict[Node, dict[Any, list[tuple[Node, int]]]] = defaultdict(lambda: defaultdict(list))
    for consumer, i in draw.contributions:
        for key in (consumer, instruction(consumer)):
            uses[consumer.inputs[i]][key].append((consumer, i))
    found = {}
    for node, consumers in uses.items():
        whole = sum(isinstance(key, Node) for key in consumers)
        for key, edges in consumers.items():
            distinct = len({consumer for consumer, _ in edges})
            if distinct < whole and (isinstance(key, Node) or distinct > 1):
                found[node, key] = edges
    return found


def _sums(draw: Draw) -> Iterable[tuple[Node, Sequence[list[tuple[Node, int]]]]]:
    """For each node that is used by three or more steps several of them, but not all.

    So it is used by the steps of one function, or by all but the one that is added later.
    """
    uses: dict[Node, dict[Any, list[tuple[Node, int]]]] = defaultdict(lambda: defaultdict(list))
    for consumer, i in draw.contributions:
        uses[consumer.inputs[i]][instruction(consumer)].append((consumer, i))
    for node, steps in uses.items():
        parts = list(steps.values())[::-1]  # in the order of execution
        k = len(parts)
        if k > _MANY:
            continue
        if k <= _FEW:
            for n in range(2, k):
                yield from ((node, some) for some in combinations(parts, n))
            continue
        for start in range(k):
            for end in range(start + 2, min(k, start + k - 1) + 1):
                yield node, parts[start:end]
        yield from ((node, parts[:i] + parts[i + 1 :]) for i in range(1, k - 1))


def instruction(node: Node) -> Any:
    """What the executions of one step of the user's program have in common.

    That is where it stands, not the offset of its instruction: an interpreter that has specialised
    an instruction may report a later one, of the same place.
    """
    at = where(node)
    if at is None or not at.expression:
        return id(node.code), node.offset, node.function
    return at.file, at.line, at.column, at.end_line, at.end_column, node.function


def squeezed(value: Any) -> tuple[int, ...]:
    """A value's shape without axes of length 1."""
    return tuple(n for n in np.shape(value) if n != 1)


def _neighbours(order: list[Node]) -> Iterable[tuple[Node, Node]]:
    """Pairs (u, v) of forward nodes: v is elementwise made of u, which serves nothing else."""
    users: dict[Node, set[Node]] = defaultdict(set)
    for n in order:
        for p in n.inputs:
            if isinstance(p, Node):
                users[p].add(n)
    for v in order:
        chain = {v}
        frontier = [v] if _is_elementwise(v) else []
        for _ in range(_NEAR):
            found = [
                p
                for n in frontier
                for p in n.inputs
                if isinstance(p, Node)
                and p.requires_grad
                and p not in chain
                and users[p] <= chain
                and np.shape(p.value) == np.shape(v.value) != ()
            ]
            for u in dict.fromkeys(found):
                chain.add(u)
                yield u, v
            frontier = [u for u in found if _is_elementwise(u)]


def _is_elementwise(node: Node) -> bool:
    function = node.function
    return function is np.where or (isinstance(function, np.ufunc) and function is not np.matmul)


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
        """Whether the value is exactly a derivative of the loss, or a value of the forward pass."""
        label = self.found.get(node)
        return label is not None and label.is_exact and label.kind != "local"


def nice(factor: float) -> float:
    """A fitted factor, rounded to what was meant if that is a whole number or one over it."""
    for value in (factor, 1 / factor if factor else 0.0):
        whole = round(value)
        if whole and abs(value - whole) <= 1e-8 * abs(whole):
            return float(whole) if value is factor else 1.0 / whole
    return factor
