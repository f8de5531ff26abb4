"""Mistakes by leaving out what was computed already: a sum, a derivative that nobody uses.

And the softmax, whose derivative mixes the entries of a row.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import textwrap
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

import numpy as np

from ....graph.graph import compute
from ....node import Node
from ..mending import corrected, product, wrapped
from ..observing.observe import ancestors, where
from .edits import Site
from .forward import pairings
from .sentences import Saying, Speaker
from .trial import Edit, Env, Trial, key, perform, sites
from .words import line

_WAYS = ((np.add, "+"), (np.subtract, "-"), (np.multiply, "*"))


# --- values that nobody uses ----------------------------------------------------------------------


def unused(trial: Trial) -> list[Site]:
    """The values of the backward pass that no gradient was computed from, by expression.

    Only those that nothing else was computed from either: the end of what was computed in vain.
    """
    found = trial.__dict__.get("_unused")
    if found is None:
        live = set(trial.observation.backward) | ancestors(
            g for g in trial.observation.grads.values() if isinstance(g, Node)
        )
        idle = [
            n
            for n in trial.program
            if n not in live and np.ndim(n.value) and not trial.users(n) and n.code is not None
            and getattr(n.value, "dtype", np.dtype(int)).kind == "f"
        ]  # fmt: skip
        found = trial.__dict__["_unused"] = sites(idle)
    return list(found)


def unused_value(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """The value plus, minus or times one that was computed and is not used."""
    trial, node = speaker.trial, site[0]
    shape = np.shape(node.value)
    if not shape or getattr(node.value, "dtype", np.dtype(int)).kind != "f":
        return
    below = set(trial.below(site))
    inner = any(line(n) == line(node) and n.code is node.code for n in trial.users(node))
    fitting = [idle for idle in unused(trial) if _fits(np.shape(idle[0].value), shape)]
    pool = tuple(n for idle in fitting for n in idle)
    for idle in (*fitting, pool):
        every = (
            _pairings(trial, site, idle, below) if idle is not pool else _latest(trial, site, pool)
        )
        for pairing in every:
            for f, symbol in _WAYS:

                def apply(n: Node, j: int, env: Env, f: Any = f, x: Any = (idle, pairing)) -> Any:
                    own = perform(n, env.arguments(n))
                    k = x[1][j]
                    return own if k is None else f(own, _fresh(env, x[0][k], below))

                def say(
                    symbol: str = symbol,
                    idle: Site = idle,
                    shifted: bool = pairing[0] is None or idle is pool,
                ) -> Saying:
                    return _say_unused(speaker, node, idle[0], symbol, shifted)

                yield Edit(site, apply, 1.3 + 0.03 * inner, say)


def _fits(small: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(small, shape) == shape
    except ValueError:
        return False


def _pairings(trial: Trial, site: Site, idle: Site, below: set[Node]) -> Iterator[Any]:
    """Which unused value belongs to each execution; in a loop that of the execution before."""
    at = [trial.index[n] for n in site]
    for pairing in pairings(trial, site, idle):
        earlier = all(trial.index[idle[k]] < at[j] for j, k in enumerate(pairing))
        if earlier and not any(idle[k] in below for k in pairing):
            yield pairing
    if len(site) > 1 and len(idle) in (len(site), len(site) - 1):
        yield (None, *range(len(site) - 1))


def _latest(trial: Trial, site: Site, pool: Site) -> Iterator[Any]:
    """For every execution in a loop the last value before it that nobody used."""
    if len(site) < 2:
        return
    found = []
    for n in site:
        before = [k for k, x in enumerate(pool) if trial.index[x] < trial.index[n]]
        if not before:
            return
        found.append(max(before, key=lambda k: trial.index[pool[k]]))
    if len(set(found)) == len(site):
        yield tuple(found)


def _fresh(env: Env, node: Node, below: set[Node]) -> Any:
    """A value that no gradient is computed from, in the changed program."""
    if node in below and node not in env.changed:
        part = [n for n in ancestors([node]) if n in below and n not in env.changed]
        for n in sorted(part, key=env.trial.index.__getitem__):
            env.changed[n] = compute(n, env)  # type: ignore[arg-type]
    return env[node]


def _say_unused(speaker: Speaker, node: Node, idle: Node, symbol: str, shifted: bool) -> Saying:
    words = speaker.words
    name, code = words.name(idle, node), words.code(node)
    verb = {"+": "added to", "-": "subtracted from", "*": "multiplied with"}[symbol]
    if shifted or idle.code is not node.code or not name.isidentifier():
        given = idle_arguments(node.code)
        name = given[0] if given else ""
        told = f"the argument {name} is not used: it is to be {verb} `{code}`"
        if not name:
            made = words.name(idle)
            told = f"`{made}`, line {line(idle)}, is computed and used nowhere: it is to be {verb} "
            told += f"`{code}`" + (" of the next execution" if shifted else "")
    else:
        told = f"`{name}`, line {line(idle)}, is computed and used nowhere: it is to be {verb} "
        told += f"`{code}`"
    fixed = product(code, "*", name) if symbol == "*" else f"{code} {symbol} {name}"
    if symbol == "+":
        fixed = f"{name} + {code}"
    return Saying(told, corrected(node, fixed) if name else "", node)


def idle_arguments(code: CodeType | None) -> list[str]:
    """The arguments of a function whose values it never uses."""
    return list(_idle_arguments(code)) if code is not None else []


@functools.lru_cache(maxsize=256)
def _idle_arguments(code: CodeType) -> tuple[str, ...]:
    lines = linecache.getlines(code.co_filename)[code.co_firstlineno - 1 :]
    try:
        tree = ast.parse(textwrap.dedent("".join(inspect.getblock(lines)))).body[0]
    except (SyntaxError, IndexError, ValueError):
        return ()
    if not isinstance(tree, ast.FunctionDef):
        return ()
    names = list(code.co_varnames[: code.co_argcount])
    used: dict[str, bool] = {}
    for statement in tree.body:
        found = [n for n in ast.walk(statement) if isinstance(n, ast.Name)]
        for n in sorted(found, key=lambda n: isinstance(n.ctx, ast.Store)):
            used.setdefault(n.id, not isinstance(n.ctx, ast.Store))
    return tuple(n for n in names if not used.get(n, False) and n != "self")


def hint(trial: Trial) -> str:
    """A remark on values that are computed and not used, where no reason is found; or empty."""
    found = []
    for site in unused(trial):
        place = where(site[0])
        if any(key(n) == key(site[0]) for n in trial.backward):
            continue  # of some executions it is used
        if place is not None and place.name and place.name.isidentifier():
            found.append(f"`{place.name}`, line {place.line},")
    if not found or len(found) > 3:
        return ""
    verb = "is" if len(found) == 1 else "are"
    return f"{' and '.join(found)} {verb} computed and not used"


# --- the softmax ----------------------------------------------------------------------------------


def softmax_rows(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """A product of a softmax and a derivative: what the softmax's derivative makes of these."""
    trial, node = speaker.trial, site[0]
    if node.function is not np.multiply or np.ndim(node.value) < 2:
        return
    shape = np.shape(node.value)
    upstream = [n for n in _near(node) if n in trial.backward and np.shape(n.value) == shape]
    for a, axis in _softmaxes(trial):
        if np.shape(a.value) != shape:
            continue
        for g in upstream:
            if speaker.identify(np.asarray(trial.value(g)), exact=True) is None:
                continue

            def apply(n: Node, j: int, env: Env, a: Any = a, g: Any = g, axis: int = axis) -> Any:
                x, d = env[a], env[g]
                return x * (d - np.sum(d * x, axis=axis, keepdims=True))

            def say(a: Node = a, g: Node = g, axis: int = axis) -> Saying:
                A, G = (wrapped(speaker.words.name(n, node)) for n in (a, g))
                right = f"{A} * ({G} - np.sum({G} * {A}, axis={axis}, keepdims=True))"
                text = (
                    f"`{speaker.words.code(node)}` is not the derivative of the softmax "
                    f"{speaker.words.at(a)}: every entry of a row depends on the whole row, "
                    f"so that it is {right}"
                )
                return Saying(text, corrected(node, right), node)

            if len(site) == 1:
                yield Edit(site, apply, 1.25, say)


def _near(node: Node) -> list[Node]:
    """What a statement is computed from."""
    found: list[Node] = []
    stack = [node]
    while stack:
        for parent in stack.pop().inputs:
            if isinstance(parent, Node) and parent not in found:
                found.append(parent)
                if line(parent) == line(node) and parent.code is node.code:
                    stack.append(parent)
    return found


def _softmaxes(trial: Trial) -> list[tuple[Node, int]]:
    """The forward values that are a softmax, each with the axis of its rows."""
    found = trial.__dict__.get("_softmaxes")
    if found is None:
        found = []
        for n in trial.observation.nodes:
            if n not in trial.observation.forward or np.ndim(n.value) < 2 or not n.requires_grad:
                continue
            for axis in (-1, 0):
                x = np.asarray(trial.value(n))
                rows = np.sum(x, axis=axis)
                if x.shape[axis] > 1 and np.all(x >= 0) and np.allclose(rows, 1, atol=1e-9):
                    found.append((n, axis))
        trial.__dict__["_softmaxes"] = found
    return list(found)


#: The entries of the table, each with the least that one of its changes costs.
TABLE: tuple[tuple[float, Callable[[Speaker, Site], Iterator[Edit]]], ...] = (
    (1.3, unused_value),
    (1.25, softmax_rows),
)
