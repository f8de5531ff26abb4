"""The NumPy backend: what runs in planned memory gives what the graph's own interpreter gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_nn as tg
from models import softmax_classifier, svm_classifier, two_layer_net
from tests.emit.running import (
    A,
    B,
    assert_agrees,
    assert_same,
    check,
    copies,
    forms,
    parameters,
    train,
    varied,
)
from tests.programs import PROGRAMS, starting_arrays, step
from tests.rules import elementwise_cases, linalg_cases, reduction_cases, shape_cases  # noqa: F401
from tests.rules.cases import CASES
from tinygrad_nn.emit.buffered.source import build


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_rule_s_case_gives_what_numpy_gives(case):
    with np.errstate(all="ignore"):
        check(case, *case.args)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_gradient_of_every_rule_s_case(case):
    def loss(*args):
        y = case(*args)
        return sum(np.sum(part * part) for part in (y if isinstance(y, (tuple, list)) else (y,)))

    def gradients(*args):
        return tg.grad(loss, argnums=tuple(range(len(args))))(*args)

    with np.errstate(all="ignore"):
        check(gradients, *case.args)


def runnable(arrays, program):
    """The program, as far as NumPy can carry it out, as a function of its arrays."""
    done = []
    names = [a.copy(order="K") for a in arrays]
    for what, a, b, i in program:
        if what == ("copy", 5):  # a mask decides about a shape: such a program is not compiled
            continue
        try:
            step(names, what, a, b, i)
        except (ValueError, TypeError, IndexError, ZeroDivisionError, AttributeError):
            break
        if any(isinstance(x, np.generic) for x in names):
            break
        done.append((what, a, b, i))

    def f(*given):
        names = list(given)
        for statement in done:
            step(names, *statement)
        return tuple(names)

    return f


@settings(max_examples=200, deadline=None)
@given(starting_arrays(), PROGRAMS)
def test_random_programs_of_in_place_code(arrays, program):
    check(runnable(arrays, program), *arrays)


def donated(graph, choose):
    """Which inputs take which outputs of their type, as ``choose`` says; beside the updates."""
    in_place = dict(graph.updates)
    for node in graph.inputs:
        kind = (node.value.shape, node.value.dtype)
        fitting = [new for new in graph.outputs if (new.value.shape, new.value.dtype) == kind]
        if node not in in_place and fitting and not isinstance(node.value, (float, int)):
            chosen = choose(len(fitting) + 1)
            if chosen < len(fitting):
                in_place[node] = fitting[chosen]
    return in_place


@settings(max_examples=200, deadline=None)
@given(starting_arrays(3), PROGRAMS, st.data())
def test_random_programs_that_write_results_into_their_arguments(arrays, program, data):
    graph = tg.trace(runnable(arrays, program), *arrays)
    for form in forms(graph):
        in_place = donated(form, lambda n: data.draw(st.integers(0, n - 1)))
        assert_agrees(form, in_place, varied(arrays))


#: Numerical code on arrays of a few shapes, with rows enough for the cheaper calls to be taken.
NUMERIC = [
    lambda x, y: np.tanh(x @ y),
    lambda x, y: x.T @ y / 70,
    lambda x, y: x @ y.T * 0.1,
    lambda x, y: x + y,
    lambda x, y: x * y,
    lambda x, y: x - 0.5 * y,
    lambda x, y: x / (1 + np.abs(y)),
    lambda x, y: np.maximum(x, 0.1),
    lambda x, y: np.minimum(0.2, x),
    lambda x, y: np.where(x > 0.1, x, y),
    lambda x, y: (x != 0) * y,
    lambda x, y: np.exp(-x * x),
    lambda x, y: np.power(x, 2),
    lambda x, y: np.sum(x, axis=0),
    lambda x, y: np.sum(x, axis=1) + 1,
    lambda x, y: np.sum(x, axis=1, keepdims=True),
    lambda x, y: np.tanh(np.sum(x * y)) * x,
    lambda x, y: x / (1 + np.sum(np.square(x))),
    lambda x, y: np.max(x, axis=1, keepdims=True) - x,
    lambda x, y: np.min(x, axis=-1),
    lambda x, y: tg.softmax(x) if x.ndim else x,
    lambda x, y: tg.log_softmax(x * np.ones(4)) * 0.1,
    lambda x, y: tg.relu(y),
    lambda x, y: x.T,
    lambda x, y: x[1:] - y[:-1],
    lambda x, y: x[np.array([0, -1, 0])],
    lambda x, y: x.reshape(-1)[:70],
    lambda x, y: np.concatenate([x, y])[::2],
]


def computed(values, program):
    """All values of a program: each statement computes a new one from two that are there."""
    values = list(values)
    for which, i, j in program:
        x, y = values[i % len(values)], values[j % len(values)]
        try:
            new = NUMERIC[which](x, y)
        except (ValueError, IndexError, TypeError, AttributeError):  # shapes that do not fit
            continue
        if 0 < new.size <= 800:
            values.append(new)
    return values


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(NUMERIC) - 1), st.integers(0, 30), st.integers(0, 30)),
        min_size=3,
        max_size=25,
    ),
    st.sets(st.integers(0, 30), min_size=1, max_size=4),
    st.data(),
)
def test_random_programs_of_products_and_reductions(program, wanted, data):
    rng = np.random.default_rng(len(program))
    arrays = [rng.uniform(-1, 1, shape) for shape in [(70, 4), (4, 4), (4,), (70, 1), (4, 4)]]

    def f(*arrays):
        values = computed(arrays, program)
        return [values[-1 - i % len(values)] for i in wanted]

    graph = tg.trace(f, *arrays)
    for form in forms(graph):
        in_place = donated(form, lambda n: data.draw(st.integers(0, n - 1)))
        assert_agrees(form, in_place, varied(arrays))


# --- arguments that are written into ----------------------------------------------------------


def assert_donated(f, *args):
    """Every argument takes the output at its own place, if there is one."""
    graph = tg.trace(f, *args)
    for form in forms(graph):
        in_place = dict(zip(form.inputs, form.outputs, strict=False))
        assert_agrees(form, in_place, varied(args))
        given = copies(args)
        for array, out in zip(given, build(form, in_place).instantiate()(*given), strict=False):
            assert out is array


def test_two_arguments_change_places():
    assert_donated(lambda a, b: (b, a), A, B)


def test_three_arguments_move_on():
    assert_donated(lambda a, b, c: (c, a, b), A, B, A * B)


def test_arguments_that_need_one_another_s_old_value():
    assert_donated(lambda a, b: (a + b, a - b), A, B)
    assert_donated(lambda a, b: (np.exp(b) + a, a.T.dot(b).sum() + a), A, B)


def test_an_argument_that_takes_a_view_of_itself():
    square = np.arange(9.0).reshape(3, 3)
    assert_donated(lambda a: (a.T,), square)
    assert_donated(lambda a: (a[::-1] * 1.0,), square)
    assert_donated(lambda a, b: (b[::-1], a.T), square, square + 20)


def test_an_argument_that_takes_a_product_with_itself():
    assert_donated(lambda a: (a @ a,), np.arange(9.0).reshape(3, 3))


def test_one_result_for_two_arguments():
    graph = tg.trace(lambda a, b: a * b + 1, A, B)
    (out,) = graph.outputs
    assert_agrees(graph, dict.fromkeys(graph.inputs, out), varied([A, B]))


def test_an_argument_is_read_after_its_new_value_is_known():
    def f(a):
        b = a * 2
        return b, np.sum(a) + b, a + 1

    assert_donated(f, A)


def test_the_old_value_is_returned_beside_the_new_one():
    def f(a):
        old = a[...]
        return a + 1, old, a[0]

    assert_donated(f, A)


@pytest.mark.parametrize("i", [0, slice(1, None), np.array([1, 0, 1]), Ellipsis], ids=str)
def test_entries_of_an_argument_change(i):
    def f(a, b):
        a[i] = a[i] * b[i] + 1
        return np.sum(a)

    program = check(f, A, B)
    assert "copy" not in program.source
    check(lambda a: a.__setitem__(np.array([1, 0]), a[...]), A)


def test_updates_of_another_dtype_and_shape():
    def f(a, b):
        a -= b.astype(np.float32) * 0.5
        b[...] = 2.0 * b[0, 0]
        return a

    check(f, A.astype(np.float32), B)


# --- what comes out ----------------------------------------------------------------------------


def test_outputs_share_no_memory():
    constant = np.arange(3.0)

    def f(x):
        y = x * 2
        z = np.concatenate([y, y])
        return (
            y,
            y.T,
            y[0],
            y,
            x,
            x.T,
            x[1],
            tg.Tensor(constant),
            z[1:],
            z.T,
            np.broadcast_to(x[0], (2, 3)),
        )

    check(f, A)


def test_a_whole_view_is_returned_without_a_copy():
    program = check(lambda a, b: (a @ b).T, A, B.T)
    assert "copy" not in program.source


def test_single_numbers_are_what_they_are_in_numpy():
    def f(x, s, t, n):
        return s * t, np.exp(s), s + n, np.sum(x) * t, x[0, 0], np.max(x) / t, n - 1, s

    check(f, A, np.float32(2.5), 0.75, 3)
    check(lambda x: (x.reshape(1, 1), np.exp(x), x + 1), np.array(2.0))


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "float16", "int64", "int32", "uint8", "bool"]
)
def test_dtypes(dtype):
    x, y = (np.array(a, dtype=dtype) for a in (np.abs(A), np.abs(B)))

    def f(x, y):
        out = [
            x * y,
            x @ y.T,
            np.sum(x, axis=0),
            np.sum(x, axis=1, keepdims=True),
            np.max(x, axis=1),
        ]
        return *out, np.sum(x * y), x > y, np.where(x > y, x, 1), x.astype(np.float32), x * 0.5

    check(f, x, y)


def test_mixed_dtypes():
    f32, i32 = A.astype(np.float32), A.astype(np.int32)

    def f(x, y, z, s):
        return x * y, x * z, y * z, y * s, (y > 1) * y, y * np.float64(0.5), z * s, x + (y > 2)

    check(f, A, f32, i32, 0.5)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_arrays_without_entries(shape):
    x = np.zeros(shape)

    def f(x, w):
        h = np.maximum(0, x @ w)
        parts = np.sum(h, axis=0), np.sum(x, axis=1, keepdims=True), np.concatenate([x, x])
        return h, *parts, np.exp(x).T, np.sum(x * x), x[:0] + 1, x.reshape(-1)

    check(f, x, np.ones((shape[1], 4)))


# --- what goes in ------------------------------------------------------------------------------


DATA = np.random.default_rng(6).normal(size=(80, 6)), np.arange(80) * 7 % 3


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("loss", "hidden"),
    [(two_layer_net.loss, 5), (softmax_classifier.loss, 0), (svm_classifier.loss, 0)],
)
def test_a_training_step_of_every_model(loss, hidden, dtype):
    X, y = DATA[0].astype(dtype), DATA[1]
    check(train(loss), parameters(hidden, dtype), X, y, 0.1, 0.05)
    check(lambda *args: tg.value_and_grad(loss)(*args), parameters(hidden, dtype), X, y, 0.1)


def laid_out(array, how):
    """The same values in other memory."""
    if how == "transposed":
        return array.T.copy().T
    if how == "strided":
        wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    if how == "reversed":
        return array[::-1].copy()[::-1]
    if how == "unaligned":
        memory = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
        memory[...] = array
        return memory
    return array.copy()


@pytest.mark.parametrize("how", ["transposed", "strided", "reversed", "unaligned", "read-only"])
def test_inputs_of_any_layout(how):
    params = parameters(5)
    X, y = DATA
    graph = tg.trace(train(two_layer_net.loss), params, X, y, 0.1, 0.05)
    form = forms(graph)[-1]
    run = build(form, dict(form.updates)).instantiate()
    plain = [p.copy() for p in params.values()]
    other = [laid_out(p, how) for p in params.values()]
    others = laid_out(X, how), laid_out(y, how)
    for a in others:
        a.flags.writeable = how != "read-only"
    for _ in range(3):
        assert_same(run(*plain, X, y, 0.1, 0.05)[0], run(*other, *others, 0.1, 0.05)[0])
    for a, b in zip(plain, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_read_only_inputs_of_which_a_copy_changes():
    def f(x):
        y = np.positive(x).reshape(3, 2)
        y[0] = 5.0
        return y, x * 2, np.maximum(x, 1)

    graph = tg.trace(f, A)
    x = A.copy()
    x.flags.writeable = False
    for form in forms(graph):
        for got, wanted in zip(build(form, {}).instantiate()(x), f(A), strict=True):
            assert_same(got, wanted)


def test_inputs_that_are_one_array():
    graph = tg.trace(lambda a, b: (a * b, a @ b.T, a - b), A, B)
    run = build(graph, {}).instantiate()
    for got, wanted in zip(run(A, A), (A * A, A @ A.T, A * 0), strict=True):
        assert_same(got, wanted)


def test_constants_stay_what_they_were():
    small, large = np.arange(3.0), np.linspace(0, 1, 60_000)

    def f(x):
        return x * small, np.sum(x) * large

    graph = tg.trace(f, A)
    run = build(graph, {}).instantiate()
    wanted = f(A)
    small += 1
    large += 1
    for got, a in zip(run(A), wanted, strict=True):
        assert_same(got, a)


def test_after_an_error_the_next_run_is_right():
    def f(x, i):
        return np.exp(x * 2)[np.arange(2), i] * 3

    graph = tg.trace(f, A, np.array([0, 1]))
    run = build(graph, {}).instantiate()
    with pytest.raises(IndexError, match="out of bounds"):
        run(A, np.array([0, 3]))
    assert_same(run(B, np.array([2, 0]))[0], f(B, np.array([2, 0])))


def test_two_instances_have_memory_of_their_own():
    def f(x):
        return np.sum(np.exp(x) * x, axis=1) + 1

    program = build(tg.trace(f, A), {})
    first, second = program.instantiate(), program.instantiate()
    a, b = first(A)[0], second(B)[0]
    assert_same(a, f(A))
    assert_same(b, f(B))
