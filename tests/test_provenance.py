"""Places: what a code object and an instruction offset tell of the user's program.

The programs under test run on `Probe`s, which note the frame of whoever uses an operator on them,
as a tensor does, and carry their own formula as an oracle that knows nothing of source text.
"""

from __future__ import annotations

import ast
import itertools
import linecache
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_nn.provenance import Place, place, underline

MADE: list[tuple[str, Any, int]] = []


def operation(template: str) -> Callable[..., Probe]:
    """A method that notes who asked for it, and writes the formula of its result."""

    def method(*operands: object, **options: object) -> Probe:
        frame = sys._getframe(1)
        formula = template.format(*map(text, operands))
        MADE.append((formula, frame.f_code, frame.f_lasti))
        return Probe(formula)

    return method


class Probe:
    """A value that notes where each operation on it was asked for."""

    def __init__(self, formula: str = "x") -> None:
        self.formula = formula

    __matmul__ = operation("({} @ {})")
    __add__ = operation("({} + {})")
    __sub__ = operation("({} - {})")
    __rmul__ = operation("({1} * {0})")
    __lt__ = operation("({} < {})")
    __neg__ = operation("(-{})")
    __getitem__ = operation("{}[{}]")
    __setitem__ = operation("{}[{}] = {}")
    dot = operation("{}.dot({})")
    max = operation("{}.max()")
    T = property(operation("{}.T"))

    def __iter__(self) -> Any:
        frame = sys._getframe(1)
        MADE.append((f"a row of {self.formula}", frame.f_code, frame.f_lasti))
        return iter([Probe()])


class Lib:
    """Stands for a module of functions, such as NumPy."""

    mean = staticmethod(operation("mean"))


def text(value: object) -> str:
    return value.formula if isinstance(value, Probe) else repr(value)


def world() -> dict[str, Any]:
    names = ["a", "b", "c", "d", "x", "y", "X", "W", "W1", "W2", "b1", "dW", "dscores", "größe"]
    return {
        **{name: Probe(name) for name in names},
        "self": SimpleNamespace(W=Probe("self.W"), net=SimpleNamespace()),
        "cache": {"h1": Probe("h1")},
        "lib": Lib,
        "mean": Lib.mean,
        "f": lambda *args, **kwargs: args,
        "N": 3,
        "reg": 0.5,
    }


def executed(program: str, file: Path | str = "<nowhere>") -> list[tuple[str, Any, int]]:
    """Run a program; give formula, code object and offset of each of its operations in order."""
    if isinstance(file, Path):
        file.write_text(program, encoding="utf-8")
    MADE.clear()
    exec(compile(program, str(file), "exec"), world())
    return list(MADE)


def placed(made: list[tuple[str, Any, int]]) -> list[Place]:
    return [place(code, lasti) for _, code, lasti in made]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., list[Place]]:
    """Run a program from a file; give the place of each of its operations in order."""
    numbers = itertools.count()
    return lambda program: placed(executed(program, tmp_path / f"net{next(numbers)}.py"))


def names(places: list[Place]) -> list[tuple[str, str | None]]:
    return [(each.expression, each.name) for each in places]


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("h1 = X @ W1", "h1"),
        ("h1 = (X @ W1)", "h1"),
        ("h1 = ((\n  X\n  @\n  W1\n))", "h1"),
        ("self.h1 = X @ W1", "h1"),
        ("self.net.h1 = X @ W1", "h1"),
        ("cache['h1'] = X @ W1", "h1"),
        ("h1: object = X @ W1", "h1"),
        ("print(end='') if (h1 := X @ W1) else None", "h1"),
        ("a = b = X @ W1", "a"),
        ("a, h = 1, X @ W1", "h"),
        ("(a, [b, h]), c = (1, (2, X @ W1)), 3", "h"),
        ("a, *rest = X @ W1, 2, 3", "a"),
        ("*rest, a = 1, X @ W1, 3", None),
        ("t = a, h = 1, X @ W1", "h"),
        ("h1 = X @ W1 if N else None", "h1"),
        ("h1 = X < W", "h1"),
        ("h1 = X[1:2]", "h1"),
        ("loss = lib.mean(X)", "loss"),
        ("loss = mean(\n  X,\n)", "loss"),
        ("X @ W1", None),
        ("f(X @ W1)", None),
        ("f(h1=X @ W1)", None),
        ("h1 = [X @ W1]", None),
        ("f = lambda: X @ W1\nf()", None),
        ("hs = [X @ W1 for _ in range(1)]", None),
        ("def f():\n  return X @ W1\nh = f()", None),
        ("def f(x=X @ W1): pass", None),
        ("for h in [X @ W1]: pass", None),
        ("h = f'{X @ W1}'", None),
        ("cache[N] = X @ W1", None),
    ],
)
def test_a_value_has_the_name_that_its_statement_assigns_it_to(run, statement, name):
    assert [each.name for each in run(statement)] == [name]


def test_only_the_outermost_operation_of_the_value_is_named(run):
    assert names(run("h1 = X @ W1 + b1")) == [("X @ W1", None), ("X @ W1 + b1", "h1")]
    assert [each.name for each in run("h = x.dot(W).max(axis=1)")] == [None, "h"]
    assert [each.name for each in run("a, b = X @ W1, -(X @ W2)")] == ["a", None, "b"]


def test_an_augmented_assignment_names_its_target(run):
    assert names(run("dW += reg * W")) == [("reg * W", None), ("dW += reg * W", "dW")]
    assert names(run("self.W += b")) == [("self.W += b", "W")]
    assert names(run("cache['h1'] += b")) == [("cache['h1'] += b", "h1")]


def test_a_change_of_part_of_an_array_names_the_array_and_not_what_is_read_on_the_way(run):
    target, statement = "dscores[range(N), y]", "dscores[range(N), y] -= 1"
    assert names(run(statement)) == [(target, None), (statement, None), (target, "dscores")]
    assert [each.name for each in run("x[1:2] -= 1")] == [None, None, "x"]


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("x[N] = 1", "x"),
        ("x[1:] = 1", "x"),
        ("self.W[N] = 1", "W"),
        ("cache['h1'][N] = 1", "h1"),
        ("f(x)[0][N] = 1", None),
        ("for x[N] in [1]: pass", "x"),
    ],
)
def test_a_slice_assignment_names_the_array_that_changes(run, statement, name):
    assert [each.name for each in run(statement)] == [name]


def test_rows_of_a_loop_have_the_iterable_for_expression_and_no_name(run):
    assert names(run("for row in X @ W:\n  pass")) == [("X @ W", None), ("X @ W", None)]
    [rows] = run("rows = [row for row in X]")
    assert (rows.expression, rows.name) == ("X", None)


def test_a_chain_of_methods_over_several_lines_points_at_each_methods_own_line(run):
    program = "h = (x\n  .dot(W)\n  .max(axis=1,\n    keepdims=True)\n  .T)"
    dot, largest, turned = run(program)
    assert (dot.line, dot.column, dot.name, dot.expression) == (2, 3, None, "x\n  .dot(W)")
    assert (largest.line, largest.end_line, largest.name) == (3, 4, None)
    assert (turned.line, turned.column, turned.name) == (5, 3, "h")
    assert underline(largest).splitlines()[1].count("^") == len("max(axis=1,")


def test_a_method_called_on_a_line_after_its_name_is_the_whole_expression(run):
    [first, second] = run("h = x.dot(\n    W).max(\n    axis=1)")
    assert (first.expression, first.name) == ("x.dot(\n    W)", None)
    assert (second.line, second.name) == (2, "h")


@pytest.mark.parametrize(
    ("statement", "operands"),
    [
        ("(X + b) @ W1", ("X + b", "W1")),
        ("-X", ("X",)),
        ("X.T", ("X",)),
        ("X < W", ("X", "W")),
        ("X[N, 1:]", ("X", "N, 1:")),
        ("x[N] = 2", ("x", "N")),
        ("dW += reg", ("dW", "reg")),
        ("x.dot(W)", ("x", "W")),
        ("f(x)[0].dot(W)", ("f(x)[0]", "W")),
        ("mean(X, *[b], axis=c, **{})", ("X", "*[b]", "c", "**{}")),
        ("'é', X @ größe", ("X", "größe")),
    ],
)
def test_operands_are_what_the_operation_was_given(run, statement, operands):
    assert run(statement)[-1].operands == operands


@pytest.mark.parametrize(
    ("imports", "call"),
    [
        ("import fakelib as np", "np.mean(a, b)"),
        ("import fakelib.deep as np", "np.mean(a, b)"),
        ("import fakelib.deep", "fakelib.deep.mean(a, b)"),
        ("from fakelib import deep", "deep.mean(a, b)"),
        ("from fakelib import Class", "Class.mean(a, b)"),
        ("import fakelib", "fakelib.Class.mean(a, b)"),
        ("def f():\n    import fakelib as np\n    np.mean(a, b)", "f()"),
    ],
)
def test_a_module_or_class_is_no_operand_of_its_functions(run, monkeypatch, imports, call):
    library, deep = ModuleType("fakelib"), ModuleType("fakelib.deep")
    library.deep, library.Class, library.mean, deep.mean = deep, Lib, Lib.mean, Lib.mean
    monkeypatch.setitem(sys.modules, "fakelib", library)
    monkeypatch.setitem(sys.modules, "fakelib.deep", deep)
    assert run(f"{imports}\n{call}")[0].operands == ("a", "b")


def test_a_value_found_in_a_module_is_the_operand_of_its_method(run, monkeypatch):
    settings = ModuleType("settings")
    settings.W0 = Probe()
    monkeypatch.setitem(sys.modules, "settings", settings)
    assert run("import settings\nsettings.W0.dot(b)")[0].operands == ("settings.W0", "b")
    assert run("from settings import W0\nW0.dot(b)")[0].operands == ("W0", "b")


def test_a_module_imported_by_another_cell_of_the_notebook_is_no_operand(run, monkeypatch):
    module = ModuleType("np")
    module.mean = Lib.mean
    monkeypatch.setattr(sys.modules["__main__"], "lib", module, raising=False)
    assert run("lib.mean(a)")[0].operands == ("a",)


def test_a_place_knows_file_function_line_and_span(tmp_path):
    program = "class Net:\n  def loss(self):\n    if N: h1 = X @ W1\nNet().loss()"
    [made] = placed(executed(program, tmp_path / "net.py"))
    assert made == Place(
        file=str(tmp_path / "net.py"),
        line=3,
        end_line=3,
        column=15,
        end_column=21,
        function="Net.loss",
        expression="X @ W1",
        name="h1",
        source_line="    if N: h1 = X @ W1",
        operands=("X", "W1"),
    )


def test_columns_count_characters_where_the_line_is_not_ascii(run):
    made = run("s = 'é漢😀'; h = X @ größe")[0]
    assert (made.column, made.end_column) == (15, 24)
    assert made.source_line[made.column : made.end_column] == made.expression == "X @ größe"


def test_decorated_functions_and_nested_ones_keep_their_source(run):
    body = "  a = X.T\n  def inner():\n    h = X @ W\n  inner()\n"
    places = run(f"def keep(f): return f\n@keep\n@keep\ndef loss():\n{body}loss()")
    assert [each.name for each in places] == ["a", "h"]
    assert [each.function for each in places] == ["loss", "loss.<locals>.inner"]


OPERATIONS = st.recursive(
    st.sampled_from(["a", "b", "c", "X", "größe"]),
    lambda part: st.one_of(
        st.tuples(part, st.sampled_from("@+-"), part).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        st.tuples(part, part).map(lambda p: f"{p[0]}.dot({p[1]})"),
        part.map(lambda p: f"(-{p})"),
        part.map(lambda p: f"{p}[1]"),
        part.map(lambda p: f"{p}.T"),
    ),
    max_leaves=8,
)


@given(expression=OPERATIONS, breaks=st.lists(st.booleans(), min_size=40, max_size=40))
def test_every_operation_finds_its_own_expression(tmp_path_factory, expression, breaks):
    """However the lines are broken, and only the whole is named."""
    pieces = expression.split(" ")
    spaces = ["\n  " if each else " " for each in breaks] + [" "] * len(pieces)
    broken = "".join(piece + space for piece, space in zip(pieces, spaces)).replace(".", " \n .", 1)
    made = executed(f"h = ({broken})\n", tmp_path_factory.mktemp("any") / "net.py")
    places = placed(made)
    for (formula, _, _), found in zip(made, places):
        assert tree(found.expression) == tree(formula)
    assert [each.name for each in places] == [None] * (len(places) - 1) + ["h"] * bool(places)


def tree(expression: str) -> str:
    return ast.dump(ast.parse(f"({expression})"))


def test_without_source_a_place_still_knows_line_and_function():
    [found] = placed(executed("def loss():\n  h = X @ W\nloss()"))
    assert found == Place("<nowhere>", 2, 2, 0, 0, "loss", "", None, "", ())
    assert underline(found) == "  <nowhere>, line 2, in loss"


def test_source_registered_with_linecache_serves_as_a_file_does(monkeypatch):
    cell, name = "h = X @ W\n", "<ipython-input-1-abc>"
    monkeypatch.setitem(linecache.cache, name, (len(cell), None, [cell], name))
    [found] = placed(executed(cell, name))
    assert found.name == "h"
    assert underline(found).startswith(f"  {name}, line 1:  h = X @ W\n")


@pytest.mark.parametrize(
    "contents",
    [
        "",
        "def loss():\n",
        "def loss():\n  h = X @\n",
        "def loss():\n  hidden = X @ W\nloss()\n",
        "\ndef loss():\n  a = 1; b = (\n h)\n",
        "def other():\n  k = X @ W\n",
        "def loss():\n  h = '\udcff' @ W\n",
        "\0",
        "(" * 5000,
        None,
    ],
)
def test_a_file_that_is_not_what_was_run_shows_nothing_wrong(tmp_path, contents):
    """Changed, shortened, half written, not UTF-8, not Python, deleted (None)."""
    file = tmp_path / "net.py"
    made = executed("def loss():\n  h = X @ W\nloss()\n", file)
    if contents is None:
        file.unlink()
    else:
        file.write_text(contents, encoding="utf-8", errors="surrogateescape")
        os.utime(file, (1, 1))
    [found] = placed(made)
    assert (found.line, found.function) == (2, "loss")
    assert (found.expression, found.name, found.source_line, found.operands) == ("", None, "", ())
    assert underline(found) == "  net.py, line 2, in loss"


def test_a_file_run_again_after_a_change_is_read_again(tmp_path):
    file = tmp_path / "net.py"
    for seconds, name in enumerate(["first", "second"], start=1):
        made = executed(f"{name} = X @ W\n", file)
        os.utime(file, (seconds, seconds))
        assert [each.name for each in placed(made)] == [name]


def test_a_place_is_the_same_however_often_its_line_has_run(run):
    """The interpreter specialises what runs often, and may note another offset for it."""
    program = "def f():\n  for _ in range(99):\n    h = x[1].dot(W)\n    x[1] -= 1\nf()"
    once = [("x[1]", None), ("x[1].dot(W)", "h")]
    once += [("x[1]", None), ("x[1] -= 1", None), ("x[1]", "x")]
    assert names(run(program)) == once * 99


def test_equal_code_of_two_files_keeps_its_own_file(run):
    [one], [two] = run("h = X @ W"), run("h = X @ W")
    assert (Path(one.file).name, Path(two.file).name) == ("net0.py", "net1.py")


def test_any_offset_gives_a_place():
    code = compile("h = X @ W", "<nowhere>", "exec")
    for lasti in [-2, -1, 0, 10_000]:
        assert place(code, lasti).function == "<module>"
    assert place(code, -1).line == 0
    assert underline(place(code, -1)) == "  <nowhere>, in <module>"


def test_looking_never_warns_of_what_the_source_holds(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = executed("s = '\\d'; h = X @ W\n", tmp_path / "net.py")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert [each.name for each in placed(made)] == ["h"]
    assert caught == []


def test_an_interpreter_without_columns_gives_the_line(tmp_path):
    program = tmp_path / "net.py"
    program.write_text(
        "import sys\n"
        "from tinygrad_nn.provenance import place, underline\n"
        "def here(): return sys._getframe(1).f_code, sys._getframe(1).f_lasti\n"
        "h = here()\n"
        "print(underline(place(*h)), place(*h).name)\n"
    )
    command = [sys.executable, "-X", "no_debug_ranges", str(program)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    shown = subprocess.check_output(command, cwd=tmp_path, env=environment, text=True)
    assert shown == "  net.py, line 4:  h = here() None\n"


def test_many_looks_at_one_big_file_take_linear_time(tmp_path):
    program = "".join(f"h{i} = X @ W\n" for i in range(10_000))
    made = executed(program, tmp_path / "unrolled.py")
    begin = time.perf_counter()
    places = placed(made)
    assert time.perf_counter() - begin < 10  # a walk over the file per look takes minutes
    assert [each.name for each in places] == [f"h{i}" for i in range(10_000)]
    assert all(again is first for again, first in zip(placed(made), places))


def shown(line: str, expression: str, file: str = "net.py", end_line: int = 12) -> list[str]:
    start = line.index(expression)
    end = start + len(expression)
    found = Place(file, 12, end_line, start, end, "loss", expression, None, line, ())
    return underline(found).splitlines()


def test_the_expression_is_underlined_as_in_the_errors():
    assert shown("h1 = X @ W1 + b1", "X @ W1") == [
        "  net.py, line 12:  h1 = X @ W1 + b1",
        "                         ^^^^^^",
    ]


def test_the_indent_of_the_source_is_left_out_and_that_of_the_message_is_asked_for():
    place_ = Place("net.py", 3, 3, 9, 14, "loss", "X @ W", None, "\t    h = X @ W  ", ())
    assert underline(place_, indent="") == "net.py, line 3:  h = X @ W\n" + " " * 21 + "^^^^^"


def test_tabs_and_wide_characters_stand_above_their_underline():
    assert shown("s =\t'漢'; h = X @ W", "X @ W") == [
        "  net.py, line 12:  s =    '漢'; h = X @ W",
        " " * 20 + " " * 17 + "^^^^^",
    ]
    assert shown("h = f('漢字')", "f('漢字')")[1].strip() == "^" * 9
    accented = "'e\N{COMBINING ACUTE ACCENT}'"
    assert shown(f"h = {accented}", accented)[1].strip() == "^" * 3


def test_a_span_over_several_lines_is_underlined_to_the_end_of_the_first():
    assert shown("h = f(a,  ", "f(", end_line=14) == [
        "  net.py, line 12:  h = f(a,",
        "                        ^^^^",
    ]


@pytest.mark.parametrize("before", [0, 10, 60, 200])
@pytest.mark.parametrize("after", [0, 10, 60, 200])
@pytest.mark.parametrize("length", [5, 70, 150])
def test_a_long_line_is_cut_around_the_span(before, after, length):
    span = "(" + "@" * (length - 2) + ")"
    first, second = shown("b" * before + span + "a" * after, span)
    code = first.removeprefix("  net.py, line 12:  ")
    underlined = first[second.index("^") : len(second)]
    assert len(code) <= 100
    assert span.startswith(underlined)
    assert underlined == span if length < 95 else len(underlined) == 94
    assert ("..." in code) == (before + length + after > 100)
    if length < 95:
        assert len(code) >= min(97, before + length + after)


def test_a_file_below_the_working_directory_is_named_from_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inside = shown("h = x", "x", file=str(tmp_path / "models" / "net.py"))
    outside = shown("h = x", "x", file=str(tmp_path.parent / "other" / "net.py"))
    assert inside[0].startswith(f"  {Path('models', 'net.py')}, line 12:")
    assert outside[0].startswith("  net.py, line 12:")


def test_a_working_directory_that_is_gone_does_no_harm(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    assert shown("h = x", "x", file="models/net.py")[0].startswith("  net.py, line 12:")
