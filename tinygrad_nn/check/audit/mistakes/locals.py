"""Classic mistakes in the derivatives that a step multiplies by, and in values it leaves out."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ....node import Node
from ....rules.indexing import getitem, setitem
from ..mending import corrected, operands, product, with_operand, wrapped
from ..observing.observe import ancestors, where
from .edits import Site
from .forward import fits, locals_of, pairings
from .operands import PRODUCTS, Source, groups, is_value, may_stand, replacing, sources
from .sentences import Saying, Speaker, ratio
from .trial import Edit, Env, perform, sites
from .words import line

# --- a derivative in its place --------------------------------------------------------------------


def local_operand(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """One argument replaced by an elementwise derivative of the forward pass."""
    node, trial = site[0], speaker.trial
    if node.function not in (np.multiply, np.divide, np.add, np.subtract, np.where):
        return
    for i, given in enumerate(node.arguments):
        # To multiply by ones is to leave a place for what is missing.
        idle = node.function is np.multiply and np.ndim(given) > 0 and bool(np.all(given == 1))
        for local in locals_of(trial):
            for pairing in pairings(trial, site, local.outputs):
                if not fits(site, local.inputs, pairing):
                    continue

                def apply(n: Node, j: int, env: Env, i: int = i, x: Any = (local, pairing)) -> Any:
                    args = env.arguments(n)
                    d = x[0].value(env.trial, x[1][j], env.number)
                    args[i] = d != 0 if n.function is np.where and i == 0 else d
                    return perform(n, args)

                def say(i: int = i, local: Any = local, k: int = pairing[0]) -> Saying:
                    return _say_local(speaker, node, i, local, k)

                cost = 1.35 if idle else 1.7
                yield Edit(site, apply, cost + 0.02 * len(local.regions[0]), say)


def chain(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """A product of several factors: only one of them, or one times an elementwise derivative."""
    node, trial = site[0], speaker.trial
    if node.function is not np.multiply or any(
        n.function is np.multiply and line(n) == line(node) for n in trial.users(node)
    ):
        return
    factors = [f for f in _factors(site) if len(f) == len(site)]
    if len(factors) < 3:
        return
    for f in factors:
        if np.shape(f[0].value) != np.shape(node.value):
            continue

        def alone(n: Node, j: int, env: Env, f: Site = f) -> Any:
            return env[f[j]]

        def say_alone(f: Site = f) -> Saying:
            words = speaker.words
            kept = words.code(f[0])
            text = (
                f"the factors of `{words.code(node)}` beside {kept} are no part of the derivative: "
                "they are too much"
            )
            return Saying(text, corrected(node, kept), node)

        yield Edit(site, alone, 1.5, say_alone)
        for local in locals_of(trial):
            for pairing in pairings(trial, site, local.outputs):
                if not fits(site, local.inputs, pairing):
                    continue

                def apply(n: Node, j: int, env: Env, x: Any = (f, local, pairing)) -> Any:
                    return env[x[0][j]] * x[1].value(env.trial, x[2][j], env.number)

                def say(f: Site = f, local: Any = local, k: int = pairing[0]) -> Saying:
                    return _say_chain(speaker, node, f[0], local, k)

                yield Edit(site, apply, 1.72 + 0.02 * len(local.regions[0]), say)


def _factors(site: Site) -> list[Site]:
    """What a product of products is made of, execution by execution."""
    found: list[Site] = []
    stack = [site]
    while stack:
        nodes = stack.pop()
        first = nodes[0]
        if first.function is not np.multiply or line(first) != line(site[0]):
            found.append(nodes)
            continue
        for i in range(2):
            parents = tuple(n.inputs[i] for n in nodes if isinstance(n.inputs[i], Node))
            if len(parents) == len(nodes):
                stack.append(parents)
    return found


def _say_chain(speaker: Speaker, node: Node, kept: Node, local: Any, k: int) -> Saying:
    words = speaker.words
    d = local.text(speaker.trial, words, node, k)
    code = words.code(kept) if line(kept) == line(node) else words.name(kept, node)
    right = f"{wrapped(code)} * {d}"
    text = f"`{words.code(node)}` is not {speaker.derivative(local)}"
    text += f", which is {d.strip('()') if d.startswith('(') else d}" if d else ""
    return Saying(text, corrected(node, right) if d else "", node, exact=bool(d))


def _say_local(speaker: Speaker, node: Node, i: int, local: Any, k: int) -> Saying:
    words = speaker.words
    was = words.used(node, i)
    d = local.text(speaker.trial, words, node, k)
    bare = d[1:-1] if d.startswith("(") and d.endswith(")") and d.count("(") == 1 else d
    what = speaker.derivative(local)
    text = f"`{was}` stands where {what} belongs" + (f", {bare}" if d else "")
    with np.errstate(all="ignore"):
        value = Env(speaker.trial, 0).arguments(node)[i]
    if not np.all(np.isfinite(value)):
        text += f"; `{was}` is not finite (NaN or infinite) here"
    fixed = corrected(node, with_operand(node, i, d)) if d else ""
    return Saying(text, fixed, node, exact=bool(d) or local.is_mask(speaker.trial))


def cotangent_operand(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """One argument replaced by a derivative of the loss that the user's code does not have."""
    node, trial = site[0], speaker.trial
    seen = trial.observation
    forward = [n for n in seen.nodes if n in seen.forward and n in trial.draws[0].cotangents]
    for i, old in enumerate(node.inputs):
        shape = np.shape(old.value if isinstance(old, Node) else node.arguments[i])
        if not is_value(0.0 if isinstance(old, Node) else node.arguments[i], node, i) and (
            not isinstance(old, Node) or node.function in (getitem, setitem)
        ):
            continue
        for group in sites(forward):
            first = np.shape(group[0].value)
            if not first or not (may_stand(node, i, shape, first) or len(group) > 1):
                continue
            for pairing in pairings(trial, site, group):

                def apply(n: Node, j: int, env: Env, i: int = i, x: Any = (group, pairing)) -> Any:
                    args = env.arguments(n)
                    args[i] = env.trial.points[env.number].cotangents[x[0][x[1][j]]]
                    return perform(n, args)

                def say(i: int = i, of: Node = group[0]) -> Saying:
                    return _say_cotangent(speaker, node, i, of)

                yield Edit(site, apply, 2.2, say, fits=True)
        yield from _contribution_operand(speaker, site, i, shape)


def _contribution_operand(
    speaker: Speaker, site: Site, i: int, shape: tuple[int, ...]
) -> Iterator[Edit]:
    """One argument replaced by what comes through one use of a parameter."""
    node, trial = site[0], speaker.trial
    for name in trial.wrong:
        leaf = trial.observation.params[name]
        uses = [pair for pair in trial.draws[0].contributions if pair[0].inputs[pair[1]] is leaf]
        groups: dict[Node, list[tuple[Node, int]]] = {}
        for pair in uses:
            groups.setdefault(pair[0], []).append(pair)
        for consumer, pairs in groups.items():
            if not may_stand(node, i, shape, np.shape(leaf.value)) or len(uses) < 2:
                continue

            def apply(n: Node, j: int, env: Env, pairs: Any = pairs) -> Any:
                args = env.arguments(n)
                args[i] = sum(env.trial.points[env.number].contributions[p] for p in pairs)
                return perform(n, args)

            def say(of: Node = consumer, name: str = name, pairs: Any = pairs) -> Saying:
                was = speaker.words.used(node, i)
                told = f"the derivative of the term {speaker.term(of)}, with respect to {name}"
                part = sum(trial.draws[0].contributions[p] for p in pairs)
                param = trial.observation.params[name]
                right = speaker.multiple(part, param, speaker.words.name(param, node))
                text = f"`{was}` stands where {told}, belongs" + (f": `{right}`" if right else "")
                fixed = corrected(node, with_operand(node, i, right)) if right else ""
                return Saying(text, fixed, node, exact=bool(right))

            yield Edit(site, apply, 2.2, say, fits=True)


def _say_cotangent(speaker: Speaker, node: Node, i: int, of: Node) -> Saying:
    words = speaker.words
    was = words.used(node, i)
    g = speaker.trial.draws[0].cotangents[of]
    purpose = speaker.purpose(g, node)
    what = f"d loss / d {words.of(of)}"
    purpose = purpose or what
    r = ratio(Env(speaker.trial, 0).arguments(node)[i], g)
    text = f"`{was}` stands where {purpose} belongs"
    if r is not None:
        text += f"; it {speaker.times(r)}"
    return Saying(text, "", node, exact=r is not None)


# --- a factor of the forward pass -----------------------------------------------------------------


def missing_value(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """An argument, or the value, multiplied or divided by a value of the forward pass."""
    node, trial = site[0], speaker.trial
    seen = trial.observation
    below = set(trial.below(site))
    for i in (-1, *range(len(node.inputs))):
        if i >= 0 and (not isinstance(node.inputs[i], Node) or node.function in (getitem, setitem)):
            continue
        shape = np.shape(node.value if i < 0 else node.inputs[i].value)
        if not shape:
            continue
        for source in sources(trial, speaker.words):
            first = source.nodes[0]
            if not np.ndim(first.value) or (first not in seen.forward and first.function):
                continue
            square = len(shape) == 2 and shape[0] == shape[1]
            columns = np.shape(first.value) == shape[:1] and len(shape) == 2 and not square
            if not columns and np.shape(first.value) not in (shape, shape[1:], (*shape[:-1], 1)):
                continue
            for pairing in pairings(trial, site, source.nodes):
                new = tuple(source.nodes[k] for k in pairing)
                if not any(n in below for n in new):
                    yield from _times_value(speaker, site, i, new, source, columns)


def aliased(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """A value used by another name (``dhhat = dbn``), as if nothing had to be done in between."""
    trial = speaker.trial
    for i in range(len(site[0].inputs)):
        for group in groups(speaker, site, i):
            old = group.old
            if not group.alias or old is None:
                continue
            olds = tuple(n.inputs[i] for n in site)
            for local in locals_of(trial):
                for pairing in pairings(trial, olds, local.outputs):
                    if not fits(olds, local.inputs, pairing):
                        continue

                    def value(j: int, env: Env, x: Any, of: Any = (local, pairing)) -> Any:
                        return x * of[0].value(env.trial, of[1][j], env.number)

                    def say(
                        old: Node = old,
                        local: Any = local,
                        name: str = group.alias,
                        near: Node = group.site[0],
                    ) -> Saying:
                        return _say_aliased(speaker, old, local, name, near)

                    cost = 1.1 + 0.02 * len(local.regions[0])
                    yield Edit(group.nodes, replacing(group, value), cost, say, missing=True)


def _say_aliased(speaker: Speaker, old: Node, local: Any, alias: str, near: Node) -> Saying:
    words = speaker.words
    name = words.name(old)
    d = local.text(speaker.trial, words, old)
    fixed = f"{alias} = {name} * {d}" if d and name.isidentifier() else ""
    text = f"{speaker.derivative(local)}, is not applied: {alias} is {name} as it is"
    text += _same_line(old, name, alias)
    there = local.text(speaker.trial, words, near)
    return Saying(text, fixed, old, missing=True, step=("*", there) if there else None)


def _same_line(node: Node, name: str, alias: str) -> str:
    """Where ``alias = name`` stands, after a node's line; empty if it is not found."""
    place = where(node)
    for at in range(place.line + 1, place.line + 30) if place is not None else ():
        if linecache.getline(place.file, at).split("#")[0].strip() == f"{alias} = {name}":  # type: ignore[union-attr]
            return f", line {at}"
    return ""


def _times_value(
    speaker: Speaker, site: Site, i: int, new: Site, source: Source, columns: bool
) -> Iterator[Edit]:
    for f, verb in ((np.multiply, "multiplied"), (np.divide, "divided")):
        used = [
            n for n in speaker.trial.observation.nodes
            if n in speaker.trial.observation.forward and n.function is f and new[0] in n.inputs
            and not _moves(speaker, new[0])
        ]  # fmt: skip

        def apply(n: Node, j: int, env: Env, f: Any = f) -> Any:
            args = env.arguments(n)
            by = env[new[j]][:, None] if columns else env[new[j]]
            if i < 0:
                return f(perform(n, args), by)
            args[i] = f(args[i], by)
            return perform(n, args)

        def say(f: Any = f, verb: str = verb, used: list[Node] = used) -> Saying:
            words, node = speaker.words, site[0]
            text = source.text(speaker, node)
            old = words.used(node, i) if i >= 0 else words.code(node)
            by = f"{wrapped(text)}[:, None]" if columns else text
            new_text = product(old, "*" if f is np.multiply else "/", by)
            fixed = with_operand(node, i, new_text) if i >= 0 else new_text
            made = words.at(new[0]) if new[0].function else ""
            told = f"`{old}` is not {verb} by {text}" + (f" ({made})" if made else "")
            if used:
                told += f", as {words.at(used[0])}, is"
            own = words.name(node, node)
            if i < 0 and node.function is setitem and own.isidentifier():
                after = f"{own} = {product(own, '*' if f is np.multiply else '/', by)}"
                return Saying(told.replace(old, own, 1), after, node, missing=True)
            return Saying(told, corrected(node, fixed), node)

        yield Edit(site, apply, (1.5 if used and i < 0 else 2.0), say, missing=i < 0)


def _moves(speaker: Speaker, node: Node) -> bool:
    """Whether a value depends on a parameter."""
    params = set(speaker.trial.observation.params.values())
    return bool(ancestors([node]) & params)


def turned_value(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """The value transposed."""
    node = site[0]
    if np.ndim(node.value) != 2:
        return

    def apply(n: Node, j: int, env: Env) -> Any:
        return np.transpose(perform(n, env.arguments(n)))

    def say() -> Saying:
        words = speaker.words
        code = words.code(node)
        texts = operands(node)
        fixed = f"{wrapped(code)}.T"
        if node.function in PRODUCTS[:2] and len(texts) == 2 and "(" in code + "(":
            a, b = (_transposed(t) for t in texts)
            fixed = _product(code, texts, b, a)
        elif node.function is np.outer and len(texts) == 2:
            fixed = f"np.outer({texts[1]}, {texts[0]})"
        text = f"`{code}` is the transpose of what it should be: `{fixed}`"
        return Saying(text, corrected(node, fixed), node)

    makes = node.function in (*PRODUCTS, np.transpose)
    yield Edit(site, apply, 1.2 if makes else 1.6, say)


def _transposed(text: str) -> str:
    return text[:-2] if text.endswith(".T") else f"{wrapped(text)}.T"


def _product(code: str, texts: tuple[str, ...], a: str, b: str) -> str:
    if code.startswith("np."):
        return f"{code[: code.find('(')]}({a}, {b})"
    if ".dot(" in code:
        return f"{a}.dot({b})"
    return f"{a} @ {b}"


#: The entries of the table, each with the least that one of its changes costs.
TABLE: tuple[tuple[float, Callable[[Speaker, Site], Iterator[Edit]]], ...] = (
    (1.1, aliased),
    (1.2, turned_value),
    (1.5, chain),
    (1.35, local_operand),
    (1.5, missing_value),
    (2.2, cotangent_operand),
)
