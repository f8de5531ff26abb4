"""NumPy's functions on tensors: keywords, out=, what has no derivative, and what is refused."""

import inspect

import numpy as np
import pytest

import tinygrad_nn as tg
from tinygrad_nn.errors import DetachError, DtypeError, InPlaceError, NoRuleError
from tinygrad_nn.tensor import HANDLERS


@pytest.fixture
def x():
    return tg.Tensor([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]], requires_grad=True)


# --- keywords are honoured or refused ---------------------------------------------------------


FUNCTIONS = [f for f in HANDLERS if f is not np.ufunc and getattr(f, "__module__", "") == "numpy"]
FUNCTIONS += [f for f in HANDLERS if getattr(f, "__module__", "") == "numpy.linalg"]
FUNCTIONS.sort(key=lambda f: f.__name__)  # the tables are filled from sets too


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_parameter_of_numpy_is_unknown(function):
    """A handler without one of them would raise Python's TypeError about our own function."""
    handler = HANDLERS[function]
    composition = inspect.getclosurevars(handler).nonlocals.get("composition", handler)
    ours = inspect.signature(composition).parameters
    if any(p.kind is p.VAR_KEYWORD for p in ours.values()):
        return
    named = {
        name
        for name, p in inspect.signature(function).parameters.items()
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    }
    by_wrapper = {"out"} if composition is not handler else set()
    assert not named - set(ours) - by_wrapper


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.sum(x, dtype=np.float32),
        lambda x: np.sum(x, axis=0, initial=5.0),
        lambda x: np.sum(x, 1, np.float32, None, True),
        lambda x: np.max(x, 1, None, True),
        lambda x: np.min(x, where=[True, False, True], initial=9.0),
        lambda x: np.mean(x, axis=1, dtype=np.float32, where=np.array([True, False, True])),
        lambda x: np.mean(x, 0, None, None, True),
        lambda x: np.mean(x, where=np.array([True, False, True])),
        lambda x: np.prod(x, dtype=np.float32, initial=2.0),
        lambda x: np.var(x, axis=[0, 1][0], dtype=np.float32, correction=1),
        lambda x: np.add(x, 1, dtype=np.float32),
        lambda x: np.add.reduce(x),
        lambda x: np.add.reduce(x, 1),
        lambda x: np.multiply.reduce(x, axis=None),
        lambda x: np.maximum.reduce(x, axis=1, keepdims=True),
        lambda x: np.logical_and.reduce(x > 0),
        lambda x: np.cumsum(x, axis=1, dtype=np.float32),
        lambda x: np.trace(x, dtype=np.float32),
        lambda x: np.astype(x, np.float32),
        lambda x: np.float64(2) * x,
    ],
)
def test_keywords_mean_what_they_mean_in_numpy(call, x):
    ours, theirs = call(x), call(x.detach()._value)
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours.detach(), theirs, rtol=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.exp(x, where=np.array([True, False, True])),
        lambda x: np.add(x, x, casting="unsafe"),
        lambda x: np.var(x, where=x > 0),
        lambda x: np.max(x, where=[True, False, True]),
        lambda x: np.pad(x, 1, mode="linear_ramp"),
        lambda x: np.pad(x, 1, mode="reflect", reflect_type="odd"),
        lambda x: np.quantile(x, 0.5, method="nearest"),
        lambda x: np.gradient(x, np.array([0.0, 1.0, 3.0]), axis=1),
        lambda x: np.cov(x, aweights=np.ones(3)),
        lambda x: np.nan_to_num(x, copy=False),
        lambda x: np.concatenate([x, x], dtype=np.float32),
        lambda x: np.reshape(x, 6, copy=True),
        lambda x: np.diff(x, prepend=0),
        lambda x: np.interp(x, [0.0, 1.0], [0.0, 1.0], period=1),
        lambda x: np.linalg.norm(x, "nuc"),
        lambda x: np.einsum("ij->i", x, dtype=np.float32),
    ],
)
def test_what_cannot_be_honoured_is_refused(call, x):
    with pytest.raises(NoRuleError):
        call(x)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.sum(x, axis=2),
        lambda x: np.sum(x, axis=(0, 0)),
        lambda x: np.prod(x, axis=2),
        lambda x: np.median(x, axis=(0, -2)),
        lambda x: np.mean(x, axis=-3),
        lambda x: np.squeeze(x, axis=0),
        lambda x: np.expand_dims(x, 5),
        lambda x: np.swapaxes(x, 0, 2),
        lambda x: np.moveaxis(x, [0, 1], [0]),
        lambda x: np.split(x, 2, axis=1),
        lambda x: np.take(x, 9),
        lambda x: np.take(x, 0, axis=2),
        lambda x: np.repeat(x, [1, 2, 3], axis=0),
        lambda x: np.tile(x, "a"),
        lambda x: np.reshape(x, (4, 2)),
        lambda x: np.concatenate([x, x[0]]),
        lambda x: np.concatenate([x, x], axis=2),
        lambda x: np.stack([x, x[0]]),
        lambda x: np.vstack([x, x[:, :2]]),
        lambda x: np.einsum("ijk->", x),
        lambda x: np.einsum("ij,jk", x),
        lambda x: np.einsum("...->", x),
        lambda x: np.tensordot(x, x, 1),
        lambda x: np.dot(x, x),
        lambda x: np.linalg.norm(x, axis=(0, 1, 1)),
        lambda x: np.linalg.norm(x[0], "fro"),
        lambda x: np.linalg.inv(x),
        lambda x: np.linalg.det(x),
        lambda x: np.linalg.cross(x, x[:, :2]),
        lambda x: np.convolve(x, x),
        lambda x: np.convolve(x[0], x[0], "most"),
        lambda x: np.broadcast_to(x, (3, 3)),
        lambda x: np.quantile(x, 2.0),
        lambda x: np.average(x, weights=[1.0, 2.0]),
        lambda x: np.gradient(x, 1.0, 2.0, 3.0),
        lambda x: np.meshgrid(x[0], x[0], indexing="zz"),
        lambda x: np.take_along_axis(x, np.array([0]), 1),
        lambda x: np.diag(np.reshape(x, (1, 2, 3))),
    ],
)
def test_a_misuse_raises_as_in_numpy_and_as_ours(call, x):
    with pytest.raises((ValueError, TypeError, IndexError)) as numpys:
        call(x.detach()._value)
    with pytest.raises(tg.TinygradError) as ours:
        call(x)
    kinds = (ValueError, TypeError, IndexError)
    assert any(issubclass(numpys.type, k) and isinstance(ours.value, k) for k in kinds)
    assert "test_numpy_functions.py" in str(ours.value)


# --- out= -------------------------------------------------------------------------------------


def test_out_is_written(x):
    for call in (np.exp, np.sum, np.mean, np.cumsum, np.median, np.prod):
        expected = call(x)
        out = tg.Tensor(np.zeros(expected.shape))
        assert call(x, out=out) is out
        np.testing.assert_array_equal(out.detach(), expected.detach())
        assert out.requires_grad
        plain = np.zeros(expected.shape)
        if plain.ndim:
            assert call(x.detach(), out=plain) is plain
            np.testing.assert_array_equal(plain, expected.detach())


def test_out_cannot_lose_a_gradient(x):
    with pytest.raises(InPlaceError, match="plain array"):
        np.exp(x, out=np.zeros(x.shape))
    with pytest.raises(InPlaceError, match="plain array"):
        np.mean(x, axis=0, out=np.zeros(3))
    with pytest.raises(DetachError):
        np.add.at(np.zeros(3), [0], x[0, :1])


def test_add_at_adds_repeatedly():
    t = tg.Tensor(np.zeros(3))
    v = tg.Tensor([1.0, 2.0, 4.0], requires_grad=True)
    np.add.at(t, [0, 2, 0], v)
    np.testing.assert_array_equal(t.detach(), [5, 0, 2])
    t.backward(np.array([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(v.grad, [1, 3, 1])


# --- what has no derivative -------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.argmax(x, axis=1),
        lambda x: np.sign(x),
        lambda x: np.floor(x),
        lambda x: np.round(x, 1),
        lambda x: x > 0,
        lambda x: np.isclose(x, 1.0),
        lambda x: np.any(x > 0, axis=1),
        lambda x: np.astype(x, int),
        lambda x: x.astype(bool),
        lambda x: np.zeros_like(x),
        lambda x: np.argsort(x),
        lambda x: np.searchsorted(np.array([0.0, 2.0]), x),
        lambda x: np.linalg.matrix_rank(x),
        lambda x: np.count_nonzero(x, axis=0),
        lambda x: np.divmod(x, 2)[0],
        lambda x: np.modf(x)[1],
    ],
)
def test_constants_carry_no_gradient(call, x):
    ours, theirs = call(x), call(x.detach()._value)
    assert not ours.requires_grad
    np.testing.assert_array_equal(ours.detach(), theirs)


def test_casting_to_integers_gives_no_gradient_and_loses_none(x):
    ((x.astype(int) * 2.5 + x) * x).sum().backward()
    np.testing.assert_array_equal(x.grad, 2.5 * np.trunc(x.detach()._value) + 2 * x.detach()._value)
    with pytest.raises(DtypeError, match="real numbers"):
        x.astype(complex)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x: np.linalg.svd(x), "linalg.svd"),
        (lambda x: np.linalg.eigh(x @ x.T), "linalg.eigh"),
        (lambda x: np.linalg.qr(x), "linalg.qr"),
        (lambda x: np.linalg.pinv(x), "linalg.pinv"),
        (lambda x: np.fft.fft(x), "fft.fft"),
        (lambda x: np.unwrap(x), "unwrap"),
        (lambda x: np.unique(x), "unique"),
        (lambda x: np.histogram(x), "histogram"),
        (lambda x: np.nanmax(x), "nanmax"),
        (lambda x: np.frexp(x), "frexp"),
        (lambda x: np.subtract.reduce(x), "subtract.reduce"),
        (lambda x: np.multiply.at(x, 0, 1.0), "multiply.at"),
    ],
)
def test_a_function_without_rule_is_named(function, name, x):
    with pytest.raises(NoRuleError, match=rf"np\.{name}\b.*no derivative rule"):
        function(x)


def test_a_function_without_rule_takes_a_tensor_without_gradient(x):
    values = x.detach()
    np.testing.assert_allclose(np.linalg.svd(values)[1].detach(), np.linalg.svd(values._value)[1])
    np.testing.assert_array_equal(np.unique(values).detach(), np.unique(values._value))
    np.testing.assert_array_equal(np.frexp(values)[0].detach(), np.frexp(values._value)[0])


@pytest.mark.parametrize(
    "call",
    [
        lambda t: np.put(t, 0, 1.0),
        lambda t: np.place(t, np.ones((2, 3), bool), 1.0),
        lambda t: np.putmask(t, np.ones((2, 3), bool), 1.0),
        lambda t: np.fill_diagonal(t, 1.0),
        lambda t: np.put_along_axis(t, np.zeros((1, 3), int), 1.0, 0),
    ],
)
def test_writers_say_what_to_write(call, x):
    with pytest.raises(InPlaceError, match=r"t\[...\] = value"):
        call(x.detach())


def test_copyto():
    t, v = tg.Tensor(np.zeros(3)), tg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    np.copyto(t, v, where=np.array([True, False, True]))
    np.testing.assert_array_equal(t.detach(), [1, 0, 3])
    t.sum().backward()
    np.testing.assert_array_equal(v.grad, [1, 0, 1])
    with pytest.raises(DetachError):
        np.copyto(np.zeros(3), v)


def test_questions_are_answered_with_plain_values(x):
    assert np.shape(x) == (2, 3)
    assert np.ndim(x) == 2
    assert np.size(x, 0) == 2
    assert np.result_type(x, np.float32) == np.float64
    assert np.array_equal(x, x.detach()) is True
    assert np.allclose(x, x.detach()._value) is True
    assert not np.iscomplexobj(x)


def test_two_outputs(x):
    for ours, theirs in zip(np.divmod(x, 2.5), np.divmod(x.detach()._value, 2.5), strict=True):
        np.testing.assert_array_equal(ours.detach(), theirs)
    for ours, theirs in zip(np.modf(x / 4), np.modf(x.detach()._value / 4), strict=True):
        np.testing.assert_array_equal(ours.detach(), theirs)
    np.modf(x / 4)[0].sum().backward()
    np.testing.assert_array_equal(x.grad, np.full((2, 3), 0.25))
