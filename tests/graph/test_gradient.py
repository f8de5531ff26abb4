"""The gradient of a graph is a graph: of the right values, with names and origins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_nn as tg
from models import softmax_classifier, svm_classifier, two_layer_net, two_layer_net_analytic
from tinygrad_nn.datasets import toy, toy_parameters
from tinygrad_nn.errors import DataError, DtypeError, ShapeError
from tinygrad_nn.graph import parse

TOY = toy()


def test_the_two_layer_net_agrees_with_the_formulas() -> None:
    params = toy_parameters()
    graph = tg.trace(two_layer_net.loss, params, *TOY, 0.1).gradient()
    for factor in (1.0, 0.5):
        scaled = {name: factor * p for name, p in params.items()}
        value, gradients = graph.run(scaled, *TOY, 0.3)
        expected, analytic = two_layer_net_analytic.loss_and_gradients(scaled, *TOY, 0.3)
        np.testing.assert_allclose(value, expected, rtol=1e-12)
        for name, g in gradients.items():
            np.testing.assert_allclose(g, analytic[name], rtol=1e-12, atol=1e-15)


def test_gradients_are_named_after_what_they_are_the_gradient_of() -> None:
    graph = tg.trace(two_layer_net.loss, toy_parameters(), *TOY, 0.1).gradient()
    names = set(graph.names.values())
    assert {"dscores", "da1", "dh1", "dW1", "db1", "dW2", "db2"} <= names
    assert [graph.names[node] for node in graph.outputs] == ["loss", "dW1", "db1", "dW2", "db2"]


def test_backward_nodes_know_the_forward_node_that_they_differentiate() -> None:
    graph = tg.trace(two_layer_net.loss, toy_parameters(), *TOY, 0.1).gradient()
    by_name = {name: node for node, name in graph.names.items()}
    origin = {n: graph.names[graph.origin[by_name[n]]] for n in ("dscores", "dh1", "da1", "db2")}
    assert origin == {"dscores": "data_loss", "dh1": "a1", "da1": "t2", "db2": "scores"}
    forward = tg.trace(two_layer_net.loss, toy_parameters(), *TOY, 0.1)
    assert len(forward.nodes) + len(graph.origin.keys() & set(graph.nodes)) == len(graph.nodes)


def test_a_derivative_inside_the_traced_function_is_known_too() -> None:
    def step(params: Any, X: Any, y: Any, rate: float) -> Any:
        loss, gradients = tg.value_and_grad(two_layer_net.loss)(params, X, y)
        for name in params:
            params[name] -= rate * gradients[name]
        return loss

    params = toy_parameters()
    graph = tg.trace(step, params, *TOY, 0.1)
    by_name = {name: node for node, name in graph.names.items()}
    assert {"dscores", "da1", "dh1", "dW1", "db1", "dW2", "db2"} <= by_name.keys()
    assert by_name["dW1"] in graph.origin
    assert not any(new in graph.origin for _, new in graph.updates)  # the step itself
    expected = {name: p.copy() for name, p in params.items()}
    loss = step(expected, *TOY, 0.3)
    np.testing.assert_allclose(graph.run(params, *TOY, 0.3), loss, rtol=1e-12)
    for name, p in params.items():
        np.testing.assert_allclose(p, expected[name], rtol=1e-12, atol=1e-15)
    assert str(parse(str(graph))) == str(graph)


@pytest.mark.parametrize("model", [softmax_classifier, svm_classifier])
def test_the_linear_models(model: Any) -> None:
    state = np.random.RandomState(0)
    X, y = TOY
    params = {"W": state.randn(4, 3), "b": state.randn(3)}
    value, gradients = tg.trace(model.loss, params, X, y, 0.1).gradient().run(params, X, y, 0.1)
    expected, autodiff = tg.value_and_grad(model.loss)(params, X, y, 0.1)
    np.testing.assert_allclose(value, expected, rtol=1e-14)
    for name, g in gradients.items():
        np.testing.assert_allclose(g, autodiff[name], rtol=1e-12, atol=1e-16)


def test_of_several_arguments_in_the_structure_of_wrt() -> None:
    def f(a: Any, b: Any) -> Any:
        return np.sum(a["x"] * b[0])

    a, b = {"x": np.array([1.0, 2.0])}, [np.array([3.0, 4.0]), np.ones(5)]
    value, (db, da) = tg.trace(f, a, b).gradient((1, 0)).run(a, b)
    assert value == 11
    np.testing.assert_array_equal(da["x"], b[0])
    np.testing.assert_array_equal(db[0], a["x"])
    np.testing.assert_array_equal(db[1], np.zeros(5))


def test_a_gradient_can_be_differentiated_again() -> None:
    x = np.array([0.3, -0.7])
    first = tg.trace(lambda x: np.sum(np.sin(x) ** 2), x).gradient()

    def again(x: Any) -> Any:
        return np.sum(first.run(x)[1])

    _, second = tg.trace(again, x).gradient().run(x)
    np.testing.assert_allclose(second, 2 * np.cos(2 * x))


def test_it_is_the_same_text_each_time_and_can_be_read_back() -> None:
    params = toy_parameters()
    texts = {str(tg.trace(two_layer_net.loss, params, *TOY, 0.1).gradient()) for _ in range(3)}
    assert len(texts) == 1
    (text,) = texts
    assert str(parse(text)) == text


def changes_its_argument(x: Any) -> Any:
    total = np.sum(x * x)
    x -= 0.1
    return total


@pytest.mark.parametrize(
    ("f", "args", "wrt", "error", "message"),
    [
        (
            lambda x: x * 2,
            (np.ones(3),),
            0,
            ShapeError,
            r"single number; f returns `x \* 2` of shape \(3,\)\n.*np.mean\n.*line \d+(?s:.*)\^\^",
        ),
        (
            lambda x: (x.sum(), x),
            (np.ones(3),),
            0,
            ShapeError,
            r"single number; f returns 2 values, of shapes \(\), \(3,\)\n.* the loss alone",
        ),
        (
            lambda x: np.sum(x),
            (np.ones(3),),
            1,
            DataError,
            r"\(0 for x\): f has 1 argument, and wrt is 1",
        ),
        (lambda x: np.sum(x), (np.ones(3),), (), DataError, r"and wrt is \(\)"),
        (changes_its_argument, (np.ones(3),), 0, DataError, r"argument x in place(?s:.*)\^\^"),
        (lambda x: np.sum(x), (np.ones(3),), "x", DataError, "the place of an argument"),
        (lambda x: np.sum(x) * 1.0, (np.arange(3),), 0, DtypeError, "x, which holds int64"),
        (lambda x, s: np.sum(x), (np.ones(3), "s"), 1, DtypeError, "constant 's'"),
    ],
)
def test_what_has_no_gradient_is_refused(
    f: Any, args: Any, wrt: Any, error: Any, message: str
) -> None:
    with pytest.raises(error, match=message):
        tg.trace(f, *args).gradient(wrt)


@pytest.mark.parametrize("function", [np.maximum, np.minimum])
def test_a_tie_goes_to_what_is_not_differentiated(function: Any) -> None:
    def f(x: Any, bound: Any) -> Any:
        return np.sum(function(x, bound))

    x = np.array([0.0, 1.0, -1.0])
    for bound in (0.0, np.zeros(3)):
        graph = tg.trace(f, x, bound)
        eager = tg.grad(f)(x, bound)
        np.testing.assert_array_equal(graph.gradient().run(x, bound)[1], eager)
        np.testing.assert_array_equal(tg.trace(tg.grad(f), x, bound).run(x, bound), eager)
    both = tg.grad(f, argnums=(0, 1))(x, np.zeros(3))
    for ours, eager in zip(graph.gradient((0, 1)).run(x, np.zeros(3))[1], both, strict=True):
        np.testing.assert_array_equal(ours, eager)


def test_what_has_no_rule_is_refused_where_its_gradient_is_wanted() -> None:
    graph = tg.trace(lambda x: np.sum(np.arctan2(np.spacing(x), x)), np.ones(3))
    assert graph.gradient()
    with pytest.raises(tg.TinygradError, match="has no derivative rule"):
        tg.trace(lambda x: np.sum(np.frompyfunc(abs, 1, 1)(x)), np.ones(3)).gradient()
