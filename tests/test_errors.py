"""What a message says: what was expected, what came, under the user's names, and where."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import numpy as np
import pytest

import tinygrad_nn as tg
from tinygrad_nn import errors

X = np.ones((5, 3))
labels = [0, 1, 2, 1, 7]
params = {"W1": tg.Parameter(np.ones((4, 10))), "b1": tg.Parameter(np.ones(7))}


class Net:
    """A model, for its attributes."""

    def __init__(self) -> None:
        self.W2 = tg.Parameter(np.ones((10, 3)))


net = Net()
W1, b1 = params["W1"], params["b1"]


def message(run: Any, kind: type[Exception]) -> str:
    with pytest.raises(kind) as error:
        run()
    assert isinstance(error.value, tg.TinygradError)
    return str(error.value)


def matmul() -> None:
    h1 = X @ W1 + b1
    h1.sum()


def matmul_of_items() -> None:
    np.matmul(X, params["W1"])


def matmul_of_attributes() -> None:
    net.W2 @ net.W2


def add() -> None:
    net.W2 * 2 + b1


def maximum() -> None:
    np.maximum(net.W2, b1)


def stack() -> None:
    np.stack([W1, net.W2])


def axis() -> None:
    W1.sum(axis=7)


def reshape() -> None:
    W1.reshape(5, 5)


def index() -> None:
    W1[2, 11]


def assignment() -> None:
    h = W1 * 1
    h[:2] = np.ones(3)


def mask() -> None:
    W1[X[0] > 0]


def update() -> None:
    h = W1 * 1
    h += X


def item() -> None:
    params["W1"] -= 0.1


def asarray() -> None:
    np.asarray(W1)


def listed() -> None:
    np.array([b1, b1])


def dot() -> None:
    X.dot(W1)


def into_an_array() -> None:
    X[0] = b1[:3]


def augmented_array() -> None:
    x = X.copy()
    x += net.W2[:5]


def truth() -> None:
    if b1 > 0:
        raise AssertionError


def number() -> None:
    float(b1)


def no_rule() -> None:
    np.fft.fft(b1)


def vector() -> None:
    (b1 * 2).backward()


def untracked() -> None:
    tg.Tensor(X).sum().backward()


def gradient() -> None:
    (b1 * 2).backward(np.ones(3))


def not_a_number() -> None:
    (b1 * 2).sum().backward("one")


def class_labels() -> None:
    tg.cross_entropy(X, labels)


def whole_numbers() -> None:
    tg.Parameter([1, 2])


def singular() -> None:
    np.linalg.inv(tg.Parameter(np.ones((2, 2))))


def operands() -> None:
    b1 + None


def vector_loss() -> None:
    tg.grad(lambda x: x * 2)(X)


CASES = [
    (
        matmul,
        errors.ShapeError,
        "inner dimensions",
        "X has shape (5, 3), W1 has shape (4, 10): 3 != 4",
        "X @ W1",
    ),
    (
        matmul_of_items,
        errors.ShapeError,
        "inner",
        'params["W1"] has shape (4, 10): 3 != 4',
        'np.matmul(X, params["W1"])',
    ),
    (
        matmul_of_attributes,
        errors.ShapeError,
        "inner",
        "net.W2 has shape (10, 3): 3 != 10",
        "net.W2 @ net.W2",
    ),
    (
        add,
        errors.ShapeError,
        "add needs shapes that broadcast",
        "net.W2 * 2 has shape (10, 3), b1 has shape (7,): 3 != 7",
        "net.W2 * 2 + b1",
    ),
    (
        maximum,
        errors.ShapeError,
        "maximum needs shapes",
        "net.W2 has shape (10, 3), b1 has shape (7,): 3 != 7",
        "np.maximum(net.W2, b1)",
    ),
    (
        stack,
        errors.ShapeError,
        "same shape",
        "W1 has shape (4, 10), net.W2 has shape (10, 3)",
        "np.stack([W1, net.W2])",
    ),
    (
        axis,
        errors.TensorIndexError,
        "axis 7 is out of bounds",
        "W1 has shape (4, 10)",
        "W1.sum(axis=7)",
    ),
    (
        reshape,
        errors.ShapeError,
        "size 40 into shape (5,5)",
        "W1 has shape (4, 10)",
        "W1.reshape(5, 5)",
    ),
    (
        index,
        errors.TensorIndexError,
        "index 11 is out of bounds",
        "W1 has shape (4, 10)",
        "W1[2, 11]",
    ),
    (
        assignment,
        errors.ShapeError,
        "shape (3,) into shape (2,10)",
        "assigning to h of shape (4, 10)",
        "h[:2]",
    ),
    (mask, errors.TensorIndexError, "boolean", "W1 has shape (4, 10)", "W1[X[0] > 0]"),
    (
        update,
        errors.ShapeError,
        "broadcast",
        "h has shape (4, 10), X has shape (5, 3): 10 != 3",
        "h += X",
    ),
    (item, errors.InPlaceError, "W1 is a parameter", "with tg.no_grad()", 'params["W1"] -= 0.1'),
    (asarray, errors.DetachError, "np.asarray(t)", "t.detach()", "np.asarray(W1)"),
    (listed, errors.DetachError, "np.array([...])", "np.stack([...])", "np.array([b1, b1])"),
    (dot, errors.DetachError, "ndarray.dot(t)", "X @ t", "X.dot(W1)"),
    (into_an_array, errors.DetachError, "plain array", "tg.Tensor arrays on both sides", "X[0]"),
    (
        augmented_array,
        errors.InPlaceError,
        "np.add",
        "write X = X + t instead of X += t",
        "x += net.W2[:5]",
    ),
    (truth, errors.ShapeError, "bool(), `if` or `and`", "not one of shape (7,)", "b1 > 0"),
    (
        number,
        errors.ShapeError,
        "float() needs a tensor with exactly one entry",
        "(7,)",
        "float(b1)",
    ),
    (
        no_rule,
        errors.NoRuleError,
        "fft has no derivative rule",
        "tinygrad_nn.rules.rule",
        "np.fft.fft(b1)",
    ),
    (
        vector,
        errors.ShapeError,
        "backward() of a tensor of shape (7,)",
        ".sum(), .mean()",
        "(b1 * 2).backward()",
    ),
    (
        untracked,
        errors.ShapeError,
        "depends on no leaf",
        "requires_grad=True",
        "tg.Tensor(X).sum().backward()",
    ),
    (
        gradient,
        errors.ShapeError,
        "the gradient has shape (3,)",
        "(7,)",
        "(b1 * 2).backward(np.ones(3))",
    ),
    (not_a_number, errors.DtypeError, "real numbers", "<U3", '(b1 * 2).sum().backward("one")'),
    (
        class_labels,
        errors.LabelError,
        "0..2 for 3 classes",
        "labels[4] is 7",
        "tg.cross_entropy(X, labels)",
    ),
    (
        whole_numbers,
        errors.DtypeError,
        "floating-point data, not int64",
        "write 3.0 instead of 3",
        "tg.Parameter([1, 2])",
    ),
    (
        singular,
        errors.LinearAlgebraError,
        "linalg.inv: Singular matrix",
        "has shape (2, 2)",
        "np.linalg.inv(tg.Parameter(np.ones((2, 2))))",
    ),
    (
        operands,
        errors.DtypeError,
        "add does not take these arguments",
        "b1 is float64, None is NoneType",
        "b1 + None",
    ),
    (
        vector_loss,
        errors.ShapeError,
        "single floating-point number",
        "an array of shape (5, 3)",
        "tg.grad(lambda x: x * 2)(X)",
    ),
]


@pytest.mark.parametrize(
    ("run", "kind", "expected", "came", "underlined"), CASES, ids=[c[0].__name__ for c in CASES]
)
def test_a_message_has_what_was_expected_what_came_and_the_expression_underlined(
    run: Any, kind: type[Exception], expected: str, came: str, underlined: str
) -> None:
    text = message(run, kind)
    assert expected in text
    assert came in text
    line, carets = text.splitlines()[-2:]
    assert re.match(r"  \S*test_errors.py, line \d+:  ", line)
    start = carets.index("^")
    assert line[start : start + carets.count("^")] == underlined
    assert max(map(len, text.splitlines())) < 180


def test_a_parameter_that_is_a_local_variable_is_called_by_its_name() -> None:
    def step() -> None:
        W = tg.Parameter(X)
        W -= 0.1 * X

    text = message(step, errors.InPlaceError)
    assert "W is a parameter" in text
    assert "W = W - ..." in text


def test_the_error_of_a_composed_function_does_not_name_another_array() -> None:
    a, b = tg.Parameter(np.ones((4, 3))), np.ones(7)

    def clip() -> None:
        np.clip(a, b, 1.0)

    text = message(clip, errors.ShapeError)
    assert "a has shape (4, 3)" in text
    assert "np.clip(a, b, 1.0)" in text


def test_a_large_constant_that_changed_is_reported_where_it_was_used() -> None:
    data, w = np.ones(20_000), tg.Parameter(np.ones(20_000))
    loss = (w * data).sum()
    data[0] = 2.0
    text = message(loss.backward, errors.InPlaceError)
    assert "an array of shape (20000,) was changed in place after `w * data` used it" in text
    assert "loss = (w * data).sum()" in text


def test_every_error_is_also_the_builtin_that_fits() -> None:
    fits = {
        errors.ShapeError: ValueError,
        errors.DtypeError: TypeError,
        errors.NoRuleError: TypeError,
        errors.DetachError: TypeError,
        errors.InPlaceError: ValueError,
        errors.TensorIndexError: IndexError,
        errors.LinearAlgebraError: np.linalg.LinAlgError,
        errors.LabelError: ValueError,
        errors.DataError: ValueError,
        errors.TraceError: TypeError,
        errors.RenderError: RuntimeError,
        errors.GradientError: AssertionError,
    }
    for kind, builtin in fits.items():
        assert issubclass(kind, tg.TinygradError)
        assert issubclass(kind, builtin)


def test_a_message_without_source_still_says_what_is_wrong() -> None:
    code = compile(
        textwrap.dedent("""
        def run():
            return X @ W
        """),
        "nowhere.py",
        "exec",
    )
    scope = {"X": X, "W": tg.Parameter(np.ones((4, 2)), name="W")}
    exec(code, scope)
    text = message(scope["run"], errors.ShapeError)
    assert "W has shape (4, 2): 3 != 4" in text
    assert "nowhere.py, line 3" in text


def test_operands_keep_their_own_errors() -> None:
    class Broken:
        """An array type with a fault of its own."""

        def __array_ufunc__(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("its own")

    with pytest.raises(RuntimeError, match="its own"):
        tg.Tensor(X) + Broken()
