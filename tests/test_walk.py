"""The backward walk writes into an array of its own only when nobody else can see it."""

import numpy as np
import pytest

import tinygrad_nn as tg
from tinygrad_nn import walk

ONES = (3, 4)


def masked(x):
    return np.maximum(0, x)


@pytest.mark.parametrize("mask", [masked, tg.relu, lambda x: np.minimum(x, 0)])
def test_a_gradient_that_was_handed_in_is_not_written_into(mask):
    x = tg.Tensor(np.array([[-1.0, 2.0], [3.0, -4.0]]), requires_grad=True)
    g = np.full((2, 2), 5.0)
    mask(x).backward(g)
    np.testing.assert_array_equal(g, 5.0)
    np.testing.assert_array_equal(x.grad, 5.0 * (mask(x.data) != 0))


def test_a_gradient_that_two_masks_share_is_not_written_into():
    def f(x):
        return np.sum((masked(x) + masked(x - 1)) * (x + 2))

    x = np.array([-1.0, 0.5, 3.0])
    expected = (np.maximum(0, x) + np.maximum(0, x - 1)) + (x + 2) * (1.0 * (x > 0) + (x > 1))
    np.testing.assert_allclose(tg.grad(f)(x), expected)


def test_a_mask_and_a_sum_that_share_a_gradient_do_not_disturb_one_another():
    def f(x, y):
        h = x * y
        return np.sum((masked(h) + h) * h)

    x, y = np.array([-1.0, 2.0, 0.5]), np.array([3.0, -2.0, 1.5])
    h = x * y
    dh = 2 * h + 2 * np.maximum(0, h)  # of max(0, h) h + h h
    dx, dy = tg.grad(f, argnums=(0, 1))(x, y)
    np.testing.assert_allclose(dx, dh * y)
    np.testing.assert_allclose(dy, dh * x)


def test_two_leaves_never_share_a_gradient():
    a, b = (tg.Tensor(np.ones(ONES), requires_grad=True) for _ in range(2))
    (a + b).backward(np.ones(ONES))
    a.grad[:] = 7
    np.testing.assert_array_equal(b.grad, 1)


def test_all_gradients_of_a_graph_survive_the_walk():
    x = np.array([-1.0, 2.0, 3.0])
    graph = tg.trace(lambda x: np.sum(masked(x * 2) * 3), x)
    by_name = {graph.names[node]: g for node, g in graph.cotangents().items()}
    np.testing.assert_array_equal(by_name["x"], [0, 6, 6])
    np.testing.assert_array_equal(by_name["t2"], [3, 3, 3])
    np.testing.assert_array_equal(by_name["t1"], [0, 3, 3])


def test_the_interpreter_counts_one_more_owner():
    """What the walk relies on: a second name for an array raises its count."""
    g = np.zeros(3)
    assert walk._is_private(g)
    other = g
    assert not walk._is_private(g)
    assert other is g


@pytest.mark.parametrize("large", [10, 200_000])
def test_x_times_x_counts_both_sides(large):
    x = np.linspace(-1, 1, large)
    np.testing.assert_allclose(tg.grad(lambda x: np.sum(x * x))(x), 2 * x)
    np.testing.assert_allclose(tg.grad(lambda x: np.sum(x * x * x))(x), 3 * x * x)
    v = np.cos(x)
    np.testing.assert_allclose(tg.hvp(lambda x: np.sum(x * x * x), x, v), 6 * x * v)


@pytest.mark.parametrize("join", [np.concatenate, np.stack, np.hstack])
def test_many_arrays_joined_each_get_their_part(join):
    p = tg.Parameter(np.ones(3))
    join([p * float(i) for i in range(5000)]).sum().backward()
    np.testing.assert_array_equal(p.grad, np.full(3, 4999 * 2500.0))
