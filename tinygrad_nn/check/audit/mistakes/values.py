"""Mistakes in values that look alike: a value for its indicator, one slope for another, an axis."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ....node import Node
from ....rules.indexing import getitem, setitem
from ..mending import assigned, corrected, with_operand, wrapped
from .edits import Site
from .forward import Local, fits, locals_of, pairings
from .operands import PRODUCTS
from .sentences import Saying, Speaker
from .trial import Edit, Env, perform


def indicator(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """A value where its indicator belongs: ``margins`` for ``margins > 0``."""
    node = site[0]
    if node.function in (getitem, setitem):
        return
    for i, parent in enumerate(node.inputs):
        if not isinstance(parent, Node) or not _is_rectified(speaker.trial.value(parent)):
            continue

        def apply(n: Node, j: int, env: Env, i: int = i) -> Any:
            args = env.arguments(n)
            args[i] = np.asarray(args[i] > 0, dtype=float)
            return perform(n, args)

        def say(i: int = i) -> Saying:
            return _say_indicator(speaker, node, i, apply)

        yield Edit(site, apply, 1.25, say)


def _is_rectified(x: Any) -> bool:
    """Whether a value is positive in some entries, and 0 in the others, as a margin is."""
    if not np.ndim(x) or getattr(x, "dtype", np.dtype(int)).kind != "f" or not np.size(x):
        return False
    return bool(np.min(x) == 0 < np.max(x)) and not np.isin(x, (0, 1)).all()


def _say_indicator(speaker: Speaker, node: Node, i: int, apply: Any) -> Saying:
    was = speaker.words.used(node, i)
    mask = f"{wrapped(was)} > 0"
    text = (
        f"`{was}` stands where its indicator belongs, 1 where it is positive and 0 elsewhere: "
        f"`{mask}`"
    )
    meaning = speaker.meaning((node,), apply)
    text += f" ({meaning})" if meaning else ""
    if node.function is np.positive:
        return Saying(text, corrected(node, f"({mask}).astype(float)"), node)
    return Saying(text, corrected(node, with_operand(node, i, f"({mask})")), node)


def other_slope(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """``dz[z <= 0] = 0`` where another elementwise derivative belongs, such as a sigmoid's."""
    node, trial = site[0], speaker.trial
    if node.function is not setitem or len(node.arguments) != 3 or np.any(node.arguments[1]):
        return
    mask = node.arguments[2]
    if getattr(mask, "dtype", None) != np.bool_ or np.shape(mask) != np.shape(node.value):
        return
    for local in locals_of(trial):
        if local.is_mask(trial):
            continue
        for pairing in pairings(trial, site, local.outputs):
            if not fits(site, local.inputs, pairing):
                continue

            def apply(n: Node, j: int, env: Env, x: Any = (local, pairing)) -> Any:
                return env.arguments(n)[0] * x[0].value(env.trial, x[1][j], env.number)

            def say(local: Local = local, k: int = pairing[0]) -> Saying:
                return _say_slope(speaker, node, local, k)

            yield Edit(site, apply, 1.35 + 0.02 * len(local.regions[0]), say)


def _say_slope(speaker: Speaker, node: Node, local: Local, k: int) -> Saying:
    target, value = assigned(node)
    d = local.text(speaker.trial, speaker.words, node, k)
    what = speaker.derivative(local)
    text = f"`{target} = {value}` applies a mask where {what}, belongs" + (f": {d}" if d else "")
    name = target.partition("[")[0]
    return Saying(text, f"{name} *= {d}" if d and name.isidentifier() else "", node)


def mean_axis(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """A mean over another axis: it is recorded as a sum and a quotient."""
    node = site[0]
    code = speaker.words.code(node)
    if node.function is not np.divide or not re.search(r"\bmean\(", code):
        return
    sums = tuple(n.inputs[0] for n in site)
    if not all(isinstance(s, Node) and s.function is np.sum for s in sums):
        return
    given = tuple(s.inputs[0] for s in sums)
    first: Any = given[0]
    old = sums[0].keywords or {}
    if not isinstance(first, Node) or np.ndim(first.value) < 2 or "axis" not in old:
        return
    for axis in range(np.ndim(first.value)):
        if axis in (old["axis"], old["axis"] + np.ndim(first.value)):
            continue

        def apply(n: Node, j: int, env: Env, axis: int = axis) -> Any:
            return np.mean(env[given[j]], axis=axis, keepdims=bool(old.get("keepdims")))

        def say(axis: int = axis) -> Saying:
            fixed = re.sub(r"axis\s*=\s*-?\d+", f"axis={axis}", code, count=1)
            text = f"`{code}` is a mean over axis {old['axis']}, and should be one over axis {axis}"
            return Saying(text, corrected(node, fixed) if fixed != code else "", node)

        yield Edit(site, apply, 1.0, say)


def swapped_axes(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """A stack of matrices, as a factor of a product, transposed one by one."""
    node = site[0]
    if node.function not in PRODUCTS[:2]:
        return
    for i, parent in enumerate(node.inputs):
        if not isinstance(parent, Node) or np.ndim(parent.value) < 3:
            continue

        def apply(n: Node, j: int, env: Env, i: int = i) -> Any:
            args = env.arguments(n)
            args[i] = np.swapaxes(args[i], -1, -2)
            return perform(n, args)

        def say(i: int = i, ndim: int = np.ndim(parent.value)) -> Saying:
            was = speaker.words.used(node, i)
            order = ", ".join(map(str, (*range(ndim - 2), ndim - 1, ndim - 2)))
            to = f"{wrapped(was)}.transpose({order})"
            bare = re.fullmatch(r"(.+)\.transpose\([^()]*\)|(.+)\.swapaxes\([^()]*\)", was)
            to = (bare[1] or bare[2]) if bare is not None else to
            text = f"`{was}` is to be transposed: `{to}`"
            meaning = speaker.meaning((node,), apply)
            text += f" ({meaning})" if meaning else ""
            return Saying(text, corrected(node, with_operand(node, i, to)), node)

        yield Edit(site, apply, 1.1, say)


#: The entries of the table, each with the least that one of its changes costs.
TABLE: tuple[tuple[float, Callable[[Speaker, Site], Iterator[Edit]]], ...] = (
    (1.25, indicator),
    (1.35, other_slope),
    (1.0, mean_axis),
    (1.1, swapped_axes),
)
