"""Audit the whole zoo and count: faults found, lines named, reasons given, false alarms."""

from dataclasses import dataclass

import numpy as np

import tinygrad_nn as tg

from .entry import judge


@dataclass(frozen=True)
class Score:
    """How an audit fared with one fault or sound program.

    Attributes:
        entry: the `Fault` or `Sound`.
        verdict: of a fault; None if the audit raised an error, and for sound programs.
        alarm: whether something was said to be wrong.
        problem: what went wrong, for people; empty if nothing did.
    """

    entry: object
    verdict: object
    alarm: bool
    problem: str


def audited(case):
    """Audit a case; overflow and division by zero in faulty code are not this file's concern."""
    with np.errstate(all="ignore"):
        return tg.audit(case.function, *case.args)


def score_fault(fault, folder):
    """Audit a fault. An audit that raises an error has found nothing."""
    try:
        audit = audited(fault.case(folder))
    except Exception as error:
        return Score(fault, None, False, f"{fault.name}: {type(error).__name__}: {error}")
    verdict = judge(fault, audit)
    return Score(fault, verdict, verdict.found, "" if verdict.perfect else verdict.story)


def score_sound(sound, folder):
    """Audit a sound program. An error counts as a false alarm."""
    try:
        audit = audited(sound.case(folder))
    except Exception as error:
        return Score(sound, None, True, f"{sound.name}: {type(error).__name__}: {error}")
    bad = [f"{row.parameter} {row.verdict}" for row in audit.rows if not row.ok]
    if audit.culprit:
        place = f"line {audit.culprit.line}: {audit.culprit.code!r}"
        bad.append(f"{place} {audit.culprit.explanation}")
    return Score(sound, None, bool(bad), f"{sound.name}: {'; '.join(bad)}" if bad else "")


def share(scores, aspect):
    """The share of faults that are right in one aspect of the verdict, a name of its attributes."""
    return sum(bool(s.verdict and getattr(s.verdict, aspect)) for s in scores) / len(scores)
