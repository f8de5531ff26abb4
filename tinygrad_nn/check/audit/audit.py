"""The audit: run, judge, locate, explain."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import GradientError
from ...node import Node
from .locating import arguments, retrace
from .locating.blame import Blame, of_place, unreturned
from .locating.locate import has_sign, locate
from .locating.matching import Candidates, Labels
from .mending import stepped
from .mistakes import search, sides
from .observing.draws import Draw, draws
from .observing.observe import Observation, ancestors, where
from .result import Audit, AuditLine, AuditRow, Culprit
from .suspect import Suspect, listed
from .truth import Run, rows, same_in

#: The environment variable with which an error in the search for a reason is raised: for tests.
STRICT = "TINYGRAD_NN_STRICT"


def audit(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Audit:
    """Check gradients written by hand, and find the line that is wrong.

    ``f`` is run as it is, with tensors in the place of its arrays, so that every step is recorded.
    It gets copies: neither the arguments nor the object of a method are changed.

    Args:
        f: computes a loss and its gradients by hand, and returns ``(loss, grads)``, the gradients
            in a dict named like the parameters. Either a function with the dict of parameters
            among its arguments (where several may be it, the one with the names of the gradients),
            or a bound method of an object with such a dict as ``params``.
        args: its arguments.
        kwargs: its keyword arguments.

    Returns:
        A verdict for each parameter (``.ok``, ``.rows``), and the line to mend (``.culprit``); it
        prints as a report.

    Raises:
        DtypeError: no parameters are found, or they are not floating-point.
        DataError: ``f`` returns something else than ``(loss, grads)``, or the data is not finite.
        GradientError: it is not known how the returned loss was computed.

    Example:
        >>> import numpy as np
        >>> def loss(params, x):
        ...     w = params["w"]
        ...     return np.sum((x * w) ** 2), {"w": 2 * x * w}
        >>> report = audit(loss, {"w": np.array([1.0, 2.0])}, np.array([3.0, 4.0]))
        >>> report.ok, report.rows[0].verdict
        (False, 'wrong')
    """
    with np.errstate(all="ignore"):
        run = Run(f, args, kwargs)
        return _judged(run, run.observe())


def _judged(run: Run, observation: Observation) -> Audit:
    """The verdicts, the culprit, and the lines."""
    own, *others = draws(observation)
    verdicts, notes = rows(run, observation, own, tuple(others))
    wrong = [r.parameter for r in verdicts if r.wrong and r.parameter in observation.params]
    right = [r.parameter for r in verdicts if r.ok]
    used = _telling(observation, own, others, wrong)
    labels = Labels(Candidates(observation, used))
    suspect = locate(observation, used, wrong, right, labels) if wrong else None
    suspect = suspect or unreturned(observation, own, wrong)
    culprit = None
    if suspect is not None:
        blame = Blame(observation, used, labels, wrong, right)
        suspect = _tried(suspect, retrace.unscaled, blame, suspect)
        culprit, more = _culprit(observation, suspect, verdicts, blame)
        notes = (*notes, *more, *_other_mistakes(suspect, blame, culprit))
    return Audit(
        name=observation.name,
        loss=float(np.reshape(observation.loss.value, ())),
        rows=verdicts,
        lines=_lines(observation, labels, culprit, suspect),
        culprit=culprit,
        notes=(*notes, *sides.untaken(observation)),
    )


def assert_gradients(f: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Raise if gradients written by hand are wrong; the message is the audit's report.

    Args:
        f: as for :func:`audit`, like the rest.
        args: its arguments.
        kwargs: its keyword arguments.

    Raises:
        GradientError: a gradient is wrong, missing, or of the wrong shape, or cannot be judged.
    """
    __tracebackhide__ = True  # pytest then shows the caller's line
    found = audit(f, *args, **kwargs)
    if not found.ok:
        raise GradientError(str(found))


def _telling(
    observation: Observation, own: Draw, others: Sequence[Draw], wrong: Sequence[str]
) -> tuple[Draw, ...]:
    """The draws to look for the fault in: beside the user's point, if the fault shows there."""
    if len(others) >= 2 and all(not same_in(observation, d, n) for d in others for n in wrong):
        return tuple(others)
    return (own, *others)


# --- the culprit ----------------------------------------------------------------------------------


def _culprit(
    observation: Observation, suspect: Suspect, verdicts: tuple[AuditRow, ...], blame: Blame
) -> tuple[Culprit | None, tuple[str, ...]]:
    """The line to mend in words, and notes."""
    found, notes = _explanation(observation, suspect, verdicts)
    if not _is_believed(found, suspect, blame.labels):
        found = None
    said = getattr(found, "node", None)
    as_said = (suspect.node, suspect.kind == "missing") if said is None else (said, found.missing)
    node, missing = _tried(as_said, _step_of, found, suspect, blame)
    exact, correction = bool(getattr(found, "exact", False)), getattr(found, "correction", "") or ""
    if said is not None and node is not said:  # it would be that of another line
        step = getattr(found, "step", None)
        if step is not None:
            correction = retrace.divided(node, step) if missing else ""
    text = getattr(found, "explanation", "") or in_words(observation, suspect)
    place = where(node)
    if place is None:
        return None, (*notes, "the source of the wrong step is not known")
    spot, moved = of_place(place), None
    step = getattr(found, "step", None)
    argument = _tried(None, arguments.of_swapped, blame)
    if argument is None and not (exact and correction) and not missing:
        argument = blame.of_argument(suspect)
    argument = argument or _tried(None, arguments.of_unused, blame, suspect.nodes)
    whole = not (missing and retrace.is_step_of_values(step))
    helper = _tried(None, retrace.of_helper, blame, node, whole)
    slope = None
    if not missing and step is None:
        slope = _tried(None, retrace.of_slope, blame, node)
    if slope is not None:
        moved = retrace.in_calls_of(blame, slope, node)
        at = where(slope)
        moved = moved or (of_place(at) if at is not None else None)
    elif argument is not None:
        spot, text, correction, exact = argument.spot, argument.text, argument.correction, True
    elif helper is not None:
        moved = replace(helper, missing=missing)
    elif missing or blame.is_part(node):
        moved = blame.of_missing(node)
    else:
        nodes = suspect.nodes if node is suspect.node else retrace.executions(blame, node, suspect)
        moved = (
            blame.of_shared(nodes)
            or blame.of_taken(node)
            or _tried(None, arguments.of_loop, blame, node)
        )
    if moved is not None:
        here = (moved.file, moved.line) == (place.file, place.line) and not moved.missing
        if step is not None or not here:
            correction = stepped(moved.file, moved.line, step) if step is not None else ""
        spot, missing = moved, moved.missing
    culprit = Culprit(
        file=spot.file,
        line=spot.line,
        code=spot.code,
        columns=spot.columns,
        explanation=text,
        exact=exact,
        correction=correction,
        missing=missing,
    )
    return culprit, notes


def _tried(otherwise: Any, search: Callable[..., Any], *args: Any) -> Any:
    """What a search for a better line gives; where it fails, the line that is known already."""
    try:
        return search(*args)
    except Exception:
        if os.environ.get(STRICT):
            raise
        return otherwise


def _step_of(found: Any, suspect: Suspect, blame: Blame) -> tuple[Node, bool]:
    """The step at fault, and whether something is missing after it."""
    node: Node = getattr(found, "node", None) or suspect.node
    missing = suspect.kind == "missing"
    if getattr(found, "node", None) is not None:
        missing = bool(getattr(found, "missing", missing))
    step = getattr(found, "step", None)
    told = getattr(found, "correction", "") or step
    if missing and not told and suspect.kind == "value" and suspect.factor is not None:
        return suspect.node, False  # it is there, but for a factor
    if missing and (step is None or step[0] not in ("*", "/")):
        node = retrace.beside(suspect, node)
        written = getattr(found, "correction", "")
        return (node if written else retrace.before_scaling(blame, node, suspect)), True
    if step is not None and step[0] == "/" and not missing:
        total = retrace.of_sum(blame, node)
        if total is not None:
            return total, False
        last = retrace.last_change(blame, node)
        if last is not None:
            return last, True
    return node, missing


def _other_mistakes(suspect: Suspect, blame: Blame, culprit: Culprit | None) -> tuple[str, ...]:
    """Where the gradients go wrong that the step at fault, mended, leaves wrong."""
    rest = [n for n in suspect.wrong if n not in suspect.repairs]
    if not suspect.repairs or not rest or culprit is None:
        return ()
    right = [n for n in blame.repairs.right if n not in rest]
    second = locate(blame.observation, blame.draws, rest, right, blame.labels)
    place = where(second.node) if second is not None else None
    if second is None or place is None or (place.file, place.line) == (culprit.file, culprit.line):
        return ()
    of = f"the gradient{'s' * (len(rest) > 1)} of {listed(rest)}"
    return (
        f"line {culprit.line} is not the only mistake: {of} would still be wrong; see line "
        f"{place.line}, `{place.expression}`: {in_words(blame.observation, second)}",
    )


def _explanation(
    observation: Observation, suspect: Suspect, verdicts: tuple[AuditRow, ...]
) -> tuple[Any, tuple[str, ...]]:
    """Why the step is wrong, if that is found; where the search fails the step is still named."""
    try:
        return search.explain(observation, suspect, verdicts), ()
    except Exception as error:
        if os.environ.get(STRICT):
            raise
        told = f"{type(error).__name__}: {error}".splitlines()[0]
        return None, (f"no reason was searched for: a fault of tinygrad_nn ({told})",)


def _is_believed(found: Any, suspect: Suspect, labels: Labels) -> bool:
    """Whether an explanation of another line than the suspect's is better than the suspect.

    A derivative in the place of a wrong operand makes gradients right whatever is wrong before, so
    that alone does not move the blame from a step with right operands; nor does a factor at a step
    that is the very derivative of the loss.
    """
    node: Node | None = getattr(found, "node", None)
    there, here = (where(n) if n is not None else None for n in (node, suspect.node))
    if (
        node is None
        or there is None
        or here is None
        or (there.file, there.line) == (here.file, here.line)
    ):
        return True
    if suspect.kind == "first" or set(suspect.repairs) != set(suspect.wrong):
        return True
    if not found.exact or getattr(found, "sure", False):
        return bool(found.exact)
    if _is_wrong_in_itself(suspect) and not found.missing:
        return suspect.node not in ancestors([node])
    label = labels.found.get(node)
    derivative = label is not None and label.kind == "cotangent" and label.is_exact
    return found.missing or not derivative


def _is_wrong_in_itself(suspect: Suspect) -> bool:
    """Whether a step should have computed a derivative, and its value is not even meant as one."""
    label = suspect.expected
    if suspect.kind != "value" or label is None or label.kind not in ("cotangent", "contribution"):
        return False
    signed = suspect.factor is not None and suspect.factor < 0 and has_sign(suspect.node)
    return suspect.factor is None or label.is_exact or signed


def in_words(observation: Observation, suspect: Suspect) -> str:
    """What is known of a suspect, where no mistake is recognised."""
    expected = suspect.expected.text(observation) if suspect.expected is not None else ""
    if suspect.kind == "missing" and suspect.computes is not None:
        if suspect.computes == suspect.expected:
            return f"this is {expected}, and it is not returned under that name"
        return (
            f"this is {suspect.computes.text(observation)}; the step from it to {expected} is "
            "missing after it"
        )
    if suspect.kind == "missing":
        return f"{expected} is not computed; it should be, beside this"
    if not expected:
        return "the code first differs here"
    if suspect.factor is not None and suspect.factor != 1.0:
        return (
            f"first differs here: expected {expected}, and this is {suspect.factor:.6g} times that"
        )
    return f"first differs here: expected {expected}"


# --- the lines ------------------------------------------------------------------------------------


def _lines(
    observation: Observation, labels: Labels, culprit: Culprit | None, suspect: Suspect | None
) -> tuple[AuditLine, ...]:
    """The user's lines in the order of execution, each once, with what it computes."""
    found: dict[tuple[str, int], AuditLine] = {}
    spoilt, backward = _spoilt(observation, suspect), set(observation.backward)
    for node in observation.nodes:
        forward = node in observation.forward
        place = where(node)
        if place is None or not place.line or not (forward or node in backward):
            continue
        key = (place.file, place.line)
        status, computes = "forward", ""
        label = labels.found.get(node)
        if not forward:
            status = "right" if labels.is_right(node) else "unknown"
            status = "follows" if node in spoilt and status == "unknown" else status
            is_value = label is not None and label.kind not in ("forward", "local")
            computes = label.text(observation) if label is not None and is_value else ""
        if culprit is not None and key == (culprit.file, culprit.line) and not forward:
            status = "right" if culprit.missing else "wrong"
        old = found.get(key)
        if old is not None and old.status == "forward" and forward:
            continue
        found[key] = AuditLine(place.file, place.line, place.source_line.strip(), computes, status)
    return tuple(found.values())


def _spoilt(observation: Observation, suspect: Suspect | None) -> set[Node]:
    """The steps after the one at fault."""
    if suspect is None:
        return set()
    seen = set(suspect.nodes)
    for node in observation.backward:
        if any(p in seen for p in node.inputs):
            seen.add(node)
    return seen
