"""DOT sources: the same bytes for the same program, every word escaped, every edge there."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_nn as tg
from tests.draw.golden import FOLDER, PARAMETERS, drawings, loss, two_layer_net
from tinygrad_nn.datasets import toy, toy_parameters
from tinygrad_nn.draw import labels, style, to_dot
from tinygrad_nn.graph import parse

NAMES = [
    "two_layer_net", "two_layer_net_gradients", "two_layer_net_backward", "loop", "square",
    "constants",
]  # fmt: skip


def edges(dot):
    return re.findall(r"^\t(\w+) -> (\w+)", dot, flags=re.MULTILINE)


def line_of(dot, name):
    """The line that defines the node in which ``name`` stands in bold."""
    (line,) = [line for line in dot.splitlines() if f"<B>{name}</B>" in line]
    return line


@pytest.fixture(scope="module")
def drawn():
    return drawings()


@pytest.mark.parametrize("name", NAMES)
def test_a_program_is_drawn_as_before(drawn, name):
    # If the change is meant: python -m tests.draw.golden
    assert drawn[name] == (FOLDER / f"{name}.dot").read_text(encoding="utf-8")


def test_another_process_draws_the_same_bytes(drawn):
    code = "import json; from tests.draw.golden import drawings; print(json.dumps(drawings()))"
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONHASHSEED": "4711"}
    out = subprocess.check_output([sys.executable, "-c", code], cwd=root, env=environment)
    assert json.loads(out) == drawn


def test_ids_are_places_in_the_graph(drawn):
    dot = drawn["two_layer_net"]
    defined = re.findall(r"^\t(n\d\w*) \[", dot, flags=re.MULTILINE)
    assert defined == [f"n{i}" for i in range(len(two_layer_net().index))]


def test_a_derivatives_operations_are_told_from_the_forward_ones(drawn):
    graph = two_layer_net().gradient().simplify()
    dot = drawn["two_layer_net_backward"]
    backward = {f"n{graph.index[node]}" for node in graph.origin}
    red = {
        line.split()[0]
        for line in dot.splitlines()
        if "<TABLE" in line and f'COLOR="{style.GRADIENT}" BGCOLOR' in line
    }
    assert red == backward
    for start, end, look in re.findall(r"^\t(\w+) -> (\w+)(.*)", dot, flags=re.MULTILINE):
        within, into = start in backward and end in backward, end in backward
        assert (style.GRADIENT in look) == within
        assert ("style=dashed" in look) == (into and not within)
    assert f'COLOR="{style.GRADIENT}"><B>dW1</B>' in line_of(dot, "dW1")
    assert style.GRADIENT not in line_of(dot, "data_loss")


def test_a_value_used_twice_sends_two_edges(drawn):
    assert edges(drawn["square"]) == [("n0", "n1"), ("n0", "n1")]


def test_operands_are_numbered_where_they_could_be_swapped_unnoticed():
    def heads(f):
        dot = to_dot(tg.trace(f, np.ones((2, 2)), np.ones((2, 2))))
        return re.findall(r"headlabel=(\d)", dot)

    assert heads(lambda a, b: a - b) == ["1", "2"]
    assert heads(lambda a, b: b @ a) == ["1", "2"]
    assert heads(lambda a, b: a + b) == []
    assert heads(lambda a, b: np.maximum(a, b)) == []
    assert heads(lambda a, b: tg.cross_entropy(a + b, np.array([0, 1]))) == []


@pytest.mark.parametrize(
    ("f", "label"),
    [
        (lambda x: np.maximum(0, x), "max(0, ·)"),
        (lambda x: 0.1 * 0.5 * x, "0.05 × ·"),
        (lambda x: x**2, "· ** 2"),
        (lambda x: 1 - x, "1 − ·"),
        (lambda x: x @ np.eye(2), "· @ [[1, 0], [0, 1]]"),
        (lambda x: x @ x, "@"),
        (lambda x: -x, "−·"),
        (lambda x: x.T, "·.T"),
        (lambda x: x[1:, None], "·[1:, None]"),
        (lambda x: x[..., ::-1], "·[..., ::-1]"),
        (lambda x: np.sum(x), "sum"),
        (lambda x: np.sum(x, axis=1, keepdims=True), "sum(axis=1)"),
        (lambda x: x.reshape(1, 4), "reshape"),
        (lambda x: np.stack([x, x], axis=1), "stack(axis=1)"),
        (lambda x: np.einsum("ij,ij->i", x, x), "einsum('ij,ij->i', ·, ·)"),
        (lambda x: np.linalg.inv(x), "linalg.inv"),
        (lambda x: tg.softmax(x), "softmax"),
    ],
)
def test_an_operation_reads_as_one_writes_it(f, label):
    (*_, node) = tg.trace(f, np.eye(2)).nodes
    assert labels.operation(node).removesuffix("(axis=-1)") == label


def test_gradients_are_those_of_grad_on_the_way_to_the_parameters_only(drawn):
    dot = drawn["two_layer_net_gradients"]
    by_hand = tg.grad(loss)(toy_parameters(), *toy())
    for name in PARAMETERS:
        norm = np.sqrt(np.sum(by_hand[name] ** 2))
        assert f"‖d{name}‖ = {norm:.3g}" in line_of(dot, name)
    assert "dloss = 1<" in line_of(dot, "loss")
    assert "‖dX‖" not in dot
    assert "‖dX‖" in to_dot(two_layer_net(), gradients=True)


def test_the_way_of_the_gradient_is_drawn_beside_the_edge(drawn):
    dot = drawn["two_layer_net_gradients"]
    both = {edge for edge in edges(dot) if f"{edge[0]} -> {edge[1]} [color=" in dot}
    inputs = two_layer_net().inputs
    without = {("n4", f"n{len(inputs)}"), ("n5", "n11")}  # the data and its labels
    assert set(edges(dot)) - both == without


def test_a_captured_parameter_has_its_colour_and_its_name():
    W = tg.Parameter(np.ones((2, 2)), name="W")
    graph = tg.trace(lambda x: np.sum(x @ W), np.ones((2, 2)))
    colour = re.search(
        r' color="(#\w+)"', line_of(to_dot(two_layer_net(), parameters=("W1",)), "W1")
    )
    assert colour[1] in line_of(to_dot(graph), "W")
    assert colour[1] not in line_of(to_dot(graph), "x")


def test_the_dtype_is_shown_when_it_is_not_the_usual_one():
    graph = tg.trace(lambda a, b: a + b, np.ones(2, np.float32), np.ones(2))
    assert "(2,) float32" in line_of(to_dot(graph), "a")
    assert "float64" not in to_dot(graph)
    assert "(2,) float64" in line_of(to_dot(graph, dtypes=True), "b")


def test_values_are_numbers_or_ranges_and_missing_where_they_were_not_kept():
    graph = tg.trace(lambda x: np.sum(np.sqrt(x)), np.array([1.0, 4.0, 9.0]))
    dot = to_dot(graph, values=True)
    assert "1 … 9" in line_of(dot, "x")
    assert "= 6<" in dot
    assert "all 2<" in to_dot(tg.trace(lambda x: x + 1, np.ones(3)), values=True)
    large = tg.trace(lambda x: np.sum(2 * (x + 1)), np.zeros((200, 200)))
    assert "nan" not in to_dot(large, values=True)


def test_a_nan_is_pointed_out():
    graph = tg.trace(lambda x: x + 1, np.array([1.0, np.nan]))
    assert "has nan" in line_of(to_dot(graph, values=True), "x")


def test_norms_do_not_overflow():
    assert labels.size_of(np.full(4, 1e200)) == "2e+200"
    assert labels.size_of(np.zeros(4)) == "0"
    assert labels.size_of(np.zeros((0, 3))) == "0"


def test_a_large_constant_has_a_box_with_its_name_if_that_is_certain():
    data = np.ones((5, 2))
    graph = tg.trace(lambda w: data @ w, np.ones((2, 3)))
    assert "(5, 2)" in line_of(to_dot(graph), "data")
    other = tg.trace(lambda w: (data + 1) @ w, np.ones((2, 3)))
    assert "constant<" in to_dot(other)
    assert "<B>data</B>" not in to_dot(other)


def test_an_input_used_far_down_is_drawn_again_there():
    def power(x, w):
        for _ in range(30):
            x = np.tanh(x * w)
        return x

    dot = to_dot(tg.trace(power, np.ones(3), np.ones(3)))
    copies = set(re.findall(r"^\t(n1_\d+) \[", dot, flags=re.MULTILINE))
    used = [start for start, _ in edges(dot) if start.partition("_")[0] == "n1"]
    assert len(used) == 30
    assert 3 <= len(copies) <= 10
    assert copies | {"n1"} == set(used)


def test_a_deep_program_takes_a_line_for_each_node_and_edge():
    def chain(x):
        for _ in range(5000):
            x = np.sin(x)
        return x

    dot = to_dot(tg.trace(chain, np.float64(1.0)), gradients=True, values=True)
    assert len(dot.splitlines()) == 5001 + 5000 + 5


@pytest.mark.parametrize("direction", ["down", None])
def test_a_wrong_value_of_a_style_names_the_right_ones(direction):
    with pytest.raises(tg.errors.DataError, match="TB, LR"):
        two_layer_net().to_dot(direction=direction)


def test_an_unknown_style_names_those_there_are():
    with pytest.raises(TypeError, match=r"'colour'.*gradients, values, parameters, direction"):
        two_layer_net().to_dot(colour="red")


def test_a_parameter_must_be_an_input():
    with pytest.raises(tg.errors.DataError, match=r"'W3'.*W1, b1"):
        two_layer_net().to_dot(parameters=["W3"])
    with pytest.raises(tg.errors.DataError, match="several names"):
        two_layer_net().to_dot(parameters="W1")


def test_gradients_are_of_one_number():
    with pytest.raises(tg.errors.ShapeError):
        tg.trace(lambda x: x + 1, np.ones(2)).to_dot(gradients=True)


def test_a_graph_read_from_text_is_drawn_alike_but_has_no_numbers(drawn):
    read = parse(str(two_layer_net()))
    assert to_dot(read, parameters=PARAMETERS) == drawn["two_layer_net"]
    for numbers in ({"gradients": True}, {"values": True}):
        with pytest.raises(tg.errors.DataError, match="keeps no values"):
            to_dot(read, **numbers)


def test_hostile_names_stay_words():
    graph = two_layer_net()
    names = dict(graph.names)
    names[graph.inputs[0]] = '</b>"\n{|}\\'
    names[graph.inputs[1]] = "<b>&amp;\x00\x1b"
    dot = to_dot(dataclasses.replace(graph, names=names, name='a"; -> b\\'))
    assert "<B>&lt;/b&gt;&quot; {|}\\\\</B>" in dot
    assert "<B>&lt;b&gt;&amp;amp;  </B>" in dot
    assert dot.startswith("digraph a_b {\n")
