"""NumPy functions that are composed of recorded operations instead of having a rule of their own.

Each is written in plain NumPy on its argument; on a tensor the operations inside record themselves.
One file for each family; ``TABLE`` is what ``protocol.py`` registers. To add one, decorate it with
``composes``. No composition looks at values to decide what to compute: a traced one serves other
values of the same shapes.
"""

from . import differences, elementwise, joining, linear_algebra, picking, shapes, statistics
from .elementwise import outer
from .table import TABLE, composes

__all__ = [
    "TABLE",
    "composes",
    "differences",
    "elementwise",
    "joining",
    "linear_algebra",
    "outer",
    "picking",
    "shapes",
    "statistics",
]
