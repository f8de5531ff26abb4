"""Python numbers in programs that once came out otherwise than in Python."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_nn as tg
from tests.graph.ways import COMPILED, HOW, X, assert_same, program
from tests.rules import elementwise_cases, linalg_cases, reduction_cases, shape_cases  # noqa: F401
from tinygrad_nn.errors import RangeError, TraceError

I8 = np.array([3, 3, -2], np.int8)
FOUND = {
    "constants of the program": (lambda x: (True, 3, 0.5, 10**30, np.float64(2), x), X),
    "a constant array of shape ()": (lambda x: (np.where(True, 0.5, 0.0), x), X),
    "products of small integers": (lambda c: (np.prod(c), np.cumprod(c), np.prod(c > 0)), I8),
    "a spread of one number": (lambda n: (np.std(n), np.prod(n), np.var(n)), 5),
    "a Python number squeezed": (lambda n: (np.squeeze(n), np.ravel(n)), 5),
    "bounds of other dtypes": (
        lambda f, h, u, b: (np.clip(f, -1, h), np.clip(u, -1, b), np.clip(3, -1, u)),
        np.array([True, False]), np.float32(1.5), np.array([3, 200], np.uint8), 2.5,
    ),
    "a number's bounds": (lambda n, y: np.clip(n, -y, y), 2.0, np.ones(2, np.float32)),
    "a bound that no integer dtype holds": (lambda x: np.maximum(x, 10**30), np.ones(200)),
    "both operands made longer": (lambda z: np.ravel(z) // np.ravel(z), np.array(1.5)),
    "an int, then a float, beside integers": (lambda i: (i - 2, i - 2.0, i * 2.0, i * 2), I8),
    "the dtype of a number and an array": (
        lambda n, y: y.astype(np.result_type(n, y)), 2.0, np.ones(2, np.float32),
    ),
    "a number and its mean": (lambda a, b: (np.mean(a) / b, np.sum(a), a * b), 2.0, 3),
}  # fmt: skip


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", FOUND)
def test_what_random_programs_found(name, how):
    f, *args = FOUND[name]
    assert_same(program(f, how, *args)(*args), f(*args))


@pytest.mark.parametrize("how", HOW)
def test_a_power_that_is_too_large_is_refused_as_python_does(how):
    f = program(lambda a: (a**2, a * a), how, 3.0)
    assert_same(f(1e10), (1e20, 1e20))
    with pytest.raises(OverflowError):
        f(1e200)
    assert_same(program(lambda a: a * a, how, 3.0)(1e200), float("inf"))


@pytest.mark.parametrize("backend", COMPILED)
def test_an_integer_that_no_array_holds_is_named(backend):
    f = tg.compile(lambda n: np.sum(n**2), backend=backend)
    assert_same(f(3), np.int64(9))
    with pytest.raises(RangeError, match="does not fit into int64"):
        f(2**62)


def test_rounding_a_number_of_numpy_s_is_refused():
    with pytest.raises(TraceError, match=r"(?s)round\(\), which makes a Python int.*np\.|x\.sum"):
        tg.trace(lambda x: round(x.sum()) * x, X)
    tg.trace(lambda x: np.round(x.sum()) * x, X)


def test_a_dtype_that_goes_by_a_number_s_value_is_refused():
    with pytest.raises(TraceError, match="min_scalar_type needs the value"):
        tg.trace(lambda a: a * np.ones(2, np.min_scalar_type(a)), 2.0)


@pytest.mark.parametrize("wrt", [0, (0, 1)])
def test_derived_code_of_python_numbers(wrt):
    def f(x, a, n):
        return np.sum(x * a) * n**-1 + a**n + np.mean(a) + np.sum(a) * round(a, 1) * (a > 1)

    x = X.astype(np.float32)
    names: dict[str, object] = {}
    exec(tg.derive(f, x, 2.6, 2, wrt=wrt), names)
    for args in ((x, 2.6, 3), (x, 0.25, 2), (x, 1.04, 5)):
        value, gradients = names[next(reversed(names))](*args)
        assert_same(value, f(*args))
        expected = tg.grad(f, argnums=wrt)(*args)
        pairs = zip(gradients, expected, strict=True) if wrt else [(gradients, expected)]
        for g, e in pairs:
            assert g.dtype == e.dtype
            np.testing.assert_allclose(g, e, rtol=1e-6)
