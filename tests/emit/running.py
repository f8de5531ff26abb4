"""Running a graph in planned memory, held against the graph's own interpreter."""

from __future__ import annotations

import numpy as np

import tinygrad_nn as tg
from tinygrad_nn.emit.buffered.source import build
from tinygrad_nn.emit.expand import expand
from tinygrad_nn.errors import TraceError
from tinygrad_nn.graph.graph import compute
from tinygrad_nn.node import function_name

A = np.arange(6.0).reshape(2, 3) + 1
B = np.cos(A) * 3

TOLERANCE = {"float32": 2e-5, "float16": 2e-2}


def copies(values):
    return [v.copy(order="K") if isinstance(v, np.ndarray) else v for v in values]


def varied(values, runs=3):
    """Several sets of inputs of the same types: the floats are scaled."""

    def scaled(v, k):
        if type(v) is float:
            return v * 0.97**k
        return v * v.dtype.type(0.97**k) if getattr(v, "dtype", np.dtype(int)).kind == "f" else v

    return [[scaled(v, k) for v in values] for k in range(runs)]


def interpreted(graph, in_place, values):
    """What the interpreter gives: the outputs, and for each input in ``in_place`` its new value."""
    env = {node: node.value for node in graph.captured}
    env |= dict(zip(graph.inputs, copies(values), strict=True))
    for node in graph.nodes:
        env[node] = compute(node, env)
    final = {node: np.broadcast_to(env[new], node.value.shape) for node, new in in_place.items()}
    return [env[node] for node in graph.outputs], final


def assert_same(a, b):
    """Equal to rounding, and of one type."""
    assert type(a) is type(b)
    assert np.shape(a) == np.shape(b)
    name = a.dtype.name if hasattr(a, "dtype") else "float64"
    assert name == (b.dtype.name if hasattr(b, "dtype") else "float64")
    bound = TOLERANCE.get(name, 1e-10)
    np.testing.assert_allclose(a, b, rtol=bound, atol=bound)


def assert_apart(outputs, others):
    """No output shares memory with another one, nor with any of the others."""
    outputs = [a for a in outputs if isinstance(a, np.ndarray)]
    for i, a in enumerate(outputs):
        for b in (*outputs[:i], *others):
            assert not np.may_share_memory(a, b)


def assert_agrees(graph, in_place, data):
    """Run one instance on several sets of inputs, and hold everything against the interpreter."""
    program = build(graph, in_place)
    run = program.instantiate()
    earlier = []
    for values in data:
        wanted, final = interpreted(graph, in_place, values)
        given = copies(values)
        out = run(*given)
        for a, b in zip(out, wanted, strict=True):
            assert_same(a, b)
        for node, before, after in zip(graph.inputs, values, given, strict=True):
            if node in final:
                np.testing.assert_allclose(after, final[node], rtol=2e-5, atol=1e-10)
            else:
                np.testing.assert_array_equal(after, before)
        arrays = [a for a in given if isinstance(a, np.ndarray)]
        assert_apart([a for a in out if not any(a is b for b in arrays)], arrays)
        for kept, was in earlier:
            np.testing.assert_array_equal(kept, was, "a later run has changed an earlier output")
        earlier += [(a, np.array(a)) for a in out if not any(a is b for b in arrays)]
    return program


def forms(graph):
    """The graph as it was recorded, expanded, and as compile hands it over."""
    try:
        return [graph, expand(graph), expand(graph.simplify()).simplify()]
    except TraceError:  # an operation of ours that decides on values stays as it is
        assert any(function_name(node.function) == "cofactors" for node in graph.nodes)
        return [graph]


def check(f, *args, runs=3):
    """``f`` traced, built in every form, and run; the last program."""
    try:
        graph = tg.trace(f, *args)
    except TraceError:  # a mask that decides about a shape: such a program is not compiled
        return None
    values = graph._inputs_of(args)
    for form in forms(graph):
        program = assert_agrees(form, dict(form.updates), varied(values, runs))
    return program


def train(loss):
    """A step of gradient descent, in place."""

    def step(params, X, y, reg, rate):
        value, gradients = tg.value_and_grad(loss)(params, X, y, reg)
        for name in params:
            params[name] -= rate * gradients[name]
        return value

    return step


def parameters(hidden, dtype="float64", d=6, c=3):
    rng = np.random.default_rng(5)
    sizes = {"W1": (d, hidden), "b1": hidden, "W2": (hidden, c), "b2": c}
    sizes = sizes if hidden else {"W": (d, c), "b": c}
    return {name: rng.normal(size=shape).astype(dtype) for name, shape in sizes.items()}
