"""The audit's tests: what fails in the search for a reason fails the test."""

import os

import pytest


@pytest.fixture(autouse=True, scope="session")
def strict():
    """Errors that a user is only told of are raised, also in the processes of the command."""
    before = os.environ.get("TINYGRAD_NN_STRICT")
    os.environ["TINYGRAD_NN_STRICT"] = "1"
    yield
    if before is None:
        del os.environ["TINYGRAD_NN_STRICT"]
    else:
        os.environ["TINYGRAD_NN_STRICT"] = before
