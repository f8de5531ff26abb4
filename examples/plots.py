"""The pictures of the case study, all in one style. Nothing opens a window.

Figures are made without pyplot, so that no state is shared and every one is freed after use.
"""

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter

# Okabe and Ito's colours, which remain apart in every common kind of colour blindness; classes also
# differ by marker, so that a print in grey can be read.
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
INK, GREY = "#222222", "#767676"
CLASSES = [(BLUE, "o"), (ORANGE, "s"), (GREEN, "^")]

STYLE = {
    "figure.dpi": 150,
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.titlesize": 13,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 2,
}


def spiral_data(path, X, y):
    """The points of the spiral, X (N, 2), by class."""
    with rc_context(STYLE):
        figure = Figure(figsize=(6, 6))
        axes = figure.subplots()
        _points(axes, X, y)
        axes.set_title("The spiral: three classes that no straight line separates")
        axes.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1))
        axes.legend(loc="lower right", frameon=False, handletextpad=0.1)
        figure.savefig(path)


def decision_boundaries(path, X, y, models):
    """The plane in the colours of the predicted classes, a panel for each `(title, model)`."""
    with rc_context(STYLE):
        figure = Figure(figsize=(10.4, 5.6))
        panels = figure.subplots(1, len(models), sharex=True, sharey=True)
        for axes, (title, model) in zip(panels, models):
            _regions(axes, model, extent=1.1)
            _points(axes, X, y)
            axes.set_title(title)
            axes.label_outer()
        figure.savefig(path)


def loss_curves(path, linear, net, published):
    """The loss of both classifiers by iteration, and `published`, pairs (iteration, loss)."""
    with rc_context(STYLE):
        figure = Figure(figsize=(8, 5))
        axes = figure.subplots()
        for loss, colour, label in (
            (linear, ORANGE, "linear softmax"),
            (net, BLUE, "two-layer network"),
        ):
            # A logarithmic axis has no place for iteration 0.
            axes.plot(np.arange(1, len(loss)), loss[1:], color=colour, label=label)
        start = np.log(3)
        axes.axhline(start, color=GREY, linewidth=1, linestyle=":")
        axes.text(1, start + 0.012, "guessing among 3 classes: ln 3", color=GREY, fontsize=10)
        if published:
            points = dict(fillstyle="none", markersize=8, label="two-layer network, published")
            axes.plot(*zip(*published), "o", color=INK, **points)
        axes.legend(loc="lower left", frameon=False)
        axes.set(xscale="log", xlim=(0.9, None), ylim=(0, 1.22), xlabel="iteration", ylabel="loss")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_title("Training on the spiral: the hidden layer makes the difference")
        figure.savefig(path)


def digits_training(path, loss, accuracies):
    """The loss by iteration, and `accuracies`: rows (epoch, training, held out)."""
    epochs, training, held_out = np.transpose(accuracies)
    lowest = np.floor(20 * min(training.min(), held_out.min())) / 20
    with rc_context(STYLE):
        figure = Figure(figsize=(10.4, 4.4))
        left, right = figure.subplots(1, 2)
        left.plot(np.arange(len(loss)) * epochs[-1] / len(loss), loss, color=BLUE, linewidth=0.8)
        left.set(ylabel="loss of the batch", ylim=(0, None))
        left.set_title("Loss on the digits")
        right.plot(epochs, training, color=ORANGE, label="training digits")
        right.plot(epochs, held_out, color=BLUE, label="held-out digits")
        right.set(ylabel="accuracy", ylim=(lowest, 1.005))
        right.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
        right.legend(loc="lower right", frameon=False)
        right.set_title(f"Accuracy: {100 * held_out[-1]:.1f} % on digits it never saw")
        for axes in (left, right):
            axes.set(xlabel="epoch", xlim=(0, None))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        figure.savefig(path)


def first_layer_weights(path, W1):
    """The weights into each hidden unit, columns of W1 (64, H), as images of 8 x 8 pixels."""
    # The strongest units first: the eye finds an order where the network has none.
    order = np.argsort(-np.linalg.norm(W1, axis=0))
    images = W1.T[order].reshape(-1, 8, 8)
    with rc_context(STYLE):
        figure = Figure(figsize=(7.4, 6.5))
        axes = figure.subplots()
        largest = np.abs(W1).max()
        columns = int(np.ceil(np.sqrt(len(images))))
        shown = axes.imshow(_mosaic(images, columns), cmap="PuOr", vmin=-largest, vmax=largest)
        axes.axis("off")
        axes.set_title(f"What the {len(images)} hidden units look for, strongest first")
        bar = figure.colorbar(shown, ax=axes, shrink=0.6, aspect=30, label="weight of a pixel")
        bar.outline.set_visible(False)
        figure.savefig(path)


def predictions(path, X, labels, predicted, columns=12):
    """Held-out digits, rows of X (N, 64), each with its predicted label, and the wrong ones."""
    wrong = np.flatnonzero(labels != predicted)
    first = np.arange(min(len(X), 4 * columns))
    shown = wrong[: 2 * columns]
    panels = [(first, f"Held-out digits, {len(first)} of {len(X)}, and what the network reads")]
    if len(wrong):
        some = f"All {len(wrong)}" if len(shown) == len(wrong) else f"{len(shown)} of {len(wrong)}"
        panels.append((shown, f"{some} that it reads wrong (in brackets: what they are)"))
    heights = [int(np.ceil(len(chosen) / columns)) for chosen, _ in panels]
    with rc_context(STYLE):
        figure = Figure(figsize=(8.4, 0.74 * sum(heights) + 0.55 * len(panels)))
        grids = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, (chosen, title) in zip(grids, panels):
            _sheet(axes, X[chosen], labels[chosen], predicted[chosen], columns)
            axes.set_title(title)
        figure.savefig(path)


def _points(axes, X, y):
    """Draw points of the plane, a colour and a marker for each class."""
    for label, (colour, marker) in enumerate(CLASSES):
        axes.scatter(
            *X[y == label].T,
            s=26,
            marker=marker,
            color=colour,
            edgecolors="white",
            linewidths=0.6,
            label=f"class {label}",
        )
    ticks = np.linspace(-1, 1, 5)
    axes.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal", xticks=ticks, yticks=ticks)


def _regions(axes, model, extent):
    """Colour the plane by the class that `model` predicts, out to `extent` in all directions."""
    ticks = np.linspace(-extent, extent, 201)
    x1, x2 = np.meshgrid(ticks, ticks)
    scores = model.loss(np.column_stack([x1.ravel(), x2.ravel()]))
    for label, (colour, _) in enumerate(CLASSES):
        # A score's lead over the others is smooth, so its zero line has no steps as labels would.
        lead = scores[:, label] - np.delete(scores, label, axis=1).max(axis=1)
        lead = lead.reshape(x1.shape)
        pale = 0.75 + 0.25 * np.array(to_rgb(colour))
        axes.contourf(x1, x2, lead, levels=[0, np.inf], colors=[pale])
        axes.contour(x1, x2, lead, levels=[0], colors=[GREY], linewidths=0.8)


def _mosaic(images, columns, gap=1):
    """Images (N, 8, 8) in rows of `columns`, as one array, NaN between them."""
    rows = int(np.ceil(len(images) / columns))
    sheet = np.full((rows * (8 + gap) - gap, columns * (8 + gap) - gap), np.nan)
    for i, image in enumerate(images):
        top, left = (8 + gap) * (i // columns), (8 + gap) * (i % columns)
        sheet[top : top + 8, left : left + 8] = image
    return sheet


def _sheet(axes, X, labels, predicted, columns, gap=5):
    """Draw digits in rows, the predicted label above each, a frame around the wrong ones."""
    sheet = _mosaic(X.reshape(-1, 8, 8), columns, gap)
    axes.imshow(np.vstack([np.full((gap, sheet.shape[1]), np.nan), sheet]), cmap="gray_r")
    axes.axis("off")
    for i, (is_, read) in enumerate(zip(labels, predicted)):
        top, left = gap + (8 + gap) * (i // columns), (8 + gap) * (i % columns)
        right = is_ == read
        axes.text(
            left + 3.5,
            top - (0.7 if right else 1.2),
            f"{read}" if right else f"{read} ({is_})",
            ha="center",
            va="bottom",
            color=INK if right else VERMILLION,
            weight="normal" if right else "bold",
        )
        if not right:
            frame = Rectangle((left - 0.9, top - 0.9), 8.8, 8.8, fill=False)
            frame.set(edgecolor=VERMILLION, linewidth=1.8, clip_on=False)
            axes.add_patch(frame)
