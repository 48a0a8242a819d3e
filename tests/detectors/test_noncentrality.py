"""Bounds of a non-centrality from tables against scipy's inverse."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from detectors.statistics.noncentrality import noncentrality


@given(st.integers(1, 80), st.floats(0, 3_000))
def test_bounds_are_those_of_scipy_to_two_hundredths(degrees: int, statistic: float) -> None:
    low, high = noncentrality(np.array([statistic]), np.array([degrees]))[:, 0]
    for found, level in ((low, 0.975), (high, 0.025)):
        exact = special.chndtrinc(statistic, degrees, level) if special.chdtr(degrees, statistic) > level else 0.0
        assert math.isclose(found, exact, rel_tol=0.02, abs_tol=0.05 * math.sqrt(2 * degrees))  # against a standard deviation of the central law


def test_an_undefined_statistic_has_no_bounds() -> None:
    assert np.isnan(noncentrality(np.array([math.nan]), np.array([3]))).all()
