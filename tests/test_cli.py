"""``python -m tinygrad_nn audit``: exit status, output and reasons, of the command as it is run."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tinygrad_nn import cli

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "homework.py"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals, FIFOs and terminals of POSIX")

SOUND = """
    import numpy as np

    def loss(params, X, y, reg):
        print("printed by the homework")
        r = X @ params["W1"]
        return np.sum(r ** 2), {"W1": 2 * X.T @ r, "b1": 0 * params["b1"],
                                "W2": 0 * params["W2"], "b2": 0 * params["b2"]}
"""
WRONG = SOUND.replace("2 * X.T", "3 * X.T")


@pytest.fixture
def write(tmp_path):
    def write(text, name="homework.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write


def environment(**more):
    """The variables of a run, with nothing that decides on colour but what is given."""
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**kept, "TERM": "xterm", "PYTHONPATH": os.pathsep.join(paths), **more}


def command(*arguments):
    return [sys.executable, "-W", "error", "-m", "tinygrad_nn", "audit", *map(str, arguments)]


def audit(*arguments, cwd=None):
    return subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


# --- verdicts -------------------------------------------------------------------------------------


def test_a_sound_file_has_status_0_and_leaves_nothing_behind(write):
    path = write(SOUND)
    done = audit(path.name + "::loss", cwd=path.parent)
    assert done.returncode == 0
    assert done.stdout.startswith("loss: the gradients of W1, b1, W2 and b2 are right\n")
    assert "note: inputs: the toy data" in done.stdout
    # What the file prints is not in the report.
    assert set(done.stderr.splitlines()) == {"printed by the homework"}
    assert os.listdir(path.parent) == ["homework.py"]


def test_the_published_mistake_has_status_1_and_its_line(tmp_path):
    page = tmp_path / "report.html"
    done = audit(f"{EXAMPLE}::TwoLayerNet.loss", "--timeout", 100, "--html", page, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(
        "TwoLayerNet.loss: the gradient of W2 is wrong; W1, b1 and b2 are right\n"
    )
    wrong = re.search(r'^WRONG +(\d+)  grads\["W2"\] \+= 2 \* reg \* W2', done.stdout, re.M)
    code = EXAMPLE.read_text(encoding="utf-8").splitlines()
    assert code[int(wrong[1]) - 1].strip() == 'grads["W2"] += 2 * reg * W2'
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert "<u>2 * reg * W2</u>" in page.read_text(encoding="utf-8")


def test_inputs_are_taken_from_another_file_given_relative_to_here(write):
    path = write("def loss(params, x):\n    return (params['w'] * x).sum(), {'w': 2 * x}\n")
    data = "import numpy as np\ndef data():\n    return {'w': np.ones(3)}, np.arange(3.0)\n"
    write(data, "data_of_the_course.py")
    done = audit("homework.py::loss", "--inputs", "data_of_the_course.py::data", cwd=path.parent)
    assert done.returncode == 1
    assert "note: inputs: from data_of_the_course.py::data" in done.stdout


# --- reasons why there is no audit ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def loss(params:\n", "is not Python\n"),
        ("def lose(params, X, y): pass\n", "has no loss; did you mean lose?"),
        ("import sys\nsys.exit(0)\n", "it called sys.exit(0) (homework.py, line 2, in <module>)"),
        ("import os\nos._exit(0)\n", "it ended its process, with status 0, before the audit was"),
        ("def loss(params, X, y):\n    return 3\n", "DataError: audit needs (loss, grads)"),
        ("def loss(params, X, y):\n    return params['W']\n", "KeyError: 'W'\n(it was called with"),
        ("def loss(params, X, y):\n    input()\n", "EOFError"),
        ("raise KeyboardInterrupt\n", "KeyboardInterrupt"),
        ("raise ValueError('\\x1b[31m red')\n", "ValueError: \\x1b[31m red"),
    ],
)
def test_a_file_that_cannot_be_audited_has_status_2_and_the_reason(write, text, reason):
    done = audit(f"{write(text)}::loss")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("tinygrad_nn audit: ")
    assert reason in done.stderr
    assert "tinygrad_nn/" not in done.stderr.replace(str(ROOT), "")  # none of our own frames
    assert "\x1b" not in done.stderr


def test_a_loss_that_is_not_finite_has_status_2_and_a_report_that_says_where(write):
    done = audit(f"{write(SOUND.replace('np.sum(r ** 2)', 'np.log(np.sum(0 * r))'))}::loss")
    assert done.returncode == 2
    assert "cannot be judged" in done.stdout
    assert "the loss is -inf; " in done.stderr
    assert "line 7, is -inf first" in done.stderr


@pytest.mark.parametrize(
    "before",
    [
        "import os\n    os.closerange(0, 100)",
        "import sys\n    sys.stdout = sys.stderr = None",
        "import builtins\n    builtins.open = None",
        "import os\n    os.chdir('/')",
        "import atexit, os\n    atexit.register(os._exit, 0)",
        "np.seterr(all='raise')",
    ],
)
def test_what_a_file_does_to_its_process_decides_nothing(write, before):
    text = WRONG.replace('print("printed by the homework")', "r = 0").replace(
        "    def loss", f"    {before}\n\n    def loss"
    )
    assert audit(f"{write(text)}::loss").returncode == 1


@POSIX
@pytest.mark.parametrize(
    ("run", "end"), [(1, "os._exit(0)"), (2, "os._exit(1)"), (2, "os.fork() and os._exit(0)")]
)
def test_a_file_that_ends_its_process_has_no_verdict(write, run, end):
    text = f"""
    import os, sys
    runs = []
    def ended():
        runs.append(0)
        if len(runs) == {run}:
            {end}
    """
    sound = textwrap.dedent(SOUND).replace('print("printed by the homework")', "ended()")
    assert audit(f"{write(textwrap.dedent(text) + sound)}::loss").returncode == 2


@POSIX
def test_a_crash_has_status_2(write):
    text = "import os, signal\ndef loss(params, X, y):\n    os.kill(os.getpid(), signal.SIGSEGV)\n"
    done = audit(f"{write(text)}::loss")
    assert done.returncode == 2
    assert done.stderr.endswith("its process was ended by signal SIGSEGV\n")


def test_a_file_that_is_not_there_has_one_line(tmp_path):
    done = audit("none.py::loss", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "tinygrad_nn audit: none.py::loss could not be audited: there is no file none.py\n"
    )


def test_a_page_that_cannot_be_written_has_status_2_and_the_report(write, tmp_path):
    done = audit(f"{write(WRONG)}::loss", "--html", tmp_path / "none" / "x.html")
    assert done.returncode == 2
    assert "the report cannot be written to" in done.stderr
    assert done.stdout.startswith("loss: the gradient of W1 is wrong")


@pytest.mark.parametrize(
    "arguments",
    [[], ["dance"], ["audit"], ["audit", "x.py::f", "--time", "3"], ["audit", "x.py::f", "y.py::f"]]
    + [["audit", "x.py::f", "--timeout", bad] for bad in ("0", "-1", "nan", "inf", "soon")],
)
def test_bad_usage_has_status_2(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)
    captured = capsys.readouterr()
    assert "usage: python -m tinygrad_nn" in captured.err
    assert captured.out == ""


def test_help_says_what_the_statuses_mean_and_that_the_file_is_executed(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["audit", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert "0 every gradient is right 1 a gradient is wrong" in out
    assert "executed with your rights" in out


# --- time, children, output -----------------------------------------------------------------------

#: A homework whose child tells that it lives, and holds a FIFO open as long as it does.
CHILD = """
    import subprocess, sys, time

    def loss(params, X, y):
        code = ("import os, sys, time; f = os.open(sys.argv[1], os.O_WRONLY);"
                "os.write(f, b'alive'); time.sleep(600)")
        subprocess.Popen([sys.executable, "-c", code, {fifo!r}])
        while True:
            time.sleep(0.01)
"""


@pytest.fixture
def child(write, tmp_path):
    """The target, and the reading end of the FIFO."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    yield f"{write(CHILD.format(fifo=str(fifo)))}::loss", reader
    os.close(reader)


def read_until(reader, wanted):
    """Wait for what comes from the FIFO: b"alive", or b"" at its end (never, if nobody writes)."""
    for _ in range(3000):
        with suppress(BlockingIOError):
            if os.read(reader, 100) == wanted:
                return True
        time.sleep(0.01)
    return False


@POSIX
def test_when_time_is_up_the_file_and_its_children_are_ended(child):
    target, reader = child
    done = audit(target, "--timeout", 2)
    assert (done.returncode, done.stdout) == (2, "")
    assert "not done after 2 s, and ended; it was at homework.py, line 9, in loss" in done.stderr
    assert read_until(reader, b"alive")
    assert read_until(reader, b"")


@POSIX
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_whoever_ends_the_command_ends_the_file_and_its_children(child, number, status):
    target, reader = child
    # A job in a shell's background inherits an ignored SIGINT; a person at a terminal does not.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment()}
    with subprocess.Popen(command(target), preexec_fn=heed, **pipes) as running:
        assert read_until(reader, b"alive")
        running.send_signal(number)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (status, b"", b"")
    assert read_until(reader, b"")


@POSIX
def test_children_and_threads_that_outlive_the_audit_do_not_keep_it(write, tmp_path):
    late = """
    import atexit, subprocess, sys, threading, time
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    threading.Thread(target=time.sleep, args=(600,)).start()
    atexit.register(time.sleep, 600)
    """
    done = audit(f"{write(textwrap.dedent(late) + textwrap.dedent(SOUND))}::loss")
    assert done.returncode == 0


def test_endless_output_is_cut_and_does_not_hinder_the_end(write):
    text = """
    def loss(params, X, y):
        while True:
            print("x" * 999)
    """
    done = audit(f"{write(text)}::loss", "--timeout", 2)
    assert done.returncode == 2
    assert "\ntinygrad_nn audit: it prints more, which is left out\n" in done.stderr
    assert "not done after 2 s" in done.stderr
    assert len(done.stderr) < cli.MOST_OUTPUT + 1000


def test_a_forged_result_is_no_verdict(write):
    text = """
    import json, os, sys
    asked = json.loads(sys.argv[2])
    with open(asked["result"], "w") as file:
        json.dump({"status": "0", "report": ["sound"]}, file)
    os._exit(0)
    """
    done = audit(f"{write(text)}::loss")
    assert (done.returncode, done.stdout) == (2, "")
    assert "ended its process" in done.stderr


# --- colour ---------------------------------------------------------------------------------------


def on_a_terminal(path, *arguments, **variables):
    """The command's standard output, where that is a terminal of 80 columns."""
    import fcntl
    import pty
    import struct
    import termios

    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    env = environment(**variables)
    env.pop("COLUMNS", None)
    pipes = {"stdin": subprocess.DEVNULL, "stdout": its, "stderr": subprocess.DEVNULL}
    shown = b""
    with subprocess.Popen(command(f"{path}::loss", *arguments), env=env, **pipes):
        os.close(its)
        with suppress(OSError):  # how a terminal says that the other end is closed
            while data := os.read(mine, 65536):
                shown += data
    os.close(mine)
    return shown.decode().replace("\r\n", "\n")


@POSIX
def test_colour_is_for_terminals_and_for_those_who_want_it(write):
    path = write(WRONG)
    coloured = on_a_terminal(path)
    assert coloured.startswith("\x1b[1;31mloss: the gradient of W1 is wrong")
    plain = re.sub(r"\x1b\[[\d;]*m", "", coloured)
    assert max(map(len, plain.splitlines())) <= 80
    assert on_a_terminal(path, "--no-color") == plain
    assert on_a_terminal(path, NO_COLOR="1") == plain
    assert on_a_terminal(path, TERM="dumb") == plain
    assert on_a_terminal(path, NO_COLOR="") == coloured
    assert "\x1b" not in audit(f"{path}::loss").stdout


@POSIX
def test_a_reader_that_has_seen_enough_changes_no_status(write):
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen(
        command(f"{write(WRONG)}::loss"), stdout=writing, stderr=subprocess.PIPE, env=environment()
    ) as running:
        os.close(writing)
        _, err = running.communicate(timeout=60)
    assert running.returncode == 1
    assert set(err.decode().splitlines()) == {"printed by the homework"}


def test_a_terminal_without_unicode_shows_escapes(write):
    path = write(WRONG.replace(" r = ", " ρ = ").replace("(r ", "(ρ ").replace("@ r,", "@ ρ,"))
    done = subprocess.run(
        command(f"{path}::loss"),
        env=environment(PYTHONIOENCODING="ascii", PYTHONUTF8="0"),
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert b"\\u03c1" in done.stdout
