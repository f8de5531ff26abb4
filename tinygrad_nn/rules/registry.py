"""The registry of derivative rules: one table, keyed by the function itself.

A rule is a vector-Jacobian product written in plain NumPy, one small function for each argument::

    rule(np.exp, lambda g, y, x: g * y)

``g`` is the incoming gradient (the cotangent, of the output's shape), ``y`` the output, then come
the function's own arguments. What it returns is the gradient for that argument; undoing a broadcast
is not its business (the backward walk does it once, by shape). Nothing here knows of tensors: a
rule runs on whatever speaks NumPy's protocols.

This module imports nothing of the package.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import numpy as np

Vjp = Callable[..., Any]
Function = Callable[..., Any]

#: The output's place in ``shape_only``, beside the argument numbers 0, 1, ...
OUTPUT = -1


@dataclass(frozen=True, slots=True)
class Rule:
    """How one function differentiates.

    Attributes:
        vjps: one function ``(g, y, *arguments, **keywords) -> gradient`` for each argument, or None
            where an argument has no derivative (an index, a condition).
        variadic: one function ``(argnum, g, y, *arguments, **keywords)`` that serves any argument,
            for functions that take any number of them; ``vjps`` is then empty.
        packed: the function takes its arguments as one sequence (``np.concatenate``), and
            ``variadic`` is one function ``(g, y, *arguments, **keywords)`` that gives the gradients
            for all of them at once.
        alone: the rules to use when only one argument carries a gradient (ties of ``np.maximum``);
            they read no value of that argument.
        in_place: as ``alone``, but writing the result into ``g``, an array that nobody else sees.
        twice: the rule for a call with the same argument twice (``x * x``), as one contribution.
        drop_inputs: the arguments of which the rules read only shape and dtype.
        drop_output: the rules read only the output's shape and dtype.
        view: the result may share memory with the first argument.
        residual: a function of the arguments that gives ``(value, residual)``. The residual is
            handed to the rules as a further argument where the arguments are plain arrays; where
            they are tensors, or the residual was not computed, the rules do without.
        special: ``vjps`` alone does not tell the rules for a call's arguments.
    """

    vjps: tuple[Vjp | None, ...] = ()
    variadic: Vjp | None = None
    packed: bool = False
    alone: tuple[Vjp | None, ...] | None = None
    in_place: tuple[Vjp, ...] | None = None
    twice: Vjp | None = None
    drop_inputs: tuple[int, ...] = ()
    drop_output: bool = False
    view: bool = False
    residual: Function | None = None
    special: bool = field(init=False)

    def __post_init__(self) -> None:
        special = self.variadic is not None or self.alone is not None
        object.__setattr__(self, "special", special)  # frozen otherwise


RULES: dict[Function, Rule] = {}

#: Functions that are constant almost everywhere, or yield indices or truth values: recorded, so
#: that a traced program stays whole, and of zero derivative.
CONSTANTS: set[Function] = set()


def rule(
    function: Function,
    *vjps: Vjp | None,
    variadic: Vjp | None = None,
    packed: bool = False,
    alone: tuple[Vjp | None, ...] | None = None,
    in_place: tuple[Vjp, ...] | None = None,
    twice: Vjp | None = None,
    shape_only: tuple[int, ...] = (),
    view: bool = False,
    residual: Function | None = None,
) -> None:
    """Register the derivative of ``function``, one ``vjp`` for each argument in order.

    ``shape_only`` lists the arguments (0, 1, ..., and ``OUTPUT``) of which the rules read no value,
    only shape and dtype: large ones are then not kept alive for the backward pass. It is an
    optimisation that the tests check; leave it out when in doubt. The other keywords are those of
    :class:`Rule`.

    Example:
        >>> rule(np.exp, lambda g, y, x: g * y, shape_only=(0,))  # doctest: +SKIP
    """
    RULES[function] = Rule(
        vjps,
        variadic=variadic,
        packed=packed,
        alone=alone,
        in_place=in_place,
        twice=twice,
        drop_inputs=tuple(i for i in shape_only if i != OUTPUT),
        drop_output=OUTPUT in shape_only,
        view=view,
        residual=residual,
    )


def constant(*functions: Function) -> None:
    """Register functions whose derivative is zero wherever it exists."""
    CONSTANTS.update(functions)


def operation(function: Function) -> Function:
    """Make a function of our own an operation, recorded as a whole when a tensor comes in.

    The function itself is plain NumPy. A value whose class has a ``__record__`` method (a tensor)
    is handed the call, just as NumPy hands its own functions to ``__array_function__``.
    """

    @wraps(function)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        for a in args:
            record = getattr(type(a), "__record__", None)
            if record is not None:
                return record(a, recorded, args, kwargs)
        return function(*(np.asarray(a) if type(a) is list else a for a in args), **kwargs)

    recorded.is_operation = True  # type: ignore[attr-defined]
    return recorded


def plain(function: Function) -> Function:
    """An operation's own function, which hands nothing on: for values known to be arrays."""
    return getattr(function, "__wrapped__", function)


def spread(number: Any, shape: tuple[int, ...]) -> Any:
    """np.broadcast_to of a NumPy number, several times faster: read-only, and no larger than it."""
    return np.ndarray(shape, number.dtype, number, 0, (0,) * len(shape))
