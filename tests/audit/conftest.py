"""What the tests of the audit share."""

import pytest

from tests.audit.zoo import FAULTS, SOUND
from tests.audit.zoo.score import score_all


@pytest.fixture(scope="session")
def zoo_scores():
    """The scores of the whole zoo, the faults and then the sound programs: audited once."""
    return score_all((*FAULTS, *SOUND))
