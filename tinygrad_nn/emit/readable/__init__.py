"""NumPy source for people: statements with the names, shapes and lines of their program."""
