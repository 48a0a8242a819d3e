"""How much events depend on each other, as a bank measures it while panes come."""

import numpy as np
import pytest

from detectors.scans.history import GrowingHistogram
from detectors.statistics.dependence import INDEPENDENT, Dependence, Pairs, Panes


def measured(values: np.ndarray, per_pane: int, of_events: np.ndarray | None = None) -> Dependence:
    """After streams (events, c) went through panes of so many events."""
    panes = values.reshape(-1, per_pane, values.shape[1])
    sums = np.stack((np.full(panes.shape[::2], float(per_pane)), panes.sum(axis=1), (panes**2).sum(axis=1)), axis=1)
    histogram = GrowingHistogram([], np.empty(0, np.int64), np.empty((0, sums[0].size)), room=len(sums))
    dependence = Dependence.empty(values.shape[1])
    for place, pane in enumerate(sums):
        dependence = dependence.with_panes(pane[:1], pane[1:2], pane[2:], np.ones((1, 1), bool))
        for level, _, pair in histogram.append(place, pane.ravel(), 0):
            both = pair.reshape(2, 1, *pane.shape)
            dependence = dependence.with_contrasts([level], both[:, :, 0], both[:, :, 1], np.ones((1, 1), bool))
        if place % 8 == 7:
            dependence = dependence.estimated(of_events)
    return dependence


def autoregressive(generator: np.random.Generator, correlation: float, shape: tuple[int, int]) -> np.ndarray:
    from scipy.signal import lfilter

    return lfilter([1], [1, -correlation], generator.normal(size=shape) * np.sqrt(1 - correlation**2), axis=0)


@pytest.mark.parametrize("per_pane", [1, 10, 100])
def test_independent_events_are_not_inflated(per_pane) -> None:
    dependence = measured(np.random.default_rng(1).normal(size=(400 * per_pane, 200)), per_pane)
    independent = dependence.inflation == 1
    assert independent.mean() > 0.9
    assert (dependence.freedom[independent] == INDEPENDENT).mean() > 0.95
    assert dependence.inflation.max() < 1.8


@pytest.mark.parametrize(("correlation", "per_pane"), [(0.3, 10), (0.7, 10), (0.7, 1), (0.9, 10), (0.9, 100)])
def test_an_autoregression_is_inflated_by_its_long_run_variance(correlation, per_pane) -> None:
    dependence = measured(autoregressive(np.random.default_rng(2), correlation, (1_000 * per_pane, 100)), per_pane)
    truth = (1 + correlation) / (1 - correlation)
    assert 0.93 * truth < np.median(dependence.inflation) < 1.15 * truth
    assert (dependence.inflation > 0.6 * truth).all()
    assert (dependence.freedom < 1_500).all()


def test_squares_of_events_that_depend_on_each_other_are_not_presumed_independent() -> None:
    values = autoregressive(np.random.default_rng(7), 0.3, (200 * 10, 100))
    both, of_values = np.concatenate((values, values**2), axis=1), np.tile(np.arange(100), 2)
    told, by_themselves = (measured(both, 10, of_events).inflation[100:] for of_events in (of_values, None))
    assert (by_themselves == 1).mean() > 0.5, "a correlation of .09 is seldom seen in so few panes"
    assert (told == 1).mean() < 0.2
    assert 1.1 < np.mean(told) < 1.3, "in the long run it is 1.2"


def test_what_the_events_of_a_pane_have_in_common_tells_an_autoregression_more_surely_than_neighbouring_panes_do() -> None:
    dependence = measured(autoregressive(np.random.default_rng(2), 0.7, (1_000 * 10, 200)), 10)
    found = dependence.inflation / (1.7 / 0.3)
    assert found.mean() == pytest.approx(1, abs=0.03)
    assert found.std() < 0.085, "by the correlation of neighbouring panes alone it would be .1"


def test_an_autoregression_under_noise_is_not_taken_for_a_shorter_one() -> None:
    generator = np.random.default_rng(6)
    values = np.sqrt(0.5) * (autoregressive(generator, 0.8, (300 + 1_000 * 10, 100))[300:] + generator.normal(size=(1_000 * 10, 100)))
    found = measured(values, 10).inflation / (0.5 * 1.8 / 0.2 + 0.5)
    assert 0.95 < np.median(found) < 1.15
    assert np.quantile(found, 0.1) > 0.75, "as short as it looks within a pane it would be .74"


@pytest.mark.parametrize(("correlation", "deviation", "per_pane"), [(0.5, 0.3, 20), (0.8, 0.3, 10), (0.8, 0.2, 20)])
def test_a_wave_through_events_that_are_independent_but_for_it_is_inflated_though_it_is_hardly_seen_from_pane_to_pane(correlation, deviation, per_pane) -> None:
    generator = np.random.default_rng(5)
    wave = deviation * autoregressive(generator, correlation, (1_100, 100))[100:]
    dependence = measured(np.repeat(wave, per_pane, axis=0) + generator.normal(size=(1_000 * per_pane, 100)), per_pane)
    truth = (1 + per_pane * deviation**2 * (1 + correlation) / (1 - correlation)) / (1 + deviation**2)
    assert 0.75 * truth < np.median(dependence.inflation) < 1.25 * truth
    assert (dependence.inflation > 0.35 * truth).all()


@pytest.mark.parametrize("jump", [0.5, 3.0, 100.0])
@pytest.mark.parametrize("pane", [20, 32, 45, 100])
def test_one_jump_is_not_taken_for_dependence(jump, pane) -> None:
    values = np.random.default_rng(3).normal(size=(200 * 10, 100))
    values[pane * 10 + 3 :] += jump
    dependence = measured(values, 10)
    assert np.median(dependence.inflation) == 1
    assert (dependence.inflation < 2).mean() > 0.95


def test_a_column_that_is_constant_is_independent() -> None:
    dependence = measured(np.ones((600, 2)), 10)
    assert (dependence.inflation == 1).all()


def test_leaving_the_largest_contrast_out_of_each_length_lowers_no_variance() -> None:
    dependence = measured(np.random.default_rng(4).normal(size=(1_000 * 10, 300)), 10)
    count, total, largest = np.moveaxis(dependence.contrasts[:6], 1, 0)
    assert (largest <= total).all()
    assert dependence.inflation.mean() == pytest.approx(1, abs=0.02)
    # With so many panes a fifth more variance than that of independent events is told from none.
    wider = Dependence(dependence.contrasts * np.array([1, 1.25, 1.25])[:, None], dependence.within, dependence.inflation, dependence.freedom).estimated()
    assert np.median(wider.inflation) == pytest.approx(1.25 / (1 + 0.25 / 10), abs=0.08)
    assert count[0, 0] == pytest.approx(500, abs=5)


@pytest.mark.parametrize("per_pane", [1, 10])
@pytest.mark.parametrize("at_once", [5, 64])
def test_panes_that_come_together_are_estimated_from_as_if_they_came_one_by_one(per_pane: int, at_once: int) -> None:
    """To the bit; with columns that are correlated, that have panes without events, that end, and that are constant."""
    generator, channels = np.random.default_rng(7), 24
    panes = autoregressive(generator, 0.8, (400 * per_pane, channels)).reshape(400, per_pane, channels)
    panes[:, :, 8:16] = generator.normal(size=panes[:, :, 8:16].shape)
    panes[200:, :, 3] *= 4
    panes[:, :, 5] = 2.0
    events = np.full((400, channels), float(per_pane))
    events[generator.random(events.shape) < 0.2] = 0
    events[150:, 4] = 0
    sums = np.stack((events, panes.sum(axis=1) * (events > 0), (panes**2).sum(axis=1) * (events > 0)), axis=1)
    since = generator.integers(0, 60, channels)
    of_events = generator.permutation(channels)
    histogram = GrowingHistogram([], np.empty(0, np.int64), np.empty((0, 3 * channels)), room=400)
    one_by_one = together = Dependence.empty(channels)
    for first in range(0, 400, at_once):
        some = range(first, min(first + at_once, 400))
        told, asked, levels, times, pairs = [], [], [], [], []
        for place in some:
            one_by_one = one_by_one.with_panes(*sums[place][:, None], since <= place)
            for level, began, pair in histogram.append(place, sums[place].ravel(), 0):
                both = pair.reshape(2, 1, 3, channels)
                one_by_one = one_by_one.with_contrasts([level], both[:, :, 0], both[:, :, 1], (since <= began)[None])
                levels.append(level)
                times.append(began)
                pairs.append(both)
            if place % 8 == 7:
                one_by_one = one_by_one.estimated(of_events)
                told.append(np.concatenate((one_by_one.inflation, one_by_one.freedom)))
                asked.append((place + 1 - first, len(levels)))
        both = np.concatenate([np.empty((2, 0, 3, channels)), *pairs], axis=1)
        of_pairs = Pairs(levels, both[:, :, 0], both[:, :, 1], since <= np.array(times, np.int64)[:, None])
        of_panes = Panes(*np.moveaxis(sums[some], 1, 0), since <= np.array(some)[:, None])
        together, known = together.grown(of_panes, of_pairs, asked, of_events)
        assert known.tobytes() == np.array(told).reshape(-1, 2 * channels).tobytes()
        for name, values in together.as_state().items():
            assert values.tobytes() == one_by_one.as_state()[name].tobytes(), (name, first)
    assert (together.inflation > 1).any()
    assert (together.inflation == 1).any()
