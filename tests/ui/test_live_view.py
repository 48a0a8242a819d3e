"""What the live page keeps: within bounds, said where one is reached, and never stopped by what somebody wrote to a topic."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.errors import SettingsError
from detectors.monitor import Monitor
from detectors.point import Point
from streams.monitor_codec import encode_monitor, monitor_key
from streams.topics import Topics
from streams.ui.bounds import Bounds
from streams.ui.live_curves import drift_heat, quality_curves, traffic_curves
from streams.ui.live_model import LiveModel
from streams.ui.live_view import LiveView
from streams.ui.sections import Asked, Pages
from streams.ui.series_table import SeriesTable
from streams.wire import encode_alert, encode_points, encode_version
from tests.ui.samples import FIRST, HOSTILE, MODEL, PANE, SECOND, START, alert, pane, specification, story

TOPICS = Topics()


def told(*, bounds: Bounds | None = None, points: list[Point] | None = None) -> LiveView:
    view = LiveView(TOPICS, bounds or Bounds())
    view.take(TOPICS.monitors, monitor_key(MODEL, 1), encode_monitor(Monitor(specification=specification())))
    view.take(TOPICS.metrics, b"k", encode_points(story() if points is None else points))
    return view


@given(puts=st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 40), st.integers(-9, 9)), max_size=120), points=st.integers(1, 12))
def test_a_table_holds_the_newest_times_whatever_the_order_in_which_they_come(puts: list[tuple[str, int, int]], points: int) -> None:
    table, known = SeriesTable(points=points, series=3), {}
    for name, time, value in puts:
        table.put((name,), time, value)
        known[name, time] = value
    times = sorted({time for _, time in known})[-points:]
    assert table.times.tolist() == times
    for name in ("a", "b", "c"):
        np.testing.assert_array_equal(table.of((name,)), [known.get((name, time), np.nan) for time in times])


def test_further_series_are_left_out_and_counted() -> None:
    table = SeriesTable(points=5, series=2)
    for name in "abcc":
        table.put((name,), 1, 1.0)
    assert (table.keys, table.left_out) == ((("a",), ("b",)), 1)


def test_a_provisional_pane_never_replaces_the_final_one() -> None:
    model = LiveModel(MODEL, Bounds())
    for final, predictions in ((False, 3), (True, 9), (False, 4)):
        model.take_point(Point(measurement="traffic", tags={"model": MODEL, "version": "1", "segment": ""}, fields={"predictions": predictions, "final": final}, time=START))
    assert traffic_curves(model, PANE)[0].values.tolist() == [9.0]


def test_traffic_is_summed_over_versions_or_is_that_of_the_one_that_was_chosen() -> None:
    model = told().models[MODEL]
    both, one = (traffic_curves(model, PANE, version=version)[0].values for version in ("", "2"))
    np.testing.assert_array_equal(both, 2 * one)


def test_of_several_windows_the_shortest_is_shown() -> None:
    model = LiveModel(MODEL, Bounds())
    for window, rate in (("1h", 0.1), ("10m", 0.2), ("1d", 0.3)):
        model.take_point(Point(measurement="quality", tags={"model": MODEL, "window": window, "feature": "age", "kind": "missing"}, fields={"rate": rate}, time=START))
    curves, _ = quality_curves(model)
    assert [(curve.window, curve.values.round(3).tolist()) for curve in curves] == [("10m", [0.2])]


def test_drift_is_the_statistic_over_its_threshold_where_the_monitor_is_known() -> None:
    view = told()
    heat = drift_heat(view.models[MODEL], view.thresholds(MODEL))
    assert heat is not None
    assert heat.names == ("salary", HOSTILE)
    assert heat.alarmed[0].sum() == 28
    assert np.nanmax(heat.values[0]) == pytest.approx(9.0 / view.thresholds(MODEL)["feature:salary"], rel=1e-6)
    without = drift_heat(view.models[MODEL], {})
    assert without is not None
    assert without.unit.startswith("the Jensen-Shannon")


def test_bounds_are_kept_and_the_page_says_that_they_were_reached() -> None:
    bounds = Bounds(points=20, series=2, models=2, alerts=3)
    view = told(bounds=bounds, points=[*story(), *pane(1, model="second"), *pane(1, model="third"), *pane(1, features=["x", "y", "z", "u", "v"])])
    for place in range(5):
        view.take(TOPICS.alerts, b"k", encode_alert(alert(alert_id=f"a{place}")))
        if place != 1:
            view.take(TOPICS.alerts, b"k", encode_alert(alert("resolved", sequence=1, alert_id=f"a{place}")))
    model = view.models[MODEL]
    assert set(view.models) == {MODEL, "second"}
    assert list(model.alerts) == ["a1", "a3", "a4"]  # the open one is no older than it is needed
    assert {len(table.times) for table in model.tables.values()} == {20}
    notes = " ".join(view.notes() + model.notes())
    for said in ("More than 2 models", "--max-models", "More than 2 series of quality", "newest 20 steps", "newest 3 alerts"):
        assert said in notes


def test_the_champion_outlives_the_bound_on_versions() -> None:
    model = LiveModel(MODEL, Bounds(versions=3))
    for name in range(9):
        model.take_version(msgspec.structs.replace(SECOND[0], version=f"trial-{name}"))
        if name == 0:
            model.take_version(FIRST[1])
    assert model.versions[0].version == "1"
    assert len(model.versions) == 3


def test_bounds_of_nothing_are_refused() -> None:
    with pytest.raises(SettingsError, match="alerts must be >= 1, got 0"):
        Bounds(alerts=0)


@given(
    value=st.one_of(st.binary(max_size=60), st.sampled_from([encode_alert(alert())[:-9], b"[]", b"null", b'{"model": 3}', b""])),
    topic=st.sampled_from(["metrics", "alerts", "versions", "decisions", "monitors"]),
)
def test_nothing_that_is_written_to_a_topic_stops_the_page(value: bytes, topic: str) -> None:
    view = told(points=pane(0))
    view.take(getattr(TOPICS, topic), value, value)
    assert "row loans" in Pages(view).encoded(Asked())


def test_sections_are_json_of_numbers_and_nothing_undefined() -> None:
    view = told()
    for record in (alert(), alert("resolved", sequence=4)):
        view.take(TOPICS.alerts, b"k", encode_alert(record))
    for version in (*FIRST, *SECOND):
        view.take(TOPICS.versions, b"k", encode_version(version))
    pages = Pages(view)
    for page in pages.names:
        for name, section in pages.encoded(Asked(page=page, model=MODEL, alert="a1b2c3d4")).items():
            msgspec.json.decode(section)
            assert b"NaN" not in section, name
            assert b"\n" not in section, name  # a line break would end the event
    row = msgspec.json.decode(pages.encoded(Asked())["row loans"])
    assert (row["state"], row["serving"], row["value"]) == ("recovered", "2", "91.6 %")
    assert row["done"].startswith("version 2 was trained because of it and promoted at 2023-11-14")


def test_only_what_changed_is_made_again() -> None:
    view = told()
    pages = Pages(view)
    before = pages.encoded(Asked(page="model", model=MODEL))
    view.take(TOPICS.metrics, b"k", encode_points([Point(measurement="service", tags={"model": MODEL, "window": "10m"}, fields={"latency_p50": 99.0}, time=START + 95 * PANE)]))
    after = pages.encoded(Asked(page="model", model=MODEL))
    assert {name for name in after if after[name] != before[name]} == {"status", "head", "latency", "failed"}
