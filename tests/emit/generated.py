"""Running generated source, and comparing what it gives."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_nn.tree import leaves


def compiled(text: str) -> Callable[..., Any]:
    """The one function of a generated module, which may import NumPy and nothing else."""
    tree = ast.parse(text)
    head, function = tree.body
    assert ast.unparse(head) == "import numpy as np"
    assert isinstance(function, ast.FunctionDef)
    namespace: dict[str, Any] = {}
    exec(compile(tree, "<generated>", "exec"), namespace)
    made: Callable[..., Any] = namespace[function.name]
    return made


def assert_same(actual: Any, expected: Any, rtol: float = 1e-13, atol: float = 1e-14) -> None:
    """Equal in structure, types and shapes, and to rounding in value."""
    if isinstance(expected, dict):
        assert list(actual) == list(expected)
    for a, b in zip(leaves(actual), leaves(expected), strict=True):
        assert np.shape(a) == np.shape(b)
        assert type(a) is type(b) or np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)
