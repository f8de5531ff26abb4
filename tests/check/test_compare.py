"""compare: autodiff, hand-derived and numeric gradients side by side, right and wrong."""

import re

import numpy as np
import pytest

import tinygrad_nn as tg
from models import softmax_classifier_analytic as softmax_classifier
from models import svm_classifier_analytic as svm_classifier
from models import two_layer_net_analytic as two_layer_net
from models.l2 import factor
from tinygrad_nn.check import TinygradWarning, compare
from tinygrad_nn.datasets import spiral, toy, toy_parameters
from tinygrad_nn.errors import DataError, DtypeError, GradientError, ShapeError
from tinygrad_nn.rules import RULES
from tinygrad_nn.rules.registry import Rule


def net_loss(params, X, y, reg=0.0, l2="half"):
    """The declared two-layer network; beside it, models/two_layer_net_analytic.py."""
    h1 = X @ params["W1"] + params["b1"]
    scores = np.maximum(0, h1) @ params["W2"] + params["b2"]
    penalty = np.sum(params["W1"] ** 2) + np.sum(params["W2"] ** 2)
    return tg.cross_entropy(scores, y) + factor(l2) * reg * penalty


def classifier_loss(loss):
    def f(params, X, y, reg=0.0, l2="half"):
        scores = X @ params["W"] + params["b"]
        return loss(scores, y) + factor(l2) * reg * np.sum(params["W"] ** 2)

    return f


def analytic_with(**changes):
    """The toy network's hand-derived gradients, some of them replaced."""

    def analytic(params, X, y, reg=0.0):
        loss, gradients = two_layer_net.loss_and_gradients(params, X, y, reg)
        for name, change in changes.items():
            gradients[name] = change(gradients[name])
        return loss, gradients

    return analytic


def compared_on_toy(analytic, reg=0.1):
    report = compare(net_loss, analytic, toy_parameters(), *toy(), reg)
    return report, {row.parameter: row for row in report.rows}


# Agreement


@pytest.mark.parametrize("reg", [0.0, 0.1])
def test_the_toy_network_agrees_at_least_as_well_as_published(reg):
    report, rows = compared_on_toy(two_layer_net.loss_and_gradients, reg)
    assert report.ok
    published = {"W1": 3.6e-9, "W2": 3.4e-9, "b1": 2.7e-9, "b2": 4.4e-11}
    assert set(rows) == set(published)
    for name, error in published.items():
        assert rows[name].verdict == "agree"
        assert rows[name].autodiff_numeric <= error
        assert rows[name].analytic_numeric <= error
        assert rows[name].autodiff_analytic <= 1e-13


@pytest.mark.parametrize("l2", ["half", "full"])
@pytest.mark.parametrize(
    ("declared", "analytic"),
    [
        (classifier_loss(tg.cross_entropy), softmax_classifier.loss_and_gradients),
        (classifier_loss(tg.hinge_loss), svm_classifier.loss_and_gradients),
    ],
)
def test_the_linear_classifiers_agree_in_both_l2_conventions(declared, analytic, l2):
    random = np.random.default_rng(3)
    params = {"W": 0.1 * random.normal(size=(4, 3)), "b": 0.1 * random.normal(size=(1, 3))}
    report = compare(declared, analytic, params, *toy(), 0.1, l2)
    assert report.ok
    assert report.loss == pytest.approx(report.analytic_loss)


def test_a_row_tells_both_kinds_of_error_and_the_numbers_at_its_worst_entry():
    _, rows = compared_on_toy(two_layer_net.loss_and_gradients)
    row = rows["W1"]
    assert row.shape == (4, 10)
    _, gradients = two_layer_net.loss_and_gradients(toy_parameters(), *toy(), 0.1)
    assert row.analytic == gradients["W1"][row.index]
    assert row.autodiff == pytest.approx(row.numeric, rel=1e-6)
    assert 0 < row.analytic_numeric_absolute < 1e-10
    assert row.autodiff_analytic_absolute < 1e-14


def test_the_printed_table_is_the_one_of_the_lecture():
    report, _ = compared_on_toy(two_layer_net.loss_and_gradients)
    lines = str(report).splitlines()
    assert lines[0] == (
        "parameter  shape    autodiff-analytic  autodiff-numeric  analytic-numeric  verdict"
    )
    number = r"(0|\d\.\de-\d\d) +"
    assert re.fullmatch(rf"W1         \(4, 10\)  {number}{number}{number}agree", lines[1])
    assert lines[1].index("agree") == lines[0].index("verdict")
    assert lines[-1] == "  numeric: every entry (83 in all)"


def test_markdown_and_html_hold_the_same_rows():
    report, _ = compared_on_toy(analytic_with(W1=lambda g: 2 * g))
    lines = report.markdown().splitlines()
    assert lines[0].startswith("| parameter | shape | autodiff-analytic |")
    assert set(lines[1]) <= set("| -")
    assert lines[2].startswith("| W1 | (4, 10) |")
    assert lines[2].endswith("| analytic differs |")
    assert any(line.startswith("- W1[") for line in lines)
    html = report._repr_html_()
    assert html.count("<tr>") == 5
    assert "<td>analytic differs</td>" in html


def test_names_are_escaped_in_html_and_markdown():
    name = "<b>|"
    report = compare(lambda p: p[name].sum(), lambda p: {name: np.ones(2)}, {name: np.ones(2)})
    assert "&lt;b&gt;" in report._repr_html_()
    assert "<b>" not in report._repr_html_()
    assert "| <b>\\| |" in report.markdown()


# What may be compared


def test_gradients_alone_will_do():
    report = compare(lambda x: np.sum(x**2), lambda x: 2 * x, np.array([1.0, 3.0]))
    assert report.ok
    assert report.analytic_loss is None
    assert [row.parameter for row in report.rows] == ["x"]


def test_a_single_number_will_do():
    assert compare(lambda x: x**3, lambda x: 3 * x**2, 2.0).ok
    assert compare(lambda x: x**3, lambda x: (x**3, 3 * x**2), 2.0).ok


def test_two_parameters_in_a_tuple_are_not_taken_for_a_loss():
    def f(params):
        a, b = params
        return a * b * b

    def gradients(params):
        a, b = params
        return b * b, 2 * a * b

    report = compare(f, gradients, (2.0, 3.0))
    assert report.ok
    assert report.analytic_loss is None
    assert [row.parameter for row in report.rows] == ["params[0]", "params[1]"]
    assert compare(f, lambda params: (f(params), gradients(params)), (2.0, 3.0)).ok


def test_nested_parameters_are_named_by_their_path():
    params = {"first": {"W": np.ones(2)}, "rest": [np.ones(3)]}

    def f(params):
        return np.sum(params["first"]["W"] ** 2) + np.sum(params["rest"][0] ** 3)

    def gradients(params):
        return {"first": {"W": 2 * params["first"]["W"]}, "rest": [3 * params["rest"][0] ** 2]}

    report = compare(f, gradients, params)
    assert report.ok
    assert [row.parameter for row in report.rows] == ["params['first']['W']", "params['rest'][0]"]


def test_float32_tensors_and_lists_of_gradients_will_do():
    x = tg.Tensor(np.array([1.0, 2.0], np.float32), requires_grad=True)
    report = compare(lambda x, c: (c * x * x).sum(), lambda x, c: [2.0, 4.0], x, np.float32(1))
    assert report.ok
    assert report.rows[0].autodiff_numeric < 1e-9
    assert x.grad is None


def test_the_analytic_function_gets_arrays_even_if_the_arguments_are_tensors():
    def analytic(x, c):
        assert type(x) is np.ndarray
        assert type(c) is np.ndarray
        return c

    assert compare(
        lambda x, c: (x * c).sum(), analytic, tg.Tensor([1.0, 2.0]), tg.Tensor([3.0, 4.0])
    )


def test_a_network_of_many_parameters_is_sampled_and_the_report_says_so():
    random = np.random.default_rng(0)
    X, y = random.normal(size=(20, 60)), random.integers(0, 5, 20)
    params = {"W1": 0.1 * random.normal(size=(60, 50)), "b1": np.zeros(50)}
    params |= {"W2": 0.1 * random.normal(size=(50, 5)), "b2": np.zeros(5)}
    report = compare(net_loss, two_layer_net.loss_and_gradients, params, X, y, 1e-3)
    assert report.ok
    assert "3305 entries are too many" in str(report)
    assert "random directions" in report.method
    assert str(report) == str(
        compare(net_loss, two_layer_net.loss_and_gradients, params, X, y, 1e-3)
    )


def test_one_wrong_entry_among_thousands_is_found():
    random = np.random.default_rng(0)
    W, X = random.normal(size=(60, 50)), random.normal(size=(3, 60))

    def analytic(W):
        gradient = X.T @ (1 - np.tanh(X @ W) ** 2)
        gradient[31, 17] *= 1.0001
        return gradient

    report = compare(lambda W: np.tanh(X @ W).sum(), analytic, W)
    (row,) = report.rows
    assert row.verdict == "analytic differs"
    assert row.index == (31, 17)
    assert row.autodiff == pytest.approx(row.numeric, rel=1e-6)
    assert row.analytic == pytest.approx(1.0001 * row.numeric, rel=1e-6)


# Faults


@pytest.mark.parametrize(("loss_l2", "gradient_l2"), [("half", "full"), ("full", "half")])
def test_mixing_the_two_l2_conventions_shows_in_the_weights_alone(loss_l2, gradient_l2):
    def mixed(params, X, y, reg):
        loss, _ = two_layer_net.loss_and_gradients(params, X, y, reg, loss_l2)
        _, gradients = two_layer_net.loss_and_gradients(params, X, y, reg, gradient_l2)
        return loss, gradients

    def declared(params, X, y, reg):
        return net_loss(params, X, y, reg, loss_l2)

    report = compare(declared, mixed, toy_parameters(), *toy(), 0.1)
    assert not report.ok
    assert report.losses_agree
    assert {row.parameter: row.verdict for row in report.rows} == {
        "W1": "analytic differs",
        "b1": "agree",
        "W2": "analytic differs",
        "b2": "agree",
    }


@pytest.mark.parametrize("scale", [2.0, -1.0, 0.0, 1.0001, 5.0])
def test_a_multiple_of_the_right_gradient_is_found_and_named(scale):
    report, rows = compared_on_toy(analytic_with(W2=lambda g: scale * g))
    assert not report.ok
    assert rows["W2"].verdict == "analytic differs"
    assert rows["W1"].verdict == "agree"
    assert rows["W2"].hint == f"analytic is {scale:g} times the gradient throughout"
    assert rows["W2"].autodiff_numeric < 1e-8
    (line,) = [line for line in str(report).splitlines() if line.startswith("  W2[")]
    numbers = re.findall(r"(autodiff|analytic|numeric) (-?[\d.e-]+)", line)
    told = {name: float(text) for name, text in numbers[:3]}
    assert told["autodiff"] == pytest.approx(told["numeric"], rel=1e-6)
    assert told["analytic"] == pytest.approx(scale * told["numeric"], rel=1e-6, abs=1e-12)


def test_a_single_wrong_entry_is_named_with_its_three_numbers():
    def spoil(gradient):
        gradient[2, 1] += 1e-3
        return gradient

    report, rows = compared_on_toy(analytic_with(W2=spoil))
    assert rows["W2"].index == (2, 1)
    assert rows["W2"].hint == ""
    assert "  W2[2, 1]: autodiff " in str(report)


def test_a_transposed_or_flattened_gradient_has_the_wrong_shape():
    report, rows = compared_on_toy(analytic_with(W1=np.transpose, b1=lambda g: g.reshape(1, 10)))
    assert not report.ok
    assert rows["W1"].verdict == "wrong shape (10, 4) for (4, 10)"
    assert rows["b1"].verdict == "wrong shape (1, 10) for (10,)"
    assert rows["W1"].autodiff_numeric < 1e-8
    assert np.isnan(rows["W1"].analytic_numeric)
    line = next(line for line in str(report).splitlines() if line.startswith("W1"))
    assert line.split()[3] == "-"


def test_missing_and_extra_gradients_are_named():
    def analytic(params, X, y, reg):
        loss, gradients = two_layer_net.loss_and_gradients(params, X, y, reg)
        gradients["dW1"] = gradients.pop("W1")
        return loss, gradients

    report, rows = compared_on_toy(analytic)
    assert not report.ok
    assert rows["W1"].verdict == "missing"
    assert rows["dW1"].verdict == "extra"
    assert rows["W2"].verdict == "agree"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_is_named_with_its_place(bad):
    def spoil(gradient):
        gradient[3] = bad
        return gradient

    report, rows = compared_on_toy(analytic_with(b1=spoil))
    assert rows["b1"].verdict == "not finite"
    assert rows["b1"].index == (3,)
    assert f"  b1[3]: autodiff {rows['b1'].autodiff:.10g}, analytic {bad}" in str(report)


def test_a_gradient_that_is_no_array_is_told():
    _, rows = compared_on_toy(analytic_with(b1=lambda g: "zero"))
    assert rows["b1"].verdict == "not a number, but str"


def test_a_wrong_rule_shows_as_autodiff_that_differs(monkeypatch):
    monkeypatch.setitem(RULES, np.tanh, Rule((lambda g, y, x: 2 * g * (1 - y * y),)))
    report = compare(lambda x: np.tanh(x).sum(), lambda x: 1 - np.tanh(x) ** 2, np.ones(3))
    assert [row.verdict for row in report.rows] == ["autodiff differs"]
    report = compare(lambda x: np.tanh(x).sum(), lambda x: 0 * x, np.ones(3))
    assert [row.verdict for row in report.rows] == ["analytic and autodiff differ"]
    assert not report.ok


def test_losses_that_differ_are_told_although_the_gradients_agree():
    report = compare(lambda x: x * x, lambda x: (x * x + 1, 2 * x), 3.0)
    assert report.rows[0].verdict == "agree"
    assert not report.losses_agree
    assert not report.ok
    assert "the losses differ: f returns 9, analytic 10" in str(report)


@pytest.mark.parametrize("gradient", [np.zeros(2), None])
def test_a_parameter_without_influence_is_told_and_warned_of(gradient):
    params = {"used": np.ones(2), "idle": np.ones(2)}
    with pytest.warns(TinygradWarning, match="does not depend on idle"):
        report = compare(
            lambda p: p["used"].sum(), lambda p: {"used": np.ones(2), "idle": gradient}, params
        )
    assert report.rows[1].verdict == "loss does not depend on it"
    assert report.ok


def test_a_gradient_for_a_parameter_without_influence_is_wrong():
    with pytest.warns(TinygradWarning):
        report = compare(lambda p: p[0] * 2, lambda p: [2.0, 1.0], [1.0, 1.0])
    assert report.rows[1].verdict == "analytic differs"


def test_units_that_are_dead_at_this_point_are_no_reason_to_warn():
    report = compare(lambda x: np.maximum(0, x).sum(), lambda x: 1.0 * (x > 0), -np.ones(3))
    assert report.rows[0].verdict == "agree"


def test_arguments_are_not_changed_and_an_analytic_function_that_does_is_told():
    params, (X, y) = toy_parameters(), toy()

    def analytic(params, data, labels):
        result = two_layer_net.loss_and_gradients(params, data, labels)
        params["W1"] -= 0.1 * result[1]["W1"]
        data *= 2
        return result

    report = compare(net_loss, analytic, params, X, y)
    assert report.ok
    np.testing.assert_array_equal(params["W1"], toy_parameters()["W1"])
    np.testing.assert_array_equal(X, toy()[0])
    assert report.notes == (
        "analytic changed its argument params['W1'] in place",
        "analytic changed its argument data in place",
    )
    assert "changed its argument data in place" in str(report)


# Kinks


def test_either_convention_at_a_kink_agrees_and_is_left_out_of_the_errors():
    x = np.array([1.0, 0.0, -1.0])
    for at_zero in (0.0, 0.5, 1.0):
        report = compare(
            lambda x: np.maximum(0, x).sum(),
            lambda x, c=at_zero: np.where(x == 0, c, x > 0),
            x,
        )
        (row,) = report.rows
        assert row.verdict == "agree"
        assert row.kinks == 1
        assert row.analytic_numeric < 1e-8
        assert "at a kink of the loss, left out: 1" in str(report)


def test_what_is_no_derivative_of_the_kink_differs():
    report = compare(lambda x: np.abs(x).sum(), lambda x: np.full(2, 1.5), np.zeros(2))
    assert report.rows[0].verdict == "analytic differs"


def test_the_spiral_network_at_its_first_iteration_agrees_in_spite_of_all_its_kinks():
    X, y = spiral(20, seed=0)
    random = np.random.default_rng(0)
    params = {"W1": 0.01 * random.normal(size=(2, 20)), "b1": np.zeros((1, 20))}
    params |= {"W2": 0.01 * random.normal(size=(20, 3)), "b2": np.zeros((1, 3))}
    assert compare(net_loss, two_layer_net.loss_and_gradients, params, X, y, 1e-3).ok


# What cannot be compared


def test_a_loss_that_is_no_single_number_is_refused():
    with pytest.raises(ShapeError, match=r"single number; f returned an array of shape \(2,\)"):
        compare(lambda x: 2 * x, lambda x: 2, np.ones(2))
    with pytest.raises(ShapeError, match="f returned a tuple"):
        compare(lambda x: (x.sum(), {}), lambda x: 2, np.ones(2))
    with pytest.raises(ShapeError, match="f returned a NoneType"):
        compare(lambda x: None, lambda x: 2, np.ones(2))


def test_without_floating_point_parameters_there_is_nothing_to_check():
    with pytest.raises(DtypeError, match="nothing to check"):
        compare(lambda n: 1.0, lambda n: 0, 3)
    with pytest.raises(DtypeError, match="first argument"):
        compare(lambda: 1.0, lambda: 0)


def test_parameters_and_losses_that_are_not_finite_are_refused():
    with pytest.raises(DataError, match=r"x\[1\] is nan"):
        compare(lambda x: x.sum(), lambda x: x, np.array([1.0, np.nan]))
    with np.errstate(all="ignore"), pytest.raises(GradientError, match="value is nan"):
        compare(lambda x: np.log(x).sum(), lambda x: 1 / x, np.array([-1.0]))


def test_an_analytic_function_that_returns_nothing_is_told():
    with pytest.raises(DataError, match="returned None"):
        compare(lambda x: x * x, lambda x: None, 1.0)
