"""The process in which the command has a file executed and audited: one request, one result."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from ....errors import ShapeError, TinygradError
from ....node import INTERNAL
from ..audit import audit
from ..showing.html import page
from ..showing.report import text
from .homework import HomeworkError, prepare

SOUND, WRONG, FAILED = 0, 1, 2

_HINT = (
    "\n(it was called with the toy data, parameters W1, b1, W2, b2; --inputs NAME gives other ones)"
)


def work(request: str) -> None:
    """Do what a request (JSON) asks for, write the result to the file it names, end the process.

    The process ends at once: threads, and functions that the file has left for its end, could keep
    it for ever.
    """
    asked = json.loads(request)
    if asked["deadline"] is not None:
        _watch(asked["deadline"], Path(asked["place"]))
    done = _done(asked)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # what the file has put in its place
            continue
    partial = Path(f"{asked['result']}.partial")
    partial.write_text(json.dumps(done), encoding="utf-8")
    partial.replace(asked["result"])
    os._exit(0)


def _done(asked: dict[str, Any]) -> dict[str, Any]:
    """The result: a report, or the reason why there is none."""
    is_toy = False
    try:
        homework = prepare(asked["target"], asked["inputs"])
        is_toy = homework.is_toy
        found = audit(homework.function, *homework.args, **homework.kwargs)
        notes = (*found.notes, f"inputs: {homework.inputs}")
        found = dataclasses.replace(found, name=homework.name, notes=notes)
        unknown = next((row.note for row in found.rows if not row.judged and row.note), notes[0])
        return {
            "status": SOUND if found.ok else WRONG if found.judged else FAILED,
            "reason": "" if found.judged else f"its gradients cannot be judged: {unknown}",
            "report": text(found, width=asked["width"], colour=asked["colour"]),
            "page": page(found) if asked["page"] else "",
        }
    except BaseException as error:  # whatever the file raises
        hint = _HINT if is_toy and _may_be_the_data(error) else ""
        return {"status": FAILED, "reason": reason(error) + hint}


# --- why there is no audit ------------------------------------------------------------------------


def _may_be_the_data(error: BaseException) -> bool:
    """Whether other arguments might have helped."""
    if isinstance(error, TinygradError):
        return isinstance(error, ShapeError)
    return isinstance(error, Exception)


def reason(error: BaseException) -> str:
    """An exception in words, or as the user's own traceback, without the frames of this package."""
    frame = _last_frame(error.__traceback__)
    where = f" ({frame})" if frame else ""
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r}){where}"
    if isinstance(error, HomeworkError):
        return str(error)
    if isinstance(error, TinygradError):
        return f"{type(error).__name__}: {error}"
    if not frame:
        lines = traceback.format_exception(error)
        return f"this is a fault of tinygrad_nn, please report it\n{''.join(lines).rstrip()}"
    told = traceback.TracebackException.from_exception(error)
    _clean(told)
    return f"it raised an exception\n{''.join(told.format()).rstrip()}"


def _is_users(file: str) -> bool:
    return not (INTERNAL[file] or file.startswith("<"))


def _clean(told: traceback.TracebackException | None) -> None:
    """Leave out this package's frames, also of the exceptions that came before."""
    seen: set[int] = set()
    while told is not None and id(told) not in seen:
        seen.add(id(told))
        own = [f for f in told.stack if _is_users(f.filename)]
        told.stack = traceback.StackSummary.from_list(own)
        told = told.__cause__ or (None if told.__suppress_context__ else told.__context__)


def _last_frame(trace: TracebackType | None) -> str:
    """The innermost place in the user's code; empty if there is none."""
    found = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if _is_users(code.co_filename):
            found = f"{Path(code.co_filename).name}, line {trace.tb_lineno}, in {code.co_name}"
        trace = trace.tb_next
    return found


# --- where time went ------------------------------------------------------------------------------


def _watch(deadline: float, place: Path) -> None:
    """Shortly before time is up, write down which of the user's lines runs."""
    main = threading.get_ident()
    left = deadline - time.time()

    def look() -> None:
        time.sleep(max(0.0, left - min(1.0, max(0.2, 0.1 * left))))
        found = _running(sys._current_frames().get(main))
        if found:
            place.write_text(found, encoding="utf-8")

    threading.Thread(target=look, daemon=True).start()


def _running(frame: FrameType | None) -> str:
    while frame is not None:
        code = frame.f_code
        if _is_users(code.co_filename):
            return f"{Path(code.co_filename).name}, line {frame.f_lineno}, in {code.co_name}"
        frame = frame.f_back
    return ""
