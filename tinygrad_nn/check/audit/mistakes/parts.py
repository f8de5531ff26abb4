"""Mistakes in the parts of a derivative: one not added, one not passed on, two mixed.

They are looked for where a value is the very derivative, but for that part, so that they are soon
found in a long program. In a loop only the first execution tells: it may spoil the next ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ....node import Node
from ..mending import corrected, product, with_operand
from .edits import Site
from .forward import fits, pairings
from .idle import _fresh
from .missing import _parts, _say_overwritten, _say_term, _target
from .sentences import Saying, Speaker
from .trial import Edit, Env, Trial, perform, same, sites
from .words import listed


def rest(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """What comes through one use, added to a value that is all the rest of that derivative."""
    yield from _rest(speaker, site)
    if len(site) > 1:
        yield from _rest(speaker, site[1:])  # the first step of a loop has nothing to pass on yet


def _rest(speaker: Speaker, site: Site) -> Iterator[Edit]:
    trial, own = speaker.trial, speaker.trial.draws[0]
    mine = trial.value(site[0])
    if not _is_array(mine):
        return
    for consumers, i in _parts(trial):
        value = consumers[0].inputs[i]
        if np.shape(value.value) != np.shape(mine) or consumers[0].inputs.count(value) > 1:
            continue  # of x * x both uses are one
        for pairing in pairings(trial, site, consumers):
            used = [consumers[k] for k in pairing]
            g = own.cotangents.get(used[0].inputs[i])
            part = own.contributions.get((used[0], i))
            if g is None or part is None or not np.any(part) or not same(g - part, mine):
                continue

            def apply(n: Node, j: int, env: Env, used: Any = used, i: int = i) -> Any:
                part = env.trial.points[env.number].contributions[used[j], i]
                return perform(n, env.arguments(n)) + part

            def say(consumer: Node = used[0], i: int = i) -> Saying:
                return _say_term(speaker, site[0], consumer, i)

            yield Edit(site, apply, 1.6, say, missing=True)


def unpassed(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """The derivative of a product added as that of a factor: ``dh += drh``, not ``drh * r``."""
    trial, own = speaker.trial, speaker.trial.draws[0]
    if site[0].function not in (np.add, np.subtract):
        return
    for i, parent in enumerate(site[0].inputs):
        given = [n.inputs[i] for n in site]
        if not isinstance(parent, Node) or not all(n in trial.backward for n in given):
            continue
        value = trial.value(parent)
        for made in _products(trial):
            if not _is_array(value) or np.shape(made[0].value) != np.shape(value):
                continue
            for pairing in pairings(trial, site, made):
                used = [made[k] for k in pairing]
                if not same(own.cotangents.get(used[0], 0.0), value):
                    continue
                for k in range(2):
                    if fits(tuple(used), tuple(n.inputs[k] or n for n in used), range(len(used))):
                        yield _times(speaker, site, i, used, k)


def _products(trial: Trial) -> list[Site]:
    """The elementwise products of two values in the forward pass."""
    found = trial.__dict__.get("_forward_products")
    if found is None:
        ahead = (n for n in trial.observation.nodes if n in trial.observation.forward)
        products = (n for n in ahead if n.function is np.multiply)
        found = sites(n for n in products if all(np.ndim(a) for a in n.arguments))
        trial.__dict__["_forward_products"] = found
    return list(found)


def _times(speaker: Speaker, site: Site, i: int, used: list[Node], k: int) -> Edit:
    """The change that multiplies an argument by the other factor of a product."""

    def apply(n: Node, j: int, env: Env) -> Any:
        x, by = env.arguments(n), env.arguments(used[j])
        x[i] = x[i] * by[1 - k]
        return perform(n, x)

    def say() -> Saying:
        words, node, made = speaker.words, site[0], used[0]
        was, other, of = words.used(node, i), words.used(made, 1 - k), words.used(made, k)
        text = (
            f"`{was}` is d loss / d {words.of(made)}, and is not multiplied by {other}, which "
            f"would make it what comes to {of} through {words.at(made)}"
        )
        return Saying(text, corrected(node, with_operand(node, i, product(was, "*", other))), node)

    return Edit(site, apply, 1.25, say)


def _is_array(x: Any) -> bool:
    return bool(np.ndim(x)) and getattr(x, "dtype", np.dtype(int)).kind == "f"


def lost_before(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """A value of the same name that is overwritten, in every step of a loop: ``=`` for ``+=``."""
    trial, node = speaker.trial, site[0]
    name = _target(node)
    if name is None or len(site) < 2 or not _is_array(node.value):
        return
    live = trial.backward | set(trial.observation.forward)
    idle = (n for n in trial.program if n not in live and _target(n) == name)
    for before in sites(idle):
        for pairing in pairings(trial, site, before):
            old = [before[k] for k in pairing]
            if any(trial.index[a] >= trial.index[b] for a, b in zip(old, site, strict=True)):
                continue
            if np.shape(old[0].value) != np.shape(node.value):
                continue

            def apply(n: Node, j: int, env: Env, old: Any = old) -> Any:
                return _fresh(env, old[j], set(trial.below(site))) + perform(n, env.arguments(n))

            def say(old: Any = old) -> Saying:
                return _say_overwritten(speaker, node, old[0])

            yield Edit(site, apply, 1.0, say)


def one_array(speaker: Speaker) -> Saying | None:
    """The words for accumulators that are one array, so that each holds the sum of all."""
    trial = speaker.trial
    groups: dict[Any, list[str]] = {}
    for name in trial.wrong:
        groups.setdefault(trial.observation.grads[name], []).append(name)
    if not groups or any(len(names) < 2 for names in groups.values()):
        return None
    for root, names in groups.items():
        for i in range(len(trial.values)):
            truths = [trial.truth(n, i) for n in names]
            if len({np.shape(x) for x in truths}) > 1:
                return None
            if not same(trial.values[i].get(root), sum(truths), trial.rounding(names[0])):
                return None
    told = "; so are ".join(f"the gradients of {listed(names)}" for names in groups.values())
    text = (
        f"{told.replace('; so are', ' are one and the same array; so are', 1)}"
        if len(groups) > 1
        else f"{told} are one and the same array"
    )
    text += ": what is added to one of them is added to the other, too"
    return Saying(text, "", next(iter(groups)))


#: The entries of the table, each with the least that one of its changes costs.
TABLE: tuple[tuple[float, Callable[[Speaker, Site], Iterator[Edit]]], ...] = (
    (1.0, lost_before),
    (1.6, rest),
    (1.25, unpassed),
)
