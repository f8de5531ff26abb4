"""The programs of nets/, and how each is brought to life: imported from a file, and given data."""

import importlib
import importlib.util
import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

_NETS = Path(__file__).parent / "nets"
_COUNT = itertools.count()


@dataclass(frozen=True)
class Sizes:
    """N samples, D inputs, H hidden units, C classes, T steps; all different by default."""

    N: int = 6
    D: int = 4
    H: int = 7
    C: int = 3
    T: int = 2


@dataclass(frozen=True)
class Net:
    """A program of nets/.

    Attributes:
        files: its modules; the last holds the entry.
        entry: the function `loss(params, X, y, reg)`, or the class.
        shapes: the shapes of the parameters, given the sizes.
        X: the shape of the samples.
        labels: "classes", "binary" or "targets".
    """

    files: tuple[str, ...]
    entry: str
    shapes: Callable[[Sizes], dict[str, tuple[int, ...]]]
    X: Callable[[Sizes], tuple[int, ...]] = lambda s: (s.N, s.D)
    labels: str = "classes"

    def sources(self):
        """The text of each file, by name."""
        return {name: (_NETS / name).read_text(encoding="utf-8") for name in self.files}


@dataclass
class Case:
    """A program with its data, ready to run: `function(*args)` returns the loss and the gradients.

    Attributes:
        function: a function of (params, X, y, reg), or a bound method of (X, y, reg).
        params: the parameters, in the dict that the function reads.
        X, y, reg: the other arguments.
        bound: whether the function is a method of the object that holds the parameters.
    """

    function: Callable[..., Any]
    params: dict[str, Any]
    X: Any
    y: Any
    reg: float
    bound: bool = field(default=False)

    @property
    def args(self):
        """What the function is called with."""
        rest = (self.X, self.y, self.reg)
        return rest if self.bound else (self.params, *rest)

    def run(self):
        """Run the program on plain arrays: the loss and the gradients."""
        return self.function(*self.args)


def load(folder, files, entry):
    """Write the files (a dict from name to text) to a new folder; the entry of the last of them."""
    package = f"zoo_program_{next(_COUNT)}"
    place = Path(folder) / package
    place.mkdir(parents=True)
    for name, text in {"__init__.py": "", **files}.items():
        (place / name).write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(
        package, place / "__init__.py", submodule_search_locations=[str(place)]
    )
    sys.modules[package] = importlib.util.module_from_spec(spec)
    module = importlib.import_module(f"{package}.{list(files)[-1].removesuffix('.py')}")
    return getattr(module, entry)


def case(net, entry, sizes, reg, seed=6):
    """A program (its entry, imported) with random data on which every branch is taken."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal(net.X(sizes))
    params = {
        name: np.array((0.9 if len(shape) > 1 else 0.3) * rng.standard_normal(shape))
        for name, shape in net.shapes(sizes).items()
    }
    y = _labels(net, sizes, rng)
    if not isinstance(entry, type):
        return Case(entry, params, X, y, reg)
    thing = entry(sizes.D, sizes.H, sizes.C)
    if {k: v.shape for k, v in thing.params.items()} != {k: v.shape for k, v in params.items()}:
        raise ValueError(f"the shapes given for {entry.__name__} are not those of its constructor")
    thing.params.update(params)
    return Case(thing.loss, thing.params, X, y, reg, bound=True)


def _labels(net, sizes, rng):
    if net.labels == "targets":
        return rng.standard_normal((sizes.N, sizes.C))
    classes = 2 if net.labels == "binary" else sizes.C
    # Every class occurs, the first and the last included, and not equally often.
    y = np.arange(sizes.N) % classes
    y[-1] = 0
    return rng.permutation(y)


def _two_layer(row=False, names=("W1", "b1", "W2", "b2")):
    def shapes(s):
        b1, b2 = ((1, s.H), (1, s.C)) if row else ((s.H,), (s.C,))
        return dict(zip(names, ((s.D, s.H), b1, (s.H, s.C), b2)))

    return shapes


def _chain(widths, bias):
    """Affine layers W1, b1, ... of the given widths."""

    def shapes(s):
        w = widths(s)
        found = {}
        for i in range(1, len(w)):
            found[f"W{i}"] = (w[i - 1], w[i])
            found[f"b{i}"] = bias(w[i])
        return found

    return shapes


NETS = {
    "linear_softmax": Net(
        ("linear_softmax.py",), "loss", lambda s: {"W": (s.D, s.C), "b": (1, s.C)}
    ),
    "case_study": Net(
        ("case_study.py",), "loss", _two_layer(row=True, names=("W", "b", "W2", "b2"))
    ),
    "toy_class": Net(("toy_class.py",), "TwoLayerNet", _two_layer()),
    "columns": Net(
        ("columns.py",),
        "loss",
        lambda s: {"W1": (s.H, s.D), "b1": (s.H, 1), "W2": (s.C, s.H), "b2": (s.C, 1)},
        X=lambda s: (s.D, s.N),
    ),
    "modular": Net(
        ("modular_layers.py", "modular_net.py"),
        "FullyConnectedNet",
        _chain(lambda s: (s.D, s.H, s.H + 1, s.C), lambda n: (n,)),
    ),
    "objects": Net(
        ("objects.py",), "Network", _chain(lambda s: (s.D, s.H, s.H, s.C), lambda n: (n,))
    ),
    "svm_matrix": Net(("svm_matrix.py",), "loss", lambda s: {"W": (s.D, s.C), "b": (s.C,)}),
    "svm_loops": Net(("svm_loops.py",), "loss", lambda s: {"W": (s.D, s.C)}),
    "sample_loops": Net(("sample_loops.py",), "LoopedNet", _two_layer()),
    "deep": Net(("deep.py",), "loss", _chain(lambda s: (s.D, s.H, s.H, s.H, s.C), lambda n: (n,))),
    "regression": Net(("regression.py",), "loss", _two_layer(), labels="targets"),
    "batch_norm": Net(
        ("batch_norm.py",),
        "BatchNormNet",
        lambda s: {
            "W1": (s.D, s.H),
            "gamma": (s.H,),
            "beta": (s.H,),
            "W2": (s.H, s.C),
            "b2": (s.C,),
        },
    ),
    "logistic": Net(("logistic.py",), "loss", lambda s: {"w": (s.D,), "b": ()}, labels="binary"),
    "deep_svm": Net(
        ("deep_svm.py",), "loss", _chain(lambda s: (s.D, s.H, s.H + 1, s.C), lambda n: (1, n))
    ),
    "maxout": Net(
        ("maxout.py",),
        "loss",
        lambda s: {"W1": (s.D, 2 * s.H), "b1": (2 * s.H,), "W2": (s.H, s.C)},
    ),
    "naive_conv": Net(
        ("naive_conv.py",),
        "loss",
        lambda s: {"K": (2, 1, 3, 3), "k": (2,), "W": (2, s.C), "b": (s.C,)},
        X=lambda s: (s.N, 1, 4, 4),
    ),
    "recurrent": Net(
        ("recurrent.py",),
        "loss",
        lambda s: {"Wx": (s.D, s.H), "Wh": (s.H, s.H), "b": (s.H,), "V": (s.H, s.C)},
        X=lambda s: (s.N, s.T, s.D),
    ),
}
