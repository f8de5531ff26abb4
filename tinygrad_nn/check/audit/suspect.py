"""What is handed to those who explain: which step is at fault, and what it should have been."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...node import Node
from .observing.observe import Observation, where


@dataclass(frozen=True)
class Label:
    """What a value of the backward pass equals.

    Attributes:
        kind: "cotangent": the derivative of the loss with respect to ``node``; "contribution":
            the part of that derivative which comes through one use of it; "local": the
            elementwise derivative of the forward value ``of`` with respect to ``node``;
            "forward": the value of ``node`` itself.
        node: a node of the forward pass.
        use: for a contribution: the consumer and its argument number.
        others: further uses, where it is the sum of what comes through several.
        of: for a local derivative: of what.
        whole: for a contribution: whether it comes through every execution of the consumer's step.
        factor: by which number it is multiplied.
        transposed: whether it is transposed.
    """

    kind: str
    node: Node
    use: tuple[Node, int] | None = None
    of: Node | None = None
    whole: bool = False
    factor: float = 1.0
    transposed: bool = False
    others: tuple[tuple[Node, int], ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether it is the very derivative, or value, and not a multiple of it."""
        return self.factor == 1.0

    def text(self, observation: Observation) -> str:
        """In words: ``d loss / d scores``."""
        name = observation.name_of(self.node)
        if self.kind == "forward":
            text = name
        elif self.kind == "local" and self.of is not None:
            text = f"d {observation.name_of(self.of)} / d {name}"
        else:
            text = f"d loss / d {name}"
        if self.use is not None:
            places = [where(consumer) for consumer, _ in (self.use, *self.others)]
            through = [p.expression if p is not None else "" for p in places]
            text += f", the part through {listed(through)}" if all(through) else ", one part of it"
        if self.transposed:
            text = f"{text}, transposed"
        return text if self.is_exact else f"{self.factor:.6g} times {text}"


def listed(names: Sequence[str]) -> str:
    """Names as in a sentence: ``a, b and c``."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


@dataclass(frozen=True)
class Suspect:
    """The step at fault.

    Attributes:
        node: the operation of the backward pass (the first, if it was executed several times).
        nodes: every execution of it that had to be mended.
        kind: "value": its value is wrong; "missing": its value is right, and a step that should
            have come after it is not there; "first": where the code first differs, no more.
        expected: what its value should have been (for "missing": what the next step should have
            made of it), if that is known: putting that in its place makes the gradients right.
        factor: if its value is a multiple of ``expected``: which one.
        computes: what its value is, if that is known.
        repairs: the parameters whose gradients become right by ``expected``.
        wrong: the parameters whose gradients are wrong.
    """

    node: Node
    nodes: tuple[Node, ...]
    kind: str
    expected: Label | None = None
    factor: float | None = None
    computes: Label | None = None
    repairs: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
