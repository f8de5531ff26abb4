"""From a function to the graph of what it did."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import tree
from ..errors import TraceError
from ..node import Node, leaf, tracing
from ..tensor import Tensor, wrap
from .graph import Constant, Graph, is_array
from .names import assign, identifier


def trace(f: Callable[..., Any], *args: Any) -> Graph:
    """Run ``f`` once and record it as a graph.

    Args:
        f: a function written with NumPy and tensors.
        args: its arguments: arrays and tensors, or nested dicts, lists and tuples of them, become
            the graph's inputs; anything else (a Python number, a string) is a constant of the
            program.

    Returns:
        The graph of everything that the result was computed from.

    Raises:
        TraceError: ``f`` returns nothing that was computed.

    Example:
        >>> import numpy as np
        >>> print(trace(lambda x, w: np.sum(x * w), np.ones(3), np.ones(3)))
        def f(x: float64[3], w: float64[3]):
            t1: float64[3] = np.multiply(x, w)
            t2: float64[()] = np.sum(t1)
            return t2
    """
    inputs: list[Node] = []
    names: dict[Node, str] = {}
    slots: list[Any] = []

    def as_input(path: str, x: Any) -> Any:
        if not is_array(x):
            slots.append(Constant(x))
            return x
        value = x._current() if isinstance(x, Tensor) else x
        if value.dtype.kind not in "biuf":
            raise TraceError(
                f"{path} holds {value.dtype}, and a program computes with real numbers"
            )
        slots.append(len(inputs))
        node = leaf(value, value.dtype.kind == "f")
        inputs.append(node)
        names[node] = (x.name if isinstance(x, Tensor) else None) or path
        return wrap(value, node)

    arguments = [
        tree.fill(arg, iter([as_input(*pair) for pair in tree.paths(arg, name)]))
        for name, arg in zip(parameter_names(f, args), args, strict=True)
    ]
    with tracing() as tape:
        out = f(*arguments)
        outputs, structure = _outputs(out)  # a view among them may have to look again
    if not outputs:
        raise TraceError(f"{_name(f)} returned nothing to draw or derive: {type(out).__name__}")
    captured, nodes = _needed(outputs, set(inputs), tape.nodes)
    return Graph(
        name=_name(f),
        inputs=tuple(inputs),
        captured=captured,
        nodes=nodes,
        outputs=outputs,
        names=assign(names, captured, nodes),
        structure=structure,
        arguments=tree.fill(args, iter(slots)),
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
            value = x._value if isinstance(x, Tensor) else np.asarray(x)
            if value.dtype.kind not in "biuf":
                raise TraceError(f"a program's result is made of real numbers; got {x!r}")
            nodes.append(leaf(value if value.ndim else value[()], False))
        return len(nodes) - 1

    structure = tree.map_leaves(node_of, out)
    return tuple(nodes), structure


def _needed(
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
