"""The text of loops: what each entry is computed from, and where it goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..naming import NUMBERED
from .names import Names, check
from .ops import cast, literal
from .plan import Op, Read
from .views import At, Axis, Term

_INDENT = "    "
_INT = np.dtype(np.int64)


@dataclass
class Block:
    """An inner loop under way: what comes before it, in it, at the end of its round, after it."""

    members: set[Op]
    dims: tuple[int, ...]
    before: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    stores: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    hoisted: dict[str, str] = field(default_factory=dict)
    inlined: dict[Op, str] = field(default_factory=dict)


class LoopWriter:
    """Writes the loops of one Numba function.

    Args:
        names: what everything is called.
    """

    def __init__(self, names: Names) -> None:
        self.names = names

    def step(self, parts: list[list[Op]]) -> list[str]:
        """One outer loop, or statements on single numbers."""
        dims = parts[0][0].dims
        if not dims:
            block = self.block(parts[0])
            begun = [line for op in parts[0] if op.reduction for line in self.start(op, whole=True)]
            return [*begun, *block.before, *block.body, *block.stores]
        before, after, body = [], [], []
        for op in (op for part in parts for op in part if op.reduction and not op.is_row):
            before += self.start(op, whole=True)
            after += self.finish(op)
        for part in parts:
            body += self.part(part)
        head = f"for {self.names.loops[0]} in range({dims[0]}):"
        return [*before, head, *indent(body), *after]

    def part(self, ops: list[Op]) -> list[str]:
        """One inner loop, inside the outer one."""
        block = self.block(ops)
        loop = [*block.body, *block.stores]
        for number, n in reversed(list(enumerate(block.dims, 1))):
            loop = [f"for {self.names.loops[number]} in range({n}):", *indent(loop)]
        return [*block.before, *loop, *block.after]

    def block(self, ops: list[Op]) -> Block:
        """The statements of one inner loop."""
        block = Block(set(ops), ops[0].dims[1:])
        for op in ops:
            text = self.value(op, block)
            if op.reduction:
                self.reduce(op, text, block)
            else:
                self.keep(op, text, block)
        return block

    # --- results ------------------------------------------------------------------------------

    def keep(self, op: Op, text: str, block: Block) -> None:
        """Give an entry's value a name, or remember its text if it is used only once."""
        names = self.names
        readers = names.readers.get(op.node, [])
        stored = names.is_array(op) or op in names.row_buffers
        if (
            not stored
            and len(readers) == 1
            and readers[0][0] in block.members
            and NUMBERED.fullmatch(names.plan.names.get(op.node, ""))
            and readers[0][0].text.count(f"{{{readers[0][1]}}}") == 1
        ):
            block.inlined[op] = text
            return
        looked_for = any(
            r in block.members or names.is_number(op, r) or names.is_row_number(op, r)
            for r, _ in readers
        )
        if stored and not looked_for and not block.stores and op.node not in names.direct:
            block.stores.append(f"{names.result(op, op.place)} = {text}")
            return
        variable = names.variable(op)
        block.body.append(f"{variable} = {text}")
        if stored:
            block.stores.append(f"{names.result(op, op.place)} = {variable}")

    def start(self, op: Op, whole: bool) -> list[str]:
        """What a sum or an extreme begins with."""
        dtype = self.names.wide(op) if whole else op.node.value.dtype
        if op.reduction == "sum":
            first = literal(0, dtype)
        elif dtype.kind == "f":
            first = literal(-np.inf if op.reduction == "max" else np.inf, dtype)
        elif dtype.kind == "b":
            first = literal(op.reduction == "min", dtype)
        else:
            info = np.iinfo(dtype)
            first = literal(info.min if op.reduction == "max" else info.max, dtype)
        if not op.kept:
            return [f"{self.names.total(op)} = {first}"]
        if len(op.kept) == 1 and op.is_row:
            return [f"{self.names.variable(op)} = {first}"]
        if not op.is_row:
            return [f"{self.names.array(op.node)}[:] = {first}"]
        if op in self.names.row_buffers:
            return [f"{self.names.row_buffers[op]}[:] = {first}"]
        lead = op.place[: op.place.index(Axis(0)) + 1]
        return [f"{self.names.entry(op.node, lead)} = {first}"]

    def finish(self, op: Op) -> list[str]:
        """What remains to be done when the outer loop is over."""
        if op.kept:
            return []
        total, variable = self.names.total(op), self.names.variable(op)
        lines = []
        if total != variable:
            lines.append(f"{variable} = np.{op.node.value.dtype.name}({total})")
        if self.names.is_array(op):
            lines.append(f"{self.names.entry(op.node, op.place)} = {variable}")
        return lines

    def reduce(self, op: Op, text: str, block: Block) -> None:
        """Take one more value into a sum or an extreme."""
        names, dtype = self.names, op.node.value.dtype
        if not op.kept and not block.dims:
            block.body += self.taken(op, names.total(op), text, names.wide(op))
        elif not op.kept:
            part = names.partial(op)
            block.before.append(f"{part} = {self.start(op, whole=False)[0].split(' = ')[1]}")
            block.body += self.taken(op, part, text, dtype)
            block.after += self.taken(op, names.total(op), part, names.wide(op))
        elif len(op.kept) == 1 and op.is_row:
            block.before += self.start(op, whole=False)
            block.body += self.taken(op, names.variable(op), text, dtype)
            if names.is_array(op):
                block.after.append(f"{names.entry(op.node, op.place)} = {names.variable(op)}")
        else:
            if op.is_row:
                block.before += self.start(op, whole=False)
            place = tuple(self.index(t, op, block) if isinstance(t, At) else t for t in op.place)
            entry = names.result(op, place)
            block.body += self.taken(op, entry, text, dtype)

    def taken(self, op: Op, total: str, text: str, dtype: np.dtype[Any]) -> list[str]:
        """The statements that take the value ``text`` into ``total``."""
        text = cast(text, op.node.value.dtype, dtype)
        if op.reduction == "sum":
            if dtype.kind == "f":
                return [f"{total} = plus({total}, {text})"]
            return [f"{total} = np.{dtype.name}({total} + {text})"]
        sign = ">" if op.reduction == "max" else "<"
        lines, value = [], text
        if not text.isidentifier():
            value = self.names.unique("value")
            lines.append(f"{value} = {text}")
        nan = f" | ({value} != {value})" if dtype.kind == "f" else ""
        test = f"({value} {sign} {total}){nan}" if nan else f"{value} {sign} {total}"
        return [*lines, f"{total} = {value} if {test} else {total}"]

    # --- operands -----------------------------------------------------------------------------

    def value(self, op: Op, block: Block) -> str:
        """What an operation computes for an entry."""
        texts = [
            self.operand(read, want, op, block)
            for read, want in zip(op.reads, op.types, strict=True)
        ]
        return op.text.format(*texts)

    def operand(self, read: Read, want: np.dtype[Any], op: Op, block: Block) -> str:
        """One operand, converted to the dtype it is wanted in."""
        if read.number is not None:
            return literal(read.number, want)
        if read.base is None:
            text = self.index(read.terms[0], op, block)
            return cast(text, _INT, want)
        return cast(self.fetched(read, op, block), np.dtype(read.type), want)

    def fetched(self, read: Read, op: Op, block: Block) -> str:
        """An entry of what is read, from a variable if it is in one."""
        names = self.names
        made = names.plan.op_of.get(read.base)
        if made in block.inlined:
            text = block.inlined[made]
            return text if text.isidentifier() or _enclosed(text) else f"({text})"
        if made is not None and made in block.members and not made.reduction:
            return names.variable(made)
        if made is not None and names.is_number(made, op):
            return names.variable(made)
        if made is not None and names.is_row_number(made, op):
            return names.variable(made)
        if not np.shape(read.base.value) and names.is_scalar(read.base):
            return names.array(read.base)
        terms = tuple(self.index(t, op, block) if isinstance(t, At) else t for t in read.terms)
        if made in names.row_buffers:
            terms = tuple(t for t, own in zip(terms, made.place, strict=True) if own != 0)[1:]
            text = f"{names.row_buffers[made]}[{names.place(terms)}]"
        else:
            text = names.entry(read.base, terms)
        return self.hoist(text, read, block)

    def hoist(self, text: str, read: Read, block: Block) -> str:
        """Read before the inner loop what does not change in it."""
        if not block.dims or _varies(read.terms):
            return text
        if text not in block.hoisted:
            name = self.names.array(read.base)
            block.hoisted[text] = self.names.unique(f"{name}_{self.names.loops[0]}")
            block.before.append(f"{block.hoisted[text]} = {text}")
        return block.hoisted[text]

    def index(self, term: Term, op: Op, block: Block) -> str:
        """The text of an index; one that comes from an array has been checked, or is now."""
        if not isinstance(term, At):
            return self.names.term(term)
        made = self.names.plan.op_of.get(term.array.base)
        text = self.fetched(term.array, op, block)
        key = f"{text} in {term.extent}"
        if key not in block.hoisted:
            name = self.names.unique(f"{self.names.array(term.array.base)}_{self.names.loops[0]}")
            lines = [f"{name} = np.int64({text})"]
            if made is not None:
                lines += check(name, term, self.names.array(term.array.base))
            lines.append(f"{name} += {term.extent} if {name} < 0 else 0")
            inside = made in block.members or _varies(term.terms) or not block.dims
            (block.body if inside else block.before).extend(lines)
            block.hoisted[key] = name
        return block.hoisted[key]


def _enclosed(text: str) -> bool:
    """Whether the first parenthesis is closed by the last."""
    if not (text.startswith("(") and text.endswith(")")):
        return False
    depth = 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0:
            return i == len(text) - 1
    return False


def _varies(terms: tuple[Term, ...]) -> bool:
    """Whether a place changes in the inner loops."""
    for term in terms:
        if isinstance(term, At) and _varies(term.terms):
            return True
        if isinstance(term, Axis) and term.loop > 0:
            return True
    return False


def indent(lines: list[str]) -> list[str]:
    """Lines one level further in."""
    return [_INDENT + line for line in lines]
