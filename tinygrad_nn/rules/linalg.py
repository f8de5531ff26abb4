"""Products and linear algebra. NumPy only.

The matrix rules are those of M. B. Giles, "An extended collection of matrix derivative results for
forward and reverse mode automatic differentiation" (2008), for stacks of matrices.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .indexing import scatter_add
from .registry import OUTPUT, constant, operation, rule


def mT(x: Any) -> Any:  # noqa: N802 (ndarray's name)
    """The transpose of each matrix of a stack."""
    return x.swapaxes(-1, -2)


# --- products -------------------------------------------------------------------------------------


def _matmul_left(g: Any, y: Any, a: Any, b: Any) -> Any:
    if a.ndim == 2 and b.ndim == 2:
        return g @ b.T
    if b.ndim == 1:  # (..., n, k) @ (k,) -> (..., n)
        return g * b if a.ndim == 1 else g[..., None] * b
    if a.ndim == 1:  # (k,) @ (..., k, m) -> (..., m); the stack's axes are summed by the walk
        return (b @ g[..., None])[..., 0]
    return g @ mT(b)


def _matmul_right(g: Any, y: Any, a: Any, b: Any) -> Any:
    if a.ndim == 2 and b.ndim == 2:
        return a.T @ g
    if a.ndim == 1:
        return g * a if b.ndim == 1 else a[:, None] * g[..., None, :]
    if b.ndim == 1:  # the stack's axes are summed by the walk
        return (mT(a) @ g[..., None])[..., 0]
    if b.ndim == 2:  # a stack of rows is one matrix of rows: one product, and no stack to sum
        return np.reshape(a, (-1, a.shape[-1])).T @ np.reshape(g, (-1, g.shape[-1]))
    return mT(a) @ g


rule(np.matmul, _matmul_left, _matmul_right, shape_only=(OUTPUT,))


def _dot_left(g: Any, y: Any, a: Any, b: Any) -> Any:
    """np.dot sums the last axis of a with the last but one of b; other axes side by side."""
    if a.ndim == 0 or b.ndim == 0:
        return g * b if a.ndim else np.sum(g * b)
    if b.ndim == 1:
        return g[..., None] * b
    if a.ndim <= 2 and b.ndim == 2:
        return g @ b.T
    rest = tuple(range(a.ndim - 1, g.ndim))
    return np.tensordot(g, b, (rest, tuple(i for i in range(b.ndim) if i != b.ndim - 2)))


def _dot_right(g: Any, y: Any, a: Any, b: Any) -> Any:
    if a.ndim == 0 or b.ndim == 0:
        return g * a if b.ndim else np.sum(g * a)
    lead = tuple(range(a.ndim - 1))
    if a.ndim == 2 and b.ndim == 2:
        return a.T @ g
    if b.ndim == 1:
        return np.tensordot(g, a, (lead, lead))
    out = np.tensordot(a, g, (lead, lead))  # (k, other axes of b)
    return np.moveaxis(out, 0, b.ndim - 2)


rule(np.dot, _dot_left, _dot_right, shape_only=(OUTPUT,))


def _inner_left(g: Any, y: Any, a: Any, b: Any) -> Any:
    if a.ndim == 0 or b.ndim == 0:
        return g * b if a.ndim else np.sum(g * b)
    rest = tuple(range(a.ndim - 1, g.ndim))
    return np.tensordot(g, b, (rest, tuple(range(b.ndim - 1))))


def _inner_right(g: Any, y: Any, a: Any, b: Any) -> Any:
    if a.ndim == 0 or b.ndim == 0:
        return g * a if b.ndim else np.sum(g * a)
    lead = tuple(range(a.ndim - 1))
    return np.tensordot(g, a, (lead, lead))


rule(np.inner, _inner_left, _inner_right, shape_only=(OUTPUT,))
rule(
    np.outer,
    lambda g, y, a, b: np.reshape(g @ np.ravel(b), a.shape),
    lambda g, y, a, b: np.reshape(np.ravel(a) @ g, b.shape),
    shape_only=(OUTPUT,),
)
rule(
    np.vdot,
    lambda g, y, a, b: g * np.reshape(b, a.shape),
    lambda g, y, a, b: g * np.reshape(a, b.shape),
    shape_only=(OUTPUT,),
)
rule(
    np.vecdot,
    lambda g, y, a, b: g[..., None] * b,
    lambda g, y, a, b: g[..., None] * a,
    shape_only=(OUTPUT,),
)
if hasattr(np, "matvec"):  # NumPy 2.2
    rule(
        np.matvec,
        lambda g, y, a, b: g[..., :, None] * b[..., None, :],
        lambda g, y, a, b: np.matvec(mT(a), g),
        shape_only=(OUTPUT,),
    )
    rule(
        np.vecmat,
        lambda g, y, a, b: np.matvec(b, g),
        lambda g, y, a, b: a[..., :, None] * g[..., None, :],
        shape_only=(OUTPUT,),
    )


def tensordot_axes(axes: Any, a_ndim: int, b_ndim: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """np.tensordot's ``axes`` as two tuples of non-negative ints."""
    if isinstance(axes, (int, np.integer)):
        return tuple(range(a_ndim - axes, a_ndim)), tuple(range(int(axes)))
    left, right = axes
    left = (left,) if isinstance(left, (int, np.integer)) else tuple(left)
    right = (right,) if isinstance(right, (int, np.integer)) else tuple(right)
    return tuple(i % a_ndim for i in left), tuple(i % b_ndim for i in right)


def _tensordot_left(g: Any, y: Any, a: Any, b: Any, axes: Any = 2) -> Any:
    left, right = tensordot_axes(axes, a.ndim, b.ndim)
    kept = [i for i in range(a.ndim) if i not in left]
    b_kept = [i for i in range(b.ndim) if i not in right]
    out = np.tensordot(g, b, (tuple(range(len(kept), g.ndim)), tuple(b_kept)))
    # out: the kept axes of a, then the contracted ones in b's order
    order = kept + [left[i] for i in sorted(range(len(right)), key=right.__getitem__)]
    return np.transpose(out, tuple(order.index(i) for i in range(a.ndim)))


def _tensordot_right(g: Any, y: Any, a: Any, b: Any, axes: Any = 2) -> Any:
    left, right = tensordot_axes(axes, a.ndim, b.ndim)
    a_kept = [i for i in range(a.ndim) if i not in left]
    kept = [i for i in range(b.ndim) if i not in right]
    out = np.tensordot(a, g, (tuple(a_kept), tuple(range(len(a_kept)))))
    # out: the contracted axes in a's order, then the kept axes of b
    order = [right[i] for i in sorted(range(len(left)), key=left.__getitem__)] + kept
    return np.transpose(out, tuple(order.index(i) for i in range(b.ndim)))


rule(np.tensordot, _tensordot_left, _tensordot_right, shape_only=(OUTPUT,))


def _einsum(
    argnum: int, g: Any, y: Any, subscripts: str, *operands: Any, optimize: Any = False
) -> Any:
    """The gradient of an einsum is an einsum: swap the operand's letters with the output's.

    ``subscripts`` is explicit, without ellipsis or repeated letters within one operand (the
    recording rewrites those). A letter that only this operand has was summed away: it comes back as
    a broadcast.
    """
    inputs, output = subscripts.split("->")
    letters = inputs.split(",")
    mine = letters[argnum - 1]
    x = operands[argnum - 1]
    letters[argnum - 1] = output
    known = set("".join(letters))
    present = "".join(c for c in mine if c in known)
    others = [*operands[: argnum - 1], g, *operands[argnum:]]
    out = np.einsum(f"{','.join(letters)}->{present}", *others, optimize=optimize)
    lengths = iter(out.shape)  # may be longer than x's, where x has length 1 and is broadcast
    full = tuple(next(lengths) if c in known else n for c, n in zip(mine, x.shape, strict=True))
    column = tuple(m if c in known else 1 for c, m in zip(mine, full, strict=True))
    return np.broadcast_to(np.reshape(out, column), full)


rule(np.einsum, variadic=_einsum, shape_only=(OUTPUT,))

# --- linear algebra -------------------------------------------------------------------------------


def _solve_left(g: Any, y: Any, a: Any, b: Any) -> Any:
    column = _is_vector(a, b)
    u = np.linalg.solve(mT(a), g[..., None] if column else g)
    return -(u @ mT(y[..., None] if column else y))


def _solve_right(g: Any, y: Any, a: Any, b: Any) -> Any:
    if _is_vector(a, b):
        return np.linalg.solve(mT(a), g[..., None])[..., 0]
    return np.linalg.solve(mT(a), g)


def _is_vector(a: Any, b: Any) -> bool:
    """Whether np.linalg.solve takes ``b`` for one vector (NumPy 2: only when it is 1-D)."""
    return bool(b.ndim == 1)


@operation
def cofactors(a: Any) -> Any:
    """The cofactors of each matrix of a stack (..., n, n), the derivative of its determinant.

    Where a matrix has no inverse, they are found from the determinants of its minors.
    """
    determinant = np.linalg.det(a)
    if np.all(determinant != 0) or a.shape[-1] > LARGEST_WITH_MINORS:
        return determinant[..., None, None] * mT(np.linalg.inv(a))
    rows, columns, signs = minor_index(a)
    return signs * np.linalg.det(a[..., rows, columns])


#: Minors are n * n matrices: too many for matrices larger than this.
LARGEST_WITH_MINORS = 32


def minor_index(a: Any) -> tuple[Any, Any, Any]:
    """An index (rows, columns) of all the minors of a matrix, and their signs in the cofactors."""
    n = np.arange(a.shape[-1])
    kept = np.array([np.delete(n, i) for i in n], np.intp).reshape(len(n), max(0, len(n) - 1))
    signs = (1 - 2 * ((n[:, None] + n) % 2)).astype(a.dtype)
    return kept[:, None, :, None], kept[None, :, None, :], signs


def _cofactors(g: Any, y: Any, a: Any) -> Any:
    """Each is the determinant of a minor, so its derivative the cofactors of that."""
    if a.shape[-1] > LARGEST_WITH_MINORS // 4:
        inverse = mT(np.linalg.inv(a))
        along = np.sum(g * inverse, axis=(-2, -1), keepdims=True)
        return y * along - inverse @ mT(g) @ y
    rows, columns, signs = minor_index(a)
    return scatter_add(
        (g * signs)[..., None, None] * cofactors(a[..., rows, columns]),
        a.shape,
        *(Ellipsis, rows, columns),
    )


def _cholesky(g: Any, y: Any, a: Any) -> Any:
    """S. F. Walter and L. Lehmann (2013); the lower half of ``a`` is what NumPy reads.

    The gradient is given symmetric, as that of a function of a symmetric matrix.
    """
    half = np.tril(np.ones(y.shape[-2:], y.dtype)) - 0.5 * np.eye(y.shape[-1], dtype=y.dtype)
    phi = half * (mT(y) @ g)
    s = np.linalg.solve(mT(y), phi)
    s = mT(np.linalg.solve(mT(y), mT(s)))  # L^-T phi L^-1
    return 0.5 * (s + mT(s))


rule(np.linalg.solve, _solve_left, _solve_right)
rule(np.linalg.inv, lambda g, y, a: -(mT(y) @ g @ mT(y)), shape_only=(0,))
rule(np.linalg.det, lambda g, y, a: g[..., None, None] * cofactors(a), shape_only=(OUTPUT,))
rule(cofactors, _cofactors)
rule(np.linalg.cholesky, _cholesky, shape_only=(0,))


@operation
def logabsdet(a: Any) -> Any:
    """The logarithm of |det a| of each matrix of a stack: the smooth half of np.linalg.slogdet."""
    return np.linalg.slogdet(a)[1]


@operation
def sign_of_det(a: Any) -> Any:
    """The sign of det a of each matrix of a stack: the constant half of np.linalg.slogdet."""
    return np.linalg.slogdet(a)[0]


constant(sign_of_det, np.linalg.matrix_rank)
rule(logabsdet, lambda g, y, a: g[..., None, None] * mT(np.linalg.inv(a)), shape_only=(OUTPUT,))
