"""Every rule and every composed function against differences of the function itself.

The differences are of fourth order, with step h = 2e-3 along one direction: their error is about
h**4 |f'''''| / 30 + 1e-16 |f| / h, some 1e-11 for derivatives of the order of 1. ``TOLERANCE``
leaves room for points where they are a thousand times larger.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes

import tinygrad_nn as tg
import tinygrad_nn.node
import tinygrad_nn.recording
from tests.rules import elementwise_cases, linalg_cases, reduction_cases, shape_cases  # noqa: F401
from tests.rules.cases import CASES
from tinygrad_nn.composed import TABLE
from tinygrad_nn.rules import CONSTANTS, RULES

H, TOLERANCE = 2e-3, 1e-7
every_case = pytest.mark.parametrize("case", CASES, ids=str)


def difference(f, h=H):
    """The derivative of ``f``, a function of one number, at 0."""
    return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)


def outputs(result):
    """A call's results as a tuple."""
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def weights_for(case):
    """A fixed weight for each entry of each output, none of them small."""
    rng = np.random.default_rng(7)
    return [sign_and_size(rng, np.shape(y)) for y in outputs(case(*case.args))]


def sign_and_size(rng, shape):
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.0, shape)


def weighted(case, weights, args):
    """A single number that depends on every output of the call."""
    return sum(np.sum(w * y) for w, y in zip(weights, outputs(case(*args)), strict=True))


def gradients(case, weights, args):
    def loss(*args):
        return weighted(case, weights, args)

    return tg.grad(loss, argnums=tuple(range(len(args))))(*args)


def second_gradients(case, weights, directions):
    """The Hessian of the weighted outputs times a direction."""

    def slope(*args):
        grads = gradients(case, weights, args)
        return sum(np.sum(g * d) for g, d in zip(grads, directions, strict=True))

    return tg.grad(slope, argnums=tuple(range(len(case.args))))(*case.args)


def assert_near(actual, expected):
    scale = max(1.0, np.max(np.abs(expected), initial=0))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE * scale)


@every_case
def test_the_value_is_that_of_numpy(case):
    tensors = [tg.Tensor(a, requires_grad=True) for a in case.args]
    for ours, numpys in zip(outputs(case(*tensors)), outputs(case(*case.args)), strict=True):
        assert ours.shape == np.shape(numpys)
        assert ours.dtype == numpys.dtype
        np.testing.assert_allclose(ours.detach(), numpys, rtol=1e-12, atol=1e-13)


@every_case
def test_the_gradient_is_that_of_differences(case):
    weights = weights_for(case)
    ours = gradients(case, weights, case.args)
    rng = np.random.default_rng(8)
    directions = [sign_and_size(rng, np.shape(a)) for a in case.args]

    def along(step):
        moved = [a + step * d for a, d in zip(case.args, directions, strict=True)]
        return weighted(case, weights, moved)

    slope = sum(np.sum(g * d) for g, d in zip(ours, directions, strict=True))
    assert_near(slope, difference(along))
    for i, g in enumerate(ours):
        assert g.shape == np.shape(case.args[i])
        for where in np.ndindex(g.shape):

            def entry(step, i=i, where=where):
                moved = [np.array(a) for a in case.args]
                moved[i][where] += step
                return weighted(case, weights, [a[()] for a in moved])

            assert_near(g[where], difference(entry))


@every_case
def test_the_second_derivative_is_that_of_differences_of_the_gradient(case):
    """The gradient itself was compared with differences of the function above."""
    weights = weights_for(case)
    rng = np.random.default_rng(9)
    directions = [sign_and_size(rng, np.shape(a)) for a in case.args]

    ours = second_gradients(case, weights, directions)

    def moved_gradients(step):
        moved = [a + step * d for a, d in zip(case.args, directions, strict=True)]
        return np.concatenate([np.ravel(g) for g in gradients(case, weights, moved)])

    assert_near(np.concatenate([np.ravel(g) for g in ours]), difference(moved_gradients))


@every_case
def test_float32_stays_float32(case):
    args = [np.float32(a) for a in case.args]
    expected = outputs(case(*args))
    if case.float32 and case.numpy:
        assert {y.dtype for y in expected} == {np.dtype(np.float32)}
    weights = [w.astype(np.float32) for w in weights_for(case)]
    tensors = [tg.Tensor(a, requires_grad=True) for a in args]
    for ours, theirs in zip(outputs(case(*tensors)), expected, strict=True):
        if case.float32:
            assert ours.dtype == np.float32
        np.testing.assert_allclose(ours.detach(), theirs, rtol=1e-4, atol=1e-5)
    precise = gradients(case, weights_for(case), case.args)
    for ours, theirs in zip(gradients(case, weights, args), precise, strict=True):
        assert ours.dtype == np.float32
        scale = max(1.0, np.max(np.abs(theirs), initial=0))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-3 * scale)


@every_case
def test_what_a_rule_does_not_read_need_not_be_kept(case, monkeypatch):
    """With NaN in place of all that ``shape_only`` and ``alone`` declare as not read."""
    weights = weights_for(case)
    directions = [np.cos(np.arange(np.size(a))).reshape(np.shape(a)) for a in case.args]
    kept = gradients(case, weights, case.args)
    kept_second = second_gradients(case, weights, directions)
    leaves = [tg.Tensor(a, requires_grad=True) for a in case.args]
    for module in (tinygrad_nn.node, tinygrad_nn.recording):
        monkeypatch.setattr(module, "LARGE", -1)
    loss = weighted(case, weights, leaves)
    if loss.requires_grad:
        loss.backward()
    for t, g in zip(leaves, kept, strict=True):
        np.testing.assert_array_equal(np.zeros(t.shape) if t.grad is None else t.grad, g)
    spared = second_gradients(case, weights, directions)
    for a, b in zip(spared, kept_second, strict=True):
        np.testing.assert_array_equal(a, b)


def _has_method(case):
    """Whether ndarray spells the call as a method that takes its keywords."""
    name = case.function.__name__
    method = getattr(tg.Tensor, name, None)
    if case.call is not case.function or method is None or getattr(np, name, None) is None:
        return False
    parameters = inspect.signature(method).parameters
    named = {name for name, p in parameters.items() if p.kind != p.VAR_POSITIONAL}
    return case.function is getattr(np, name) and set(case.keywords) <= named


@pytest.mark.parametrize("case", [c for c in CASES if _has_method(c)], ids=str)
def test_the_method_is_the_function(case):
    tensors = [tg.Tensor(a, requires_grad=True) for a in case.args]
    method = getattr(tensors[0], case.function.__name__)(*tensors[1:], **case.keywords)
    method.backward(np.ones(method.shape))
    others = [tg.Tensor(a, requires_grad=True) for a in case.args]
    function = case(*others)
    function.backward(np.ones(function.shape))
    np.testing.assert_array_equal(method.detach(), function.detach())
    for a, b in zip(tensors, others, strict=True):
        np.testing.assert_array_equal(a.grad, b.grad)


# --- shapes that nobody thought of ------------------------------------------------------------

BINARY = (np.add, np.subtract, np.multiply, np.divide, np.maximum, np.power, np.arctan2)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(BINARY), mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3))
def test_binary_functions_broadcast(function, broadcast):
    """By hand: broadcast both operands first, differentiate, and sum over the copies."""
    rng = np.random.default_rng(10)
    a, b = (rng.uniform(0.5, 2, shape) for shape in broadcast.input_shapes)
    g = rng.standard_normal(broadcast.result_shape)

    def loss(a, b):
        return np.sum(g * function(a, b))

    ours = tg.grad(loss, argnums=(0, 1))(a, b)
    full = [np.broadcast_to(x, broadcast.result_shape) + 0.0 for x in (a, b)]
    for x, grad, whole in zip((a, b), ours, tg.grad(loss, argnums=(0, 1))(*full), strict=True):
        extra = whole.ndim - x.ndim
        whole = whole.sum(axis=tuple(range(extra)))
        once = tuple(i for i, n in enumerate(x.shape) if n == 1)
        np.testing.assert_allclose(grad, whole.sum(axis=once, keepdims=True), atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from((np.sum, np.mean, np.max, np.prod, np.var, tg.logsumexp)),
    array_shapes(min_dims=1, max_dims=4, max_side=3),
    st.data(),
)
def test_reductions_take_any_axes(function, shape, data):
    """Reducing some axes is reducing one flattened axis of the array laid out differently."""
    axes = data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1), label="axes")
    keepdims = data.draw(st.booleans(), label="keepdims")
    axis = tuple(
        data.draw(st.permutations([data.draw(st.sampled_from((i, i - len(shape)))) for i in axes]))
    )
    x = np.random.default_rng(11).permutation(np.prod(shape)).reshape(shape) / np.prod(shape) + 0.5
    rest = [i for i in range(len(shape)) if i not in axes]
    order = [*rest, *sorted(axes)]

    def flat(x):
        return function(
            np.reshape(np.transpose(x, order), (*(shape[i] for i in rest), -1)), axis=-1
        )

    def ours(x):
        y = function(x, axis=axis, keepdims=keepdims)
        assert y.shape == tuple(
            1 if i in axes else n for i, n in enumerate(shape) if keepdims or i not in axes
        )
        return np.sum(np.sin(y))

    expected = tg.grad(lambda x: np.sum(np.sin(flat(x))))(x)
    np.testing.assert_allclose(tg.grad(ours)(x), expected, rtol=1e-9, atol=1e-12)


# --- nothing is left out ----------------------------------------------------------------------


def test_every_rule_and_every_composed_function_has_a_case():
    covered = {case.function for case in CASES}
    missing = [f.__name__ for f in (*RULES, *TABLE) if f not in covered]
    assert not missing, f"add cases for {missing}"


#: NumPy's ufuncs that have no derivative rule and are not constant, with the reason.
WITHOUT_DERIVATIVE = {
    np.bitwise_count: "of integers",
    np.divmod: "two outputs: floor_divide and remainder",
    np.modf: "two outputs: fmod and trunc",
    np.frexp: "two outputs, of which one are exponents",
    np.isnat: "of dates",
}


def test_every_ufunc_of_numpy_is_known():
    ufuncs = {f for f in vars(np).values() if isinstance(f, np.ufunc)}
    unknown = ufuncs - set(RULES) - CONSTANTS - set(WITHOUT_DERIVATIVE)
    assert not unknown
    assert not set(WITHOUT_DERIVATIVE) & (set(RULES) | CONSTANTS)


def test_a_wrong_rule_is_found(monkeypatch):
    """The checker itself: with tanh' = 1 + tanh**2 the comparison above fails."""
    rule = RULES[np.tanh]
    wrong = type(rule)((lambda g, y, x: g * (1 + y * y),))
    monkeypatch.setitem(RULES, np.tanh, wrong)
    case = next(c for c in CASES if c.function is np.tanh)
    with pytest.raises(AssertionError):
        test_the_gradient_is_that_of_differences(case)
