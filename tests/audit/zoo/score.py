"""Audit the whole zoo and count: faults found, lines named, reasons given, false alarms."""

import copy
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
    case = sound.case(folder)
    before = copy.deepcopy((case.params, case.X, case.y))
    held = dict(case.params)
    try:
        audit = audited(case)
    except Exception as error:
        return Score(sound, None, True, f"{sound.name}: {type(error).__name__}: {error}")
    bad = [f"{row.parameter} {row.verdict}" for row in audit.rows if not row.ok]
    if audit.culprit:
        place = f"line {audit.culprit.line}: {audit.culprit.code!r}"
        bad.append(f"{place} {audit.culprit.explanation}")
    if any(case.params.get(name) is not value for name, value in held.items()):
        bad.append("the dict of parameters was not put back as it was")
    if not _same(before, (case.params, case.X, case.y)):
        bad.append("the arguments were changed")
    return Score(sound, None, bool(bad), f"{sound.name}: {'; '.join(bad)}" if bad else "")


def _same(before, after):
    pairs = [*zip(before[0].values(), after[0].values()), *zip(before[1:], after[1:])]
    return before[0].keys() == after[0].keys() and all(
        type(a) is type(b) and np.array_equal(a, b) for a, b in pairs
    )


def share(scores, aspect):
    """The share of faults that are right in one aspect of the verdict, a name of its attributes."""
    return sum(bool(s.verdict and getattr(s.verdict, aspect)) for s in scores) / len(scores)
