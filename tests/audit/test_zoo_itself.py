"""The zoo itself: what it calls sound is right, and what it calls wrong is wrong.

Numeric differences tell; no rule of the package is used.
"""

import numpy as np
import pytest

from tests.audit.zoo import FAULTS, SOUND, Line, judge
from tests.audit.zoo.net import NETS
from tests.audit.zoo.source import Edit, apply, find
from tinygrad_nn.check.audit.result import Audit, AuditRow, Culprit

TOLERANCE = 1e-6


def numeric_gradients(case):
    """Central differences of the loss, extrapolated once, for every entry of every parameter."""
    found = {}
    for name, value in case.params.items():
        found[name] = np.zeros(value.shape)
        for index in np.ndindex(value.shape):
            unit = 1e-4 * min(1.0, 2 * abs(value[index]) or 1.0)
            one, two = (_difference(case, value, index, step) for step in (unit, 2 * unit))
            found[name][index] = (4 * one - two) / 3
    return found


def _difference(case, value, index, step):
    before = value[index]
    losses = []
    for side in (step, -step):
        value[index] = before + side
        losses.append(float(case.run()[0]))
    value[index] = before
    return (losses[0] - losses[1]) / (2 * step)


def wrong_names(gradients, numeric, tolerance=TOLERANCE):
    """The parameters whose hand-written gradients are missing, of another shape, or wrong."""
    wrong = set(gradients) - set(numeric)
    for name, expected in numeric.items():
        came = np.asarray(gradients.get(name, np.nan))
        if came.shape != expected.shape or not _close(came, expected, tolerance):
            wrong.add(name)
    return wrong


def _close(came, expected, tolerance):
    scale = max(1.0, float(np.max(np.abs(expected), initial=0)))
    return bool((np.abs(came - expected) <= tolerance * scale).all())


def test_there_are_enough_of_each():
    assert len(NETS) >= 8
    assert len(FAULTS) >= 60
    assert len(SOUND) >= 30
    assert {fault.net for fault in FAULTS} == set(NETS)


@pytest.mark.parametrize("entries", [FAULTS, SOUND], ids=["faults", "sound"])
def test_names_are_unique(entries):
    names = [entry.name for entry in entries]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("sound", SOUND, ids=lambda sound: sound.name)
def test_sound_programs_are_right(sound, tmp_path):
    case = sound.plain_case(tmp_path)
    assert wrong_names(case.run()[1], numeric_gradients(case)) == set()


AWKWARD = [sound for sound in SOUND if sound.change]


@pytest.mark.parametrize("sound", AWKWARD, ids=lambda sound: sound.name)
def test_sound_programs_are_right_with_awkward_data(sound, tmp_path):
    case = sound.case(tmp_path)
    for name, value in case.params.items():
        case.params[name] = value.astype(np.float64)
    case.X = case.X.astype(np.float64)
    if not sound.smooth:  # then so everywhere around
        rng = np.random.default_rng(0)
        for value in case.params.values():
            value += 0.02 * rng.standard_normal(value.shape)
    assert wrong_names(case.run()[1], numeric_gradients(case)) == set()


@pytest.mark.parametrize("sound", SOUND, ids=lambda sound: sound.name)
def test_sound_programs_run_without_a_warning(sound, tmp_path):
    loss, gradients = sound.case(tmp_path).run()
    assert np.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_faults_are_wrong_where_they_say(fault, tmp_path):
    sound = fault.sound_case(tmp_path)
    numeric = numeric_gradients(sound)
    loss, gradients = sound.run()
    assert wrong_names(gradients, numeric) == set()
    with np.errstate(all="ignore"):
        same_loss, gradients = fault.case(tmp_path).run()
    assert same_loss == loss
    assert wrong_names(gradients, numeric) == set(fault.wrong.split())
    # Wrong by much more than what would be a matter of rounding.
    assert wrong_names(gradients, numeric, 1e-3) == set(fault.wrong.split())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_faults_have_a_line_and_a_fact(fault):
    assert fault.places()
    assert fault.facts
    for group in fault.facts:
        assert group
        for fact in group:
            assert not isinstance(fact, Line) or find(fault.files(), fact.text)


def test_a_change_must_fit_in_one_place():
    files = {"a.py": "def f(x):\n    y = x\n    return y\n", "b.py": "    return y\n"}
    changed, places = apply(files, Edit("y = x", "y = 2 * x\ny += 1"))
    assert changed["a.py"] == "def f(x):\n    y = 2 * x\n    y += 1\n    return y\n"
    assert [(place.file, place.line) for place in sorted(places)] == [("a.py", 2), ("a.py", 3)]
    for old in ("return y", "y = 3"):
        with pytest.raises(LookupError):
            apply(files, Edit(old, ""))


MIXED = next(fault for fault in FAULTS if fault.name == "case_l2_mixed")
SAID = "the term 0.5 * reg * np.sum(W2 * W2), line 18, is counted 2 times"


def answer(wrong=("W2",), line=33, explanation=SAID, file="case_study.py"):
    """An audit's answer to MIXED; as it stands, the right one."""
    rows = tuple(AuditRow(name, (), name not in wrong, "") for name in ("W", "b", "W2", "b2"))
    culprit = Culprit(file, line, "2 * reg * W2", explanation=explanation)
    return Audit("loss", 1.0, rows, culprit=culprit if line else None)


def test_the_right_answer_is_perfect():
    assert judge(MIXED, answer()).perfect


@pytest.mark.parametrize(
    ("bad", "aspect"),
    [
        (answer(wrong=()), "found"),
        (answer(wrong=("W2", "b2")), "rows"),
        (answer(line=34), "line"),
        (answer(file="other.py"), "line"),
        (answer(line=None), "line"),
        (answer(line=None), "fact"),
        (answer(explanation=""), "fact"),
        (answer(explanation="reg * W2, line 18, is missing"), "fact"),
        (answer(explanation="reg * W2, line 18, is counted 12 times"), "fact"),
        (answer(explanation="line 118 is counted 2 times"), "fact"),
        # To repeat the line is no explanation.
        (answer(explanation="dW2 += 2 * reg * W2 is not 2 times what it should be"), "fact"),
    ],
)
def test_a_wrong_answer_is_not(bad, aspect):
    verdict = judge(MIXED, bad)
    assert not getattr(verdict, aspect)
    assert "case_l2_mixed" in verdict.story


@pytest.mark.parametrize(
    "explanation",
    ["reg * W2 is counted twice", "lines 18 and 19: factor 2", "2 TIMES, see line\n 18"],
)
def test_a_fact_may_be_said_in_several_ways(explanation):
    assert judge(MIXED, answer(explanation=explanation)).perfect
