"""One run of the user's function, recorded: its loss, its gradients, and every step to them."""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MethodType
from typing import Any

import numpy as np

from ....errors import DataError, DtypeError, GradientError
from ....node import Leaf, Node, describe, tracing
from ....provenance import Place, place
from ....tensor import Tensor
from ...analytic import ABSENT
from .calls import Call, Calls
from .constructors import following
from .replay import Contributions, Values, adjoint
from .shadow import Shadow

#: What a parameter is called as a gradient.
_ALIASES = ("d{}", "d_{}", "grad_{}", "{}_grad", "g{}", "dL_d{}")
#: What of the conversions that Python asks for loses a value's history.
_LOSING = ("float()", "int()", "item()", "tolist()", ".data", "np.asarray", "X[i]", "math.")


@dataclass(frozen=True)
class Conversion:
    """A value that became a plain number or array, and so left the recording.

    Attributes:
        node: what was converted.
        how: ``float()``, ``np.asarray(t)``, ...
    """

    node: Node
    how: str


@dataclass(frozen=True, eq=False)
class Observation:
    """What one run of the user's function did.

    Attributes:
        name: of the function.
        params: each parameter's leaf, by name.
        inputs: the leaves of the other floating-point arrays, by name (``X``).
        grads: for each parameter its hand-written gradient: the node that computed it; a plain
            value where that is not known; ``ABSENT`` where there is none. Further keys are extra
            gradients.
        loss: the node of the returned loss.
        nodes: every operation, in the order of execution.
        forward: the loss and all that it was computed from, leaves included.
        backward: what the gradients need beyond that, operations only, in order of execution.
        cotangents: for each node of ``forward`` through which a gradient flows the derivative of
            the loss with respect to it.
        contributions: for each use ``(consumer, argument number)`` of such a node the part of its
            derivative that comes through this use; they add up to the cotangent.
        conversions: values that left the recording.
        notes: what there is to say about the run.
        calls: for each operation the call of the user's function that executed it.
    """

    name: str
    params: dict[str, Leaf]
    inputs: dict[str, Leaf]
    grads: dict[str, Any]
    loss: Node
    nodes: tuple[Node, ...]
    forward: frozenset[Node]
    backward: tuple[Node, ...]
    cotangents: dict[Node, Any]
    contributions: Contributions
    conversions: tuple[Conversion, ...] = ()
    notes: tuple[str, ...] = ()
    calls: dict[Node, Call] = field(default_factory=dict, repr=False)
    _names: dict[Node, str] = field(default_factory=dict, repr=False)

    def name_of(self, node: Node) -> str:
        """What the user calls a node's value: a variable, or else the expression."""
        known = self._names.get(node)
        if known is not None:
            return known
        found = where(node)
        if found is None:
            return describe(node)
        return found.name or found.expression or describe(node)


def where(node: Node) -> Place | None:
    """The place in the user's program that made a node.

    What is written through a view has none of its own: it is that of the value written.
    """
    while node.code is None:
        parents = [p for p in reversed(node.inputs[:2]) if isinstance(p, Node)]
        if not parents:
            return None
        node = parents[0]
    return place(node.code, node.offset)


def observe(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    values: Mapping[str, Any] | None = None,
    at: int | str | None = None,
) -> Observation:
    """Run ``f`` once with tensors in the place of arrays, and record it.

    Args:
        f: computes a loss and its gradients by hand: a function with the dict of parameters among
            its arguments, or a bound method of an object with such a dict as ``params``.
        args: its arguments; they, and the object, are copied, and stay as they are.
        kwargs: its keyword arguments.
        values: other values for parameters, by name.
        at: which argument holds the parameters, if that is known (:func:`parameters_at`).

    Raises:
        DtypeError: no parameters are found, or they are not floating-point.
        DataError: ``f`` returns something else than ``(loss, gradients)``.
        GradientError: the loss has lost its history.
    """
    shadow = Shadow(values)
    run, given, named = _bind(f, args, kwargs, shadow, at)
    lost: list[Conversion] = []

    def asked(node: Node, how: str) -> None:
        if node.requires_grad and how.startswith(_LOSING):
            lost.append(Conversion(node, how))

    leaves = [*shadow.params.values(), *shadow.inputs.values()]
    with tracing(leaves, asked) as tape, following(), np.errstate(all="ignore"):
        calls = tape.nodes = Calls()
        result = run(*given, **named)
        loss, grads = _result(result, f)
        root, notes = _loss_node(loss, lost)
        found = {name: _traced(g) for name, g in _named(shadow, grads).items()}
        of_nodes = calls.close()
    forward = ancestors([root])
    needed = ancestors(x for x in found.values() if isinstance(x, Node)) - forward
    order = [n for n in tape.nodes if n in forward]
    cotangents, contributions = adjoint(root, order, Values(forward))
    names: dict[Node, str] = {n: name for name, n in (shadow.params | shadow.inputs).items()}
    return Observation(
        name=getattr(f, "__name__", type(f).__name__),
        params=shadow.params,
        inputs=shadow.inputs,
        grads=found,
        loss=root,
        nodes=tuple(tape.nodes),
        forward=frozenset(forward),
        backward=tuple(n for n in tape.nodes if n in needed),
        cotangents=cotangents,
        contributions=contributions,
        conversions=tuple(lost),
        notes=tuple(notes),
        calls=of_nodes,
        _names=names,
    )


def ancestors(roots: Iterable[Node]) -> set[Node]:
    """The roots and all that they were computed from."""
    seen = set(roots)
    stack = list(seen)
    while stack:
        for parent in stack.pop().inputs:
            if isinstance(parent, Node) and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return seen


# --- calling ------------------------------------------------------------------------------------


def unwrapped(
    f: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """A partial function taken apart into the function and all its arguments."""
    kwargs = dict(kwargs)
    while isinstance(f, functools.partial):
        args, kwargs, f = (*f.args, *args), {**f.keywords, **kwargs}, f.func
    if not inspect.isroutine(f) and isinstance(getattr(f, "__call__", None), MethodType):  # noqa: B004
        f = f.__call__  # type: ignore[operator]
    return f, args, kwargs


def owner_of(f: Any) -> Any:
    """The object with a ``params`` dict whose method ``f`` is; None if it is not such a method."""
    owner = getattr(f, "__self__", None) if isinstance(f, MethodType) else None
    return owner if isinstance(getattr(owner, "params", None), dict) else None


def _bind(
    f: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    shadow: Shadow,
    at: int | str | None = None,
) -> tuple[Callable[..., Any], list[Any], dict[str, Any]]:
    """What to call, with tensors."""
    f, args, kwargs = unwrapped(f, args, kwargs)
    owner = owner_of(f)
    names = argument_names(f, len(args))
    at = parameters_at(f, args, kwargs) if at is None else at
    given: dict[int | str, Any] = dict(enumerate(args)) | dict(kwargs)
    called: dict[int | str, str] = dict(enumerate(names)) | {name: name for name in kwargs}
    params = None
    if owner is not None:
        shadow.parameters(owner.params, "params")
    elif at is not None:
        params = shadow.parameters(given[at], called[at])
    else:
        first = f"a {type(args[0]).__name__}" if args else "no argument"
        raise DtypeError(
            "audit(f, params, ...) needs a dict of parameters among the arguments, or a bound\n"
            f"  method of an object that has one as its attribute params; got {first}"
        )
    made = {i: params if i == at else shadow.of(x, called[i]) for i, x in given.items()}
    run = shadow.of(f, "f") if owner is not None else shadow.function(f)
    return run, [made[i] for i in range(len(args))], {name: made[name] for name in kwargs}


def parameters_at(f: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int | str | None:
    """Which argument holds the parameters: its number, or its keyword; None if none does.

    It is the first, or a dict of arrays. Where both may be, the names of the gradients tell, which
    a run on plain arrays returns.
    """
    f, args, kwargs = unwrapped(f, args, kwargs)
    if owner_of(f) is not None:
        return None
    given: dict[int | str, Any] = dict(enumerate(args)) | dict(kwargs)
    kinds = (dict, list, tuple, np.ndarray, Tensor, float)
    possible = [i for i, x in given.items() if isinstance(x, dict) and _holds_arrays(x)]
    if args and isinstance(args[0], kinds) and 0 not in possible:
        possible.append(0)
    if len(possible) < 2:
        return possible[0] if possible else None
    keys = _returned_names(f, args, kwargs)
    scores = {i: len(keys & _gradient_names(given[i])) for i in possible}
    return max(possible, key=lambda i: (scores[i], i == 0))


def _holds_arrays(x: Mapping[Any, Any]) -> bool:
    """Whether a dict holds a floating-point array, also in lists and dicts."""
    stack = list(x.values())
    while stack:
        value = stack.pop()
        if isinstance(value, (np.ndarray, Tensor)) and value.dtype.kind == "f":
            return True
        if isinstance(value, Mapping):
            stack.extend(value.values())
        elif isinstance(value, (list, tuple)):
            stack.extend(value)
    return False


def _gradient_names(x: Any) -> set[Any]:
    """What gradients of the entries of a dict may be called."""
    names = [n for n in x if isinstance(n, str)] if isinstance(x, dict) else []
    return {a.format(n) for n in names for a in ("{}", *_ALIASES)}


def _returned_names(f: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> set[Any]:
    """The keys of the gradients that a function returns; none if it cannot be run like that."""
    shadow = Shadow(plain=True)
    try:
        given = [shadow.of(x, "") for x in args]
        named = {name: shadow.of(x, name) for name, x in kwargs.items()}
        with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            grads = _result(shadow.function(f)(*given, **named), f)[1]
    except Exception:  # whatever the user's code raises: the audit's own run will tell
        return set()
    return set(grads) if isinstance(grads, Mapping) else set()


def argument_names(f: Any, count: int) -> list[str]:
    """What ``f`` calls its first positional arguments."""
    try:
        found = [
            p for p in inspect.signature(f).parameters.values() if p.kind is not p.KEYWORD_ONLY
        ]
    except (TypeError, ValueError):
        found = []
    names = [p.name for p in found if p.kind is not p.VAR_POSITIONAL][:count]
    return names + [f"args[{i}]" for i in range(len(names), count)]


def plain_run(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    values: Mapping[str, Any] | None = None,
    at: int | str | None = None,
) -> tuple[float, dict[str, Any]]:
    """Run ``f`` on plain arrays, in float64: the loss and the gradients by name."""
    shadow = Shadow(values, plain=True)
    run, given, named = _bind(f, args, kwargs, shadow, at)
    loss, grads = _result(run(*given, **named), f)
    return float(np.reshape(_value(loss), ())), _named(shadow, grads)


# --- what came back -------------------------------------------------------------------------------


def _result(result: Any, f: Any) -> tuple[Any, Any]:
    """The loss and the gradients of what the function returned."""
    name = getattr(f, "__name__", "the function")
    if isinstance(result, (tuple, list)) and len(result) >= 2:
        loss, grads = result[0], result[1]
        if isinstance(loss, dict) and not isinstance(grads, dict):
            loss, grads = grads, loss
        if not isinstance(loss, (dict, list, tuple)) and np.size(_value(loss)) == 1:
            return loss, grads
        what = f"a loss of shape {np.shape(_value(loss))}" if hasattr(loss, "shape") else "no loss"
    else:
        what = f"a {type(result).__name__}"
    raise DataError(
        f"audit needs (loss, grads), the loss a single number and grads a dict named like the\n"
        f"  parameters; {name} returned {what}"
    )


def _value(x: Any) -> Any:
    return x._current() if isinstance(x, Tensor) else x


def _loss_node(loss: Any, lost: list[Conversion]) -> tuple[Node, list[str]]:
    """The node of the loss; one that was converted to a number last is recognised by its value."""
    if isinstance(loss, Tensor):
        loss._current()
        if loss._node is not None and loss.requires_grad:
            return loss._node, []
    value = float(np.reshape(_value(loss), ()))
    for conversion in reversed(lost):
        node = conversion.node
        if np.size(node.value) == 1 and float(np.reshape(node.value, ())) == value:
            return node, []
    raise GradientError(_lost_message(value, lost))


def _lost_message(value: float, lost: list[Conversion]) -> str:
    message = (
        f"the returned loss, {value:.10g}, is a plain number: how it was computed is not known"
    )
    if not lost:
        return f"{message}\n  it does not seem to depend on the parameters"
    lines = []
    for conversion in lost[-3:]:
        found = where(conversion.node)
        at = f", line {found.line}" if found is not None else ""
        lines.append(f"  {conversion.how} took the number of {describe(conversion.node)}{at}")
    return "\n".join([message, *lines, "  compute with arrays (np.exp, np.sum) up to the loss"])


def _traced(g: Any) -> Any:
    """A gradient's node; a plain value where there is none."""
    if isinstance(g, Tensor):
        g._current()
        return g._node if g._node is not None else g._value
    return g


def _named(shadow: Shadow, grads: Any) -> dict[str, Any]:
    """The returned gradients by the parameters' names, then the extra ones."""
    params, found = list(shadow.params), dict.fromkeys(shadow.params, ABSENT)
    if isinstance(shadow.structure, dict) and isinstance(grads, (list, tuple)):
        grads = dict(zip(params, grads, strict=False))
    prefix = "" if isinstance(shadow.structure, dict) else shadow.name
    flat = dict(_flat(grads, prefix, shadow.structure))
    for key, g in flat.items():
        aliases = [p for p in params if key in (p, *(a.format(p) for a in _ALIASES))]
        names = [key] if key in params else aliases
        found[names[0] if names else key] = g
    return found


def _flat(x: Any, name: str, like: Any) -> Iterable[tuple[str, Any]]:
    """The leaves of a structure of gradients, named as :class:`Shadow` names parameters."""
    if isinstance(x, Mapping):
        for key, value in x.items():
            inner = like.get(key) if isinstance(like, dict) else None
            yield from _flat(value, key if not name else f"{name}[{key!r}]", inner)
    elif isinstance(x, (list, tuple)) and isinstance(like, (list, tuple)):
        for i, value in enumerate(x):
            yield from _flat(value, f"{name}[{i}]", like[i] if i < len(like) else None)
    elif x is not None:
        yield name, x
