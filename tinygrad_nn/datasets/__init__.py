"""Small data sets: two that are computed (spiral, toy) and one that is bundled (digits).

Nothing is fetched from a network and nothing is read before a function is called.
"""

from tinygrad_nn.datasets.digits import Digits as Digits
from tinygrad_nn.datasets.digits import digits as digits
from tinygrad_nn.datasets.spiral import spiral as spiral
from tinygrad_nn.datasets.toy import toy as toy
from tinygrad_nn.datasets.toy import toy_parameters as toy_parameters

__all__ = ["Digits", "digits", "spiral", "toy", "toy_parameters"]
