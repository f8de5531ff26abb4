"""The table of rewrites that ``Graph.simplify`` applies: small equations, in NumPy.

A line says what to look for and what to put there::

    rewrite(lambda x: np.exp(log_softmax(x)), lambda x: softmax(x))

To add one, write it into the file of its family (``arithmetic``, ``shapes``, ``reductions``,
``indexing``, ``neural``; ``reading`` for what only source is better for) and give it a case in
``tests/graph/rewrite_cases.py``; a test fails until there is one. ``pattern`` explains what the
variables' names mean. What need not be said in a line:

- the replacement is taken only if shape and dtype are exactly those of what it replaces, and if no
  gradient comes to flow where none did; so ``broadcast_to(x) * y = x * y`` needs no condition;
- operands of ``+`` and ``*`` fit in either order; operands that are the same node twice are found;
- what the replacement computes is itself simplified; a table that goes round in circles comes to an
  end all the same.

What has to be: the values stay, up to rounding, for every operand that fits; ``real`` is for what
is true of floating-point numbers only. First come is first served, in the order of the table.

Example:
    >>> import numpy as np
    >>> import tinygrad_nn as tg
    >>> from tinygrad_nn.graph.simplify import simplify
    >>> own = Table()
    >>> own.add(lambda x: np.log(np.exp(x)), lambda x: x)
    >>> print(simplify(tg.trace(lambda x: np.tanh(np.log(np.exp(x))), np.ones(3)), own))
    def f(x: float64[3]):
        t1: float64[3] = np.tanh(x)
        return t1
"""

from . import arithmetic, indexing, neural, reductions, shapes  # noqa: F401 (each fills the table)
from .builder import Builder
from .pattern import TABLE, Table, rewrite
from .reading import DERIVED, READING

__all__ = ["DERIVED", "READING", "TABLE", "Builder", "Table", "rewrite"]
