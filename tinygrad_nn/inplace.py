"""Code in place on tensors: what ``t[i] = v`` and ``t += u`` mean, and views.

NumPy's meaning of the statement is kept for every name bound to the tensor and for every view of
it; what was computed before keeps the old value. A write makes a new value and moves the handle. A
view remembers the tensor that it looks into (its root) and how to look again: it notices at its
next use that the root has moved, and looks again. A write through a view is a write into its root.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import DtypeError, InPlaceError, ShapeError, TraceError
from .node import (
    MODE,
    Leaf,
    Node,
    assigned_name,
    describe,
    function_name,
    leaf,
    refuse_to_freeze,
    stand_in,
    underline_frame,
    user_frame,
)
from .rules.indexing import as_index, getitem, setitem
from .rules.registry import plain
from .rules.shape import inverse_axes
from .weak import WEAK


class View:
    """How a tensor came to look into the memory of another.

    Attributes:
        root: the tensor that owns the memory (itself no view).
        seen: the root's value when the view last looked.
        parent: the tensor that the view was taken of; the root, or a view of it.
        function, arguments, keywords: how it was taken.
        grad: whether it was taken outside ``no_grad``; it is looked at again in the same way.
    """

    __slots__ = ("arguments", "function", "grad", "keywords", "parent", "root", "seen")

    def __init__(self, parent: Any, function: Any, arguments: Any, keywords: Any) -> None:
        self.parent = parent
        self.root = parent._view.root if parent._view is not None else parent
        self.seen = self.root._value
        self.function = function
        self.arguments = arguments
        self.keywords = keywords
        self.grad = MODE.get().grad

    def look(self, record: Callable[..., Any]) -> Any:
        """The view, taken again of what its parent is now."""
        mode = MODE.get()
        token = MODE.set(mode.but(grad=self.grad))
        try:
            return record(self.function, (self.parent, *self.arguments), self.keywords)
        finally:
            MODE.reset(token)


def attach(t: Any, function: Any, args: tuple[Any, ...], keywords: Any) -> None:
    """Make ``t``, the result of ``function(*args)``, a view if it looks into its first argument."""
    parent = args[0]
    if not hasattr(parent, "_view"):  # a plain array: nobody writes into it through tensors
        return
    value = t._value
    if isinstance(value, np.ndarray):
        shares = np.may_share_memory(value, parent._value)
    else:
        shares = getattr(value, "base", None) is not None
    if shares:
        arguments = args[1:]
        if any(hasattr(a, "_view") for a in arguments):  # such an index may be changed in place
            arguments = tuple(a.copy() if hasattr(a, "_view") else a for a in arguments)
        t._view = View(parent, function, arguments, keywords)


def _no_way_back(parent: Any, value: Any, *_: Any, **__: Any) -> Any:
    raise InPlaceError(
        "this view is read-only, as in NumPy: write into the tensor that it was made from\n"
        f"{underline_frame(user_frame(2))}"
    )


#: For each function that makes views: what the parent becomes when the view becomes ``value``.
_WRITE_THROUGH: dict[Any, Callable[..., Any]] = {
    getitem: lambda parent, value, *index: parent._record(setitem, (parent, value, *index)),
    np.reshape: lambda parent, value, shape: np.reshape(value, parent.shape),
    np.transpose: lambda parent, value, axes=None: np.transpose(
        value, inverse_axes(axes, parent.ndim)
    ),
    np.flip: lambda parent, value, axis=None: np.flip(value, axis),
}


#: Indices of which equal ones mean the same.
_PLAIN_INDICES = (int, slice, type(None), type(Ellipsis))


class InPlace:
    """The statements that change a tensor, and its ``data``."""

    __slots__ = ()
    _record: Callable[..., Any]
    _value: Any
    _node: Node | None
    _view: View | None
    shape: Any
    dtype: Any
    requires_grad: Any

    def _current(self) -> Any:
        """The value now, looking again if this is a view whose root was written to."""
        if self._view is not None:
            self._refresh()
        return self._value

    def _refresh(self) -> None:
        stale: list[Any] = []
        t: Any = self
        while t._view is not None and t._view.root._value is not t._view.seen:
            stale.append(t)
            t = t._view.parent
        for t in reversed(stale):
            view = t._view
            new = view.look(self._record)
            t._value, t._node = new._value, new._node
            view.seen = view.root._value

    # --- the statements ---------------------------------------------------------------------------

    def __setitem__(self, index: Any, value: Any) -> None:
        _check_writable(self)
        if self._is_here_already(value, as_index(index)):
            return
        compute = _write_here if self._is_unshared(value) else plain(setitem)
        new = self._record(setitem, (self, value, *as_index(index)), None, compute)
        node = new._node
        if node is not None and node.function is setitem and MODE.get().tape is None:
            # Its rules read shapes only. Kept values, even small ones, would make filling an array
            # of n entries one by one cost n copies of it.
            spare = stand_in(new._value) if isinstance(new._value, np.ndarray) else new._value
            node.arguments, node.value = (spare, *node.arguments[1:]), spare
        self._assign(new)

    def _is_here_already(self, value: Any, index: tuple[Any, ...]) -> bool:
        """Whether ``value`` is ``self[index]`` itself, a view.

        So it is in ``t[i] += v``, which Python carries out as ``view = t[i]; view += v``, and then
        ``t[i] = view``. The write through the view is the statement's, and gets its place.
        """
        view = getattr(value, "_view", None)
        if (
            view is None
            or view.parent is not self
            or view.function is not getitem
            or not all(type(i) in _PLAIN_INDICES for i in index)
            or view.arguments != index
        ):
            return False
        node = (self if self._view is None else self._view.root)._node
        frame = user_frame(2)
        if node is not None and node.code is None and frame is not None:
            node.code, node.offset = frame.f_code, frame.f_lasti
        return True

    def __iadd__(self, other: Any) -> Any:
        return self._update(self + other)

    def __isub__(self, other: Any) -> Any:
        return self._update(self - other)

    def __imul__(self, other: Any) -> Any:
        return self._update(self * other)

    def __itruediv__(self, other: Any) -> Any:
        return self._update(self / other)

    def __ifloordiv__(self, other: Any) -> Any:
        return self._update(self // other)

    def __imod__(self, other: Any) -> Any:
        return self._update(self % other)

    def __ipow__(self, other: Any) -> Any:
        return self._update(self**other)

    def __imatmul__(self, other: Any) -> Any:
        return self._update(self @ other)

    def __ixor__(self, other: Any) -> Any:
        return self._update(self ^ other)

    def __iand__(self, other: Any) -> Any:
        return self._update(self & other)

    def __ior__(self, other: Any) -> Any:
        return self._update(self | other)

    def _update(self, new: Any) -> Any:
        """Carry out ``self op= other``, given ``self op other``."""
        _check_writable(self)
        if isinstance(self._value, (np.generic, *WEAK)) and not _is_parameter(self):
            return new  # a computed number: as of NumPy's scalars, other names keep the old one
        if new.shape != self.shape:
            raise ShapeError(
                f"a change in place keeps the shape: {self.shape} cannot become {new.shape}\n"
                f"{underline_frame(user_frame(2))}"
            )
        if new.dtype != self.dtype:
            if not np.can_cast(new.dtype, self.dtype, "same_kind"):
                raise DtypeError(
                    f"a change in place keeps the dtype: {new.dtype} does not fit in {self.dtype}\n"
                    f"{underline_frame(user_frame(2))}"
                )
            new = new.astype(self.dtype)
        self._assign(new)
        return self

    def _assign(self, new: Any) -> None:
        """Give the tensor, and whatever it is a view of, its new value."""
        t: Any = self
        while t._view is not None:
            view = t._view
            write: Callable[..., Any] = _WRITE_THROUGH.get(view.function, _no_way_back)
            new = write(view.parent, new, *view.arguments, **(view.keywords or {}))
            if new._node is not None:  # the name that the statement assigns to is the view's
                new._node.code = None
            t = view.parent
        value = _laid_out_like(t._value, new._value)
        if _is_parameter(t):  # inside no_grad: an update
            _replace_leaf(t, value)
        else:
            t._value, t._node = value, new._node

    def _is_unshared(self, value: Any) -> bool:
        """Whether nobody could notice if the value were overwritten where it is.

        True when the handle alone holds the array: no node keeps it, and no view looks into it.
        It saves a copy for each of ``for i in range(N): out[i] = ...``.
        """
        return (
            sys.getrefcount(self._value) == 2  # the handle's, and the argument of getrefcount
            and isinstance(self._value, np.ndarray)
            and self._value.flags.owndata
            and MODE.get().tape is None
        )

    # --- data -------------------------------------------------------------------------------------

    @property
    def data(self) -> Any:
        """The value as a plain array, without gradient.

        Of a leaf it may be changed (``p.data -= 0.1 * p.grad``); graphs recorded before keep the
        old value. Ask for it anew each time: an array kept from before a graph was recorded is
        that graph's value. Of a computed tensor it is read-only.
        """
        value = self._current()
        refuse_to_freeze(self._node, ".data")
        if not isinstance(value, np.ndarray):
            return value
        if self._node is None:
            if self._view is None or not self._view.root.requires_grad:
                return value
        elif self._node.function is None:
            if sys.getrefcount(self._node) > 2:  # the handle's and the argument's: a graph uses it
                _replace_leaf(self, value.copy())
            return self._value
        value = value.view()
        value.flags.writeable = False
        return value

    @data.setter
    def data(self, value: Any) -> None:
        if value is self._value:  # `p.data -= ...` has changed it already
            return
        if self._node is not None and self._node.function is not None:
            raise InPlaceError(
                "only a leaf's data can be set: this tensor is the result of "
                f"{function_name(self._node.function)}\n{underline_frame(user_frame(2))}"
            )
        if np.shape(value) != self.shape:
            raise ShapeError(
                f"the data of a tensor of shape {self.shape} has that shape, "
                f"not {np.shape(value)}\n{underline_frame(user_frame(2))}"
            )
        ours = isinstance(value, np.ndarray) or hasattr(value, "_view")
        if ours or not hasattr(value, "__array_function__"):
            new = np.array(value, dtype=self.dtype)[()]
        else:
            new = value.astype(self.dtype)
        if self._view is not None:
            self[...] = new
        elif self._node is None:
            self._value = new
        else:
            _replace_leaf(self, new)


def _write_here(x: Any, value: Any, *index: Any) -> Any:
    x[index] = value
    return x


def _laid_out_like(old: Any, new: Any) -> Any:
    """``new`` in the memory order of ``old``, on which it depends whether ravel gives a view."""
    if (
        not isinstance(new, np.ndarray)
        or new.strides == old.strides
        or (new.flags.c_contiguous and old.flags.c_contiguous)
    ):
        return new
    out = np.empty_like(old)
    out[...] = new
    return out


def _replace_leaf(t: Any, value: Any) -> None:
    old: Node = t._node
    if MODE.get().tape is not None:
        raise _changed_once(t.name or describe(old))
    frame_free = leaf(value, old.requires_grad, weakref.ref(t))
    frame_free.code, frame_free.offset = old.code, old.offset
    t._value, t._node = value, frame_free


def _changed_once(name: str) -> TraceError:
    return TraceError(
        f"{name} is changed while a program is traced, and is none of its arguments:\n"
        "  the change would happen once, not in every run; pass it as an argument\n"
        f"{underline_frame(user_frame(3))}"
    )


def _is_parameter(t: Any) -> bool:
    """Whether ``t`` is a leaf that requires a gradient, and not an argument under a transform."""
    node = t._node
    return isinstance(node, Leaf) and node.requires_grad and node.handle is not None


def _check_writable(t: Any) -> None:
    root = t._view.root if t._view is not None else t
    tape = MODE.get().tape
    if root._node is None and tape is not None and tape.asked is None:
        raise _changed_once(root.name or assigned_name(user_frame(2)) or "a tensor")
    if _is_parameter(root) and MODE.get().grad:
        frame = user_frame(2)
        name = root.name or assigned_name(frame) or "it"
        raise InPlaceError(
            "a leaf that requires a gradient cannot be changed in place: "
            f"{name} is a parameter\n"
            "  to update it, write it inside `with tg.no_grad():`; to compute with it, make a new\n"
            f"  tensor ({name} = {name} - ...)\n"
            f"{underline_frame(frame)}"
        )
