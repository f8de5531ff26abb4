"""The graph as data: what ``trace`` records, in topological order, and its text form.

Everything else is a function from a Graph to something.
"""

from .graph import Graph
from .text import parse
from .tracer import trace

__all__ = ["Graph", "parse", "trace"]
