"""From a graph to source code: NumPy a person can read, NumPy with buffers, Numba, ONNX.

Imports: graph, tensor, node, rules, tree, weak, errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .numpy_source import derive as derive
    from .numpy_source import source as source

__all__ = ["derive", "source"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import numpy_source

        return getattr(numpy_source, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
