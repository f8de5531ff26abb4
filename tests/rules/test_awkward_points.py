"""Where a derivative is a matter of choice, or the obvious formula gives NaN.

Warnings are errors in this project's tests: none of these may warn.
"""

import numpy as np
import pytest

import tinygrad_nn as tg

HUGE = np.array([[1e4, -1e4, 0.0], [-1e300, 1e300, 1e300]])


def gradient(f, *args):
    """The gradients of the sum of ``f`` with respect to each argument."""
    args = tuple(np.asarray(a, float)[()] for a in args)
    grads = tg.grad(lambda *a: np.sum(f(*a)), argnums=tuple(range(len(args))))(*args)
    return grads[0] if len(args) == 1 else grads


def test_relu_is_flat_at_zero():
    x = [-1.0, 0.0, 2.0]
    for f in (tg.relu, lambda x: np.maximum(0, x), lambda x: np.maximum(x, 0.0)):
        np.testing.assert_array_equal(gradient(f, x), [0, 0, 1])
    np.testing.assert_array_equal(gradient(lambda x: np.minimum(x, 0), x), [1, 0, 0])
    np.testing.assert_array_equal(gradient(lambda x: np.clip(x, 0, 2), x), [0, 0, 0])


@pytest.mark.parametrize("f", [np.maximum, np.minimum, np.fmax, np.fmin])
def test_two_tensors_share_a_tie(f):
    a, b = gradient(f, [1.0, 2.0, 3.0], [1.0, 3.0, 2.0])
    assert a[0] == b[0] == 0.5
    np.testing.assert_array_equal(a + b, [1, 1, 1])


@pytest.mark.parametrize("f", [np.maximum, np.minimum, np.fmax, np.fmin])
@pytest.mark.parametrize("n", [1, 40_000])
def test_a_constant_takes_a_tie_whatever_its_place_and_size(f, n):
    ties = np.ones(n)
    np.testing.assert_array_equal(gradient(lambda x: f(x, ties), ties), 0 * ties)
    np.testing.assert_array_equal(gradient(lambda x: f(ties, x), ties), 0 * ties)


@pytest.mark.parametrize("f", [np.fmax, np.fmin])
def test_fmax_and_fmin_pass_over_nan(f):
    nan = np.nan
    a, b = gradient(f, [nan, 1.0, nan], [2.0, nan, nan])
    np.testing.assert_array_equal(a, [0, 1, 0])
    np.testing.assert_array_equal(b, [1, 0, 0])
    constant = np.array([2.0, nan, nan])
    np.testing.assert_array_equal(gradient(lambda x: f(x, constant), [nan, 1.0, nan]), [0, 1, 0])
    many = np.tile(constant, 14_000)
    x = np.tile([nan, 1.0, nan], 14_000)
    np.testing.assert_array_equal(gradient(lambda x: f(x, many), x), np.tile([0, 1, 0], 14_000))


@pytest.mark.parametrize("f", [np.max, np.min])
def test_entries_that_tie_share_the_gradient(f):
    np.testing.assert_array_equal(gradient(f, [2.0, 2.0]), [0.5, 0.5])
    x = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    shared = gradient(lambda x: f(x, axis=1), x if f is np.max else -x)
    np.testing.assert_allclose(shared, [[0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]])


@pytest.mark.parametrize("f", [np.max, np.min])
def test_nan_in_a_maximum_is_nan_in_its_gradient(f):
    g = gradient(lambda x: f(x, axis=1), [[1.0, np.nan], [1.0, 2.0]])
    assert np.isnan(g[0]).all()
    assert sorted(g[1]) == [0, 1]


def test_the_absolute_value_is_flat_at_zero():
    for f in (np.abs, np.fabs, lambda x: np.hypot(x, 0 * x), lambda x: np.copysign(x, 1.0)):
        np.testing.assert_array_equal(gradient(f, [0.0, 3.0]), [0, 1])


def test_powers_at_zero():
    np.testing.assert_array_equal(gradient(lambda x: x**0, [0.0, 2.0]), [0, 0])
    np.testing.assert_array_equal(gradient(lambda x: x**1, [0.0, 2.0]), [1, 1])
    np.testing.assert_array_equal(gradient(lambda x: x**2, [0.0, 2.0]), [0, 4])
    exponents = np.array([0.0, 1.0, 2.0])
    np.testing.assert_array_equal(gradient(lambda x: x**exponents, [0.0, 0.0, 0.0]), [0, 1, 0])
    x, p = gradient(np.power, [0.0, 0.0, 2.0], [2.0, 0.0, 3.0])
    np.testing.assert_allclose(x, [0, 0, 12])
    np.testing.assert_allclose(p, [0, 0, 8 * np.log(2)])
    for n, second in ((0, 0), (1, 0), (2, 2), (3, 0)):
        assert tg.grad(tg.grad(lambda x, n=n: x**n))(0.0) == second


def test_products_with_zeros():
    np.testing.assert_array_equal(gradient(np.prod, [0.0, 2.0, 3.0]), [6, 0, 0])
    np.testing.assert_array_equal(gradient(np.prod, [0.0, 2.0, 0.0]), [0, 0, 0])
    H = tg.hessian(np.prod)(np.array([0.0, 2.0, 0.0]))
    np.testing.assert_array_equal(H, [[0, 0, 2], [0, 0, 0], [2, 0, 0]])
    np.testing.assert_array_equal(gradient(np.cumprod, [2.0, 0.0, 3.0]), [1, 2 + 6, 0])


@pytest.mark.parametrize("ord", [None, 1, 2, 3, 1.5, np.inf])
def test_a_norm_is_flat_at_zero(ord):
    g = gradient(lambda x: np.linalg.norm(x, ord=ord, axis=1), [[0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_array_equal(g[0], [0, 0])
    assert (g[1] >= 0).all()
    assert g[1].any()


def test_constant_data_do_not_spread():
    np.testing.assert_array_equal(gradient(np.std, [2.0, 2.0, 2.0]), [0, 0, 0])
    assert np.std(tg.Tensor([2.0, 2.0], requires_grad=True)) == 0


def test_logsumexp_of_nothing():
    inf = np.inf
    x = tg.Tensor([[-inf, -inf], [0.0, -inf], [1e4, -1e4]], requires_grad=True)
    y = tg.logsumexp(x)
    np.testing.assert_array_equal(y.detach(), [-inf, 0, 1e4])
    y.backward(np.ones(3))
    np.testing.assert_array_equal(x.grad, [[0, 0], [1, 0], [1, 0]])
    np.testing.assert_array_equal(gradient(np.logaddexp, -inf, -inf), [0, 0])


@pytest.mark.parametrize("f", [tg.softmax, tg.log_softmax, tg.logsumexp])
def test_huge_scores_do_not_overflow(f):
    assert np.isfinite(f(HUGE)).all()
    assert np.isfinite(gradient(f, HUGE)).all()
    assert np.isfinite(tg.hvp(lambda x: np.sum(f(x)), HUGE, np.ones_like(HUGE))).all()


def test_the_losses_bear_huge_scores():
    labels = np.array([1, 0])
    loss, g = tg.value_and_grad(tg.cross_entropy)(HUGE, labels)
    assert loss == 1e300
    np.testing.assert_allclose(g, [[0.5, -0.5, 0], [-0.5, 0.25, 0.25]])
    loss, g = tg.value_and_grad(tg.hinge_loss)(HUGE, labels)
    assert np.isfinite(loss)
    np.testing.assert_allclose(g, [[0.5, -1, 0.5], [-1, 0.5, 0.5]])


def test_sigmoid_is_accurate_in_its_tails():
    x = np.array([-1000.0, -40.0, 0.0, 40.0, 1000.0])
    np.testing.assert_allclose(tg.sigmoid(x), [0, np.exp(-40), 0.5, 1, 1], rtol=1e-15)
    np.testing.assert_allclose(gradient(tg.sigmoid, x), [0, np.exp(-40), 0.25, 0, 0], atol=1e-17)


def test_the_determinant_of_a_singular_matrix_has_a_gradient():
    a = np.array([[1.0, 2.0], [2.0, 4.0]])
    np.testing.assert_array_equal(gradient(np.linalg.det, a), [[4, -2], [-2, 1]])


def test_slogdet_keeps_its_sign_where_the_determinant_overflows():
    with np.errstate(all="raise"):
        sign, logabsdet = np.linalg.slogdet(tg.Tensor(-1e-5 * np.eye(301), requires_grad=True))
    assert sign == -1
    np.testing.assert_allclose(logabsdet.item(), 301 * np.log(1e-5))


def test_of_an_entry_written_twice_the_last_counts():
    def f(v):
        x = np.zeros_like(v, shape=(3,))
        x[[0, 2, 0]] = v
        return x * np.array([1.0, 2.0, 3.0])

    np.testing.assert_array_equal(gradient(f, [5.0, 6.0, 7.0]), [0, 3, 1])


def test_remainders_agree_with_the_rounding_of_the_quotient():
    a, b = gradient(np.remainder, 1.0, 0.1)
    assert (a, b) == (1, -np.floor_divide(1.0, 0.1))
    a, b = gradient(np.fmod, -1.0, 0.1)
    assert (a, b) == (1, 9)


def test_what_is_written_among_integers_is_flat():
    def f(w):
        t = tg.Tensor([1, 2])
        t[0] = w[0]
        return t * w

    np.testing.assert_array_equal(gradient(f, [1.5, 2.5]), [1, 2])
