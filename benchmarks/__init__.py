"""Measurements, side by side with hand-written NumPy and with peers; each file is a command."""
