"""The rewrites for source that is to be read, line by line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_nn as tg
from tests.graph.rewrite_cases import COLUMN, LABELS, MASK, ROWS, B, X, Y, lines
from tinygrad_nn.graph.rewrites import DERIVED, READING, TABLE, Builder, Table
from tinygrad_nn.graph.simplify import simplify
from tinygrad_nn.rules.indexing import scatter_add, setitem
from tinygrad_nn.tree import leaves


def cleared(x: Any, y: Any) -> Any:
    """margins[np.arange(N), y] = 0"""
    return setitem(x, 0, ROWS, y)


def added(x: Any, v: Any) -> Any:
    """x[1:3] += v"""
    own = np.exp(x)
    return setitem(own, own[1:3] + v, slice(1, 3))


def norm_slope(x: Any) -> Any:
    square = np.sum(x * x)
    return np.where(square == 0, 0, 1 / safe_root(square)) * x


def safe_root(square: Any) -> Any:
    return np.sqrt(np.where(square == 0, 1, square))


def huber(r: Any) -> Any:
    return np.mean(np.where(np.abs(r) <= 1, 0.5 * r**2, np.abs(r) - 0.5))


#: A program, what it becomes, and what both are called with.
CASES: list[tuple[Any, Any, tuple[Any, ...]]] = [
    # labels
    (
        lambda x, y: (tg.cross_entropy(x, y), np.where(y[:, None] != np.arange(3), x, 0)),
        lambda x, y: (tg.cross_entropy(x, y), cleared(x, y)),
        (X, LABELS),
    ),
    (
        lambda x, y: (cleared(x, y), setitem((x != 0) / 5, 0, ROWS, y)),
        lambda x, y: (cleared(x, y), (cleared(x, y) != 0) / 5),
        (X, LABELS),
    ),
    (
        lambda x, y: (cleared(x, y), setitem((x != 0).astype(float), 0, ROWS, y)),
        lambda x, y: (cleared(x, y), (cleared(x, y) != 0).astype(float)),
        (X, LABELS),
    ),
    # choices
    (
        lambda p, x, y: np.where(p, x, 0) + np.where(p, 0, y),
        lambda p, x, y: np.where(p, x, y),
        (MASK, X, Y),
    ),
    (
        lambda p, x, y, z: np.where(p, x, 0) + np.where(p, 0, y) * z,
        lambda p, x, y, z: np.where(p, x, y * z),
        (MASK, X, Y, B),
    ),
    (
        lambda p, x, y, z: np.where(p, x, 0) * z + np.where(p, 0, y),
        lambda p, x, y, z: np.where(p, x * z, y),
        (MASK, X, Y, B),
    ),
    (
        lambda p, x, y, z, w: np.where(p, x, 0) * z + np.where(p, 0, y) * w,
        lambda p, x, y, z, w: np.where(p, x * z, y * w),
        (MASK, X, Y, B, COLUMN),
    ),
    (
        lambda p, x, y, z: np.where(p, x, np.where(p, y, z)),
        lambda p, x, y, z: np.where(p, x, z),
        (MASK, X, Y, B),
    ),
    (
        lambda p, x, y, z, w: np.where(p, x, np.where(p, y, z) * w),
        lambda p, x, y, z, w: np.where(p, x, z * w),
        (MASK, X, Y, B, COLUMN),
    ),
    (
        lambda p, x, y, z, w: np.where(p, x, np.where(p, y, z) / w),
        lambda p, x, y, z, w: np.where(p, x, z / w),
        (MASK, X, Y, B, COLUMN),
    ),
    (
        lambda p, x, y, z: np.where(p, x, -np.where(p, y, z)),
        lambda p, x, y, z: np.where(p, x, -z),
        (MASK, X, Y, B),
    ),
    (
        lambda p, x: 2.5 * np.where(p, 0, x),
        lambda p, x: np.where(p, 0, 2.5 * x),
        (MASK, X),
    ),
    # slices
    (
        lambda x, v: np.exp(x) + scatter_add(v, (4, 3), slice(1, 3)),
        added,
        (X, X[1:3]),
    ),
    (lambda x: setitem(x, 0, 1)[2], lambda x: x[2], (X,)),
    (lambda x, b: setitem(x, b, 1)[1], lambda x, b: b, (X, B)),
]

#: Programs that are not differentiated any more.
LAST: list[tuple[Any, Any, tuple[Any, ...]]] = [
    (lambda x: np.where(x == 0, 0, safe_root(x)), lambda x: np.sqrt(x), (Y * Y,)),
    (norm_slope, lambda x: x / safe_root(np.sum(x * x)), (X,)),
    (norm_slope, lambda x: x / safe_root(np.sum(x * x)), (X * 0,)),
]


@pytest.mark.parametrize(("before", "after", "args"), CASES)
def test_a_program_becomes_another_one_with_the_same_derivatives(
    before: Any, after: Any, args: tuple[Any, ...]
) -> None:
    graph = tg.trace(before, *args)
    simple = simplify(graph, READING)
    assert lines(simple) == lines(simplify(tg.trace(after, *args), Table()))
    for e, f in zip(leaves(graph.run(*args)), leaves(simple.run(*args)), strict=True):
        np.testing.assert_allclose(f, e, rtol=1e-13, atol=1e-15)
    wrt = tuple(i for i, x in enumerate(args) if x.dtype.kind == "f")

    def loss(f: Any) -> Any:
        return lambda *args: sum(np.sum(np.sin(1.3 * y) * y) for y in leaves(f(*args)))

    args = tuple(np.where(abs(x) < 0.3, 0, x) if x.min() < 0 else x for x in args)  # kinks
    expected = tg.grad(loss(before), wrt)(*args)
    for e, f in zip(expected, tg.grad(loss(simple.run), wrt)(*args), strict=True):
        np.testing.assert_allclose(f, e, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("before", "after", "args"), LAST)
def test_what_is_not_differentiated_any_more(before: Any, after: Any, args: Any) -> None:
    graph = tg.trace(before, *args)
    simple = simplify(graph, DERIVED)
    assert lines(simple) == lines(simplify(tg.trace(after, *args), Table()))
    np.testing.assert_allclose(simple.run(*args), graph.run(*args), rtol=1e-13)
    kept = simplify(graph, READING)
    assert len(kept.nodes) > len(simple.nodes)


def test_every_line_for_reading_has_a_case(monkeypatch: pytest.MonkeyPatch) -> None:
    builders: list[Builder] = []
    original = Builder.__init__

    def remember(self: Builder, *args: Any) -> None:
        original(self, *args)
        builders.append(self)

    monkeypatch.setattr(Builder, "__init__", remember)
    for before, _, args in CASES + LAST:
        simplify(tg.trace(before, *args), DERIVED)
    simplify(tg.trace(huber, X).gradient(), DERIVED)
    applied = {id(r.replacement.__code__) for b in builders for r in b.applied if r is not None}
    own = [r.replacement.__code__ for r in DERIVED.rewrites[len(TABLE.rewrites) :]]
    assert own
    assert not [code.co_firstlineno for code in own if id(code) not in applied]


def test_labels_that_nobody_checked_are_not_picked_with() -> None:
    """A negative label is none of 0, 1, 2, and as an index the last class."""

    def f(x: Any, y: Any) -> Any:
        return np.where(y[:, None] != np.arange(3), x, 0)

    graph = simplify(tg.trace(f, X, LABELS), DERIVED)
    labels = np.array([0, -1, 1, 7])
    np.testing.assert_array_equal(graph.run(X, labels), f(X, labels))


def test_a_choice_does_not_count_what_is_not_chosen() -> None:
    """As the elu is written: exp overflows where it is not chosen."""

    def f(z: Any) -> Any:
        return np.sum(np.where(z > 0, z, np.exp(z) - 1))

    z = np.array([800.0, -1.0])
    namespace: dict[str, Any] = {}
    with np.errstate(over="ignore"):
        exec(tg.derive(f, z), namespace)
        np.testing.assert_allclose(namespace["f"](z)[1], [1, np.exp(-1.0)])


def test_the_slope_of_huber_is_a_choice() -> None:
    graph = simplify(tg.trace(huber, X).gradient(), DERIVED)
    (slope,) = (n for n in graph.nodes if n is graph.outputs[1])
    assert slope.function is np.divide
    assert slope.inputs[0] is not None
    assert slope.inputs[0].function is np.where
    np.testing.assert_allclose(graph.run(X)[1], np.clip(X, -1, 1) / 12, rtol=1e-13)


def test_what_is_added_into_is_not_needed_elsewhere() -> None:
    def f(x: Any, v: Any) -> Any:
        own = np.exp(x)
        return own + scatter_add(v, (4, 3), slice(1, 3)), own

    graph = simplify(tg.trace(f, X, X[1:3]), READING)
    assert setitem not in {n.function for n in graph.nodes}
