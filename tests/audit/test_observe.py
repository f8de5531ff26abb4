"""One run, recorded: what is followed, what the user's code is handed, and what is left alone."""

import math
import threading
from functools import partial

import numpy as np
import pytest

from tinygrad_nn import Tensor, TinygradError
from tinygrad_nn.check.analytic import ABSENT
from tinygrad_nn.check.audit.observing.observe import observe, plain_run, where
from tinygrad_nn.errors import DataError, DtypeError, GradientError
from tinygrad_nn.node import Node

X = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.25]])
PARAMS = {"w": np.array([0.3, -0.7]), "b": np.array(0.2)}
#: What the functions below saw; a list or dict in a closure would be copied, a global is not.
SEEN = {}


def watch(f, *args, **kwargs):
    """Observe, and check that the gradients are followed and agree with autodiff's."""
    o = observe(f, args, kwargs)
    for name, node in o.params.items():
        assert isinstance(o.grads[name], Node), name
        np.testing.assert_allclose(o.grads[name].value, o.cotangents[node], rtol=1e-12)
    return o


def linear(params, X):
    z = X.dot(params["w"]) + params["b"]
    loss = np.sum(z * z)
    dz = 2 * z
    return loss, {"w": X.T.dot(dz), "b": np.sum(dz)}


def test_a_function_of_a_dict_of_parameters():
    o = watch(linear, PARAMS, X)
    assert set(o.params) == {"w", "b"}
    assert set(o.inputs) == {"X"}
    assert o.name == "linear"
    z = X @ PARAMS["w"] + PARAMS["b"]
    assert float(o.loss.value) == pytest.approx(np.sum(z * z), rel=1e-15)


def test_forward_and_backward_are_told_apart():
    o = watch(linear, PARAMS, X)
    assert o.loss in o.forward
    assert not set(o.backward) & o.forward
    assert [where(n).expression for n in o.backward] == [
        "2 * z", "X.T", "X.T.dot(dz)", "np.sum(dz)",
    ]  # fmt: skip
    positions = [o.nodes.index(n) for n in o.backward]
    assert positions == sorted(positions)


def test_contributions_add_up_to_cotangents():
    def f(p, x):
        w = p["w"]
        return np.sum(x * w) + np.sum(w * w) * 0.5, {"w": x + w}

    o = watch(f, {"w": np.array([1.0, 2.0])}, np.array([3.0, 4.0]))
    w = o.params["w"]
    parts = [v for (n, i), v in o.contributions.items() if n.inputs[i] is w]
    assert len(parts) == 3  # x * w, and both factors of w * w
    np.testing.assert_allclose(sum(parts), o.cotangents[w])


def test_names_are_the_users():
    o = watch(linear, PARAMS, X)
    names = [o.name_of(n) for n in o.nodes]
    assert "z" in names
    assert "loss" in names
    assert o.name_of(o.params["w"]) == "w"


class Net:
    def __init__(self):
        self.params = {k: v.copy() for k, v in PARAMS.items()}
        self.count = 0
        self.mean = np.array([0.1, 0.2])
        self.cache = {}

    def loss(self, X, fail=False):
        self.count += 1
        self.cache["z"] = z = (X - self.mean).dot(self.params["w"]) + self.params["b"]
        self.new = z
        if fail:
            raise ZeroDivisionError
        self.params["w"] = self.params["w"] * 1.0
        return (z * z).sum(), {"w": 2 * (X - self.mean).T.dot(z), "b": 2 * z.sum()}


def test_a_method_leaves_its_object_as_it_was():
    net = Net()
    before = net.params["w"]
    watch(net.loss, X)
    with pytest.raises(ZeroDivisionError):
        observe(net.loss, (X,), {"fail": True})
    assert net.params["w"] is before
    assert net.count == 0
    assert net.cache == {}
    assert not hasattr(net, "new")


def test_an_object_that_is_called_and_a_partial_function():
    class Callable(Net):
        def __call__(self, X):
            return self.loss(X)

    watch(Callable(), X)
    watch(partial(linear, PARAMS), X)
    watch(partial(linear, X=X), PARAMS)


def test_arrays_shared_by_layers_are_the_parameters():
    class Layer:
        def __init__(self, w):
            self.w = w

        def forward(self, x):
            self.x = x
            return x @ self.w

        def backward(self, g):
            return self.x.T @ g

    class Deep:
        def __init__(self):
            self.params = {"w": PARAMS["w"].copy()}
            self.layers = [Layer(self.params["w"])]

        def loss(self, X):
            z = self.layers[0].forward(X)
            return np.sum(z), {"w": self.layers[0].backward(np.ones_like(z))}

    net = Deep()
    watch(net.loss, X)
    assert not hasattr(net.layers[0], "x")


def test_arguments_are_not_changed():
    def f(params, X, labels):
        X -= X.mean()
        params["w"] *= 2.0
        labels[0] = 7
        params["extra"] = 1
        return np.sum(params["w"]), {"w": 2 * np.ones(2)}

    params, data, labels = {"w": np.ones(2)}, X.copy(), np.array([1, 2])
    watch(f, params, data, labels)
    assert set(params) == {"w"}
    np.testing.assert_array_equal(params["w"], np.ones(2))
    np.testing.assert_array_equal(data, X)
    np.testing.assert_array_equal(labels, [1, 2])


def test_what_the_users_code_is_given():
    def f(params, X, y, table, reg, flag, name):
        SEEN.update(X=X, y=y, table=table, reg=reg, flag=flag, name=name)
        return np.sum(params["w"]), {"w": np.ones(2)}

    y, table = np.array([0, 1, 2]), np.array([[1, 2], [3, 4]])
    watch(f, {"w": np.ones(2)}, X, y, table, reg=0.5, flag=None, name="a")
    seen = dict(SEEN)
    assert isinstance(seen["X"], Tensor)
    assert type(seen["y"]) is np.ndarray
    assert seen["y"] is not y
    assert isinstance(seen["table"], Tensor)  # table.dot(W) must reach W
    assert seen["reg"] == 0.5
    assert type(seen["reg"]) is float
    assert seen["flag"] is None
    assert seen["name"] == "a"


def test_arrays_in_a_closure_and_in_globals_are_followed():
    data = X.copy()

    def f(params):
        z = data.dot(params["w"]) + X.dot(params["w"])
        return np.sum(z), {"w": data.T.dot(np.ones(3)) + X.T.dot(np.ones(3))}

    o = watch(f, {"w": PARAMS["w"]})
    assert {"X", "data"} <= set(o.inputs)


# --- arrays that the code makes -------------------------------------------------------------------


def filled(make):
    def f(params, X):
        w = params["w"]
        dw = make(w)
        total = 0.0
        for i in range(len(X)):
            z = X[i].dot(w)
            total += z * z
            for j in range(2):
                dw[j] += 2 * z * X[i, j]
        return total, {"w": dw}

    return f


@pytest.mark.parametrize(
    "make",
    [
        lambda w: np.zeros(2),
        lambda w: np.zeros(w.shape),
        lambda w: np.zeros((2,), dtype=np.float64),
        lambda w: np.zeros_like(w),
        lambda w: np.full(2, 0.0),
        lambda w: np.full_like(w, 0.0),
        lambda w: np.array([0.0, 0.0]),
        lambda w: np.asarray([0.0, 0.0]),
        lambda w: np.ones(2) - 1,
        lambda w: np.eye(2)[0] * 0,
        lambda w: np.arange(2.0) * 0,
        lambda w: np.linspace(0.0, 0.0, 2),
    ],
)
def test_arrays_filled_in_loops(make):
    watch(filled(make), {"w": PARAMS["w"]}, X)


@pytest.mark.parametrize(
    "join",
    [
        lambda a, b: np.array([a, b]),
        lambda a, b: np.asarray((a, b)),
        lambda a, b: np.array([[a], [b]]).reshape(2),
        lambda a, b: np.array([a, b], dtype=float),
        lambda a, b: np.array([a, b], ndmin=2)[0],
        lambda a, b: np.stack([a, b]),
        lambda a, b: np.concatenate([np.array([a]), np.array([b])]),
    ],
)
def test_lists_of_numbers_become_arrays(join):
    def f(params, X):
        w = params["w"]
        z = join(w[0] * 2.0, w[1] * 3.0)
        return np.sum(z * z), {"w": join(8 * w[0], 18 * w[1])}

    watch(f, {"w": PARAMS["w"]}, X)


def test_whole_numbers_stay_plain():
    def f(params):
        assert type(np.zeros(3, dtype=int)) is np.ndarray
        assert type(np.arange(3)) is np.ndarray
        assert type(np.array([1, 2])) is np.ndarray
        assert type(np.ones(3, dtype=bool)) is np.ndarray
        assert isinstance(np.ones(3), Tensor)
        return np.sum(params["w"]), {"w": np.ones(2)}

    watch(f, {"w": PARAMS["w"]})


def test_what_the_code_collects_outside_itself_is_a_copy():
    history = []

    def f(params):
        loss = np.sum(params["w"])
        history.append(loss)
        assert len(history) == 1
        return loss, {"w": np.ones(2)}

    watch(f, {"w": PARAMS["w"]})
    assert history == []


def test_copies_are_copies():
    def f(params):
        w = params["w"]
        g = 2 * w
        kept = np.array(g)
        same = np.asarray(g)
        g *= 3
        return np.sum(w * w), {"w": kept + (same - g)}

    watch(f, {"w": PARAMS["w"]})


def test_compiled_code_gets_its_own_arrays():
    def f(params):
        mask = np.random.RandomState(0).rand(2)
        mask += np.random.default_rng(0).random(2)
        return np.sum(params["w"] * mask), {"w": np.ones(2) * mask}

    watch(f, {"w": PARAMS["w"]})


def test_the_math_module_is_followed():
    def f(params):
        w = params["w"]
        loss = math.exp(w[0]) + math.pow(w[1], 2) + math.log(math.sqrt(4.0))
        return loss, {"w": np.array([math.exp(w[0]), 2 * w[1]])}

    watch(f, {"w": PARAMS["w"]})


def snapshot():
    return [vars(np)[n] for n in vars(np) if not n.startswith("_")] + list(vars(math).values())


def test_everything_is_restored_also_on_error():
    def fails(params):
        np.zeros(3)
        raise KeyError("mine")

    before = snapshot()
    with pytest.raises(KeyError):
        observe(fails, (PARAMS,), {})
    watch(linear, PARAMS, X)
    assert all(a is b for a, b in zip(before, snapshot(), strict=True))
    assert type(np.zeros(3)) is np.ndarray


def test_another_thread_gets_plain_arrays():
    started, done = threading.Event(), threading.Event()
    kinds = []

    def other():
        started.wait(10)
        kinds.append(type(np.zeros(3)))
        kinds.append(type(np.array([1.0])))
        done.set()

    def f(params):
        started.set()
        assert done.wait(10)
        assert isinstance(np.zeros(3), Tensor)
        return np.sum(params["w"]), {"w": np.ones(2)}

    thread = threading.Thread(target=other)
    thread.start()
    watch(f, {"w": PARAMS["w"]})
    thread.join()
    assert kinds == [np.ndarray, np.ndarray]


def test_two_audits_at_once():
    barrier = threading.Barrier(2)
    errors = []

    def f(params):
        barrier.wait(10)
        g = np.zeros(2)
        barrier.wait(10)
        g[0] = 1.0
        g[1] = 1.0
        return np.sum(params["w"]), {"w": g}

    def work():
        try:
            watch(f, {"w": PARAMS["w"]})
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
    assert type(np.zeros(3)) is np.ndarray


# --- questions to values --------------------------------------------------------------------------


def test_python_may_ask_for_values(capsys):
    def f(params, X):
        w = params["w"]
        z = X.dot(w)
        loss = np.sum(z * z)
        assert loss > 0, "positive"
        assert np.isfinite(loss)
        assert not np.any(np.isnan(z))
        assert np.allclose(z, z)
        assert len(z) == 3
        print(f"loss {loss:.3f}", loss.item(), float(loss))
        text = str(z) + repr(w)
        if loss < 1e9 and int(loss) >= 0 and text:
            return loss, {"w": 2 * X.T.dot(z)}
        raise AssertionError

    watch(f, {"w": PARAMS["w"]}, X)
    assert "loss" in capsys.readouterr().out


@pytest.mark.parametrize("convert", [float, lambda t: t.item(), lambda t: float(t) + 0.0])
def test_a_loss_converted_at_the_end_is_recognised(convert):
    def f(params, X):
        z = X.dot(params["w"])
        return convert(np.sum(z * z)), {"w": 2 * X.T.dot(z)}

    watch(f, {"w": PARAMS["w"]}, X)


def test_a_loss_that_lost_its_history_is_refused():
    def f(params, X):
        z = X.dot(params["w"])
        return 2 * float(np.sum(z * z)), {"w": 4 * X.T.dot(z)}

    with pytest.raises(GradientError, match=r"float\(\).*line"):
        observe(f, ({"w": PARAMS["w"]}, X), {})


def test_conversions_on_the_way_are_noted():
    def f(params, X):
        w = params["w"]
        top = float(np.max(w))
        return np.sum(w - top), {"w": np.ones(2)}

    o = observe(f, ({"w": PARAMS["w"]}, X), {})
    assert [c.how for c in o.conversions] == ["float()"]
    assert where(o.conversions[0].node).expression == "np.max(w)"


# --- what is returned -----------------------------------------------------------------------------


def returning(*result):
    return lambda params: tuple(r(params) for r in result)


def test_gradients_may_be_called_dw():
    f = returning(lambda p: np.sum(p["w"]), lambda p: {"dw": np.ones(2)})
    watch(f, {"w": PARAMS["w"]})


def test_missing_and_extra_gradients_are_told():
    f = returning(lambda p: np.sum(p["w"]), lambda p: {"v": np.ones(2)})
    o = observe(f, ({"w": PARAMS["w"]},), {})
    assert o.grads["w"] is ABSENT
    assert "v" in o.grads


def test_lists_and_single_arrays_of_parameters():
    def of_list(params):
        return np.sum(params[0]) + params[1] ** 2, [np.ones(2), 2 * params[1]]

    watch(of_list, [PARAMS["w"], 3.0])
    watch(lambda w: (np.sum(w * w), 2 * w), PARAMS["w"])


@pytest.mark.parametrize(
    ("f", "args", "error", "words"),
    [
        (lambda p: None, (PARAMS,), DataError, "returned a NoneType"),
        (lambda p: (p["w"], {}), (PARAMS,), DataError, r"a loss of shape \(2,\)"),
        (lambda p: ({}, {}), (PARAMS,), DataError, "no loss"),
        (lambda p: (1.0, {}), (PARAMS,), GradientError, "does not seem to depend"),
        (lambda p: (1.0, {}), ({"w": np.array([1, 2])},), DtypeError, "no floating-point"),
        (lambda: (1.0, {}), (), DtypeError, "no argument"),
        (lambda p: (1.0, {}), ("w",), DtypeError, "got a str"),
        (linear, ({"w": np.array([np.nan])}, X), DataError, "w holds numbers that are not finite"),
    ],
)
def test_what_cannot_be_audited_is_said(f, args, error, words):
    with pytest.raises(error, match=words) as caught:
        observe(f, args, {})
    assert isinstance(caught.value, TinygradError)


def test_the_same_on_plain_arrays():
    def f(params, X):
        SEEN["kinds"] = (type(params["w"]), params["w"].dtype, type(X))
        return linear(params, X)

    narrow = {k: v.astype(np.float32) for k, v in PARAMS.items()}
    loss, grads = plain_run(f, (narrow, X), {}, {"w": np.ones(2)})
    assert SEEN["kinds"] == (np.ndarray, np.float64, np.ndarray)
    z = X @ np.ones(2) + np.float32(0.2)
    assert loss == pytest.approx(np.sum(z * z), rel=1e-15)
    np.testing.assert_allclose(grads["w"], 2 * X.T @ z)


def test_float32_stays_float32():
    narrow = {k: v.astype(np.float32) for k, v in PARAMS.items()}
    o = observe(linear, (narrow, X.astype(np.float32)), {})
    assert o.loss.value.dtype == np.float32
    assert o.grads["w"].value.dtype == np.float32


# --- calls ----------------------------------------------------------------------------------------


def squared(x):
    y = x * x
    return y


def test_steps_know_the_call_that_executed_them():
    def f(params):
        a = squared(params["w"])
        b = squared(a)
        return np.sum(b), {"w": 4 * params["w"] ** 3}

    seen = observe(f, ({"w": np.ones(2)},), {})
    first, second = (n for n in seen.nodes if seen.calls[n].code is squared.__code__)
    assert seen.calls[first] is not seen.calls[second]
    assert seen.calls[first].parent is seen.calls[second].parent
    assert seen.calls[first].place.expression == 'squared(params["w"])'
    assert seen.calls[second].place.name == "b"
    assert seen.calls[first].names[first] == ["y"]
    assert seen.calls[first].parent.names[first] == ["a"]
    assert seen.calls[seen.loss].parent is None


def test_deep_recursion_of_the_users_is_no_trouble():
    def power(x, n):
        return x if n == 0 else x * power(x, n - 1)

    def f(params):
        w = params["w"]
        return np.sum(power(w, 150)), {"w": 151 * power(w, 149) * w}

    seen = observe(f, ({"w": np.ones(2)},), {})
    depths = {len(list(call.chain())) for call in seen.calls.values()}
    assert max(depths) == 151
