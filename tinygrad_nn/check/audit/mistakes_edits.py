"""The table of the classic mistakes, each as the single change that would mend it.

Every entry takes the executions of one operation of the user's backward pass, and yields changes of
it: another function, axis or constant; a step left out, or one too many; a wrong factor; an
assignment that should have added. `mistakes_operands.py` has the changes of what an operation is
applied to. Imports: mistakes_forward, mistakes_trial, mistakes_words, words; node, rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...node import Node
from ...rules.indexing import getitem, setitem
from .mistakes_forward import Local, fits, locals_of, pairings, picks
from .mistakes_trial import Apply, Edit, Env, Trial, key, perform, same
from .mistakes_words import Saying, Speaker
from .observe import where
from .words import corrected, number, operands, squeeze, with_operand, wrapped

Site = tuple[Node, ...]

_SYMBOLS = {
    np.add: "+", np.subtract: "-", np.multiply: "*", np.divide: "/", np.greater: ">",
    np.greater_equal: ">=", np.less: "<", np.less_equal: "<=", np.equal: "==",
    np.not_equal: "!=", np.matmul: "@", np.power: "**",
}  # fmt: skip
_COMPARISONS = (np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal)
_FLIPS: dict[Any, tuple[Any, ...]] = {
    np.add: (np.subtract,),
    np.subtract: (np.add,),
    np.multiply: (np.divide,),
    np.divide: (np.multiply,),
    **{f: tuple(g for g in _COMPARISONS if g is not f) for f in _COMPARISONS},
}


# --- another function, axis, constant -------------------------------------------------------------


def other_function(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """Plus for minus, > for >=, a quotient for a product."""
    node = site[0]
    for f in _FLIPS.get(node.function, ()):

        def apply(n: Node, j: int, env: Env, f: Any = f) -> Any:
            return perform(n, env.arguments(n), f)

        def say(f: Any = f) -> Saying:
            return _say_flip(speaker, node, f)

        yield Edit(site, apply, 1.0, say)
    if node.function in (np.subtract, np.divide) and len(operands(node)) == 2:

        def turned(n: Node, j: int, env: Env) -> Any:
            return perform(n, env.arguments(n)[::-1])

        def say_turned() -> Saying:
            a, b = (*operands(node), "", "")[:2]
            new = f"{wrapped(b)} {_SYMBOLS[node.function]} {wrapped(a)}"  # type: ignore[index]
            code = speaker.words.code(node)
            if node.function is np.subtract:
                text = f"`{code}` has the wrong sign: it should be {new}"
            else:
                text = f"`{code}` is upside down: it should be {new}"
            return Saying(text, corrected(node, new), node)

        yield Edit(site, turned, 1.0, say_turned)


def _say_flip(speaker: Speaker, node: Node, f: Any) -> Saying:
    words = speaker.words
    code = words.code(node)
    old, new = _SYMBOLS[node.function], _SYMBOLS[f]  # type: ignore[index]
    fixed = _with_symbol(code, old, new)
    texts = operands(node)
    if f in (np.add, np.subtract) and len(texts) == 2:
        should = "subtracted" if f is np.subtract else "added"
        text = f"the sign of `{texts[1]}` is wrong: it should be {should}"
        purpose = speaker.purpose(_after(speaker, node, lambda n, args: perform(n, args, f)))
    elif f in _COMPARISONS:
        text = f"the mask `{code}` should be `{fixed}`"
        purpose = _which_mask(speaker, _after(speaker, node, lambda n, args: perform(n, args, f)))
    else:
        text = f"`{code}` should be `{fixed}`"
        purpose = ""
    return Saying(text + (f" ({purpose})" if purpose else ""), corrected(node, fixed), node)


def _with_symbol(code: str, old: str, new: str) -> str:
    """An expression with another operator, where it is clear which one is meant."""
    pattern = re.compile(rf"(?<![<>=!*/+-])\s*{re.escape(old)}(?![<>=*/]|(?<=[+\-*/])=)\s*")
    if f" {old}= " in code:
        return code.replace(f" {old}= ", f" {new}= ", 1)
    hits = list(pattern.finditer(code))
    if not hits:
        return code
    hit = hits[-1] if old in "+-*/" else hits[0]
    return f"{code[: hit.start()]} {new} {code[hit.end() :]}"


def _after(speaker: Speaker, node: Node, make: Callable[[Node, list[Any]], Any]) -> Any:
    """What an operation gives with a change, all else as it is."""
    trial = speaker.trial
    with np.errstate(all="ignore"):
        return make(node, Env(trial, 0).arguments(node))


def _which_mask(speaker: Speaker, mask: Any) -> str:
    for local in locals_of(speaker.trial):
        if np.shape(local.outputs[0].value) != np.shape(mask):
            continue
        for k in range(len(local.outputs)):
            d = local.value(speaker.trial, k, 0)
            if d is not None and same(np.asarray(mask, float), d):
                return speaker.derivative(local)
    return ""


def other_axis(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """A sum, maximum or mean over another axis, or with its axes kept."""
    node = site[0]
    if node.function not in (np.sum, np.max, np.min) or not np.ndim(node.arguments[0]):
        return
    ndim = np.ndim(node.arguments[0])
    given = node.keywords or {}
    for axis in (*range(ndim), None):
        for kept in (False, True):
            keywords: dict[str, Any] = {} if axis is None else {"axis": axis}
            if kept:
                keywords["keepdims"] = True
            if keywords == given or (given.get("axis") == axis and kept == given.get("keepdims")):
                continue

            def apply(n: Node, j: int, env: Env, keywords: Any = keywords) -> Any:
                return perform(n, env.arguments(n), keywords=keywords)

            def say(axis: Any = axis, kept: bool = kept) -> Saying:
                return _say_axis(speaker, node, axis, kept)

            cost = 1.0 if bool(given.get("keepdims")) == kept else 1.2
            yield Edit(site, apply, cost, say)


def _say_axis(speaker: Speaker, node: Node, axis: Any, kept: bool) -> Saying:
    words, given = speaker.words, node.keywords or {}
    code, name = words.code(node), getattr(node.function, "__name__", "sum")
    was, is_kept = given.get("axis"), bool(given.get("keepdims"))
    new = _with_axis(code, node, axis, kept)
    why = speaker.adding(speaker.trial.wrong)
    shapes = []
    for p in speaker.trial.wrong:
        g = speaker.trial.observation.grads.get(p)
        right = np.shape(speaker.trial.observation.params[p].value)
        if isinstance(g, Node) and np.shape(g.value) != right:
            shapes.append(f"the gradient of {p} has shape {np.shape(g.value)}, {p} has {right}")
    if was == axis:
        keep = "keepdims=True is missing" if kept else "keepdims=True does not belong here"
        text = f"`{code}`: {keep}"
    else:
        over = "over all entries" if was is None else f"over axis {was}"
        to = "over all entries" if axis is None else f"over axis {axis}"
        text = f"`{code}` is a {name} {over}, and should be one {to}"
        if is_kept != kept:
            text += " with keepdims=True" if kept else " without keepdims"
    text += "".join(f"; {s}" for s in shapes[:2])
    return Saying(text + (f" ({why})" if why else ""), corrected(node, new), node)


def _with_axis(code: str, node: Node, axis: Any, kept: bool) -> str:
    first = operands(node)
    inside = [] if axis is None else [f"axis={axis}"]
    if kept:
        inside.append("keepdims=True")
    if not first:
        return ""
    method = not re.match(r"(np|numpy)\.", code)
    if method and code.startswith(first[0]):
        return f"{first[0]}.{getattr(node.function, '__name__', '')}({', '.join(inside)})"
    head = code[: code.find("(")]
    return f"{head}({', '.join([first[0], *inside])})"


def other_constant(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """Another number in a comparison, a power, a difference."""
    node = site[0]
    if node.function not in (*_COMPARISONS, np.power, np.subtract, np.add, np.maximum, np.minimum):
        return
    for i, (parent, given) in enumerate(zip(node.inputs, node.arguments, strict=True)):
        if parent is not None or np.ndim(given) or isinstance(given, (bool, np.bool_)):
            continue
        for c in _constants(speaker, node, float(given)):

            def apply(n: Node, j: int, env: Env, i: int = i, c: Any = c) -> Any:
                args = env.arguments(n)
                args[i] = c
                return perform(n, args)

            def say(i: int = i, c: Any = c) -> Saying:
                return _say_constant(speaker, node, i, c)

            yield Edit(site, apply, 1.3, say)


def _constants(speaker: Speaker, node: Node, given: float) -> list[float]:
    found: list[float] = [0.0, 1.0, 2.0, -1.0, -given]
    if node.function in (np.subtract, np.add):
        n = speaker.words.batch
        found += [1 / n, given / n] if n else []
    if node.function is np.power:
        found = [1.0, 2.0, 3.0, -1.0, -2.0, 0.5]
    return [c for c in dict.fromkeys(found) if c != given]


def _say_constant(speaker: Speaker, node: Node, i: int, c: float) -> Saying:
    words = speaker.words
    batch = words.batch
    name = f"1/{words.count(batch)} = 1/{batch}" if batch and c == 1 / batch != 1 else number(c)
    short = f"1 / {words.count(batch)}" if batch and c == 1 / batch != 1 else number(c)
    texts = operands(node)
    old = texts[i] if i < len(texts) else number(float(node.arguments[i]))
    code = words.code(node)
    text = f"`{code}`: {old} stands where {name} belongs"
    if node.function in _COMPARISONS:
        mask = _which_mask(
            speaker, _after(speaker, node, lambda n, args: perform(n, _put(args, i, c)))
        )
        fixed = with_operand(node, i, short)
        text += f": the mask is `{fixed}`" + (f", {mask}" if mask else "")
    elif batch and c == 1 / batch:
        text += f": the rest is already divided by {words.count(batch)}"
    return Saying(text, corrected(node, with_operand(node, i, short)), node)


def _put(args: list[Any], i: int, x: Any) -> list[Any]:
    return [x if k == i else a for k, a in enumerate(args)]


# --- a step too many ------------------------------------------------------------------------------


def superfluous(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """The operation left out: one of its arguments instead of its value."""
    node = site[0]
    for i, parent in enumerate(node.inputs):
        if not isinstance(parent, Node) or np.shape(parent.value) != np.shape(node.value):
            continue

        def apply(n: Node, j: int, env: Env, i: int = i) -> Any:
            return env.arguments(n)[i]

        def say(i: int = i) -> Saying:
            return _say_superfluous(speaker, node, i)

        yield Edit(site, apply, 1.1 + 0.2 * (i > 0), say)


def _say_superfluous(speaker: Speaker, node: Node, i: int) -> Saying:
    words, f = speaker.words, node.function
    code = words.code(node)
    place = where(node)
    if f is np.divide and place is not None and re.search(r"\bmean\(", code):
        fixed = code.replace("mean(", "sum(", 1)
        why = speaker.adding(speaker.trial.wrong)
        n = number(float(np.ravel(node.arguments[1])[0])) if node.inputs[1] is None else ""
        name = words.count(float(n)) if n else ""
        also = f"; divided by {name} = {n} once too often" if name else ""
        text = f"np.mean where a sum belongs{also}" if not why else f"np.mean where {why}{also}"
        return Saying(text, corrected(node, fixed), node)
    texts = operands(node)
    kept = texts[i] if i < len(texts) else words.name(node.inputs[i], node)
    other = texts[1 - i] if len(texts) == 2 and i < 2 else ""
    correction = corrected(node, kept) if place is not None and "=" not in code else ""
    if f is np.divide and other:
        value = node.arguments[1]
        size = f" = {number(float(value))}" if not np.ndim(value) else ""
        text = f"`{code}` divides by {other}{size} once too often"
    elif f is np.multiply and other:
        text = f"`{code}` multiplies by {other}, which does not belong there"
    elif f in (np.add, np.subtract) and other:
        what = "adds" if f is np.add else "subtracts"
        text = f"`{code}` {what} {other}, which is no part of the derivative: it is too much"
        return Saying(text, correction, node, also=True)
    elif f is np.negative:
        text = f"`{code}` has the wrong sign: the minus does not belong there"
    elif f is setitem:
        text = f"the assignment to `{code}` overwrites what is used afterwards: it is too much"
    else:
        text = f"`{code}` does not belong there: {kept} is right as it is"
    return Saying(text, correction, node)


# --- a wrong factor -------------------------------------------------------------------------------


def factor(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """The value times a number: the one that makes the gradients right, if there is one."""
    if not np.ndim(site[0].value) and speaker.trial.observation.loss in site:
        return
    c = fitted(speaker.trial, site, lambda n, j, env: perform(n, env.arguments(n)))
    if c is None or abs(c - 1) < 1e-9 or c == 0:
        return

    def apply(n: Node, j: int, env: Env) -> Any:
        return c * perform(n, env.arguments(n))

    cost = 1.5 if _brought_in(speaker, site[0], c) else 1.9
    yield Edit(site, apply, cost, lambda: _say_factor(speaker, site[0], c))


def _brought_in(speaker: Speaker, node: Node, c: float) -> bool:
    """Whether the factor comes in here: no argument is already off by it."""
    values = speaker.trial.values[0]
    if node.function in (np.multiply, np.divide) and any(
        p is None and not np.ndim(a) for p, a in zip(node.inputs, node.arguments, strict=True)
    ):
        return True  # it has a factor, which may be wrong
    for parent in node.inputs:
        if isinstance(parent, Node) and parent in speaker.trial.backward:
            found = speaker.identify(np.asarray(values[parent]) * c, exact=True)
            if found is not None:
                return False
    return speaker.identify(np.asarray(values[node]) * c, exact=True) is not None


def fitted(trial: Trial, site: Site, term: Apply, base: Apply | None = None) -> float | None:
    """The number c for which ``base + c * term`` as the value makes the gradients right.

    The gradients depend on c in a straight line (but for an operation executed again on its own
    results, for which the trial of the change decides).
    """
    from .decompose import nice

    def value(c: float) -> Apply:
        def apply(n: Node, j: int, env: Env) -> Any:
            x = term(n, j, env)
            return c * x if base is None else base(n, j, env) + c * x

        return apply

    first, second = (1.0, 0.0) if base is None else (0.0, 1.0)
    at_first, at_second = (trial.run(site, value(c), 0) for c in (first, second))
    if at_first is None or at_second is None:
        return None
    g0, g1 = (trial.gradients(e, 0) for e in (at_first, at_second))
    top = bottom = 0.0
    for name in trial.wrong:
        if name not in g0 or np.shape(g0[name]) != np.shape(trial.truth(name, 0)):
            return None
        step = (np.asarray(g1[name]) - g0[name]) / (second - first)
        rest = trial.truth(name, 0) - (g0[name] - first * step)
        top += float(np.sum(step * rest))
        bottom += float(np.sum(step * step))
    c = top / bottom if bottom > 0 else float("nan")
    return nice(c) if np.isfinite(c) else None


def _say_factor(speaker: Speaker, node: Node, c: float) -> Saying:
    words, r = speaker.words, 1 / c
    code = words.code(node)
    texts = operands(node)
    if node.function in (np.multiply, np.divide) and len(texts) == 2:
        for i in (1, 0):
            given = node.arguments[i]
            if node.inputs[i] is not None or np.ndim(given) or (node.function, i) == (np.divide, 0):
                continue
            right = float(given) / c if node.function is np.divide else float(given) * c
            name = words.count(right)
            verb = "divides by" if node.function is np.divide else "multiplies by"
            if name and node.function is np.divide:
                size = "" if texts[i] == number(float(given)) else f" = {number(float(given))}"
                text = f"`{code}` {verb} {texts[i]}{size} where {name} = {number(right)} belongs"
                return Saying(text, corrected(node, with_operand(node, i, name)), node)
    value = speaker.trial.values[0][node]
    what = speaker.identify(np.asarray(value) * c)
    means = ""
    if what is not None and what[0] == "cotangent":
        means = f" (d loss / d {words.name(what[1])})"
    text = f"{speaker.said(node)}{means} {speaker.times(r)}"
    near_r = abs(r - round(r)) < 1e-9 and round(r) > 2 and words.count(round(r))
    if near_r:
        fixed = f"{wrapped(code)} / {words.count(round(r))}"
    else:
        fixed = f"{number(c)} * {wrapped(code)}" if c != -1 else f"-{wrapped(code)}"
    return Saying(text, "" if "=" in code else corrected(node, fixed), node)


# --- a step left out ------------------------------------------------------------------------------


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

            def say(local: Local = local) -> Saying:
                return _say_mask(speaker, site[0], local)

            yield Edit(site, apply, 1.4 + 0.02 * len(local.regions[0]), say, missing=True)


def _say_mask(speaker: Speaker, node: Node, local: Local) -> Saying:
    words = speaker.words
    name = words.name(node)
    d = local.text(speaker.trial, words, node)
    inner = words.name(local.inputs[0])
    target = f"d{inner}" if inner.isidentifier() else name
    text = f"{speaker.derivative(local)} is not applied"
    correction = ""
    if d:
        text += f": d loss / d {inner} should be {wrapped(name)} * {d}"
        if name.isidentifier():
            outer = words.name(local.outputs[0])
            left = target if name == f"d{outer}" else name
            correction = f"{left} = {name} * {d}"
        else:
            correction = corrected(node, f"{wrapped(words.code(node))} * {d}")
    return Saying(text, correction, node, missing=True)


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
    text = (
        f"{size} is not {verb} at the labels: {words.at(pick)}, is the only place where the loss "
        f"picks the correct class, so {name}{bracket} {sign}= {size} is missing"
    )
    return Saying(text, f"{name}{bracket} {sign}= {size}" if bracket else "", node, missing=True)


def missing_term(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """What comes through one use in the forward pass, added to the value."""
    trial = speaker.trial
    for use in _parts(trial):
        consumers, i = use
        for pairing in pairings(trial, site, consumers):

            def part(n: Node, j: int, env: Env, use: Any = use, p: Any = pairing) -> Any:
                consumers, i = use
                return env.trial.draws[env.number].contributions[consumers[p[j]], i]

            if not fits(site, tuple(c.inputs[i] for c in consumers), pairing):
                continue

            def base(n: Node, j: int, env: Env) -> Any:
                return perform(n, env.arguments(n))

            c = fitted(trial, site, part, base)
            if not c:
                continue

            def apply(n: Node, j: int, env: Env, part: Any = part, c: float = c) -> Any:
                return perform(n, env.arguments(n)) + c * part(n, j, env)

            def say(consumer: Node = consumers[0], i: int = i, c: float = c) -> Saying:
                return _say_term(speaker, site[0], consumer, i)

            cost = 1.6 + 0.3 * (c != 1)
            yield Edit(site, apply, cost, say, missing=True)


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
    words = speaker.words
    through = words.used(consumer, i) or words.name(consumer.inputs[i])
    text = (
        f"what comes through {words.at(consumer)}, is not added: {through} is used there, too, and "
        f"{speaker.said(node)} counts its other use only"
    )
    return Saying(text, "", node, missing=True)


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
    if node.function is setitem:
        for sign in (1, -1):

            def adding(n: Node, j: int, env: Env, sign: int = sign) -> Any:
                x, value, *index = env.arguments(n)
                return perform(n, [x, getitem(x, *index) + sign * value, *index])

            yield Edit(site, adding, 1.0, lambda: _say_overwritten(speaker, node, None))


def _target(node: Node) -> str | None:
    place = where(node)
    return place.name if place is not None else None


def _say_overwritten(speaker: Speaker, node: Node, before: Node | None) -> Saying:
    words = speaker.words
    place = where(node)
    source = place.source_line.strip() if place is not None else ""
    fixed = squeeze(re.sub(r"(?<![=<>!+\-*/])=(?!=)", "+=", source, count=1)) if source else ""
    name = words.name(node)
    if before is not None:
        text = (
            f"`=` stands where `+=` belongs: {name} is overwritten, and its value from "
            f"{words.at(before)}, is lost"
        )
    else:
        text = (
            f"`=` stands where `+=` belongs: every execution overwrites {name}, so that only the "
            "last one counts"
        )
    return Saying(text, fixed, node)


#: The entries of the table, each with the least that one of its changes costs.
TABLE: tuple[tuple[float, Callable[[Speaker, Site], Iterator[Edit]]], ...] = (
    (1.0, other_function),
    (1.0, other_axis),
    (1.0, overwritten),
    (1.1, superfluous),
    (1.3, other_constant),
    (1.4, missing_mask),
    (1.4, missing_one_hot),
    (1.5, factor),
    (1.6, missing_term),
)
