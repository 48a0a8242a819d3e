"""The scorer of the Numenta Anomaly Benchmark gives the scores that its authors published."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.evaluation.nab import STANDARD, Weights, normalised, probation, raw_score, weight_at

WINDOWS_OF_THE_BENCHMARK = 116

# Lavin and Ahmad, Evaluating Real-time Anomaly Detection Algorithms (arXiv 1510.03336), figure 2: a false alarm before the window, an alarm early
# in it and another that does not count, one false alarm soon behind it and one far behind.
EXAMPLE = -1.0 * 0.11 + 0.9999 * 1.0 - 0.8093 * 0.11 - 1.0 * 0.11


def alarms(rows: list[int], length: int) -> np.ndarray:
    found = np.zeros(length, bool)
    found[rows] = True
    return found


def test_the_example_of_the_paper_has_its_published_score() -> None:
    assert pytest.approx(0.6909, abs=5e-4) == EXAMPLE
    window = (2_000, 2_100)
    soon = window[1] + 45  # .45 of the window's width behind it
    assert raw_score(alarms([1_000, 2_000, 2_050, soon, 3_500], 4_000), [window]) == pytest.approx(EXAMPLE, abs=5e-4)


# Raw scores of the standard profile and what became of them, from the benchmark's repository (config/thresholds.json, results/final_results.json, README).
@pytest.mark.parametrize(
    ("detector", "raw", "published", "digit"),
    [
        ("skyline", -33.206059646391715, 35.687043255862065, 1e-9),
        ("ARTime", 57.66075157860638, 74.9, 0.1),
        ("contextOSE", 46.167000006791156, 69.9, 0.1),
        ("earthgeckoSkyline", 19.024516260222065, 58.2, 0.1),
    ],
)
def test_published_raw_scores_come_out_as_on_the_scoreboard(detector: str, raw: float, published: float, digit: float) -> None:
    assert normalised(raw, WINDOWS_OF_THE_BENCHMARK) == pytest.approx(published, abs=digit / 2)


# What the benchmark's own windowed Gaussian says of some of its series (it alarms where a normal tail underflows), and the scores that were published for
# them in results/windowedGaussian/windowedGaussian_standard_scores.csv.
@pytest.mark.parametrize(
    ("series", "rows", "windows", "alarmed", "published"),
    [
        ("elb_request_count_8c0756", 4_032, [(683, 883), (3_582, 3_782)], [1, 3_682], -0.13844919792440225),
        ("exchange-3_cpm_results", 1_538, [(1_045, 1_197)], [1, 23, 1_121], 0.862098587352162),
        ("exchange-3_cpc_results", 1_538, [(271, 321), (413, 463), (952, 1_002)], [1, 23, 296, 297, 438, 439, 976, 1_121], 2.5026632611866138),
        ("TravelTime_387", 2_500, [(387, 469), (948, 1_030), (1_485, 1_567)], [1, 269, 270, 989, 2_039, 2_040, 2_041, 2_042, 2_132, 2_133], -1.7959813307852819),
    ],
)
def test_a_published_detector_has_its_published_score(series: str, rows: int, windows: list[tuple[int, int]], alarmed: list[int], published: float) -> None:
    assert raw_score(alarms(alarmed, rows), windows) == pytest.approx(published, rel=1e-12)


def test_a_detector_that_says_nothing_has_0_and_one_that_hits_every_window_at_once_100() -> None:
    windows = [(1_000, 1_100), (2_000, 2_400)]
    for found, score in ((alarms([], 4_000), 0), (alarms([1_000, 2_000], 4_000), 100)):
        assert normalised(raw_score(found, windows), len(windows)) == pytest.approx(score)


@given(st.sets(st.integers(0, 3_999), max_size=30), st.integers(0, 3_999))
def test_one_more_alarm_outside_the_windows_never_raises_the_score_and_one_inside_never_lowers_it(rows: set[int], more: int) -> None:
    windows = [(1_000, 1_100), (2_000, 2_400)]
    before, after = (raw_score(alarms(sorted(found), 4_000), windows) for found in (rows, rows | {more}))
    assert after >= before - 1e-12 if any(first <= more <= last for first, last in windows) else after <= before + 1e-12


def test_what_comes_in_the_probation_neither_helps_nor_costs() -> None:
    assert probation(4_000) == 600
    assert raw_score(alarms([10, 599], 4_000), []) == 0
    assert raw_score(alarms([600], 4_000), []) == -STANDARD.false_alarm
    assert raw_score(alarms([450], 4_000), [(400, 500)]) == 0  # the window is over before anything counts
    assert raw_score(alarms([550], 4_000), [(500, 700)]) == -1
    assert 0 < raw_score(alarms([600], 4_000), [(500, 700)]) < 1


def test_profiles_weigh_false_alarms_and_misses_as_they_say() -> None:
    found = alarms([3_000], 4_000)
    assert raw_score(found, [(1_000, 1_100)], Weights(false_alarm=0.22)) == pytest.approx(-1.22)
    assert raw_score(found, [(1_000, 1_100)], Weights(missed=2)) == pytest.approx(-2.11)
    assert weight_at(3.0) == pytest.approx(-1, abs=1e-6)


def test_windows_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must follow one another.*got \[\(1, 5\), \(5, 9\)\]"):
        raw_score(alarms([], 100), [(1, 5), (5, 9)])
