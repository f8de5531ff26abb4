"""One function for Numba: loops fused around BLAS products; the rest stays NumPy calls."""
