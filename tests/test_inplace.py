"""Code in place means what NumPy means by it, and every gradient stays right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_nn as tg
from tinygrad_nn.errors import DtypeError, InPlaceError, NoRuleError, ShapeError, TensorIndexError

A, B = np.array([1.0, 2.0, 3.0]), np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])

# --- names and views ------------------------------------------------------------------------------


def test_what_was_computed_before_a_write_keeps_the_old_value_in_its_gradient() -> None:
    w = tg.Parameter(A)
    h = w * 2
    squares = h * h
    h[0] = 100.0
    h *= 0.0
    squares.sum().backward()
    np.testing.assert_allclose(w.grad, 8 * A)


def test_every_name_of_a_tensor_sees_a_write() -> None:
    h = tg.Tensor(B)
    name, row, column = h, h[0], h.T[1]
    row += 10
    column[1] = -1.0
    assert name is h
    np.testing.assert_array_equal(h.data, [[11, 12, 13], [4, -1, 6]])
    np.testing.assert_array_equal(column.data, [12, -1])


def test_rows_of_a_loop_are_views() -> None:
    h = tg.Tensor(B)
    for row in h:
        row -= row.mean()
    np.testing.assert_array_equal(h.data, [[-1, 0, 1], [-1, 0, 1]])


def test_a_picked_part_is_a_copy() -> None:
    h = tg.Tensor(B)
    picked = h[[0, 1], [1, 1]]
    picked += 100
    np.testing.assert_array_equal(h.data, B)


def test_a_view_of_a_tensor_becomes_tracked_with_it() -> None:
    w, h = tg.Parameter([2.0, 3.0]), tg.Tensor(np.zeros(2))
    view = h[:1]
    h[:] = w * w
    assert view.requires_grad
    view.sum().backward()
    np.testing.assert_array_equal(w.grad, [4.0, 0.0])
    with pytest.raises(tg.TinygradError, match="lose it"):
        np.asarray(view)


def test_a_view_read_inside_no_grad_still_carries_its_gradient_afterwards() -> None:
    w = tg.Parameter(A)
    h = w * 2
    view = h[:2]
    h[0] = h[1] * h[1]
    with tg.no_grad():
        assert view.sum().item() == 16 + 4
    view.sum().backward()
    np.testing.assert_array_equal(w.grad, [0, 2 * 2 * 4 + 2, 0])


def test_a_view_taken_inside_no_grad_never_carries_a_gradient() -> None:
    h = tg.Parameter(A) * 2
    with tg.no_grad():
        view = h[:2]
    h[0] = h[1]
    assert not view.requires_grad
    np.testing.assert_array_equal(view.data, [4, 4])


def test_a_view_stays_where_it_was_taken_when_its_index_changes() -> None:
    x, i = tg.Tensor(B), tg.Tensor(0)
    row = x[i]
    i[...] = 1
    x[...] = x * 10
    np.testing.assert_array_equal(row.data, B[0] * 10)


def test_a_broadcast_view_is_read_only() -> None:
    wide = np.broadcast_to(tg.Tensor(A), (2, 3))
    with pytest.raises(InPlaceError, match="read-only, as in NumPy"):
        wide[0] = 1.0
    with pytest.raises(InPlaceError, match="read-only"):
        wide += 1.0


def test_ravel_of_scattered_memory_is_a_copy_and_of_contiguous_memory_a_view() -> None:
    x = tg.Tensor(B)
    x[:, ::2].ravel()[0] = 50.0
    x.ravel()[1] = 7.0
    np.testing.assert_array_equal(x.data, [[1, 7, 3], [4, 5, 6]])


def test_the_memory_order_survives_a_write_so_that_reshape_stays_a_view() -> None:
    x = tg.Tensor(np.zeros((2, 3)))
    transposed = x.T
    transposed += np.ones((3, 2))
    x.reshape(-1)[0] = 5.0
    assert x.data[0, 0] == 5.0


def test_a_computed_number_is_rebound_as_numpys_scalars_are() -> None:
    w = tg.Parameter(A)
    data_loss = (w * w).sum()
    loss = data_loss
    loss += w.sum()
    assert data_loss.item() == 14.0
    assert loss.item() == 20.0
    loss.backward()
    np.testing.assert_array_equal(w.grad, 2 * A + 1)


def test_a_number_can_be_written_into() -> None:
    t = tg.Tensor(3.0)
    alias = t
    t[...] = 4.0
    assert alias.item() == 4.0


@pytest.mark.parametrize("operation", ["iadd", "isub", "imul", "itruediv", "ifloordiv", "imod"])
@pytest.mark.parametrize("kind", ["f8", "f4", "i8", "i4", "u1", "?"])
@pytest.mark.parametrize("other", [2, 2.5, np.float64(2), np.array([1, 2, 3]), np.array([1.5])])
def test_updates_cast_or_refuse_as_numpy_does(operation: str, kind: str, other: Any) -> None:
    def update(x: Any) -> Any:
        return getattr(x, f"__{operation}__")(other)

    x, t = np.array([1, 2, 3], kind), tg.Tensor(np.array([1, 2, 3], kind))
    try:
        expected = update(x)
    except TypeError:
        with pytest.raises(DtypeError, match=r"keeps the dtype|does not take"):
            update(t)
        np.testing.assert_array_equal(t.data, np.array([1, 2, 3], kind))
    else:
        assert update(t) is t
        assert t.dtype == expected.dtype
        np.testing.assert_array_equal(t.data, expected)


@pytest.mark.parametrize("operation", ["iand", "ior", "ixor"])
def test_logical_updates_reach_every_name(operation: str) -> None:
    mask = tg.Tensor([True, True, False])
    alias = mask
    getattr(mask, f"__{operation}__")(np.array([True, False, False]))
    expected = getattr(np.array([True, True, False]), f"__{operation}__")([True, False, False])
    np.testing.assert_array_equal(alias.data, expected)


@pytest.mark.parametrize("tracked", [False, True])
@pytest.mark.parametrize(
    ("write", "error"),
    [
        (lambda t: t.__setitem__(5, 0.0), TensorIndexError),
        (lambda t: t.__setitem__(slice(0, 2), np.ones(3)), ShapeError),
        (lambda t: t.__iadd__(np.ones((2, 3))), ShapeError),
        (lambda t: t.__iadd__(np.ones(4)), ShapeError),
        (lambda t: t.__setitem__(0, "text"), tg.TinygradError),
        (lambda t: np.add.at(t, [7], 1.0), tg.TinygradError),
        (lambda t: np.exp(np.ones(4), out=t), ShapeError),
        (lambda t: t.T.__setitem__(9, 0.0), TensorIndexError),
    ],
)
def test_a_write_that_fails_changes_nothing(write: Any, error: Any, tracked: bool) -> None:
    t = tg.Tensor(A, requires_grad=tracked) * 1
    view = t[1:]
    with pytest.raises(error):
        write(t)
    np.testing.assert_array_equal(t.detach().data, A)
    np.testing.assert_array_equal(view.detach().data, A[1:])
    assert t.requires_grad == tracked


def test_add_at_adds_repeated_entries_repeatedly_and_its_gradient_does_so_too() -> None:
    w, v = tg.Parameter(A), tg.Parameter([1.0, 10.0, 100.0])
    h = w * 1
    np.add.at(h, [0, 2, 0], v)
    np.testing.assert_array_equal(h.detach().data, [1 + 1 + 100, 2, 3 + 10])
    (h * np.array([1.0, 5.0, 7.0])).sum().backward()
    np.testing.assert_array_equal(v.grad, [1, 7, 1])
    np.testing.assert_array_equal(w.grad, [1, 5, 7])


def test_of_an_entry_written_repeatedly_the_last_one_has_the_gradient() -> None:
    v = tg.Parameter([1.0, 2.0, 3.0])
    h = tg.Tensor(np.zeros(2))
    h[[0, 1, 0]] = v
    np.testing.assert_array_equal(h.detach().data, [3, 2])
    h.sum().backward()
    np.testing.assert_array_equal(v.grad, [0, 1, 1])


def test_what_is_written_among_whole_numbers_is_cut_and_so_has_no_slope() -> None:
    w, counts = tg.Parameter(2.5), tg.Tensor([1, 2, 3])
    counts[0] = w
    assert counts.tolist() == [2, 2, 3]
    (counts * w).sum().backward()
    assert w.grad == 7.0


@pytest.mark.parametrize("out", [np.zeros(3, int), tg.Tensor([0, 0, 0])])
def test_out_of_another_kind_is_refused_as_in_numpy(out: Any) -> None:
    with pytest.raises(DtypeError, match="float64, which does not fit into out= of int64"):
        np.add(tg.Tensor(A), 0.5, out=out)


# --- parameters -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (3,)])
def test_a_parameter_is_updated_inside_no_grad_for_all_of_its_names(shape: Any) -> None:
    w = tg.Parameter(np.full(shape, 2.0))
    parameters = [w]
    loss = (w * w).sum()
    with tg.no_grad():
        for p in parameters:
            p -= 0.5 * p
    np.testing.assert_array_equal(w.data, np.full(shape, 1.0))
    assert w.requires_grad
    assert w.is_leaf
    loss.backward()  # of the graph before the update
    np.testing.assert_array_equal(w.grad, np.full(shape, 4.0))
    (w * w).sum().backward()
    np.testing.assert_array_equal(w.grad, np.full(shape, 6.0))


def test_a_part_of_a_parameter_is_updated_inside_no_grad() -> None:
    w = tg.Parameter(B)
    row = w[0]
    with tg.no_grad():
        w[0] -= 1.0
        w.T[2] *= 0.0
        np.add.at(w, (1, 0), 1.0)
    np.testing.assert_array_equal(w.data, [[0, 1, 0], [5, 5, 0]])
    assert w.requires_grad
    row.sum().backward()
    np.testing.assert_array_equal(w.grad, [[1, 1, 1], [0, 0, 0]])


@pytest.mark.parametrize(
    "update",
    [
        lambda w: w.__setitem__(0, 1.0),
        lambda w: w.__isub__(1.0),
        lambda w: w[:1].__isub__(1.0),
        lambda w: w.T.__setitem__(0, 1.0),
        lambda w: np.add.at(w, [0], 1.0),
        lambda w: np.exp(np.ones(3), out=w),
        lambda w: np.copyto(w, np.ones(3)),
    ],
)
def test_a_parameter_is_not_changed_where_gradients_are_recorded(update: Any) -> None:
    w = tg.Parameter(A, name="W")
    with pytest.raises(InPlaceError, match=r"W is a parameter\n.*with tg.no_grad\(\)"):
        update(w)
    np.testing.assert_array_equal(w.data, A)


def test_the_data_of_a_parameter_is_updated_and_old_graphs_keep_the_old_value() -> None:
    w = tg.Parameter(A)
    loss = (w * w).sum()
    w.data -= 1.0
    w.data[0] = 50.0
    w.data = w.data * 2
    loss.backward()
    np.testing.assert_array_equal(w.grad, 2 * A)
    np.testing.assert_array_equal(w.data, [100, 2, 4])


def test_the_data_of_what_was_computed_is_read_only() -> None:
    h = tg.Parameter(A) * 2
    for data in (h.data, h.detach().data):
        with pytest.raises(ValueError, match="read-only"):
            data[0] = 1.0
    with pytest.raises(InPlaceError, match="only a leaf's data can be set"):
        h.data = A


def test_data_of_another_shape_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(3,\) has that shape, not \(2,\)"):
        tg.Parameter(A).data = np.ones(2)


def test_setting_the_data_of_a_view_writes_through_it() -> None:
    x = tg.Tensor(B)
    x[0].data = A * 10
    np.testing.assert_array_equal(x.data[0], A * 10)


# --- plain arrays ---------------------------------------------------------------------------------


def test_a_small_constant_may_be_changed_after_its_use() -> None:
    w, x, i = tg.Parameter(A), A.copy(), np.array([0, 1])
    loss = (w * x).sum() + w[i].sum()
    x[:] = 0.0
    i[:] = 2
    loss.backward()
    np.testing.assert_array_equal(w.grad, A + [1, 1, 0])


def test_a_large_constant_that_was_changed_after_its_use_is_noticed() -> None:
    w, x = tg.Parameter(np.ones(50_000)), np.ones(50_000)
    loss = (w * x).sum()
    x *= 2
    with pytest.raises(InPlaceError, match=r"shape \(50000,\) was changed in place after `w \* x`"):
        loss.backward()


def test_a_large_tensor_without_gradient_may_be_changed_after_its_use() -> None:
    w, x = tg.Parameter(np.ones(50_000)), tg.Tensor(np.ones(50_000))
    loss = (w * x).sum()
    x *= 2
    x[0] = 9.0
    loss.backward()
    np.testing.assert_array_equal(w.grad, np.ones(50_000))


def test_a_large_result_may_be_changed_after_its_use() -> None:
    w = tg.Parameter(np.full(50_000, 0.5))
    h = w + np.ones(50_000)
    squares = h * h
    h[0] = 100.0
    h[1:] = tg.Tensor(np.zeros(49_999))
    squares.sum().backward()
    np.testing.assert_array_equal(w.grad, np.full(50_000, 3.0))


def test_a_plain_array_cannot_take_what_carries_a_gradient() -> None:
    x, w = np.zeros(3), tg.Parameter(A)
    for attempt in (
        lambda: np.add(x, w, out=x),
        lambda: np.copyto(x, w),
        lambda: x.__setitem__(slice(None), w),
        lambda: np.add.at(x, [0, 1, 2], w),
    ):
        with pytest.raises(tg.TinygradError):
            attempt()
    with pytest.raises(InPlaceError, match=r"write X = X \+ t instead of X \+= t"):
        x += w
    np.testing.assert_array_equal(x, np.zeros(3))


def test_a_plain_array_takes_what_carries_none() -> None:
    x = np.zeros(3)
    x += tg.Tensor(A)
    x[0] = tg.Tensor(7.0)
    np.exp(tg.Tensor([0.0] * 3), out=x)
    np.testing.assert_array_equal(x, np.ones(3))


def test_functions_that_write_into_their_argument_say_what_to_write_instead() -> None:
    with pytest.raises(InPlaceError, match=r"np.fill_diagonal .* t\[...\] = value"):
        np.fill_diagonal(tg.Tensor(B), 0.0)
    with pytest.raises(NoRuleError):
        np.multiply.at(tg.Parameter(A), [0], 2.0)
