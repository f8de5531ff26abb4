"""What to say when NumPy refuses an operation: the user's names and shapes, and the rule broken.

Imports: errors, node (for the place), provenance.
"""

from __future__ import annotations

from types import FrameType
from typing import Any

import numpy as np

from .errors import DtypeError, LinearAlgebraError, ShapeError, TensorIndexError, TinygradError
from .node import function_name, underline_frame
from .provenance import place
from .rules.indexing import getitem, setitem


def explain(
    function: Any,
    args: tuple[Any, ...],
    values: list[Any],
    error: Exception,
    frame: FrameType | None,
) -> TinygradError:
    """The error to raise for what ``function`` raised on ``values``."""
    if isinstance(error, TinygradError):
        return error
    name = function_name(function)
    names = _names(args, frame)
    shapes = [np.shape(v) for v in values]
    where = underline_frame(frame)
    if isinstance(error, np.linalg.LinAlgError) and "dimension" not in str(error):
        return LinearAlgebraError(f"{name}: {error}\n  {_shapes(names, shapes)}\n{where}")
    if isinstance(error, IndexError) or function is getitem:
        return TensorIndexError(f"{error}\n  {names[0]} has shape {shapes[0]}\n{where}")
    if isinstance(error, TypeError):
        kinds = ", ".join(
            f"{n} is {getattr(v, 'dtype', type(v).__name__)}"
            for n, v in zip(names, values, strict=True)
        )
        return DtypeError(f"{name} does not take these arguments: {error}\n  {kinds}\n{where}")
    if function is setitem:
        return ShapeError(f"{error}\n  in assigning to {names[0]} of shape {shapes[0]}\n{where}")
    return ShapeError(f"{_rule_broken(name, shapes, error)}{_clash(name, names, shapes)}\n{where}")


def _rule_broken(name: str, shapes: list[tuple[int, ...]], error: Exception) -> str:
    if name == "matmul":
        if () in shapes:
            return "matmul does not take single numbers (shape ()): use *\n  "
        return "matmul needs the inner dimensions to agree\n  "
    if len(shapes) == 2 and "broadcast" in str(error):
        return f"{name} needs shapes that broadcast together\n  "
    return f"{name}: {error}\n  "


def _clash(name: str, names: list[str], shapes: list[tuple[int, ...]]) -> str:
    """The shapes, and for two operands the two lengths that disagree."""
    text = _shapes(names, shapes)
    if len(shapes) != 2 or () in shapes:
        return text
    a, b = shapes
    if name == "matmul":
        inner = b[-2] if len(b) > 1 else b[0]
        return f"{text}: {a[-1]} != {inner}" if a[-1] != inner else text
    for m, n in zip(reversed(a), reversed(b), strict=False):
        if m != n and 1 not in (m, n):
            return f"{text}: {m} != {n}"
    return text


def _shapes(names: list[str], shapes: list[tuple[int, ...]]) -> str:
    return ", ".join(f"{n} has shape {s}" for n, s in zip(names, shapes, strict=True))


def _names(args: tuple[Any, ...], frame: FrameType | None) -> list[str]:
    """What the user calls each argument: its source text, else its name, else its place."""
    operands = place(frame.f_code, frame.f_lasti).operands if frame is not None else ()
    ordinals = ("the first argument", "the second argument", "the third argument")
    names = []
    for i, a in enumerate(args):
        own = getattr(a, "name", None)
        ordinal = ordinals[i] if i < len(ordinals) else f"argument {i + 1}"
        text = operands[i] if len(operands) == len(args) else None
        names.append(text or own or ordinal)
    return names
