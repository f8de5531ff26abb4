"""Why a hand-written gradient is wrong, in words.

Two ways. A gradient that is a sum of multiples of what comes through each use of its parameter in
the forward pass is told as such: "the term 0.5 * reg * np.sum(W2 * W2), line 14, is counted 2
times". Otherwise the classic mistakes are undone one by one, each a single change of the user's
backward pass, until one makes every gradient right, in several draws of the parameters: then that
was the mistake, and its words say so. When nothing fits, nothing is said.
Imports: decompose, draws, mistakes_edits, mistakes_operands, mistakes_trial, mistakes_words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ...node import Node
from .decompose import Combination, Use, contribution, decompose
from .draws import Draw, draws
from .mistakes_edits import Site, edits
from .mistakes_operands import operand_edits
from .mistakes_trial import Edit, Trial, key, sites
from .mistakes_words import Saying, Speaker, ratio
from .observe import Observation, ancestors
from .result import AuditRow
from .suspect import Suspect
from .truth import same_in
from .words import Words, line, listed, number, ordinal


@dataclass(frozen=True)
class Explanation:
    """Why a gradient is wrong.

    Attributes:
        explanation: what is wrong, in the terms of the user's forward pass.
        exact: whether it reproduces the user's numbers: undoing it makes every gradient right.
        correction: the right expression or statement; empty if it cannot be written.
        node: the operation to blame, if another than the suspect's.
        missing: whether a step should have come after it.
    """

    explanation: str
    exact: bool
    correction: str = ""
    node: Node | None = None
    missing: bool = False


def explain(
    observation: Observation, suspect: Suspect | None, rows: Iterable[AuditRow]
) -> Explanation | None:
    """Find the mistake that makes the hand-written gradients what they are.

    Args:
        observation: of the run.
        suspect: where the code first goes wrong, if that is known.
        rows: the verdicts.

    Returns:
        Its words; None if no single mistake that is known reproduces the numbers.
    """
    wrong = tuple(r.parameter for r in rows if not r.ok and r.parameter in observation.params)
    traced = tuple(n for n in wrong if isinstance(observation.grads.get(n), Node))
    if not traced or len(traced) < len(wrong):
        return None
    trial = Trial(observation, _telling(observation, traced), traced)
    speaker = Speaker(trial, Words(observation))
    terms = _terms(speaker)
    found = _search(trial, speaker, suspect)
    if terms is not None and (found is None or terms.separate):
        if found is None:
            return Explanation(terms.text, True)
        return Explanation(terms.text, True, found.correction, found.node, found.missing)
    if found is None:
        return None
    return Explanation(found.text, True, found.correction, found.node, found.missing)


def _telling(observation: Observation, wrong: tuple[str, ...]) -> tuple[Draw, ...]:
    """Two draws; the first is one in which all the wrong gradients show that they are wrong.

    At the user's own point a bias may be zero, and hide what is wrong with it.
    """
    found = draws(observation, 2)
    own, others = found[0], found[1:]
    telling = [d for d in others if not any(same_in(observation, d, n) for n in wrong)]
    return (telling[0], own) if telling else found[:2]


# --- the search -----------------------------------------------------------------------------------


def _search(trial: Trial, speaker: Speaker, suspect: Suspect | None) -> Saying | None:
    """The words of the simplest change that makes all gradients right, nearest to the suspect."""
    groups = _suspects(trial)
    home = line(suspect.node) if suspect is not None else None
    if home is not None:
        groups.sort(key=lambda g: (line(g[0]) != home, abs(line(g[0]) - home)))
    best: Edit | None = None
    for site in groups:
        if best is not None and home is not None and line(site[0]) != line(best.nodes[0]):
            break
        for edit in _candidates(speaker, site):
            if best is not None and edit.cost >= best.cost:
                break
            if trial.exhausted:
                return best.say() if best is not None else None
            if trial.accepts(edit):
                best = edit
                break
    return best.say() if best is not None else None


def _candidates(speaker: Speaker, site: Site) -> list[Edit]:
    found = [*edits(speaker, site), *operand_edits(speaker, site)]
    return sorted(found, key=lambda edit: edit.cost)


def _suspects(trial: Trial) -> list[Site]:
    """The operations of the backward pass that every wrong gradient was computed from."""
    backward = set(trial.observation.backward)
    common: set[object] | None = None
    members: set[Node] = set()
    for name in trial.wrong:
        above = ancestors([trial.observation.grads[name]]) & backward
        members |= above
        keys = {key(node) for node in above}
        common = keys if common is None else common & keys
    chosen = [n for n in trial.program if n in members and key(n) in (common or ())]
    return sites(chosen)


# --- sums -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Terms:
    text: str
    separate: bool


def _terms(speaker: Speaker) -> _Terms | None:
    """The wrong gradients as sums with wrong factors; None if one of them is no such sum."""
    trial = speaker.trial
    found: list[Combination] = []
    for name in trial.wrong:
        combination = decompose(trial, name)
        if combination is None or not combination.off:
            return None
        found.append(combination)
    sentences, separate = [], True
    told: set[object] = set()
    for combination in found:
        off = combination.off
        common = combination.common
        if common is not None and len(combination.factors) > 1:
            separate = False
            sentences.append(f"the gradient of {combination.name} {speaker.times(common)}")
            continue
        for use, factor in off:
            separate = separate and (use.of > 1 or _is_term(speaker, use))
            mark = (key(use.node), use.first, factor)
            if mark not in told:
                told.add(mark)
                sentences.append(_say_term(speaker, combination.name, use, factor))
    return _Terms("; ".join(dict.fromkeys(sentences)), separate)


def _is_term(speaker: Speaker, use: Use) -> bool:
    """Whether a use is of a penalty: a term of the loss that no sample comes into."""
    inputs = set(speaker.trial.observation.inputs.values())
    top = _top(speaker, use.node)
    return not (ancestors([top]) & inputs) and top is not use.node


def _top(speaker: Speaker, node: Node) -> Node:
    """The largest expression that a use is in before it is added to something else."""
    observation = speaker.trial.observation
    users: dict[Node, list[Node]] = {}
    for n in observation.forward:
        for parent in n.inputs:
            if isinstance(parent, Node):
                users.setdefault(parent, []).append(n)
    while True:
        above = list(dict.fromkeys(users.get(node, ())))
        if len(above) != 1 or above[0].function in (np.add, np.subtract):
            return node
        node = above[0]


def _say_term(speaker: Speaker, name: str, use: Use, factor: float) -> str:
    words, trial = speaker.words, speaker.trial
    if not _is_term(speaker, use):
        which = ""
        if use.of > 1:
            which = f" (its {ordinal(use.first + 1)} of {use.of} executions)"
        return f"{name} is used in {words.at(use.node)}{which}: yours {speaker.counted(factor)}"
    top = _top(speaker, use.node)
    leaf = trial.observation.params[name]
    r = ratio(contribution(trial, use, 0), leaf.value)
    called = words.name(leaf)
    gives = ""
    if r is not None:
        gives = f" contributes {_coefficient(speaker, use, r)}{called} to the gradient of {name}"
    else:
        s = ratio(contribution(trial, use, 0), np.sign(leaf.value))
        if s is not None:
            gives = f" contributes {_coefficient(speaker, use, s)}np.sign({called})"
    comma = "," if gives else ""
    return f"the term {words.at(top)}{comma}{gives}; yours {speaker.counted(factor)}"


def _coefficient(speaker: Speaker, use: Use, r: float) -> str:
    """A number in front of a parameter, as the user would write it: ``2 * reg * ``."""
    for name, value in numbers(speaker.trial.observation).items():
        for k in (1.0, 2.0, 0.5):
            if value and abs(r - k * value) <= 1e-9 * abs(r):
                return (f"{number(k)} * " if k != 1 else "") + f"{name} * "
    return f"{number(r)} * " if r != 1 else ""


def numbers(observation: Observation) -> dict[str, float]:
    """The Python floats that the user's function was called with, by name."""
    return {
        name: float(value)
        for name, value in getattr(observation, "numbers", {}).items()
        if isinstance(value, float)
    }


__all__ = ["Explanation", "explain", "listed"]
