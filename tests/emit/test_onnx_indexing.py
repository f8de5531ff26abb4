"""Indexing in exported models: what is picked and written is what NumPy picks and writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import tinygrad_nn as tg
from tests.emit.exported import TWICE, check, export, model_of
from tinygrad_nn.errors import ExportError

rng = np.random.default_rng(5)

A = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize(
    "f",
    [
        lambda x, i, j: x[i, j],
        lambda x, i, j: x[:, i],
        lambda x, i, j: x[:, i, j],
        lambda x, i, j: x[i, :, j],
        lambda x, i, j: x[i, None, j],
        lambda x, i, j: x[:, i, None, j],
        lambda x, i, j: x[:, None, i, ..., j],
        lambda x, i, j: x[:, 0, None, i],
        lambda x, i, j: x[:, i, ..., j],
        lambda x, i, j: x[..., i, j],
        lambda x, i, j: x[0, ..., i, j],
        lambda x, i, j: x[0, :, j],
        lambda x, i, j: x[..., i],
        lambda x, i, j: x[i[:, None], j],
        lambda x, i, j: x[1, i],
        lambda x, i, j: x[i, 1:, -1],
        lambda x, i, j: x[i, [2, 0, -1]],
        lambda x, i, j: x[np.array([[0, 1], [1, 0]]), 1, ::2],
        lambda x, i, j: x[::-1, 2:0:-1, -3:-1],
        lambda x, i, j: x[-5:7, 2::-1],
        lambda x, i, j: x[np.array([True, False]), 1:],
    ],
)
def test_picking(f: Any, tmp_path: Path) -> None:
    check(tmp_path, f, A, np.array([0, 1, 1]), np.array([1, 0, -1], np.int32))


BOUND = st.none() | st.integers(-4, 4)
PART = st.one_of(
    st.integers(-2, 1),
    st.builds(slice, BOUND, BOUND, st.sampled_from([None, 1, 2, -1, -2])),
    st.none(),
    st.just(...),
    st.sampled_from([np.array([0, 1, -1]), np.array([1]), np.array([[1], [0]])]),
    st.sampled_from(["i", "j"]),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PART, min_size=1, max_size=5), st.booleans())
def test_any_index_picks_and_writes_as_in_numpy(
    tmp_path_factory: Any, parts: list[Any], open_index: bool
) -> None:
    x, arrays = np.arange(24.0).reshape(2, 3, 2, 2), {"i": np.array([1, 0, 1]), "j": np.array([0])}

    def f(x: Any, i: Any, j: Any) -> Any:
        inputs = {"i": i, "j": j} if open_index else arrays
        index = tuple(inputs[p] if isinstance(p, str) else p for p in parts)
        y = x * 1
        y[index] = 7.0
        return x[index], y

    try:
        f(x, **arrays)
    except (IndexError, ValueError):
        assume(False)
    check(tmp_path_factory.mktemp("onnx"), f, x, *arrays.values())


def written(index: Any, value: Any) -> Any:
    """A function that writes ``value(v)`` at ``index(i)`` into a copy of x."""

    def f(x: Any, i: Any, v: Any) -> Any:
        y = x * 1
        y[index(i)] = value(v)
        return y

    return f


@pytest.mark.parametrize(
    "f",
    [
        written(lambda i: 0, lambda v: 7.0),
        written(lambda i: 0, lambda v: v),
        written(lambda i: slice(None), lambda v: v),
        written(lambda i: ..., lambda v: v[::-1]),
        written(lambda i: (slice(None), 1), lambda v: v[:3]),
        written(lambda i: (slice(1, None), slice(None, None, 2)), lambda v: -v[::2]),
        written(lambda i: (slice(None, None, -1), slice(3, 1, -1)), lambda v: v[1:3]),
        written(lambda i: (np.arange(3), i), lambda v: v[:3]),
        written(lambda i: (np.arange(3), i), lambda v: 0.0),
        written(lambda i: i, lambda v: 5.0),
        written(lambda i: [0, 2], lambda v: v),
        written(lambda i: [2, 0, 2], lambda v: v[:3, None]),
        written(lambda i: (i, ..., [0, 1, 3]), lambda v: 9.0),
        written(lambda i: ([2, 1], ..., [0, 3]), lambda v: v[:2]),
        written(lambda i: (slice(None), [1, 1, 1]), lambda v: v[:3]),
        written(lambda i: np.array([True, False, True]), lambda v: v),
    ],
)
def test_writing(f: Any, tmp_path: Path) -> None:
    x, i, v = np.arange(12.0).reshape(3, 4), np.array([1, 0, 2]), np.arange(4.0) + 20
    check(tmp_path, f, x, i, v)


def test_of_an_entry_that_is_written_twice_only_the_last_value_is_handed_over(
    tmp_path: Path,
) -> None:
    f = written(lambda i: [2, 0, 2], lambda v: v[:3, None])
    export(tmp_path, f, np.zeros((3, 4)), np.array([1]), np.arange(4.0))
    model = model_of(tmp_path)
    (scatter,) = [node for node in model.node if node.op_type == "ScatterND"]
    made = {name: node for node in model.node for name in node.output}
    arrays = {c.name: onnx.numpy_helper.to_array(c) for c in model.initializer}
    places = arrays[made[scatter.input[1]].input[0]]
    assert sorted(places) == [0, 1, 2, 3, 8, 9, 10, 11]


def test_writing_at_a_mask(tmp_path: Path) -> None:
    def f(x: Any) -> Any:
        y = x * 1
        y[y > 5] = -1.0
        z = x * 1
        z[x[:, 0] > 2] = 0
        return y, z

    check(tmp_path, f, np.arange(12.0).reshape(3, 4))


def test_writing_into_integers_cuts_the_value(tmp_path: Path) -> None:
    def f(x: Any) -> Any:
        y = x * 1
        y[1:] = 2.7
        return y

    check(tmp_path, f, np.arange(4))


def test_adding_at_an_index_adds_repeatedly(tmp_path: Path) -> None:
    def f(i: Any, v: Any) -> Any:
        counts = tg.Tensor(np.zeros((4, 2)))
        np.add.at(counts, i, v)
        return counts

    check(tmp_path, f, np.array([1, 3, 1, 1]), rng.standard_normal((4, 2)))


def test_what_onnx_would_leave_open_is_refused(tmp_path: Path) -> None:
    def f(x: Any, i: Any) -> Any:
        y = x * 1
        y[i] = np.arange(3.0)
        return y

    with pytest.raises(ExportError, match=TWICE) as raised:
        export(tmp_path, f, np.zeros(4), np.array([1, 1, 2]))
    assert "y[i] = np.arange(3.0)" in str(raised.value)
