"""FILE.py::NAME: what is found in a file, and what it is called with."""

import sys
import textwrap

import numpy as np
import pytest

import tinygrad_nn as tg
from tinygrad_nn.check.audit.marking.homework import HomeworkError, prepare
from tinygrad_nn.check.audit.marking.worker import reason
from tinygrad_nn.datasets import toy, toy_parameters

NET = """
import numpy as np

class Net:
    def __init__(self, {sizes}, std=1e-4):
        self.params = {{"W1": std * np.random.randn({inputs}, {hidden}),
                        "b1": np.zeros((1, {hidden})),
                        "W2": std * np.random.randn({hidden}, {classes}),
                        "b2": np.zeros({classes})}}
        self.reg = locals().get("reg")

    def loss(self, X, y=None, reg=0.0):
        pass

    @staticmethod
    def plain(params, X, y):
        pass

    @property
    def broken(self):
        pass
"""
WALK_THROUGH = NET.format(
    sizes="input_size, hidden_size, num_classes",
    inputs="input_size",
    hidden="hidden_size",
    classes="num_classes",
)


@pytest.fixture(autouse=True)
def _nothing_stays():
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def write(tmp_path):
    def write(text, name="homework.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write


# --- the file and the name ------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["homework.py", "::loss", "homework.py::", "homework.py::a-b"])
def test_what_names_no_function_is_refused_with_the_form(target):
    with pytest.raises(HomeworkError, match=r"write FILE\.py::FUNCTION or FILE\.py::Class\.method"):
        prepare(target)


def test_files_that_are_none_and_files_that_are_not_python(tmp_path, write):
    (tmp_path / "notes.txt").touch()
    (tmp_path / "binary.py").write_bytes(b"\x00\xff")
    broken = write("x = 1\ndef loss(params:\n    pass\n")
    for name, message in {
        "none.py": "there is no file .*none.py",
        "notes.txt": r"notes.txt is no Python file \(\.py\)",
        "": "is no Python file",
        "binary.py": "binary.py is not Python",
    }.items():
        with pytest.raises(HomeworkError, match=message):
            prepare(f"{tmp_path / name}::loss")
    with pytest.raises(HomeworkError, match="is not Python") as caught:
        prepare(f"{broken}::loss")
    assert "line 2" in str(caught.value)
    assert "def loss(params:\n            ^" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("los", "homework.py has no los; did you mean loss?"),
        ("train", "homework.py has no train; it has Net, loss"),
        ("Net.los", "Net has no los; did you mean loss?"),
        ("Net", "Net is a class: name its method, .*::Net.loss"),
        ("REG", "REG in .* is no function but a float"),
        ("sqrt.x", "sqrt has no x"),
    ],
)
def test_a_name_that_is_not_there_is_told_with_those_that_are(write, name, message):
    path = write(
        "from math import sqrt\nREG = 0.5\ndef loss(params, X, y): pass\nclass Net:\n"
        "    def loss(self, X): pass\n"
    )
    with pytest.raises(HomeworkError, match=message):
        prepare(f"{path}::{name}")


def test_a_file_imports_what_stands_beside_it_and_its_own_package(write):
    write("def scale(): return 3.0\n", "layers_beside.py")
    path = write("from layers_beside import scale\ndef loss(params, X, y, reg): return scale()\n")
    homework = prepare(f"{path}::loss")
    assert homework.function(*homework.args, **homework.kwargs) == 3.0
    write("", "package_of_homework/__init__.py")
    write("def scale(): return 4.0\n", "package_of_homework/layers.py")
    inner = write(
        "from .layers import scale\ndef loss(params, X, y, reg): return scale()\n",
        "package_of_homework/net.py",
    )
    homework = prepare(f"{inner}::loss")
    assert homework.function(*homework.args, **homework.kwargs) == 4.0


@pytest.mark.parametrize("name", ["random.py", "numpy.py", "two words.py"])
def test_a_file_may_be_called_like_a_module(write, name):
    path = write("import random\ndef loss(params, X, y): return random.random()\n", name)
    before = sys.modules["numpy"], sys.modules.get("random")
    homework = prepare(f"{path}::loss")
    assert homework.function.__module__.startswith("homework_")
    assert (sys.modules["numpy"], sys.modules.get("random")) == before


def test_a_program_in_the_file_is_not_started(write):
    path = write(
        "def loss(params, X, y): pass\nif __name__ == '__main__':\n    raise RuntimeError\n"
    )
    assert prepare(f"{path}::loss").name == "loss"


# --- the toy data ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signature", "args", "kwargs"),
    [
        ("params, X, y, reg", 4, []),
        ("params, X, y, reg=0.0, verbose=False", 4, []),
        ("params, X, y", 3, []),
        ("weights, data, labels, *, lam", 3, ["lam"]),
        ("params, X, y, eps=1e-8, reg=0.0", 3, ["reg"]),
        ("params, y, X", 3, []),
    ],
)
def test_a_function_gets_the_toy_data_by_its_arguments_names(write, signature, args, kwargs):
    homework = prepare(f"{write(f'def loss({signature}): pass')}::loss")
    assert len(homework.args) == args
    X, y = (homework.args[i] for i in ((2, 1) if "y, X" in signature else (1, 2)))
    np.testing.assert_array_equal(X, toy()[0])
    np.testing.assert_array_equal(y, toy()[1])
    assert {k: v.shape for k, v in homework.args[0].items()} == {
        k: v.shape for k, v in toy_parameters().items()
    }
    np.testing.assert_array_equal(homework.args[0]["W1"], toy_parameters()["W1"])
    # With biases of zero a gradient that counts them in the regularisation would look right.
    assert np.all(homework.args[0]["b1"] != 0)
    assert list(homework.kwargs) == kwargs
    assert homework.is_toy
    assert [*homework.args[3:], *homework.kwargs.values()] in ([], [0.1])


@pytest.mark.parametrize(
    "signature", ["", "X, y, reg", "params", "params, X, y, depth", "X, params"]
)
def test_a_function_that_the_toy_data_does_not_fit_needs_inputs(write, signature):
    with pytest.raises(HomeworkError, match="--inputs NAME"):
        prepare(f"{write(f'def loss({signature}): pass')}::loss")


@pytest.mark.parametrize(
    "sizes", ["input_size, hidden_size, num_classes", "input_dim, hidden_dim, num_classes"]
)
def test_a_class_is_made_with_the_walk_throughs_constructor(write, sizes):
    inputs, hidden, classes = sizes.split(", ")
    text = NET.format(sizes=sizes, inputs=inputs, hidden=hidden, classes=classes)
    homework = prepare(f"{write(text)}::Net.loss")
    params = homework.function.__self__.params
    for name, value in toy_parameters().items():
        assert params[name].size == value.size
        if name.startswith("W"):
            np.testing.assert_array_equal(params[name], value)
    assert params["b1"].shape == (1, 10)
    assert np.all(params["b1"] != 0)
    np.testing.assert_array_equal(homework.args[0], toy()[0])
    assert homework.args[2] == 0.1


def test_a_constructor_that_takes_the_regularisation_gets_it(write):
    text = NET.format(sizes="D, H, C, reg", inputs="D", hidden="H", classes="C")
    assert prepare(f"{write(text)}::Net.loss").function.__self__.reg == 0.1


def test_every_parameter_is_large_enough_for_a_mistake_to_show(write):
    path = write("""
        import numpy as np

        class Deep:
            def __init__(self, input_dim, hidden_dims, num_classes):
                self.params = {"W3": 1e-5 * np.random.randn(5, 3), "b3": np.zeros(3),
                               "gamma": np.ones(3), "mode": "train"}

            def loss(self, X, y):
                pass
    """)
    params = prepare(f"{path}::Deep.loss").function.__self__.params
    assert np.all(np.abs(params["W3"]).max(axis=1) > 0.005)
    assert np.all(params["b3"] != 0)
    assert params["gamma"].tolist() == [1, 1, 1]
    assert params["mode"] == "train"


@pytest.mark.parametrize("sizes", ["layers", "input_size, hidden_size, num_classes, activation"])
def test_another_constructor_needs_inputs(write, sizes):
    path = write(f"""
        class Net:
            def __init__(self, {sizes}):
                self.params = {{}}

            def loss(self, X, y):
                pass
    """)
    with pytest.raises(HomeworkError, match=r"how is Net\(.*\) made\?[\s\S]*--inputs NAME"):
        prepare(f"{path}::Net.loss")


def test_an_object_without_parameters_is_told(write):
    text = "class Net:\n    def __init__(self, D, H, C): pass\n    def loss(self, X, y): pass\n"
    with pytest.raises(HomeworkError, match="Net has no dict of parameters named params"):
        prepare(f"{write(text)}::Net.loss")


def test_a_static_method_is_a_function(write):
    assert len(prepare(f"{write(WALK_THROUGH)}::Net.plain").args) == 3


# --- inputs of the user's own ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "returned", ["({'w': w}, x)", "[{'w': w}, x]", "{'x': x, 'params': {'w': w}}"]
)
def test_inputs_are_a_tuple_or_a_dict_by_name(write, returned):
    path = write(f"""
        import numpy as np

        def loss(params, x, scale=1.0):
            return np.sum(params["w"] * x), {{"w": x * 1.0}}

        def inputs():
            w, x = np.ones(3), np.arange(3.0)
            return {returned}
    """)
    homework = prepare(f"{path}::loss", "inputs")
    assert homework.args[0]["w"].tolist() == [1, 1, 1]
    assert homework.args[1].tolist() == [0, 1, 2]
    assert not homework.is_toy
    assert tg.audit(homework.function, *homework.args, **homework.kwargs).ok


def test_inputs_may_come_from_another_file(write):
    path = write("def loss(params, x): pass\n")
    other = write("def data(): return {'w': 1.0}, 2.0\n", "data_of_the_course.py")
    assert prepare(f"{path}::loss", f"{other}::data").args == ({"w": 1.0}, 2.0)


def test_inputs_of_the_same_file_see_the_same_module(write):
    path = write("made = []\ndef loss(params): pass\ndef inputs(): return ({'w': 1.0},)\n")
    homework = prepare(f"{path}::loss", f"{path}::inputs")
    assert homework.function.__globals__ is sys.modules["homework"].__dict__


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("3", r"inputs\(\) has to return the arguments, .* it returned an object of type int"),
        ("None", "an object of type NoneType"),
        ("{1: 2}", "an object of type dict"),
        ("(1,)", r"the inputs do not fit loss\(params, X\): missing a required argument: 'X'"),
        ("{'params': 1, 'Z': 2}", "the inputs do not fit"),
        ("(1, 2, 3)", "too many positional arguments"),
    ],
)
def test_inputs_that_cannot_be_arguments(write, returned, message):
    path = write(f"def loss(params, X): pass\ndef inputs(): return {returned}\n")
    with pytest.raises(HomeworkError, match=message):
        prepare(f"{path}::loss", "inputs")


def test_inputs_that_need_inputs(write):
    path = write("def loss(params, X): pass\ndef inputs(n): return n\n")
    with pytest.raises(HomeworkError, match=r"do not fit inputs\(n\): missing"):
        prepare(f"{path}::loss", "inputs")


METHOD = (
    WALK_THROUGH
    + """
def own():
    net = Net(6, 5, 2)
    return net, np.ones((3, 6)), np.array([0, 1, 1])

def by_name():
    net, X, y = own()
    return {"self": net, "reg": 0.5, "X": X, "y": y}

def data_only():
    return np.ones((3, 6)), np.array([0, 1, 1]), 0.25

def no_labels():
    return (np.ones((3, 6)),)
"""
)


def test_inputs_of_a_method_may_begin_with_its_object(write):
    path = write(METHOD)
    for inputs, rest in {"own": {}, "by_name": {"reg": 0.5}}.items():
        homework = prepare(f"{path}::Net.loss", inputs)
        assert homework.function.__self__.params["W1"].shape == (6, 5)
        assert homework.args[0].shape == (3, 6)
        assert homework.args[2:] == tuple(rest.values())


def test_inputs_of_a_method_without_an_object_are_what_it_is_made_for(write):
    homework = prepare(f"{write(METHOD)}::Net.loss", "data_only")
    assert homework.function.__self__.params["W1"].shape == (6, 10)
    assert homework.function.__self__.params["W2"].shape == (10, 2)
    assert homework.args[2] == 0.25
    with pytest.raises(HomeworkError, match=r"which Net\? Let the inputs begin with one"):
        prepare(f"{write(METHOD, 'again.py')}::Net.loss", "no_labels")


# --- the user's own exceptions --------------------------------------------------------------------


def raised(path, name="loss"):
    try:
        homework = prepare(f"{path}::{name}")
        tg.audit(homework.function, *homework.args, **homework.kwargs)
    except BaseException as error:
        return reason(error)
    pytest.fail("nothing was raised")


def test_a_traceback_has_the_users_frames_only(write):
    path = write("""
        import numpy as np

        def helper(params):
            return params["W9"]

        def loss(params, X, y, reg):
            try:
                return helper(params)
            except KeyError as error:
                raise ValueError("no such layer") from error
    """)
    text = raised(path)
    assert text.count("/homework.py") == 3
    assert "tinygrad_nn" not in text
    assert "KeyError: 'W9'" in text
    assert text.endswith("ValueError: no such layer")


def test_an_import_that_fails_shows_its_line(write):
    text = raised(write("import no_such_package_anywhere\n"))
    assert "line 1, in <module>\n    import no_such_package_anywhere\n" in text
    assert "importlib" not in text


def test_sys_exit_is_named_with_its_line(write):
    text = raised(write("import sys\n\ndef loss(params, X, y, reg):\n    sys.exit('bye')\n"))
    assert text == "it called sys.exit('bye') (homework.py, line 4, in loss)"


def test_what_is_returned_is_judged_by_the_audit(write):
    text = raised(write("def loss(params, X, y, reg):\n    return 1.0\n"))
    assert text.startswith("DataError: audit needs (loss, grads)")


def test_a_fault_of_ours_is_not_blamed_on_the_user():
    error = RuntimeError("none of the user's code has run")
    assert reason(error).startswith("this is a fault of tinygrad_nn, please report it\nRuntimeE")
