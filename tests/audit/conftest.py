"""What the tests of the audit share."""

import os
from contextlib import ExitStack

import pytest

from tests.audit.zoo import ENTRIES
from tests.audit.zoo.score import scoring

# Errors in the search for a reason, of which a user is only told, are raised: here, in the zoo's
# processes, and in those of the command.
os.environ.setdefault("TINYGRAD_NN_STRICT", "1")

_BEGUN = pytest.StashKey()


def pytest_collection_modifyitems(items):
    """The zoo's scores are waited for at the end: they come while the other tests run."""
    items.sort(key=_needs_scores)


def pytest_collection_finish(session):
    if any(map(_needs_scores, session.items)) and not session.config.option.collectonly:
        stack = ExitStack()
        session.config.stash[_BEGUN] = stack, stack.enter_context(scoring(ENTRIES))


def pytest_sessionfinish(session):
    if _BEGUN in session.config.stash:
        session.config.stash[_BEGUN][0].close()


def _needs_scores(item):
    return "zoo_scores" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def zoo_scores(request):
    """The scores of all entries of the zoo, audited once."""
    return request.config.stash[_BEGUN][1]()
