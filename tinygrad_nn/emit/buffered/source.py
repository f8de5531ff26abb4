"""NumPy code with planned buffers: what ``tg.compile`` runs.

The code makes the buffers and a function ``run``, which computes. Values have the user's names; the
head lists the memories and which values lie in each.
"""

from __future__ import annotations

import keyword
from typing import Any

import numpy as np

from ...graph import Graph
from ...graph.text import type_of
from ...node import Node
from ...weak import plain
from ..naming import unique
from ..program import Program, Run
from .plan import Plan, Where, plan
from .steps import Kind, Step

#: What the code uses and no value may be called.
_OWN_NAMES = {"np", "abs", "bool", "float", "int", "round", "slice", "nan", "inf"}

#: Bytes of constant arrays up to which equal ones are found.
_SMALL = 2**16

#: Bytes to which memories are aligned: a cache line, the width of the widest vector units.
_ALIGNMENT = 64


def build(graph: Graph, in_place: dict[Node, Node]) -> Program:
    """The program that computes a graph in planned memory.

    Args:
        graph: simplified, and expanded to NumPy's functions.
        in_place: for each input that is overwritten, the node whose value it gets. Such an input
            must share no memory with another one; it is returned where its node is an output.
    """
    writer = _Writer(graph, plan(graph, in_place))
    source = writer.source()
    code = compile(source, f"<tg.compile {graph.name}>", "exec")
    constants, name = writer.constants, writer.run  # and not the plan, which holds arrays

    def instantiate() -> Run:
        namespace = {"np": np, **constants}
        exec(code, namespace)
        run: Run = namespace[name]
        return run

    return Program(source, instantiate)


def aligned(size: int) -> Any:
    """A memory of ``size`` bytes that begins with a cache line."""
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size]


def _kept(value: Any) -> Any:
    """A constant as it is now, whatever is done later to the array that it came as."""
    if isinstance(value, np.ndarray):
        value = np.array(value)
        value.flags.writeable = False
    return value


class _Writer:
    """Writes the code of a plan. Names are identifiers that no other value has."""

    def __init__(self, graph: Graph, made: Plan) -> None:
        self.graph = graph
        self.plan = made
        self.taken = set(_OWN_NAMES) | set(keyword.kwlist)
        self.names: dict[Node, str] = {}
        #: What the code needs from outside, by name.
        self.constants: dict[str, Any] = {}
        self.known: dict[Any, str] = {}
        #: The same as they came: alive, so that no other object has their id.
        self.given: dict[str, Any] = {}
        #: For each memory the names of the values in it.
        self.inside: list[list[str]] = [[] for _ in made.memories]
        #: Expressions made before the first run, with the names for what they give.
        self.setup: list[tuple[list[str], str]] = []
        #: The place in ``setup`` of a node's array.
        self.made_at: dict[Node, int] = {}
        self.body: list[str] = []
        self.step_of = {step.node: step for step in made.steps}
        for node in (*graph.inputs, *graph.captured):
            self.names[node] = unique(graph.names[node], self.taken)
        for step in made.steps:
            self.names[step.node] = unique(graph.names.get(step.node, "returned"), self.taken)
        self.run = unique("run", self.taken)
        self.aligned = self.constant(aligned, "aligned")
        self.memories = [unique(f"memory{i + 1}", self.taken) for i in range(len(made.memories))]
        for node in graph.captured:
            self.names[node] = self.constant(plain(node.value), self.names[node], taken=True)

    def constant(self, value: Any, wanted: str, taken: bool = False) -> str:
        """The name of a value from outside; equal arrays are one."""
        key: Any = id(value)
        if isinstance(value, np.ndarray) and value.nbytes <= _SMALL:
            key = (value.shape, value.dtype, value.tobytes())
        if key not in self.known:
            name = wanted if taken else unique(wanted, self.taken)
            self.known[key] = name
            self.given[name] = value
            self.constants[name] = _kept(value)
        return self.known[key]

    def source(self) -> str:
        """The whole text."""
        for name, size in zip(self.memories, self.plan.memories, strict=True):
            self.prepare(name, f"{self.aligned}({size})")
        for step in self.plan.steps:
            self.step(step)
        for target, node in self.plan.written:
            self.body.append(f"{self.names[target]}[...] = {self.names[node]}")
        returned = [self.returned(node) for node in self.plan.returned]
        inputs = ", ".join(self.names[node] for node in self.graph.inputs)
        tail = f"return ({', '.join(returned)}{',' if len(returned) == 1 else ''})"
        lines = [
            self.head(),
            *(f"{' = '.join(names)} = {expression}" for names, expression in self.setup),
            "",
            "",
            f"def {self.run}({inputs}):",
            *(f"    {line}" for line in self.body),
            f"    {tail}",
        ]
        return "\n".join(lines) + "\n"

    def returned(self, node: Node) -> str:
        """The text for a result, which is a number, or an array of shape (), where NumPy's is."""
        name, step = self.names[node], self.step_of.get(node)
        if step is None or self.plan.where[node] is Where.GIVEN:
            return name
        if isinstance(node.value, np.generic) and step.kind is not Kind.NUMBER:
            return f"{name}[()]"
        return f"np.asarray({name})" if _is_single_array(node) else name

    def prepare(self, name: str, expression: str) -> int:
        """Give a name to what is made before the first run; its place in ``setup``."""
        self.setup.append(([name], expression))
        return len(self.setup) - 1

    def head(self) -> str:
        """What the code is, and where its values lie."""
        inputs = ", ".join(f"{self.names[n]}: {type_of(n.value)}" for n in self.graph.inputs)
        lines = [f"# {self.graph.name}({inputs})"]
        if self.plan.memories:
            total = sum(self.plan.memories)
            lines.append(f"# Kept between runs: {total:,} bytes")
            for name, size, inside in zip(
                self.memories, self.plan.memories, self.inside, strict=True
            ):
                lines.append(f"#   {name}, {size:,} bytes: {', '.join(inside)}")
        return "\n".join(lines)

    def step(self, step: Step) -> None:
        """The lines of a step, and what has to be there before the first run."""
        node, where = step.node, self.plan.where[step.node]
        name = self.names[node]
        if where is Where.FIXED:
            self.made_at[node] = self.prepare(name, self.filled(step, step.expression))
            return
        lines: list[str] = []
        if where is Where.PLANNED or where is Where.OVER:
            lines += self.into_memory(step, name)
        elif where is Where.GIVEN:
            target = self.plan.given[node]
            self.names[node] = self.names[target]
            changed = step.copies and step.reads[0] is target
            lines += [self.filled(step, line) for line in step.lines[changed:]]
        elif step.expression:
            lines.append(f"{name} = {self.filled(step, step.expression)}")
        else:
            value = node.value
            lines.append(f"{name} = np.empty({value.shape}, {self.dtype(value.dtype)})")
            lines += [self.filled(step, line) for line in step.lines]
        lines[0] += (
            f"  # {'' if lines[0].startswith(f'{name} =') else f'{name}: '}{type_of(node.value)}"
        )
        self.body += lines
        dropped = self.plan.dropped.get(node)
        if dropped:
            self.body.append(f"del {', '.join(self.names[n] for n in dropped)}")

    def into_memory(self, step: Step, name: str) -> list[str]:
        """The lines of a step that writes where memory is planned, or over an operand."""
        node, arrays = step.node, self.plan.arrays
        over = self.plan.over.get(node)
        if over is None:
            memory = self.plan.memory[node]
            dtype = self.dtype(node.value.dtype)
            view = f"np.ndarray({node.value.shape}, {dtype}, {self.memories[memory]})"
            self.made_at[node] = self.prepare(name, view)
            self.inside[memory].append(name)
        elif node in arrays:
            self.made_at[node] = self.made_at[over]
            self.setup[self.made_at[over]][0].append(name)
        else:  # in a variable; an elementwise function returns what it has written into
            operand = self.names[over]
            if not step.copies:
                return [f"{name} = {self.filled(step, line, operand)}" for line in step.lines]
            return [f"{name} = {operand}", *(self.filled(step, line) for line in step.lines[1:])]
        fixed = step.fixed
        if fixed is not None and fixed.reads[0] in arrays and node in arrays:
            step = fixed
        lines = step.lines[1:] if step.copies and over is not None else step.lines
        return [self.filled(step, line) for line in lines]

    def filled(self, step: Step, text: str, out: str | None = None) -> str:
        """A template with the names of this code; ``out`` is where the result goes."""
        words = {key: self.constant(value, name) for key, (name, value) in step.constants.items()}
        words["out"] = out or self.names[step.node]
        reads = [self.names[read] for read in step.reads]
        for key, view in step.prepared.items():
            expression = view.format(*reads, **words)
            if expression not in self.known:
                self.known[expression] = unique(f"{words['out']}_{key}", self.taken)
                self.prepare(self.known[expression], expression)
            words[key] = self.known[expression]
        return text.format(*reads, **words)

    def dtype(self, dtype: Any) -> str:
        """The text for a dtype."""
        if dtype.isnative and dtype.kind in "iuf":
            return f"np.{dtype.name}"
        return "np.bool_" if dtype.kind == "b" else self.constant(dtype, "dtype")


def _is_single_array(node: Node) -> bool:
    return isinstance(node.value, np.ndarray) and node.value.ndim == 0
