"""Why a hand-written gradient is wrong, in words.

Two ways. A gradient that is a sum of multiples of what comes through each use of its parameter in
the forward pass is told as such: "the term 0.5 * reg * np.sum(W2 * W2), line 14, is counted 2
times". Otherwise the classic mistakes are undone one by one, each a single change of the user's
backward pass, until one makes every gradient right, in several draws of the parameters: then that
was the mistake, and its words say so. When nothing fits, nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....node import Node
from ..mending import is_known
from ..observing.draws import Draw, draw, draws
from ..observing.observe import Observation, ancestors, where
from ..result import AuditRow
from ..suspect import Suspect
from ..truth import same_in
from . import edits, factors, idle, locals, missing, operands, parts, values, writing
from .decompose import single_use
from .edits import Site
from .sentences import Saying, Speaker
from .terms import Terms, absent, is_statement, misplaced, say_path, terms
from .trial import BUDGET, Edit, Trial, key, sites
from .words import Words, line, listed

#: By how much a change elsewhere than at the suspect's line must be the simpler one.
_ELSEWHERE = 0.25
#: ... and one of a single execution of several.
_SINGLE = 0.15
_DIFFERS = "first differs here"
#: What a change may cost to be told of one gradient, where others stay wrong.
_CLASSIC = 1.6
#: Which part of all that may be computed may be spent on the suspect's line alone.
_AT_HOME = 0.3
#: How many executions are also tried one by one.
_FEW = 6
#: By how much a change is doubted that mends nothing far from the user's own point.
_NEAR_ONLY = 0.8
#: ... and one that changes a value that is right.
_SPOILS = 0.5
#: ... and one that leaves ``dh`` another than d loss / d h.
_LEFT = 0.2
#: ... and one within a function that is given values of the forward pass only, such as a sigmoid.
_HELPER = 0.4
_TABLES = (
    *edits.TABLE,
    *missing.TABLE,
    *operands.TABLE,
    *locals.TABLE,
    *factors.TABLE,
    *writing.TABLE,
    *idle.TABLE,
    *values.TABLE,
    *parts.TABLE,
)
_FOR_SINGLE = (
    missing.missing_mask,
    missing.missing_term,
    values.other_slope,
)
#: By how much more a change further away is doubted.
_FAR = 0.0005


@dataclass(frozen=True)
class Explanation:
    """Why a gradient is wrong.

    Attributes:
        explanation: what is wrong, in the terms of the user's forward pass.
        exact: whether it reproduces the user's numbers: undoing it makes every gradient right.
        correction: the right expression or statement; empty if it cannot be written.
        node: the operation to blame, if another than the suspect's.
        missing: whether a step should have come after it.
        step: that step, if it can be written: an operator and an operand.
        sure: whether it is a change of the user's text alone, of that line, and no derivative of
            the loss is put there, nor a number fitted, which might mend what is wrong before.
    """

    explanation: str
    exact: bool
    correction: str = ""
    node: Node | None = None
    missing: bool = False
    step: tuple[str, str] | None = None
    sure: bool = False


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
    ds = _telling(observation, traced)
    trial = Trial(observation, ds, traced, wide=_far(observation, wrong))
    speaker = Speaker(trial, Words(observation))
    speaker.words.scalars = speaker.scalars
    lost = [n for n in wrong if n not in traced]
    if lost:
        return _explained(trial, absent(speaker, lost))
    if not traced:
        return None
    single = _single(speaker, suspect)
    told = _explained(trial, single) if single is not None else _one_of_several(speaker, suspect)
    if (told is None or not told.sure) and suspect is not None and _runs_forward(trial, suspect):
        return _told_order(trial, suspect)
    return told or _first_difference(speaker, suspect)


def _first_difference(speaker: Speaker, suspect: Suspect | None) -> Explanation | None:
    """What the suspect should have been, where no mistake is recognised, and what is unused."""
    trial = speaker.trial
    if suspect is None or suspect.expected is None:
        return None
    expected, unused = _expected(trial, suspect), idle.hint(trial)
    known = expected and np.ndim(expected[0])
    purpose = speaker.purpose(expected[0], suspect.node) if known else ""
    if not purpose and not unused:
        return None
    text = f"{_DIFFERS}: expected {purpose or suspect.expected.text(trial.observation)}"
    text += f"; {unused}" if unused else ""
    return Explanation(text, False, "", None, suspect.kind == "missing")


def _runs_forward(trial: Trial, suspect: Suspect) -> bool:
    """Whether a loop hands a derivative from each step on to the next, and not to the last."""
    label = suspect.expected
    if label is None or label.kind == "forward":
        return False
    mine = [n for n in trial.program if key(n) == key(suspect.node)]
    ahead = [n for n in trial.observation.nodes if key(n) == key(label.node)]
    if len(mine) != len(ahead) or len(mine) < 3:
        return False
    i, k = mine.index(suspect.node), ahead.index(label.node)
    linked = mine[0] in ancestors([mine[1]]) and ahead[0] in ancestors([ahead[1]])
    return linked and i == k != len(mine) - 1 - i


def _told_order(trial: Trial, suspect: Suspect) -> Explanation:
    meant = suspect.expected.text(trial.observation) if suspect.expected is not None else "it"
    text = (
        f"{_DIFFERS}: the loop goes through the steps in the order of the forward pass, but "
        f"{meant} comes from the steps after each: the loop must be reversed"
    )
    return Explanation(text, False, "", None, False)


def _single(speaker: Speaker, suspect: Suspect | None) -> Saying | None:
    """The one mistake that makes all the wrong gradients of a trial what they are."""
    trial = speaker.trial
    mixed = parts.one_array(speaker)
    if mixed is not None:
        return mixed
    sums = terms(speaker)
    found = _search(trial, speaker, suspect)
    if sums is not None and sums.separate:
        if sums.node is not None:
            after = is_statement(sums.correction, sums.node) or not sums.correction
            return Saying(sums.text, sums.correction, sums.node, missing=after)
        return Saying(sums.text, "", None) if found is None else _as_term(speaker, sums, found)
    if found is None:
        returned = misplaced(speaker)
        if returned is not None:
            return returned
        path = single_use(trial)
        if path is not None:
            return say_path(speaker, path)
        if sums is not None and sums.lost is not None:
            return Saying(sums.text, "", sums.lost, missing=True, step=("+=", ""))
        return Saying(sums.text, "", None) if sums is not None else None
    if sums is not None and found.also:
        return replace(found, text=f"{found.also}; {sums.text}")
    return found


def _as_term(speaker: Speaker, sums: Terms, found: Saying) -> Saying:
    """A change in the words of the terms of the loss, with the term itself as the correction."""
    edit, node = found.edit, found.node
    env = speaker.trial.run(edit.nodes, edit.apply, 0) if edit is not None else None
    part = sums.as_part(speaker, node, env[node]) if env is not None and node is not None else ""
    return replace(found, text=sums.text, correction=part or found.correction)


def _one_of_several(speaker: Speaker, suspect: Suspect | None) -> Explanation | None:
    """One of several mistakes: it makes some of the wrong gradients right, and no right one wrong.

    The first of them to be computed is tried first: it is nearest to the loss.
    """
    trial = speaker.trial
    seen, wrong = trial.observation, trial.wrong
    for name in sorted(wrong, key=lambda n: trial.index.get(seen.grads[n], 0)):
        rest = frozenset(wrong) - {name}
        if not rest or trial.exhausted:
            return None
        part = Trial(seen, trial.draws, (name,), rest, trial.wide)
        part.spent = trial.spent
        found = _single(Speaker(part, speaker.words), suspect)
        trial.spent = part.spent
        if found is None or not found.exact or (found.edit and found.edit.cost > _CLASSIC):
            continue
        mended = [name, *(part.also_right(found.edit) if found.edit is not None else ())]
        others = [n for n in wrong if n not in mended]
        if others:
            text = (
                f"{found.text}; with this mended the gradient of {listed(mended)} is right, and "
                f"that of {listed(others)} still wrong: it is not the only mistake"
            )
            told = _explained(part, replace(found, text=text))
            return None if told is None else replace(told, exact=False)
    return None


def _explained(trial: Trial, saying: Saying | None) -> Explanation | None:
    if saying is None:
        return None
    correction = saying.correction
    if saying.node is not None and correction and not is_known(correction, saying.node):
        correction = ""  # it needs names that are not known there
    place = where(saying.node) if saying.node is not None else None
    if saying.missing and place is not None and place.source_line.lstrip().startswith("return"):
        correction = ""  # nothing can come after that line
    text = saying.text if saying.exact or _DIFFERS in saying.text else f"{_DIFFERS}: {saying.text}"
    sure = saying.exact and saying.edit is not None and not saying.edit.fits
    missing, node, step = saying.missing, saying.node, saying.step
    return Explanation(text, saying.exact, correction, node, missing, step, sure)


def _telling(observation: Observation, wrong: tuple[str, ...]) -> tuple[Draw, ...]:
    """Two draws; the first is one in which all the wrong gradients show that they are wrong.

    At the user's own point a bias may be zero, and hide what is wrong with it.
    """
    found = draws(observation, 2)
    own, others = found[0], found[1:]
    telling = [d for d in others if not any(same_in(observation, d, n) for n in wrong)]
    return (telling[0], own) if telling else found[:2]


def _far(observation: Observation, wrong: tuple[str, ...]) -> tuple[Draw, ...]:
    """Draws far from the user's own point, in which the right gradients stay right.

    There other entries are masked, and other sides of a ``np.where`` are taken, so that what fits
    by chance fits no more.
    """
    right = [n for n in observation.params if n not in wrong]
    found = []
    for seed, by in ((71, 1.5), (72, 0.6), (71, 0.6)):
        d = draw(observation, seed, by)
        if d is not None and all(same_in(observation, d, n) for n in right):
            found.append(d)
    return tuple(found)


# --- the search -----------------------------------------------------------------------------------


def _search(trial: Trial, speaker: Speaker, suspect: Suspect | None) -> Saying | None:
    """The words of the simplest change that makes all gradients right, near the suspect."""
    home = suspect.node if suspect is not None else None
    plan = [
        (cost + _distance(site, home) + _SINGLE * single, i, j, site)
        for j, (site, single) in enumerate(_suspects(trial))
        for i, (cost, table) in enumerate(_TABLES)
        if not single or table in _FOR_SINGLE
    ]
    plan += [
        (cost + _distance(site, home), len(_TABLES), len(plan), site)
        for cost, site in ((1.1, s) for s in _takers(trial))
    ]
    first, rest = _in_parts(trial, speaker, plan, home)
    best, least = _at_home(trial, speaker, suspect, plan, least=rest)
    best = best or first
    for bound, i, _, site in sorted(plan, key=lambda entry: entry[:3]):
        if bound >= least or trial.exhausted:
            break
        floor, table = _TABLES[i] if i < len(_TABLES) else (1.1, locals.aliased)
        away = bound - floor
        for edit in _cheaper(table(speaker, site), trial):
            if edit.cost + away < least and trial.accepts(edit):
                cost = edit.cost + away + edit.doubt() + _doubt(trial, edit)
                if cost < least:
                    best, least = edit, cost
    if best is None:
        return None
    said: Saying = replace(best.say(), edit=best)
    if not trial.holds(best):
        said = replace(said, exact=False)
    executed = [n for n in trial.backward if key(n) == key(best.nodes[0])]
    some = len(executed) > len([n for n in best.nodes if key(n) == key(best.nodes[0])])
    return replace(said, correction="") if some and best.missing else said


def _in_parts(
    trial: Trial, speaker: Speaker, plan: list[tuple[float, int, int, Site]], home: Node | None
) -> tuple[Edit | None, float]:
    """The simplest change of a part of a derivative, and its cost: they are soon looked through."""
    best: Edit | None = None
    least = float("inf")
    for _, i, _, site in plan:
        if i >= len(_TABLES) or _TABLES[i] not in parts.TABLE:
            continue
        for edit in _TABLES[i][1](speaker, site):
            cost = edit.cost + _distance(site, home)
            if cost < least and trial.accepts(edit):
                cost += edit.doubt() + _doubt(trial, edit)
                if cost < least:
                    best, least = edit, cost
    return best, least


def _at_home(
    trial: Trial,
    speaker: Speaker,
    suspect: Suspect | None,
    plan: list[tuple[float, int, int, Site]],
    least: float,
) -> tuple[Edit | None, float]:
    """The simplest change in the suspect's line, and what it costs.

    What the suspect should have been is known, so that most changes need not be tried to the end.
    """
    best: Edit | None = None
    expected = _expected(trial, suspect)
    if suspect is None or not expected:
        return best, least
    home, key_of = suspect.node, (suspect.node.code, line(suspect.node))
    above = ancestors([home])
    for bound, i, _, site in sorted(plan, key=lambda entry: entry[:3]):
        if bound >= least or trial.spent > _AT_HOME * BUDGET:
            break
        if (site[0].code, line(site[0])) != key_of or site[0] not in above or i >= len(_TABLES):
            continue
        for edit in _TABLES[i][1](speaker, site):
            if edit.cost >= least or not trial.gives(edit, home, expected):
                continue
            if trial.accepts(edit):
                cost = edit.cost + edit.doubt() + _doubt(trial, edit)
                if cost < least:
                    best, least = edit, cost
    return best, least


def _expected(trial: Trial, suspect: Suspect | None) -> list[Any]:
    """What the suspect's value should have been, in the first draw; empty if it is not known.

    In a loop or a function that is called often what it should have been in any execution: which of
    them belongs to the suspect's is for the trial of a change to find out.
    """
    label = suspect.expected if suspect is not None else None
    if suspect is None or label is None or label.kind == "local":
        return []
    own, found = trial.draws[0], []
    for node in [label.node, *(n for n in trial.observation.nodes if n is not label.node
                               and key(n) == key(label.node))]:  # fmt: skip
        if label.kind == "forward":
            value = own.values.get(node)
        elif label.use is None:
            value = own.cotangents.get(node)
        else:
            value = _through(trial, node, [label.use, *label.others], label.whole)
        if value is None:
            continue
        value = np.transpose(value) if label.transposed else value
        shape = np.shape(trial.value(suspect.node))
        if np.size(value) == int(np.prod(shape)):
            found.append(np.reshape(value, shape) * label.factor)
    return found


def _through(trial: Trial, node: Node, edges: list[tuple[Node, int]], whole: bool) -> Any:
    """The part of a value's derivative that comes through some of its uses, or uses like them."""
    own = trial.draws[0].contributions
    alike = {(key(consumer), i) for consumer, i in edges}
    exact = all(consumer.inputs[i] is node for consumer, i in edges)
    if whole or not exact:
        uses = (edge for edge in own if edge[0].inputs[edge[1]] is node)
        edges = [(consumer, i) for consumer, i in uses if (key(consumer), i) in alike]
    parts = [own[edge] for edge in edges if edge in own]
    return sum(parts) if parts and len(parts) == len(edges) else None


def _doubt(trial: Trial, edit: Edit) -> float:
    """What speaks against any change: it holds only near here, or spoils what is right."""
    near, spoils = not trial.holds(edit), trial.spoils(edit)
    helper = not edit.called and trial.caller(edit.nodes[0]) is not None
    left = _LEFT * trial.leaves(edit)
    return _NEAR_ONLY * near + _SPOILS * spoils + _HELPER * helper + left


def _cheaper(edits: Iterator[Edit], trial: Trial) -> Iterator[Edit]:
    """The changes, until too much was computed."""
    for edit in edits:
        if trial.exhausted:
            return
        trial.spent += 500 * len(edit.nodes)
        yield edit


def _distance(site: Site, home: Node | None) -> float:
    """How much a change at an operation is doubted, because the suspect is another one."""
    if home is None:
        return 0.0
    if line(site[0]) == line(home) and site[0].code is home.code:
        return 0.0
    return _ELSEWHERE + _FAR * min(abs(line(site[0]) - line(home)), 100)


def _suspects(trial: Trial) -> Iterator[tuple[Site, bool]]:
    """The operations of the backward pass that every wrong gradient was computed from.

    Each with all its executions, and then, if these are a few, also one by one: the code that calls
    a function may leave something out after one call.
    """
    common: set[object] | None = None
    members: set[Node] = set()
    for name in trial.wrong:
        above = ancestors([trial.observation.grads[name]]) & trial.backward
        members |= above
        keys = {key(node) for node in above}
        common = keys if common is None else common & keys
    found = sites(n for n in trial.program if n in members and key(n) in (common or ()))
    yield from ((site, False) for site in found)
    for site in found:
        if 1 < len(site) <= _FEW:
            yield from (((node,), True) for node in site)


def _takers(trial: Trial) -> list[Site]:
    """The first to use each value of the forward pass that every wrong gradient is computed from.

    It may be taken as it is (``delta = error``), where a derivative belongs.
    """
    taken: dict[Node, Node] = {}
    common: set[Node] | None = None
    for name in trial.wrong:
        above = ancestors([trial.observation.grads[name]]) & trial.backward
        used = {p for n in above for p in n.inputs if p in trial.observation.forward}
        common = used if common is None else common & used
    for n in trial.program:
        for p in n.inputs:
            if p in (common or ()) and n in trial.backward:
                taken.setdefault(p, n)
    return [(n,) for n in dict.fromkeys(taken.values())]
