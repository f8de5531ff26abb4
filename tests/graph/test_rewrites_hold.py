"""Whatever the table does, the values stay: random programs before and after."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tests.programs as programs
import tinygrad_nn as tg
from tinygrad_nn.graph.rewrites import TABLE, Table
from tinygrad_nn.graph.rewrites.pattern import PLAIN, Operation, Variable
from tinygrad_nn.graph.simplify import simplify
from tinygrad_nn.tree import leaves

# --- random programs ------------------------------------------------------------------------------

SHAPES = [(4, 3), (3,), (4, 1), (1, 3), (), (3, 4), (1, 1), (2, 4, 3)]
NUMBERS = [0, 1, -1, 2, 0.5, -3, 4.0, -0.25, np.float64(1), np.float64(-2), np.float32(0.5)]


def _fitting(x: Any, y: Any) -> Any:
    """A second operand for x: y where they broadcast, else x itself."""
    try:
        np.broadcast_shapes(np.shape(x), np.shape(y))
    except ValueError:
        return x
    return y


def _total(x: Any, axis: Any, keepdims: bool) -> Any:
    return np.sum(x, axis=axis, keepdims=keepdims)


def _divided(x: Any, y: Any) -> Any:
    return x / (1.5 + np.tanh(_fitting(x, y)))


def _rows(x: Any) -> Any:
    """x with two axes."""
    return np.reshape(x, (-1, x.shape[-1] if x.ndim else 1))


def _picked(x: Any, y: Any) -> Any:
    x = _rows(x)
    labels = np.arange(x.shape[0]) % x.shape[1]
    return x[np.arange(x.shape[0]), labels]


def _written(x: Any, y: Any) -> Any:
    x = _rows(np.tanh(x) * 2)
    labels = np.arange(x.shape[0]) % x.shape[1]
    x[np.arange(x.shape[0]), labels] -= 1
    return x


def _normalised(x: Any, y: Any) -> Any:
    e = np.exp(x - np.max(x))
    return e / np.sum(e, axis=-1, keepdims=True) if x.ndim else e


#: What a step may compute of x, of y, of a known number c.
STEPS: list[Any] = [
    lambda x, y, c: x * c,
    lambda x, y, c: c * x,
    lambda x, y, c: x / (c if c else 2),
    lambda x, y, c: c / (2 + np.tanh(x)),
    lambda x, y, c: x + c,
    lambda x, y, c: c - x,
    lambda x, y, c: -x,
    lambda x, y, c: +x,
    lambda x, y, c: x**2,
    lambda x, y, c: x + _fitting(x, y),
    lambda x, y, c: x - _fitting(x, y),
    lambda x, y, c: x * _fitting(x, y),
    lambda x, y, c: _divided(x, y),
    lambda x, y, c: np.maximum(0, x),
    lambda x, y, c: tg.relu(x),
    lambda x, y, c: np.tanh(x),
    lambda x, y, c: 1 / (1 + np.exp(-x)),
    lambda x, y, c: np.where(x > 0, x, c),
    lambda x, y, c: x * (_fitting(x, y) > 0),
    lambda x, y, c: x.T,
    lambda x, y, c: np.reshape(x, x.shape[::-1]),
    lambda x, y, c: np.reshape(x, (1, *x.shape)),
    lambda x, y, c: np.broadcast_to(x, (2, *x.shape)),
    lambda x, y, c: _total(x, None, False),
    lambda x, y, c: _total(x, -1, True) if x.ndim else x,
    lambda x, y, c: _total(x, 0, False) if x.ndim else x,
    lambda x, y, c: x - np.mean(x),
    lambda x, y, c: x - np.mean(x, axis=0, keepdims=True) if x.ndim else x,
    lambda x, y, c: np.max(x, axis=-1) if x.ndim else x,
    lambda x, y, c: (x.T @ x).T if x.ndim == 2 else x,
    lambda x, y, c: tg.softmax(x) if x.ndim else x,
    lambda x, y, c: np.exp(tg.log_softmax(x)) if x.ndim else x,
    lambda x, y, c: _normalised(x, y),
    lambda x, y, c: _picked(x, y),
    lambda x, y, c: _written(x, y),
]

_STEP = st.tuples(
    st.sampled_from(range(len(STEPS))),
    st.integers(0, 9),
    st.integers(0, 9),
    st.sampled_from(range(len(NUMBERS))),
)
PROGRAMS = st.lists(_STEP, min_size=1, max_size=12)


def _tame(x: Any) -> Any:
    """No value of a program grows beyond what rounding can be told apart in."""
    return x if np.ndim(x) < 4 else np.sum(x, axis=0)


def run(program: Any, arrays: Any, scale: Any) -> Any:
    names = [*arrays, arrays[0] * scale]
    for which, a, b, number in program:
        x, y = names[a % len(names)], names[b % len(names)]
        names.append(_tame(STEPS[which](x, y, NUMBERS[number])))
    return names[-1], np.sum(np.tanh(names[-1])) + np.sum(np.tanh(names[a % len(names)]))


@st.composite
def arrays(draw: Any, dtype: Any) -> list[Any]:
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    shapes = [draw(st.sampled_from(SHAPES)) for _ in range(2)]
    return [
        np.asarray(random.uniform(0.2, 1.5, s) * random.choice([-1, 1], s), dtype) for s in shapes
    ]


def assert_same(graph: tg.Graph, args: Any, rtol: float, table: Table = TABLE) -> None:
    """A graph and its simplified form have the same values, up to rounding."""
    with np.errstate(all="ignore"):
        expected = leaves(graph.run(*args))
        simple = simplify(graph, table)
        found = leaves(simple.run(*args))
    simple.check()
    for e, f in zip(expected, found, strict=True):
        assert np.shape(e) == np.shape(f)
        assert getattr(e, "dtype", type(e)) == getattr(f, "dtype", type(f))
        e = np.asarray(e, float)
        size = np.max(np.abs(e), initial=1.0, where=np.isfinite(e))
        np.testing.assert_allclose(f, e, rtol=rtol, atol=rtol * size)


@settings(deadline=None, max_examples=200)
@given(program=PROGRAMS, given=arrays(np.float64), scale=st.sampled_from([0.5, -2.0]))
def test_random_programs_keep_their_values(program: Any, given: Any, scale: float) -> None:
    graph = tg.trace(lambda arrays, scale: run(program, arrays, scale), given, scale)
    assert_same(graph, (given, scale), 1e-9)


@settings(deadline=None, max_examples=200)
@given(program=PROGRAMS, given=arrays(np.float64), scale=st.sampled_from([0.5, -2.0]))
def test_derivatives_of_random_programs_keep_their_values(
    program: Any, given: Any, scale: float
) -> None:
    graph = tg.trace(lambda arrays, scale: run(program, arrays, scale)[1], given, scale)
    assert_same(graph.gradient(), (given, scale), 1e-9)
    assert_same(graph.simplify().gradient(), (given, scale), 1e-9)


@settings(deadline=None, max_examples=100)
@given(program=PROGRAMS, given=arrays(np.float32), scale=st.sampled_from([0.5, -2.0]))
def test_single_precision_stays_single(program: Any, given: Any, scale: float) -> None:
    graph = tg.trace(lambda arrays, scale: run(program, arrays, scale)[1], given, scale)
    assert_same(graph, (given, scale), 2e-3)
    assert_same(graph.gradient(), (given, scale), 5e-2)


@settings(deadline=None, max_examples=100)
@given(program=programs.PROGRAMS, given=programs.starting_arrays())
def test_programs_that_write_in_place_keep_their_values(program: Any, given: Any) -> None:
    def f(arrays: Any) -> Any:
        names = [x * 1.0 for x in arrays]
        for step in program:
            programs.step(names, *step)
        return sum(np.sum(programs.tanh(x)) for x in names)

    try:
        f(given)
    except (IndexError, ValueError, TypeError, ZeroDivisionError, AttributeError):
        return  # no program of NumPy's either
    graph = tg.trace(f, given)
    assert_same(graph, (given,), 1e-9)
    assert_same(graph.gradient(), (given,), 1e-9)


@settings(deadline=None, max_examples=100)
@given(program=PROGRAMS, given=arrays(np.float64))
def test_simplifying_twice_is_simplifying_once(program: Any, given: Any) -> None:
    graph = tg.trace(lambda arrays: run(program, arrays, 0.5)[1], given).gradient()
    once = graph.simplify()
    assert str(once.simplify()) == str(once)
    assert str(graph.simplify()) == str(once)


# --- each line by itself --------------------------------------------------------------------------


def _instance(pattern: Any, known: dict[str, Any]) -> Any:
    """A pattern, computed with what its variables stand for."""
    if isinstance(pattern, Operation):
        operands = [_instance(p, known) for p in pattern.operands]
        keywords = {k: _instance(p, known) for k, p in pattern.keywords.items()}
        return pattern.function(*operands, **{k: v for k, v in keywords.items() if v is not None})
    if isinstance(pattern, Variable):
        return known[pattern.name]
    return pattern


def _variables(pattern: Any) -> set[str]:
    if isinstance(pattern, Operation):
        parts = [*pattern.operands, *pattern.keywords.values()]
        return set().union(*map(_variables, parts)) if parts else set()
    return {pattern.name} if isinstance(pattern, Variable) else set()


def check_line(rewrite: Any, table: Table, random: Any, dtype: Any) -> bool:
    """Whether the line was applied to random operands; fails if it changed a value."""
    names = sorted(_variables(rewrite.pattern))
    if any(name in PLAIN - {"c", "d", "e", "n", "axis", "keepdims"} for name in names):
        return False
    known: dict[str, Any] = {}
    shape = [(4, 3), (3, 3), (3,)][random.integers(3)]
    for name in names:
        if name in ("c", "d", "e", "n"):
            known[name] = [2, 3, 0.5, -1.5, 5, 10, -1, 1][random.integers(8)]
        elif name in ("axis", "keepdims"):
            known[name] = {"axis": [None, 0, 1], "keepdims": [None, True]}[name][random.integers(2)]
    arrays = {}
    for name in names:
        if name in known:
            continue
        one = () if name in ("s", "t") else [shape, shape, (), (4, 1)][random.integers(4)]
        arrays[name] = np.asarray(random.uniform(0.3, 2, one) * random.choice([-1, 1], one), dtype)
    try:
        with np.errstate(all="ignore"):
            graph = tg.trace(lambda arrays: _instance(rewrite.pattern, {**known, **arrays}), arrays)
    except (ValueError, TypeError, IndexError):
        return False  # operands that do not fit each other
    assert_same(graph, (arrays,), 1e-9 if dtype is np.float64 else 1e-3, table)
    return str(simplify(graph, table)) != str(simplify(graph, Table()))


def holding(table: Table, tries: int = 40) -> set[int]:
    """The numbers of the lines that were seen to hold; fails if one does not."""
    random, held = np.random.default_rng(0), set()
    for rewrite in table.rewrites:
        alone = Table()
        alone.add_rewrite(rewrite)
        for i in range(tries):
            dtype = np.float64 if i % 3 else np.float32
            if check_line(rewrite, alone, random, dtype):
                held.add(rewrite.number)
    return held


def test_lines_hold_by_themselves() -> None:
    assert len(holding(TABLE, 12)) > 150


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (lambda x, y: x - y, lambda x, y: x + y),
        (lambda x: x * 1, lambda x: -x),
        (lambda c, x: c * x, lambda c, x: (c + 1e-6) * x),
        (lambda x, y: x / y, lambda x, y: x * y),
        (lambda x: np.sum(x), lambda x: np.max(x)),
    ],
)
def test_a_wrong_line_is_noticed(pattern: Any, replacement: Any) -> None:
    wrong = Table()
    wrong.add(pattern, replacement)
    with pytest.raises(AssertionError):
        holding(wrong)


def test_a_line_that_changes_the_type_is_not_applied() -> None:
    wrong = Table()
    wrong.add(lambda x: np.tanh(x), lambda x: np.sum(x))
    wrong.add(lambda x: np.exp(x), lambda x: x.astype(np.float32))
    graph = tg.trace(lambda x: np.exp(np.tanh(x)), np.ones(3))
    assert str(simplify(graph, wrong)) == str(graph)


def test_lines_that_undo_each_other_come_to_an_end() -> None:
    endless = Table()
    endless.add(lambda x, y: x - y, lambda x, y: x + -y)
    endless.add(lambda x, y: x + -y, lambda x, y: x - y)
    endless.add(lambda x: np.tanh(x), lambda x: np.tanh(-(-x)))  # noqa: B002
    graph = tg.trace(lambda x, y: np.tanh(x - y), np.ones(3), np.ones(3))
    assert_same(graph, (np.ones(3), np.zeros(3)), 1e-12, endless)
