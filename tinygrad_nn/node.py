"""The recording: what a node is, the mode a thread records in, and who called.

A :class:`Node` is one executed operation. It points at the nodes it was computed from, never at a
tensor (a tensor points at its node), so a graph has no reference cycle and is freed by reference
counting.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
from collections.abc import Callable, Iterable
from contextvars import ContextVar, Token
from functools import lru_cache, wraps
from types import CodeType, FrameType
from typing import Any

import numpy as np

from .errors import InPlaceError, TraceError
from .rules.registry import Function
from .weak import WeakInt


class Node:
    """One executed operation, never changed after its creation.

    Attributes:
        function: the NumPy function (or one of our own operations); None for a leaf.
        inputs: for each argument the node it came from; a :class:`Guard` for a large plain array;
            None for any other constant.
        arguments: for each argument its value. A large one of which the rule reads only the shape
            is a stand-in (see :func:`stand_in`).
        keywords: static keyword arguments, or None.
        value: the output, or a stand-in for it.
        requires_grad: whether a gradient flows through here.
        order: its number in the order of creation, by which the backward walk goes; 0 if no
            gradient flows through here.
        code, offset: the caller's code object and instruction; ``provenance.place`` reads them.
    """

    __slots__ = (
        "arguments",
        "code",
        "function",
        "inputs",
        "keywords",
        "offset",
        "order",
        "requires_grad",
        "value",
    )
    function: Function | None
    inputs: tuple[Any, ...]
    arguments: tuple[Any, ...]
    keywords: dict[str, Any] | None
    value: Any
    requires_grad: bool
    order: int
    code: CodeType | None
    offset: int

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", "leaf")
        return f"<Node {name} {self.value.dtype}{list(self.value.shape)}>"


class Leaf(Node):
    """Where a gradient ends: a node without a function.

    Attributes:
        handle: a weak reference to the tensor that the gradient is for, or None.
    """

    __slots__ = ("handle",)
    handle: Any

    @property
    def tensor(self) -> Any:
        """The tensor that the gradient is for, if it is still there."""
        return self.handle() if self.handle is not None else None


#: Numbers for nodes.
ORDER = itertools.count(1)


def leaf(
    value: Any, requires_grad: bool, handle: Any = None, frame: FrameType | None = None
) -> Leaf:
    """A new leaf, made on the user's line that runs in ``frame``."""
    node = Leaf()
    node.function = None
    node.inputs = node.arguments = ()
    node.keywords = None
    node.value = value
    node.requires_grad = requires_grad
    node.order = next(ORDER) if requires_grad else 0
    node.handle = handle
    node.code, node.offset = (None, 0) if frame is None else (frame.f_code, frame.f_lasti)
    return node


# --- values that need not be kept -----------------------------------------------------------------

#: Bytes from which on a value that no rule reads is replaced by a stand-in.
LARGE = 262144

#: Bytes up to which a constant array is copied when it is recorded; a larger one is guarded.
SMALL = 16_384

_NANS: dict[Any, Any] = {}


def stand_in(value: Any) -> Any:
    """An array of ``value``'s shape and dtype that takes no memory: one NaN, repeated.

    A rule that should read it after all gives NaN, not a plausible wrong number.
    """
    dtype = value.dtype
    buffer = _NANS.get(dtype)
    if buffer is None:
        buffer = _NANS[dtype] = np.full(1, np.nan if dtype.kind == "f" else 0, dtype)
    return np.ndarray(value.shape, dtype, buffer, 0, (0,) * value.ndim)


@lru_cache(1024)
def _spread(shape: tuple[int, ...]) -> tuple[slice, ...]:
    """An index for about 64 entries, spread over every axis."""
    per_axis = max(2, int(64 ** (1 / max(1, len(shape)))))
    return tuple(slice(None, None, max(1, n // per_axis)) for n in shape)


class Guard:
    """Watches a large plain array that a rule will read in the backward pass.

    Small constant arrays are copied when they are recorded. Copying large ones would cost too much,
    so up to 64 of their entries, spread over every axis, are compared instead.
    """

    __slots__ = ("array", "sample", "where")
    order = 0  # as of a node through which no gradient flows

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array
        self.where = _spread(array.shape)
        self.sample = array[self.where].tobytes()

    def check(self, node: Node) -> None:
        """Raise InPlaceError if the array was changed after ``node`` used it."""
        if self.array[self.where].tobytes() == self.sample:
            return
        raise InPlaceError(
            f"an array of shape {self.array.shape} was changed in place after "
            f"{describe(node)} used it\n"
            "  its gradient would be wrong: use a copy, or make the array a tg.Tensor\n"
            f"{where(node)}"
        )


# --- modes ----------------------------------------------------------------------------------------


class StaticNumberError(Exception):
    """A traced program needs the value of one of its Python integers: for a shape, a loop.

    For ``trace`` alone, which begins again with that integer as a constant.
    """

    def __init__(self, node: Node) -> None:
        super().__init__("a Python integer is a constant of this program")
        self.node = node


class Tape:
    """What is recorded of a traced program.

    Attributes:
        nodes: the operations, in the order of execution.
        inputs: the program's inputs, whose values another run may change.
        asked: for a recording of one run, which is not kept as a program: called with a node and a
            purpose when Python asks for a value, which is then given. None: it is refused.
        backward: for each node that a derivative inside the program passed: the node, its gradient,
            and how many operations there were when its own rules began to run; None as the node
            where such a walk ends.
        labels: nodes that were found to hold labels, each with the number of classes.
        refused: the first question for a value that was refused, whoever caught the error.
    """

    __slots__ = ("asked", "backward", "inputs", "labels", "nodes", "refused")

    def __init__(
        self, inputs: Iterable[Node] = (), asked: Callable[[Node, str], None] | None = None
    ) -> None:
        self.asked = asked
        self.nodes: list[Node] = []
        self.inputs = frozenset(inputs)
        self.backward: list[tuple[Node | None, Any, int]] = []
        self.labels: dict[Node, int] = {}
        self.refused: Exception | None = None

    def passed(self, node: Node | None, gradient: Any = None) -> None:
        """Note that the backward walk comes to ``node`` with its gradient, a tensor; or ends."""
        self.backward.append((node, gradient, len(self.nodes)))


class Mode:
    """How operations are recorded here and now. Never changed after its creation.

    Attributes:
        grad: record what carries a gradient (off inside ``no_grad``).
        tape: while tracing: record everything, in order, with its value.
        transforms: how many of grad, vjp, ... are under way around us.
        eager: the usual case in one look: gradients are recorded, and no trace is under way.
    """

    __slots__ = ("eager", "grad", "tape", "transforms")

    def __init__(self, grad: bool = True, tape: Tape | None = None, transforms: int = 0) -> None:
        self.grad = grad
        self.tape = tape
        self.transforms = transforms
        self.eager = grad and tape is None

    def but(self, **changes: Any) -> Mode:
        """The same with some attributes changed."""
        kept = {"grad": self.grad, "tape": self.tape, "transforms": self.transforms}
        return Mode(**{**kept, **changes})


_EAGER = Mode()
_TRANSFORM = Mode(transforms=1)
MODE: ContextVar[Mode] = ContextVar("tinygrad_nn_mode", default=_EAGER)


class _Scope:
    """A context manager that changes the mode, and restores it however it ends."""

    __slots__ = ("_tokens",)

    def __init__(self) -> None:
        self._tokens: list[Token[Mode]] = []

    def __exit__(self, *_: object) -> None:
        MODE.reset(self._tokens.pop())


class no_grad(_Scope):  # noqa: N801 (a public name, the field's own)
    """A context in which nothing is recorded; also a decorator.

    Inside it a leaf that requires a gradient may be changed in place: that is how an optimiser, or
    a hand-written ``W -= lr * W.grad``, updates it.

    Example:
        >>> import tinygrad_nn as tg
        >>> W = tg.Parameter([1.0, 2.0])
        >>> with tg.no_grad():
        ...     W -= 0.5 * W
        >>> W
        Tensor([0.5, 1. ], requires_grad=True)
    """

    __slots__ = ()

    def __enter__(self) -> None:
        self._tokens.append(MODE.set(MODE.get().but(grad=False)))

    def __call__(self, function: Any) -> Any:
        """The function, with nothing recorded inside it."""

        @wraps(function)
        def quiet(*args: Any, **kwargs: Any) -> Any:
            with no_grad():
                return function(*args, **kwargs)

        return quiet


class tracing(_Scope):  # noqa: N801 (reads as what it is)
    """A context in which every operation is recorded on the tape that it gives."""

    __slots__ = ("_asked", "_inputs")

    def __init__(
        self, inputs: Iterable[Node] = (), asked: Callable[[Node, str], None] | None = None
    ) -> None:
        super().__init__()
        self._inputs = inputs
        self._asked = asked

    def __enter__(self) -> Tape:
        tape = Tape(self._inputs, self._asked)
        self._tokens.append(MODE.set(MODE.get().but(grad=True, tape=tape)))
        return tape


class transforming(_Scope):  # noqa: N801 (reads as what it is)
    """A context inside which derivatives are themselves recorded, for the transform around them."""

    __slots__ = ()

    def __enter__(self) -> None:
        mode = MODE.get()
        inside = _TRANSFORM if mode is _EAGER else Mode(True, mode.tape, mode.transforms + 1)
        self._tokens.append(MODE.set(inside))


def would_freeze(node: Node | None) -> bool:
    """Whether a program that is kept is being traced, and may have another value here next time."""
    tape = MODE.get().tape
    kept = tape is not None and tape.asked is None
    return kept and node is not None and (node.function is not None or node in tape.inputs)  # type: ignore[union-attr]


#: What to do in place of asking for a value.
_WAYS = (
    "use np.where\n"
    "  for a choice, return what you want to look at, and convert outside the function"
)


def refuse_to_freeze(node: Node | None, purpose: str, ways: str = _WAYS) -> None:
    """Raise if a trace is under way and ``node``'s value may be another in the next run.

    Args:
        node: what Python asks a value of.
        purpose: what the value is wanted for, as the beginning of a sentence.
        ways: what to do instead, as the end of one.
    """
    tape = MODE.get().tape
    if tape is None or node is None or (node.function is None and node not in tape.inputs):
        return
    if tape.asked is not None:
        tape.asked(node, purpose)
        return
    if node.function is None and isinstance(node.value, (WeakInt, np.integer)):
        error: Exception = StaticNumberError(node)
        tape.refused = tape.refused or error
        raise error
    wanted = f"`{describe(node).strip('`')}`" if node.function is not None else "an argument"
    error = TraceError(
        f"{purpose} needs the value of {wanted} while a program is traced\n"
        f"  the next run may have another value, and the trace would keep this one: {ways}\n"
        f"{underline_frame(user_frame(2))}"
    )
    tape.refused = tape.refused or error
    raise error


def derivatives_recorded() -> bool:
    """Whether a derivative taken now is itself part of something to be differentiated or traced."""
    mode = MODE.get()
    return mode.transforms > 0 or mode.tape is not None


# --- who called -----------------------------------------------------------------------------------

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_NUMPY = os.path.dirname(os.path.abspath(np.__file__)) + os.sep


class _Internal(dict[str, bool]):
    """Whether code in a file is this package's or NumPy's, not the user's; found once a file."""

    def __missing__(self, file: str) -> bool:
        self[file] = file.startswith((_PACKAGE, _NUMPY))
        return self[file]


INTERNAL = _Internal()


def user_frame(depth: int) -> FrameType | None:
    """The first frame, from ``depth`` callers up, that is neither ours nor NumPy's."""
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None and INTERNAL[frame.f_code.co_filename]:
        frame = frame.f_back
    return frame


def where(node: Node) -> str:
    """The user's line that made ``node``, underlined, for an error's message; may be empty."""
    return "" if node.code is None else _underlined(node.code, node.offset)


def describe(node: Node) -> str:
    """The user's expression that made ``node``, or the function's name."""
    text = _place(node.code, node.offset).expression if node.code is not None else ""
    return f"`{text}`" if text else function_name(node.function)


def function_name(function: Any) -> str:
    """A function's name as a user knows it: ``matmul``, ``linalg.solve``, ``add.reduceat``."""
    name = getattr(function, "__name__", str(function))
    owner = getattr(function, "__self__", None)
    if isinstance(owner, np.ufunc):
        return f"{owner.__name__}.{name}"
    folder = str(getattr(function, "__module__", "")).removeprefix("numpy").strip(".")
    return f"{folder}.{name}" if folder in ("linalg", "fft") else name


def underline_frame(frame: FrameType | None) -> str:
    """The user's line that runs in ``frame``, underlined, for an error's message; may be empty."""
    return "" if frame is None else _underlined(frame.f_code, frame.f_lasti)


def assigned_name(frame: FrameType | None) -> str | None:
    """What the user's statement in ``frame`` changes or assigns to, if it is known."""
    if frame is None:
        return None
    found = _place(frame.f_code, frame.f_lasti)
    return found.name or next(iter(found.operands), None)


def called_function(frame: FrameType) -> Any:
    """What the expression that runs in ``frame`` calls by its name; None if that is not known."""
    named = re.match(r"([\w.]+)\s*\(", _place(frame.f_code, frame.f_lasti).expression)
    if named is None:
        return None
    first, *rest = named.group(1).split(".")
    found = frame.f_locals.get(first, frame.f_globals.get(first))
    for attribute in rest:
        found = getattr(found, attribute, None)
    return found


def _place(code: CodeType, offset: int) -> Any:
    from .provenance import place  # only when somebody looks: it would double our import's time

    return place(code, offset)


def _underlined(code: CodeType, offset: int) -> str:
    from .provenance import underline

    return underline(_place(code, offset))
