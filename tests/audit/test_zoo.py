"""The audit over the zoo: every fault found, the right lines and reasons, no false alarm."""

import pytest

from tests.audit.zoo import FAULTS, SOUND
from tests.audit.zoo.score import score_fault, score_sound, share


@pytest.fixture(scope="module")
def faults(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    return [score_fault(fault, folder) for fault in FAULTS]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    return [score_sound(entry, folder) for entry in SOUND]


def stories(scores, aspect):
    """What there is to say about the faults that are wrong in one aspect."""
    bad = [s.problem for s in scores if not (s.verdict and getattr(s.verdict, aspect))]
    return f"{len(bad)} of {len(scores)} faults\n\n" + "\n\n".join(bad)


def test_no_false_alarm(sound):
    alarms = [score.problem for score in sound if score.alarm]
    assert not alarms, f"{len(alarms)} of {len(sound)} sound programs\n\n" + "\n".join(alarms)


def test_every_fault_is_found(faults):
    assert share(faults, "found") == 1, stories(faults, "found")


def test_the_wrong_parameters_are_named_and_no_others(faults):
    assert share(faults, "rows") == 1, stories(faults, "rows")


def test_the_line_is_right(faults):
    assert share(faults, "line") >= 0.95, stories(faults, "line")


def test_the_explanation_says_what_matters(faults):
    assert share(faults, "fact") >= 0.8, stories(faults, "fact")


def test_an_explanation_that_claims_to_be_exact_names_the_right_line(faults):
    bold = [s for s in faults if s.verdict and s.verdict.exact]
    assert all(s.verdict.line for s in bold), stories(bold, "line")
