"""A value that is far from all earlier ones is a surprise, once; and how often it is none is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.monitors.novelty import REST, Novelty


def day(length: int, seed: int) -> np.ndarray:
    """A cycle of 50 values with noise."""
    return 20 + 10 * np.sin(2 * np.pi * np.arange(length) / 50) + np.random.default_rng(seed).normal(0, 1, length)


@given(st.lists(st.integers(0, 9) | st.floats(allow_nan=True, allow_infinity=True), max_size=40), st.integers(0, 40))
def test_wherever_a_series_is_cut_the_same_is_said(values: list[float], cut: int) -> None:
    detector = Novelty(chance=0.5, learn=2, memory=5)
    whole_state, whole = detector.walk({}, values)
    state, first = detector.walk({}, values[:cut])
    state, second = detector.walk(state, values[cut:])
    for name in ("distance", "p_value", "alarm"):
        np.testing.assert_array_equal(np.concatenate((getattr(first, name), getattr(second, name))), getattr(whole, name))
    assert state == whole_state
    assert len(state["values"]) <= 5
    assert len(state["distances"]) <= 5


def test_p_values_are_those_of_their_definition() -> None:
    values = np.random.default_rng(3).integers(0, 40, 60).astype(float)
    _, found = Novelty(learn=2).walk({}, values)
    distances = [min(abs(values[row] - values[:row])) for row in range(1, 60)]
    assert found.distance[1:].tolist() == distances
    assert found.p_value[1:] == pytest.approx([sum(one >= distances[row] for one in distances[: row + 1]) / (row + 1) for row in range(59)])


def test_a_spike_a_drop_and_a_new_level_are_told_and_a_spike_that_comes_again_is_not() -> None:
    series = day(2_000, seed=1)
    series[[700, 1_500]] = 60, 60.01
    series[1_000] = -15
    series[1_800:] += 40
    _, found = Novelty(learn=300).walk({}, series)
    told = np.flatnonzero(found.alarm).tolist()
    assert {700, 1_000} <= set(told)
    assert not any(1_400 <= row < 1_800 for row in told)
    assert any(1_800 <= row < 1_850 for row in told)


@pytest.mark.parametrize("series", [np.random.default_rng(8).standard_cauchy(20_000), np.random.default_rng(9).integers(0, 1_000, 20_000), day(20_000, seed=10)])
def test_while_nothing_changes_alarms_are_no_more_frequent_than_their_chance(series: np.ndarray) -> None:
    _, found = Novelty(chance=0.02, learn=500).walk({}, series)
    assert (found.p_value[500:] <= 0.02).mean() <= 0.022


def test_an_alarm_is_followed_by_silence_for_a_fifth_of_what_is_learnt() -> None:
    rising = np.concatenate((np.zeros(100), 2.0 ** np.arange(100)))
    _, found = Novelty(chance=0.05, learn=100).walk({}, rising)
    told = np.flatnonzero(found.alarm)
    assert told[0] == 100
    assert np.diff(told).min() == 100 // REST + 1


def test_what_is_missing_is_no_surprise_and_settings_that_mean_nothing_are_refused() -> None:
    _, found = Novelty(learn=2).walk({}, [1.0, np.nan, np.inf, 1.0])
    assert np.isnan(found.p_value).tolist() == [True, True, True, False]
    with pytest.raises(ValueError, match="chance must be between 0 and 1, got 1"):
        Novelty(chance=1)
    with pytest.raises(ValueError, match="got learn 10 and memory 5"):
        Novelty(learn=10, memory=5)
