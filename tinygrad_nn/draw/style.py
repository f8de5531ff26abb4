"""How a picture looks: what a caller may choose, and the colours, shapes and fonts of each role."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from ..errors import DataError, StyleError


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """What may be chosen for a picture of a graph.

    Attributes:
        gradients: show the gradient of the output with respect to every value on its way back: the
            number itself for a single number, else its Euclidean norm; and the way that it flows.
        values: show the values of the traced run: a single number, or the range of an array.
        parameters: names of the inputs to be learned. They get a colour of their own, and gradients
            are shown on the way to them only. By default those are parameters which the function
            closes over, and gradients are shown on the way to every input.
        direction: "TB" draws from top to bottom, "LR" from left to right.
        dtypes: show every data type, not only those that are not float64.
    """

    gradients: bool = False
    values: bool = False
    parameters: Iterable[str] | None = None
    direction: str = "TB"
    dtypes: bool = False

    @classmethod
    def of(cls, chosen: dict[str, Any]) -> Style:
        """The style with the ``chosen`` keywords.

        Raises:
            StyleError: a keyword that there is not.
            DataError: a value that a keyword cannot have.
        """
        allowed = [field.name for field in fields(cls)]
        for name in chosen:
            if name not in allowed:
                raise StyleError(f"a picture has no style {name!r}; it has {', '.join(allowed)}")
        style = cls(**chosen)
        if style.direction not in DIRECTIONS:
            raise DataError(f"direction is one of {', '.join(DIRECTIONS)}, not {style.direction!r}")
        if isinstance(style.parameters, str):
            raise DataError(f"parameters are several names: ({style.parameters!r},)")
        return style


DIRECTIONS = ("TB", "LR")

#: DejaVu Sans has every symbol used here, and matplotlib brings it. Verdana has its widths, so that
#: text fits its box too where an SVG is shown without DejaVu.
FONT = "DejaVu Sans,Verdana,Helvetica,sans-serif"

#: Sizes in whole points: names and operations, and what is said about them.
SIZE, SMALL = 13, 11

TEXT, QUIET, LINE = "#1a1a1a", "#5a5a5a", "#4d4d4d"

#: Gradients, in text and lines: vermilion, dark enough to be read on white. So are the operations
#: of a derivative and the edges between them; what these need of the forward part comes along
#: dashed edges.
GRADIENT = "#b84300"

#: Colours of Okabe and Ito, which colour-blind readers tell apart, lightened to carry black text.
#: Each role has an outline of its own as well, for print without colours.
BOXES = {
    "input": {"style": "filled", "fillcolor": "#d5e8f5", "color": "#0072b2"},
    "parameter": {
        "style": "filled",
        "fillcolor": "#fbe7c2",
        "color": "#b87900",
        "penwidth": "2",
    },
    "index": {"style": "filled,dashed", "fillcolor": "#f5f9fc", "color": "#7fa8c4"},
    "constant": {"style": "filled,dashed", "fillcolor": "#f7f7f7", "color": "#8c8c8c"},
}

_CELLS = ' STYLE="ROUNDED" CELLBORDER="0" CELLSPACING="0" CELLPADDING="5"'

#: The same for operations, which are tables of two cells.
TABLES = {
    "operation": f'{_CELLS} BORDER="1" COLOR="{LINE}" BGCOLOR="#ffffff"',
    "output": f'{_CELLS} BORDER="2" COLOR="#00795a" BGCOLOR="#cfeee3"',
    "backward": f'{_CELLS} BORDER="1" COLOR="{GRADIENT}" BGCOLOR="#fff8f3"',
    "gradient": f'{_CELLS} BORDER="2" COLOR="{GRADIENT}" BGCOLOR="#fde6d8"',
}
