"""Rewrites of picked and scattered entries."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...rules.indexing import scatter_add, setitem
from .pattern import rewrite


def _only_shapes(*index: Any) -> bool:
    """Whether an index picks everything, and at most adds axes."""
    return all(i is None or i is Ellipsis or i == slice(None) for i in index)


def _is_plain(i: Any) -> bool:
    return i is None or isinstance(i, (slice, int)) or i is Ellipsis


rewrite(
    lambda x, i, *index: scatter_add(x, i, *index),
    lambda x, i: np.reshape(x, i),
    when=lambda *index: all(map(_is_plain, index)) and _only_shapes(*index),
)
# zeros written into equal numbers, then a mask: the numbers times the mask, then the zeros
rewrite(
    lambda s, i, y, *index: setitem(np.broadcast_to(s, i), 0, *index) * y,
    lambda s, y, *index: setitem(s * y, 0, *index),
    when=lambda y, i: y.dtype.kind == "b" and y.shape == i,
)
