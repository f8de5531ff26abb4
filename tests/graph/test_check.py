"""Graph.check: the graphs that the package makes are consistent; every planted fault is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tinygrad_nn as tg
from models import softmax_classifier, svm_classifier, two_layer_net
from tests.rules import elementwise_cases, linalg_cases, reduction_cases, shape_cases  # noqa: F401
from tests.rules.cases import CASES
from tinygrad_nn import tree
from tinygrad_nn.datasets import toy, toy_parameters
from tinygrad_nn.errors import GraphError
from tinygrad_nn.graph import parse
from tinygrad_nn.graph.graph import Constant
from tinygrad_nn.node import Node
from tinygrad_nn.rules.linalg import logabsdet

TOY = toy()


def total(case: Any) -> Any:
    """One number from all of a case's results."""
    return lambda *args: sum(np.sum(y) for y in tree.leaves(case(*args)))


@pytest.mark.parametrize("case", [c for c in CASES if c.function is not np.extract], ids=str)
def test_every_operation_passes(case: Any) -> None:
    graph = tg.trace(case, *case.args)
    assert graph.check() is graph
    parse(str(graph)).check()
    gradient = tg.trace(total(case), *case.args).gradient(tuple(range(len(case.args))))
    gradient.check()
    parse(str(gradient)).check()


@pytest.mark.parametrize("model", [softmax_classifier, svm_classifier, two_layer_net])
def test_whole_networks_pass_and_training_steps_too(model: Any) -> None:
    params = toy_parameters()
    if model is not two_layer_net:
        params = {"W": params["W1"][:, :3], "b": params["b2"]}

    def step(params: Any, X: Any, y: Any, reg: float, rate: float) -> Any:
        loss, gradients = tg.value_and_grad(model.loss)(params, X, y, reg)
        for name in params:
            params[name] -= rate * gradients[name]
        return loss

    for graph in (
        tg.trace(model.forward, params, TOY[0]),
        tg.trace(model.loss, params, *TOY, 0.1).gradient(),
        tg.trace(step, params, *TOY, 0.1, 0.01),
    ):
        graph.check()
        parse(str(graph)).check()


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (lambda x: x[x > 0], (np.array([1.0, -2.0, 3.0]),)),
        (lambda x: x[:, x[0] > 0] * 2, (np.array([[1.0, -2.0, 3.0], [1, 2, 3]]),)),
        (lambda x: x[x > 0] + x[x > 0], (np.ones((2, 3)),)),
        (lambda n, k: n**k * 0.5, (2, -1)),
        (lambda n, k: n**k, (2, 3)),
        (lambda a, b: a / b, (1, 4)),
        (lambda a, b: a // b + a % b, (7, 4)),
        (logabsdet, (np.eye(3) * 2,)),
        (lambda a: np.linalg.cholesky(a @ a.T), (np.eye(3) * 2,)),
        (lambda x: np.digitize(x, np.array([0.0, 1.0])), (np.ones(3),)),
        (lambda x, bins: np.digitize(x, bins), (np.ones(3), np.array([0.0, 1.0]))),
        (lambda a: np.linalg.matrix_rank(a), (np.ones((2, 2)),)),
        (lambda x: x[np.zeros(0, np.intp)], (np.zeros((0, 2)),)),
    ],
)
def test_types_that_depend_on_values_or_that_nan_cannot_give(f: Any, args: Any) -> None:
    graph = tg.trace(f, *args)
    graph.check()
    parse(str(graph)).check()


# --- planted faults -------------------------------------------------------------------------------

TEXT = (
    "def f(X: float64[2, 3], W: float64[3, 4], n: float):\n"
    "    c: float64[4] = constant(array([1.0, 2.0, 3.0, 4.0], 'float64'))\n"
    "    h: float64[2, 4] = np.matmul(X, W)\n"
    "    s: float64[2, 4] = np.add(h, c)\n"
    "    a: float64[2, 4] = np.multiply(s, n)\n"
    "    loss: float64[()] = np.sum(a)\n"
    "    return loss"
)


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("h: float64[2, 4]", "h: float64[3]", "line 3: h: declared float64[3], computed float64[2"),
        ("h: float64[2, 4]", "h: float32[2, 4]", "line 3: h: declared float32[2, 4], computed fl"),
        ("h: float64[2, 4]", "h: int64[2, 4]", "line 3: h: declared int64[2, 4], computed float6"),
        ("a: float64[2, 4]", "a: float", "line 5: a: declared float, computed float64[2, 4]"),
        ("loss: float64[()]", "loss: float64[1]", "line 6: loss: declared float64[1], computed fl"),
        ("loss: float64[()]", "loss: float", "line 6: loss: declared float, computed float64[()]"),
        ("W: float64[3, 4]", "W: float64[4, 3]", "line 3: h: declared float64[2, 4], and cannot b"),
        ("np.sum(a)", "np.sum(a, axis=0)", "line 6: loss: declared float64[()], computed float64["),
        ("np.sum(a)", "np.sum(a, axis=5)", "line 6: loss: declared float64[()], and cannot be com"),
        ("np.add(h, c)", "np.equal(h, c)", "line 4: s: declared float64[2, 4], computed bool[2, 4"),
        ("np.add(h, c)", "np.add(h)", "line 4: s: declared float64[2, 4], and cannot be computed"),
    ],
)  # fmt: skip
def test_a_wrong_type_in_a_text_is_named_with_its_line(
    right: str, wrong: str, message: str
) -> None:
    parse(TEXT).check()
    faulty = TEXT.replace(right, wrong, 1)
    assert faulty != TEXT
    with pytest.raises(GraphError) as raised:
        parse(faulty).check()
    assert str(raised.value).startswith(message)
    number = int(message.split()[1].strip(":"))
    assert faulty.splitlines()[number - 1].strip() in str(raised.value)


def named(graph: tg.Graph) -> dict[str, Node]:
    return {name: node for node, name in graph.names.items()}


def rename(graph: tg.Graph, old: str, new: Any) -> tg.Graph:
    names = {n: new if name == old else name for n, name in graph.names.items()}
    return replace(graph, names={n: name for n, name in names.items() if name is not None})


def swapped(graph: tg.Graph) -> tg.Graph:
    first, second, *rest = graph.nodes
    return replace(graph, nodes=(second, first, *rest))


def changed(graph: tg.Graph, name: str, **attributes: Any) -> tg.Graph:
    for attribute, value in attributes.items():
        setattr(named(graph)[name], attribute, value)
    return graph


STRANGER = parse("def g(x: float64[2, 4]):\n    y: float64[2, 4] = np.exp(x)\n    return y").nodes[
    0
]

FAULTS = {
    "order": (swapped, "line 3: s: h is used before it is defined"),
    "twice": (lambda g: replace(g, nodes=(*g.nodes, g.nodes[0])), "line 3: h: is defined twice"),
    "input twice": (lambda g: replace(g, inputs=(*g.inputs, g.inputs[0])), "line 1: X: is defined"),
    "unknown": (
        lambda g: changed(g, "s", inputs=(STRANGER, None)),
        "line 4: s: a node without a name is no node of the graph",
    ),
    "no leaf": (lambda g: replace(g, inputs=g.inputs[:2]), "line 5: a: n is no node of the graph"),
    "a leaf": (lambda g: replace(g, nodes=(g.captured[0], *g.nodes), captured=()), "line 2: c: a "),
    "too few": (lambda g: changed(g, "s", inputs=g.nodes[1].inputs[:1]), "line 4: s: 2 arguments,"),
    "argument": (
        lambda g: changed(g, "loss", arguments=(np.zeros(3),)),
        "line 6: loss: its argument a is float64[3], and a is declared float64[2, 4]",
    ),
    "value": (lambda g: changed(g, "loss", value=None), "line 6: loss: declared no array (NoneTyp"),
    "name": (lambda g: rename(g, "s", None), "line 4: a node without a name: every node needs a"),
    "same name": (lambda g: rename(g, "s", "X"), "line 4: X: line 1 has the same name"),
    "no word": (lambda g: rename(g, "s", "s-1"), "line 4: s-1: 's-1' is no identifier"),
    "keyword": (lambda g: rename(g, "s", "if"), "line 4: if: 'if' is no identifier"),
    "no text": (lambda g: rename(g, "s", 7), "line 4: 7: 7 is no identifier"),
    "reserved": (lambda g: rename(g, "s", "nan"), "line 4: nan: 'nan' has a meaning of its own"),
    "output": (lambda g: replace(g, outputs=(STRANGER,)), "output 0 (a node without a name) is no"),
    "target": (lambda g: replace(g, updates=((g.nodes[0], g.nodes[1]),)), "h is updated, and is n"),
    "update": (lambda g: replace(g, updates=((g.inputs[0], STRANGER),)), "X is updated with a nod"),
    "update type": (
        lambda g: replace(g, updates=((g.inputs[0], g.nodes[0]),)),
        "X[...] = h: writes float64[2, 4] into float64[2, 3]",
    ),
    "origin": (lambda g: replace(g, origin={g.nodes[1]: STRANGER}), "line 4: s: is made by the ru"),
    "structure": (lambda g: replace(g, structure=(0, 1)), "structure: the places 0 to 0 once each"),
    "no structure": (lambda g: replace(g, structure={}), "structure: the places 0 to 0 once each"),
    "arguments": (
        lambda g: replace(g, arguments=(0, Constant(3), 2)),
        "arguments: the places 0 to 2 once each, not [0, 2]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FAULTS)
def test_each_kind_of_planted_fault_is_found(kind: str) -> None:
    plant, message = FAULTS[kind]
    with pytest.raises(GraphError) as raised:
        plant(parse(TEXT).check()).check()
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("nested", [tg.grad, tg.jacobian, tg.hessian])
def test_derivatives_of_derivatives_pass(nested: Any) -> None:
    def f(x: Any) -> Any:
        return np.sum(tg.grad(lambda z: np.sum(nested(lambda w: np.sum(w**3))(z)))(x))

    tg.trace(f, np.arange(4.0)).check().gradient().check()


def test_a_traced_fault_underlines_the_users_expression() -> None:
    def f(x: Any) -> Any:
        h = np.exp(x)
        return h * 2

    graph = tg.trace(f, np.ones(3))
    graph.nodes[0].value = np.zeros(4)
    with pytest.raises(
        GraphError, match=r"line 2: h: declared float64\[4\], computed float64\[3\]"
    ) as e:
        graph.check()
    assert "np.exp(x)\n" in str(e.value)
    assert "^^^^^^^^^" in str(e.value)


@pytest.mark.parametrize("case", CASES[::37], ids=str)
def test_no_wrong_type_of_any_node_gets_through(case: Any) -> None:
    graph = tg.trace(case, *case.args)
    for node in graph.nodes:
        right = node.value
        wrong = [
            np.zeros(right.shape, np.float16),
            np.zeros((*right.shape, 1), right.dtype),
            np.zeros((*right.shape[:-1], 17), right.dtype),
        ]
        for node.value in wrong:
            with pytest.raises(GraphError):
                graph.check()
        node.value = right
        graph.check()
