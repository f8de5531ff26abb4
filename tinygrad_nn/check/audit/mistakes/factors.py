"""Mistakes in numbers: a factor that is missing, too much, or another one; a sign."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from ....node import Node
from ....rules.indexing import setitem
from ..mending import assigned, corrected, is_known, operands, product, with_operand
from .edits import Site, fitted
from .numbers import Scalar
from .sentences import Saying, Speaker
from .trial import Edit, Env, perform
from .words import number

#: Numbers that a derivative may well be wrong by, without any name for them.
_SIMPLE = 4


def scaled(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """The value times the number that makes the gradients right, if there is one."""
    trial, node = speaker.trial, site[0]
    if not np.ndim(node.value) and trial.observation.loss in site:
        return
    c = fitted(trial, site, lambda n, j, env: perform(n, env.arguments(n)))
    if c is None or abs(c - 1) < 1e-9 or c == 0:
        return

    def apply(n: Node, j: int, env: Env) -> Any:
        return c * perform(n, env.arguments(n))

    found = _Number(speaker, node, c)
    fits = found.operand is None
    yield Edit(site, apply, found.cost, found.say, doubt=found.doubt, fits=fits)


def scaled_part(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """What is added in a statement, times the number that makes the gradients right."""
    trial, node = speaker.trial, site[0]
    texts = operands(node)
    if node.function not in (np.add, np.subtract) or len(texts) != 2:
        return
    for i in (1, 0):
        if node.inputs[i] not in trial.backward or not texts[i].isidentifier():
            continue

        def times(n: Node, env: Env, c: float, i: int = i) -> Any:
            args = env.arguments(n)
            args[i] = c * args[i]
            return perform(n, args)

        def part(n: Node, j: int, env: Env, times: Any = times) -> Any:
            return times(n, env, 1.0) - times(n, env, 0.0)

        def rest(n: Node, j: int, env: Env, times: Any = times) -> Any:
            return times(n, env, 0.0)

        c = fitted(trial, site, part, rest)
        if c is None or abs(c - 1) < 1e-9 or c == 0:
            continue
        found = _Number(speaker, node.inputs[i], c)
        if found.missing is None or not is_known(found.missing[0].text, node):
            continue
        scalar, symbol = found.missing

        def apply(n: Node, j: int, env: Env, c: float = c, times: Any = times) -> Any:
            return times(n, env, c)

        def say(i: int = i, c: float = c, scalar: Scalar = scalar, symbol: str = symbol) -> Saying:
            told = speaker.lacking(1 / c, scalar, symbol)
            by = product(texts[i], symbol, scalar.text)
            fixed = corrected(node, with_operand(node, i, by))
            target, value = assigned(node)
            if i == 0 and target == texts[0] and "= " in _outside(speaker.words.code(node)):
                sign = "+" if node.function is np.add else "-"
                fixed = f"{target} = {by} {sign} {value}"
            return Saying(f"`{texts[i]}`, as it is added here, {told}", fixed, node)

        yield Edit(site, apply, 1.45, say, fits=True)


def other_side(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """A constant side of a ``np.where``: a multiple of its other side belongs there."""
    node, trial = site[0], speaker.trial
    texts = operands(node)
    if node.function is not np.where or len(texts) != 3:
        return
    for i in (1, 2):
        if node.inputs[i] is not None or np.ndim(node.arguments[i]):
            continue

        def base(n: Node, j: int, env: Env, i: int = i) -> Any:
            args = env.arguments(n)
            args[i] = 0.0
            return perform(n, args)

        def term(n: Node, j: int, env: Env, i: int = i) -> Any:
            args = env.arguments(n)
            args[i] = args[3 - i]
            args[3 - i] = 0.0
            return perform(n, args)

        c = fitted(trial, site, term, base)
        if c is None or c == 0:
            continue
        scalar = speaker.scalars.find(c, node)
        known = scalar is not None and is_known(scalar.text, node)
        if not known and not (c * _SIMPLE).is_integer():
            continue
        name = scalar.text if scalar is not None and known else number(c)

        def apply(n: Node, j: int, env: Env, c: float = c, b: Any = base, t: Any = term) -> Any:
            return b(n, j, env) + c * t(n, j, env)

        def say(i: int = i, c: float = c, name: str = name, scalar: Any = scalar) -> Saying:
            other, words = texts[3 - i], speaker.words
            right = product(name, "*", other) if c != 1 else other
            right = name if other in ("1", "1.0") else right
            text = f"`{texts[i]}` stands in `{words.code(node)}` where {right} belongs"
            if scalar is not None and scalar.node is not None:
                size = "" if number(c) == name else f"{name} = {number(c)}, "
                text += f" ({size}as in {words.at(scalar.node)})"
            return Saying(text, corrected(node, with_operand(node, i, right)), node)

        yield Edit(site, apply, 1.15, say)


class _Number:
    """What can be said of a value that should be c times what it is."""

    def __init__(self, speaker: Speaker, node: Node, c: float) -> None:
        self.speaker, self.node, self.c = speaker, node, c
        self.operand = self._operand()
        self.missing = self._missing()

    @property
    def cost(self) -> float:
        if self.c == -1:
            return 1.15
        if self.operand is not None:
            return 1.2
        if self.missing is not None:
            return 1.25 if self.missing[0].spare else 1.35
        return 1.4 if self.c in (2, 0.5) else 1.5

    def doubt(self) -> float:
        """What speaks against it: the factor comes in elsewhere, or the value is right already."""
        return 0.1 * self._is_right() if self._brought_in() else 0.4

    def _is_right(self) -> bool:
        return self.speaker.is_right(np.asarray(self.speaker.trial.value(self.node)))

    def _brought_in(self) -> bool:
        """Whether the factor comes in here: no argument is already off by it."""
        speaker, node, c = self.speaker, self.node, self.c
        value_of = speaker.trial.value
        for parent in node.inputs:
            if isinstance(parent, Node) and parent in speaker.trial.backward:
                value = np.asarray(value_of(parent))
                off = speaker.identify(value * c, exact=True) is not None
                if off and not speaker.is_right(value):
                    return False
        if self.operand is not None or self.missing is not None or self._is_right():
            return True
        if node.function in (np.multiply, np.divide) and any(
            p is None and not np.ndim(a) for p, a in zip(node.inputs, node.arguments, strict=True)
        ):
            return True  # it has a factor, which may be wrong
        return speaker.identify(np.asarray(value_of(node)) * c, exact=True) is not None

    def _operand(self) -> tuple[int, str, str] | None:
        """The number in the product that is wrong: which argument, the right text, the words."""
        node, c = self.node, self.c
        texts = operands(node)
        if node.function not in (np.multiply, np.divide) or len(texts) != 2 or c == -1:
            return None
        for i in (1, 0):
            given = node.arguments[i]
            if node.inputs[i] is not None or np.ndim(given):
                continue
            if isinstance(given, (bool, np.bool_)) or not given:
                continue
            below = (node.function, i) == (np.divide, 1)
            by = 1 / c if below else c
            text, why = self.speaker.scalars.rescaled(texts[i], float(given), by, node)
            if text:
                return i, text, why
        return None

    def _missing(self) -> tuple[Scalar, str] | None:
        """The number of the forward pass that is not applied, and how it should be."""
        for value, symbol in ((self.c, "*"), (1 / self.c, "/")):
            scalar = self.speaker.scalars.find(value, self.node)
            if scalar is None:
                continue
            if not is_known(scalar.text, self.node):
                own = self._own_length(scalar.value)
                scalar = replace(scalar, text=own) if own else scalar
            return scalar, symbol
        return None

    def _own_length(self, n: float) -> str:
        """A count as the length of the value itself: ``dx.shape[0]``."""
        name, shape = self.speaker.words.name(self.node, self.node), np.shape(self.node.value)
        if shape and shape[0] == n and name.isidentifier() and self.node.function is setitem:
            return f"{name}.shape[0]"
        return ""

    # --- words ------------------------------------------------------------------------------------

    def say(self) -> Saying:
        node, words, c = self.node, self.speaker.words, self.c
        code = words.code(node)
        if self.operand is not None:
            i, text, why = self.operand
            value = float(node.arguments[i])
            verb = "divides" if (node.function, i) == (np.divide, 1) else "multiplies"
            size = "" if operands(node)[i] == number(value) else f" = {number(value)}"
            right = value * (1 / c if verb == "divides" else c)
            told = f"`{code}` {verb} by {operands(node)[i]}{size} where {text}"
            told += "" if text == number(right) else f" = {number(right)}"
            told += f" belongs{self._origin(right)}"
            told += f": {self._short(why)}{self.speaker.times(1 / c)}"
            return Saying(told, corrected(node, with_operand(node, i, text)), node)
        means = self._means()
        said = self.speaker.said(node)
        if c == -1:
            fixed = self._by("-")
            return Saying(
                f"{said}{means} has the wrong sign", fixed, node, missing=self._is_after(fixed)
            )
        if self.missing is not None:
            scalar, symbol = self.missing
            told = self.speaker.lacking(1 / c, scalar, symbol)
            if symbol == "*" and float(scalar.value).is_integer() and scalar.rank > 0:
                told = self.speaker.times(1 / c)  # more likely it is divided too often
            fixed = self._by(symbol, scalar.text) if is_known(scalar.text, node) else ""
            text, after = f"{said}{means} {told}", self._is_after(fixed)
            return Saying(text, fixed, node, missing=after, step=(symbol, scalar.text))
        text = f"{said}{means} {self.speaker.times(1 / c)}"
        near = Fraction(c).limit_denominator(4096)
        simple = abs(float(near) - c) <= 1e-9 and max(abs(near.numerator), near.denominator)
        if not simple or simple > _SIMPLE:
            return Saying(text, "", node, exact=False)
        fixed = self._by("*" if near.denominator == 1 else "/", *self._simple(near))
        return Saying(text + self._dividing(), fixed, node, missing=self._is_after(fixed))

    def _is_after(self, fixed: str) -> bool:
        """Whether a correction is a statement of its own, after the line."""
        names = {self.speaker.words.name(self.node, self.node), assigned(self.node)[0]} - {""}
        marks = ("{} *= ", "{} /= ", "{0} = -{0}")
        return any(fixed.startswith(mark.format(name)) for name in names for mark in marks)

    @staticmethod
    def _short(why: str) -> str:
        return "it " if why.endswith("belongs") else f"{why}; it "

    def _dividing(self) -> str:
        """The forward operation by which the value should be divided, such as a mean."""
        seen = self.speaker.trial.observation
        for node in seen.nodes:
            if node not in seen.forward or node.function is not np.divide:
                continue
            given = node.arguments[1]
            if not np.ndim(given) and node.inputs[1] is None and given * self.c == 1 and given > 1:
                return f" ({self.speaker.words.at(node)}, divides by {number(float(given))})"
        return ""

    def _simple(self, near: Fraction) -> tuple[str]:
        if near.denominator == 1:
            return (str(near.numerator),)
        return (str(near.denominator),) if near.numerator == 1 else (f"({1 / near})",)

    def _origin(self, right: float) -> str:
        """Where the forward pass has the right number."""
        scalar = self.speaker.scalars.find(right, self.node)
        return f" (as in {self.speaker.words.at(scalar.node)})" if scalar and scalar.node else ""

    def _means(self) -> str:
        value = self.speaker.trial.value(self.node)
        what = self.speaker.identify(np.asarray(value) * self.c)
        if what is None or what[0] != "cotangent":
            return ""
        return f" (d loss / d {self.speaker.words.of(what[1])})"

    def _by(self, symbol: str, text: str = "") -> str:
        """The statement with the value multiplied or divided."""
        node = self.node
        code = self.speaker.words.code(node)
        name = self.speaker.words.name(node, node)
        target = assigned(node)[0]
        if node.function is setitem or "=" in _outside(code):
            if not name.isidentifier() and node.function is not setitem:
                name = target
            if not name or ("[" in name and node.function is setitem):
                return ""
            if symbol == "-":
                return f"{name} = -{name}"
            return f"{name} {symbol}= {text}"
        if symbol == "-":
            return corrected(node, f"-{code}" if "+" not in code and "-" not in code
                             else f"-({code})")  # fmt: skip
        if symbol == "*" and text.isdigit():
            return corrected(node, product(text, "*", code))
        return corrected(node, product(code, symbol, text))


def _outside(code: str) -> str:
    """A text without what stands in parentheses or brackets, or in a comparison."""
    depth, kept = 0, ""
    for c in code:
        depth += (c in "([{") - (c in ")]}")
        kept += c if depth == 0 else ""
    for mark in ("==", "<=", ">=", "!="):
        kept = kept.replace(mark, "")
    return kept


#: The entries of the table, each with the least that one of its changes costs.
TABLE: tuple[tuple[float, Callable[[Speaker, Site], Iterator[Edit]]], ...] = (
    (1.15, scaled),
    (1.45, scaled_part),
    (1.15, other_side),
)
