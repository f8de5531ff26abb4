"""The user's expressions, taken apart by operands and put together again with another one."""

from __future__ import annotations

import ast
import linecache
import re

from ...node import Node
from ...provenance import Place
from .observing.observe import where


def operands(node: Node) -> tuple[str, ...]:
    """The texts of a node's arguments, as far as they stand in the user's expression."""
    place = where(node)
    if place is None or node.function is None:
        return ()
    texts = tuple(squeeze(t) for t in place.operands)
    name = getattr(node.function, "__name__", "")
    if name in ("getitem", "setitem") or place.expression == "":
        return texts[:1]
    if _is_composed(node, place):
        return texts[:1] if name == "sum" else ()
    return texts[: min(len(node.inputs), len(texts) - _keywords(place.expression))]


def _keywords(expression: str) -> int:
    """How many keyword arguments a call has."""
    try:
        body = ast.parse(expression.strip(), mode="eval").body
    except SyntaxError:  # an assignment
        return 0
    return len(body.keywords) if isinstance(body, ast.Call) else 0


def _is_composed(node: Node, place: Place) -> bool:
    """Whether the user's call is another function than the node's: np.mean, made of sum, divide."""
    name = getattr(node.function, "__name__", "")
    called = re.match(r"[\w.\[\]\"']*?(\w+)\(", place.expression)
    whole = place.expression.rstrip().endswith(")") and called is not None
    return bool(whole and called and called[1] in _COMPOSED and name != called[1])


_COMPOSED = {"mean", "average", "var", "std", "norm", "clip", "array", "square"}


def squeeze(text: str) -> str:
    """A text on one line."""
    return " ".join(text.split())


def wrapped(text: str) -> str:
    """An expression, in parentheses unless it binds closer than any operator."""
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError):
        return text
    loose = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.IfExp, ast.Lambda)
    return f"({text})" if isinstance(tree, loose) else text


def product(text: str, symbol: str, by: str) -> str:
    """An expression multiplied or divided by another one, with no more parentheses than needed."""
    left = text
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError):
        return ""
    tight = isinstance(tree, ast.BinOp) and isinstance(tree.op, (ast.Mult, ast.Div, ast.MatMult))
    if not (tight or isinstance(tree, ast.UnaryOp)):
        left = wrapped(text)
    return f"{left} {symbol} {wrapped(by)}"


def times(text: str, by: str) -> str:
    """An expression times another one, which may be ``(1 / n)``."""
    inverse = re.fullmatch(r"\(1 / ([\w.]+)\)", by)
    return product(text, "/", inverse[1]) if inverse else product(text, "*", by)


def difference(text: str, by: str) -> str:
    """One expression minus another, with no more parentheses than needed."""
    for right in (by, wrapped(by)):
        made = f"{text} - {right}"
        if _alike(made, f"({text}) - ({by})"):
            return made
    return f"{wrapped(text)} - {wrapped(by)}"


def factors(text: str) -> list[tuple[str, int]]:
    """The factors of a product or quotient, each with its exponent, 1 or -1; one if it is none."""
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError):
        return []
    found: list[tuple[str, int]] = []
    stack: list[tuple[ast.expr, int]] = [(tree, 1)]
    while stack:
        node, power = stack.pop()
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Div)):
            right = -power if isinstance(node.op, ast.Div) else power
            stack += [(node.right, right), (node.left, power)]
        else:
            found.append((ast.get_source_segment(text, node) or "", power))
    return found


def joined(parts: list[tuple[str, int]]) -> str:
    """The product of factors, the inverse of :func:`factors`; ``1`` if there is none."""
    text = ""
    for part, power in parts:
        part = wrapped(part)
        if text:
            text += f" * {part}" if power > 0 else f" / {part}"
        else:
            text = part if power > 0 else f"1 / {part}"
    return text or "1"


def tidy(made: str, new: str) -> str:
    """A text without the parentheses around what was put into it, where they mean nothing."""
    for inner in (new, new[1:-1] if new.startswith("(") and new.endswith(")") else new):
        at = made.find(f"({inner})")
        while at >= 0 and inner:
            bare = made[:at] + inner + made[at + len(inner) + 2 :]
            made, at = (bare, bare.find(f"({inner})")) if _alike(made, bare) else (made, -1)
    return made


def _alike(a: str, b: str) -> bool:
    """Whether two texts are the same program."""
    try:
        return ast.dump(ast.parse(a)) == ast.dump(ast.parse(b))
    except SyntaxError:
        return False


def with_operand(node: Node, i: int, new: str) -> str:
    """The user's expression with another text for one operand; empty if that cannot be written."""
    place = where(node)
    texts = place.operands if place is not None else ()
    known = operands(node)
    if place is None or i >= len(known) or not place.expression:
        return ""
    text, old = place.expression, texts[i]
    after = text.find("(") + 1 if text.endswith(")") and not text.startswith(old) else 0
    at = text.find(old, after) if i == 0 else text.rfind(old)
    if at < 0:
        return ""
    for fresh in (new, wrapped(new)):
        made = squeeze(text[:at] + fresh + text[at + len(old) :])
        if _parses(made) and (fresh == wrapped(new) or _whole(made, text, fresh)):
            return tidy(made, fresh)
    return ""


def _whole(made: str, text: str, fresh: str) -> bool:
    """Whether a text was put in as one operand, and not torn apart by what binds closer."""
    if wrapped(fresh) == fresh:
        return True
    before, after = made.partition(fresh)[::2]
    return _stands_alone(before or "=", after)


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def corrected(node: Node, new: str) -> str:
    """The user's line with another expression in the place of the node's; empty if not known."""
    place = where(node)
    if place is None or not new or not place.source_line or place.end_line != place.line:
        return new
    before, after = place.source_line[: place.column], place.source_line[place.end_column :]
    if wrapped(new) != new and not _stands_alone(before, after):
        new = wrapped(new)
    made = (before + new + after).strip()
    if _parses(made):
        return tidy(made, new)
    for head, tail in (("{", "}"), ("f(", ")")):  # a line of a dict or of a call
        if _parses(head + made + tail):
            return tidy(head + made + tail, new)[len(head) : -len(tail)]
    return ""


def renamed(node: Node, old: str, new: str) -> str:
    """The user's line with another text for a name, wherever it is read; empty if it is none."""
    place = where(node)
    source = place.source_line.strip() if place is not None else ""
    equals = "return " if source.startswith("return ") else " = "
    left, found, right = source.partition(equals)
    if not old.isidentifier() or not found:
        return ""
    made = re.sub(rf"(?<![\w.]){old}(?!\w)", lambda _: wrapped(new), right)
    made = f"{left}{equals}{made}"
    if equals == "return ":
        return made if made != source else ""
    return tidy(made, wrapped(new)) if made != source and _parses(made) else ""


def _stands_alone(before: str, after: str) -> bool:
    """Whether what is put between two texts is taken as one there, whatever it is."""
    ends = ("", "(", ",", "[", "=", ":", "return")
    return before.rstrip().endswith(ends[1:]) and after.lstrip()[:1] in ("", ")", ",", "]", "#")


def stepped(file: str, number: int, step: tuple[str, str]) -> str:
    """A line that only names or returns a value, with a step applied to it; empty if it is other.

    Args:
        file: of the program.
        number: of the line: ``return d``, ``dx = dout``.
        step: an operator and an operand, as in ``("/", "N")``; or ``("+=", "")``.
    """
    source = linecache.getline(file, number).strip()
    symbol, text = step
    try:
        body = ast.parse(source).body
        names = {n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name)}
    except SyntaxError:
        return ""
    before = "".join(linecache.getlines(file)[max(0, number - 200) : number - 1])
    before = before[max(before.rfind("\ndef "), before.rfind("\n    def "), 0) :]
    if any(not re.search(rf"\b{n}\b", before) for n in names - {"np"}):
        return ""
    match body:
        case [ast.Return(value=ast.Name(id=name))]:
            return f"return {_applied(name, symbol, text)}" if text else ""
        case [ast.Assign(targets=[target], value=ast.Name(id=name))]:
            left = ast.get_source_segment(source, target) or ""
            return f"{left} = {_applied(name, symbol, text)}" if text else f"{left} {symbol} {name}"
    return ""


def _applied(name: str, symbol: str, text: str) -> str:
    return product(name, symbol, text) if symbol in "*/" else f"{name} {symbol} {wrapped(text)}"


def assigned(node: Node) -> tuple[str, str]:
    """The target and the value of the assignment on a node's line, as texts; empty if none."""
    place = where(node)
    source = place.source_line.strip() if place is not None else ""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return "", ""
    match body:
        case [ast.Assign(targets=[target], value=value)] | [
            ast.AugAssign(target=target, value=value)
        ]:
            texts = (ast.get_source_segment(source, part) or "" for part in (target, value))
            return tuple(texts)  # type: ignore[return-value]
    return "", ""


def is_known(text: str, node: Node) -> bool:
    """Whether the code that made a node knows all names in a text."""
    code = node.code
    for form in ("{}", "{{{}}}", "f({})"):
        if _parses(form.format(text)):
            tree = ast.parse(form.format(text))
            break
    else:
        return False
    if code is None:
        return False
    known = {
        *code.co_names,
        *code.co_varnames,
        *code.co_freevars,
        *code.co_cellvars,
        "np",
        "len",
        "float",
    }
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and _is_stored(n)}
    stored |= {"f"} if form == "f({})" else set()
    return names - stored <= known


def _is_stored(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)
