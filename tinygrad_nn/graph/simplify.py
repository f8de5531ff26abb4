"""A graph with fewer operations and the same values: ``Graph.simplify``.

One pass goes through the nodes in order and makes each anew from what stands for its operands. On
the way it is looked up among those already made (common subexpressions), computed if it is
constant, or replaced by a rewrite of the table in :mod:`tinygrad_nn.graph.rewrites`. What the
outputs do not need is left behind. Passes are repeated while they change something, a few times at
most; the work of each is proportional to the number of nodes.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np

from ..node import Node, leaf
from ..rules.indexing import getitem
from ..weak import WEAK, weak
from .build import apply
from .graph import Graph, count_uses, live_nodes
from .names import NUMBERED
from .rewrites import TABLE, Builder
from .rewrites.pattern import Table, operands_of
from .rewrites.types import blank

#: How many passes there are at most.
PASSES = 5


def simplify(graph: Graph, table: Table = TABLE) -> Graph:
    """The same program with fewer operations; see :meth:`Graph.simplify`.

    Args:
        graph: any graph.
        table: the rewrites to apply.
    """
    simple = graph
    stands_for: dict[Node, Any] = {node: node for node in graph.everything}
    for i in range(PASSES):
        simple, builder, new = _once(simple, table, first=i == 0)
        stands_for = {
            old: new.get(x) if isinstance(x, Node) else x for old, x in stands_for.items()
        }
        if not builder.unsure or (i > 0 and not builder.applied):
            break
    nearest = _nearest(graph, stands_for, set(simple.everything)) if simple.origin else {}
    return replace(
        simple,
        origin={node: nearest[of] for node, of in simple.origin.items() if of in nearest},
        merged=_merged(graph, simple, stands_for, nearest),
    )


def _once(graph: Graph, table: Table, first: bool) -> tuple[Graph, Builder, dict[Node, Any]]:
    """One pass, what it was made with, and what stands for each node.

    How often a node is used is known when what is computed twice has been put together: after the
    first pass.
    """
    builder = Builder(table)
    builder.labels |= {(node, classes, False) for node, classes in graph.labels.items()}
    stands_for: dict[Node, Any] = {n: n for n in (*graph.inputs, *graph.captured)}
    uses = {} if first else count_uses(graph)
    for node in graph.nodes:
        operands = tuple(
            stands_for.get(x, x) if isinstance(x, Node) else x for x in operands_of(node)
        )
        new = stands_for[node] = builder.rebuild(node, operands)
        if isinstance(new, Node) and not first:
            builder.uses[new] = builder.uses.get(new, 0) + uses.get(node, 0)
    ends: dict[Node, Node] = {}
    for node in (*graph.outputs, *(new for _, new in graph.updates)):
        new = stands_for[node]
        new = new if isinstance(new, Node) else _constant(new, stands_for, node)
        ends[node] = _as_it_was(new, node, builder)
    return _assembled(graph, builder, stands_for, ends), builder, stands_for


def _as_it_was(new: Node, old: Node, builder: Builder) -> Node:
    """``new``, or what makes of it the number, or the array of shape (), that ``old`` gives."""
    was_array = isinstance(old.value, np.ndarray)
    if new.value.shape or isinstance(old.value, WEAK) or was_array == isinstance(
        new.value, np.ndarray
    ):  # fmt: skip
        return new
    function, operands = (np.reshape, (new, ())) if was_array else (getitem, (new,))
    end = apply(function, *operands, like=old)
    end.value = blank(old.value)
    builder.nodes.append(end)
    builder.made_for[end] = old
    return end


def _constant(value: Any, stands_for: dict[Node, Any], node: Node) -> Node:
    """A leaf for an output that turned out to be constant."""
    value = np.asarray(value) if isinstance(node.value, np.ndarray) else weak(value)
    stands_for[node] = leaf(value, False)
    return stands_for[node]  # type: ignore[no-any-return]


def _assembled(
    graph: Graph, builder: Builder, stands_for: dict[Node, Any], ends: dict[Node, Node]
) -> Graph:
    live = live_nodes(ends.values())
    nodes = tuple(n for n in builder.nodes if n in live)
    kept = [n for n in graph.captured if n in live]
    known = {*graph.inputs, *nodes, *kept}
    captured = (*kept, *(n for n in live if n not in known))  # outputs that became constant
    return replace(
        graph,
        captured=captured,
        nodes=nodes,
        outputs=tuple(ends[n] for n in graph.outputs),
        names=_names(graph, stands_for, (*captured, *nodes)),
        updates=tuple((n, ends[new]) for n, new in graph.updates if ends[new] is not n),
        origin={
            node: graph.origin[old]  # of the graph before the first pass
            for node in nodes
            if (old := builder.made_for[node]) in graph.origin
        },
    )


def _names(graph: Graph, stands_for: dict[Node, Any], nodes: tuple[Node, ...]) -> dict[Node, str]:
    """Names for the inputs and ``nodes``: the best of what each stands for, or the next number.

    The user's own name is best, then that of a gradient.
    """
    found: dict[Node, tuple[int, str]] = {}
    for old in graph.everything:
        name, new = graph.names[old], stands_for[old]
        if not isinstance(new, Node):
            continue
        rank = 2 if NUMBERED.fullmatch(name) else int(old in graph.origin)
        if old is new:
            rank = -1
        if new not in found or rank < found[new][0]:
            found[new] = (rank, name)
    names = {node: graph.names[node] for node in graph.inputs}
    taken = {*names.values(), *(name for rank, name in found.values() if rank < 2)}
    numbers = (f"t{n}" for n in count(1) if f"t{n}" not in taken)
    for node in nodes:
        rank, name = found.get(node, (2, ""))
        names[node] = name if rank < 2 else next(numbers)
    return names


def _is_live(x: Any, live: set[Node]) -> bool:
    return isinstance(x, Node) and x in live


#: How many nodes that have become part of another one are looked at to tell what it does.
_LOOKED_AT = 50


def _merged(
    graph: Graph, simple: Graph, stands_for: dict[Node, Any], nearest: dict[Node, Node]
) -> dict[Node, tuple[Node, ...]]:
    """For each node of a derivative what else it is the derivative of than its origin says.

    That is what the nodes are derivatives of which it stands for, and those before them for which
    no node stands any more.
    """
    live = set(simple.nodes) & simple.origin.keys()
    merged: dict[Node, dict[Node, None]] = {}
    for old in graph.nodes:
        new = stands_for[old]
        if old not in graph.origin or not _is_live(new, live):
            continue
        found, stack = merged.setdefault(new, {}), [old]
        seen = {old}
        while stack and len(seen) < _LOOKED_AT:
            each = stack.pop()
            for of in (graph.origin[each], *graph.merged.get(each, ())):
                if of in nearest:
                    found[nearest[of]] = None
            for parent in each.inputs:
                gone = parent in graph.origin and not _is_live(stands_for[parent], live)
                if gone and parent not in seen:
                    seen.add(parent)
                    stack.append(parent)
    return {
        node: tuple(of for of in found if of is not simple.origin[node])
        for node, found in merged.items()
        if len(found) > 1
    }


def _nearest(graph: Graph, stands_for: dict[Node, Any], there: set[Node]) -> dict[Node, Node]:
    """For each forward node one that is still there: what it went into, or what it came from."""
    nearest: dict[Node, Node] = {}
    forward = [n for n in graph.nodes if n not in graph.origin]
    for node in (*graph.inputs, *graph.captured, *forward):
        new = stands_for[node]
        if isinstance(new, Node) and new in there:
            nearest[node] = new
    for node in reversed(forward):
        if node in nearest:
            for parent in node.inputs:
                if isinstance(parent, Node):
                    nearest.setdefault(parent, nearest[node])
    for node in forward:
        for parent in node.inputs:
            if isinstance(parent, Node) and parent in nearest:
                nearest.setdefault(node, nearest[parent])
    return nearest
