"""Write the forward pass in NumPy; get its gradient as numbers, as a picture, and as code."""

from . import protocol as _protocol  # noqa: F401 (registers NumPy's functions)
from . import rules
from .autodiff import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from .errors import TinygradError
from .graph import Graph, trace
from .losses import cross_entropy, hinge_loss, mse_loss
from .node import no_grad
from .rules.neural import log_softmax, logsumexp, relu, sigmoid, softmax
from .tensor import Parameter, Tensor

__version__ = "0.1.0"

__all__ = [
    "Graph",
    "Parameter",
    "Tensor",
    "TinygradError",
    "cross_entropy",
    "grad",
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
