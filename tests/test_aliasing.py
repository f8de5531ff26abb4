"""A function's result shares memory with its argument exactly where NumPy's does."""

import numpy as np
import pytest

import tinygrad_nn as tg

A = np.arange(1.0, 7).reshape(2, 3)

FUNCTIONS = {
    "tile": lambda y: np.tile(y, 1),
    "tile of rows": lambda y: np.tile(y, (1, 1)),
    "clip": lambda y: np.clip(y, None, None),
    "prod": lambda y: np.prod(y[:1], axis=0),
    "cumprod": lambda y: np.cumprod(y[:1], axis=0),
    "mean": lambda y: np.mean(y[:1], axis=0),
    "block": np.block,
    "ravel": np.ravel,
    "ravel of a transpose": lambda y: np.ravel(y.T),
    "squeeze": lambda y: np.squeeze(y[:1]),
    "meshgrid": lambda y: np.meshgrid(y[0])[0],
    "diagonal": np.diagonal,
    "repeat": lambda y: np.repeat(y, 1),
    "sort": np.sort,
    "pad": lambda y: np.pad(y, 0),
    "broadcast_to": lambda y: np.broadcast_to(y, y.shape),
    "split": lambda y: np.split(y, 2)[1],
    "flip": np.flip,
    "rot90": np.rot90,
    "expand_dims": lambda y: np.expand_dims(y, 1),
    "atleast_2d": lambda y: np.atleast_2d(y[0]),
    "copy": np.copy,
    "method copy": lambda y: y.copy(),
    "flatten": lambda y: y.flatten(),
    "reshape": lambda y: y.reshape(-1),
}


def write(x):
    """Whether the result may be written to; if so it is."""
    try:
        x += 1
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_writing_to_the_result_changes_the_argument_as_in_numpy(f):
    array, tensor = A.copy(), tg.Parameter(A) * 1.0
    assert write(f(array)) == write(f(tensor))
    np.testing.assert_array_equal(tensor.detach().data, array)


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_writing_to_the_argument_changes_the_result_as_in_numpy(f):
    array, tensor = A.copy(), tg.Parameter(A) * 1.0
    of_array, of_tensor = f(array), f(tensor)
    array += 1
    tensor += 1
    np.testing.assert_array_equal(of_tensor.detach().data, of_array)
