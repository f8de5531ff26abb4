"""The numeric derivative itself: exact where it can be, honest where it cannot."""

import math

import numpy as np
import pytest

from tinygrad_nn.check import TinygradWarning
from tinygrad_nn.check.numeric import Point
from tinygrad_nn.check.report import Table, figure, place, relative_error


def slope_of(f, x):
    """The derivative of a function of one number."""
    return Point(lambda v: [np.float64(f(v))], [np.array(float(x))]).entry(0, ())


@pytest.mark.parametrize(
    ("f", "derivative", "x"),
    [
        (np.exp, np.exp, 1.0),
        (np.sin, np.cos, 100.0),
        (np.log, lambda x: 1 / x, 1e-6),
        (np.tanh, lambda x: 1 - math.tanh(x) ** 2, 0.3),
        (lambda x: x**5, lambda x: 5 * x**4, -2.0),
        (lambda x: x * 1e-200, lambda x: 1e-200, 3.0),
        (lambda x: 1 / x, lambda x: -1 / x**2, 1e3),
    ],
)
def test_smooth_functions_are_differentiated_to_nine_digits_within_the_error_bar(f, derivative, x):
    found = slope_of(f, x)
    assert found.value == pytest.approx(derivative(x), rel=1e-9)
    assert abs(found.value - derivative(x)) <= 4 * found.error
    assert found.error <= 1e-7 * abs(derivative(x))
    assert not found.kink


def test_a_kink_shows_with_both_of_its_slopes():
    found = slope_of(lambda x: np.where(x > 0, 3 * x, -x), 0.0)
    assert found.kink
    assert found.left == pytest.approx(-1)
    assert found.right == pytest.approx(3)


@pytest.mark.parametrize("distance", [1e-2, 1e-4, 1e-6, 1e-8])
def test_a_kink_nearby_does_not_falsify_the_slope(distance):
    found = slope_of(lambda x: abs(x - distance), 0.0)
    assert found.value == pytest.approx(-1, abs=1e-6)
    assert abs(found.value + 1) <= 4 * found.error


def test_rounding_of_a_large_value_shows_in_the_error_bar():
    found = slope_of(lambda x: 1e6 + 1e-6 * x, 1.0)
    assert abs(found.value - 1e-6) <= 4 * found.error
    assert 1e-13 < found.error < 1e-6


def test_digits_lost_in_a_cancellation_show_in_the_error_bar():
    found = slope_of(lambda x: (1e8 + x) - 1e8, 1.0)
    assert abs(found.value - 1) <= 4 * found.error
    assert found.error > 1e-12


def test_the_edge_of_a_domain_gives_the_slope_from_inside():
    found = slope_of(lambda x: np.sqrt(x) ** 3 + 2 * x, 0.0)
    assert found.value == pytest.approx(2, abs=1e-2)
    assert not found.kink


def test_a_point_without_neighbours_gives_no_slope():
    assert math.isnan(slope_of(lambda x: 0.0 if x == 0 else math.nan, 0.0).value)


def test_a_matrix_that_is_singular_next_door_gives_no_error():
    def f(x):
        if x > 1:
            raise np.linalg.LinAlgError("singular")
        return 2 * x

    assert slope_of(f, 1.0).value == pytest.approx(2)


def test_all_outputs_count_large_and_small():
    x = np.array([1.0, 2.0])
    point = Point(lambda v: [1e9 * v, 1e-9 * v], [x])
    assert len(point.weights) == 4
    contributions = point.weights * point.value
    assert np.max(np.abs(contributions)) < 10 * np.min(np.abs(contributions))


def test_random_directions_have_no_tiny_component_and_are_the_same_every_time():
    point = Point(lambda v: [v.sum()], [np.ones((30, 30))])
    (direction,) = point.random(0)
    assert np.min(np.abs(direction)) >= 0.5
    assert (direction > 0).any()
    assert (direction < 0).any()
    np.testing.assert_array_equal(direction, point.random(0)[0])


def test_the_relative_error_is_the_published_one():
    assert relative_error(1.0, 1.0) == 0
    assert relative_error(1.0, -1.0) == 1
    assert relative_error(3.0, 1.0) == 0.5
    assert relative_error(0.0, 0.0) == 0
    assert relative_error(1e-10, 0.0) == pytest.approx(1e-2)


def test_tables_align_and_escape():
    table = Table(("a", "long"), [("<x>|", "1")])
    assert table.text() == "a     long\n<x>|  1"
    assert table.markdown() == "| a | long |\n| --- | --- |\n| <x>\\| | 1 |"
    assert "<td>&lt;x&gt;|</td>" in table.html()


def test_figures_and_places():
    assert figure(0.0) == "0"
    assert figure(1.234e-9) == "1.2e-09"
    assert figure(math.nan) == "-"
    assert place("W", (1, 2)) == "W[1, 2]"
    assert place("x", ()) == "x"


def test_the_warning_is_a_user_warning():
    assert issubclass(TinygradWarning, UserWarning)
