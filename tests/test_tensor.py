"""What a tensor is made of, looks like, and does with Python's and NumPy's protocols."""

from __future__ import annotations

import copy
import math
import operator
import pickle
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import tinygrad_nn as tg
from tinygrad_nn.errors import DetachError, DtypeError, InPlaceError, ShapeError

X = np.array([1.0, 2.0, 3.0])

# --- making one -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        3,
        2.5,
        True,
        [1.0, 2.0],
        [[1, 2], [3, 4]],
        (1.0, 2.0),
        [],
        np.float32(2),
        np.array(2.0),
        np.zeros((0, 3)),
        np.arange(6, dtype=np.int8).reshape(2, 3)[:, ::2],
        np.asfortranarray(np.ones((2, 3), np.float16)),
        range(3),
    ],
)
def test_a_tensor_holds_what_numpy_makes_of_the_data(data: Any) -> None:
    t, expected = tg.Tensor(data), np.array(data)
    assert (t.shape, t.dtype, t.ndim, t.size) == (
        expected.shape,
        expected.dtype,
        expected.ndim,
        expected.size,
    )
    np.testing.assert_array_equal(t.data, expected)
    assert t.tolist() == expected.tolist()
    assert (t.requires_grad, t.is_leaf, t.grad, t.name) == (False, True, None, None)


def test_the_data_are_copied() -> None:
    x, inner = X.copy(), tg.Tensor(X)
    tensors = [tg.Tensor(x), tg.Parameter(x), tg.Tensor(inner)]
    x[0] = 9.0
    inner[0] = 9.0
    for t in tensors:
        assert t.data[0] == 1.0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("text", "<U4 data\n  got 'text'"),
        ([1j], "not complex numbers"),
        ([object()], "not Python objects"),
        (None, "not Python objects\n  got None"),
        ({"a": 1}, "not Python objects"),
        ([1.0, None], "not Python objects"),
        (np.array(["a"]), "<U1 data"),
        (np.array(["2020-01-01"], "M8[D]"), "datetime64"),
    ],
)
def test_what_is_no_real_number_is_refused(data: Any, message: str) -> None:
    with pytest.raises(DtypeError, match="a tensor holds real numbers, not") as error:
        tg.Tensor(data)
    assert message in str(error.value)


def test_ragged_lists_are_refused() -> None:
    with pytest.raises(ShapeError, match="inhomogeneous"):
        tg.Tensor([[1.0, 2.0], [3.0]])


@pytest.mark.parametrize("data", [3, [1, 2], True, np.arange(3)])
def test_whole_numbers_cannot_require_a_gradient(data: Any) -> None:
    for make in (tg.Parameter, lambda d: tg.Tensor(d, requires_grad=True)):
        with pytest.raises(DtypeError, match=r"floating-point data, not .*\n  write 3.0"):
            make(data)


def test_a_tensor_that_carries_a_gradient_is_no_data_for_another() -> None:
    t = tg.Parameter(X)
    for data in (t, t * 2, [t[0], t[1]]):
        with pytest.raises(DetachError, match=r"t.detach\(\)"):
            tg.Tensor(data)
    u = tg.Tensor(t.detach(), requires_grad=True)
    assert u.requires_grad
    np.testing.assert_array_equal(tg.Tensor([u.detach()[0], u.detach()[1]]).data, X[:2])


# --- what it looks like ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("t", "text"),
    [
        (tg.Tensor(3.0), "Tensor(3.)"),
        (tg.Tensor([1, 2]), "Tensor([1, 2])"),
        (tg.Tensor(X, requires_grad=True), "Tensor([1., 2., 3.], requires_grad=True)"),
        (tg.Parameter([1.0], name="W"), "Tensor([1.], requires_grad=True, name='W')"),
        (tg.Tensor(np.eye(2)), "Tensor([[1., 0.],\n        [0., 1.]])"),
        (tg.Tensor([]), "Tensor([])"),
    ],
)
def test_repr(t: Any, text: str) -> None:
    assert repr(t) == str(t) == f"{t}" == text


def test_a_single_number_is_formatted_like_one() -> None:
    assert f"{tg.Parameter(3.14159):.2f}" == f"{tg.Tensor([3.14159]):.2f}" == "3.14"
    with pytest.raises(ShapeError, match=r"'.2f' needs a tensor with exactly one entry.*\(3,\)"):
        f"{tg.Tensor(X):.2f}"


# --- Python's protocols ---------------------------------------------------------------------------


def test_a_tensor_of_one_entry_is_a_number_to_python() -> None:
    t = tg.Parameter([[2.5]])
    assert (float(t), int(t), bool(t), t.item(), complex(t)) == (2.5, 2, True, 2.5, 2.5 + 0j)
    assert math.sqrt(tg.Tensor(4.0)) == 2.0
    assert type(tg.Tensor(3).item()) is int
    assert ["a", "b", "c"][tg.Tensor(1)] == "b"
    assert list(range(tg.Tensor([2]))) == [0, 1]
    with pytest.raises(TypeError, match="integer"):
        operator.index(tg.Tensor(1.0))


@pytest.mark.parametrize("convert", [float, int, bool, operator.index, lambda t: t.item()])
@pytest.mark.parametrize("shape", [(3,), (0,), (2, 2)])
def test_other_tensors_are_not(convert: Any, shape: Any) -> None:
    with pytest.raises(ShapeError, match="exactly one entry"):
        convert(tg.Tensor(np.ones(shape)))


def test_length_iteration_and_membership() -> None:
    t = tg.Parameter(np.arange(6.0).reshape(2, 3))
    assert len(t) == 2
    first, second = t
    (first * second).sum().backward()
    np.testing.assert_array_equal(t.grad, [[3, 4, 5], [0, 1, 2]])
    assert 5.0 in t
    assert 6.0 not in t
    assert tg.Tensor(5.0) in t
    with pytest.raises(TypeError):
        len(tg.Tensor(1.0))
    with pytest.raises(ShapeError, match="cannot iterate"):
        iter(tg.Tensor(1.0))


def test_tensors_are_dictionary_keys_by_identity() -> None:
    a, b = tg.Parameter(X), tg.Parameter(X)
    velocities = {a: 1, b: 2}
    assert (velocities[a], velocities[b]) == (1, 2)
    assert len({a, b, a}) == 2


def test_comparisons_are_elementwise_and_carry_no_gradient() -> None:
    t = tg.Parameter(X)
    for compare in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
        for left, right in ((t, 2.0), (2.0, t), (t, X[::-1]), (X[::-1], t), (t, t)):
            result = compare(left, right)
            plain = [x.data if isinstance(x, tg.Tensor) else x for x in (left, right)]
            assert not result.requires_grad
            np.testing.assert_array_equal(result.data, compare(*plain))
    assert not (t == None).data.any()  # noqa: E711


OPERATORS = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.pow,
    operator.floordiv,
    operator.mod,
    operator.matmul,
]


@pytest.mark.parametrize("f", OPERATORS)
@pytest.mark.parametrize(
    "other", [2, 2.0, np.float64(2), np.float32(2), np.array(2.0), [1, 2, 3], (1, 2, 3), X]
)
def test_operators_take_whatever_numpys_take_on_either_side(f: Any, other: Any) -> None:
    t = tg.Parameter(X)
    for swapped in (False, True):
        left, right = (other, X) if swapped else (X, other)
        try:
            expected = f(left, right)
        except (TypeError, ValueError):
            with pytest.raises(tg.TinygradError):
                f(*((other, t) if swapped else (t, other)))
            continue
        result = f(*((other, t) if swapped else (t, other)))
        np.testing.assert_array_equal(result.detach().data, expected)
        assert result.dtype == expected.dtype
        if f is not operator.floordiv:
            t.grad = None
            result.sum().backward()
            assert t.grad.shape == (3,)


@pytest.mark.parametrize("f", OPERATORS)
@pytest.mark.parametrize("other", ["text", None, object(), {}, {1, 2}, b"x", len, X.sum])
def test_operators_refuse_what_is_no_number(f: Any, other: Any) -> None:
    t = tg.Parameter(X)
    with pytest.raises(TypeError):
        f(t, other)
    if f is not operator.mod:  # where a text on the left is a format
        with pytest.raises(TypeError):
            f(other, t)


@pytest.mark.parametrize("other", [1j, np.array([1j, 1, 1]), Fraction(1, 2), Decimal(2)])
def test_numbers_of_other_kinds_never_give_a_wrong_gradient(other: Any) -> None:
    t = tg.Parameter(X)
    with pytest.raises(TypeError) as error:
        np.abs(t * other).sum().backward()
    assert isinstance(error.value, tg.TinygradError)
    assert t.grad is None


class Celsius:
    """A type of the user's own, which knows how to deal with arrays."""

    __array_ufunc__ = None

    def __radd__(self, other: Any) -> str:
        return "handled"


def test_other_types_have_their_turn() -> None:
    assert tg.Tensor(X).__add__(Celsius()) is NotImplemented
    assert tg.Tensor(X) + Celsius() == "handled"


# --- copies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))]
)
def test_copies_are_leaves_with_memory_of_their_own(duplicate: Any) -> None:
    p = tg.Parameter(X, name="W")
    for t in (p, tg.Tensor([1, 2]), tg.Tensor(2.0), p.detach()[1:]):
        twin = duplicate(t)
        assert type(twin) is type(t)
        assert twin.is_leaf
        assert (twin.requires_grad, twin.name, twin.dtype) == (t.requires_grad, t.name, t.dtype)
        before = t.tolist()
        assert twin.tolist() == before
        with tg.no_grad():
            twin += 1
            twin[...] = 5
        twin.data[...] = 7
        assert t.tolist() == before
    (p.copy() * 3).sum().backward()  # the method is NumPy's: a gradient flows through it
    np.testing.assert_array_equal(p.grad, [3, 3, 3])


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_gradient_flows_through_the_copy_of_a_computed_tensor(duplicate: Any) -> None:
    p = tg.Parameter(X)
    (duplicate(p * 2) * p).sum().backward()
    np.testing.assert_allclose(p.grad, 4 * X)
    assert tg.grad(lambda d: duplicate(d)["a"] ** 2)({"a": 3.0}) == {"a": 6.0}


@pytest.mark.parametrize("f", [lambda t: math.exp(t), lambda t: math.pow(t, float(2))])
def test_a_function_of_python_numbers_does_not_lose_the_gradient(f: Any) -> None:
    t = tg.Parameter(2.0)
    with pytest.raises(DetachError):
        f(t)
    with pytest.raises(DetachError, match=r"math\.exp\(t\)"):
        math.exp(t)
    assert (float(t), math.isnan(t), round(float(t)), f"{t:.1f}") == (2.0, False, 2, "2.0")
    assert list(map(float, [t, t])) == [2.0, 2.0]
    convert = float
    assert (convert(t), math.isclose(t, 2), math.floor(t)) == (2.0, True, 2)


def test_a_copied_parameter_gets_a_gradient_of_its_own() -> None:
    p = tg.Parameter(X)
    twin = copy.deepcopy(p)
    (twin * twin).sum().backward()
    assert p.grad is None
    np.testing.assert_array_equal(twin.grad, 2 * X)


# --- leaving the graph ----------------------------------------------------------------------------


def test_what_would_lose_a_gradient_is_refused() -> None:
    t, x = tg.Parameter(X), np.zeros(3)
    attempts = [
        lambda: np.asarray(t),
        lambda: np.array([t, t]),
        lambda: np.array(t * 2),
        lambda: x.dot(t),
        lambda: x.__setitem__(slice(None), t),
        lambda: np.float32(t.sum()),
        lambda: np.full(3, t.sum()),
        lambda: memoryview(np.asarray(t[1:])),
    ]
    for attempt in attempts:
        with pytest.raises(DetachError, match=r"lose it\n  keep it a tensor"):
            attempt()


def test_a_plain_array_takes_no_single_number_that_carries_a_gradient() -> None:
    losses, t = np.zeros(3), tg.Parameter(X)
    with pytest.raises(ValueError, match="array element") as error:  # NumPy's, about ours
        losses[0] = t.sum()
    assert isinstance(error.value.__cause__, DetachError)
    assert "X[i] = t, with a plain array X, would make" in str(error.value.__cause__)
    losses[1] = float(t.sum())
    losses[2] = t.sum().detach()
    np.testing.assert_array_equal(losses, [0, 6, 6])


def test_what_carries_no_gradient_becomes_an_array() -> None:
    t = tg.Tensor(X)
    np.testing.assert_array_equal(np.asarray(t), X)
    np.testing.assert_array_equal(np.array([t, t]), [X, X])
    np.testing.assert_array_equal(X.dot(t), 14.0)
    assert np.asarray(t, dtype=np.float32).dtype == np.float32


def test_detach_gives_the_value_without_the_gradient_and_no_way_into_it() -> None:
    t = tg.Parameter(X)
    h = t * 2
    d = h.detach()
    assert not d.requires_grad
    d[0] = 100.0
    d += 1
    np.testing.assert_array_equal(h.data, 2 * X)
    (h * h).sum().backward()
    np.testing.assert_array_equal(t.grad, 8 * X)


def test_the_gradient_can_be_set_and_has_the_tensors_shape() -> None:
    t = tg.Parameter(X)
    t.grad = [1.0, 2.0, 3.0]
    (t * 1).sum().backward()
    np.testing.assert_array_equal(t.grad, [2, 3, 4])
    with pytest.raises(ShapeError, match=r"shape \(3,\) has that shape, not \(\)"):
        t.grad = 0.0


def test_a_tensor_has_no_other_attributes() -> None:
    t = tg.Tensor(X)
    for name in ("shape", "T", "requires_grad", "anything"):
        with pytest.raises(AttributeError):
            setattr(t, name, 1)
    with pytest.raises(InPlaceError):
        (tg.Parameter(X) * 2).data = X


def test_a_ufunc_with_a_mask_or_a_missing_rule_is_refused() -> None:
    t = tg.Parameter(X)
    with pytest.raises(tg.TinygradError, match="does not take where="):
        np.exp(t, where=np.array([True, False, True]))
    with pytest.raises(tg.TinygradError, match="has no derivative rule"):
        np.fft.fft(t)
