"""The peak memory of a training step of size 200-3072-50-10 in float32, ours over hand-written.

    python -m benchmarks.memory

Counted by tracemalloc, to which NumPy reports every array: what a step allocates on top of its
parameters and data, at its highest, and what is kept for it between the steps: the buffers and the
program of a compiled one.
"""

from benchmarks import one_thread  # noqa: F401, I001 (before NumPy)

import gc
import tracemalloc

from benchmarks.two_layer_step import SIZES, compiled, hand_written, ours, problem


def peak(make, params, X, y):
    """The most bytes that a step holds at once, with all that is kept for it."""
    warm = make(params, X, y)  # imports and other things of the first time
    warm()
    del warm
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    step = make(params, X, y)
    step()
    gc.collect()
    tracemalloc.reset_peak()
    step()
    _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return highest - before


def main():
    """Print the peaks and their ratios to that of the hand-written step."""
    params, X, y = problem(*SIZES[-1])
    steps = {
        "hand-written": hand_written,
        "ours": ours,
        "ours-numpy": compiled("numpy"),
        "ours-numba": compiled("numba"),
    }
    peaks = {}
    for name, make in steps.items():
        try:
            peaks[name] = peak(make, params, X, y)
        except ImportError:
            continue
        print(f"{name:<14}{peaks[name] / 1e6:6.2f} MB {peaks[name] / peaks['hand-written']:5.2f}x")


if __name__ == "__main__":
    main()
