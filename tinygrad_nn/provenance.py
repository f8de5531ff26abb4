"""Where in the user's program a value was made, and what the user called it.

A graph node keeps the caller's code object and instruction offset, two attribute reads. This
module turns that pair into file, line, expression and assigned name, later, when somebody looks:
the span of the instruction comes from `code.co_positions()`, and the syntax tree of the file says
what stands there. Source that is missing, or is not what was run, gives less and never an error,
because a place is usually asked for while another error is being reported.

Imports the standard library only.
"""

from __future__ import annotations

import ast
import dis
import inspect
import linecache
import os
import sys
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import CodeType, ModuleType

__all__ = ["Place", "place", "underline"]

# (line, end line, column, end column), columns in UTF-8 bytes: the form of `co_positions()`.
_Span = tuple[int | None, int | None, int | None, int | None]
_Located = ast.expr | ast.stmt | ast.keyword

_MOST_CODES = 512
_MOST_SOURCES = 64
_LONGEST_LINE = 100


@dataclass(frozen=True, slots=True)
class Place:
    """One expression of the user's program, resolved as far as its source is available.

    Lines count from 1 (0: unknown), columns from 0 in characters. `line` and the columns are where
    to point; for a method call on a later line than its receiver that is from the method's name on,
    while `expression` is the whole call.
    """

    file: str
    line: int
    end_line: int
    column: int
    end_column: int
    function: str
    expression: str
    name: str | None
    source_line: str
    operands: tuple[str, ...]


def place(code: CodeType, lasti: int) -> Place:
    """The place of the instruction at byte offset `lasti` of `code`; never raises.

    `name` is that of the variable, attribute or constant string key which the statement assigns
    this very value to, or which it changes in place; None for anything else.
    `operands` are source texts: both sides of an operator, the value and the index of a subscript,
    a method's receiver and then the arguments of a call, keyword arguments by value.

    >>> import sys
    >>> def here():
    ...     return sys._getframe(1).f_code, sys._getframe(1).f_lasti
    >>> h1 = here()
    >>> place(*h1).name, place(*h1).expression
    ('h1', 'here()')
    """
    # Looked up by id: equal code objects may come from different files, and hashing one reads
    # all of it. The entry holds the code object, so that its id cannot pass to another.
    known = _codes.get(id(code))
    if known is None:
        if len(_codes) >= _MOST_CODES:
            _codes.clear()
        known = _codes[id(code)] = _Code(code, list(code.co_positions()))
    if lasti not in known.places:
        known.places[lasti] = _resolve(known, lasti)
    return known.places[lasti]


def underline(place: Place, indent: str = "  ") -> str:
    """The source line of a place with its expression underlined, for an error message.

    >>> line = "h1 = X @ W1 + b1"
    >>> print(underline(Place("net.py", 12, 12, 5, 11, "loss", "X @ W1", None, line, ())))
      net.py, line 12:  h1 = X @ W1 + b1
                             ^^^^^^
    """
    where = f"{indent}{_short_name(place.file)}" + (f", line {place.line}" if place.line else "")
    line = place.source_line.rstrip()
    if not line:
        return f"{where}, in {place.function}"
    margin = len(line) - len(line.lstrip())
    start, end = max(margin, place.column), place.end_column
    if place.end_line > place.line:
        end = len(line)
    before, span, after = _fitted(line[margin:start], line[start:end], line[end:])
    head = f"{where}:  {before}"
    if not place.expression:
        return f"{head}{span}{after}"
    return f"{head}{span}{after}\n{' ' * _width(head)}{'^' * max(1, _width(span))}"


def _short_name(file: str) -> str:
    try:
        here = os.getcwd() + os.sep
        full = os.path.abspath(file)
    except OSError:  # the working directory is gone
        return os.path.basename(file)
    return full.removeprefix(here) if full.startswith(here) else os.path.basename(file)


def _fitted(before: str, span: str, after: str) -> tuple[str, str, str]:
    """The three parts of a line with tabs as spaces, the outer ones cut where it is too long."""
    before, span, after = (part.replace("\t", "    ") for part in (before, span, after))
    if len(before) + len(span) + len(after) <= _LONGEST_LINE:
        return before, span, after
    room = _LONGEST_LINE - 2 * len("...")
    span, after = span[:room], span[room:] + after
    room -= len(span)
    left = min(len(before), max(room // 2, room - len(after)))
    right = room - left
    if left < len(before):
        before = "..." + before[len(before) - left :]
    if right < len(after):
        after = after[:right] + "..."
    return before, span, after


def _width(text: str) -> int:
    """The columns that a text takes on a terminal."""
    return sum(
        0
        if unicodedata.category(char) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(char) in ("W", "F")
        else 1
        for char in text
    )


@dataclass(slots=True)
class _Code:
    """A code object with its instructions' spans and the places already resolved."""

    code: CodeType
    spans: list[_Span]
    places: dict[int, Place] = field(default_factory=dict)


@dataclass(slots=True)
class _Source:
    """One version of a file: its lines and what a place needs to know of its syntax tree."""

    lines: list[str]
    nodes: dict[_Span, ast.expr | ast.stmt] = field(default_factory=dict)
    names: dict[ast.AST, str] = field(default_factory=dict)
    functions: set[tuple[str, int]] = field(default_factory=set)
    imports: dict[str, str] = field(default_factory=dict)

    def line(self, number: int) -> str:
        return self.lines[number - 1].rstrip("\n") if 0 < number <= len(self.lines) else ""

    def character(self, number: int, byte: int) -> int:
        return len(self.line(number).encode()[:byte].decode(errors="ignore"))

    def text(self, node: _Located) -> str:
        first, last, start, end = _span(node)
        text = "".join(self.lines[first - 1 : last]).encode()
        before_last = len(text) - len(self.lines[last - 1].encode())
        return text[start : before_last + end].decode(errors="ignore")


_codes: dict[int, _Code] = {}
_sources: dict[str, tuple[list[str], _Source | None]] = {}


def _resolve(known: _Code, lasti: int) -> Place:
    code = known.code
    inside = 0 <= lasti // 2 < len(known.spans)
    span = known.spans[lasti // 2] if inside else (None, None, None, None)
    line, end_line, start, end = (number or 0 for number in span)
    bare = Place(code.co_filename, line, end_line, 0, 0, code.co_qualname, "", None, "", ())
    source = _source(code.co_filename)
    if source is None or not _is_source_of(source, code):
        return bare
    if None in span:  # the interpreter was told to keep no columns
        return replace(bare, source_line=source.line(line))
    node = source.nodes.get(span)
    if node is None:  # the file has changed since it was run
        return bare
    name = source.names.get(node)
    if _is_stored_to(node) and not dis.opname[code.co_code[lasti]].startswith("STORE_"):
        name = None  # `x[i] -= 1` first reads x[i], which is not x
    if iterable := _iterable(node):
        node, name = iterable, None
        line, end_line, start, end = _span(node)
    return replace(
        bare,
        line=line,
        end_line=end_line,
        column=source.character(line, start),
        end_column=source.character(end_line, end),
        expression=source.text(node) if isinstance(node, ast.expr | ast.AugAssign) else "",
        name=name,
        source_line=source.line(line),
        operands=tuple(map(source.text, _operands(node, source.imports))),
    )


def _source(file: str) -> _Source | None:
    """The file as it stands now, or as a notebook registered it; None where it cannot be read."""
    lines: list[str] = []
    with suppress(Exception):  # whatever a file or a loader brings up: a place never raises
        linecache.checkcache(file)
        lines = linecache.getlines(file)
    if not lines:
        return None
    known = _sources.get(file)
    # The very list that linecache handed out before has the same contents.
    if known is None or known[0] is not lines:
        source = None
        with suppress(Exception):  # a file need not be Python, nor whole, by now
            source = _parsed(lines)
        if len(_sources) >= _MOST_SOURCES:
            _sources.clear()
        known = _sources[file] = (lines, source)
    return known[1]


def _parsed(lines: list[str]) -> _Source:
    """Everything a place may be asked, collected in one walk over the file's syntax tree."""
    source = _Source(lines)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the user has seen them when the file was compiled
        tree = ast.parse("".join(lines))
    # Parents come before children, so that of a statement and its only expression, which have the
    # same span, the expression stays; and the first of several names for a value stays.
    for node in ast.walk(tree):
        if isinstance(node, ast.expr | ast.stmt):
            source.nodes[_span(node)] = node
            source.nodes[_span_from_method_name(node)] = node
        for value, name in _names(node):
            source.names.setdefault(value, name)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            source.functions.add((node.name, first))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                package = alias.name.partition(".")[0]
                source.imports[alias.asname or package] = alias.name if alias.asname else package
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                source.imports[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return source


def _is_source_of(source: _Source, code: CodeType) -> bool:
    """Whether the function of `code` still starts on its line; a `<lambda>` goes unchecked."""
    name = code.co_name
    return name.startswith("<") or (name, code.co_firstlineno) in source.functions


def _span(node: _Located) -> tuple[int, int, int, int]:
    # The end is optional in a tree built by hand only, never in a parsed one.
    return node.lineno, node.end_lineno or 0, node.col_offset, node.end_col_offset or 0


def _span_from_method_name(node: ast.expr | ast.stmt) -> _Span:
    """The node's span, as the compiler has it for `.name` on a later line than its value."""
    line, end_line, start, end = _span(node)
    attribute = node.func if isinstance(node, ast.Call) else node
    if isinstance(attribute, ast.Attribute) and attribute.end_lineno != line:
        _, line, _, after_name = _span(attribute)
        start = after_name - len(attribute.attr)  # characters from bytes, as the compiler does
    return line, end_line, start, end


def _names(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """The parts of a statement that it gives a name to, or stores into, each with the name."""
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _assigned(target, value)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield from _assigned(target, value)
        case ast.NamedExpr(target=target, value=value):
            yield from _assigned(target, value)
        case ast.AugAssign(target=target):  # its operation has the span of the whole statement
            yield from _assigned(target, node)
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield value, key.value
        case ast.Subscript(value=changed, ctx=ast.Store()):  # and storing has that of the target
            yield from _assigned(changed, node)


def _assigned(target: ast.expr, value: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    match target, value:
        case _, ast.IfExp(body=body, orelse=orelse):
            yield from _assigned(target, body)
            yield from _assigned(target, orelse)
        case ast.Tuple() | ast.List(), ast.Tuple() | ast.List():
            for part, its_value in zip(target.elts, value.elts):
                if isinstance(part, ast.Starred) or isinstance(its_value, ast.Starred):
                    return  # what follows pairs up only when it runs
                yield from _assigned(part, its_value)
        case (
            (ast.Name(id=name), _)
            | (ast.Attribute(attr=name), _)
            | (ast.Subscript(slice=ast.Constant(value=str(name))), _)
        ):
            yield value, name


def _is_stored_to(node: ast.AST) -> bool:
    return isinstance(getattr(node, "ctx", None), ast.Store)


def _iterable(node: ast.AST) -> ast.expr | None:
    """What a loop runs over: up to Python 3.12 it takes its rows at the span of the whole loop."""
    match node:
        case ast.For(iter=iterable) | ast.AsyncFor(iter=iterable):
            return iterable
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            return node.generators[0].iter
    return None


def _operands(node: ast.AST, imports: dict[str, str]) -> list[ast.expr | ast.keyword]:
    match node:
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case ast.UnaryOp(operand=operand):
            return [operand]
        case ast.Compare(left=left, comparators=comparators):
            return [left, *comparators]
        case ast.AugAssign(target=target, value=value):
            return [target, value]
        case ast.Subscript(value=value, slice=index):
            return [value, index]
        case ast.Attribute(value=value):
            return [value]
        case ast.Call(func=func, args=args, keywords=keywords):
            method = isinstance(func, ast.Attribute) and not _is_namespace(func.value, imports)
            receiver = [func.value] if isinstance(func, ast.Attribute) and method else []
            return [*receiver, *args, *(each.value if each.arg else each for each in keywords)]
    return []


def _is_namespace(node: ast.expr, imports: dict[str, str]) -> bool:
    """Whether `node` is what functions are found in: `np`, `np.linalg`, `np.add` of `.reduce`.

    Looked up statically, as nothing here may run the user's code.
    """
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return False
    if node.id in imports:
        module, _, name = imports[node.id].rpartition(".")
        inside = inspect.getattr_static(sys.modules.get(module), name, None)
        found = sys.modules.get(imports[node.id], inside)
    else:  # the cells of a notebook share what one of them has imported
        found = inspect.getattr_static(sys.modules.get("__main__"), node.id, None)
        if not isinstance(found, ModuleType):
            return False
    for name in attributes:
        found = inspect.getattr_static(found, name, None)
    return isinstance(found, ModuleType) or callable(found)
