"""Python numbers among the arguments: traced, run and compiled, they give what Python gives."""

from __future__ import annotations

import operator

import numpy as np
import pytest

import tinygrad_nn as tg
from tests.graph.ways import COMPILED, HOW, X, assert_same, program
from tests.rules import elementwise_cases, linalg_cases, reduction_cases, shape_cases  # noqa: F401
from tests.rules.cases import CASES
from tinygrad_nn.errors import DtypeError, RangeError, TraceError
from tinygrad_nn.rules.indexing import getitem

# --- Python's arithmetic --------------------------------------------------------------------------

BINARY = (operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv,
          operator.mod, operator.pow)  # fmt: skip
OF_INTS = (operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift)
UNARY = (operator.neg, operator.pos, operator.abs)


def everything(x, n, k):
    """Every operator, of ints or floats, beside an array."""
    whole = all(getattr(a, "dtype", type(a)) in (int, np.dtype(int)) for a in (n, k))
    ints = OF_INTS if whole else ()
    results = [f(n, k) for f in (*BINARY, *ints)] + [f(k, n) for f in BINARY[:-1]]
    results += [f(n, 3) for f in BINARY] + [f(n) for f in UNARY]
    results += [n, [x * r for r in results[:3]], divmod(n, k), (n * n * n) % 1000003]
    return results


@pytest.mark.parametrize("how", HOW)
def test_operators_are_python_s(how):
    for first, others in (
        ((7, 3), [(2, 5), (10**10, 3), (2**62, 2), (-7, 2), (13, 64), (3**50, 7)]),
        ((7.5, 2.0), [(-7.5, 2.0), (1e100, 0.5), (0.1, 3.0)]),
        ((7.5, 2), [(-7.5, 2), (0.1, 3)]),
        ((7, 2.5), [(3, 0.5), (10, 2.0)]),
    ):
        f = program(everything, how, X, *first)
        for n, k in (first, *others):
            assert_same(f(X, n, k), everything(X, n, k))


@pytest.mark.parametrize("how", HOW)
def test_integers_have_no_bounds(how):
    f = program(lambda x, n: x * (n * n), how, X, 3)
    for n in (10**10, 2**62, 2**70):
        np.testing.assert_array_equal(f(X, n), X * (n * n))


@pytest.mark.parametrize("how", HOW)
def test_an_integer_to_a_negative_power_is_a_float(how):
    for x in (X, X.astype(np.float32), np.array([3, -4], np.int8)):
        f = program(lambda x, n: (n**-1, x * n**-1), how, x, 4)
        for n in (2, -5, 10**30):
            assert_same(f(x, n), (n**-1, x * n**-1))


def powers(x, n, k):
    return x * n**k, n**k, (n**k + 1) * x


@pytest.mark.parametrize("how", HOW[2:])
def test_a_power_is_an_int_or_a_float_as_the_sign_of_the_exponent_has_it(how):
    for x in (X.astype(np.float32), np.array([3, 4], np.int8)):
        f = program(powers, how, x, 2, 3)
        for n, k in ((3, 2), (2, -1), (2, -3), (5, 0), (2, -0), (4, -1), (3, 3)):
            assert_same(f(x, n, k), powers(x, n, k))


@pytest.mark.parametrize("backend", COMPILED)
def test_each_type_of_a_power_is_compiled_once(backend):
    def f(x, n):
        x -= 2**n * x
        return x

    compiled = tg.compile(f, backend=backend)
    compiled(X.copy(), 1)
    compiled(X.copy(), -1)
    for n in (2, -2, 0, -7, 3, 3):
        x, expected = X.copy(), X - 2**n * X
        result = compiled(x, n)
        assert result is x
        np.testing.assert_array_equal(x, expected)
    assert "2 programs" in repr(compiled)


@pytest.mark.parametrize("how", ["run", "simplified"])
def test_a_graph_refuses_a_power_of_another_type_than_it_was_traced_with(how):
    f = program(lambda x, n, k: x * n**k, how, X, 2, 3)
    np.testing.assert_array_equal(f(X, 3, 50), X * 3**50)
    with pytest.raises(TraceError, match=r"(?s)0\.5 here, and was an int.*n\*\*k.*\^\^\^\^"):
        f(X, 2, -1)
    f = program(lambda x, n, k: x * n**k, how, X, 2, -3)
    np.testing.assert_array_equal(f(X, 4, -1), X / 4)
    with pytest.raises(TraceError, match="4 here, and was a float"):
        f(X, 2, 2)
    f = program(lambda x, a, b: x * a**b, how, X, 2.0, 0.5)
    with pytest.raises(TraceError, match=r"j.* here, and was a float"):
        f(X, -2.0, 0.5)
    np.testing.assert_array_equal(f(X, 9.0, 0.5), X * 3)


@pytest.mark.parametrize("backend", COMPILED)
def test_a_complex_power_is_refused_at_the_user_s_line(backend):
    f = tg.compile(lambda x, a, b: x * a**b, backend=backend)
    with pytest.raises(DtypeError, match="real numbers"):
        f(X, -2.0, 0.5)
    f(X, 2.0, 0.5)
    with pytest.raises(DtypeError, match=r"(?s)real numbers.*a\*\*b"):
        f(X, -2.0, 0.5)
    np.testing.assert_array_equal(f(X, 9.0, 0.5), X * 3)


def comparisons(x, n, k):
    less = n < k
    flags = (less, n == k, n != 2.5, n <= k, k > n, k >= 3, n > 3)
    of_flags = (less + (k < 3), less & (k < 3), less * 2.5, -less, less**2, 1 - less, less == 1)
    of_arrays = (x * less, x - (less + 1), np.where(less, x, -x), np.where(less, x, 2.5),
                 (x > 0) & less, np.logical_and(less, k < 3), np.less(n, k))  # fmt: skip
    return flags, of_flags, of_arrays


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_comparing_python_s_numbers_gives_a_bool_of_python_s(how, dtype):
    x = np.array([1, -2], dtype)
    f = program(comparisons, how, x, 3, 2)
    for n, k in ((3, 2), (1, 2), (2, 2), (10**30, 3)):
        assert_same(f(x, n, k), comparisons(x, n, k))
    f = program(comparisons, how, x, 0.5, 2)
    for n, k in ((2.0, 2), (float("nan"), 2), (-0.5, -1)):
        assert_same(f(x, n, k), comparisons(x, n, k))


def test_a_bool_of_python_s_is_one_in_the_text_form():
    graph = tg.trace(lambda x, n: (n < 3, np.less(n, 3), x * (n < 3)), X, 2)
    text = str(graph.check())
    assert "bool = np.less(n, 3)" in text
    assert "bool[()] = np.less(n, 3)" in text
    assert str(tg.graph.parse(text)) == text


@pytest.mark.parametrize("how", HOW)
def test_rounding_is_python_s(how):
    def f(x, a, n):
        return round(a), round(a, 2), round(n), round(n, -1), x * round(a), x * round(a, 1)

    x = np.array([1, -2], np.float32)
    run = program(f, how, x, 2.6, 14)
    for a, n in ((2.675, 25), (-0.5, 35), (1e30, 10**30)):
        assert_same(run(x, a, n), f(x, a, n))


@pytest.mark.parametrize("how", HOW)
def test_what_python_refuses_is_refused(how):
    f = program(lambda x, n, k: x * (n / k), how, X, 1, 2)
    with pytest.raises(ZeroDivisionError):
        f(X, 1, 0)
    f = program(lambda x, n: x * n, how, X, 2)
    with pytest.raises(OverflowError):
        f(X, 10**400)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "uint64", "float32", "bool"])
def test_an_integer_takes_on_the_dtype_it_meets(how, dtype):
    x = np.ones(3, dtype)

    def f(x, n):
        return x * n, x + n, x < n, x == n, np.where(x > 0, n, x)

    run = program(f, how, x, 3)
    for n in (7, 127, 200, 300, -1, 2**31, 2**63 - 1, 2**63, 2**64, 2**70):
        try:
            expected = f(x, n)
        except OverflowError:
            with pytest.raises(OverflowError):
                run(x, n)
        else:
            assert_same(run(x, n), expected)


@pytest.mark.parametrize("how", HOW)
def test_a_comparison_with_a_constant_that_fits_no_entry(how):
    x = np.ones(3, np.int8)
    assert_same(program(lambda x: x < 300, how, x)(x), x < 300)


def test_an_integer_too_large_for_its_dtype_is_named():
    with pytest.raises(RangeError, match="of 201 bits does not fit into int64"):
        tg.trace(lambda x, n: x * n.sum(), X, 2**200)


@pytest.mark.parametrize("how", HOW)
def test_numbers_come_back_as_they_are_in_python(how):
    f = program(lambda x, n, a: (n, n + 1, a, a * n, x), how, X, 3, 0.5)
    assert_same(f(X, 4, 1.5), (4, 5, 1.5, 6.0, X))


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_numpy_number_is_none_of_python_s(how, dtype):
    x = np.ones(2, dtype)

    def f(x, n):
        return x * np.multiply(n, 2.0), x * (n * 2.0), x * np.exp(n), x + n

    assert_same(program(f, how, x, 2.0)(x, 3.0), f(x, 3.0))


# --- NumPy's functions ----------------------------------------------------------------------------


def numbers(case):
    """The case's arguments, those of shape () as Python floats; and others nearby."""
    first = [float(a) if np.ndim(a) == 0 else a for a in case.args]
    second = [a * 1.01 if isinstance(a, float) else a for a in first]
    return first, second


#: But for indexing, which Python's numbers do not know.
OF_NUMBERS = [
    c for c in CASES if any(np.ndim(a) == 0 for a in c.args) and c.function is not getitem
]


@pytest.mark.parametrize("how", HOW[:3])
@pytest.mark.parametrize("case", OF_NUMBERS, ids=str)
def test_every_rule_s_case_of_python_numbers(case, how):
    first, second = numbers(case)
    with np.errstate(all="ignore"):
        run = program(lambda *args: case(*args), how, *first)
        for args in (first, second):
            assert_same(run(*args), case(*args), exactly=False)


@pytest.mark.parametrize("how", HOW[:3])
@pytest.mark.parametrize("case", OF_NUMBERS, ids=str)
def test_the_gradient_of_every_rule_s_case_of_python_numbers(case, how):
    places = tuple(range(len(case.args)))

    def loss(*args):
        y = case(*args)
        return sum(np.sum(part * part) for part in (y if isinstance(y, (tuple, list)) else (y,)))

    def gradients(*args):
        return tg.grad(loss, argnums=places)(*args)

    first, second = numbers(case)
    with np.errstate(all="ignore"):
        run = program(gradients, how, *first)
        for args in (first, second):
            assert_same(run(*args), gradients(*args), exactly=False)


REDUCTIONS = (np.sum, np.mean, np.max, np.min, np.prod, np.var, np.std, np.cumsum, np.ravel)
ARRAYS = {
    **{f.__name__: f for f in REDUCTIONS},
    "full": lambda n: np.zeros(3) + np.multiply(n, 1),
    "where": lambda n: np.where(np.array([True, False]), n, np.ones(2, np.float32)),
    "reshape": lambda n: np.reshape(n, (1,)),
    "broadcast_to": lambda n: np.broadcast_to(n, (2,)),
    "clip": lambda n: np.clip(np.ones(2, np.float32), 0.0, n),
    "stack": lambda n: np.stack([n, n]),
    "round": lambda n: np.round(n, 1),
    "relu": lambda n: tg.relu(n),
    "sigmoid": lambda n: tg.sigmoid(n),
    "transpose": np.transpose,
    "copy": np.copy,
}


@pytest.mark.parametrize("how", HOW[:3])
@pytest.mark.parametrize("number", [2, 2.5])
@pytest.mark.parametrize("name", ARRAYS)
def test_a_function_of_arrays_takes_a_python_number(name, number, how):
    f = ARRAYS[name]
    assert_same(program(f, how, number)(number + 1), f(number + 1), exactly=False)


@pytest.mark.parametrize("how", HOW)
def test_a_number_that_goes_into_a_plain_array_is_refused_or_a_constant(how):
    def f(n):
        return np.full_like(np.ones(3, np.float32), n)

    assert_same(program(f, how, 2)(2), f(2))
    with pytest.raises((TraceError, tg.TinygradError), match="needs the value"):
        program(f, how, 2.5)


@pytest.mark.parametrize("how", HOW)
def test_a_method_of_a_traced_number_is_that_of_numpy_s(how):
    f = program(lambda x, n: (x * n.astype(np.float32), n.sum(), n.reshape(1)), how, X, 2.0)
    n = np.float64(3.0)
    assert_same(f(X, 3.0), (X * n.astype(np.float32), n.sum(), n.reshape(1)))


@pytest.mark.parametrize("how", HOW)
def test_the_gradient_of_a_sum_of_a_number(how):
    f = program(lambda x: tg.grad(lambda x: np.sum(x**3))(x), how, 2.0)
    assert_same(f(2.0), np.float64(12.0))
    assert_same(f(3.0), np.float64(27.0))


# --- types ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("x", [np.array([0, 1, 1], bool), np.array(True)], ids=["1d", "0d"])
def test_truth_values_to_a_power(x, how):
    def f(x):
        return x**2, x**2 * 1.0, x**3, np.power(x, 2), np.square(x), x**2 + 200 * 0

    assert_same(program(f, how, x)(x), f(x))


@pytest.mark.parametrize("how", COMPILED)
def test_the_power_of_truth_values_is_a_constant_of_the_program(how):
    x = np.array([0, 1, 1], bool)
    f = tg.compile(lambda x, n: x**n, backend=how)
    for n in (2, 3, 2, 0):
        assert_same(f(x, n), x**n)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("copy", [np.copy, lambda x: x.copy(), lambda x: x.flatten()])
def test_truth_values_are_copied(how, copy):
    x = np.array([True, False])
    assert_same(program(copy, how, x)(x), x)


ZERO_D = {
    "sum": (np.sum, np.ones(1)),
    "differences": (lambda a: np.sum(np.abs(a - np.int64([2]))), np.uint64([1])),
    "max": (np.max, np.ones((1, 1))),
    "reshape": (lambda x: np.reshape(x, ()), np.ones(1)),
    "reshapes": (lambda x: np.reshape(np.reshape(x, (1, 1)), ()), np.ones(1)),
    "squeeze": (np.squeeze, np.ones(1)),
    "entry": (lambda x: x[0], np.ones(1)),
    "sums": (lambda x: (np.sum(x), x.sum(), np.max(x), x + 0, x * 1), np.array(2.0)),
    "wheres": (lambda x: (np.where(True, x, x), np.copy(x), np.reshape(x, ())), np.float64(2.0)),
    "itself": (lambda x: x, np.array(2.0)),
    "number": (lambda x: x, np.float64(2.0)),
    "copy": (lambda x: x.copy(), np.array(2.0)),
    "where": (lambda x: np.where(x > 0, x, 1.0), np.array(2.0)),
    "exp": (np.exp, np.array(2.0)),
    "astype": (lambda x: x.astype(np.float32), np.array(2.0)),
    "dot": (lambda x: x @ x, np.ones(1)),
    "einsum": (lambda x: np.einsum("i,i->", x, x), np.ones(1)),
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", ZERO_D)
def test_a_single_number_is_the_number_or_the_array_that_numpy_gives(name, how):
    f, x = ZERO_D[name]
    assert_same(program(f, how, x)(x), f(x))


@pytest.mark.parametrize("how", HOW)
def test_a_single_number_that_is_changed_in_place(how):
    def f(x):
        x += 1
        return x, x * 2

    x = np.array(2.0)
    run, given = program(f, how, x.copy()), x.copy()
    result = run(given)
    assert_same(given, np.array(3.0))
    assert_same(result, tg.trace(f, x.copy()).run(x.copy()))
