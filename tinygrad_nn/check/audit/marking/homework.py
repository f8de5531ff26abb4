"""A function named ``FILE.py::FUNCTION`` or ``FILE.py::Class.method``, and its arguments.

What is named is imported, so the file is executed, with all that it does. Arguments come from a
function of the user's, or are the toy data.
"""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import random
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ....datasets import toy, toy_parameters
from ....errors import TinygradError

#: Regularisation for the toy data: large enough for a mistake in its term to show.
REG = 0.1
_HIDDEN = 10

#: What people call the arguments of a loss, by what they are.
_ARGUMENTS = {
    "params": ("params", "p", "parameters", "weights", "theta", "model_params", "param"),
    "X": ("X", "x", "data", "inputs", "X_batch", "X_train", "features", "samples"),
    "y": ("y", "Y", "labels", "targets", "y_batch", "y_train", "target"),
    "reg": (
        "reg", "lam", "lambda_", "lmbda", "lambd", "lamda", "l2", "l2_reg", "reg_strength",
        "reg_lambda", "regularization", "weight_decay",
    ),
}  # fmt: skip
#: And those of a net's constructor.
_SIZES = {
    "inputs": ("input_size", "input_dim", "n_input", "num_inputs", "n_inputs", "n_in", "D"),
    "hidden": ("hidden_size", "hidden_dim", "n_hidden", "num_hidden", "hidden_units", "H"),
    "layers": ("hidden_dims", "hidden_sizes", "hidden_layers"),
    "classes": ("num_classes", "n_classes", "output_size", "output_dim", "n_output", "n_out", "C"),
    "reg": _ARGUMENTS["reg"],
}


class HomeworkError(TinygradError, RuntimeError):
    """A file, a name in it, or a function's inputs that cannot be audited."""


@dataclass(frozen=True)
class Homework:
    """What is to be audited, and with what.

    Attributes:
        name: as the user named it, without the file.
        function: a function whose first argument is the parameters, or a bound method.
        args, kwargs: its arguments.
        inputs: where they come from, in words.
        is_toy: whether they are the toy data, which nobody asked for.
    """

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: str
    is_toy: bool


def split(target: str) -> tuple[Path, str]:
    """The file and the name of ``FILE.py::NAME``.

    Raises:
        HomeworkError: it is not written like this.
    """
    file, separator, name = target.rpartition("::")
    if not (separator and file and all(part.isidentifier() for part in name.split("."))):
        raise HomeworkError(
            f"{target!r} names no function: write FILE.py::FUNCTION or FILE.py::Class.method"
        )
    return Path(file), name


def prepare(target: str, inputs: str | None = None) -> Homework:
    """Import what ``target`` names, and make its arguments.

    Args:
        target: ``FILE.py::FUNCTION`` or ``FILE.py::Class.method``.
        inputs: the name of a function in the same file, or ``OTHER.py::NAME``, that returns the
            arguments as a tuple or a dict; None for the toy data.

    Raises:
        HomeworkError: there is no such file or name, or the arguments do not fit.
        BaseException: whatever the user's code raises.
    """
    path, name = split(target)
    _seed()
    module = load(path)
    owner, function = find(module, path, name)
    needs_object = isinstance(owner, type) and _is_method(owner, name.rpartition(".")[2])
    if inputs is None:
        if needs_object:
            function = getattr(_construct(owner), name.rpartition(".")[2])
        args, kwargs = _toy_arguments(function, name)
        words = f"the toy data: 5 samples, a net 4-{_HIDDEN}-3, reg {REG}; no bias is zero"
        return _checked(Homework(name, function, args, kwargs, words, is_toy=True))
    given = _given(inputs, path, module)
    if needs_object:
        net, given = _taken_out(owner, given)
        function = getattr(net, name.rpartition(".")[2])
    args, kwargs = _bound(function, name, given)
    return _checked(Homework(name, function, args, kwargs, f"from {inputs}", is_toy=False))


def _seed() -> None:
    """The same draws in every run, for code that draws."""
    np.random.seed(0)  # noqa: NPY002 (what such code uses)
    random.seed(0)


# --- the file -------------------------------------------------------------------------------------


def load(path: Path) -> ModuleType:
    """Import a file, as a module of its package if it is in one; its folder can be imported from.

    Raises:
        HomeworkError: it cannot be read, or is not Python.
        BaseException: whatever executing it raises.
    """
    full = path.resolve()
    for module in list(sys.modules.values()):  # named as the inputs' file as well
        if getattr(getattr(module, "__spec__", None), "origin", None) == str(full):
            return module
    _check_is_python(path, full)
    root, parts = full.parent, [full.stem]
    while (root / "__init__.py").exists() and root.name.isidentifier():
        parts.insert(0, root.name)
        root = root.parent
    sys.path.insert(0, str(root))
    if len(parts) > 1:
        module = importlib.import_module(".".join(parts))
        if Path(module.__file__ or "").resolve() != full:
            raise HomeworkError(f"{path} cannot be imported: there is another module {parts[0]}")
        return module
    # A name of its own where the file is called like a module that others may need.
    taken = full.stem in sys.modules or full.stem in sys.stdlib_module_names
    name = f"homework_{full.stem}" if taken or not full.stem.isidentifier() else full.stem
    spec = importlib.util.spec_from_file_location(name, full)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _check_is_python(path: Path, full: Path) -> None:
    if not full.exists():
        raise HomeworkError(f"there is no file {path}")
    if not full.is_file() or full.suffix != ".py":
        raise HomeworkError(f"{path} is no Python file (.py)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they come again when the file is executed
            compile(full.read_bytes(), str(path), "exec", dont_inherit=True)
    except OSError as error:
        raise HomeworkError(f"{path} cannot be read: {error.strerror}") from None
    except SyntaxError as error:
        lines = "".join(traceback.format_exception_only(error)).rstrip()
        raise HomeworkError(f"{path} is not Python\n{lines}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise HomeworkError(f"{path} is not Python: {error}") from None


def find(module: ModuleType, path: Path, name: str) -> tuple[Any, Any]:
    """What a dotted name means in a module, and what it was found in.

    Raises:
        HomeworkError: there is none, or it cannot be called; the message has the names there are.
    """
    owner: Any = None
    found: Any = module
    for part in name.split("."):
        owner = found
        try:
            found = getattr(owner, part)
        except AttributeError:
            what = f"{path} has" if owner is module else f"{getattr(owner, '__name__', part)} has"
            raise HomeworkError(f"{what} no {part}{_others(owner, part)}") from None
    if isinstance(found, type):
        raise HomeworkError(f"{name} is a class: name its method, {path}::{name}.loss")
    if not callable(found):
        raise HomeworkError(f"{name} in {path} is no function but a {type(found).__name__}")
    return owner, found


def _others(owner: Any, wanted: str) -> str:
    """What may have been meant."""
    names = [
        name
        for name, value in getattr(owner, "__dict__", {}).items()
        if callable(value) and not name.startswith("_") and _is_own(owner, value)
    ]
    close = difflib.get_close_matches(wanted, names, 1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; it has {', '.join(sorted(names)[:8])}" if names else ""


def _is_own(owner: Any, value: Any) -> bool:
    module = owner.__name__ if isinstance(owner, ModuleType) else owner.__module__
    return getattr(value, "__module__", "") == module


def _is_method(owner: type, name: str) -> bool:
    """Whether it needs an object: no static method, no class method."""
    return inspect.isroutine(inspect.getattr_static(owner, name)) and not isinstance(
        inspect.getattr_static(owner, name), (staticmethod, classmethod)
    )


# --- the user's inputs ----------------------------------------------------------------------------


def _given(inputs: str, path: Path, module: ModuleType) -> tuple[Any, ...] | dict[str, Any]:
    """What the user's function of inputs returns."""
    if "::" in inputs:
        path, inputs = split(inputs)
        module = load(path)
    _, function = find(module, path, inputs)
    _check_call(function, inputs, (), {})
    _seed()
    given = function()
    if isinstance(given, (tuple, list)):
        return tuple(given)
    if isinstance(given, Mapping) and all(isinstance(key, str) for key in given):
        return dict(given)
    raise HomeworkError(
        f"{inputs}() has to return the arguments, as a tuple or as a dict by name; it returned an "
        f"object of type {type(given).__name__}"
    )


def _taken_out(owner: type, given: Any) -> tuple[Any, Any]:
    """The object whose method is audited: among the inputs, or a new one that fits the data."""
    if isinstance(given, dict) and "self" in given:
        return given["self"], {key: x for key, x in given.items() if key != "self"}
    if isinstance(given, tuple) and given and isinstance(given[0], owner):
        return given[0], given[1:]
    values = list(given.values()) if isinstance(given, dict) else list(given)
    X, y = [*values, None, None][:2]
    if getattr(X, "ndim", 0) != 2 or getattr(getattr(y, "dtype", None), "kind", None) not in (
        "i",
        "u",
    ):
        raise HomeworkError(
            f"which {owner.__name__}? Let the inputs begin with one: (net, X, y, ...)"
        )
    return _construct(owner, X.shape[1], int(y.max(initial=0)) + 1), given


def _bound(function: Any, name: str, given: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments by name in the function's own order, so that the parameters come first."""
    if isinstance(given, tuple):
        return given, {}
    try:
        bound = inspect.signature(function).bind(**given)
    except TypeError as error:
        raise HomeworkError(f"the inputs do not fit {_call(function, name)}: {error}") from None
    except ValueError:  # a built-in function, which tells nothing
        return (), given
    return bound.args, bound.kwargs


def _call(function: Any, name: str) -> str:
    try:
        return f"{name}{inspect.signature(function)}"
    except (TypeError, ValueError):
        return name


def _checked(homework: Homework) -> Homework:
    _check_call(homework.function, homework.name, homework.args, homework.kwargs)
    return homework


def _check_call(function: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except ValueError:  # a built-in function, which tells nothing
        return
    except TypeError as error:
        raise HomeworkError(f"the inputs do not fit {_call(function, name)}: {error}") from None


# --- the toy data ---------------------------------------------------------------------------------


def _toy_arguments(function: Any, name: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The toy data, as a function's own argument names ask for it."""
    X, y = toy()
    values = {"params": _toy_parameters(), "X": X, "y": y, "reg": REG}
    found, unknown = _by_role(function, _ARGUMENTS, values)
    is_method = inspect.ismethod(function)
    first = next(iter(found.values()), None)
    if unknown or "X" not in found.values() or (not is_method and first != "params"):
        wanted = "(X, y, reg)" if is_method else "(params, X, y, reg)"
        raise HomeworkError(
            f"what should {_call(function, name)} be called with? The toy data fits {wanted};\n"
            "  for anything else name a function that returns the arguments: --inputs NAME"
        )
    return _bound(function, name, {key: values[role] for key, role in found.items()})


def _by_role(
    function: Any, aliases: Mapping[str, tuple[str, ...]], values: Mapping[str, Any]
) -> tuple[dict[str, str], list[str]]:
    """What each of a function's arguments stands for, and those that are needed and not known."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return {}, ["its arguments"]
    found: dict[str, str] = {}
    unknown: list[str] = []
    for p in parameters:
        role = next((r for r in values if p.name in aliases[r]), None)
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            continue
        if role is not None and role not in found.values() and p.kind != p.POSITIONAL_ONLY:
            found[p.name] = role
        elif p.default is p.empty:
            unknown.append(p.name)
    return found, unknown


def _toy_parameters() -> dict[str, Any]:
    """Those of the toy net, but for the biases, where zeros would hide a mistake."""
    params = toy_parameters()
    draw = np.random.RandomState(2)
    for name in ("b1", "b2"):
        params[name] = 0.1 * draw.randn(*params[name].shape)
    return params


def _construct(owner: type, inputs: int = 4, classes: int = 3) -> Any:
    """A net of a class with the walk-throughs' constructor, with the toy net's parameters."""
    sizes = {
        "inputs": inputs,
        "hidden": _HIDDEN,
        "layers": [_HIDDEN],
        "classes": classes,
        "reg": REG,
    }
    found, unknown = _by_role(owner, _SIZES, sizes)
    if unknown or not {"inputs", "classes"} <= set(found.values()):
        raise HomeworkError(
            f"how is {_call(owner, owner.__name__)} made? Only (input_size, hidden_size, "
            "num_classes) is known;\n  for another constructor name a function that returns "
            "(net, X, y, ...): --inputs NAME"
        )
    _seed()
    net = owner(**{name: sizes[role] for name, role in found.items()})
    params = getattr(net, "params", None)
    if not isinstance(params, dict):
        raise HomeworkError(f"{owner.__name__} has no dict of parameters named params")
    known = _toy_parameters()
    draw = np.random.RandomState(3)
    for name, value in params.items():
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
            continue
        if (
            name in known
            and known[name].size == value.size
            and value.shape[-1:] in (known[name].shape[-1:],)
        ):
            params[name] = known[name].reshape(value.shape).astype(value.dtype)
        elif np.abs(value).max(initial=0) < 0.01:  # too small for a mistake to show
            params[name] = (0.1 * draw.randn(*value.shape)).astype(value.dtype)
    return net
