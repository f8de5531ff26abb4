"""A graph as operations of three kinds: loops, products of matrices, and calls of NumPy.

Views (transposed, broadcast, sliced arrays) are none of them: whoever needs one reads the original
at another place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...graph import Graph
from ...graph.build import apply
from ...node import Node
from ...rules.indexing import getitem, scatter_add, setitem
from ...weak import WEAK
from .ops import (
    COMPARISONS,
    DTYPES,
    UnsupportedError,
    cast,
    is_elementwise,
    literal,
    template,
    type_of,
)
from .views import At, Axis, Term, broadcast, is_view, loops_of, origin

_INT = np.dtype(np.int64)
#: Up to this inner dimension a product of matrices is written as loops, which fuse with what is
#: done to the result. Measured at (300, 2) @ (2, 100): 7 us in loops of its own, 10 us with BLAS.
THIN = 4

_REDUCTIONS: dict[Any, str] = {np.sum: "sum", np.max: "max", np.min: "min"}


@dataclass(eq=False)
class Constant:
    """An array among the operations' arguments that no node made."""

    value: Any


@dataclass(eq=False)
class Converted:
    """A Python int as a number of the dtype in which loops meet it: it may not fit, so Python does.

    Attributes:
        node: the int.
        value: any number of the dtype.
    """

    node: Node
    value: Any


@dataclass(eq=False)
class Read:
    """One operand of a loop.

    Attributes:
        base: the node (or constant array, or converted int) that is read; None for a number or an
            index.
        terms: the place in it; of an index, its own term.
        number: a constant number.
        type: its dtype, or ``float`` or ``int`` for a Python number.
    """

    base: Any
    terms: tuple[Term, ...]
    type: Any
    number: Any = None

    def bases(self) -> Iterator[tuple[Any, tuple[Term, ...]]]:
        """Everything that is read for it, with the place."""
        if self.base is not None:
            yield self.base, self.terms
        for term in self.terms:
            if isinstance(term, At):
                yield from term.array.bases()


@dataclass(eq=False)
class Op:
    """One step of the program.

    Attributes:
        node: whose value it computes.
        kind: "loop", "product" or "call".
        dims: the lengths of its loops.
        reads: its operands; of a product, the two matrices.
        text, types: of a loop, what is computed for an entry, and the dtypes it wants operands in.
        place: where a loop puts its result.
        reduction: "sum", "max" or "min" over those loops that ``place`` does not mention.
    """

    node: Node
    kind: str
    dims: tuple[int, ...] = ()
    reads: list[Read] = field(default_factory=list)
    text: str = ""
    types: list[Any] = field(default_factory=list)
    place: tuple[Term, ...] = ()
    reduction: str = ""

    def uses(self) -> Iterator[tuple[Any, tuple[Term, ...]]]:
        """Everything that it needs, with the place."""
        for read in self.reads:
            yield from read.bases()
        for term in self.place:
            if isinstance(term, At):
                yield from term.array.bases()

    @property
    def kept(self) -> list[Term]:
        """The place, without the axes of length 1."""
        return [t for t in self.place if t != 0]

    @property
    def is_row(self) -> bool:
        """Whether each round of the outer loop completes the result's entries that belong to it."""
        if not self.dims or not self.kept or self.kept[0] != Axis(0):
            return False
        shape = self.node.value.shape  # which what is scattered need not fill
        return all(
            not isinstance(t, Axis) or n == self.dims[t.loop]
            for t, n in zip(self.place, shape, strict=True)
        )


class NeedsCopyError(Exception):
    """A view that has to be an array of its own."""


class Plan:
    """The operations of a graph, and the arrays that have to exist.

    Attributes:
        numbers: Python numbers that Python computes before all else, since it needs no array.
        converted: the ints that loops read, by node and dtype.
        ops: in order of execution.
        outputs: the node of each result: one that nobody else uses, or that is written in place.
        in_place: for each input that is written into, the node whose value goes there.
        stored: nodes that have to be whole arrays, because NumPy or a product uses them.
    """

    def __init__(self, graph: Graph, in_place: dict[Node, Node]) -> None:
        self.graph = graph
        self.names = dict(graph.names)
        self._captured = frozenset(graph.captured)
        self._copied: set[Node] = set()
        self._constants: dict[int, Constant] = {}
        self.numbers = [node for node in graph.nodes if isinstance(node.value, WEAK)]
        self.converted: dict[tuple[Node, Any], Converted] = {}
        self._extra: list[Node] = []
        taken: set[Node] = set()
        self.in_place = {node: self._own(new, taken) for node, new in in_place.items()}
        written = {new: self.in_place[node] for node, new in in_place.items()}
        self.outputs = tuple(
            written[node] if node in written else self._own(node, taken) for node in graph.outputs
        )
        self.ops = self._build()
        self.op_of = {op.node: op for op in self.ops}
        self.stored = {*self.outputs, *self.in_place.values()}
        for op in self.ops:
            if op.kind != "loop":
                self.stored.update(r.base for r in op.reads if isinstance(r.base, Node))

    def _own(self, node: Node, taken: set[Node]) -> Node:
        """The node itself, or a copy of it if it is an input or somebody else's result."""
        if isinstance(node.value, WEAK):
            return node
        if node.function is None or node in taken:
            name = self.names.get(node, "x")
            node = apply(np.copy, node)
            self._extra.append(node)
            self.names[node] = f"{name}_copy"
        if is_view(node):
            self._copied.add(node)
        taken.add(node)
        return node

    def _build(self) -> list[Op]:
        nodes = [*self.graph.nodes, *self._extra]
        while True:
            try:
                skip = {n for n in nodes if n not in self._copied and is_view(n)}
                skip.update(self.numbers)
                ops = [self._op(node) for node in nodes if node not in skip]
                self._convert(ops)
                return ops
            except NeedsCopyError as view:
                self._copied.add(view.args[0])

    def _convert(self, ops: list[Op]) -> None:
        """Let loops read Python's ints in the dtypes that they want them in."""
        for op in ops:
            for read, want in zip(op.reads, op.types, strict=op.kind == "loop"):
                if read.type is int and read.base is not None:
                    known = self.converted.get((read.base, want))
                    read.base = known or Converted(read.base, want.type())
                    self.converted[read.base.node, want] = read.base
                    read.type = want

    # --- operands -----------------------------------------------------------------------------

    def _read(self, node: Node, i: int, terms: tuple[Term, ...]) -> Read:
        """The i-th operand of ``node``, at a place."""
        return self.resolve(node.inputs[i], node.arguments[i], terms)

    def resolve(self, parent: Any, value: Any, terms: tuple[Term, ...]) -> Read:
        """What to read for an operand: views are followed to what they are views of."""
        parent = parent if isinstance(parent, Node) else None
        while parent is not None and parent not in self._copied and is_view(parent):
            back = origin(parent, terms)
            if back is None:
                raise NeedsCopyError(parent)
            terms, node = back, parent
            parent = node.inputs[0] if isinstance(node.inputs[0], Node) else None
            value = node.arguments[0]
        if parent is not None:
            value = parent.value
            fixed = parent in self._captured and not np.ndim(value)
            if not fixed:
                return Read(parent, terms, type_of(value))
        return self._constant(value, terms)

    def _constant(self, value: Any, terms: tuple[Term, ...]) -> Read:
        kind = type_of(value)
        if np.ndim(value) == 0:
            return Read(None, (), kind, value if isinstance(value, WEAK) else np.asarray(value)[()])
        if is_range(value) and isinstance(terms[0], Axis):
            return Read(None, terms, kind)
        if value.size and value.tobytes() == value[(0,) * value.ndim].tobytes() * value.size:
            return Read(None, (), kind, value[(0,) * value.ndim])
        return Read(self._constants.setdefault(id(value), Constant(value)), terms, kind)

    # --- operations ---------------------------------------------------------------------------

    def _op(self, node: Node) -> Op:
        value = node.value
        if value.dtype in DTYPES:
            for form in (self._loop, self._thin_product, self._product):
                try:
                    return form(node)
                except UnsupportedError:
                    pass
        return self._call(node)

    def _call(self, node: Node) -> Op:
        reads = []
        for parent in node.inputs:
            if isinstance(parent, Node):
                if is_view(parent) and parent not in self._copied:
                    raise NeedsCopyError(parent)
                reads.append(Read(parent, (), None))
        return Op(node, "call", reads=reads)

    def _product(self, node: Node) -> Op:
        """A product of matrices, for BLAS."""
        _refuse_other_products(node)
        reads = []
        for parent, value in zip(node.inputs, node.arguments, strict=True):
            read = self.resolve(parent, value, (Axis(0), Axis(1)))
            if read.base is None or {*read.terms} != {Axis(0), Axis(1)} or len(read.terms) != 2:
                if not isinstance(parent, Node):
                    raise UnsupportedError
                raise NeedsCopyError(parent)
            base = read.base.value.shape
            if value.shape != (base if read.terms[0] == Axis(0) else base[::-1]):
                raise NeedsCopyError(parent)
            reads.append(read)
        return Op(node, "product", reads=reads)

    def _thin_product(self, node: Node) -> Op:
        """A product of matrices with a very short inner dimension, as a sum of products."""
        _refuse_other_products(node)
        inner = node.arguments[0].shape[1]
        place, dims = loops_of(node.value.shape)
        if not 1 <= inner <= THIN:
            raise UnsupportedError
        reads = []
        for k in range(inner):
            reads += [self._read(node, 0, (place[0], k)), self._read(node, 1, (k, place[1]))]
        text = " + ".join(f"{{{2 * k}}} * {{{2 * k + 1}}}" for k in range(inner))
        return Op(node, "loop", dims, reads, text, [node.value.dtype] * len(reads), place)

    def _loop(self, node: Node) -> Op:
        place, dims = loops_of(node.value.shape)
        if node in self._copied:
            back = origin(node, place)
            if back is None:
                raise UnsupportedError
            read = self._read(node, 0, back)
            return Op(node, "loop", dims, [read], "{0}", [node.value.dtype], place)
        if node.function in _REDUCTIONS:
            return self._reduction(node)
        if node.function in (getitem, setitem) and not isinstance(node.arguments[0], np.ndarray):
            raise UnsupportedError
        if node.function is getitem:
            return self._picked(node, place, dims)
        if node.function is setitem:
            return self._replaced(node, place, dims)
        if node.function is scatter_add:
            return self._scattered(node, place, dims)
        return self._elementwise(node, place, dims)

    def _elementwise(self, node: Node, place: tuple[Term, ...], dims: tuple[int, ...]) -> Op:
        count = 1 if node.function is np.astype else len(node.inputs)
        if node.keywords or not is_elementwise(node.function):
            raise UnsupportedError
        reads = [
            self._read(node, i, broadcast(place, np.shape(node.arguments[i]))) for i in range(count)
        ]
        if node.function in COMPARISONS and any(r.type is int and r.base for r in reads):
            raise UnsupportedError  # NumPy compares with an int that does not fit, too
        numbers = [r.number for r in reads]
        text, types = template(node.function, [r.type for r in reads], node.value.dtype, numbers)
        return self._typed(Op(node, "loop", dims, reads, text, types, place))

    def _typed(self, op: Op) -> Op:
        """The operation, after making sure that its operands can be converted."""
        for read, want in zip(op.reads, op.types, strict=True):
            if read.number is not None:
                literal(read.number, want)
            else:
                cast("", np.dtype(read.type), want)
        return op

    def _reduction(self, node: Node) -> Op:
        options = dict(node.keywords or {})
        axis = options.pop("axis", node.arguments[1] if len(node.inputs) == 2 else None)
        keepdims = options.pop("keepdims", False)
        shape = np.shape(node.arguments[0])
        if options or len(node.inputs) > 2 or node.arguments[0] is None:
            raise UnsupportedError
        axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        gone = {a % len(shape) for a in axes} if shape else set()
        terms, dims = loops_of(shape)
        place = tuple(
            0 if a in gone else term for a, term in enumerate(terms) if keepdims or a not in gone
        )
        read = self._read(node, 0, terms)
        dtype = node.value.dtype
        reduction = _REDUCTIONS[node.function]
        if sum(t != 0 for t in place) == len(dims):
            reduction = ""  # over axes of length 1
        return self._typed(Op(node, "loop", dims, [read], "{0}", [dtype], place, reduction))

    # --- indexing -----------------------------------------------------------------------------

    def _picked(self, node: Node, place: tuple[Term, ...], dims: tuple[int, ...]) -> Op:
        """Entries, rows, ... picked by arrays of integers."""
        x = node.arguments[0]
        ndim = node.value.ndim - (x.ndim - (len(node.inputs) - 1))
        terms = self._index(node, 1, x.shape, place[:ndim])
        if _together(node.arguments[1:]) != node.value.shape[:ndim]:
            raise UnsupportedError
        read = self._read(node, 0, (*terms, *place[ndim:]))
        return self._typed(Op(node, "loop", dims, [read], "{0}", [node.value.dtype], place))

    def _index(
        self, node: Node, first: int, shape: tuple[int, ...], place: tuple[Term, ...]
    ) -> list[Term]:
        """The terms for index arrays, which are ``node``'s operands from ``first`` on."""
        terms: list[Term] = []
        for axis, (parent, value) in enumerate(
            zip(node.inputs[first:], node.arguments[first:], strict=True)
        ):
            if not (isinstance(value, np.ndarray) and value.ndim) or len(place) < value.ndim:
                raise UnsupportedError
            if value.dtype.kind not in "iu" or value.dtype == np.uint64:
                raise UnsupportedError
            read = self.resolve(parent, value, broadcast(place, value.shape))
            if read.base is None and read.number is None and isinstance(read.terms[0], Axis):
                if value.size > shape[axis]:
                    raise UnsupportedError
                terms.append(read.terms[0])
            elif read.base is None:
                raise UnsupportedError
            else:
                terms.append(At(read, read.terms, shape[axis]))
        return terms

    def _rows_and_labels(
        self, node: Node, first: int, shape: tuple[int, ...], place: tuple[Term, ...]
    ) -> list[Read]:
        """Of an index ``[0..N-1, labels]``: the column that is looked at, and the label."""
        index = node.arguments[first:]
        if len(index) != 2 or len(shape) < 2 or any(getattr(i, "ndim", 0) != 1 for i in index):
            raise UnsupportedError
        terms = self._index(node, first, shape, place[:1])
        if terms[0] != place[0] or node.arguments[first].shape != shape[:1] or place[0] == 0:
            raise UnsupportedError
        return [Read(None, (term,), _INT) for term in (place[1], terms[1])]

    def _replaced(self, node: Node, place: tuple[Term, ...], dims: tuple[int, ...]) -> Op:
        """``x[range(N), labels] = value`` and ``x[mask] = number``, as a choice for each entry."""
        x, value, *index = node.arguments
        dtype = node.value.dtype
        if all(i is Ellipsis or _is_everything(i) for i in index):
            new = self._read(node, 1, broadcast(place, np.shape(value)))
            return self._typed(Op(node, "loop", dims, [new], "{0}", [dtype], place))
        old = self._read(node, 0, place)
        if len(index) == 1 and getattr(index[0], "dtype", None) == np.bool_:
            if index[0].shape != x.shape or np.size(value) != 1 or node.inputs[2] is None:
                raise UnsupportedError
            new = self._read(node, 1, tuple(0 for _ in np.shape(value)))
            chosen, text = [self._read(node, 2, place)], "({0} if {2} else {1})"
        else:
            chosen = self._rows_and_labels(node, 2, x.shape, place)
            new = self._read(node, 1, broadcast((place[0], *place[2:]), np.shape(value)))
            text = "({0} if {2} == {3} else {1})"
        types = [dtype, dtype, *(r.type for r in chosen)]
        return self._typed(Op(node, "loop", dims, [new, old, *chosen], text, types, place))

    def _scattered(self, node: Node, place: tuple[Term, ...], dims: tuple[int, ...]) -> Op:
        """What the derivative of picking does: values put, or added, where they came from."""
        value, shape, *index = node.arguments
        dtype = node.value.dtype
        try:
            chosen = self._rows_and_labels(node, 2, shape, place)
            new = self._read(node, 0, (place[0], *place[2:]))
            zero = Read(None, (), dtype, dtype.type(0))
            types = [dtype, dtype, _INT, _INT]
            text = "({0} if {2} == {3} else {1})"
            return self._typed(Op(node, "loop", dims, [new, zero, *chosen], text, types, place))
        except UnsupportedError:
            terms, dims = loops_of(value.shape)
            lead = value.ndim - (len(shape) - len(index))
            if lead < 1 or _together(index) != value.shape[:lead]:
                raise UnsupportedError from None
            place = (*self._index(node, 2, shape, terms[:lead]), *terms[lead:])
            read = self._read(node, 0, terms)
            return self._typed(Op(node, "loop", dims, [read], "{0}", [dtype], place, "sum"))


def _refuse_other_products(node: Node) -> None:
    """Raise unless ``node`` is a product of two matrices of its own floating-point dtype."""
    if node.function not in (np.matmul, np.dot) or node.keywords or len(node.inputs) != 2:
        raise UnsupportedError
    dtype = node.value.dtype
    if dtype.kind != "f" or any(np.ndim(x) != 2 or x.dtype != dtype for x in node.arguments):
        raise UnsupportedError


def _together(index: Any) -> tuple[int, ...]:
    """The shape that index arrays have together."""
    try:
        return np.broadcast_shapes(*map(np.shape, index))
    except ValueError:  # a mask has more axes than it picks
        raise UnsupportedError from None


def _is_everything(index: Any) -> bool:
    return isinstance(index, slice) and index == slice(None)


def is_range(value: Any) -> bool:
    """Whether an array is 0, 1, 2, ..., so that a loop's variable serves in its place."""
    return bool(
        value.ndim == 1
        and value.dtype.kind in "iu"
        and value.size
        and np.array_equal(value, np.arange(value.size))
    )
