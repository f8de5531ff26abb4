"""Derivatives of functions: short compositions over one vector-Jacobian product.

Every operator takes a function of arrays or Python floats, or of nested dicts, lists and tuples of
them, and may be nested in any other to any order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from operator import index
from typing import Any

import numpy as np

from . import tree
from .errors import DataError, DtypeError, ShapeError
from .node import (
    MODE,
    ORDER,
    Leaf,
    derivatives_recorded,
    leaf,
    transforming,
    underline_frame,
    user_frame,
)
from .tensor import Tensor, untracked, wrap
from .walk import ones_like, private, walk

Function = Callable[..., Any]


def backward(result: Tensor, gradient: Any = None) -> None:
    """Add to the ``.grad`` of each leaf below ``result`` its gradient; see Tensor.backward."""
    result._current()
    if not result.requires_grad:
        raise ShapeError(
            "backward() of a tensor that depends on no leaf with requires_grad=True\n"
            f"{underline_frame(user_frame(2))}"
        )
    lift = derivatives_recorded()
    grads = walk([(result._node, _seed(result, gradient, lift))], lift=lift)  # type: ignore[list-item]
    for node in list(grads):
        target = node.tensor if isinstance(node, Leaf) else None
        if target is None:
            continue
        before = target.grad
        if before is not None:
            target._grad = before + grads[node]
        else:
            target._grad = grads[node] if lift else private(grads.pop(node))


def _seed(result: Tensor, gradient: Any, lift: bool) -> Any:
    """The gradient that comes into ``result``, checked."""
    if gradient is None:
        if result.size != 1:
            raise ShapeError(
                f"backward() of a tensor of shape {result.shape} needs the gradient of the final "
                "result with respect to it\n  reduce it to a single number first (.sum(), "
                ".mean()), or pass backward(gradient), of that shape\n"
                f"{underline_frame(user_frame(3))}"
            )
        return ones_like(result)
    shape = np.shape(gradient)
    if shape != result.shape:
        raise ShapeError(
            f"the gradient has shape {shape}, and the tensor has shape {result.shape}: "
            f"they must be the same\n{underline_frame(user_frame(3))}"
        )
    if isinstance(gradient, Tensor) and lift:
        return gradient
    return _real(_plain(gradient), result.dtype)


def _real(g: Any, dtype: Any) -> Any:
    """A gradient that was given, in the dtype of what it is the gradient of."""
    g = g if hasattr(g, "dtype") else np.asarray(g)[()]
    if g.dtype.kind not in "biuf":
        raise DtypeError(
            f"a gradient is made of real numbers, not {g.dtype}\n{underline_frame(user_frame(4))}"
        )
    return g if g.dtype == dtype else g.astype(dtype)


# --- functions to functions -----------------------------------------------------------------------


def vjp(f: Function, *primals: Any) -> tuple[Any, Function]:
    """The value of ``f`` at ``primals``, and its pullback.

    Args:
        f: a function of arrays (or nested structures of them) to the same.
        primals: where, one for each argument of ``f``; floating-point.

    Returns:
        ``(out, pullback)``: ``pullback(cotangent)``, with a cotangent of the structure and shapes
        of ``out``, gives a tuple with the vector-Jacobian product for each primal.

    Raises:
        DtypeError: a primal that is not floating-point.
        ShapeError: a cotangent of another shape than ``out``.

    Example:
        >>> import numpy as np
        >>> out, pullback = vjp(np.sin, np.array([0.0, 1.0]))
        >>> pullback(np.array([1.0, 0.0]))[0]
        array([1., 0.])
    """
    # The pullback may be called later, when the caller's arrays are others, and so may hold others.
    inner = derivatives_recorded()
    inputs, nodes = _inputs(tree.map_leaves(_copied, primals))
    with transforming():
        out = f(*inputs)
    results = tree.map_leaves(_as_tensor, out)

    def pullback(cotangent: Any) -> Any:
        lift = derivatives_recorded()
        seeds = _cotangents(results, cotangent, lift)
        return _pulled([(t, s) for t, s in seeds if t.requires_grad], inputs, nodes, lift)

    if not inner:
        results_outside = tree.map_leaves(_plain, results)
        return tree.map_leaves(_copied, results_outside), pullback
    return results, pullback


def _copied(x: Any) -> Any:
    return x.copy() if isinstance(x, np.ndarray) else x


def _inputs(primals: Any) -> tuple[Any, list[Any]]:
    """The arguments as tensors to differentiate with respect to, and the nodes of those."""
    starts = [_input(x) for x in tree.leaves(primals)]
    return tree.fill(primals, iter(starts)), [t._node for t in starts]


def _pulled(seeds: list[tuple[Tensor, Any]], inputs: Any, nodes: list[Any], lift: bool) -> Any:
    """The gradients in the structure of the inputs, of outputs with their cotangents."""
    tape = MODE.get().tape
    visit = None if tape is None else tape.passed
    grads = walk([(t._node, s) for t, s in seeds], nodes, lift, visit)  # type: ignore[misc]
    if tape is not None:
        tape.passed(None)
    finish = _lifted if lift else _finished
    return tree.fill(inputs, iter([finish(grads, node) for node in nodes]))


def _input(x: Any) -> Tensor:
    """A fresh leaf over an argument; over a tensor, a node through which an outer walk passes."""
    if isinstance(x, Tensor):
        value = x._current()
        _check_float(value)
        t = x._record(np.positive, (x,), None, _same)
        if t._node is None:
            t._node = leaf(value, True)
        else:
            t._node.requires_grad, t._node.order = True, next(ORDER)
        return t  # type: ignore[no-any-return]
    value = x if hasattr(x, "__array_function__") else np.asarray(x)[()]
    if value.dtype.kind != "f":
        _check_float(value)
    return wrap(value, leaf(value, True))


def _same(x: Any) -> Any:
    return x


def _check_float(value: Any) -> None:
    if value.dtype.kind != "f":
        raise DtypeError(
            f"a gradient needs floating-point arguments, not {value.dtype}\n"
            "  write 3.0 instead of 3, convert with .astype(float), or choose the arguments to\n"
            f"  differentiate with argnums=...\n{underline_frame(user_frame(2))}"
        )


def _as_tensor(x: Any) -> Tensor:
    if not isinstance(x, Tensor):
        return untracked(np.asarray(x)[()])
    x._current()
    return x


def _plain(x: Any) -> Any:
    return x._current() if isinstance(x, Tensor) else x


def _cotangents(outs: Any, cotangent: Any, lift: bool) -> list[tuple[Tensor, Any]]:
    """Each output with its cotangent, checked: of the output's structure, shape and dtype."""
    seeds = _matching(outs, cotangent, "the cotangent has not the structure of the output")
    pairs = []
    for t, s in zip(tree.leaves(outs), seeds, strict=True):
        if not lift:
            s = _plain(s)
        s = _real(s, t.dtype)
        if s.shape != t.shape:
            raise ShapeError(
                f"the cotangent has shape {s.shape}, and the output has shape {t.shape}: "
                f"they must be the same\n{underline_frame(user_frame(3))}"
            )
        pairs.append((t, s))
    return pairs


def _matching(structure: Any, other: Any, complaint: str) -> list[Any]:
    """The leaves of ``other`` in the order of the structure that it should have."""
    try:
        return tree.leaves_like(structure, other)
    except ValueError as error:
        raise ShapeError(f"{complaint}: {error}\n{underline_frame(user_frame(3))}") from None


def _lifted(grads: dict[Any, Any], start: Any) -> Tensor:
    """A gradient to hand out under another transform: a tensor; zeros if there is none."""
    g = grads.get(start)
    if g is None:
        return untracked(np.zeros_like(start.value)[()])
    return g if isinstance(g, Tensor) else untracked(g)


def _finished(grads: dict[Any, Any], start: Any) -> Any:
    """A gradient to hand out: an array that nobody else holds; zeros if there is none."""
    if start not in grads:
        return np.zeros_like(start.value)[()]
    g = private(grads.pop(start))
    return g[()] if isinstance(g, np.ndarray) and g.ndim == 0 else g


def value_and_grad(f: Function, argnums: Any = 0, has_aux: bool = False) -> Function:
    """A function that returns the value of ``f`` and its gradient.

    Args:
        f: a function whose value is a single number (or ``(number, aux)`` with ``has_aux``).
        argnums: which positional argument to differentiate, an int or a tuple of ints.
        has_aux: whether ``f`` returns something else beside the number, handed on undifferentiated.

    Returns:
        A function of f's arguments, to ``(value, gradient)``. The gradient has the structure of the
        argument (a tuple of gradients for a tuple of ``argnums``), zeros where ``f`` does not
        depend on it.

    Raises:
        ShapeError: ``f`` returns something else than a single number.
        DtypeError: an argument to differentiate is not floating-point.

    Example:
        >>> value_and_grad(lambda x: x * x)(3.0)
        (np.float64(9.0), np.float64(6.0))
    """
    _check_callable(f)
    single, positions = _positions(argnums)

    @wraps(f)
    def both(*args: Any, **kwargs: Any) -> Any:
        inner = derivatives_recorded()
        inputs, nodes = _inputs(_chosen(args, positions))
        full = list(args)
        for i, chosen in zip(positions, inputs, strict=True):
            full[i] = chosen
        with transforming():
            out = f(*full, **kwargs)
        value, aux = _scalar(out, f, has_aux)
        seeds = [(value, value.dtype.type(1))] if value.requires_grad else []
        grads = _pulled(seeds, inputs, nodes, inner)
        grads = grads[0] if single else grads
        if not inner:
            value, aux = _plain(value), tree.map_leaves(_plain, aux)
        return ((value, aux), grads) if has_aux else (value, grads)

    return both


def _positions(argnums: Any) -> tuple[bool, tuple[int, ...]]:
    """Whether ``argnums`` is a single int, and the ints."""
    try:
        if isinstance(argnums, (tuple, list)):
            return False, tuple(index(i) for i in argnums)
        return True, (index(argnums),)
    except TypeError:
        raise DataError(
            f"argnums is the place of an argument, or a tuple of places, not {argnums!r}\n"
            f"{underline_frame(user_frame(2))}"
        ) from None


def _chosen(args: tuple[Any, ...], positions: tuple[int, ...]) -> tuple[Any, ...]:
    """The arguments to differentiate."""
    for i in positions:
        if not -len(args) <= i < len(args):
            raise DataError(
                f"argnums={i}, but the function was called with {len(args)} positional arguments\n"
                f"{underline_frame(user_frame(2))}"
            )
    if len({i % len(args) for i in positions}) < len(positions):
        raise DataError(
            f"argnums={positions} names an argument twice\n{underline_frame(user_frame(2))}"
        )
    return tuple([args[i] for i in positions])


def _scalar(out: Any, f: Function, has_aux: bool) -> tuple[Tensor, Any]:
    """What ``f`` returned and its aux, if it is a single number of a floating-point type."""
    if has_aux and not (isinstance(out, tuple) and len(out) == 2):
        raise DataError(
            f"with has_aux=True {_name(f)} must return (value, aux), not {tree.kind(out)}\n"
            f"{underline_frame(user_frame(2))}"
        )
    value, aux = out if has_aux else (out, None)
    error: type[Exception] = ShapeError
    if value is None or isinstance(value, (dict, list, tuple)):
        came = tree.kind(value)
    else:
        value = _as_tensor(value)
        if value.shape != ():
            came = f"an array of shape {value.shape}"
        elif value.dtype.kind != "f":
            error, came = DtypeError, f"one of type {value.dtype}"
        else:
            return value, aux
    raise error(
        f"grad needs a function whose value is a single floating-point number; {_name(f)} "
        f"returned {came}\n"
        "  reduce it (.sum(), .mean()), or use tg.jacobian or tg.vjp\n"
        f"{underline_frame(user_frame(2))}"
    )


def _check_callable(f: Any) -> None:
    if not callable(f):
        raise DtypeError(
            f"grad takes a function, not its value ({type(f).__name__}): write tg.grad(f)(x), or "
            f"loss.backward()\n{underline_frame(user_frame(2))}"
        )


def _name(f: Function) -> str:
    return getattr(f, "__name__", repr(f))


def grad(f: Function, argnums: Any = 0) -> Function:
    """A function that returns the gradient of ``f``; see :func:`value_and_grad`.

    Example:
        >>> grad(grad(lambda x: x**3))(2.0)
        np.float64(12.0)
    """
    both = value_and_grad(f, argnums)

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


def jvp(f: Function, primals: Any, tangents: Any) -> tuple[Any, Any]:
    """The value of ``f`` at ``primals``, and its derivative along ``tangents``.

    The pullback is linear in its cotangent, so its own pullback is the forward derivative; no
    second set of rules is needed.

    Args:
        f: a function of arrays (or nested structures of them) to the same.
        primals: a tuple, one for each argument of ``f``.
        tangents: a tuple of the same structure and shapes.

    Returns:
        ``(out, tangent)``, both of the structure and shapes of f's output.

    Example:
        >>> jvp(lambda x: x * x, (3.0,), (1.0,))
        (np.float64(9.0), np.float64(6.0))
    """
    if not isinstance(primals, (tuple, list)):
        raise ShapeError(
            "primals is a tuple with one for each argument of the function, as in "
            f"jvp(f, (x,), (v,)); got {tree.kind(primals)}\n{underline_frame(user_frame(2))}"
        )
    primals = tuple(primals)
    along = _matching(primals, tangents, "the tangents have not the structure of the primals")
    shapes = [[np.shape(x) for x in leaves] for leaves in (tree.leaves(primals), along)]
    if shapes[0] != shapes[1]:
        raise ShapeError(
            f"primals have shapes {shapes[0]}, tangents {shapes[1]}: they must be the same\n"
            f"{underline_frame(user_frame(2))}"
        )
    with transforming():
        out, pullback = vjp(f, *primals)
    outer = derivatives_recorded()
    zeros = tree.map_leaves(lambda t: np.zeros(t.shape, t.dtype)[()], out)
    _, forward = vjp(lambda cotangent: pullback(cotangent), zeros)
    (tangent,) = forward(tree.fill(primals, iter(along)))
    return (out if outer else tree.map_leaves(_plain, out)), tangent


def hvp(f: Function, x: Any, v: Any) -> Any:
    """The Hessian of ``f`` at ``x`` times ``v``, without making the Hessian.

    Args:
        f: a function of one argument to a single number.
        x: where; an array or a structure of arrays.
        v: of the structure and shapes of ``x``.
    """
    return jvp(grad(f), (x,), (v,))[1]


def jacobian(f: Function, argnums: int = 0) -> Function:
    """A function that returns the Jacobian of ``f``.

    Args:
        f: a function of arrays to one array, of shape ``s``.
        argnums: the argument to differentiate, an array of shape ``t``.

    Returns:
        A function of f's arguments to an array of shape ``s + t``: one pullback for each entry of
        f's output.

    Example:
        >>> import numpy as np
        >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
        array([[2., 0.],
               [0., 4.]])
    """
    single, (position, *_) = _positions(argnums)
    if not single:
        raise DataError("jacobian differentiates one argument: argnums is an int")

    @wraps(f)
    def all_rows(*args: Any, **kwargs: Any) -> Any:
        def of_one(x: Any) -> Any:
            full = list(args)
            full[position] = x
            return f(*full, **kwargs)

        (x,) = _chosen(args, (position,))
        if isinstance(x, (dict, list, tuple)):
            raise DtypeError(
                "jacobian differentiates one array; use tg.vjp for nested structures\n"
                f"{underline_frame(user_frame(2))}"
            )
        out, pullback = vjp(of_one, x)
        if not hasattr(out, "shape"):
            raise DtypeError(
                f"jacobian needs a function that returns one array; {_name(f)} returned "
                f"{tree.kind(out)}\n{underline_frame(user_frame(2))}"
            )
        rows = [pullback(unit)[0] for unit in _units(out)]
        if not rows:
            return np.zeros(np.shape(out) + np.shape(x), out.dtype)
        rows_together = np.reshape(np.stack(rows), np.shape(out) + np.shape(x))
        return rows_together[()] if isinstance(rows_together, np.ndarray) else rows_together

    return all_rows


def _units(out: Any) -> Any:
    """The unit cotangents of ``out``, one for each entry."""
    for i in range(out.size):
        unit = np.zeros(out.size, out.dtype)
        unit[i] = 1
        yield np.reshape(unit, out.shape)[()]


def hessian(f: Function, argnums: int = 0) -> Function:
    """A function that returns the matrix of second derivatives of ``f``.

    Returns:
        For an argument of shape ``t`` an array of shape ``t + t``.
    """
    return jacobian(grad(f, argnums), argnums)
