"""The zoo itself: what it calls sound is right, and what it calls wrong is wrong.

Numeric differences tell; no rule of the package is used.
"""

import numpy as np
import pytest

from tests.audit.zoo import ENTRIES, FAULTS, HALVES, NETS, SOUND, UNJUDGED, Line, judge
from tests.audit.zoo.source import Edit, apply, find
from tinygrad_nn.check.audit.result import Audit, AuditRow, Culprit

TOLERANCE = 1e-6


def numeric_gradients(case):
    """Central differences of the loss, extrapolated once, for every entry of every parameter."""
    found = {}
    for name, value in case.params.items():
        found[name] = np.zeros(value.shape)
        for index in np.ndindex(value.shape):
            found[name][index] = _derivative(case, value, index)
    return found


def _derivative(case, value, index):
    best = np.inf, np.nan
    for unit in (1e-4, 1e-5, 1e-6, 1e-7, 1e-8):  # smaller where the loss bends
        one, two = (_difference(case, value, index, step) for step in (unit, 2 * unit))
        best = min(best, (abs(one - two), (4 * one - two) / 3))
        if best[0] <= 1e-6 * max(1, abs(one)):
            break
    return best[1]


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


@pytest.mark.parametrize("half", HALVES)
def test_there_are_enough_of_each(half):
    faults = [fault for fault in FAULTS if fault.half == half]
    nets = {fault.net for fault in faults}
    assert len(nets) >= 8
    assert len(faults) >= 60
    assert sum(sound.half == half for sound in SOUND) >= 30


def test_every_net_is_used():
    assert {fault.net for fault in FAULTS} == {sound.net for sound in SOUND} == set(NETS)


def test_names_are_unique():
    names = [entry.name for entry in ENTRIES]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("sound", SOUND, ids=lambda sound: sound.name)
def test_sound_programs_are_right(sound, tmp_path):
    case = sound.case(tmp_path)
    loss, gradients = case.run()  # without a warning
    assert np.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())
    case.convert(np.float64)
    if not sound.smooth:  # then so everywhere around
        rng = np.random.default_rng(0)
        for value in case.params.values():
            value += 0.02 * rng.standard_normal(value.shape)
    assert wrong_names(case.run()[1], numeric_gradients(case)) == set()


@pytest.mark.parametrize("unjudged", UNJUDGED, ids=lambda unjudged: unjudged.name)
def test_unjudged_programs_are_not_finite(unjudged, tmp_path):
    with np.errstate(all="ignore"):
        assert not np.isfinite(unjudged.case(tmp_path).run()[0])


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """The loss and its numeric gradients for a fault's program without the fault, which is right.

    Most faults of a net share one.
    """
    folder, known = tmp_path_factory.mktemp("sound"), {}

    def of(fault):
        key = fault.net, fault.base, fault.sizes, fault.reg
        if key not in known:
            case = fault.sound_case(folder)
            numeric = numeric_gradients(case)
            loss, gradients = case.run()
            assert wrong_names(gradients, numeric) == set()
            known[key] = loss, numeric
        return known[key]

    return of


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_faults_are_wrong_where_they_say(fault, tmp_path, truth):
    loss, numeric = truth(fault)
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
