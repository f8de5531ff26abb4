"""The words of sums: how often a gradient counts each term; and of gradients that are not there.

Imports: decompose, mistakes_trial, mistakes_words, observe, words; node.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...node import Node
from .decompose import Combination, Path, Use, contribution, decompose
from .mistakes_trial import key, same
from .mistakes_words import Saying, Speaker, ratio
from .observe import ancestors
from .words import line, number, operands, ordinal, wrapped


@dataclass(frozen=True)
class Terms:
    """What sums say of all wrong gradients.

    Attributes:
        text: the words.
        separate: whether it is all about penalties, which no sample comes into.
    """

    text: str
    separate: bool


def terms(speaker: Speaker) -> Terms | None:
    """The wrong gradients as sums with wrong factors; None if one of them is no such sum."""
    found: list[Combination] = []
    for name in speaker.trial.wrong:
        combination = decompose(speaker.trial, name)
        if combination is None or not combination.off:
            return None
        found.append(combination)
    sentences, separate = [], True
    told: set[object] = set()
    for combination in found:
        common = combination.common
        if common is not None and len(combination.factors) > 1:
            separate = False
            sentences.append(f"the gradient of {combination.name} {speaker.times(common)}")
            continue
        for use, factor in combination.off:
            separate = separate and _is_penalty(speaker, use)
            mark = (key(use.node), use.first, factor)
            if mark not in told:
                told.add(mark)
                sentences.append(_say_use(speaker, combination.name, use, factor))
    return Terms("; ".join(dict.fromkeys(sentences)), separate)


def _is_penalty(speaker: Speaker, use: Use) -> bool:
    """Whether a use is in a term of the loss that no sample comes into."""
    inputs = set(speaker.trial.observation.inputs.values())
    top = speaker.top(use.node)
    return not (ancestors([top]) & inputs) and top is not use.node


def _say_use(speaker: Speaker, name: str, use: Use, factor: float) -> str:
    words, trial = speaker.words, speaker.trial
    if not _is_penalty(speaker, use):
        which = f" (its {ordinal(use.first + 1)} of {use.of} executions)" if use.of > 1 else ""
        return f"{name} is used in {words.at(use.node)}{which}: yours {speaker.counted(factor)}"
    top, whole = speaker.top(use.node), speaker.top(use.node, also=True)
    leaf = trial.observation.params[name]
    part = contribution(trial, use, 0)
    value = trial.values[0].get(leaf, leaf.value)
    gives = ""
    called = words.name(leaf)
    for of, text in ((value, called), (np.sign(value), f"np.sign({called})")):
        r = ratio(part, of)
        if r is not None:
            gives = f" contributes {_coefficient(speaker, r)}{text} to the gradient of {name}"
            break
    inside = f" (in {words.at(whole)})" if whole is not top else ""
    return f"the term {words.at(top)}{inside},{gives}; yours {speaker.counted(factor)}"


def _coefficient(speaker: Speaker, r: float) -> str:
    """A number in front of a parameter as the user would write it: ``2 * reg * ``."""
    if r == 1:
        return ""
    named: dict[float, str] = {}
    for node in speaker.trial.observation.nodes:
        for given, text in zip(node.arguments, operands(node), strict=False):
            if isinstance(given, (float, np.floating)) and any(c.isalpha() for c in text):
                named.setdefault(float(given), text)
    for value, text in sorted(named.items(), key=lambda pair: len(pair[1])):
        for k in (1.0, 2.0, 0.5):
            if value and abs(r - k * value) <= 1e-9 * abs(r):
                if k == 2.0 and text.startswith("0.5 * "):
                    return f"{text.removeprefix('0.5 * ')} * "
                return f"{number(k)} * {wrapped(text)} * " if k != 1 else f"{text} * "
    return f"{number(r)} * "


# --- one use --------------------------------------------------------------------------------------


def say_path(speaker: Speaker, path: Path) -> Saying:
    """The words of a use that is counted wrongly."""
    words = speaker.words
    what = words.used(path.consumer, path.number) or words.name(path.consumer.inputs[path.number])
    text = f"what comes to {what} through {words.at(path.consumer)}: yours {speaker.counted(path.factor)}"
    return Saying(text, "", None, missing=path.factor == 0)


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
    correction = _made(speaker, names[0])
    return Saying("; ".join(sentences), correction, blamed, missing=True)


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
