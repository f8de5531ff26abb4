"""What the classifiers here share: parameters by name, training by gradient descent, prediction.

A model's own file declares the rest with ordinary operations: `forward`, the scores of the classes,
and `loss`, one number. No gradient is written anywhere: `tg.value_and_grad` derives it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

import tinygrad_nn as tg


@dataclass
class History:
    """What a training went through: a loss for each iteration, accuracies for each epoch."""

    loss: list = field(default_factory=list)
    train_accuracy: list = field(default_factory=list)
    val_accuracy: list = field(default_factory=list)


class Classifier:
    """A model with parameters, a dict of arrays; subclasses name their `forward` and `loss`.

    `forward(params, X)` gives the scores (N, C); `loss(params, X, y, reg, l2)` one number, with the
    L2 penalty in the convention `l2` (models/l2.py).
    """

    forward: Callable
    objective: Callable

    def __init__(self, params, l2="half"):
        self.params = params
        self.l2 = l2
        self._value_and_grad = tg.value_and_grad(type(self).objective)

    def loss(self, X, y=None, reg=0.0):
        """Return the scores (N, C) of X (N, D); given labels y (N,), return `(loss, gradients)`.

        The gradients are a dict with the names and shapes of the parameters.
        """
        if y is None:
            return type(self).forward(self.params, X)
        return self._value_and_grad(self.params, X, y, reg, self.l2)

    def step(self):
        """Return a function that descends along the gradient once, and returns the loss.

        It takes `(params, X, y, reg, rate)` and changes the parameters in place. It is no method,
        whose object `tg.compile` would have to freeze.
        """
        value_and_grad, l2 = self._value_and_grad, self.l2

        def step(params, X, y, reg, rate):
            loss, gradients = value_and_grad(params, X, y, reg, l2)
            for name, parameter in params.items():
                parameter -= rate * gradients[name]
            return loss

        return step

    def predict(self, X):
        """Return the class with the highest score for each sample, shape (N,)."""
        return np.argmax(self.loss(X), axis=1)

    def accuracy(self, X, y):
        """Return the share of the samples whose predicted class is right, from 0 to 1."""
        return float(np.mean(self.predict(X) == y))

    def train(
        self,
        X,
        y,
        X_val,
        y_val,
        learning_rate=1e-3,
        learning_rate_decay=0.95,
        reg=5e-6,
        num_iters=100,
        batch_size=200,
        verbose=False,
        rng=None,
        progress=None,
        backend=None,
    ):
        """Descend along the gradient, one batch an iteration, and return the :class:`History`.

        Batches are drawn with replacement from `rng` (a RandomState; by default NumPy's own);
        `batch_size=None` takes all samples each time. Once an epoch, after its first iteration, the
        accuracies are taken and the learning rate is multiplied by `learning_rate_decay`.
        `progress`, if given, is called with the iteration and its loss; `verbose` prints every
        hundredth. With a `backend` ("numpy" or "numba") the step is compiled by `tg.compile`.
        """
        if len(X) != len(y):
            raise ValueError(f"X has {len(X)} samples and y {len(y)} labels")
        draw = (np.random if rng is None else rng).choice
        epoch = 1 if batch_size is None else max(len(X) // batch_size, 1)
        step = self.step() if backend is None else tg.compile(self.step(), backend)
        history = History()
        for i in range(num_iters):
            rows = slice(None) if batch_size is None else draw(len(X), batch_size)
            loss = step(self.params, X[rows], y[rows], reg, learning_rate)
            history.loss.append(float(loss))
            if progress is not None:
                progress(i, float(loss))
            if verbose and i % 100 == 0:
                print(f"iteration {i} / {num_iters}: loss {loss:f}")
            if batch_size is not None and i % epoch == 0:
                history.train_accuracy.append(self.accuracy(X[rows], y[rows]))
                history.val_accuracy.append(self.accuracy(X_val, y_val))
                learning_rate *= learning_rate_decay
        return history
