"""What the live page keeps: within bounds, said where one is reached, and never stopped by what somebody wrote to a topic."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as replace_decision

from detectors.alerts.alert import Alert
from detectors.errors import SettingsError
from detectors.monitor import Monitor
from detectors.point import Point
from retrainer.canary import canary
from retrainer.versions import Version, VersionStatus, champion
from streams.monitor_codec import encode_monitor, monitor_key
from streams.topics import Topics
from streams.ui.bounds import Bounds
from streams.ui.live_curves import drift_heat, quality_curves, traffic_curves
from streams.ui.live_model import LiveModel, least_needed
from streams.ui.live_view import LiveView
from streams.ui.newest_points import NewestPoints
from streams.ui.sections import Asked, Pages
from streams.ui.series_table import SeriesTable
from streams.ui.told_model import Teller, Told
from streams.wire import encode_alert, encode_decision, encode_points, encode_version
from tests.ui.samples import DECISION, FAR, FIRST, HOSTILE, MODEL, NO_DURATIONS, PANE, SECOND, START, UGLY, alert, missing, pane, specification, story, version

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


def test_series_that_ended_give_their_rows_back() -> None:
    table = SeriesTable(points=8, series=2)
    for time in range(30):
        table.put(("all",), time, float(time))
        if not 10 <= time < 20:
            table.put((f"version {time // 10}",), time, float(time))
    assert table.keys == (("all",), ("version 2",))
    assert table.left_out == 0
    assert table.of(("version 2",)).tolist() == table.of(("all",)).tolist() == [float(time) for time in range(22, 30)]


def test_a_provisional_pane_never_replaces_the_final_one() -> None:
    model = LiveModel(MODEL, Bounds())
    for final, predictions in ((False, 3), (True, 9), (False, 4)):
        model.take_point(Point(measurement="traffic", tags={"model": MODEL, "version": "1", "segment": ""}, fields={"predictions": predictions, "final": final}, time=START))
    assert traffic_curves(model, PANE)[0].values.tolist() == [9.0]


def test_a_version_that_waits_for_a_person_is_told_so_with_how_to_answer_until_somebody_has() -> None:
    view = told()
    view.take(TOPICS.alerts, b"k", encode_alert(alert()))
    for one in (*FIRST, SECOND[0]):
        view.take(TOPICS.versions, b"k", encode_version(one))
    ask = Asked(page="versions", model=MODEL)
    shown = Pages(view).sections(ask)
    assert (shown["versions"][0]["said"], shown["versions"][0]["evidence"]) == ("on trial", "no verdict yet")
    asked = replace_decision(DECISION, event="GatePassed", instruction="AskApproval", reason="the gate was passed (better)", at=START + 70 * PANE)
    pages = Pages(view)
    pages.sections(ask)
    view.take(TOPICS.decisions, b"k", encode_decision(asked))
    shown = pages.sections(ask)
    assert shown["versions"][0]["said"] == "waits for a person"
    how = f"driftwarden models promote --by NAME {MODEL}@2, or rejects it: driftwarden models reject --by NAME {MODEL}@2"
    assert shown["versions"][0]["evidence"] == f"the gate was passed (better); a person promotes it: {how}"
    assert "waits for a person" in shown["lineage"]
    assert pages.sections(Asked(page="model", model=MODEL))["alerts"][0]["action"] == "1 challenger passed the gate and waits for a person"
    view.take(TOPICS.versions, b"k", encode_version(SECOND[1]))
    shown = pages.sections(ask)
    assert (shown["versions"][0]["said"], "waits for a person" in shown["lineage"]) == ("promoted", False)


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


def test_a_window_that_is_told_no_more_makes_way_for_a_longer_one() -> None:
    model = LiveModel(MODEL, Bounds())

    def tell(window: str, place: int) -> None:
        model.take_point(missing(window, START + place * PANE))

    for place in range(0, 40, 2):
        tell("10m", place)
        if place % 12 == 0:
            tell("1h", place)
    assert model.windows["quality"] == "10m"
    for place in range(48, 90, 12):
        tell("1h", place)
    (curve,), _ = quality_curves(model)
    assert (curve.window, curve.times.tolist()) == ("1h", [START + place * PANE for place in (72, 84)])
    tell("10m", 38)  # written again by a worker that had been stopped
    assert model.windows["quality"] == "1h"
    tell("10m", 90)
    assert model.windows["quality"] == "10m"


def test_a_window_that_is_no_duration_is_left_out_and_hides_nothing() -> None:
    view = told(points=[])
    for first in (True, False):
        for window in NO_DURATIONS:
            view.take(TOPICS.metrics, b"k", encode_points([missing(window, START), missing("10m", START + first * PANE)]))
    curves, _ = quality_curves(view.models[MODEL])
    assert [(curve.window, curve.times.tolist()) for curve in curves] == [("10m", [START, START + PANE])]
    assert view.unreadable == 2 * len(NO_DURATIONS)


def test_a_measurement_without_a_window_is_shown_whatever_window_somebody_gives_it() -> None:
    model = LiveModel(MODEL, Bounds())
    for place, window in enumerate(("soon", "", "1s", "")):
        model.take_point(Point(measurement="traffic", tags={"model": MODEL, "window": window}, fields={"predictions": 3, "final": True}, time=START + place * PANE))
    assert traffic_curves(model, PANE)[0].values.tolist() == [3.0] * 4


@pytest.mark.parametrize("lasting", ["1s", "10h"])
def test_a_window_told_once_of_a_far_time_makes_way_for_one_that_is_told_again_and_again(lasting: str) -> None:
    model = LiveModel(MODEL, Bounds())
    model.take_point(missing(lasting, FAR))
    for place in range(5):
        model.take_point(missing("1h", START + place * PANE))
    (curve,), _ = quality_curves(model)
    assert (curve.window, curve.times.tolist()) == ("1h", [START + place * PANE for place in (2, 3, 4)])


def test_the_newest_points_are_those_of_series_that_are_still_told() -> None:
    newest = NewestPoints(series=3)
    for time in range(40):
        for name in range(time // 10, time // 10 + 3):
            newest.put((f"monitor {name}",), Point(measurement="monitor", tags={}, fields={}, time=time))
    assert {key: point.time for key, point in newest.items()} == {("monitor 3",): 39, ("monitor 4",): 39, ("monitor 5",): 39}


@given(puts=st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 9)), max_size=60))
def test_of_more_series_than_fit_none_that_is_kept_is_older_than_one_that_was_forgotten_when_it_went(puts: list[tuple[str, int]]) -> None:
    newest = NewestPoints(series=3)
    for name, time in puts:
        known = {key: point.time for key, point in newest.items()}
        newest.put((name,), Point(measurement="monitor", tags={}, fields={}, time=time))
        expected = known | {(name,): max(time, known.get((name,), time))}
        kept = {key: point.time for key, point in newest.items()}
        assert len(kept) == min(3, len(expected))
        assert kept.items() <= expected.items()
        assert all(expected[gone] <= min(kept.values()) for gone in expected.keys() - kept.keys())


def test_a_monitor_that_ended_before_the_charts_begin_says_nothing_of_today() -> None:
    view = told(bounds=Bounds(points=20), points=[*pane(0, features=["age", "height"]), *(point for place in range(1, 60) for point in pane(place, features=["age"]))])
    assert "1 of 1 monitors say so" in Pages(view).sections(Asked(page="model", model=MODEL))["head"]["sentence"]


def test_monitors_that_ended_make_way_for_those_that_came_after_them() -> None:
    points = [*pane(0, features=["age", "height"]), *(point for place in range(1, 60) for point in pane(place, features=["salary"]))]
    view = told(bounds=Bounds(points=20, series=2), points=points)
    assert "1 of 1 monitors say so" in Pages(view).sections(Asked(page="model", model=MODEL))["head"]["sentence"]


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
    bounds = Bounds(points=20, series=2, models=2, alerts=3, versions=3, decisions=1, records=2)
    view = told(bounds=bounds, points=[*story(), *pane(1, model="second"), *pane(1, model="third"), *pane(91, features=["x", "y", "z", "u", "v"])])
    for place in range(5):
        view.take(TOPICS.alerts, b"k", encode_alert(alert(alert_id=f"a{place}")))
        if place != 1:
            view.take(TOPICS.alerts, b"k", encode_alert(alert("resolved", sequence=1, alert_id=f"a{place}")))
    for sequence in (1, 2, 3):
        view.take(TOPICS.alerts, b"k", encode_alert(alert("updated", sequence=sequence, alert_id="a1")))
    for version_record in (*FIRST, *SECOND):
        view.take(TOPICS.versions, b"k", encode_version(version_record))
    for place in (50, 51):
        view.take(TOPICS.decisions, b"k", encode_decision(msgspec.structs.replace(DECISION, at=START + place * PANE)))
    model = view.models[MODEL]
    assert set(view.models) == {MODEL, "second"}
    assert list(model.alerts) == ["a1", "a3", "a4"]  # the open one is no older than it is needed
    assert list(model.alerts["a1"]) == [0, 3]
    assert {len(table.times) for table in model.tables.values()} == {20}
    notes = " ".join(view.notes() + model.notes())
    lines = ("More than 2 models", "--max-models", "More than 2 lines of quality", "newest 20 steps", "newest 3 alerts", "newest 3 records of versions are shown, 1 are not")
    for said in (
        *lines,
        "newest 1 decisions of the retrainer are shown, 1 are not",
        "--max-versions",
        "--max-decisions",
        "opening and the newest of 2 records are kept, 2 between",
        "--max-records",
    ):
        assert said in notes


STATUSES: tuple[VersionStatus, ...] = ("registered", "canary", "promoted", "updated", "rejected", "rolled_back")


def served(records: list[Version]) -> list[str]:
    """Who serves, and who would if that one was rolled back."""
    names = []
    while len(names) < 2 and (serving := champion(records)) is not None:
        names.append(serving.version)
        records = [record for record in records if record.version != serving.version]
    return names


@given(told=st.lists(st.tuples(st.sampled_from("1234"), st.sampled_from(STATUSES)), min_size=8, max_size=40))
def test_forgetting_a_record_changes_neither_who_serves_nor_who_would_after_a_rollback_and_the_newest_stays(told: list[tuple[str, VersionStatus]]) -> None:
    records: list[Version] = []
    for place, (name, status) in enumerate(told):
        records.append(version(name, status, place))
        before = served(records), canary(records)
        if len(records) > 7:
            del records[least_needed(records)]
        assert (served(records)[:2], canary(records)) == (before[0][:2], before[1])
        assert (records[-1].version, records[-1].at) == (name, START + place * PANE)


@given(told=st.lists(st.tuples(st.sampled_from("1234"), st.sampled_from(STATUSES)), min_size=2, max_size=12), most=st.integers(1, 6))
def test_the_newest_record_stays_however_few_are_kept(told: list[tuple[str, VersionStatus]], most: int) -> None:
    model = LiveModel(MODEL, Bounds(versions=most))
    for place, (name, status) in enumerate(told):
        model.take_version(version(name, status, place))
        assert model.versions[-1] == version(name, status, place)
        assert len(model.versions) <= most


def test_the_newest_challengers_and_a_canary_that_serves_are_shown_however_many_came_before() -> None:
    model = LiveModel(MODEL, Bounds(versions=9))
    for one in (*FIRST, *SECOND, version("3", "promoted", 69), version("canary", "canary", 70)):
        model.take_version(one)
    for place in range(20):
        model.take_version(version(f"trial-{place}", "rejected", 71 + place))
    names = [one.version for one in model.versions]
    assert names == ["2", "2", "3", "canary", *(f"trial-{place}" for place in range(15, 20))]
    serving = canary(model.versions)
    assert serving is not None
    assert serving.version == "canary"


def test_a_champion_that_learns_on_does_not_hide_what_was_tried_beside_it() -> None:
    model = LiveModel(MODEL, Bounds(versions=6))
    for place in range(30):
        model.take_version(version("1", "updated" if place else "promoted", place))
        model.take_version(version(f"trial-{place}", "rejected", place))
    names = [one.version for one in model.versions]
    assert names == ["1", "trial-27", "1", "trial-28", "1", "trial-29"]


def test_a_rollback_finds_the_version_that_it_goes_back_to_however_many_were_refused() -> None:
    model = LiveModel(MODEL, Bounds(versions=4))
    for one in (*FIRST, *SECOND):
        model.take_version(one)
    for name in range(9):
        model.take_version(version(f"trial-{name}", "rejected", 70 + name))
    model.take_version(version("2", "rolled_back", 90))
    serving = champion(model.versions)
    assert serving is not None
    assert serving.version == "1"


def test_bounds_of_nothing_are_refused() -> None:
    with pytest.raises(SettingsError, match="alerts must be >= 1, got 0"):
        Bounds(alerts=0)


def without_bins(name: str) -> Alert:
    """An alert that no monitor gives: two bins of the reference, and none of what came since."""
    told = alert(model=name)
    return msgspec.structs.replace(told, monitors=(replace(told.monitors[0], reference={"edges": [0.0], "counts": [1, 2]}, current={}),))


def test_records_that_say_what_nobody_says_hide_nothing_else() -> None:
    view = told()
    for topic, key, value in UGLY:
        view.take(getattr(TOPICS, topic), key, value)
    view.take(TOPICS.alerts, b"k", encode_alert(without_bins("ugly")))
    view.take(TOPICS.alerts, b"k", encode_alert(alert()))
    for model in (MODEL, "a-healthy-one"):
        view.take(TOPICS.metrics, b"k", encode_points([missing("10m", START + place * PANE, model=model) for place in range(5)]))
        (curve, *_), _ = quality_curves(view.models[model])
        assert curve.window == "10m"
    pages = Pages(view)
    fleet = {name: msgspec.json.decode(section) for name, section in pages.encoded(Asked()).items()}
    assert "3 records of the topics hold" in " ".join(view.notes())
    assert fleet["row loans"]["state"] == fleet["row ugly"]["state"] == "unhealthy"
    shown = pages.sections(Asked(page="alert", model="ugly", alert="a1b2c3d4"))
    assert shown["monitors"][0]["fault"] == "its current counts are no list of numbers"
    assert shown["figures"]["wrong"]
    assert shown["alert"]["summary"].startswith("ugly: accuracy fell")
    assert pages.sections(Asked(page="alert", model=MODEL, alert="a1b2c3d4"))["monitors"][0]["bars"] is not None


def test_a_model_that_cannot_be_shown_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    view = told(points=[*pane(0), *pane(0, model="broken")])
    tell = Teller.of

    def of(self: Teller, model: LiveModel) -> Told:
        return tell(self, model) if model.name != "broken" else 1 / 0  # type: ignore[return-value]  # it never returns

    monkeypatch.setattr(Teller, "of", of)
    pages = Pages(view)
    for _ in range(2):
        fleet = pages.sections(Asked())
    assert fleet["row broken"]["why"] == "What the topics say of broken cannot be shown (ZeroDivisionError); the log of driftwarden ui says more."
    assert fleet["row loans"]["serving"] == ""
    assert fleet["row loans"]["value"] == "90 %"
    assert pages.sections(Asked(page="model", model="broken"))["missing"] == fleet["row broken"]["why"]
    assert [record.message for record in caplog.records] == ["what the topics say of broken cannot be shown"]


@settings(deadline=None)
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
    for announced in (*FIRST, *SECOND):
        view.take(TOPICS.versions, b"k", encode_version(announced))
    pages = Pages(view)
    for page in pages.names:
        for name, section in pages.encoded(Asked(page=page, model=MODEL, alert="a1b2c3d4")).items():
            msgspec.json.decode(section)
            assert b"NaN" not in section, name
            assert b"\n" not in section, name  # a line break would end the event
    row = msgspec.json.decode(pages.encoded(Asked())["row loans"])
    assert (row["state"], row["serving"], row["value"]) == ("recovered", "2", "91.6 %")
    assert row["done"].startswith("version 2 was trained because of it and promoted at 2023-11-14")


def test_a_canary_a_promotion_and_a_rollback_are_marks_each_at_its_own_time() -> None:
    view = told()
    for one in (*FIRST, SECOND[0], version("2", "canary", 62), SECOND[1], version("2", "rolled_back", 75)):
        view.take(TOPICS.versions, b"k", encode_version(one))
    marks = Pages(view).sections(Asked(page="model", model=MODEL))["marks"]["versions"]
    assert [(mark["version"], mark["status"], round((1_000 * mark["at"] - START) / PANE)) for mark in marks] == [
        ("1", "promoted", -4),
        ("2", "canary", 62),
        ("2", "promoted", 68),
        ("2", "rolled_back", 75),
    ]


def test_only_what_changed_is_made_again() -> None:
    view = told()
    pages = Pages(view)
    before = pages.encoded(Asked(page="model", model=MODEL))
    view.take(TOPICS.metrics, b"k", encode_points([Point(measurement="service", tags={"model": MODEL, "window": "10m"}, fields={"latency_p50": 99.0}, time=START + 95 * PANE)]))
    after = pages.encoded(Asked(page="model", model=MODEL))
    assert {name for name in after if after[name] != before[name]} == {"status", "head", "latency", "failed"}
