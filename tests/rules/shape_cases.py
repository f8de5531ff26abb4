"""Cases of functions that move, join and pick entries."""

from __future__ import annotations

import numpy as np

from tests.rules.cases import apart, case, normal
from tinygrad_nn.rules.indexing import getitem, scatter_add, setitem

case(np.reshape, normal(2, 3), via=lambda x: np.reshape(x, (3, 2)))
case(np.reshape, normal(2, 3), via=lambda x: np.reshape(x, -1))
case(np.reshape, normal(2, 3, 2), via=lambda x: np.reshape(x, (4, -1), order="F"))
case(np.reshape, normal(), via=lambda x: np.reshape(x, (1, 1)))
case(np.reshape, normal(0, 3), via=lambda x: np.reshape(x, (3, 0)))
for order in ("C", "F"):
    case(np.ravel, normal(2, 3), order=order)
case(np.transpose, normal(2, 3, 4))
case(np.transpose, normal(2, 3, 4), axes=(1, 2, 0))
case(np.transpose, normal(2, 3, 4), axes=(-1, 0, 1))
case(np.transpose, normal())
case(np.broadcast_to, normal(3), shape=(2, 3))
case(np.broadcast_to, normal(2, 1), shape=(4, 2, 3))
case(np.broadcast_to, normal(), shape=(2, 2))
for axis in (None, 0, 1, -1, (0, 1)):
    case(np.flip, normal(2, 3), axis=axis)
case(np.flipud, normal(2, 3))
case(np.fliplr, normal(2, 3))
case(np.roll, normal(2, 3), shift=2)
case(np.roll, normal(2, 3), shift=-1, axis=1)
case(np.roll, normal(2, 3), shift=(1, 2), axis=(0, 1))
case(np.roll, normal(2, 3), shift=(1, 1), axis=0)
case(np.roll, normal(2, 3), shift=1, axis=(0, -1))
for k in (0, 1, -1):
    case(np.tril, normal(3, 4), k=k)
    case(np.triu, normal(2, 4, 3), k=k)
case(np.astype, normal(2, 3), via=lambda x: np.astype(x, np.float64), float32=False)
case(np.squeeze, normal(1, 3, 1))
case(np.squeeze, normal(1, 3, 1), axis=0)
case(np.squeeze, normal(1, 3, 1), axis=(0, -1))
case(np.expand_dims, normal(3), axis=0)
case(np.expand_dims, normal(3), axis=(0, -1))
case(np.swapaxes, normal(2, 3, 4), axis1=0, axis2=-1)
case(np.moveaxis, normal(2, 3, 4), source=0, destination=-1)
case(np.moveaxis, normal(2, 3, 4), source=(0, 1), destination=(-1, 0))
case(np.rollaxis, normal(2, 3, 4), axis=2)
case(np.rollaxis, normal(2, 3, 4), axis=0, start=3)
case(np.rollaxis, normal(2, 3, 4), axis=1, start=-1)
case(np.matrix_transpose, normal(2, 3, 4))
case(np.linalg.matrix_transpose, normal(3, 4))
for function in (np.atleast_1d, np.atleast_2d, np.atleast_3d):
    for shape in ((), (3,), (2, 3), (2, 1, 3)):
        case(function, normal(*shape))
    case(function, normal(), normal(2))
for k in (0, 1, 2, 3, -1):
    case(np.rot90, normal(2, 3), k=k)
case(np.rot90, normal(2, 3, 2), axes=(2, 0))
case(np.broadcast_arrays, normal(3), normal(2, 1))
for options in ({}, {"indexing": "ij"}, {"sparse": True}):
    case(np.meshgrid, normal(2), normal(3), **options)
case(np.meshgrid, normal(2), normal(3), normal(2), via=lambda *x: np.meshgrid(*x))
case(np.tile, normal(3), reps=2)
case(np.tile, normal(2, 3), reps=(2, 2))
case(np.tile, normal(2, 3), reps=(2, 1, 2))
case(np.tile, normal(2, 1, 3), reps=[2])
case(np.tile, normal(), reps=3)


case(np.concatenate, normal(2, 3), normal(1, 3), via=lambda *x: np.concatenate(x))
case(np.concatenate, normal(2, 3), normal(2, 1), via=lambda *x: np.concatenate(x, axis=-1))
case(np.concatenate, normal(2, 3), normal(2), via=lambda *x: np.concatenate(x, axis=None))
case(
    np.concatenate,
    normal(3),
    via=lambda x: np.concatenate([np.ones(2), x, [4.0], x]),
    float32=False,
)
case(np.concatenate, normal(0, 2), normal(1, 2), via=lambda *x: np.concatenate(x))
case(np.concatenate, normal(2, 2), via=lambda x: np.concatenate(x), label="of the rows")
for axis in (0, 1, -1):
    case(np.stack, normal(2, 3), normal(2, 3), via=lambda *x, axis: np.stack(x, axis), axis=axis)
case(np.stack, normal(3), via=lambda x: np.stack([x, x, x**2]))
case(np.vstack, normal(3), normal(2, 3), via=lambda *x: np.vstack(x))
case(np.hstack, normal(3), normal(2), via=lambda *x: np.hstack(x))
case(np.hstack, normal(2, 3), normal(2, 1), via=lambda *x: np.hstack(x))
case(np.hstack, normal(), normal(), via=lambda *x: np.hstack(x), label="numbers")
case(np.dstack, normal(2, 3), normal(2, 3), via=lambda *x: np.dstack(x))
case(np.dstack, normal(3), normal(3), via=lambda *x: np.dstack(x))
case(np.column_stack, normal(2), normal(2, 3), via=lambda *x: np.column_stack(x))
case(np.append, normal(2, 3), normal(2))
case(np.append, normal(2, 3), normal(1, 3), axis=0)
case(np.append, normal(2), via=lambda x: np.append([1.0, 2.0], x), float32=False)
case(
    np.block,
    normal(2, 2),
    normal(2, 1),
    via=lambda a, b: np.block([[a, b], [b.T, np.float32([[1.0]])]]),
)
case(np.block, normal(2), normal(), via=lambda a, b: np.block([a, b]))
case(np.block, normal(2), via=lambda a: np.block([[a, a], [a, 2 * a]]))
case(np.block, normal(2, 2), via=lambda a: np.block(a))
case(np.split, normal(4, 3), via=lambda x: tuple(np.split(x, 2)))
case(np.split, normal(3, 5), via=lambda x: tuple(np.split(x, [1, 1, 4], axis=1)))
case(np.array_split, normal(5, 2), via=lambda x: tuple(np.array_split(x, 3)))
case(np.vsplit, normal(4, 2), via=lambda x: tuple(np.vsplit(x, 2)))
case(np.hsplit, normal(2, 4), via=lambda x: tuple(np.hsplit(x, 2)))
case(np.hsplit, normal(4), via=lambda x: tuple(np.hsplit(x, [1])))
case(np.dsplit, normal(1, 2, 4), via=lambda x: tuple(np.dsplit(x, 2)))
if hasattr(np, "unstack"):
    case(np.unstack, normal(2, 3))
    case(np.unstack, normal(2, 3), axis=-1)
case(np.delete, normal(5), obj=1)
case(np.delete, normal(4, 3), obj=[0, -1], axis=0)
case(np.delete, normal(3, 4), obj=slice(None, None, 2), axis=1)
case(np.insert, normal(4), normal(2), via=lambda x, v: np.insert(x, [3, 1], v))
case(np.insert, normal(4), normal(2), via=lambda x, v: np.insert(x, 1, v))
case(np.insert, normal(2, 3), normal(2), via=lambda x, v: np.insert(x, 1, v, axis=1))
case(np.insert, normal(2, 3), normal(2, 3), via=lambda x, v: np.insert(x, [1], v, axis=0))
case(np.insert, normal(2, 3), normal(3), via=lambda x, v: np.insert(x, slice(0, 2), v, axis=0))
case(np.insert, normal(3), normal(), via=lambda x, v: np.insert(x, [0, 2], v))

# --- picking ----------------------------------------------------------------------------------

ROWS, COLUMNS = np.array([0, 2, 1]), np.array([1, 1, 3])
MASK = np.array([True, False, True])
INDICES = (
    0, -1, Ellipsis, None, slice(1, None), slice(None, None, -1), (0, 1), (slice(None), 2),
    (None, 0), (Ellipsis, 0), (0, Ellipsis, None), (slice(None, 2), None, slice(None, None, 2)),
    ROWS, [2, 0, 2], (ROWS, COLUMNS), (ROWS, -1), (slice(None), COLUMNS), (Ellipsis, [0, 0]),
    MASK, (MASK, 1), (MASK, slice(1, 3)), (MASK, [0, 1]), (ROWS[:, None], COLUMNS), np.array(1),
    (np.array(2), np.array([0, 0])), np.ix_([0, 2], [1, 3]), np.zeros((3, 4), bool), (None, ROWS),
    (ROWS, None, COLUMNS), (0, slice(None), None), (np.array([[0, 1], [1, 1]]),), [], np.intp(1),
    (slice(None), MASK.repeat(2)[:4]), (np.arange(3), COLUMNS), np.eye(3, 4, dtype=bool), True,
)  # fmt: skip
for index in INDICES:
    label = str(index).replace("\n", "")[:50]
    case(getitem, apart(3, 4), via=lambda x, index=index: x[index], label=label)
    shape = np.zeros((3, 4))[index].shape
    case(
        setitem,
        apart(3, 4),
        normal(*shape),
        via=lambda x, value, index=index: _written(x, index, value),
        label=label,
    )
case(setitem, apart(3, 4), normal(4), via=lambda x, v: _written(x, MASK, v), label="broadcast")
case(setitem, apart(3, 4), normal(), via=lambda x, v: _written(x, [0, 0], v), label="one number")
case(setitem, apart(3, 4), normal(1, 1, 4), via=lambda x, v: _written(x, 1, v), label="longer")
case(getitem, apart(2, 3, 4), via=lambda x: x[[0, 1], :, [1, 2]])
case(getitem, apart(2, 3, 4), via=lambda x: x[:, MASK, [1, 2]])
case(getitem, apart(2, 3, 4), via=lambda x: x[0, ..., None, ROWS])
case(getitem, apart(2, 3, 2), via=lambda x: x[:, np.array([[True, False]] * 3)])
case(getitem, apart(), via=lambda x: x[()])
case(getitem, apart(), via=lambda x: x[None])
case(scatter_add, normal(3), via=lambda v: scatter_add(v, (4,), np.array([0, 2, 2])), numpy=False)
case(scatter_add, normal(2), via=lambda v: scatter_add(v, (3, 2), 1), numpy=False)
case(
    scatter_add, normal(2), via=lambda v: scatter_add(v, (3,), np.array([True, False, True])),
    numpy=False,
)  # fmt: skip


def _written(x, index, value):
    x = x + 0
    x[index] = value
    return x


case(np.take, apart(3, 4), indices=[0, 5, 5])
case(np.take, apart(3, 4), indices=np.array([[0, 2], [2, 1]]), axis=0)
case(np.take, apart(3, 4), indices=2, axis=-1)
case(np.take, apart(3, 4), indices=(1, 1), axis=1)
case(np.take, apart(3, 4), indices=[-7, 9], axis=1, mode="wrap")
case(np.take, apart(3, 4), indices=[-7, 9], axis=1, mode="clip")
case(np.take_along_axis, apart(3, 4), indices=np.array([[0], [2], [2]]), axis=1)
case(np.take_along_axis, apart(3, 4), indices=np.array([[0, 1, 2, 2]]), axis=0)
case(np.take_along_axis, apart(3, 4), indices=np.array([5, 5]), axis=None)
case(np.take_along_axis, apart(1, 4), indices=np.zeros((2, 3), int), axis=1)
for axis in (None, 0, -1):
    case(np.sort, apart(3, 4), axis=axis)
case(np.sort, apart(4), kind="stable")
case(np.partition, apart(6), kth=2)
case(np.partition, apart(3, 4), kth=1, axis=0)
case(np.compress, apart(3, 4), via=lambda x: np.compress([True, False, True], x, axis=0))
case(np.extract, apart(3, 4), via=lambda x: np.extract(x > 0, x))
case(np.repeat, apart(2, 3), repeats=2)
case(np.repeat, apart(2, 3), repeats=[1, 0, 2], axis=1)
case(np.repeat, apart(2, 3), repeats=3, axis=0)
case(np.repeat, apart(), repeats=3)
for mode in ("edge", "reflect", "symmetric", "wrap"):
    case(np.pad, apart(3, 4), pad_width=((1, 2), (0, 3)), mode=mode)
for width in (1, (1, 2), ((0, 1), (2, 0)), np.array([[1, 1], [0, 2]])):
    case(np.pad, apart(2, 3), pad_width=width)
case(np.pad, apart(2, 3), pad_width=((1, 0), (2, 1)), constant_values=((1.0, 2.0), (3.0, 4.0)))
case(np.pad, apart(2), via=lambda x: np.pad(x, 2, "constant"))
for offset in (0, 1, -1, 9):
    case(np.diagonal, apart(3, 4), offset=offset)
    case(np.trace, apart(3, 4), offset=offset)
    case(np.linalg.diagonal, apart(2, 3, 4), offset=offset)
    case(np.linalg.trace, apart(2, 3, 4), offset=offset)
case(np.diagonal, apart(2, 3, 2), axis1=2, axis2=0)
case(np.trace, apart(2, 3, 2), axis1=0, axis2=-1)
for k in (0, 1, -2):
    case(np.diag, apart(3), k=k)
    case(np.diag, apart(3, 4), k=k)
case(np.diagflat, apart(2, 2), k=1)
case(np.full_like, apart(2, 3), apart(), via=lambda a, v: np.full_like(a, v))
case(np.full_like, apart(2, 3), apart(3), via=lambda a, v: np.full_like(a, v) * a)
_places = np.array([0, 2, 2, 1])
case(np.bincount, apart(4), via=lambda w: np.bincount(_places, w), float32=False)
case(
    np.bincount, apart(4), via=lambda w: np.bincount(_places, weights=w, minlength=5), float32=False
)
