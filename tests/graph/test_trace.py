"""trace: a function's operations as data, under the user's names, and runnable."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
import pytest

import tinygrad_nn as tg
from tinygrad_nn.errors import DataError, ShapeError, TraceError
from tinygrad_nn.graph import parse

X = np.arange(6.0).reshape(2, 3) + 0.5
Y = np.array([0, 1])


class Net:
    """A model with its parameters in attributes and in a dict."""

    def __init__(self) -> None:
        self.W1 = tg.Parameter(np.linspace(-1, 1, 12).reshape(3, 4))
        self.params = {}
        self.params["b1"] = tg.Parameter(np.zeros(4))
        self.params["W2"] = tg.Parameter(np.eye(4)[:, :2])
        self.scale = tg.Parameter(2.0, name="temperature")

    def loss(self, data: Any, labels: Any) -> Any:
        h1 = np.maximum(0, data @ self.W1 + self.params["b1"])
        for _ in range(2):
            h1 = np.tanh(h1)
        scores, centred = h1 @ self.params["W2"] / self.scale, h1 - h1.mean(axis=0)
        return tg.cross_entropy(scores, labels), {"scores": scores, "more": [centred, None]}


@pytest.fixture
def net() -> Net:
    return Net()


def names(nodes: Any, graph: tg.Graph) -> list[str]:
    return [graph.names[node] for node in nodes]


def test_a_graph_has_the_users_names(net: Net) -> None:
    graph = tg.trace(net.loss, X, Y)
    assert graph.name == "loss"
    assert names(graph.inputs, graph) == ["data", "labels"]
    assert set(names(graph.captured, graph)) == {"W1", "b1", "W2", "temperature"}
    own = [name for name in names(graph.nodes, graph) if not name.startswith("t")]
    assert own == ["h1", "h1_2", "h1_3", "scores", "centred"]
    assert len(set(graph.names.values())) == len(graph.names)


def test_nodes_are_in_the_order_of_execution_and_after_what_they_need(net: Net) -> None:
    graph = tg.trace(net.loss, X, Y)
    functions = [node.function for node in graph.nodes]
    first = [np.matmul, np.add, np.maximum, np.tanh, np.tanh, np.matmul, np.divide]
    assert functions[: len(first)] == first
    for node in graph.nodes:
        for parent in node.inputs:
            assert parent is None or graph.index[parent] < graph.index[node]
    assert [graph.index[node] for node in graph.everything] == list(range(len(graph.index)))


def test_the_same_program_gives_the_same_graph(net: Net) -> None:
    assert str(tg.trace(net.loss, X, Y)) == str(tg.trace(net.loss, X.copy(), Y.copy()))


def test_running_a_graph_is_calling_the_function(net: Net) -> None:
    graph = tg.trace(net.loss, X, Y)
    other = X[::-1] * 1.5
    loss, extra = graph.run(other, Y[::-1])
    expected, expected_extra = net.loss(other, Y[::-1])
    assert loss == expected.item()
    np.testing.assert_array_equal(extra["scores"], expected_extra["scores"].detach().data)
    assert extra["more"][1] is None
    assert type(extra["scores"]) is np.ndarray


def test_a_graph_keeps_the_values_that_it_was_traced_with(net: Net) -> None:
    constant = np.ones(3)
    graph = tg.trace(lambda x: np.sum(x @ net.W1) + np.sum(x * constant), X)
    before = graph.run(X)
    with tg.no_grad():
        net.W1 *= 0.0
    net.W1.data[...] = 5.0
    constant *= 0.0
    assert graph.run(X) == before


def test_structures_are_taken_by_key_and_given_back() -> None:
    Pair = namedtuple("Pair", "a b")

    def f(p: Any, scale: float, q: Any) -> Any:
        return Pair(p["a"] - 2 * p["b"], (q.a * scale, None))

    graph = tg.trace(f, {"a": X, "b": X}, 3.0, Pair(X, None))
    out = graph.run({"b": X, "a": 4 * X}, 3.0, Pair(2 * X, None))
    assert isinstance(out, Pair)
    np.testing.assert_array_equal(out.a, 2 * X)
    np.testing.assert_array_equal(out.b[0], 6 * X)


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((X,), DataError, r"traced with: 3 \(x, scale, word\), not 2"),
        ((X[:1], 2.0), ShapeError, r"x was traced with shape \(2, 3\), not \(1, 3\)"),
        ((X.T, 2.0), ShapeError, r"not \(3, 2\)"),
        ((X.tolist(), 2.0), DataError, "x was traced as an array or a number, and f is run"),
        (
            (X, 2.0, "c"),
            DataError,
            "'b', a constant of the program, and is run with 'c'",
        ),
        ((None, 2.0), DataError, "not None"),
        ((3.0, 2.0), ShapeError, r"x was traced with shape \(2, 3\), not \(\)"),
        ((X, X), ShapeError, r"scale was traced with shape \(\), not \(2, 3\)"),
    ],
)
def test_running_with_other_arguments_is_refused(args: Any, error: Any, message: str) -> None:
    def f(x: Any, scale: float, word: str = "b") -> Any:
        return x * scale

    with pytest.raises(error, match=message):
        tg.trace(f, X, 2.0, "b").run(*args, *["b"][len(args) - 2 :])


def test_tensors_run_a_graph_too() -> None:
    np.testing.assert_array_equal(tg.trace(np.tanh, X).run(tg.Tensor(X)), np.tanh(X))


def test_an_argument_may_be_changed_in_place() -> None:
    def f(x: Any) -> Any:
        x[0] = 5.0
        return x * 2

    graph, x = tg.trace(f, X), X.copy()
    np.testing.assert_array_equal(graph.run(x)[0], [10, 10, 10])
    np.testing.assert_array_equal(x, [[5.0] * 3, X[1]])  # as the function itself would


def test_a_view_that_has_to_look_again_at_the_end_is_part_of_the_program() -> None:
    def f(x: Any) -> Any:
        h = x * 2
        view = h[0]
        h[0, 1] = 7.0
        return view

    graph = tg.trace(f, X)
    np.testing.assert_array_equal(graph.run(10 * X), [10, 7, 50])


def test_a_write_through_a_view_is_named_for_the_view_and_the_root_keeps_its_own() -> None:
    def f(x: Any) -> Any:
        h = x * 2
        view = h[0]
        view += 1.0
        h[1] *= 3.0
        return h

    graph = tg.trace(f, X)
    by_name = {graph.names[node]: node.function.__name__ for node in graph.nodes}
    assert by_name["view_2"] == "add"
    assert by_name["h_2"] == "setitem"
    assert len(graph.nodes) == 7


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("import", "import_2"),
        ("np", "np_2"),
        ("data", "data"),
        ("nan", "nan_2"),
        ("a b", "a_b"),
        ("W1'; DROP", "W1_DROP"),
        ("größe", "größe"),
        ("π", "π"),
        ("ﬁ", "fi"),
        ("1st", "x1st"),
        ("²", "x2"),
        ("€", "x"),
        ("", "x"),
        ("__init__", "init"),
    ],
)
def test_any_name_becomes_an_identifier(key: str, name: str) -> None:
    graph = tg.trace(lambda params: params[key] * tg.Tensor(X, name=key), {key: X})
    assert names(graph.inputs, graph) == [name]
    assert name.isidentifier()
    assert str(parse(str(graph))) == str(graph)


@pytest.mark.parametrize("name", ["import", "a b", "<lambda>", "é", "None"])
def test_any_function_name_can_be_read_back(name: str) -> None:
    def f(x: Any) -> Any:
        return x * 2

    f.__name__ = name
    text = str(tg.trace(f, X))
    assert str(parse(text)) == text


def test_names_that_clash_are_numbered() -> None:
    def f(h: Any, h_2: Any, t1: Any) -> Any:
        h = h * h_2
        h = h + t1
        return np.sum(h * 2)

    graph = tg.trace(f, X, X, X)
    assert list(graph.names.values()) == ["h", "h_2", "t1", "h_3", "h_4", "t2", "t3"]


def test_what_the_result_does_not_need_is_left_out() -> None:
    def f(x: Any, unused: Any) -> Any:
        np.exp(x)
        return x * 2

    graph = tg.trace(f, X, X)
    assert len(graph.inputs) == 2
    assert [node.function for node in graph.nodes] == [np.multiply]


def test_results_may_be_arguments_constants_or_the_same_twice() -> None:
    W = tg.Parameter(X)
    graph = tg.trace(lambda x: (x, W, 3.0, np.arange(2), [x * 2] * 2), X)
    x, w, three, numbers, (a, b) = graph.run(2 * X)
    np.testing.assert_array_equal(x, 2 * X)
    np.testing.assert_array_equal(w, X)
    np.testing.assert_array_equal(numbers, [0, 1])
    np.testing.assert_array_equal(a, b)
    assert three == 3.0


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: None, "returned None: there is nothing"),
        (lambda x: [], r"returned \[\]: there is nothing"),
        (lambda x: "text", "real numbers; got 'text'"),
        (lambda x: (x, {"a": object}), "real numbers; got <class 'object'>"),
    ],
)
def test_a_function_without_a_result_is_refused(f: Any, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        tg.trace(f, X)


def test_arguments_that_no_program_computes_with_are_refused() -> None:
    for x in (np.array(["a"]), np.array([1j]), np.array([object()])):
        with pytest.raises(TraceError, match=r"x holds .* real numbers"):
            tg.trace(lambda x: x, x)


def test_a_trace_inside_no_grad_still_has_its_gradient() -> None:
    with tg.no_grad():
        graph = tg.trace(lambda x: np.sum(x * x), X)
    np.testing.assert_array_equal(graph.cotangents()[graph.inputs[0]], 2 * X)


def test_no_grad_inside_a_traced_function_makes_constants() -> None:
    def f(x: Any) -> Any:
        with tg.no_grad():
            top = x.max()
        return np.sum(x * top)

    graph = tg.trace(f, X)
    np.testing.assert_array_equal(graph.cotangents()[graph.inputs[0]], np.full((2, 3), 5.5))
    assert graph.run(2 * X) == np.sum(2 * X) * 11


def test_the_cotangents_are_the_gradients_of_every_node(net: Net) -> None:
    graph = tg.trace(lambda data: net.loss(data, Y)[0], X)
    found = {graph.names[node]: g for node, g in graph.cotangents().items()}
    net.loss(X, Y)[0].backward()
    np.testing.assert_allclose(found["W1"], net.W1.grad)
    np.testing.assert_allclose(found["b1"], net.params["b1"].grad)
    assert found["h1"].shape == (2, 4)
    with pytest.raises(ShapeError, match=r"one number.*shapes \(2, 3\)"):
        tg.trace(np.tanh, X).cotangents()


@pytest.mark.parametrize("size", [3, 40_000])
def test_what_was_computed_before_is_a_constant_of_the_program(size: int) -> None:
    W = tg.Parameter(np.ones(size))
    before = W + np.ones(size)
    graph = tg.trace(lambda x: np.sum(x * before), np.ones(size))
    assert len(graph.captured) == 1
    assert graph.run(np.full(size, 2.0)) == 4.0 * size
    assert parse(str(graph)).run(np.full(size, 2.0)) == 4.0 * size
    assert set(graph.cotangents()) <= set(graph.everything)


def test_a_gradient_can_be_traced_and_a_trace_taken_inside_a_gradient() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.tanh(x) * x)

    graph = tg.trace(tg.grad(f), X)
    np.testing.assert_allclose(graph.run(2 * X), tg.grad(f)(2 * X))
    np.testing.assert_allclose(tg.trace(tg.hessian(f), X).run(2 * X), tg.hessian(f)(2 * X))

    def with_a_trace(x: Any) -> Any:
        slope = tg.trace(f, x).run(np.ones((2, 3)))
        return np.sum(x) * slope

    np.testing.assert_allclose(tg.grad(with_a_trace)(X), np.full((2, 3), 6 * np.tanh(1)))


def test_a_gradient_of_a_constant_made_inside_a_trace() -> None:
    def f(x: Any) -> Any:
        point, order = tg.Tensor(np.ones(3)), tg.Tensor([2, 0, 1])
        return x * tg.grad(lambda p: np.sum(p[order] * p))(point)

    np.testing.assert_array_equal(tg.trace(f, X).run(X), 2 * X)


def test_functions_of_any_signature_are_traced() -> None:
    def f(*arrays: Any) -> Any:
        return arrays[0] * arrays[1]

    graph = tg.trace(f, X, X)
    assert names(graph.inputs, graph) == ["x0", "x1"]
    assert tg.trace(lambda: tg.Parameter(X, name="W") * 2).inputs == ()
    named = tg.trace(lambda x: x * 2, tg.Tensor(X, name="data"))
    assert names(named.inputs, named) == ["data"]


def test_what_is_traced_is_a_function() -> None:
    with pytest.raises(DataError, match=r"a function, not ndarray: tg.trace\(f, \*args\)"):
        tg.trace(X, X)  # type: ignore[arg-type]


def test_an_argument_that_is_asked_for_its_value_is_called_one() -> None:
    with pytest.raises(TraceError, match="needs the value of an argument"):
        tg.trace(lambda x: x.tolist(), X)
