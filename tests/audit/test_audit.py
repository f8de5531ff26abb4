"""The audit as a whole: verdicts, awkward data, and what becomes of the caller's things."""

import inspect

import numpy as np
import pytest

import tinygrad_nn as tg
from tinygrad_nn.errors import GradientError

RNG = np.random.default_rng(0)
X = RNG.standard_normal((6, 4))
Y = np.array([0, 1, 2, 2, 1, 0])
PARAMS = {
    "W1": 0.5 * RNG.standard_normal((4, 5)),
    "b1": np.zeros(5),
    "W2": 0.5 * RNG.standard_normal((5, 3)),
    "b2": np.zeros(3),
}


def net(params, X, y, reg=0.1, change=None, loss_change=None):
    """A two-layer net; ``change`` may spoil its gradients."""
    W1, b1, W2, b2 = (params[k] for k in ("W1", "b1", "W2", "b2"))
    N = len(y)
    h1 = X.dot(W1) + b1
    a1 = np.maximum(0, h1)
    scores = a1.dot(W2) + b2
    e = np.exp(scores - np.max(scores, axis=1, keepdims=True))
    probs = e / np.sum(e, axis=1, keepdims=True)
    loss = -np.sum(np.log(probs[np.arange(N), y])) / N
    loss += 0.5 * reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
    dscores = probs
    dscores[np.arange(N), y] -= 1
    dscores /= N
    grads = {"W2": a1.T.dot(dscores) + reg * W2, "b2": np.sum(dscores, axis=0)}
    dh1 = dscores.dot(W2.T) * (h1 > 0)
    grads["W1"] = X.T.dot(dh1) + reg * W1
    grads["b1"] = np.sum(dh1, axis=0)
    if change is not None:
        grads = change(grads, params) or grads
    return loss, grads


def rows(report):
    return {row.parameter: row for row in report.rows}


def spoilt(change, **options):
    """The report on the net with its gradients changed at the end."""
    return tg.audit(net, PARAMS, X, Y, change=change, **options)


def test_sound_gradients_are_right():
    report = tg.audit(net, PARAMS, X, Y)
    assert report.ok
    assert report.culprit is None
    assert report.notes == ()
    assert [row.verdict for row in report.rows] == ["right"] * 4
    for row in report.rows:
        assert row.error < 1e-15
        assert row.autodiff == pytest.approx(row.numeric, rel=1e-6, abs=1e-12)
        assert row.shape == PARAMS[row.parameter].shape
    assert report.loss == pytest.approx(net(PARAMS, X, Y)[0], rel=1e-15)
    tg.assert_gradients(net, PARAMS, X, Y)


def test_a_wrong_gradient_in_numbers():
    def change(grads, params):
        grads["W2"] = grads["W2"] + 0.1 * params["W2"]

    report = spoilt(change)
    row = rows(report)["W2"]
    assert not report.ok
    assert row.verdict == "wrong"
    assert [r.parameter for r in report.rows if not r.ok] == ["W2"]
    assert row.error == pytest.approx(0.1 * np.max(np.abs(PARAMS["W2"])))
    assert row.yours - row.autodiff == pytest.approx(0.1 * PARAMS["W2"][row.worst])
    assert row.numeric == pytest.approx(row.autodiff, rel=1e-6)


def test_the_culprit_is_the_line_that_spoils():
    def change(grads, params):
        grads["W2"] = grads["W2"] + 0.1 * params["W2"]

    culprit = spoilt(change).culprit
    assert culprit.file == __file__
    assert culprit.line == inspect.getsourcelines(change)[1] + 1
    first, last = culprit.columns
    assert culprit.code == inspect.getsource(change).splitlines()[1][first:last]
    assert culprit.explanation


VERDICTS = {
    "missing": lambda g, p: g.pop("b1") is None,
    "wrong shape (3, 5), should be (5, 3): transposed": lambda g, p: {**g, "W2": g["W2"].T},
    "wrong shape (1, 5), should be (5,): the numbers are right": lambda g, p: {
        **g, "b1": g["b1"].reshape(1, 5),
    },
    "wrong shape (), should be (3,)": lambda g, p: {**g, "b2": np.sum(g["b2"])},
    "not finite": lambda g, p: {**g, "b1": g["b1"] / 0.0},
    "extra": lambda g, p: {**g, "W3": g["W1"]},
}  # fmt: skip


@pytest.mark.parametrize("verdict", VERDICTS)
def test_what_is_wrong_before_the_numbers_is_said(verdict):
    report = spoilt(VERDICTS[verdict])
    assert [row.verdict for row in report.rows if not row.ok] == [verdict]


def test_a_gradient_of_another_kind():
    report = spoilt(lambda g, p: {**g, "b1": None, "b2": "nothing"})
    assert rows(report)["b1"].verdict == "missing"
    assert "str" in rows(report)["b2"].verdict


def test_the_report_is_the_failure():
    with pytest.raises(GradientError) as caught:
        tg.assert_gradients(net, PARAMS, X, Y, change=lambda g, p: {**g, "b2": 2 * g["b2"]})
    assert isinstance(caught.value, AssertionError)
    report = spoilt(lambda g, p: {**g, "b2": 2 * g["b2"]})
    first = str(report).splitlines()[0]
    assert first in str(caught.value)
    assert "b2" in first


# --- awkward data ---------------------------------------------------------------------------------


def test_a_parameter_that_the_loss_does_not_depend_on():
    def f(params):
        return np.sum(params["w"] ** 2), {"w": 2 * params["w"], "v": np.zeros(2)}

    report = tg.audit(f, {"w": np.ones(2), "v": np.ones(2)})
    assert report.ok
    assert "does not depend" in rows(report)["v"].note


@pytest.mark.parametrize("mask", [lambda h: h > 0, lambda h: h >= 0])
def test_an_activation_at_its_kink_is_no_alarm(mask):
    def f(params, X):
        h = X.dot(params["w"])
        return np.sum(np.maximum(0, h)), {"w": X.T.dot(mask(h) * 1.0)}

    params = {"w": np.array([1.0, 1.0])}
    data = np.array([[1.0, -1.0], [1.0, 2.0], [-3.0, 1.0]])
    report = tg.audit(f, params, data)
    assert report.ok
    assert report.culprit is None


def test_a_fault_beside_a_kink_is_found():
    def f(params, X):
        h = X.dot(params["w"])
        return np.sum(np.maximum(0, h)), {"w": X.T.dot((h <= 0) * 1.0)}

    report = tg.audit(f, {"w": np.array([1.0, 1.0])}, np.array([[1.0, -1.0], [1.0, 2.0]]))
    assert not report.ok


def test_what_a_cancellation_leaves_is_no_alarm():
    """The scores' bias before a softmax over a shift: mathematically zero, numerically noise."""

    def f(params, X):
        z = X * params["w"] + params["c"]
        p = np.exp(z - np.max(z))
        p = p / np.sum(p)
        dz = p.copy()
        dz[1] -= 1
        return -np.log(p[1]), {"w": dz * X, "c": np.sum(dz[::-1])}

    report = tg.audit(f, {"w": np.array([0.3, 2.0, -1.0, 0.7]), "c": np.array(0.1)}, X[0] * 100)
    assert report.ok


def test_a_penalty_that_a_zero_bias_hides():
    def change(grads, params):
        grads["b1"] = grads["b1"] + 0.1 * params["b1"]

    report = spoilt(change)
    assert [row.parameter for row in report.rows if not row.ok] == ["b1"]
    assert "moved" in rows(report)["b1"].note
    assert report.culprit.line == inspect.getsourcelines(change)[1] + 1


@pytest.mark.parametrize("reg", [5e-6, 0.1])
def test_float32(reg):
    narrow = {k: v.astype(np.float32) for k, v in PARAMS.items()}

    def change(grads, params):
        grads["W2"] = grads["W2"] + reg * params["W2"]

    assert tg.audit(net, narrow, X.astype(np.float32), Y, reg=reg).ok
    report = tg.audit(net, narrow, X.astype(np.float32), Y, reg=reg, change=change)
    assert [row.parameter for row in report.rows if not row.ok] == ["W2"]


def test_a_batch_of_one():
    assert tg.audit(net, PARAMS, X[:1], Y[:1]).ok
    assert not tg.audit(net, PARAMS, X[:1], Y[:1], change=lambda g, p: {**g, "b2": 2 * g["b2"]}).ok


def dropout(params, X, factor=1.0):
    mask = np.random.default_rng().random(X.shape) < 0.5
    z = (X * mask).dot(params["w"])
    return np.sum(z * z), {"w": 2 * factor * (X * mask).T.dot(z)}


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_random_numbers_inside(factor):
    """Autodiff and hand see the same draw; numeric differences cannot."""
    report = tg.audit(dropout, {"w": np.ones(4)}, X, factor)
    assert report.ok == (factor == 1.0)
    assert any("not deterministic" in note for note in report.notes)
    assert report.rows[0].numeric is None


def test_a_number_that_left_the_recording_makes_no_verdict():
    """The term through float() is not seen by autodiff; numeric differences tell who is right."""

    def f(params, X):
        w = params["w"]
        scale = float(np.sum(w * w))
        return scale * np.sum(X.dot(w)), {
            "w": 2 * w * np.sum(X.dot(w)) + scale * X.T.dot(np.ones(len(X)))
        }

    report = tg.audit(f, {"w": np.array([1.0, 2.0, 0.5, -0.3])}, X)
    assert report.ok
    assert "not autodiff's" in report.rows[0].note
    assert any("float()" in note for note in report.notes)


# --- the caller's things --------------------------------------------------------------------------


class Net:
    def __init__(self):
        self.params = {k: v.copy() for k, v in PARAMS.items()}
        self.calls = 0

    def loss(self, X, y, reg=0.1):
        self.calls += 1
        self.scores = net(self.params, X, y, reg)
        return self.scores


def test_a_method_and_its_object():
    thing = Net()
    before = dict(thing.params)
    assert tg.audit(thing.loss, X, Y, reg=0.3).ok
    assert thing.calls == 0
    assert not hasattr(thing, "scores")
    assert all(thing.params[k] is v for k, v in before.items())
    for k, v in PARAMS.items():
        np.testing.assert_array_equal(thing.params[k], v)


def test_it_prints_once(capsys):
    def f(params):
        print("running")
        return np.sum(params["w"] ** 2), {"w": 2 * params["w"]}

    tg.audit(f, {"w": np.ones(2)})
    assert capsys.readouterr().out == "running\n"


def test_the_users_own_error_comes_through():
    def f(params):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        tg.audit(f, {"w": np.ones(2)})
    assert type(np.zeros(2)) is np.ndarray


def test_a_large_parameter_is_measured_along_directions():
    def f(params, X, factor=1.0):
        z = X.dot(params["W"])
        return 0.5 * np.sum(z * z), {"W": factor * X.T.dot(z)}

    params = {"W": RNG.standard_normal((300, 40))}
    data = RNG.standard_normal((5, 300))
    assert tg.audit(f, params, data).ok
    report = tg.audit(f, params, data, factor=1.001)
    assert not report.ok
    row = report.rows[0]
    assert row.numeric == pytest.approx(row.autodiff, rel=1e-6)


def test_the_lines_tell_what_they_compute():
    report = tg.audit(net, PARAMS, X, Y)
    told = {line.code: line for line in report.lines}
    assert told["dscores /= N"].computes == "d loss / d scores"
    assert told["dscores /= N"].status == "right"
    assert told["dscores[np.arange(N), y] -= 1"].computes == "6 times d loss / d scores"
    assert told["h1 = X.dot(W1) + b1"].status == "forward"
    numbers = [line.number for line in report.lines]
    assert numbers == sorted(numbers)
