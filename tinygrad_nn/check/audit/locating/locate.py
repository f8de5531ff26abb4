"""Which step of a hand-written backward pass is at fault.

A step is right if its value is a derivative of the loss, or a value of the forward pass. Among the
others, from which wrong gradients are computed, the culprit is the first for which there is a
derivative that, put in its place, makes the wrong gradients right and leaves the others right. If
there is none, the same is tried with the right steps: then something is missing after one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from ....node import Node
from ..observing.draws import Draw
from ..observing.observe import Observation, ancestors, where
from ..suspect import Label, Suspect
from .changes import Mend, Possible, Step, by_instruction, quality
from .matching import Candidates, Labels, instruction
from .naming import is_called
from .repair import Change, Repairs, ratio_of, scaled

#: Executions of a step up to which each may be mended in a way of its own.
_FEW = 8
_PRODUCTS = (np.multiply, np.matmul, np.dot, np.divide, np.einsum)
_COMPARISONS = {np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal}
_DERIVATIVES = ("cotangent", "contribution")


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
        self.repairs = Repairs(observation, draws, wrong, right)
        self.wrong = frozenset(self.repairs.wrong)
        self.roots = self.repairs.roots
        self.position = self.repairs.position
        self.blank = self._blank()
        leaves = (n for n in self.blank if n not in self.position)
        self.executions = by_instruction([*observation.backward, *leaves])
        first, truth = draws[0], self.repairs.truth[0]
        self.misshapen = [
            name
            for name in self.wrong
            if np.shape(first.values.get(self.roots[name], 0.0)) != np.shape(truth[name])
        ]
        self.possible = Possible(observation, draws, labels.candidates, self.misshapen)
        self.needed = ancestors(self.roots[name] for name in self.wrong)
        self.shared = ancestors(self.roots[name] for name in self.repairs.right)
        self.data = set(observation.inputs.values())
        self._settled: dict[Node, bool] = {}
        self.doubtful = self._doubtful()

    # --- the answer -------------------------------------------------------------------------------

    def suspect(self) -> Suspect | None:
        if not self.wrong:
            return None
        found: list[Mend] = []
        spare: list[Mend] = []  # of steps that are right in themselves
        for step in self._as_steps(self.doubtful):
            if all(self._is_slope(n) for n in step.nodes):
                spare += self._mends(step)
                continue
            found += self._mends(step)
            if found and self._is_enough(found[-1]):
                break
        whole = [m for m in found if m.outcome.mended == self.wrong]
        if whole:
            mend = self._introduced(whole)
            better = self._missing(instead_of=mend) or self._missing(instead_of=mend, apart=True)
            return self._told(better or mend)
        missing = self._missing()
        if missing is not None and missing.outcome.mended == self.wrong:
            return self._told(missing)
        partly = self._missing(apart=True)
        if partly is not None and partly.outcome.mended == self.wrong:
            return self._told(partly)
        whole = [m for m in spare if m.outcome.mended == self.wrong]
        whole = whole or [m for m in self._taken_as_they_are() if m.outcome.mended == self.wrong]
        return self._told(whole[0]) if whole else self._partial(spare + found, missing)

    def _taken_as_they_are(self) -> Iterator[Mend]:
        """Values of the forward pass that are taken for a derivative, which is another one."""
        taken = {p for n in self.doubtful for p in n.inputs if p in self.observation.forward}
        for node in (n for n in self.observation.nodes if n in taken):
            step = Step((node,), (node,))
            for label, changes in self.possible.single(node):
                if label.kind in _DERIVATIVES and not label.transposed:
                    outcome = self.repairs.attempt(changes)
                    if outcome is not None:
                        first = scaled(changes[0], outcome.factor)
                        yield Mend(step, label, outcome, first, "missing")

    def _is_slope(self, node: Node) -> bool:
        """Whether a value is an elementwise derivative of the forward pass."""
        label = self.labels.found.get(node)
        return label is not None and label.kind == "local" and label.is_exact

    def _is_enough(self, m: Mend) -> bool:
        """Whether no later repair can be preferred to this one."""
        if m.outcome.mended != self.wrong:
            return False
        exact = m.outcome.factor * m.label.factor == 1.0
        return not self._is_multiple(m) or (exact and self._brings_factor(m.step.nodes[0]))

    def _partial(self, found: list[Mend], missing: Mend | None) -> Suspect | None:
        """The suspect where no repair mends all: there may be several faults."""
        best = max((len(m.outcome.mended) for m in found), default=0)
        if best > 1 and (missing is None or len(missing.outcome.mended) < best):
            most = [m for m in found if len(m.outcome.mended) == best]
            return self._told(self._introduced(most))
        first = self._first()
        if missing is not None and (first is None or not found):
            return self._told(missing)
        if found and (first is None or not self._is_before(first, found[0].step.nodes[0])):
            return self._told(found[0])
        if first is None:
            return None
        computes = self.labels.found.get(first)
        return Suspect(first, (first,), "first", computes=computes, wrong=tuple(sorted(self.wrong)))

    def _told(self, mend: Mend) -> Suspect:
        nodes = mend.step.nodes
        ratios = [ratio_of(self.draws[0].values[n], mend.first[n]) for n in nodes]
        same = all(r is not None and abs(r - (ratios[0] or 0)) <= 1e-8 * abs(r) for r in ratios)
        return Suspect(
            node=nodes[0],
            nodes=nodes,
            kind=mend.kind,
            expected=replace(mend.label, factor=mend.outcome.factor * mend.label.factor),
            factor=ratios[0] if same else None,
            computes=self.labels.found.get(nodes[0]),
            repairs=tuple(sorted(mend.outcome.mended)),
            wrong=tuple(sorted(self.wrong)),
        )

    def _is_before(self, a: Node, b: Node) -> bool:
        return self.position.get(a, -1) < self.position.get(b, -1)

    # --- which steps ------------------------------------------------------------------------------

    def _is_settled(self, node: Node) -> bool:
        """Whether a step is known to be right.

        A multiple of a derivative may be meant. It is, if right gradients come of it, or the very
        derivative does; and so are the derivatives that are computed from it and carry its factor.
        A copy of a forward value is where a derivative begins to be computed. The part that comes
        through one execution of a step is not all of it.
        """
        if node not in self._settled:
            self._settled[node] = False  # while it is found out
            self._settled[node] = self._settles(node)
        return self._settled[node]

    def _settles(self, node: Node) -> bool:
        label = self.labels.found.get(node)
        if label is None or label.kind == "local":
            return False
        if label.kind == "forward":
            return label.is_exact and node.function is not np.positive
        if node in self.shared:
            return True
        if label.node in self.data:
            return False  # it is the target's derivative, which nobody needs
        if label.transposed or self._is_one_of_many(label):
            return False
        if label.is_exact:
            return True
        values = self.draws[0].values
        for user in self.repairs.users.get(node, ()):
            if self.labels.is_right(user) and ratio_of(values[user], values[node]) is not None:
                return True
        before = self._derivatives_before(node)
        same = [n for n in before if abs(self.labels.found[n].factor / label.factor - 1) < 1e-8]
        return bool(same) and all(self._is_settled(n) for n in same)

    def _is_one_of_many(self, label: Label) -> bool:
        """Whether a contribution comes through one of several executions of a step."""
        if label.use is None:
            return False
        executed = self.possible.forward.get(instruction(label.use[0]), ())
        return sum(label.node in n.inputs for n in executed) > 1 and not label.whole

    def _doubtful(self) -> list[Node]:
        """The steps to wrong gradients that are not known to be right, in order."""
        stack = [self.roots[name] for name in self.wrong]
        seen: set[Node] = set()
        while stack:
            node = stack.pop()
            known = node in self.position and not self._is_settled(node)
            if (known or node in self.blank) and node not in seen:
                seen.add(node)
                stack.extend(p for p in node.inputs if isinstance(p, Node))
        for key in {instruction(n) for n in seen}:
            for node in self.executions.get(key, ()):
                label = self.labels.found.get(node)
                if node in self.needed and label is not None and label.kind == "contribution":
                    seen.add(node)  # a part, as where another execution is no derivative at all
        return sorted(seen, key=lambda n: self.position.get(n, self.blank.get(n, 0.0)))

    def _blank(self) -> dict[Node, float]:
        """Arrays of zeros that are multiplied by something, each with its place in the order.

        They stand for a derivative; other ones are there to be filled, or added to.
        """
        found: dict[Node, float] = {}
        for node, users in self.repairs.users.items():
            made = node.function in (None, np.zeros_like) and node.code is not None
            if made and not np.any(node.value) and any(u.function in _PRODUCTS for u in users):
                first = min(self.position[user] for user in users)
                found[node] = self.position.get(node, first - 0.5)
        return found

    def _as_steps(self, nodes: Iterable[Node]) -> list[Step]:
        """The nodes by the instruction that they execute, each with all its executions."""
        return [
            Step(tuple(found), tuple(self.executions[key]))
            for key, found in by_instruction(nodes).items()
        ]

    def _first(self) -> Node | None:
        """The first doubtful step that only wrong gradients need, and whose operands are right."""
        for strict in (True, False):
            for node in self.doubtful:
                if node in self.shared or (strict and node in self.labels.found):
                    continue
                if not np.any(self.draws[0].values[node]):
                    continue  # np.zeros_like, to be filled
                if not strict or not any(
                    p in self.doubtful for p in node.inputs if p not in self.shared
                ):
                    return node
        known = [self.roots[name] for name in sorted(self.wrong)]
        return known[0] if known else None

    def _introduced(self, mends: list[Mend]) -> Mend:
        """Of repairs that mend the same, the one where the fault came in.

        It is the first. But where the value is a multiple of what it should be, a multiple may be
        meant, as a division follows: then it is the first of those that bring the factor in where
        the derivative itself would be right, or else the last that bring it.
        """
        first = mends[0]
        if not self._is_multiple(first):
            return self._before_addition(first)
        multiples = [m for m in mends if self._is_multiple(m)]
        bring = [m for m in multiples if self._brings_factor(m.step.nodes[0])]
        for m in bring:
            if m.outcome.factor * m.label.factor == 1.0:
                return self._where_negative(m, multiples)
        return bring[-1] if bring else multiples[-1]

    def _where_negative(self, mend: Mend, multiples: list[Mend]) -> Mend:
        """For a wrong sign: the first of the multiples before that have it."""
        if not self._is_negative(mend):
            return mend
        before = ancestors(mend.step.nodes[:1])
        negative = (m for m in multiples if m.step.nodes[0] in before and self._is_negative(m))
        return next((m for m in negative if has_sign(m.step.nodes[0])), mend)

    def _is_negative(self, m: Mend) -> bool:
        ((node, value),) = list(m.first.items())[:1]
        ratio = ratio_of(self.draws[0].values[node], value)
        return ratio is not None and ratio < 0

    def _before_addition(self, mend: Mend) -> Mend:
        """For ``dW += reg * W`` with a multiple of a derivative in dW: where that was computed.

        What is missing, a division, cannot have its place in such a line.
        """
        node = mend.step.nodes[-1]
        place = where(node)
        if node.function not in (np.add, np.subtract) or place is None:
            return mend
        before = node.inputs[0]
        label = self.labels.found.get(before) if isinstance(before, Node) else None
        augmented = re.search(r"[+-]=", place.source_line) is not None
        whole = mend.outcome.factor * mend.label.factor == 1.0
        if (
            not augmented
            or not whole
            or label is None
            or label.is_exact
            or label.kind not in _DERIVATIVES
        ):
            return mend
        value = self.draws[0].values[before] / label.factor
        step = Step((before,), (before,))
        kind = "missing"
        return Mend(step, replace(label, factor=1.0), replace(mend.outcome, factor=1.0),
                    {before: value}, kind)  # fmt: skip

    def _is_multiple(self, m: Mend) -> bool:
        return all(ratio_of(self.draws[0].values[n], v) is not None for n, v in m.first.items())

    def _brings_factor(self, node: Node) -> bool:
        """Whether a node's factor is another than that of what it was computed from."""
        label = self.labels.found.get(node)
        if label is None or label.kind not in _DERIVATIVES:
            return True
        factors = [self.labels.found[n].factor for n in self._derivatives_before(node)]
        return all(abs(f / label.factor - 1) > 1e-8 for f in factors)

    def _derivatives_before(self, node: Node) -> list[Node]:
        """The nearest derivatives of the loss, or multiples, that a node was computed from."""
        found: list[Node] = []
        stack, seen = list(node.inputs), set()
        while stack:
            parent = stack.pop()
            if not isinstance(parent, Node) or parent in seen or parent not in self.position:
                continue
            seen.add(parent)
            label = self.labels.found.get(parent)
            if label is not None and label.kind in _DERIVATIVES:
                found.append(parent)
            else:
                stack.extend(parent.inputs)
        return found

    # --- repairs ----------------------------------------------------------------------------------

    def _mends(self, step: Step) -> Iterator[Mend]:
        """The best repair of a step, if there is one."""
        roots = {self.roots[name] for name in self.wrong}
        telling = (n in roots or n in self.blank for n in step.nodes)
        if not any(np.any(self.draws[0].values[n]) for n in step.nodes) and not any(telling):
            return  # np.zeros_like, to be filled
        users = {u.function for n in step.nodes for u in self.repairs.users.get(n, ())}
        if users and users <= _COMPARISONS:
            return  # no derivative is compared with anything
        reshaping = bool(self.repairs.touched(step.nodes) & set(self.misshapen))
        best = self._best(step, self.possible.of(step, reshaping))
        if len(step.nodes) > 1 and (best is None or best.outcome.mended != self.wrong):
            last = Step(step.nodes[-1:], step.nodes[-1:])
            others = [self._best(last, self.possible.of(last, reshaping))]
            if len(step.nodes) <= _FEW:
                others.append(self._one_by_one(step))
            for other in others:
                if other is not None and (best is None or quality(other) > quality(best)):
                    best = other
        if best is not None:
            yield best

    def _best(self, step: Step, changes: Iterable[tuple[Label, list[Change]]]) -> Mend | None:
        best: Mend | None = None
        for label, change in changes:
            outcome = self.repairs.attempt(change)
            if outcome is not None:
                mend = Mend(step, label, outcome, scaled(change[0], outcome.factor))
                if best is None or quality(mend) > quality(best):
                    best = mend
        return best

    def _one_by_one(self, step: Step) -> Mend | None:
        """Each execution mended in turn, with the ones before it mended already."""
        made: list[Change] = [{} for _ in self.draws]
        best: Mend | None = None
        for node in step.nodes:
            chosen: tuple[Mend, list[Change]] | None = None
            for label, changes in self.possible.single(node):
                trial = [{**old, **new} for old, new in zip(made, changes, strict=True)]
                outcome = self.repairs.attempt(trial, scale=not made[0])
                if outcome is None:
                    continue
                trial = [scaled(c, outcome.factor) for c in trial]
                part = Step(tuple(trial[0]), step.all)
                mend = Mend(part, label, outcome, trial[0])
                if chosen is None or quality(mend) > quality(chosen[0]):
                    chosen = mend, trial
            if chosen is not None and (best is None or quality(chosen[0]) > quality(best)):
                best, made = chosen
        return best

    # --- what is missing --------------------------------------------------------------------------

    def _missing(self, instead_of: Mend | None = None, apart: bool = False) -> Mend | None:
        """A right step after which something is missing: another derivative mends the rest.

        Args:
            instead_of: a repair of a wrong step that mends everything.
            apart: whether only the doubtful steps take the changed value.
        """
        nodes = [n for n in self.observation.backward if n in self.needed]
        settled = {instruction(n) for n in nodes if self._is_settled(n)}
        steps = self._as_steps(n for n in nodes if instruction(n) in settled)
        for step in list(steps):  # in some layers only
            part = tuple(n for n in step.nodes if self._is_settled(n))
            if len(part) < len(step.nodes):
                steps.append(Step(part, step.all))
        steps.sort(key=lambda step: self.position[step.nodes[0]])
        best: Mend | None = None
        for step in reversed(steps):
            if instead_of is not None and not self._leads_to(step, instead_of):
                continue
            for mend in self._after(step, apart):
                if instead_of is not None and not self._is_better(mend, instead_of):
                    continue
                if best is None or len(mend.outcome.mended) > len(best.outcome.mended):
                    best = mend
            if best is not None and best.outcome.mended == self.wrong:
                return best
        return None if instead_of is not None else best

    def _after(self, step: Step, apart: bool) -> Iterator[Mend]:
        """What mends something in the place of a right step's value."""
        own = next(self.labels.found[n] for n in step.nodes if self._is_settled(n))
        only = None
        if apart:
            users = (u for n in step.nodes for u in self.repairs.users.get(n, ()))
            only = frozenset(u for u in users if u in self.doubtful and u not in self.shared)
            if not only:
                return
        for label, changes in self.possible.of(step):
            is_value = own.kind == "forward"
            if is_value != (label.kind == "forward") or label.kind == "local":
                continue
            if label.transposed and not own.transposed:
                continue
            scale = is_value or not own.is_exact
            outcome = self.repairs.attempt(changes, scale=scale, only=only)
            if outcome is not None:
                kind = "value" if is_value else "missing"
                yield Mend(step, label, outcome, scaled(changes[0], outcome.factor), kind)

    def _leads_to(self, step: Step, mend: Mend) -> bool:
        return step.nodes[0] in ancestors(mend.step.nodes[:1])

    def _is_better(self, missing: Mend, mend: Mend) -> bool:
        """Whether a step that is missing explains more than one whose value is wrong.

        Not if that value was meant to be the very derivative that is missing; nor if the derivative
        is computed somewhere (a wrong operand was taken); nor if only a factor is missing.
        """
        if missing.kind != "missing" or missing.outcome.mended != self.wrong:
            return False
        ((node, value),) = list(missing.first.items())[:1]
        if ratio_of(self.draws[0].values[node], value) is not None:
            return False
        if self._is_named(mend, node):
            return False
        meant = [mend.first[n] for n in mend.step.nodes]
        known = [self.draws[0].values[n] for n in self.observation.backward]
        return all(ratio_of(x, value) is None for x in (*meant, *known))

    def _is_named(self, mend: Mend, before: Node) -> bool:
        """Whether a step's value is called what it should be, ``dz``: so it was meant to be that.

        And what it is computed from is a whole derivative. The gradient of a parameter is always
        called so, whatever it is computed from.
        """
        calls, known = self.observation.calls, self.labels.found.get(before)
        if len(mend.step.all) > 1 or known is None or known.kind != "cotangent":
            return False
        if calls.get(before) is not calls.get(mend.step.nodes[-1]):
            return False
        node, label = mend.step.nodes[-1], mend.label
        if label.kind != "cotangent" or label.node in self.observation.params.values():
            return False
        return is_called(node, mend.first[node], self.draws[0])


def has_sign(node: Node) -> bool:
    """Whether a step may bring a sign in: there is a minus in its text."""
    place = where(node)
    return place is not None and "-" in place.expression
