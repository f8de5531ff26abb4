"""What calling a compiled function costs, beside its arithmetic.

    python -m benchmarks.call_cost

Three figures: an update of four parameters of one number each, in plain NumPy; the same compiled,
by each backend; and a call that is given the four and copies one of them, in which there is next
to nothing to compute.
"""

from benchmarks import one_thread  # noqa: F401, I001 (before NumPy)

import statistics
import time

import numpy as np

import tinygrad_nn as tg


def measure(f, *args):
    """Median microseconds of a call."""
    f(*args)
    rounds = []
    for _ in range(50):
        start = time.perf_counter()
        for _ in range(1000):
            f(*args)
        rounds.append((time.perf_counter() - start) * 1e3)
    return statistics.median(rounds)


def update(params, gradients, rate):
    """A step of gradient descent, in place."""
    for name, parameter in params.items():
        parameter -= rate * gradients[name]


def main():
    """Print the figures."""
    params = {name: np.zeros(1) for name in ("W1", "b1", "W2", "b2")}
    gradients = {name: np.zeros(1) for name in params}
    plain = measure(update, params, gradients, 0.1)
    print(f"four updates of one number, plain NumPy {plain:6.2f} us")
    for backend in ("numpy", "numba"):
        run = tg.compile(update, backend=backend)
        try:
            took = measure(run, params, gradients, 0.1)
        except ImportError:
            continue
        print(f"                            {backend:<12}{took:6.2f} us")
    nothing = tg.compile(lambda params: params["W1"] * 1.0)
    print(f"a call with four parameters, one copied {measure(nothing, params):6.2f} us")


if __name__ == "__main__":
    main()
