"""Recording or not: no_grad, what a transform or a trace leaves behind, threads and tasks."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest

import tinygrad_nn as tg
from tinygrad_nn.node import MODE

X = np.array([1.0, 2.0, 3.0])


def squares(x: Any) -> Any:
    return np.sum(x * x)


def test_transforms_differentiate_inside_no_grad() -> None:
    with tg.no_grad():
        np.testing.assert_array_equal(tg.grad(squares)(X), 2 * X)
        np.testing.assert_array_equal(tg.hessian(squares)(X), 2 * np.eye(3))
        assert tg.jvp(squares, (X,), (X,))[1] == 28.0
        assert not MODE.get().grad


def test_what_runs_inside_no_grad_is_a_constant_of_the_function() -> None:
    def f(x: Any) -> Any:
        with tg.no_grad():
            top = x.max()
        return np.sum(x * top)

    np.testing.assert_array_equal(tg.grad(f)(X), [3, 3, 3])


def test_closures_over_parameters_are_constants_of_grad_and_leaves_of_backward() -> None:
    W = tg.Parameter(X)
    np.testing.assert_array_equal(tg.grad(lambda x: np.sum(W * x))(2 * X), X)
    assert W.grad is None
    inner = tg.vjp(lambda x: W * x * x, X)[1]
    np.testing.assert_array_equal(inner(np.ones(3))[0], 2 * X * X)


def test_backward_inside_a_function_being_differentiated_is_differentiated_too() -> None:
    W = tg.Parameter(X)

    def f(x: Any) -> Any:
        W.grad = None
        np.sum(W * x * x).backward()
        return W.grad.sum()

    np.testing.assert_array_equal(tg.grad(f)(X), 2 * X)


class StoppedError(Exception):
    """Raised by a function under a transform."""


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: tg.grad(f)(X),
        lambda f: tg.grad(lambda x: tg.grad(f)(x).sum())(X),
        lambda f: tg.vjp(f, X),
        lambda f: tg.jvp(f, (X,), (X,)),
        lambda f: tg.hessian(f)(X),
        lambda f: tg.trace(f, X),
        lambda f: tg.no_grad()(f)(X),
        lambda f: tg.grad(lambda x: tg.trace(f, x))(X),
    ],
)
def test_a_function_that_raises_leaves_no_state_behind(transform: Any) -> None:
    def f(x: Any) -> Any:
        x * x
        raise StoppedError

    with pytest.raises(StoppedError):
        transform(f)
    mode = MODE.get()
    assert (mode.grad, mode.tape, mode.transforms, mode.eager) == (True, None, 0, True)


def test_no_grad_is_a_context_and_a_decorator_and_may_be_entered_again() -> None:
    w, quiet = tg.Parameter(X), tg.no_grad()
    with quiet:
        with quiet:
            assert not (w * w).requires_grad
        assert not (w * w).requires_grad
    assert (w * w).requires_grad

    @tg.no_grad()
    def predict(x: Any) -> Any:
        """Docs."""
        return x * w

    assert not predict(X).requires_grad
    assert predict.__doc__ == "Docs."


def test_a_generator_may_record_nothing() -> None:
    w = tg.Parameter(X)

    def losses() -> Any:
        for _ in range(2):
            with tg.no_grad():
                loss = squares(w)
            yield loss

    for loss in losses():
        assert not loss.requires_grad
        assert squares(w).requires_grad


def test_tasks_do_not_disturb_one_another() -> None:
    w = tg.Parameter(X)

    async def quiet() -> bool:
        with tg.no_grad():
            await asyncio.sleep(0.001)
            return squares(w).requires_grad

    async def loud() -> bool:
        await asyncio.sleep(0)
        return squares(w).requires_grad

    async def both() -> Any:
        return await asyncio.gather(quiet(), loud(), quiet(), loud())

    assert asyncio.run(both()) == [False, True, False, True]


def test_threads_do_not_disturb_one_another() -> None:
    wrong: list[str] = []
    ready = threading.Barrier(4)

    def check(holds: bool, what: str) -> None:
        if not holds:
            wrong.append(what)

    def quietly() -> None:
        w = tg.Parameter(X)
        with tg.no_grad():
            check(not squares(w).requires_grad, "recorded inside no_grad")

    def training() -> None:
        w = tg.Parameter(X)
        squares(w).backward()
        check(bool(np.all(w.grad == 2 * X)), "backward")
        with tg.no_grad():
            w -= w.grad
        check(bool(np.all(w.data == -X)), "the update")

    def transforming() -> None:
        check(bool(np.all(tg.hessian(squares)(X) == 2 * np.eye(3))), "hessian")

    def tracing() -> None:
        check(len(tg.trace(squares, X).nodes) == 2, "the trace has another thread's nodes")

    def repeat(work: Any) -> None:
        ready.wait()
        for _ in range(100):
            work()

    threads = [
        threading.Thread(target=repeat, args=(work,))
        for work in (quietly, training, transforming, tracing)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_thread_started_inside_no_grad_records() -> None:
    found = []
    with tg.no_grad():
        thread = threading.Thread(
            target=lambda: found.append(squares(tg.Parameter(X)).requires_grad)
        )
        thread.start()
        thread.join()
    assert found == [True]
