"""An acknowledged change is the new reference: nothing alarms while it lasts, whatever leaves it does, and the log alone decides when."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.acknowledgement import ENOUGH, Acknowledgement
from detectors.alerts.alert import Alert
from detectors.alerts.explanation import explain
from detectors.detect import Detect
from detectors.detection.closed_pane import ClosedPane
from detectors.detection.watch import Judged, Watch
from detectors.monitor import Monitor, Monitors
from detectors.panes.layout import REGRESSION, Layout
from detectors.profile import PerformanceProfile
from detectors.scans.panels import Panels, Walking
from detectors.settings.watching import Alerts
from detectors.specification import MonitorSpecification
from detectors.verdict import Status
from streams.monitor_codec import acknowledgement_key, encode_acknowledgement, encode_monitor, monitor_key, take_record
from streams.state_codec import decode_state, encode_state
from tests.detectors.reference_samples import PANE, categorical_profile, numeric_profile, pane_vectors, specification_of
from tests.detectors.test_detect import LOG, MONITORS, STRAIGHT, Said

U = (np.arange(4_000) + 0.5) / 4_000
COLUMNS = {"even": numeric_profile(U), "city": categorical_profile({"a": 0.5, "b": 0.3, "c": 0.2})}
ALERTS = Alerts(resolve_after=100_000, cooldown=300_000)
CLASSIFIER = specification_of(COLUMNS, performance=PerformanceProfile(rows=5_000, loss=0.1, deviation=0.3), alerts=ALERTS, lateness=0)
REGRESSION_MODEL = specification_of(COLUMNS, performance=PerformanceProfile(rows=5_000, loss=0.1, deviation=0.058), task="regression", alerts=ALERTS, lateness=0)
PANES, CHANGED, SAID, BACK = 190, 60, 90, 140


def history(specification: MonitorSpecification, *, events: int = 60, seed: int = 1, back: int = BACK, panes: int = PANES) -> list[ClosedPane]:
    """Everything changes at one pane, and is as before from another on."""
    random = np.random.default_rng(seed)
    layout, n = Layout(specification), panes * events
    pane = np.arange(n) // events
    changed = (pane >= CHANGED) & (pane < back)
    u = random.random((6, n)).clip(1e-6, 1 - 1e-6)
    even = np.where(u[0] < np.where(changed, 0.2, 0.0), np.nan, np.where(changed, 0.4 + 0.6 * u[1], u[1]))
    city = np.searchsorted([0.5, 0.8], u[2]).astype(float)
    data = {"feature:even": even, "feature:city": np.where(changed & (u[3] < 0.4), 3.0, city)}
    if specification.task == "regression":
        vectors, error = pane_vectors(layout, panes, data), 0.2 * u[4] * np.where(changed, 2.0, 1.0)
        for name, values in zip(REGRESSION[:7], (np.ones(n), u[5], u[5] ** 2, error, error, error**2, error**4), strict=True):
            np.add.at(vectors, (pane, layout.blocks["performance"].start + REGRESSION.index(name)), values)
    else:
        vectors = pane_vectors(layout, panes, data, errors=u[4] < np.where(changed, 0.4, 0.1))
    np.add.at(vectors, (pane, np.full(n, layout.blocks["traffic"].start)), 1)
    return [ClosedPane(place * PANE, {("1", ""): row}) for place, row in enumerate(vectors)]


def taken(watch: Watch, panes: Sequence[ClosedPane], words: Sequence[Acknowledgement] = ()) -> list[Judged]:
    judged: list[Judged] = []

    def walking() -> Walking[None]:
        judged.extend((yield from watch.take(panes, words)))

    Panels().walk_together([walking()])
    return judged


def alerts_of(specification: MonitorSpecification, panes: Sequence[ClosedPane], words: Sequence[Acknowledgement] = ()) -> list[Alert]:
    return [alert for one in taken(Watch(specification, Layout(specification)), panes, words) for alert in one.alerts]


def words_for(alerts: Sequence[Alert], at: int = SAID) -> list[Acknowledgement]:
    """For every alert that is open."""
    latest = {alert.alert_id: alert for alert in alerts if alert.updated_at <= at * PANE}
    return [
        Acknowledgement(model="loans", alert_id=one.alert_id, sequence=one.sequence, by="ann", note="new market", effective_from=at * PANE)
        for one in latest.values()
        if one.status != "resolved"
    ]


EVERY_KIND = {"drift": {"feature:even", "feature:city"}, "quality": {"missing:even", "unseen:city"}}


@pytest.mark.parametrize(("specification", "performance"), [(CLASSIFIER, "error_rate"), (REGRESSION_MODEL, "loss")], ids=["classifier", "regression"])
def test_an_acknowledged_change_may_last_and_whatever_leaves_it_is_another_alert(specification: MonitorSpecification, performance: str) -> None:
    panes = history(specification)
    words = words_for(alerts_of(specification, panes))
    assert len(words) == 3
    alerts = alerts_of(specification, panes, words)
    over = [alert for alert in alerts if alert.acknowledged is not None]
    assert {alert.kind: {evidence.name for evidence in alert.monitors} for alert in over} == EVERY_KIND | {"performance": {performance}}
    assert {(alert.status, alert.updated_at) for alert in over} == {("resolved", SAID * PANE)}
    assert all("meant to be so, says ann (new market)" in alert.summary for alert in over)
    later = [alert for alert in alerts if alert.updated_at > SAID * PANE]
    assert {alert.status for alert in later} == {"opened", "updated"}
    assert min(alert.change_at for alert in later) >= (BACK - 8) * PANE
    # A performance or a rate that fell is no harm; the columns left what had become their reference.
    assert {evidence.name for alert in later for evidence in alert.monitors} == {"feature:even", "feature:city"}


def test_without_the_word_the_alerts_go_on_and_are_resolved_when_the_data_are_back() -> None:
    alerts = alerts_of(CLASSIFIER, history(CLASSIFIER, panes=300))
    resolved = [alert for alert in alerts if alert.status == "resolved"]
    assert {alert.kind for alert in resolved} == {"drift", "performance", "quality"}
    assert min(alert.updated_at for alert in resolved) > BACK * PANE


def test_an_alert_after_an_acknowledgement_explains_itself_against_the_acknowledged_reference() -> None:
    panes = history(CLASSIFIER)
    later = [alert for alert in alerts_of(CLASSIFIER, panes, words_for(alerts_of(CLASSIFIER, panes))) if alert.updated_at > SAID * PANE]
    explanation = explain([alert for alert in later if alert.alert_id == later[0].alert_id])
    assert explanation.wrong == ()
    assert {evidence.name: evidence.n_reference for alert in later for evidence in alert.monitors}["feature:city"] < 3_000


def test_a_slow_drift_of_two_columns_is_one_alert_and_acknowledged_it_is_another_where_it_has_moved_on() -> None:
    specification = specification_of(dict.fromkeys("ab", COLUMNS["even"]), lateness=0, false_alarms="1 per 100000 events", events_per_pane=60.0)
    panes, n = 1_500, 90_000
    random, layout = np.random.default_rng(3), Layout(specification)
    level = 0.3 * np.clip((np.arange(n) - 0.1 * n) / (0.9 * n), 0, 1)  # up to a sigma
    vectors = pane_vectors(layout, panes, {f"feature:{name}": random.random(n) + share * level for name, share in (("a", 1.0), ("b", 0.7))})
    history_of_both = [ClosedPane(place * PANE, {("1", ""): row}) for place, row in enumerate(vectors)]
    alerts = alerts_of(specification, history_of_both)
    assert [alert.status for alert in alerts] == ["opened", "updated"]
    assert {evidence.name for evidence in alerts[1].monitors} == {"feature:a", "feature:b"}
    said = 800 * PANE
    word = Acknowledgement(model="loans", alert_id=alerts[0].alert_id, sequence=1, by="ann", effective_from=said)
    acknowledged = alerts_of(specification, history_of_both, [word])
    assert [alert.status for alert in acknowledged].count("resolved") == 1
    later = [alert for alert in acknowledged if alert.updated_at > said]
    assert [alert.status for alert in later if alert.sequence == 0] == ["opened"]
    assert later[0].opened_at >= said + 100 * PANE


PANES_OF_CLASSIFIER = history(CLASSIFIER)
WORDS = words_for(alerts_of(CLASSIFIER, PANES_OF_CLASSIFIER))
WHOLE = alerts_of(CLASSIFIER, PANES_OF_CLASSIFIER, WORDS)


@settings(max_examples=8)
@given(cuts=st.sets(st.integers(1, PANES - 1), max_size=6), restart=st.booleans())
def test_any_cut_of_the_log_and_any_restart_say_the_same(cuts: set[int], restart: bool) -> None:
    watch, alerts = Watch(CLASSIFIER, Layout(CLASSIFIER)), []
    for first, behind in itertools.pairwise([0, *sorted(cuts), PANES]):
        alerts += [alert for one in taken(watch, PANES_OF_CLASSIFIER[first:behind], [*WORDS, *WORDS]) for alert in one.alerts]
        alerts += watch.pass_time(behind * PANE, WORDS)[0]
        if restart:
            saved = decode_state(encode_state(watch.state()), "watch")
            watch = Watch(CLASSIFIER, Layout(CLASSIFIER))
            watch.restore(saved)
    assert repr(alerts) == repr(WHOLE)


def test_a_word_for_an_alert_that_is_over_or_unknown_changes_nothing() -> None:
    late = [Acknowledgement(model="loans", alert_id=word.alert_id, sequence=word.sequence, by="bob", effective_from=(SAID + 5) * PANE) for word in WORDS]
    strange = Acknowledgement(model="loans", alert_id="0" * 16, sequence=0, by="bob", effective_from=70 * PANE)
    assert repr(alerts_of(CLASSIFIER, PANES_OF_CLASSIFIER, [*late, strange, *WORDS])) == repr(WHOLE)


def test_a_monitor_with_too_few_events_since_the_change_learns_until_there_are_enough() -> None:
    panes = history(CLASSIFIER, events=12, back=PANES, seed=2)
    alerts = alerts_of(CLASSIFIER, panes)
    at = next(alert.updated_at // PANE for alert in alerts if alert.kind == "performance") + 2
    words = words_for(alerts, at)
    statuses: dict[int, int] = {}
    for one in taken(Watch(CLASSIFIER, Layout(CLASSIFIER)), panes, words):
        for detector, verdicts in one.verdicts:
            if "error_rate" in detector.names:
                statuses[one.pane.start // PANE] = int(verdicts.status[0])
    learning = [pane for pane, status in statuses.items() if status == Status.LEARNING and pane >= at]
    assert (learning[0], len(learning)) == (at, learning[-1] - at + 1)
    seen = 12 * (learning[-1] + 1 - CHANGED)
    assert ENOUGH <= seen <= ENOUGH + 12 * 24  # how much events depend on each other is measured meanwhile
    assert statuses[PANES - 1] == Status.OK


def said_with(words: Sequence[Acknowledgement], *cuts: int) -> Said:
    """What the stage says of a log of bundles, restored at every cut."""
    monitors = Monitors(MONITORS.of("churn"))
    for word in words:
        monitors.acknowledge(word)
    said, manifest = Said(), None
    for cut in [*cuts, len(LOG)]:
        stage = Detect(monitors)
        for offset in range(stage.restore(manifest, said.pieces()), cut):
            stage.absorb(LOG[offset], offset)
        said.take(stage)
        manifest = stage.manifest()
    return said


def test_the_detect_stage_takes_words_from_the_monitors_and_restarts_change_nothing() -> None:
    (alert, *_) = STRAIGHT.alerts.values()
    word = Acknowledgement(model="churn", alert_id=alert.alert_id, sequence=0, by="ann", effective_from=alert.opened_at + 20_000)
    said = said_with([word])
    assert [(one.status, one.updated_at) for one in said.alerts.values() if one.acknowledged is not None] == [("resolved", word.effective_from)]
    for cuts in ((100,), (140, 150), tuple(range(130, len(LOG), 3))):
        assert said_with([word], *cuts).all == said.all
    assert said_with([]).all == STRAIGHT.all


def test_acknowledgements_and_revisions_share_a_topic() -> None:
    monitors = Monitors()
    take_record(monitors, monitor_key("loans", 1), encode_monitor(Monitor(specification=CLASSIFIER)))
    first = WORDS[0]
    again = Acknowledgement(model="loans", alert_id=first.alert_id, sequence=first.sequence, by="bob", effective_from=first.effective_from + PANE)
    for word in (first, again, WORDS[1]):
        take_record(monitors, acknowledgement_key(word), encode_acknowledgement(word))
    assert list(monitors.acknowledgements["loans"].values()) == WORDS[:2]
    take_record(monitors, acknowledgement_key(first), None)
    assert monitors.models() == ("loans",)
    take_record(monitors, monitor_key("loans", 1), None)
    assert monitors.models() == ()
