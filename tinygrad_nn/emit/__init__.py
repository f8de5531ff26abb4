"""From a graph to source code: a room for each reader, and what they share.

    readable/   NumPy for people
    buffered/   NumPy with planned buffers
    numba/      loops fused around BLAS products
    onnx/       an ONNX model

``expand`` writes our own operations in NumPy first; ``code``, ``literals``, ``naming`` and
``python_numbers`` write the pieces; ``calling`` and ``program`` are what ``tg.compile`` runs.
"""
