"""DOT -> SVG, PNG or PDF, by whichever Graphviz is there; always in a process of its own.

Graphviz is a C library that is not thread-safe, writes to the process's standard error, takes its
fonts from the environment and ends the process when it runs into trouble. Started apart, it does
none of this to the user's program, and Ctrl-C ends a drawing that takes too long.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path

from ..errors import RenderError

#: Dots per inch of pictures made of dots.
DPI = "192"

_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>{}</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
"""


def draw(dot: str, form: str, patience: float | None = None) -> bytes:
    """The picture of ``dot`` in the format ``form``: svg, png or pdf.

    Args:
        dot: the source.
        form: the format.
        patience: seconds after which to give up.

    Raises:
        RenderError: there is no Graphviz, or none that could draw this, or not in time.
    """
    dpi = DPI if form == "png" else ""
    commands = list(_commands(form, dpi))
    said = []
    with _environment() as environment:
        for name, command in commands:
            try:
                done = subprocess.run(
                    command,
                    input=dot.encode(),
                    capture_output=True,
                    env=environment,
                    timeout=patience,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                said.append(f"{name}: {error}")
                continue
            if done.returncode == 0 and done.stdout:
                return done.stdout
            said.append(f"{name}: {_reason(done)}")
    if not commands:
        raise RenderError(f"drawing needs Graphviz, which was not found\n{_WAYS}")
    raise RenderError("\n  ".join(["Graphviz could not draw this graph", *said]))


_WAYS = (
    "  install it with:  pip install 'tinygrad_nn[render]'\n"
    "  or install Graphviz (https://graphviz.org/download), so that `dot` is on the PATH"
)


def _commands(form: str, dpi: str) -> Iterator[tuple[str, list[str]]]:
    """Each Graphviz that is there, with the command that draws with it."""
    # Of a frozen application the executable is the application itself, not Python.
    if sys.executable and not getattr(sys, "frozen", False) and _is_installed("pygraphviz"):
        script = Path(__file__).with_name("_layout.py")
        yield "pygraphviz", [sys.executable, "-P", str(script), form, dpi]
    program = shutil.which("dot")
    if program is not None:
        yield program, [program, f"-T{form}", *([f"-Gdpi={dpi}"] if dpi else [])]


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@contextmanager
def _environment() -> Iterator[dict[str, str]]:
    """The drawing process's environment: our module search path, and fonts to write text with."""
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    fonts = _matplotlib_fonts()
    # Elsewhere than on Linux a system always has fonts, and these may be their only list.
    if fonts is None or sys.platform != "linux" or "FONTCONFIG_FILE" in environment:
        yield environment
        return
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder, "fonts.conf")
        configuration.write_text(_FONTS.format(escape(str(fonts))), encoding="utf-8")
        yield environment | {"FONTCONFIG_FILE": str(configuration)}


def _matplotlib_fonts() -> Path | None:
    """The fonts that matplotlib brings; found without importing it, which takes long."""
    spec = importlib.util.find_spec("matplotlib")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    return folder if folder.is_dir() else None


def _reason(done: subprocess.CompletedProcess[bytes]) -> str:
    """The last thing a drawing process said, which is what ended it."""
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"ended with status {done.returncode}"
