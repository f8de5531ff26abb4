"""The Numba backend gives what the graph's own interpreter gives.

To compile takes a second or two for each program, so most programs here run their generated source
as plain Python, which is what it is. What depends on Numba (dtypes, NaN, its cache) is compiled.
"""

from __future__ import annotations

import importlib.util
import os
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_nn as tg
from models import softmax_classifier, svm_classifier, two_layer_net
from tests.emit import running
from tests.emit.running import A, B, assert_agrees, assert_same, copies, forms, parameters, train
from tests.emit.running import check as check_as_it_is
from tests.emit.test_buffers import NUMERIC, computed, donated, laid_out, runnable
from tests.programs import PROGRAMS, starting_arrays
from tests.rules import elementwise_cases, linalg_cases, reduction_cases, shape_cases  # noqa: F401
from tests.rules.cases import CASES
from tinygrad_nn.emit.numba import cache as numba_cache
from tinygrad_nn.emit.numba import source as numba_source
from tinygrad_nn.errors import DependencyError

if importlib.util.find_spec("numba") is None or importlib.util.find_spec("scipy") is None:
    pytest.skip(
        "the Numba backend needs the extra: pip install 'tinygrad_nn[jit]'",
        allow_module_level=True,
    )

LABELS = np.array([0, 2, 1, 1, 0])


def as_python(source, name):
    """The generated module without Numba."""
    from tinygrad_nn.emit.numba.parts import converted, result

    kept = [line for line in source.splitlines() if "import njit" not in line]
    text = "\n".join(line for line in kept if "parts import" not in line)
    module = types.ModuleType(name)
    same = {"njit": lambda *args, **kwargs: lambda f: f, "plus": lambda a, b: a + b}
    marks = dict.fromkeys(("void", "array", "given", "number"), lambda *args: None)
    module.__dict__.update(same, **marks, result=result, converted=converted, CACHE=False)
    exec(text, module.__dict__)
    return module


@pytest.fixture
def interpreted(monkeypatch):
    """Generated source runs as Python."""
    monkeypatch.setattr(numba_source, "load", as_python)
    monkeypatch.setattr(running, "build", numba_source.build)
    with np.errstate(all="ignore"):
        yield


@pytest.fixture
def compiled(monkeypatch, tmp_path):
    """Generated source runs in Numba, and its cache is empty."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(running, "build", numba_source.build)
    with np.errstate(all="ignore"):
        yield tmp_path / "tinygrad_nn" / "numba"


def check(f, *args):
    return check_as_it_is(f, *args, runs=2)


# --- as Python -----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_rule_s_case_and_its_gradient(case, interpreted):
    def loss(*args):
        y = case(*args)
        return sum(np.sum(part * part) for part in (y if isinstance(y, (tuple, list)) else (y,)))

    check(case, *case.args)
    check(lambda *args: tg.grad(loss, argnums=tuple(range(len(args))))(*args), *case.args)


@settings(max_examples=150, deadline=None)
@given(starting_arrays(3), PROGRAMS, st.data())
def test_random_programs_of_in_place_code(arrays, program, data):
    graph = tg.trace(runnable(arrays, program), *arrays)
    for form in forms(graph):
        in_place = donated(form, lambda n: data.draw(st.integers(0, n - 1)))
        as_interpreted(form, in_place, arrays)


@settings(max_examples=150, deadline=None)
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
    arrays = [rng.uniform(-1, 1, shape) for shape in [(7, 4), (4, 4), (4,), (7, 1), (4, 4)]]

    def f(*arrays):
        values = computed(arrays, program)
        return [values[-1 - i % len(values)] for i in wanted]

    graph = tg.trace(f, *arrays)
    for form in forms(graph):
        in_place = donated(form, lambda n: data.draw(st.integers(0, n - 1)))
        as_interpreted(form, in_place, arrays)


def as_interpreted(form, in_place, arrays):
    """For hypothesis, which wants no fixtures that last over several examples."""
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(numba_source, "load", as_python)
        patch.setattr(running, "build", numba_source.build)
        assert_agrees(form, in_place, running.varied(arrays, 2))


def assert_donated(f, *args):
    """Every argument takes the output at its own place."""
    graph = tg.trace(f, *args)
    for form in forms(graph):
        in_place = dict(zip(form.inputs, form.outputs, strict=False))
        assert_agrees(form, in_place, running.varied(args))
        given = copies(args)
        outputs = numba_source.build(form, in_place).instantiate()(*given)
        for array, out in zip(given, outputs, strict=False):
            assert out is array


@pytest.mark.parametrize(
    "f",
    [
        lambda a, b: (b, a),
        lambda a, b: (a + b, a - b),
        lambda a, b: (np.exp(b) + a, np.sum(a, axis=0) + b),
        lambda a, b: (a[::-1] * 1.0, a * b),
        lambda a, b: (a - np.sum(a, axis=1, keepdims=True), b + np.max(a)),
        lambda a, b: (np.sort(b), a),
        lambda a, b: (np.exp(a) @ (b.T @ b), np.exp(a) * b),
    ],
)
def test_arguments_take_results_that_need_their_old_values(f, interpreted):
    assert_donated(f, A, B)


def test_an_argument_s_old_value_is_returned_and_its_views_are_copies(interpreted):
    def f(a):
        b = a * 2
        return a + 1, a[...], a.T, b, b.T, np.sum(a) + b, b, a

    assert_donated(f, A)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (1, 1), (1, 3)])
def test_arrays_without_entries_and_of_one(shape, interpreted):
    def f(x, w):
        h = np.maximum(0, x @ w)
        parts = np.sum(h, axis=0), np.sum(x, axis=1, keepdims=True), np.concatenate([x, x])
        return h, *parts, np.exp(x).T, np.sum(x * x), x[:0] + 1, x.reshape(-1), x.T @ x

    check(f, np.ones(shape), np.ones((shape[1], 4)))


def test_the_training_step_of_every_model(interpreted):
    X, y = np.random.default_rng(6).normal(size=(5, 6)), LABELS
    for loss, hidden in [(two_layer_net.loss, 5), (softmax_classifier.loss, 0),
                         (svm_classifier.loss, 0)]:  # fmt: skip
        check(train(loss), parameters(hidden), X, y, 0.1, 0.05)


def test_a_step_is_one_function_with_each_matrix_updated_where_it_lies(interpreted):
    X = np.ones((5, 6))
    program = check(train(two_layer_net.loss), parameters(7), X, LABELS, 0.1, 0.05)
    assert program.source.count("@njit") == 1
    assert "W1[i, j] = " in program.source
    assert "W1[...]" not in program.source


def test_names_of_the_user_s_cannot_meet_the_program_s_own(interpreted):
    def f(i, j, np_, range, plus):
        k = i * j
        value = np.sum(k * range, axis=0) + plus
        return value * np_, np.exp(k)

    check(f, A, B, A[0], A * 2, B[1])


# --- compiled ------------------------------------------------------------------------------------


AWKWARD = np.array([[0.0, -0.0, 1.5, -2.5], [np.nan, np.inf, -np.inf, 0.3], [2.0, -1.0, 7.0, 1e-3]])

FUNCTIONS = [
    np.exp, np.expm1, np.log, np.log2, np.log10, np.log1p, np.sqrt, np.floor, np.ceil, np.trunc,
    np.rint, np.sin, np.cos, np.tan, np.sinh, np.cosh, np.tanh, np.arcsin, np.arccos, np.arctan,
    np.arcsinh, np.arccosh, np.arctanh, np.abs, np.fabs, np.negative, np.square, np.reciprocal,
    np.isnan, np.isinf, np.isfinite, np.sign, np.cbrt,
]  # fmt: skip

PAIRS = [
    np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum, np.arctan2, np.hypot,
    np.copysign, np.power, np.equal, np.not_equal, np.less, np.less_equal, np.greater,
    np.greater_equal, np.logical_and, np.logical_or, np.logical_xor, np.floor_divide, np.remainder,
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_function_on_awkward_numbers(dtype, compiled):
    x, y = AWKWARD.astype(dtype), AWKWARD[::-1, ::-1].astype(dtype)

    def f(x, y, s):
        out = [g(x) for g in FUNCTIONS]
        out += [g(x, y) for g in PAIRS]
        out += [np.maximum(0, x), np.minimum(x, 0.3), np.maximum(np.nan, x), x**2, x**3.0, x**-1.5]
        out += [x**0.5, (-2.0) ** np.rint(x)]
        out += [x * s, s - x, x + 1, 2 / y, np.where(x > y, x, 0), x.astype(np.float32)]
        for reduce in (np.sum, np.max, np.min):
            out += [reduce(x), reduce(x, axis=0), reduce(x, axis=1, keepdims=True), reduce(x[2])]
        return *out, (x > 0) * y, x[x.shape[0] - 1], np.logical_not(x > 0), np.any(x > 0)

    graph = tg.trace(f, x, y, 0.5)
    assert_agrees(graph, {}, [[x, y, 0.5], [y, x, -2.0]])


def test_integers_and_truth_values(compiled):
    args = [np.array([[3, -4, 5], [100, 7, 0]], dtype) for dtype in ("int64", "int32", "int8")]
    args += [np.array([[3, 250, 5], [0, 7, 200]], "uint8"), np.array([[True], [False]])]

    def f(*xs):
        out = []
        for x in xs:
            out += [x * x, x + x, x / 2, x * 0.5, np.maximum(x, 1), x != 0, np.exp(x), x + 1.0]
            out += [np.sum(x), np.sum(x, axis=0), np.max(x, axis=1), np.abs(x), x.astype(np.int32)]
            out += [x * xs[0], x > xs[1], np.where(x > 0, x, 1), x == 3, x.astype(np.float32) * 2]
        return *out, xs[3] * xs[2], xs[4] & (xs[0] > 0)

    graph = tg.trace(f, *args)
    assert_agrees(graph, {}, [args])


@pytest.fixture(scope="module")
def step():
    """A training step in float32, compiled: the graph and the program."""
    params = parameters(7, "float32")
    X = np.random.default_rng(6).normal(size=(5, 6)).astype("float32")
    form = forms(tg.trace(train(two_layer_net.loss), params, X, LABELS, 0.1, 0.05))[-1]
    program = numba_source.build(form, dict(form.updates))
    return form, program, [*params.values(), X, LABELS, 0.1, 0.05]


def test_a_compiled_step(step):
    form, program, args = step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "build", lambda graph, in_place: program)
        assert_agrees(form, dict(form.updates), running.varied(args))


@pytest.mark.parametrize("how", ["transposed", "strided", "reversed", "unaligned", "read-only"])
def test_inputs_of_any_layout(how, step):
    _, program, args = step
    run = program.instantiate()
    plain, other = copies(args), [laid_out(a, how) if np.ndim(a) else a for a in args]
    for a in other[4:6]:
        a.flags.writeable = how != "read-only"
    for _ in range(3):
        assert_same(run(*plain)[0], run(*other)[0])
    for a, b in zip(plain, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


@pytest.mark.parametrize("label", [3, -4, 10**12, -(10**12)])
def test_a_label_outside_changes_nothing_and_reads_nothing(label, step):
    _, program, args = step
    given = copies(args)
    given[5][3] = label
    with pytest.raises(IndexError, match="y: an index is out of bounds for an axis of length 3"):
        program.instantiate()(*given)
    for a, b in zip(given[:4], args[:4], strict=True):
        np.testing.assert_array_equal(a, b)


def test_picking_adding_and_what_is_left_to_numpy(compiled):
    table, rows = np.arange(12.0).reshape(4, 3), np.array([0, 2, -1, 2, 0])

    def f(table, rows, M, labels):
        picked = table[rows]
        loss = np.sum(np.tanh(picked) ** 2) + np.linalg.det(M) + np.sum(np.sort(table, axis=0)[0])
        best = table[np.argmax(table, axis=0), np.arange(3)]
        onehot = np.zeros_like(picked)
        onehot[np.arange(5), labels] = 1.0
        return loss + np.einsum("ij,ij->", picked, onehot), best, np.linalg.solve(M, table)

    def with_gradient(table, rows, M, labels):
        loss, best, solved = f(table, rows, M, labels)
        grads = tg.grad(lambda t, M: f(t, rows, M, labels)[0], argnums=(0, 1))(table, M)
        table -= 0.1 * grads[0]
        return loss, best, solved * 2, grads

    M = np.eye(4) * 3 + 0.1
    graph = tg.trace(with_gradient, table, rows, M, LABELS)
    form = forms(graph)[-1]
    args = [table, rows, M, LABELS]
    assert_agrees(form, dict(form.updates), [args, args])
    run = numba_source.build(form, dict(form.updates)).instantiate()
    with pytest.raises(IndexError):
        run(table, np.array([0, 2, 4, 2, 0]), M, LABELS)


def test_two_arguments_change_places(compiled):
    assert_donated(lambda a, b: (b, a), A, B)


# --- kept between runs ---------------------------------------------------------------------------


SOURCE = """
from numba import njit, void
from tinygrad_nn.emit.numba.parts import array, plus

@njit(void(array("float64", 1)), cache=CACHE)
def f_1(x):
    x[0] = plus(x[0], 1.0)
"""


def hits(module):
    x = np.ones(1)
    module.f_1(x)
    assert x[0] == 2
    return sum(module.f_1.stats.cache_hits.values())


def test_machine_code_is_kept_and_what_is_damaged_is_made_anew(compiled):
    assert hits(numba_cache.load(SOURCE, "f")) == 0
    assert hits(numba_cache.load(SOURCE, "f")) == 1
    (file,) = compiled.glob("*.py")
    assert file.read_text() == SOURCE

    file.write_text(SOURCE + "raise SystemExit('not what was generated')\n")
    assert hits(numba_cache.load(SOURCE, "f")) == 0
    assert file.read_text() == SOURCE
    assert hits(numba_cache.load(SOURCE, "f")) == 1

    kept = [path for path in compiled.rglob("*") if path.suffix in (".nbi", ".nbc")]
    assert kept
    for path in kept:
        path.write_bytes(b"damaged")
    assert hits(numba_cache.load(SOURCE, "f")) == 0
    hits(numba_cache.load(SOURCE, "f"))
    assert hits(numba_cache.load(SOURCE, "f")) == 1


def test_without_a_folder_of_one_s_own_nothing_is_kept(compiled, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert hits(numba_cache.load(SOURCE, "f")) == 0

    if os.name == "posix":
        compiled.mkdir(parents=True)
        compiled.chmod(0o777)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert hits(numba_cache.load(SOURCE, "f")) == 0
        assert not list(compiled.iterdir())


def test_where_things_are_kept(monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert numba_cache.folder() == tmp_path / "tinygrad_nn" / "numba"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert numba_cache.folder().parts[-2:] == ("tinygrad_nn", "numba")


def test_a_long_compilation_is_announced(compiled, monkeypatch, capfd):
    monkeypatch.setattr(numba_cache, "PATIENCE", 0.0)
    numba_cache.load(SOURCE, "step")
    assert "tinygrad_nn: compiling step for numba ..." in capfd.readouterr().err


def test_missing_packages_are_named_with_the_command_that_installs_them(monkeypatch):
    monkeypatch.setattr(numba_cache, "find_spec", lambda name: None if name == "scipy" else name)
    with pytest.raises(DependencyError, match=r"needs scipy.*\n.*pip install 'tinygrad_nn\[jit\]'"):
        numba_cache.load(SOURCE, "f")
