"""Random programs of in-place code that run alike on plain arrays, tensors and dual numbers.

NumPy itself is the oracle for the values. For the gradients it is forward differentiation with
dual numbers in NumPy's arrays of objects: NumPy does the views and the writes, and no rule of ours
is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st


@dataclass(frozen=True)
class Dual:
    """A number with its derivative along one direction."""

    value: float
    slope: float = 0.0

    def __add__(self, other: Any) -> Dual:
        other = dual(other)
        return Dual(self.value + other.value, self.slope + other.slope)

    def __mul__(self, other: Any) -> Dual:
        other = dual(other)
        return Dual(self.value * other.value, self.slope * other.value + self.value * other.slope)

    def __pos__(self) -> Dual:
        return self

    def __sub__(self, other: Any) -> Dual:
        return self + dual(other) * -1.0

    def __rsub__(self, other: float) -> Dual:
        return self * -1.0 + other

    def __truediv__(self, other: float) -> Dual:
        return self * (1.0 / other)

    def __gt__(self, other: float) -> bool:
        return self.value > other

    __radd__, __rmul__ = __add__, __mul__


def dual(x: Any) -> Dual:
    return x if isinstance(x, Dual) else Dual(x)


def duals(values: Any, slopes: Any) -> Any:
    """An array of dual numbers, in the memory order of ``values``."""
    out = np.empty_like(values, dtype=object)
    for i in np.ndindex(values.shape):
        out[i] = Dual(values[i], slopes[i])
    return out


def tanh(x: Any) -> Any:
    if x.dtype != object:
        return np.tanh(x)
    out = np.empty_like(x)
    for i in np.ndindex(x.shape):
        y = np.tanh(dual(x[i]).value)
        out[i] = Dual(y, (1 - y * y) * dual(x[i]).slope)
    return out


#: Ways of looking into x; each takes two numbers to choose an axis, a start, ...
VIEWS = [
    lambda x, i, j: x[...],
    lambda x, i, j: x[None],
    lambda x, i, j: x[..., None],
    lambda x, i, j: x[::-1],
    lambda x, i, j: x[i % 3 :],
    lambda x, i, j: x[i % 4 :: -1],
    lambda x, i, j: x[..., ::2],
    lambda x, i, j: x[..., ::-1],
    lambda x, i, j: x[1:, ..., j % 2 :],
    lambda x, i, j: x[-1:, ..., None],
    lambda x, i, j: x[i % x.shape[0]],
    lambda x, i, j: x[i % x.shape[0], ...],
    lambda x, i, j: x[..., j % x.shape[-1]],
    lambda x, i, j: x.T,
    lambda x, i, j: x.transpose(),
    lambda x, i, j: x.reshape(-1),
    lambda x, i, j: x.reshape(x.shape[::-1]),
    lambda x, i, j: x.reshape(1, *x.shape),
    lambda x, i, j: np.reshape(x, x.shape[::-1], order="F"),
    lambda x, i, j: x.reshape(-1, order="F"),
    lambda x, i, j: x.ravel(),
    lambda x, i, j: np.ravel(x, "F"),
    lambda x, i, j: np.squeeze(x),
    lambda x, i, j: np.expand_dims(x, i % (x.ndim + 1)),
    lambda x, i, j: np.swapaxes(x, i % x.ndim, j % x.ndim),
    lambda x, i, j: x.swapaxes(0, -1),
    lambda x, i, j: np.moveaxis(x, i % x.ndim, j % x.ndim),
    lambda x, i, j: np.rollaxis(x, i % x.ndim),
    lambda x, i, j: np.flip(x),
    lambda x, i, j: np.flip(x, i % x.ndim),
    lambda x, i, j: np.flipud(x),
    lambda x, i, j: np.rot90(x, i % 4) if x.ndim > 1 else x[:],
    lambda x, i, j: np.atleast_1d(x),
    lambda x, i, j: np.atleast_2d(x),
    lambda x, i, j: np.atleast_3d(x),
    lambda x, i, j: np.array_split(x, 2)[i % 2],
    lambda x, i, j: x,  # another name for the same array
]

#: New arrays, made of x and of a y that broadcasts into its shape.
COPIES = [
    lambda x, y: x * y,
    lambda x, y: x - y,
    lambda x, y: tanh(x),
    lambda x, y: np.positive(x),
    lambda x, y: x[[0, -1, 0]],
    lambda x, y: x[x > 0],
    lambda x, y: x[np.array([0, -1])],
    lambda x, y: x.flatten(),
    lambda x, y: np.concatenate([x, x]),
]


def _added(x: Any, y: Any) -> Any:
    x += y
    return x


def _subtracted(x: Any, y: Any) -> Any:
    x -= y
    return x


def _multiplied(x: Any, y: Any) -> Any:
    x *= y
    return x


def _halved(x: Any, y: Any) -> Any:
    x /= 2.0
    return x


def _all_set(x: Any, y: Any) -> Any:
    x[...] = y
    return x


def _masked(x: Any, y: Any) -> Any:
    x[x > 0.1] = 0.25
    return x


def _stepped(x: Any, y: Any) -> Any:
    x[1::2] = 3.0
    return x


def _picked(x: Any, y: Any) -> Any:
    x[np.array([0, -1, 0])] = np.arange(1.0, 4.0).reshape(3, *(1,) * (x.ndim - 1))
    return x


def _picked_and_halved(x: Any, y: Any) -> Any:
    x[[0, -1, 0]] *= 0.5
    return x


def _shifted(x: Any, y: Any) -> Any:
    x[1:] += x[:-1] * 0.5
    return x


def _overlapping(x: Any, y: Any) -> Any:
    x[1:] = x[:-1]
    return x


def _reversed(x: Any, y: Any) -> Any:
    x[...] = x[::-1]
    return x


def _row_scaled(x: Any, y: Any) -> Any:
    x[0] *= 2.0
    return x


def _added_at(x: Any, y: Any) -> Any:
    np.add.at(x, np.array([0, -1, 0]), 0.5)
    return x


def _out(x: Any, y: Any) -> Any:
    np.multiply(x, 0.5, out=x)
    return x


def _transposed_added(x: Any, y: Any) -> Any:
    x += np.linspace(-1, 1, x.size).reshape(x.shape[::-1]).T
    return x


#: Statements that change x in place, perhaps using a y that broadcasts into its shape.
WRITES = [
    _added,
    _subtracted,
    _multiplied,
    _halved,
    _all_set,
    _masked,
    _stepped,
    _picked,
    _picked_and_halved,
    _shifted,
    _overlapping,
    _reversed,
    _row_scaled,
    _added_at,
    _out,
    _transposed_added,
]

SHAPES = [(4,), (2, 3), (3, 2), (1, 4), (1,), (2, 1, 3), (0, 3), (5,), (2, 2)]
_NUMBER = st.integers(0, 11)
_STEP = st.tuples(
    st.one_of(
        st.tuples(st.just("view"), st.sampled_from(range(len(VIEWS)))),
        st.tuples(st.just("copy"), st.sampled_from(range(len(COPIES)))),
        st.tuples(st.just("write"), st.sampled_from(range(len(WRITES)))),
    ),
    _NUMBER,
    _NUMBER,
    _NUMBER,
)
#: A program: for each statement what it does, to which name, with which other name, and a number.
PROGRAMS = st.lists(_STEP, min_size=1, max_size=20)
_LIMIT = 8  # names alive


@st.composite
def starting_arrays(draw: Any, count: int = 2) -> list[Any]:
    """Arrays of several shapes and both memory orders, with no entry near a kink."""
    seed = draw(st.integers(0, 2**16))
    random = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        shape = draw(st.sampled_from(SHAPES))
        values = random.uniform(0.3, 2.0, shape) * random.choice([-1.0, 1.0], shape)
        out.append(np.asarray(values, order=draw(st.sampled_from("CF"))))
    return out


def step(names: list[Any], what: Any, a: int, b: int, i: int) -> None:
    """Carry out one statement on the arrays (or tensors) that ``names`` holds."""
    (kind, which), x, y = what, names[a % len(names)], names[b % len(names)]
    if kind == "view":
        new = VIEWS[which](x, i, b)
    elif kind == "copy":
        new = COPIES[which](x, _fitting(y, x))
    else:
        names[a % len(names)] = WRITES[which](x, _fitting(y, x))
        return
    if len(names) < _LIMIT:
        names.append(new)
    else:
        names[(a + b) % _LIMIT] = new


def _fitting(y: Any, x: Any) -> Any:
    """y, or a part of y, so that it broadcasts into x's shape."""
    try:
        if np.broadcast_shapes(y.shape, x.shape) == x.shape:
            return y
    except ValueError:
        pass
    return y.reshape(-1)[:1].reshape(()) if y.size else 1.5
