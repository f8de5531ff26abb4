"""The graph as data: what ``trace`` records, in topological order, and its text form.

Everything else is a function from a Graph to something.

    graph.py         Graph itself: what it holds, running it, a node's value (``compute``)
    tracer.py        from a function to its graph; ``names.py`` calls the nodes as the user does
    frozen.py        traces that stand for the function in other runs, and what those refuse;
                     ``surroundings.py``: what a function keeps beside its arguments
    gradient.py      forward and backward as one graph; ``marking.py``: where gradients flow,
                     ``backward.py``: which operations belong to a derivative
    simplify.py      fewer operations, by the table in ``rewrites/``
    text.py          the text form and its reader; ``check.py``: every type derived again
    build.py         new nodes for a graph, with no program that ran
"""

from .graph import Graph
from .text import parse
from .tracer import trace

__all__ = ["Graph", "parse", "trace"]
