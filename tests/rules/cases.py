"""The registry of cases: for every rule and every composed function, calls to differentiate.

A case is a function of float64 arrays, written in NumPy, and the point where it is called. Called
with plain arrays it is NumPy itself, and so the oracle for the value; called with tensors it goes
through the rules. Points keep away from kinks; what happens at a kink is tested by itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

rng = np.random.default_rng(231)


@dataclass(frozen=True)
class Case:
    """A call to differentiate.

    Attributes:
        function: the function under test, the key of its rule or composition.
        call: what is called, with the arrays.
        args: the arrays, all differentiable.
        keywords: those of the call, if ``call`` is the function itself.
        label: the call in words, for the test's name.
        numpy: whether calling with plain arrays is NumPy's own function (not one of ours).
        float32: whether NumPy keeps float32 here.
    """

    function: Any
    call: Callable[..., Any]
    args: tuple[Any, ...]
    keywords: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    numpy: bool = True
    float32: bool = True

    def __str__(self) -> str:
        shapes = "_".join("x".join(map(str, np.shape(a))) or "0d" for a in self.args)
        words = [self.function.__name__, shapes, *(f"{k}={v}" for k, v in self.keywords.items())]
        return "-".join([*words, *([self.label] if self.label else [])]).replace(" ", "")

    def __call__(self, *args: Any) -> Any:
        return self.call(*args, **self.keywords)


CASES: list[Case] = []


def case(function: Any, *args: Any, via: Any = None, label: str = "", **keywords: Any) -> None:
    """Add a case; ``via`` is called instead of the function where the arrays are not in order."""
    options = {k: keywords.pop(k) for k in ("numpy", "float32") if k in keywords}
    if via is not None and not label:
        source = inspect.getsource(via).split("lambda", 1)
        label = source[1].partition(":")[2].strip().rstrip(",)") if len(source) > 1 else ""
    CASES.append(Case(function, via or function, args, keywords, label[:60], **options))


# --- points -----------------------------------------------------------------------------------


def normal(*shape: int) -> Any:
    """Standard normal numbers."""
    return rng.standard_normal(shape)[()] if shape else np.float64(rng.standard_normal())


def apart(*shape: int) -> Any:
    """Numbers of both signs, 0.3 from 0, 0.07 from one another, 0.02 from 0.05 + other such."""
    n = int(np.prod(shape))
    values = (0.3 + 0.1 * np.arange(n) + rng.uniform(0, 0.03, n)) * rng.choice([-1, 1], n)
    return rng.permutation(values).reshape(shape)[()]


def positive(*shape: int) -> Any:
    """Numbers in 0.4..2."""
    return rng.uniform(0.4, 2.0, shape)[()] if shape else np.float64(rng.uniform(0.4, 2.0))


def unit(*shape: int) -> Any:
    """Numbers in -0.9..0.9, away from 0."""
    return np.tanh(apart(*shape))


def matrices(*shape: int) -> Any:
    """Well-conditioned square matrices, the last two axes of ``shape``."""
    return normal(*shape) * 0.4 + 2 * np.eye(shape[-1])


def with_nan(*shape: int) -> Any:
    """Numbers, every third of them NaN."""
    out = apart(*shape)
    out.flat[1::3] = np.nan
    return out
