"""How the C library keeps freed memory: told once, at import, to keep a training step's worth.

glibc hands memory at the end of its heap back to the operating system as soon as 128 KB of it are
free. The arrays of a training step are freed together, so every step would return its memory and
fault it in again, page by page: for a network of 300-2-100-3 that is a third of the whole step. The
bound follows the largest block that the program has freed so far; freeing one of 16 MB, never
touched and so never really there, raises it to 32 MB. On other C libraries this does nothing.
Imports NumPy only.
"""

import numpy as np

#: Bytes; glibc keeps up to twice as many.
_BLOCK = 16 * 2**20

np.empty(_BLOCK, np.uint8)  # freed at once
