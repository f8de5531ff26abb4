"""The table of rewrites that ``Graph.simplify`` applies."""

from . import arithmetic, neural, shapes
from .builder import Builder
from .pattern import TABLE, rewrite

__all__ = ["TABLE", "Builder", "rewrite"]
