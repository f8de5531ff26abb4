"""The text form of a graph: one line for each node, with its type; it can be read back exactly.

The text is a Python function's, so that Python's own parser reads it; names on the right are looked
up in the tables below, and nothing in the text is executed::

    def loss(X: float64[5, 4], W: float64[4, 3]):
        scores: float64[5, 3] = np.matmul(X, W)
        return scores
"""

from __future__ import annotations

import ast
import base64
import zlib
from operator import index
from typing import Any

import numpy as np

from ..errors import TraceError
from ..node import ORDER, Node, function_name, leaf, stand_in
from ..rules.registry import CONSTANTS, RULES
from ..weak import WEAK, WeakBool, WeakFloat, WeakInt, kind_name, plain, weak
from .graph import Graph

_SCALARS = (np.generic, float, int)

#: Arrays of up to this many entries are written out; larger ones as compressed bytes.
_WRITTEN_OUT = 16


def text(graph: Graph) -> str:
    """The graph as text, for a person and for :func:`parse`."""
    names = graph.names
    inputs = ", ".join(f"{names[n]}: {type_of(n.value)}" for n in graph.inputs)
    lines = [f"def {graph.name}({inputs}):"]
    for node in graph.captured:
        value = _literal(plain(node.value))
        lines.append(f"    {names[node]}: {type_of(node.value)} = constant({value})")
    for node in graph.nodes:
        lines.append(f"    {names[node]}: {type_of(node.value)} = {call_of(node, names)}")
    for node, new in graph.updates:
        lines.append(f"    {names[node]}[...] = {names[new]}")
    outputs = iter([names[node] for node in graph.outputs])
    lines.append(f"    return {_structure(graph.structure, outputs)}")
    return "\n".join(lines)


def type_of(value: Any) -> str:
    """A value's type as the text form writes it: ``float64[3, 4]``, ``float`` of Python's."""
    if isinstance(value, WEAK):
        return kind_name(value)
    shape = ", ".join(map(str, value.shape)) or "()"
    return f"{value.dtype.name}[{shape}]"


def call_of(node: Node, names: dict[Node, str]) -> str:
    """An operation as the text form writes it: ``np.matmul(X, W)``."""
    args = [
        names[parent] if isinstance(parent, Node) else _literal(value)
        for parent, value in zip(node.inputs, node.arguments, strict=True)
    ]
    args += [f"{key}={_literal(value)}" for key, value in (node.keywords or {}).items()]
    return f"{qualified(node.function)}({', '.join(args)})"


def qualified(function: Any) -> str:
    """``np.matmul``, ``np.linalg.solve``; an operation of our own by its bare name."""
    name = function_name(function)
    return name if getattr(function, "is_operation", False) else f"np.{name}"


def _literal(value: Any) -> str:
    if isinstance(value, (np.ndarray, np.generic)):
        kind = repr(value.dtype.name)
        if 0 < value.size <= _WRITTEN_OUT and not isinstance(value.flat[0], np.longdouble):
            return f"array({value.tolist()!r}, {kind})"
        native = np.ascontiguousarray(value, value.dtype.newbyteorder("="))
        raw = base64.b85encode(zlib.compress(native.tobytes())).decode()
        return f"data({raw!r}, {kind}, {value.shape!r})"
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, _SCALARS)):
        return repr(np.dtype(value).name)
    if isinstance(value, slice):
        parts = (value.start, value.stop, value.step)
        return f"slice({', '.join('None' if i is None else str(index(i)) for i in parts)})"
    if isinstance(value, (tuple, list)):
        inner = ", ".join(map(_literal, value))
        if isinstance(value, list):
            return f"[{inner}]"
        return f"({inner}{',' if len(value) == 1 else ''})"
    if value is Ellipsis:
        return "..."
    return repr(value)


def _structure(structure: Any, names: Any) -> str:
    if isinstance(structure, dict):
        return f"{{{', '.join(f'{k!r}: {_structure(v, names)}' for k, v in structure.items())}}}"
    if isinstance(structure, (list, tuple)):
        inner = ", ".join(_structure(v, names) for v in structure)
        if isinstance(structure, list):
            return f"[{inner}]"
        return f"({inner}{',' if len(structure) == 1 else ''})"
    return "None" if structure is None else str(next(names))


# --- reading --------------------------------------------------------------------------------------


def parse(source: str) -> Graph:
    """Read a graph's text form back.

    Args:
        source: what ``str(graph)`` gave.

    Returns:
        A graph with the same text. Its nodes have types and no values; captured ones keep theirs.

    Raises:
        TraceError: text that is no graph, with the line.
    """
    try:
        body = ast.parse(source).body
        if len(body) != 1 or not isinstance(body[0], ast.FunctionDef):
            raise TraceError("a graph's text is one function: def name(inputs): ...")
        return _Reader(source).graph(body[0])
    except TraceError:
        raise
    except SyntaxError as error:
        raise TraceError(f"not a graph's text: {error.msg}, line {error.lineno}") from None
    except _BROKEN as error:
        raise TraceError(f"not a graph's text: {error}") from None


#: What reading a broken literal, or one that is nested too deep, may raise.
_BROKEN = (ValueError, TypeError, OverflowError, RecursionError, MemoryError, zlib.error)


def _leaf(value: Any) -> Node:
    return leaf(value, value.dtype.kind == "f")


class _Reader:
    """One reading: the names known so far, and the source for messages."""

    def __init__(self, source: str) -> None:
        self.lines = source.splitlines()
        self.known: dict[str, Node] = {}
        self.functions = {qualified(f): f for f in (*RULES, *CONSTANTS)}

    def graph(self, function: ast.FunctionDef) -> Graph:
        a = function.args
        if a.posonlyargs or a.kwonlyargs or a.vararg or a.kwarg or a.defaults:
            raise self.error(function, "inputs are `name: dtype[shape]`")
        inputs = tuple(
            self.define(a.arg, leaf(self.typed(a.annotation), False), a) for a in function.args.args
        )
        captured: list[Node] = []
        nodes: list[Node] = []
        *body, last = function.body
        updates: list[tuple[Node, Node]] = []
        for line in body:
            if isinstance(line, ast.Assign):
                updates.append(self.update(line))
                continue
            node = self.line(line)
            (captured if node.function is None else nodes).append(node)
        if not isinstance(last, ast.Return) or last.value is None:
            raise self.error(last, "the last line returns the outputs")
        outputs: list[Node] = []
        structure = self.structure(last.value, outputs)
        names = {node: name for name, node in self.known.items()}
        return Graph(
            function.name,
            inputs,
            tuple(captured),
            tuple(nodes),
            tuple(outputs),
            names,
            structure,
            updates=tuple(updates),
        )

    def define(self, name: str, node: Node, at: Any) -> Node:
        if name in self.known:
            raise self.error(at, f"{name} is defined twice")
        self.known[name] = node
        return node

    def line(self, line: ast.stmt) -> Node:
        match line:
            case ast.AnnAssign(target=ast.Name(name), annotation=kind, value=ast.Call() as call):
                value = self.typed(kind)
                if isinstance(call.func, ast.Name) and call.func.id == "constant":
                    return self.define(name, _leaf(self.constant(call, value)), line)
                return self.define(name, self.node(call, value), line)
        raise self.error(line, "a line is `name: dtype[shape] = function(arguments)`")

    def update(self, line: ast.Assign) -> tuple[Node, Node]:
        match line:
            case ast.Assign(
                [ast.Subscript(ast.Name() as target, ast.Constant(e))], ast.Name() as v
            ):
                node, new = self.reference(target), self.reference(v)
                if e is Ellipsis and node is not None and new is not None:
                    return node, new
        raise self.error(line, "a line is `name: dtype[shape] = function(arguments)`")

    def constant(self, call: ast.Call, declared: Any) -> Any:
        """The value of a captured array or number, of the type that is declared for it."""
        value = self.literal(call.args[0]) if len(call.args) == 1 and not call.keywords else None
        value = weak(value)
        if not isinstance(value, (np.ndarray, np.generic, *WEAK)):
            raise self.error(call, "a constant is an array or a number")
        if type_of(value) != type_of(declared):
            raise self.error(
                call, f"declared {type_of(declared)}, and the constant is {type_of(value)}"
            )
        return value

    def node(self, call: ast.Call, value: Any) -> Node:
        name = ast.unparse(call.func)
        if name not in self.functions:
            raise self.error(call, f"{name} is no function that a graph can hold")
        node = Node()
        node.function = self.functions[name]
        node.inputs = tuple(self.reference(a) for a in call.args)
        node.arguments = tuple(
            i.value if isinstance(i, Node) else self.literal(a)
            for i, a in zip(node.inputs, call.args, strict=True)
        )
        node.keywords = {str(k.arg): self.literal(k.value) for k in call.keywords} or None
        node.value = value
        node.requires_grad = node.function not in CONSTANTS and any(
            isinstance(i, Node) and i.requires_grad for i in node.inputs
        )
        node.code, node.offset = None, 0
        node.order = next(ORDER) if node.requires_grad else 0
        return node

    def reference(self, argument: ast.expr) -> Node | None:
        if isinstance(argument, ast.Name) and argument.id not in ("nan", "inf"):
            if argument.id not in self.known:
                raise self.error(argument, f"{argument.id} is used before it is defined")
            return self.known[argument.id]
        return None

    def typed(self, annotation: ast.expr | None) -> Any:
        """A stand-in of the type that an annotation names."""
        match annotation:
            case ast.Name("float"):
                return WeakFloat("nan")
            case ast.Name("int"):
                return WeakInt(0)
            case ast.Name("bool"):
                return WeakBool(False)
            case ast.Subscript(value=ast.Name(dtype), slice=shape):
                lengths = ast.literal_eval(shape)
                lengths = (lengths,) if isinstance(lengths, int) else lengths
                return stand_in(np.broadcast_to(np.zeros((), np.dtype(dtype)), lengths))
        raise self.error(annotation, "a type is `dtype[shape]`")

    def literal(self, e: ast.expr) -> Any:
        match e:
            case ast.Name("nan"):
                return float("nan")
            case ast.Name("inf"):
                return float("inf")
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return -self.literal(inner)
            case ast.List(items):
                return [self.literal(i) for i in items]
            case ast.Tuple(items):
                return tuple(self.literal(i) for i in items)
            case ast.Call(func=ast.Name("slice"), args=items):
                return slice(*(self.literal(i) for i in items))
            case ast.Call(func=ast.Name("array"), args=[values, ast.Constant(str(dtype))]):
                return np.array(self.literal(values), dtype=dtype)[()]
            case ast.Call(
                func=ast.Name("data"), args=[ast.Constant(str(raw)), ast.Constant(str(dtype)), s]
            ):
                flat = np.frombuffer(zlib.decompress(base64.b85decode(raw)), dtype)
                return flat.reshape(self.literal(s)).copy()[()]
            case ast.Constant(value):
                return value
        raise self.error(e, "not a literal")

    def structure(self, e: ast.expr, outputs: list[Node]) -> Any:
        match e:
            case ast.Dict(keys, values) if None not in keys:
                return {
                    self.literal(k): self.structure(v, outputs)
                    for k, v in zip(keys, values, strict=True)
                    if k is not None
                }
            case ast.List(items):
                return [self.structure(i, outputs) for i in items]
            case ast.Tuple(items):
                return tuple(self.structure(i, outputs) for i in items)
            case ast.Constant(None):
                return None
        node = self.reference(e)
        if node is None:
            raise self.error(e, "outputs are names")
        outputs.append(node)
        return len(outputs) - 1

    def error(self, at: Any, message: str) -> TraceError:
        number = getattr(at, "lineno", 1)
        line = self.lines[number - 1].strip() if number <= len(self.lines) else ""
        return TraceError(f"{message}\n  line {number}:  {line}")
