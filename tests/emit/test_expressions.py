"""One node as an expression: parentheses where Python needs them, and NumPy's meaning kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.emit.generated import assert_same, compiled
from tinygrad_nn.emit.code import OPERATORS, Code, binary, string
from tinygrad_nn.emit.literals import literal
from tinygrad_nn.emit.readable.expressions import expression
from tinygrad_nn.errors import TraceError
from tinygrad_nn.graph import Graph, trace
from tinygrad_nn.graph.build import apply
from tinygrad_nn.node import Node, leaf

A = np.array([[1.5, -2.0], [0.25, 3.0]])
B = np.array([[0.5, 1.0], [-1.5, 2.0]])


def body(f: Any, *args: Any) -> str:
    """The expression of a function that has one line."""
    lines = trace(f, *args).source().splitlines()
    return lines[-2].split(" = ", 1)[1].split("  #")[0].strip()


@pytest.mark.parametrize(
    ("f", "text"),
    [
        (lambda x: x.T @ x, "x.T @ x"),
        (lambda x: (x + 1).T, "(x + 1).T"),
        (lambda x: x.sum(axis=0), "x.sum(axis=0)"),
        (lambda x: np.sum(x * x, axis=0, keepdims=True), "np.sum(x * x, axis=0, keepdims=True)"),
        (lambda x: x.mean(axis=1), "x.mean(axis=1)"),
        (lambda x: x[1:, None, ::-1] * 2, "x[1:, None, ::-1] * 2"),
        (lambda x: x[..., 0] + x[-1], "x[..., 0] + x[-1]"),
        (lambda x: x[[1, 0], np.array([0, 1])] + 1, "x[np.array([1, 0]), np.arange(2)] + 1"),
        (lambda x: -(x**2), "-(x**2)"),
        (lambda x: (-x) ** 2, "(-x) ** 2"),
        (lambda x: 2 ** -x.sum(), "2 ** -x.sum()"),
        (lambda x: 2.0**x, "2.0**x"),
        (lambda x: x - (x - 1), "x - (x - 1)"),
        (lambda x: x - x - 1, "x - x - 1"),
        (lambda x: x / (x / 2), "x / (x / 2)"),
        (lambda x: x / (x * 2), "x / (x * 2)"),
        (lambda x: (x > 0) & (x < 2), "(x > 0) & (x < 2)"),
        (lambda x: ~(x > 0) | (x != 1), "~(x > 0) | (x != 1)"),
        (lambda x: np.abs(x) % 2, "np.abs(x) % 2"),
        (lambda x: np.where(x > 0, x, 0.0), "np.where(x > 0, x, 0.0)"),
        (lambda x: np.concatenate([x, x + 1], axis=1), "np.concatenate([x, x + 1], axis=1)"),
        (lambda x: np.stack([x[0], x[1]]), "np.stack([x[0], x[1]])"),
        (lambda x: np.einsum("ij,kj->ik", x, x), 'np.einsum("ij,kj->ik", x, x)'),
        (lambda x: np.linalg.solve(x, x[0]), "np.linalg.solve(x, x[0])"),
        (lambda x: np.linalg.slogdet(x)[1] + 1, "np.linalg.slogdet(x)[1] + 1"),
        (lambda x: x.astype(np.float32) * 2, "x.astype(np.float32) * 2"),
        (lambda x: np.expand_dims(x, 1) + 1, "x[:, None, :] + 1"),
        (lambda x: x.reshape(4) + 1, "x.reshape(4) + 1"),
        (lambda x: x + np.float64(0.2), "x + 0.2"),
        (lambda x: x * -1.0, "x * -1.0"),
        (lambda x: x + np.inf, "x + np.inf"),
        (lambda x: np.swapaxes(np.stack([x, x]), 1, 2), "np.stack([x, x]).mT"),
        (lambda x: np.maximum(0, x), "np.maximum(0, x)"),
        (lambda x: np.flip(x, 0) + 1, "np.flip(x, 0) + 1"),
    ],
)
def test_how_expressions_read(f: Any, text: str) -> None:
    assert body(f, A) == text
    assert_same(compiled(trace(f, A).source())(A), f(A))


@pytest.mark.parametrize(
    ("scalar", "text"),
    [
        (np.float64(0.1), "x * np.float64(0.1)"),
        (np.float32(0.1), "x * 0.1"),
        (0.1, "x * 0.1"),
        (np.int64(3), "x * np.int64(3)"),
        (np.int8(3), "x * 3"),
        (True, "x * True"),
    ],
)
def test_numbers_beside_a_float32_array_keep_their_weight(scalar: Any, text: str) -> None:
    x = A.astype(np.float32)
    assert body(lambda x: x * scalar, x) == text
    assert_same(compiled(trace(lambda x: x * scalar, x).source())(x), x * scalar, 0, 0)


# --- random expressions ---------------------------------------------------------------------------

BINARY = [np.add, np.subtract, np.multiply, np.divide, np.power, np.matmul, np.maximum]
UNARY = [np.negative, np.transpose, np.exp, np.abs]
CONSTANTS = [2, -3, 0.5, -0.25, np.float64(1.5), np.float64(-2.5)]
COMPARISONS = [np.less, np.equal, np.greater_equal]
LOGIC = [np.bitwise_and, np.bitwise_or, np.bitwise_xor]


def extend(children: Any) -> Any:
    numbers = st.one_of(
        st.tuples(st.sampled_from(BINARY), children, children),
        st.tuples(st.sampled_from(BINARY[:5]), children, st.sampled_from(CONSTANTS)),
        st.tuples(st.sampled_from(BINARY[:5]), st.sampled_from(CONSTANTS), children),
        st.tuples(st.sampled_from(UNARY), children),
    )
    truth = st.tuples(st.sampled_from(COMPARISONS), children, children)
    both = st.tuples(
        st.sampled_from(LOGIC), truth, st.one_of(truth, st.tuples(st.just(np.invert), truth))
    )
    return st.one_of(numbers, st.tuples(st.just(np.where), both, children, children))


EXPRESSIONS = st.recursive(st.sampled_from(["a", "b"]), extend, max_leaves=12)


def evaluated(tree: Any, values: dict[str, Any]) -> Any:
    """The expression, computed call by call."""
    if isinstance(tree, str):
        return values[tree]
    if not isinstance(tree, tuple):
        return tree
    function, *operands = tree
    return function(*(evaluated(operand, values) for operand in operands))


@settings(max_examples=400, deadline=None)
@given(EXPRESSIONS)
def test_the_source_of_random_expressions_means_the_same(tree: Any) -> None:
    with np.errstate(all="ignore"):
        graph = trace(lambda a, b: evaluated(tree, {"a": a, "b": b}), A, B)
        expected = graph.run(A, B)
        actual = compiled(graph.source())(A, B)
    assert_same(actual, expected, rtol=1e-14, atol=0)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(sorted(OPERATORS.values())), min_size=1, max_size=6), st.data())
def test_parentheses_are_pythons_own(operators: Any, data: Any) -> None:
    """Read by Python, a text of operators has the structure that it was made of."""
    import ast

    def made(count: int) -> tuple[Code, str]:
        if not count:
            letter = data.draw(st.sampled_from("abc"))
            return Code(letter), letter
        left = data.draw(st.integers(0, count - 1))
        symbol, level = operators[count - 1]
        (a, full_a), (b, full_b) = made(left), made(count - 1 - left)
        return binary(a, symbol, b, level), f"({full_a} {symbol} {full_b})"

    code, full = made(len(operators))
    assert ast.dump(ast.parse(code.text)) == ast.dump(ast.parse(full))
    assert len(code.text) <= len(full)


# --- literals -------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=20))
def test_strings_are_read_back(text: str) -> None:
    assert eval(string(text).text) == text


@settings(max_examples=200, deadline=None)
@given(st.floats(), st.sampled_from([np.float16, np.float32, np.float64, np.longdouble]))
def test_numpys_numbers_are_read_back(number: float, kind: Any) -> None:
    with np.errstate(over="ignore"):
        value = kind(number)
    back = eval(literal(value).text)
    assert type(back) is kind
    assert np.array_equal(back, value, equal_nan=True)
    assert np.signbit(back) == np.signbit(value)


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, -3, 0.1, -0.0, 1e300, 1e-7, np.inf, -np.inf, "a'\"b\n", (), (1,),
        (1, (2.5, "x")), [1, [2]], slice(None), slice(1, None, -2), Ellipsis,
        np.dtype(np.float32), np.dtype(">f8"),
    ],
    ids=str,
)  # fmt: skip
def test_constants_are_read_back(value: Any) -> None:
    back = eval(literal(value).text)
    assert back == value
    assert repr(back) == repr(value) or isinstance(value, np.dtype)


def test_a_nan_is_read_back() -> None:
    assert np.isnan(eval(literal(float("nan")).text))
    held = np.array([np.nan, -np.nan, 1.0])
    assert eval(literal(held).text).tobytes() == held.tobytes()


def test_an_object_has_no_literal() -> None:
    with pytest.raises(TraceError, match="no expression for"):
        literal(object())


def test_a_function_that_is_not_numpys_is_refused() -> None:
    def stranger(x: Any) -> Any:
        return x

    node = apply(stranger, leaf(A, False))
    with pytest.raises(TraceError, match="stranger"):
        expression(node, lambda of: Code("x"))


def test_a_program_is_data_before_it_is_text() -> None:
    """A node made by hand, with no program behind it, is written like any other."""
    x = leaf(A, True)
    node: Node = apply(np.tanh, apply(np.multiply, x, 2))
    graph = Graph(
        "f", (x,), (), (node.inputs[0], node), (node,), {x: "x", node.inputs[0]: "t1", node: "y"}
    )
    assert "    y = np.tanh(x * 2)  # (2, 2)\n" in graph.source()
    assert_same(compiled(graph.source())(A), np.tanh(A * 2))
