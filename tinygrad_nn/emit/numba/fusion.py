"""Which loops become one: over the same range, sharing arrays, as far as the order allows."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Sequence

#: At most so many operations are considered together: every pair of them may be looked at.
_WINDOW = 256


def fuse(
    keys: Sequence[Hashable],
    edges: dict[tuple[int, int], bool],
    shared: dict[tuple[int, int], int],
) -> list[list[int]]:
    """Put operations 0, 1, ... into groups, each of which runs as one loop.

    Args:
        keys: for each operation what its loop runs over; only equal ones fuse, None never does.
        edges: for each pair (first, second) of operations of which the second needs the first:
            whether it may run in the same round of the loop.
        shared: for pairs of operations, the bytes that need not be read again if they fuse.

    Returns:
        The groups, each in increasing order, and each after those that it needs.
    """
    groups: list[list[int]] = []
    for start in range(0, len(keys), _WINDOW):
        groups += _Window(range(start, min(start + _WINDOW, len(keys))), keys, edges, shared).groups
    return groups


class _Window:
    """The fusion of some consecutive operations, largest sharing first."""

    def __init__(
        self,
        members: range,
        keys: Sequence[Hashable],
        edges: dict[tuple[int, int], bool],
        shared: dict[tuple[int, int], int],
    ) -> None:
        self.group_of = {i: i for i in members}
        self.content: dict[int, list[int]] = {i: [i] for i in members}
        self.after: dict[int, set[int]] = {i: set() for i in members}
        self.apart: dict[int, set[int]] = {i: set() for i in members}  # never one loop
        for (a, b), aligned in edges.items():
            if a in self.group_of and b in self.group_of:
                self.after[a].add(b)
                if not aligned:
                    self.apart[a].add(b)
                    self.apart[b].add(a)
        wanted = [
            (a, b)
            for a, b in sorted(shared, key=lambda pair: (-shared[pair], pair))
            if a in self.group_of
            and b in self.group_of
            and keys[a] is not None
            and keys[a] == keys[b]
        ]
        for a, b in wanted:
            self.merge(self.group_of[a], self.group_of[b])
        order = topological(sorted(self.content), self.after, lambda g: self.content[g][0])
        self.groups = [sorted(self.content[g]) for g in order]

    def merge(self, a: int, b: int) -> None:
        """Make one group of two, unless something has to run between them."""
        if a == b or b in self.apart[a] or self.path_around(a, b) or self.path_around(b, a):
            return
        for i in self.content[b]:
            self.group_of[i] = a
        self.content[a] += self.content.pop(b)
        for relation in (self.after, self.apart):
            relation[a] |= relation.pop(b)
            for others in relation.values():
                if b in others:
                    others.discard(b)
                    others.add(a)
            relation[a].discard(a)

    def path_around(self, a: int, b: int) -> bool:
        """Whether ``b`` needs a third group that needs ``a``."""
        stack = [g for g in self.after[a] if g != b]
        seen = set(stack)
        while stack:
            for g in self.after[stack.pop()]:
                if g == b:
                    return True
                if g not in seen:
                    seen.add(g)
                    stack.append(g)
        return False


def topological(
    groups: Sequence[int], after: dict[int, set[int]], rank: Callable[[int], Hashable]
) -> list[int]:
    """The groups, each after those it needs; of several that could come next the lowest in rank."""
    waiting = dict.fromkeys(groups, 0)
    for g in groups:
        for later in after[g]:
            waiting[later] += 1
    ready = [(rank(g), g) for g in groups if not waiting[g]]
    heapq.heapify(ready)
    order = []
    while ready:
        _, g = heapq.heappop(ready)
        order.append(g)
        for later in after[g]:
            waiting[later] -= 1
            if not waiting[later]:
                heapq.heappush(ready, (rank(later), later))
    return order
