"""Which memory each value of a program lies in: buffers planned once, reused when nobody looks.

Every value has *roots*: the nodes whose memory it may lie in. A root that nobody reads any more
gives its memory back. Writing over an operand is allowed where its root is read for the last time.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...graph import Graph
from ...graph.graph import compute
from ...node import Node, leaf
from ...weak import WEAK
from .patterns import cheaper
from .steps import Kind, Step, copied, same_type, steps_of

#: Bytes from which on an array that NumPy allocated is let go of as soon as it is not needed.
_LARGE = 2**15


class Where(enum.Enum):
    """Where a step's value is.

    Attributes:
        LOCAL: in a variable of the run.
        PLANNED: in a part of a memory that is kept between runs.
        OVER: in the memory of an operand, ``Plan.over``.
        GIVEN: in the array of an input, ``Plan.given``.
        FIXED: a view of such memory, made once.
    """

    LOCAL = enum.auto()
    PLANNED = enum.auto()
    OVER = enum.auto()
    GIVEN = enum.auto()
    FIXED = enum.auto()


@dataclass
class Plan:
    """Where the values of a program are.

    Attributes:
        steps: what is computed, in order.
        where: for each step's node, where its value is.
        memories: the bytes of each memory.
        memory: for PLANNED nodes, which memory.
        over: for OVER nodes, the operand.
        given: for GIVEN nodes, the input.
        dropped: for each step, the variables that are not needed after it.
        returned: the node whose value is returned for each output; one of shape () whose value is
            no array is returned as a number.
        written: pairs of an input and the node whose value is copied into it at the end.
        arrays: arrays laid out as those that stay where they are from run to run.
    """

    steps: list[Step]
    where: dict[Node, Where] = field(default_factory=dict)
    memories: list[int] = field(default_factory=list)
    memory: dict[Node, int] = field(default_factory=dict)
    over: dict[Node, Node] = field(default_factory=dict)
    given: dict[Node, Node] = field(default_factory=dict)
    dropped: dict[Node, list[Node]] = field(default_factory=dict)
    returned: list[Node] = field(default_factory=list)
    written: list[tuple[Node, Node]] = field(default_factory=list)
    arrays: dict[Node, Any] = field(default_factory=dict)


def plan(graph: Graph, in_place: dict[Node, Node]) -> Plan:
    """Plan the memory of a program.

    Args:
        graph: the program, simplified and expanded.
        in_place: for each input that may be overwritten, the node whose value it gets.
    """
    steps = _late(_numbers_first(steps_of(graph, cheaper)), in_place)
    made = Plan(steps)
    results = _Results(graph, in_place, made)
    results.choose()
    _Memory(made, results).assign()
    return made


# --- order ----------------------------------------------------------------------------------------


def _numbers_first(steps: list[Step]) -> list[Step]:
    """What Python computes of its numbers before all else: what it refuses, it does before a write.

    That needs no array.
    """
    return sorted(steps, key=lambda step: not isinstance(step.node.value, WEAK))


def _late(steps: list[Step], in_place: dict[Node, Node]) -> list[Step]:
    """Steps that need only inputs and numbers, and that one step uses, right before that one.

    So ``reg * W`` takes no memory while the data loss is computed. What reads an input that is
    overwritten must not come behind that.
    """
    users: dict[Node, list[int]] = {}
    for i, step in enumerate(steps):
        for read in step.reads:
            users.setdefault(read, []).append(i)
    place = {step.node: i for i, step in enumerate(steps)}
    numbers = {step.node for step in steps if step.kind is Kind.NUMBER}
    moved: dict[int, list[int]] = {}
    for i, step in enumerate(steps):
        used = users.get(step.node, [])
        if len(used) != 1 or step.kind is not Kind.INTO or used[0] == i + 1:
            continue
        limits = [place.get(in_place[r], -1) for r in step.reads if r in in_place]
        if all(r in numbers or r.function is None for r in step.reads) and all(
            used[0] <= limit for limit in limits
        ):
            moved.setdefault(used[0], []).append(i)
    gone = {i for those in moved.values() for i in those}
    order: list[Step] = []
    for i, step in enumerate(steps):
        if i not in gone:
            order += [steps[j] for j in moved.get(i, ())]
            order.append(step)
    return order


# --- results --------------------------------------------------------------------------------------


class _Results:
    """What leaves the program: outputs of which nobody else has the memory, and written inputs.

    Attributes:
        roots: for each node, those whose memory it may lie in.
        fresh: roots that are allocated for the caller in each run.
        direct: for each node whose value an input takes, the input, if it may be written there.
        kept: nodes that are read when all steps are done.
    """

    def __init__(self, graph: Graph, in_place: dict[Node, Node], made: Plan) -> None:
        self.graph = graph
        self.in_place = in_place
        self.plan = made
        self.step_of = {step.node: step for step in made.steps}
        self.roots: dict[Node, frozenset[Node]] = {}
        self.fresh: set[Node] = set()
        self.direct: dict[Node, Node] = {}
        self.kept: list[Node] = []
        self.copies: dict[Node | None, list[Step]] = {}

    def choose(self) -> None:
        """Choose what is returned and written, with copies where memory would be shared."""
        for step in self.plan.steps:
            self.roots[step.node] = _roots(step, self.roots)
        targets: dict[Node, Node] = {}
        for target, node in self.in_place.items():
            targets.setdefault(node, target)
            source = node
            if self.roots.get(node, frozenset({node})) & self.in_place.keys():
                source = self.copy(node)
            self.kept.append(source)
            if source is node and targets[node] is target and node in self.step_of:
                self.direct[node] = target
            self.plan.written.append((target, source))
        self.returns(targets)
        self.insert_copies()

    def returns(self, targets: dict[Node, Node]) -> None:
        """Choose the node to return for each output."""
        outputs = self.graph.outputs
        alone = {n for n in outputs if self.owns(n) and n not in targets}
        seen: set[Node] = set()
        for node in outputs:
            if _is_number(node, self.step_of.get(node)):
                self.plan.returned.append(node)
            elif node in seen:
                self.plan.returned.append(self.copy(node))
            elif node in targets:
                self.plan.returned.append(targets[node])
            elif node in alone:
                self.fresh.add(node)
                self.plan.returned.append(node)
            else:
                self.plan.returned.append(self.whole_view(node, alone, targets) or self.copy(node))
            seen.add(node)
        self.kept += [n for n in self.plan.returned if n in self.step_of]

    def owns(self, node: Node) -> bool:
        """Whether a node's value has memory of its own."""
        step = self.step_of.get(node)
        return step is not None and step.kind in (Kind.INTO, Kind.NEW)

    def whole_view(self, node: Node, alone: set[Node], targets: dict[Node, Node]) -> Node | None:
        """The node, if it is a view of something that the caller may have as well."""
        roots = self.roots.get(node, frozenset())
        if len(roots) != 1:
            return None
        (root,) = roots
        if not self.owns(root) or root in alone or root in targets or root in self.fresh:
            return None
        if root.value.nbytes != node.value.nbytes or not _is_view(self.step_of[node]):
            return None
        self.fresh.add(root)
        return node

    def copy(self, node: Node) -> Node:
        """A new node that is a copy of ``node``, made as soon as that is there."""
        new = leaf(node.value, False)
        step = copied(new, node)
        self.copies.setdefault(node if node in self.step_of else None, []).append(step)
        self.step_of[new] = step
        self.roots[new] = frozenset({new})
        self.fresh.add(new)
        return new

    def insert_copies(self) -> None:
        """Put the copies behind what they copy; those of inputs at the beginning."""
        order = list(self.copies.get(None, ()))
        for step in self.plan.steps:
            order += [step, *self.copies.get(step.node, ())]
        self.plan.steps[:] = order


def _is_view(step: Step) -> bool:
    return step.kind is Kind.VIEW and step.node.function is not np.broadcast_to


def _is_number(node: Node, step: Step | None) -> bool:
    if isinstance(node.value, (*WEAK, np.generic)):
        return True  # the step may give an array of shape (): it is returned as a number
    return step is not None and step.kind is Kind.NUMBER


def _roots(step: Step, known: dict[Node, frozenset[Node]]) -> frozenset[Node]:
    """The nodes whose memory a step's value may lie in; inputs are roots of their own."""
    if step.kind is Kind.NUMBER:
        return frozenset()
    own: frozenset[Node] = frozenset({step.node})
    if step.kind in (Kind.INTO, Kind.NEW):
        return own
    below = [known.get(read, frozenset({read})) for read in step.reads]
    if step.kind is Kind.VIEW:
        return below[0]
    return own.union(*below)


# --- memory ---------------------------------------------------------------------------------------


class _Memory:
    """Hands out memory step by step, and takes it back."""

    def __init__(self, made: Plan, results: _Results) -> None:
        self.plan = made
        self.roots = results.roots
        self.fresh = results.fresh
        self.direct = results.direct
        self.last = self.last_reads(results.kept)
        #: Memories that are in nobody's use now.
        self.free: list[int] = []
        #: For a root with planned memory, which.
        self.held: dict[Node, int] = {}
        #: For a root that NumPy allocated, the nodes whose variables keep it alive.
        self.variables: dict[Node, list[Node]] = {}
        #: Those of them that nobody else can have, and that can be written over.
        self.own: set[Node] = set()

    def last_reads(self, kept: list[Node]) -> dict[Node, int]:
        """For each root the last step that reads it."""
        last: dict[Node, int] = {}
        for i, step in enumerate(self.plan.steps):
            for node in (step.node, *step.reads):
                for root in self.of(node):
                    last[root] = i
        for node in kept:
            for root in self.of(node):
                last[root] = len(self.plan.steps)
        return last

    def of(self, node: Node) -> frozenset[Node]:
        """The roots of a node."""
        return self.roots.get(node, frozenset({node}))

    def assign(self) -> None:
        """Decide for every step."""
        ends: dict[int, list[Node]] = {}
        for root, i in self.last.items():
            ends.setdefault(i, []).append(root)
        for i, step in enumerate(self.plan.steps):
            self.plan.where[step.node] = self.place(i, step)
            for root in ends.get(i, ()):
                self.release(root, step)
        given = self.plan.given
        self.plan.written = [(w, node) for w, node in self.plan.written if given.get(node) is not w]

    def release(self, root: Node, step: Step) -> None:
        """Give the memory of a root back after ``step``."""
        if root in self.held:
            self.free.append(self.held.pop(root))
        variables = self.variables.pop(root, [])
        if variables and root.value.nbytes >= _LARGE:
            self.plan.dropped.setdefault(step.node, []).extend(variables)

    def place(self, i: int, step: Step) -> Where:
        """Where the value of step ``i`` goes."""
        node = step.node
        if step.kind is Kind.VIEW:
            if self.stays(step):
                return Where.FIXED
            for root in self.of(node) & self.variables.keys():
                self.variables[root].append(node)
            return Where.LOCAL
        if step.kind is not Kind.INTO:
            if step.kind is not Kind.NUMBER:
                self.variables[node] = [node]
            if step.kind is Kind.NEW:
                self.own.add(node)
            return Where.LOCAL
        if node in self.direct and self.may_write(i, step, self.direct[node]):
            self.plan.given[node] = self.direct[node]
            return Where.GIVEN
        if node in self.fresh:
            return Where.LOCAL
        for k in step.over:
            if self.dies(i, step, step.reads[k]):
                self.take_over(step.reads[k], node)
                return Where.OVER
        self.allocate(node)
        return Where.PLANNED

    def stays(self, step: Step) -> bool:
        """Whether a view is the same in each run; then it is made once."""
        source = self.plan.arrays.get(step.reads[0])
        if source is None or len(step.reads) != 1:
            return False
        view = compute(step.node, {step.reads[0]: source})
        if not isinstance(view, np.ndarray) or not np.may_share_memory(view, source):
            return False
        self.plan.arrays[step.node] = view
        return True

    def may_write(self, i: int, step: Step, target: Node) -> bool:
        """Whether nobody needs the old value of an input when step ``i`` overwrites it."""
        if self.last.get(target, -1) > i or step.contiguous:
            return False
        if not same_type(target, step.node):
            return False
        over = {step.reads[k] for k in step.over}
        return all(
            read in over if read is target else target not in self.of(read) for read in step.reads
        )

    def dies(self, i: int, step: Step, operand: Node) -> bool:
        """Whether step ``i`` may write over an operand: it is the last one that reads it."""
        roots = self.of(operand)
        if len(roots) != 1 or not same_type(operand, step.node):
            return False
        (root,) = roots
        if self.last[root] != i or root in self.fresh:
            return False
        if any(root in self.of(read) and read is not operand for read in step.reads):
            return False
        if root in self.held:
            flags = self.plan.arrays[operand].flags if operand in self.plan.arrays else None
            return flags is not None and flags.c_contiguous and flags.writeable
        return root in self.own and operand is root

    def take_over(self, operand: Node, node: Node) -> None:
        """Let ``node`` have the memory of an operand."""
        (root,) = self.of(operand)
        self.plan.over[node] = operand
        if root in self.held:
            self.held[node] = self.held.pop(root)
            self.plan.arrays[node] = self.plan.arrays[operand]
        else:
            self.variables[node] = [*self.variables.pop(root), node]
            self.own.add(node)

    def allocate(self, node: Node) -> None:
        """Plan memory: the smallest free one that is large enough, or the largest, made larger."""
        size, sizes = node.value.nbytes, self.plan.memories
        enough = [m for m in self.free if sizes[m] >= size]
        if enough:
            chosen = min(enough, key=lambda m: (sizes[m], m))
            self.free.remove(chosen)
        elif self.free:
            chosen = max(self.free, key=lambda m: (sizes[m], -m))
            self.free.remove(chosen)
            sizes[chosen] = size
        else:
            chosen = len(sizes)
            sizes.append(size)
        self.plan.memory[node] = self.held[node] = chosen
        self.plan.arrays[node] = np.empty(node.value.shape, node.value.dtype)
