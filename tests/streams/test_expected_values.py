"""What is declared of a feature is watched without a reference: missing values, a range, categories, types."""

import re
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from detectors.alerts.evidence_words import what_changed
from detectors.alerts.recomputation import figures
from detectors.monitors.bank import detectors_of, hourly_monitors
from detectors.panes.expected_values import CELLS, ExpectedValues
from detectors.panes.layout import Layout
from detectors.references.hourly_columns import quality_hours
from detectors.references.reference import profile_of
from detectors.rows.row_groups import RowGroups
from detectors.settings.feature import Feature
from detectors.settings.watching import Quality, Reference
from detectors.specification import MonitorSpecification
from streams.file_events import ColumnNames
from streams.monitor_file import format_specification, parse_specification
from streams.replay import Replayed, replay
from streams.tables import Table
from tests.detectors.event_samples import fetch, prediction

FEATURES = {
    "salary": Feature(minimum=0, maximum=100),
    "age": Feature(max_missing=0.1),
    "city": Feature(type="categorical", categories=("Oslo", "Rome")),
    "note": Feature(type="categorical"),
}
SPECIFICATION = MonitorSpecification(model="m", lateness=0, false_alarms="1 per 100000 events", events_per_pane=10, features=FEATURES)
WATCHED = {"missing:salary", "out_of_range:salary", "missing:age", "missing:city", "unseen:city", "missing:note"}


def replayed(*, from_row: int) -> Replayed:
    """Salaries below 0, a third city, and notes and ages that are missing, each for a third of the rows from one on; a fifth of the notes always are, a twentieth of the ages."""
    random, n = np.random.default_rng(5), 3_000
    broken = (np.arange(n) >= from_row) & (random.random((3, n)) < 1 / 3)
    columns = {
        "salary": np.where(broken[0], -5.0, random.uniform(0, 100, n)),
        "age": np.where(broken[1] | (random.random(n) < 0.05), np.nan, random.normal(40, 9, n)),
        "city": np.where(broken[2], "Atlantis", random.choice(["Oslo", "Rome"], n)).astype(object),
        "note": np.where(broken[1] | (random.random(n) < 0.2), None, "as ever").astype(object),
        "prediction": random.choice(["no", "yes"], n).astype(object),
    }
    return replay([Table(source="live", columns=columns)], SPECIFICATION, ColumnNames(prediction="prediction"))


def test_values_that_are_not_as_declared_are_told_without_a_reference_with_what_was_stated_or_learnt() -> None:
    found = replayed(from_row=2_000)
    told = {evidence.name: (evidence, alert) for alert in found.opened for evidence in alert.monitors}
    assert set(told) <= {"out_of_range:salary", "missing:age", "unseen:city", "missing:note"}
    evidence, alert = told["out_of_range:salary"]
    assert alert.kind == "quality"
    assert 2_000 <= alert.updated_at / 1_000 <= 2_100
    assert what_changed(evidence).startswith("the rate went from 0 % (as stated in the monitor) to ")
    assert all(figure.agrees for figure in figures(found.opened))
    last = {(point.tags["kind"], point.tags["feature"]): point.fields for point in found.points if point.measurement == "quality" and point.tags["window"] == "10m"}
    assert {":".join(key) for key in last} == WATCHED
    assert [last["out_of_range", "salary"]["rate"], last["missing", "age"]["rate"], last["unseen", "city"]["rate"]] == pytest.approx([1 / 3, 0.37, 1 / 3], abs=0.06)
    assert last["missing", "note"]["rate"] == pytest.approx(0.47, abs=0.06)
    states = {point.tags["monitor"]: point.fields for point in found.points if point.measurement == "monitor" and point.tags["monitor"] in WATCHED}
    assert {name for name, fields in states.items() if fields["state"] == "drift"} == {"out_of_range:salary", "missing:age", "unseen:city", "missing:note"}


def test_values_that_are_as_declared_raise_nothing_and_what_is_not_declared_is_learnt_first() -> None:
    found = replayed(from_row=3_000)
    assert found.alerts == []
    states = [(point.tags["monitor"], point.fields["state"]) for point in found.points if point.measurement == "monitor" and point.time <= 300_000]
    assert {name for name, state in states if state == "learning"} >= {"missing:salary", "missing:note", "missing:city"}


def test_the_first_example_of_the_documentation_is_watched_as_the_example_says() -> None:
    text = (Path(__file__).parents[2] / "docs" / "specification.md").read_text()
    example = re.search(r"```yaml\n(model: loans\n.*?)```", text, re.DOTALL)
    assert example is not None
    names = {name for one in detectors_of(parse_specification(example[1])) for name in one.names}
    assert names == {"missing:salary", "out_of_range:salary", "missing:city"}


def test_types_are_watched_without_a_reference_where_they_are_asked_for() -> None:
    asked = MonitorSpecification(model="m", features={"a": Feature(max_missing=1)}, quality=Quality(monitors=("type",)))
    assert [one.names for one in detectors_of(asked)] == [("type:a",)]


def test_declared_categories_stand_in_place_of_those_of_a_reference() -> None:
    profile = profile_of({"city": np.array(["Oslo", "Rome", "Bonn"] * 50, object)}, features={"city": Feature(type="categorical")}, task="classification")
    stated = MonitorSpecification(model="m", features={"city": FEATURES["city"]}, reference=Reference(profile=profile))
    assert [*Layout(stated).expected] == ["city"]
    (rates,) = [one for one in detectors_of(stated) if one.group == "quality"]
    assert rates.names == ("missing:city", "unseen:city")
    without = stated.model_copy(update={"features": {"city": Feature(type="categorical")}})
    assert "expected" not in Layout(without).blocks
    assert stated.digest != without.digest


def test_where_hours_are_learnt_columns_without_a_profile_do_not_wait_for_them() -> None:
    profile = profile_of({"a": np.linspace(0, 1, 200)}, features={"a": Feature()}, task="classification")
    hourly = MonitorSpecification(model="m", features={"a": Feature(), "b": Feature(minimum=0)}, reference=Reference(profile=profile, kind="hour_of_week"))
    assert hourly_monitors(hourly) == ("feature:a", "missing:a")
    assert not quality_hours(profile.features, ["missing:b", "anomaly_rate"], set()).offsets.any()


def test_of_a_text_without_a_reference_it_is_watched_once_that_it_is_missing() -> None:
    assert [*Layout(MonitorSpecification(model="m", features={"comment": Feature(type="text")})).expected] == ["comment.length"]


def test_rows_of_models_with_other_ranges_are_counted_together_by_the_range_of_each() -> None:
    (batch,) = fetch([prediction(1, 0, age=5.0), prediction(2, 0, age=5.0, plan="gold"), prediction(3, 0, age=np.nan, plan=None)]).batches
    low, high = (ExpectedValues({"age": Feature(minimum=minimum), "plan": Feature(type="categorical", categories=("free",))}) for minimum in (0, 10))
    groups = RowGroups([(0, "", "low"), (0, "", "high")], np.array([0, 1, 1]), 3)
    block = np.zeros((2, 2 * CELLS))
    low.add(block, groups, batch, ([low, high], np.array([0, 1, 1])))
    assert block.tolist() == [[1, 0, 0, 1, 0, 0], [1, 1, 1, 1, 1, 1]]


def test_categories_are_of_a_categorical_column_and_named_once() -> None:
    assert parse_specification(format_specification(SPECIFICATION)) == SPECIFICATION
    with pytest.raises(ValidationError, match="set type: categorical, or leave them out"):
        Feature(categories=("a",))
    with pytest.raises(ValidationError, match="must name each value once"):
        Feature(type="categorical", categories=("a", "a"))
