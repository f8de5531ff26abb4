"""How a mistake is said: numbers by their names, sure or not, corrections, sides never taken."""

import numpy as np
import pytest

import tinygrad_nn as tg
from tinygrad_nn.check.audit.mending import factors, joined, product, stepped, tidy, with_operand
from tinygrad_nn.check.audit.mistakes.numbers import Scalars
from tinygrad_nn.check.audit.mistakes.words import Words
from tinygrad_nn.check.audit.observing.observe import observe

RNG = np.random.default_rng(5)


def rand(*shape):
    return RNG.standard_normal(shape)


X, T = rand(6, 4), rand(6, 3)


# --- texts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "symbol", "by", "expected"),
    [
        ("d * mask", "/", "keep", "d * mask / keep"),
        ("p - y", "/", "N", "(p - y) / N"),
        ("d", "*", "a + b", "d * (a + b)"),
        ("f(x)", "/", "N", "f(x) / N"),
        ("a @ b", "/", "n * m", "a @ b / (n * m)"),
    ],
)
def test_a_product_has_the_parentheses_that_it_needs(text, symbol, by, expected):
    made = product(text, symbol, by)
    assert made == expected
    names = {"d": 2.0, "mask": 3.0, "keep": 5.0, "p": 7.0, "y": 11.0, "N": 13.0, "x": 3.0}
    names |= {"a": np.full((2, 2), 3.0), "b": np.eye(2), "n": 2.0, "m": 5.0, "f": np.exp}
    one, other = eval(text, dict(names)), eval(by, dict(names))
    assert np.allclose(eval(made, dict(names)), one / other if symbol == "/" else one * other)


def test_a_product_is_taken_apart_and_put_together():
    assert factors("0.5 * lam / n") == [("0.5", 1), ("lam", 1), ("n", -1)]
    assert joined([("lam", 1), ("n", -1)]) == "lam / n"
    assert joined([("n", -1)]) == "1 / n"
    assert joined([]) == "1"
    assert factors("a +") == []


@pytest.mark.parametrize(
    ("made", "new", "expected"),
    [
        ("dz = dh * ((z > 0))", "(z > 0)", "dz = dh * (z > 0)"),
        ("d = a * (f(z))", "f(z)", "d = a * f(z)"),
        ("d = a * (b + c)", "b + c", "d = a * (b + c)"),
        ("d = (a - t) / n", "a - t", "d = (a - t) / n"),
        ("d = (np.sqrt(v))", "np.sqrt(v)", "d = np.sqrt(v)"),
    ],
)
def test_only_parentheses_that_mean_nothing_go(made, new, expected):
    assert tidy(made, new) == expected


def test_a_step_is_applied_where_a_line_only_names_a_value(tmp_path):
    path = tmp_path / "names.py"
    lines = ["def f(d, N, g):", "    dx = d", "    grads['W'] = d", "    return d", "    y = d + 1"]
    path.write_text("\n".join(lines) + "\n")
    file = str(path)
    assert stepped(file, 4, ("/", "N")) == "return d / N"
    assert stepped(file, 2, ("*", "g")) == "dx = d * g"
    assert stepped(file, 3, ("+=", "")) == "grads['W'] += d"
    assert stepped(file, 4, ("+", "g - N")) == "return d + (g - N)"
    assert stepped(file, 4, ("/", "unknown")) == ""
    assert stepped(file, 5, ("/", "N")) == ""


# --- numbers --------------------------------------------------------------------------------------


def scaled_loss(params, x, t, keep=0.8, lam=0.3):
    W = params["W"]
    N = x.shape[0]
    d = x @ W / keep - t
    loss = np.sum(d**2) / N + 0.5 * lam * np.sum(W**2)
    dd = 2 * d / N
    return loss, {"W": x.T @ dd / keep + lam * W}


@pytest.fixture
def scalars():
    seen = observe(scaled_loss, ({"W": rand(4, 3)}, X, T), {})
    words = Words(seen)
    return Scalars(seen, words), seen.backward[-1]


def test_numbers_have_the_names_of_the_forward_pass(scalars):
    table, near = scalars
    assert table.find(0.8, near).text == "keep"
    assert table.find(6.0, near).text == "N"
    assert table.find(0.3, near).text == "lam"
    assert table.find(0.77, near) is None


def test_a_length_that_the_loss_does_not_compute_with_is_no_name(scalars):
    table, near = scalars
    assert table.find(4.0, near) is None  # W.shape[0], by chance
    assert table.find(4.0, near, chance=True) is not None


def test_names_within_products_are_known(scalars):
    table, near = scalars
    assert table.value("lam") == pytest.approx(0.3)
    assert table.rescaled("2 * lam", 0.6, 0.5, near) == (
        "lam",
        "it is multiplied by 2, and should not be",
    )
    assert table.rescaled("lam / N", 0.05, 6.0, near)[0] == "lam"
    assert table.rescaled("N", 6.0, 0.8 / 6.0, near)[0] == "keep"


# --- sure or not ----------------------------------------------------------------------------------


def audited(change):
    def f(params, x, t):
        W = params["W"]
        z = x @ W
        a = np.tanh(z)
        d = a - t
        loss = np.mean(d**2)
        dz = change(d, a, z)
        return loss, {"W": x.T @ dz}

    return tg.audit(f, {"W": rand(4, 3)}, X, T)


def right(d, a, z):
    return 2 * d / d.size * (1 - a * a)


def test_sound_code_is_not_explained():
    assert audited(right).culprit is None


def test_a_number_without_a_name_is_not_called_the_mistake():
    culprit = audited(lambda d, a, z: 2.7182 * d / d.size * (1 - a * a)).culprit
    assert not culprit.exact
    assert culprit.explanation.startswith("first differs here")
    assert culprit.correction == ""


def test_two_changes_at_once_are_not_told_as_one():
    def twice_wrong(d, a, z):
        return 2 * np.abs(d) / d.size * np.cos(z)

    culprit = audited(twice_wrong).culprit
    assert not culprit.exact
    assert "first differs here" in culprit.explanation


def test_what_is_right_near_the_data_only_is_not_exact():
    """Where no sample is in the straight part, a factor for all and one for that part agree."""

    def huber(params, x, t, delta=0.1):
        w = params["w"]
        r = x @ w - t
        small = np.abs(r) <= delta
        loss = np.sum(np.where(small, 0.5 * r**2, delta * (np.abs(r) - 0.5 * delta)))
        dr = np.where(small, r, np.sign(r))
        return loss, {"w": x.T @ dr}

    x, w = rand(5, 3), rand(3)
    report = tg.audit(huber, {"w": w}, x, x @ w + np.array([3.0, -2.0, 4.0, -5.0, 2.5]))
    assert "delta" in report.culprit.explanation
    assert report.culprit.correction in (
        "dr = np.where(small, r, np.sign(r) * delta)",
        "dr = np.where(small, r, delta * np.sign(r))",
    )
    assert any("`small` holds for no entry" in note for note in report.notes)


def test_a_side_that_is_taken_is_not_told():
    def relu(params, x, t):
        z = x @ params["W"]
        d = np.maximum(z, 0) - t
        dz = np.where(z > 0, d, 0.0)
        return 0.5 * np.sum(d**2), {"W": x.T @ dz}

    mixed = tg.audit(relu, {"W": rand(4, 3)}, X, T)
    assert mixed.ok
    assert not mixed.notes
    dead = tg.audit(relu, {"W": -np.ones((4, 3))}, np.abs(X), T)
    assert any("`z > 0` holds for no entry" in note for note in dead.notes)


# --- corrections ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (lambda reg, W: 2 * reg * W, "2 times"),
        (lambda reg, W: 0.5 * reg * W, "0.5 times (half)"),
    ],
)
def test_a_penalty_is_corrected_to_what_the_loss_contributes(part, expected):
    def f(params, x, t, reg=0.3):
        W = params["W"]
        d = x @ W - t
        loss = 0.5 * np.sum(d * d) + 0.5 * reg * np.sum(W * W)
        dW = x.T @ d
        dW += part(reg, W)
        return loss, {"W": dW}

    culprit = tg.audit(f, {"W": rand(4, 3)}, X, T).culprit
    assert culprit.exact
    assert expected in culprit.explanation
    assert "contributes reg * W to the gradient of W" in culprit.explanation


def test_a_line_of_a_dict_keeps_its_comma():
    def f(params, x, t):
        W, b = params["W"], params["b"]
        d = x @ W + b - t
        loss = 0.5 * np.sum(d * d)
        return loss, {
            "W": x.T @ d,
            "b": np.mean(d, axis=0),
        }

    culprit = tg.audit(f, {"W": rand(4, 3), "b": rand(3)}, X, T).culprit
    assert culprit.correction == '"b": np.sum(d, axis=0),'


def test_an_operand_is_put_in_its_place():
    def f(params, x, t):
        d = x @ params["W"] - t
        return 0.5 * np.sum(d * d), {"W": x.T @ (d - t)}

    seen = observe(f, ({"W": rand(4, 3)}, X, T), {})
    node = seen.backward[-1]
    assert with_operand(node, 1, "d") == "x.T @ d"
    assert with_operand(node, 1, "d + t") == "x.T @ (d + t)"
