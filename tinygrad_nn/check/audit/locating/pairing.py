"""Which execution of a backward step belongs to which execution of a forward one.

In a loop over samples with a loop over layers in it, the layers are passed backwards for each
sample, and there may be one less of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ....node import Node


def in_rounds(
    executed: Sequence[Node], nodes: Sequence[Node], position: Mapping[Node, int]
) -> Iterator[list[Node]]:
    """For each node its counterpart, where forward and backward steps come in several rounds.

    Args:
        executed: all executions of a forward step, in order.
        nodes: all executions of a backward step, in order.
        position: of each of them in the run.
    """
    rounds = _rounds(executed, nodes, position)
    if len(rounds) < 2:
        return
    spare = min(len(before) - len(after) for before, after in rounds)
    if spare < 0 or max(len(before) for before, _ in rounds) < 2:
        return
    for skipped in sorted({0, spare}):
        for backwards in (True, False):
            found: list[Node] = []
            for before, after in rounds:
                order = before[::-1] if backwards else before
                found += order[skipped : skipped + len(after)]
            yield found


def _rounds(
    executed: Sequence[Node], nodes: Sequence[Node], position: Mapping[Node, int]
) -> list[tuple[list[Node], list[Node]]]:
    """Forward executions, and the backward ones that come before the next of those."""
    if any(n not in position for n in nodes):
        return []
    backward = set(nodes)
    rounds: list[tuple[list[Node], list[Node]]] = []
    for node in sorted([*executed, *nodes], key=position.__getitem__):
        if node in backward:
            if not rounds:
                return []
            rounds[-1][1].append(node)
        elif not rounds or rounds[-1][1]:
            rounds.append(([node], []))
        else:
            rounds[-1][0].append(node)
    return [r for r in rounds if r[1]]
