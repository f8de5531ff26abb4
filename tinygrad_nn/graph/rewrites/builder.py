"""Making the nodes of a simplified graph: each is looked up, folded or rewritten first.

Whatever the table holds, the work for one node is bounded: rewrites go :data:`DEPTH` deep at most,
and :data:`FUEL` of them are applied. And a replacement is taken only if it has the very type of
what it replaces.
"""

from __future__ import annotations

import math
from hashlib import blake2b
from typing import Any

import numpy as np

from ...node import ORDER, Node
from ...rules.neural import cross_entropy
from ...rules.registry import CONSTANTS, RULES
from ...weak import OPERATORS, WEAK, is_python_number, plain, weak
from ..graph import called
from .canonical import canonical
from .pattern import (
    COMMUTATIVE,
    PLAIN,
    TABLE,
    Expression,
    Rewrite,
    Table,
    is_number,
)
from .types import blank, infer, type_of

#: How deep a replacement's own operations may be rewritten.
DEPTH = 12

#: How many rewrites may be applied for one node of the old graph.
FUEL = 100

#: Entries up to which a constant result is computed now.
FOLDED = 64

#: Functions that spread a number: their result is never folded, so that it is seen to be one.
_SPREADING = frozenset({np.broadcast_to, np.reshape})


class Builder:
    """The nodes made so far, each found again by what it computes.

    Attributes:
        nodes: what was made, in order; some of it may turn out not to be needed.
        made_for: for each of these the node of the old graph that it was made for.
        applied: the rewrites that have been applied, in order; None stands for a folded constant.
        unsure: whether a rewrite was not applied that may be in the next pass, when it is known
            better how often each node is used.
        uses: how often each operand was used in the old graph, as far as it is known.
        labels: what holds class labels, as a loss checks them, each with the number of classes and
            whether negative ones count from the end.
    """

    def __init__(self, table: Table = TABLE) -> None:
        self.nodes: list[Node] = []
        self.made_for: dict[Node, Node] = {}
        self.applied: list[Rewrite | None] = []
        self.unsure = False
        self.uses: dict[Node, int] = {}
        self.labels: set[tuple[Any, int, bool]] = set()
        self._table = table
        self._known: dict[Any, Any] = {}
        self._digests: dict[int, tuple[Any, Any]] = {}
        self._old: Node | None = None
        self._grad = True
        self._depth = 0
        self._fuel = 0

    def rebuild(self, old: Node, operands: tuple[Any, ...]) -> Any:
        """What stands for a node of the old graph, given what stands for its operands."""
        self._old, self._depth, self._fuel = old, 0, FUEL
        carries = any(isinstance(x, Node) and x.requires_grad for x in operands)
        self._grad = old.requires_grad or not carries or old.function in CONSTANTS
        return self.make(old.function, operands, old.keywords, blank(old.value))

    def make(
        self,
        function: Any,
        operands: tuple[Any, ...],
        keywords: dict[str, Any] | None = None,
        value: Any = None,
    ) -> Any:
        """The operand that stands for ``function`` of ``operands``: a node, or a constant.

        Args:
            function: as in :attr:`Node.function`.
            operands: nodes and constants.
            keywords: static keyword arguments.
            value: a stand-in for the result, if its type is known.
        """
        operands = tuple(map(_as_operand, operands))
        function, operands, keywords = canonical(function, operands, keywords)
        carries = self._carries(function, operands)
        key = self._key(function, operands, keywords, carries)
        if isinstance(value, np.generic) and all(map(_is_python_number, operands)):
            key = (*key, "numpy")  # and not Python's operator
        found = self._known.get(key, _UNKNOWN)
        if found is not _UNKNOWN:
            return found
        if value is None:
            value = infer(function, operands, keywords)
        result = self._folded(function, operands, keywords, value)
        if result is _UNKNOWN:
            result = self._rewritten(function, operands, keywords, value, carries)
        if result is _UNKNOWN:
            result = self._node(function, operands, keywords, value, carries)
        self._known[key] = result
        return result

    def _node(
        self,
        function: Any,
        operands: tuple[Any, ...],
        keywords: dict[str, Any] | None,
        value: Any,
        carries: bool,
    ) -> Node:
        node = Node()
        node.function = function
        node.inputs = tuple(x if isinstance(x, Node) else None for x in operands)
        node.arguments = tuple(x.value if isinstance(x, Node) else x for x in operands)
        node.keywords = keywords or None
        node.value = value
        node.requires_grad = carries
        node.order = next(ORDER) if node.requires_grad else 0
        node.code, node.offset = None, 0
        if self._old is not None:
            node.code, node.offset = self._old.code, self._old.offset
            self.made_for[node] = self._old
        self.nodes.append(node)
        if function is cross_entropy and isinstance(operands[1], Node):
            from_end = bool((keywords or {}).get("from_end"))
            self.labels.add((operands[1], node.arguments[0].shape[1], from_end))
        return node

    def knows_labels(self, x: Any, classes: int, from_end: bool = False) -> bool:
        """Whether an operand is known to hold labels of so many classes."""
        return isinstance(x, Node) and (x, classes, from_end) in self.labels

    def has(self, function: Any, *operands: Any) -> bool:
        """Whether a call has been made already, so that it costs nothing."""
        operands = tuple(map(_as_operand, operands))
        function, operands, keywords = canonical(function, operands, None)
        carries = self._carries(function, operands)
        return self._key(function, operands, keywords, carries) in self._known

    def _carries(self, function: Any, operands: tuple[Any, ...]) -> bool:
        return (
            self._grad
            and function in RULES
            and any(isinstance(x, Node) and x.requires_grad for x in operands)
        )

    def _folded(
        self, function: Any, operands: tuple[Any, ...], keywords: dict[str, Any] | None, value: Any
    ) -> Any:
        """The value of a function of constants alone."""
        for x in operands:
            if isinstance(x, Node):
                return _UNKNOWN
        if value.shape != () and (function in _SPREADING or value.size > FOLDED):
            return _UNKNOWN
        if function is np.divide and all(map(is_number, operands)):
            above, below = operands
            if below == 0 or above % below:
                return _UNKNOWN  # 1 / N is better seen as a division by N
        try:
            with np.errstate(all="ignore"):
                python = OPERATORS.get(function) if isinstance(value, WEAK) else None
                result = python(*operands) if python else called(function, operands, keywords)
        except (ArithmeticError, ValueError, TypeError, IndexError):
            return _UNKNOWN  # what fails is to fail when the program runs
        result = _as_operand(
            float(result) if type(value) in WEAK and value.dtype == float else result
        )
        if type_of(result) != type_of(value):
            return _UNKNOWN
        self.applied.append(None)
        return result

    def _rewritten(
        self,
        function: Any,
        operands: tuple[Any, ...],
        keywords: dict[str, Any] | None,
        value: Any,
        carries: bool,
    ) -> Any:
        """What the first rewrite that fits makes of a call."""
        if self._depth >= DEPTH or self._fuel <= 0:
            self.unsure = True
            return _UNKNOWN
        if function is np.divide and all(map(is_number, operands)):
            return _UNKNOWN
        for rewrite in self._table.candidates(function, operands):
            found: dict[str, Any] = {}
            if not rewrite.fits(operands, keywords, found):
                continue
            if rewrite.floats and not all(_is_real(x, value.dtype) for x in found.values()):
                continue
            result = self._replaced(rewrite, found)
            if result is _UNKNOWN or type_of(result) != type_of(value):
                continue
            if isinstance(result, Node) and result.requires_grad and not carries:
                continue  # no gradient flowed through here
            self.applied.append(rewrite)
            return result
        return _UNKNOWN

    def _replaced(self, rewrite: Rewrite, found: dict[str, Any]) -> Any:
        if rewrite.condition is not None:
            args = self._arguments(rewrite.names[1], found)
            if not rewrite.condition(*args):
                return _UNKNOWN
        self._depth += 1
        self._fuel -= 1
        try:
            result = rewrite.replacement(*self._arguments(rewrite.names[0], found))
        except ArithmeticError:  # of two constants, whose result no number can hold
            return _UNKNOWN
        finally:
            self._depth -= 1
        return _UNKNOWN if result is None else _as_operand(result)

    def _arguments(self, names: Any, found: dict[str, Any]) -> list[Any]:
        out: list[Any] = []
        for variable in names:
            x = found[variable.name]
            if variable.rest:
                out.extend(self.term(i) if isinstance(i, (Node, np.ndarray)) else i for i in x)
            else:
                out.append(x if variable.name in PLAIN else self.term(x))
        return out

    def term(self, x: Any) -> Term:
        """An operand as a replacement sees it."""
        return Term(self, x)

    def _key(
        self,
        function: Any,
        operands: tuple[Any, ...],
        keywords: dict[str, Any] | None,
        carries: bool,
    ) -> Any:
        parts: Any = tuple(map(self._key_of, operands))
        if function in COMMUTATIVE and len(parts) == 2:
            parts = frozenset(parts)
        named = tuple((k, self._key_of(v)) for k, v in sorted(keywords.items())) if keywords else ()
        return function, parts, named, carries

    def _key_of(self, x: Any) -> Any:
        """Something hashable that is equal for operands of the same value and type."""
        if isinstance(x, Node):
            return x
        if type(x) in (float, int, bool):
            return type(x), repr(x)  # tells 0.0 from -0.0
        if isinstance(x, np.generic):
            return x.dtype, x.tobytes()
        if isinstance(x, np.ndarray):
            known = self._digests.get(id(x))
            if known is None:
                digest = blake2b(np.ascontiguousarray(x).tobytes()).digest()
                known = self._digests[id(x)] = (x, (x.dtype, x.shape, digest))
            return known[1]
        if isinstance(x, (tuple, list)):
            return type(x), tuple(map(self._key_of, x))
        if isinstance(x, slice):
            return slice, x.start, x.stop, x.step
        return type(x), x


_UNKNOWN = object()


def _is_real(x: Any, dtype: Any) -> bool:
    """Whether an operand is of floats of ``dtype``, or a number that takes on any; or a setting."""
    value = x.value if isinstance(x, Node) else x
    if isinstance(value, WEAK) or not hasattr(value, "dtype"):
        return True
    if value.dtype.kind != "f":
        return False
    return bool(value.dtype == dtype) or (not isinstance(x, Node) and value.ndim == 0)


def _is_python_number(x: Any) -> bool:
    return is_python_number(x.value if isinstance(x, Node) else x)


def _as_operand(x: Any) -> Any:
    """What may stand among a node's arguments, in the one form that it is kept in."""
    if isinstance(x, Node):
        return x
    if type(x) is Term:
        return x.operand
    if isinstance(x, np.ndarray) and x.ndim == 0:
        return x[()]
    return plain(x)


class Term(Expression):
    """An operand as a replacement sees it: what is computed with it becomes nodes.

    Attributes:
        operand: the node, or the constant.
    """

    __slots__ = ("builder", "operand")

    def __init__(self, builder: Builder, operand: Any) -> None:
        self.builder = builder
        self.operand = operand

    def apply(self, function: Any, operands: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """The operand that stands for a function's call."""
        return Term(self.builder, self.builder.make(function, operands, keywords))

    def __array_function__(self, function: Any, types: Any, args: Any, keywords: Any) -> Any:
        if function in (np.ndim, np.shape, np.size):  # questions, answered at once
            return function(self.value)
        return super().__array_function__(function, types, args, keywords)

    @property
    def value(self) -> Any:
        """A value of its type."""
        return self.operand.value if isinstance(self.operand, Node) else weak(self.operand)

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array."""
        shape: tuple[int, ...] = self.value.shape
        return shape

    @property
    def dtype(self) -> Any:
        """As of an array."""
        return self.value.dtype

    @property
    def ndim(self) -> int:
        """As of an array."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """As of an array."""
        return math.prod(self.shape)

    @property
    def is_array(self) -> bool:
        """Whether it is a node or an array; not a number, a slice, ..."""
        return isinstance(self.operand, (Node, np.ndarray))

    @property
    def constant(self) -> Any:
        """The value, if it is known now; else None."""
        return None if isinstance(self.operand, Node) else self.operand

    @property
    def function(self) -> Any:
        """The function that it is the result of; None of an input or a constant."""
        return self.operand.function if isinstance(self.operand, Node) else None

    @property
    def used_once(self) -> bool:
        """Whether the old graph is known to use it in one place only."""
        once = self.builder.uses.get(self.operand, 2) <= 1
        self.builder.unsure = self.builder.unsure or not once
        return once

    def number(self, value: Any) -> Term:
        """A constant of this operand's dtype."""
        return Term(self.builder, self.dtype.type(value))
