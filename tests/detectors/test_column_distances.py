"""Distances of many columns at once are those of `detectors.distances`, one column at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.event_batch import Float64
from detectors.metrics.column_distances import ColumnDistances, measure, reference_counts
from detectors.metrics.distances import distances
from detectors.profile import CategoricalProfile, ColumnProfile, NumericProfile


def profile_of(counts: list[int], *, ordered: bool) -> ColumnProfile:
    if not ordered:
        return CategoricalProfile(levels=tuple(f"level {number}" for number in range(len(counts) - 1)), counts=tuple(counts[:-1]), unseen=counts[-1])
    scores = np.linspace(-1, 2, len(counts)) ** 3
    return NumericProfile(edges=tuple(range(len(counts) - 1)), counts=tuple(counts), scores=tuple(scores.tolist()), mean=0, deviation=1, minimum=0, maximum=1)


def expected(profile: ColumnProfile, current: Float64) -> list[float]:
    scores = np.asarray(profile.scores) if isinstance(profile, NumericProfile) else None
    measured = distances(reference_counts(profile), current, scores)
    return [
        *(one.value for one in measured),
        *(one.interval[0] for one in measured),
        *(one.interval[1] for one in measured),
        *(one.null_quantile for one in measured),
        float(current.sum()),
    ]


def columns_of(profiles: list[ColumnProfile]) -> ColumnDistances:
    """Columns that follow each other, two more cells behind each."""
    ends = np.cumsum([len(reference_counts(profile)) + 2 for profile in profiles]).tolist()
    return ColumnDistances(profiles, [slice(end - len(reference_counts(profile)) - 2, end) for profile, end in zip(profiles, ends, strict=True)])


def assert_near(found: list[float], exact: list[float]) -> None:
    """Distances are exact; what they are by chance, and so their intervals, to six digits."""
    kinds = (len(exact) - 1) // 4
    assert found[:kinds] == pytest.approx(exact[:kinds], rel=1e-11, abs=1e-11, nan_ok=True)
    assert found[kinds:] == pytest.approx(exact[kinds:], rel=1e-6, abs=1e-7, nan_ok=True)


COUNT = st.one_of(st.just(0), st.integers(0, 20), st.integers(0, 100_000))
COLUMN = st.lists(st.tuples(COUNT, COUNT), min_size=2, max_size=70)


@settings(max_examples=50)
@given(st.lists(st.lists(COLUMN, max_size=4), max_size=4), st.booleans())
def test_columns_of_many_windows_are_measured_as_each_is_alone(windows: list[list[list[tuple[int, int]]]], ordered: bool) -> None:
    asked, truth = [], []
    for columns in windows:
        profiles = [profile_of([reference for reference, _ in column], ordered=ordered) for column in columns]
        counts = [np.array([current for _, current in column], float) for column in columns]
        vector = np.concatenate([np.append(one, (7, 7)) for one in counts]) if counts else np.empty(0)
        asked.append((columns_of(profiles), vector))
        truth.append([expected(profile, current) for profile, current in zip(profiles, counts, strict=True)])
    for found, those in zip(measure(asked), truth, strict=True):
        assert len(found) == len(those)
        for one, exact in zip(found.tolist(), those, strict=True):
            assert_near(one, exact)


@pytest.mark.parametrize("share", [1 / 64, 0.15, 0.2, 0.21, 0.5, 0.9, 0.999])
def test_a_column_of_which_one_bin_holds_much_is_measured_as_exactly(share: float) -> None:
    random = np.random.default_rng(3)
    shares = np.append(share, np.full(63, (1 - share) / 63))
    profile = profile_of(random.multinomial(20_000, shares).tolist(), ordered=True)
    for rows in (30, 3_000):
        current = random.multinomial(rows, shares).astype(float)
        (found,) = measure([(columns_of([profile]), np.append(current, (0.0, 0.0)))])
        assert_near(found[0].tolist(), expected(profile, current))
