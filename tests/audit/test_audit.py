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


# --- what cannot be judged ------------------------------------------------------------------------


def log_loss(params, X, y):
    p = 1 / (1 + np.exp(-X @ params["w"]))
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    return loss, {"w": X.T @ (p - y) / len(y)}


LABELS = (Y > 1).astype(float)


def test_a_loss_that_is_not_finite_cannot_be_judged():
    report = tg.audit(log_loss, {"w": np.full(4, 1e3)}, X, LABELS)
    assert [row.verdict for row in report.rows] == ["cannot judge"]
    assert not report.ok
    assert not report.judged
    assert report.culprit is None
    first = 'np.exp(-X @ params["w"]), line {}, is inf first'
    assert first.format(inspect.getsourcelines(log_loss)[1] + 1) in report.notes[0]
    assert "cannot be judged" in str(report)
    with pytest.raises(GradientError, match="cannot be judged"):
        tg.assert_gradients(log_loss, {"w": np.full(4, 1e3)}, X, LABELS)


def test_a_derivative_that_does_not_exist_cannot_be_judged():
    def length(params):
        w = params["w"]
        norm = np.sqrt(np.sum(w * w))
        return norm, {"w": w + 7}

    report = tg.audit(length, {"w": np.zeros(3)})
    assert [row.verdict for row in report.rows] == ["cannot judge"]
    assert "np.sum(w * w)" in report.rows[0].note


def test_where_autodiff_overflows_numeric_differences_judge():
    def f(params, factor=1.0):
        z = params["w"] * 1e3
        s = 1 / (1 + np.exp(-z))
        dz = 2 * s * s * (1 - s)
        return np.sum(s * s), {"w": 1e3 * dz + (factor - 1)}

    w = np.array([-3.0, 1e-3, 2e-3])
    report = tg.audit(f, {"w": w})
    assert report.ok
    assert "numeric differences" in report.rows[0].note
    assert not tg.audit(f, {"w": w}, factor=2.0).ok


def test_a_wrong_gradient_is_an_answer_though_another_one_cannot_be_judged():
    def f(params):
        w, v = params["w"], params["v"]
        return np.sqrt(np.sum(w * w)) + np.sum(v**2), {"w": w + 7, "v": v}

    report = tg.audit(f, {"w": np.zeros(3), "v": np.ones(2)})
    assert report.judged
    assert {row.parameter: row.verdict for row in report.rows} == {
        "w": "cannot judge",
        "v": "wrong",
    }


def test_a_gradient_of_a_finite_loss_that_is_not_finite_is_wrong_and_says_where():
    def f(params):
        w = params["w"]
        scale = np.log(np.zeros(3))
        return np.sum(w**2), {"w": 2 * w * scale}

    report = tg.audit(f, {"w": np.ones(3)})
    assert report.rows[0].verdict == "not finite"
    assert "np.log(np.zeros(3))" in report.rows[0].note or "scale" in report.rows[0].note
    assert report.judged


# --- rounding -------------------------------------------------------------------------------------


def hinge(params, X, y, factor=1.0):
    scores = X @ params["W"]
    rows = np.arange(len(y))
    margins = np.maximum(0, scores - scores[rows, y][:, None] + 1)
    margins[rows, y] = 0
    loss = np.sum(margins) / len(y)
    d = (margins > 0).astype(X.dtype)
    d[rows, y] -= np.sum(d, axis=1)
    d /= len(y)
    return loss, {"W": factor * (X.T @ d)}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_mask_in_the_datas_precision_is_judged_in_it(dtype):
    params, data = {"W": PARAMS["W1"][:, :3].astype(dtype)}, X[:6].astype(dtype)
    y = np.array([0, 1, 2, 2, 1, 0])
    assert tg.audit(hinge, params, data, y).ok
    assert not tg.audit(hinge, params, data, y, factor=1.001).ok


def attention(params, x, factor=1.0):
    s = x @ params["W"] @ x.T
    e = np.exp(s - np.max(s, axis=1, keepdims=True))
    a = e / np.sum(e, axis=1, keepdims=True)
    out = a @ x
    da = out @ x.T
    ds = a * (da - np.sum(da * a, axis=1, keepdims=True))
    return 0.5 * np.sum(out**2), {"W": factor * (x.T @ ds @ x)}


@pytest.mark.parametrize("scale", [1.0, 30.0, 100.0, 300.0, 3e4])
@pytest.mark.parametrize("seed", [1, 2, 5])
def test_a_saturated_softmax_is_no_false_alarm(scale, seed):
    W = scale * np.random.default_rng(seed).standard_normal((4, 4))
    assert tg.audit(attention, {"W": W}, X).ok


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_a_wrong_gradient_through_a_softmax_is_no_rounding(scale):
    W = scale * np.random.default_rng(1).standard_normal((4, 4))
    assert not tg.audit(attention, {"W": W}, X, factor=1.0001).ok


def test_what_rounds_differently_excuses_nothing():
    def f(params, factor=1.0):
        h = X @ params["W"]
        top = np.max(h, axis=1)
        again = np.max(X @ params["W"], axis=1, keepdims=True)
        return np.sum(top), {"W": factor * (X.T @ (h == again).astype(float))}

    assert tg.audit(f, {"W": PARAMS["W1"]}).ok
    assert not tg.audit(f, {"W": PARAMS["W1"]}, factor=1.001).ok


@pytest.mark.parametrize("scale", [1e-8, 1e-4, 1.0, 1e4])
def test_gradients_are_judged_at_any_scale(scale):
    def f(params, X, factor=1.0):
        h = X @ params["W"]
        d = h @ params["V"]
        dh = d @ params["V"].T
        return 0.5 * np.sum(d**2), {"W": factor * (X.T @ dh), "V": h.T @ d}

    params = {"W": scale * PARAMS["W1"], "V": scale * PARAMS["W2"]}
    assert tg.audit(f, params, X).ok
    report = tg.audit(f, params, X, factor=2.0)
    assert {row.parameter: row.ok for row in report.rows} == {"W": False, "V": True}


def test_a_wrong_mask_at_a_kink_is_no_rounding():
    def f(params, factor=1.0):
        h = X @ params["W"]
        return np.sum(np.maximum(0, h)), {"W": factor * (X.T @ (h > 0).astype(float))}

    params = {"W": PARAMS["W1"].copy()}
    params["W"][:, 0] = 0  # a column of kinks
    assert tg.audit(f, params).ok
    assert not tg.audit(f, params, factor=1.5).ok


# --- robustness -----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error")
def test_our_own_rules_warn_nobody():
    with np.errstate(all="warn"):
        assert not tg.audit(log_loss, {"w": np.full(4, 1e3)}, X, LABELS).ok


def broken(*_):
    raise RuntimeError("of the explanation")


def test_an_error_in_the_search_for_a_reason_is_raised_in_tests(monkeypatch):
    monkeypatch.setattr("tinygrad_nn.check.audit.mistakes.search.explain", broken)
    with pytest.raises(RuntimeError, match="of the explanation"):
        spoilt(lambda grads, params: {**grads, "W2": 2 * grads["W2"]})


def test_an_error_in_the_search_for_a_reason_costs_the_reason_only(monkeypatch):
    monkeypatch.setattr("tinygrad_nn.check.audit.mistakes.search.explain", broken)
    monkeypatch.delenv("TINYGRAD_NN_STRICT")
    report = spoilt(lambda grads, params: {**grads, "W2": 2 * grads["W2"]})
    assert report.culprit is not None
    assert not report.culprit.exact
    assert any("of the explanation" in note for note in report.notes)


def test_pytest_shows_the_line_of_the_assertion():
    with pytest.raises(GradientError) as caught:
        tg.assert_gradients(attention, {"W": np.eye(4)}, X, factor=2.0)
    assert caught.traceback[-1].frame.f_locals["__tracebackhide__"]
