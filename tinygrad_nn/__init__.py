"""Write the forward pass in NumPy; get its gradient as numbers, as a picture, and as code."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import memory as _memory  # noqa: F401 (keeps freed memory at hand)
from . import protocol as _protocol  # noqa: F401 (registers NumPy's functions)
from . import rules
from .autodiff import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from .errors import TinygradError
from .losses import cross_entropy, hinge_loss, mse_loss
from .node import no_grad
from .rules.neural import log_softmax, logsumexp, relu, sigmoid, softmax
from .tensor import Parameter, Tensor

if TYPE_CHECKING:
    from . import datasets as datasets
    from .check.audit import Audit as Audit
    from .check.audit import assert_gradients as assert_gradients
    from .check.audit.audit import audit as audit
    from .check.compare import compare as compare
    from .check.gradcheck import gradcheck as gradcheck
    from .compiler import compile as compile
    from .emit.readable.derive import derive as derive
    from .graph import Graph as Graph
    from .graph import trace as trace

__version__ = "0.1.0"

__all__ = [
    "Audit",
    "Graph",
    "Parameter",
    "Tensor",
    "TinygradError",
    "assert_gradients",
    "audit",
    "compare",
    "compile",
    "cross_entropy",
    "datasets",
    "derive",
    "grad",
    "gradcheck",
    "hessian",
    "hinge_loss",
    "hvp",
    "jacobian",
    "jvp",
    "log_softmax",
    "logsumexp",
    "mse_loss",
    "no_grad",
    "relu",
    "rules",
    "sigmoid",
    "softmax",
    "trace",
    "value_and_grad",
    "vjp",
]

#: Imported when first used, so that importing the package costs little more than importing NumPy.
_LATER = {
    "Graph": "graph",
    "trace": "graph",
    "Audit": "check.audit",
    "assert_gradients": "check.audit",
    "audit": "check.audit",
    "compare": "check",
    "gradcheck": "check",
    "datasets": "datasets",
    "derive": "emit.readable.derive",
    "compile": "compiler",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f".{_LATER[name]}", __name__)
    value = module if name == _LATER[name] else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
