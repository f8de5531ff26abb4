"""simplify: what is dropped, shared, computed beforehand; what is kept of names and origins."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pytest

import tinygrad_nn as tg
from models import softmax_classifier, svm_classifier, two_layer_net
from tinygrad_nn.graph import parse
from tinygrad_nn.graph.build import apply
from tinygrad_nn.graph.rewrites import Table
from tinygrad_nn.graph.simplify import simplify
from tinygrad_nn.node import Node, leaf
from tinygrad_nn.rules.neural import cross_entropy

random = np.random.default_rng(0)
N, D, H, C = 5, 4, 10, 3
X, Y = random.normal(size=(N, D)), random.integers(0, C, N)
PARAMS = {
    "W1": random.normal(size=(D, H)),
    "b1": random.normal(size=H),
    "W2": random.normal(size=(H, C)),
    "b2": random.normal(size=C),
}


def expressions(graph: tg.Graph) -> dict[str, str]:
    """What each name stands for, with what has only a number put in its place."""
    found: dict[str, str] = {}
    for line in str(graph).splitlines()[1:]:
        name, _, expression = line.strip().partition(": ")
        if " = " not in expression:
            continue
        expression = expression.split(" = ", 1)[1]
        for other in sorted(found, key=len, reverse=True):
            if other.startswith("t") and other[1:].isdigit():
                expression = expression.replace(f"{other},", f"{found[other]},")
                expression = expression.replace(f"{other})", f"{found[other]})")
        found[name] = expression
    return found


def test_the_two_layer_nets_gradient_is_the_case_studys() -> None:
    graph = tg.trace(two_layer_net.loss, PARAMS, X, Y, 1e-3).gradient().simplify()
    rows = "array([0, 1, 2, 3, 4], 'int64')"
    picked = f"getitem(softmax(scores), {rows}, y)"
    found = expressions(graph)
    assert {k: v for k, v in found.items() if not k.startswith("t")} == {
        "h1": "np.add(np.matmul(X, W1), b1)",
        "a1": "np.maximum(0, h1)",
        "scores": "np.add(np.matmul(a1, W2), b2)",
        "data_loss": "cross_entropy(scores, y)",
        "reg_loss": "np.multiply(np.multiply(0.5, reg), np.add(np.sum(np.multiply(W1, W1)), "
        "np.sum(np.multiply(W2, W2))))",
        "loss": "np.add(data_loss, reg_loss)",
        "dscores": f"np.divide(setitem(softmax(scores), np.subtract({picked}, 1), {rows}, y), 5)",
        "db2": "np.sum(dscores, axis=0)",
        "da1": "np.matmul(dscores, np.transpose(W2))",
        "dW2": "np.add(np.matmul(np.transpose(a1), dscores), np.multiply(reg, W2))",
        "dh1": "np.multiply(da1, np.not_equal(a1, 0))",
        "db1": "np.sum(dh1, axis=0)",
        "dW1": "np.add(np.matmul(np.transpose(X), dh1), np.multiply(reg, W1))",
    }


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_no_dead_or_repeated_work_is_left_in_the_two_layer_net(dtype: Any) -> None:
    params = {k: v.astype(dtype) for k, v in PARAMS.items()}
    graph = tg.trace(two_layer_net.loss, params, X.astype(dtype), Y, 1e-3)
    graph = graph.gradient().simplify()
    calls = [line.split(" = ", 1)[1] for line in str(graph).splitlines() if " = " in line]
    assert len(calls) == len(set(calls))
    assert not any(f.__name__ in ("broadcast_to", "reshape", "astype") for f in functions(graph))
    value, slopes = graph.run(params, X.astype(dtype), Y, 1e-3)
    expected, eager = tg.value_and_grad(two_layer_net.loss)(params, X.astype(dtype), Y, 1e-3)
    rtol = 1e-12 if dtype is np.float64 else 1e-4
    np.testing.assert_allclose(value, expected, rtol=rtol)
    for name, slope in slopes.items():
        assert slope.dtype == dtype
        np.testing.assert_allclose(slope, eager[name], rtol=rtol, atol=rtol)


def functions(graph: tg.Graph) -> list[Any]:
    return [node.function for node in graph.nodes]


@pytest.mark.parametrize("model", [softmax_classifier, svm_classifier, two_layer_net])
@pytest.mark.parametrize("l2", ["half", "full"])
def test_a_training_step_keeps_what_it_does(model: Any, l2: str) -> None:
    def step(params: Any, X: Any, y: Any, reg: float, lr: float) -> Any:
        loss, slopes = tg.value_and_grad(lambda p: model.loss(p, X, y, reg, l2))(params)
        for name in params:
            params[name] -= lr * slopes[name]
        return loss

    params = PARAMS if model is two_layer_net else {"W": PARAMS["W1"][:, :C], "b": PARAMS["b2"]}
    graph = tg.trace(step, params, X, Y, 1e-2, 0.1)
    simple = graph.simplify()
    assert len(simple.nodes) < len(graph.nodes)
    assert [simple.names[n] for n, _ in simple.updates] == list(params)
    old, new = ({k: v.copy() for k, v in params.items()} for _ in range(2))
    assert graph.run(old, X, Y, 1e-2, 0.1) == pytest.approx(simple.run(new, X, Y, 1e-2, 0.1))
    for name in params:
        np.testing.assert_allclose(new[name], old[name], rtol=1e-12)
        assert not np.array_equal(new[name], params[name])


# --- what is dropped, shared, folded --------------------------------------------------------------


def test_what_is_computed_twice_is_shared() -> None:
    def f(x: Any, y: Any) -> Any:
        return np.exp(x * y) + np.exp(y * x) * np.sum(x, axis=-1, keepdims=True) + x.sum(1)[0]

    graph = tg.trace(f, np.ones((2, 3)), np.ones((2, 3))).simplify()
    assert [f.__name__ for f in functions(graph)].count("multiply") == 2
    assert [f.__name__ for f in functions(graph)].count("exp") == 1


def test_what_is_told_apart_is_not_shared() -> None:
    def f(x: Any) -> Any:
        a = np.arctan2(x, 0.0), np.arctan2(x, -0.0), np.arctan2(x, np.float32(0))
        return *a, np.exp(x), np.sum(x, axis=0), np.sum(x, axis=1)

    graph = tg.trace(f, np.ones((2, 2)))
    assert len(graph.simplify().nodes) == len(graph.nodes) == 6


def test_no_gradient_comes_to_flow_where_none_did() -> None:
    def f(x: Any) -> Any:
        with tg.no_grad():
            fixed = x * 1
        return np.sum(fixed * x)

    graph = tg.trace(f, np.array([2.0, 3.0])).simplify()
    np.testing.assert_array_equal(graph.gradient().run(np.array([2.0, 3.0]))[1], [2, 3])


def test_dead_code_goes() -> None:
    graph = parse(
        "def f(x: float64[3]):\n"
        "    c: float64[2] = constant(array([1.0, 2.0], 'float64'))\n"
        "    t1: float64[3] = np.exp(x)\n"
        "    t2: float64[2] = np.tanh(c)\n"
        "    t3: float64[3] = np.tanh(t1)\n"
        "    return t1"
    )
    assert str(graph.simplify()) == (
        "def f(x: float64[3]):\n    t1: float64[3] = np.exp(x)\n    return t1"
    )


def test_constants_are_folded_with_their_dtypes() -> None:
    text = textwrap.dedent(
        """\
        def f(x: float32[3]):
            t1: float64[()] = np.multiply(array(2.0, 'float64'), 3)
            t2: float32[()] = np.add(array(2.0, 'float32'), 1)
            t3: float64[3] = np.power(t1, x)
            t4: float32[3] = np.power(t2, x)
            return (t3, t4)"""
    )
    assert str(parse(text).simplify()) == textwrap.dedent(
        """\
        def f(x: float32[3]):
            t1: float64[3] = np.power(array(6.0, 'float64'), x)
            t2: float32[3] = np.power(3, x)
            return (t1, t2)"""
    )


def test_large_constants_are_not_made() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.broadcast_to(np.sum(x), (10**9,)))

    graph = tg.trace(f, np.ones(3)).gradient().simplify()
    assert all(value_size(a) < 10 for n in graph.nodes for a in n.arguments)
    np.testing.assert_array_equal(graph.run(np.ones(3))[1], [1e9] * 3)


def value_size(value: Any) -> int:
    return 0 if getattr(value, "base", None) is not None else getattr(value, "size", 1)


def test_an_output_may_turn_out_to_be_constant_or_an_input() -> None:
    graph = parse(
        "def f(x: float64[3]):\n"
        "    four: float64[()] = np.add(array(2.0, 'float64'), array(2.0, 'float64'))\n"
        "    same: float64[3] = np.positive(x)\n"
        "    return (four, same)"
    ).simplify()
    assert str(graph) == (
        "def f(x: float64[3]):\n"
        "    four: float64[()] = constant(array(4.0, 'float64'))\n"
        "    return (four, x)"
    )
    assert graph.run(np.ones(3))[0] == 4


def test_an_update_may_become_another_input() -> None:
    def swap(a: Any, b: Any) -> Any:
        old = +a
        a[...] = +b
        b[...] = old
        return old

    a, b = np.zeros(2), np.ones(2)
    graph = tg.trace(swap, a, b).simplify()
    old = graph.run(a, b)
    assert (a.tolist(), b.tolist(), old.tolist()) == ([1, 1], [0, 0], [0, 0])


# --- names and origins ----------------------------------------------------------------------------


def test_the_users_names_survive_when_nodes_merge() -> None:
    def f(x: Any) -> Any:
        scaled = (x * 3) * 2
        same = np.tanh(np.exp(x) * 1.0)
        again = np.tanh(np.exp(x))
        return scaled + same + again

    graph = tg.trace(f, np.ones(3)).simplify()
    names = [graph.names[n] for n in graph.nodes]
    assert "scaled" in names
    assert "same" in names
    assert "again" not in names
    assert len(set(names)) == len(names)


def test_what_replaces_an_expression_has_its_name() -> None:
    def loss(scores: Any, y: Any) -> Any:
        log_probs = np.log(tg.softmax(scores))
        data_loss = -np.mean(log_probs[np.arange(N), y])
        return data_loss * 2

    graph = tg.trace(loss, random.normal(size=(N, C)), Y).simplify()
    named = {graph.names[n]: n.function for n in graph.nodes}
    assert named["data_loss"] is cross_entropy


def test_every_node_of_a_derivative_has_an_origin_that_is_there() -> None:
    def by_hand(params: Any, X: Any, y: Any) -> Any:
        scores = two_layer_net.forward(params, X)
        e = np.exp(scores - np.max(scores, axis=1, keepdims=True))
        probs = e / np.sum(e, axis=1, keepdims=True)
        return np.mean(-np.log(probs[np.arange(len(y)), y]))

    graph = tg.trace(by_hand, PARAMS, X, Y).gradient().simplify()
    there = set(graph.everything)
    assert set(graph.origin.values()) <= there
    dscores = next(n for n in graph.nodes if graph.names[n] == "dscores")
    assert graph.names[graph.origin[dscores]] == "probs"
    graph = tg.trace(two_layer_net.loss, PARAMS, X, Y, 1e-3).gradient().simplify()
    of = {graph.names[n]: graph.names[forward] for n, forward in graph.origin.items()}
    assert (of["dscores"], of["dh1"], of["dW1"]) == ("data_loss", "a1", "t1")


def test_inputs_structure_and_arguments_stay() -> None:
    graph = tg.trace(lambda p, x: {"y": [p["w"] * x * 1.0, None]}, {"w": np.ones(3)}, 2.0)
    simple = graph.simplify()
    assert simple.inputs == graph.inputs
    assert simple.structure == graph.structure
    assert simple.arguments is graph.arguments
    assert simple.run({"w": np.arange(3.0)}, 3.0)["y"][0].tolist() == [0, 3, 6]


def test_no_large_value_is_held() -> None:
    X = np.ones((300, 400))
    graph = tg.trace(lambda x, w: np.sum(np.exp(x @ w)), X, np.ones((400, 2))).simplify()
    for node in graph.nodes:
        assert not any(node.value.strides if node.value.ndim else ())
        for parent, value in zip(node.inputs, node.arguments, strict=True):
            assert parent in graph.inputs or value is parent.value


def test_the_same_program_gives_the_same_text() -> None:
    texts = {
        str(tg.trace(two_layer_net.loss, PARAMS, X, Y, 1e-3).gradient().simplify())
        for _ in range(3)
    }
    assert len(texts) == 1
    (text,) = texts
    assert str(parse(text)) == text
    assert str(parse(text).simplify()) == text


def test_a_simplified_graph_can_be_differentiated() -> None:
    graph = tg.trace(two_layer_net.loss, PARAMS, X, Y, 1e-3)
    first = graph.gradient().simplify().run(PARAMS, X, Y, 1e-3)
    second = graph.simplify().gradient().simplify().run(PARAMS, X, Y, 1e-3)
    for name in PARAMS:
        np.testing.assert_allclose(second[1][name], first[1][name], rtol=1e-12)


def test_only_the_table_given_is_applied() -> None:
    graph = tg.trace(lambda x: np.tanh(x * 1), np.ones(3))
    assert len(simplify(graph, Table()).nodes) == 2
    own = Table()
    own.add(lambda x: np.tanh(x), lambda x: np.sin(x))
    assert functions(simplify(graph, own)) == [np.multiply, np.sin]


# --- size -----------------------------------------------------------------------------------------


def chain(length: int) -> tg.Graph:
    """A program of one operation after the other, some of them needless."""
    x = leaf(np.ones(3), True)
    names, nodes = {x: "x"}, []
    steps: list[tuple[Any, ...]] = [(np.multiply, 1.0), (np.add, 0.5), (np.tanh,), (np.negative,)]
    last: Node = x
    like: dict[Any, Node] = {}
    for i in range(length):
        function, *rest = steps[i % 4]
        if function not in like:
            like[function] = apply(function, last, *rest)
        node = Node()
        node.function, node.keywords = function, None
        node.inputs, node.arguments = (last, *(None for _ in rest)), (last.value, *rest)
        node.value, node.requires_grad, node.order = like[function].value, True, i + 1
        node.code, node.offset = None, 0
        nodes.append(node)
        names[node] = f"t{i + 1}"
        last = node
    return tg.Graph("f", (x,), (), tuple(nodes), (last,), names)


def test_a_hundred_thousand_nodes_are_simplified() -> None:
    graph = chain(100_000).simplify()
    assert len(graph.nodes) == 50_001  # -tanh(x) + 0.5 is 0.5 - tanh(x)


def test_the_work_grows_with_the_number_of_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [0]
    original = Table.candidates

    def counted(self: Table, function: Any, operands: tuple[Any, ...]) -> Any:
        calls[0] += 1
        return original(self, function, operands)

    monkeypatch.setattr(Table, "candidates", counted)
    work = []
    for length in (1000, 2000, 4000):
        calls[0] = 0
        chain(length).simplify()
        work.append(calls[0])
    assert work[1] <= 2.1 * work[0]
    assert work[2] <= 2.1 * work[1]


@pytest.mark.parametrize("shape", [(3,), (2, 4, 3)])
def test_a_softmax_of_any_shape_may_lose_an_array_of_comparisons(shape: tuple[int, ...]) -> None:
    def f(x: Any, y: Any) -> Any:
        return tg.softmax(x) - (np.reshape(y, (3, 1)) == np.arange(3)).astype(float)

    x, y = random.normal(size=shape if len(shape) == 1 else (2, 3, 3)), np.arange(3)
    graph = tg.trace(f, x, y)
    np.testing.assert_allclose(graph.simplify().run(x, y), graph.run(x, y), rtol=1e-12)
