"""Changes of what an operation is applied to: a value, a transpose, an index, a derivative."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....node import Node
from ....rules.indexing import getitem, setitem
from ..mending import corrected, is_known, operands, renamed, squeeze, with_operand, wrapped
from ..observing.observe import ancestors, where
from .edits import Site
from .forward import pairings, picks
from .sentences import Saying, Speaker
from .trial import Apply, Edit, Env, Trial, one_line, perform, sites
from .words import Words, line

PRODUCTS = (np.matmul, np.dot, np.outer)


@dataclass(frozen=True, eq=False)
class Source:
    """A value that may belong in another's place.

    Attributes:
        nodes: it, execution by execution.
        used: where the forward pass uses it so, if that is what it is: (consumer, argument).
    """

    nodes: Site
    used: tuple[Node, int] | None = None

    def text(self, speaker: Speaker, near: Node) -> str:
        """What it is called."""
        words = speaker.words
        name = words.name(self.nodes[0], near)
        if self.used is not None:
            told = words.used(*self.used)
            return told if len(self.nodes) > 1 or not name.isidentifier() else name
        return name


# --- another value --------------------------------------------------------------------------------


def sources(trial: Trial, words: Words) -> list[Source]:
    """All values of the program by expression, and all arguments of forward operations."""
    found = trial.__dict__.get("_sources")
    if found is None:
        seen = trial.observation
        leaves = [*seen.params.values(), *seen.inputs.values()]
        found = [Source((leaf,)) for leaf in leaves]
        found += [Source(site) for site in sites(seen.nodes) if words.is_whole(site[0])]
        known = {source.nodes for source in found}
        for site in sites(n for n in seen.nodes if n in seen.forward):
            for i in range(len(site[0].inputs)):
                used = tuple(n.inputs[i] for n in site if i < len(n.inputs))
                if all(isinstance(n, Node) for n in used) and used not in known:
                    known.add(used)
                    found.append(Source(used, (site[0], i)))
        trial.__dict__["_sources"] = found
    return list(found)


@dataclass(frozen=True, eq=False)
class Group:
    """Operations that use one value, to be given another one instead.

    Attributes:
        site: the executions of the operation that uses it first.
        nodes: all of them.
        rows: of which execution of the first operation each one is a part.
        places: as which argument each uses it.
        alias: the name that they use it under, if that is another than its own.
    """

    site: Site
    nodes: Site
    rows: dict[Node, int]
    places: dict[Node, tuple[int, ...]]
    alias: str = ""

    @property
    def old(self) -> Node | None:
        """The value that is used (in the first execution); None for a constant."""
        return self.site[0].inputs[self.places[self.site[0]][0]]  # type: ignore[no-any-return]


def groups(speaker: Speaker, site: Site, i: int) -> Iterator[Group]:
    """One argument; the same value in all of a statement; in all that uses it by another name."""
    yield Group(site, site, {n: j for j, n in enumerate(site)}, dict.fromkeys(site, (i,)))
    old = site[0].inputs[i]
    if not isinstance(old, Node):
        return
    row = {n.inputs[i]: j for j, n in enumerate(site)}
    users = [n for n in speaker.trial.program if any(p in row for p in n.inputs)]
    near = [n for n in users if line(n) == line(site[0]) and n.code is site[0].code]
    known = {site}
    texts = operands(site[0])
    name, own = (texts[i] if i < len(texts) else ""), speaker.words.name(old)
    aliased = [n for n in users if n.code is site[0].code and _named(n, row, name)]
    for nodes, alias in ((near, ""), (aliased, name if name != own else "")):
        if tuple(nodes) in known or not nodes or nodes[0] is not site[0] or len(row) < len(site):
            continue
        known.add(tuple(nodes))
        places = {n: tuple(k for k, p in enumerate(n.inputs) if p in row) for n in nodes}
        rows = {n: row[n.inputs[places[n][0]]] for n in nodes}
        yield Group(site, tuple(nodes), rows, places, alias)


def _named(node: Node, row: dict[Node, int], name: str) -> bool:
    texts = operands(node)
    return any(p in row and k < len(texts) and texts[k] == name for k, p in enumerate(node.inputs))


def replacing(group: Group, value: Callable[[int, Env, Any], Any]) -> Apply:
    """The operations of a group, given another value: from the execution and the old one."""

    def apply(n: Node, j: int, env: Env) -> Any:
        args = env.arguments(n)
        for i in group.places[n]:
            args[i] = value(group.rows[n], env, args[i])
        return perform(n, args)

    return apply


def other_operand(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """One argument replaced by another value of its shape, or by the transpose of one."""
    trial, node = speaker.trial, site[0]
    for i, old in enumerate(node.inputs):
        given = node.arguments[i]
        if not isinstance(old, Node) and not is_value(given, node, i):
            continue
        shape = np.shape(old.value if isinstance(old, Node) else given)
        if node.function in (getitem, setitem) and i > 1:
            continue
        every = list(groups(speaker, site, i))
        for source in sources(trial, speaker.words):
            if node.function is getitem and source.nodes[0].function is getitem:
                continue  # a part of a part: it is the index that may be another one
            first = np.shape(source.nodes[0].value)
            for turned in (False, True) if len(first) == 2 else (False,):
                fit = may_stand(node, i, shape, first[::-1] if turned else first)
                if fit or len(source.nodes) > 1:
                    for number, group in enumerate(every):
                        for edit in _swaps(speaker, group, i, source, turned):
                            yield replace(edit, cost=edit.cost + 0.1 * number)


def is_value(given: Any, node: Node, i: int) -> bool:
    """Whether a constant argument is a value, and no index, axis or shape."""
    if node.function in (getitem, setitem):
        return i == 1 and node.function is setitem
    return isinstance(given, (int, float, np.ndarray, np.generic)) and (
        isinstance(node.function, np.ufunc) or node.function in PRODUCTS
    )


def may_stand(node: Node, i: int, old: tuple[int, ...], new: tuple[int, ...]) -> bool:
    """Whether a value of another shape may be meant in an argument's place."""
    if old == new:
        return True
    if node.function in PRODUCTS:
        return len(new) == len(old)
    if node.function is np.sum:
        return len(new) > 0
    if node.function is setitem and i == 1:
        return len(new) <= np.ndim(node.value)
    if isinstance(node.function, np.ufunc) and len(node.inputs) == 2:
        try:
            other = np.shape(node.arguments[1 - i])
            return bool(np.broadcast_shapes(new, other) == np.shape(node.value))
        except ValueError:
            return False
    return False


def _swaps(speaker: Speaker, group: Group, i: int, source: Source, turned: bool) -> Iterator[Edit]:
    trial, site = speaker.trial, group.site
    below = set(trial.below(group.nodes))
    is_constant = group.old is None
    for pairing in pairings(trial, site, source.nodes):
        new = tuple(source.nodes[k] for k in pairing)
        itself = not turned and all(a is n.inputs[i] for a, n in zip(new, site, strict=True))
        if any(n in below for n in new) or (itself and site[0].function is not setitem):
            continue
        named = source.text(speaker, site[0])
        for negated in (False, True) if site[0].function is setitem else (False,):
            if itself and not negated:
                continue

            def value(j: int, env: Env, old: Any, new: Any = new, negated: bool = negated) -> Any:
                x = np.transpose(env[new[j]]) if turned else env[new[j]]
                return -x if negated else x

            apply = replacing(group, value)

            def say(new: Any = new, apply: Any = apply, negated: bool = negated) -> Saying:
                change = Swap(group, i, new[0], source, turned, negated, apply)
                return _say_swap(speaker, change)

            def doubt(apply: Any = apply) -> float:
                return 0.0 if speaker.meaning(group.nodes, apply) else 0.4

            cost = 1.4 + 0.1 * turned + 0.05 * (source.used is not None) + 0.4 * is_constant
            cost += 0.1 * (not named.replace(".", "").replace("_", "").isalnum()) - 0.1 * negated
            cost += 0.5 * _too_late(speaker, site[0], i, new[0])
            cost += 0.05 * (not is_known(named, site[0]))
            called = call_of(speaker, site[0], i) is not None
            yield Edit(group.nodes, apply, cost, say, doubt=doubt, called=called)


@dataclass(frozen=True)
class Call:
    """A call of a helper, as an operand of an operation.

    Attributes:
        node: the operation.
        argument: which operand the call is.
        text: the call.
        given: the text of the argument in question.
    """

    node: Node
    argument: int
    text: str
    given: str

    def with_argument(self, new: str) -> str:
        """The line with another argument of the call; empty if it cannot be written."""
        fresh = self.text.replace(f"({self.given}", f"({new}", 1)
        fresh = fresh if fresh != self.text else self.text.replace(f" {self.given}", f" {new}", 1)
        if fresh == self.text:
            return ""
        return corrected(self.node, with_operand(self.node, self.argument, fresh))


def call_of(speaker: Speaker, node: Node, i: int) -> Call | None:
    """The call whose argument an operation in a helper uses; None if it is in no helper."""
    code, texts = node.code, operands(node)
    if code is None or i >= len(texts) or texts[i] not in code.co_varnames[: code.co_argcount]:
        return None
    user = speaker.trial.caller(node)
    if user is None:
        return None
    position = code.co_varnames.index(texts[i])
    for k, text in enumerate(operands(user)):
        try:
            tree = ast.parse(text, mode="eval").body
        except SyntaxError:
            continue
        if not isinstance(tree, ast.Call):
            continue
        called = getattr(tree.func, "id", None) or getattr(tree.func, "attr", None)
        if called == code.co_name and isinstance(tree.func, ast.Attribute):
            first = "self" in code.co_varnames[:1]
            position -= first
        if called == code.co_name and 0 <= position < len(tree.args):
            given = ast.get_source_segment(text, tree.args[position]) or ""
            return Call(user, k, text, given)
    return None


@dataclass(frozen=True, eq=False)
class Swap:
    """A value put in the place of another: what is needed to say it."""

    group: Group
    argument: int
    new: Node
    source: Source
    turned: bool
    negated: bool
    apply: Apply


def _say_swap(speaker: Speaker, swap: Swap) -> Saying:
    words, trial = speaker.words, speaker.trial
    node, i, new, old = swap.group.site[0], swap.argument, swap.new, swap.group.old
    was = words.used(node, i) or (speaker.words.name(old, node) if old is not None else "it")
    to = swap.source.text(speaker, node) if swap.source.used else words.name(new, node)
    if swap.turned:
        to = to[:-2] if to.endswith(".T") else f"{wrapped(to)}.T"
    to = f"-{wrapped(to)}" if swap.negated else to
    call = call_of(speaker, node, i)
    if call is not None and len({line(u) for u in _callers(trial, swap.group)}) == 1:
        return _say_call(speaker, swap, call)
    applied = _function_of(old, new) if call is not None and not swap.turned else ""
    to = f"{applied}({was})" if applied else to
    values = trial.values[0]
    before = values.get(old, old.value) if old is not None else node.arguments[i]
    after = values.get(new, new.value)
    after = np.transpose(after) if swap.turned else after
    after = -after if swap.negated else after
    correction = corrected(node, with_operand(node, i, to))
    if len(swap.group.nodes) > len(swap.group.site):
        alias = swap.group.alias
        correction = f"{alias} = {to}" if alias else renamed(node, was, to)
    if swap.negated and old is new:
        text = f"`{was}` has the wrong sign: `{to}` belongs there"
    elif old is not None and swap.turned and (old is new or _base(old) is new):
        text = f"`{was}` is to be transposed: `{to}`"
    elif was == to or (old is not None and _later(trial, old, new)):
        change = words.at(new)
        when = "before" if trial.index.get(new, -1) > trial.index.get(node, -1) else "without"
        text = f"`{was}` is used {when} the change by {change}, is made"
        correction = ""
    else:
        text = f"`{was}` stands where `{to}` belongs"
    derived = old is not None and old in trial.backward
    between = speaker.relation(before, after) if derived and not swap.negated else ""
    if between:
        text += f": {between}"
    meaning = speaker.meaning(swap.group.nodes, swap.apply)
    return Saying(text + (f" ({meaning})" if meaning else ""), correction, node)


def _callers(trial: Trial, group: Group) -> list[Node]:
    found = (trial.caller(n) for n in group.site)
    return [n for n in found if n is not None]


def _function_of(old: Node | None, new: Node) -> str:
    """The function of one argument that makes one value of another; empty if none does."""
    code = new.code
    if old is None or code is None or code is old.code or code.co_argcount != 1:
        return ""
    known = code.co_name.isidentifier() and old in ancestors([new])
    return code.co_name if known else ""


def _say_call(speaker: Speaker, swap: Swap, call: Call) -> Saying:
    """The words for a helper that is given the wrong value."""
    to = speaker.words.name(swap.new, call.node)
    to = f"{wrapped(to)}.T" if swap.turned else to
    text = f"`{call.text}`: `{call.given}` stands where `{to}` belongs"
    meaning = speaker.meaning(swap.group.nodes, swap.apply)
    return Saying(text + (f" ({meaning})" if meaning else ""), call.with_argument(to), call.node)


def _too_late(speaker: Speaker, node: Node, i: int, new: Node) -> bool:
    """Whether a value is computed later, and is not what the same variable becomes."""
    trial, old = speaker.trial, node.inputs[i]
    later = trial.index.get(new, -1) > trial.index[node]
    return later and not (isinstance(old, Node) and _later(trial, old, new))


def _base(node: Node) -> Node:
    """What a transpose is the transpose of."""
    parent = node.inputs[0] if node.function is np.transpose else None
    return parent if isinstance(parent, Node) else node


def _later(trial: Trial, old: Node, new: Node) -> bool:
    """Whether two values are the same variable before and after it was changed in place."""
    a, b = (where(n) for n in (old, new))
    name = b.name if b is not None else None
    return name is not None and a is not None and a.name == name and new in trial.below((old,))


# --- another index --------------------------------------------------------------------------------


def other_index(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """Another index of a reading or writing: that of a pick of the forward pass, or a value's."""
    node, trial = site[0], speaker.trial
    if node.function not in (getitem, setitem):
        return
    start = 1 if node.function is getitem else 2
    if not any(_is_index(a) for a in node.arguments[start:]):
        return
    row = _partners(trial, site, start)
    everyone = tuple(row)
    told = next((n for n in everyone if n.code is not None), node)
    for picked in picks(trial):
        for pairing in pairings(trial, site, picked):
            whole = picked[pairing[0]].arguments[1:]
            if len(whole) == len(node.arguments) - start or len(whole) == np.ndim(
                node.arguments[0]
            ):

                def apply(n: Node, j: int, env: Env, x: Any = (picked, pairing)) -> Any:
                    at = 1 if n.function is getitem else 2
                    index = env.arguments(x[0][x[1][row[n]]])[1:]
                    return perform(n, [*env.arguments(n)[:at], *index])

                def say(pick: Node = picked[0]) -> Saying:
                    return _say_index(speaker, told, pick)

                yield Edit(everyone, apply, 1.1, say)


def other_number(speaker: Speaker, site: Site) -> Iterator[Edit]:
    """Another number in an index, ``dW[:, j - 1]``: that of a pick of the forward pass."""
    node, trial = site[0], speaker.trial
    if node.function not in (getitem, setitem):
        return
    start = 1 if node.function is getitem else 2
    numbers = [k for k, a in enumerate(node.arguments) if k >= start and _is_number(a)]
    if len(numbers) != 1 or len(node.arguments) - start < 2:
        return
    row = _partners(trial, site, start)
    everyone = tuple(row)
    told = next((n for n in everyone if n.code is not None), node)
    for picked in picks(trial):
        if len(picked[0].arguments) != 2 or not _is_number(picked[0].arguments[1]):
            continue
        for pairing in pairings(trial, site, picked):

            def apply(n: Node, j: int, env: Env, x: Any = (picked, pairing)) -> Any:
                at = numbers[0] - start + (1 if n.function is getitem else 2)
                args = env.arguments(n)
                args[at] = env.arguments(x[0][x[1][row[n]]])[1]
                return perform(n, args)

            def say(pick: Node = picked[0]) -> Saying:
                return _say_index(speaker, told, pick, numbers[0] - start)

            yield Edit(everyone, apply, 1.2, say)


def _is_number(a: Any) -> bool:
    return isinstance(a, (int, np.integer)) and not isinstance(a, (bool, np.bool_))


def _is_index(a: Any) -> bool:
    return isinstance(a, (int, np.integer)) or getattr(a, "ndim", 0) > 0


def _partners(trial: Trial, site: Site, start: int) -> dict[Node, int]:
    """The readings and writings of the same statement with the same index: ``x[i] -= 1``.

    Each with the number of its execution. They may be several for each.
    """
    node = site[0]
    found = {n: j for j, n in enumerate(site)}
    for other in sites(trial.program):
        if other[0] is node or other[0].function not in (getitem, setitem):
            continue
        if not one_line(other[0], node):
            continue
        at = 1 if other[0].function is getitem else 2
        mine, its = node.arguments[start:], other[0].arguments[at:]
        pairs = zip(mine, its, strict=False)
        if len(mine) == len(its) and all(
            np.array_equal(np.asarray(a), np.asarray(b)) for a, b in pairs
        ):
            if len(other) % len(site):
                return {}  # the statement is executed less often than this part of it
            found.update({n: k * len(site) // len(other) for k, n in enumerate(other)})
    return found


def _bracket(code: str) -> str:
    """The brackets after a name, without what is assigned there."""
    first, depth = code.find("["), 0
    for at in range(first, len(code)) if first >= 0 else ():
        depth += (code[at] == "[") - (code[at] == "]")
        if depth == 0 and code[at + 1 : at + 2] != "[":
            return code[first : at + 1]
    return ""


def _say_index(speaker: Speaker, node: Node, pick: Node, part: int | None = None) -> Saying:
    words = speaker.words
    place = where(node)
    mine = squeeze(place.expression) if place is not None else ""
    old, new = _bracket(mine), _bracket(words.code(pick))
    if part is not None and old:
        parts = old[1:-1].split(",")
        if part < len(parts):
            parts[part] = f" {new[1:-1]}" if part else new[1:-1]
            new = f"[{','.join(parts)}]"
    text = f"the index {old or mine} is not that of the loss, which picks {words.at(pick)}"
    source = place.source_line.strip() if place is not None else ""
    correction = source.replace(old, new, 1) if old and new and old in source else ""
    return Saying(text, correction, node)


#: The entries of the table, each with the least that one of its changes costs.
TABLE: tuple[tuple[float, Callable[[Speaker, Site], Iterator[Edit]]], ...] = (
    (1.1, other_index),
    (1.2, other_number),
    (1.3, other_operand),
)
