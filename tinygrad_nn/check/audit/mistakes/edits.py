"""Classic mistakes in an operation itself, each as the single change that would mend it.

Every entry of the table takes the executions of one operation of the user's backward pass, and
yields changes of it: another function, axis, constant or factor; one operation too many. Steps left
out are in `missing.py`, wrong operands in `operands.py`, and wrong elementwise
derivatives in `locals.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ....node import Node
from ....rules.indexing import setitem
from ..mending import (
    assigned,
    corrected,
    difference,
    is_known,
    operands,
    with_operand,
    wrapped,
)
from ..observing.observe import ancestors, where
from .decompose import nice
from .forward import locals_of
from .sentences import Saying, Speaker
from .trial import Apply, Edit, Env, Trial, perform, same
from .words import line, number

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

        yield Edit(site, apply, 1.0, say, doubt=lambda: _sign_doubt(speaker, node))
    if node.function in (np.subtract, np.divide) and len(operands(node)) == 2:

        def turned(n: Node, j: int, env: Env) -> Any:
            return perform(n, env.arguments(n)[::-1])

        def say_turned() -> Saying:
            a, b = (*operands(node), "", "")[:2]
            new = f"{wrapped(b)} {_SYMBOLS[node.function]} {wrapped(a)}"  # type: ignore[index]
            if node.function is np.subtract:
                new = difference(b, a)
            code = speaker.words.code(node)
            if node.function is np.subtract:
                text = f"`{code}` has the wrong sign: it should be {new}"
            else:
                text = f"`{code}` is upside down: it should be {new}"
            return Saying(text, corrected(node, new), node)

        yield Edit(site, turned, 1.0, say_turned)


def _sign_doubt(speaker: Speaker, node: Node) -> float:
    """What speaks against a wrong sign in a sum: what is added came with the wrong sign."""
    other = node.inputs[-1]
    if node.function not in (np.add, np.subtract) or not isinstance(other, Node):
        return 0.0
    above = ancestors([other]) & speaker.trial.backward
    for n in above:
        if line(n) < line(node):
            value = np.asarray(speaker.trial.value(n))
            if value.dtype.kind == "f" and speaker.identify(-value, exact=True) is not None:
                return 0.9 if speaker.identify(value, exact=True) is None else 0.0
    return 0.0


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
        verbs = ("multiplies", "divide") if f is np.divide else ("divides", "multiply")
        text = f"`{code}` {verbs[0]} where it should {verbs[1]}: `{fixed}`"
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


def other_order(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """The factors of a matrix product in the other order."""
    node = site[0]
    if node.function not in (np.matmul, np.dot, np.outer) or len(node.inputs) != 2:
        return

    def apply(n: Node, j: int, env: Env) -> Any:
        return perform(n, env.arguments(n)[::-1])

    def say() -> Saying:
        code, (a, b) = speaker.words.code(node), (*operands(node), "", "")[:2]
        fixed = f"{wrapped(b)} @ {wrapped(a)}" if node.function is not np.outer else ""
        if code.startswith("np.") and b:
            fixed = f"{code[: code.find('(')]}({b}, {a})"
        text = f"`{code}` has its factors in the wrong order"
        if node.function is np.outer:
            text = f"`{code}` is the transpose of what it should be: `{fixed}`"
        return Saying(text, corrected(node, fixed), node)

    yield Edit(site, apply, 1.0, say)


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
    known = (*_COMPARISONS, np.power, np.subtract, np.add, np.maximum, np.minimum, setitem)
    if node.function not in known:
        return
    for i, (parent, given) in enumerate(zip(node.inputs, node.arguments, strict=True)):
        if parent is not None or not isinstance(given, (int, float, np.number)):
            continue
        if isinstance(given, bool) or (node.function is setitem and i != 1):
            continue
        for c in _constants(speaker, node, float(given)):

            def apply(n: Node, j: int, env: Env, i: int = i, c: Any = c) -> Any:
                args = env.arguments(n)
                args[i] = c
                return perform(n, args)

            def say(i: int = i, c: Any = c) -> Saying:
                return _say_constant(speaker, node, i, c)

            cost = 1.1 if node.function is setitem else 1.3
            if node.function is np.power and c == given - 1:
                cost = 1.05  # the derivative of a power has the exponent that is one less
            yield Edit(site, apply, cost, say)


def count_operand(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """A number, such as that of the samples, where a product or quotient takes an array."""
    node = site[0]
    if node.function not in (np.multiply, np.divide):
        return
    for i, parent in enumerate(node.inputs):
        if not isinstance(parent, Node):
            continue
        for n, names in speaker.words.counts.items():
            known = [name for name in names if is_known(name, node)]
            if not known:
                continue

            def apply(m: Node, j: int, env: Env, i: int = i, n: int = n) -> Any:
                args = env.arguments(m)
                args[i] = n
                return perform(m, args)

            def say(i: int = i, n: int = n, name: str = known[0]) -> Saying:
                was = speaker.words.used(node, i)
                text = f"`{was}` stands where {name} = {n} belongs: {speaker.words.code(node)}"
                return Saying(text, corrected(node, with_operand(node, i, name)), node)

            yield Edit(site, apply, 1.45, say)


def _constants(speaker: Speaker, node: Node, given: float) -> list[float]:
    found: list[float] = [0.0, 1.0, 2.0, -1.0, -given]
    if node.function in (np.subtract, np.add):
        n = speaker.words.batch
        found += [1 / n, given / n] if n else []
    if node.function is np.power:
        found = [given - 1, given + 1, 1.0, 2.0, 3.0, -1.0, -2.0, 0.5]
    return [c for c in dict.fromkeys(found) if c != given]


def _say_constant(speaker: Speaker, node: Node, i: int, c: float) -> Saying:
    words = speaker.words
    batch = words.batch
    name = f"1/{words.count(batch)} = 1/{batch}" if batch and c == 1 / batch != 1 else number(c)
    short = f"1 / {words.count(batch)}" if batch and c == 1 / batch != 1 else number(c)
    texts = operands(node)
    old = texts[i] if i < len(texts) else number(float(node.arguments[i]))
    code = words.code(node)
    if node.function is setitem:
        target = assigned(node)[0]
        return Saying(
            f"`{target}` is set to {old} where {name} belongs", f"{target} = {short}", node
        )
    what = "the exponent " if node.function is np.power and i == 1 else ""
    text = f"`{code}`: {what}{old} stands where {name} belongs"
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
        text = f"`{code}` divides by {other}{size} once too often" + _left_out(code)
    elif f is np.multiply and other:
        text = f"`{code}` multiplies by {other}, which does not belong there" + _left_out(code)
    elif f in (np.add, np.subtract) and other:
        what = "adds" if f is np.add else "subtracts"
        text = f"`{code}` {what} {other}, which is no part of the derivative: it is too much"
        text += _left_out(code)
        return Saying(text, correction, node, also=f"`{code}` {what} {other} once too often")
    elif f is np.negative:
        text = f"`{code}` has the wrong sign: the minus does not belong there"
    elif f is setitem:
        text = f"the assignment to `{code}` overwrites what is used afterwards: it is too much"
    else:
        text = f"`{code}` does not belong there: {kept} is right as it is"
    return Saying(text, correction, node)


def _left_out(code: str) -> str:
    """The way out, where a statement is too much as a whole."""
    whole = re.search(r"[-+*/]= ", code) is not None
    return ": without this line it is right" if whole else ""


# --- a wrong factor -------------------------------------------------------------------------------


def fitted(trial: Trial, site: Site, term: Apply, base: Apply | None = None) -> float | None:
    """The number c for which ``base + c * term`` as the value makes the gradients right.

    The gradients depend on c in a straight line (but for an operation executed again on its own
    results, for which the trial of the change decides).
    """

    def value(c: float) -> Apply:
        def apply(n: Node, j: int, env: Env) -> Any:
            x = term(n, j, env)
            return c * x if base is None else base(n, j, env) + c * x

        return apply

    first, second = (1.0, 0.0) if base is None else (0.0, 1.0)
    reached = [name for name, _ in trial.stages(site) if name in trial.wrong]
    if len(reached) < len(trial.wrong):
        return None
    foretold = trial.foresight.factor(site, value(first), value(second), first, second)
    if foretold is not None:
        return nice(foretold[0]) if foretold else None
    name = reached[0]  # the cheapest; whether the others agree is for the trial of the change
    g0, g1 = (trial.gradient(site, value(c), 0, name) for c in (first, second))
    truth = trial.truth(name, 0)
    if g0 is None or g1 is None or not np.shape(g0) == np.shape(g1) == np.shape(truth):
        return None
    step = (np.asarray(g1) - g0) / (second - first)
    top = float(np.sum(step * (truth - (g0 - first * step))))
    bottom = float(np.sum(step * step))
    c = top / bottom if bottom > 0 else float("nan")
    return nice(c) if np.isfinite(c) else None


#: The entries of the table, each with the least that one of its changes costs.
TABLE: tuple[tuple[float, Callable[[Speaker, Site], Iterator[Edit]]], ...] = (
    (1.0, other_function),
    (1.0, other_order),
    (1.0, other_axis),
    (1.1, superfluous),
    (1.05, other_constant),
    (1.45, count_operand),
)
