"""The peak memory of a training step of size 200-3072-50-10 in float32, ours over hand-written.

    python -m benchmarks.memory

Counted by tracemalloc, to which NumPy reports every array: what a step allocates on top of its
parameters and data, at its highest.
"""

from benchmarks import one_thread  # noqa: F401, I001 (before NumPy)

import tracemalloc

from benchmarks.two_layer_step import SIZES, hand_written, ours, problem


def peak(step):
    """The most bytes that a step holds at once, beyond what was there before."""
    step()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    step()
    _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return highest - before


def main():
    """Print both peaks and their ratio."""
    params, X, y = problem(*SIZES[-1])
    hand, own = (
        peak(make({k: v.copy() for k, v in params.items()}, X, y)) for make in (hand_written, ours)
    )
    print(f"hand-written {hand / 1e6:.2f} MB, ours {own / 1e6:.2f} MB: {own / hand:.2f}x")


if __name__ == "__main__":
    main()
