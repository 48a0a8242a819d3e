"""The report: one file that says the truth about hostile records, and loads nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.alerts.alert import Alert
from detectors.point import Point
from detectors.profile import CategoricalProfile, NumericProfile, PerformanceProfile, Profile
from detectors.settings.feature import Feature
from detectors.settings.watching import Reference
from detectors.specification import MonitorSpecification
from detectors.verdict import Effect, Evidence, Status
from retrainer.decision import Decision
from retrainer.versions import Version
from streams.report import ReportView, view_of, write_report
from streams.report.page import page_of
from streams.report.script import joined
from streams.report.sections import report_sections
from streams.view.curves import MOST_POINTS, thinned
from streams.view.evidence import MOST_BARS, MOST_MONITORS, bars_of
from streams.view.view import MOST_RECOMPUTED

HOSTILE = "</script><script>alert(1)</script>"
MODEL = "<script>alert('loans')</script>"
START = 1_700_000_000_000
PANE = 10_000


def specification() -> MonitorSpecification:
    numeric = NumericProfile(edges=(0.0,), counts=(500, 500), scores=(-0.8, 0.8), mean=0.0, deviation=1.0, minimum=-3.0, maximum=3.0)
    answer = CategoricalProfile(levels=("no", "yes"), counts=(500, 500))
    performance = PerformanceProfile(rows=1_000, loss=0.1, deviation=0.3)
    profile = Profile(rows=1_000, features={HOSTILE: numeric}, prediction=answer, label=answer, performance=performance)
    return MonitorSpecification(model=MODEL, features={HOSTILE: Feature()}, reference=Reference(profile=profile))


def panes(n: int = 60, *, status: Status = Status.OK, broken_from: int | None = None) -> list[Point]:
    made = []
    for place in range(n):
        at, tags = START + place * PANE, {"model": MODEL}
        value = 0.9 if broken_from is None or place < broken_from else 0.6
        windowed = tags | {"window": "10m"}
        made += [
            Point(measurement="traffic", tags=tags | {"version": "1", "segment": ""}, fields={"predictions": 7, "labels": 5, "final": True}, time=at),
            Point(measurement="performance", tags=windowed, fields={"accuracy": value, "accuracy_low": value - 0.1, "accuracy_high": value + 0.1}, time=at + PANE),
            Point(
                measurement="monitor",
                tags=tags | {"monitor": f"feature:{HOSTILE}"},
                fields={"status": int(status), "state": status.name.lower(), "statistic": 1.0, "effect": 0.3},
                time=at + PANE,
            ),
            Point(measurement="drift", tags=windowed | {"feature": HOSTILE}, fields={"psi": 0.1, "psi_by_chance": 0.05, "n": 70.0}, time=at + PANE),
            Point(measurement="quality", tags=windowed | {"feature": HOSTILE, "kind": "missing"}, fields={"rate": 0.25}, time=at + PANE),
        ]
    return made


def alert(status: str = "opened", *, kind: str = "performance", sequence: int = 0, alert_id: str = "a1") -> Alert:
    evidence = Evidence(
        name="error_rate" if kind == "performance" else f"feature:{HOSTILE}",
        statistic="signed root",
        value=9.0,
        threshold=5.0,
        effect=Effect(name="difference of rates", value=0.3, interval=(0.2, 0.4), floor=0.02),
        n_reference=1_000.0,
        n_current=100.0,
        reference={"count": 100.0, "of": 1_000.0},
        current={"count": 40.0, "of": 100.0},
    )
    return Alert(
        alert_id=alert_id,
        sequence=sequence,
        status=status,  # type: ignore[arg-type]
        kind=kind,  # type: ignore[arg-type]
        severity="critical",
        model=MODEL,
        model_version="1",
        segment="",
        opened_at=START + 40 * PANE,
        updated_at=START + (40 + 5 * sequence) * PANE,
        change_at=START + 30 * PANE,
        summary=f"{MODEL}: {kind} changed & matters" if status != "resolved" else f"{MODEL}: {kind} is back",
        monitors=(evidence,),
        budget="1 per 30d",
        causes=(f"{HOSTILE} took over",),
    )


def version(name: str, status: str, place: int, *, cause: str = "a1") -> Version:
    gate = {"reason": f"better {HOSTILE}", "difference": 0.2, "interval": [0.1, 0.3], "wealth": 30.0, "threshold": 20.0, "labels": 500}
    return Version(model=MODEL, version=name, status=status, at=START + place * PANE, parent="1", cause=cause, trained_on={"rows": 400}, gate=gate)  # type: ignore[arg-type]


def view(points: list[Point] | None = None, alerts: list[Alert] | None = None, versions: list[Version] | None = None, **more: object) -> ReportView:
    return view_of(specification=specification(), points=panes() if points is None else points, alerts=alerts or [], versions=versions or [], title=f"Report of {HOSTILE}", **more)  # type: ignore[arg-type]


def full() -> ReportView:
    alerts = [alert(), alert("updated", sequence=1), alert(kind="drift", alert_id="a2")]
    versions = [version("2", "registered", 42), version("2", "promoted", 44), version("3", "registered", 43), version("3", "rejected", 45)]
    board = [{"detector": "PSI habit", "false alarms": "12"}, {"detector": HOSTILE, "delay": "9"}]
    return view(panes(broken_from=30), alerts, versions, facts=[(HOSTILE, HOSTILE)], notes=[HOSTILE], scoreboard=board)


class Page(HTMLParser):
    """Elements, text outside of scripts and styles, and whether every element was closed."""

    VOID = frozenset({"meta", "br", "link", "img", "hr", "input"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")
        if tag == "style":
            self.styles.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif self.open and self.open[-1] == "style":
            self.styles[-1] += data
        else:
            self.text += data


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "new" / "report.html"
    write_report(path, full())
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    return path.read_bytes().decode()


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_page_is_well_formed_and_holds_the_verdict_and_every_alert(page: Page) -> None:
    assert page.open == []
    shown = full()
    assert shown.judgement.sentence in page.text
    assert [one.alert_id for one in shown.alerts] == ["a1", "a2"]
    for one in shown.alerts:
        assert one.summary in page.text


def test_hostile_names_stay_text(html: str, page: Page) -> None:
    assert len(page.scripts) == 4
    assert HOSTILE in page.text
    assert MODEL in page.text
    assert HOSTILE not in html
    assert MODEL not in html
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


def test_the_data_of_the_page_are_json_in_which_no_name_can_end_the_script(page: Page) -> None:
    assert "<" not in page.scripts[0]
    data = json.loads(page.scripts[0])
    assert data["heat"]["names"] == [HOSTILE]
    assert [one["id"] for one in data["alerts"]] == ["a1", "a2"]
    assert data["alerts"][0]["story"]["monitors"][0]["bars"]["current"] == [0.4]


def test_without_scripts_the_facts_can_be_read_as_text(page: Page) -> None:
    for told in (
        "accuracy",
        "60 %",
        "50 % to 70 %",
        "missing: " + HOSTILE,
        "PSI habit",
        "12",
        "+0.3 (95 % +0.2 to +0.4); immaterial below 0.02",
        "40 %",
        "evidence 30 of 20 needed",
        "Changed about 2023-11-14 22:18:20 UTC, reported 2023-11-14 22:20:00 UTC, 100s later. Done: version 2",
        "12 of 12 figures could not be reproduced from what the alert carries:",
        "error_ratelower end of its interval0.2–",
        "time of the change1700000300000–",
        "Jensen-Shannon (by chance up to)",
    ):
        assert told in page.text


def test_without_scripts_it_is_said_how_many_monitors_are_left_out() -> None:
    evidence = alert().monitors[0]
    many = msgspec.structs.replace(alert(), monitors=tuple(replace(evidence, name=f"monitor {place}") for place in range(MOST_MONITORS + 2)))
    assert "2 weaker monitors of this alert are left out here." in Page(page_of(view(alerts=[many]))).text
    assert "left out here" not in Page(page_of(full())).text


def test_nothing_is_fetched(page: Page) -> None:
    assert not [value for _, attributes in page.elements for name, value in attributes.items() if name in {"src", "href", "srcset", "action", "data"} and value]
    assert not [tag for tag, _ in page.elements if tag in {"link", "img", "iframe", "object", "base"}]


def test_the_policy_lets_exactly_the_scripts_and_styles_of_the_page_work(page: Page) -> None:
    policy = next(str(attributes["content"]) for tag, attributes in page.elements if tag == "meta" and "http-equiv" in attributes)
    digests = [" ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts) for texts in (page.scripts[1:], page.styles)]
    assert policy == f"default-src 'none'; script-src {digests[0]}; style-src {digests[1]}; base-uri 'none'; form-action 'none'"
    assert page.scripts[2].startswith("/*! https://github.com/leeoniya/uPlot")


@pytest.mark.parametrize("form", ['import "./b.js";', 'import b from "./b.js";', "export default 3;", "export { a };", 'const b = await import("./b.js");'])
def test_a_module_in_a_form_that_cannot_be_joined_is_refused(form: str) -> None:
    with pytest.raises(ValueError, match="cannot be joined; write imports as"):
        joined("a.js", {"a.js": form}.__getitem__)


def test_modules_that_import_each_other_are_refused() -> None:
    modules = {"a.js": 'import { b } from "./b.js";\nexport const a = 1;', "b.js": 'import { a } from "./a.js";\nexport const b = 2;'}
    with pytest.raises(ValueError, match=r"in a circle: a\.js -> b\.js -> a\.js"):
        joined("a.js", modules.__getitem__)


def test_without_alerts_it_is_healthy() -> None:
    told = view().judgement
    assert told.state == "healthy"
    assert "no alert" in told.sentence
    assert "1 per 30d" in told.sentence


def test_monitors_that_learn_judge_nothing() -> None:
    assert view(panes(status=Status.LEARNING)).judgement.state == "not judged"
    assert view([]).judgement.state == "not judged"
    assert Page(page_of(view([]))).open == []


def test_an_open_alert_says_since_when_why_and_what_was_done() -> None:
    told = full().judgement
    assert told.state == "unhealthy"
    assert "since about 2023-11-14 22:18:20 UTC" in told.sentence
    assert "error_rate changed by +0.3" in told.sentence
    assert "Accuracy was 90 % before, 60 % at its worst" in told.sentence
    assert "Version 2 was trained because of it and promoted at 2023-11-14 22:20:40 UTC; 1 challenger was refused" in told.sentence
    assert "1 other alert is open (drift)" in told.sentence


def test_drift_alone_is_a_change_and_no_illness() -> None:
    for kind, what in (("drift", "inputs"), ("label shift", "shares of the classes")):
        told = view(alerts=[alert(kind=kind)]).judgement
        assert told.state == "changed"
        assert told.sentence.startswith(f"The {what} of ")


def test_a_resolved_alert_is_a_recovery_whatever_the_order_of_its_records() -> None:
    shown = view(alerts=[alert("resolved", sequence=2), alert(), alert("updated", sequence=1), alert()])
    assert shown.judgement.state == "recovered"
    (one,) = shown.alerts
    assert (one.state, one.until) == ("resolved", START + 50 * PANE)
    assert one.ending.endswith("is back")
    assert one.summary.endswith("changed & matters")


def test_a_recovery_is_told_with_the_reason_of_the_last_time_and_not_of_one_long_ago() -> None:
    def life(alert_id: str, kind: str, opened: int, until: int) -> list[Alert]:
        at = START + opened * PANE
        record = msgspec.structs.replace(alert(kind=kind, alert_id=alert_id), opened_at=at, updated_at=at, change_at=at - PANE)
        return [record, msgspec.structs.replace(record, sequence=1, status="resolved", updated_at=START + until * PANE)]

    told = view(alerts=[*life("a1", "performance", 5, 10), *life("a2", "drift", 30, 40), *life("a3", "service", 35, 50)]).judgement
    assert (told.state, told.since) == ("recovered", START + 50 * PANE)
    assert told.why.startswith("service: ")
    assert "It was not from about 2023-11-14 22:19:00 UTC" in told.sentence
    assert "3 alerts in all" in told.sentence


def test_of_a_long_history_figures_of_the_newest_alerts_are_computed_again() -> None:
    shown = view(alerts=[msgspec.structs.replace(alert(alert_id=f"a{place:02}"), opened_at=START + place * PANE) for place in range(MOST_RECOMPUTED + 2)])
    assert [bool(explanation.figures) for explanation in shown.explanations] == [False] * 2 + [True] * MOST_RECOMPUTED
    assert all(explanation.monitors and explanation.life for explanation in shown.explanations)


def test_another_models_records_are_left_out() -> None:
    other = msgspec.structs.replace(alert(), model="other")
    assert view(alerts=[other]).alerts == ()


def test_a_repeated_point_counts_once_and_the_last_of_its_time_wins() -> None:
    provisional = msgspec.structs.replace(panes(1)[0], fields={"predictions": 3, "labels": 0, "final": False})
    assert ("predictions", str(7 * 60)) in view([provisional, *panes(), *panes()]).facts


def test_a_provisional_point_of_a_replaced_worker_does_not_take_the_place_of_the_final_one() -> None:
    late = msgspec.structs.replace(panes(1)[0], fields={"predictions": 3, "labels": 0, "final": False})
    assert ("predictions", str(7 * 60)) in view([*panes(), late]).facts


def test_rows_without_times_are_called_rows() -> None:
    shown = view(alerts=[msgspec.structs.replace(alert(), change_at=1_200_000, summary="since about 1970-01-01T00:20:00.000Z")], event_times=False)
    assert "since about row 1,200" in shown.judgement.sentence
    assert shown.alerts[0].summary == "since about row 1,200"
    drawn = report_sections(shown)
    assert drawn["rows"] is True
    assert drawn["alerts"][0]["story"]["life"] == ["row 1,700,000,400 opened, 472222h of event time after the change: since about row 1,200"]


def test_a_version_says_where_it_came_from_and_why_it_serves() -> None:
    two, three = full().versions
    assert (two.version, two.said, two.serving, two.parent, two.cause_is_alert, two.rows) == ("2", "promoted", True, "1", True, "400")
    assert (three.said, three.serving) == ("refused", False)
    assert "loss lower by 0.2 (95 % +0.1 to +0.3) on 500 labels; evidence 30 of 20 needed" in three.evidence


def test_an_undefined_number_is_a_dash_and_breaks_the_line() -> None:
    points = [*panes(2), Point(measurement="performance", tags={"model": MODEL, "window": "10m"}, fields={"accuracy": float("nan")}, time=START + 3 * PANE)]
    page = Page(page_of(view(points)))
    assert json.loads(page.scripts[0])["performance"][0]["values"] == [0.9, 0.9, None]
    assert page.open == []


def test_a_year_of_panes_becomes_lines_of_at_most_two_thousand_points_without_losing_a_count() -> None:
    n = 6_000
    points = [Point(measurement="traffic", tags={"model": MODEL}, fields={"predictions": 7, "labels": 5}, time=START + place * PANE) for place in range(n)]
    points += [Point(measurement="performance", tags={"model": MODEL, "window": "10m"}, fields={"accuracy": place % 97 / 97}, time=START + place * PANE) for place in range(n)]
    shown = view(points)
    assert len(shown.performance[0].times) <= MOST_POINTS
    assert shown.traffic[0].values.sum() == 7 * n
    assert len(shown.traffic[0].times) <= MOST_POINTS


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=400), st.integers(4, 60))
def test_thinning_keeps_the_ends_and_the_extremes_of_every_stretch(values: list[float], most: int) -> None:
    places = thinned(np.array(values), most).tolist()
    assert places == sorted(set(places))
    assert len(places) <= max(most, 4)
    assert {0, len(values) - 1} <= set(places)
    if len(values) <= most:
        assert places == list(range(len(values)))
        return
    width = -(-len(values) // ((most - 2) // 2))
    for begin in range(0, len(values), width):
        stretch = [value for value in values[begin : begin + width] if not np.isnan(value)]
        kept = {values[place] for place in places if begin <= place < begin + width}
        if stretch:
            assert {min(stretch), max(stretch)} <= kept
        else:
            assert kept  # the gap is still a gap


def test_bins_are_joined_to_a_few_bars_whose_shares_sum_to_one() -> None:
    counts = np.random.default_rng(5).integers(1, 100, 64).astype(float)
    bars = bars_of({"edges": list(range(63)), "counts": counts.tolist()}, {"edges": list(range(63)), "counts": counts[::-1].tolist()})
    assert bars is not None
    assert len(bars.labels) == len(bars.reference) == len(bars.current) == MOST_BARS
    assert bars.reference[0] == pytest.approx(counts[:4].sum() / counts.sum())
    assert sum(bars.current) == pytest.approx(1)
    assert (bars.labels[0], bars.labels[1], bars.labels[-1]) == ("below 3", "3 to 7", "59 or more")


def test_of_many_levels_those_that_moved_most_are_shown() -> None:
    reference = {f"level {place}": 10.0 for place in range(40)}
    bars = bars_of(dict(reference), reference | {"level 33": 400.0})
    assert bars is not None
    assert bars.labels[0] == "level 33"
    assert (len(bars.labels), bars.labels[-1]) == (MOST_BARS, "(25 others)")
    assert sum(bars.reference) == pytest.approx(1)


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr("streams.report.page.report_sections", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(path, view())
    assert path.read_text() == "old"


def test_a_version_that_a_person_brought_is_registered_and_not_on_trial() -> None:
    brought = Version(model=MODEL, version="2", status="registered", at=START, by="ada", parent="1")
    told = view(versions=[version("1", "promoted", 1), brought]).versions[1]
    assert (told.said, told.evidence) == ("registered", "")


def test_a_version_that_waits_for_a_person_is_told_so() -> None:
    asked = Decision(model=MODEL, at=START, event="GatePassed", stage="serving", instruction="AskApproval", cause="a1", reason="the gate was passed", version="2")
    waits = [version("1", "promoted", 1), msgspec.structs.replace(version("2", "registered", 42), parent="1")]
    assert [one.said for one in view(versions=waits).versions] == ["promoted", "on trial"]
    told = view(versions=waits, decisions=[asked])
    assert [one.said for one in told.versions] == ["promoted", "waits for a person"]
    assert "waits for a person" in report_sections(told)["lineage"]


def test_a_version_that_passed_the_gate_before_another_one_was_promoted_is_not_on_trial() -> None:
    asked = Decision(model=MODEL, at=START, event="GatePassed", stage="serving", instruction="AskApproval", cause="a1", reason="the gate was passed (better)", version="2")
    left = msgspec.structs.replace(version("2", "registered", 42), parent="1", cause="a1")
    of_alert = view(alerts=[alert()], versions=[version("1", "promoted", 1), left, version("3", "promoted", 60)], decisions=[asked])
    assert [one.said for one in of_alert.versions] == ["promoted", "passed the gate", "promoted"]
    assert of_alert.versions[1].evidence == "the gate was passed (better); it was not promoted before another version served"
    assert of_alert.alerts[0].action.endswith("1 challenger passed the gate and was not promoted")
