"""compile: a function made fast for what it is called with.

A call is traced once for every structure, shape and dtype of its arguments; the graph is simplified
and handed to a backend, which writes source code for it; further calls of that kind run the code.
What stands here is the front: which kind a call is, its kept programs, its arguments as a flat
list and its result in the structure that the function returned.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import itertools
import operator
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from types import MethodType
from typing import Any

import numpy as np

from . import tree
from .emit.calling import Entry
from .emit.expand import expand, labels_to_check
from .errors import DataError, TraceError
from .graph import Graph
from .graph.frozen import trace_for_good
from .graph.graph import Constant
from .node import Node
from .tensor import Tensor
from .weak import AnotherTypeError

Function = Callable[..., Any]

#: What writes a program's code, by name: the module in ``emit`` whose ``build`` does it.
BACKENDS = {"numpy": "buffered.source", "numba": "numba.source"}

#: Up to so many kinds of calls keep their program; the one unused for the longest time goes first.
KEPT = 32


def compile(f: Function | None = None, backend: str = "numpy", donate_argnums: Any = ()) -> Any:
    """A faster function with the same results, for repeated calls with the same shapes.

    Also a decorator, with or without arguments. ``f`` may be any traceable function, also one that
    calls ``value_and_grad`` and updates parameters.

    Args:
        f: a function of arrays and numbers, or nested dicts, lists and tuples of them. Arrays may
            change from call to call, and so may Python numbers, without compiling again (an integer
            that decides about a shape or a loop is compiled in); strings and other constants are
            compiled in. Arrays that ``f`` takes from around it, rather than as arguments, are
            constants.
        backend: ``"numpy"``: NumPy calls with planned buffers; ``"numba"``: fused loops around
            BLAS products, compiled by Numba (the extra ``jit``).
        donate_argnums: the places of arguments whose arrays may be overwritten: a result of the
            same name (or place), shape and dtype is then that very array.

    Returns:
        The compiled function. Its ``source`` is the code of its last call's program.

    Raises:
        DataError: a backend that there is not, or ``f`` is no function. When called: a place in
            ``donate_argnums`` where there is no argument; a masked array or np.matrix.
        TraceError: ``f`` is a method of an object. When called: ``f`` needs a value that the next
            call may have otherwise, draws random numbers, or uses a parameter that is none of its
            arguments; or an argument is an object whose content would be compiled in.
        LabelError, InPlaceError: when called: labels that are none; a read-only array that ``f``
            writes into.
        DependencyError: when called: Numba or SciPy is not installed, for ``"numba"``.

    Example:
        >>> import numpy as np
        >>> @compile
        ... def half_of_squares(x):
        ...     return 0.5 * np.sum(x * x)
        >>> half_of_squares(np.array([1.0, 2.0]))
        np.float64(2.5)
    """
    if f is None:
        return functools.partial(compile, backend=backend, donate_argnums=donate_argnums)
    if backend not in BACKENDS:
        raise DataError(f"the backends are {', '.join(BACKENDS)}, not {backend!r}")
    if not callable(f):
        raise DataError(f"compile takes a function, not {type(f).__name__}: tg.compile(f)(x)")
    if isinstance(f, MethodType) and not isinstance(f.__self__, type):
        raise _method(f)
    return Compiled(f, backend, _places(donate_argnums))


def _places(donate_argnums: Any) -> tuple[int, ...]:
    places = donate_argnums if isinstance(donate_argnums, (tuple, list)) else (donate_argnums,)
    try:
        return tuple(map(operator.index, places))
    except TypeError:
        raise DataError(
            f"donate_argnums is the place of an argument, or a tuple of places: 0 or (0, 2), "
            f"not {donate_argnums!r}"
        ) from None


def _method(f: Any) -> TraceError:
    return TraceError(
        f"{getattr(f, '__name__', 'a method')} is a method, and what its object holds "
        "would be compiled in\n  compile a function of the arrays instead"
    )


class Compiled:
    """A function and the programs for the calls it has had; what :func:`compile` returns."""

    def __init__(self, f: Function, backend: str, donated: tuple[int, ...]) -> None:
        functools.update_wrapper(self, f)
        self._f = f
        self._backend = backend
        self._donated = donated
        self._entries: OrderedDict[Any, Entry] = OrderedDict()
        #: For each kind of call: which integers among the arguments are compiled in.
        self._static: dict[Any, frozenset[int]] = {}
        self._last: Entry | None = None
        #: How many programs were built.
        self._built = 0
        self._lock = threading.RLock()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The result of ``f`` for these arguments."""
        last = self._last
        if last is not None and not kwargs:
            try:
                found = last.call(*args)
            except AnotherTypeError:
                return self._slowly(args, kwargs)
            if found is not last:  # which says that this is another kind of call
                return found
        return self._slowly(args, kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Refuse to be a method: the object's state would be compiled in."""
        if instance is None:
            return self
        raise _method(self._f)

    def __reduce__(self) -> Any:
        """Copied and pickled as the function; a copy makes programs of its own."""
        return Compiled, (self._f, self._backend, self._donated)

    def __repr__(self) -> str:
        name = getattr(self._f, "__name__", repr(self._f))
        return f"<tg.compile of {name}: {self._backend}, {len(self._entries)} programs>"

    @property
    def source(self) -> str:
        """The code that runs, of the program that was used last.

        Raises:
            DataError: there was no call yet.
        """
        if self._last is None:
            raise DataError("there is no source before the first call, which decides the shapes")
        return self._last.source

    def _slowly(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call of another kind than the last one."""
        if kwargs:
            args = self._positional(args, kwargs)
        leaves = [leaf for arg in args for leaf in tree.leaves(arg)]
        if any(isinstance(x, Tensor) and (x.requires_grad or x._node) for x in leaves):
            return self._f(*args)  # somebody differentiates or traces: what it is made of counts
        args = tuple(tree.map_leaves(_as_array, arg) for arg in args)
        for variant in itertools.count():
            with self._lock:
                count = self._built
                entry = self._entry(args, variant)
                fresh = self._built > count
                self._last = entry
            try:
                result = entry.call(*args)
            except AnotherTypeError:  # nothing was written yet
                if fresh:
                    raise
                continue
            if result is entry:  # memory overlaps, which a program with in-place parts cannot have
                break
            return result
        return self._f(*args)

    def _positional(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        bound = inspect.signature(self._f).bind(*args, **kwargs)
        bound.apply_defaults()
        if bound.kwargs:
            raise DataError(
                f"a compiled function takes its arguments by position; {', '.join(bound.kwargs)} "
                "can only be given by name"
            )
        return bound.args

    def _entry(self, args: tuple[Any, ...], variant: int) -> Entry:
        """The program for these arguments, a new one if need be.

        There are several of them, numbered by ``variant``, where the types of the numbers that
        Python computes go by their values: ``2 ** n`` is an int or a float.
        """
        kind = tuple(_structure(arg) for arg in args)
        leaves = [leaf for arg in args for leaf in tree.leaves(arg)]
        static = self._static.get(kind)
        entry = None
        if static is not None:
            entry = self._entries.get((variant, _key(kind, static, leaves)))
        if entry is None:
            entry = self._build(args)
            slots = tree.leaves(entry.graph.arguments)
            static = frozenset(i for i, slot in enumerate(slots) if isinstance(slot, Constant))
            self._static[kind] = static
            if len(self._static) > KEPT:
                del self._static[next(iter(self._static))]
            self._built += 1
            self._entries[variant, _key(kind, static, leaves)] = entry
            while len(self._entries) > KEPT:
                self._entries.popitem(last=False)
        self._entries.move_to_end((variant, _key(kind, static or frozenset(), leaves)))
        return entry

    def _build(self, args: tuple[Any, ...]) -> Entry:
        graph = trace_for_good(self._f, *args)
        simple = graph.simplify()
        labels = labels_to_check(simple)
        computed = tuple(node for node in labels if node not in simple.inputs)
        # What holds labels and is computed comes out too, to be checked.
        lowered = expand(replace(simple, outputs=(*simple.outputs, *computed)))
        hidden = lowered.outputs[len(simple.outputs) :]
        limits = {node: labels[node] for node in labels if node not in computed}
        limits |= {new: labels[old] for old, new in zip(computed, hidden, strict=True)}
        module = importlib.import_module(f"{__package__}.emit.{BACKENDS[self._backend]}")
        updates = dict(lowered.updates)
        if hidden:  # nothing may be written before these labels are known to be right
            lowered = replace(lowered, outputs=(*lowered.outputs, *updates.values()), updates=())
            return Entry(lowered, module.build(lowered, {}), {}, limits, updates)
        in_place = {**updates, **_donations(lowered, self._donated, len(args))}
        return Entry(lowered, module.build(lowered, in_place), in_place, limits, {})


def _as_array(x: Any) -> Any:
    """An argument's leaf: arrays, numbers and constants as they are, a tensor's value."""
    if isinstance(x, Tensor):
        return x._current()
    if isinstance(x, (np.ma.MaskedArray, np.matrix)):
        raise DataError(
            f"a compiled function takes arrays of NumPy, and a {type(x).__name__} computes "
            "otherwise\n  pass np.asarray(x), or x.filled(0) with the mask as another argument"
        )
    if isinstance(x, np.ndarray) and type(x) is not np.ndarray:
        return np.asarray(x)  # a np.memmap
    return x


#: Constants that a program may be compiled for. Another object may change between calls.
_CONSTANTS = (str, bytes, bool, int, float, type, np.dtype, type(None))


def _structure(arg: Any) -> Any:
    """What decides about the program, but for integers that are compiled in; hashable."""
    if isinstance(arg, dict):
        return (dict, tuple((key, _structure(value)) for key, value in arg.items()))
    if isinstance(arg, (list, tuple)):
        return (type(arg), tuple(map(_structure, arg)))
    if isinstance(arg, np.generic):
        return (arg.dtype,)
    if isinstance(arg, np.ndarray):
        in_order = arg.ndim < 2 or arg.flags.c_contiguous
        return (arg.shape, arg.dtype, None if in_order else arg.strides)
    if type(arg) in (float, int):
        return type(arg)
    if isinstance(arg, _CONSTANTS) or inspect.isroutine(arg):
        return ("constant", arg)
    raise TraceError(
        f"a compiled function is given arrays, numbers, strings, and dicts, lists and tuples of "
        f"them, not {type(arg).__name__}\n  what the object holds would be compiled in, and "
        "changes would go unnoticed: pass its arrays"
    )


def _key(kind: Any, static: frozenset[int], leaves: list[Any]) -> Any:
    numbers = [leaves[i] for i in sorted(static)]
    return (kind, tuple(n for n in numbers if type(n) is int or isinstance(n, np.integer)))


def _donations(graph: Graph, places: tuple[int, ...], count: int) -> dict[Node, Node]:
    """Which donated inputs take which outputs: of the same name, shape and dtype, or in order."""
    arguments = graph.arguments
    for place in places:
        if not -count <= place < count:
            raise DataError(
                f"donate_argnums={places}, and the function was given {count} arguments"
            )
    free: OrderedDict[str, Node] = OrderedDict()
    updated = {new for _, new in graph.updates}
    for path, i in tree.paths(graph.structure, ""):
        node = graph.outputs[i]
        if node not in updated and node.function is not None and node not in free.values():
            free[path] = node
    pairs: dict[Node, Node] = {}
    donated = [
        (path.removeprefix("a"), graph.inputs[slot])
        for place in places
        for path, slot in tree.paths(arguments[place], "a")
        if not isinstance(slot, Constant)
    ]
    for by_name in (True, False):
        for path, node in donated:
            if node in pairs or node in dict(graph.updates) or node.value.shape == ():
                continue
            for where, new in free.items():
                if _type(new) == _type(node) and (not by_name or (path and where.endswith(path))):
                    pairs[node] = new
                    del free[where]
                    break
    return pairs


def _type(node: Node) -> Any:
    return node.value.shape, node.value.dtype
