"""Programs of nets/, and how each is brought to life: imported from a file, and given data."""

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


def normal(shape):
    """For `Net.X`: random numbers of a shape that depends on the sizes."""
    return lambda s, rng: rng.standard_normal(shape(s))


def labels(count, classes, rng):
    """Labels: every class occurs, the first and the last included, and not equally often."""
    y = np.arange(count) % classes
    y[-1] = 0
    return rng.permutation(y)


_SAMPLES = normal(lambda s: (s.N, s.D))


@dataclass(frozen=True)
class Net:
    """A program of nets/.

    Attributes:
        files: its modules; the last holds the entry.
        entry: a function of (params, X, *others), or a class with a method `loss(X, *others)`.
        shapes: the shapes of the parameters, given the sizes.
        X: the samples, given the sizes and a generator.
        others: the other arguments, given the sizes, a generator, and how strong the penalty is.
        constructor: the arguments of the class, given the sizes.
        sizes: of the data, unless others are asked for.
    """

    files: tuple[str, ...]
    entry: str
    shapes: Callable[[Sizes], dict[str, tuple[int, ...]]]
    X: Callable[[Sizes, np.random.Generator], Any] = _SAMPLES
    others: Callable[..., tuple[Any, ...]] = lambda s, rng, reg: (labels(s.N, s.C, rng), reg)
    constructor: Callable[[Sizes], tuple[int, ...]] = lambda s: (s.D, s.H, s.C)
    sizes: Sizes = field(default_factory=Sizes)

    def sources(self):
        """The text of each file, by name."""
        return {name: (_NETS / name).read_text(encoding="utf-8") for name in self.files}


@dataclass
class Case:
    """A program with its data, ready to run: `function(*args)` returns the loss and the gradients.

    Attributes:
        function: a function of (params, X, *others), or a bound method of (X, *others).
        params: the parameters, in the dict that the function reads.
        X: the samples.
        others: the other arguments; where there are labels or targets they are the first.
        bound: whether the function is a method of the object that holds the parameters.
    """

    function: Callable[..., Any]
    params: dict[str, Any]
    X: Any
    others: tuple[Any, ...]
    bound: bool = False

    @property
    def y(self):
        """The labels."""
        return self.others[0]

    @property
    def args(self):
        """What the function is called with."""
        rest = (self.X, *self.others)
        return rest if self.bound else (self.params, *rest)

    def run(self):
        """Run the program on plain arrays: the loss and the gradients."""
        return self.function(*self.args)

    def convert(self, dtype):
        """Let all floating-point arrays have this dtype."""
        for name, value in self.params.items():
            self.params[name] = value.astype(dtype)
        self.X, *others = (_converted(value, dtype) for value in (self.X, *self.others))
        self.others = tuple(others)


def _converted(value, dtype):
    floating = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return value.astype(dtype) if floating else value


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
    X = net.X(sizes, rng)
    params = {
        name: np.array((0.9 if len(shape) > 1 else 0.3) * rng.standard_normal(shape))
        for name, shape in net.shapes(sizes).items()
    }
    others = net.others(sizes, rng, reg)
    if not isinstance(entry, type):
        return Case(entry, params, X, others)
    thing = entry(*net.constructor(sizes))
    if {k: v.shape for k, v in thing.params.items()} != {k: v.shape for k, v in params.items()}:
        raise ValueError(f"the shapes given for {entry.__name__} are not those of its constructor")
    thing.params.update(params)
    return Case(thing.loss, thing.params, X, others, bound=True)
