"""Reductions, products, shapes and the operations of neural networks in ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...node import Node
from ...rules.linalg import tensordot_axes
from ...rules.neural import cross_entropy, log_softmax, logsumexp, softmax
from .batch import INT64
from .elementwise import abs_, select
from .values import BOOL, Emitter, Value, exports

# --- reductions -----------------------------------------------------------------------------------


def _axes(axis: Any, ndim: int) -> list[int]:
    """NumPy's ``axis`` as non-negative ints."""
    if axis is None or ndim == 0:
        return list(range(ndim))
    return sorted(a % ndim for a in (axis if isinstance(axis, tuple) else (axis,)))


def reduce(e: Emitter, kind: str, x: Value, axes: list[int], keepdims: bool) -> Value:
    """A reduction along axes; along none it is the value itself."""
    if not axes:
        return x
    return e.op(kind, x, e.constant(axes, INT64), keepdims=int(keepdims))


_REDUCTIONS = {
    np.sum: "ReduceSum", np.max: "ReduceMax", np.min: "ReduceMin", np.any: "ReduceMax",
    np.all: "ReduceMin", np.count_nonzero: "ReduceSum",
}  # fmt: skip


@exports(*_REDUCTIONS)
def _reduction(e: Emitter, node: Node) -> Value:
    function: Any = node.function
    names = ("axis", "keepdims") if function is np.count_nonzero else ("axis", "out", "keepdims")
    options = e.options(node, **dict.fromkeys(names))
    if options.get("out") is not None:
        raise e.error("out= has no counterpart in ONNX")
    dtype = node.value.dtype
    if function is np.count_nonzero:
        x = e.cast(e.value(node, 0, BOOL), INT64)
    elif dtype == BOOL:  # of which ONNX has no reductions
        x = e.cast(e.value(node, 0, BOOL), np.uint8)
    else:
        x = e.value(node, 0, dtype)
    axes = _axes(options["axis"], len(e.dims_of(node, 0)))
    out = reduce(e, _REDUCTIONS[function], x, axes, bool(options["keepdims"]))
    return e.cast(out, dtype)


@exports(np.argmax, np.argmin)
def _arg(e: Emitter, node: Node) -> Value:
    options = e.options(node, axis=None, out=None, keepdims=False)
    x = e.value(node, 0)
    x = e.cast(x, np.uint8) if x.dtype == BOOL else x
    kind = "ArgMax" if node.function is np.argmax else "ArgMin"
    axis, keepdims = options["axis"], int(bool(options["keepdims"]))
    if axis is None or not e.dims_of(node, 0):
        found = e.op(kind, e.reshape(x, [-1]), dtype=INT64, axis=0, keepdims=0)
        found = e.reshape(found, e.dims(node))
    else:
        found = e.op(kind, x, dtype=INT64, axis=int(axis), keepdims=keepdims)
    return e.cast(found, node.value.dtype)


@exports(np.argsort)
def _argsort(e: Emitter, node: Node) -> Value:
    options = e.options(node, axis=-1, kind=None, order=None, stable=None)
    x = e.value(node, 0)
    axis = options["axis"]
    if axis is None:
        x, axis = e.reshape(x, [-1]), 0
    axis %= max(len(e.dims_of(node, 0)), 1)
    length = e.op("Shape", x, dtype=INT64, start=axis, end=axis + 1)
    order = e.op("TopK", x, length, dtype=INT64, outputs=2, axis=axis, largest=0, sorted=1)
    return e.cast(order, node.value.dtype)


@exports(np.cumsum)
def _cumsum(e: Emitter, node: Node) -> Value:
    axis = e.options(node, axis=None)["axis"]
    x = e.value(node, 0, node.value.dtype)
    if axis is None:
        x, axis = e.reshape(x, [-1]), 0
    return e.op("CumSum", x, e.constant(axis, INT64))


# --- products -------------------------------------------------------------------------------------


def _factors(e: Emitter, node: Node) -> tuple[Value, Value, int, int]:
    """Both operands in the result's dtype, and how many axes each has."""
    dtype = node.value.dtype
    if dtype.kind in "iub" and dtype.itemsize < 4:
        raise e.error(f"ONNX has no products of matrices of {dtype}")
    a, b = (e.value(node, i, dtype) for i in (0, 1))
    return a, b, len(e.dims_of(node, 0)), len(e.dims_of(node, 1))


@exports(np.matmul)
def _matmul(e: Emitter, node: Node) -> Value:
    a, b, _, _ = _factors(e, node)
    return e.op("MatMul", a, b)


@exports(np.dot, np.inner)
def _dot(e: Emitter, node: Node) -> Value:
    a, b, m, n = _factors(e, node)
    if m == 0 or n == 0:
        return a * b
    if n == 1 or (n == 2 and node.function is np.dot):
        return e.op("MatMul", a, b)
    if n == 2:
        return e.op("MatMul", a, e.transpose(b, [1, 0]))
    summed = n - 2 if node.function is np.dot else n - 1
    return _contracted(e, a, b, m, n, [m - 1], [summed])


@exports(np.tensordot)
def _tensordot(e: Emitter, node: Node) -> Value:
    a, b, m, n = _factors(e, node)
    axes = e.batch.keywords(node).get("axes", 2)
    left, right = tensordot_axes(axes, m, n)
    return _contracted(e, a, b, m, n, list(left), list(right))


def _contracted(
    e: Emitter, a: Value, b: Value, m: int, n: int, left: list[int], right: list[int]
) -> Value:
    """The sum over pairs of axes, as an Einstein sum."""
    letters = iter("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    first = [next(letters) for _ in range(m)]
    second = [first[left[right.index(j)]] if j in right else next(letters) for j in range(n)]
    out = [c for i, c in enumerate(first) if i not in left]
    out += [c for j, c in enumerate(second) if j not in right]
    equation = f"{''.join(first)},{''.join(second)}->{''.join(out)}"
    return e.op("Einsum", a, b, equation=equation)


@exports(np.einsum)
def _einsum(e: Emitter, node: Node) -> Value:
    keywords = set(node.keywords or {}) - {"optimize"}  # the order of the products, not the value
    if keywords:
        raise e.error(f"the options {sorted(keywords)} have no counterpart in ONNX")
    operands = [e.value(node, i, node.value.dtype) for i in range(1, len(node.arguments))]
    return e.op("Einsum", *operands, equation=e.static(node, 0))


@exports(np.outer)
def _outer(e: Emitter, node: Node) -> Value:
    a, b, _, _ = _factors(e, node)
    return e.reshape(a, [-1, 1]) * e.reshape(b, [1, -1])


@exports(np.vdot)
def _vdot(e: Emitter, node: Node) -> Value:
    a, b, _, _ = _factors(e, node)
    return e.op("MatMul", e.reshape(a, [-1]), e.reshape(b, [-1]))


@exports(np.vecdot)
def _vecdot(e: Emitter, node: Node) -> Value:
    a, b, m, n = _factors(e, node)
    return reduce(e, "ReduceSum", a * b, [max(m, n) - 1], False)


def _matrix_and_vector(e: Emitter, node: Node) -> Value:
    a, b, m, n = _factors(e, node)
    if node.function is np.matvec:
        product, axis = e.op("MatMul", a, e.unsqueeze(b, [n])), -1
    else:
        product, axis = e.op("MatMul", e.unsqueeze(a, [m - 1]), b), -2
    return e.op("Squeeze", product, e.constant([axis], INT64))


if hasattr(np, "matvec"):  # NumPy 2.2
    exports(np.matvec, np.vecmat)(_matrix_and_vector)


@exports(np.linalg.det)
def _det(e: Emitter, node: Node) -> Value:
    return e.value(node, 0, node.value.dtype).apply("Det")


# --- shapes ---------------------------------------------------------------------------------------


@exports(np.reshape)
def _reshape(e: Emitter, node: Node) -> Value:
    return e.reshape(e.value(node, 0), e.dims(node))


@exports(np.transpose)
def _transpose(e: Emitter, node: Node) -> Value:
    ndim = node.value.ndim
    axes = e.options(node, axes=None)["axes"]
    axes = range(ndim)[::-1] if axes is None else [a % ndim for a in axes]
    return e.transpose(e.value(node, 0), axes)


@exports(np.broadcast_to)
def _broadcast_to(e: Emitter, node: Node) -> Value:
    return e.op("Expand", e.value(node, 0), e.shape_tensor(e.dims(node)))


@exports(np.concatenate, np.stack)
def _joined(e: Emitter, node: Node) -> Value:
    axis = e.batch.keywords(node).get("axis", 0)
    parts = [e.value(node, i, node.value.dtype) for i in range(len(node.arguments))]
    if axis is None:
        parts, axis = [e.reshape(x, [-1]) for x in parts], 0
    elif node.function is np.stack:
        axis %= node.value.ndim
        parts = [e.unsqueeze(x, [axis]) for x in parts]
    return e.op("Concat", *parts, axis=int(axis))


@exports(np.flip)
def _flip(e: Emitter, node: Node) -> Value:
    axes = _axes(e.options(node, axis=None)["axis"], node.value.ndim)
    x = e.value(node, 0)
    if not axes:
        return x
    k = len(axes)
    bounds = ([-1] * k, [np.iinfo(np.int64).min] * k, axes, [-1] * k)
    return e.op("Slice", x, *(e.constant(b, INT64) for b in bounds))


@exports(np.roll)
def _roll(e: Emitter, node: Node) -> Value:
    options = e.options(node, shift=None, axis=None)
    shift, axis = options["shift"], options["axis"]
    x = e.value(node, 0)
    if axis is None:
        x = e.reshape(x, [-1])
        return e.reshape(_rolled(e, x, shift, 0), e.dims(node))
    shifts = shift if isinstance(shift, tuple) else (shift,)
    axes = axis if isinstance(axis, tuple) else (axis,)
    count = max(len(shifts), len(axes))
    pairs = zip(shifts * (count // len(shifts)), axes * (count // len(axes)), strict=True)
    for s, a in pairs:
        x = _rolled(e, x, s, a % node.value.ndim)
    return x


def _rolled(e: Emitter, x: Value, shift: Any, axis: int) -> Value:
    """Entry i of the axis comes from i - shift, counted round."""
    length = e.op("Shape", x, dtype=INT64, start=axis, end=axis + 1)
    length = e.op("Squeeze", length, e.constant([0], INT64))
    places = e.op("Range", length.like(0), length, length.like(1))
    places = e.op("Mod", places - e.of_constant(shift, INT64), length)
    return e.op("Gather", x, places, axis=axis)


@exports(np.tril, np.triu)
def _triangle(e: Emitter, node: Node) -> Value:
    k = e.of_constant(e.options(node, k=0)["k"], INT64)
    return e.op("Trilu", e.value(node, 0), k, upper=int(node.function is np.triu))


@exports(np.diagonal)
def _diagonal(e: Emitter, node: Node) -> Value:
    """A pick of every (columns + 1)th entry of the flat matrices."""
    given = e.options(node, offset=0, axis1=0, axis2=1)
    dims = e.dims_of(node, 0)
    row, column = given["axis1"] % len(dims), given["axis2"] % len(dims)
    m, n = dims[row], dims[column]
    if not (isinstance(m, int) and isinstance(n, int)):
        raise e.error("a diagonal whose length depends on the batch size")
    rest = [i for i in range(len(dims)) if i not in (row, column)]
    x = e.transpose(e.value(node, 0), [*rest, row, column])
    x = e.reshape(x, [*(dims[i] for i in rest), m * n])
    places = np.diagonal(np.arange(m * n).reshape(m, n), given["offset"])
    return e.op("Gather", x, e.constant(places, INT64), axis=len(rest))


@exports(np.zeros_like, np.ones_like)
def _like(e: Emitter, node: Node) -> Value:
    entry = e.constant(int(node.function is np.ones_like), node.value.dtype)
    return e.op("Expand", entry, e.shape_tensor(e.dims(node)))


# --- neural networks ------------------------------------------------------------------------------


@exports(softmax, log_softmax)
def _softmax(e: Emitter, node: Node) -> Value:
    axis = e.options(node, axis=-1)["axis"]
    kind = "Softmax" if node.function is softmax else "LogSoftmax"
    return e.value(node, 0, node.value.dtype).apply(kind, axis=int(axis))


@exports(logsumexp)
def _logsumexp(e: Emitter, node: Node) -> Value:
    """With the largest entry taken off, which ONNX leaves to each runtime."""
    options = e.options(node, axis=-1, keepdims=False)
    x = e.value(node, 0, node.value.dtype)
    axes = _axes(options["axis"], len(e.dims_of(node, 0)))
    top = reduce(e, "ReduceMax", x, axes, True)
    top = select(abs_(top) < np.inf, top, 0)
    out = reduce(e, "ReduceSum", (x - top).apply("Exp"), axes, True).apply("Log") + top
    if options["keepdims"] or not axes:
        return out
    return e.op("Squeeze", out, e.constant(axes, INT64))


@exports(cross_entropy)
def _cross_entropy(e: Emitter, node: Node) -> Value:
    scores, labels = e.value(node, 0, node.value.dtype), e.value(node, 1, INT64)
    if e.batch.keywords(node).get("from_end"):
        labels = select(labels < 0, labels + node.arguments[0].shape[1], labels)
    return e.op("SoftmaxCrossEntropyLoss", scores, labels, reduction="mean")
