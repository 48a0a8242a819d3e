"""One change, one alert: what joins an alert, what ends it, and what opens it again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from detectors.alerts.alert import Acknowledged, Alert
from detectors.alerts.lifecycle import SILENCE, Alarm, Lifecycle, Resolution
from detectors.verdict import AlertKind, Effect, Evidence
from tests.detectors.event_samples import specification

MINUTE = 60_000
SPECIFICATION = specification(alerts={"cooldown": "10m", "resolve_after": "5m"})
WELL, ILL, UNKNOWN = Resolution(known=True, gone=True), Resolution(known=True, gone=False), Resolution(known=False, gone=False)


def alarm(name: str, change_at: int, value: float = 6.0) -> Alarm:
    evidence = Evidence(
        name=name,
        statistic="z",
        value=value,
        threshold=5.0,
        effect=Effect(name="shift in sigma", value=0.3, interval=(0.2, 0.4), floor=0.1),
        n_reference=1_000,
        n_current=200,
    )
    return Alarm(kind="drift", change_at=change_at, evidence=evidence)


def step(lifecycle: Lifecycle, at: int, *alarms: Alarm, state: Resolution = ILL) -> Sequence[Alert]:
    return lifecycle.step(at, "1", alarms, {"age": state, "salary": state})[0]


def opened_and_resolved() -> tuple[Lifecycle, Alert]:
    lifecycle = Lifecycle(SPECIFICATION)
    (first,) = step(lifecycle, 10 * MINUTE, alarm("age", 8 * MINUTE))
    assert not step(lifecycle, 15 * MINUTE, state=WELL)
    (resolved,) = step(lifecycle, 20 * MINUTE, state=WELL)
    assert (first.status, resolved.status, resolved.sequence) == ("opened", "resolved", 1)
    return lifecycle, first


def test_a_second_monitor_joins_the_open_alert() -> None:
    lifecycle = Lifecycle(SPECIFICATION)
    (first,) = step(lifecycle, 10 * MINUTE, alarm("age", 8 * MINUTE))
    (second,) = step(lifecycle, 11 * MINUTE, alarm("salary", 8 * MINUTE, value=9.0))
    assert (second.alert_id, second.sequence, second.status) == (first.alert_id, 1, "updated")
    assert [monitor.name for monitor in second.monitors] == ["age", "salary"]


def test_a_change_that_surely_came_later_is_an_alert_of_its_own_while_the_first_is_open() -> None:
    lifecycle = Lifecycle(SPECIFICATION)
    (first,) = step(lifecycle, 10 * MINUTE, alarm("age", 8 * MINUTE))
    (second,) = step(lifecycle, 45 * MINUTE, alarm("salary", 40 * MINUTE))
    assert (second.status, second.sequence) == ("opened", 0)
    assert second.alert_id != first.alert_id
    assert lifecycle.held("drift") == {"age", "salary"}
    (third,) = step(lifecycle, 47 * MINUTE, alarm("height", 30 * MINUTE))
    assert (third.alert_id, third.status) == (second.alert_id, "updated")  # it may have begun with the second, not with the first
    restarted = Lifecycle(SPECIFICATION)
    restarted.restore(lifecycle.state())
    for minute in range(48, 54):
        restarted.step(minute * MINUTE, "1", [], {"age": WELL, "salary": ILL, "height": ILL})
    assert restarted.held("drift") == {"salary", "height"}
    assert restarted.open_alert(first.alert_id) is None


def test_alerts_of_other_kinds_that_may_be_of_the_same_change_share_an_incident() -> None:
    lifecycle = Lifecycle(SPECIFICATION)
    (first,) = step(lifecycle, 10 * MINUTE, alarm("age", 8 * MINUTE))
    (same,) = step(lifecycle, 12 * MINUTE, replace(alarm("error_rate", 9 * MINUTE), kind="performance"))
    (later,) = step(lifecycle, 45 * MINUTE, replace(alarm("missing:age", 41 * MINUTE), kind="quality"))
    assert len({alert.alert_id for alert in (first, same, later)}) == 3
    assert (first.incident, same.incident, later.incident) == (first.alert_id, first.alert_id, later.alert_id)


def test_an_acknowledged_alert_is_over_and_its_change_is_not_opened_again() -> None:
    lifecycle = Lifecycle(SPECIFICATION)
    (first,) = step(lifecycle, 10 * MINUTE, alarm("age", 8 * MINUTE))
    over = lifecycle.acknowledge(first.alert_id, 12 * MINUTE, Acknowledged(by="ann"))
    assert (over.status, over.acknowledged, over.updated_at) == ("resolved", Acknowledged(by="ann"), 12 * MINUTE)
    (other,) = step(lifecycle, 13 * MINUTE, alarm("age", 12 * MINUTE))
    assert other.alert_id != first.alert_id


def test_a_column_that_became_constant_is_told_in_words() -> None:
    told = alarm("age", 8 * MINUTE)
    effect = Effect(name="log ratio of deviations", value=-math.inf, interval=(-math.inf, -math.inf), floor=0.14)
    (opened,) = step(Lifecycle(SPECIFICATION), 10 * MINUTE, replace(told, evidence=replace(told.evidence, effect=effect)))
    assert "age became constant (log ratio of deviations, floor 0.14, n 200 against 1,000)" in opened.summary


@pytest.mark.parametrize("state", [ILL, UNKNOWN])
def test_an_alert_stays_open_while_its_effect_is_large_or_unknown(state: Resolution) -> None:
    lifecycle = Lifecycle(SPECIFICATION)
    step(lifecycle, 10 * MINUTE, alarm("age", 8 * MINUTE))
    assert not step(lifecycle, 90 * MINUTE, state=state)


def test_an_alert_is_resolved_when_its_change_was_gone_for_long_enough_without_a_break() -> None:
    lifecycle = Lifecycle(SPECIFICATION)
    step(lifecycle, 10 * MINUTE, alarm("age", 8 * MINUTE))
    for minute, state in ((11, WELL), (14, WELL), (15, ILL), (16, WELL), (17, UNKNOWN), (20, WELL), (21, UNKNOWN)):
        assert not step(lifecycle, minute * MINUTE, state=state)
    restarted = Lifecycle(SPECIFICATION)
    restarted.restore(lifecycle.state())
    (resolved,) = step(restarted, 22 * MINUTE, state=WELL)
    assert resolved.status == "resolved"


def test_an_alert_waits_for_the_last_of_its_monitors() -> None:
    lifecycle = Lifecycle(SPECIFICATION)
    step(lifecycle, 10 * MINUTE, alarm("age", 8 * MINUTE), alarm("salary", 8 * MINUTE))
    for minute in range(11, 30):
        assert not lifecycle.step(minute * MINUTE, "1", [], {"age": WELL, "salary": WELL if minute > 25 else ILL})[0]
    assert lifecycle.step(31 * MINUTE, "1", [], {"age": WELL, "salary": WELL})[1] == ["age", "salary"]


def test_an_alert_without_anything_to_judge_by_is_given_up_after_a_week() -> None:
    lifecycle = Lifecycle(SPECIFICATION)
    step(lifecycle, 10 * MINUTE, alarm("age", 8 * MINUTE), alarm("salary", 8 * MINUTE))
    lifecycle.step(20 * MINUTE, "1", [], {"age": UNKNOWN, "salary": ILL})
    assert lifecycle.give_up(SILENCE + 10 * MINUTE - 1) == ([], {})
    assert lifecycle.give_up(SILENCE + 15 * MINUTE) == ([], {"age": SILENCE + 10 * MINUTE})
    assert lifecycle.held("drift") == {"salary"}
    (resolved,), given_up = lifecycle.give_up(2 * SILENCE)
    assert (resolved.status, resolved.updated_at, given_up) == ("resolved", SILENCE + 20 * MINUTE, {"salary": SILENCE + 20 * MINUTE})
    assert "no longer judged, as there was nothing to judge by for 7d" in resolved.summary
    assert lifecycle.give_up(3 * SILENCE) == ([], {})


def test_within_the_cooldown_a_change_that_began_before_the_resolution_opens_the_alert_again() -> None:
    lifecycle, first = opened_and_resolved()
    (again,) = step(lifecycle, 25 * MINUTE, alarm("salary", 15 * MINUTE))
    assert (again.alert_id, again.sequence, again.status, again.opened_at) == (first.alert_id, 2, "updated", first.opened_at)
    assert not step(lifecycle, 26 * MINUTE, state=WELL)
    (resolved,) = step(lifecycle, 31 * MINUTE, state=WELL)
    assert (resolved.alert_id, resolved.sequence, resolved.status) == (first.alert_id, 3, "resolved")


def test_the_same_monitor_gives_its_new_evidence_when_its_alert_opens_again() -> None:
    lifecycle, _ = opened_and_resolved()
    (again,) = step(lifecycle, 25 * MINUTE, alarm("age", 15 * MINUTE, value=7.5))
    assert [(monitor.name, monitor.value) for monitor in again.monitors] == [("age", 7.5)]


@pytest.mark.parametrize(("at", "change_at"), [(21 * MINUTE, 20 * MINUTE), (28 * MINUTE, 22 * MINUTE)], ids=["at the resolution", "less after it than is known"])
def test_the_monitor_that_resolved_opens_its_alert_again_though_it_looks_no_further_back_than_that(at: int, change_at: int) -> None:
    lifecycle, first = opened_and_resolved()
    (again,) = step(lifecycle, at, alarm("age", change_at))
    assert (again.alert_id, again.status) == (first.alert_id, "updated")


@pytest.mark.parametrize(("at", "change_at"), [(25 * MINUTE, 23 * MINUTE), (40 * MINUTE, 15 * MINUTE)], ids=["a later change", "after the cooldown"])
def test_another_change_is_another_alert(at: int, change_at: int) -> None:
    lifecycle, first = opened_and_resolved()
    (other,) = step(lifecycle, at, alarm("age", change_at))
    assert other.status == "opened"
    assert other.alert_id != first.alert_id


def test_a_restart_between_resolution_and_recurrence_changes_nothing() -> None:
    lifecycle, _ = opened_and_resolved()
    restarted = Lifecycle(SPECIFICATION)
    restarted.restore(lifecycle.state())
    again = alarm("salary", 15 * MINUTE)
    assert step(restarted, 25 * MINUTE, again) == step(lifecycle, 25 * MINUTE, again)


def test_a_monitor_that_no_longer_exists_leaves_its_alert_which_the_others_then_resolve() -> None:
    lifecycle = Lifecycle(SPECIFICATION)
    step(lifecycle, 10 * MINUTE, alarm("age", 8 * MINUTE), alarm("prediction", 8 * MINUTE))
    assert lifecycle.drop({"prediction", "error_rate"}, 11 * MINUTE, "version 2 took over") == []
    assert lifecycle.knows("drift", "age")
    assert not lifecycle.knows("drift", "prediction")
    (resolved,) = lifecycle.drop({"age"}, 12 * MINUTE, "version 3 took over")
    assert (resolved.status, resolved.causes) == ("resolved", ("version 3 took over",))
    assert "no longer judged, as version 3 took over" in resolved.summary


def of_kind(kind: AlertKind, name: str, change_at: int) -> Alarm:
    return replace(alarm(name, change_at), kind=kind)


def test_an_alert_of_the_estimated_error_rate_becomes_the_label_shift_that_explains_it() -> None:
    lifecycle = Lifecycle(specification(alerts={"resolve_after": "5m", "severity": {"performance": "critical"}}))
    (first,) = step(lifecycle, 10 * MINUTE, of_kind("performance", "estimated_error_rate", 8 * MINUTE))
    (second,) = step(lifecycle, 12 * MINUTE, of_kind("label shift", "label_shift", 9 * MINUTE))
    assert (first.kind, first.severity) == ("performance", "critical")
    assert (second.alert_id, second.status, second.kind, second.severity) == (first.alert_id, "updated", "label shift", "warning")
    assert [monitor.name for monitor in second.monitors] == ["label_shift", "estimated_error_rate"]
    assert second.summary.startswith("churn: label_shift changed")
    assert lifecycle.knows("performance", "estimated_error_rate"), "it is followed until it is well, and alarms no more"
    gone = dict.fromkeys(("estimated_error_rate", "label_shift"), WELL)
    records = [record for at in (13, 19) for record in lifecycle.step(at * MINUTE, "1", [], gone)[0]]
    assert [(record.alert_id, record.status) for record in records] == [(first.alert_id, "resolved")]


def test_an_estimate_that_alarms_under_a_label_shift_joins_it() -> None:
    lifecycle = Lifecycle(SPECIFICATION)
    (first,) = step(lifecycle, 10 * MINUTE, of_kind("label shift", "label_shift", 8 * MINUTE))
    (second,) = step(lifecycle, 11 * MINUTE, of_kind("performance", "estimated_error_rate", 8 * MINUTE))
    assert (second.alert_id, second.kind, len(second.monitors)) == (first.alert_id, "label shift", 2)
    (both,) = step(
        Lifecycle(SPECIFICATION), 10 * MINUTE, *(of_kind(kind, name, 8 * MINUTE) for kind, name in (("performance", "estimated_error_rate"), ("label shift", "label_shift")))
    )
    assert (both.kind, both.monitors[0].name) == ("label shift", "label_shift")


@pytest.mark.parametrize(("name", "change_at"), [("error_rate", 38 * MINUTE), ("estimated_error_rate", 60 * MINUTE)], ids=["labels tell it", "it came later"])
def test_a_label_shift_explains_neither_what_labels_tell_nor_what_surely_came_before_it(name: str, change_at: int) -> None:
    lifecycle = Lifecycle(SPECIFICATION)
    (first,) = step(lifecycle, 40 * MINUTE, of_kind("performance", name, 38 * MINUTE))
    (second,) = step(lifecycle, 65 * MINUTE, of_kind("label shift", "label_shift", change_at))
    assert (second.status, first.kind, second.kind) == ("opened", "performance", "label shift")
