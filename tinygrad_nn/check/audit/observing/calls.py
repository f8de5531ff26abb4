"""Which call of which function each step was executed in, and what it was called there.

A node knows its instruction, not who called the function that it stands in. While a run is
recorded, the user's frames are looked at as each operation is put on the tape.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

from ....node import Node
from ....provenance import Place, place
from ....tensor import Tensor
from .constructors import is_users


@dataclass(eq=False)
class Call:
    """One execution of a function of the user's.

    Attributes:
        parent: the call that it was made in; None for the audited function itself.
        code: the function's.
        site: the offset of the calling instruction in the parent's code.
        names: what its local variables hold when it is done: for each node its names.
    """

    parent: Call | None
    code: CodeType
    site: int
    names: dict[Node, list[str]] = field(default_factory=dict)

    @property
    def place(self) -> Place | None:
        """Where it was made."""
        return place(self.parent.code, self.site) if self.parent is not None else None

    def chain(self) -> Iterator[Call]:
        """This call, and those that it was made in, from the inside out."""
        call: Call | None = self
        while call is not None:
            yield call
            call = call.parent


class Calls(list[Node]):
    """The operations of a tape, in order; each is noted with the call that it is executed in.

    The frames are kept until :meth:`close`, so that none of their ids is given to another one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.of: dict[Node, Call] = {}
        self._frames: dict[int, tuple[FrameType, Call]] = {}
        self._end = sys._getframe(1)

    def append(self, node: Node) -> None:
        """Add a node that is executed now."""
        super().append(node)
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and not is_users(frame.f_code.co_filename):
            if frame is self._end:
                return
            frame = frame.f_back
        if frame is not None:
            self.of[node] = self._call(frame)

    def _call(self, frame: FrameType) -> Call:
        new: list[FrameType] = []  # calls not seen before, from the inside out
        outer: FrameType | None = frame
        while outer is not None and outer is not self._end and id(outer) not in self._frames:
            if is_users(outer.f_code.co_filename):
                new.append(outer)
            outer = outer.f_back
        known = self._frames.get(id(outer))
        call = known[1] if known is not None else None
        above = outer
        for inner in reversed(new):
            call = Call(call, inner.f_code, above.f_lasti if call is not None and above else 0)
            self._frames[id(inner)] = inner, call
            above = inner
        assert call is not None
        return call

    def close(self) -> dict[Node, Call]:
        """The calls of all nodes; the frames are let go."""
        for frame, call in self._frames.values():
            for name, value in frame.f_locals.items():
                node = _node(value)
                if node is not None:
                    call.names.setdefault(node, []).append(name)
        self._frames.clear()
        return self.of


def _node(value: Any) -> Node | None:
    if not isinstance(value, Tensor):
        return None
    value._current()
    return value._node
