import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from detectors.scans.calibration import MOST_SKEWED, chi_square_height, normal_of_student, of_skewed, paid, price, table, threshold, threshold_of_many
from detectors.scans.calibration_simulation import largest_statistics, run_lengths, thresholds
from detectors.scans.history import BUCKETS_OF_A_SIZE, merges_after


def test_the_shipped_table_holds_on_streams_that_it_was_not_made_from() -> None:
    noted = largest_statistics(400, (400, 4_000), seed=11)
    for smallest in (1, 3, 10):
        for looks in (1_000, 10_000, 50_000):
            counted = run_lengths(noted, np.array([threshold(looks, smallest=smallest)]), smallest=smallest)[0]
            assert 0.7 < counted / looks < 1.5


def test_the_extrapolated_thresholds_lie_between_one_window_and_the_union_of_all_windows() -> None:
    prices = price(np.unique(np.geomspace(1, 2**19, 60).astype(np.int64)))
    for looks in (1e7, 1e8, 1e9):
        height = threshold(looks)
        assert stats.norm.isf(1 / looks) < height < stats.norm.isf(1 / looks / len(prices))
        assert stats.norm.sf(np.sqrt(height**2 + prices)).sum() > 1 / looks  # the union bound says less


def test_thresholds_rise_with_the_run_length_and_fall_with_the_smallest_window() -> None:
    _, _, heights = table()
    assert (np.diff(heights, axis=1) > 0).all()
    assert (np.diff(heights, axis=0) <= 0).all()


def test_sides_share_the_looks_and_a_handicapped_side_takes_less_of_them() -> None:
    for looks in (1e3, 1e5, 1e9, 1e12):
        assert threshold(looks, sides=2) == pytest.approx(threshold(2 * looks), abs=1e-6)
        one, half, two = (threshold(looks, handicaps=handicaps) for handicaps in ((50.0,), (1.5,), (0.0,)))
        assert one == pytest.approx(threshold(looks), abs=1e-6)
        assert one < half < two == pytest.approx(threshold(looks, sides=2), abs=1e-6)


def test_a_longer_window_is_cheaper_and_a_statistic_never_counts_for_more_than_it_is() -> None:
    prices = price(np.array([1, 2, 10, 100, 10_000]))
    assert (np.diff(prices) <= 0).all()
    assert (paid(np.full(5, 5.0), prices) <= 25).all()
    assert paid(np.array([0.0, np.nan]), np.array([0.0, 0.0])).tolist()[0] == 0
    assert np.isnan(paid(np.array([np.nan]), prices[:1])).all()


def test_beyond_the_table_the_threshold_goes_on_smoothly() -> None:
    end = 10**10
    steps = [threshold(end * factor) - threshold(end * factor / 2) for factor in (1, 2, 4)]
    assert steps[0] == pytest.approx(steps[1], rel=0.1)
    assert steps[0] > steps[1] > steps[2] > 0


@pytest.mark.parametrize("looks", [0, -1, float("nan")])
def test_a_run_length_of_nothing_is_refused(looks) -> None:
    with pytest.raises(ValueError, match="looks must be > 0"):
        threshold(looks)


def test_the_simulation_is_reproducible_from_its_seed() -> None:
    one, again = (thresholds(largest_statistics(300, (250, 2_000), seed=3)) for _ in range(2))
    assert one == again


@given(st.floats(3, 7), st.integers(2, 60))
def test_a_chi_square_height_is_passed_no_more_often_than_the_normal_height(height, freedom) -> None:
    value = chi_square_height(height, np.array([float(freedom)]))[0]
    assert stats.chi2.logsf(value, freedom) < 0.95 * stats.norm.logsf(height)


@given(st.floats(0.5, 10), st.floats(8, 1e5))
def test_a_student_value_keeps_its_tail_on_the_normal_scale(value, freedom) -> None:
    assert normal_of_student(np.array([value]), np.array([freedom]))[0] == pytest.approx(stats.norm.isf(stats.t.sf(value, freedom)), rel=0.02, abs=0.01)


def test_an_upward_skewed_scan_counts_for_more_and_never_for_more_than_five_rare_events_say() -> None:
    counted = of_skewed(np.full(4, 4.0), np.array([-1.0, 0.0, 0.3, 50.0]))
    assert counted.tolist() == pytest.approx([4.0, 4.0, 4.1, 4.0 + MOST_SKEWED / 3])


def test_levels_that_are_looked_at_alone_cost_less_than_as_much_again() -> None:
    for looks in (1e4, 1e6):
        for directions in (4, 20):
            alone = 2 * (directions + 1)
            assert threshold(looks) < threshold_of_many(looks, directions, alone=alone) < threshold_of_many(4 * looks, directions)


def test_more_directions_need_a_higher_threshold() -> None:
    heights = [threshold_of_many(1e6, directions) for directions in (1, 3, 10, 50)]
    assert heights == sorted(heights)
    assert heights[0] == pytest.approx(threshold(1e6), abs=0.15)


@given(st.integers(1, 3_000))
def test_the_buckets_of_the_history_hold_every_pane_once_in_order_of_age(panes) -> None:
    sizes: list[int] = []
    for _ in range(panes):
        sizes, merges, dropped = merges_after([*sizes, 1])
        assert not dropped
    assert sum(sizes) == panes
    assert sizes == sorted(sizes, reverse=True)
    assert all(1 <= sizes.count(size) <= BUCKETS_OF_A_SIZE for size in sizes)
    assert len(sizes) <= BUCKETS_OF_A_SIZE * (np.log2(panes) + 1)
    del merges


def test_what_is_older_than_the_largest_buckets_is_dropped() -> None:
    from detectors.scans.history import LARGEST

    sizes = [LARGEST] * 3 + [size for level in range(18, -1, -1) for size in [2**level] * 3]
    after, merges, dropped = merges_after([*sizes, 1])
    assert dropped
    assert after.count(LARGEST) == 3
    assert len(merges) == 19
