"""The text form of a graph is read back exactly, and what is no graph is refused."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_nn as tg
from tinygrad_nn.errors import TraceError
from tinygrad_nn.graph import parse

X = np.arange(6.0).reshape(2, 3) + 0.5


def read_back(graph: tg.Graph) -> tg.Graph:
    text = str(graph)
    again = parse(text)
    assert str(again) == text
    return again


def test_the_text_is_a_python_function_with_types() -> None:
    W = tg.Parameter([[1.0], [2.0], [3.0]], name="W")

    def loss(x: Any) -> Any:
        h = x @ W
        return {"loss": np.sum(h, axis=0, keepdims=True), "h": (h, None)}

    assert str(tg.trace(loss, X)) == (
        "def loss(x: float64[2, 3]):\n"
        "    W: float64[3, 1] = constant(array([[1.0], [2.0], [3.0]], 'float64'))\n"
        "    h: float64[2, 1] = np.matmul(x, W)\n"
        "    loss: float64[1, 1] = np.sum(h, axis=0, keepdims=True)\n"
        "    return {'loss': loss, 'h': (h, None)}"
    )


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x * 2 + 1.5 - True,
        lambda x: x * np.nan + np.inf - (-np.inf) + -0.0 + 1e-300,
        lambda x: x * np.float32(2.5) + np.int8(-3) + np.bool_(True),
        lambda x: x * np.array([np.nan, -np.inf, -0.0]),
        lambda x: np.where(np.array([True, False, True]), x, 0),
        lambda x: np.concatenate([x, np.zeros((0, 3))]),
        lambda x: x * np.arange(300.0).reshape(100, 1, 3),
        lambda x: x * np.arange(300.0).reshape(3, 100).T[:, None],
        lambda x: x * np.ones((2, 3), ">f4") + np.ones((20, 1, 3), ">f8"),
        lambda x: x[::-1, None, ..., 1:],
        lambda x: x[np.int64(0) : np.int64(2) : np.int8(1), tg.Tensor(0) : 2],
        lambda x: x[[0, 1, 0], np.array([2, 1, 0], np.int32)],
        lambda x: x[np.array([True, False])],
        lambda x: x[np.array(1), True],
        lambda x: x[[], 0],
        lambda x: np.sum(x, axis=(0, -1), keepdims=True),
        lambda x: np.sum(x, axis=np.int64(1)),
        lambda x: np.einsum("ij,kj->ik", x, x, optimize=True),
        lambda x: np.transpose(x, (1, 0)).reshape(-1, 2),
        lambda x: x.astype(np.float32) + np.astype(x, "f2"),
        lambda x: np.zeros_like(x, dtype=np.float32) + np.ones_like(x, dtype=float) * x,
        lambda x: np.argmax(x, axis=1) + np.sum(x),
        lambda x: np.linalg.inv(x @ x.T) + np.tensordot(x, x, axes=([1], [1])),
        lambda x: np.roll(x, (1, -1), (0, 1)) + np.tril(x, -1),
        lambda x: tg.logsumexp(x, axis=(0, 1), keepdims=True) + tg.softmax(x, axis=0),
        lambda x: np.stack([x, x], axis=-1),
        lambda x: {1: x, (2, "b"): [x + 1], None: (x,), 2.5: {"": x * 2}, 7: [[], None]},
    ],
)
def test_every_kind_of_constant_is_read_back_and_computes_the_same(f: Any) -> None:
    graph = tg.trace(f, X)
    again = read_back(graph)
    for a, b in zip(flat(graph.run(X)), flat(again.run(X)), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
        assert a.tobytes() == b.tobytes()  # the signs of zeros and all


def flat(tree: Any) -> list[Any]:
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, (list, tuple)):
        return [leaf for branch in tree for leaf in flat(branch)]
    return [] if tree is None else [np.asarray(tree)]


KINDS = st.sampled_from(["?", "i1", "u2", "i8", "f2", "f4", "f8", ">f8", ">i4"])


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(KINDS, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)))
def test_every_array_is_read_back_bit_for_bit(values: Any) -> None:
    graph = tg.trace(lambda: tg.Tensor(values, name="values"))
    (node,) = read_back(graph).captured
    expected = np.asarray(values, values.dtype.newbyteorder("="))
    assert node.value.dtype == expected.dtype
    assert node.value.shape == expected.shape
    assert np.array_equal(node.value, expected, equal_nan=expected.dtype.kind == "f")


def test_python_numbers_that_are_returned_are_read_back() -> None:
    graph = tg.trace(lambda x: (x * 2, 3.0, 10**30, True), np.ones(2))
    again = parse(str(graph))
    assert str(again) == str(graph)
    assert again.run(np.ones(2))[1:] == graph.run(np.ones(2))[1:] == (3.0, 10**30, True)


def test_numbers_of_more_than_double_precision_are_read_back() -> None:
    third = np.longdouble(1) / 3
    graph = tg.trace(lambda: tg.Tensor(np.array([third, -third])))
    (node,) = read_back(graph).captured
    assert node.value[0] == third


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 0, 3)])
def test_types_of_any_shape(shape: Any) -> None:
    again = read_back(tg.trace(lambda x: x * 2, np.zeros(shape)))
    assert again.inputs[0].value.shape == shape


GOOD = "def f(x: float64[2]):\n    y: float64[2] = np.exp(x)\n    return y"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (GOOD, "", "one function"),
        (GOOD, "x = 1", "one function"),
        (GOOD, GOOD + "\nx = 1", "one function"),
        (GOOD, "\0", "null bytes"),
        (GOOD, "-" * 100_000 + "1", "not a graph's text"),
        ("def", "class", "not a graph's text"),
        ("return y", "return (y", "never closed"),
        ("return y", "pass", "the last line returns the outputs"),
        ("return y", "return", "the last line returns the outputs"),
        ("return y", "return z", "z is used before it is defined\n  line 3:  return z"),
        ("return y", "return y + 1", "outputs are names"),
        ("return y", "return {**y}", "outputs are names"),
        ("return y", "return {x: y}", "not a literal"),
        ("np.exp(x)", "np.exp(z)", "z is used before it is defined"),
        ("np.exp(x)", "np.exp(y)", "y is used before it is defined"),
        ("np.exp(x)", "np.nothing(x)", "np.nothing is no function that a graph can hold"),
        ("np.exp(x)", "__import__('os')", "__import__ is no function"),
        ("np.exp(x)", "np.exp(*x)", "not a literal"),
        ("np.exp(x)", "np.sum(x, **{})", "not a literal"),
        ("np.exp(x)", "np.exp(lambda: 0)", "not a literal"),
        ("np.exp(x)", "x", "a line is"),
        ("y: float64[2] =", "y =", "a line is"),
        ("y: float64[2]", "y.z: float64[2]", "a line is"),
        ("y: float64[2]", "x: float64[2]", "x is defined twice"),
        ("x: float64[2]", "x", "a type is `dtype[shape]`"),
        ("x: float64[2]", "x: float64", "a type is"),
        ("x: float64[2]", "x: foo[2]", "foo"),
        ("x: float64[2]", "x: float64[a]", "malformed"),
        ("x: float64[2]", "x: float64[-2]", "negative"),
        ("x: float64[2]", "x: float64[2.5]", "not a graph's text"),
        ("x: float64[2]", "x: float64['a']", "not a graph's text"),
        ("x: float64[2]", "x: float64[99999999999, 99999999999]", "not a graph's text"),
        ("x: float64[2]", "*x: float64[2]", "inputs are"),
        ("x: float64[2]", "*, x: float64[2]", "inputs are"),
        ("x: float64[2]", "x: float64[2] = 1", "inputs are"),
        ("x: float64[2]", "x: float64[2], x: float64[2]", "x is defined twice"),
        ("np.exp(x)", "constant()", "a constant is an array"),
        ("np.exp(x)", "constant(x)", "not a literal"),
        ("np.exp(x)", "constant(1.0)", "the constant is float"),
        ("np.exp(x)", "constant(array([1.0, 'a'], 'float64'))", "could not convert"),
        ("np.exp(x)", "constant(array([[1.0], [1.0, 2.0]], 'float64'))", "inhomogeneous"),
        ("np.exp(x)", "constant(array([1.0], 'float64'))", r"float64[2], and the constant is"),
        ("np.exp(x)", "constant(array([1.0, 2.0], 'float32'))", "the constant is float32[2]"),
        ("np.exp(x)", "constant(array([1.0, 2.0], float64))", "not a literal"),
        ("np.exp(x)", "constant(array([1], 'int8', 3))", "not a literal"),
        ("np.exp(x)", "constant(array([300, 1], 'int8'))", "not a graph's text"),
        ("np.exp(x)", "constant(data('zz', 'float64', (2,)))", "not a graph's text"),
        ("np.exp(x)", "constant(data('\\x7f', 'float64', (2,)))", "not a graph's text"),
        ("np.exp(x)", "constant(data('c$@<O00001', 'float64', (2,)))", "reshape"),
        ("np.exp(x)", "constant(data('c$@<O00001', 'object', (0,)))", "not a graph's text"),
        ("np.exp(x)", "constant(open('f'))", "not a literal"),
    ],
)
def test_text_that_is_no_graph_is_refused_with_the_line(old: str, new: str, message: str) -> None:
    assert str(parse(GOOD)) == GOOD
    with pytest.raises(TraceError) as error:
        parse(GOOD.replace(old, new))
    assert message in str(error.value)


@pytest.mark.parametrize("source", [None, 3, ["def f(): ..."]])
def test_what_is_no_text_is_refused(source: Any) -> None:
    with pytest.raises(TraceError):
        parse(source)


class Colour(enum.Enum):
    """A key that has no literal."""

    RED = 1


def test_a_result_under_a_key_without_a_literal_is_not_read_back() -> None:
    graph = tg.trace(lambda x: {Colour.RED: x * 2}, X)
    np.testing.assert_array_equal(graph.run(X)[Colour.RED], 2 * X)
    with pytest.raises(TraceError):
        parse(str(graph))
