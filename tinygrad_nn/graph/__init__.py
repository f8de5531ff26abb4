"""The graph as data: what ``trace`` records, in topological order, and its text form.

Everything else is a function from a Graph to something. Imports: walk, tensor, operators, methods,
node, rules, provenance, tree, weak, errors; where a Graph is asked for its source or its picture,
also emit and draw, which stand above.
"""

from .graph import Graph
from .text import parse
from .tracer import trace

__all__ = ["Graph", "parse", "trace"]
