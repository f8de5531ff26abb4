"""How a mistake is said: factors, counts, which derivative of the forward pass a value is."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ....node import Node
from ..mending import is_known, operands, wrapped
from ..observing.observe import ancestors, where
from .decompose import nice
from .forward import Local, locals_of
from .numbers import Scalar, Scalars
from .trial import Edit, Trial, same
from .words import Words, line, number

_PRODUCTS = ("matmul", "dot", "outer", "inner", "tensordot", "einsum")


@dataclass(frozen=True)
class Saying:
    """The words of a change.

    Attributes:
        text: what is wrong.
        correction: the right expression or statement; empty if it cannot be written.
        node: the operation at fault; None for the suspect.
        missing: whether a step should have come after it.
        also: instead of the text, where more is known of the sum that the gradient is.
        edit: the change that it is about.
        step: what is to be applied to the value, if a step is missing: ``("/", "N")``.
        exact: whether it says how the numbers come about; not where a true derivative is put in
            the place of a wrong value, which fits whatever the mistake is.
    """

    text: str
    correction: str
    node: Node | None
    missing: bool = False
    also: str = ""
    edit: Edit | None = None
    exact: bool = True
    step: tuple[str, str] | None = None


@dataclass(eq=False)
class Speaker:
    """Who finds the words: the tried program, and the user's names."""

    trial: Trial
    words: Words

    # --- factors ----------------------------------------------------------------------------------

    @functools.cached_property
    def scalars(self) -> Scalars:
        """The numbers of the run."""
        if self.words.scalars is None:
            self.words.scalars = Scalars(self.trial.observation, self.words)
        return self.words.scalars  # type: ignore[no-any-return]

    def times(self, r: float) -> str:
        """What it means that something is r times what it should be, as the end of a sentence."""
        r = nice(r)
        if r == 0:
            return "is 0"
        if r == -1:
            return "has the wrong sign"
        if r < 0:
            return f"has the wrong sign, and {self.times(-r)}"
        near = Fraction(r).limit_denominator(4096)
        above, below = near.numerator, near.denominator
        exact = abs(float(near) - r) < 1e-9 * r
        name = self._count(above)
        if exact and below == 1 and above > 2 and name:
            told = f": it is not divided by {name}" if above == self.words.batch else ""
            return f"is {above} times what it should be, and {name} = {above}{told}"
        name = self._count(below)
        if exact and above == 1 and below > 2 and name:
            batch = below == self.words.batch
            told = f": it is divided by {name} once too often" if batch else ""
            return (
                f"is {number(r)} times (1/{below} of) what it should be, and {name} = {below}{told}"
            )
        half = " (half)" if r == 0.5 else ""
        return f"is {number(r)} times{half} what it should be"

    def lacking(self, r: float, scalar: Scalar, symbol: str) -> str:
        """That something is r times what it should be, because a number is not applied."""
        name = scalar.text
        size = "" if name == number(scalar.value) else f", and {name} = {number(scalar.value)}"
        verb = "divided" if symbol == "/" else "multiplied"
        told = f"is {number(r)} times what it should be{size}: it is not {verb} by {name}"
        node = scalar.node
        if node is None or not line(node):
            return told
        own = node.function is (np.divide if symbol == "/" else np.multiply)
        how = f"`{symbol} {name}` of {self.words.at(node)}, is not applied" if own else ""
        return f"{told} ({how or f'as in {self.words.at(node)}'})"

    def counted(self, r: float) -> str:
        """The same of a term of a sum: as how often it is counted."""
        r = nice(r)
        if r == 0:
            return "does not count it at all"
        if r == -1:
            return "counts it with the wrong sign"
        if r < 0:
            return f"counts it {number(-r)} times, with the wrong sign"
        near = Fraction(r).limit_denominator(4096)
        name = self._count(near.numerator)
        if near.numerator > 2 and near.denominator == 1 and name:
            n, batch = near.numerator, near.numerator == self.words.batch
            told = f": it is not divided by {name}" if batch else ""
            return f"counts it {n} times, and {name} = {n}{told}"
        name = self._count(near.denominator)
        if near.numerator == 1 and near.denominator > 2 and name:
            n, batch = near.denominator, near.denominator == self.words.batch
            told = f": it is divided by {name}, and should not be" if batch else ""
            return f"counts it {number(r)} times (1/{n}), and {name} = {n}{told}"
        return f"counts it {number(r)} times" + (" (half)" if r == 0.5 else "")

    def _count(self, n: int) -> str:
        """What a count is called that the forward pass computes with; empty for any other."""
        known = float(n) in self.scalars.forward or n == self.words.batch
        return (self.words.count(n) or "") if known else ""

    def is_right(self, value: Any) -> bool:
        """Whether a value is the very derivative of the loss with respect to something named."""
        own = self.trial.draws[0]
        for node, g in own.cotangents.items():
            if not np.ndim(g) or not _is(value, g, False):
                continue
            place = where(node)
            named = place is not None and place.name and self.words.is_whole(node)
            if node.function is None or named:
                return True
        return False

    # --- values -----------------------------------------------------------------------------------

    def said(self, node: Node) -> str:
        """A value of the backward pass: its name, or the expression."""
        return f"`{self.words.name(node, node)}`"

    def identify(
        self, value: Any, exact: bool = False
    ) -> tuple[str, Node, Node | None, int] | None:
        """Which derivative a value (in the first draw) is, perhaps but for a factor.

        Returns:
            ``("cotangent", node, consumer, argument)`` for all of a derivative or one of a value's
            uses, ``("contribution", ...)`` for that of a parameter's, and ``("cotangent", node,
            None, 0)`` for a derivative with several parts. None if it is none of these.
        """
        own = self.trial.draws[0]
        for scaled in (False,) if exact else (False, True):
            for (consumer, i), part in own.contributions.items():
                parent = consumer.inputs[i]
                if len(np.shape(part)) and _is(value, part, scaled):
                    kind = "cotangent" if parent.function is not None else "contribution"
                    return kind, parent, consumer, i
            for node, g in own.cotangents.items():
                if len(np.shape(g)) and _is(value, g, scaled):
                    return "cotangent", node, None, 0
        return None

    def purpose(self, value: Any, near: Node | None = None) -> str:
        """What a value should be by the forward pass: ``d loss / d h1``, and how it comes about."""
        found = self.identify(value)
        if found is None:
            return ""
        _, node, consumer, i = found
        what = f"d loss / d {self.words.of(node)}"
        local = self._activation(node)
        if local is not None:
            return f"{what}, with {self.derivative(local)}"
        if consumer is None:
            return what
        rule = self.rule(consumer, i)
        if near is not None and not is_known(rule.removeprefix(": "), near):
            rule = ""
        return f"{what}, by the derivative of {self.words.at(consumer)}{rule}"

    def _activation(self, node: Node) -> Local | None:
        """The elementwise function that is all that a value is used for, and what comes of it."""
        own = self.trial.draws[0]
        best = None
        for local in locals_of(self.trial):
            for k, z in enumerate(local.inputs):
                g = own.cotangents.get(local.outputs[k])
                if z is not node or g is None or np.shape(g) != np.shape(z.value):
                    continue
                d = local.value(self.trial, k, 0)
                if not same(g * d, own.cotangents[z]):
                    continue
                if best is None or len(local.regions[k]) > len(best.regions[0]):
                    best = local
        return best

    def meaning(self, nodes: tuple[Node, ...], apply: Any) -> str:
        """What a changed statement then computes: an elementwise derivative, one of the loss."""
        trial = self.trial
        env = trial.run(nodes, apply, 0)
        if env is None:
            return ""
        near = [n for n in trial.below(nodes) if line(n) == line(nodes[0]) and n in env.changed]
        for node in near:
            found = self.elementwise(env[node])
            if found is not None:
                return self.derivative(found)
        for node in near:
            found_purpose = self.purpose(env[node], node)
            if found_purpose:
                return found_purpose
        return ""

    def elementwise(self, value: Any) -> Local | None:
        """Which elementwise derivative of the forward pass a value is; a mask may be inverted."""
        if not np.ndim(value):
            return None
        for local in locals_of(self.trial):
            for k in range(len(local.outputs)):
                if np.shape(local.inputs[k].value) != np.shape(value):
                    continue
                d = local.value(self.trial, k, 0)
                if same(np.asarray(value, float), d):
                    return local
                is_bool = np.asarray(value).dtype == bool
                if is_bool and local.is_mask(self.trial) and same(1.0 - value, d):
                    return local
        return None

    def term(self, node: Node) -> str:
        """The largest expression that a use is in before anything else is added to it."""
        top = self.top(node)
        return self.words.at(top)

    def top(self, node: Node, also: bool = False) -> Node:
        """That expression's node; with ``also``, the last one that no sample comes into."""
        seen = self.trial.observation
        inputs = set(seen.inputs.values())
        while True:
            above = list(dict.fromkeys(self._users.get(node, ())))
            if len(above) != 1:
                return node
            if also and ancestors([above[0]]) & inputs:
                return node
            if not also and above[0].function in (np.add, np.subtract):
                return node
            node = above[0]

    @functools.cached_property
    def _users(self) -> dict[Node, list[Node]]:
        users: dict[Node, list[Node]] = {}
        for n in self.trial.observation.forward:
            for parent in n.inputs:
                if isinstance(parent, Node):
                    users.setdefault(parent, []).append(n)
        return users

    def multiple(self, part: Any, leaf: Node, called: str) -> str:
        """A multiple of a parameter, or of its signs, in the user's names; empty if it is none."""
        value = self.trial.value(leaf)
        for of, text in ((value, called), (np.sign(value), f"np.sign({called})")):
            r = ratio(part, of)
            if r is not None:
                return f"{self._coefficient(r)}{text}"
        return ""

    def _coefficient(self, r: float) -> str:
        """A number in front of a parameter as the user would write it: ``2 * reg * ``."""
        if r == 1:
            return ""
        named: dict[float, str] = {}
        for node in self.trial.observation.nodes:
            for given, text in zip(node.arguments, operands(node), strict=False):
                if isinstance(given, (float, np.floating)) and any(c.isalpha() for c in text):
                    named.setdefault(float(given), text)
        known = [(x, text) for text, x in self.scalars.known.items() if not float(x).is_integer()]
        for value, text in (*known, *sorted(named.items(), key=lambda pair: len(pair[1]))):
            for k in (1.0, 2.0, 0.5):
                if value and abs(r - k * value) <= 1e-9 * abs(r):
                    if k == 2.0 and text.startswith("0.5 * "):
                        return f"{text.removeprefix('0.5 * ')} * "
                    return f"{number(k)} * {wrapped(text)} * " if k != 1 else f"{text} * "
        return f"{number(r)} * "

    def rule(self, consumer: Node, i: int) -> str:
        """How the derivative of a product is made, in the user's names."""
        name = getattr(consumer.function, "__name__", "")
        texts = operands(consumer)
        if name not in _PRODUCTS[:2] or len(texts) != 2:
            return ""
        g = self.cotangent(consumer)
        other = texts[1 - i]
        if not other.replace("_", "").replace(".", "").isalnum():
            other = f"({other})"
        return f": {g} @ {other}.T" if i == 0 else f": {other}.T @ {g}"

    def cotangent(self, node: Node) -> str:
        """What the user calls the derivative of the loss with respect to a value."""
        g = self.trial.draws[0].cotangents.get(node)
        if g is not None and np.ndim(g):
            for mine in self.trial.observation.backward:
                value = self.trial.value(mine)
                if np.shape(value) == np.shape(g) and same(value, g):
                    name = self.words.name(mine)
                    if name.isidentifier():
                        return name
        return f"d{self.words.name(node)}"

    def relation(self, old: Any, new: Any) -> str:
        """What has to be done to a derivative ``old`` to make it ``new``; empty if not known."""
        r = ratio(old, new)
        if r is not None and r != 1:
            return f"it {self.times(r)}"
        if self.identify(new) is None:
            return ""
        for local in locals_of(self.trial):
            if np.shape(local.outputs[0].value) != np.shape(old):
                continue
            for k in range(len(local.outputs)):
                with np.errstate(all="ignore"):
                    d = local.value(self.trial, k, 0)
                    if d is not None and same(old * d, new):
                        return f"{self.derivative(local)}, is not applied to it"
        return ""

    # --- elementwise derivatives ------------------------------------------------------------------

    def derivative(self, local: Local) -> str:
        """``the mask of `np.maximum(0, h1)`, line 8``."""
        what = "mask" if local.is_mask(self.trial) else "derivative"
        node = local.outputs[0]
        return f"the {what} of {self.words.at(node)}{self.within(node)}"

    def within(self, node: Node) -> str:
        """The function that an operation is in, if another one has computed the loss."""
        code = node.code
        if code is None or code is self.trial.observation.loss.code:
            return ""
        return f" in {code.co_name}" if code.co_name[:1].isalpha() else ""

    def adding(self, names: tuple[str, ...]) -> str:
        """What the derivative of adding a bias is, for the first of the parameters that is one."""
        trial = self.trial
        for name in names:
            leaf = trial.observation.params[name]
            for consumer, i in trial.draws[0].contributions:
                if consumer.inputs[i] is not leaf:
                    continue
                small, large = np.shape(leaf.value), np.shape(consumer.value)
                if small == large or consumer.function not in (np.add, np.subtract, np.multiply):
                    continue
                axes = broadcast_axes(small, large)
                what = "multiplying by" if consumer.function is np.multiply else "adding"
                over = "over all entries" if len(axes) == len(large) > 1 else f"over axis {axes[0]}"
                called = self.words.used(consumer, i)
                return f"the derivative of {what} {called}, line {line(consumer)}, is a sum {over}"
        return ""


def broadcast_axes(small: tuple[int, ...], large: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of ``large`` along which a value of shape ``small`` was repeated."""
    extra = len(large) - len(small)
    axes = [*range(extra)]
    axes += [i + extra for i, n in enumerate(small) if n == 1 and large[i + extra] != 1]
    return tuple(axes)


def ratio(a: Any, b: Any) -> float | None:
    """By which factor a is b; None if it is no multiple of it."""
    if np.shape(a) != np.shape(b) or np.size(a) == 0:
        return None
    a, b = np.ravel(a).astype(float), np.ravel(b).astype(float)
    norm = float(b @ b)
    if not norm or not np.isfinite(norm) or not np.isfinite(a).all():
        return None
    r = float(a @ b) / norm
    return nice(r) if r and same(a, r * b, 1e-8) else None


def _is(value: Any, part: Any, scaled: bool) -> bool:
    if np.shape(value) != np.shape(part):
        return False
    return same(value, part) if not scaled else ratio(value, part) is not None
