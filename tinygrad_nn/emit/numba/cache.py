"""Generated Numba modules, kept between runs in a folder of the user's.

Numba keeps machine code for functions that are in a file, so each generated module is written into
one. The file is only what Numba looks at: what is executed is the source that was just generated,
and a file that differs from it is replaced. A folder that cannot be written, or that others can
write into, means that nothing is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import sys
import tempfile
import threading
import time
import types
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DependencyError

#: Seconds after which a compilation is announced.
PATIENCE = 1.0


def load(source: str, name: str) -> Any:
    """The module of a generated source, compiled or taken from the cache.

    Args:
        source: the text that was just generated.
        name: the function it is for, an identifier: for the file's name and the message.

    Raises:
        DependencyError: Numba or SciPy is not installed.
    """
    missing = [package for package in ("numba", "scipy") if find_spec(package) is None]
    if missing:
        raise DependencyError(
            f"backend='numba' needs {' and '.join(missing)}, not installed here\n"
            "  install with:  pip install 'tinygrad_nn[jit]'"
        )
    path = _file(source, name)
    with _progress(name):
        if path is not None:
            try:
                return _execute(source, str(path), cache=True)
            except Exception:  # what Numba kept may be damaged in any way
                _forget(path)
        return _execute(source, f"<{name} for numba>", cache=False)


def _execute(source: str, file: str, cache: bool) -> Any:
    """Run the module's text, during which Numba compiles its functions."""
    module = types.ModuleType(f"tinygrad_nn_generated_{Path(file).stem}")
    module.__dict__.update(__file__=file, CACHE=cache)
    sys.modules[module.__name__] = module  # Numba imports it to find the names in kept code
    try:
        exec(compile(source, file, "exec"), module.__dict__)
    finally:
        del sys.modules[module.__name__]
    return module


def folder() -> Path | None:
    """Where modules are kept: under NUMBA_CACHE_DIR, XDG_CACHE_HOME, or where the system has it."""
    for variable in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        if os.environ.get(variable):
            return Path(os.environ[variable]) / "tinygrad_nn" / "numba"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        base = home / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return base / "tinygrad_nn" / "numba"


def _file(source: str, name: str) -> Path | None:
    """A file that holds exactly ``source``, in a folder that only the user can write into."""
    kept = folder()
    if kept is None:
        return None
    path = kept / f"{name[:40] if name.isascii() else 'f'}_{_digest(source)}.py"
    content = source.encode()
    try:
        kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(kept):
            return None
        if path.is_symlink() or not path.is_file() or path.read_bytes() != content:
            _forget(path)
            _write(path, content)
    except OSError:
        return None
    return path


def _is_private(kept: Path) -> bool:
    """Whether nobody but the user can put files into a folder: Numba's files are trusted."""
    if not hasattr(os, "getuid"):
        return True
    info = kept.stat()
    return info.st_uid == os.getuid() and not info.st_mode & 0o022


def _write(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _forget(path: Path) -> None:
    """Remove a module's file, and what Numba keeps beside it."""
    with contextlib.suppress(OSError):
        own = os.environ.get("NUMBA_CACHE_DIR")
        for place in (path.parent, *([Path(own)] if own else [])):
            for kept in place.glob(f"*/{path.stem}.*.nb?"):
                kept.unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def _digest(source: str) -> str:
    """What tells programs apart: the source, and the versions of everything that it calls."""
    parts = [source, np.__version__, version("numba"), platform.python_version()]
    with contextlib.suppress(PackageNotFoundError):  # when run from its folder
        parts.append(version("tinygrad_nn"))
    parts.append(Path(__file__).with_name("parts.py").read_text(encoding="utf-8"))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


@contextlib.contextmanager
def _progress(name: str) -> Iterator[None]:
    """Say on stderr that a compilation is under way, if it takes more than a second."""
    said = threading.Event()

    def say() -> None:
        said.set()
        print(f"tinygrad_nn: compiling {name} for numba ...", end="", file=sys.stderr, flush=True)

    start = time.perf_counter()
    timer = threading.Timer(PATIENCE, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if said.is_set():
            print(f" {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)
