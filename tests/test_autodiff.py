"""backward, and the transforms: grad, vjp, jvp, jacobian, hessian, hvp, in any nesting."""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_nn as tg
from tinygrad_nn.errors import DataError, DtypeError, ShapeError

X = np.array([1.0, 2.0, 3.0])
Layer = namedtuple("Layer", "W b")


def squares(x: Any) -> Any:
    return np.sum(x * x)


# --- backward -------------------------------------------------------------------------------------


def test_a_parameter_used_twice_has_the_sum_of_both_gradients() -> None:
    W, data = tg.Parameter([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, -1.0]])
    loss = (data @ W).sum() + 0.5 * (W * W).sum()
    loss.backward()
    np.testing.assert_array_equal(W.grad, data.T @ np.ones((1, 2)) + W.data)


@given(st.integers(1, 6), st.integers(1, 4))
def test_a_diamond_of_any_depth_sums_over_all_paths(depth: int, width: int) -> None:
    x = tg.Parameter(1.0)
    h = x
    for _ in range(depth):
        h = sum((h * 1.0 for _ in range(width)), tg.Tensor(0.0))
    h.backward()
    assert x.grad == width**depth


def test_backward_again_accumulates() -> None:
    x = tg.Parameter(X)
    loss = squares(x)
    for times in (1, 2, 3):
        loss.backward()
        np.testing.assert_array_equal(x.grad, times * 2 * X)


def test_what_has_no_part_in_the_loss_has_no_gradient_from_backward_and_zero_from_grad() -> None:
    used, unused = tg.Parameter(X), tg.Parameter(X)
    squares(used).backward()
    assert unused.grad is None
    g = tg.grad(lambda p: squares(p["used"]))({"used": X, "unused": X})
    np.testing.assert_array_equal(g["unused"], np.zeros(3))


def test_backward_takes_the_gradient_of_the_final_result() -> None:
    x = tg.Parameter(X)
    (x * x).backward([1.0, 0.0, 2.0])
    np.testing.assert_array_equal(x.grad, [2, 0, 12])
    (x * 1).backward(tg.Tensor(X))
    np.testing.assert_array_equal(x.grad, [3, 2, 15])


@pytest.mark.parametrize(
    "f",
    [
        lambda a, b: a + b,
        lambda a, b: a + b.reshape(3),
        lambda a, b: (a + b)[::-1],
        lambda a, b: np.stack([a, b])[0] + np.stack([a, b])[1],
        lambda a, b: (a + b).T,
        lambda a, b: np.broadcast_to(a + b, (3,)),
        lambda a, b: np.positive(a + b),
    ],
)
def test_gradients_handed_out_are_writable_and_share_no_memory(f: Any) -> None:
    a, b, g = tg.Parameter(X), tg.Parameter(X), np.ones(3)
    f(a, b).backward(g)
    arrays = [a.grad, b.grad, g, a.data, b.data]
    arrays += tg.grad(lambda a, b: f(a, b).sum(), (0, 1))(X, X)
    out, pullback = tg.vjp(f, X, X)
    arrays += [out, *pullback(g), *pullback(g), X]
    for i, left in enumerate(arrays):
        assert left.flags.writeable
        assert not any(np.shares_memory(left, right) for right in arrays[i + 1 :])
    before = [x.copy() for x in arrays]
    for i, x in enumerate(arrays[:-1]):
        x += 1.0
        np.testing.assert_array_equal(arrays[i + 1], before[i + 1])


def test_a_gradient_may_be_changed_between_two_backward_passes() -> None:
    x = tg.Parameter(X)
    loss = squares(x)
    loss.backward()
    x.grad *= 0.5
    loss.backward()
    np.testing.assert_array_equal(x.grad, 3 * X)
    x.grad = None
    loss.backward()
    np.testing.assert_array_equal(x.grad, 2 * X)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=8))
@settings(max_examples=50, deadline=None)
def test_gradients_that_flow_together_are_added_without_touching_one_another(sums: Any) -> None:
    x = tg.Parameter(X)
    parts = [x, x.T, x[::-1][::-1], x.reshape(1, 3)[0], x + 0.0]
    total = tg.Tensor(np.zeros(3))
    for i, replace in sums:
        total = parts[i] + total
        parts[i] = total if replace else parts[i]
    if sums:
        total.backward(np.ones(3))
        np.testing.assert_array_equal(total.data, x.grad * X)  # it is a multiple of x


# --- grad and value_and_grad ----------------------------------------------------------------------


def test_grad_takes_and_gives_nested_structures() -> None:
    params = {"layers": [Layer(X, 2.0), Layer(-X, 0.5)], "scale": (3.0,), "none": None}

    def f(p: Any) -> Any:
        first, second = p["layers"]
        return np.sum(first.W * second.W) * p["scale"][0] + first.b * second.b

    g = tg.grad(f)(params)
    assert g["none"] is None
    assert isinstance(g["layers"][0], Layer)
    np.testing.assert_array_equal(g["layers"][0].W, -3 * X)
    np.testing.assert_array_equal(g["layers"][1].W, 3 * X)
    assert (g["layers"][0].b, g["layers"][1].b, g["scale"]) == (0.5, 2.0, (-14.0,))


@pytest.mark.parametrize(
    ("argnums", "expected"),
    [
        (0, 3 * X),
        (1, 2 * X),
        (-1, 2 * X),
        (np.int64(1), 2 * X),
        ((0,), (3 * X,)),
        ((1, 0), (2 * X, 3 * X)),
        ([0, -1], (3 * X, 2 * X)),
    ],
)
def test_argnums_choose_the_arguments(argnums: Any, expected: Any) -> None:
    g = tg.grad(lambda a, b: np.sum(a * b), argnums)(2 * X, 3 * X)
    assert isinstance(g, tuple) == isinstance(expected, tuple)
    np.testing.assert_array_equal(g, expected)


@pytest.mark.parametrize(
    ("argnums", "message"),
    [
        (2, r"argnums=2, but the function was called with 2"),
        (-3, r"argnums=-3"),
        ((0, 0), r"argnums=\(0, 0\) names an argument twice"),
        ((0, -2), r"names an argument twice"),
        ("a", r"not 'a'"),
        (1.0, r"not 1.0"),
    ],
)
def test_argnums_that_name_no_argument_are_refused(argnums: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        tg.grad(lambda a, b: np.sum(a * b), argnums)(X, X)


def test_value_and_grad_hands_on_what_else_the_function_returns() -> None:
    def f(x: Any, scale: float = 1.0) -> Any:
        return squares(x) * scale, {"hidden": x * 2, "note": "text", "none": None}

    (value, aux), g = tg.value_and_grad(f, has_aux=True)(X, scale=2.0)
    assert value == 28.0
    assert type(aux["hidden"]) is np.ndarray
    assert (aux["note"], aux["none"]) == ("text", None)
    np.testing.assert_array_equal(g, 4 * X)
    with pytest.raises(DataError, match=r"<lambda> must return \(value, aux\), not an array"):
        tg.value_and_grad(lambda x: f(x)[0], has_aux=True)(X)


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (lambda x: x, ShapeError, r"returned an array of shape \(3,\)"),
        (lambda x: x.sum(keepdims=True), ShapeError, r"shape \(1,\)"),
        (lambda x: (x.sum(),), ShapeError, "returned a tuple of 1"),
        (lambda x: None, ShapeError, "returned None"),
        (lambda x: 5, DtypeError, "returned one of type int64"),
        (lambda x: np.argmax(x), DtypeError, "returned one of type int64"),
        (lambda x: "text", DtypeError, "returned one of type <U4"),
    ],
)
def test_grad_of_what_is_no_single_number_is_refused(
    returned: Any, error: Any, message: str
) -> None:
    with pytest.raises(error, match=message):
        tg.grad(returned)(X)


@pytest.mark.parametrize("x", [3, True, np.arange(3), [1.0, 2], "text", 1j])
def test_arguments_that_cannot_carry_a_gradient_are_refused(x: Any) -> None:
    with pytest.raises(DtypeError, match=r"floating-point arguments, not .*\n  write 3.0"):
        tg.grad(lambda x: 1.0)(x)


def test_a_constant_function_has_gradient_zero() -> None:
    for f in (lambda x: 5.0, lambda x: np.float64(5), lambda x: tg.Tensor(5.0)):
        np.testing.assert_array_equal(tg.grad(f)(X), np.zeros(3))
        assert tg.jvp(f, (X,), (X,)) == (5.0, 0.0)
    np.testing.assert_array_equal(tg.jacobian(lambda x: np.ones(2))(X), np.zeros((2, 3)))
    np.testing.assert_array_equal(tg.hessian(lambda x: x.sum())(X), np.zeros((3, 3)))


def test_a_function_may_change_its_argument_in_place() -> None:
    def f(x: Any) -> Any:
        x[0] = 5.0
        x *= x
        return x.sum()

    expected, x = [0.0, 4.0, 6.0], X.copy()
    np.testing.assert_array_equal(tg.grad(f)(x), expected)
    np.testing.assert_array_equal(x, X)  # the caller's array is left alone
    np.testing.assert_array_equal(tg.grad(lambda x: tg.grad(f)(x).sum())(x), [0, 2, 2])
    np.testing.assert_array_equal(tg.jacobian(lambda x: tg.grad(f)(x))(x), np.diag([0, 2, 2]))


def test_a_stale_view_may_be_the_result() -> None:
    def f(x: Any) -> Any:
        out = tg.Tensor(np.zeros(4))
        part = out[1:]
        out[2] = x[0] * x[0]
        return part

    out, pullback = tg.vjp(f, X)
    np.testing.assert_array_equal(out, [0, 1, 0])
    np.testing.assert_array_equal(pullback(np.ones(3))[0], [2, 0, 0])


def test_tensors_may_be_the_arguments_and_keep_their_own_gradients() -> None:
    W, V = tg.Parameter(X), tg.Tensor(X)
    for x in (W, V):
        g = tg.grad(squares)(x)
        assert type(g) is np.ndarray
        np.testing.assert_array_equal(g, 2 * X)
    assert W.grad is None


# --- vjp and jvp ----------------------------------------------------------------------------------


def test_a_pullback_may_be_called_again_after_everything_else_has_changed() -> None:
    x = X.copy()
    y, pullback = tg.vjp(np.exp, x)
    first = pullback(np.ones(3))[0]
    x += 1.0
    y *= 0.0
    first_again = first.copy()
    first *= 0.0
    np.testing.assert_array_equal(pullback(np.ones(3))[0], first_again)
    np.testing.assert_array_equal(first_again, np.exp(X))


def test_cotangents_and_tangents_are_matched_by_key_and_not_by_order() -> None:
    _, pullback = tg.vjp(lambda x: {"a": x, "b": [3 * x, None]}, X)
    (g,) = pullback({"b": (np.ones(3), None), "a": np.zeros(3)})
    np.testing.assert_array_equal(g, [3, 3, 3])
    _, tangent = tg.jvp(
        lambda p: p["a"] + 10 * p["b"], ({"a": X, "b": X},), ({"b": X, "a": np.zeros(3)},)
    )
    np.testing.assert_array_equal(tangent, 10 * X)
    g = tg.hvp(lambda p: np.sum(p["a"] * p["b"]), {"a": X, "b": X}, {"b": X, "a": 0 * X})
    np.testing.assert_array_equal(g["a"], X)
    assert list(g) == ["a", "b"]


@pytest.mark.parametrize(
    ("cotangent", "message"),
    [
        ((X,), "expected a tuple of 2, not a tuple of 1"),
        (X, "expected a tuple of 2, not an array"),
        ((X, {"b": X}), r"dict with the keys \['a'\] at \[1\], not a dict with the keys \['b'\]"),
        ((X, {"a": None}), r"expected an array at \[1\]\['a'\], not None"),
        ((X, {"a": np.ones(2)}), r"cotangent has shape \(2,\), and the output has shape \(3,\)"),
        ((X, {"a": 1.0}), r"cotangent has shape \(\)"),
    ],
)
def test_a_cotangent_of_another_form_is_refused(cotangent: Any, message: str) -> None:
    _, pullback = tg.vjp(lambda x: (x, {"a": x}), X)
    with pytest.raises(ShapeError, match=message):
        pullback(cotangent)


@pytest.mark.parametrize(
    ("primals", "tangents", "message"),
    [
        (X, X, "primals is a tuple"),
        ((X,), (X, X), "expected a tuple of 1, not a tuple of 2"),
        ((X,), (np.ones(2),), r"primals have shapes \[\(3,\)\], tangents \[\(2,\)\]"),
        (({"a": X},), (X,), "expected a dict"),
    ],
)
def test_tangents_of_another_form_are_refused(primals: Any, tangents: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        tg.jvp(lambda x: x, primals, tangents)


def test_jvp_is_the_derivative_along_the_tangents_of_several_arguments() -> None:
    out, tangent = tg.jvp(lambda a, b: (a * b, [b]), (X, 2.0), ([0.0, 1.0, 0.0], 10.0))
    np.testing.assert_array_equal(out[0], 2 * X)
    np.testing.assert_array_equal(tangent[0], [10, 22, 30])
    assert (out[1], tangent[1]) == ([2.0], [10.0])


def test_vjp_and_jvp_are_transposes_of_each_other() -> None:
    random = np.random.default_rng(0)
    A = random.normal(size=(4, 3))

    def f(x: Any, s: Any) -> Any:
        return np.tanh(A @ x) * s

    v, w, s = random.normal(size=3), random.normal(size=4), 0.7
    _, forward = tg.jvp(f, (X, s), (v, 2.0))
    _, pullback = tg.vjp(f, X, s)
    back, ds = pullback(w)
    np.testing.assert_allclose(w @ forward, back @ v + ds * 2.0)


# --- any order ------------------------------------------------------------------------------------


@given(st.integers(0, 6), st.floats(-3, 3))
@settings(deadline=None)
def test_derivatives_of_any_order(order: int, x: float) -> None:
    f: Any = np.sin
    for _ in range(order):
        f = tg.grad(f)
    assert f(x) == pytest.approx(math.sin(x + order * math.pi / 2), abs=1e-12)


@pytest.mark.parametrize("outer", ["grad", "jvp", "jacobian"])
@pytest.mark.parametrize("inner", ["grad", "jvp", "jacobian"])
@pytest.mark.parametrize("middle", ["grad", "jvp", "jacobian"])
def test_transforms_nest_in_any_order(outer: str, middle: str, inner: str) -> None:
    take = {
        "grad": tg.grad,
        "jacobian": tg.jacobian,
        "jvp": lambda f: lambda x: tg.jvp(f, (x,), (1.0,))[1],
    }
    f = take[outer](take[middle](take[inner](lambda x: x**4 * 2.0)))
    assert f(1.5) == pytest.approx(48 * 1.5)


def test_the_derivative_of_an_inner_function_is_not_confused_with_the_outers() -> None:
    assert tg.grad(lambda x: x * tg.grad(lambda y: x + y)(1.0))(2.0) == 1.0
    assert tg.grad(lambda x: x * tg.grad(lambda y: x * y)(2.0))(3.0) == 6.0
    inner = lambda x: tg.jvp(lambda y: x * y, (1.0,), (1.0,))[1]
    assert tg.jvp(lambda x: x * inner(x), (3.0,), (1.0,)) == (9.0, 6.0)
    assert tg.grad(lambda x: tg.grad(lambda y: x * x * y * y)(x))(3.0) == 6 * 3.0**2


def test_jacobian_and_hessian_against_the_formula() -> None:
    random = np.random.default_rng(1)
    A = random.normal(size=(3, 3))
    np.testing.assert_allclose(tg.jacobian(lambda x: A @ x)(X), A)
    np.testing.assert_allclose(tg.hessian(lambda x: x @ (A @ x))(X), A + A.T)
    np.testing.assert_allclose(tg.hvp(lambda x: x @ (A @ x), X, X), (A + A.T) @ X)
    M = random.normal(size=(2, 3))
    assert tg.hessian(lambda m: np.sum(m**3))(M).shape == (2, 3, 2, 3)
    outer = tg.jacobian(lambda a, b: np.outer(a, b), argnums=-1)(X, X[:2])
    np.testing.assert_array_equal(outer, X[:, None, None] * np.eye(2)[None])
    assert tg.jacobian(lambda x: x**3)(2.0) == 12.0
    assert tg.jacobian(lambda x: x * 2)(np.zeros(0)).shape == (0, 0)
    assert tg.jacobian(lambda x: x[:0])(X).shape == (0, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tg.jacobian(lambda x: (x, x))(X), "returned a tuple of 2"),
        (lambda: tg.jacobian(lambda x: None)(X), "returned None"),
        (lambda: tg.jacobian(lambda x: x["a"])({"a": X}), "use tg.vjp for nested structures"),
        (lambda: tg.jacobian(np.multiply, (0, 1))(X, X), "argnums is an int"),
    ],
)
def test_jacobian_differentiates_one_array_by_one(call: Any, message: str) -> None:
    with pytest.raises(tg.TinygradError, match=message):
        call()


def test_hessian_of_in_place_code() -> None:
    def f(x: Any) -> Any:
        h = x * x
        h[0] *= h[1]
        h[1:] += h[0]
        return np.sum(h * h)

    def rewritten(x: Any) -> Any:
        a, b, c = x[0] ** 2, x[1] ** 2, x[2] ** 2
        return (a * b) ** 2 + (b + a * b) ** 2 + (c + a * b) ** 2

    np.testing.assert_allclose(tg.hessian(f)(X), tg.hessian(rewritten)(X))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_transform_keeps_the_dtype(dtype: Any) -> None:
    x = X.astype(dtype)
    results = [tg.grad(squares)(x), *tg.value_and_grad(squares)(x), tg.hvp(squares, x, X)]
    results += [*tg.jvp(np.sin, (x,), (X,)), tg.jacobian(np.sin)(x), tg.hessian(squares)(x)]
    out, pullback = tg.vjp(np.sin, x)
    results += [out, *pullback(X), tg.grad(lambda x: 1.0)(x)]
    p = tg.Parameter(x)
    (np.tanh(p) * np.float64(2)).sum().backward()
    assert {r.dtype for r in [*results, p.grad]} == {np.dtype(dtype)}


def test_an_empty_array_has_an_empty_gradient() -> None:
    x = np.zeros((0, 3))
    assert tg.grad(squares)(x).shape == (0, 3)
    W = tg.Parameter(np.ones((3, 2)))
    (x @ W).sum().backward()
    np.testing.assert_array_equal(W.grad, np.zeros((3, 2)))
