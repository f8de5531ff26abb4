"""The calculus: one registry of derivative rules, one file for each family of functions.

To add an operation, call :func:`rule` with its function and one line for each argument. Knows NumPy
only: nothing here may import from the rest of the package.
"""

from . import elementwise, indexing, linalg, neural, reduction, shape
from .registry import CONSTANTS, OUTPUT, RULES, Rule, constant, operation, rule

__all__ = [
    "CONSTANTS",
    "OUTPUT",
    "RULES",
    "Rule",
    "constant",
    "elementwise",
    "indexing",
    "linalg",
    "neural",
    "operation",
    "reduction",
    "rule",
    "shape",
]
