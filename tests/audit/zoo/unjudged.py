"""Programs with data at which the loss is infinite or no number."""

import numpy as np

from .entry import Unjudged
from .source import Edit


def _large(factor):
    """Scores so large that the right class has a probability of 0."""

    def change(case):
        for value in case.params.values():
            value *= factor

    return change


def _large_single(case):
    _large(10.0)(case)
    case.convert(np.float32)


_WRONG = Edit("dscores = (probs - onehot) / N", "dscores = (onehot - probs) / N")

UNJUDGED = (
    Unjudged("toy_infinite", "toy_class", change=_large(100.0)),
    Unjudged("toy_infinite_and_wrong", "toy_class", (_WRONG,), change=_large(100.0)),
    Unjudged("recurrent_no_number", "recurrent", change=_large(1e4)),
    Unjudged("case_infinite_single", "case_study", change=_large_single),
    Unjudged("weighted_leaky_no_number", "weighted_leaky", change=_large(30.0)),
    Unjudged("embeddings_infinite", "embeddings", change=_large(30.0)),
    Unjudged("logistic_loops_no_number", "logistic_loops", change=_large(100.0)),
    Unjudged("bilinear_no_number", "bilinear", change=_large(30.0)),
)
