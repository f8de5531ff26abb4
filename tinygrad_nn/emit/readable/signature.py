"""The head of a generated function: its parameters, its docstring, its arguments taken apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...errors import TraceError
from ...graph import Graph
from ...graph.graph import Constant
from ...node import Node
from ...weak import WeakFloat, WeakInt
from ..code import WIDTH, Code, bracketed, name, statement, string
from ..literals import literal
from ..naming import Names
from .statements import INDENT, check, shape_text


def key(value: Any) -> Code:
    """A dict's key as a literal.

    Raises:
        TraceError: a key that is neither a string nor a number, nor a tuple of such.
    """
    if type(value) is str:
        return string(value)
    if isinstance(value, tuple):
        return bracketed("(", [key(v) for v in value], ",)" if len(value) == 1 else ")")
    if value is None or type(value) in (bool, int, bytes):
        return Code(repr(value))
    if type(value) is float and value - value == 0:
        return Code(repr(value))
    raise TraceError(f"source code has no literal for the key {value!r}")


class Signature:
    """The parameters of a graph's function.

    Attributes:
        name: the function's own name.
        parameters: the names of its parameters.
        variables: the name of each input that the program uses.
    """

    def __init__(self, graph: Graph, names: Names) -> None:
        self.graph = graph
        self.structure = graph.arguments
        if self.structure is None:
            self.structure = tuple(range(len(graph.inputs)))
        wanted = graph.parameters or [self.own_name(argument) for argument in self.structure]
        self.parameters = [names.give(each) for each in wanted]
        self.name = Names(self.parameters).give(graph.name)
        self.variables: dict[Node, str] = {}
        pairs = list(zip(self.parameters, self.structure, strict=True))
        for parameter, argument in pairs:
            if isinstance(argument, int):
                self.variables[graph.inputs[argument]] = parameter
        for node in graph.inputs:
            if node not in self.variables:
                self.variables[node] = names.give(graph.names[node])
        used = {i for n in graph.nodes for i in n.inputs if isinstance(i, Node)}
        ends = {*graph.outputs, *(n for pair in graph.updates for n in pair)}
        self.used = [node for node in graph.inputs if node in used | ends]

    def own_name(self, argument: Any) -> str:
        """What to call a parameter of which only the value is known."""
        if isinstance(argument, int):
            return self.graph.names[self.graph.inputs[argument]]
        if isinstance(argument, Constant):
            return "option"
        return "params" if isinstance(argument, dict) else "arguments"

    def definition(self) -> list[str]:
        """The line ``def f(a, b):``."""
        head = bracketed(
            f"def {self.name}(",
            [name(p) for p in self.parameters],
            "):",
        )
        return statement("", head, 0)

    def docstring(self, summary: str) -> list[str]:
        """What the function is, and for which shapes it was derived."""
        kinds = [f"{self.variables[n]} {_kind(n.value)}" for n in self.graph.inputs]
        lines = _wrapped("Written for", kinds) if kinds else []
        margin = " " * INDENT
        if not lines:
            return [f'{margin}"""{summary}"""']
        return [f'{margin}"""{summary}', "", *(margin + line for line in lines), f'{margin}"""']

    def unpacking(self) -> list[str]:
        """The statements that take dicts and lists apart, and hold constants to their values."""
        margin = " " * INDENT
        lines: list[str] = []
        for parameter, argument in zip(self.parameters, self.structure, strict=True):
            targets = [
                (self.variables[self.graph.inputs[slot]], entry)
                for entry, slot in _entries(parameter, argument)
                if not isinstance(slot, Constant) and self.graph.inputs[slot] in self.used
            ]
            if not isinstance(argument, int):
                lines += [margin + line for line in _assignments(targets)]
            for entry, slot in _entries(parameter, argument):
                if isinstance(slot, Constant):
                    lines += _held(entry, slot.value)
            if argument is None:
                lines += _held(parameter, None)
        return lines

    def shape_tests(self) -> list[str]:
        """The conditions under which the arrays have other shapes: sizes are part of the code."""
        arrays = [node for node in self.used if node.value.shape]
        tests = [f"{self.variables[n]}.shape != {n.value.shape}" for n in arrays]
        if len(tests) < 3 or {"a", "x", "array", "each"} <= {*self.variables.values()}:
            return tests
        variables = ", ".join(self.variables[n] for n in arrays)
        shapes = ", ".join(str(n.value.shape) for n in arrays)
        each = next(n for n in ("a", "x", "array", "each") if n not in self.variables.values())
        short = f"[{each}.shape for {each} in ({variables})] != [{shapes}]"
        return [short] if len(short) + 2 * INDENT <= WIDTH else tests


def _kind(value: Any) -> str:
    if isinstance(value, (WeakFloat, WeakInt)):
        return "a float" if isinstance(value, WeakFloat) else "an int"
    return shape_text(value)


def _entries(path: str, structure: Any) -> Iterator[tuple[str, Any]]:
    """Each leaf with the expression that reaches it."""
    if isinstance(structure, dict):
        for each, value in structure.items():
            yield from _entries(f"{path}[{key(each).text}]", value)
    elif isinstance(structure, (list, tuple)):
        for i, value in enumerate(structure):
            yield from _entries(f"{path}[{i}]", value)
    elif structure is not None:
        yield path, structure


def _assignments(targets: list[tuple[str, str]]) -> Iterator[str]:
    """``W1, b1 = params["W1"], params["b1"]``, as many on a line as fit."""
    while targets:
        count = len(targets)
        while count > 1 and len(_assignment(targets[:count])) + INDENT > WIDTH:
            count -= 1
        yield _assignment(targets[:count])
        targets = targets[count:]


def _assignment(targets: list[tuple[str, str]]) -> str:
    left, right = zip(*targets, strict=True)
    return f"{', '.join(left)} = {', '.join(right)}"


def _held(entry: str, value: Any) -> list[str]:
    """The check that a constant of the program is what it was."""
    code = literal(value) if type(value) in (int, float, str) else None
    if code is None and value is not None and not isinstance(value, bool):
        raise TraceError(
            f"{entry} is {value!r}, which is a constant of the program, and which source code "
            "cannot compare with\n  leave it out of the arguments: lambda x: f(x, that)"
        )
    test = f"{entry} is not {value}" if code is None else f"{entry} != {code.text}"
    return check([test], f"written for {entry} = {value!r}")


def _wrapped(beginning: str, items: list[str]) -> list[str]:
    """The beginning and the items, on lines that fit, with a full stop."""
    lines = [beginning]
    for item in [*(f"{item}," for item in items[:-1]), f"{items[-1]}."]:
        longer = f"{lines[-1]} {item}"
        if len(longer) + INDENT <= WIDTH:
            lines[-1] = longer
        else:
            lines.append(item)
    return lines
