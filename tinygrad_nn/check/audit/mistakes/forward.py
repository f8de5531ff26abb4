"""What of the forward pass a backward pass is made of: elementwise derivatives, values, indices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....node import Node
from ....rules.indexing import getitem
from ....rules.registry import RULES
from ..mending import is_known, wrapped
from ..observing.replay import Values, adjoint
from .trial import Trial, same, sites
from .words import Words, number

#: How often a helper is called in a step, at most.
_SEVERAL = 4
#: How many steps an elementwise derivative goes over at most.
_FAR = 8


@dataclass(frozen=True, eq=False)
class Local:
    """The elementwise derivative of one forward value with respect to another.

    Attributes:
        outputs, inputs: the values, execution by execution.
        regions: the operations in between, execution by execution.
    """

    outputs: tuple[Node, ...]
    inputs: tuple[Node, ...]
    regions: tuple[tuple[Node, ...], ...]

    def value(self, trial: Trial, k: int, draw: int) -> Any:
        """The derivative of an execution, in a draw."""
        memo = _memo(trial)
        found = memo.get((self, k, draw))
        if found is None:
            values = Values((), trial.values[draw])
            cotangents, _ = adjoint(self.outputs[k], self.regions[k], values)
            found = memo[self, k, draw] = cotangents.get(self.inputs[k])
        return found

    def text(self, trial: Trial, words: Words, near: Node, k: int = 0) -> str:
        """The derivative as an expression of the names that the code near a node knows.

        Empty if it is none of the usual ones, or the names have other values by then.

        Args:
            trial: the program.
            words: its names.
            near: the node.
            k: which execution belongs to it.
        """
        pair = self.outputs[k], self.inputs[k]
        late = len(self.outputs) > 1 and trial.index[near] > trial.index[self.outputs[1]]
        A, Z = (words.late_name(n, near) if late else words.name(n, near) for n in pair)
        if not (A or Z):
            return ""
        unknown = "\0"  # no text with this in it is an expression
        made = self._text(trial, words, near, k, (A or unknown, Z or unknown))
        return made if made and is_known(made, near) else ""

    def _text(self, trial: Trial, words: Words, near: Node, k: int, names: tuple[str, str]) -> str:
        d = self.value(trial, k, 0)
        a, z = (trial.values[0].get(n, n.value) for n in (self.outputs[k], self.inputs[k]))
        A, Z = map(wrapped, names)
        if not Z.isidentifier() and A.isidentifier() and same(np.asarray(a > 0, dtype=float), d):
            return f"({A} > 0)"
        usual: tuple[tuple[Callable[[], Any], str], ...] = (
            (lambda: z > 0, f"({Z} > 0)"),
            (lambda: a * (1 - a), f"{A} * (1 - {A})"),
            (lambda: 1 - a**2, f"(1 - {A}**2)"),
            (lambda: np.sign(z), f"np.sign({Z})"),
            (lambda: a, A),
            (lambda: 2 * z, f"2 * {Z}"),
            (lambda: 1 / z, f"(1 / {Z})"),
            (lambda: 0.5 / a, f"(0.5 / {A})"),
            (lambda: -1 / z**2, f"(-1 / {Z}**2)"),
            (lambda: 3 * z**2, f"3 * {Z}**2"),
            (lambda: 1 / (1 + np.exp(-z)), f"(1 / (1 + np.exp(-{Z})))"),
            (lambda: np.cos(z), f"np.cos({Z})"),
            (lambda: -np.sin(z), f"(-np.sin({Z}))"),
        )
        with np.errstate(all="ignore"):
            for make, text in usual:
                if "\0" not in text and same(np.asarray(make(), dtype=float), d):
                    return text
        sides = _two_sided(d, z)
        if sides is not None:
            texts = [_side(words, x, near) for x in sides]
            if all(texts):
                return f"np.where({Z} > 0, {texts[0]}, {texts[1]})"
        node = self.outputs[k]
        if node.function in (np.max, np.min):
            given = node.keywords or {}
            kept = given.get("keepdims") or "axis" not in given
            return f"({Z} == {A})" if kept else f"({Z} == np.expand_dims({A}, {given['axis']}))"
        if len(self.regions[k]) <= 2:
            for step in self.regions[k]:
                if step.function is np.divide and step.inputs[0] is self.inputs[k]:
                    return f"(1 / {wrapped(words.used(step, 1))})"
                if step.function is np.multiply:
                    i = 1 if step.inputs[0] is self.inputs[k] else 0
                    if same(_argument(trial, step, i), d) or np.ndim(d):
                        return wrapped(words.used(step, i))
        return ""

    def is_mask(self, trial: Trial) -> bool:
        """Whether it is 0 or 1 everywhere."""
        d = np.asarray(self.value(trial, 0, 0))
        return bool(np.isin(d, (0, 1)).all()) and bool((d == 0).any())


def _two_sided(d: Any, z: Any) -> tuple[float, float] | None:
    """The two slopes of what is straight on both sides of 0; None if it is not."""
    above, below = np.asarray(d)[z > 0], np.asarray(d)[z <= 0]
    if not (above.size and below.size):
        return None
    first, second = float(above.flat[0]), float(below.flat[0])
    return (first, second) if np.all(above == first) and np.all(below == second) else None


def _side(words: Words, x: float, near: Node) -> str:
    """A slope by its name, or as a number."""
    scalar = words.scalars.find(x, near) if words.scalars is not None else None
    if scalar is not None and is_known(scalar.text, near):
        return str(scalar.text)
    return number(x) if float(number(x)) == x else ""


def _argument(trial: Trial, node: Node, i: int) -> Any:
    parent = node.inputs[i]
    return trial.values[0].get(parent, parent.value) if parent is not None else node.arguments[i]


def _memo(trial: Trial) -> dict[Any, Any]:
    memo: dict[Any, Any] = trial.__dict__.setdefault("_locals", {})
    return memo


def locals_of(trial: Trial) -> list[Local]:
    """The elementwise derivatives between forward values that are near one another."""
    found = trial.__dict__.get("_local_list")
    if found is None:
        forward = [n for n in trial.observation.nodes if n in trial.observation.forward]
        found = [x for site in sites(forward) for x in _from(trial, site)]
        found.sort(key=lambda x: len(x.regions[0]))
        trial.__dict__["_local_list"] = found
    return list(found)


def _from(trial: Trial, site: tuple[Node, ...]) -> Iterator[Local]:
    """The derivatives of a site's value with respect to what it was elementwise computed from."""
    if not site[0].requires_grad or site[0].function not in RULES:
        return
    if not np.ndim(site[0].value) and site[0].function not in (np.max, np.min):
        return
    regions = [tuple(_region(n)) for n in site]
    length = len(regions[0])
    if not length or any(len(r) != length for r in regions):
        return
    for depth in range(length):
        inner = regions[0][depth:]
        for i, parent in enumerate(inner[0].inputs):
            if not _carries(parent) or parent in inner[0].inputs[:i]:
                continue
            parents = tuple(r[depth].inputs[i] for r in regions)
            chains = tuple(r[depth:] for r in regions)
            local = Local(site, parents, chains)
            d = local.value(trial, 0, 0)
            if not np.ndim(d) or same(d, np.full(np.shape(d), np.ravel(d)[0])):
                continue  # a constant: that is a factor's business
            yield local


def _region(node: Node) -> list[Node]:
    """The elementwise operations of one shape that a value comes from, in order of execution."""
    if node.function in (np.max, np.min):
        return [node]
    shape = np.shape(node.value)
    found: dict[Node, None] = {}
    frontier = [node]
    for _ in range(_FAR):
        new = [n for n in frontier if _elementwise(n, shape) and n not in found]
        found.update(dict.fromkeys(new))
        frontier = [p for n in new for p in n.inputs if _carries(p)]
    return sorted(found, key=lambda n: n.order)


def _elementwise(node: Node, shape: tuple[int, ...]) -> bool:
    f = node.function
    name = getattr(f, "__name__", "")
    return (
        (isinstance(f, np.ufunc) and f is not np.matmul and f in RULES)
        or name in ("relu", "sigmoid", "where")
    ) and np.shape(node.value) == shape


def _carries(parent: Any) -> bool:
    return isinstance(parent, Node) and parent.requires_grad


def picks(trial: Trial) -> list[tuple[Node, ...]]:
    """The forward pass's picks by index, ``probs[range(N), y]``, by expression."""
    forward = [n for n in trial.observation.nodes if n in trial.observation.forward]
    found = [n for n in forward if n.function is getitem and n.requires_grad and _uneven(n)]
    return sites(found)


def _uneven(node: Node) -> bool:
    """Whether an index holds numbers, and not only slices."""
    return any(
        isinstance(i, (int, np.integer)) or getattr(i, "ndim", 0) for i in node.arguments[1:]
    )


def fits(site: tuple[Node, ...], others: tuple[Node, ...], pairing: Any) -> bool:
    """Whether every execution has the shape of the one of another operation that belongs to it."""
    return all(
        np.shape(n.value) == np.shape(others[k].value) for n, k in zip(site, pairing, strict=True)
    )


def pairings(trial: Trial, mine: tuple[Node, ...], others: tuple[Node, ...]) -> Iterable[Any]:
    """Which execution of another operation belongs to each execution of this one.

    The same one for all; in the same order; in the opposite one, as a backward pass goes; the last
    one before it.
    """
    n, m = len(mine), len(others)
    ways: list[tuple[int, ...]] = []
    if m == 1:
        ways.append((0,) * n)
    else:
        if m >= n:
            ways += [tuple(range(n)), tuple(m - 1 - i for i in range(n))]
            ways.append(tuple(n - 1 - i for i in range(n)))
        if n > 1 and m > n and m % n == 0 and m // n <= _SEVERAL:
            k = m // n  # a helper, called several times in each of the executions
            ways += [tuple(k * i + r for i in range(n)) for r in range(k)]
            ways += [tuple(k * (n - 1 - i) + r for i in range(n)) for r in range(k)]
        at = [trial.index.get(o, -1) for o in others]
        recent = [sum(a < trial.index.get(x, -1) for a in at) - 1 for x in mine]
        if min(recent) >= 0:
            ways.append(tuple(recent))
        if n == 1:
            ways += [(0,), (m - 1,)]
        elif n <= m:
            ways += _by_samples(trial, mine, others)
            related = _by_argument(trial, mine, others)
            ways += [related] if related is not None else []
    return dict.fromkeys(ways)


def _by_samples(
    trial: Trial, mine: tuple[Node, ...], others: tuple[Node, ...]
) -> list[tuple[int, ...]]:
    """In the opposite order for each of several samples, which are done one after the other."""
    tagged = sorted(
        [(trial.index.get(x, -1), False, j) for j, x in enumerate(others)]
        + [(trial.index.get(x, -1), True, j) for j, x in enumerate(mine)]
    )
    runs: list[tuple[bool, list[int]]] = []
    for _, own, j in tagged:
        if not runs or runs[-1][0] != own:
            runs.append((own, []))
        runs[-1][1].append(j)
    ahead, back = [r for own, r in runs if not own], [r for own, r in runs if own]
    sizes = {(len(a), len(b)) for a, b in zip(ahead, back, strict=False)}
    if len(ahead) != len(back) or len(ahead) < 2 or len(sizes) != 1 or runs[0][0]:
        return []
    ((f, b),) = sizes
    ways = []
    for skipped in {0, f - b} if 1 < f >= b else ():
        ways.append(tuple(a[f - 1 - skipped - i] for a in ahead for i in range(b)))
    return ways


def _by_argument(
    trial: Trial, mine: tuple[Node, ...], others: tuple[Node, ...]
) -> tuple[int, ...] | None:
    """The values that were computed from an argument, or that it was computed from."""
    near = trial.__dict__.get("_near_values")
    if near is None:
        near = trial.__dict__["_near_values"] = {}
        for local in trial.__dict__.get("_local_list") or ():
            for z, a in zip(local.inputs, local.outputs, strict=True):
                near.setdefault(z, set()).add(a)
                near.setdefault(a, set()).add(z)
    at = {x: k for k, x in enumerate(others)}
    found = []
    for x in mine:
        given = (p for p in x.inputs if isinstance(p, Node))
        known = {at[o] for p in given for o in near.get(p, ()) if o in at}
        if len(known) != 1:
            return None
        found.append(known.pop())
    return tuple(found)
