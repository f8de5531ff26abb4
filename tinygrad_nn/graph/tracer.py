"""From a function to the graph of what it did."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import tree
from ..errors import DataError, TraceError
from ..node import Node, StaticNumberError, leaf, tracing
from ..tensor import Tensor, wrap
from ..weak import WEAK, weak
from .backward import Backward
from .graph import Constant, Graph, is_input
from .names import assign, identifier


def trace(f: Callable[..., Any], *args: Any) -> Graph:
    """Run ``f`` once and record it as a graph.

    Args:
        f: a function written with NumPy and tensors.
        args: its arguments. Arrays, tensors and Python numbers, or nested dicts, lists and tuples
            of them, become the graph's inputs; anything else (a string, True, None) is a constant
            of the program, and so is an integer that decides about shapes or a loop's length.

    Returns:
        The graph of everything that the result was computed from.

    Raises:
        TraceError: ``f`` returns nothing that was computed; or Python asks for a value that another
            run may have otherwise (``if loss < 1``, ``float(loss)``); or ``f`` puts something else
            into a dict or list that was given to it; or an argument or the result is not made of
            real numbers.
        DataError: ``f`` is no function.

    Example:
        >>> import numpy as np
        >>> print(trace(lambda x, w: np.sum(x * w), np.ones(3), np.ones(3)))
        def f(x: float64[3], w: float64[3]):
            t1: float64[3] = np.multiply(x, w)
            t2: float64[()] = np.sum(t1)
            return t2
    """
    if not callable(f):
        raise DataError(f"what is traced is a function, not {type(f).__name__}: tg.trace(f, *args)")
    constants: set[int] = set()
    graph = None
    while graph is None:
        graph = _trace(f, args, constants)
    return graph


def _trace(f: Callable[..., Any], args: tuple[Any, ...], constants: set[int]) -> Graph | None:
    """As trace, but only some of the numbers among the arguments are constants.

    None if another has to be, too; it is then added to ``constants``, which counts all leaves.
    """
    inputs: list[Node] = []
    names: dict[Node, str] = {}
    slots: list[Any] = []

    def as_input(path: str, x: Any) -> Any:
        if not is_input(x) or len(slots) in constants:
            slots.append(Constant(x))
            return x
        value = weak(x._current() if isinstance(x, Tensor) else x)
        if value.dtype.kind not in "biuf":
            raise TraceError(
                f"{path} holds {value.dtype}, and a program computes with real numbers"
            )
        slots.append(len(inputs))
        node = leaf(value, False)  # see marking.py
        inputs.append(node)
        names[node] = (x.name if isinstance(x, Tensor) else None) or path
        return wrap(value, node)

    parameters = parameter_names(f, args)
    arguments = [
        tree.fill(arg, iter([as_input(*pair) for pair in tree.paths(arg, name)]))
        for name, arg in zip(parameters, args, strict=True)
    ]
    handles = tree.leaves(arguments)
    with tracing(inputs) as tape:
        try:
            out = f(*arguments)
            if tape.refused is not None:  # and the function has caught the error
                raise tape.refused
        except StaticNumberError as error:
            constants.add(slots.index(inputs.index(error.node)))
            return None
        outputs, structure = _outputs(out)  # a view among them may have to look again
        updates = _updates(f, arguments, handles, inputs)
    if not outputs and not updates:
        raise TraceError(f"{_name(f)} returned {out!r}: there is nothing to draw or derive")
    captured, nodes = needed((*outputs, *(new for _, new in updates)), set(inputs), tape.nodes)
    backward = Backward(tape)
    return Graph(
        name=_name(f),
        inputs=tuple(inputs),
        captured=captured,
        nodes=nodes,
        outputs=outputs,
        names=assign(names, captured, nodes, backward),
        structure=structure,
        arguments=tree.fill(args, iter(slots)),
        parameters=tuple(parameters),
        labels={node: tape.labels[node] for node in inputs if node in tape.labels},
        updates=updates,
        origin=backward.origin_in(nodes, {*inputs, *captured, *nodes}),
        function=f,
    )


def _name(f: Callable[..., Any]) -> str:
    name = identifier(getattr(f, "__name__", "f")) if _is_named(f) else "f"
    return f"{name}_" if keyword.iskeyword(name) else name


def _is_named(f: Any) -> bool:
    return getattr(f, "__name__", "<lambda>") != "<lambda>"


def parameter_names(f: Callable[..., Any], args: tuple[Any, ...]) -> list[str]:
    """What ``f`` calls its positional arguments."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # a builtin
        parameters = []
    names = []
    for i in range(len(args)):
        if i < len(parameters) and parameters[i].kind != inspect.Parameter.VAR_POSITIONAL:
            names.append(parameters[i].name)
        else:
            names.append(f"x{i}")
    return names


def _outputs(out: Any) -> tuple[tuple[Node, ...], Any]:
    """The result's nodes, and its structure with an index at each leaf."""
    nodes: list[Node] = []

    def node_of(x: Any) -> int:
        if isinstance(x, Tensor):
            x._current()
        if isinstance(x, Tensor) and x._node is not None:
            nodes.append(x._node)
        else:
            value = weak(x._value if isinstance(x, Tensor) else x)
            if not isinstance(value, (np.ndarray, np.generic, *WEAK)):
                value = np.asarray(value)
            if value.dtype.kind not in "biuf":
                raise TraceError(f"a program's result is made of real numbers; got {x!r}")
            nodes.append(leaf(value, False))
        return len(nodes) - 1

    structure = tree.map_leaves(node_of, out)
    return tuple(nodes), structure


def _updates(
    f: Any, arguments: Any, handles: list[Any], inputs: list[Node]
) -> tuple[tuple[Node, Node], ...]:
    """The inputs that ``f`` changed in place, each with the node of its last value."""
    after = tree.leaves(arguments)
    if len(after) != len(handles) or any(a is not b for a, b in zip(after, handles, strict=True)):
        raise TraceError(
            f"{_name(f)} puts something else into a dict or list that was given to it; in a traced "
            "program\n  the caller would not see it: return the new value, or write in place "
            "(W -= ..., W[...] = ...)"
        )
    tensors = [t for t in handles if isinstance(t, Tensor)]
    updates = []
    for t, node in zip(tensors, inputs, strict=True):
        t._current()
        if t._node is not node and t._node is not None:
            updates.append((node, t._node))
    return tuple(updates)


def needed(
    outputs: tuple[Node, ...], inputs: set[Node], tape: list[Node]
) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """The captured leaves and the operations that the outputs need, in order of execution.

    What was computed before the trace began is a leaf of the program, like a parameter.
    """
    on_tape = set(tape)
    seen: dict[Node, None] = dict.fromkeys(outputs)
    stack = list(seen)
    while stack:
        node = stack.pop()
        if node not in on_tape:
            continue
        for parent, value in zip(node.inputs, node.arguments, strict=True):
            if isinstance(parent, Node) and parent not in on_tape:
                parent.value = value  # which it need not have kept, being large
            if isinstance(parent, Node) and parent not in seen:
                seen[parent] = None
                stack.append(parent)
    captured = tuple(n for n in seen if n not in on_tape and n not in inputs)
    return captured[::-1], tuple(n for n in tape if n in seen)
