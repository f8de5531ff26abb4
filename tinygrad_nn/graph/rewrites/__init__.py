"""The table of rewrites that ``Graph.simplify`` applies."""

from . import arithmetic, indexing, neural, reductions, shapes  # noqa: F401 (each fills the table)
from .builder import Builder
from .pattern import TABLE, Table, rewrite

__all__ = ["TABLE", "Builder", "Table", "rewrite"]
