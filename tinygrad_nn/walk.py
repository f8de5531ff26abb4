"""The backward walk: from one node to the leaves below it, in reverse order of the computation.

Nodes are numbered as they are made, so the youngest node that has a gradient has all of it: a heap
gives the order, with no search of the graph beforehand. One loop serves every use. On arrays it is
the eager backward pass; with ``lift`` the same rules run on tensors, so that the gradient is itself
recorded (second derivatives, traced gradients). It keeps gradients of its own, and drops each as
soon as it has been passed on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np

from .errors import LinearAlgebraError, NoRuleError
from .node import Guard, Node, describe, function_name, where
from .rules.registry import RULES, Rule, Vjp
from .tensor import Tensor, wrap


def walk(
    roots: Iterable[tuple[Node, Any]],
    wanted: Iterable[Node] = (),
    lift: bool = False,
    visit: Callable[[Node, Any], None] | None = None,
) -> dict[Node, Any]:
    """The gradient with respect to each leaf (and each ``wanted`` node) below the roots.

    Args:
        roots: nodes, each with the gradient that comes into it, of its value's shape.
        wanted: where to stop. What is older than all of these cannot depend on them, and is not
            walked; by default the walk goes down to the leaves.
        lift: whether the gradients are tensors, recorded as they are computed.
        visit: called with every node passed and its gradient, before its rules run; the leaves
            come last.
    """
    wanted = list(wanted)
    oldest = min([node.order for node in wanted], default=1)
    passed = {node for node in wanted if node.function is not None}
    grads: dict[Node, Any] = {}
    for node, g in roots:
        grads[node] = grads[node] + g if node in grads else g
    heap = [(-node.order, node) for node in grads if node.function is not None]
    heapify(heap)
    found: dict[Node, Any] = {}
    while heap:
        node = heappop(heap)[1]
        g = grads.pop(node)
        if visit is not None:
            visit(node, g)
        function, inputs, args, y = node.function, node.inputs, node.arguments, node.value
        if passed and node in passed:
            found[node] = g
        rule = RULES[function]  # type: ignore[index]
        vjps: Sequence[Vjp | None] = rule.vjps
        keywords = node.keywords
        if lift:
            args, y = _lifted(node)
        given = args
        if rule.packed:
            vjps, given, keywords = _unpacked(rule, g, y, args, keywords), (), None
        elif rule.special or len(vjps) < len(inputs):
            vjps = _vjps(rule, node)
            if rule.in_place is not None and vjps is rule.alone and not lift and _is_private(g):
                vjps = rule.in_place
        elif rule.twice is not None and inputs[0] is inputs[1]:
            vjps, inputs = (rule.twice,), inputs[:1]
        for vjp, parent, x in zip(vjps, inputs, args):  # a residual may follow
            if parent is None:
                continue
            if parent.order < oldest:  # or no gradient flows through it
                if type(parent) is Guard:
                    parent.check(node)
                continue
            if vjp is None:
                raise _no_derivative(node, x)
            try:
                gi = vjp(g, y, *given) if keywords is None else vjp(g, y, *given, **keywords)
            except np.linalg.LinAlgError as error:
                raise _singular(node, error) from error
            if gi.shape != x.shape:
                gi = unbroadcast(gi, x.shape)
            if gi.dtype is not x.dtype and gi.dtype != x.dtype:
                gi = gi.astype(x.dtype)
            if parent in grads:
                grads[parent] = _add(grads.pop(parent), gi)
            else:
                grads[parent] = gi
                if parent.function is not None:
                    heappush(heap, (-parent.order, parent))
    if visit is not None:
        for node, g in grads.items():
            visit(node, g)
    return found | grads if found else grads  # what is left lies on the leaves


def _vjps(rule: Rule, node: Node) -> Sequence[Vjp | None]:
    """The rules for a node's arguments, where it takes a look at the arguments to tell."""
    n = len(node.inputs)
    if rule.variadic is not None:
        return [partial(rule.variadic, argnum) for argnum in range(n)]
    carriers = sum(isinstance(i, Node) and i.requires_grad for i in node.inputs)
    if rule.alone is not None and carriers == 1:
        return rule.alone
    return rule.vjps + (None,) * (n - len(rule.vjps))


def _unpacked(
    rule: Rule, g: Any, y: Any, args: tuple[Any, ...], keywords: dict[str, Any] | None
) -> list[Vjp]:
    """The rules of a function of many arguments, worked out together in one pass over them."""
    gradients = rule.variadic(g, y, *args, **(keywords or {}))  # type: ignore[misc]
    return [lambda g, y, gi=gi: gi for gi in gradients]


def _lifted(node: Node) -> tuple[tuple[Any, ...], Tensor]:
    """A node's arguments and value as tensors, so that what the rules do with them is recorded."""
    args = tuple(
        wrap(a, i) if isinstance(i, Node) else a
        for a, i in zip(node.arguments, node.inputs, strict=False)  # without a residual
    )
    return args, wrap(node.value, node)


def _references(x: Any) -> int:
    return sys.getrefcount(x)


def _calibrate() -> tuple[int, int]:
    """What this interpreter counts for an array of one owner, on the two ways taken below."""
    g = np.zeros(1)
    held = _references(g)  # a variable of the caller's, which uses it again later
    g += 1
    return held, _references([g.copy()].pop())  # a value handed over


_HELD, _ALONE = _calibrate()


def _is_private(g: Any) -> bool:
    """Whether the walk's own variable is the only one that holds the array ``g``."""
    return type(g) is np.ndarray and g.base is None and sys.getrefcount(g) <= _HELD


def _add(total: Any, g: Any) -> Any:
    """The sum of both, in total's own memory where nobody else can see it.

    A rule may hand on the very array that it was given (adding does), so an array may only be
    overwritten if no other name holds it: CPython's reference count tells.
    """
    if (
        type(total) is np.ndarray
        and type(g) is np.ndarray
        and total.base is None
        and sys.getrefcount(total) <= _ALONE
    ):
        total += g
        return total
    return total + g


def private(g: Any) -> Any:
    """``g`` itself if its memory has no other owner, else a copy: for handing to the user."""
    if not isinstance(g, np.ndarray):
        return g
    if g.base is None and g.flags.writeable and sys.getrefcount(g) <= _ALONE:
        return g
    return g.copy()


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum ``g`` over the axes along which a value of ``shape`` was broadcast to g's shape."""
    extra = g.ndim - len(shape)
    if extra > 0:
        g = g.sum(axis=0 if extra == 1 else tuple(range(extra)))
        if g.shape == shape:
            return g
    elif extra < 0:  # a scalar gradient for an array of one entry
        return np.broadcast_to(g, shape)
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    if axes:
        g = g.sum(axis=axes, keepdims=True)
    return g if g.shape == shape else np.broadcast_to(g, shape)


def _singular(node: Node, error: Exception) -> LinearAlgebraError:
    return LinearAlgebraError(f"{error}, in the derivative of {describe(node)}\n{where(node)}")


def _no_derivative(node: Node, x: Any) -> NoRuleError:
    return NoRuleError(
        f"{function_name(node.function)} has no derivative with respect to its argument of shape "
        f"{np.shape(x)}, and a gradient flows into it\n  in {describe(node)}\n{where(node)}"
    )


def ones_like(t: Tensor) -> Any:
    """The gradient of a result with respect to itself."""
    return np.ones(t.shape, t.dtype)[()]
