"""Which step of a hand-written backward pass is at fault.

A step is right if its value is a derivative of the loss, or a value of the forward pass. Among the
others, from which wrong gradients are computed, the culprit is the first for which there is a
derivative that, put in its place, makes the wrong gradients right and leaves the others right. If
there is none, the same is tried with the right steps: then something is missing after one of them.
Imports: matching, observe, repair, suspect.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...node import Node
from .draws import Draw
from .matching import Candidate, Candidates, Labels, squeezed
from .observe import Observation, ancestors
from .repair import Change, Outcome, Repairs
from .suspect import Label, Suspect

#: Executions of a step up to which each may be mended in a way of its own.
_FEW = 12


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
    """A repair that works: the step, what it should have been, and for whom it does."""

    step: Step
    label: Label
    outcome: Outcome
    first: Any  # the change in the first draw


def locate(
    observation: Observation,
    draws: Sequence[Draw],
    wrong: Iterable[str],
    right: Iterable[str],
    labels: Labels | None = None,
) -> Suspect | None:
    """The step at fault; None if the wrong gradients are not computed by recorded steps.

    Args:
        observation: the run.
        draws: in which the wrong gradients are wrong.
        wrong: the parameters with wrong gradients.
        right: those with right ones.
        labels: what each value is, if that is known already.
    """
    if labels is None:
        labels = Labels(Candidates(observation, tuple(draws)))
    return _Search(observation, draws, list(wrong), list(right), labels).suspect()


class _Search:
    def __init__(
        self,
        observation: Observation,
        draws: Sequence[Draw],
        wrong: list[str],
        right: list[str],
        labels: Labels,
    ) -> None:
        self.observation = observation
        self.draws = draws
        self.labels = labels
        self.candidates = labels.candidates
        self.repairs = Repairs(observation, draws, wrong, right)
        self.wrong = frozenset(self.repairs.wrong)
        self.executions = _steps(observation.backward)
        self.forward = _steps(n for n in observation.nodes if n in observation.forward)
        first, truth = draws[0], self.repairs.truth[0]
        self.misshapen = [
            name
            for name, root in self.repairs.roots.items()
            if name in self.wrong and np.shape(first.values.get(root, 0.0)) != np.shape(truth[name])
        ]

    # --- the answer -------------------------------------------------------------------------------

    def suspect(self) -> Suspect | None:
        if not self.wrong:
            return None
        doubtful = self._doubtful()
        steps = self._as_steps(doubtful)
        found = [m for step in steps for m in self._mends(step)]
        whole = [m for m in found if m.outcome.mended == self.wrong]
        if whole:
            mend = self._introduced(whole)
            missing = self._missing(skip=mend)
            return self._told(missing, "missing") if missing else self._told(mend, "value")
        missing = self._missing()
        if missing is not None and missing.outcome.mended == self.wrong:
            return self._told(missing, "missing")
        partial = [m for m in found if len(m.outcome.mended) > 1]
        if partial:
            best = max(len(m.outcome.mended) for m in partial)
            mend = self._introduced([m for m in partial if len(m.outcome.mended) == best])
            return self._told(mend, "value")
        first = self._first(doubtful)
        if missing is not None and (first is None or not found):
            return self._told(missing, "missing")
        if found and (first is None or not self._is_before(first, found[0].step.nodes[0])):
            return self._told(found[0], "value")
        return None if first is None else Suspect(
            first, (first,), "first", wrong=tuple(sorted(self.wrong)),
            computes=self.labels.found.get(first),
        )  # fmt: skip

    def _told(self, mend: Mend, kind: str) -> Suspect:
        nodes = mend.step.nodes
        factor = None
        ratios = [_ratio(self.draws[0].values[n], mend.first[n]) for n in nodes if n in mend.first]
        if ratios and all(r is not None and abs(r - ratios[0]) <= 1e-8 * abs(r) for r in ratios):  # type: ignore[operator]
            factor = ratios[0]
        label = replace(mend.label, factor=mend.outcome.factor * mend.label.factor)
        return Suspect(
            node=nodes[0],
            nodes=nodes,
            kind=kind,
            expected=label,
            factor=factor,
            computes=self.labels.found.get(nodes[0]),
            repairs=tuple(sorted(mend.outcome.mended)),
            wrong=tuple(sorted(self.wrong)),
        )

    def _is_before(self, a: Node, b: Node) -> bool:
        return self.repairs.position.get(a, -1) < self.repairs.position.get(b, -1)

    # --- which steps ------------------------------------------------------------------------------

    def _doubtful(self) -> list[Node]:
        """The steps to wrong gradients that are not known to be right, in order."""
        roots = [self.repairs.roots[n] for n in self.wrong]
        seen: set[Node] = set()
        stack = [r for r in roots if r in self.repairs.position and not self.labels.is_right(r)]
        while stack:
            node = stack.pop()
            if node in seen:
                continue
            seen.add(node)
            for parent in node.inputs:
                known = not isinstance(parent, Node) or parent not in self.repairs.position
                if not known and not self.labels.is_right(parent):
                    stack.append(parent)
        return sorted(seen, key=self.repairs.position.__getitem__)

    def _as_steps(self, nodes: list[Node]) -> list[Step]:
        """The nodes by the instruction that they execute, each with all its executions."""
        keys: dict[Any, list[Node]] = defaultdict(list)
        for node in nodes:
            keys[_key(node)].append(node)
        return [Step(tuple(found), tuple(self.executions[key])) for key, found in keys.items()]

    def _first(self, doubtful: list[Node]) -> Node | None:
        """The first doubtful step that only wrong gradients need, and whose operands are right."""
        roots = self.repairs.roots
        used = ancestors(roots[n] for n in self.repairs.right)
        for strict in (True, False):
            for node in doubtful:
                if node in used or (strict and node in self.labels.found):
                    continue
                if not any(p in doubtful for p in node.inputs if p not in used) or not strict:
                    return node
        known = [roots[n] for n in sorted(self.wrong)]
        return known[0] if known else None

    def _introduced(self, mends: list[Mend]) -> Mend:
        """Of repairs that mend the same, the one where the fault came in.

        It is the first; but where the value is a multiple of what it should be, a multiple may be
        meant (the division follows), so it is where a factor comes in last.
        """
        first = mends[0]
        if not self._is_multiple(first):
            return first
        multiples = [m for m in mends if self._is_multiple(m)]
        for m in reversed(multiples):
            if self._brings_factor(m.step.nodes[0]):
                return m
        return multiples[-1]

    def _is_multiple(self, m: Mend) -> bool:
        return all(_ratio(self.draws[0].values[n], v) is not None for n, v in m.first.items())

    def _brings_factor(self, node: Node) -> bool:
        """Whether a node's factor is another than that of what it was computed from."""
        label = self.labels.found.get(node)
        if label is None or label.kind not in ("cotangent", "contribution"):
            return True
        factor, known = 1.0, False
        for parent in node.inputs:
            other = self.labels.found.get(parent) if isinstance(parent, Node) else None
            if other is not None and other.kind in ("cotangent", "contribution"):
                factor, known = factor * other.factor, True
        return not known or abs(factor - label.factor) > 1e-8 * abs(factor)

    # --- repairs ----------------------------------------------------------------------------------

    def _mends(self, step: Step) -> Iterator[Mend]:
        """The best repair of a step, if there is one."""
        best: Mend | None = None
        for label, changes in self._changes(step):
            outcome = self.repairs.attempt(changes)
            if outcome is None:
                continue
            mend = Mend(step, label, outcome, _scaled(changes[0], outcome.factor))
            if best is None or self._quality(mend) > self._quality(best):
                best = mend
        if 1 < len(step.nodes) <= _FEW and (best is None or best.outcome.mended != self.wrong):
            greedy = self._one_by_one(step)
            if greedy is not None and (best is None or self._quality(greedy) > self._quality(best)):
                best = greedy
        if best is not None:
            yield best

    def _quality(self, m: Mend) -> Any:
        kinds = ("forward", "local", "contribution", "cotangent")
        return (
            len(m.outcome.mended), m.outcome.factor == 1.0, not m.label.transposed,
            kinds.index(m.label.kind),
        )  # fmt: skip

    def _changes(self, step: Step) -> Iterator[tuple[Label, list[Change]]]:
        """What may be put in the place of a step's executions, for each draw."""
        if len(step.nodes) == 1:
            yield from self._single(step.nodes[0])
        if len(step.all) > 1:
            yield from self._families(step)

    def _single(self, node: Node) -> Iterator[tuple[Label, list[Change]]]:
        value = self.draws[0].values[node]
        if getattr(value, "dtype", np.dtype(object)).kind not in "fb":
            return
        for c, turned in self.candidates.like(value):
            label = replace(c.label, transposed=turned)
            if value.dtype.kind == "b":
                if c.label.kind == "local":
                    yield label, self._put(node, [v != 0 for v in c.values], turned)
                    yield label, self._put(node, [v == 0 for v in c.values], turned)
            else:
                yield label, self._put(node, list(c.values), turned)
        if self.repairs.touched([node]) & set(self.misshapen):
            for c in self._of_misshapen(value):
                yield c.label, [{node: v} for v in c.values]

    def _of_misshapen(self, value: Any) -> Iterator[Candidate]:
        params = {self.observation.params[n] for n in self.misshapen}
        for shape, found in self.candidates.of_shape.items():
            if shape not in (squeezed(value), squeezed(value)[::-1]) or np.ndim(value) < 2:
                yield from (
                    c for c in found if c.label.node in params and c.label.kind != "forward"
                )
        for n in self.misshapen:
            for c in self.candidates.of_shape.get(squeezed(self.observation.params[n].value), ()):
                if c.label.node is self.observation.params[n] and c.label.kind != "forward":
                    yield c

    def _put(self, node: Node, values: list[Any], turned: bool) -> list[Change]:
        changes: list[Change] = []
        for d, v in zip(self.draws, values, strict=True):
            shape = np.shape(d.values[node])
            v = np.transpose(v) if turned else v
            changes.append({node: np.reshape(v, shape)[()]})
        return changes

    def _families(self, step: Step) -> Iterator[tuple[Label, list[Change]]]:
        """For a step executed often: the values of a forward step executed as often; rows."""
        n = len(step.all)
        where = [step.all.index(node) for node in step.nodes]
        for executed in self.forward.values():
            if len(executed) != n:
                continue
            for order in (executed, executed[::-1]):
                yield from self._paired(step, [order[i] for i in where])
        for shape, found in list(self.candidates.of_shape.items()):
            if len(shape) < 1 or n not in (shape[0], shape[-1]):
                continue
            for c in found:
                for axis in {0, len(shape) - 1}:
                    if shape[axis] == n:
                        yield from self._rows(step, where, c, axis)

    def _paired(self, step: Step, nodes: list[Node]) -> Iterator[tuple[Label, list[Change]]]:
        """Each execution with the derivatives around its counterpart in the forward pass."""
        first = self.draws[0]
        if all(n in first.cotangents for n in nodes):
            yield from self._fitting(
                step,
                Label("cotangent", nodes[0]),
                [[d.cotangents[n] for n in nodes] for d in self.draws],
            )
        for i in range(len(nodes[0].inputs)):
            if all((n, i) in first.contributions for n in nodes):
                label = Label("contribution", nodes[0].inputs[i], use=(nodes[0], i))
                values = [[d.contributions[n, i] for n in nodes] for d in self.draws]
                yield from self._fitting(step, label, values)
        yield from self._fitting(
            step, Label("forward", nodes[0]), [[d.values[n] for n in nodes] for d in self.draws]
        )

    def _rows(
        self, step: Step, where: list[int], c: Candidate, axis: int
    ) -> Iterator[tuple[Label, list[Change]]]:
        for backwards in (False, True):
            values = []
            for v in c.values:
                v = np.moveaxis(np.reshape(v, squeezed(v)), axis, 0)
                values.append([v[::-1][i] if backwards else v[i] for i in where])
            yield from self._fitting(step, c.label, values)

    def _fitting(
        self, step: Step, label: Label, values: list[list[Any]]
    ) -> Iterator[tuple[Label, list[Change]]]:
        """One change for each draw, if every value has its step's shape (or is its transpose)."""
        for turned in (False, True):
            changes: list[Change] = []
            for d, given in zip(self.draws, values, strict=True):
                change: Change = {}
                for node, v in zip(step.nodes, given, strict=True):
                    v = np.transpose(v) if turned else v
                    shape = np.shape(d.values[node])
                    if squeezed(v) != tuple(k for k in shape if k != 1):
                        return
                    if getattr(v, "dtype", np.dtype(object)).kind != "f":
                        return
                    change[node] = np.reshape(v, shape)[()]
                changes.append(change)
            yield replace(label, transposed=turned), changes
            if all(np.ndim(v) < 2 for v in values[0]):
                return

    def _one_by_one(self, step: Step) -> Mend | None:
        """Each execution mended in turn, with the ones before it mended already."""
        made: list[Change] = [{} for _ in self.draws]
        best: Mend | None = None
        for node in step.nodes:
            chosen: tuple[Any, Mend, list[Change]] | None = None
            for label, changes in self._single(node):
                trial = [{**old, **new} for old, new in zip(made, changes, strict=True)]
                outcome = self.repairs.attempt(trial, scale=not made[0])
                if outcome is None:
                    continue
                trial = [_scaled(c, outcome.factor) for c in trial]
                mend = Mend(step, label, outcome, trial[0])
                if chosen is None or self._quality(mend) > chosen[0]:
                    chosen = (self._quality(mend), mend, trial)
            if chosen is not None and (best is None or chosen[0] > self._quality(best)):
                best, made = chosen[1], chosen[2]
        return best

    # --- what is missing --------------------------------------------------------------------------

    def _missing(self, skip: Mend | None = None) -> Mend | None:
        """A right step after which something is missing: another derivative mends the rest.

        Args:
            skip: a repair of a wrong step that mends everything. It is the better explanation if
                its own value was meant to be that derivative, or that derivative is computed
                somewhere: then a wrong operand was taken.
        """
        roots = [self.repairs.roots[n] for n in sorted(self.wrong)]
        needed = ancestors(roots)
        nodes = [
            n for n in self.observation.backward
            if n in needed and self.labels.is_right(n)
            and self.labels.found[n].kind in ("cotangent", "contribution")
        ]  # fmt: skip
        computed = {
            label.node
            for label in self.labels.found.values()
            if label.is_exact and label.kind == "cotangent"
        }
        best: Mend | None = None
        for step in reversed(self._as_steps(nodes)):
            own = self.labels.found[step.nodes[0]]
            for label, changes in self._changes(step):
                same = (label.kind, label.node) == (own.kind, own.node)
                if same or label.kind not in ("cotangent", "contribution"):
                    continue
                if skip is not None and (
                    label.node in computed or label.node is skip.label.node
                    or step.nodes[0] not in ancestors(skip.step.nodes[:1])
                ):  # fmt: skip
                    continue
                outcome = self.repairs.attempt(changes, scale=False)
                if outcome is None:
                    continue
                mend = Mend(step, label, outcome, changes[0])
                if best is None or len(outcome.mended) > len(best.outcome.mended):
                    best = mend
            if best is not None and best.outcome.mended == self.wrong:
                return best
        return None if skip is not None else best


def _key(node: Node) -> Any:
    return (id(node.code), node.offset, node.function)


def _steps(nodes: Iterable[Node]) -> dict[Any, list[Node]]:
    found: dict[Any, list[Node]] = defaultdict(list)
    for node in nodes:
        found[_key(node)].append(node)
    return found


def _scaled(change: Change, factor: float) -> Change:
    return change if factor == 1.0 else {n: v * factor for n, v in change.items()}


def _ratio(value: Any, right: Any) -> float | None:
    """By which factor a value is a multiple of the right one; None if it is none."""
    if np.shape(value) != np.shape(right) or np.asarray(value).dtype.kind != "f":
        return None
    a, b = np.ravel(value), np.ravel(right)
    size = float(b @ b)
    if not size:
        return None
    factor = float(a @ b) / size
    close = np.linalg.norm(a - factor * b) <= 1e-8 * np.linalg.norm(a)
    return factor if factor and close else None
