"""NumPy source with ``out=``: which value lies in which memory, and cheaper calls."""
