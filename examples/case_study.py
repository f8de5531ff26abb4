"""The case study: a linear classifier and a two-layer network, from data to checked gradients.

    python3 run.py demo [--out DIR] [--quick] [--compile numpy|numba]

Trains both on the spiral, beside the published figures, and the network on handwritten digits;
checks every gradient three ways; and draws data, decisions, training and computation graphs.
"""

import argparse
import os
import sys
import textwrap
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[1]
# So that `models` is found from any folder, and this one's name is not taken for another package.
sys.path.insert(0, str(ROOT))
# Arrays this small gain nothing from more threads, and with one the results repeat to the last bit.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

try:
    import numpy as np
    from tqdm import tqdm

    import tinygrad_nn as tg
    from examples import plots
    from models import (
        softmax_classifier,
        softmax_classifier_analytic,
        svm_classifier,
        svm_classifier_analytic,
        two_layer_net,
        two_layer_net_analytic,
    )
    from models.softmax_classifier import SoftmaxClassifier
    from models.svm_classifier import SVMClassifier
    from models.two_layer_net import TwoLayerNet
    from tinygrad_nn.check import compare
    from tinygrad_nn.datasets import digits, spiral, toy, toy_parameters
except ModuleNotFoundError as error:
    sys.exit(
        f"case_study.py needs {error.name}, which is not installed; in {ROOT} run:  "
        "python3 -m pip install -e '.[demo]'"
    )
except KeyboardInterrupt:
    sys.exit(130)

# Loss by iteration, and accuracy after the last. Source: CS231n, "Putting it together: Minimal
# Neural Network Case Study".
PUBLISHED_LINEAR = {180: 0.786331, 190: 0.786302}
PUBLISHED_LINEAR_ACCURACY = 0.49
PUBLISHED_NET = {0: 1.0987, 1000: 0.2949, 2000: 0.2593, 9000: 0.2453}
PUBLISHED_NET_ACCURACY = 0.98

FULL = SimpleNamespace(linear_iterations=200, net_iterations=10_000, digits_epochs=50)
QUICK = SimpleNamespace(linear_iterations=20, net_iterations=100, digits_epochs=3)


def main(arguments=None):
    """Run the case study; return the exit status, 1 if a gradient or a picture is not right."""
    options = parse(arguments)
    size = QUICK if options.quick else FULL
    backend = options.compile
    start = time.perf_counter()
    say(
        "The case study. Each model (folder models/) is a forward pass and a loss, in NumPy; the "
        "gradients that train it are derived by tinygrad_nn."
    )
    if options.quick:
        say("A quick run: too few iterations to be compared with published figures.")
    if backend is not None:
        say(f"The steps of the training are compiled: tg.compile, backend {backend!r}.")
    spirals = train_on_spiral(size, backend)
    images = train_on_digits(size, backend)
    agree = check_gradients()
    drawn = draw(options.out, spirals, images)
    say(f"Done in {time.perf_counter() - start:.0f} s.")
    return 0 if agree and drawn else 1


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="case_study.py",
        description="Train, check and draw the models of the case study.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("out"), help="folder for the pictures: out"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a few iterations, to see that it runs"
    )
    parser.add_argument(
        "--compile",
        metavar="BACKEND",
        choices=("numpy", "numba"),
        help="train with compiled steps: numpy, or numba (which has to be installed)",
    )
    options = parser.parse_args(arguments)
    try:
        # Before the training, not after it.
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--out: no folder can be made at {options.out} ({error.strerror})")
    return options


def train_on_spiral(size, backend=None):
    """Train the linear classifier and the network; return the data, both models and histories."""
    state = np.random.RandomState(0)
    X, y = spiral(seed=state)
    linear = SoftmaxClassifier(2, 3, rng=state)
    net = TwoLayerNet(2, 100, 3, weight_scale=0.01, rng=state)

    heading("1", f"A linear softmax classifier on the spiral, {size.linear_iterations} iterations")
    say("300 points in 3 classes, all in each iteration; step 1.0, L2 strength 0.001.")
    linear_history = descend(linear, X, y, size.linear_iterations, backend)
    losses = linear_history.loss
    beside_published(losses, linear.accuracy(X, y), PUBLISHED_LINEAR, PUBLISHED_LINEAR_ACCURACY, 6)
    if size is FULL and agree_to(losses, PUBLISHED_LINEAR, 6):
        say(
            "All digits agree although the first weights differ: the loss is convex, so every "
            "start leads to the same minimum. Not a good one: straight lines cannot part a spiral."
        )

    heading("2", f"The two-layer network on the spiral, {size.net_iterations:,} iterations")
    say("The same data and settings, with a hidden layer of 100 units (relu) in between.")
    net_history = descend(net, X, y, size.net_iterations, backend)
    losses = net_history.loss
    beside_published(losses, net.accuracy(X, y), PUBLISHED_NET, PUBLISHED_NET_ACCURACY, 4)
    if size is FULL:
        furthest = max(PUBLISHED_NET, key=lambda i: abs(losses[i] - PUBLISHED_NET[i]))
        say(
            "This loss is not convex, and our first weights are another draw than the published "
            f"run's. So the paths differ, most at iteration {furthest:,}; they end at about the "
            "same loss."
        )
    return SimpleNamespace(
        X=X, y=y, linear=linear, net=net, linear_loss=linear_history.loss, net_loss=losses
    )


def descend(model, X, y, iterations, backend=None):
    """Train on all samples at once, with a bar in a terminal; return the history."""
    with bar(iterations, "training") as progress:
        return model.train(
            X,
            y,
            X,
            y,
            learning_rate=1.0,
            reg=1e-3,
            num_iters=iterations,
            batch_size=None,
            progress=lambda i, loss: progress.update(),
            backend=backend,
        )


def beside_published(losses, accuracy, published, published_accuracy, decimals):
    """Print our losses and accuracy beside the published ones, if the run is long enough."""
    if max(published) < len(losses):
        rows = [("iteration", "published loss", "our loss", "difference")]
        for i, loss in published.items():
            difference = f"{losses[i] - loss:+.{decimals}f}"
            rows.append((f"{i:,}", f"{loss:.{decimals}f}", f"{losses[i]:.{decimals}f}", difference))
        rows.append(("accuracy", percent(published_accuracy), percent(accuracy), ""))
    else:
        rows = [("iteration", "our loss")]
        rows += [(f"{i:,}", f"{losses[i]:.{decimals}f}") for i in (0, len(losses) - 1)]
        rows.append(("accuracy", percent(accuracy)))
    table(rows, ">>>>")


def agree_to(losses, published, decimals):
    return all(round(losses[i], decimals) == loss for i, loss in published.items())


def train_on_digits(size, backend=None):
    """Train the network on the digits; return it, its history and the held-out images."""
    X, y, X_val, y_val = digits().split()
    net = TwoLayerNet(64, 100, 10, weight_scale=0.1, rng=np.random.RandomState(0))
    epochs, batch = size.digits_epochs, 50
    per_epoch = len(X) // batch

    heading("3", f"The same network on handwritten digits, {epochs} epochs")
    say(
        f"{len(X):,} images of 8 x 8 pixels to learn from, {len(X_val)} held out to judge by; "
        f"batches of {batch}, step 0.5 that shrinks by 5 % an epoch. The accuracy:"
    )
    accuracies = [(0, net.accuracy(X, y), net.accuracy(X_val, y_val))]
    with bar(epochs * per_epoch, "training") as progress:

        def after_iteration(i, loss):
            progress.update()
            epoch, rest = divmod(i + 1, per_epoch)
            if rest == 0:
                accuracies.append((epoch, net.accuracy(X, y), net.accuracy(X_val, y_val)))

        history = net.train(
            X,
            y,
            X_val,
            y_val,
            learning_rate=0.5,
            learning_rate_decay=0.95,
            reg=1e-3,
            num_iters=epochs * per_epoch,
            batch_size=batch,
            rng=np.random.RandomState(1),
            progress=after_iteration,
            backend=backend,
        )
    shown = [row for row in accuracies if row[0] in (0, 1, 2, 5, 10, 20, epochs)]
    rows = [
        (f"{epoch}", percent(training, 1), percent(held_out, 1))
        for epoch, training, held_out in shown
    ]
    table([("epoch", "training digits", "held-out digits"), *rows], ">>>")
    right = int(np.sum(net.predict(X_val) == y_val))
    say(f"Of the {len(X_val)} digits that it never saw, the network reads {right} correctly.")
    return SimpleNamespace(
        net=net, X_val=X_val, y_val=y_val, loss=history.loss, accuracies=accuracies
    )


def check_gradients():
    """Compare every gradient three ways, print the tables, and return whether all agree."""
    heading("4", "Every gradient, three ways")
    table(
        [
            ("autodiff", "derived by tinygrad_nn from the loss"),
            ("by hand", "the formulas in models/*_analytic.py"),
            ("numeric", "differences of the loss between points close by"),
        ],
        "<<",
    )
    say(
        "The tables hold the largest relative difference of any entry, |a-b| / (|a|+|b|). Numeric "
        "gradients are rounded, so 1e-7 is good; the other two should agree to 1e-12 or so."
    )
    X, y = spiral()
    some = np.random.RandomState(0).choice(len(X), 30, replace=False)
    problems = [
        ("The toy problem: 5 samples, 4 inputs, 10 hidden units, 3 classes", *toy(), 10),
        (
            "A batch of the spiral: 30 points, 2 inputs, 100 hidden units, 3 classes",
            X[some],
            y[some],
            100,
        ),
    ]
    agree = True
    for title, X, y, hidden in problems:
        say(f"{title}:")
        agree &= check_models(X, y, hidden)
    if agree:
        say("All agree: for every parameter, the three ways lead to the same gradient.")
    else:
        say("NOT all agree: see the verdicts above.")
    return agree


def check_models(X, y, hidden):
    """Check the three models on one batch; print a table and return whether all agree."""
    inputs, classes = X.shape[1], 3
    models = [
        ("linear softmax", SoftmaxClassifier, softmax_classifier, softmax_classifier_analytic),
        ("linear SVM", SVMClassifier, svm_classifier, svm_classifier_analytic),
        ("two-layer net", TwoLayerNet, two_layer_net, two_layer_net_analytic),
    ]
    rows = [
        ("", "", "", "autodiff", "autodiff", "by hand", ""),
        ("model", "", "shape", "by hand", "numeric", "numeric", "verdict"),
    ]
    failed = []
    for name, classifier, declared, analytic in models:
        sizes = (inputs, hidden, classes) if classifier is TwoLayerNet else (inputs, classes)
        state = np.random.RandomState(0)
        params = classifier(*sizes, weight_scale=0.1, rng=state).params
        for parameter in params.values():
            if parameter.ndim == 1:
                # A fault in a bias could hide at zero.
                parameter += 0.1 * state.randn(len(parameter))
        report = compare(declared.loss, analytic.loss_and_gradients, params, X, y, 0.1, "half")
        for row in report.rows:
            errors = (row.autodiff_analytic, row.autodiff_numeric, row.analytic_numeric)
            shape = " x ".join(map(str, row.shape))
            rows.append((name, row.parameter, shape, *map(figure, errors), row.verdict))
            name = ""
        if not report.ok:
            failed.append(f"{declared.__name__}:\n{report}")
    table(rows, "<<>>>><")
    for text in failed:
        print(f"\n{text}")
    return not failed


def draw(out, spirals, images):
    """Draw everything into the folder `out`, say what is there; return whether all went well."""
    heading("5", f"Pictures, in the folder {out}")
    pictures = [*charts(spirals, images), *graphs()]
    rows, failures = [], []
    with bar(len(pictures), "drawing") as progress:
        for name, shows, drawing in pictures:
            try:
                drawing(out / name)
                rows.append((name, shows))
            except (tg.TinygradError, OSError) as error:
                failures.append(f"{name} could not be drawn: {error}")
            progress.update()
    table(rows, "<<")
    for text in failures:
        print(text, file=sys.stderr)
    return not failures


def charts(spirals, images):
    """Return (file name, what it shows, function that draws it at a path) for each chart."""
    X, y, linear, net = spirals.X, spirals.y, spirals.linear, spirals.net
    panels = [
        (f"Linear softmax: {percent(linear.accuracy(X, y))} right", linear),
        (f"Two-layer network: {percent(net.accuracy(X, y))} right", net),
    ]
    losses = spirals.linear_loss, spirals.net_loss
    # Iteration 0 has no place on the logarithmic axis.
    published = [(i, loss) for i, loss in PUBLISHED_NET.items() if 0 < i < len(losses[1])]
    digits_net, X_val, y_val = images.net, images.X_val, images.y_val
    predicted = digits_net.predict(X_val)
    return [
        (
            "spiral_data.png",
            "the points of the spiral",
            partial(plots.spiral_data, X=X, y=y),
        ),
        (
            "decision_boundaries.png",
            "what either model predicts at every place of the plane",
            partial(plots.decision_boundaries, X=X, y=y, models=panels),
        ),
        (
            "loss_curves.png",
            "the loss of both on the spiral; it leaps, as the step is large",
            partial(plots.loss_curves, linear=losses[0], net=losses[1], published=published),
        ),
        (
            "digits_training.png",
            "loss and accuracy as the network learns the digits",
            partial(plots.digits_training, loss=images.loss, accuracies=images.accuracies[1:]),
        ),
        (
            "digits_weights.png",
            "the weights into each hidden unit, as images",
            partial(plots.first_layer_weights, W1=digits_net.params["W1"]),
        ),
        (
            "digits_predictions.png",
            "held-out digits with the network's answers, wrong ones marked",
            partial(plots.predictions, X=X_val, labels=y_val, predicted=predicted),
        ),
    ]


def graphs():
    """Return the same for the computation graph of the two-layer network's loss, toy-sized."""
    params = toy_parameters()
    graph = tg.trace(two_layer_net.loss, params, *toy(), 0.1, "half")
    forward = "the computation graph of the two-layer network's loss"
    backward = "the same, with the sizes of the gradients that flow back"
    draw_forward = partial(graph.render, parameters=list(params))
    draw_backward = partial(draw_forward, gradients=True)
    return [
        ("graph.svg", forward, draw_forward),
        ("graph.png", forward, draw_forward),
        ("graph_with_gradients.svg", backward, draw_backward),
        ("graph_with_gradients.png", backward, draw_backward),
    ]


def heading(number, title):
    print(f"\n\n{number}. {title}")


def say(text):
    """Print a paragraph."""
    print("\n" + textwrap.fill(text, 80))


def table(rows, align):
    """Print rows of text in columns, each aligned left (<) or right (>)."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    print()
    for row in rows:
        cells = [f"{cell:{to}{width}}" for cell, to, width in zip(row, align, widths)]
        print(("   " + "   ".join(cells)).rstrip())


def percent(share, decimals=0):
    return f"{100 * share:.{decimals}f} %"


def figure(error):
    """Write an error with its order of magnitude, which is all that matters; - if there is none."""
    return "-" if np.isnan(error) else f"{error:.0e}" if error else "0"


def bar(total, name):
    """Return a progress bar that vanishes when done, and does not show in a log."""
    return tqdm(total=total, desc=name, leave=False, disable=None)


if __name__ == "__main__":
    try:
        # So that a log, or a pipe, shows each section when it starts.
        sys.stdout.reconfigure(line_buffering=True)
        sys.exit(main())
    except BrokenPipeError:
        # The reader is gone (`| head`); without this, Python complains once more while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
