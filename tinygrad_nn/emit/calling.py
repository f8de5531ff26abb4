"""Calling a program: the arguments taken apart and checked, the result put together.

Both are generated for the structure at hand, because a call of a compiled function should cost a
few microseconds and not more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import InPlaceError, LabelError
from ..graph import Graph
from ..graph.graph import Constant
from ..node import Node, stand_in
from ..weak import WeakFloat, WeakInt
from .program import Program


class Entry:
    """One program with the code that calls it.

    Attributes:
        graph: of what was compiled, its inputs and arguments.
        source: the program's code.
        call: takes the function's arguments. It returns the entry itself if they are of another
            kind, or overlap in memory where the program writes.
    """

    def __init__(
        self,
        graph: Graph,
        program: Program,
        in_place: dict[Node, Node],
        labels: dict[Node, int],
        late: dict[Node, Node],
    ) -> None:
        """Build the code that calls a program.

        Args:
            graph: what was compiled.
            program: the code, and its runs.
            in_place: for an input the node whose value the program writes into it.
            labels: the inputs and outputs that hold labels, with the number of classes.
            late: for an input the output that is written into it when computed labels are checked.
        """
        writer = _Caller(graph, in_place, labels, late)
        code = writer.code()
        names = {node: graph.names[node] for node in graph.inputs}
        # The code has what the rest of the graph says, and its nodes may hold large values.
        for node in graph.inputs:
            if isinstance(node.value, np.ndarray):
                node.value = stand_in(node.value)  # of the first call's array
        self.graph = replace(
            graph, nodes=(), captured=(), outputs=(), updates=(), origin={}, names=names
        )
        self.source: str = program.source
        self._instantiate = program.instantiate
        self._written = frozenset((*in_place, *late))
        #: Runs with buffers of their own that nobody is using: one for each call under way.
        self._idle: list[Any] = []
        self.call = self._caller(code, writer.names)

    def _caller(self, code: str, constants: dict[str, Any]) -> Any:
        names = {
            **constants,
            "ndarray": np.ndarray,
            "another": self,
            "take": self._idle.pop,
            "keep": self._idle.append,
            "new_run": self._instantiate,
            "overlaps": self._overlaps,
            "read_only": self._read_only,
            "maximum": np.maximum.reduce,
            "refuse_labels": _refuse_labels,
        }
        exec(compile(code, "<tinygrad_nn call>", "exec"), names)
        return names["call"]

    def _overlaps(self, *arrays: Any) -> bool:
        """Whether an array that is written into shares memory with another one."""
        written = [a for node, a in zip(self.graph.inputs, arrays, strict=True)
                   if node in self._written]  # fmt: skip
        others = [a for a in arrays if isinstance(a, np.ndarray)]
        return any(a is not b and np.may_share_memory(a, b) for a in written for b in others) or (
            len({id(a) for a in written}) < len(written)
            or any(sum(a is b for b in others) > 1 for a in written)
        )

    def _read_only(self, *arrays: Any) -> None:
        """Raise for the array that the program should write into, and cannot."""
        for node, a in zip(self.graph.inputs, arrays, strict=True):
            if node in self._written and not a.flags.writeable:
                raise InPlaceError(
                    f"{self.graph.names[node]} is read-only, and {self.graph.name} writes into it"
                )


def _refuse_labels(labels: Any, classes: int, name: str) -> None:
    wrong = np.atleast_1d((labels < 0) | (labels >= classes))
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    raise LabelError(
        f"labels must be in 0..{classes - 1} for {classes} classes; "
        f"{name}[{', '.join(map(str, at))}] is {np.atleast_1d(labels)[at]}"
    )


class _Caller:
    """Writes the function ``call``: nothing of the user's reaches its text but through names."""

    def __init__(
        self,
        graph: Graph,
        in_place: dict[Node, Node],
        labels: dict[Node, int],
        late: dict[Node, Node],
    ) -> None:
        self.graph = graph
        self.written = {*in_place, *late}
        self.labels = labels
        self.late = late
        self.names: dict[str, Any] = {}
        self.checks: list[str] = []
        self.lines: list[str] = []

    def name(self, value: Any, prefix: str) -> str:
        """A name by which the code finds ``value``."""
        name = f"{prefix}{len(self.names)}"
        self.names[name] = value
        return name

    def code(self) -> str:
        """The text of ``call``."""
        arguments = self.graph.arguments
        for i, arg in enumerate(arguments):
            self.take_apart(arg, f"a{i}")
        inputs = ", ".join(f"x{i}" for i in range(len(self.graph.inputs)))
        body = [
            "    try:",
            *(f"        {line}" for line in self.lines or ["pass"]),
            f"        if not ({' and '.join(self.checks) or 'True'}):",
            "            return another",
            "    except (KeyError, IndexError, TypeError, AttributeError):",
            "        return another",
            *self.memory_checks(inputs),
            *self.label_checks(self.graph.inputs, "x{}"),
            "    try:",
            "        run = take()",
            "    except IndexError:",
            "        run = new_run()",
            f"    y = run({inputs})",
            "    keep(run)",
            *self.label_checks(self.graph.outputs, "y[{}]"),
            *self.late_writes(),
            f"    return {self.put_together(self.graph.structure)}",
        ]
        # Fewer arguments, where the function has defaults, are another kind of call.
        given = ", ".join(f"a{i}=another" for i in range(len(arguments)))
        default = ", *rest" if given else "*rest"
        head = f"def call({given}{default}):"
        return "\n".join([head, "    if rest:", "        return another", *body])

    def take_apart(self, arg: Any, expression: str) -> None:
        """Lines that give the inputs below an argument, and what has to be true of them."""
        if isinstance(arg, (dict, list, tuple)):
            kind = self.name(type(arg), "kind")
            self.checks.append(f"type({expression}) is {kind}")
            if isinstance(arg, dict):  # a loop over it goes by the order of its keys
                self.checks.append(f"[*{expression}] == {self.name([*arg], 'keys')}")
            else:
                self.checks.append(f"len({expression}) == {len(arg)}")
            pairs = arg.items() if isinstance(arg, dict) else enumerate(arg)
            for key, value in pairs:
                self.take_apart(value, f"{expression}[{self.name(key, 'key')}]")
        elif isinstance(arg, Constant):
            value = self.name(arg.value, "constant")
            kind = self.name(type(arg.value), "kind")
            self.checks.append(f"type({expression}) is {kind} and {expression} == {value}")
        elif arg is None:
            self.checks.append(f"{expression} is None")
        else:
            self.lines.append(f"x{arg} = {expression}")
            self.checks.append(self.check(self.graph.inputs[arg].value, f"x{arg}"))

    def check(self, value: Any, x: str) -> str:
        """What is true of an input of the traced kind."""
        if isinstance(value, (WeakFloat, WeakInt)):
            return f"type({x}) is {'float' if isinstance(value, WeakFloat) else 'int'}"
        dtype = self.name(value.dtype, "dtype")
        kind = "ndarray" if isinstance(value, np.ndarray) else self.name(type(value), "kind")
        if not isinstance(value, np.ndarray):
            return f"type({x}) is {kind} and {x}.dtype is {dtype}"
        same = f"type({x}) is {kind} and {x}.shape == {value.shape!r} and {x}.dtype is {dtype}"
        if value.ndim < 2:
            return same
        if value.flags.c_contiguous:  # on which it depends what a reshape is: a view, or a copy
            return f"{same} and {x}.flags.c_contiguous"
        return f"{same} and not {x}.flags.c_contiguous and {x}.strides == {value.strides!r}"

    def memory_checks(self, inputs: str) -> list[str]:
        """Of arrays that are written into: that they can be, and share no memory with others."""
        arrays = [
            (f"x{i}", node)
            for i, node in enumerate(self.graph.inputs)
            if isinstance(node.value, np.ndarray)
        ]
        written = [x for x, node in arrays if node in self.written]
        if not written:
            return []
        owned = " and ".join(f"{x}.base is None" for x, _ in arrays)
        distinct = " and ".join(
            f"{x} is not {other}"
            for x in written
            for other, _ in arrays
            if other != x and (other not in written or x < other)
        )
        writeable = " and ".join(f"{x}.flags.writeable" for x in written)
        return [
            f"    if not ({owned}{' and ' + distinct if distinct else ''}) and overlaps({inputs}):",
            "        return another",
            f"    if not ({writeable}):",
            f"        read_only({inputs})",
        ]

    def late_writes(self) -> list[str]:
        """What is written only after computed labels were found to be right."""
        place = {node: i for i, node in enumerate(self.graph.outputs)}
        return [
            f"    x{self.graph.inputs.index(node)}[...] = y[{place[new]}]"
            for node, new in self.late.items()
        ]

    def label_checks(self, nodes: tuple[Node, ...], form: str) -> list[str]:
        """Labels are below the number of classes: seen as unsigned, negative ones are not."""
        lines = []
        for i, node in enumerate(nodes):
            if node not in self.labels or node.value.size == 0:
                continue
            x, classes = form.format(i), self.labels[node]
            unsigned = self.name(np.dtype(node.value.dtype.str.replace("i", "u")), "dtype")
            lines.append(f"    if maximum({x}.view({unsigned}), axis=None) >= {classes}:")
            name = self.name(self.graph.names[node], "name")
            lines.append(f"        refuse_labels({x}, {classes}, {name})")
        return lines

    def put_together(self, structure: Any) -> str:
        """An expression for the result, of the outputs ``y``."""
        if isinstance(structure, dict):
            items = [
                f"{self.name(key, 'key')}: {self.put_together(value)}"
                for key, value in structure.items()
            ]
            return f"{{{', '.join(items)}}}"
        if isinstance(structure, (list, tuple)):
            items = [self.put_together(value) for value in structure]
            if isinstance(structure, list):
                return f"[{', '.join(items)}]"
            if hasattr(structure, "_fields"):
                return f"{self.name(type(structure), 'kind')}({', '.join(items)})"
            return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
        return "None" if structure is None else f"y[{structure}]"
