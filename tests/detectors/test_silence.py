"""A model that receives nothing: when that is told, and what ends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from detectors.acknowledgement import Acknowledgement
from detectors.alerts.alert import Alert
from detectors.alerts.explanation import explain
from detectors.bundle import Bundle, Summary
from detectors.detect import Detect
from detectors.monitor import Monitor, Monitors
from detectors.monitors.silence import TAIL, Heard, Silence
from detectors.panes.layout import Layout
from detectors.scans.scored_windows import Bank
from detectors.settings.watching import Service
from detectors.specification import MonitorSpecification

PANE, MINUTE, HOUR, DAY = 10_000, 60_000, 3_600_000, 86_400_000
SPECIFICATION = MonitorSpecification(model="churn", lateness=0, service=Service(monitors=("silence",)))
STATED = SPECIFICATION.model_copy(update={"service": Service(monitors=("silence",), silence=2 * MINUTE)})
BANK = Bank(names=("silence",), group="service", kind="service", looks=30 * DAY / PANE, pane=PANE, resolve_after=10 * MINUTE)


def bundle(number: int, panes: Sequence[int], until: int, specification: MonitorSpecification) -> Bundle:
    """An epoch that tells of panes with a prediction each, and that event time has come so far."""
    counts = np.zeros(Layout(specification).size)
    counts[0] = 1
    told = {"model": "churn", "revision": 1, "digest": specification.digest, "version": "1", "segment": ""}
    return Bundle(
        partition=0, partitions=1, generation=1, epoch=number, high=until, covered=number, summaries=tuple(Summary(**told, start=start, counts=counts) for start in panes)
    )


def told(panes: Sequence[int], until: int, cuts: Sequence[int] = (), specification: MonitorSpecification = STATED, *, restored: bool = False) -> tuple[list[Alert], list[object]]:
    """Alerts and points of panes with predictions, told in epochs that end at ``cuts`` and at the end."""
    monitors = Monitors([Monitor(specification=specification)])
    stage, alerts, points, known = Detect(monitors), [], [], {}
    before = -1
    for number, cut in enumerate([*cuts, until], 1):
        stage.absorb(bundle(number, [start for start in panes if before <= start < cut], cut, specification), number)
        before = cut
        flushed = stage.flush()
        alerts += flushed.alerts
        points += [(point.time, point.fields["silent_for"], point.fields["state"]) for point in flushed.points if point.tags.get("monitor") == "silence"]
        known |= {piece.key: piece for piece in flushed.pieces}
        if restored:
            known = {key: piece for key, piece in known.items() if piece.value is not None}
            manifest, stage = stage.manifest(), Detect(monitors)
            stage.restore(manifest, known.values())
    return alerts, points


def test_a_stated_silence_is_told_when_it_is_over_its_time_and_resolved_when_events_are_back() -> None:
    panes = [*range(0, 10 * MINUTE, PANE), *range(30 * MINUTE, 45 * MINUTE, PANE)]
    alerts, points = told(panes, 45 * MINUTE)
    opened, resolved = alerts
    assert (opened.kind, opened.status, opened.change_at, opened.opened_at) == ("service", "opened", 10 * MINUTE, 12 * MINUTE)
    assert opened.summary == "churn: no predictions for 2 minutes (told after 2, as the monitor states), since 1970-01-01T00:10:00.000Z"
    assert (resolved.status, resolved.alert_id) == ("resolved", opened.alert_id)
    assert resolved.updated_at == 40 * MINUTE + PANE
    silent = [(at / MINUTE, seconds, state) for at, seconds, state in points if 10 * MINUTE < at <= 30 * MINUTE]
    assert [seconds for _, seconds, _ in silent] == [10, 20, 40, 80, 160, 320, 640]
    assert [state for *_, state in silent] == ["ok"] * 4 + ["drift"] * 3


@pytest.mark.parametrize("restored", [False, True])
def test_what_is_told_does_not_depend_on_how_the_log_is_cut(restored) -> None:
    random = np.random.default_rng(1)
    panes = np.cumsum(random.choice([1, 2, 5, 40], 300, p=[0.7, 0.2, 0.08, 0.02])) * PANE
    until = int(panes[-1]) + HOUR
    whole = told(panes.tolist(), until)
    cut = told(panes.tolist(), until, sorted((random.choice(until // PANE, 40, replace=False) * PANE).tolist()), restored=restored)
    assert len(whole[0]) >= 5
    assert whole == cut


def test_the_figures_of_a_silence_can_be_recomputed() -> None:
    random = np.random.default_rng(2)
    panes = (np.cumsum(random.geometric(0.3, 4_000)) * PANE).tolist()
    (alert,), _ = told(panes, panes[-1] + 3 * DAY, specification=SPECIFICATION)
    explanation = explain([alert])
    assert explanation.wrong == ()
    assert len(explanation.figures) > 8
    (monitor,) = explanation.monitors
    assert monitor.changed.startswith("there were no predictions for ")
    assert "of 3,999 pauses between panes" in monitor.changed
    wrong = replace(alert.monitors[0], threshold=1.0)
    assert explain([msgspec.structs.replace(alert, monitors=(wrong,))]).wrong


def test_a_stated_silence_claims_no_budget_and_says_when_it_began() -> None:
    panes = list(range(0, 10 * MINUTE, PANE))
    (alert,), _ = told(panes, 20 * MINUTE)
    (monitor,) = explain([alert]).monitors
    assert monitor.surely[0].startswith("it began at 1970-01-01T00:10:00.000Z, and had lasted 2 to ")
    assert "does not follow from the budget" in monitor.surely[1]
    assert not [sentence for sentence in (*monitor.surely, *monitor.ruled_out) if "one false alarm" in sentence or "95 %" in sentence or "events against" in sentence]
    assert monitor.ruled_out == ("nothing: it is told as the monitor states, whatever was usual before",)


def test_a_learnt_silence_is_told_against_the_pauses_and_the_budget() -> None:
    panes = (np.cumsum(np.random.default_rng(2).geometric(0.3, 4_000)) * PANE).tolist()
    (alert,), _ = told(panes, panes[-1] + 3 * DAY, specification=SPECIFICATION)
    (monitor,) = explain([alert]).monitors
    assert monitor.surely[0].endswith("by 3,999 pauses before")
    assert any("one false alarm" in sentence for sentence in monitor.surely)
    assert monitor.ruled_out[0].startswith("not as short as is harmless")


def test_an_open_silence_is_not_given_up_however_long_it_lasts() -> None:
    panes = list(range(0, 10 * MINUTE, PANE))
    alerts, _ = told(panes, 40 * DAY)
    assert [alert.status for alert in alerts] == ["opened"]


def test_one_outage_makes_nobody_deaf_to_the_next_and_what_is_acknowledged_is_usual() -> None:
    heard = Heard(0, 30 * DAY, 250_000, 32 * (0,))
    silence, back = Silence(BANK, floor=5 * MINUTE), 30 * DAY + 6 * HOUR
    once = replace(heard, told=True).hear(back, back + PANE)
    assert once.longest[:2] == (6 * HOUR, 0)
    assert silence.threshold(once) < 10 * MINUTE
    twice = replace(once, told=True).hear(back + 8 * HOUR, back + 8 * HOUR + PANE)
    meant = replace(heard, told=True, meant=True).hear(back, back + PANE)
    assert silence.threshold(twice) == silence.threshold(meant) == 7.5 * HOUR


def test_an_acknowledged_silence_is_resolved_and_not_told_again() -> None:
    monitors = Monitors([Monitor(specification=STATED)])
    stage = Detect(monitors)
    stage.absorb(bundle(1, range(0, 10 * MINUTE, PANE), 20 * MINUTE, STATED), 1)
    (opened,) = stage.flush().alerts
    word = Acknowledgement(model="churn", alert_id=opened.alert_id, sequence=0, by="eve", note="retired", effective_from=25 * MINUTE)
    monitors.acknowledgements["churn"] = {word.key: word}
    alerts = []
    for number, until in enumerate((30 * MINUTE, 5 * HOUR, 30 * DAY), 2):
        stage.absorb(bundle(number, (), until, STATED), number)
        alerts += stage.flush().alerts
    (resolved,) = alerts
    assert (resolved.status, resolved.updated_at) == ("resolved", 25 * MINUTE)
    assert resolved.acknowledged is not None


@pytest.mark.parametrize("at_once", [False, True])
def test_a_model_that_stops_before_a_new_revision_had_any_prediction_is_told_to_be_silent_until_it_has(at_once: bool) -> None:
    after = STATED.model_copy(update={"max_groups": 7})
    monitors = Monitors([Monitor(specification=STATED), Monitor(specification=after, revision=2, effective_from=10 * MINUTE)])
    stage, alerts = Detect(monitors), []
    back = replace(bundle(3, (), 32 * MINUTE, after), summaries=tuple(replace(one, revision=2) for one in bundle(3, range(30 * MINUTE, 32 * MINUTE, PANE), 0, after).summaries))
    for number, told in enumerate((bundle(1, range(0, 9 * MINUTE, PANE), 9 * MINUTE, STATED), *([] if at_once else [bundle(2, (), 25 * MINUTE, STATED)]), back)):
        stage.absorb(told, number)
        alerts += stage.flush().alerts
    assert [(alert.status, alert.updated_at) for alert in alerts] == [("opened", 11 * MINUTE), ("resolved", 30 * MINUTE)]


def alarms_of(starts: np.ndarray) -> tuple[int, float]:
    """How often a model that makes such pauses is told to be silent, and the threshold in minutes at its end."""
    silence, alarms, heard = Silence(BANK, floor=5 * MINUTE), 0, Heard()
    for start in np.unique(starts // PANE * PANE).astype(np.int64).tolist():
        if silence.is_due(heard, start):
            alarms, heard = alarms + 1, replace(heard, told=True)
        heard = heard.hear(start, start + PANE)
    assert len(heard.longest) == TAIL
    return alarms, silence.threshold(heard) / MINUTE


@pytest.mark.parametrize(("law", "threshold"), [("random", 30), ("heavy", 2_000), ("nights and weekends", 5_000)])
def test_pauses_as_before_are_not_told(law, threshold) -> None:
    random = np.random.default_rng(0)
    starts = np.cumsum(120_000 * random.pareto(1.5, 12_000) if law == "heavy" else random.exponential(60_000 if law == "random" else 300_000, 12_000))
    if law == "nights and weekends":
        starts = starts[(starts % DAY < 16 * HOUR) & (starts % (7 * DAY) < 5 * DAY)]
    alarms, reached = alarms_of(starts)
    assert alarms == 0
    assert reached < threshold


def test_a_young_model_is_told_to_be_silent_after_as_long_as_was_seen() -> None:
    heard = Heard()
    for start in range(0, 2 * HOUR, PANE):
        heard = heard.hear(start, start + PANE)
    assert Silence(BANK, floor=5 * MINUTE).due(heard) == 4 * HOUR
