"""The time to import the package, over that to import NumPy, each in new processes by turns.

    python -m benchmarks.import_time [--rounds 15]

Both are imported from bytecode, as installed packages are; it is written to a temporary folder.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time


def seconds(module, environment):
    """How long a new interpreter takes to start, import ``module``, and end."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True, env=environment)
    return time.perf_counter() - start


def main():
    """Print the medians and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    times = {module: [] for module in ("sys", "numpy", "tinygrad_nn")}
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for module in times:
            seconds(module, environment)
        for _ in range(rounds):
            for module, found in times.items():
                found.append(seconds(module, environment))
    empty, numpy, ours = (statistics.median(found) for found in times.values())
    numpy, ours = numpy - empty, ours - empty  # what a bare interpreter takes is not the import's
    print(f"import numpy {1e3 * numpy:.0f} ms, import tinygrad_nn {1e3 * ours:.0f} ms: ", end="")
    print(f"{ours / numpy:.2f}x")


if __name__ == "__main__":
    main()
