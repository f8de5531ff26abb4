"""What to say when NumPy refuses an operation: the user's names and shapes, and the rule broken."""

from __future__ import annotations

import ast
from contextlib import suppress
from itertools import zip_longest
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
    names = _names(function, args, frame)
    arrays = [i for i, v in enumerate(values) if hasattr(v, "shape")]
    if isinstance(function, np.ufunc):  # numbers and lists are operands too
        arrays = list(range(len(values)))
    shapes = [np.shape(values[i]) for i in arrays]
    kinds = [getattr(v, "dtype", type(v).__name__) for v in values]
    where = underline_frame(frame)
    if isinstance(error, np.linalg.LinAlgError) and "dimension" not in str(error):
        shaped = _shapes([names[i] for i in arrays], shapes)
        return LinearAlgebraError(f"{name}: {error}\n  {shaped}\n{where}")
    if isinstance(error, IndexError) or function is getitem:
        shaped = _shapes([names[i] for i in arrays[:1]], shapes[:1])
        return TensorIndexError(f"{error}\n  {shaped}\n{where}")
    foreign = isinstance(function, np.ufunc) and any(map(_is_no_number, values))
    if isinstance(error, TypeError) or foreign:
        listed = ", ".join(f"{n} is {kind}" for n, kind in zip(names, kinds, strict=True))
        return DtypeError(f"{name} does not take these arguments: {error}\n  {listed}\n{where}")
    if function is setitem:
        return ShapeError(f"{error}\n  in assigning to {names[0]} of shape {shapes[0]}\n{where}")
    names = [names[i] for i in arrays]
    if not isinstance(function, np.ufunc):
        return ShapeError(f"{name}: {error}\n  {_shapes(names, shapes)}\n{where}")
    broken = _rule_broken(name, shapes, error)
    return ShapeError(f"{broken}{_clash(name, names, shapes)}\n{where}")


def _is_no_number(value: Any) -> bool:
    return (value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype).kind not in "biuf"


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


def _names(function: Any, args: tuple[Any, ...], frame: FrameType | None) -> list[str]:
    """What the user calls each argument: its source text, else its name, else its place."""
    texts = _operands(frame)
    arrays = [i for i, a in enumerate(args) if hasattr(a, "shape")]
    in_order = len(texts) == len(args)
    ordinals = ("the first argument", "the second argument", "the third argument")
    names = []
    for i, (a, text) in enumerate(zip_longest(args, texts[: len(args)])):
        known = in_order or (i == 0 and (arrays == [0] or function in (getitem, setitem)))
        if text is not None and not _stands_for(text, a, frame, known):
            text = None
        ordinal = ordinals[i] if i < len(ordinals) else f"argument {i + 1}"
        names.append(text or getattr(a, "name", None) or ordinal)
    return names


def _operands(frame: FrameType | None) -> list[str]:
    """The source texts of the operands; of a list given as the only one, or first, its items."""
    if frame is None:
        return []
    texts = list(place(frame.f_code, frame.f_lasti).operands)
    if texts and texts[0].startswith(("[", "(")):
        with suppress(SyntaxError):
            first = ast.parse(texts[0], mode="eval").body
            if isinstance(first, (ast.List, ast.Tuple)):
                return [ast.unparse(item) for item in first.elts]
    return texts


def _stands_for(text: str, a: Any, frame: FrameType | None, likely: bool) -> bool:
    """Whether ``text`` in the user's call is ``a``; as likely as not if it is no variable.

    It may be another array where NumPy's function is composed of others, of which one has failed.
    """
    variables = {} if frame is None else {**frame.f_globals, **frame.f_locals}
    value = variables.get(text)
    return value is a if hasattr(value, "shape") else likely
