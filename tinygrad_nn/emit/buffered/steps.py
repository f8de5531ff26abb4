"""Steps: for each node of a graph the NumPy statements that compute it, with places for memory.

Where a result can be written into given memory the step says so; where that memory is, is planned
in :mod:`.plan`. A function that is not known here is called as it is.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...graph import Graph
from ...graph.names import identifier
from ...graph.text import qualified
from ...node import Node, function_name
from ...rules.indexing import getitem, scatter_add, setitem
from ...rules.registry import RULES
from ...rules.registry import plain as own_function
from ...weak import WEAK, as_numpy, is_python_number, kind_name, plain
from ..code import OPERATORS
from ..python_numbers import expression


class Kind(enum.Enum):
    """What a step gives.

    Attributes:
        NUMBER: a number, which nobody can change.
        INTO: an array, written into memory that it is given.
        NEW: an array in memory that NumPy allocates.
        VIEW: an array in the memory of the first operand, or a copy if that cannot be.
        UNKNOWN: an array that may lie in the memory of any operand.
    """

    NUMBER = enum.auto()
    INTO = enum.auto()
    NEW = enum.auto()
    VIEW = enum.auto()
    UNKNOWN = enum.auto()


@dataclass
class Step:
    """The statements that compute a node.

    Texts are templates: ``{0}``, ``{1}`` stand for the operands in ``reads``, ``{out}`` for the
    result, other names for what ``constants`` and ``prepared`` hold.

    Attributes:
        node: whose value is computed.
        reads: the nodes whose values are needed.
        kind: what kind of value this is.
        expression: gives the value in new memory.
        lines: statements that write the value into ``{out}``, for INTO.
        over: which operands' memory may be the result's.
        copies: ``lines`` change a copy of the first operand, which they find in ``{out}``.
        contiguous: ``{out}`` has to be contiguous.
        constants: values that the text needs, each with what to call it, by the names that the text
            has for them.
        prepared: expressions for views that are made once, by the names that the text has for them.
        fixed: the step to take instead where the first operand and the result have planned memory.
    """

    node: Node
    reads: tuple[Node, ...]
    kind: Kind
    expression: str = ""
    lines: tuple[str, ...] = ()
    over: tuple[int, ...] = ()
    copies: bool = False
    contiguous: bool = False
    constants: dict[str, tuple[str, Any]] = field(default_factory=dict)
    prepared: dict[str, str] = field(default_factory=dict)
    fixed: Step | None = None


def steps_of(graph: Graph, special: Callable[[Graph], dict[Node, Step]]) -> list[Step]:
    """A step for each node that is needed.

    Args:
        graph: the program.
        special: gives the nodes that are computed in another way than by their own function.
    """
    instead = special(graph)
    steps = {node: instead.get(node) or general(node) for node in graph.nodes}
    wanted = {*graph.outputs, *(new for _, new in graph.updates)}
    for node in reversed(graph.nodes):
        if node in wanted:
            wanted.update(steps[node].reads)
    return [step for node, step in steps.items() if node in wanted]


def general(node: Node) -> Step:
    """The step that calls the node's own function."""
    function: Any = node.function
    if isinstance(node.value, WEAK):
        return _number(node)
    is_ufunc = isinstance(function, np.ufunc) and function.signature is None
    if is_ufunc and function.nout == 1 and len(node.arguments) == function.nin:
        return _call(node) if node.keywords else _elementwise(node)
    maker = _MAKERS.get(function)
    step = maker(node) if maker is not None else None
    return step or _call(node)


# --- text -----------------------------------------------------------------------------------------


class Words:
    """Collects the operands and constants of a step while its text is written."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.reads: list[Node] = []
        self.constants: dict[str, tuple[str, Any]] = {}

    def argument(self, i: int) -> str:
        """The text for an argument of the node."""
        parent = self.node.inputs[i]
        if isinstance(parent, Node):
            return self.read(parent)
        return self.literal(plain(self.node.arguments[i]))

    def arguments(self) -> list[str]:
        """The texts for all arguments of the node, keywords left out."""
        return [self.argument(i) for i in range(len(self.node.arguments))]

    def read(self, node: Node) -> str:
        """The text for another node's value."""
        if node not in self.reads:
            self.reads.append(node)
        return f"{{{self.reads.index(node)}}}"

    def constant(self, value: Any, name: str = "constant") -> str:
        """The text for a value that is made once."""
        key = f"constant{len(self.constants)}"
        self.constants[key] = (name, value)
        return f"{{{key}}}"

    def literal(self, value: Any) -> str:
        """The text for a value that is known now."""
        if isinstance(value, np.generic) and self._takes_on(value):
            value = value.item()
        if type(value) is float and not math.isfinite(value):
            return self.constant(value)
        if value is None or value is Ellipsis or type(value) in (bool, int, float):
            text = "..." if value is Ellipsis else repr(value)
            return f"({text})" if text.startswith("-") else text
        if type(value) is tuple:
            inner = [self.literal(v) for v in value]
            return f"({', '.join(inner)}{',' if len(inner) == 1 else ''})"
        if type(value) is slice:
            parts = (value.start, value.stop, value.step)
            return f"slice({', '.join(self.literal(p) for p in parts)})"
        if type(value) is str and value.isprintable() and not set(value) & set("{}"):
            return repr(value)
        return self.constant(value)

    def _takes_on(self, value: Any) -> bool:
        """Whether a Python number instead of this one of NumPy's gives the same."""
        if not isinstance(self.node.function, np.ufunc) or value.dtype.kind != "f":
            return False
        if value.dtype.itemsize not in (4, 8) or not math.isfinite(value):
            return False
        others = [p.value for p in self.node.inputs if isinstance(p, Node)]
        return any(x.ndim and x.dtype == value.dtype for x in others)

    def index(self, first: int) -> str:
        """The text for the arguments from ``first`` on as what stands in brackets."""
        parts = []
        for i in range(first, len(self.node.arguments)):
            value = self.node.arguments[i]
            if not isinstance(self.node.inputs[i], Node) and type(value) is slice:
                ends = ["" if p is None else str(p) for p in (value.start, value.stop)]
                step = "" if value.step is None else f":{value.step}"
                parts.append(":".join(ends) + step)
            elif isinstance(value, np.ndarray) and not isinstance(self.node.inputs[i], Node):
                parts.append(self.constant(value, "index"))
            else:
                parts.append(self.argument(i))
        return ", ".join(parts) + ("," if len(parts) == 1 else "") if parts else "()"

    def keywords(self) -> str:
        """The node's keywords, each after a comma."""
        given = self.node.keywords or {}
        return "".join(f", {key}={self.literal(value)}" for key, value in given.items())

    def function(self) -> str:
        """The text for the node's function."""
        function: Any = self.node.function
        name = qualified(function)
        found: Any = np
        for part in name.removeprefix("np.").split("."):
            found = getattr(found, part, None)
        if name.startswith("np.") and found is function:
            return name
        return self.constant(own_function(function), identifier(function_name(function)))

    def step(self, kind: Kind, **rest: Any) -> Step:
        """The step with the operands and constants that the texts had."""
        return Step(self.node, tuple(self.reads), kind, constants=self.constants, **rest)


# --- the functions --------------------------------------------------------------------------------

#: What Python's operators compute just as these functions do, on single numbers, and faster.
_FASTER_BY_OPERATOR = frozenset((np.add, np.subtract, np.multiply, np.divide))


def _number(node: Node) -> Step:
    """A Python number computed from Python numbers."""
    words = Words(node)
    given = words.arguments()
    text = expression(node, given, words.constant)
    if text is None:
        text = f"{kind_name(node.value)}({words.function()}({', '.join(given)}{words.keywords()}))"
    return words.step(Kind.NUMBER, expression=text)


def _elementwise(node: Node) -> Step:
    words = Words(node)
    given = [words.read(p) if p is not None else words.argument(i) for i, p in _operands(node)]
    text = f"{words.function()}({', '.join(given)}"
    if node.value.ndim == 0:
        # of Python's numbers alone an operator would make one of Python's
        has_numpys = not all(map(is_python_number, node.arguments))
        if node.function in _FASTER_BY_OPERATOR and has_numpys and node.value.dtype.kind == "f":
            symbol, _ = OPERATORS[node.function]
            return words.step(Kind.NUMBER, expression=f"{given[0]} {symbol} {given[1]}")
        return words.step(Kind.NUMBER, expression=f"{text})")
    return words.step(
        Kind.INTO,
        expression=f"{text})",
        lines=(f"{text}, out={{out}})",),
        over=tuple(i for i, read in enumerate(words.reads) if same_type(read, node)),
    )


def _operands(node: Node) -> Iterator[tuple[int, Node | None]]:
    """The operands of an elementwise function; broadcasting is left to NumPy where it can do it."""
    shapes = list(map(np.shape, node.arguments))
    for i, parent in enumerate(node.inputs):
        if not isinstance(parent, Node):
            yield i, None
            continue
        while parent.function is np.broadcast_to and isinstance(parent.inputs[0], Node):
            source = parent.inputs[0]
            shorter = [*shapes[:i], source.value.shape, *shapes[i + 1 :]]
            weak = isinstance(source.value, WEAK)
            if weak or np.broadcast_shapes(*shorter) != node.value.shape:
                break
            shapes = shorter
            parent = source
        yield i, parent


def same_type(a: Node, b: Node) -> bool:
    """Whether two nodes are arrays of one shape and dtype."""
    return bool(
        not isinstance(a.value, WEAK)
        and a.value.shape == b.value.shape
        and a.value.dtype == b.value.dtype
    )


#: Reductions by the method that NumPy's function ends in.
REDUCTIONS: dict[Any, str] = {
    np.sum: "np.add.reduce",
    np.prod: "np.multiply.reduce",
    np.max: "np.maximum.reduce",
    np.min: "np.minimum.reduce",
}


def _reduction(node: Node) -> Step | None:
    keywords = node.keywords or {}
    if len(node.arguments) != 1 or not set(keywords) <= {"axis", "keepdims"}:
        return None
    if node.arguments[0].ndim == 0:
        return None
    words = Words(node)
    text = f"{REDUCTIONS[node.function]}({words.argument(0)}"
    text += f", axis={words.literal(keywords.get('axis'))}"
    if keywords.get("keepdims"):
        text += ", keepdims=True"
    if node.value.ndim == 0:
        return words.step(Kind.NUMBER, expression=f"{text})")
    return words.step(Kind.INTO, expression=f"{text})", lines=(f"{text}, out={{out}})",))


def _product(node: Node) -> Step | None:
    if node.keywords or len(node.arguments) != 2:
        return None
    a, b = node.arguments
    words = Words(node)
    given = ", ".join(words.arguments())
    by_blas = blas(node) and {a.ndim, b.ndim} <= {1, 2}
    if not by_blas and node.function is np.dot:
        return None
    text = f"{'np.dot' if by_blas else 'np.matmul'}({given}"
    if node.value.ndim == 0:
        return words.step(Kind.NUMBER, expression=f"{text})")
    lines = (f"{text}, out={{out}})",)
    return words.step(Kind.INTO, expression=f"{text})", lines=lines, contiguous=by_blas)


def blas(node: Node) -> bool:
    """Whether a node and its arguments are arrays of one dtype that BLAS computes with."""
    dtypes = {x.dtype if isinstance(x, np.ndarray) else None for x in node.arguments}
    dtype = node.value.dtype
    return dtypes == {dtype} and dtype.isnative and dtype.char in "fd"


def _einsum(node: Node) -> Step | None:
    if node.value.ndim == 0:
        return None
    words = Words(node)
    text = f"np.einsum({', '.join(words.arguments())}{words.keywords()}"
    return words.step(Kind.INTO, expression=f"{text}).copy()", lines=(f"{text}, out={{out}})",))


def _joining(node: Node) -> Step:
    words = Words(node)
    text = f"{words.function()}(({', '.join(words.arguments())},){words.keywords()}"
    return words.step(Kind.INTO, expression=f"{text})", lines=(f"{text}, out={{out}})",))


def _astype(node: Node) -> Step | None:
    if node.keywords or node.value.ndim == 0 or not isinstance(node.arguments[0], np.ndarray):
        return None
    words = Words(node)
    x = words.argument(0)
    dtype = words.constant(node.value.dtype, node.value.dtype.name)
    lines = (f'np.copyto({{out}}, {x}, casting="unsafe")',)
    return words.step(Kind.INTO, expression=f"{x}.astype({dtype})", lines=lines)


def _where(node: Node) -> Step | None:
    if node.keywords or len(node.arguments) != 3 or node.value.ndim == 0:
        return None
    words = Words(node)
    return words.step(Kind.NEW, expression=f"np.where({', '.join(words.arguments())})")


def copied(node: Node, source: Node) -> Step:
    """A step that copies ``source`` into new memory, as ``node``."""
    words = Words(node)
    x = words.read(source)
    if source.value.ndim == 0:  # np.array(x): a number becomes an array, which the program has not
        return words.step(Kind.NEW, expression=f"{x}.copy()")
    return words.step(Kind.INTO, expression=f"{x}.copy()", lines=(f"np.copyto({{out}}, {x})",))


def _view(node: Node) -> Step | None:
    x = node.arguments[0]
    if not isinstance(node.inputs[0], Node) or not isinstance(x, np.ndarray) or x.ndim == 0:
        return None
    words = Words(node)
    given = words.arguments()
    if node.function is np.transpose and len(given) == 1 and not node.keywords:
        return words.step(Kind.VIEW, expression=f"{given[0]}.T")
    if node.function is np.reshape and len(given) == 2 and not node.keywords:
        return words.step(Kind.VIEW, expression=f"{given[0]}.reshape({given[1]})")
    text = f"{words.function()}({', '.join(given)}{words.keywords()})"
    return words.step(Kind.VIEW, expression=text)


def _getitem(node: Node) -> Step | None:
    words = Words(node)
    x = words.argument(0)
    text = f"{x}[{words.index(1)}]"
    if any(isinstance(a, np.ndarray) and a.ndim for a in node.arguments[1:]):
        return words.step(Kind.NEW, expression=text)
    if not isinstance(node.arguments[0], np.ndarray) or node.arguments[0].ndim == 0:
        return None
    return words.step(Kind.VIEW if node.value.ndim else Kind.UNKNOWN, expression=text)


def _setitem(node: Node) -> Step | None:
    if not isinstance(node.arguments[0], np.ndarray) or node.value.ndim == 0:
        return None
    words = Words(node)
    x, value = words.argument(0), words.argument(1)
    line = f"{{out}}[{words.index(2)}] = {value}"
    first, *others = node.inputs
    over = (0,) if isinstance(first, Node) and first not in others else ()
    lines = (f"np.copyto({{out}}, {x})", line)
    return words.step(Kind.INTO, lines=lines, over=over, copies=True)


def _scatter_add(node: Node) -> Step | None:
    if node.value.ndim == 0 or any(isinstance(p, Node) for p in node.inputs[2:]):
        return None
    if any(isinstance(i, (np.ndarray, list)) for i in node.arguments[2:]):
        return None
    words = Words(node)
    value = words.argument(0)
    lines = ("{out}.fill(0)", f"{{out}}[{words.index(2)}] = {value}")
    return words.step(Kind.INTO, lines=lines)


def _call(node: Node) -> Step:
    """The function as it is; what it gives may lie in an operand's memory, for all we know."""
    words = Words(node)
    rule = RULES.get(node.function) if node.function is not None else None
    texts = words.arguments()
    if isinstance(node.arguments[0], WEAK) and not isinstance(node.function, np.ufunc):
        texts[0] = f"{words.constant(as_numpy, 'as_numpy')}({texts[0]})"
    given = ", ".join(texts)
    if rule is not None and rule.packed:
        given = f"({given},)"
    text = f"{words.function()}({given}{words.keywords()})"
    kind = Kind.NEW if node.function in _NEW else Kind.UNKNOWN
    return words.step(kind, expression=text)


_MAKERS: dict[Any, Callable[[Node], Step | None]] = {
    **dict.fromkeys(REDUCTIONS, _reduction),
    np.matmul: _product,
    np.dot: _product,
    np.einsum: _einsum,
    np.concatenate: _joining,
    np.stack: _joining,
    np.astype: _astype,
    np.where: _where,
    **dict.fromkeys((np.reshape, np.transpose, np.broadcast_to, np.flip, np.diagonal), _view),
    getitem: _getitem,
    setitem: _setitem,
    scatter_add: _scatter_add,
}

#: Functions that always allocate what they give.
_NEW = {
    np.any, np.all, np.argmax, np.argmin, np.argsort, np.cumsum, np.roll, np.tril, np.triu,
    np.inner, np.outer, np.tensordot, np.linalg.solve, np.linalg.inv, np.linalg.cholesky,
    np.zeros_like, np.ones_like, setitem, scatter_add, *REDUCTIONS,
}  # fmt: skip
