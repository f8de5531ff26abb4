"""Pictures in files and in notebooks."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

from ..errors import RenderError
from ..graph.graph import Graph
from ..node import Node
from ..provenance import place
from . import engine, labels
from .dot import to_dot

FORMATS = (".svg", ".png", ".pdf")

#: What a notebook draws unasked: graphs of so many nodes, in so many seconds.
_LARGEST_INLINE, _PATIENCE = 300, 10.0


def render(graph: Graph, path: str | os.PathLike[str], **style: Any) -> Path:
    """Draw the graph into a file: SVG, PNG or PDF by its suffix; ``.dot`` writes the source.

    Args:
        graph: what ``trace`` gave.
        path: the file to write; its folder is made if it is not there.
        style: see :class:`tinygrad_nn.draw.style.Style`.

    Returns:
        The path.

    Raises:
        RenderError: another suffix; a file that cannot be written; no Graphviz, or one that fails:
            then a .dot file, which any Graphviz draws, is left beside the path.
        StyleError, DataError, ShapeError: as :func:`tinygrad_nn.draw.to_dot` raises them.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (*FORMATS, ".dot"):
        raise RenderError(
            f"the suffix says what to draw: {', '.join(FORMATS)} or .dot, not {path.name!r}"
        )
    dot = to_dot(graph, **style)
    if suffix == ".dot":
        return _write(path, dot.encode())
    try:
        picture = engine.draw(dot, suffix[1:])
    except RenderError as error:
        source = _write(path.with_suffix(".dot"), dot.encode())
        raise RenderError(f"{error}\n  the graph was left in {source}") from None
    if suffix == ".svg":
        picture = (_PROLOG + _finished(picture.decode(), dot, graph)).encode()
    return _write(path, picture)


def mimebundle(graph: Graph) -> dict[str, str]:
    """The graph as a notebook shows it: a picture if it can be drawn, and always its text."""
    bundle = {"text/plain": str(graph)}
    if len(graph.index) > _LARGEST_INLINE:
        return bundle
    dot = to_dot(graph)
    try:
        svg = _finished(engine.draw(dot, "svg", _PATIENCE).decode(), dot, graph)
    except RenderError:
        return bundle
    # In a page a wide picture shrinks to the column.
    return bundle | {"image/svg+xml": svg.replace("<svg ", f'<svg style="{_FIT}" ', 1)}


_PROLOG = '<?xml version="1.0" encoding="UTF-8"?>\n'
_FIT = "max-width:100%;height:auto"


def _write(path: Path, data: bytes) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise RenderError(f"cannot write {path}: {error.strerror}") from error
    return path


def _finished(svg: str, dot: str, graph: Graph) -> str:
    """An SVG element that can stand in any page, and says more when pointed at.

    Graphviz gives the same ids in every picture; here they begin with a hash of the content. What
    a pointer shows over a node is the user's line instead of the node's number.
    """
    svg = re.sub(r"<!--.*?-->\n?", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    prefix = f"g{hashlib.sha256(dot.encode()).hexdigest()[:8]}"
    svg = svg.replace('<g id="', f'<g id="{prefix}_')
    nodes = list(graph.index)
    svg = re.sub(r"<title>n(\d+)</title>", _title_of(nodes, graph), svg)
    svg = re.sub(r"<title>n\d+(_\d+|(_\d+)?&#45;&gt;n\d+)</title>\n?", "", svg)
    inputs = ", ".join(graph.names[node] for node in graph.inputs)
    title = escape(labels.plain(f"Computation graph of {graph.name}({inputs})"))
    start = svg.index(">") + 1
    return f"{svg[:start]}\n<title>{title}</title>{svg[start:]}"


def _title_of(nodes: list[Node], graph: Graph) -> Callable[[re.Match[str]], str]:
    def title(match: re.Match[str]) -> str:
        node = nodes[int(match[1])]
        text = graph.names[node]
        at = place(node.code, node.offset) if node.code is not None else None
        if at is not None and at.line:
            text = f"line {at.line}:  {at.source_line.strip()}"
        return f"<title>{escape(labels.plain(text))}</title>"

    return title
