"""Quantiles of columns without a reference, held to those of the values themselves."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.panes.layout import Layout
from detectors.panes.quantile_sketch import BINS, LARGEST, SIZE, SMALLEST, add_sketches, sketch_cells, sketched
from detectors.profile import Profile
from detectors.references.reference import numeric_profile
from detectors.rows.row_groups import RowGroups
from detectors.settings.feature import Feature
from detectors.settings.watching import Detectors, Reference
from detectors.specification import MonitorSpecification
from streams.file_events import ColumnNames
from streams.replay import replay
from streams.tables import Table

NUMBERS = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.floats(-1e3, 1e3), st.sampled_from([0.0, -0.0, SMALLEST, -LARGEST, 1.0]))


def sketch(values: np.ndarray) -> np.ndarray:
    cells = np.zeros((1, SIZE * values.shape[1]))
    add_sketches(cells, RowGroups([(0, "", "")], None, len(values)), values)
    return cells.reshape(values.shape[1], SIZE)


@settings(max_examples=200)
@given(st.lists(NUMBERS, min_size=2, max_size=30))
def test_cells_ascend_with_the_values_and_mirror_at_zero(values: list[float]) -> None:
    finite = np.array(sorted(value for value in values if not math.isnan(value)))
    cells = sketch_cells(finite)
    assert (np.diff(cells) >= 0).all()
    assert ((cells >= 0) & (cells < BINS)).all()
    assert (sketch_cells(-finite) == BINS - 1 - cells).all()
    far = np.abs(finite[np.isfinite(finite)])
    far = far[(far >= SMALLEST) & (far < LARGEST)]
    assert (sketch_cells(far * 2**0.1251) > sketch_cells(far)).all()  # no bin is wider than an eighth of an octave


@settings(max_examples=50)
@given(st.lists(st.integers(-(2**20), 2**20), min_size=1, max_size=40), st.data())
def test_a_sketch_is_the_sum_of_those_of_any_parts(values: list[int], data: st.DataObject) -> None:
    column = np.array(values, np.float64)[:, None]
    cut = data.draw(st.integers(1, len(values)))
    parts = [sketch(part) for part in (column[:cut], column[cut:]) if len(part)]
    assert np.array_equal(sketch(column), np.sum(parts, axis=0))


@pytest.mark.parametrize("law", ["normal", "lognormal", "uniform", "cauchy"])
def test_quantiles_are_those_of_the_values_within_nine_per_cent(law: str) -> None:
    random = np.random.default_rng(1)
    drawn = {
        "normal": random.normal(-3, 40, 20_000),
        "lognormal": random.lognormal(8, 2, 20_000),
        "uniform": random.uniform(0, 1, 20_000),
        "cauchy": random.standard_cauchy(20_000),
    }[law]
    (metrics,) = sketched(sketch(drawn[:, None]))
    told = {metric.name: metric for metric in metrics}
    for percent in (5, 50, 95):
        true, metric = float(np.percentile(drawn, percent)), told[f"p{percent}"]
        assert metric.value == pytest.approx(true, rel=0.09)
        assert metric.interval[0] <= metric.value <= metric.interval[1]
    assert told["mean"].value == pytest.approx(drawn.mean())


def test_nine_intervals_of_a_median_in_ten_hold_it() -> None:
    random = np.random.default_rng(2)
    held = 0
    for _ in range(200):
        (metrics,) = sketched(sketch(random.lognormal(3, 1, (300, 1))))
        low, high = next(metric.interval for metric in metrics if metric.name == "p50")
        held += low <= math.exp(3) <= high
    assert held / 200 >= 0.9


def test_nothing_is_said_of_nothing() -> None:
    (metrics,) = sketched(sketch(np.full((3, 1), np.nan)))
    assert metrics[0].value == 1
    assert all(math.isnan(metric.value) for metric in metrics[1:])


def test_only_who_asks_pays_and_only_for_columns_without_a_profile() -> None:
    features = {"a": Feature(), "b": Feature(), "c": Feature(type="categorical"), "comment": Feature(type="text")}
    reference = Reference(profile=Profile(rows=100, features={"a": numeric_profile(np.arange(100.0))}))
    plain = MonitorSpecification(model="m", features=features, reference=reference)
    asked = plain.model_copy(update={"detectors": Detectors(quantiles=True)})
    assert "sketches" not in Layout(plain).blocks
    assert Layout(asked).sketched == ("b", "comment.length", "comment.words")
    assert Layout(asked).size == Layout(plain).size + 3 * SIZE
    assert asked.digest != plain.digest


def test_a_replay_tells_quantiles_of_each_window() -> None:
    random = np.random.default_rng(3)
    salary = random.lognormal(10, 0.5, 2_000)
    salary[::10] = np.nan
    specification = MonitorSpecification(model="m", features={"salary": Feature()}, lateness=0, windows=(600_000,), detectors=Detectors(quantiles=True))
    points = [point for point in replay([Table(source="rows", columns={"salary": salary})], specification, ColumnNames()).points if point.measurement == "feature"]
    assert len(points) > 30
    last = points[-1]
    rows = salary[(last.time - 600_000) // 1_000 : last.time // 1_000]
    assert last.tags == {"model": "m", "window": "10m", "feature": "salary"}
    assert (last.fields["missing"], last.fields["p50_n"]) == (0.1, 540)
    assert last.fields["p50"] == pytest.approx(np.nanmedian(rows), rel=0.09)
    assert last.fields["mean"] == pytest.approx(np.nanmean(rows))


def test_a_spread_that_rounding_has_eaten_has_no_interval() -> None:
    seconds = 1.7e9 + np.random.default_rng(7).normal(size=(2_000, 1))
    small = seconds - 1.7e9
    large_mean, small_mean = (next(metric for metric in sketched(sketch(values))[0] if metric.name == "mean") for values in (seconds, small))
    assert np.isnan(large_mean.interval).all()
    assert small_mean.interval[1] - small_mean.interval[0] == pytest.approx(2 * 1.96 / np.sqrt(2_000), rel=0.1)
