"""Delays and false alarms are counted as they are defined, with intervals that hold what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from detectors.evaluation import Delays, FalseAlarms, Watched, delays_of, false_alarms_of
from detectors.evaluation.delay import share_interval


def watched(alarms: list[tuple[int, int]], *, streams: int, events: int = 100, restarts: bool) -> Watched:
    stream, seen = np.array(alarms, np.int64).reshape(-1, 2).T
    return Watched(stream, seen, events, streams, np.zeros(streams, np.int64), restarts)


CHANGE = np.full(4, 50)
ALARMS = [(0, 30), (0, 70), (1, 51), (2, 50)]  # stream 3 says nothing


def test_a_monitor_that_alarmed_before_the_change_has_no_delay() -> None:
    delays = delays_of(watched(ALARMS, streams=4, restarts=False), CHANGE)
    assert (delays.delays.tolist(), delays.left_out) == ([1.0, np.inf], 2)


def test_a_detector_that_begins_anew_after_an_alarm_has_the_delay_of_its_first_alarm_after_the_change() -> None:
    delays = delays_of(watched(ALARMS, streams=4, restarts=True), CHANGE)
    assert (delays.delays.tolist(), delays.left_out) == ([1.0, 20.0, np.inf, np.inf], 0)


def test_false_alarms_are_those_up_to_the_change_and_a_monitor_is_observed_until_its_first() -> None:
    assert false_alarms_of(watched(ALARMS, streams=4, restarts=False), CHANGE) == FalseAlarms(2, 30 + 50 + 50 + 50)
    assert false_alarms_of(watched(ALARMS, streams=4, restarts=True), CHANGE) == FalseAlarms(2, 4 * 50)
    assert false_alarms_of(watched(ALARMS, streams=4, restarts=True)) == FalseAlarms(4, 4 * 100)


def test_events_in_which_a_monitor_was_learning_are_not_observed() -> None:
    learning = Watched(np.array([0]), np.array([30]), 100, 2, np.array([20, 40]), restarts=False)
    assert false_alarms_of(learning) == FalseAlarms(1, 10 + 60)


def test_monitors_of_one_model_alarm_with_the_first_of_them() -> None:
    model = watched([(0, 70), (1, 30), (3, 90)], streams=4, restarts=False).together(2)
    assert (model.stream.tolist(), model.seen.tolist(), model.streams) == ([0, 1], [30, 90], 2)
    with pytest.raises(ValueError, match="got 4 streams in groups of 3"):
        watched([], streams=4, restarts=False).together(3)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 100)), unique=True), st.integers(1, 99))
def test_every_stream_has_a_delay_or_had_a_false_alarm(alarms: list[tuple[int, int]], change: int) -> None:
    found = watched(sorted(alarms), streams=4, restarts=False)
    delays = delays_of(found, np.full(4, change))
    assert len(delays.delays) + false_alarms_of(found, np.full(4, change)).alarms == 4
    assert len(delays.delays) + delays.left_out == 4
    assert (delays.delays >= 1).all()


def test_the_interval_of_the_median_holds_it_in_95_of_100_samples_whatever_the_law() -> None:
    generator = np.random.default_rng(5)
    for count in (20, 301):
        samples = np.sort(generator.standard_exponential((2_000, count)), axis=1)
        ends = np.array([Delays(sample, 0).interval for sample in samples])
        held = np.mean((ends[:, 0] <= np.log(2)) & (np.log(2) <= ends[:, 1]))
        assert 0.94 <= held <= 0.985


def test_the_median_of_changes_that_are_mostly_missed_is_not_a_number_of_events() -> None:
    assert Delays(np.array([10.0, np.inf, np.inf]), 0).median == np.inf
    assert np.isnan(Delays(np.empty(0), 3).median)
    assert np.isnan(Delays(np.empty(0), 3).found(10))
    assert np.isnan(Delays(np.arange(5.0), 0).interval).all()


def test_the_interval_of_a_rate_is_where_as_few_or_as_many_alarms_become_unlikely() -> None:
    for alarms in (1, 30, 400):
        low, high = FalseAlarms(alarms, 1_000_000).interval
        exact_low = optimize.brentq(lambda mean, count=alarms: stats.poisson.sf(count - 1, mean) - 0.025, 1e-9, 1e4)
        exact_high = optimize.brentq(lambda mean, count=alarms: stats.poisson.cdf(count, mean) - 0.025, 1e-9, 1e4)
        assert (low, high) == pytest.approx((exact_low / 10, exact_high / 10))
    assert FalseAlarms(0, 1_000_000).interval == pytest.approx((0, 0.369), abs=0.001)


def test_without_events_there_is_no_rate() -> None:
    assert np.isnan([FalseAlarms(0, 0).rate, *FalseAlarms(0, 0).interval]).all()
    assert FalseAlarms(0, 10).run_length == np.inf
    assert FalseAlarms(1, 10) + FalseAlarms(2, 30) == FalseAlarms(3, 40)


def test_the_interval_of_a_share_is_that_of_clopper_and_pearson() -> None:
    for count in (0, 3, 20):
        expected = stats.binomtest(count, 20).proportion_ci(0.95, method="exact")
        assert share_interval(count, 20) == pytest.approx((expected.low, expected.high))
    assert np.isnan(share_interval(0, 0)).all()
