"""Constants as source, exact to the bit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import TraceError
from ..weak import plain
from .code import ATOM, UNARY, Code, bracketed, call, name, string

#: Arrays of up to this many entries are written out; larger ones as the bytes that they are.
WRITTEN_OUT = 100


def literal(value: Any) -> Code:
    """The expression of a constant: a number, an array, a dtype, or a structure of them.

    Raises:
        TraceError: an object that NumPy's source has no expression for.
    """
    value = plain(value)
    if isinstance(value, np.ndarray):
        return _array(value) if value.ndim else _scalar(value[()])
    if isinstance(value, np.generic):
        return _scalar(value)
    if value is None or isinstance(value, bool):
        return Code(repr(value))
    if value is Ellipsis:
        return Code("...")
    if type(value) in (int, float):
        return number(value)
    if type(value) is str:
        return string(value)
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return dtype(np.dtype(value))
    if isinstance(value, slice):
        return call("slice", [literal(part) for part in (value.start, value.stop, value.step)])
    if isinstance(value, (tuple, list)):
        items = [literal(item) for item in value]
        if isinstance(value, list):
            return bracketed("[", items, "]")
        return bracketed("(", items, ",)" if len(items) == 1 else ")")
    raise TraceError(f"source code has no expression for {value!r}, a {type(value).__name__}")


def number(value: float) -> Code:
    """A Python number; those that are no numbers by NumPy's names."""
    if isinstance(value, int):
        return Code(repr(value), UNARY if value < 0 else ATOM)
    if math.isnan(value):
        return Code("np.nan")
    if math.isinf(value):
        return Code("np.inf") if value > 0 else Code("-np.inf", UNARY)
    negative = math.copysign(1, value) < 0
    return Code(repr(value).replace("e+", "e"), UNARY if negative else ATOM)


def dtype(kind: np.dtype[Any]) -> Code:
    """``np.float32``; one of a foreign byte order by its code."""
    if not kind.isnative:
        return call("np.dtype", [string(kind.str)])
    known = "longdouble" if kind == np.dtype(np.longdouble) and kind.itemsize > 8 else kind.name
    return name(f"np.{known}")


def as_python_number(value: Any, short: bool = True) -> Code | None:
    """The Python number of a NumPy one; None if there is no exact one.

    Args:
        value: the number.
        short: with no more digits than tell it from others of its dtype, for a place where it is
            made that dtype again.
    """
    kind = value.dtype.type
    shortest = float(str(value)) if short and value.dtype.kind == "f" else value.item()
    exact = value.item()
    for candidate in (shortest, math.nan if exact != exact else exact):  # np.nan is one of many
        if type(candidate) in (int, float) and _same(kind(candidate), value):
            return number(candidate)
    return None


def _scalar(value: Any) -> Code:
    if isinstance(value, np.bool_):
        return name(f"np.{bool(value)}_")
    exact = as_python_number(value)
    if exact is None:
        return Code(f"{_from_bytes(np.asarray(value)).text}[()]")
    return call(dtype(value.dtype).text, [exact])


def _same(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())


def is_readable(value: Any) -> bool:
    """Whether an array is written out, or as a call that makes it, and not as its bytes."""
    return value.size <= WRITTEN_OUT or any(_same(same, value) for _, same in _made(value))


def _array(value: Any) -> Code:
    """The shortest of the ways to write an array that gives it exactly."""
    for code, same in _made(value):
        if _same(same, value):
            return code
    if 0 < value.size <= WRITTEN_OUT:
        written = _written_out(value)
        if written is not None:
            return written
    return _from_bytes(value)


def _made(value: Any) -> Iterator[tuple[Code, Any]]:
    """Calls that may give this array, with what they give."""
    kind = {} if value.dtype == np.float64 else {"dtype": dtype(value.dtype)}
    if value.ndim == 1 and value.size > 1 and value.dtype == np.intp:
        first, step = int(value[0]), int(value[1]) - int(value[0])
        if step == 1:
            bounds = [first] * (first != 0) + [first + value.size]
            yield call("np.arange", [number(b) for b in bounds]), first + np.arange(value.size)
    if value.size == 0 or not value.any():
        yield call("np.zeros", [_shape(value)], kind), np.zeros_like(value)
    if value.size == 0:
        return
    first = value.flat[0]
    if (value == 1).all():
        yield call("np.ones", [_shape(value)], kind), np.ones_like(value)
    if value.size > 2:
        filler = as_python_number(first) if value.dtype.kind != "b" else Code(str(bool(first)))
        inferred = value.dtype in (np.float64, np.intp, np.bool_)
        if filler is not None:
            options = {} if inferred else {"dtype": dtype(value.dtype)}
            yield call("np.full", [_shape(value), filler], options), np.full_like(value, first)
    if value.ndim == 2 and value.shape[1] == 1 and value.shape[0] > 2:
        for code, same in _made(value[:, 0]):
            if code.opening == "np.arange(":
                yield bracketed(f"{code.text}[", [Code(":"), Code("None")], "]"), same[:, None]
    if value.ndim == 2 and min(value.shape) > 1 and not value[0, -1]:
        ones = call("np.ones", [_shape(value)], kind)
        yield call("np.tril", [ones]), np.tril(np.ones_like(value))
    if value.ndim == 2 and min(value.shape) > 1 and value[0, -1] and not value[-1, 0]:
        ones, offset = call("np.ones", [_shape(value)], kind), [] if value[0, 0] else [Code("k=1")]
        triangle = np.triu(np.ones_like(value), k=len(offset))
        yield call("np.triu", [ones, *offset]), triangle
    if value.ndim == 2 and value.shape[0] == value.shape[1] > 1:
        yield call("np.eye", [number(len(value))], kind), np.eye(len(value), dtype=value.dtype)


def _shape(value: Any) -> Code:
    return number(value.shape[0]) if value.ndim == 1 else literal(value.shape)


def _written_out(value: Any) -> Code | None:
    def rows(x: Any) -> Code:
        if x.ndim:
            return bracketed("[", [rows(row) for row in x], "]")
        exact = Code(str(bool(x))) if x.dtype.kind == "b" else as_python_number(x[()])
        if exact is None:
            raise ValueError
        return exact

    try:
        entries = rows(value)
    except ValueError:
        return None
    inferred = value.dtype in (np.float64, np.intp, np.bool_)
    return call("np.array", [entries], {} if inferred else {"dtype": dtype(value.dtype)})


def _from_bytes(value: Any) -> Code:
    """The array from its bytes, in hexadecimal."""
    data = np.ascontiguousarray(value).tobytes().hex()
    items = [call("bytes.fromhex", [Code(f'"{data}"')]), dtype(value.dtype)]
    shape = ", ".join(map(str, value.shape)) or "()"
    return bracketed("np.frombuffer(", items, f").reshape({shape})")
