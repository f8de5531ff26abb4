"""Arrays that the user's code makes for itself, as tensors for the time of one run.

``np.zeros(...)``, filled in a loop, does not reach NumPy's protocols: nothing in it is a tensor
yet. While :class:`following` is entered, NumPy's constructors called directly from the user's code
give tensors, so that what is written into them is recorded. Calls from NumPy itself, from this
package, from other libraries and from other threads get what they always get.
"""

from __future__ import annotations

import dis
import math
import os
import sys
import sysconfig
import threading
from collections.abc import Callable
from contextvars import ContextVar, Token
from functools import lru_cache, wraps
from types import CodeType, ModuleType
from typing import Any

import numpy as np

from ....node import INTERNAL, leaf, user_frame
from ....tensor import Tensor, wrap

_FOLLOWING: ContextVar[bool] = ContextVar("tinygrad_nn_following", default=False)

#: NumPy's functions that make an array of what are no arrays.
_MAKERS = ("arange", "empty", "eye", "full", "identity", "linspace", "ones", "zeros",
           "empty_like", "full_like", "ones_like", "zeros_like")  # fmt: skip
#: Those that make one of a nested list, or of an array.
_CONVERTERS = ("array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray")
#: What of the math module NumPy calls the same, and what otherwise.
_MATH = ("cos", "cosh", "exp", "expm1", "fabs", "hypot", "log", "log10", "log1p",
         "log2", "sin", "sinh", "sqrt", "tan", "tanh")  # fmt: skip
_RENAMED = {"acos": "arccos", "asin": "arcsin", "atan": "arctan", "atan2": "arctan2",
            "pow": "power"}  # fmt: skip

_LIBRARIES = tuple(
    os.path.abspath(path) + os.sep
    for path in {sysconfig.get_paths()[key] for key in ("stdlib", "platstdlib")}
)


class _Users(dict[str, bool]):
    """Whether a file is the user's own; found once a file."""

    def __missing__(self, file: str) -> bool:
        installed = f"{os.sep}site-packages{os.sep}" in file or "dist-packages" in file
        self[file] = not (INTERNAL[file] or installed or file.startswith(_LIBRARIES))
        return self[file]


_USERS = _Users()


def is_users(file: str) -> bool:
    """Whether code in ``file`` is the user's, not a library's."""
    return _USERS[file]


def _asked_for(function: Any) -> bool:
    """Whether the call is to be followed: written in the user's code, in the run under way.

    The caller's frame alone does not tell. Compiled code (``np.random.RandomState(0)`` is some)
    calls NumPy's constructors with no frame of its own, and breaks if it is not given arrays: the
    user's instruction must be a call of this very function.
    """
    if not _FOLLOWING.get():
        return False
    frame = sys._getframe(2)
    if not _USERS[frame.f_code.co_filename]:
        return False
    names = _callee(frame.f_code, frame.f_lasti)
    if function.__name__ in names:
        return True
    found = (frame.f_locals.get(name, frame.f_globals.get(name)) for name in names)
    return any(f is function for f in found)


@lru_cache(4096)
def _callee(code: CodeType, offset: int) -> frozenset[str]:
    """The names in what the call at ``offset`` calls: ``np`` and ``zeros`` of ``np.zeros(3)``."""
    spans = list(code.co_positions())
    line, _, column, _ = spans[offset // 2]
    found = set()
    for instruction in dis.get_instructions(code):
        span = spans[instruction.offset // 2]
        starts = (span[0], span[2]) == (line, column)
        if starts and instruction.offset < offset and instruction.opname.startswith("LOAD_"):
            found.add(str(instruction.argval))
    return frozenset(found)


def _followed(x: Any) -> Any:
    """A new floating-point array as a tensor; anything else as it is."""
    if isinstance(x, np.ndarray) and x.dtype.kind == "f":
        value = x[()] if x.ndim == 0 else x
        return wrap(value, leaf(value, False, None, user_frame(2)))
    return x


def _maker(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def made(*args: Any, **kwargs: Any) -> Any:
        if not _asked_for(made):
            return original(*args, **kwargs)
        if original is np_full and len(args) > 1 and isinstance(args[1], Tensor):
            return _followed(np.zeros(args[0])) + args[1]
        return _followed(original(*args, **kwargs))

    return made


def _converter(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def converted(obj: Any, *args: Any, **kwargs: Any) -> Any:
        if not _asked_for(converted):
            return original(obj, *args, **kwargs)
        if not _holds_tensors(obj):
            return _followed(original(obj, *args, **kwargs))
        dtype = args[0] if args else kwargs.get("dtype")
        t = _stacked(obj)
        if dtype is not None and np.dtype(dtype) != t.dtype:
            t = t.astype(dtype)
        elif t is obj and original is np_array and kwargs.get("copy", True):
            t = t.copy()
        while t.ndim < kwargs.get("ndmin", 0):
            t = t[None]
        return t

    return converted


np_full = np.full
np_array = np.array


def _holds_tensors(obj: Any) -> bool:
    if isinstance(obj, (list, tuple)):
        return any(map(_holds_tensors, obj))
    return isinstance(obj, Tensor)


def _stacked(obj: Any) -> Any:
    """A nested list of tensors and numbers as one tensor."""
    if isinstance(obj, (list, tuple)):
        return np.stack([_stacked(x) for x in obj])
    return obj if isinstance(obj, Tensor) else np.asarray(obj)


def _mathematical(original: Callable[..., Any], ufunc: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def computed(*args: Any) -> Any:
        if _FOLLOWING.get() and any(isinstance(x, Tensor) for x in args):
            return ufunc(*(x.reshape(()) if isinstance(x, Tensor) and x.ndim else x for x in args))
        return original(*args)

    return computed


class _Patch:
    """The replaced functions, there as long as any thread follows a run."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.replaced: list[tuple[Any, str, Any]] = []

    def enter(self) -> None:
        with self.lock:
            self.users += 1
            if self.users == 1:
                self._install()

    def leave(self) -> None:
        with self.lock:
            self.users -= 1
            if not self.users:
                while self.replaced:
                    namespace, name, original = self.replaced.pop()
                    namespace[name] = original

    def _install(self) -> None:
        replacements: dict[Any, Any] = {}
        for names, wrapped in ((_MAKERS, _maker), (_CONVERTERS, _converter)):
            for name in names:
                original = getattr(np, name)
                replacements[original] = wrapped(original)
                self._replace(vars(np), name, replacements[original])
        for name in (*_MATH, *_RENAMED):
            original = getattr(math, name)
            ufunc = getattr(np, _RENAMED.get(name, name))
            replacements[original] = _mathematical(original, ufunc)
            self._replace(vars(math), name, replacements[original])
        for module in list(sys.modules.values()):  # `from numpy import zeros`
            if _is_users_module(module):
                for name, value in list(vars(module).items()):
                    if type(value) in _FUNCTIONS and value in replacements:
                        self._replace(vars(module), name, replacements[value])

    def _replace(self, namespace: Any, name: str, value: Any) -> None:
        self.replaced.append((namespace, name, namespace[name]))
        namespace[name] = value


_FUNCTIONS: frozenset[Any] = frozenset(
    type(f) for f in (np.zeros, np.ones, np.zeros_like, math.exp)
)
_PATCH = _Patch()


def _is_users_module(module: Any) -> bool:
    if not isinstance(module, ModuleType):
        return False
    file = vars(module).get("__file__")
    if file is None:
        return module.__name__ == "__main__"
    return isinstance(file, str) and _USERS[file]


class following:  # noqa: N801 (reads as what it is)
    """A context in which the arrays that the user's code makes are tensors."""

    def __init__(self) -> None:
        self._tokens: list[Token[bool]] = []

    def __enter__(self) -> None:
        _PATCH.enter()
        self._tokens.append(_FOLLOWING.set(True))

    def __exit__(self, *_: object) -> None:
        _FOLLOWING.reset(self._tokens.pop())
        _PATCH.leave()
