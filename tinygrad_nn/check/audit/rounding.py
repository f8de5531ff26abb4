"""What rounding leaves of a gradient that is zero: of a bias before a batch norm, say.

Such a gradient is the sum of terms that cancel, and no change of it may be judged by its own size.
"""

from __future__ import annotations

import numpy as np

from .observing.draws import Draw
from .observing.observe import Observation
from .truth import floor, nothing


def least(observation: Observation, d: Draw, name: str) -> float:
    """An absolute difference of a parameter's gradients that is none, in a draw."""
    rounding = np.finfo(np.float64).eps * 1e2 * floor(observation, d, name)
    return float(rounding + nothing(observation, d, name))
