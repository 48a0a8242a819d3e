"""An alert explains itself: every figure comes out again from what it carries, over the wire, whatever the history; what was touched is found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.alerts.alert import Alert
from detectors.alerts.evidence_words import panes_by_chance
from detectors.alerts.explanation import explain
from detectors.detection.closed_pane import ClosedPane
from detectors.detection.watch import Judged, Watch
from detectors.duration import parse_duration
from detectors.panes.layout import REGRESSION, Layout
from detectors.profile import Cycle, PerformanceProfile
from detectors.references.reference import numeric_profile as reference_profile
from detectors.scans.panels import Panels, Walking
from detectors.settings.watching import Alerts, Detectors, Floors
from detectors.specification import MonitorSpecification
from streams.wire import decode_alert, encode_alert
from tests.detectors.reference_samples import PANE, categorical_profile, numeric_profile, pane_vectors, specification_of

PANES, CHANGED = 110, 70
U = (np.arange(4_000) + 0.5) / 4_000
DAY = (Cycle(period=200_000, location=(0.3, 0.1), square=(0.05, 0.0)),)
COLUMNS = {
    "even": numeric_profile(U),
    "cyclic": numeric_profile(U - 0.5, cycles=DAY),
    "zeros": numeric_profile(np.where(U < 0.6, 0.0, U)),
    "constant": reference_profile(np.full(4_000, 2.0)),
    "city": categorical_profile({"a": 0.5, "b": 0.3, "c": 0.1995, "d": 0.0005}),
}


@st.composite
def settings_of_a_model(draw: st.DrawFn) -> MonitorSpecification:
    floors = draw(st.sampled_from([Floors(), Floors(rate=0, shift=0, deviation_ratio=1, categories=0, relative_loss=0)]))
    budget: dict[str, Any] = draw(st.sampled_from([{"false_alarms": "1 per 30d"}, {"false_alarms": "2 per 100000 events", "events_per_pane": 40.0}]))
    regression = draw(st.booleans())
    performance = draw(st.sampled_from([None, PerformanceProfile(rows=1_000, loss=0.1, deviation=0.09)]))
    outputs = COLUMNS["even"] if regression else categorical_profile({"no": 0.5, "yes": 0.5})
    detectors = draw(st.sampled_from([Detectors(), Detectors(rates="e-detector", river=() if regression else ("adwin", "ddm", "hddm_w"))]))
    task = "regression" if regression else "classification"
    alerts = Alerts(floors=floors, resolve_after=parse_duration("100s"))
    sampling = draw(st.sampled_from(["ignored", "weighted"])) if detectors == Detectors() else "ignored"
    return specification_of(COLUMNS, performance=performance, prediction=outputs, task=task, alerts=alerts, detectors=detectors, sampling=sampling, lateness=0, **budget)


def history(specification: MonitorSpecification, seed: int, size: float, events: int) -> np.ndarray:
    """(PANES, size) panes that change by a size between 0 and 1."""
    random = np.random.default_rng(seed)
    layout, n = Layout(specification), PANES * events
    pane = np.arange(n) // events
    share = np.where(pane >= CHANGED, size, 0.0)
    u = random.random((8, n)).clip(1e-6, 1 - 1e-6)
    data = {
        "feature:even": np.where(u[5] < 0.1 * share, np.nan, np.where(u[6] < share, 0.3 + 0.7 * u[0], u[0])),
        "feature:cyclic": u[2] - 0.5 + 0.09 * np.sin(2 * np.pi * pane / 20) + 0.4 * share,
        "feature:zeros": np.where(u[3] < 0.6 + 0.35 * share, 0.0, u[3]),
        "feature:constant": np.where(u[4] < 0.5 * share, 3.0, 2.0),
        "feature:city": np.where(u[4] < 0.5 * share, 4.0, np.searchsorted([0.5, 0.8, 0.9995], u[4]).astype(float)),
    }
    block = layout.blocks["performance"]
    if specification.task == "regression":
        vectors = pane_vectors(layout, PANES, data | {"prediction": u[1]})
        error = 0.2 * u[7] * (1 + 2 * share)
        for name, values in zip(REGRESSION[:7], (np.ones(n), u[1], u[1] ** 2, error, error, error**2, error**4), strict=True):
            np.add.at(vectors, (pane, block.start + REGRESSION.index(name)), values)
    else:
        label, right = (u[1] < 0.5).astype(int), u[7] > 0.1 + 0.4 * share
        output = np.where(right, label, 1 - label)
        vectors = pane_vectors(layout, PANES, data | {"prediction": output.astype(float)})
        np.add.at(vectors, (pane, block.start + 3 * label + output), 1)
    np.add.at(vectors, (pane, np.full(n, layout.blocks["traffic"].start)), 1)
    if layout.weighs:
        vectors[:, layout.cells :] = 9 * vectors[:, : layout.cells]
        vectors[:, : layout.cells] *= 3
    return vectors


def alerts_of(specification: MonitorSpecification, vectors: np.ndarray) -> list[Alert]:
    """As a subscriber gets them."""
    watch, judged = Watch(specification, Layout(specification)), list[Judged]()

    def walking() -> Walking[None]:
        judged.extend((yield from watch.take([ClosedPane(place * PANE, {("1", ""): row}) for place, row in enumerate(vectors)])))

    Panels().walk_together([walking()])
    return [decode_alert(encode_alert(alert)) for one in judged for alert in one.alerts]


def lives(alerts: Sequence[Alert]) -> list[list[Alert]]:
    return [[alert for alert in alerts if alert.alert_id == one] for one in dict.fromkeys(alert.alert_id for alert in alerts)]


@settings(max_examples=12)
@given(specification=settings_of_a_model(), seed=st.integers(0, 2**32 - 1), size=st.floats(0.2, 1), events=st.sampled_from([12, 40, 90]))
def test_every_alert_of_any_history_explains_itself(specification: MonitorSpecification, seed: int, size: float, events: int) -> None:
    for life in lives(alerts_of(specification, history(specification, seed, size, events))):
        explanation = explain(life)
        assert explanation.wrong == ()
        assert len(explanation.figures) >= 9 * len(life[0].monitors)


CLASSIFIER = specification_of(COLUMNS, performance=PerformanceProfile(rows=1_000, loss=0.1, deviation=0.3), prediction=categorical_profile({"no": 0.5, "yes": 0.5}), lateness=0)
ALERTS = alerts_of(CLASSIFIER, history(CLASSIFIER, 3, 0.8, 60))


def test_what_a_guarantee_and_a_detector_of_river_found_is_said_as_what_it_is() -> None:
    asked = CLASSIFIER.model_copy(update={"detectors": Detectors(rates="e-detector", river=("adwin",))})
    opened = [life[0] for life in lives(alerts_of(asked, history(asked, 3, 0.8, 60)))]
    of_errors = [msgspec.structs.replace(alert, monitors=tuple(one for one in alert.monitors if one.name.startswith("error_rate"))) for alert in opened]
    found = {alert.kind: explain([alert]) for alert in of_errors if alert.monitors}
    assert found["performance"].monitors[0].name == "error_rate"
    assert not [figure for name in ("performance", "drift") for figure in found[name].wrong if figure.monitor]
    assert any("e-detector" in sentence for sentence in found["performance"].monitors[0].surely)
    assert any("at most once in" in sentence for sentence in found["performance"].monitors[0].surely)
    assert found["drift"].monitors[0].ruled_out[0].startswith("nothing")
    assert any("no rate of false alarms is known" in sentence for sentence in found["drift"].monitors[0].surely)
    assert "error_rate, which keeps to the budget" in found["drift"].next[0]


def test_when_the_change_began_at_the_earliest_is_said() -> None:
    for life in lives(ALERTS):
        for evidence, told in zip(life[-1].monitors, explain(life).monitors, strict=True):
            (sentence,) = [sentence for sentence in told.surely if "at the earliest" in sentence]
            assert sentence.startswith(f"the change began at {evidence.basis['earliest']} ")
            assert str(evidence.basis["since"]) in sentence


def test_there_are_alerts_of_every_kind_of_detector() -> None:
    assert {evidence.basis["detector"] for alert in ALERTS for evidence in alert.monitors} == {"numbers", "categories", "rate"}
    assert {alert.kind for alert in ALERTS} == {"drift", "performance", "quality"}


def touched(alert: Alert, path: str, change: Any) -> Alert:
    """The alert with one number changed, on the wire."""
    content = msgspec.json.decode(encode_alert(alert))
    place: Any = content
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in way:
        place = place[part]
    place[last] = change(place[last]) if callable(change) else change
    return decode_alert(msgspec.json.encode(content))


def more(value: float) -> float:
    return 1.01 * value + 0.01


NUMBERS_OF_ONE = ["value", "threshold", "n_reference", "n_current", "effect.value", "effect.interval.0", "effect.interval.1", "effect.floor"]
SUMS = ["basis.events.0", "basis.totals.0", "basis.squares.0", "basis.inflation", "basis.freedom", "basis.looks", "basis.share"]


@pytest.mark.parametrize("name", ["feature:even", "feature:city", "error_rate", "missing:even"])
@pytest.mark.parametrize("path", [*NUMBERS_OF_ONE, *SUMS])
def test_a_number_that_was_touched_is_found(name: str, path: str) -> None:
    alert, place = next((alert, place) for alert in ALERTS for place, evidence in enumerate(alert.monitors) if evidence.name == name)
    alone = msgspec.structs.replace(alert, monitors=(alert.monitors[place],), status="resolved")  # so that only the monitor's own figures are looked at
    assert explain([alone]).wrong == ()
    assert explain([touched(alone, f"monitors.0.{path}", lambda value: [more(one) for one in value] if isinstance(value, list) else more(value))]).wrong


@pytest.mark.parametrize(("path", "change"), [("budget", "1 per 60d"), ("change_at", 0), ("summary", lambda text: text.replace("+", "+1", 1))])
def test_a_touched_budget_time_or_sentence_is_found(path: str, change: Any) -> None:
    alert = next(alert for alert in ALERTS if alert.kind == "performance")
    assert [figure.name for figure in explain([touched(alert, path, change)]).wrong]


def test_a_touched_bin_is_found() -> None:
    alert = next(alert for alert in ALERTS if alert.kind == "drift")
    for side in ("reference", "current"):
        bins = getattr(alert.monitors[0], side)
        path = f"monitors.0.{side}." + ("counts.3" if "counts" in bins else next(iter(bins)))
        assert explain([touched(alert, path, lambda value: value + 5)]).wrong


def test_an_alert_of_an_earlier_release_cannot_be_reproduced_and_says_so_without_an_error() -> None:
    alert = ALERTS[0]
    bare = msgspec.structs.replace(alert, monitors=tuple(replace(evidence, basis={}) for evidence in alert.monitors))
    explanation = explain([bare])
    assert {figure.name for figure in explanation.wrong} >= {"statistic", "threshold"}
    assert explanation.monitors[0].changed.startswith(alert.monitors[0].effect.name)


def nulled(content: Any) -> Any:
    """All numbers that a reader takes as nan."""
    effect = content["effect"] | {"value": None, "interval": [None, None], "floor": None}
    return content | {"value": None, "threshold": None, "n_reference": None, "n_current": None, "effect": effect}


@pytest.mark.parametrize("side", ["reference", "current", "basis"])
@pytest.mark.parametrize("name", ["feature:even", "feature:city", "error_rate", "missing:even"])
def test_undefined_figures_whose_evidence_is_gone_are_not_reproduced(name: str, side: str) -> None:
    alert, place = next((alert, place) for alert in ALERTS for place, evidence in enumerate(alert.monitors) if evidence.name == name)
    alone = msgspec.structs.replace(alert, monitors=(alert.monitors[place],), status="resolved")
    explanation = explain([touched(alone, "monitors.0", lambda content: nulled(content) | {side: {}})])
    assert "missing" in {figure.state for figure in explanation.wrong}


def test_undefined_figures_are_counted_apart_where_the_evidence_says_that_they_are() -> None:
    """A rate of no events since is 0 / 0."""
    alert, evidence = next((alert, one) for alert in ALERTS for one in alert.monitors if one.name == "error_rate")
    nothing = replace(evidence, effect=replace(evidence.effect, value=math.nan), current={"count": 0.0, "of": 0.0})
    explanation = explain([msgspec.structs.replace(alert, monitors=(nothing,), status="resolved")])
    assert [(figure.name, figure.agrees) for figure in explanation.undefined] == [("difference of the two rates", True)]
    assert explanation.reservations == ("1 more figures are undefined, as stated and as the evidence says: error_rate: difference of the two rates",)


def test_monitors_whose_evidence_was_left_out_for_size_are_named_and_the_rest_is_reproduced() -> None:
    opened = max(ALERTS, key=lambda alert: (alert.status != "resolved", len(alert.monitors)))
    size = len(encode_alert(opened))
    small = decode_alert(encode_alert(opened, max_bytes=2 * size // 3))
    explanation = explain([small])
    assert (small.monitors[0].left_out, small.more_monitors, explanation.wrong) == (False, 0, ())
    assert explanation.left_out == tuple(evidence.name for evidence in small.monitors if evidence.left_out)
    assert f"of {len(explanation.left_out)} monitors the evidence was left out" in explanation.reservations[0]
    assert {figure.monitor for figure in explanation.figures} == {"", *(evidence.name for evidence in opened.monitors)} - set(explanation.left_out)
    smaller = explain([decode_alert(encode_alert(opened, max_bytes=size // 3))])
    assert smaller.wrong == ()
    assert f"{smaller.more_monitors} monitors, the weakest, are not even named" in smaller.reservations[-1]
    assert f"on {opened.monitors[0].name} and {smaller.more_monitors} more" in smaller.headline


def test_the_words_hold_the_counts_the_budget_and_the_floor() -> None:
    life = next(life for life in lives(ALERTS) if life[0].kind == "performance")
    explanation = explain([*life, life[0]])
    evidence = life[0].monitors[0]
    assert explanation.monitors[0].changed.startswith("the rate went from 10 % (100 of 1,000) to ")
    said = " ".join((*explanation.monitors[0].surely, *explanation.monitors[0].ruled_out))
    for part in (f"its threshold {evidence.threshold:.3g}", "the budget of the model is 1 per 30d", "floor 0.02", "the events' dependence"):
        assert part in said
    assert len(explanation.life) == len(life)
    assert any(f"driftwarden alerts acknowledge {life[0].alert_id}" in sentence for sentence in explanation.next)


def test_the_panes_by_chance_of_a_statistic_at_its_threshold_are_those_of_the_budget() -> None:
    for evidence in (alert.monitors[0] for alert in ALERTS):
        assert panes_by_chance(replace(evidence, value=evidence.threshold)) == pytest.approx(evidence.basis["looks"], rel=1e-3)


def test_other_alerts_of_the_same_change_are_told() -> None:
    mine, *others = lives(ALERTS)
    assert {alert.incident for alert in ALERTS} == {mine[0].incident}
    happened = explain(mine, ALERTS).happened
    assert [sum(other[0].alert_id in sentence for sentence in happened) for other in others] == [1] * len(others)
    assert not any(mine[0].alert_id in sentence for sentence in happened)


def test_records_of_two_alerts_are_refused() -> None:
    with pytest.raises(ValueError, match="records of 3 alerts"):
        explain(ALERTS)
