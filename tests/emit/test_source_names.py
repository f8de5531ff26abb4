"""Names in derived source: the user's own, made safe, whatever they are."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest

import tinygrad_nn as tg
from tests.emit.generated import assert_same, compiled
from tinygrad_nn.datasets import toy
from tinygrad_nn.errors import TraceError
from tinygrad_nn.graph import Graph, trace

X, _ = toy()

HOSTILE = [
    "np", "def", "class", "None", "__import__", "__debug__", "self", "float", "ValueError", "x y",
    "a;b", "x\n", "x = 1; import os", "W'1", 'W"1', "1", "", "ﬁ", "ｄｅｆ", "𝐧𝐩", "Å", "t1", "a",
    "shifted", "0_", "é", "λ", "'] + __import__('os') + ['", "\\", "\ud800", "#", '"""',
]  # fmt: skip


def test_nothing_but_identifiers_reaches_the_code() -> None:
    params = {name: np.full((2, 2), i + 1.0) for i, name in enumerate(HOSTILE)}

    def f(params: Any) -> Any:
        total = sum(np.sum(x * x) for x in params.values())
        return total

    text = tg.derive(f, params)
    tree = ast.parse(text)
    called = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    assert not called & {"os", "__import__", "def"}
    attributes = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    assert attributes <= {"shape", "sum", "full"}
    value, grads = compiled(text)(params)
    assert value == f(params)
    assert list(grads) == HOSTILE
    for name in HOSTILE:
        np.testing.assert_array_equal(grads[name], 2 * params[name])


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_tensors_functions_and_graphs(name: str) -> None:
    def f(x: Any) -> Any:
        return tg.softmax(x) * tg.Tensor(X, name=name)

    f.__name__ = name
    graph = trace(f, tg.Tensor(X, name=name))
    renamed = Graph(
        **{
            **{field: getattr(graph, field) for field in graph.__dataclass_fields__},
            "name": name,
            "names": dict.fromkeys(graph.names, name),
        }
    )
    for version in (graph, renamed):
        assert_same(compiled(version.source())(X), graph.run(X))


def test_keys_of_many_kinds() -> None:
    params = {
        "W": X,
        1: X + 1,
        (0, "b"): X + 2,
        True and 2: X + 3,
        None: X + 4,
        -1.5: X + 5,
        b"c": X,
    }
    f = compiled(tg.derive(lambda p: sum(np.sum(v * v) for v in p.values()), params))
    assert_same(f(params)[1], {k: 2 * v for k, v in params.items()})


def test_a_key_that_has_no_literal_is_refused() -> None:
    with pytest.raises(TraceError, match="no literal for the key"):
        tg.derive(lambda p: sum(np.sum(v) for v in p.values()), {object(): X})


def test_parameters_keep_their_names() -> None:
    def f(a, /, inputs, *others, option="sum"):  # type: ignore[no-untyped-def]
        return np.sum(a * inputs["X"] * others[0])

    text = tg.derive(f, X, {"X": X}, 2.0)
    assert "def f(a, inputs, x2):" in text
    assert_same(compiled(text)(X, inputs={"X": X}, x2=2.0)[1], 2 * X)
