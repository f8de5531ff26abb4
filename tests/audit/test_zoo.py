"""The audit over the zoo: every fault found, the right lines and reasons, no false alarm."""

import pytest

from tests.audit.zoo import ENTRIES, HALVES, Fault, Sound, Unjudged
from tests.audit.zoo.score import score_all, share

EACH_AND_BOTH = pytest.mark.parametrize(
    "halves", [*((half,) for half in HALVES), HALVES], ids="-".join
)


@pytest.fixture
def faults(zoo_scores, halves):
    return _of(zoo_scores, halves, Fault)


@pytest.fixture
def sound(zoo_scores, halves):
    return _of(zoo_scores, halves, Sound)


def _of(scores, halves, kind):
    return [s for s in scores if type(s.entry) is kind and s.entry.half in halves]


def stories(scores, aspect):
    """What there is to say about the faults that are wrong in one aspect."""
    bad = [s.problem for s in scores if not (s.verdict and getattr(s.verdict, aspect))]
    return f"{len(bad)} of {len(scores)} faults\n\n" + "\n\n".join(bad)


@EACH_AND_BOTH
def test_no_false_alarm(sound):
    alarms = [score.problem for score in sound if score.alarm]
    assert not alarms, f"{len(alarms)} of {len(sound)} sound programs\n\n" + "\n".join(alarms)


@EACH_AND_BOTH
def test_every_fault_is_found(faults):
    assert share(faults, "found") == 1, stories(faults, "found")


@EACH_AND_BOTH
def test_the_wrong_parameters_are_named_and_no_others(faults):
    assert share(faults, "rows") == 1, stories(faults, "rows")


@EACH_AND_BOTH
def test_the_line_is_right(faults):
    assert share(faults, "line") >= 0.95, stories(faults, "line")


@EACH_AND_BOTH
def test_the_explanation_says_what_matters(faults):
    assert share(faults, "fact") >= 0.8, stories(faults, "fact")


@EACH_AND_BOTH
def test_an_explanation_that_claims_to_be_exact_names_the_right_line(faults):
    bold = [s for s in faults if s.verdict and s.verdict.exact]
    assert all(s.verdict.line for s in bold), stories(bold, "line")


def test_what_is_not_finite_is_not_judged(zoo_scores):
    unjudged = [s for s in zoo_scores if isinstance(s.entry, Unjudged)]
    judged = [score.problem for score in unjudged if score.alarm]
    assert not judged, f"{len(judged)} of {len(unjudged)} programs\n\n" + "\n".join(judged)


def test_the_scores_are_those_of_one_process_in_the_same_order(zoo_scores):
    assert [score.entry for score in zoo_scores] == list(ENTRIES)
    some = ENTRIES[::97]
    assert zoo_scores[::97] == score_all(some, processes=1)
