"""What things are called: the user's own names and expressions, lines, counts."""

from __future__ import annotations

import ast
import linecache
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

from ....node import Node
from ....rules.indexing import getitem, setitem
from ..mending import assigned, is_known, operands, squeeze, wrapped
from ..observing.observe import Observation, where

#: Texts that are a name and not an expression: ``N``, ``X.shape[0]``, ``len(X)``.
_COUNTS = re.compile(r"[A-Za-z_][\w.]*(\.shape\[-?\d+\]|\.size)?|len\([\w.]+\)")
_NAMED = re.compile(r"[A-Za-z_][\w.]*(\[[^\[\]]*\])?")
_ORDINALS = {1: "first", 2: "second", 3: "third"}


class Words:
    """The user's words for what took part in a run.

    Attributes:
        observation: of the run.
        counts: for each whole number that the program uses or has as a length: what it is called.
    """

    def __init__(self, observation: Observation) -> None:
        self.observation = observation
        self._texts: dict[Node, Counter[tuple[Any, str]]] = defaultdict(Counter)
        self.counts: dict[int, list[str]] = defaultdict(list)
        self.batch = 0
        self._named: dict[tuple[Any, str], set[Node]] = defaultdict(set)
        self._late: dict[Any, Counter[str]] = defaultdict(Counter)
        self._lines: dict[Any, Counter[str]] = defaultdict(Counter)
        self._inner: set[Node] | None = None
        self.scalars: Any = None  # of the file of that name, which needs these words
        self._collect()

    def _collect(self) -> None:
        """Read the operands' texts: what a value is called where it is used."""
        seen: Any = self.observation
        named: dict[int, Counter[str]] = defaultdict(Counter)
        for node in seen.nodes:
            for i, text in enumerate(operands(node)):
                parent = node.inputs[i] if i < len(node.inputs) else None
                if isinstance(parent, Node):
                    self._texts[parent][id(node.code), text] += 1
                    self._named[id(node.code), text].add(parent)
                    self._lines[parent, id(node.code), line(node)][text] += 1
                    if node not in seen.forward:
                        self._late[parent, id(node.code)][text] += 1
                elif i < len(node.inputs) and _COUNTS.fullmatch(text):
                    value = node.arguments[i]
                    if isinstance(value, int) and value > 1:
                        weight = 100 if node in seen.forward else 1
                        named[value][text] += weight
        for text, value in self._assigned():
            named[value][text] += 50
        for value, texts in named.items():
            self.counts[value] += [text for text, _ in texts.most_common()]
        for leaf in (*seen.inputs.values(), *seen.params.values()):
            for axis, n in enumerate(np.shape(leaf.value)):
                if n > 1:
                    self.counts[n].append(f"{self.name(leaf)}.shape[{axis}]")
        for node in seen.nodes:
            n = int(np.size(node.value))
            fresh = node in seen.forward and n not in self.counts and np.ndim(node.value) > 1
            if fresh and n > 1 and self.name(node).isidentifier():
                self.counts[n].append(f"{self.name(node)}.size")
        self.batch = self._divisor()

    def _assigned(self) -> Iterable[tuple[str, int]]:
        """The counts that the user's functions give a name to: ``N = X.shape[0]``."""
        seen = self.observation
        shapes: dict[str, tuple[int, ...]] = {}
        for node, texts in self._texts.items():
            shapes |= {text: np.shape(node.value) for _, text in texts if text.isidentifier()}
        for node in seen.nodes:
            shapes |= _of_index(node)
        for name, leaf in (*seen.inputs.items(), *seen.params.items()):
            shapes[name] = np.shape(leaf.value)
        for file in dict.fromkeys(n.code.co_filename for n in seen.nodes if n.code is not None):
            for statement in _statements(file):
                yield from _counts(statement, shapes)

    def _divisor(self) -> int:
        """The number of samples: the length of an input that the loss is divided by."""
        seen = self.observation
        lengths = [n for leaf in seen.inputs.values() for n in np.shape(leaf.value)]
        for node in reversed([n for n in seen.nodes if n in seen.forward]):
            for given in node.arguments:
                if isinstance(given, (int, float, np.number)) and given:
                    for n in (float(given), abs(1 / float(given))):
                        whole = round(n)
                        if abs(n - whole) < 1e-9 and whole > 1 and whole in lengths:
                            return whole
        return lengths[0] if lengths else 0

    # --- names ------------------------------------------------------------------------------------

    def name(self, node: Node, near: Node | None = None) -> str:
        """What a value is called: at best in the function that made ``near``."""
        place = where(node)
        known = str(self.observation.name_of(node)) if node.function is None else ""
        if near is not None and near.code is not None:
            here = [t for (code, t), _ in self._texts[node].most_common() if code == id(near.code)]
            if known in here:
                return known
            if here:
                same = self._lines.get((node, id(near.code), line(near))) or ()
                ranked = [(t not in same, self.is_ambiguous(t, near), len(t), t) for t in here]
                return min(ranked)[-1]
            used = [t for (_, t), _ in self._texts[node].most_common() if is_known(t, near)]
            if used and not (node.code is near.code and place is not None and place.name):
                return min(used, key=len)
            if node.code is near.code and place is not None:
                stored = assigned(node)[0].partition("[")[0] if node.function is setitem else ""
                if place.name or stored:
                    return place.name or stored
        if node.function is None:
            texts = [t for (_, t), _ in self._texts[node].most_common() if t.isidentifier()]
            return texts[0] if texts and known not in texts else known
        if place is not None and place.name and not place.expression.startswith(place.name + "["):
            return place.name
        used = [t for (_, t), _ in self._texts[node].most_common()]
        named = [t for t in used if t.isidentifier()]
        short = sorted((t for t in used if _NAMED.fullmatch(t)), key=len)
        return (*named, *short, str(self.observation.name_of(node)))[0]

    def used(self, consumer: Node, i: int) -> str:
        """What an argument is called where it is used."""
        texts = operands(consumer)
        if i < len(texts):
            return texts[i]
        if consumer.function is setitem and i == 1:
            return assigned(consumer)[1]
        parent = consumer.inputs[i]
        return self.name(parent, consumer) if isinstance(parent, Node) else ""

    def count(self, n: float, near: Node | None = None) -> str | None:
        """What a whole number is called in the user's program, at best by the code near a node."""
        names = self.counts.get(int(n), []) if float(n).is_integer() else []
        here = [name for name in names if near is not None and is_known(name, near)]
        return (*here, *names)[0] if names else None

    def of(self, node: Node) -> str:
        """A value as what something is the derivative of: its name, or the expression."""
        return wrapped(self.name(node))

    def late_name(self, node: Node, near: Node) -> str:
        """What the backward pass calls a value in the code of a node; empty if it does not."""
        texts = self._late.get((node, id(near.code)))
        return min(texts, key=len) if texts else ""

    def is_ambiguous(self, text: str, near: Node) -> bool:
        """Whether a text has been the name of several values, such as that of a loop's variable."""
        return len(self._named[id(near.code), text]) > 1

    def is_whole(self, node: Node) -> bool:
        """Whether a value is that of its expression, and no step within ``np.mean``."""
        if self._inner is None:
            self._inner = {
                parent
                for n in self.observation.nodes
                for parent in n.inputs
                if isinstance(parent, Node)
                and parent.function is not None
                and (parent.code, parent.offset) == (n.code, n.offset)
            }
        return node not in self._inner

    # --- places -----------------------------------------------------------------------------------

    def code(self, node: Node) -> str:
        """The expression that made a value, or its name."""
        if node.function is None:
            return self.name(node)
        place = where(node)
        return squeeze(place.expression) if place is not None and place.expression else str(node)

    def at(self, node: Node) -> str:
        """An expression with its line: ```np.maximum(0, h1)`, line 8``."""
        number = line(node)
        return f"`{self.code(node)}`" + (f", line {number}" if number else "")


def line(node: Node) -> int:
    """The line that made a node; 0 if it is not known."""
    place = where(node)
    return place.line if place is not None else 0


def _statements(file: str) -> list[ast.Assign]:
    """The assignments in a file."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return []
    return [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]


def _counts(statement: ast.Assign, shapes: dict[str, tuple[int, ...]]) -> Iterable[tuple[str, int]]:
    """The names for lengths that an assignment gives, each with its number."""
    match statement.targets[-1], statement.value:
        case ast.Tuple(elts=names), ast.Attribute(value=ast.Name(id=x), attr="shape"):
            for name, n in zip(names, shapes.get(x, ()), strict=False):
                if isinstance(name, ast.Name) and name.id != "_":
                    yield name.id, n
        case (
            ast.Name() | ast.Attribute() as target,
            ast.Subscript(
                value=ast.Attribute(value=ast.Name(id=x), attr="shape"),
                slice=ast.Constant(value=int(k)),
            ),
        ):
            if -len(shapes.get(x, ())) <= k < len(shapes.get(x, ())):
                yield ast.unparse(target), shapes[x][k]
        case (
            ast.Name() | ast.Attribute() as target,
            ast.Call(func=ast.Name(id="len"), args=[ast.Name(id=x)]),
        ):
            if shapes.get(x):
                yield ast.unparse(target), shapes[x][0]


def _of_index(node: Node) -> dict[str, tuple[int, ...]]:
    """The shapes of the arrays by which a value is read or written: ``y`` in ``p[rows, y]``."""
    place = where(node)
    if node.function is not getitem or place is None or len(place.operands) != 2:
        return {}
    try:
        tree = ast.parse(f"({place.operands[1]},)", mode="eval").body
    except SyntaxError:
        return {}
    parts = tree.elts if isinstance(tree, ast.Tuple) else []
    if len(parts) == 1 and isinstance(parts[0], ast.Tuple):
        parts = parts[0].elts
    given = node.arguments[1:]
    if len(parts) != len(given):
        return {}
    pairs = zip(parts, given, strict=True)
    return {p.id: np.shape(a) for p, a in pairs if isinstance(p, ast.Name) and np.ndim(a)}


def number(x: float) -> str:
    """A number as people write it: 2, 0.5, 0.167."""
    return f"{x:.3g}" if not float(x).is_integer() else str(int(x))


def ordinal(i: int) -> str:
    """First, second, third, 4th."""
    return _ORDINALS.get(i, f"{i}th")


def listed(texts: Iterable[str]) -> str:
    """Texts in a row: a, b and c."""
    found = list(dict.fromkeys(texts))
    return found[0] if len(found) == 1 else ", ".join(found[:-1]) + f" and {found[-1]}"
