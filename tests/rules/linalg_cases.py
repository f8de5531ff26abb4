"""Cases of products and linear algebra."""

from __future__ import annotations

import numpy as np

from tests.rules.cases import apart, case, matrices, normal
from tinygrad_nn.rules.linalg import cofactors, logabsdet

MATMUL = (
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)), ((5, 2, 3), (5, 3, 4)), ((5, 1, 2, 3), (6, 3, 4)), ((1, 2, 3), (5, 3, 4)),
    ((5, 2, 3), (3,)), ((3,), (5, 3, 4)), ((6, 5, 2, 3), (5, 3, 2)), ((0, 3), (3, 2)),
    ((2, 0), (0, 3)), ((1, 1), (1, 1)), ((4, 5, 2, 3), (3, 4)), ((6, 5, 2, 3), (3,)),
)  # fmt: skip
for a, b in MATMUL:
    case(np.matmul, normal(*a), normal(*b))
case(np.linalg.matmul, normal(2, 3), normal(3, 2))
DOT = ((), (3,), (2, 3), (4, 2, 3))
for a in DOT:
    for b in ((), (3,), (3, 2), (2, 3, 4)):
        case(np.dot, normal(*a), normal(*b))
    for b in ((), (3,), (2, 3), (4, 2, 3)):
        case(np.inner, normal(*a), normal(*b))
for a, b in (((3,), (2,)), ((2, 2), (3,)), ((), (2,)), ((2, 3), (2, 2)), ((0,), (3,))):
    case(np.outer, normal(*a), normal(*b))
case(np.linalg.outer, normal(3), normal(2))
for a, b in (((3,), (3,)), ((2, 3), (3, 2)), ((), ()), ((2, 3), (6,))):
    case(np.vdot, normal(*a), normal(*b))
for a, b in (((3,), (3,)), ((2, 3), (3,)), ((4, 1, 3), (2, 3))):
    case(np.vecdot, normal(*a), normal(*b))
    case(np.linalg.vecdot, normal(*a), normal(*b))
if hasattr(np, "matvec"):
    for a, b in (((2, 3), (3,)), ((5, 2, 3), (3,)), ((2, 3), (5, 3)), ((4, 1, 2, 3), (5, 3))):
        case(np.matvec, normal(*a), normal(*b))
        case(np.vecmat, normal(*b), normal(*a[:-2], a[-1], a[-2]))
TENSORDOT = (
    ((2, 3, 4), (3, 4, 5), 2), ((2, 3), (4,), 0), ((2, 3, 4), (4, 3, 2), ([1, 2], [1, 0])),
    ((2, 3, 4), (5, 2), (0, 1)), ((2, 3, 4), (2, 4, 3), ((-1, 0), (1, -3))), ((3,), (3,), 1),
    ((2, 3, 4), (4, 2, 3), ([2, 0, 1], [0, 1, 2])), ((), (2,), 0), ((2, 0), (0, 3), 1),
)  # fmt: skip
for a, b, axes in TENSORDOT:
    case(np.tensordot, normal(*a), normal(*b), axes=axes)
    case(np.linalg.tensordot, normal(*a), normal(*b), axes=axes)

EINSUM = (
    ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("ba", (2, 3)), ("ii", (3, 3)),
    ("ii->i", (3, 3)), ("iij->j", (3, 3, 2)), ("ijj,ik->k", (2, 3, 3), (2, 4)), ("ij->", (2, 3)),
    ("...ij,...jk->...ik", (5, 2, 3), (3, 4)), ("...i->...", (2, 3)), ("i...,i...", (3, 2), (3, 1)),
    ("i,j,k->ijk", (2,), (3,), (2,)), ("ij,ij->i", (2, 3), (2, 3)), ("i,i", (3,), (3,)),
    (",i->i", (), (3,)), ("ij,kj->ik", (2, 1), (4, 3)), ("ij,j,k->ik", (2, 3), (3,), (4,)),
    ("i,ij,j", (2,), (2, 3), (3,)), ("...,...", (2, 3), (3,)), ("ij,kl->", (2, 2), (2, 3)),
    (" i j , j -> i ", (2, 3), (3,)), ("a...b,b...->...a", (2, 4, 3), (3, 4)), ("->", ()),
    ("ij...,jk...->ik...", (2, 3, 2), (3, 2, 1)), ("iii->i", (2, 2, 2)),
    ("ii,ii->i", (2, 2), (2, 2)),
)  # fmt: skip
for subscripts, *shapes in EINSUM:
    case(
        np.einsum,
        *(normal(*s) for s in shapes),
        via=lambda *x, s=subscripts: np.einsum(s, *x),
        label=subscripts.replace(" ", "_"),
    )
case(np.einsum, normal(2, 3), normal(3, 4), via=lambda a, b: np.einsum(a, [0, 1], b, [1, 2]))
case(
    np.einsum,
    normal(2, 3),
    normal(4, 3),
    via=lambda a, b: np.einsum(a, [..., 5], b, [2, 5], [2, ...]),
)
case(
    np.einsum,
    normal(2, 3),
    normal(3, 4),
    normal(4, 2),
    via=lambda a, b, c: np.einsum("ij,jk,kl->il", a, b, c, optimize=True),
)
case(np.einsum, normal(2, 3), via=lambda a: np.einsum("ij,j", a, [1.0, 2.0, 3.0]), float32=False)

# --- linear algebra ---------------------------------------------------------------------------

SOLVE = (
    ((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 3, 3), (3,)), ((2, 3, 3), (2, 3, 4)),
    ((3, 3), (2, 3, 4)), ((2, 1, 3, 3), (5, 3, 2)), ((1, 1), (1,)), ((2, 3, 3), (3, 2)),
)  # fmt: skip
for a, b in SOLVE:
    case(np.linalg.solve, matrices(*a), normal(*b))
for shape in ((3, 3), (2, 3, 3), (1, 1)):
    for function in (np.linalg.inv, np.linalg.det, logabsdet):
        case(function, matrices(*shape))
    case(np.linalg.slogdet, -matrices(*shape))
    case(np.linalg.cholesky, matrices(*shape), via=lambda a: np.linalg.cholesky(a @ a.mT))
case(np.linalg.cholesky, matrices(3, 3), via=lambda a: np.linalg.cholesky(a @ a.mT, upper=True))
case(np.linalg.det, np.array([[1.0, 2.0], [2.0, 4.0]]), label="singular")
case(np.linalg.det, np.outer(np.arange(1.0, 4), np.arange(2.0, 5)), label="rank one")
case(np.linalg.det, np.stack([np.eye(3), np.diag([1.0, 1.0, 0.0])]), label="one singular")
for n in (1, 2, 3, 9):
    case(cofactors, np.sin(np.arange(n * n).reshape(n, n)) + 2 * np.eye(n), numpy=False)
case(cofactors, np.cos(np.arange(18).reshape(2, 3, 3)) + 2 * np.eye(3), numpy=False)
case(cofactors, np.outer(np.arange(1.0, 4), np.arange(2.0, 5)), label="rank one", numpy=False)
for n in (0, 1, 2, 5, -1, -2):
    case(np.linalg.matrix_power, matrices(2, 3, 3), n=n)
case(
    np.linalg.multi_dot,
    normal(2, 3),
    normal(3, 4),
    normal(4),
    via=lambda *x: np.linalg.multi_dot(x),
)

for ord in (None, 1, 2, 3, 2.5, 0.5, -1, np.inf, -np.inf):
    case(np.linalg.norm, apart(4), ord=ord)
    case(np.linalg.norm, apart(2, 3), ord=ord, axis=1, keepdims=True)
    if ord is not None:
        case(np.linalg.vector_norm, apart(2, 3), ord=ord, axis=0)
case(np.linalg.norm, apart(4), ord=0)
case(np.linalg.vector_norm, apart(2, 3, 2), keepdims=True)
case(np.linalg.vector_norm, apart(2, 3, 2), axis=(0, 2))
case(np.linalg.norm, apart(2, 3, 2))
case(np.linalg.norm, apart(2, 3), keepdims=True)
for ord in ("fro", 1, -1, np.inf, -np.inf):
    case(np.linalg.norm, apart(2, 3), ord=ord)
    case(np.linalg.norm, apart(2, 3, 2), ord=ord, axis=(2, 0))
    case(np.linalg.norm, apart(2, 3, 2), ord=ord, axis=(0, -1), keepdims=True)
    case(np.linalg.matrix_norm, apart(2, 3, 2), ord=ord)

case(np.cross, normal(3), normal(3))
case(np.cross, normal(2, 3), normal(3))
case(np.cross, normal(3, 2), normal(3, 2), axis=0)
case(np.cross, normal(3, 2), normal(2, 3), axisa=0, axisc=0)
case(np.linalg.cross, normal(2, 3), normal(2, 3))
case(np.linalg.cross, normal(3, 2), normal(3, 2), axis=0)
for a, b in (((2, 3), (2, 2)), ((3,), (2,)), ((2, 3), (2,)), ((), (2, 2)), ((2,), (2, 2, 3))):
    case(np.kron, normal(*a), normal(*b))
for mode in ("full", "same", "valid"):
    for m, n in ((5, 3), (5, 2), (2, 5), (3, 5), (4, 4), (1, 3)):
        case(np.convolve, normal(m), normal(n), mode=mode)
        case(np.correlate, normal(m), normal(n), mode=mode)
