"""Run the demonstration or the tests, in an environment that this script makes for itself.

    python3 run.py demo [arguments of examples/case_study.py]
    python3 run.py test [arguments of pytest]

Needs Python 3.11 or newer with pip. The first run sets up .venv beside this file; later
runs start at once, until pyproject.toml or the Python version changes.
"""

# Only what Python 3.8 can parse, so that an older Python reaches check_python's message.
from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
import venv
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent

# What each command runs, and the extras of pyproject.toml that serve it: the first is installed,
# any will do ("dev" contains "demo", so an environment made for the tests also runs the demo).
COMMANDS = {
    "demo": (["examples/case_study.py"], ["demo", "dev"]),
    "test": (["-m", "pytest"], ["dev"]),
}


class SetupError(Exception):
    """The environment cannot be made; the message says what to do."""


def check_python(version: tuple[int, ...]) -> None:
    if version < (3, 11):
        found = ".".join(map(str, version[:3]))
        raise SetupError(
            f"Python 3.11 or newer is needed, this is {found} ({sys.executable})\n"
            "  install a newer one and start this script with it, e.g. python3.13 run.py"
        )


def pip_version() -> str | None:
    try:
        return metadata.version("pip")
    except metadata.PackageNotFoundError:
        return None


def check_pip(version: str | None) -> None:
    if version is None:
        raise SetupError(
            f"pip is needed, {sys.executable} has none\n"
            "  on Debian and Ubuntu: sudo apt install python3-pip\n"
            f"  elsewhere: {sys.executable} -m ensurepip"
        )
    if tuple(map(int, version.split(".")[:2])) < (22, 3):  # the first to know `pip --python`
        raise SetupError(
            f"pip 22.3 or newer is needed, this is {version}\n"
            f"  {sys.executable} -m pip install --upgrade pip"
        )


class Environment:
    """The virtual environment in `root`/.venv, holding the project with one of its extras."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / ".venv"
        self.stamp = self.path / "run.py.stamp"
        windows = os.name == "nt"
        self.python = self.path / ("Scripts/python.exe" if windows else "bin/python")

    def key(self, extra: str) -> str:
        """All that a finished environment depends on; root, as a moved .venv points elsewhere."""
        parts = (str(self.root), extra, "{}.{}".format(*sys.version_info))
        pyproject = (self.root / "pyproject.toml").read_bytes()
        return hashlib.sha256(repr(parts).encode() + pyproject).hexdigest()

    def is_ready(self, extras: list[str]) -> bool:
        """The stamp is written last, so an environment without one is half-made."""
        if not (self.stamp.exists() and self.python.exists()):
            return False
        return self.stamp.read_text() in map(self.key, extras)

    def build(self, extra: str) -> None:
        if Path(sys.prefix) == self.path:
            raise SetupError(".venv has to be made anew, but is in use: `deactivate` it first")
        check_pip(pip_version())
        action = "making .venv anew" if self.path.exists() else "setting up .venv"
        say(f"{action} (once, about a minute) ...")
        start = time.monotonic()
        self.stamp.unlink(missing_ok=True)
        venv.create(self.path, clear=True, symlinks=os.name != "nt")
        # The outer pip installs into .venv, which needs no pip (nor ensurepip) of its own.
        pip = [sys.executable, "-m", "pip", "--python", str(self.python)]
        install = ["install", "--quiet", "--no-input", "--editable", f".[{extra}]"]
        result = subprocess.run(
            pip + install, cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if result.returncode != 0:
            sys.stderr.buffer.write(result.stdout)
            raise SetupError("pip could not install what is needed, its own words are above")
        self.stamp.write_text(self.key(extra))
        say(f".venv is ready, after {time.monotonic() - start:.0f} s")

    def call(self, arguments: list[str]) -> int:
        """Run Python with these arguments; return its exit status as a shell would."""
        with subprocess.Popen([str(self.python), *arguments], cwd=self.root) as child:
            try:
                status = child.wait()
            except KeyboardInterrupt:
                # The terminal interrupts the child too: leave it time to end in its own way.
                try:
                    child.wait(timeout=3)
                except subprocess.TimeoutExpired:
                    child.kill()
                raise
        return status if status >= 0 else 128 - status


def say(text: str) -> None:
    print(f"run.py: {text}", file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    if arguments[:1] in (["-h"], ["--help"]):
        print(__doc__.strip())
        return 0
    if not arguments or arguments[0] not in COMMANDS:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    program, extras = COMMANDS[arguments[0]]
    environment = Environment(ROOT)
    try:
        check_python(sys.version_info[:3])
        if not environment.is_ready(extras):
            environment.build(extras[0])
        return environment.call(program + arguments[1:])
    except (SetupError, OSError) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
