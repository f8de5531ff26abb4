"""Checks of gradients: autodiff against numeric differences and against hand-derived ones.

The audit of a hand-written backward pass is the package ``check.audit``.
"""

from .audit import Audit, AuditRow, Culprit, assert_gradients
from .compare import compare
from .comparison import CompareRow, Comparison
from .gradcheck import GradientReport, GradientRow, gradcheck
from .report import TinygradWarning

__all__ = [
    "Audit",
    "AuditRow",
    "CompareRow",
    "Comparison",
    "Culprit",
    "GradientReport",
    "GradientRow",
    "TinygradWarning",
    "assert_gradients",
    "compare",
    "gradcheck",
]
