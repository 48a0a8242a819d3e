"""Distances against scipy's, their null laws and intervals against simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import chebyshev, jensenshannon

from detectors.metrics.distances import distances, hellinger, jensen_shannon, kolmogorov_smirnov, l_infinity, psi, psi_p_value, total_variation, wasserstein

COUNTS = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=30).filter(lambda pairs: all(sum(side) > 0 for side in zip(*pairs, strict=True)))


@given(COUNTS)
def test_distances_are_those_of_scipy(pairs: list[tuple[int, int]]) -> None:
    reference, current = np.array(pairs, float).T
    scores = np.arange(len(pairs)) * 0.37 - 1
    assert jensen_shannon(reference, current).value == pytest.approx(jensenshannon(reference, current, base=2), abs=1e-7)
    assert wasserstein(reference, current, scores).value == pytest.approx(stats.wasserstein_distance(scores, scores, reference, current), abs=1e-9)
    p, q = reference / reference.sum(), current / current.sum()
    assert hellinger(reference, current).value == pytest.approx(np.sqrt(max(0, 1 - np.sqrt(p * q).sum())), abs=1e-7)
    assert l_infinity(reference, current).value == pytest.approx(chebyshev(p, q))
    rows = [np.repeat(scores, counts.astype(int)) for counts in (reference, current)]
    assert kolmogorov_smirnov(reference, current).value == pytest.approx(stats.ks_2samp(*rows, method="asymp").statistic, abs=1e-9)


@given(COUNTS)
def test_every_distance_is_in_its_range_and_zero_to_itself(pairs: list[tuple[int, int]]) -> None:
    reference, current = np.array(pairs, float).T
    for distance in distances(reference, current, np.arange(len(pairs)) * 1.0):
        assert distance.value >= 0
        assert 0 <= distance.interval[0] <= distance.interval[1]
        assert distance.null_quantile >= 0
    for distance in distances(reference, reference, np.arange(len(pairs)) * 1.0):
        assert distance.value == pytest.approx(0, abs=1e-7)
    assert total_variation(reference, current).value == total_variation(current, reference).value <= 1 + 1e-12


SAME = np.array([0.35, 0.25, 0.15, 0.1, 0.08, 0.07])
MOVED = np.array([0.25, 0.25, 0.15, 0.1, 0.08, 0.17])


@pytest.mark.parametrize("current", [SAME, MOVED], ids=["nothing changed", "a tenth of the rows moved"])
def test_the_null_law_and_the_interval_keep_their_promises(current: np.ndarray) -> None:
    random = np.random.default_rng(7)
    scores = np.linspace(-1.5, 1.5, len(SAME))
    truth = {distance.name: distance.value for distance in distances(SAME * 1e10, current * 1e10, scores)}
    beyond, held = dict.fromkeys(truth, 0), dict.fromkeys(truth, 0)
    for _ in range(400):
        for distance in distances(random.multinomial(3_000, SAME).astype(float), random.multinomial(1_000, current).astype(float), scores):
            beyond[distance.name] += distance.beyond_chance
            held[distance.name] += distance.interval[0] - 1e-4 <= truth[distance.name] <= distance.interval[1]
    assert all(count / 400 >= 0.91 for count in held.values()), held
    if current is SAME:
        assert all(count / 400 <= 0.08 for count in beyond.values()), beyond
        assert all(beyond[name] / 400 >= 0.02 for name in ("psi", "jensen_shannon", "hellinger", "total_variation", "l_infinity", "wasserstein")), beyond
    else:
        assert all(count / 400 > 0.9 for count in beyond.values()), beyond


def test_psi_on_small_chunks_exceeds_the_habit_of_a_tenth_by_chance() -> None:
    random = np.random.default_rng(8)
    found = [psi(random.multinomial(500, np.full(64, 1 / 64)).astype(float), random.multinomial(500, np.full(64, 1 / 64)).astype(float)) for _ in range(300)]
    assert np.mean([distance.value > 0.1 for distance in found]) > 0.9
    assert np.mean([distance.beyond_chance for distance in found]) < 0.1


def test_the_p_value_of_psi_agrees_with_its_quantile() -> None:
    reference, current = np.array([100.0, 200, 300]), np.array([60.0, 100, 140])
    distance = psi(reference, current)
    assert (psi_p_value(distance, 3) < 0.05) == distance.beyond_chance
    assert psi_p_value(distance, 3) == pytest.approx(stats.chi2.sf(distance.value / (1 / 600 + 1 / 300), 2))


def test_without_rows_a_distance_is_undefined() -> None:
    assert all(math.isnan(distance.value) for distance in distances(np.zeros(3), np.ones(3), np.arange(3.0)))


def test_categories_have_no_distance_that_needs_an_order() -> None:
    assert [distance.name for distance in distances(np.ones(3), np.ones(3))] == ["psi", "jensen_shannon", "hellinger", "total_variation", "l_infinity"]
