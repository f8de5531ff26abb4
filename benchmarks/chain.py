"""A chain of 300,000 elementwise operations on one number: time, memory, and how it is freed.

    python -m benchmarks.chain [--length 300000]

Each contestant runs in a process of its own, so that memory is its own: the growth of the resident
set from before the chain to after its forward pass, divided by the number of operations.
"""

from benchmarks import one_thread  # noqa: F401, I001 (before NumPy)

import argparse
import gc
import json
import resource
import subprocess
import sys
import time


def _ours():
    import tinygrad_nn as tg

    return tg.Tensor(1.0, requires_grad=True)


def _torch():
    import torch

    torch.set_num_threads(1)
    return torch.tensor(1.0, dtype=torch.float64, requires_grad=True)


LEAVES = {"ours": _ours, "torch": _torch}


def _resident():
    try:
        with open("/proc/self/statm") as f:
            return int(f.read().split()[1]) * resource.getpagesize()
    except OSError:  # no Linux: the peak so far, in kilobytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _forward(x, length):
    y = x
    for _ in range(length // 2):
        y = y * 1.0000001
        y = y + 1e-7
    return y


def run(name, length):
    """Seconds and bytes of one contestant."""
    x = LEAVES[name]()
    _forward(x, 1000).backward()
    x.grad = None
    gc.collect()
    gc.disable()  # what is freed below is freed by reference counting alone
    before = _resident()
    start = time.perf_counter()
    y = _forward(x, length)
    forward = time.perf_counter()
    memory = _resident() - before
    y.backward()
    backward = time.perf_counter()
    del y
    freed = time.perf_counter()
    return {
        "forward": (forward - start) / length * 1e6,
        "backward": (backward - forward) / length * 1e6,
        "free": (freed - backward) / length * 1e6,
        "bytes": memory / length,
        "left": max(0, _resident() - before) / length,
        "cycles": gc.collect(),
    }


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--length", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", choices=LEAVES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(run(options.child, options.length)))
        return
    print(f"{'':8}{'forward':>10}{'backward':>10}{'freeing':>10}  us an operation")
    for name in LEAVES:
        best = None
        for _ in range(options.rounds):
            command = [sys.executable, "-m", "benchmarks.chain", "--child", name]
            done = subprocess.run(
                [*command, "--length", str(options.length)], capture_output=True, text=True
            )
            if done.returncode:
                break
            found = json.loads(done.stdout.splitlines()[-1])
            if (
                best is None
                or found["forward"] + found["backward"] < best["forward"] + best["backward"]
            ):
                best = found
        if best is None:
            print(f"{name:8}not installed")
            continue
        print(
            f"{name:8}{best['forward']:10.2f}{best['backward']:10.2f}{best['free']:10.2f}"
            f"  {best['bytes']:.0f} bytes an operation, {best['left']:.0f} left after freeing, "
            f"{best['cycles']} objects in cycles"
        )


if __name__ == "__main__":
    main()
