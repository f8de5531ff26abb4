"""The language of the table of rewrites: a pattern is a line of NumPy, and so is its replacement.

::

    rewrite(lambda x: np.exp(log_softmax(x)), lambda x: softmax(x))

The pattern is run once, on symbols, to see what it looks for; the replacement is run on the
operands that were found, each time the pattern fits. What a variable may stand for is told by its
name, as in a textbook:

=============== ==================================================================================
``c``, ``d``,   a number that is known now; the replacement is handed the number itself and may
``e``, ``n``    compute with it
``s``, ``t``    a single number, known or not: an operand of shape ``()``
``i``, ``j``,   a setting of a function (an axis, a shape, a dtype), handed over as it is
``axis``, ...
``*index``      all the arguments that are left
any other name  any operand
=============== ==================================================================================

A number that is written in a pattern fits a constant of that value. A variable that comes twice is
the same operand twice. Operands of ``+``, ``*`` and their like fit in either order. A keyword
(``axis=axis``) fits also where it is not given; the variable is then None.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from ...methods import ArrayMethods
from ...node import Node
from ...operators import Operators

#: Variables that stand for numbers that are known now.
NUMBERS = frozenset({"c", "d", "e", "n"})

#: Variables whose operand a replacement is handed as it is.
PLAIN = NUMBERS | {"i", "j", "axis", "dtype", "keepdims"}

#: Functions of two arguments that may change places.
COMMUTATIVE = frozenset(
    {np.add, np.multiply, np.maximum, np.minimum, np.fmax, np.fmin, np.equal, np.not_equal,
     np.logical_and, np.logical_or, np.logical_xor, np.bitwise_and, np.bitwise_or, np.bitwise_xor,
     np.hypot, np.logaddexp, np.logaddexp2}
)  # fmt: skip


class Expression(Operators, ArrayMethods):
    """What NumPy's functions, Python's operators and our operations can be called on."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def apply(self, function: Any, operands: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """The expression of ``function`` called with ``operands``."""
        raise NotImplementedError

    def _record(
        self,
        function: Any,
        operands: tuple[Any, ...],
        keywords: dict[str, Any] | None = None,
        compute: Any = None,
    ) -> Any:
        given = {k: v for k, v in (keywords or {}).items() if v is not None and v is not False}
        return self.apply(function, operands, given)

    def _record_pair(self, function: Any, operands: Any, compute: Any = None) -> Any:
        return self.apply(function, operands, {})

    _record_operator = _record_pair

    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **keywords: Any) -> Any:
        if method != "__call__" or keywords:
            return NotImplemented
        return self.apply(ufunc, operands, {})

    def __array_function__(self, function: Any, types: Any, args: Any, keywords: Any) -> Any:
        return self._record(function, args, keywords)

    def __record__(self, function: Any, args: Any, keywords: Any) -> Any:
        return self._record(function, args, keywords)

    def astype(self, dtype: Any) -> Any:
        """np.astype."""
        return self.apply(np.astype, (self, dtype), {})

    @property
    def T(self) -> Any:  # noqa: N802 (ndarray's name)
        """The transpose."""
        return self.apply(np.transpose, (self,), {})


# --- patterns -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Variable:
    """A name in a pattern, and what it may stand for."""

    name: str
    rest: bool = False

    @property
    def fits(self) -> Callable[[Any], bool]:
        """A function that tells whether the name may stand for an operand."""
        if self.name in NUMBERS:
            return is_number
        return _is_single if self.name in ("s", "t") else _is_anything


def _is_single(x: Any) -> bool:
    return x.value.shape == () if isinstance(x, Node) else is_number(x)


def _is_anything(x: Any) -> bool:
    return True


@dataclass(frozen=True)
class Operation:
    """A function in a pattern, with the patterns of its operands."""

    function: Any
    operands: tuple[Any, ...]
    keywords: dict[str, Any] = field(default_factory=dict)


class Symbol(Expression):
    """A pattern while it is being written."""

    __slots__ = ("pattern",)

    def __init__(self, pattern: Any) -> None:
        self.pattern = pattern

    def apply(self, function: Any, operands: tuple[Any, ...], keywords: dict[str, Any]) -> Symbol:
        """The pattern of an operation."""
        found = {k: _pattern(v) for k, v in keywords.items()}
        return Symbol(Operation(function, tuple(map(_pattern, operands)), found))


def _pattern(x: Any) -> Any:
    return x.pattern if isinstance(x, Symbol) else x


def is_number(x: Any) -> bool:
    """Whether an operand is a number that is known now."""
    kind = type(x)
    return kind is int or kind is float or (isinstance(x, np.generic) and x.dtype.kind in "fiu")


def is_minus_zero(x: Any) -> bool:
    """Whether a number is -0.0. That does less than 0 does: x + -0.0 is x, also where x is -0.0."""
    return bool(x == 0 and np.signbit(x))


Matcher = Callable[[Any, dict[str, Any]], bool]


def matcher(pattern: Any) -> Matcher:
    """A function that tells whether an operand fits, and notes what the variables stand for.

    There are as many calls of these as lines in the table times nodes in the graph.
    """
    if type(pattern) is Operation:
        function, call = pattern.function, call_matcher(pattern)

        def fits_operation(x: Any, found: dict[str, Any]) -> bool:
            if not isinstance(x, Node) or x.function is not function:
                return False
            return call(operands_of(x), x.keywords, found)

        return fits_operation
    if type(pattern) is Variable:
        name, fits = pattern.name, pattern.fits

        def fits_variable(x: Any, found: dict[str, Any]) -> bool:
            if name in found:
                return same(found[name], x)
            found[name] = x
            return fits(x)

        return fits_variable
    if is_number(pattern):
        return lambda x, found: is_number(x) and bool(pattern == x) and not is_minus_zero(x)
    return lambda x, found: type(x) is type(pattern) and bool(x == pattern)


def call_matcher(
    pattern: Operation,
) -> Callable[[tuple[Any, ...], dict[str, Any] | None, dict[str, Any]], bool]:
    """A function that tells whether a call's operands and keywords fit those of ``pattern``."""
    wanted, rest = pattern.operands, None
    if wanted and type(wanted[-1]) is Variable and wanted[-1].rest:
        wanted, rest = wanted[:-1], wanted[-1].name
    count = len(wanted)
    # what fits few operands is asked first
    matchers = sorted(enumerate(map(matcher, wanted)), key=lambda im: _width(wanted[im[0]]))
    named = {name: matcher(p) for name, p in pattern.keywords.items()}

    def fits(
        operands: tuple[Any, ...], keywords: dict[str, Any] | None, found: dict[str, Any]
    ) -> bool:
        if len(operands) != count and (rest is None or len(operands) < count):
            return False
        if keywords is not None and not keywords.keys() <= named.keys():
            return False
        for i, match in matchers:
            if not match(operands[i], found):
                return False
        for name, match in named.items():
            if not match(None if keywords is None else keywords.get(name), found):
                return False
        return rest is None or _fits_rest(rest, operands[count:], found)

    return fits


def _width(pattern: Any) -> int:
    if type(pattern) is Variable:
        return 2 if pattern.name in NUMBERS else 3
    return 1 if type(pattern) is Operation else 0


def _fits_rest(name: str, operands: tuple[Any, ...], found: dict[str, Any]) -> bool:
    """Whether all the remaining operands fit the name that stands for them."""
    if name not in found:
        found[name] = operands
        return True
    return len(found[name]) == len(operands) and all(map(same, found[name], operands))


def operands_of(node: Node) -> tuple[Any, ...]:
    """A node's arguments: nodes, and anything else as a constant."""
    return tuple(
        [i if isinstance(i, Node) else a for i, a in zip(node.inputs, node.arguments, strict=True)]
    )


def same(x: Any, y: Any) -> bool:
    """Whether two operands are known to have the same value."""
    if x is y:
        return True
    if isinstance(x, Node) or isinstance(y, Node) or type(x) is not type(y):
        return False
    if isinstance(x, (np.ndarray, np.generic)):  # bytes tell 0.0 from -0.0
        return bool(x.shape == y.shape and x.dtype == y.dtype and x.tobytes() == y.tobytes())
    return bool(repr(x) == repr(y) if isinstance(x, float) else x == y)


# --- the table ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Rewrite:
    """One line of the table.

    Attributes:
        number: its place in the table; what comes first is tried first.
        pattern: what it looks for.
        fits: whether a call's operands and keywords fit; notes what the variables stand for.
        replacement: what to put there, a function of the variables' operands.
        condition: a function of some of them that tells whether it applies; or None.
        names: the variables that the replacement takes, and those that the condition takes.
        floats: whether the operands have to be floating-point, all of the result's dtype.
    """

    number: int
    pattern: Operation
    fits: Callable[[tuple[Any, ...], dict[str, Any] | None, dict[str, Any]], bool]
    replacement: Callable[..., Any]
    condition: Callable[..., bool] | None
    names: tuple[tuple[Variable, ...], tuple[Variable, ...]]
    floats: bool


#: Marks an operand that is a number, in the table's index.
NUMBER = object()


class Table:
    """Rewrites, found by a node's function and the functions of its first two operands."""

    def __init__(self) -> None:
        self.rewrites: list[Rewrite] = []
        self._index: dict[tuple[Any, ...], list[Rewrite]] = {}
        self._found: dict[tuple[Any, ...], list[Rewrite]] = {}

    def add(
        self,
        pattern: Callable[..., Any],
        replacement: Callable[..., Any],
        when: Callable[..., bool] | None = None,
        as_written: bool = False,
        floats: bool = False,
    ) -> None:
        """Add a rewrite, in every order in which its operands may come.

        Args:
            pattern: a line of NumPy, a function of its variables.
            replacement: another line, a function of some of them.
            when: a function of some of them that tells whether the rewrite applies.
            as_written: whether operands fit only in the order in which they are written.
            floats: whether the operands have to be floating-point, all of the result's dtype.
                Integers wrap around, each dtype in its own way, and what is negative may not exist
                among them; and in another order float32 would meet float32 before float64.
        """
        variables = _variables(pattern)
        root = pattern(*(Symbol(v) for v in variables)).pattern
        names = (_variables(replacement), () if when is None else _variables(when))
        for variant in [root] if as_written else _orders(root):
            fits = call_matcher(variant)
            new = Rewrite(len(self.rewrites), variant, fits, replacement, when, names, floats)
            self.add_rewrite(new)

    def add_rewrite(self, rewrite: Rewrite) -> None:
        """Add a rewrite as it is, in the one order in which it is written."""
        self._found.clear()
        self.rewrites.append(rewrite)
        heads = [_head(p) for p in rewrite.pattern.operands[:2]]
        self._index.setdefault((rewrite.pattern.function, *heads), []).append(rewrite)

    def candidates(self, function: Any, operands: tuple[Any, ...]) -> list[Rewrite]:
        """The rewrites that may apply, in the table's order."""
        key = (function, *map(_kind, operands[:2]))
        found = self._found.get(key)
        if found is None:
            choices = [(kind, None) for kind in key[1:]]
            keys = [(function, *heads) for heads in product(*choices)]
            hits = {r.number: r for k in keys for r in self._index.get(k, ())}
            found = self._found[key] = [hits[n] for n in sorted(hits)]
        return found


def _kind(x: Any) -> Any:
    if isinstance(x, Node):
        return x.function
    return NUMBER if is_number(x) else None


def _head(pattern: Any) -> Any:
    if type(pattern) is Operation:
        return pattern.function
    if type(pattern) is Variable:
        return NUMBER if pattern.name in NUMBERS else None
    return NUMBER if is_number(pattern) else None


def _variables(function: Callable[..., Any]) -> tuple[Variable, ...]:
    parameters = inspect.signature(function).parameters.values()
    return tuple(Variable(p.name, p.kind == p.VAR_POSITIONAL) for p in parameters)


def _orders(pattern: Any) -> list[Any]:
    """The pattern with the operands of commutative functions in every order."""
    if type(pattern) is not Operation:
        return [pattern]
    out = []
    for operands in product(*map(_orders, pattern.operands)):
        out.append(Operation(pattern.function, operands, pattern.keywords))
        if pattern.function in COMMUTATIVE and operands[0] != operands[1]:
            out.append(Operation(pattern.function, operands[::-1], pattern.keywords))
    return out


TABLE = Table()

#: Add a line to the table: ``rewrite(pattern, replacement, when=condition)``.
rewrite = TABLE.add
