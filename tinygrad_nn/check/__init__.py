"""Checks of gradients: autodiff against numeric differences and against hand-derived ones."""

from .compare import compare
from .comparison import CompareRow, Comparison
from .gradcheck import GradientReport, GradientRow, gradcheck
from .report import TinygradWarning

__all__ = [
    "CompareRow",
    "Comparison",
    "GradientReport",
    "GradientRow",
    "TinygradWarning",
    "compare",
    "gradcheck",
]
