"""The house of docs/architecture.md: a room imports only from those below it."""

import ast
import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import tinygrad_nn

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tinygrad_nn"

#: From the roof down; a room may import any that comes after it.
FLOORS = [
    "__main__", "cli", "draw", "check", "compiler", "emit", "graph", "losses", "autodiff", "walk",
    "protocol", "composed", "recording", "tensor", "inplace", "operators", "methods", "explain",
    "node", "datasets", "rules", "provenance", "weak", "errors", "tree", "memory",
]  # fmt: skip

#: Calls upwards that exist for the user's convenience; inside a function, so at run time only.
UPWARDS = {("tensor", "autodiff"), ("graph", "draw"), ("graph", "emit"), ("recording", "explain")}


def room(path):
    """The file or folder of the package that a path lies in."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """The rooms that a file imports from, each with whether a function does it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {
        id(n)
        for f in ast.walk(tree)
        if isinstance(f, ast.FunctionDef)
        for n in ast.walk(f)
        if isinstance(n, ast.ImportFrom)
    }
    package = ("tinygrad_nn", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        base = package[: len(package) - node.level + 1] if node.level else ()
        full = ".".join([*base, *([node.module] if node.module else [])])
        if full == "tinygrad_nn":
            for alias in node.names:
                yield alias.name, id(node) in inner
        elif full.startswith("tinygrad_nn."):
            yield full.split(".")[1], id(node) in inner


FILES = [p for p in sorted(PACKAGE.rglob("*.py")) if p != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path):
    here = room(path)
    assert here in FLOORS, f"{here} has no floor in this list and in docs/architecture.md"
    for other, at_run_time in imports(path):
        if other == here or (at_run_time and (here, other) in UPWARDS):
            continue
        assert FLOORS.index(here) < FLOORS.index(other), f"{here} imports {other}, which is above"


def test_the_rules_know_numpy_only():
    for path in (PACKAGE / "rules").glob("*.py"):
        assert {other for other, _ in imports(path)} <= {"rules"}


TABLE = re.findall(
    r"^\| (`.*?) \| .* \| (.*) \|$",
    (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split("\n## ")[1],
    re.MULTILINE,
)


def rooms_of(cell):
    """The rooms that a row of the table is about."""
    names = re.findall(r"`(\w+)(?:/|\.py)`", cell)
    return [name for name in names if name in FLOORS]


def test_every_room_is_in_the_architecture():
    rooms = [name for about, _ in TABLE for name in rooms_of(about)]
    assert set(rooms) == set(FLOORS)


@pytest.mark.parametrize(("about", "said"), [row for row in TABLE if rooms_of(row[0])])
def test_the_architecture_says_what_a_room_imports(about, said):
    rooms = rooms_of(about)
    found = {
        other
        for path in FILES
        if room(path) in rooms
        for other, at_run_time in imports(path)
        if not (at_run_time and (room(path), other) in UPWARDS)
    }
    assert said.split(", ") == ([r for r in FLOORS if r in found - set(rooms)] or ["nothing"])


def test_no_file_is_longer_than_five_hundred_lines():
    for path in FILES:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 500, path


MODULES = [m.name for m in pkgutil.walk_packages(tinygrad_nn.__path__, "tinygrad_nn.")]


@pytest.mark.parametrize("name", [m for m in MODULES if not m.split(".")[-1].startswith("_")])
def test_the_examples_of_the_docstrings_run(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
