"""The numbers of a run by the names that the user's program has for them: ``keep``, ``np.sum(w)``.

A derivative that lacks a factor of the forward pass, or has another one, is off by a number. What
that number is called there, and where it is used, is what there is to say of it.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....node import Node
from ..mending import factors, is_known, joined, operands
from ..observing.observe import Observation
from .words import Words

_LONGEST = 40
#: Numbers that are written as numbers, whatever else may have the same value by chance.
_PLAIN = (1.0, 2.0, 0.5)


@dataclass(frozen=True)
class Scalar:
    """A number of the user's program.

    Attributes:
        text: what it is called.
        value: it.
        rank: how likely it is meant: 0 a number that the forward pass uses, 1 a count that it uses
            under another name, 2 one of the backward pass, 3 a length that it is by chance.
        node: the forward operation that uses it.
        spare: whether the backward pass does not use it anywhere.
    """

    text: str
    value: float
    rank: int
    node: Node | None = None
    spare: bool = False


class Scalars:
    """The numbers of a run.

    Attributes:
        known: the value of each name, as far as it is known.
        forward: the numbers that the forward pass computes with.
    """

    def __init__(self, observation: Observation, words: Words) -> None:
        self.observation = observation
        self.words = words
        self.known: dict[str, float] = {}
        self.forward: set[float] = set()
        self._found: dict[str, Scalar] = {}
        self._used: set[str] = set()
        self._collect()

    def _collect(self) -> None:
        seen = self.observation
        backward = set(seen.backward)
        self._moving = _moving(seen)
        texts: dict[str, float] = {}
        for node in seen.nodes:
            ahead = node in seen.forward
            named = operands(node)
            for i, given in enumerate(node.arguments):
                value = self._number(node, i, given)
                if value is None:
                    continue
                if ahead:
                    self.forward |= {abs(value), abs(1 / value) if value else 0.0}
                text = named[i] if i < len(named) else ""
                if not any(c.isalpha() for c in text) or len(text) > _LONGEST:
                    continue
                if text.startswith("-") and _is_name(text[1:]):
                    text, value = text[1:], -value
                texts.setdefault(text, value)
                if node in backward:
                    self._used.add(text)
                if ahead or node in backward:
                    self._add(text, value, 0 if ahead else 2, node if ahead else None)
        for value, texts_of in self.words.counts.items():
            for text in texts_of:
                uncertain = text.startswith("X[") or not (
                    float(value) in self.forward or value == self.words.batch
                )
                self._add(text, float(value), 3 if uncertain else 1, None)
                self.known.setdefault(text, float(value))
        self._solve(texts)

    def _add(self, text: str, value: float, rank: int, node: Node | None) -> None:
        old = self._found.get(text)
        if old is None or rank < old.rank:
            self._found[text] = Scalar(text, value, rank, node)

    def _solve(self, texts: dict[str, float]) -> None:
        """The names in products such as ``0.5 * lam``, of which the value is known."""
        for text, value in texts.items():
            if _is_name(text):
                self.known.setdefault(text, value)
        for _ in range(2):
            for text, value in texts.items():
                rest, unknown = value, []
                for part, power in factors(text):
                    x = self.value(part)
                    if x is None:
                        unknown.append((part, power))
                    elif x:
                        rest /= x**power
                if len(unknown) == 1 and _is_name(unknown[0][0]) and rest:
                    self.known.setdefault(unknown[0][0], rest ** unknown[0][1])

    def value(self, text: str) -> float | None:
        """The value of a name or a literal; None if it is not known."""
        if text in self.known:
            return self.known[text]
        try:
            return float(ast.literal_eval(text))
        except (ValueError, SyntaxError, TypeError):
            return None

    def find(self, value: float, near: Node, chance: bool = False) -> Scalar | None:
        """What a number is called, at best by the code near a node.

        Args:
            value: the number.
            near: a node of that code.
            chance: whether also lengths count that the forward pass does not compute with.
        """
        best: Any = None
        for scalar in self._found.values():
            if abs(scalar.value - value) > 1e-9 * abs(value) or (scalar.rank == 3 and not chance):
                continue
            spare = scalar.text not in self._used
            if value in _PLAIN and not (spare and scalar.rank == 0):
                continue
            unknown = not is_known(scalar.text, near)
            late = scalar.node is None
            rank = (unknown, scalar.rank, not spare, late, len(scalar.text))
            if best is None or rank < best[0]:
                best = rank, Scalar(scalar.text, scalar.value, scalar.rank, scalar.node, spare)
        if best is None:
            return None
        found: Scalar = best[1]
        return found if found.node is not None else self._with_node(found)

    def _with_node(self, scalar: Scalar) -> Scalar:
        """With the forward operation that uses a number of this value."""
        for node in self.observation.nodes:
            if node not in self.observation.forward or node.function not in _SCALING:
                continue
            for i, given in enumerate(node.arguments):
                if self._number(node, i, given) == scalar.value:
                    return Scalar(scalar.text, scalar.value, scalar.rank, node, scalar.spare)
        return scalar

    def _number(self, node: Node, i: int, given: Any) -> float | None:
        """An argument that is a number, and depends on no parameter."""
        parent = node.inputs[i]
        if isinstance(parent, Node) and parent in self._moving:
            return None
        if isinstance(given, (bool, np.bool_)) or np.ndim(given):
            return None
        if np.asarray(given).dtype.kind not in "fi":
            return None
        if not (isinstance(node.function, np.ufunc) or node.function is np.where):
            return None
        value = float(given)
        return value if np.isfinite(value) else None

    def rescaled(self, text: str, value: float, by: float, near: Node) -> tuple[str, str]:
        """The text of a number with another factor: ``reg`` for ``2 * reg``; and what was done.

        Args:
            text: what the user wrote.
            value: its value.
            by: what it is to be multiplied by.
            near: a node of the code that it stands in.

        Returns:
            The new text and the words for the change; both empty if it cannot be written.
        """
        parts = factors(text)
        for k, (part, power) in enumerate(parts):
            x = self.value(part)
            if x and len(parts) > 1 and _close(x ** (-power), by):
                verb = "multiplied" if power > 0 else "divided"
                rest = parts[:k] + parts[k + 1 :]
                return joined(rest), f"it is {verb} by {part}, and should not be"
        for k, (part, power) in enumerate(parts):
            x = self.value(part)
            if x is None or not x or _is_name(part):
                continue
            right = x * by**power
            if right == int(right) and 0 < right < 10:
                fresh = [*parts[:k], (f"{int(right)}", power), *parts[k + 1 :]]
                return joined(fresh), f"{part} stands where {int(right)} belongs"
        scalar = self.find(value * by, near)
        if scalar is not None and is_known(scalar.text, near):
            return scalar.text, f"{text} stands where {scalar.text} belongs"
        return "", ""


_SCALING = (np.multiply, np.divide)


def _moving(seen: Observation) -> set[Node]:
    """The parameters, and what depends on them."""
    moving: set[Node] = set(seen.params.values())
    for node in seen.nodes:
        if any(parent in moving for parent in node.inputs):
            moving.add(node)
    return moving


def _is_name(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z_][\w.]*(\[['\"]\w+['\"]\])?", text) is not None


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-9 * abs(b)
