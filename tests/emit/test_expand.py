"""expand: our own operations written out in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_nn as tg
from models import two_layer_net
from tests.rules import elementwise_cases, linalg_cases, reduction_cases, shape_cases  # noqa: F401
from tests.rules.cases import CASES
from tinygrad_nn.datasets import toy, toy_parameters
from tinygrad_nn.emit.expand import KEPT, expand, labels_to_check
from tinygrad_nn.errors import TraceError
from tinygrad_nn.graph import Graph, trace
from tinygrad_nn.rules.registry import RULES, constant, operation
from tinygrad_nn.tree import leaves

SCORES = np.random.default_rng(3).standard_normal((4, 3))
LABELS = np.array([1, 0, 2, 2])
#: np.extract's shape depends on values, so that it cannot be traced.
TRACED = [case for case in CASES if case.function is not np.extract]


def functions(graph: Graph) -> list[str]:
    return [node.function.__name__ for node in graph.nodes]


def own(graph: Graph) -> list[Any]:
    return [n.function for n in graph.nodes if getattr(n.function, "is_operation", False)]


@pytest.mark.parametrize("case", TRACED, ids=str)
def test_an_expanded_program_computes_the_same(case: Any) -> None:
    graph = trace(case, *case.args)
    expanded = expand(graph)
    assert set(own(expanded)) <= KEPT
    for a, b in zip(leaves(expanded.run(*case.args)), leaves(graph.run(*case.args)), strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)


def test_every_operation_of_ours_is_in_a_case() -> None:
    known = [f for f in RULES if f.__module__.startswith("tinygrad_nn")]
    operations = {f for f in known if getattr(f, "is_operation", False)}
    recorded = {f for case in TRACED for f in own(trace(case, *case.args))}
    assert operations <= recorded


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (tg.softmax, [0.0, 0.0, 1.0]),
        (tg.log_softmax, [-2000.0, -1000.0, 0.0]),
        (tg.logsumexp, 1000.0),
        (tg.relu, [0.0, 0.0, 1000.0]),
        (tg.sigmoid, [0.0, 0.5, 1.0]),
    ],
)
def test_expansions_are_stable(f: Any, expected: Any) -> None:
    x = np.array([-1000.0, 0.0, 1000.0])
    np.testing.assert_array_equal(expand(trace(f, x)).run(x), expected)


def test_the_expansion_of_the_cross_entropy_is_stable() -> None:
    scores = np.array([[1e4, 0.0, -1e4], [0.0, 1e4, 0.0]])
    labels = np.array([1, 1])
    graph = expand(trace(tg.cross_entropy, scores, labels).gradient())
    value, d = graph.run(scores, labels)
    assert value == 5000
    np.testing.assert_array_equal(d, [[0.5, -0.5, 0], [0, 0, 0]])


def test_logsumexp_of_nothing_but_minus_infinity() -> None:
    x = np.full((2, 3), -np.inf)
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(expand(trace(tg.logsumexp, x)).run(x), [-np.inf, -np.inf])


def test_the_gradient_of_the_cross_entropy_shares_the_softmax_with_it() -> None:
    graph = expand(trace(tg.cross_entropy, SCORES, LABELS).gradient())
    for function in ("max", "exp"):
        assert functions(graph).count(function) == 1
    scores_sums = [n for n in graph.nodes if n.function is np.sum and n.value.shape == (4,)]
    assert len(scores_sums) == 1


def test_a_softmax_and_a_log_softmax_of_the_same_scores_share() -> None:
    def f(scores: Any) -> Any:
        return tg.softmax(scores), tg.log_softmax(scores, axis=1), tg.softmax(scores, axis=0)

    graph = expand(trace(f, SCORES))
    assert functions(graph).count("exp") == 2
    for a, b in zip(graph.run(SCORES), f(SCORES), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-15)


def test_constants_of_another_value_are_not_shared() -> None:
    def f(scores: Any) -> Any:
        return tg.cross_entropy(scores, LABELS) + tg.cross_entropy(scores, LABELS[::-1])

    graph = expand(trace(f, SCORES))
    np.testing.assert_allclose(graph.run(SCORES), f(SCORES), rtol=1e-15)


def test_the_names_say_what_is_computed() -> None:
    X, y = toy()
    params = toy_parameters()
    graph = expand(trace(two_layer_net.loss, params, X, y, 0.1).gradient())
    names = [graph.names[node] for node in graph.nodes]
    for name in ("shifted", "exp_scores", "normaliser", "data_loss", "probs", "dscores"):
        assert name in names
    assert len(set(graph.names.values())) == len(graph.names)


def test_names_that_are_taken_are_numbered() -> None:
    def f(shifted: Any) -> Any:
        exp_scores = tg.softmax(shifted)
        return tg.softmax(exp_scores)

    graph = expand(trace(f, SCORES))
    names = [graph.names[node] for node in graph.nodes]
    assert graph.names[graph.inputs[0]] == "shifted"
    assert "exp_scores" in names
    assert {"shifted_2", "exp_scores_2", "shifted_3", "exp_scores_3", "probs"} <= set(names)


def test_backward_expansions_have_an_origin_and_forward_ones_none() -> None:
    graph = expand(trace(tg.cross_entropy, SCORES, LABELS).gradient())
    value, _ = graph.outputs
    by_name = {name: node for node, name in graph.names.items()}
    assert graph.origin[by_name["probs"]] is value
    assert by_name["exp_scores"] not in graph.origin
    assert set(graph.origin) | set(graph.origin.values()) <= set(graph.everything)


def test_the_labels_to_check() -> None:
    def f(scores: Any, labels: Any) -> Any:
        return tg.cross_entropy(scores, labels) + tg.cross_entropy(scores[:, :2], labels // 2)

    graph = trace(f, SCORES, LABELS)
    _, labels = graph.inputs
    (halved,) = (node for node in graph.nodes if node.function is np.floor_divide)
    assert labels_to_check(graph) == {labels: 3, halved: 2}
    assert labels_to_check(trace(lambda s: tg.cross_entropy(s, LABELS), SCORES)) == {}


def test_a_program_without_our_operations_is_left_alone() -> None:
    graph = trace(lambda x: np.exp(x) + 1, SCORES)
    assert expand(graph) is graph


def test_an_operation_of_the_users_own_is_expanded_by_its_own_code() -> None:
    @operation
    def doubled(x: Any) -> Any:
        """Twice x."""
        return x + x * 1.0

    constant(doubled)
    graph = expand(trace(lambda x: doubled(x) + 1, SCORES))
    assert functions(graph) == ["multiply", "add", "add"]
    np.testing.assert_array_equal(graph.run(SCORES), 2 * SCORES + 1)


def test_an_operation_of_the_users_own_that_decides_on_values_is_refused() -> None:
    @operation
    def deciding(x: Any) -> Any:
        """x, or its opposite."""
        return x if np.sum(x) > 0 else -x

    constant(deciding)
    graph = trace(lambda x: deciding(x) + 1, SCORES)
    with pytest.raises(TraceError):
        expand(graph)


def test_float32_stays_float32() -> None:
    scores = SCORES.astype(np.float32)
    for f in (tg.softmax, tg.log_softmax, tg.logsumexp, tg.relu, tg.sigmoid):
        graph = expand(trace(f, scores))
        assert {node.value.dtype for node in graph.nodes if node.value.dtype.kind == "f"} == {
            np.dtype(np.float32)
        }
