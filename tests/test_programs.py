"""Random programs of in-place code agree with NumPy, with dual numbers, with their own graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from programs import PROGRAMS, Dual, dual, duals, starting_arrays, step

import tinygrad_nn as tg
from tinygrad_nn.graph import parse


def steps_as_numpy(program: Any, arrays: list[Any], tensors: list[Any]) -> list[Any]:
    """Run a program on both, comparing every name after every statement; the statements run."""
    done = []
    for statement in program:
        try:
            step(arrays, *statement)
        except (ValueError, TypeError, IndexError, ZeroDivisionError, AttributeError):
            # TypeError, AttributeError: NumPy made a number of it, which cannot be written into
            break
        step(tensors, *statement)
        if any(isinstance(x, np.generic) for x in arrays):
            break
        done.append(statement)
        for x, t in zip(arrays, tensors, strict=True):
            assert t.shape == x.shape
            assert np.allclose(t.detach().data, x, rtol=1e-12, atol=1e-13), (x, t)
    return done


@settings(max_examples=250, deadline=None)
@given(starting_arrays(), PROGRAMS)
def test_every_name_holds_what_it_holds_in_numpy(arrays: list[Any], program: Any) -> None:
    steps_as_numpy(program, [a.copy(order="K") for a in arrays], [tg.Tensor(a) for a in arrays])


@settings(max_examples=250, deadline=None)
@given(starting_arrays(), PROGRAMS, st.sampled_from([(1, 1), (1, 0), (0, 1)]))
def test_the_gradient_of_in_place_code_is_that_of_dual_numbers(
    arrays: list[Any], program: Any, tracked: Any
) -> None:
    leaves = [tg.Tensor(a, requires_grad=bool(t)) for a, t in zip(arrays, tracked, strict=True)]
    tensors = [np.positive(leaf) if leaf.requires_grad else leaf for leaf in leaves]
    done = steps_as_numpy(program, [a.copy(order="K") for a in arrays], tensors)
    assume(len(done) == len(program))
    directions = [np.cos(np.arange(a.size)).reshape(a.shape) * t for a, t in zip(arrays, tracked)]
    names = [duals(a, d) for a, d in zip(arrays, directions, strict=True)]
    for statement in done:
        step(names, *statement)
    weights = [np.sin(1.0 + np.arange(t.size)).reshape(t.shape) for t in tensors]
    total = sum(((t * w).sum() for t, w in zip(tensors, weights, strict=True)), tg.Tensor(0.0))
    expected = sum(
        (dual(x) * w for n, ws in zip(names, weights) for x, w in zip(n.flat, ws.flat)), Dual(0.0)
    )
    assume(np.isfinite(total.item()) and abs(expected.slope) < 1e6)
    if total.requires_grad:
        total.backward()
    grads = [0 if leaf.grad is None else leaf.grad for leaf in leaves]
    along = sum(np.sum(g * d) for g, d in zip(grads, directions, strict=True))
    np.testing.assert_allclose(along, expected.slope, rtol=1e-7, atol=1e-8)


@settings(max_examples=100, deadline=None)
@given(starting_arrays(), PROGRAMS)
def test_any_program_in_place_runs_again_from_its_graph(arrays: Any, program: Any) -> None:
    def f(*starts: Any) -> Any:
        alive = list(starts)
        for statement in program:
            try:
                step(alive, *statement)
            except (ValueError, TypeError, IndexError, ZeroDivisionError):
                break
        return alive

    graph = tg.trace(f, *arrays)
    others = [1.25 * a for a in arrays]  # of the same signs, so that masks pick as many
    try:
        expected = f(*map(tg.Tensor, others))
        shapes = [t.shape for t in expected] == [node.value.shape for node in graph.outputs]
    except tg.TinygradError:
        return
    read = parse(str(graph))
    assert str(read) == str(graph)
    if not shapes:
        return
    try:
        results = graph.run(*[a.copy() for a in others])
    except ValueError:  # another mask picked another number of entries on the way
        return
    for result, again, t in zip(
        results, read.run(*[a.copy() for a in others]), expected, strict=True
    ):
        np.testing.assert_array_equal(result, t.data)
        np.testing.assert_array_equal(again, t.data)
