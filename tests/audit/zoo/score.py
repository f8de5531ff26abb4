"""Audit the whole zoo and count: faults found, lines named, reasons given, false alarms."""

import copy
import multiprocessing
import os
import warnings
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from tempfile import TemporaryDirectory

import numpy as np

import tinygrad_nn as tg

from . import ENTRIES
from .entry import Fault, Unjudged, judge

_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


@dataclass(frozen=True)
class Score:
    """How an audit fared with one entry of the zoo.

    Attributes:
        entry: the `Fault`, `Sound` or `Unjudged`.
        verdict: of a fault; None if the audit raised an error, and for all others.
        alarm: whether something was said to be wrong, or `Unjudged` was judged.
        problem: what went wrong, for people; empty if nothing did.
    """

    entry: object
    verdict: object
    alarm: bool
    problem: str


def audited(case):
    """Audit a case; overflow and division by zero in faulty code are not this file's concern."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        return tg.audit(case.function, *case.args)


def score(entry, folder):
    """Audit a fault or a sound program, written into `folder`."""
    return (score_fault if isinstance(entry, Fault) else score_sound)(entry, folder)


def score_fault(fault, folder):
    """Audit a fault. An audit that raises an error has found nothing."""
    try:
        audit = audited(fault.case(folder))
    except Exception as error:
        return Score(fault, None, False, f"{fault.name}: {type(error).__name__}: {error}")
    verdict = judge(fault, audit)
    return Score(fault, verdict, verdict.found, "" if verdict.perfect else verdict.story)


def score_sound(sound, folder):
    """Audit a sound program, or one that cannot be judged. An error counts as a false alarm."""
    case = sound.case(folder)
    before = copy.deepcopy((case.params, case.X, *case.others))
    held = dict(case.params)
    try:
        audit = audited(case)
    except Exception as error:
        return Score(sound, None, True, f"{sound.name}: {type(error).__name__}: {error}")
    verdict = "cannot judge" if isinstance(sound, Unjudged) else "right"
    bad = [f"{row.parameter} {row.verdict}" for row in audit.rows if row.verdict != verdict]
    if audit.culprit:
        place = f"line {audit.culprit.line}: {audit.culprit.code!r}"
        bad.append(f"{place} {audit.culprit.explanation}")
    if any(case.params.get(name) is not value for name, value in held.items()):
        bad.append("the dict of parameters was not put back as it was")
    if not _same(before, (case.params, case.X, *case.others)):
        bad.append("the arguments were changed")
    return Score(sound, None, bool(bad), f"{sound.name}: {'; '.join(bad)}" if bad else "")


def _same(before, after):
    pairs = [*zip(before[0].values(), after[0].values()), *zip(before[1:], after[1:])]
    return before[0].keys() == after[0].keys() and all(
        type(a) is type(b) and np.array_equal(a, b) for a, b in pairs
    )


def score_all(entries, processes=None):
    """The scores of entries of the zoo, in the same order."""
    with scoring(entries, processes) as wait:
        return wait()


@contextmanager
def scoring(entries, processes=None):
    """Audit entries of the zoo in the background; gives a function that waits for their scores.

    An audit is independent of all others, so the scores do not depend on the number of processes
    (two, if the machine has two processors). One process audits in the foreground, as does a
    machine that has no others to give.
    """
    entries = list(entries)
    processes = min(2, _processors()) if processes is None else processes
    with TemporaryDirectory() as folder, ExitStack() as stack:
        found = None
        if processes > 1:
            with suppress(OSError, NotImplementedError):
                found = _begun(entries, processes, folder, stack)

        def wait():
            if found is not None:
                with suppress(BrokenExecutor):
                    return [Score(entry, *came) for entry, came in zip(entries, found)]
            return [score(entry, folder) for entry in entries]

        yield wait


def _processors():
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # on other systems than Linux
        return os.cpu_count() or 1


def _begun(entries, processes, folder, stack):
    """What is to come of each entry; the processes end with the stack."""
    # An entry may hold lambdas, which do not travel: each process looks it up in its own zoo.
    numbers = [ENTRIES.index(entry) for entry in entries]
    pool = ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"))
    stack.callback(pool.shutdown, cancel_futures=True)
    with _one_thread_each():
        return pool.map(_score_number, numbers, [folder] * len(numbers), chunksize=4)


def _score_number(number, folder):
    with TemporaryDirectory(dir=folder) as own:
        came = score(ENTRIES[number], own)
    return came.verdict, came.alarm, came.problem


@contextmanager
def _one_thread_each():
    """New processes inherit the environment; linear algebra on several threads would disturb."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def share(scores, aspect):
    """The share of faults that are right in one aspect of the verdict, a name of its attributes."""
    return sum(bool(s.verdict and getattr(s.verdict, aspect)) for s in scores) / len(scores)
