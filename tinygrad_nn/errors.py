"""The errors a user can cause: what was expected, what came, and where.

Every class derives from :class:`TinygradError` and from the built-in exception that fits, so
``except ValueError`` written for NumPy keeps working. Imports NumPy only.
"""

from __future__ import annotations

import numpy as np


class TinygradError(Exception):
    """The base of every error this package raises for a user's mistake."""


class ShapeError(TinygradError, ValueError):
    """Shapes that do not fit together, or a value of another shape than was asked for."""


class DtypeError(TinygradError, TypeError):
    """A data type that cannot be used here, such as integers that should carry a gradient."""


class NoRuleError(TinygradError, TypeError):
    """A function without a derivative rule was applied to a tensor that carries a gradient."""


class DetachError(TinygradError, TypeError):
    """A tensor that carries a gradient would have become a plain array without one."""


class InPlaceError(TinygradError, ValueError):
    """A change in place that would make a gradient wrong, or that cannot be honoured."""


class TensorIndexError(TinygradError, IndexError):
    """An index that does not fit the tensor."""


class LinearAlgebraError(TinygradError, np.linalg.LinAlgError):
    """A matrix that is singular, or not positive definite."""


class LabelError(TinygradError, ValueError):
    """Class labels that are not integers in 0..C-1, one for each row of scores."""


class DataError(TinygradError, ValueError):
    """Data that is empty, not finite, of mismatched lengths, or not what its file says."""


class RangeError(TinygradError, OverflowError):
    """A Python integer that is too large for the dtype that it is to have."""


class TraceError(TinygradError, TypeError):
    """A function that cannot be recorded as a graph, or a graph's text that cannot be read."""


class GraphError(TinygradError, ValueError):
    """A graph that is not consistent in itself; the message names its first wrong line."""


class ExportError(TinygradError, RuntimeError):
    """A graph that another format cannot express, or a file that cannot be written."""


class RenderError(TinygradError, RuntimeError):
    """A picture that could not be drawn; the message says what is missing."""


class DependencyError(TinygradError, ImportError):
    """An optional package that is needed and not installed; the message says how to install it."""


class GradientError(TinygradError, AssertionError):
    """A gradient that disagrees with the numeric one, or is missing or not finite."""


class StyleError(TinygradError, TypeError):
    """A style of drawing that does not exist, or a value that it does not take."""
