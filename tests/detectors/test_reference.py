"""Profiles: bins that hold what they say, cycles, classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from detectors.columns.binning import encode
from detectors.errors import SettingsError
from detectors.profile import CategoricalProfile, NumericProfile
from detectors.references.reference import categorical_profile, numeric_profile, performance_profile, profile_of
from detectors.settings.feature import Feature

DAY = 86_400_000


@settings(max_examples=150)
@given(
    values=arrays.arrays(np.float64, st.integers(1, 300), elements=st.one_of(st.floats(-1e6, 1e6), st.sampled_from([0.0, 0.0, 1.0, 2.0, np.nan]))),
    max_bins=st.integers(2, 64),
)
def test_bins_ascend_and_count_every_row_once(values: np.ndarray, max_bins: int) -> None:
    if np.isnan(values).all():
        return
    profile = numeric_profile(values, max_bins=max_bins)
    assert list(profile.edges) == sorted(set(profile.edges))
    assert len(profile.edges) + 1 == len(profile.counts) == len(profile.scores) <= max(3, max_bins)
    assert list(profile.scores) == sorted(profile.scores)
    assert sum(profile.counts) + profile.missing == len(values)
    cells = encode(values, profile)
    assert np.bincount(cells, minlength=len(profile.counts) + 1).tolist() == [*profile.counts, profile.missing]
    if profile.deviation > 0:
        assert min(profile.counts) > 0
        assert np.dot(profile.counts, profile.scores) / sum(profile.counts) == pytest.approx(0, abs=1e-5)


def test_a_continuous_column_gets_quantile_bins_of_equal_shares() -> None:
    values = np.random.default_rng(1).normal(size=20_000)
    profile = numeric_profile(values)
    assert len(profile.counts) == 64
    assert max(profile.counts) - min(profile.counts) < 0.1 * 20_000 / 64
    assert len(numeric_profile(values[:200]).counts) == 10  # 20 rows a bin


def test_integers_with_many_zeros_are_binned_exactly() -> None:
    values = np.random.default_rng(2).choice([0, 1, 2, 3, 7], 5_000, p=[0.6, 0.2, 0.1, 0.05, 0.05]).astype(float)
    profile = numeric_profile(values)
    assert list(profile.counts) == [int((values == value).sum()) for value in (0, 1, 2, 3, 7)]
    assert profile.scores == pytest.approx((np.array([0, 1, 2, 3, 7]) - values.mean()) / values.std(), abs=1e-6)


def test_a_spike_in_a_continuous_column_has_a_bin_of_its_own() -> None:
    random = np.random.default_rng(3)
    values = np.concatenate([np.zeros(6_000), random.exponential(size=2_000), -random.exponential(size=2_000)])
    profile = numeric_profile(values)
    assert profile.counts[int(encode(np.array([0.0]), profile)[0])] == 6_000
    assert len(profile.counts) <= 64
    assert sorted(profile.counts)[-2] < 400


@pytest.mark.parametrize("seed", range(5))
def test_a_value_with_the_share_of_a_bin_is_never_mixed_with_others(seed: int) -> None:
    random = np.random.default_rng(seed)
    spikes = random.normal(size=10)
    values = np.concatenate([np.repeat(spikes, 190), random.normal(size=8_100)])  # a 64th is 156
    profile = numeric_profile(values)
    assert [profile.counts[cell] for cell in encode(spikes, profile)] == [190] * 10


def test_leaving_a_constant_shows() -> None:
    profile = numeric_profile(np.full(100, 0.3))
    assert encode(np.array([0.2, 0.3, 0.1 + 0.2, 0.4]), profile).tolist() == [0, 1, 1, 2]


def test_values_out_of_the_declared_range_are_counted() -> None:
    assert numeric_profile(np.array([-1.0, 5.0, np.nan, 200.0]), feature=Feature(minimum=0, maximum=120)).out_of_range == 2


def test_a_daily_swing_is_learnt_with_its_amplitude_and_phase() -> None:
    random = np.random.default_rng(4)
    time = np.arange(0, 10 * DAY, DAY // 200)
    swing = 2 * np.sin(2 * np.pi * time / DAY)
    profile = numeric_profile(swing + random.normal(size=len(time)), cycles=(DAY,), time=time)
    [cycle] = profile.cycles
    assert cycle.period == DAY
    assert cycle.location == pytest.approx((0, 2 / np.sqrt(3), 0, 0), abs=0.06)  # sigma is sqrt(1 + 2^2 / 2)
    assert cycle.square == pytest.approx((0, 0, -2 / 3, 0), abs=0.15)  # sin^2 = (1 - cos 2) / 2


def test_fewer_than_two_cycles_teach_nothing_and_are_refused() -> None:
    time = np.arange(0, DAY, 60_000)
    with pytest.raises(SettingsError, match=r"cycle of 1d is learnt from at least two, so from 2d, but the reference holds 1 of them"):
        numeric_profile(np.sin(time.astype(float)), cycles=(DAY,), time=time)


def test_two_years_of_daily_rows_are_two_cycles() -> None:
    time = np.arange(730) * DAY
    swing = np.sin(2 * np.pi * time / (365 * DAY)) + np.random.default_rng(6).normal(size=730)
    assert len(numeric_profile(swing, cycles=(365 * DAY,), time=time).cycles) == 1
    with pytest.raises(SettingsError, match=r"holds 1.99 of them"):
        numeric_profile(swing[1:], cycles=(365 * DAY,), time=time[1:])


def test_times_that_do_not_tell_phases_apart_give_no_cycle() -> None:
    time = np.arange(400) * DAY  # always at midnight
    assert numeric_profile(np.random.default_rng(5).normal(size=400), cycles=(DAY,), time=time).cycles == ()


def test_rare_levels_are_the_references_own_unseen() -> None:
    values = np.array([f"level {number}" for number in range(100) for _ in range(number + 1)], object)
    profile = categorical_profile(values, max_levels=10)
    assert set(profile.levels) == {f"level {number}" for number in range(90, 100)}
    assert sum(profile.counts) + profile.unseen == len(values)


def test_levels_that_are_numbers_are_in_their_order() -> None:
    assert categorical_profile(np.array(["10", "9", "b", "a", "nan"], object)).levels == ("9", "10", "a", "b", "nan")


def test_predictions_and_labels_know_the_same_classes() -> None:
    profile = profile_of({}, features={}, task="classification", prediction=np.array([0, 0, 0]), label=np.array([0, 1, 0]))
    assert isinstance(profile.prediction, CategoricalProfile)
    assert profile.prediction.levels == ("0", "1")
    assert profile.prediction.counts == (3, 0)


def test_the_label_stands_in_for_a_prediction_that_is_not_there() -> None:
    profile = profile_of({}, features={}, task="regression", label=np.linspace(0, 1, 100))
    assert isinstance(profile.prediction, NumericProfile)
    assert profile.prediction == profile.label


def test_a_feature_without_a_value_has_no_profile_and_one_without_a_column_is_refused() -> None:
    features = {"a": Feature(), "b": Feature(type="categorical")}
    empty = {"a": np.full(3, np.nan), "b": np.array([None] * 3, object)}
    assert profile_of(empty, features=features, task="classification").features == {}
    with pytest.raises(SettingsError, match="no column 'b' for the feature of that name; it has: a"):
        profile_of({"a": empty["a"]}, features=features, task="classification")


def test_text_in_a_numeric_feature_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="column 'a' is declared numeric"):
        profile_of({"a": np.array(["x"], object)}, features={"a": Feature()}, task="classification")


def test_performance_counts_rows_with_both_sides_only() -> None:
    measured = performance_profile(np.array([1, 1, None, 0], object), np.array([True, "1", "1", 0], object), "classification")
    assert measured is not None
    assert (measured.rows, measured.loss) == (3, pytest.approx(1 / 3))  # "true" is not "1"
    assert performance_profile(np.array([None], object), np.array(["1"], object), "classification") is None
