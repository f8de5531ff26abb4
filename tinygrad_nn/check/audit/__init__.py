"""The audit of a hand-written backward pass: which gradient is wrong, in which line, and why."""

from .audit import assert_gradients, audit
from .result import Audit, AuditLine, AuditRow, Culprit

__all__ = ["Audit", "AuditLine", "AuditRow", "Culprit", "assert_gradients", "audit"]
