"""The words of sums: how often a gradient counts each term; and of gradients that are not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ....node import Node
from ...analytic import ABSENT
from ..mending import assigned, corrected, is_known, operands
from ..observing.observe import ancestors
from .decompose import Combination, Path, Use, contribution, decompose
from .sentences import Saying, Speaker
from .trial import key, same
from .words import line, listed, ordinal


@dataclass(frozen=True)
class Terms:
    """What sums say of all wrong gradients.

    Attributes:
        text: the words.
        separate: whether it is all about penalties, which no sample comes into.
        correction: the statement that adds a term that is missing; empty if none is.
        node: what it comes after.
        uses: the terms that are counted wrongly, each with the parameter.
        lost: the gradient that only one execution is counted in: it is not added up.
    """

    text: str
    separate: bool
    correction: str = ""
    node: Node | None = None
    uses: tuple[tuple[str, Use], ...] = ()
    lost: Node | None = None

    def as_part(self, speaker: Speaker, node: Node, value: Any) -> str:
        """The line with what a term contributes, if that is what a changed value is; or empty."""
        for name, use in self.uses:
            if _is(value, contribution(speaker.trial, use, 0)):
                part = _part(speaker, name, use, node)
                leaf = speaker.trial.observation.params[name]
                texts = [t for t, p in zip(operands(node), node.inputs, strict=False) if p is leaf]
                known = speaker.words.name(leaf, node)
                if texts and part.endswith(known) and texts[0] != known:
                    part = part.removesuffix(known) + texts[0]
                if part and is_known(part, node):
                    return corrected(node, part)
        return ""


def terms(speaker: Speaker) -> Terms | None:
    """The wrong gradients as sums with wrong factors; None if one of them is no such sum."""
    found: list[Combination] = []
    trial_wrong = speaker.trial.wrong
    for name in speaker.trial.wrong:
        combination = decompose(speaker.trial, name)
        if combination is None or not combination.off:
            return None
        found.append(combination)
    sentences, separate, additions = [], True, []
    alike: dict[float, list[str]] = {}
    told: set[object] = set()
    lost: Any = None
    for combination in found:
        common = combination.common
        if common is not None and len(combination.factors) > 1:
            separate = False
            sentences.append(f"the gradient of {combination.name} {speaker.times(common)}")
            continue
        last = _only_one(combination)
        if last is not None:
            separate = False
            words = speaker.words
            which = "first" if last.first == 0 else "last"
            sentences.append(
                f"{combination.name} is used in {words.at(last.node)}, executed {last.of} times: "
                f"yours counts only the {which} one, and the others are overwritten or left out"
            )
            if len(speaker.trial.wrong) == 1:
                lost = speaker.trial.observation.grads[combination.name]
            continue
        for use, factor in combination.off:
            separate = separate and _is_penalty(speaker, use)
            if factor == 0 and len(trial_wrong) == 1:
                additions.append(use)
            if use.of == 1 and not _is_penalty(speaker, use):
                alike.setdefault(factor, []).append(combination.name)
            mark = (key(use.node), use.first, factor)
            if mark not in told:
                told.add(mark)
                sentences.append(_say_use(speaker, combination.name, use, factor))
    made = _added(speaker, trial_wrong[0], additions[0]) if len(additions) == 1 else None
    text = "; ".join(dict.fromkeys(_condensed(speaker, sentences, alike)))
    if made is not None and len([n for n in speaker.trial.backward if key(n) == key(made[1])]) > 1:
        text += f": `{made[0]}` belongs after the loop"
        made = ("", made[1])
    uses = tuple((c.name, use) for c in found for use, _ in c.off)
    correction, node = made or ("", None)
    return Terms(text, separate, correction, node, uses, lost)


def _condensed(speaker: Speaker, sentences: list[str], alike: dict[float, list[str]]) -> list[str]:
    """The sentences, with one for all parameters of which the same is to be said."""
    for factor, names in alike.items():
        if len(names) > 2:
            end = f": yours {speaker.counted(factor)}"
            rest = [s for s in sentences if not (s.endswith(end) and " is used in " in s)]
            one = f"what comes to {listed(names)} through the samples{end}"
            sentences = [one, *rest]
    return sentences


def _only_one(combination: Combination) -> Use | None:
    """The last execution of a use, or the first, if that alone is counted."""
    several = [(use, f) for use, f in combination.factors if use.of > 1]
    if not several or any(use.of == 1 and f != 1 for use, f in combination.factors):
        return None
    for (one, factor), others in ((several[-1], several[:-1]), (several[0], several[1:])):
        alone = factor == 1 and all(f == 0 for _, f in others) and one.of == len(several)
        if alone and one.first in (0, one.of - 1):
            return one
    return None


def _added(speaker: Speaker, name: str, use: Use) -> tuple[str, Node] | None:
    """The statement that adds a term to a parameter's gradient, and after which node."""
    trial = speaker.trial
    node = trial.observation.grads[name]
    part = _part(speaker, name, use, node)
    if not part or not is_known(part, node):
        return None
    target = assigned(node)[0]
    if target:
        return f"{target} += {part}", node
    made = corrected(node, f"{speaker.words.code(node)} + {part}")
    return (made, node) if speaker.words.code(node) in made else None


def is_statement(correction: str, node: Node) -> bool:
    """Whether a correction is a statement of its own, and not the node's line."""
    return correction.startswith(f"{assigned(node)[0]} += ")


def _is_penalty(speaker: Speaker, use: Use) -> bool:
    """Whether a use is in a term of the loss that no sample comes into."""
    inputs = set(speaker.trial.observation.inputs.values())
    top = speaker.top(use.node)
    return not (ancestors([top]) & inputs) and top is not use.node


def _say_use(speaker: Speaker, name: str, use: Use, factor: float) -> str:
    words = speaker.words
    if not _is_penalty(speaker, use):
        which = f" (its {ordinal(use.first + 1)} of {use.of} executions)" if use.of > 1 else ""
        return f"{name} is used in {words.at(use.node)}{which}: yours {speaker.counted(factor)}"
    top, whole = speaker.top(use.node), speaker.top(use.node, also=True)
    part = _part(speaker, name, use)
    gives = f", contributes {part} to the gradient of {name}" if part else ""
    bare = top.function not in (np.multiply, np.divide)
    inside = f" (in {words.at(whole)})" if whole is not top and bare else ""
    return f"the term {words.at(top)}{inside}{gives}; yours {speaker.counted(factor)}"


def _part(speaker: Speaker, name: str, use: Use, near: Node | None = None) -> str:
    """What a term contributes, in the user's names: ``reg * W2``; empty if not known."""
    leaf = speaker.trial.observation.params[name]
    known = speaker.words.name(leaf, near) if near is not None else ""
    used = speaker.words.used(use.node, use.numbers[0])
    called = known or (used if used.isidentifier() and len(used) > 1 else name)
    return speaker.multiple(contribution(speaker.trial, use, 0), leaf, called)


# --- one use --------------------------------------------------------------------------------------


def say_path(speaker: Speaker, path: Path) -> Saying:
    """The words of a use that is counted wrongly."""
    words = speaker.words
    what = words.used(path.consumer, path.number) or words.name(path.consumer.inputs[path.number])
    through = f"what comes to {what} through {words.at(path.consumer)}"
    text = f"{through}: yours {speaker.counted(path.factor)}"
    return Saying(text, "", None, missing=path.factor == 0)


def misplaced(speaker: Speaker) -> Saying | None:
    """The words for a value that is returned in the place of a gradient that was computed, too."""
    trial, words = speaker.trial, speaker.words
    if len(trial.wrong) != 1:
        return None
    name = trial.wrong[0]
    root = trial.observation.grads[name]
    for node in reversed(trial.program):
        if all(_is(v.get(node), trial.truth(name, i)) for i, v in enumerate(trial.values)):
            text = (
                f"`{words.name(root)}` is returned as the gradient of {name}, and that is "
                f"`{words.name(node)}`, line {line(node)}"
            )
            return Saying(text, "", node)
    return None


# --- gradients that are not there -----------------------------------------------------------------


def absent(speaker: Speaker, names: list[str]) -> Saying | None:
    """The words for gradients that are not returned: where they were computed, if they were."""
    seen, trial = speaker.trial.observation, speaker.trial
    extra = {n: g for n, g in seen.grads.items() if n not in seen.params and isinstance(g, Node)}
    sentences = []
    blamed: Node | None = None
    for name in names:
        truth = trial.draws[0].gradient(seen, name)
        text = f"no gradient of {name} is returned"
        if name in seen.grads and seen.grads[name] is not ABSENT:
            text = (
                f"what is returned as the gradient of {name} is no value that was computed for it"
            )
        for other, g in extra.items():
            if _is(trial.values[0].get(g, g.value), truth):
                text += f": {other!r} holds it, and no parameter has this name"
                blamed = blamed or g
        held = [n for n, g in seen.grads.items() if n in trial.names and n != name
                and _is(trial.values[0].get(g, g.value), truth)]  # fmt: skip
        if held:
            text += f": that of {held[0]} holds it"
            blamed = blamed or seen.grads[held[0]]
        sentences.append(text)
        blamed = blamed or _upstream(speaker, name)
    if blamed is None:
        return None
    correction = _stored(speaker, names[0], blamed, _made(speaker, names[0]))
    return Saying("; ".join(sentences), correction, blamed, missing=blamed not in extra.values())


def _is(value: Any, truth: Any) -> bool:
    return np.shape(value) == np.shape(truth) and same(value, truth)


def _upstream(speaker: Speaker, name: str) -> Node | None:
    """The value of the backward pass from which a parameter's gradient is computed."""
    trial = speaker.trial
    leaf = trial.observation.params[name]
    own = trial.draws[0]
    for consumer, i in own.contributions:
        if consumer.inputs[i] is leaf and consumer in own.cotangents:
            for node in trial.program:
                if _is(trial.values[0].get(node), own.cotangents[consumer]):
                    return node
    live = [n for n in trial.observation.backward if line(n)]
    return live[-1] if live else None


def _stored(speaker: Speaker, name: str, blamed: Node, made: str) -> str:
    """The statement that returns a gradient, like those for the others; empty if not known."""
    seen = speaker.trial.observation
    for other, g in seen.grads.items():
        if not isinstance(g, Node):
            continue
        target = assigned(g)[0]
        for quote in ("'", '"'):
            if f"[{quote}{other}{quote}]" in target:
                fresh = target.replace(f"{quote}{other}{quote}", f"{quote}{name}{quote}")
                given = assigned(blamed)[1] if g is blamed else made
                if given and (g is blamed or is_known(given, g)):
                    return f"{fresh} = {given}"
    return ""


def _made(speaker: Speaker, name: str) -> str:
    """The gradient of a bias, in the user's names; empty for anything else."""
    trial = speaker.trial
    leaf = trial.observation.params[name]
    own = trial.draws[0]
    uses = [pair for pair in own.contributions if pair[0].inputs[pair[1]] is leaf]
    if len(uses) != 1 or uses[0][0].function is not np.add:
        return ""
    consumer = uses[0][0]
    if np.shape(leaf.value) != np.shape(consumer.value)[1:]:
        return ""
    return f"np.sum({speaker.cotangent(consumer)}, axis=0)"
