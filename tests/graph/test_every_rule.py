"""Every rule's cases as graphs: at another point the traced gradient is the eager one's."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_nn as tg
from tests.rules import elementwise_cases, linalg_cases, reduction_cases, shape_cases  # noqa: F401
from tests.rules.cases import CASES
from tests.rules.test_derivatives import weighted, weights_for
from tinygrad_nn.graph import parse

#: The shape of what these give depends on values, so a trace refuses them.
SHAPED_BY_VALUES = (np.extract,)
every_case = pytest.mark.parametrize(
    "case", [c for c in CASES if c.function not in SHAPED_BY_VALUES], ids=str
)


def program(case):
    """A number that depends on every output of the case, as a function of its arguments."""
    weights = weights_for(case)

    def f(*args):
        return weighted(case, weights, args)

    return f


def nearby(case):
    """Another point: as far as the cases' points are from the kinks, and further for the rest."""
    rng = np.random.default_rng(9)
    return [np.asarray(a * (1 + 0.01 * rng.uniform(-1, 1, np.shape(a))))[()] for a in case.args]


@every_case
def test_the_traced_gradient_at_another_point(case):
    f, wrt = program(case), tuple(range(len(case.args)))
    graph = tg.trace(f, *case.args).gradient(wrt)
    for args in (case.args, nearby(case)):
        value, grads = graph.run(*args)
        expected, eager = tg.value_and_grad(f, argnums=wrt)(*args)
        np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-13)
        for g, e in zip(grads, eager, strict=True):
            assert g.dtype == e.dtype
            np.testing.assert_allclose(g, e, rtol=1e-10, atol=1e-12)
    assert str(parse(str(graph))) == str(graph)
