"""The backward walk: from one node to the leaves below it, in reverse order of the computation.

One loop serves every use. On arrays it is the eager backward pass; with ``lift`` the same rules run
on tensors, so that the gradient is itself recorded (second derivatives, traced gradients). The
loop is iterative, keeps gradients of its own, and drops each as soon as it has been passed on.

Imports: node, tensor, rules (the registry).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from .errors import NoRuleError
from .node import Guard, Node, describe, function_name, where
from .rules.registry import RULES, Rule, Vjp
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
        grads[node] = grads[node] + g if node in grads else g
    uses = _count_uses(grads, None)
    reach = None
    if wanted is not None and not all(n in wanted for n in uses if n.function is None):
        reach = _reaching(uses, wanted)
        uses = _count_uses([n for n in grads if n in reach], reach)
    ready = [node for node, count in uses.items() if count == 0]
    found: dict[Node, Any] = {}
    while ready:
        node = ready.pop()
        g = grads.pop(node)
        if keep is not None:
            keep[node] = g
        function, inputs, args, y = node.function, node.inputs, node.arguments, node.value
        if function is None or (wanted is not None and node in wanted):
            found[node] = g
            if function is None:
                continue
        rule = RULES[function]
        vjps = _vjps(rule, inputs)
        if lift:
            args, y = _lifted(node)
        keywords = node.keywords
        for vjp, parent, x in zip(vjps, inputs, args):  # noqa: B905 (a residual may follow)
            if parent not in uses:
                if type(parent) is Guard:
                    parent.check(node)
                continue
            if vjp is None:
                raise _no_derivative(node, x)
            gi = vjp(g, y, *args) if keywords is None else vjp(g, y, *args, **keywords)
            if gi.shape != x.shape:
                gi = unbroadcast(gi, x.shape)
            if gi.dtype is not x.dtype and gi.dtype != x.dtype:
                gi = gi.astype(x.dtype)
            if parent in grads:
                grads[parent] = _add(grads.pop(parent), gi)
            else:
                grads[parent] = gi
            count = uses[parent] = uses[parent] - 1
            if not count:
                ready.append(parent)
    return found


def _vjps(rule: Rule, inputs: tuple[Any, ...]) -> Sequence[Vjp | None]:
    """The rules for a node's arguments."""
    if rule.alone is not None and _is_alone(inputs):
        return rule.alone
    if rule.variadic is not None:
        return [partial(rule.variadic, argnum) for argnum in range(len(inputs))]
    if len(rule.vjps) < len(inputs):
        return rule.vjps + (None,) * (len(inputs) - len(rule.vjps))
    return rule.vjps


def _count_uses(roots: Iterable[Node], reach: set[Node] | None) -> dict[Node, int]:
    """Every node below the roots, with the number of times that it is an argument there."""
    uses = dict.fromkeys(roots, 0)
    stack = list(uses)
    while stack:
        for parent in stack.pop().inputs:
            if parent is None or type(parent) is not Node:
                continue
            if parent in uses:
                uses[parent] += 1
            elif parent.requires_grad if reach is None else parent in reach:
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


def _lifted(node: Node) -> tuple[tuple[Any, ...], Tensor]:
    """A node's arguments and value as tensors, so that what the rules do with them is recorded."""
    args = tuple(
        wrap(a, i) if type(i) is Node else a
        for a, i in zip(node.arguments, node.inputs, strict=False)  # without a residual
    )
    return args, wrap(node.value, node)


def _is_alone(inputs: tuple[Any, ...]) -> bool:
    """Whether only one argument carries a gradient."""
    return sum(type(i) is Node and i.requires_grad for i in inputs) == 1


def _references(x: Any) -> int:
    return sys.getrefcount(x)


#: What the interpreter counts, on the way taken below, for an array that has no other owner.
_ALONE = _references([np.zeros(1)].pop())


def _add(total: Any, g: Any) -> Any:
    """total + g, in total's own memory where nobody else can see it.

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
        g = g.sum(axis=0) if extra == 1 else g.sum(axis=tuple(range(extra)))
    elif extra < 0:  # a scalar gradient for an array of one entry
        return np.broadcast_to(g, shape)
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    if axes:
        g = g.sum(axis=axes, keepdims=True)
    return g if g.shape == shape else np.broadcast_to(g, shape)


def _no_derivative(node: Node, x: Any) -> NoRuleError:
    return NoRuleError(
        f"{function_name(node.function)} has no derivative with respect to its argument of shape "
        f"{np.shape(x)}, and a gradient flows into it\n  in {describe(node)}\n{where(node)}"
    )


def ones_like(t: Tensor) -> Any:
    """The gradient of a result with respect to itself."""
    return np.ones(t.shape, t.dtype)[()]
