"""The order of a plan's steps: which loops are one, which steps are one Numba function."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from itertools import combinations
from typing import Any

import numpy as np

from ...node import Node
from .fusion import fuse
from .plan import Op, Plan
from .views import At, Axis, Term

#: At most so many operations are one Numba function: the time to compile grows faster than they do.
_FUNCTION = 100


class Step:
    """What runs as one: a product, a call, or one outer loop.

    Attributes:
        ops: the operations; of a loop, grouped by inner loop and in order, in ``parts``.
    """

    def __init__(self, ops: list[Op], parts: list[list[Op]]) -> None:
        self.ops = ops
        self.parts = parts


class Schedule:
    """The steps in order.

    Attributes:
        segments: what runs in turn: a list of steps that are one Numba function, or one call.
        step_of, part_of: for each operation the numbers of its step and of its inner loop.
        segment_of: for each operation the number of its segment.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        ops = plan.ops
        steps = [
            Step(group, self._parts(group)) for group in self._grouped(ops, _outer, self._same_row)
        ]
        self.segments = _segments(steps, plan)
        self.step_of: dict[Op, int] = {}
        self.part_of: dict[Op, int] = {}
        self.segment_of: dict[Op, int] = {}
        count = 0
        for number, segment in enumerate(self.segments):
            for step in segment:
                count += 1
                for part, members in enumerate(step.parts):
                    for op in members:
                        self.step_of[op], self.part_of[op] = count, part
                        self.segment_of[op] = number

    def _parts(self, group: list[Op]) -> list[list[Op]]:
        if group[0].kind != "loop":
            return [group]
        return self._grouped(group, lambda op: op.dims[1:], self._same_entry)

    def _grouped(self, ops: list[Op], key: Any, aligned: Any) -> list[list[Op]]:
        """Operations fused as far as they may be."""
        number = {op: i for i, op in enumerate(ops)}
        edges: dict[tuple[int, int], bool] = {}
        together: dict[Any, list[int]] = {}
        keys: list[Hashable] = [key(op) for op in ops]
        for i, op in enumerate(ops):
            together.setdefault(op.node, []).append(i)
            for base, terms in op.uses():
                made = self.plan.op_of.get(base) if isinstance(base, Node) else None
                if made in number:
                    fits = keys[i] is not None and aligned(made, op, terms)
                    pair = (number[made], i)
                    edges[pair] = edges.get(pair, True) and fits
                if _is_whole(terms, op):
                    together.setdefault(base, []).append(i)
        shared: dict[tuple[int, int], int] = {}
        for base, users in together.items():
            nbytes = int(getattr(base.value, "nbytes", 8)) or 1
            for pair in combinations(dict.fromkeys(users), 2):
                shared[pair] = shared.get(pair, 0) + nbytes
        for first, second in edges:
            shared[first, second] = shared.get((first, second), 0) + self._spared(ops[first])
        return [[ops[i] for i in group] for group in fuse(keys, edges, shared)]

    def _spared(self, op: Op) -> int:
        """The bytes that draw a mask to its use: made there, it need not be in memory at all.

        It is made from arrays that are in memory anyway, such as a relu's result.
        """
        bases = [base for base, _ in op.uses()]
        kept = all(base not in self.plan.op_of or base in self.plan.stored for base in bases)
        if op.kind != "loop" or op.reduction or op.node.value.dtype != np.bool_ or not kept:
            return 0
        return 2 * max((int(base.value.nbytes) for base in bases), default=0)

    @staticmethod
    def _same_row(made: Op, op: Op, terms: tuple[Term, ...]) -> bool:
        """Whether a round of the outer loop needs of ``made`` only what the same round makes."""
        if not made.dims or not op.dims:
            return made.dims == op.dims and not made.reduction
        first = next((t for t, own in zip(terms, made.place, strict=True) if own != 0), None)
        return made.is_row and first == Axis(0) and made.dims[0] == op.dims[0]

    @staticmethod
    def _same_entry(made: Op, op: Op, terms: tuple[Term, ...]) -> bool:
        return not made.reduction and made.dims == op.dims and terms == made.place


def _outer(op: Op) -> Hashable:
    return op.dims[:1] if op.kind == "loop" else None


def _is_whole(terms: tuple[Term, ...], op: Op) -> bool:
    """Whether an operand is read row by row as the outer loop runs."""
    return op.kind == "loop" and (not op.dims or Axis(0) in terms)


def _segments(steps: list[Step], plan: Plan) -> list[list[Step]]:
    """Steps between two calls are one Numba function, if they are not too many."""
    era_of: dict[Op, int] = {}
    eras: dict[int, tuple[list[Step], list[Step]]] = {}
    for step in steps:
        era = 0
        is_call = step.ops[0].kind == "call"
        for op in step.ops:
            for base, _ in op.uses():
                made = plan.op_of.get(base) if isinstance(base, Node) else None
                if made is not None and made in era_of:
                    after_call = made.kind == "call" and not is_call
                    era = max(era, era_of[made] + after_call)
        era_of.update(dict.fromkeys(step.ops, era))
        eras.setdefault(era, ([], []))[is_call].append(step)
    segments: list[list[Step]] = []
    for _, (loops, calls) in sorted(eras.items()):
        segments += _chunks(loops)
        segments += [[call] for call in calls]
    return segments


def _chunks(steps: Iterable[Step]) -> list[list[Step]]:
    chunks: list[list[Step]] = []
    size = _FUNCTION
    for step in steps:
        if size + len(step.ops) > _FUNCTION:
            chunks.append([])
            size = 0
        chunks[-1].append(step)
        size += len(step.ops)
    return chunks


def may_write_directly(schedule: Schedule, op: Op, target: Node) -> bool:
    """Whether ``op`` may put its result into an input's array while it runs.

    Everything that reads the old value must have done so: in an earlier step, in an earlier inner
    loop of the same row, or at the very entry that is written.
    """
    old, new = target.value, op.node.value
    same_type = (old.shape, old.dtype) == (new.shape, new.dtype)
    if op.kind != "loop" or op.reduction or not old.shape or not same_type:
        return False
    step, part = schedule.step_of[op], schedule.part_of[op]
    for reader in schedule.plan.ops:
        for base, terms in reader.uses():
            if base is not target or schedule.step_of[reader] < step:
                continue
            if schedule.step_of[reader] > step or reader.kind != "loop":
                return False
            same_row = bool(reader.dims) and _first(terms, target) == Axis(0)
            earlier = schedule.part_of[reader] < part and same_row
            here = schedule.part_of[reader] == part and terms == op.place
            if not earlier and not here:
                return False
    return True


def _first(terms: tuple[Term, ...], node: Node) -> Any:
    """The term of the first axis that is longer than 1."""
    shape = np.shape(node.value)
    return next((t for t, n in zip(terms, shape, strict=True) if n != 1), None)


def checked_late(plan: Plan) -> bool:
    """Whether there are indices that the program itself computes, so checks cannot come first."""
    pending = [t for op in plan.ops for _, terms in op.uses() for t in terms]
    pending += [t for op in plan.ops for t in op.place]
    return any(isinstance(t, At) and t.array.base in plan.op_of for t in pending)
