"""What holds for all tests."""

import gc


def pytest_collection_finish() -> None:
    """Keep what collecting made, some 20,000 tests, out of every later search for garbage."""
    gc.collect()
    gc.freeze()
