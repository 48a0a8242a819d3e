"""Streams are what they say: before the change, after it, and to the oracle."""

import numpy as np
import pytest
from scipy import stats

from detectors.evaluation import Autoregressive, BeyondFloor, Common, Cycle, Law, Levels, ManyZeros, Moved, Normal, Rate, Student, changed_streams, null_batches, null_streams

LAWS: list[Law] = [
    Rate(0.1, 0.3),
    Moved(shift=0.5, scale=1.5),
    Moved(shift=0.5, noise=Student(2.5)),
    Moved(shift=0.5, noise=Autoregressive(0.7)),
    Moved(shift=0.5, noise=Cycle(50)),
    Moved(shift=0.5, noise=Common(5, 0.9)),
    Levels((0.5, 0.3, 0.2), (0.2, 0.3, 0.5), values=(1, 2, 7)),
    ManyZeros(0.6, 0.4),
]
LAWS += [BeyondFloor(law, 0.3) for law in (LAWS[0], LAWS[1], LAWS[6], LAWS[7])]
named = pytest.mark.parametrize("law", LAWS, ids=lambda law: f"{type(law).__name__}-{type(getattr(law, 'noise', None)).__name__}")


@named
def test_the_log_likelihood_ratio_favours_the_law_that_the_events_came_from(law: Law) -> None:
    for weight, sign in ((0.0, -1), (1.0, 1)):
        values = law.draw(np.random.default_rng(1), np.full((2_000, 5), weight))
        assert sign * law.log_ratio(values).mean() > 0.01


@named
def test_the_likelihood_ratio_of_null_events_has_the_mean_one(law: Law) -> None:
    ratio = np.exp(law.log_ratio(law.draw(np.random.default_rng(2), np.zeros((100_000, 5)))))
    assert ratio.mean() == pytest.approx(1, abs=6 * ratio.std() / np.sqrt(ratio.size) + 0.01)


@named
def test_the_same_seed_draws_the_same_and_streams_differ_from_each_other(law: Law) -> None:
    streams = [null_streams(law, streams=10, events=50, seed=3, reference=20) for _ in range(2)]
    assert np.array_equal(streams[0].values, streams[1].values)
    assert np.array_equal(streams[0].reference, streams[1].reference)
    assert len({column.tobytes() for column in np.concatenate((streams[0].values, streams[0].reference)).T}) == 10


def test_noise_has_the_law_that_its_name_says() -> None:
    generator = np.random.default_rng(4)
    assert stats.kstest(Normal().draw(generator, 5_000, 1, 0)[:, 0], "norm").pvalue > 0.001
    assert stats.kstest(Student(2.5).draw(generator, 5_000, 1, 0)[:, 0], stats.t(2.5).cdf).pvalue > 0.001
    assert Student(2.5).interquartile_range == pytest.approx(stats.t(2.5).ppf(0.75) - stats.t(2.5).ppf(0.25))
    remembering = Autoregressive(0.7).draw(generator, 20_000, 1, 0)[:, 0]
    assert np.corrcoef(remembering[1:], remembering[:-1])[0, 1] == pytest.approx(0.7, abs=0.03)
    assert remembering.std() == pytest.approx(1, abs=0.05)
    alike = Common(3, 0.9).draw(generator, 20_000, 6, 0)
    assert np.corrcoef(alike.T)[0] == pytest.approx([1, 0.9, 0.9, 0, 0, 0], abs=0.03)


def test_log_ratios_are_those_of_scipy() -> None:
    values = np.array([[-2.0], [0.3], [4.0]])
    assert Normal().log_ratio(values, 0.5, 1.5, 0) == pytest.approx(stats.norm(0.5, 1.5).logpdf(values) - stats.norm.logpdf(values))
    assert Student(2.5).log_ratio(values, 0.5, 1.5, 0) == pytest.approx(stats.t(2.5, 0.5, 1.5).logpdf(values) - stats.t(2.5).logpdf(values))


def test_a_cycle_goes_on_from_the_reference_into_the_stream() -> None:
    streams = null_streams(Moved(noise=Cycle(40, amplitude=100.0)), streams=1, events=30, seed=1, reference=30)
    both = np.concatenate((streams.reference, streams.values))[:, 0]
    assert both == pytest.approx(100 * np.sin(2 * np.pi * np.arange(-30, 30) / 40), abs=6)


def test_changes_come_at_every_phase_of_a_pane_and_a_ramp_takes_its_time() -> None:
    streams = changed_streams(Moved(shift=1_000.0), streams=200, before=100, after=60, seed=1, ramp=40, phases=10)
    assert set(streams.change.tolist()) == set(range(100, 110))
    for values, change in zip(streams.values.T, streams.change, strict=True):
        assert np.abs(values[:change]).max() < 10
        assert values[change : change + 40] == pytest.approx(1_000 * np.arange(1, 41) / 40, abs=10)
        assert values[change + 40 :] == pytest.approx(1_000, abs=10)


def test_a_constant_difference_is_in_the_stream_and_not_in_its_reference() -> None:
    streams = null_streams(Moved(shift=50.0), streams=2, events=20, seed=1, reference=20, weight=0.5)
    assert streams.values.min() > 15
    assert streams.reference.max() < 10


def test_batches_hold_as_many_events_as_were_asked_for_and_no_stream_twice() -> None:
    batches = list(null_batches(Moved(), events=1_000, length=20, seed=1, streams=10, reference=0))
    assert [batch.values.shape for batch in batches] == [(20, 10)] * 5
    assert len({batch.values.tobytes() for batch in batches}) == 5


def test_what_is_no_law_is_refused() -> None:
    with pytest.raises(ValueError, match=r"add up to 1, got \[0.5, 0.4\]"):
        Levels((0.5, 0.4), (0.5, 0.5))
    with pytest.raises(ValueError, match="each of the 3 values, got 2"):
        Levels((0.5, 0.5), (0.4, 0.6), values=(1, 2, 3))
    with pytest.raises(ValueError, match="got 7 streams in groups of 5"):
        Common(5, 0.9).draw(np.random.default_rng(1), 10, 7, 0)
    with pytest.raises(ValueError, match="streams, after and phases must be >= 1"):
        changed_streams(Moved(), streams=0, before=1, after=1, seed=1)
    with pytest.raises(ValueError, match="got a scale of 2"):
        Autoregressive(0.5).log_ratio(np.zeros((2, 1)), 0.0, 2.0, 0)
