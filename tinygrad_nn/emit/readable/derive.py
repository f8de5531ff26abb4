"""A graph as standalone NumPy source: the code that a careful person would have written.

:func:`derive` gives a function together with its gradient, :func:`source` any graph.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...graph import Graph
from ...graph.frozen import trace_for_good
from ...graph.gradient import gradient
from ...graph.rewrites import DERIVED
from ...graph.simplify import simplify
from ...node import Node
from ..code import WIDTH
from ..expand import expand, labels_to_check
from ..naming import NUMBERED, Names
from .idioms import readable
from .inplace_plan import views
from .results import Results
from .signature import Signature
from .statements import INDENT, Statement, Writer, check, labels_test, shape_text


def derive(f: Callable[..., Any], *args: Any, wrt: Any = 0) -> str:
    r"""The source of a function that computes ``f`` and its gradient, in NumPy alone.

    Args:
        f: a function of arrays and Python numbers, or of nested dicts, lists and tuples of them,
            that gives a single number.
        args: its arguments. Their values do not matter, their shapes and dtypes do: the code is
            for these.
        wrt: the place of the argument to differentiate with respect to, or a tuple of places.

    Returns:
        The text of a module that imports NumPy and defines one function. It takes f's arguments and
        returns ``(value, gradients)``, the gradients in the structure of the argument, or as a
        tuple of such if ``wrt`` is one.

    Raises:
        TraceError: ``f`` cannot be recorded, or would be frozen: it draws random numbers, uses a
            parameter that is not among its arguments, or has shapes that depend on values. Or it
            uses what NumPy source cannot express: an array of more than 100 entries that is none of
            its arguments, a function that is not NumPy's.
        ShapeError: ``f`` gives no single number.
        DtypeError: an argument to differentiate with respect to is not floating-point.
        DataError: ``wrt`` names no argument, or ``f`` changes one in place.
        NoRuleError: a gradient would flow through a function that has no derivative rule.

    Example:
        >>> import numpy as np
        >>> text = derive(lambda x: np.sum(x * x), np.ones(3))
        >>> print(*text.splitlines()[-2:], sep="\n")
            dx = 2 * x  # (3,)  of value (line 12)
            return value, dx
    """
    graph = trace_for_good(f, *args)
    places = tuple(wrt) if isinstance(wrt, (tuple, list)) else (wrt,)
    return _text(simplify(gradient(graph, wrt, simple=True), DERIVED), places)


def source(graph: Graph) -> str:
    """The source of a function that runs ``graph``; see :meth:`Graph.source`."""
    return _text(graph)


def _text(graph: Graph, wrt: tuple[int, ...] | None = None) -> str:
    """The module's text; ``wrt`` are the places that the gradients are for, if it gives some.

    Labels stay known through the rewriting as outputs after the graph's own.
    """
    labels = labels_to_check(graph)
    own = len(graph.outputs)
    unnamed = [node for node in labels if NUMBERED.fullmatch(graph.names[node])]
    graph = replace(graph, names={**graph.names, **dict.fromkeys(unnamed, "labels")})
    graph = expand(replace(graph, outputs=(*graph.outputs, *labels)))
    graph = readable(graph)
    classes = dict(zip(graph.outputs[own:], labels.values(), strict=True))
    graph = replace(graph, outputs=graph.outputs[:own])
    if wrt is not None and NUMBERED.fullmatch(graph.names[graph.outputs[0]]):
        graph = replace(graph, names={**graph.names, graph.outputs[0]: "value"})
    return _Module(graph, wrt, classes).text()


class _Module:
    """One module in the making: the function's head, its statements and its end."""

    def __init__(
        self,
        graph: Graph,
        wrt: tuple[int, ...] | None,
        labels: dict[Node, int],
    ) -> None:
        self.graph = graph
        self.wrt = wrt
        names = Names()
        self.signature = Signature(graph, names)
        self.writer = Writer(graph, self.signature.variables, names, labels)
        self.results = Results(self.writer)

    def text(self) -> str:
        """The module's lines, put together."""
        writer = self.writer
        self.results.write_constants()
        writer.write()
        after = self.results.lines()
        lines = [
            "import numpy as np",
            "",
            "",
            *self.signature.definition(),
            *self.signature.docstring(self.summary()),
            *self.signature.unpacking(),
            *self.checks(),
        ]
        lines += self.body(len(lines))
        return "\n".join([*lines, *after, ""])

    def summary(self) -> str:
        """The docstring's first line."""
        name = self.signature.name
        if self.wrt is None:
            return f"Return what {name} computes."
        of = enumerated([self.signature.parameters[place] for place in self.wrt])
        return f"Return {name} and its gradient with respect to {of}."

    def checks(self) -> list[str]:
        """The statement that refuses arguments for which the code would give a wrong number."""
        tests = self.signature.shape_tests()
        held = ["the shapes above"] if tests else []
        for node in self.graph.inputs:
            if node in self.writer.labels:
                y, classes = self.signature.variables[node], self.writer.labels[node]
                tests += labels_test(y, classes)
                held.append(f"labels {y} from 0 to {classes - 1}")
        return check(tests, f"written for {' and '.join(held)}") if tests else []

    def body(self, above: int) -> list[str]:
        """The statements with their comments, below so many lines."""
        statements = self.writer.statements
        parted = any(s.phase for s in statements)
        lines: list[str] = []
        place: dict[int, int] = {}
        phase = -1
        for statement in statements:
            if parted and statement.phase != phase and statement.node is not None:
                phase = statement.phase
                lines.append(f"{' ' * INDENT}# {self.heading(phase)}")
            written = self.commented(statement, place)
            lines += written
            place[id(statement)] = above + len(lines)
        return lines

    def heading(self, phase: int) -> str:
        """What a part of the function is called."""
        if phase % 2:
            return "backward" if phase == 1 else "backward again"
        return "forward" if phase == 0 else "update" if self.graph.updates else "after that"

    def commented(self, statement: Statement, place: dict[int, int]) -> list[str]:
        """A statement's lines, with the shape and the origin of what it computes."""
        margin = " " * INDENT
        if statement.node is None:
            return list(statement.lines)
        code = statement.layout()
        shape, of = shape_text(statement.node.value), self.origins(statement, place)
        for above, beside in (("", f"{shape}{of}"), (of.strip(), shape)):
            line = f"{code[0]}  # {beside}"
            if len(code) == 1 and len(line) <= WIDTH:
                return [*([f"{margin}# {above}"] if above else []), line]
        return [f"{margin}# {shape}{of}", *code]

    def origins(self, statement: Statement, place: dict[int, int]) -> str:
        """Which lines a backward statement differentiates, in words."""
        origin, home = self.graph.origin, self.writer.home
        if statement.node in self.graph.inputs:
            return ""
        lines: dict[str, list[int]] = {}
        parts = [part for part in statement.parts if views(part) is None]
        for node in (statement.node, *parts):
            forward = (origin[node], *self.graph.merged.get(node, ())) if node in origin else ()
            for of in map(home.get, forward):
                if of is not None and id(of) in place and of.phase < statement.phase:
                    assert of.node is not None
                    lines.setdefault(self.writer.variable[of.node], []).append(place[id(of)])
        found = sorted((sorted({*numbers}), name) for name, numbers in lines.items())
        words = [f"{name} ({_lines(numbers)})" for numbers, name in found]
        return f"  of {enumerated(words)}" if words else ""


def _lines(numbers: list[int]) -> str:
    """``line 3``, ``lines 3 and 5``."""
    return f"line{'s' if len(numbers) > 1 else ''} {enumerated([str(n) for n in numbers])}"


def enumerated(words: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
