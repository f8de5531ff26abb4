"""``python -m tinygrad_nn audit FILE.py::FUNCTION``: the audit of a file, with an exit status.

The file is executed, so the work is done in a process of its own (check/audit/marking/worker.py):
what that does to itself, such as ending, or never ending, does not decide the exit status here.
This is all that is kept apart: the code runs with the rights of whoever called.
"""

from __future__ import annotations

import argparse
import codecs
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Any

from .check.audit.showing.html import write_page
from .check.audit.showing.view import printable
from .errors import ExportError

SOUND, WRONG, FAILED = 0, 1, 2

#: Of what the file itself prints, the characters that are passed on.
MOST_OUTPUT = 20_000
#: Of a reason why there is no audit.
_MOST_REASON = 8_000

_EPILOG = """\
exit status:
  0  every gradient is right
  1  a gradient is wrong; the report says where
  2  the audit could not be done; the reason is on standard error

The report goes to standard output, what FILE.py itself prints to standard error. FILE.py is
executed with your rights: --timeout bounds its time, and nothing else.
"""


@dataclass(frozen=True)
class _Outcome:
    """How an audit ended: the status, and the report, the page or the reason why there is none."""

    status: int
    report: str = ""
    page: str = ""
    reason: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit status.

    Args:
        arguments: those of the command line, without the program's name.
    """
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that cannot show a character still shows it
            stream.reconfigure(errors="backslashreplace")
    try:
        return _audit(options)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tinygrad_nn", description="NumPy-only autodiff.", allow_abbrev=False
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    audit = commands.add_parser(
        "audit",
        help="find the wrong line in a hand-written backward pass",
        description="Find the wrong line in a hand-written backward pass.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    audit.add_argument(
        "target",
        metavar="FILE.py::NAME",
        help="loss(params, X, y, reg), or a method as Class.loss; it returns (loss, grads)",
    )
    audit.add_argument(
        "--inputs",
        metavar="NAME",
        help="a function in FILE.py, or OTHER.py::NAME, that returns the arguments as a tuple or a "
        "dict (default: the toy data, 5 samples for a net 4-10-3)",
    )
    audit.add_argument("--html", metavar="PATH", help="write the report as a web page, too")
    audit.add_argument(
        "--timeout", metavar="SECONDS", type=_seconds, help="end it, with its children, after that"
    )
    audit.add_argument("--no-color", action="store_true", help="no colour, even on a terminal")
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def _audit(options: argparse.Namespace) -> int:
    colour = _has_colour(options.no_color)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 100
    request = {
        "target": options.target,
        "inputs": options.inputs,
        "width": width,
        "colour": colour,
        "page": options.html is not None,
    }
    outcome = _worked(request, options.timeout)
    if outcome.reason:
        _say(f"{options.target} could not be audited: {outcome.reason}")
    status = outcome.status
    if options.html is not None and outcome.page:
        try:
            write_page(outcome.page, options.html)
        except ExportError as error:
            _say(str(error))
            status = FAILED
    _print(outcome.report)
    return status


def _has_colour(refused: bool) -> bool:
    """Whether standard output is a terminal and nobody refuses colour; see no-color.org."""
    if refused or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout.isatty()


def _say(text: str) -> None:
    sys.stdout.flush()
    lines = text if len(text) <= _MOST_REASON else f"{text[:_MOST_REASON]} ..."
    shown = "\n".join(map(printable, lines.splitlines()))
    print(f"tinygrad_nn audit: {shown}", file=sys.stderr, flush=True)


def _print(report: str) -> None:
    try:
        if report:
            print(report)
        sys.stdout.flush()
    except BrokenPipeError:  # who read it has seen enough; the status still tells
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# --- the process ----------------------------------------------------------------------------------

_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from tinygrad_nn.check.audit.marking.worker import work; "
    "sys.path.remove(sys.argv[1]); sys.path.append(sys.argv[1]); work(sys.argv[2])"
)


def _worked(request: dict[str, Any], timeout: float | None) -> _Outcome:
    """Do the work in a process of its own, and wait for it at most so many seconds."""
    with tempfile.TemporaryDirectory(prefix="tinygrad_nn_") as folder:
        result = Path(folder) / "result.json"
        place = Path(folder) / "place.txt"
        deadline = None if timeout is None else time.time() + timeout
        request = {**request, "result": str(result), "place": str(place), "deadline": deadline}
        root = str(Path(__file__).resolve().parents[1])
        command = [sys.executable, "-B", "-c", _START, root, json.dumps(request)]
        status = _run(command, timeout)
        if status is None:
            at = place.read_text(encoding="utf-8") if place.exists() else ""
            more = f"; it was at {at}" if at else ""
            return _Outcome(FAILED, reason=f"not done after {timeout:g} s, and ended{more}")
        return _read(result) or _Outcome(FAILED, reason=_ended(status))


def _ended(status: int) -> str:
    if status < 0:
        name = next((s.name for s in signal.Signals if s == -status), str(-status))
        return f"its process was ended by signal {name}"
    return f"it ended its process, with status {status}, before the audit was done"


def _read(result: Path) -> _Outcome | None:
    """What the process has left; None if that is nothing, or no outcome."""
    try:
        found = json.loads(result.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("status") not in (SOUND, WRONG, FAILED):
        return None
    texts = {name: found.get(name, "") for name in ("report", "page", "reason")}
    if not all(isinstance(text, str) for text in texts.values()):
        return None
    return _Outcome(found["status"], **texts)


def _run(command: list[str], timeout: float | None) -> int | None:
    """The exit status of a command whose output goes to standard error; None if time was up."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # so that its children can be ended with it
    )
    assert process.stdout is not None
    reader = threading.Thread(target=_pass_on, args=(process.stdout,), daemon=True)
    reader.start()
    before = _on_termination(_terminated)
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        _kill(process)
        _on_termination(before)
        reader.join(1)


def _on_termination(handler: Any) -> Any:
    """Whoever ends this process ends the other one: it is not in the same group."""
    if threading.current_thread() is threading.main_thread():
        return signal.signal(signal.SIGTERM, handler)
    return None


def _terminated(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children, also those that outlive it."""
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True)
    else:
        with suppress(ProcessLookupError, PermissionError):  # all have ended
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _pass_on(pipe: IO[bytes]) -> None:
    """Pass on what a process prints, up to a limit, and read the rest so that it need not wait."""
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    left, last = MOST_OUTPUT, "\n"
    with pipe:
        while data := os.read(pipe.fileno(), 65536):
            if left <= 0:
                continue
            text = decode(data)
            shown = "".join(c if c in "\n\t" else printable(c) for c in text[:left])
            left, last = left - len(text), shown[-1:]
            if left <= 0:
                shown, last = f"{shown}\ntinygrad_nn audit: it prints more, which is left out", ""
            sys.stderr.write(shown)
            sys.stderr.flush()
    if last != "\n":
        sys.stderr.write("\n")
