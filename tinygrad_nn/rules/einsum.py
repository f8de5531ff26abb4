"""Einstein sums in one canonical form. NumPy only."""

from __future__ import annotations

import string
from typing import Any

import numpy as np


def explicit(operands: tuple[Any, ...]) -> tuple[str, list[Any]]:
    """The call's arguments as ``(subscripts, arrays)`` with ``->``, no ellipsis, no repeats.

    A letter repeated within one operand (a diagonal) becomes two letters and an identity matrix, so
    that one rule, in which letters are distinct, serves them all.

    Raises:
        ValueError: subscripts that do not fit the operands.
    """
    subscripts, arrays = _as_string(operands)
    subscripts = subscripts.replace(" ", "")
    left, arrow, output = subscripts.partition("->")
    terms = left.split(",")
    if len(terms) != len(arrays):
        raise ValueError(f"einsum: {len(terms)} subscripts for {len(arrays)} operands")
    if not arrow:
        letters = "".join(terms).replace(".", "")
        once = sorted({c for c in letters if letters.count(c) == 1})
        output = ("..." if "..." in left else "") + "".join(once)
    terms, output = _without_ellipsis(terms, output, arrays)
    for term, a in zip(terms, arrays, strict=True):
        if len(term) != np.ndim(a):
            raise ValueError(
                f"einsum: {term!r} names {len(term)} axes, the operand has {np.ndim(a)}"
            )
    return _without_repeats(terms, output, arrays)


def _as_string(operands: tuple[Any, ...]) -> tuple[str, list[Any]]:
    """The form ``einsum(a, [0, 1], b, [1, 2], [0, 2])`` as letters."""
    if isinstance(operands[0], str):
        return operands[0], list(operands[1:])
    pairs, rest = operands[: len(operands) // 2 * 2], operands[len(operands) // 2 * 2 :]

    def letters(axes: Any) -> str:
        return "".join("..." if i is Ellipsis else string.ascii_letters[i] for i in axes)

    text = ",".join(letters(axes) for axes in pairs[1::2])
    return (f"{text}->{letters(rest[0])}" if rest else text), list(pairs[0::2])


def _without_ellipsis(terms: list[str], output: str, arrays: list[Any]) -> tuple[list[str], str]:
    """Letters for the axes that ``...`` stands for, aligned at the right as in broadcasting."""
    ranks = [
        np.ndim(a) - len(t.replace("...", "")) if "..." in t else 0
        for t, a in zip(terms, arrays, strict=True)
    ]
    if not any("..." in t for t in [*terms, output]):
        return terms, output
    if max(ranks) > 0 and "..." not in output:
        raise ValueError("einsum: the output has no '...' for the axes that '...' stands for")
    used = set("".join([*terms, output]))
    fresh = [c for c in string.ascii_letters if c not in used][: max([0, *ranks])]

    def letters(rank: int) -> str:
        return "".join(fresh[len(fresh) - rank :])

    terms = [t.replace("...", letters(r)) for t, r in zip(terms, ranks, strict=True)]
    return terms, output.replace("...", letters(max(ranks)))


def _without_repeats(terms: list[str], output: str, arrays: list[Any]) -> tuple[str, list[Any]]:
    used = set("".join([*terms, output]))
    fresh = iter([c for c in string.ascii_letters if c not in used])
    new_terms, identities, eyes = [], [], []
    for term, a in zip(terms, arrays, strict=True):
        new = ""
        for c, n in zip(term, np.shape(a), strict=True):
            if c in new:
                other = next(fresh)
                identities.append(c + other)
                eyes.append(np.eye(n, dtype=a.dtype))
                c = other
            new += c
        new_terms.append(new)
    return f"{','.join(new_terms + identities)}->{output}", [*arrays, *eyes]
