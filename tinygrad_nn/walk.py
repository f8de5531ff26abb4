"""The backward walk: from one node to the leaves below it, in reverse order of the computation.

One loop serves every use. On arrays it is the eager backward pass; with ``lift`` the same rules run
on tensors, so that the gradient is itself recorded (second derivatives, traced gradients). The
loop is iterative, keeps gradients of its own, and drops each as soon as it has been passed on.

Imports: node, tensor, rules (the registry).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from .errors import NoRuleError
from .node import Guard, Node, describe, function_name, where
from .rules.registry import RULES
from .tensor import Tensor, wrap


def walk(
    roots: Iterable[tuple[Node, Any]],
    wanted: set[Node] | None = None,
    lift: bool = False,
    keep: dict[Node, Any] | None = None,
) -> dict[Node, Any]:
    """The gradient with respect to each leaf (or each ``wanted`` node) below the roots.

    Args:
        roots: nodes, each with the gradient that comes into it, of its value's shape.
        wanted: where to stop, and what to return; by default all leaves that require a gradient.
            Only what leads to them is walked.
        lift: whether the gradients are tensors, recorded as they are computed.
        keep: if given, filled with the gradient of every node passed.
    """
    grads: dict[Node, Any] = {}
    for node, g in roots:
        grads[node] = g if node not in grads else grads[node] + g
    uses = _count_uses(grads)
    reach = None if wanted is None else _reaching(uses, wanted)
    if reach is not None:
        uses = _count_uses([n for n in grads if n in reach], reach)
    ready = [node for node, count in uses.items() if count == 0]
    found: dict[Node, Any] = {}
    while ready:
        node = ready.pop()
        g = grads.pop(node, None)
        if keep is not None:
            keep[node] = g
        if wanted is not None and node in wanted:
            found[node] = g
        if node.function is None:
            if wanted is None:
                found[node] = g
            continue
        _pass_on(node, g, grads, reach, lift)
        for parent in node.inputs:
            if type(parent) is Node and (
                parent.requires_grad if reach is None else parent in reach
            ):
                uses[parent] -= 1
                if not uses[parent]:
                    ready.append(parent)
    return found


def _count_uses(roots: Iterable[Node], reach: set[Node] | None = None) -> dict[Node, int]:
    """Every node below the roots, with the number of times that it is an argument there."""
    uses = dict.fromkeys(roots, 0)
    stack = list(uses)
    while stack:
        for parent in stack.pop().inputs:
            if type(parent) is Node and (
                parent.requires_grad if reach is None else parent in reach
            ):
                if parent in uses:
                    uses[parent] += 1
                else:
                    uses[parent] = 1
                    stack.append(parent)
    return uses


def _reaching(uses: dict[Node, int], wanted: set[Node]) -> set[Node]:
    """Those of the nodes from which a wanted one can be reached."""
    users: dict[Node, list[Node]] = {}
    for node in uses:
        for parent in node.inputs:
            if type(parent) is Node:
                users.setdefault(parent, []).append(node)
    reach = {node for node in wanted if node in uses}
    stack = list(reach)
    while stack:
        for user in users.get(stack.pop(), ()):
            if user not in reach:
                reach.add(user)
                stack.append(user)
    return reach


def _pass_on(
    node: Node, g: Any, grads: dict[Node, Any], reach: set[Node] | None, lift: bool
) -> None:
    """Apply the rules of one node, and add what they give to its inputs' gradients."""
    inputs = node.inputs
    rule = RULES[node.function]  # type: ignore[index]
    args, y = node.arguments, node.value
    if lift:
        args = tuple(
            wrap(a, i) if type(i) is Node else a for a, i in zip(args, inputs, strict=True)
        )
        y = wrap(y, node)
    vjps = rule.vjps
    if rule.alone is not None:
        if sum(type(i) is Node and i.requires_grad for i in inputs) == 1:
            vjps = rule.alone
    keywords = node.keywords
    for argnum, parent in enumerate(inputs):
        if parent is None:
            continue
        if type(parent) is Guard:
            parent.check(node)
            continue
        if not (parent.requires_grad if reach is None else parent in reach):
            continue
        if vjps:
            vjp = vjps[argnum] if argnum < len(vjps) else None
            if vjp is None:
                raise _no_derivative(node, argnum)
            gi = vjp(g, y, *args) if keywords is None else vjp(g, y, *args, **keywords)
        else:
            gi = rule.variadic(argnum, g, y, *args, **(keywords or {}))  # type: ignore[misc]
        x = args[argnum]
        if gi.shape != x.shape:
            gi = unbroadcast(gi, x.shape)
        if gi.dtype != x.dtype:
            gi = gi.astype(x.dtype)
        if parent not in grads:
            grads[parent] = gi
        else:
            grads[parent] = _add(grads.pop(parent), gi)


def _add(total: Any, g: Any) -> Any:
    """total + g, in total's own memory where nobody else can see it.

    A rule may hand on the very array that it was given (adding does), so an array may only be
    overwritten if no other name holds it: CPython's reference count tells.
    """
    if (
        type(total) is np.ndarray
        and sys.getrefcount(total) == 3  # our name, the caller's temporary, the argument
        and total.base is None
        and type(g) is np.ndarray
    ):
        total += g
        return total
    return total + g


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum ``g`` over the axes along which a value of ``shape`` was broadcast to g's shape."""
    extra = g.ndim - len(shape)
    if extra > 0:
        g = g.sum(axis=0) if extra == 1 else g.sum(axis=tuple(range(extra)))
    elif extra < 0:  # a scalar gradient for an array of one entry
        return np.broadcast_to(g, shape)
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    if axes:
        g = g.sum(axis=axes, keepdims=True)
    return g if g.shape == shape else np.broadcast_to(g, shape)


def _no_derivative(node: Node, argnum: int) -> NoRuleError:
    return NoRuleError(
        f"{function_name(node.function)} has no derivative with respect to its argument "
        f"{argnum + 1}, and a gradient flows into it\n  in {describe(node)}\n{where(node)}"
    )


def ones_like(t: Tensor) -> Any:
    """The gradient of a result with respect to itself."""
    return np.ones(t.shape, t.dtype)[()]
