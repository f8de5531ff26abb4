"""The time to import the package, over that to import NumPy, each in new processes by turns.

python -m benchmarks.import_time [--rounds 15]
"""

import argparse
import statistics
import subprocess
import sys
import time


def seconds(module):
    """How long a new interpreter takes to import ``module``, less an interpreter that does not."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - start


def main():
    """Print the medians and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    times = {module: [] for module in ("sys", "numpy", "tinygrad_nn")}
    for _ in range(rounds):
        for module, found in times.items():
            found.append(seconds(module))
    empty, numpy, ours = (statistics.median(found) for found in times.values())
    numpy, ours = numpy - empty, ours - empty  # what a bare interpreter takes is not the import's
    print(f"import numpy {1e3 * numpy:.0f} ms, import tinygrad_nn {1e3 * ours:.0f} ms: ", end="")
    print(f"{ours / numpy:.2f}x")


if __name__ == "__main__":
    main()
