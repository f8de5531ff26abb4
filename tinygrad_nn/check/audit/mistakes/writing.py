"""Mistakes in writing to a part of an array, and in the layout of what is computed.

``x[i] += v`` with an index that repeats; ``=`` for ``*=``; the count of a row at its label;
subscripts of an einsum; ``np.tile`` for ``np.repeat``.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ....node import Node
from ....rules.indexing import getitem, setitem
from ..mending import assigned, corrected, is_known, operands
from ..observing.observe import where
from .edits import Site, fitted
from .sentences import Saying, Speaker
from .trial import Edit, Env, perform
from .words import number

#: Operands of an einsum with more letters than that are left as they are.
_LETTERS = 4
_AT = {ast.Add: "add", ast.Sub: "subtract"}
_OTHERS = (("*=", np.multiply), ("/=", np.divide), ("-=", np.subtract))


# --- writing to a part ----------------------------------------------------------------------------


def lost_repeats(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """``x[i] += v`` where an index is repeated: only its last addition counts."""
    node = site[0]
    if node.function is not setitem or not _repeats(node.arguments[2:]):
        return
    augmented = _augmented(node)

    def apply(n: Node, j: int, env: Env) -> Any:
        x, value, *index = env.arguments(n)
        step = value - getitem(x, *index) if augmented is not None else value
        out = np.array(x, dtype=np.result_type(x, step))
        np.add.at(out, tuple(index), step)
        return out

    yield Edit(site, apply, 0.95, lambda: _say_repeats(speaker, node))


def _repeats(index: Any) -> bool:
    """Whether an index has numbers, the same ones more than once."""
    arrays = [np.asarray(i) for i in index if np.ndim(i) and np.asarray(i).dtype.kind in "iu"]
    if not arrays or any(isinstance(i, slice) or i is None for i in index):
        return bool(arrays) and all(len(np.unique(a)) < a.size for a in arrays)
    try:
        rows = np.stack([np.ravel(a) for a in np.broadcast_arrays(*arrays)], axis=1)
    except ValueError:
        return False
    return len(np.unique(rows, axis=0)) < len(rows)


def _statement(node: Node) -> ast.stmt | None:
    place = where(node)
    try:
        body = ast.parse(place.source_line.strip()).body if place is not None else []
    except SyntaxError:
        return None
    return body[0] if body else None


def _augmented(node: Node) -> ast.AugAssign | None:
    """The statement ``x[i] += v`` that a writing is of."""
    statement = _statement(node)
    return statement if isinstance(statement, ast.AugAssign) else None


def _say_repeats(speaker: Speaker, node: Node) -> Saying:
    statement = _statement(node)
    target = getattr(statement, "target", None)
    if isinstance(statement, ast.Assign):
        target = statement.targets[0]
    code = speaker.words.code(node)
    text = (
        f"indices are repeated in `{code}`, and `+=` adds only once for each of them: the other "
        "additions are lost; np.add.at makes them all"
    )
    if not isinstance(target, ast.Subscript):
        return Saying(text, "", node)
    place = where(node)
    source = place.source_line.strip() if place is not None else ""
    parts = (target.value, target.slice, statement.value)  # type: ignore[union-attr]
    base, index, value = (ast.get_source_segment(source, part) or "" for part in parts)
    index = f"({index})" if isinstance(target.slice, ast.Tuple) and index[:1] != "(" else index
    how = "add"
    if isinstance(statement, ast.AugAssign):
        how = _AT.get(type(statement.op), "add")
    else:
        text = text.replace("`+=` adds", "the assignment counts")
    return Saying(text, f"np.{how}.at({base}, {index}, {value})", node)


def other_assignment(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """``x[i] = v`` where ``x[i] *= v`` belongs, or another of these."""
    node = site[0]
    if node.function is not setitem or not isinstance(_statement(node), ast.Assign):
        return
    for symbol, f in _OTHERS[:2]:

        def apply(n: Node, j: int, env: Env, f: Any = f) -> Any:
            x, value, *index = env.arguments(n)
            return perform(n, [x, f(getitem(x, *index), value), *index])

        def say(symbol: str = symbol) -> Saying:
            target, value = assigned(node)
            verb = "multiplied" if symbol == "*=" else "divided"
            text = (
                f"`=` stands where `{symbol}` belongs: `{target}` is overwritten with {value}, and "
                f"should be {verb} by it"
            )
            return Saying(text, f"{target} {symbol} {value}", node)

        yield Edit(site, apply, 1.1, say)


def other_multiple(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """``x[i] = 0`` where a multiple of x[i] belongs, as in a leaky activation."""
    node = site[0]
    if node.function is not setitem or not isinstance(_statement(node), ast.Assign):
        return

    def term(n: Node, j: int, env: Env) -> Any:
        x, _, *index = env.arguments(n)
        return perform(n, [np.zeros_like(x), getitem(x, *index), *index])

    def base(n: Node, j: int, env: Env) -> Any:
        x, _, *index = env.arguments(n)
        return perform(n, [x, 0.0, *index])

    c = fitted(speaker.trial, site, term, base)
    scalar = speaker.scalars.find(c, node) if c else None
    if c is None or scalar is None or c == 1:
        return

    def apply(n: Node, j: int, env: Env) -> Any:
        return base(n, j, env) + c * term(n, j, env)

    def say() -> Saying:
        target, value = assigned(node)
        origin = f", as in {speaker.words.at(scalar.node)}" if scalar.node is not None else ""
        text = (
            f"`{target}` is set to {value}, and should be multiplied by {scalar.text} = "
            f"{number(scalar.value)}{origin}"
        )
        known = is_known(scalar.text, node)
        return Saying(text, f"{target} *= {scalar.text}" if known else "", node)

    yield Edit(site, apply, 1.1, say)


def row_count(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """The entry at a row's label: minus the sum of the row, as the hinge loss has it."""
    node = site[0]
    if node.function is not setitem or np.ndim(node.value) != 2 or len(node.arguments) != 4:
        return
    if not all(np.ndim(i) == 1 for i in node.arguments[2:]):
        return
    x = node.inputs[0]
    if not isinstance(x, Node) or not np.isin(speaker.trial.value(x), (0, 1)).all():
        return  # no margins that are counted

    def apply(n: Node, j: int, env: Env) -> Any:
        x, _, *index = env.arguments(n)
        return perform(n, [x, getitem(x, *index) - np.sum(x, axis=1), *index])

    def say() -> Saying:
        target, value = assigned(node)
        base = operands(node)[0] if operands(node) else target.partition("[")[0]
        text = (
            f"at the label of each row `{target}` should be minus the sum of the row, the number "
            f"of its positive margins: -{base}.sum(axis=1), and not {value}"
        )
        if _augmented(node) is not None:
            text = text.replace(", and not ", "; what is subtracted is ")
        return Saying(text, f"{target} -= {base}.sum(axis=1)", node)

    yield Edit(site, apply, 1.25, say)


# --- layout ---------------------------------------------------------------------------------------


def other_subscripts(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """An einsum with the letters of one operand, or of the result, in another order."""
    node = site[0]
    if node.function is not np.einsum or not isinstance(node.arguments[0], str):
        return
    old = node.arguments[0]
    if "..." in old or "->" not in old:
        return
    before, _, after = old.replace(" ", "").partition("->")
    parts = [*before.split(","), after]
    for k, part in enumerate(parts):
        if len(part) > _LETTERS:
            continue
        for order in itertools.permutations(part):
            letters = "".join(order)
            if letters == part:
                continue
            made = [*parts[:k], letters, *parts[k + 1 :]]
            new = ",".join(made[:-1]) + "->" + made[-1]

            def apply(n: Node, j: int, env: Env, new: str = new) -> Any:
                return perform(n, [new, *env.arguments(n)[1:]])

            def say(new: str = new) -> Saying:
                code = speaker.words.code(node)
                text = f"the subscripts {old!r} of `{code}` should be {new!r}"
                fixed = corrected(node, code.replace(old, new, 1)) if old in code else ""
                return Saying(text, fixed, node)

            yield Edit(site, apply, 1.1, say)


def other_repetition(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """``np.tile`` where ``np.repeat`` belongs, and the other way round."""
    trial = speaker.trial
    site = tuple(n for n in site if speaker.words.is_whole(n))
    code = speaker.words.code(site[0]) if site else ""
    name = code.partition("(")[0].rpartition(".")[2]
    if name not in ("tile", "repeat"):
        return
    node = site[0]
    given = tuple(_given(trial.program, n) for n in site)
    if any(x is None or np.ndim(x.value) != np.ndim(node.value) for x in given):
        return
    old, new = np.shape(given[0].value), np.shape(node.value)  # type: ignore[union-attr]
    grown = [a for a, (n, m) in enumerate(zip(old, new, strict=True)) if n != m]
    if len(grown) != 1 or not old[grown[0]] or new[grown[0]] % old[grown[0]]:
        return
    axis, times = grown[0], new[grown[0]] // old[grown[0]]

    def apply(n: Node, j: int, env: Env) -> Any:
        x = env[given[j]]  # type: ignore[index]
        if name == "tile":
            return np.repeat(x, times, axis=axis)
        return np.tile(x, [times if a == axis else 1 for a in range(np.ndim(x))])

    def say() -> Saying:
        inner = (operands(node) or ("",))[0]
        reps = ", ".join(str(times) if a == axis else "1" for a in range(len(old)))
        fixed = f"np.repeat({inner}, {times}, axis={axis})"
        told = "np.tile puts whole copies side by side, np.repeat repeats each entry"
        if name == "repeat":
            fixed = f"np.tile({inner}, ({reps}))"
        text = f"`{code}` should be `{fixed}`: {told}"
        return Saying(text, corrected(node, fixed) if inner else "", node)

    yield Edit(site, apply, 1.05, say)


def _given(program: tuple[Node, ...], node: Node) -> Node | None:
    """What a call that is made of several operations was applied to."""
    while True:
        parent = node.inputs[0]
        if not isinstance(parent, Node):
            return None
        if (parent.code, parent.offset) != (node.code, node.offset) or parent not in program:
            return parent
        node = parent


#: The entries of the table, each with the least that one of its changes costs.
TABLE: tuple[tuple[float, Callable[[Speaker, Site], Iterator[Edit]]], ...] = (
    (0.95, lost_repeats),
    (1.1, other_assignment),
    (1.1, other_multiple),
    (1.25, row_count),
    (1.1, other_subscripts),
    (1.05, other_repetition),
)
