"""The code that the NumPy backend writes: names, memory, cheaper calls; tests that see faults."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_nn as tg
from models import two_layer_net
from tests.emit.running import A, B, assert_agrees, check, forms, parameters, train, varied
from tinygrad_nn.emit.buffered import plan as buffers
from tinygrad_nn.emit.buffered.source import build

# --- the code ----------------------------------------------------------------------------------


def test_any_name_of_the_user_s_is_safe():
    def f(memory1, aligned, returned, run_2, float, slice):
        int = memory1 * aligned
        instantiate = np.exp(int) + returned
        run = instantiate.T @ run_2 * float
        ones0 = np.sum(run, axis=0)
        memory1_rows = np.maximum(run, 0.0) + ones0
        été = memory1_rows[slice:]
        return été, int, run, memory1

    check(f, A, B, A, B, 0.5, 1)


def test_the_source_is_what_runs():
    def f(x, w):
        hidden = np.exp(x @ w)
        scores = hidden * 2
        return np.sum(scores)

    source = build(tg.trace(f, A, B.T), {}).source
    assert "# f(x: float64[2, 3], w: float64[3, 2])" in source
    assert "def run(x, w):" in source
    assert "out=hidden)  # hidden: float64[2, 2]" in source
    assert "32 bytes" in source


def kept_bytes(program):
    """What the head of the source says about the memory that is kept."""
    found = re.search(r"Kept between runs: ([\d,]+) bytes", program.source)
    return int(found.group(1).replace(",", "")) if found else 0


def test_a_chain_of_elementwise_operations_takes_one_memory():
    def f(x):
        for _ in range(50):
            x = np.tanh(x * 1.5) + 0.5
        return np.sum(x)

    assert kept_bytes(build(tg.trace(f, A), {})) == A.nbytes


def test_the_memory_of_a_large_training_step():
    X, y = np.ones((20, 300), "float32"), np.arange(20) % 10
    params = parameters(50, "float32", d=300, c=10)
    graph = tg.trace(train(two_layer_net.loss), params, X, y, 0.1, 0.05)
    form = forms(graph)[-1]
    kept = kept_bytes(build(form, dict(form.updates)))
    hidden, scores, W1, W2 = (4 * n for n in (20 * 50, 20 * 10, 300 * 50, 50 * 10))
    # written by hand: dW1 beside reg * W1, while hidden, dhidden, their masks, dscores and dW2 live
    assert kept < 2 * W1 + 2 * hidden + 2 * scores + 2 * W2


# --- cheaper calls ------------------------------------------------------------------------------

LONG = np.random.default_rng(8).normal(size=(96, 70))

CHEAPER = {
    "np.vdot(": lambda x: np.sum(x * x) + np.sum(np.square(x + 1)),
    "np.dot(ones": lambda x: (np.sum(x, axis=0), np.sum(x, axis=0, keepdims=True)),
    ", ones": lambda x: (np.sum(x[:, :9], axis=1), np.sum(x[:, :9], axis=-1, keepdims=True)),
    "_column1": lambda x: (np.max(np.sin(x[:, :4]), axis=1) * 2, np.min(np.sin(x[:, :3]), 1) * 2),
    "blocks": lambda x: (np.exp(np.maximum(x * 2, 0)), np.sqrt(np.minimum(3.5, np.exp(x)))),
    "np.square(": lambda x: (np.power(x * 2, 2), np.power(x, 2.0)),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("text", CHEAPER)
def test_a_cheaper_call_is_made_and_gives_the_same(text, dtype):
    x = LONG.astype(dtype)
    graph = tg.trace(CHEAPER[text], x)
    program = assert_agrees(graph, {}, varied([x]))
    assert text in program.source


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("text", CHEAPER)
def test_what_is_not_finite_shows_in_a_cheaper_call_just_as_in_numpy(text, bad):
    x = LONG.copy()
    x[3, 1] = bad
    with np.errstate(all="ignore"):
        assert_agrees(tg.trace(CHEAPER[text], x), {}, [[x], [LONG], [x]])


def test_a_long_sum_of_squares_in_single_precision_is_exact_to_rounding():
    x = np.random.default_rng(9).random((1500, 200)).astype(np.float32)
    (value,) = build(tg.trace(lambda x: np.sum(x * x), x), {}).instantiate()(x)
    assert abs(float(value) / np.sum(x.astype(float) ** 2) - 1) < 3e-7


# --- these tests would see a fault --------------------------------------------------------------


def too_early(self, kept):
    """Memory is given back after the first read instead of the last."""
    last = {}
    for i, made in enumerate(self.plan.steps):
        for node in (made.node, *made.reads):
            for root in self.of(node):
                last[root] = i if node is made.node else min(i, last.get(root, i) + 1)
    return last


def without_views(step, known):
    """Views are taken for memory of their own."""
    return frozenset({step.node})


@pytest.mark.parametrize(
    ("owner", "name", "fault"),
    [
        (buffers._Memory, "last_reads", too_early),
        (buffers._Memory, "dies", lambda self, i, step, operand: operand in self.held),
        (buffers, "_roots", without_views),
        (buffers._Memory, "may_write", lambda self, i, step, target: True),
    ],
    ids=["freed too early", "overwritten while needed", "views forgotten", "old value lost"],
)
def test_a_wrong_plan_is_noticed(monkeypatch, owner, name, fault):
    def f(x, w):
        h = np.exp(x @ w)
        view = h.T
        scaled = h * 0.5
        shifted = scaled + h
        other = np.tanh(scaled @ view)
        x += np.sum(other) + np.sum(shifted) * 0.1
        return np.sum(view, axis=0) + other[0, 0], x * 2 + w.T

    def g(a, b):
        return a * b + 1, np.cumsum(a) + np.sum(a.T @ b)

    graph, second = tg.trace(f, A, B.T), tg.trace(g, A, B)
    donated = {second.inputs[0]: second.outputs[0]}
    assert_agrees(graph, dict(graph.updates), varied([A, B.T]))
    assert_agrees(second, donated, varied([A, B]))
    monkeypatch.setattr(owner, name, fault)
    with pytest.raises((AssertionError, KeyError)):  # noqa: PT012 (either of the programs)
        assert_agrees(graph, dict(graph.updates), varied([A, B.T]))
        assert_agrees(second, donated, varied([A, B]))
