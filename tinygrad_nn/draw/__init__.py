"""Pictures of a computation graph: DOT, and files and notebook output drawn from it.

The parts: ``style`` (what may be chosen, and how each role looks), ``labels`` (the words in the
nodes), ``dot`` (Graph -> DOT), ``engine`` (DOT -> picture), ``render`` (files and notebooks).
"""

from ..errors import StyleError
from .dot import to_dot
from .render import mimebundle, render
from .style import Style

__all__ = ["Style", "StyleError", "mimebundle", "render", "to_dot"]
