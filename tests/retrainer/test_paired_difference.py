"""The difference of two models' losses over a course: its interval holds the truth as often as it says, whatever neighbours have in common and whoever served."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.special import ndtr
from scipy.stats import bootstrap

from detectors.event_batch import Float64, Int64
from detectors.metric import Z
from retrainer.gate import interval
from retrainer.paired_difference import paired_difference

RUNS = 300


def _wave(rng: np.random.Generator, correlation: float, rows: int) -> Float64:
    """Normal values of which neighbours are alike."""
    values: Float64 = lfilter([1], [1, -correlation], rng.normal(size=rows + 300) * math.sqrt(1 - correlation**2))[300:]
    return values


def _of_classes(rng: np.random.Generator, rows: int, rates: list[tuple[float, float]], correlation: float = 0.0) -> tuple[Float64, Int64, float]:
    """Differences where in each of equal stages one model alone is wrong, or the other, on such shares of the rows; the stages; and the true mean."""
    stage = np.arange(rows) * len(rates) // rows
    worse, better = np.array(rates)[stage].T
    place = ndtr(_wave(rng, correlation, rows))
    return (place > 1 - worse).astype(float) - (place < better), stage, float((worse - better).mean())


def _of_numbers(rng: np.random.Generator, rows: int, levels: list[float], correlation: float = 0.0) -> tuple[Float64, Int64, float]:
    stage = np.arange(rows) * len(levels) // rows
    level = np.array(levels)[stage]
    return level + _wave(rng, correlation, rows), stage, float(level.mean())


@pytest.mark.parametrize(
    ("course", "bounded"),
    [
        (lambda rng: _of_classes(rng, 1_000, [(0.05, 0.05)]), True),
        (lambda rng: _of_classes(rng, 2_000, [(0.1, 0.1)], 0.5), True),
        (lambda rng: _of_classes(rng, 4_000, [(0.05, 0.2)], 0.9), True),
        (lambda rng: _of_classes(rng, 4_000, [(0.0, 0.0), (0.05, 0.65), (0.2, 0.05), (0.02, 0.4)]), True),
        (lambda rng: _of_numbers(rng, 2_000, [0.0], 0.9), False),
        (lambda rng: _of_numbers(rng, 2_000, [0.0, -3.0, -1.0, -4.0], 0.5), False),
    ],
    ids=["independent", "alike", "very alike", "promotions", "numbers very alike", "numbers, promotions"],
)
def test_the_interval_holds_the_true_difference_in_95_of_100_courses(course: Callable[[np.random.Generator], tuple[Float64, Int64, float]], bounded: bool) -> None:
    held, widths, errors = [], [], []
    for run in range(RUNS):
        difference, stage, truth = course(np.random.default_rng(run))
        found = paired_difference(difference, np.ones(len(difference)), stage, bounded=bounded)
        held.append(found.interval[0] <= truth <= found.interval[1])
        widths.append(found.interval[1] - found.interval[0])
        errors.append(found.value - truth)
    assert 0.92 <= np.mean(held) <= 0.99
    assert np.mean(widths) == pytest.approx(2 * Z * np.std(errors), rel=0.25), "as wide as chance makes it, and not wider"


def test_taken_for_independent_the_same_rows_would_hold_it_in_half_of_the_courses_only() -> None:
    held = []
    for run in range(RUNS):
        difference, _, truth = _of_classes(np.random.default_rng(run), 4_000, [(0.05, 0.2)], 0.9)
        low, high = interval(len(difference), float(difference.sum()), float((difference**2).sum()))
        held.append(low <= truth <= high)
    assert np.mean(held) < 0.6


def test_of_independent_rows_it_is_the_interval_of_the_gate() -> None:
    difference, stage, _ = _of_classes(np.random.default_rng(3), 5_000, [(0.05, 0.15)])
    found = paired_difference(difference, np.ones(5_000), stage, bounded=True)
    assert (found.value, found.n) == pytest.approx((difference.mean(), 5_000))
    assert found.interval == pytest.approx(interval(5_000, float(difference.sum()), float((difference**2).sum())), rel=1e-6)


def test_of_independent_numbers_it_is_the_one_that_scipy_finds_by_resampling() -> None:
    difference, stage, _ = _of_numbers(np.random.default_rng(4), 5_000, [0.0])
    found = paired_difference(difference, np.ones(5_000), stage, bounded=False)
    resampled = bootstrap((difference,), np.mean, n_resamples=2_000, rng=np.random.default_rng(5), method="percentile").confidence_interval
    assert found.interval == pytest.approx((resampled.low, resampled.high), abs=0.1 * (resampled.high - resampled.low))


def test_a_sampled_course_tells_the_difference_of_all_of_the_traffic() -> None:
    rng, errors, widths, held = np.random.default_rng(6), [], [], []
    for _ in range(RUNS):
        difference, stage, truth = _of_classes(rng, 6_000, [(0.05, 0.15)], 0.7)
        fraction = np.where(difference == 0, 0.3, 1.0)
        kept = rng.random(6_000) < fraction
        found = paired_difference(difference[kept], 1 / fraction[kept], stage[kept], bounded=True)
        errors.append(found.value - truth)
        widths.append(found.interval[1] - found.interval[0])
        held.append(found.interval[0] <= truth <= found.interval[1])
        assert kept.sum() < found.n <= (1 / fraction[kept]).sum() * (1 + 1e-9), "rows that decide are all there"
    assert np.mean(errors) == pytest.approx(0, abs=0.002)
    assert 0.92 <= np.mean(held) <= 0.99
    assert np.mean(widths) == pytest.approx(2 * Z * np.std(errors), rel=0.25)


@pytest.mark.parametrize("rows", [1, 10, 19, 150])
def test_of_few_rows_there_is_a_difference_but_no_interval(rows: int) -> None:
    found = paired_difference(np.full(rows, -1.0), np.ones(rows), np.zeros(rows, np.int64), bounded=True)
    assert (found.value, found.n) == (-1.0, rows)
    assert np.isnan(found.interval).all()


def test_of_no_row_nothing_is_told() -> None:
    found = paired_difference(np.empty(0), np.empty(0), np.empty(0, np.int64), bounded=False)
    assert found.n == 0
    assert np.isnan([found.value, *found.interval]).all()


def test_predictions_that_never_differ_differ_by_nothing() -> None:
    of_classes, of_numbers = (paired_difference(np.zeros(1_000), np.ones(1_000), np.zeros(1_000, np.int64), bounded=bounded) for bounded in (True, False))
    assert (of_classes.value, of_numbers.value, of_numbers.interval) == (0.0, 0.0, (0.0, 0.0))
    assert -0.005 < of_classes.interval[0] < 0 < of_classes.interval[1] < 0.005, "one more row might tell them apart"
