"""A score a M_k b for each label k, all by `np.einsum`; binary cross entropy."""

import numpy as np


def loss(params, A, B, labels):
    M, c = params["M"], params["c"]
    P = params["P"]
    a = np.tanh(np.einsum("ni,ij->nj", A, P))
    s = np.einsum("ni,kij,nj->nk", a, M, B) + c
    q = 1 / (1 + np.exp(-s))
    n = s.shape[0]
    loss = -(labels * np.log(q) + (1 - labels) * np.log(1 - q)).sum() / n

    ds = (q - labels) / n
    dM = np.einsum("nk,ni,nj->kij", ds, a, B)
    dc = np.einsum("nk->k", ds)
    da = np.einsum("nk,kij,nj->ni", ds, M, B)
    dpre = da * (1 - a * a)
    dP = np.einsum("ni,nj->ij", A, dpre)
    return loss, {"M": dM, "c": dc, "P": dP}
