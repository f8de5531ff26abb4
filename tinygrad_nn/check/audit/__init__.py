"""The audit of a hand-written backward pass: which gradient is wrong, in which line, and why."""

from .result import Audit, AuditLine, AuditRow, Culprit

__all__ = ["Audit", "AuditLine", "AuditRow", "Culprit"]
