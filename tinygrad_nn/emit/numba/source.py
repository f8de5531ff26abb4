"""A graph as a program for Numba: fused loops around products of matrices, and NumPy for the rest.

The generated module has a few functions that Numba compiles, and ``instantiate``, which allocates
the memory that they work in and returns a function that calls them. What Numba cannot express is a
NumPy call between two of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...graph import Graph
from ...graph.text import qualified
from ...node import Node
from ...rules.registry import RULES
from ...weak import WEAK, as_numpy, kind_name
from ..literals import literal
from ..program import Program, Run
from ..python_numbers import expression
from .cache import load
from .loops import LoopWriter, indent
from .names import Names, check
from .plan import Constant, Op, Plan
from .schedule import Schedule, Step
from .views import At, Axis


def build(graph: Graph, in_place: dict[Node, Node]) -> Program:
    """The program that computes a graph.

    Args:
        graph: simplified and expanded: NumPy's functions and indexing only.
        in_place: for an input the node whose value is written into the input's own array.

    Returns:
        A program whose runs take arrays of the traced shapes and dtypes, of any memory order.

    Raises:
        DependencyError: Numba or SciPy is not installed.
    """
    writer = _Writer(graph, in_place)
    source = writer.source()
    module = load(source, graph.name)
    constants = [np.ascontiguousarray(c.value) for c in writer.constants]
    objects = writer.objects
    written = [i for i, node in enumerate(graph.inputs) if node in in_place]

    def instantiate() -> Run:
        # Nothing here refers to the graph, whose nodes may hold large values.
        return _tolerant(module.instantiate(constants, objects), written)

    return Program(source, instantiate)


def _tolerant(run: Run, written: list[int]) -> Run:
    """``run`` for arguments of any memory order: generated loops take C order only.

    ``written`` are the numbers of the arguments that the program writes into.
    """

    def tolerant(*inputs: Any) -> tuple[Any, ...]:
        try:
            return run(*inputs)
        except TypeError:
            plain = [
                x if i in written and not np.ndim(x) else _plain(x) for i, x in enumerate(inputs)
            ]
            if all(a is b for a, b in zip(plain, inputs, strict=True)):
                raise
        out = run(*plain)
        changed = {id(plain[i]): inputs[i] for i in written if plain[i] is not inputs[i]}
        for i in written:
            if plain[i] is not inputs[i]:
                inputs[i][...] = plain[i]
        return tuple(changed.get(id(x), x) for x in out)

    return tolerant


def _plain(x: Any) -> Any:
    """An array in C order and the machine's own byte order; a number for an array of shape ()."""
    if not isinstance(x, np.ndarray):
        return x
    if not x.ndim:
        return x[()]
    fits = x.flags.c_contiguous and x.flags.aligned and x.dtype.isnative and type(x) is np.ndarray
    if fits:
        return x
    return np.array(x, x.dtype.newbyteorder("="), order="C", subok=False)


class _Writer:
    """Writes the module for one graph.

    Attributes:
        constants: the arrays that the module is given.
        objects: everything else that its text cannot express, by name.
    """

    def __init__(self, graph: Graph, in_place: dict[Node, Node]) -> None:
        self.graph = graph
        self.plan = Plan(graph, in_place)
        self.schedule = Schedule(self.plan)
        self.names = Names(self.plan, self.schedule)
        self.loops = LoopWriter(self.names)
        self.constants: list[Any] = [n for n in graph.captured if np.ndim(n.value)]
        self.objects: dict[str, Any] = {}
        self.functions: list[str] = []

    def source(self) -> str:
        """The module's text."""
        calls = [self.segment(steps) for steps in self.schedule.segments]
        driver = self.driver([line for lines in calls for line in lines])
        head = [
            f'"""{self.graph.name}, for Numba."""',
            "",
            "import numpy as np",
            "from numba import njit, void",
            "",
            "from tinygrad_nn.emit.numba.parts import array, given, number, plus",
            "from tinygrad_nn.emit.numba.parts import converted, result",
            "from tinygrad_nn.rules.indexing import getitem, scatter_add, setitem",
        ]
        return "\n".join([*head, "", "", *self.functions, *driver, ""])

    # --- a Numba function -----------------------------------------------------------------------

    def segment(self, steps: list[Step]) -> list[str]:
        """The statements that run one segment; a Numba function's own text goes to the module."""
        if steps[0].ops[0].kind == "call":
            return self.numpy_call(steps[0].ops[0])
        body: list[str] = []
        for step in steps:
            op = step.ops[0]
            comment = self.comment(step)
            lines = self.product(op) if op.kind == "product" else self.loops.step(step.parts)
            body += [f"# {comment}", *lines]
        ops = [op for step in steps for op in step.ops]
        bases = self.bases(ops)
        rows = [op for op in ops if op in self.names.row_buffers]
        name = self.names.unique(f"{self.graph.name}_{len(self.functions) + 1}")
        kinds = [self.kind(base, ops) for base in bases]
        kinds += [f'array("{o.node.value.dtype}", {len(self.names.row_shape(o))})' for o in rows]
        arguments = [self.names.array(b) for b in bases] + [self.names.row_buffers[o] for o in rows]
        shapes = [_type(b.value) for b in bases]
        shapes += [f"{o.node.value.dtype}{list(self.names.row_shape(o))}" for o in rows]
        text = ["@njit(", "    void("]
        text += [f"        {kind}," for kind in kinds]
        text += ["    ),", '    error_model="numpy",', "    cache=CACHE,", ")", f"def {name}("]
        text += [f"    {a},  # {s}" for a, s in zip(arguments, shapes, strict=True)]
        text += ["):", *indent([*self.checks(ops), *body])]
        self.functions.append("\n".join([*text, "", ""]))
        passed = [self.passed(b) for b in bases] + arguments[len(bases) :]
        return [f"{name}({', '.join(passed)})"]

    def passed(self, base: Any) -> str:
        """What a Numba function is called with."""
        name = self.names.array(base)
        made = self.plan.op_of.get(base)
        is_array = base in self.plan.in_place or (made is not None and made.kind == "call")
        unpack = is_array and not np.ndim(base.value) and not isinstance(base.value, WEAK)
        return f"{name}[()]" if unpack else name

    def comment(self, step: Step) -> str:
        """What a step computes, with shapes."""
        made = [
            f"{self.plan.names.get(op.node, 't')} {list(op.node.value.shape)}"
            for op in step.ops
            if self.names.is_array(op) or not op.kept
        ]
        return ", ".join(made) or "..."

    def bases(self, ops: list[Op]) -> list[Any]:
        """What a function is given: every array (or number of the caller's) that it touches."""
        found: dict[Any, None] = {}
        inside = set(ops)
        for op in ops:
            for base, _ in op.uses():
                made = self.plan.op_of.get(base)
                if made is None or made not in inside:
                    if isinstance(base, Constant) and base not in self.constants:
                        self.constants.append(base)
                    found[base] = None
        for op in ops:
            if self.names.is_array(op):
                found[self.names.direct.get(op.node, op.node)] = None
        own = {node: i for i, node in enumerate(self.graph.inputs)}
        return sorted(found, key=lambda base: own.get(base, len(own)))

    def kind(self, base: Any, ops: list[Op]) -> str:
        """The declared type of an argument."""
        dtype, ndim = base.value.dtype, np.ndim(base.value)
        if not ndim and self.names.is_scalar(base):
            return f'number("{dtype}")'
        made = self.plan.op_of.get(base)
        writes = made in ops or base in self.names.direct.values()
        return f'{"array" if writes else "given"}("{dtype}", {ndim or 1})'

    def checks(self, ops: list[Op]) -> list[str]:
        """The statements that refuse indices out of bounds, before anything is computed."""
        lines: dict[str, list[str]] = {}
        for op in ops:
            for term in _ats((*(t for r in op.reads for t in r.terms), *op.place)):
                base = term.array.base
                if base not in self.plan.op_of:
                    name = self.names.array(base)
                    index = f"{name}_index"
                    head = f"for {index} in {name}.flat:"
                    test = indent(check(index, term, name))
                    lines["\n".join([head, *test])] = [head, *test]
        return [line for block in lines.values() for line in block]

    def product(self, op: Op) -> list[str]:
        """A product of matrices."""
        out = self.names.array(op.node)
        texts = []
        for read in op.reads:
            transposed = ".T" if read.terms[0] == Axis(1) else ""
            texts.append(f"{self.names.array(read.base)}{transposed}")
        if 0 in (*op.node.value.shape, *(n for r in op.reads for n in r.base.value.shape)):
            return [f"{out}[:] = 0.0"]
        return [f"np.dot({', '.join(texts)}, {out})"]

    # --- around the Numba functions -------------------------------------------------------------

    def numpy_call(self, op: Op) -> list[str]:
        """A call of NumPy, for what loops do not express."""
        node = op.node
        args = [
            self.value(parent) if isinstance(parent, Node) else self.constant(value)
            for parent, value in zip(node.inputs, node.arguments, strict=True)
        ]
        if isinstance(node.arguments[0], WEAK) and not isinstance(node.function, np.ufunc):
            args[0] = f"{self.object(as_numpy, 'as_numpy')}({args[0]})"
        named = [f"{k}={self.constant(v)}" for k, v in (node.keywords or {}).items()]
        rule = RULES.get(node.function)  # type: ignore[arg-type]
        if rule is not None and rule.packed:
            args = [f"[{', '.join(args)}]"]
        call = f"{self.function(node.function)}({', '.join([*args, *named])})"
        own = node in self.plan.outputs or node in self.plan.in_place.values()
        name, value = self.names.array(node), node.value
        return [f'{name} = result({call}, {value.shape}, "{value.dtype}", {own})']

    def value(self, node: Node) -> str:
        """A node's value as NumPy takes it."""
        name = self.names.array(node)
        op = self.plan.op_of.get(node)
        if op is None and node in self.graph.captured and not np.ndim(node.value):
            return self.constant(node.value)
        return name if op is None or op.kind == "call" or np.ndim(node.value) else f"{name}[0]"

    def output(self, node: Node, held: Node) -> str:
        """A result: of shape () it is a number or an array, as the interpreter has it."""
        text = self.value(held)
        if isinstance(node.value, WEAK) or np.ndim(node.value):
            return text
        op = self.plan.op_of.get(held)
        if isinstance(node.value, np.ndarray):
            return text if op is None or op.kind == "call" else f"np.array({text})"
        return f"{text}[()]" if op is None or op.kind == "call" else text

    def python_numbers(self) -> list[str]:
        """The statements that compute Python's numbers, and make its ints what loops take."""
        lines = []
        for node in self.plan.numbers:
            args = [
                self.value(parent) if isinstance(parent, Node) else _atom(self.constant(value))
                for parent, value in zip(node.inputs, node.arguments, strict=True)
            ]
            text = expression(node, args, self.object)
            if text is None:
                text = f"{kind_name(node.value)}({self.function(node.function)}({', '.join(args)}))"
            lines.append(f"{self.names.array(node)} = {text}")
        for (node, dtype), number in self.plan.converted.items():
            name = self.names.array(number)
            lines.append(f'{name} = converted({self.value(node)}, "{dtype}")')
        return lines

    def constant(self, value: Any) -> str:
        """A constant of a NumPy call."""
        if not isinstance(value, np.ndarray) or value.size <= 20:
            try:
                return literal(value).text
            except (TypeError, ValueError):
                pass
        return self.object(value, "constant")

    def object(self, value: Any, wanted: str) -> str:
        """The name of what the text cannot express."""
        name = self.names.unique(wanted)
        self.objects[name] = value
        return name

    def function(self, function: Any) -> str:
        """A function's name in the module."""
        text = qualified(function)
        found: Any = np
        for part in text.split(".")[1:]:
            found = getattr(found, part, None)
        if found is function or text in ("getitem", "setitem", "scatter_add"):
            return text
        return self.object(function, "function")

    def driver(self, calls: list[str]) -> list[str]:
        """The function that allocates memory, and the one that runs everything."""
        names = self.names
        inputs = ", ".join(names.array(node) for node in self.graph.inputs)
        outputs = set(self.plan.outputs)
        memory: list[str] = []
        fresh: list[str] = []
        for op in self.plan.ops:
            if op in names.row_buffers:
                memory.append(
                    f"{names.row_buffers[op]} = np.empty({names.row_shape(op)}, "
                    f'"{op.node.value.dtype}")'
                )
            elif op.kind != "call" and names.is_array(op) and op.node not in names.direct:
                shape = op.node.value.shape
                line = (
                    f'{names.array(op.node)} = np.empty({shape or (1,)}, "{op.node.value.dtype}")'
                )
                is_fresh = op.node in outputs and shape
                (fresh if is_fresh else memory).append(line)
        copies = [
            f"{names.array(node)}[...] = {self.value(new)}"
            for node, new in self.plan.in_place.items()
            if new not in names.direct
        ]
        target = {new: node for node, new in self.plan.in_place.items()}
        results = "".join(
            f"{self.output(node, target.get(new, new))}, "
            for node, new in zip(self.graph.outputs, self.plan.outputs, strict=True)
        )
        run = [*self.python_numbers(), *fresh, *calls, *copies, f"return ({results})"]
        given = [
            *(f"{names.array(c)} = constants[{i}]" for i, c in enumerate(self.constants)),
            *(f'{name} = objects["{name}"]' for name in self.objects),
        ]
        body = [*given, *memory, "", f"def run({inputs}):", *indent(run), "", "return run"]
        return ["def instantiate(constants, objects):", *indent(body)]


def _atom(text: str) -> str:
    """A number's text as an operand."""
    return f"({text})" if text.startswith("-") else text


def _ats(terms: Any) -> list[At]:
    """The index arrays in a place, those inside others first."""
    found: list[At] = []
    for term in terms:
        if isinstance(term, At):
            found += [*_ats(term.terms), term]
    return found


def _type(value: Any) -> str:
    return f"{value.dtype}{list(value.shape)}" if np.ndim(value) else f"{value.dtype}"
