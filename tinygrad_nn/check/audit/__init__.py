"""The audit of a hand-written backward pass: which gradient is wrong, in which line, and why.

    observing/   a run of the user's code, recorded
    truth        the verdict on each gradient; `rounding`, what of a difference is none
    locating/    the step at fault, a `Suspect`
    mistakes/    why, in words; `mending` writes corrections
    showing/     the report, from an `Audit` (`result`)
    marking/     what the command runs, in a process of its own

A room imports from those above it; `suspect`, `result` and `mending` are what they share.
"""

from .audit import assert_gradients, audit
from .result import Audit, AuditLine, AuditRow, Culprit

__all__ = ["Audit", "AuditLine", "AuditRow", "Culprit", "assert_gradients", "audit"]
