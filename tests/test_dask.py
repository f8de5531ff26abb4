"""Other arrays inside tensors: Dask's, and a class that speaks NumPy's protocols and no more."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest

import tinygrad_nn as tg

RANDOM = np.random.default_rng(0)
DATA, LABELS = RANDOM.normal(size=(12, 5)), np.arange(12) % 3
PARAMETERS = [RANDOM.normal(size=shape) for shape in ((5, 8), (8,), (8, 3), (3,))]


def loss(data: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    h1 = np.maximum(0, data @ W1 + b1)
    scores = np.tanh(h1 @ W2) + b2
    return tg.cross_entropy(scores, LABELS) + 0.01 * (np.sum(W1 * W1) + np.sum(W2**2))


def lazily(x: Any) -> Any:
    return da.from_array(x, chunks=4)


class Duck:
    """An array that is none of NumPy's, and counts how often it is asked to become one."""

    __array_priority__ = 10
    conversions = 0

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        Duck.conversions += 1
        return self.values

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return ducked(getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return ducked(function, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(self.values, name)
        if not callable(value):
            return Duck(value) if isinstance(value, np.ndarray) else value
        return lambda *args, **kwargs: ducked(value, args, kwargs)

    def __getitem__(self, index: Any) -> Any:
        return Duck(self.values[index])


def _operator(name: str) -> Any:
    def operate(self: Duck, *others: Any) -> Any:
        return ducked(getattr(np.ndarray, name), (self, *others), {})

    return operate


for _name in ("add", "sub", "mul", "truediv", "pow", "matmul"):
    for _side in ("", "r"):
        setattr(Duck, f"__{_side}{_name}__", _operator(f"__{_side}{_name}__"))
for _name in ("neg", "gt", "lt", "ge", "le", "eq", "ne"):
    setattr(Duck, f"__{_name}__", _operator(f"__{_name}__"))


def ducked(function: Any, args: Any, kwargs: Any) -> Any:
    def bare(x: Any) -> Any:
        if isinstance(x, (list, tuple)):
            return type(x)(map(bare, x))
        return x.values if isinstance(x, Duck) else x

    result = function(*bare(args), **{key: bare(value) for key, value in kwargs.items()})
    return Duck(result) if isinstance(result, (np.ndarray, np.generic)) else result


def plain(x: Any) -> Any:
    return x.values if isinstance(x, Duck) else np.asarray(x)


@pytest.mark.parametrize("kind", [lazily, Duck])
def test_a_network_and_its_gradients_agree_with_numpy(kind: Any) -> None:
    value, grads = tg.value_and_grad(loss, (1, 2, 3, 4))(DATA, *PARAMETERS)
    tensors = [tg.Tensor(kind(x), requires_grad=True) for x in PARAMETERS]
    Duck.conversions = 0
    result = loss(tg.Tensor(kind(DATA)), *tensors)
    result.backward()
    assert Duck.conversions == 0
    assert isinstance(result.data, type(kind(DATA)))
    np.testing.assert_allclose(plain(result.data), value, rtol=1e-14)
    for t, g in zip(tensors, grads, strict=True):
        assert isinstance(t.grad, type(kind(DATA)))
        np.testing.assert_allclose(plain(t.grad), g, atol=1e-15)


def test_nothing_is_computed_before_it_is_asked_for() -> None:
    seen = []

    def reading(block: Any) -> Any:
        if block.size:  # not Dask's question about the type
            seen.append(block.shape)
        return block

    data = lazily(DATA).map_blocks(reading, dtype=float, meta=np.zeros((0, 0)))
    tensors = [tg.Tensor(lazily(x), requires_grad=True) for x in PARAMETERS]
    result = loss(tg.Tensor(data), *tensors)
    result.backward()
    assert seen == []
    tensors[0].grad.compute()
    assert seen != []


@pytest.mark.parametrize("kind", [lazily, Duck])
def test_transforms_take_other_arrays(kind: Any) -> None:
    x = PARAMETERS[1]

    def f(x: Any) -> Any:
        return np.sum(np.tanh(x) * x)

    np.testing.assert_allclose(plain(tg.grad(f)(kind(x))), tg.grad(f)(x))
    out, tangent = tg.jvp(np.tanh, (kind(x),), (kind(x),))
    np.testing.assert_allclose(plain(out), np.tanh(x))
    np.testing.assert_allclose(plain(tangent), x * (1 - np.tanh(x) ** 2))
    _, pullback = tg.vjp(np.tanh, kind(x))
    np.testing.assert_allclose(plain(pullback(kind(x))[0]), plain(tangent))
    np.testing.assert_allclose(plain(tg.hvp(f, kind(x), kind(x))), tg.hvp(f, x, x))


def test_a_parameter_of_dask_is_updated() -> None:
    w = tg.Parameter(lazily(PARAMETERS[1]))
    (w * w).sum().backward()
    with tg.no_grad():
        w -= 0.5 * w.grad
    assert w.requires_grad
    np.testing.assert_allclose(w.data.compute(), np.zeros(8))
    w.data = w.data + 1.0
    np.testing.assert_allclose(w.data.compute(), np.ones(8))
    assert isinstance(w.data, da.Array)
