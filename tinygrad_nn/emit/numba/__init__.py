"""Functions for Numba: loops fused around BLAS products; the rest stays NumPy calls.

    plan.py          a graph as loops, products and calls; ``views.py``: views are read in place,
                     ``ops.py``: what Numba computes as NumPy does
    schedule.py      the order, and what becomes one loop (``fusion.py``) or one function
    names.py         what things are called, and where each value lies
    loops.py         the text of loops
    source.py        ``build``: the whole module
    cache.py         the module compiled, and kept on disk between runs
    parts.py         what generated modules import; the only file that imports Numba

From outside only ``build`` is called: by ``tg.compile``.
"""
