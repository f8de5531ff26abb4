"""The end of a generated function: what it writes into its arguments, and what it returns.

Nothing that is returned shares memory with an argument or a constant.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...node import Node
from ...rules.indexing import getitem
from ..code import WIDTH, Code, bracketed, call, name, statement
from ..literals import literal
from .expressions import argument, subscript
from .inplace_plan import AUGMENTED, memory, views
from .signature import key
from .statements import INDENT, Statement, Writer

#: Functions whose result of shape () may be a number or an array, and stand for one that gives a
#: number.
_OF_ANY_KIND = frozenset((np.reshape, np.transpose, np.where, np.broadcast_to, np.astype, getitem))


class Results:
    """The constants, updates and outputs of one graph."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.graph = writer.graph
        self.roots: set[Node] = set()
        self.targets = {node for node, _ in self.graph.updates}

    def write_constants(self) -> None:
        """Give each array that the program holds a variable; numbers stand where they are used."""
        for node in self.graph.captured:
            code = literal(node.value)
            used = self.writer.uses.get(node, 0)
            if np.ndim(node.value) == 0 or (used == 1 and node in self.graph.outputs):
                self.writer.inline[node] = code
                continue
            variable = self.writer.names.give(self.graph.names[node])
            self.writer.variable[node] = variable
            self.writer.add(Statement(f"{variable} = ", code, node))

    def lines(self) -> list[str]:
        """The line that returns the outputs, after the changes of arguments have been written."""
        returned = [self.output(node) for node in self.graph.outputs]
        self.write_updates()
        return _returned(_structured(self.graph.structure, returned))

    # --- outputs ----------------------------------------------------------------------------------

    def output(self, node: Node) -> Code:
        """An expression for an output, which shares no memory with anything else."""
        if node in self.writer.inline:
            code = self.writer.inline[node]
            is_single = isinstance(node.value, np.ndarray) and node.value.ndim == 0
            return call("np.array", [code]) if is_single else code
        code = name(self.writer.variable[node])
        root = memory(node)
        if not isinstance(node.value, np.ndarray):
            may_be_array = node.function in _OF_ANY_KIND and isinstance(node.value, np.generic)
            return subscript(code, []) if may_be_array else code
        if node.value.ndim == 0:
            return call("np.array", [code])
        known = root in self.roots or root.function is None
        self.roots.add(root)
        if not known and not _is_spread(node):
            return code
        copy = call(f"{code.text}.copy", [])
        if root not in self.targets:
            return copy
        variable = self.writer.names.number()  # before the argument is changed
        self.writer.add(Statement(f"{variable} = ", copy, node))
        return name(variable)

    # --- updates ----------------------------------------------------------------------------------

    def write_updates(self) -> None:
        """Write into the arguments what they are in the end, once everything else is computed."""
        changed: set[Node] = set()
        hazard = False
        for node, new in self.graph.updates:
            hazard = hazard or bool(self.memory_read(new) & changed)
            changed.add(node)
        if hazard:  # a new value is computed from an argument that would be changed before
            for _, new in self.graph.updates:
                self.compute_now(new)
        for node, new in self.graph.updates:
            self.write_update(node, new)

    def memory_read(self, node: Node) -> set[Node]:
        """The nodes in whose memory the variables lie from which ``node`` will be computed."""
        waiting, stack, roots = self.writer.waiting, [node], set()
        while stack:
            each = stack.pop()
            if each in waiting:
                stack += [i for i in each.inputs if isinstance(i, Node)]
            else:
                roots.add(memory(each))
        return roots

    def compute_now(self, node: Node) -> None:
        """Give a new value a variable, and memory of its own."""
        writer = self.writer
        if node in writer.waiting:
            writer.assign(node, writer.waiting.pop(node))
        if memory(node) in self.targets:
            variable = writer.names.number()
            copy = call(f"{writer.variable[node]}.copy", [])
            writer.add(Statement(f"{variable} = ", copy, node))
            writer.variable[node] = variable

    def write_update(self, node: Node, new: Node) -> None:
        """Write ``W -= lr * dW``, or ``W[...] =`` and the new value."""
        writer = self.writer
        variable = writer.variable[node]
        augmented = (
            new in writer.waiting
            and new.function in AUGMENTED
            and new.inputs[0] is node
            and new.value.dtype == node.value.dtype
            and node.value.ndim > 0
        )
        if augmented:
            prefix = f"{variable} {AUGMENTED[new.function]} "
            part = writer.fitted(lambda operand: argument(new, 1, operand), len(prefix), node)
        else:
            prefix = f"{variable}[...] = "
            part = writer.fitted(lambda operand: operand(new), len(prefix), node)
        writer.add(Statement(prefix, part.code, node, part.parts), writer.last_phase)


def _is_spread(node: Node) -> bool:
    """Whether a value's entries may share memory with one another."""
    while node.function is not np.broadcast_to:
        base = views(node)
        if base is None:
            return False
        node = base
    return True


def _structured(structure: Any, outputs: list[Code]) -> Code:
    """The result in its structure."""
    if isinstance(structure, dict):
        entries = [(key(k), _structured(v, outputs)) for k, v in structure.items()]
        return bracketed("{", [_entry(k, v) for k, v in entries], "}")
    if isinstance(structure, (list, tuple)):
        items = [_structured(each, outputs) for each in structure]
        if isinstance(structure, list):
            return bracketed("[", items, "]")
        return bracketed("(", items, ",)" if len(items) == 1 else ")")
    return Code("None") if structure is None else outputs[structure]


def _entry(key: Code, value: Code) -> Code:
    """``key: value`` of a dict, which is broken where the value is."""
    return Code(
        f"{key.text}: {value.text}",
        items=value.items,
        opening=f"{key.text}: {value.opening}",
        closing=value.closing,
    )


def _returned(result: Code) -> list[str]:
    """The return statement; a tuple goes without parentheses if it fits on the line."""
    if result.opening == "(" and len(result.items) > 1:
        line = f"{' ' * INDENT}return {result.text[1:-1]}"
        if len(line) <= WIDTH:
            return [line]
    return statement("return ", result, INDENT)
