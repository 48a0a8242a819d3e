"""Performance by segment, and gaps between the values of one, against counting by hand and simulation."""

import copy
import itertools

import numpy as np
import pytest

from detectors.metric import rate
from detectors.metrics.segment_windows import LEAST_ROWS, SegmentWindows, gap
from detectors.panes.layout import Layout
from detectors.profile import CategoricalProfile, Profile
from detectors.settings.watching import Reference
from detectors.specification import MonitorSpecification

CLASSES = CategoricalProfile(levels=("no", "yes"), counts=(5, 5))
PANE = 10_000


def layout(**settings: object) -> Layout:
    profile = Profile(rows=10, features={}, prediction=CLASSES, label=CLASSES)
    told = {"model": "loans", "pane": "10s", "windows": ["1m"], "segments": ["country", "plan"], "reference": Reference(profile=profile)}
    return Layout(MonitorSpecification.model_validate(told | settings))


def outcomes(here: Layout, right: int, wrong: int) -> np.ndarray:
    """Labels of class yes."""
    vector = np.zeros(here.size)
    block = here.blocks["performance"]
    vector[block.start + 4], vector[block.start + 3] = right, wrong
    return vector


def test_each_value_has_its_own_rows_whatever_version_and_other_segment_they_are_of() -> None:
    here = layout()
    windows = SegmentWindows(here)
    windows.add(
        0,
        {
            ("1", "country=de,plan=basic"): outcomes(here, 40, 10),
            ("2", "country=de,plan=gold"): outcomes(here, 50, 0),
            ("1", "country=fr,plan=gold"): outcomes(here, 30, 30),
            ("1", "(other)"): outcomes(here, 500, 0),
        },
    )
    points = {(point.measurement, point.tags["segment"]): point for point in windows.completed(60_000)}
    assert set(points) == {("segment", f"{name}") for name in ("country=de", "country=fr", "plan=basic", "plan=gold")} | {("fairness", "country"), ("fairness", "plan")}
    assert points["segment", "country=de"].fields["accuracy"] == 0.9
    assert points["segment", "plan=gold"].fields["accuracy"] == 80 / 110
    assert points["segment", "country=fr"].fields["selection_rate"] == 0.5
    country = points["fairness", "country"]
    assert country.fields["accuracy_gap"] == pytest.approx(0.4)
    assert 0.2 < float(country.fields["accuracy_gap_low"]) < 0.4 < float(country.fields["accuracy_gap_high"]) < 0.6
    assert (country.fields["accuracy_least"], country.fields["accuracy_most"], country.fields["accuracy_gap_n"]) == ("fr", "de", 60)
    assert country.tags == {"model": "loans", "window": "1m", "segment": "country"}


def test_a_value_with_few_rows_is_told_but_not_compared() -> None:
    here = layout(segments=["country"])
    windows = SegmentWindows(here)
    windows.add(0, {("1", "country=de"): outcomes(here, 100, 10), ("1", "country=fr"): outcomes(here, 0, LEAST_ROWS - 1)})
    assert [(point.measurement, point.tags["segment"]) for point in windows.completed(60_000)] == [("segment", "country=de"), ("segment", "country=fr")]


def test_values_that_had_no_event_in_a_step_are_compared_until_they_leave_the_window() -> None:
    here = layout(segments=["country"])
    windows = SegmentWindows(here)
    said = []
    for number in range(12):
        rows = {("1", "country=de"): outcomes(here, 50, 5)} | ({("1", "country=fr"): outcomes(here, 40, 20)} if number == 0 else {})
        windows.add(number * PANE, rows)
        said.append({point.tags["segment"] for point in windows.completed((number + 1) * PANE)})
    assert said[5] == {"country=de", "country=fr", "country"}
    assert said[6] == {"country=de"}


def test_no_more_values_are_kept_than_groups() -> None:
    here = layout(segments=["user"], max_groups=3)
    windows = SegmentWindows(here)
    windows.add(0, {("1", f"user={number}"): outcomes(here, 50, 5) for number in range(10)})
    assert len(windows.completed(60_000)) == 3 + 1


def test_a_restart_anywhere_changes_nothing() -> None:
    here = layout()
    whole, cut = SegmentWindows(here), SegmentWindows(here)
    random = np.random.default_rng(1)
    for number in range(40):
        groups = {("1", f"country={random.choice(['de', 'fr'])},plan={plan}"): outcomes(here, *random.poisson(20, 2).tolist()) for plan in ("basic", "gold")}
        for windows in (whole, cut):
            windows.add(number * PANE, groups)
        if number % 7 == 3:
            state, cut = copy.deepcopy(cut.state()), SegmentWindows(here)
            cut.restore(state)
        said, again = whole.completed((number + 1) * PANE), cut.completed((number + 1) * PANE)
        assert repr(said) == repr(again)  # nan is not equal to itself


@pytest.mark.parametrize("truth", [(0.8, 0.8, 0.8, 0.8), (0.9, 0.8, 0.7), (0.9, 0.5)])
def test_the_interval_of_the_largest_gap_holds_it_19_times_in_20(truth: tuple[float, ...]) -> None:
    random = np.random.default_rng(2)
    largest = max(truth) - min(truth)
    found = [gap("gap", [rate("accuracy", hits, 150) for hits in random.binomial(150, truth).tolist()]) for _ in range(1_000)]
    assert np.mean([low <= largest <= high for low, high in (one.interval for one in found)]) >= 0.94
    if largest == 0:
        assert np.mean([one.value > 0.05 for one in found]) > 0.5  # chance alone makes gaps


def test_a_gap_does_not_depend_on_the_order_of_the_values() -> None:
    values = [rate("accuracy", 90, 100), rate("accuracy", 400, 1_000), rate("accuracy", 35, 50)]
    assert {gap("gap", order) for order in itertools.permutations(values)} == {gap("gap", values)}
