"""What things are called in a generated Numba program, and where each value lies."""

from __future__ import annotations

import builtins
import keyword
from typing import Any

import numpy as np

from ...node import Node
from ..naming import unique
from .plan import Constant, Converted, Op, Plan
from .schedule import Schedule, checked_late, may_write_directly
from .views import At, Axis, Term

_RESERVED = {*dir(builtins), *keyword.kwlist, "np", "njit", "plus", "array", "given", "number",
             "result", "converted", "void", "run", "instantiate", "getitem", "setitem",
             "scatter_add", "value", "CACHE"}  # fmt: skip


class Names:
    """The names of arrays, numbers and loop variables, each used for one thing only.

    Attributes:
        direct: for each node whose value is written right where an input lies, that input.
        readers: for each node the operations that use it, with the operand's number.
        row_buffers: for operations of which only the current row is kept, the array it is in.
        loops: the loops' variables, outermost first.
    """

    def __init__(self, plan: Plan, schedule: Schedule) -> None:
        self.plan = plan
        self.schedule = schedule
        self._taken = set(_RESERVED)
        self._arrays: dict[Any, str] = {}
        self._variables: dict[Op, str] = {}
        self._partials: dict[tuple[Op, str], str] = {}
        self.readers: dict[Node, list[tuple[Op, int]]] = {}
        for op in plan.ops:
            direct = [(read.base, i) for i, read in enumerate(op.reads) if read.base is not None]
            places = [*(read.terms for read in op.reads), op.place]
            for base, i in [*direct, *((b, -1) for terms in places for b in self._inside(terms))]:
                self.readers.setdefault(base, []).append((op, i))
        self.loops: list[str] = []
        self.direct: dict[Node, Node] = {}
        for node in (*plan.graph.inputs, *plan.graph.captured):
            self.array(node)
        self.stored = {op for op in plan.ops if self._needs_array(op)}
        self.direct = self._direct()
        self.row_buffers: dict[Op, str] = {}
        for op in plan.ops:
            self._name(op)
        depth = max((len(op.dims) for op in plan.ops), default=0)
        self.loops = [self.unique(letter) for letter in _letters(max(depth, 1))]
        for op in plan.ops:
            if op.kind == "loop" and op not in self.stored and self._crosses_parts(op):
                self.row_buffers[op] = self.unique(f"{self._base_name(op)}_row")

    @staticmethod
    def _inside(terms: tuple[Term, ...]) -> list[Any]:
        """The index arrays in a place."""
        found = []
        for term in terms:
            if isinstance(term, At):
                found += [base for base, _ in term.array.bases()]
        return found

    def _direct(self) -> dict[Node, Node]:
        if len(self.schedule.segments) != 1 or checked_late(self.plan):
            return {}
        return {
            new: node
            for node, new in self.plan.in_place.items()
            if new in self.plan.op_of
            and may_write_directly(self.schedule, self.plan.op_of[new], node)
        }

    # --- where values lie -----------------------------------------------------------------------

    def _needs_array(self, op: Op) -> bool:
        """Whether the whole result has to be in memory."""
        if op.kind != "loop" or op.node in self.plan.stored:
            return True
        readers = [reader for reader, _ in self.readers.get(op.node, [])]
        if not op.kept:
            segment = self.schedule.segment_of
            return any(segment[r] != segment[op] for r in readers)
        if op.reduction and not op.is_row:
            return True
        step = self.schedule.step_of
        return any(step[r] != step[op] for r in readers)

    def _crosses_parts(self, op: Op) -> bool:
        """Whether another inner loop of the row uses the result, and it is no single number."""
        if len(op.kept) < 2:
            return False
        part = self.schedule.part_of
        readers = [reader for reader, _ in self.readers.get(op.node, [])]
        return bool(op.reduction) or any(part[r] != part[op] for r in readers)

    def is_array(self, op: Op) -> bool:
        """Whether an operation's result is a whole array."""
        return op in self.stored

    def is_scalar(self, base: Any) -> bool:
        """Whether a value of shape () comes as a number, rather than in an array of one entry."""
        op = self.plan.op_of.get(base)
        return not isinstance(base, Constant) and (op is None or op.kind == "call")

    def is_number(self, made: Op, op: Op) -> bool:
        """Whether ``op`` finds a single number in a variable."""
        segment = self.schedule.segment_of
        return made.kind == "loop" and not made.kept and segment[made] == segment[op]

    def is_row_number(self, made: Op, op: Op) -> bool:
        """Whether ``op`` finds its row's number in a variable."""
        step = self.schedule.step_of
        return made.is_row and len(made.kept) == 1 and step[made] == step[op]

    # --- names ----------------------------------------------------------------------------------

    def unique(self, wanted: str) -> str:
        """A name that nothing else has."""
        return unique(wanted if wanted.isascii() else "x", self._taken)

    def _base_name(self, op: Op) -> str:
        return self.plan.names.get(op.node, "t")

    def _name(self, op: Op) -> None:
        name = self._base_name(op)
        if op.kind == "loop" and not op.kept:
            self._variables[op] = self.unique(name)
            if op in self.stored:
                self._arrays[op.node] = self.unique(f"{name}_out")
        else:
            self.array(op.node)

    def array(self, base: Any) -> str:
        """The name of an array, or of a number that the program is given."""
        base = self.direct.get(base, base)
        if base not in self._arrays:
            if isinstance(base, Converted):
                wanted = f"{self.plan.names.get(base.node, 'x')}_{base.value.dtype}"
            else:
                wanted = "c" if isinstance(base, Constant) else self.plan.names.get(base, "x")
            self._arrays[base] = self.unique(wanted)
        return self._arrays[base]

    def variable(self, op: Op) -> str:
        """The variable that holds the current entry, or the current row's number."""
        if op not in self._variables:
            letters = "".join(self.loops[t.loop] if isinstance(t, Axis) else "" for t in op.kept)
            self._variables[op] = self.unique(f"{self._base_name(op)}_{letters}")
        return self._variables[op]

    def total(self, op: Op) -> str:
        """The variable in which a single number accumulates."""
        return (
            self.partial(op, "wide") if self.wide(op) != op.node.value.dtype else self.variable(op)
        )

    def partial(self, op: Op, what: str = "") -> str:
        """The variable for one row's part of a number."""
        key = f"{what or self.loops[0]}"
        if (op, key) not in self._partials:
            self._partials[op, key] = self.unique(f"{self.variable(op)}_{key}")
        return self._partials[op, key]

    def wide(self, op: Op) -> np.dtype[Any]:
        """What a number accumulates in: sums of float32 in float64, whose rounding adds up less."""
        dtype = op.node.value.dtype
        return np.dtype(float) if op.reduction == "sum" and dtype == np.float32 else dtype

    # --- places ---------------------------------------------------------------------------------

    def term(self, term: Any) -> str:
        """The text of an index."""
        if not isinstance(term, Axis):
            return str(term)
        loop = self.loops[term.loop]
        if term.step == -1:
            return f"{term.start} - {loop}"
        text = loop if term.step == 1 else f"{term.step} * {loop}"
        return text if term.start == 0 else f"{term.start} + {text}"

    def place(self, terms: Any) -> str:
        """What stands between the brackets."""
        return ", ".join(map(self.term, terms)) or "0"

    def entry(self, base: Any, terms: Any) -> str:
        """An entry of a whole array."""
        return f"{self.array(base)}[{self.place(terms)}]"

    def result(self, op: Op, place: Any) -> str:
        """Where a result that is an array goes."""
        if op in self.row_buffers:
            kept = [t for t, own in zip(place, op.place, strict=True) if own != 0]
            return f"{self.row_buffers[op]}[{self.place(kept[1:])}]"
        return self.entry(op.node, place)

    def row_shape(self, op: Op) -> tuple[int, ...]:
        """The shape of a row's buffer."""
        shape = op.node.value.shape
        return tuple(n for t, n in zip(op.place, shape, strict=True) if t != 0)[1:]


def check(name: str, term: At, array: str) -> list[str]:
    """Statements that refuse an index that lies outside."""
    n = term.extent
    message = f"{array}: an index is out of bounds for an axis of length {n}"
    return [f"if {name} < {-n} or {name} >= {n}:", f"    raise IndexError({message!r})"]


def _letters(count: int) -> list[str]:
    return [*"ijklmn"[:count], *(f"i{n}" for n in range(6, count))]
