"""A program's nodes as statements: what is written on a line of its own, and what within another.

What has a name gets a line. What has none and is used once stands where it is used, as far as the
line allows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...graph import Graph
from ...node import Node
from ...rules.indexing import scatter_add, setitem
from ...weak import WEAK
from ..code import NAME, WIDTH, Code, bracketed, call, name, statement, string
from ..literals import dtype, literal
from ..naming import NUMBERED, Names
from .expressions import argument, expression, index_codes
from .inplace_plan import AUGMENTED, InPlace, is_basic, views

#: An expression that is longer than this stands alone.
_LONGEST_PART = 60

#: The columns of a statement's indentation.
INDENT = 4


@dataclass
class Statement:
    """One statement, with what its comment will say.

    Attributes:
        prefix: what comes before the expression: ``dW1 = ``, ``dW1 += ``.
        code: the expression.
        node: the node that has its value afterwards.
        parts: the other nodes that it computes.
        lines: instead of prefix and code, the whole statement.
        phase: 0 for the forward part, 1 for the backward part, and so on.
    """

    prefix: str
    code: Code
    node: Node | None
    parts: set[Node] = field(default_factory=set)
    lines: tuple[str, ...] = ()
    phase: int = 0

    def layout(self) -> list[str]:
        """The statement's lines, without its comment."""
        return statement(self.prefix, self.code, INDENT)


@dataclass
class _Part:
    """An expression that waits for the statement in which it is used."""

    code: Code
    parts: set[Node]


class Writer:
    """Writes one graph's statements, in order.

    Attributes:
        variable: the name of each node that has a variable.
        inline: the expression of each node that stands where it is used: a number, say.
        waiting: expressions that stand in the statement that uses them, which is yet to come.
        home: for each node the statement in which it is computed.
        statements: what is written so far.
        labels: nodes that hold labels, each with the number of classes.
        uses: in how many places each node is used.
        last_phase: the part that comes after all operations, in which arguments are updated.
    """

    def __init__(
        self, graph: Graph, given: dict[Node, str], names: Names, labels: dict[Node, int]
    ) -> None:
        self.graph = graph
        self.names = names
        self.labels = labels
        self.phase = phases(graph)
        self.in_place = InPlace(graph, self.phase, set(labels))
        self.uses = self.in_place.uses
        self.updating = {
            new
            for node, new in graph.updates
            if self.uses[new] == 1 and new.function in AUGMENTED and new.inputs[0] is node
        }
        latest = max(self.phase.values(), default=0)
        self.last_phase = latest + latest % 2
        self.variable = dict(given)
        self.inline: dict[Node, Code] = {}
        self.waiting: dict[Node, _Part] = {}
        self.home: dict[Node, Statement] = {}
        self.statements: list[Statement] = []
        self.own_names = self.chosen_names()

    def chosen_names(self) -> dict[Node, str]:
        """For each node that is called by a name, that name; one for what is changed in place."""
        chosen: dict[Node, str] = {}
        shared: dict[Node, str] = {}
        for node in self.graph.nodes:
            own = self.graph.names.get(node, "t0")
            last = self.in_place.last(node)
            if not NUMBERED.fullmatch(own) and node not in self.updating:
                before = shared.get(last)
                another = before is None or _stem(own) != _stem(before)
                if another or node in self.graph.origin:
                    shared[last] = own
        called = {name: node for node, name in self.graph.names.items()}
        for node in self.graph.nodes:
            last = self.in_place.last(node)
            if last in shared and last not in chosen:
                wanted = shared[last]
                of = called.get(wanted[1:]) if wanted.startswith("d") else None
                if of is not None:  # the gradient of what has another name here
                    of = self.in_place.last(of)
                    variable = chosen.get(of) or self.variable.get(of)
                    wanted = f"d{variable}" if variable is not None else wanted
                chosen[last] = self.names.give(wanted)
        return {
            n: chosen[last] for n in self.graph.nodes if (last := self.in_place.last(n)) in chosen
        }

    # --- the walk ---------------------------------------------------------------------------------

    def write(self) -> None:
        """Write the statements of all operations, the forward part first."""
        for node in sorted(self.graph.nodes, key=self.phase.__getitem__):
            if node in self.in_place.absorbed:
                continue
            if node.function is setitem:
                self.write_setitem(node)
            elif node.function is scatter_add:
                self.write_scatter_add(node)
            elif node in self.in_place.before:
                self.write_arithmetic(node)
            else:
                self.write_expression(node)
            if node in self.labels:
                self.check_labels(node)

    def write_expression(self, node: Node) -> None:
        """Write ``variable = expression``, or let the expression wait for its use."""
        target = f"{self.own_names.get(node, 't99')} = "
        part = self.fitted(lambda operand: expression(node, operand), len(target), node)
        if self.may_wait(node, part.code):
            self.waiting[node] = part
        else:
            self.assign(node, part)

    def may_wait(self, node: Node, code: Code) -> bool:
        """Whether the expression is written where it is used."""
        if node in self.updating:
            return True
        if node in self.own_names or node in self.in_place.kept or node in self.in_place.next:
            return False
        if len(code.text) > _LONGEST_PART:
            readers = self.in_place.readers.get(node, [])
            return self.uses[node] == 1 and any(r in self.in_place.before for r in readers)
        return self.uses[node] == 1 or (views(node) in self.variable and code.level == NAME)

    def assign(self, node: Node, part: _Part) -> None:
        """Write ``variable = expression``."""
        variable = self.variable_of(node)
        self.add(Statement(f"{variable} = ", part.code, node, part.parts))

    def add(self, statement: Statement, phase: int | None = None) -> None:
        """Write a statement, in the part of its node unless another is given."""
        node = statement.node
        assert node is not None
        statement.phase = self.phase.get(node, 0) if phase is None else phase
        self.statements.append(statement)
        self.home[node] = statement
        for part in statement.parts:
            self.home.setdefault(part, statement)

    def variable_of(self, node: Node) -> str:
        """The variable that a node is assigned to, new if it has none yet."""
        last = self.in_place.last(node)
        known = self.variable.get(last) or self.own_names.get(node) or self.names.number()
        self.variable[node] = self.variable[last] = known
        return known

    # --- expressions within a line ----------------------------------------------------------------

    def fitted(self, make: Callable[..., Code], prefix: int, node: Node) -> _Part:
        """An expression with parts within it, of which the longest leave it until it fits."""
        while True:
            used: list[Node] = []

            def operand(of: Node, used: list[Node] = used) -> Code:
                if of in self.waiting:
                    used.append(of)
                    return self.waiting[of].code
                return self.inline.get(of) or name(self.variable[of])

            code = make(operand)
            length = INDENT + prefix + len(code.text) + len(f"  # {shape_text(node.value)}")
            if length <= WIDTH or not used:
                parts = {p for of in used for p in (of, *self.waiting[of].parts)}
                return _Part(code, parts)
            longest = max(used, key=lambda of: len(self.waiting[of].code.text))
            self.assign(longest, self.waiting.pop(longest))

    # --- changes in place -------------------------------------------------------------------------

    def changed_variable(self, node: Node) -> str:
        """The variable whose value becomes ``node`` in place: the operand's, or that of a copy."""
        x = node.inputs[0]
        if x in self.in_place.next:
            return self.variable_of(node)
        variable = self.variable_of(node)
        if isinstance(x, Node):
            part = self.fitted(lambda operand: _copied(x, operand), len(variable) + 3, node)
        else:
            part = _Part(_own(literal(node.arguments[0]), node.arguments[0]), set())
        self.add(Statement(f"{variable} = ", part.code, node, part.parts))
        return variable

    def write_setitem(self, node: Node) -> None:
        """Write ``x[i] = v`` or ``x[i] -= v``, after a copy of x where it is needed elsewhere."""
        variable = self.changed_variable(node)
        arithmetic = self.in_place.augmented.get(node)
        symbol = "=" if arithmetic is None else AUGMENTED[arithmetic.function]

        target = self.written_entries(variable, node)
        source = node if arithmetic is None else arithmetic
        prefix = f"{target.code.text} {symbol} "
        part = self.fitted(lambda operand: argument(source, 1, operand), len(prefix), node)
        parts = {*target.parts, *part.parts}
        if arithmetic is not None:
            parts |= {arithmetic, arithmetic.inputs[0]}
        self.add(Statement(prefix, part.code, node, parts))

    def written_entries(self, variable: str, node: Node) -> _Part:
        """The entries of a variable that ``node``, a setitem or scatter_add, writes."""
        return self.fitted(
            lambda operand: _entries(variable, index_codes(node, 2, operand)), 0, node
        )

    def write_scatter_add(self, node: Node) -> None:
        """Write zeros, and the statement that adds into them."""
        variable = self.variable_of(node)
        kind = node.value.dtype
        options = {} if kind == np.float64 else {"dtype": dtype(kind)}
        shape = node.arguments[1]
        zeros = call("np.zeros", [literal(shape[0] if len(shape) == 1 else shape)], options)
        self.add(Statement(f"{variable} = ", zeros, node))
        if _repeats_nothing(node):
            target = self.written_entries(variable, node)
            prefix = f"{target.code.text} = "
            part = self.fitted(lambda operand: argument(node, 0, operand), len(prefix), node)
            self.add(Statement(prefix, part.code, node, {*target.parts, *part.parts}))
            return

        def add_at(operand: Callable[[Node], Code]) -> Code:
            index = index_codes(node, 2, operand)
            if len(index) == 1 and not isinstance(node.arguments[2], slice):
                where = index[0]
            else:
                where = bracketed("np.s_[", index, "]")
            return call("np.add.at", [name(variable), where, argument(node, 0, operand)])

        part = self.fitted(add_at, 0, node)
        self.add(Statement("", part.code, node, part.parts))

    def write_arithmetic(self, node: Node) -> None:
        """Write ``x -= v``."""
        prefix = f"{self.variable_of(node)} {AUGMENTED[node.function]} "
        part = self.fitted(lambda operand: argument(node, 1, operand), len(prefix), node)
        self.add(Statement(prefix, part.code, node, part.parts))

    # --- labels -----------------------------------------------------------------------------------

    def check_labels(self, node: Node) -> None:
        """Refuse labels that are none: NumPy would count a negative one from the end."""
        y, classes = self.variable[node], self.labels[node]
        lines = check(labels_test(y, classes), f"{y} must be from 0 to {classes - 1}")
        phase = self.phase.get(node, 0)
        self.statements.append(Statement("", Code(""), None, lines=tuple(lines), phase=phase))


def _stem(text: str) -> str:
    """A name without the number that tells its values apart."""
    return re.sub(r"_\d+$", "", text)


def labels_test(y: str, classes: int) -> list[str]:
    """The conditions under which labels are none."""
    return [f"{y}.min() < 0", f"{y}.max() >= {classes}"]


def check(tests: list[str], message: str) -> list[str]:
    """The statement that raises ValueError if one of the tests is true."""
    margin = " " * INDENT
    line = f"{margin}if {' or '.join(tests)}:"
    raising = f"{margin}    raise ValueError({string(message).text})"
    if len(line) <= WIDTH:
        return [line, raising]
    first, *others = tests
    inner = [f"{margin}    {first}", *(f"{margin}    or {test}" for test in others)]
    return [f"{margin}if (", *inner, f"{margin}):", raising]


def phases(graph: Graph) -> dict[Node, int]:
    """For each node the part that it belongs to: 0 forward, 1 backward, 2 what comes after, ...

    Forward operations of which nothing backward is an operand come first, whatever their order.
    """
    phase: dict[Node, int] = {}
    for node in graph.nodes:
        latest = max((phase.get(i, 0) for i in node.inputs if isinstance(i, Node)), default=0)
        phase[node] = latest + (latest % 2 != (node in graph.origin))
    return phase


def shape_text(value: Any) -> str:
    """An array's shape, with its type if it holds no floating-point numbers."""
    if isinstance(value, WEAK):
        return "a number"
    return f"{value.shape}" if value.dtype.kind == "f" else f"{value.shape} {value.dtype}"


def _copied(x: Node, operand: Callable[[Node], Code]) -> Code:
    return _own(operand(x), x.value, views(x) is not None)


def _own(code: Code, value: Any, is_view: bool = False) -> Code:
    """A copy of ``code``'s value that can be written into."""
    if code.opening.startswith("np.") and not is_view:  # what is made here
        return code
    if isinstance(value, np.ndarray) and value.ndim and code.level >= NAME:
        return call(f"{code.text}.copy", [])
    return call("np.array", [code])


def _entries(variable: str, index: list[Code]) -> Code:
    return bracketed(f"{variable}[", index or [Code("()")], "]", NAME)


def _repeats_nothing(node: Node) -> bool:
    """Whether it is known now that the index of a scatter_add names no entry twice."""
    index = list(zip(node.inputs[2:], node.arguments[2:], strict=True))
    if all(is_basic(i, v) or _is_whole_number(v) for i, v in index):
        return True
    if len(index) == 1:
        return getattr(index[0][1], "dtype", None) == np.bool_
    if len(index) != 2 or not all(isinstance(v, np.ndarray) and v.ndim == 1 for _, v in index):
        return False
    (given, rows), (_, columns) = index
    return (
        not isinstance(given, Node)
        and "b" not in (rows.dtype.kind, columns.dtype.kind)
        and rows.size == columns.size
        and bool((np.diff(rows) > 0).all())
        and (rows.size == 0 or rows[0] >= 0)
    )


def _is_whole_number(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "iu"
