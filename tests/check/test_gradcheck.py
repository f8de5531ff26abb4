"""gradcheck: silent on right rules, however awkward the point; loud on planted faults."""

import inspect
import re

import numpy as np
import pytest

import tinygrad_nn as tg
from tinygrad_nn.check import GradientReport, gradcheck
from tinygrad_nn.errors import DataError, DtypeError, GradientError, TinygradError
from tinygrad_nn.rules import RULES, operation, rule
from tinygrad_nn.rules.registry import Rule


def draw(*shape):
    return np.random.default_rng(5).normal(size=shape)


@pytest.fixture
def plant(monkeypatch):
    """Replace the rule of a function, for one test."""

    def replace_rule(function, *vjps):
        monkeypatch.setitem(RULES, function, Rule(vjps))

    return replace_rule


def numbers_in(message):
    """The two numbers of a message, ``autodiff ..., numeric ...``."""
    found = re.search(r"autodiff (\S+), numeric (\S+)", message)
    return tuple(float(text.rstrip(",;")) for text in found.groups())


# Right rules pass


def test_a_right_gradient_gives_a_true_report_with_a_row_for_each_argument():
    report = gradcheck(lambda W, b, X: np.tanh(X @ W + b), draw(3, 2), draw(2), draw(4, 3))
    assert isinstance(report, GradientReport)
    assert report
    assert [row.argument for row in report.rows] == ["W", "b", "X"]
    assert [row.shape for row in report.rows] == [(3, 2), (2,), (4, 3)]
    assert max(row.error for row in report.rows) < 1e-8


def test_the_report_prints_as_a_table():
    lines = str(gradcheck(lambda x: np.sum(x**3), np.array([1.0, 2.0]))).splitlines()
    headers = "argument shape max relative error worst autodiff numeric order checked note"
    assert " ".join(lines[0].split()) == headers
    assert lines[1].startswith("x         (2,)")
    assert "all entries" in lines[1]
    assert "<table>" in gradcheck(lambda x: x * x, 2.0)._repr_html_()


def test_nested_arguments_are_named_by_their_path():
    params = {"W1": draw(2, 2), "layers": [(draw(2), 0.5), {"b": draw(1)}]}

    def f(params, scale):
        (v, s), rest = params["layers"]
        return np.sum(np.sin(params["W1"] @ v * s)) * rest["b"][0] * scale

    assert [row.argument for row in gradcheck(f, params, 2.0).rows] == [
        "params['W1']",
        "params['layers'][0][0]",
        "params['layers'][0][1]",
        "params['layers'][1]['b']",
        "scale",
    ]


def test_a_starred_argument_is_named_by_its_number():
    def f(first, *rest):
        return first * rest[0] * rest[1]

    assert [row.argument for row in gradcheck(f, 1.0, 2.0, 3.0).rows] == [
        "first",
        "rest[0]",
        "rest[1]",
    ]


def test_integers_strings_and_labels_are_passed_through():
    def f(scores, labels, how, power):
        assert how == "mean"
        assert labels.dtype == np.int64
        return tg.cross_entropy(scores, labels) ** power

    report = gradcheck(f, draw(3, 4), np.array([0, 3, 1]), "mean", 2)
    assert [row.argument for row in report.rows] == ["scores"]


def test_tensors_are_checked_and_left_alone():
    x = tg.Tensor(draw(3), requires_grad=True)
    before = x.data.copy()
    assert gradcheck(lambda x: (x * x).sum(), x)
    assert x.grad is None
    np.testing.assert_array_equal(x.data, before)


def test_arguments_are_not_changed_even_by_a_function_that_changes_its_own():
    labels = np.array([1, 0])
    x = draw(2, 3)
    before = x.copy()

    def f(x, labels):
        value = tg.cross_entropy(x, labels)
        labels += 1
        return value

    assert gradcheck(f, x, labels)
    np.testing.assert_array_equal(labels, [1, 0])
    np.testing.assert_array_equal(x, before)


def test_all_outputs_of_a_structure_are_checked():
    def f(x):
        return {"a": np.exp(x), "b": (np.sum(x), [x * 1e-6, None, 3])}

    assert gradcheck(f, draw(4))


def test_an_argument_that_is_ignored_has_gradient_zero_both_ways():
    row = gradcheck(lambda x, y: x * 2, 1.0, draw(3)).rows[1]
    assert (row.autodiff, row.numeric, row.error) == (0, 0, 0)


def test_a_constant_function_and_an_empty_argument_pass():
    assert gradcheck(lambda x: 3.0, draw(2))
    assert gradcheck(lambda x, y: np.sum(x) + np.sum(y), np.zeros((0, 3)), 1.0)


def test_functions_that_need_tensors_get_tensors():
    assert gradcheck(lambda x: (x * x).sum() + x.detach().sum() * 0, draw(3))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_higher_orders_are_checked_up_to_the_one_asked_for(order):
    report = gradcheck(lambda x, y: np.sin(x) * np.exp(y), 0.7, draw(2), order=order)
    assert [row.order for row in report.rows] == [k for k in range(1, order + 1) for _ in "xy"]
    assert max(row.error for row in report.rows) < 1e-7


# No false alarms: kinks


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (np.abs, np.array([0.0, 1.0, -2.0])),
        (tg.relu, np.array([0.0, 1.0, -2.0])),
        (lambda x: np.maximum(0, x), np.zeros(3)),
        (lambda x: np.maximum(x, np.array([1.0, 2.0])), np.array([1.0, 5.0])),
        (np.max, np.array([2.0, 2.0, 1.0])),
        (np.min, np.array([2.0, 1.0, 1.0, 1.0])),
        (lambda x: np.clip(x, -1.0, 1.0), np.array([-1.0, 0.3, 1.0])),
        (np.sort, np.array([1.0, 1.0, 1.0, 0.5])),
        (np.median, np.array([1.0, 0.0, 0.0, 0.0, 0.0, -1.0])),
        (lambda x: np.abs(x) * np.abs(x - 1e-9), np.array([0.0, 1e-9])),
        (lambda x: np.abs(x).sum(), np.zeros((15, 20))),
        (lambda x: tg.relu(x - 1e-5).sum(), np.array([0.0, 1.0])),
        (lambda x: np.abs(x) ** 1.5, np.array([1e-12, 1.0])),
    ],
)
def test_kinks_and_ties_give_no_false_alarm(f, x):
    assert gradcheck(f, x)


def test_a_kink_is_marked_in_the_report_and_left_out_of_the_error():
    (row,) = gradcheck(tg.relu, np.array([1.0, 0.0, -2.0])).rows
    assert row.note == "kink at [1]"
    assert row.error < 1e-8
    (row,) = gradcheck(np.abs, 0.0).rows
    assert row.note == "kink at x"
    (row,) = gradcheck(np.abs, np.zeros(4)).rows
    assert row.note == "kink at 4 entries"
    assert "kink at 4 entries" in str(gradcheck(np.abs, np.zeros(4)))


def test_two_tensors_that_tie_in_maximum_share_the_gradient():
    report = gradcheck(lambda a, b: np.maximum(a, b).sum(), draw(3), draw(3))
    assert all("kink" in row.note for row in report.rows)


@pytest.mark.parametrize("zero", ["W1", "W2", "b1", "X"])
def test_a_network_at_a_kink_of_all_its_units_gives_no_false_alarm(zero):
    values = {"W1": draw(3, 6), "b1": np.zeros(6), "W2": draw(6, 4), "X": draw(5, 3)}
    values[zero] = np.zeros_like(values[zero])
    X = values.pop("X")

    def loss(params):
        h = np.maximum(0, X @ params["W1"] + params["b1"])
        return tg.cross_entropy(h @ params["W2"], np.array([0, 1, 2, 3, 0]))

    assert gradcheck(loss, values, order=2)


@pytest.mark.parametrize("seed", range(4))
def test_a_relu_network_with_tiny_weights_and_many_kinks_nearby_gives_no_false_alarm(seed):
    random = np.random.default_rng(seed)
    X, y = random.normal(size=(40, 2)), random.integers(0, 3, 40)
    params = {"W1": 1e-3 * random.normal(size=(2, 8)), "b1": np.zeros(8)}
    params["W2"] = 1e-3 * random.normal(size=(8, 3))

    def loss(params):
        h = tg.relu(X @ params["W1"] + params["b1"])
        return tg.hinge_loss(h @ params["W2"], y)

    assert gradcheck(loss, params)


def test_the_edge_of_a_domain_is_checked_from_inside():
    with np.errstate(invalid="ignore"):
        assert np.isnan(np.float64(-1e-9) ** 1.5)
    assert gradcheck(lambda x: x**1.5, np.array([0.0, 1.0]))
    assert gradcheck(lambda x: np.sqrt(x) + x, np.array([1e-9, 1.0]))


# No false alarms: scales and precision


@pytest.mark.parametrize("scale", [1e-150, 1e-20, 1e-8, 1e8, 1e20, 1e150])
def test_huge_and_tiny_arguments_give_no_false_alarm(scale):
    assert gradcheck(lambda x: np.sum(x * x), scale * draw(4))
    assert gradcheck(lambda x: np.sin(x / scale), scale * draw(4), order=2)


def test_entries_of_very_different_scales_are_each_checked_in_their_own():
    x = np.array([1e-8, 1.0, 1e8, -1e-3])
    (row,) = gradcheck(lambda x: np.log(x * x), x).rows
    assert row.error < 1e-6


def test_a_huge_value_with_a_tiny_gradient_gives_no_false_alarm():
    assert gradcheck(lambda x: 1e6 + 1e-3 * np.sin(x).sum(), draw(3))
    assert gradcheck(lambda x: 1e6 + 1e-14 * x.sum(), draw(3))


def test_digits_lost_inside_the_function_give_no_false_alarm():
    assert gradcheck(lambda x: (1e8 + x) - 1e8, draw(3))
    assert gradcheck(lambda x: x.astype(np.float32) ** 2, draw(3))
    assert gradcheck(np.tanh, np.array([-6.3, 8.8, 12.2]), order=2)
    assert gradcheck(lambda x: tg.cross_entropy(x, np.array([0])), np.array([[80.0, -80.0]]))


def test_float32_arguments_are_checked_in_float64():
    seen = set()

    def f(x, y):
        seen.add((x.dtype.name, y.dtype.name))
        return (x * x).sum() * y

    report = gradcheck(f, draw(3).astype(np.float32), np.float32(2))
    assert seen == {("float64", "float64")}
    assert max(row.error for row in report.rows) < 1e-9


# Faults


def is_wrong(f, *args, order=1):
    with pytest.raises(GradientError) as caught:
        gradcheck(f, *args, order=order)
    return str(caught.value)


def test_a_factor_of_two_is_found_and_told_with_argument_index_and_both_numbers(plant):
    plant(np.tanh, lambda g, y, x: 2 * g * (1 - y * y))
    x = draw(2, 3)
    message = is_wrong(lambda params: np.tanh(params["x"]).sum(), {"x": x})
    index = re.search(r"params\['x'\]\[(\d), (\d)\] is wrong", message)
    autodiff, numeric = numbers_in(message)
    right = 1 - np.tanh(x[tuple(int(k) for k in index.groups())]) ** 2
    assert numeric == pytest.approx(right, rel=1e-8)
    assert autodiff == pytest.approx(2 * right, rel=1e-8)
    assert "6 of the 6 entries" in message


def test_the_message_shows_the_line_that_called(plant):
    plant(np.tanh, lambda g, y, x: -g)
    assert "test_gradcheck.py, line" in is_wrong(np.tanh, 1.0)


def test_a_function_of_numpy_is_named_by_its_own_parameter(plant):
    plant(np.tanh, lambda g, y, x: -g)
    name = next(iter(inspect.signature(np.tanh).parameters))
    assert f"with respect to {name}[" in is_wrong(np.tanh, draw(2))


def test_a_wrong_sign_is_found(plant):
    plant(np.sin, lambda g, y, x: -g * np.cos(x))
    autodiff, numeric = numbers_in(is_wrong(np.sin, 0.3))
    assert autodiff == pytest.approx(-numeric)


def test_a_gradient_of_zero_is_found(plant):
    plant(np.exp, lambda g, y, x: 0 * g)
    assert "autodiff 0, numeric" in is_wrong(np.exp, draw(3))


def test_a_missing_sum_over_the_broadcast_axis_is_found(plant):
    plant(np.add, lambda g, y, a, b: g, lambda g, y, a, b: g[:1])
    message = is_wrong(lambda X, b: np.sum((X + b) ** 2), draw(4, 3), draw(1, 3))
    assert "with respect to b[0, " in message
    assert "X" not in message.splitlines()[0]


def test_a_relative_error_of_one_in_ten_thousand_is_found(plant):
    plant(np.tanh, lambda g, y, x: 1.0001 * g * (1 - y * y))
    autodiff, numeric = numbers_in(is_wrong(np.tanh, draw(3)))
    assert autodiff / numeric - 1 == pytest.approx(1e-4, rel=1e-3)


@pytest.mark.parametrize("factor", [0.0, -1.0, 1.0001])
def test_an_error_in_a_single_entry_of_a_large_argument_is_found_and_located(factor):
    @operation
    def keep(x):
        return x * 1.0

    def vjp(g, y, x):
        g = g.copy()
        g[31, 17] *= factor
        return g

    rule(keep, vjp)
    try:
        W, X = draw(50, 50), draw(3, 50)
        message = is_wrong(lambda W: np.tanh(X @ keep(W) / 50).sum(), W)
        assert "W[31, 17] is wrong" in message
        autodiff, numeric = numbers_in(message)
        assert autodiff == pytest.approx(factor * numeric, rel=1e-7, abs=1e-15)
        assert "along a random direction" in message
    finally:
        del RULES[keep]


def test_a_fault_is_found_at_tiny_scale_too(plant):
    plant(np.multiply, lambda g, y, a, b: g * b, lambda g, y, a, b: 0.999 * g * a)
    assert "is wrong" in is_wrong(lambda x: np.sum(x * x), 1e-12 * draw(3))


def test_a_fault_is_found_although_the_value_is_a_million(plant):
    plant(np.sin, lambda g, y, x: 1.01 * g * np.cos(x))
    assert "is wrong" in is_wrong(lambda x: 1e6 + np.sin(x).sum(), draw(3))


def test_a_wrong_rule_is_found_although_the_point_is_a_kink(plant):
    plant(tg.relu, lambda g, y, x: 2 * g * (y > 0))
    message = is_wrong(tg.relu, np.zeros(3))
    assert "measured at a point moved slightly" in message
    autodiff, numeric = numbers_in(message)
    assert abs(autodiff) == pytest.approx(2 * abs(numeric))


def test_a_wrong_second_derivative_behind_a_right_first_one_is_found(plant):
    # The rule reads the value of y, but hides from the second derivative that it depends on x.
    hidden = lambda t: t.detach() if isinstance(t, tg.Tensor) else t
    plant(np.exp, lambda g, y, x: g * hidden(y))
    assert gradcheck(np.exp, draw(3), order=1)
    message = is_wrong(np.exp, draw(3), order=2)
    assert message.startswith("the second derivative with respect to x[")
    assert numbers_in(message)[0] == 0


def test_every_wrong_argument_is_named(plant):
    plant(np.tanh, lambda g, y, x: 2 * g * (1 - y * y))
    message = is_wrong(lambda x, y, z: np.tanh(x) + np.tanh(y) + z, 1.0, draw(2), 3.0)
    assert "with respect to x is wrong" in message
    assert "also: the gradient with respect to y[" in message
    assert " z" not in message.split("gradcheck.py")[0]


def test_a_wrong_value_at_one_special_point_is_no_kink(plant):
    # d/dx x*x*x at an exact zero: smooth there, so nothing excuses a wrong number.
    plant(np.square, lambda g, y, x: np.where(x == 0, 5.0 * g, 2 * g * x))
    assert "x[1] is wrong: autodiff" in is_wrong(np.square, np.array([1.0, 0.0]))


# What cannot be checked


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_input_that_is_not_finite_is_named(bad):
    with pytest.raises(DataError, match=re.escape(f"params['b'][1] is {bad}")):
        gradcheck(lambda params: params["b"].sum(), {"b": np.array([0.0, bad])})


def test_a_value_that_is_not_finite_is_told():
    assert "value is nan here" in is_wrong(lambda x: np.log(x), -1.0)
    assert "value is -inf here" in is_wrong(lambda x: np.log(x), np.array([0.0, 1.0]))


def test_a_gradient_that_is_not_finite_is_told_with_its_place():
    message = is_wrong(lambda x: np.sqrt(x).sum(), np.array([1.0, 0.0]))
    assert "x[1] is not finite: autodiff inf" in message


def test_a_function_that_is_not_deterministic_is_told():
    random = np.random.default_rng(0)
    message = is_wrong(lambda x: np.sum(x * (random.random(5) < 0.5)), np.ones(5))
    assert "not deterministic" in message
    assert "seed" in message


def test_a_function_that_differs_on_tensors_is_told():
    message = is_wrong(lambda x: x * (2 if isinstance(x, tg.Tensor) else 3), 1.0)
    assert "gives 2 on tensors and 3 on plain arrays" in message


@pytest.mark.parametrize("args", [(3,), (np.arange(3),), ("text",), (True, None), ()])
def test_without_a_floating_point_argument_there_is_nothing_to_check(args):
    with pytest.raises(DtypeError, match="nothing to check"):
        gradcheck(lambda *args: 1.0, *args)


def test_an_integer_value_has_no_gradient():
    with pytest.raises(DtypeError, match="no floating-point value"):
        gradcheck(lambda x: np.argmax(x), draw(3))


@pytest.mark.parametrize("order", [0, -1, 1.5, True, "2"])
def test_an_order_that_is_none_is_refused(order):
    with pytest.raises(DataError, match="order is 1 for the gradient"):
        gradcheck(np.sin, 1.0, order=order)


def test_the_functions_own_errors_come_through():
    def f(x):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        gradcheck(f, 1.0)
    with pytest.raises(TinygradError):
        gradcheck(lambda x: np.sum(np.linalg.qr(x)[0]) + np.unwrap(x).sum(), draw(2, 2))
