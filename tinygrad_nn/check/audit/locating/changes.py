"""What may be put in the place of a step, to see whether it mends the gradients.

For a step that was executed once: every derivative and every value of its shape. For one that was
executed often (a loop, a function of several layers): for all executions together the derivatives
around the executions of a forward step, or the rows of one derivative.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....node import Node
from ..observing.draws import Draw
from ..observing.observe import Observation
from ..suspect import Label
from .matching import Candidate, Candidates, instruction, squeezed
from .pairing import in_rounds
from .repair import Change, Outcome

#: What may be put there, and the change for each draw.
Changes = Iterator[tuple[Label, list[Change]]]


@dataclass(frozen=True, eq=False)
class Step:
    """An instruction of the user's program, and what it executed.

    Attributes:
        nodes: the executions that are suspected.
        all: every execution in the backward pass.
    """

    nodes: tuple[Node, ...]
    all: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Mend:
    """A repair that works.

    Attributes:
        step: what is mended.
        label: what it should have been.
        outcome: for whom it does.
        first: the change in the first draw.
        kind: as in :class:`Suspect`.
    """

    step: Step
    label: Label
    outcome: Outcome
    first: Change
    kind: str = "value"


def by_instruction(nodes: Iterable[Node]) -> dict[Any, list[Node]]:
    """The executions of each instruction, in order."""
    found: dict[Any, list[Node]] = defaultdict(list)
    for node in nodes:
        found[instruction(node)].append(node)
    return found


class Possible:
    """The changes that may be tried.

    Args:
        observation: the run.
        draws: the draws for which changes are given.
        candidates: the derivatives and values in these draws.
        misshapen: parameters whose gradients have a wrong shape.
    """

    def __init__(
        self,
        observation: Observation,
        draws: Sequence[Draw],
        candidates: Candidates,
        misshapen: Sequence[str],
    ) -> None:
        self.draws = draws
        self.candidates = candidates
        self.misshapen = [observation.params[name] for name in misshapen]
        self.position = {node: i for i, node in enumerate(observation.nodes)}
        self.forward = by_instruction(n for n in observation.nodes if n in observation.forward)

    def of(self, step: Step, reshaping: bool = False) -> Changes:
        """Changes of a step's suspected executions, all at once.

        Args:
            step: the step.
            reshaping: whether the derivative for a parameter with a misshapen gradient may be put
                there, whatever the step's shape.
        """
        if len(step.nodes) == 1:
            yield from self.single(step.nodes[0])
            if reshaping:
                for c in self._of_misshapen():
                    yield c.label, [{step.nodes[0]: v} for v in c.values]
        if len(step.all) > 1:
            yield from self._families(step)

    def single(self, node: Node) -> Changes:
        """Changes of one execution."""
        value = self.draws[0].values[node]
        kind = getattr(value, "dtype", np.dtype(object)).kind
        if kind not in "fb":
            return
        for c, turned in self.candidates.like(value):
            label = replace(c.label, transposed=turned)
            if kind == "f":
                yield label, self._put(node, list(c.values), turned)
            elif c.label.kind == "local":
                yield label, self._put(node, [v != 0 for v in c.values], turned)
                yield label, self._put(node, [v == 0 for v in c.values], turned)

    def _of_misshapen(self) -> Iterator[Candidate]:
        for node in self.misshapen:
            for c in self.candidates.of_shape.get(squeezed(node.value), ()):
                if c.label.node is node and c.label.kind in ("cotangent", "contribution"):
                    yield c

    def _put(self, node: Node, values: list[Any], turned: bool) -> list[Change]:
        changes: list[Change] = []
        for d, v in zip(self.draws, values, strict=True):
            v = np.transpose(v) if turned else v
            changes.append({node: np.reshape(v, np.shape(d.values[node]))[()]})
        return changes

    # --- many executions --------------------------------------------------------------------------

    def _families(self, step: Step) -> Changes:
        n = len(step.all)
        where = [step.all.index(node) for node in step.nodes]
        for executed in self.forward.values():
            if len(executed) == n:
                for order in (
                    executed,
                    executed[::-1],
                    *in_rounds(executed, step.all, self.position),
                ):
                    yield from self._paired(step, [order[i] for i in where])
            elif len(executed) > 1:
                for order in (executed, executed[::-1]) if len(executed) > n else ():
                    for first in (0, len(executed) - n):  # one end of a loop needs no derivative
                        yield from self._paired(step, [order[first + i] for i in where])
                for order in in_rounds(executed, step.all, self.position):
                    yield from self._paired(step, [order[i] for i in where])
                latest = self._latest(executed, step.nodes)
                if latest is not None:
                    yield from self._paired(step, latest)
        for shape, found in list(self.candidates.of_shape.items()):
            for axis in {0, len(shape) - 1} if shape else ():
                if shape[axis] == n:
                    for c in found:
                        yield from self._rows(step, where, c, axis)

    def _latest(self, executed: list[Node], nodes: Sequence[Node]) -> list[Node] | None:
        """For each node the last execution before it; None if that is the same for all."""
        found = []
        i = -1
        for node in nodes:
            if node not in self.position:
                return None
            while i + 1 < len(executed) and self.position[executed[i + 1]] < self.position[node]:
                i += 1
            if i < 0:
                return None
            found.append(executed[i])
        return found if len(set(found)) > 1 else None

    def _paired(self, step: Step, nodes: list[Node]) -> Changes:
        """Each execution with the derivatives around its counterpart in the forward pass."""
        first = self.draws[0]
        given: list[tuple[Label, list[list[Any]]]] = []
        if all(n in first.cotangents for n in nodes):
            values = [[d.cotangents[n] for n in nodes] for d in self.draws]
            given.append((Label("cotangent", nodes[0]), values))
        for i in range(len(nodes[0].inputs)):
            if all((n, i) in first.contributions for n in nodes):
                label = Label("contribution", nodes[0].inputs[i], use=(nodes[0], i))
                given.append((label, [[d.contributions[n, i] for n in nodes] for d in self.draws]))
        given.append(
            (Label("forward", nodes[0]), [[d.values[n] for n in nodes] for d in self.draws])
        )
        for label, values in given:
            yield from self._fitting(step, label, values)

    def _rows(self, step: Step, where: list[int], c: Candidate, axis: int) -> Changes:
        for backwards in (False, True):
            values = []
            for v in c.values:
                v = np.moveaxis(np.reshape(v, squeezed(v)), axis, 0)
                values.append([v[::-1][i] if backwards else v[i] for i in where])
            yield from self._fitting(step, c.label, values)

    def _fitting(self, step: Step, label: Label, values: list[list[Any]]) -> Changes:
        """One change for each draw, if every value has its step's shape (or is its transpose)."""
        for turned in (False, True) if any(np.ndim(v) > 1 for v in values[0]) else (False,):
            changes: list[Change] = []
            for d, given in zip(self.draws, values, strict=True):
                change = _fitted(step.nodes, [d.values[n] for n in step.nodes], given, turned)
                if change is None:
                    break
                changes.append(change)
            else:
                yield replace(label, transposed=turned), changes


def _fitted(
    nodes: Sequence[Node], values: list[Any], given: list[Any], turned: bool
) -> Change | None:
    """What is given in the place of each node's value; None if a shape does not fit."""
    change: Change = {}
    for node, old, new in zip(nodes, values, given, strict=True):
        new = np.transpose(new) if turned else new
        if squeezed(new) != squeezed(old) or np.asarray(new).dtype.kind != "f":
            return None
        change[node] = np.reshape(new, np.shape(old))[()]
    return change


def quality(m: Mend) -> Any:
    """The better of several repairs of one step."""
    kinds = ("forward", "local", "contribution", "cotangent")
    plain = (m.outcome.factor == 1.0, not m.label.transposed)
    return (len(m.outcome.mended), *plain, kinds.index(m.label.kind))
