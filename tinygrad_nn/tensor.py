"""The tensor: a handle on a value and on the node that computed it.

A handle may move: code in place (``t[i] = v``, ``t += u``) makes a new node and points the handle
at it, so what was computed from the old value keeps the old value. Operations are recorded by
``recording.py``, which gives the tensor its ``_record``; NumPy's functions find their way there
through ``HANDLERS``, which ``protocol.py`` fills.
"""

from __future__ import annotations

import dis
import operator
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .errors import DetachError, DtypeError, ShapeError
from .inplace import InPlace, View
from .methods import ArrayMethods
from .node import (
    MODE,
    Leaf,
    Node,
    called_function,
    leaf,
    refuse_to_freeze,
    underline_frame,
    user_frame,
    would_freeze,
)
from .operators import Operators
from .rules.elementwise import stop_gradient
from .rules.registry import RULES, Function, plain
from .weak import WEAK, WeakInt

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
            refuse_to_freeze(data._node, "Tensor(t)")
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
        if self._view is not None:
            self._refresh()
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
        return self._record(np.transpose, (self,), None, _transposed)

    @property
    def mT(self) -> Any:  # noqa: N802 (ndarray's name)
        """The transpose of each matrix of a stack."""
        return np.matrix_transpose(self)

    def _is_parameter(self) -> bool:
        """Whether this is a leaf of the user's, and not an argument under a transform."""
        return isinstance(self._node, Leaf) and self._node.handle is not None

    def detach(self) -> Tensor:
        """The same value in a tensor that carries no gradient."""
        value = self._current()
        if self._node is not None and MODE.get().tape is not None:
            return self._record(stop_gradient, (self,))  # type: ignore[no-any-return]
        if isinstance(value, np.ndarray):  # its ``data`` must not be a way into this tensor's value
            value = value.view()
            value.flags.writeable = False
        return untracked(value)

    def item(self) -> Any:
        """The value of a tensor of one entry, as a Python number."""
        return _single(self, "item()").item()

    def tolist(self) -> Any:
        """The value as (nested lists of) Python numbers."""
        value = self._current()
        refuse_to_freeze(self._node, "tolist()")
        return value.tolist()

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
        if spec:
            return format(_single(self, f"the format {spec!r}").item(), spec)
        return str(self)

    def __str__(self) -> str:
        if self._node is not None and type(self._node.value) is WeakInt:  # as in f"W{n}"
            return str(int(_single(self, "str()")))
        return repr(self)

    def __len__(self) -> int:
        return len(self._value)

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise ShapeError("cannot iterate over a tensor without axes (a single number)")
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(_single(self, "bool(), `if` or `and`"))

    def __float__(self) -> float:
        _refuse_to_convert(self)
        return float(_single(self, "float()"))

    def __int__(self) -> int:
        _refuse_to_convert(self)
        return int(_single(self, "int()"))

    def __index__(self) -> int:
        return operator.index(_single(self, "an index"))

    def __contains__(self, item: Any) -> bool:
        refuse_to_freeze(self._node, "`in`")
        return bool(np.any(self._current() == getattr(item, "_value", item)))

    def __hash__(self) -> int:
        if self._node is not None and isinstance(self._node.value, WEAK):
            refuse_to_freeze(self._node, "a look into a dict or set")
        return object.__hash__(self)

    def __copy__(self) -> Any:
        if self._node is not None and isinstance(self._node.value, WEAK):
            return self  # as a Python number
        if would_freeze(self._node) or (self.requires_grad and not self._is_parameter()):
            return self.copy()  # the gradient flows through it
        return _rebuild(*self.__reduce__()[1])

    def __deepcopy__(self, memo: Any) -> Any:
        return self.__copy__()

    def __reduce__(self) -> Any:
        refuse_to_freeze(self._node, "pickling")
        return _rebuild, (type(self), np.array(self._current()), self.requires_grad, self.name)

    # --- NumPy's protocols --------------------------------------------------------------------

    __array_priority__ = 1000
    _call_ufunc: Callable[..., Any]  # these two are given by protocol.py
    _call_unknown: Callable[..., Any]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        refuse_to_freeze(self._node, "np.asarray(t), as in plain[i] = t and plain[t],", _OF_ARRAYS)
        _refuse_to_detach(self, "np.asarray(t), np.array([...]) and ndarray.dot(t)")
        return np.array(self._current(), dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs and ufunc.nout == 1:
            if len(inputs) == 2 and ufunc in RULES:
                return self._record_pair(ufunc, inputs, ufunc)
            return self._record(ufunc, inputs)
        return self._call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if not kwargs and function in _REDUCE and len(args) == 1:
            return self._record(function, args, None, _REDUCE[function])
        handler = HANDLERS.get(function)
        if handler is None:
            return self._call_unknown(function, args, kwargs)
        return handler(*args, **kwargs)

    def __record__(self, function: Any, args: Any, kwargs: Any) -> Any:
        handler = HANDLERS.get(function)
        if handler is None:
            return self._record(function, args, kwargs or None, plain(function))
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
        try:
            value = np.array(data)
        except ValueError as error:
            raise ShapeError(f"{error}\n  got {_shorten(data)}") from None
        if value.dtype.kind not in "biuf":
            raise DtypeError(
                f"a tensor holds real numbers, not {_kind(value.dtype)}\n  got {_shorten(data)}"
            )
        return value[()]
    return data.copy()


#: What to do where NumPy asks a tensor for its values.
_OF_ARRAYS = (
    "make the\n  plain array a tg.Tensor, use np.stack for a list, and convert outside the function"
)


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
    refuse_to_freeze(t._node, purpose)
    if value.size != 1:
        raise ShapeError(
            f"{purpose} needs a tensor with exactly one entry, not one of shape {value.shape}\n"
            f"{underline_frame(user_frame(2))}"
        )
    return value.reshape(())[()]


def _refuse_to_detach(t: Tensor, how: str) -> None:
    tape = MODE.get().tape
    if tape is not None and tape.asked is not None and t._node is not None:
        tape.asked(t._node, how)
    elif t.requires_grad:
        raise DetachError(
            f"{how} would make a plain array of a tensor that carries a gradient, and lose it\n"
            "  keep it a tensor (np.stack([...]), X @ t, tg.Tensor arrays on both sides), or\n"
            "  write t.detach() where no gradient is wanted\n"
            f"{underline_frame(user_frame(2))}"
        )


_STORE = dis.opmap["STORE_SUBSCR"]


def _refuse_to_convert(t: Tensor) -> None:
    """Raise if the number is not asked for in so many words, but on the way into something else.

    ``X[i] = t`` and ``math.exp(t)`` both call float(t), and would lose the gradient.
    """
    if not t.requires_grad:
        return
    frame = sys._getframe(2)
    if frame.f_code.co_code[frame.f_lasti] == _STORE:
        _refuse_to_detach(t, "X[i] = t, with a plain array X,")
    called = called_function(frame)
    if getattr(called, "__module__", None) == "math" and called.__name__ not in _FLAT:
        _refuse_to_detach(t, f"math.{called.__name__}(t) takes a Python number: it")


#: Functions of the math module that are constant almost everywhere.
_FLAT = frozenset(("ceil", "floor", "isclose", "isfinite", "isinf", "isnan", "trunc"))


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
