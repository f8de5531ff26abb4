"""One training step of the two-layer network (forward, backward, SGD): ours beside the peers.

    python -m benchmarks.two_layer_step [--rounds 30] [--only ours,torch]

Everything runs in one process with one BLAS thread; the contestants take turns, and the figure is
the median over the rounds of each one's time, and of its ratio to hand-written NumPy in the same
round. "hand-written" is NumPy in the statements of the CS231n case study (a mask by assignment,
``range(N)`` as an index, everything in place); "analytic" is models/two_layer_net_analytic.py,
which multiplies by the mask and checks its labels; "ours-numpy" and "ours-numba" are compiled by
the two backends of ``tg.compile``. Peers that are not installed are left out.
"""

from benchmarks import one_thread  # noqa: F401, I001 (before NumPy)

import argparse
import statistics
import time

import numpy as np

import tinygrad_nn as tg
from models import two_layer_net, two_layer_net_analytic

SIZES = [
    (5, 4, 10, 3, "float64"),
    (300, 2, 100, 3, "float64"),
    (200, 64, 50, 10, "float64"),
    (200, 3072, 50, 10, "float32"),
]
REG, RATE = 1e-3, 1e-2


def problem(n, d, h, c, dtype):
    """Parameters, samples and labels of a size, always the same."""
    rng = np.random.RandomState(0)
    params = {
        "W1": 0.01 * rng.randn(d, h),
        "b1": np.zeros(h),
        "W2": 0.01 * rng.randn(h, c),
        "b2": np.zeros(c),
    }
    params = {name: value.astype(dtype) for name, value in params.items()}
    return params, rng.randn(n, d).astype(dtype), rng.randint(0, c, n)


def update(params, gradients):
    """Stochastic gradient descent, in place."""
    for name, parameter in params.items():
        parameter -= RATE * gradients[name]


def hand_written(params, X, y):
    """The case study's statements, with a stable softmax."""
    N = len(X)

    def step():
        W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
        hidden = np.maximum(0, X @ W1 + b1)
        scores = hidden @ W2 + b2
        exp_scores = np.exp(scores - np.max(scores, axis=1, keepdims=True))
        probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
        data_loss = np.sum(-np.log(probs[range(N), y])) / N
        loss = data_loss + 0.5 * REG * np.sum(W1 * W1) + 0.5 * REG * np.sum(W2 * W2)

        dscores = probs
        dscores[range(N), y] -= 1
        dscores /= N
        dW2 = hidden.T @ dscores
        db2 = np.sum(dscores, axis=0)
        dhidden = dscores @ W2.T
        dhidden[hidden <= 0] = 0
        dW1 = X.T @ dhidden
        db1 = np.sum(dhidden, axis=0)
        dW2 += REG * W2
        dW1 += REG * W1
        update(params, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2})
        return loss

    return step


def analytic(params, X, y):
    """The gradients derived by hand, from the models."""

    def step():
        loss, gradients = two_layer_net_analytic.loss_and_gradients(params, X, y, REG)
        update(params, gradients)
        return loss

    return step


def ours(params, X, y):
    """The network declared with operations, from the models."""
    value_and_grad = tg.value_and_grad(two_layer_net.loss)

    def step():
        loss, gradients = value_and_grad(params, X, y, REG)
        update(params, gradients)
        return loss

    return step


def training_step(params, X, y, reg, rate):
    """What is compiled: loss, gradients and the update in place."""
    loss, gradients = tg.value_and_grad(two_layer_net.loss)(params, X, y, reg)
    for name, parameter in params.items():
        parameter -= rate * gradients[name]
    return loss


def compiled(backend):
    """The same network, its whole step compiled."""

    def contestant(params, X, y):
        if backend == "numba":
            import numba  # noqa: F401 (left out where it is not installed)
        run = tg.compile(training_step, backend=backend)
        return lambda: run(params, X, y, REG, RATE)

    return contestant


def with_torch(params, X, y):
    """PyTorch, eager, with its own cross entropy and an update in place."""
    import torch

    torch.set_num_threads(1)
    W1, b1, W2, b2 = (torch.tensor(p, requires_grad=True) for p in params.values())
    X, y = torch.tensor(X), torch.tensor(y)

    def step():
        scores = torch.relu(X @ W1 + b1) @ W2 + b2
        loss = torch.nn.functional.cross_entropy(scores, y)
        loss = loss + 0.5 * REG * ((W1 * W1).sum() + (W2 * W2).sum())
        loss.backward()
        with torch.no_grad():
            for p in (W1, b1, W2, b2):
                p -= RATE * p.grad
                p.grad = None
        return float(loss.detach())

    return step


def _loss(np, logsumexp, params, X, y):
    """The loss in the NumPy of a peer."""
    a1 = np.maximum(0, X @ params["W1"] + params["b1"])
    scores = a1 @ params["W2"] + params["b2"]
    data_loss = np.mean(logsumexp(scores) - scores[np.arange(len(y)), y])
    return data_loss + 0.5 * REG * (np.sum(params["W1"] ** 2) + np.sum(params["W2"] ** 2))


def with_jax(params, X, y):
    """JAX, the whole step compiled, its buffers donated."""
    import jax

    jax.config.update("jax_enable_x64", True)
    state = {name: jax.numpy.asarray(p) for name, p in params.items()}
    X, y = jax.numpy.asarray(X), jax.numpy.asarray(y)

    def loss(params, X, y):
        return _loss(jax.numpy, lambda s: jax.nn.logsumexp(s, axis=1), params, X, y)

    @jax.jit
    def compiled(params, X, y):
        value, gradients = jax.value_and_grad(loss)(params, X, y)
        return value, jax.tree.map(lambda p, g: p - RATE * g, params, gradients)

    def step():
        nonlocal state
        value, state = compiled(state, X, y)
        return float(value)

    return step


def with_autograd(params, X, y):
    """HIPS autograd."""
    import autograd
    import autograd.numpy as anp
    from autograd.scipy.special import logsumexp

    value_and_grad = autograd.value_and_grad(
        lambda params: _loss(anp, lambda s: logsumexp(s, axis=1), params, X, y)
    )

    def step():
        loss, gradients = value_and_grad(params)
        update(params, gradients)
        return loss

    return step


def with_mygrad(params, X, y):
    """MyGrad, with its own cross entropy."""
    import mygrad as mg
    from mygrad.nnet.losses import softmax_crossentropy

    W1, b1, W2, b2 = (mg.tensor(p) for p in params.values())

    def step():
        a1 = mg.maximum(0, X @ W1 + b1)
        loss = softmax_crossentropy(a1 @ W2 + b2, y)
        loss = loss + 0.5 * REG * (mg.sum(W1 * W1) + mg.sum(W2 * W2))
        loss.backward()
        for p in (W1, b1, W2, b2):
            p.data -= RATE * p.grad
            p.null_grad()
        return float(loss)

    return step


CONTESTANTS = {
    "hand-written": hand_written,
    "analytic": analytic,
    "ours": ours,
    "ours-numpy": compiled("numpy"),
    "ours-numba": compiled("numba"),
    "torch": with_torch,
    "jax.jit": with_jax,
    "autograd": with_autograd,
    "mygrad": with_mygrad,
}


def measure(size, names, rounds):
    """Median microseconds, and median ratio to hand-written, of each contestant."""
    params, X, y = problem(*size)
    steps, losses = {}, {}
    for name in names:
        try:
            steps[name] = CONTESTANTS[name]({k: v.copy() for k, v in params.items()}, X, y)
        except ImportError:
            continue
        losses[name] = [float(steps[name]()) for _ in range(3)]
    for name, values in losses.items():
        assert np.allclose(values, losses["hand-written"], rtol=1e-5), (name, values)
    count = max(3, int(0.02 / _time(steps["hand-written"], 3)))
    seconds = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            seconds[name].append(_time(step, count))
    hand = seconds["hand-written"]
    return {
        name: (
            statistics.median(s) * 1e6,
            statistics.median(a / b for a, b in zip(s, hand, strict=True)),
        )
        for name, s in seconds.items()
    }


def _time(step, count):
    start = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - start) / count


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--only", default=",".join(CONTESTANTS), help="names, with commas")
    options = parser.parse_args()
    names = ["hand-written", *(n for n in options.only.split(",") if n != "hand-written")]
    print(f"{'N-D-H-C':<16}" + "".join(f"{name:>18}" for name in names))
    for size in SIZES:
        results = measure(size, names, options.rounds)
        label = "-".join(map(str, size[:4])) + (" f32" if size[4] == "float32" else "")
        cells = [
            f"{results[n][0]:8.0f} us {results[n][1]:5.2f}x" if n in results else "not installed"
            for n in names
        ]
        print(f"{label:<16}" + "".join(f"{cell:>18}" for cell in cells))


if __name__ == "__main__":
    main()
