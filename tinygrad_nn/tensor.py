"""The tensor: a handle on a value and on the node that computed it, and the recording of operations.

A handle may move: code in place (``t[i] = v``, ``t += u``) makes a new node and points the handle at
it, so what was computed from the old value keeps the old value. :func:`record` is the hot path of
eager code: what is rarely needed (an error, a stale view, a large array) leaves it at once.

Imports: node, methods, explain, rules (the registry and indexing). NumPy's functions find their way
to :func:`record` through ``HANDLERS``, which ``protocol.py`` fills.
"""

from __future__ import annotations

import operator
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

import numpy as np

from .errors import DetachError, DtypeError, NoRuleError, ShapeError
from .explain import explain
from .inplace import InPlace, View, attach
from .methods import ArrayMethods
from .node import (
    LARGE,
    MODE,
    ORDER,
    SMALL,
    Guard,
    Node,
    Tape,
    function_name,
    is_internal,
    leaf,
    stand_in,
    underline_frame,
    user_frame,
)
from .operators import Operators
from .rules.registry import CONSTANTS, RULES, Function, Rule

#: How each of NumPy's functions (and each operation of ours) is recorded; filled by protocol.py.
HANDLERS: dict[Function, Callable[..., Any]] = {}


class Tensor(InPlace, Operators, ArrayMethods):
    """An array whose operations are recorded, so that gradients can be taken.

    Args:
        data: numbers: a Python number, a (nested) list, an ndarray, or any array that speaks
            NumPy's protocols. It is copied.
        requires_grad: whether ``backward()`` should compute the gradient for this tensor; the data
            must then be floating-point.
        name: what pictures, generated code and messages call it; by default the variable that it is
            assigned to.

    Raises:
        DtypeError: integers (or objects, strings, complex numbers) that should carry a gradient.

    Example:
        >>> import tinygrad_nn as tg
        >>> x = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        array([2., 4., 6.])
    """

    __slots__ = ("__weakref__", "_grad", "_name", "_node", "_value", "_view")
    _value: Any
    _node: Node | None
    _view: View | None
    _grad: Any
    _name: str | None

    def __init__(self, data: Any, requires_grad: bool = False, name: str | None = None) -> None:
        if isinstance(data, Tensor):
            _refuse_to_detach(data, "Tensor(t)")
            data = data._current()
        value = _own(data)
        self._value = value
        self._view = None
        self._node = None
        if name is not None:
            self._name = name
        if requires_grad:
            _check_differentiable(value)
        if requires_grad or MODE.get().tape is not None:
            self._node = leaf(value, requires_grad, weakref.ref(self), user_frame(2))

    # --- what it is ---------------------------------------------------------------------------

    @property
    def grad(self) -> Any:
        """The accumulated gradient of a leaf after ``backward()``, an array; None before."""
        return getattr(self, "_grad", None)

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None and not isinstance(value, Tensor):
            value = np.asarray(value)
        if value is not None and value.shape != self.shape:
            raise ShapeError(
                f"the gradient of a tensor of shape {self.shape} has that shape, not {value.shape}"
            )
        self._grad = value

    @property
    def name(self) -> str | None:
        """What pictures and messages call this tensor, if it was given a name."""
        return getattr(self, "_name", None)

    @name.setter
    def name(self, value: str | None) -> None:
        self._name = value

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient flows through this tensor."""
        return self._node is not None and self._node.requires_grad

    @property
    def is_leaf(self) -> bool:
        """Whether the user made it, rather than an operation."""
        return self._node is None or self._node.function is None

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self._value.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        """The data type, as NumPy's."""
        return self._value.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._value.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """The number of entries."""
        return self._value.size  # type: ignore[no-any-return]

    @property
    def T(self) -> Any:  # noqa: N802 (ndarray's name)
        """The transpose: all axes reversed."""
        return record(np.transpose, (self,), None, _transposed)

    @property
    def mT(self) -> Any:  # noqa: N802 (ndarray's name)
        """The transpose of each matrix of a stack."""
        return np.matrix_transpose(self)  # type: ignore[call-overload]

    def detach(self) -> Tensor:
        """The same value in a tensor that carries no gradient."""
        return untracked(self._current())

    def item(self) -> Any:
        """The value of a tensor of one entry, as a Python number."""
        return _single(self, "item()").item()

    def tolist(self) -> Any:
        """The value as (nested lists of) Python numbers."""
        return self._current().tolist()

    def backward(self, gradient: Any = None) -> None:
        """Add to each leaf's ``.grad`` the gradient of this tensor with respect to it.

        Args:
            gradient: the gradient of the final result with respect to this tensor, of its shape;
                may be left out for a tensor of one entry, where it is 1.
        """
        from .autodiff import backward  # the walk is a floor above

        backward(self, gradient)

    # --- Python's protocols -------------------------------------------------------------------

    def __repr__(self) -> str:
        text = np.array2string(np.asarray(self._current()), separator=", ", prefix="Tensor(")
        name = f", name={self.name!r}" if self.name else ""
        return f"Tensor({text}{', requires_grad=True' if self.requires_grad else ''}{name})"

    def __format__(self, spec: str) -> str:
        return format(_single(self, f"the format {spec!r}").item(), spec) if spec else repr(self)

    def __len__(self) -> int:
        return len(self._value)

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise ShapeError("cannot iterate over a tensor without axes (a single number)")
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(_single(self, "bool(), `if` or `and`"))

    def __float__(self) -> float:
        return float(_single(self, "float()"))

    def __int__(self) -> int:
        return int(_single(self, "int()"))

    def __index__(self) -> int:
        return operator.index(_single(self, "an index"))

    __hash__ = object.__hash__

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), np.asarray(self._current()), self.requires_grad, self.name)

    # --- NumPy's protocols --------------------------------------------------------------------

    __array_priority__ = 1000

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        _refuse_to_detach(self, "np.asarray(t), np.array([...]) and ndarray.dot(t)")
        return np.array(self._current(), dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs and ufunc.nout == 1:
            if len(inputs) == 2 and ufunc in RULES:
                return record_pair(ufunc, inputs, ufunc)
            return record(ufunc, inputs)
        return HANDLERS[np.ufunc](ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if not kwargs and function in _REDUCE and len(args) == 1:
            return record(function, args, None, _REDUCE[function])
        handler = HANDLERS.get(function)
        if handler is None:
            return HANDLERS[Any](function, args, kwargs)
        return handler(*args, **kwargs)

    def __record__(self, function: Any, args: Any, kwargs: Any) -> Any:
        handler = HANDLERS.get(function)
        if handler is None:
            return record(function, args, kwargs or None, function.__wrapped__)
        return handler(*args, **kwargs)


class Parameter(Tensor):
    """A leaf that requires a gradient: a weight of a model.

    Args:
        data: floating-point numbers, as for :class:`Tensor`.
        name: as for :class:`Tensor`.
    """

    __slots__ = ()

    def __init__(self, data: Any, name: str | None = None) -> None:
        super().__init__(data, requires_grad=True, name=name)


# --- making tensors ---------------------------------------------------------------------------

_new_tensor = object.__new__
_new_node = Node.__new__


def wrap(value: Any, node: Node | None) -> Tensor:
    """A tensor for a computed value."""
    t: Tensor = _new_tensor(Tensor)
    t._value = value
    t._node = node
    t._view = None
    return t


def untracked(value: Any) -> Tensor:
    """A tensor that carries no gradient, of a value that nobody else will change."""
    t: Tensor = _new_tensor(Tensor)
    t._value = value
    t._node = None
    t._view = None
    return t


def source(value: Any, requires_grad: bool = True, name: str | None = None) -> Tensor:
    """A leaf over ``value`` itself, not a copy: an argument of a function under a transform."""
    t = wrap(value, leaf(value, requires_grad))
    if name is not None:
        t._name = name
    return t


def _own(data: Any) -> Any:
    """A copy of ``data`` as an array, or as a NumPy scalar if it is a single number."""
    if isinstance(data, np.ndarray) or not hasattr(data, "__array_function__"):
        value = np.array(data)
        if value.dtype.kind not in "biuf":
            raise DtypeError(
                f"a tensor holds real numbers, not {_kind(value.dtype)}\n"
                f"  got {_shorten(data)}"
            )
        return value[()]
    return data.copy()


def _check_differentiable(value: Any) -> None:
    if value.dtype.kind != "f":
        raise DtypeError(
            f"a gradient needs floating-point data, not {value.dtype}\n"
            "  write 3.0 instead of 3, or convert it with .astype(float)\n"
            f"{underline_frame(user_frame(2))}"
        )


def _kind(dtype: Any) -> str:
    return {"O": "Python objects", "c": "complex numbers"}.get(dtype.kind, f"{dtype} data")


def _shorten(data: Any) -> str:
    text = " ".join(repr(data).split())
    return text if len(text) <= 80 else text[:77] + "..."


def _single(t: Tensor, purpose: str) -> Any:
    value = t._current()
    if value.size != 1:
        raise ShapeError(
            f"{purpose} needs a tensor with exactly one entry, not one of shape {value.shape}\n"
            f"{underline_frame(user_frame(2))}"
        )
    return value.reshape(())[()]


def _refuse_to_detach(t: Tensor, how: str) -> None:
    if t.requires_grad:
        raise DetachError(
            f"{how} would make a plain array of a tensor that carries a gradient, and lose it\n"
            "  keep it a tensor (np.stack([...]), X @ t, tg.Tensor arrays on both sides), or write\n"
            "  t.detach() where no gradient is wanted\n"
            f"{underline_frame(user_frame(2))}"
        )


def _rebuild(kind: type[Tensor], value: Any, requires_grad: bool, name: str | None) -> Tensor:
    t: Tensor = _new_tensor(kind)
    t._value = value[()]
    t._view = None
    t._node = leaf(t._value, True, weakref.ref(t)) if requires_grad else None
    if name is not None:
        t._name = name
    return t


def _transposed(x: Any) -> Any:
    return x.T


#: Reductions to a single number, which need no handler; ndarray's own methods are the faster ones.
_REDUCE: dict[Function, Function] = {
    np.sum: lambda x: x.sum(),
    np.max: lambda x: x.max(),
    np.min: lambda x: x.min(),
}


# --- recording --------------------------------------------------------------------------------


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
    values: list[Any] = []
    inputs: list[Any] = []
    carriers = 0
    care = False  # whether something must be protected, or need not be kept
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
            if type(a) is np.ndarray:
                care = True
    rule = RULES.get(function)
    mode = MODE.get()
    residual = None
    try:
        if rule is not None and rule.residual is not None and carriers and mode.tape is None:
            value, residual = rule.residual(*values, **(keywords or {}))
        elif keywords is None:
            value = (compute or function)(*values)
        else:
            value = (compute or function)(*values, **keywords)
    except (ValueError, TypeError, IndexError) as error:
        raise explain(function, args, values, error, user_frame(2)) from error
    t: Tensor = _new_tensor(Tensor)
    t._value = value
    t._view = None
    if mode.tape is not None:
        t._node = _traced(mode.tape, function, rule, values, inputs, keywords, value, carriers)
    elif carriers and mode.grad:
        if rule is None:
            t._node = _zero_derivative(function)
        else:
            if (
                care
                or residual is not None
                or (type(value) is np.ndarray and value.nbytes > LARGE)
            ):
                value = _spare_memory(rule, values, inputs, value, carriers, residual)
            t._node = _node(function, values, inputs, keywords, value, True)
    else:
        t._node = None
    if rule is not None and rule.view:
        attach(t, function, args, keywords)
    return t


def record_pair(function: Function, args: tuple[Any, Any], compute: Any) -> Tensor:
    """What :func:`record` does, unrolled for an operator on two small operands.

    Half of a small network's operations come this way; whatever is unusual (a view, a plain array, a
    large value, a trace) takes the long way.
    """
    a, b = args
    x = y = None
    if isinstance(a, Tensor):
        x = a._node
        if x is None or a._view is not None or a._value.nbytes > LARGE:
            return record(function, args, None, compute)
        a = a._value
    elif type(a) is not float and type(a) is not int:
        return record(function, args, None, compute)
    if isinstance(b, Tensor):
        y = b._node
        if y is None or b._view is not None or b._value.nbytes > LARGE:
            return record(function, args, None, compute)
        b = b._value
    elif type(b) is not float and type(b) is not int:
        return record(function, args, None, compute)
    mode = MODE.get()
    if mode.tape is not None or not mode.grad:
        return record(function, args, None, compute)
    if not ((x is not None and x.requires_grad) or (y is not None and y.requires_grad)):
        return record(function, args, None, compute)
    try:
        value = compute(a, b)
    except (ValueError, TypeError) as error:
        raise explain(function, args, [a, b], error, user_frame(2)) from error
    t: Tensor = _new_tensor(Tensor)
    t._value = value
    t._view = None
    t._node = _node(function, (a, b), (x, y), None, value, True)
    return t


def _node(
    function: Function,
    values: Sequence[Any],
    inputs: Sequence[Any],
    keywords: dict[str, Any] | None,
    value: Any,
    requires_grad: bool,
) -> Node:
    """The node of an operation, with the place in the user's program that asked for it."""
    node = _new_node(Node)
    node.function = function
    node.inputs = tuple(inputs)
    node.arguments = tuple(values)
    node.keywords = keywords
    node.value = value
    node.requires_grad = requires_grad
    node.order = next(ORDER)
    node.handle = None
    frame: FrameType | None = sys._getframe(3)
    if is_internal(frame.f_code.co_filename):  # type: ignore[union-attr]
        frame = user_frame(4)
    if frame is None:
        node.code, node.offset = None, 0
    else:
        node.code, node.offset = frame.f_code, frame.f_lasti
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
        _zero_derivative(function)
    for i, v in enumerate(values):
        if inputs[i] is None and type(v) is np.ndarray:
            values[i] = v.copy()
    needs = rule is not None and carriers > 0 and MODE.get().grad
    node = _node(function, values, inputs, keywords, value, needs)
    tape.nodes.append(node)
    return node


def _zero_derivative(function: Function) -> None:
    """No node for a function of zero derivative; raise for one whose derivative is not known."""
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


def no_rule(function: Function, frame: FrameType | None) -> NoRuleError:
    """The error for a function whose derivative is not known."""
    return NoRuleError(
        f"np.{function_name(function)} has no derivative rule, and a tensor that carries a gradient "
        "was given to it\n"
        "  write it with operations that have one, register one with tinygrad_nn.rules.rule, or\n"
        "  pass t.detach() where no gradient is wanted\n"
        f"{underline_frame(frame)}"
    )


Tensor._record = staticmethod(record)
Tensor._record_pair = staticmethod(record_pair)
