"""Graph -> DOT, Graphviz's language: what is drawn, in which role, with which words."""

from __future__ import annotations

import re
from typing import Any

import graphviz

from ..errors import DataError
from ..graph.graph import Graph
from ..graph.names import identifier, user_name
from ..node import Node
from ..provenance import place
from . import labels
from .style import BOXES, FONT, GRADIENT, LINE, QUIET, SIZE, SMALL, TEXT, Style


def to_dot(graph: Graph, **style: Any) -> str:
    """The computation graph in DOT: the same program gives the same bytes.

    Args:
        graph: what ``trace`` gave.
        style: see :class:`tinygrad_nn.draw.style.Style`: ``gradients``, ``values``,
            ``parameters``, ``direction``, ``dtypes``.

    Returns:
        DOT source, in which the operations of a derivative (those of ``graph.gradient()``) are red.
        Node ``n0`` is the graph's first input, and so on in the graph's order; ``n0_1``
        is the same input once more, for operations far away; ``n7_1`` is the array constant that is
        the second argument of operation ``n7``.

    Raises:
        StyleError: a style that there is not.
        DataError: gradients or values of a graph that has none, as it was read from text; a
            parameter that is no input.
        ShapeError: gradients of what is not a single number.

    Example:
        >>> import numpy as np
        >>> from tinygrad_nn.graph import trace
        >>> dot = to_dot(trace(lambda x: np.sum(x * x), np.ones(3)))
        >>> [line.strip() for line in dot.splitlines() if "->" in line]
        ['n0 -> n1', 'n0 -> n1', 'n1 -> n2']
    """
    return _Drawing(graph, Style.of(style)).source()


#: Nodes from which on Graphviz is told to be content with a good layout, not the best.
_MANY, _HURRY = 100, {"nslimit": "2", "nslimit1": "2"}

#: Levels away from where a leaf was drawn, from which on it is drawn again.
_FAR = 8


class _Drawing:
    """One drawing: the graph, the style, and what is known about its nodes."""

    def __init__(self, graph: Graph, style: Style) -> None:
        self.graph = graph
        self.style = style
        self.parameters = _parameters(graph, style.parameters)
        self.levels = _levels(graph)
        #: Of each leaf the level at which it was drawn last, and how often it was drawn again.
        self.nearest: dict[Node, tuple[int, int]] = {}
        self.outputs = set(graph.outputs)
        self.titles = _output_titles(graph)
        if style.gradients or style.values:
            _check_has_values(graph)
        self.gradients: dict[Node, Any] = {}
        if style.gradients:
            learned = None if style.parameters is None else self.parameters
            self.gradients = _gradients(graph, learned)

    def source(self) -> str:
        """Every node and its incoming edges, in the graph's order."""
        self.digraph = graphviz.Digraph(
            identifier(self.graph.name),
            graph_attr={
                "rankdir": self.style.direction,
                "ranksep": "0.45" if self.gradients else "0.35",
                "nodesep": "0.3",
                "pad": "0.2",
                "fontname": FONT,
                **(_HURRY if len(self.graph.index) > _MANY else {}),
            },
            node_attr={
                "shape": "box",
                "fontname": FONT,
                "fontsize": str(SIZE),
                "fontcolor": TEXT,
                "margin": "0.14,0.07",
                "height": "0.3",
                "width": "0.5",
            },
            edge_attr={
                "color": LINE,
                "arrowsize": "0.7",
                "fontname": FONT,
                "fontsize": "9",
                "fontcolor": QUIET,
                "labelangle": "-25",
                "labeldistance": "2.1",
            },
        )
        for node, i in self.graph.index.items():
            self.draw(node, f"n{i}")
        return str(self.digraph.source)

    def draw(self, node: Node, name: str) -> None:
        """A node, the array constants that it uses, and its incoming edges."""
        role, ordered = self.role(node), labels.order_matters(node)
        if node.function is None:
            self.digraph.node(name, labels.html(self.about(node)), **BOXES[role])
        else:
            cells = labels.cells(labels.marked(labels.operation(node)), self.about(node), role)
            # What is written `a - b` stands in this order; elsewhere it would only cost crossings.
            in_order = {"ordering": "in"} if ordered and labels.is_infix(node) else {}
            self.digraph.node(name, cells, shape="plain", **in_order)
        for i, (parent, value) in enumerate(zip(node.inputs, node.arguments, strict=False)):
            if isinstance(parent, Node):
                start = self.start_of_edge(parent, node)
            elif labels.is_drawn(value):
                start = f"{name}_{i}"
                self.draw_constant(node, i, start)
            else:
                continue
            edge = {"headlabel": str(i + 1)} if ordered else {}
            if ordered and i and self.style.direction == "TB":
                edge["labelangle"] = "25"  # between the edges, where no other node is
            if node in self.gradients and parent in self.gradients:
                edge |= {"dir": "both", "color": f"{LINE}:{GRADIENT}"}
            if node in self.graph.origin:
                flows = parent in self.graph.origin
                edge |= {"color": GRADIENT} if flows else {"style": "dashed"}
            self.digraph.edge(start, name, **edge)

    def start_of_edge(self, parent: Node, node: Node) -> str:
        """Where an edge from ``parent`` begins: at its box, or a new one if that is too far away.

        A parameter used all along a deep program would else send edges across the whole picture,
        which nobody can follow, and which takes Graphviz time that grows with its cube.
        """
        name = f"n{self.graph.index[parent]}"
        if parent.function is not None:
            return name
        level = self.levels[node]
        first, copies = self.nearest.setdefault(parent, (level, 0))
        if abs(first - level) > _FAR:
            copies += 1
            self.nearest[parent] = level, copies
            title = labels.marked(labels.shortened(self.graph.names[parent]), bold=True)
            self.digraph.node(f"{name}_{copies}", labels.html([title]), **BOXES[self.role(parent)])
        return f"{name}_{copies}" if copies else name

    def draw_constant(self, node: Node, i: int, name: str) -> None:
        """An array that is no input of the program, but written in it."""
        own = _name_of_constant(node, i, self.graph.names)
        lines = [labels.marked(own, bold=True) if own else labels.marked("constant"), labels.GAP]
        lines += self.type_and_value(node.arguments[i])
        self.digraph.node(name, labels.html(lines), **BOXES["constant"])

    def role(self, node: Node) -> str:
        """What a node is to the program: a key of BOXES."""
        backward = node in self.graph.origin
        if node in self.outputs and node.function is not None:
            return "gradient" if backward else "output"
        if backward:
            return "backward"
        if node.function is not None:
            return "operation"
        if node in self.parameters:
            return "parameter"
        return "input" if node.value.dtype.kind in "fc" else "index"

    def about(self, node: Node) -> list[str]:
        """Lines on a node's value: name, type, value, gradient, whichever of them there are."""
        title = self.titles.get(node) or _title(node, self.graph.names[node])
        title = labels.shortened(title)
        lines = self.type_and_value(node.value)
        if node in self.gradients:
            g = self.gradients[node]
            d = f"d{title}" if title else "grad"
            text = f"{d if g.size == 1 else f'‖{d}‖'} = {labels.size_of(g)}"
            lines.append(labels.marked(text, color=GRADIENT, size=SMALL))
        if not title:
            return lines
        color = GRADIENT if node in self.graph.origin else ""
        return [
            labels.marked(title, bold=True, color=color),
            *([labels.GAP] if lines else []),
            *lines,
        ]

    def type_and_value(self, value: Any) -> list[str]:
        """The smaller lines."""
        lines = [labels.type_of(value, self.style.dtypes)]
        if self.style.values:
            lines.append(labels.range_of(value))
        return [labels.marked(line, color=QUIET, size=SMALL) for line in lines if line]


def _parameters(graph: Graph, names: Any) -> set[Node]:
    """The leaves that are learned: those named, else those which the function closes over."""
    if names is None:
        return {node for node in graph.captured if node.requires_grad}
    leaves = {graph.names[node]: node for node in (*graph.inputs, *graph.captured)}
    for name in (names := list(names)):
        if name not in leaves:
            raise DataError(f"no input is called {name!r}; there are {', '.join(leaves)}")
    return {leaves[name] for name in names}


def _output_titles(graph: Graph) -> dict[Node, str]:
    """Names for results that the user gave none: the key in a dict, or the function's."""
    structure = graph.structure
    titles = {}
    if isinstance(structure, dict):
        titles = {graph.outputs[i]: str(k) for k, i in structure.items() if isinstance(i, int)}
    elif structure == 0 and graph.name not in graph.names.values():
        titles = {graph.outputs[0]: graph.name}
    return {
        node: title
        for node, title in titles.items()
        if node.function is not None and not _title(node, graph.names[node])
    }


def _title(node: Node, name: str) -> str:
    """The node's name, if the user gave it; empty for one that only the text form needs."""
    made_up = re.fullmatch(r"t\d+", name) and node.function is not None
    return "" if made_up and user_name(node) != name else name


def _levels(graph: Graph) -> dict[Node, int]:
    """How many operations there are from each node to an end of the program, at most."""
    levels = dict.fromkeys(graph.index, 0)
    for node in reversed(graph.nodes):
        for parent in node.inputs:
            if isinstance(parent, Node):
                levels[parent] = max(levels[parent], levels[node] + 1)
    return levels


def _check_has_values(graph: Graph) -> None:
    if any(labels.is_stand_in(node.value) for node in graph.inputs):
        raise DataError(
            "this graph was read from text, which keeps no values\n"
            "  draw it without gradients and values, or trace the function again"
        )


def _gradients(graph: Graph, learned: set[Node] | None) -> dict[Node, Any]:
    """The gradient of every node from which one leads back to what is learned, or to any input."""
    cotangents = graph.cotangents()
    if learned is None:
        return cotangents
    leading = set(learned)
    for node in graph.nodes:
        if any(parent in leading for parent in node.inputs if isinstance(parent, Node)):
            leading.add(node)
    return {node: g for node, g in cotangents.items() if node in leading}


def _name_of_constant(node: Node, i: int, names: dict[Node, str]) -> str:
    """What the user calls an array constant, if that is known for sure; else empty.

    The texts of the operands are those of the user's expression, of which this operation may be
    only a part. It is the whole if the operands that have names have these.
    """
    if node.code is None:
        return ""
    operands = place(node.code, node.offset).operands
    if len(operands) != len(node.inputs) or not operands[i].isidentifier():
        return ""
    known = [
        operands[j] == names[parent]
        for j, parent in enumerate(node.inputs)
        if isinstance(parent, Node) and operands[j].isidentifier()
    ]
    return operands[i] if known and all(known) else ""
