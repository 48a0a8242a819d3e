"""Categorical columns with more levels than are counted one by one."""

import numpy as np
import pytest

from detectors.coded_text import CodedText
from detectors.columns.binning import ColumnBins
from detectors.columns.other_levels import OTHER, unseen_reference
from detectors.metrics.quality import quality
from detectors.monitors.bank import detectors_of
from detectors.panes.layout import Layout
from detectors.profile import CategoricalProfile, Profile
from detectors.references.reference import categorical_profile
from detectors.settings.feature import Feature
from detectors.settings.watching import Reference
from detectors.specification import MonitorSpecification
from tests.detectors.reference_samples import PANE, first_drift, pane_vectors, replay

LEVELS = np.array([f"product {number}" for number in range(10_000)], object)
ZIPF = 1 / np.arange(1, len(LEVELS) + 1)
SHARES = ZIPF / ZIPF.sum()


def drawn(rows: int, seed: int) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).choice(LEVELS, rows, p=SHARES))


def watched(profile: CategoricalProfile) -> MonitorSpecification:
    reference = Reference(profile=Profile(rows=sum(profile.counts) + profile.unseen, features={"product": profile}))
    budget = {"false_alarms": "1 per 1000000 events", "events_per_pane": 100.0}
    return MonitorSpecification(model="m", pane=PANE, features={"product": Feature(type="categorical")}, reference=reference, **budget)  # type: ignore[arg-type]


def test_the_most_frequent_have_cells_of_their_own_and_only_what_is_new_is_unseen() -> None:
    reference = drawn(20_000, seed=1)
    profile = categorical_profile(reference, max_levels=64, max_known_levels=20_000)
    assert len(profile.levels) == 65
    assert profile.levels[-1] == OTHER
    assert profile.other is not None
    assert sum(profile.counts) + profile.unseen == 20_000
    rare = sorted(set(reference.tolist()) - set(profile.levels))
    assert profile.other.levels == len(rare)
    bins = ColumnBins(profile)
    assert set(bins.cells(CodedText.of(rare)).tolist()) == {64}
    assert bins.cells(CodedText.of(["a new product", None, profile.levels[3]])).tolist() == [65, 66, 3]


def test_one_of_the_others_that_gives_way_to_another_is_not_seen_and_one_that_vanishes_is_missing_from_their_sum() -> None:
    profile = categorical_profile(np.array(["a"] * 9 + ["b"] * 5 + ["c"] * 4, object), max_levels=1, max_known_levels=10)
    counts = [np.bincount(ColumnBins(profile).cells(CodedText.of(levels)), minlength=4).tolist() for levels in (["a", "b", "c"], ["a", "c", "c"], ["a", "c"])]
    assert counts == [[1, 2, 0, 0], [1, 2, 0, 0], [1, 1, 0, 0]]


def test_a_level_that_is_itself_called_other_is_counted_with_the_others() -> None:
    profile = categorical_profile(np.array([OTHER] * 9 + ["a"] * 5 + ["b", "b"], object), max_levels=1, max_known_levels=10)
    assert (profile.levels, profile.counts) == (("a", OTHER), (5, 11))
    assert ColumnBins(profile).cells(CodedText.of([OTHER, "b", "c"])).tolist() == [1, 1, 2]


def test_the_rate_of_unseen_levels_is_foretold_and_so_is_how_well() -> None:
    errors = []
    for seed in range(60):
        profile = categorical_profile(drawn(4_000, seed), max_levels=64, max_known_levels=20_000)
        told = unseen_reference(profile)
        assert told is not None
        hits, rows = told
        unknown = np.ones(len(LEVELS), bool)
        unknown[[int(level.split()[1]) for level in np.unique(drawn(4_000, seed).astype(str))]] = False
        rate = hits / rows
        errors.append((rate - SHARES[unknown].sum()) / np.sqrt(rate * (1 - rate) / rows))
    assert abs(np.mean(errors)) < 0.4
    assert 0.75 < np.std(errors) < 1.25  # 60 draws know it to 9 %; with all rows counted it would be 1.5


@pytest.mark.parametrize(("invented", "alarmed"), [(0.0, set()), (0.2, {"unseen:product", "feature:product"})])
def test_what_is_rare_is_no_alarm_and_what_is_new_is(invented: float, alarmed: set[str]) -> None:
    profile = categorical_profile(drawn(20_000, seed=2), max_levels=64, max_known_levels=20_000)
    specification = watched(profile)
    rows = drawn(20_000, seed=3)
    rows[np.random.default_rng(4).random(len(rows)) < invented] = "brand new"
    cells = ColumnBins(profile).cells(CodedText.of(rows)).astype(float)
    vectors = pane_vectors(Layout(specification), 200, {"feature:product": cells})
    detectors = detectors_of(specification)
    drifted = [(detector.names[monitor], first_drift(replay(detector, vectors)[1], monitor)) for detector in detectors for monitor in range(len(detector.names))]
    assert {name for name, pane in drifted if pane is not None} == alarmed


def test_beyond_the_bound_no_level_is_told_from_the_others() -> None:
    profile = categorical_profile(drawn(20_000, seed=5), max_levels=64, max_known_levels=1_000)
    assert profile.unseen == 0
    assert ColumnBins(profile).cells(CodedText.of(["a new product"])).tolist() == [64]
    specification = watched(profile)
    assert {name for detector in detectors_of(specification) for name in detector.names} == {"feature:product", "missing:product"}
    names = [metric.name for metric in quality(Layout(specification), np.ones(Layout(specification).size))]
    assert names == ["missing:product"]


@pytest.mark.parametrize("levels", [3, 64])
def test_few_levels_need_no_others(levels: int) -> None:
    values = LEVELS[np.arange(6_400) % levels]
    assert categorical_profile(values, 64, 20_000) == categorical_profile(values, 64)
