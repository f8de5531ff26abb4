"""The user's arguments, and the object of a method, with tensors in the place of arrays.

What is handed to the user's code are copies: of dicts, lists, tuples and of objects of the user's
own classes, as deep as arrays are found. So nothing of the caller's can be changed, and nothing has
to be restored.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from ....errors import DataError, DtypeError
from ....node import Leaf, leaf
from ....tensor import Tensor, wrap
from .constructors import is_users


class Shadow:
    """Copies of the user's structures, in which floating-point arrays have become tensors.

    The same array, or object, found twice is the same one in the copy.

    Args:
        values: values to use in the place of parameters, by name.
        plain: leave arrays what they are, as float64: for a run on NumPy alone.

    Attributes:
        params: for each parameter, by name, its leaf.
        inputs: for each other floating-point array its leaf.
        structure: the parameters, tensors, in the structure that the user's code sees.
        name: what the user's code calls that structure.
    """

    def __init__(self, values: Mapping[str, Any] | None = None, plain: bool = False) -> None:
        self.values = values or {}
        self.plain = plain
        self.params: dict[str, Leaf] = {}
        self.inputs: dict[str, Leaf] = {}
        self.structure: Any = None
        self.name = ""
        self._memo: dict[int, tuple[Any, Any]] = {}

    def parameters(self, params: Any, name: str) -> Any:
        """The parameters' structure; Python floats in it are parameters as well."""
        self.name = name
        self.structure = self._parameter(params, name, top=True)
        if not self.params:
            raise DtypeError(
                f"nothing to audit: {name} holds no floating-point array\n"
                "  write 3.0 instead of 3, or convert with .astype(float)"
            )
        return self.structure

    def _parameter(self, x: Any, name: str, top: bool = False) -> Any:
        if isinstance(x, dict):
            new = _like(x)
            self._memo[id(x)] = (x, new)
            for key, value in x.items():
                plain_key = top and isinstance(key, str)
                new[key] = self._parameter(value, key if plain_key else f"{name}[{key!r}]")
            return new
        if isinstance(x, (list, tuple)):
            items = [self._parameter(v, f"{name}[{i}]") for i, v in enumerate(x)]
            return _sequence(x, items, self._memo)
        kind = getattr(getattr(x, "dtype", None), "kind", "f" if isinstance(x, float) else "")
        if kind != "f":
            return self.of(x, name)
        return self._tensor(x, name, self.params)

    def _tensor(self, x: Any, name: str, where: dict[str, Leaf]) -> Any:
        value = x._current() if isinstance(x, Tensor) else x
        if where is self.params:
            value = self.values.get(name, value)
        if self.plain:
            new = np.array(value, dtype=np.float64)
            where[name] = leaf(new, True)
            new = new[()] if isinstance(x, (float, np.generic)) else new
            self._memo[id(x)] = (x, new)
            return new
        value = np.array(value)[()]
        if not np.isfinite(value).all():
            raise DataError(f"{name} holds numbers that are not finite: gradients need finite ones")
        node = leaf(value, True)
        where[name] = node
        t = wrap(value, node)
        t._name = name
        self._memo[id(x)] = (x, t)
        return t

    def of(self, x: Any, name: str) -> Any:
        """Anything else: a copy of it, if arrays may be found in it."""
        known = self._memo.get(id(x))
        if known is not None:
            return known[1]
        if isinstance(x, (np.ndarray, Tensor)):
            return self._array(x, name)
        if isinstance(x, dict):
            new = _like(x)
            self._memo[id(x)] = (x, new)
            for key, value in x.items():
                new[key] = self.of(value, f"{name}[{key!r}]")
            return new
        if isinstance(x, (list, tuple)):
            items = [self.of(v, f"{name}[{i}]") for i, v in enumerate(x)]
            return _sequence(x, items, self._memo)
        if isinstance(x, (FunctionType, MethodType)):
            return self.function(x)
        if isinstance(x, functools.partial):
            args = [self.of(a, f"{name}.args[{i}]") for i, a in enumerate(x.args)]
            kwargs = {key: self.of(a, key) for key, a in x.keywords.items()}
            return functools.partial(self.of(x.func, name), *args, **kwargs)
        if _is_users_object(x):
            return self.object(x, name)
        return x

    def object(self, x: Any, name: str) -> Any:
        """A copy of an object of the user's, its attributes copied in turn."""
        new = object.__new__(type(x))
        self._memo[id(x)] = (x, new)
        for key, value in vars(x).items():
            vars(new)[key] = self.of(value, f"{name}.{key}")
        return new

    def _array(self, x: Any, name: str) -> Any:
        if x.dtype.kind == "f":
            value = x._current() if isinstance(x, Tensor) else x
            if np.isfinite(value).all():
                return self._tensor(x, name, self.inputs)
            new: Any = value.copy() if self.plain else wrap(value, leaf(value.copy(), False))
        elif self.plain or (isinstance(x, np.ndarray) and x.ndim < 2):
            new = np.array(x._current() if isinstance(x, Tensor) else x)
        else:  # a table of integers, which may stand before a matrix product: X.dot(W)
            value = np.array(x._current() if isinstance(x, Tensor) else x)
            new = wrap(value, leaf(value, False)) if value.dtype.kind in "biu" else x.copy()
        self._memo[id(x)] = (x, new)
        return new

    def function(self, f: Any) -> Any:
        """The user's function, with tensors for the arrays that it finds outside itself."""
        if isinstance(f, MethodType):
            owner = f.__self__
            if isinstance(owner, (type, ModuleType)) or not hasattr(owner, "__dict__"):
                return f
            known = self._memo.get(id(owner))
            shadow = known[1] if known else self.object(owner, "self")
            return MethodType(self.function(f.__func__), shadow)
        if not isinstance(f, FunctionType) or not is_users(f.__code__.co_filename):
            return f
        known = self._memo.get(id(f))
        if known is not None:
            return known[1]
        cells, found = self._cells(f), self._globals(f)
        if not found and all(a is b for a, b in zip(cells, f.__closure__ or (), strict=True)):
            return f
        outside = {**f.__globals__, **found} if found else f.__globals__
        new = FunctionType(f.__code__, outside, f.__name__, f.__defaults__, cells)
        new.__kwdefaults__ = f.__kwdefaults__
        self._memo[id(f)] = (f, new)
        return new

    def _cells(self, f: FunctionType) -> tuple[Any, ...]:
        """A function's closure; cells that hold what has a copy are new."""
        cells = []
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # not assigned yet
                cells.append(cell)
                continue
            if name == "__class__" or value is f:
                cells.append(cell)
                continue
            new = self.of(value, name)
            cells.append(cell if new is value else type(cell)(new))
        return tuple(cells)

    def _globals(self, f: FunctionType) -> dict[str, Any]:
        """Of the globals that ``f`` reads, the arrays, as tensors."""
        found = {}
        for name in _names(f.__code__):
            value = f.__globals__.get(name)
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                found[name] = self.of(value, name)
        return found


def _names(code: CodeType) -> set[str]:
    """The global names that a function, or one inside it, reads."""
    names = set(code.co_names)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            names |= _names(inner)
    return names


def _like(x: Any) -> Any:
    """An empty dict of x's kind."""
    if type(x) is dict:
        return {}
    new = x.copy()
    new.clear()
    return new


def _sequence(x: Any, items: list[Any], memo: dict[int, tuple[Any, Any]]) -> Any:
    """A list or tuple of x's kind; x itself if nothing in it is another."""
    if isinstance(x, list):
        new: Any = items
    elif all(a is b for a, b in zip(items, x, strict=True)):
        return x
    else:
        new = type(x)(*items) if hasattr(x, "_fields") else tuple(items)
    memo[id(x)] = (x, new)
    return new


def _is_users_object(x: Any) -> bool:
    """Whether x is an instance of a class that the user wrote, whose attributes can be copied."""
    kind = type(x)
    if isinstance(x, (type, ModuleType, BuiltinFunctionType, FunctionType)):
        return False
    if kind.__module__ in ("builtins", "numpy") or not hasattr(x, "__dict__"):
        return False
    methods = [m for base in kind.__mro__ for m in vars(base).values()]
    return any(isinstance(m, FunctionType) and is_users(m.__code__.co_filename) for m in methods)
