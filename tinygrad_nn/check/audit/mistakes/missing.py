"""Classic mistakes by leaving something out: a mask, labels, a term, an addition, a question."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ....node import Node
from ....rules.indexing import getitem, setitem
from ..mending import corrected, is_known, squeeze, times
from ..observing.observe import where
from .edits import Site, fitted
from .forward import Local, fits, locals_of, pairings, picks
from .sentences import Saying, Speaker
from .trial import Edit, Env, Trial, key, perform, same, sites
from .words import number


def missing_mask(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """The value times an elementwise derivative of the forward pass."""
    if not np.ndim(site[0].value):
        return
    for local in locals_of(speaker.trial):
        for pairing in pairings(speaker.trial, site, local.outputs):
            if not fits(site, local.inputs, pairing):
                continue

            def apply(n: Node, j: int, env: Env, local: Local = local, p: Any = pairing) -> Any:
                d = local.value(env.trial, p[j], env.number)
                return perform(n, env.arguments(n)) * d

            def say(local: Local = local, k: int = pairing[0]) -> Saying:
                return _say_mask(speaker, site[0], local, k)

            def doubt() -> float:
                return 0.1 * speaker.is_right(np.asarray(speaker.trial.value(site[0])))

            cost = 1.4 + 0.02 * len(local.regions[0])
            yield Edit(site, apply, cost, say, missing=True, doubt=doubt)


def _say_mask(speaker: Speaker, node: Node, local: Local, k: int) -> Saying:
    words = speaker.words
    name = words.name(node)
    d = local.text(speaker.trial, words, node, k)
    text = f"{speaker.derivative(local)}, is not applied"
    correction, missing = "", True
    if d:
        text += f": d loss / d {words.of(local.inputs[0])} should be {times(name, d)}"
        if name.isidentifier():
            correction = f"{name} = {times(name, d)}"
        else:
            correction = corrected(node, times(words.code(node), d))
            missing = False
    return Saying(text, correction, node, missing=missing, step=("*", d) if d else None)


def missing_one_hot(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """A number added where the forward pass picks: ``dscores[range(N), y] -= 1``."""
    trial = speaker.trial
    if not np.ndim(site[0].value):
        return
    for picked in picks(trial):
        for pairing in pairings(trial, site, picked):
            if not fits(site, tuple(n.inputs[0] for n in picked), pairing):
                continue

            def hot(n: Node, j: int, env: Env, picked: Any = picked, p: Any = pairing) -> Any:
                out = np.zeros_like(env[n], dtype=float)
                index = env.arguments(picked[p[j]])[1:]
                np.add.at(out, tuple(index), 1.0)
                return out

            def own(n: Node, j: int, env: Env) -> Any:
                return perform(n, env.arguments(n))

            c = fitted(trial, site, hot, own)
            if not c:
                continue

            def apply(n: Node, j: int, env: Env, hot: Any = hot, c: float = c) -> Any:
                return perform(n, env.arguments(n)) + c * hot(n, j, env)

            def say(pick: Node = picked[0], c: float = c) -> Saying:
                return _say_one_hot(speaker, site[0], pick, c)

            yield Edit(site, apply, 1.4, say, missing=True)


def _say_one_hot(speaker: Speaker, node: Node, pick: Node, c: float) -> Saying:
    words = speaker.words
    name = words.name(node)
    code = words.code(pick)
    bracket = code[code.find("[") :] if "[" in code else ""
    batch = words.batch
    size = number(abs(c)) if abs(c) != 1 / max(batch, 1) else f"1 / {words.count(batch)}"
    sign = "-" if c < 0 else "+"
    verb = "subtracted" if c < 0 else "added"
    text = f"{size} is not {verb} at the labels, which the loss picks by {words.at(pick)}"
    if not (bracket and name.isidentifier()):
        return Saying(text, "", node, missing=True)
    step = f"{name}{bracket} {sign}= {size}"
    return Saying(f"{text}: {step} is missing", step, node, missing=True)


def missing_term(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """What comes through one use in the forward pass, added to the value."""
    trial = speaker.trial
    for use in _parts(trial):
        consumers, i = use
        for pairing in pairings(trial, site, consumers):

            def part(n: Node, j: int, env: Env, use: Any = use, p: Any = pairing) -> Any:
                consumers, i = use
                return env.trial.points[env.number].contributions[consumers[p[j]], i]

            if not fits(site, tuple(c.inputs[i] for c in consumers), pairing):
                continue

            def base(n: Node, j: int, env: Env) -> Any:
                return perform(n, env.arguments(n))

            c = fitted(trial, site, part, base)
            if not c or not (c == 1 or speaker.words.count(c) or speaker.words.count(1 / c)):
                continue

            def apply(n: Node, j: int, env: Env, part: Any = part, c: float = c) -> Any:
                return perform(n, env.arguments(n)) + c * part(n, j, env)

            def say(consumer: Node = consumers[pairing[0]], i: int = i) -> Saying:
                return _say_term(speaker, site[0], consumer, i)

            cost = 1.8 + 0.1 * (c != 1)
            yield Edit(site, apply, cost, say, missing=True, fits=True)


def _parts(trial: Trial) -> list[tuple[Site, int]]:
    """The uses of forward values that have several, by expression."""
    own = trial.draws[0]
    used: dict[Node, int] = {}
    for consumer, i in own.contributions:
        used[consumer.inputs[i]] = used.get(consumer.inputs[i], 0) + 1
    groups: dict[Any, list[tuple[Node, int]]] = {}
    for consumer, i in own.contributions:
        if used[consumer.inputs[i]] > 1:
            groups.setdefault((key(consumer), i), []).append((consumer, i))
    found = []
    for group in groups.values():
        nodes = sorted((c for c, _ in group), key=lambda n: trial.index[n])
        found.append((tuple(nodes), group[0][1]))
    return found


def _say_term(speaker: Speaker, node: Node, consumer: Node, i: int) -> Saying:
    words, trial = speaker.words, speaker.trial
    through = words.used(consumer, i) or words.name(consumer.inputs[i])
    text = (
        f"what comes through {words.at(consumer)}, is not added: {through} is used there, too, and "
        f"{speaker.said(node)} counts its other use only"
    )
    part = trial.draws[0].contributions.get((consumer, i))
    made = _computed(speaker, part, consumer) if part is not None and np.any(part) else None
    if made is None:
        rule = speaker.rule(consumer, i)
        told = f"; it is {rule}" if rule and is_known(rule, node) else ""
        return Saying(text + told, "", node, missing=True)
    text += f"; it is {made}"
    name = words.name(node, node)
    fixed = f"{name} += {made}" if name.isidentifier() and is_known(made, node) else ""
    return Saying(text, fixed, node, missing=True, step=("+", made))


def _computed(speaker: Speaker, part: Any, near: Node) -> str | None:
    """The name of a value of the backward pass that is this part of a derivative."""
    trial = speaker.trial
    for n in trial.observation.backward:
        value = trial.value(n)
        if np.shape(value) == np.shape(part) and same(value, part):
            name = speaker.words.name(n, near)
            if name.isidentifier():
                return name
    return None


# --- an assignment that should have added ---------------------------------------------------------


def overwritten(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """The values of all executions, or an earlier value of the same name, summed up."""
    trial, node = speaker.trial, site[0]
    same_text = [n for n in trial.program if key(n) == key(node)]
    if len(same_text) > 1 and np.shape(same_text[0].value) == np.shape(node.value):
        last = (same_text[-1],)
        if last[0] in site:
            everyone = tuple(same_text)

            def total(n: Node, j: int, env: Env) -> Any:
                return sum(env[m] for m in everyone[:-1]) + perform(n, env.arguments(n))

            yield Edit(last, total, 1.0, lambda: _say_overwritten(speaker, node, None))
    live = set(trial.observation.backward) | set(trial.observation.forward)
    for before in trial.program:
        earlier = trial.index[before] < trial.index[node]
        if before in live or not earlier or np.shape(before.value) != np.shape(node.value):
            continue
        if _target(before) != _target(node):
            continue

        def both(n: Node, j: int, env: Env, before: Node = before) -> Any:
            return env[before] + perform(n, env.arguments(n))

        def say(before: Node = before) -> Saying:
            return _say_overwritten(speaker, node, before)

        yield Edit(site, both, 1.0, say)
    if node.function is setitem and not _is_augmented(node):
        for sign in (1, -1):

            def adding(n: Node, j: int, env: Env, sign: int = sign) -> Any:
                x, value, *index = env.arguments(n)
                return perform(n, [x, getitem(x, *index) + sign * value, *index])

            def say_adding(sign: int = sign) -> Saying:
                return _say_overwritten(speaker, node, None, "+=" if sign > 0 else "-=")

            yield Edit(site, adding, 1.0 if sign > 0 else 1.35, say_adding)


def _is_augmented(node: Node) -> bool:
    """Whether a writing is that of ``x[i] += v``."""
    place = where(node)
    rest = place.source_line[place.end_column :] if place is not None else ""
    return re.match(r"\s*(\*\*|//|[-+*/@%&|^])=", rest) is not None


def _target(node: Node) -> str | None:
    place = where(node)
    return place.name if place is not None else None


def _say_overwritten(speaker: Speaker, node: Node, before: Node | None, sign: str = "+=") -> Saying:
    words = speaker.words
    place = where(node)
    source = place.source_line.strip() if place is not None else ""
    fixed = squeeze(re.sub(r"(?<![=<>!+\-*/])=(?!=)", sign, source, count=1)) if source else ""
    name = words.name(node)
    if before is not None:
        text = (
            f"`=` stands where `{sign}` belongs: {name} is overwritten, and its value from "
            f"{words.at(before)}, is lost"
        )
    else:
        text = (
            f"`=` stands where `{sign}` belongs: every execution overwrites {name}, so that only "
            "the last one counts"
        )
    return Saying(text, fixed, node, step=(sign, ""))


# --- a question that was not asked ----------------------------------------------------------------


def not_asked(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """Additions in a loop that should be made only where a condition holds: ``if margin > 0``."""
    trial = speaker.trial
    if site[0].function is not setitem:
        return
    conditions = [n for n in trial.program if not np.ndim(n.value) and _is_truth(n)]
    for asked in sites(conditions):
        truths = [bool(n.value) for n in asked]
        if all(truths) or not any(truths):
            continue
        at = [trial.index[n] for n in asked]
        held: dict[Node, bool] = {}
        for n in trial.program:
            before = sum(a < trial.index[n] for a in at) - 1
            if n.function is setitem and n in trial.backward and before >= 0:
                held[n] = truths[before]
        skipped = tuple(n for n, truth in held.items() if not truth)
        if not any(n in site for n in skipped):
            continue

        def apply(n: Node, j: int, env: Env) -> Any:
            return env.arguments(n)[0]

        def say(asked: Node = asked[0]) -> Saying:
            return _say_not_asked(speaker, site[0], asked)

        yield Edit(skipped, apply, 1.3, say)


def _is_truth(node: Node) -> bool:
    return getattr(node.value, "dtype", None) == np.bool_


def _say_not_asked(speaker: Speaker, node: Node, asked: Node) -> Saying:
    words = speaker.words
    text = (
        f"this is added also where {words.at(asked)}, is false; the loss counts only where it is "
        "true, and so must the gradient"
    )
    return Saying(text, f"if {words.code(asked)}:", node)


#: The entries of the table, each with the least that one of its changes costs.
TABLE: tuple[tuple[float, Callable[[Speaker, Site], Iterator[Edit]]], ...] = (
    (1.0, overwritten),
    (1.3, not_asked),
    (1.4, missing_mask),
    (1.4, missing_one_hot),
    (1.8, missing_term),
)
