"""Recording an operation: compute its value, make its node, hand back a tensor.

The hot path of eager code: what is rarely needed (an error, a stale view, a large array, a trace)
leaves it at once.
"""

from __future__ import annotations

import operator
import sys
from types import FrameType
from typing import Any

import numpy as np

from .errors import DtypeError, NoRuleError
from .inplace import attach
from .node import (
    INTERNAL,
    LARGE,
    MODE,
    ORDER,
    SMALL,
    Guard,
    Node,
    Tape,
    function_name,
    refuse_to_freeze,
    stand_in,
    underline_frame,
    user_frame,
)
from .rules.elementwise import stop_gradient
from .rules.registry import CONSTANTS, RULES, Function, Rule
from .tensor import Tensor
from .weak import OPERATORS, as_numpy, plain, weak

_new_tensor = object.__new__
_new_node = object.__new__
_ndarray = np.ndarray
_getframe = sys._getframe


def record(
    function: Function,
    args: tuple[Any, ...],
    keywords: dict[str, Any] | None = None,
    compute: Any = None,
) -> Tensor:
    """Apply ``function`` to tensors and constants, and record it if a gradient flows through.

    Args:
        function: the key of the rule, and what is computed.
        args: its arguments in order; tensors, or anything else as a constant.
        keywords: static keyword arguments, only those that differ from their defaults.
        compute: another function of the same arguments and value, if one is faster.
    """
    values, inputs, carriers, care = _unpack(args)
    rule = RULES.get(function)
    mode = MODE.get()
    if mode.tape is not None:
        if compute is operator.pow and _is_square_of_truth(values, inputs):
            return record(np.square, args[:1])
        compute = _of_plain(function, compute)
    residual = None
    try:
        if keywords is not None:
            value = (compute or function)(*values, **keywords)
        elif rule is not None and rule.residual is not None and carriers and mode.tape is None:
            value, residual = rule.residual(*values)
        else:
            value = (compute or function)(*values)
    except (ValueError, TypeError, IndexError) as error:
        raise explained(function, args, values, error) from error
    if mode.tape is not None:
        value = weak(value)
    t: Tensor = _new_tensor(Tensor)
    t._value = value
    t._view = None
    t._node = None
    if care and carriers and mode.grad and not _is_real(value):
        raise _unreal(function, value)
    if mode.tape is not None:
        t._node = _traced(mode.tape, function, rule, values, inputs, keywords, value, carriers)
    elif carriers and mode.grad:
        if rule is None:
            _check_zero_derivative(function)
        else:
            large = type(value) is np.ndarray and value.nbytes > LARGE
            if care or large or residual is not None:
                value = _spare_memory(rule, values, inputs, value, carriers, residual)
            t._node = _node(function, tuple(inputs), tuple(values), keywords, value, True)
    if rule is not None and rule.view:
        attach(t, function, args, keywords)
    return t


def _of_plain(function: Function, compute: Any) -> Any:
    """What computes ``function`` of values among which are numbers of a traced program.

    Python's operators and NumPy's functions take Python's numbers; what calls a method of its first
    argument in their place takes NumPy's.
    """
    calls_method = compute not in (None, function, OPERATORS.get(function))
    compute = compute or function

    def computed(*values: Any, **keywords: Any) -> Any:
        values = tuple(map(plain, values))
        if calls_method:
            values = (as_numpy(values[0]), *values[1:])
        value = compute(*values, **keywords)
        if type(value) is complex:
            raise _unreal(function, np.complex128(value))
        return value

    return computed


def _is_square_of_truth(values: list[Any], inputs: list[Any]) -> bool:
    """Whether ``x**n`` is np.square(x), which of truth values is int8; np.power makes them int64.

    Which it is depends on the exponent's value, so that has to be a constant of the program.
    """
    x, n = values
    if not isinstance(x, np.ndarray) or x.dtype.kind != "b" or type(plain(n)) not in _NUMBERS:
        return False
    if inputs[1] is not None:
        refuse_to_freeze(inputs[1], "a truth value to the power of a number")
    n = plain(n)
    return bool(n == 2 and operator.pow(x, n).dtype != np.power(x, n).dtype)


def _unpack(args: tuple[Any, ...]) -> tuple[list[Any], list[Any], int, bool]:
    """The arguments' values and nodes, how many carry a gradient, and whether to take care.

    Care is needed where a constant must be protected (or is no real number), or a large value need
    not be kept.
    """
    values: list[Any] = []
    inputs: list[Any] = []
    carriers = 0
    care = False
    for a in args:
        if isinstance(a, Tensor):
            if a._view is not None:
                a._refresh()
            v = a._value
            values.append(v)
            node = a._node
            inputs.append(node)
            if node is None:
                care = True
            else:
                if node.requires_grad:
                    carriers += 1
                if type(v) is np.ndarray and v.nbytes > LARGE:
                    care = True
        else:
            if type(a) is list:
                a = np.asarray(a)
            values.append(a)
            inputs.append(None)
            if type(a) not in _NUMBERS:
                care = True
    return values, inputs, carriers, care


def record_operator(function: Function, args: tuple[Any, Any], compute: Any = None) -> Any:
    """An operator with any operand: one that wants to answer itself may, a tuple is an array."""
    for x in args:
        if getattr(type(x), "__array_ufunc__", True) is None:
            return NotImplemented
    args = tuple(np.asarray(x) if type(x) is tuple else x for x in args)  # type: ignore[assignment]
    return record(function, args, None, compute)


def record_pair(function: Function, args: tuple[Any, Any], compute: Any) -> Any:
    """What :func:`record` does, unrolled for an operator on two small operands.

    Half of a small network's operations come this way; whatever is unusual (a view, a plain array,
    a large value, a trace) takes the long way.
    """
    a, b = args
    x = y = None
    if isinstance(a, Tensor):
        x = a._node
        if x is None or a._view is not None:
            return record_operator(function, args, compute)
        a = a._value
    elif type(a) is _ndarray:
        return record(function, args, None, compute)
    elif type(a) not in _NUMBERS:
        return record_operator(function, args, compute)
    if isinstance(b, Tensor):
        y = b._node
        if y is None or b._view is not None:
            return record_operator(function, args, compute)
        b = b._value
    elif type(b) is _ndarray:
        return record(function, args, None, compute)
    elif type(b) not in _NUMBERS:
        return record_operator(function, args, compute)
    needs = (x is not None and x.requires_grad) or (y is not None and y.requires_grad)
    if not (needs and MODE.get().eager):
        return record_operator(function, args, compute)
    try:
        value = compute(a, b)
    except (ValueError, TypeError) as error:
        raise explained(function, args, [a, b], error) from error
    if type(value) is _ndarray and value.nbytes > LARGE:  # then an operand may be large too
        return record(function, args, None, lambda *_: value)
    t: Tensor = _new_tensor(Tensor)
    t._value = value
    t._view = None
    t._node = _node(function, (x, y), (a, b), None, value, True)
    return t


_NUMBERS = frozenset((float, int))


def _node(
    function: Function,
    inputs: tuple[Any, ...],
    values: tuple[Any, ...],
    keywords: dict[str, Any] | None,
    value: Any,
    requires_grad: bool,
) -> Node:
    """The node of an operation, with the place in the user's program that asked for it."""
    node = _new_node(Node)
    node.function = function
    node.inputs = inputs
    node.arguments = values
    node.keywords = keywords
    node.value = value
    node.requires_grad = requires_grad
    node.order = next(ORDER) if requires_grad else 0
    frame: FrameType | None = _getframe(3)
    code = frame.f_code  # type: ignore[union-attr]
    if INTERNAL[code.co_filename]:
        frame = user_frame(4)
        if frame is None:
            node.code, node.offset = None, 0
            return node
        code = frame.f_code
    node.code = code
    node.offset = frame.f_lasti  # type: ignore[union-attr]
    return node


def _traced(
    tape: Tape,
    function: Function,
    rule: Rule | None,
    values: list[Any],
    inputs: list[Any],
    keywords: dict[str, Any] | None,
    value: Any,
    carriers: int,
) -> Node:
    """The node of an operation in a traced program: with copies of its constants, on the tape."""
    if rule is None and carriers:
        _check_zero_derivative(function)
    for i, v in enumerate(values):
        if inputs[i] is None and type(v) is np.ndarray:
            values[i] = v.copy()
    grad = MODE.get().grad
    needs = rule is not None and carriers > 0 and grad
    node = _node(function, tuple(inputs), tuple(values), keywords, value, needs)
    tape.nodes.append(node)
    if grad or function in CONSTANTS:
        return node
    # Inside no_grad: whoever differentiates the program later has to see it.
    node = _node(stop_gradient, (node,), (value,), None, value, False)
    tape.nodes.append(node)
    return node


def _check_zero_derivative(function: Function) -> None:
    """Raise for a function without a rule, unless its derivative is known to be zero."""
    if function not in CONSTANTS:
        raise no_rule(function, user_frame(3))


def _spare_memory(
    rule: Rule,
    values: list[Any],
    inputs: list[Any],
    value: Any,
    carriers: int,
    residual: Any,
) -> Any:
    """Replace what the rules do not read by stand-ins; protect the constants that they do read."""
    for i in rule.drop_inputs:
        if i < len(values):
            v = values[i]
            if type(v) is np.ndarray and v.nbytes > LARGE:
                values[i] = stand_in(v)
    for i, node in enumerate(inputs):
        v = values[i]
        if type(v) is np.ndarray:
            if node is None:
                if v.nbytes <= SMALL:
                    values[i] = v.copy()
                elif any(v.strides):  # not a stand-in
                    inputs[i] = Guard(v)
            elif rule.alone is not None and carriers == 1 and v.nbytes > LARGE:
                values[i] = stand_in(v)  # such rules do not read the one argument that varies
    if residual is not None:
        values.append(residual)
    if rule.drop_output and value.nbytes > LARGE:
        return stand_in(value)
    return value


def _is_real(value: Any) -> bool:
    dtype = getattr(value, "dtype", None)  # an object array's sum is no array
    return dtype is not None and dtype.kind in "fbiu"


def _unreal(function: Function, value: Any) -> DtypeError:
    return DtypeError(
        f"gradients are those of real numbers, and {function_name(function)} of a tensor that "
        f"carries one gives {getattr(value, 'dtype', type(value).__name__)}\n"
        f"{underline_frame(user_frame(3))}"
    )


def explained(
    function: Function, args: tuple[Any, ...], values: list[Any], error: Exception
) -> Exception:
    """The error to raise for what ``function`` raised: in the user's names, at the user's line."""
    from .explain import explain  # needed for nothing else

    return explain(function, args, values, error, user_frame(3))


def no_rule(function: Function, frame: FrameType | None) -> NoRuleError:
    """The error for a function whose derivative is not known."""
    return NoRuleError(
        f"np.{function_name(function)} has no derivative rule, and a tensor that carries a "
        "gradient was given to it\n"
        "  write it with operations that have one, register one with tinygrad_nn.rules.rule, or\n"
        "  pass t.detach() where no gradient is wanted\n"
        f"{underline_frame(frame)}"
    )


def _refuse_to_round(t: Tensor) -> None:
    """Refuse ``round(t)`` in a trace: of NumPy's number it is an int of Python's, and no array."""
    if not t.requires_grad:
        refuse_to_freeze(t._node, "round(), which makes a Python int of NumPy's number,")


Tensor._round_to_int = _refuse_to_round
Tensor._record = staticmethod(record)  # what the tensor's operators call
Tensor._record_pair = staticmethod(record_pair)
Tensor._record_operator = staticmethod(record_operator)
