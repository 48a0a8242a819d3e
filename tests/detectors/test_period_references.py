"""Every period is compared with the one before: what is new alarms, once, and is the standard soon after."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from detectors.alerts.alert import Alert
from detectors.alerts.explanation import explain
from detectors.detection.closed_pane import ClosedPane
from detectors.detection.watch import Judged, Watch
from detectors.panes.layout import Layout
from detectors.profile import PerformanceProfile
from detectors.scans.panels import Panels, Walking
from detectors.settings.watching import Alerts, Detectors
from detectors.specification import MonitorSpecification
from streams.state_codec import decode_state, encode_state
from tests.detectors.reference_samples import PANE, categorical_profile, numeric_profile, pane_vectors, specification_of

PERIOD = 100  # panes
EVENTS = 40
COLUMNS = {"even": numeric_profile((np.arange(4_000) + 0.5) / 4_000), "city": categorical_profile({"a": 0.5, "b": 0.3, "c": 0.2})}
DECLARED = specification_of(COLUMNS, performance=PerformanceProfile(rows=5_000, loss=0.1, deviation=0.3), alerts=Alerts(resolve_after=100_000, cooldown=300_000), lateness=0)


def by_period(specification: MonitorSpecification) -> MonitorSpecification:
    changed = specification.reference.model_copy(update={"kind": "previous_period", "period": PERIOD * PANE})
    return MonitorSpecification.model_validate(dict(specification) | {"reference": changed})


def history(moved: np.ndarray, *, first: int = 0, seed: int = 1) -> list[ClosedPane]:
    """Panes in which everything has moved by a share of its range."""
    random, layout, n = np.random.default_rng(seed), Layout(DECLARED), len(moved) * EVENTS
    by = np.repeat(moved, EVENTS)
    u = random.random((3, n)).clip(1e-6, 1 - 1e-6)
    data = {"feature:even": by + (1 - by) * u[0], "feature:city": (u[1][:, None] > np.column_stack((0.5 - by, 0.8 - by))).sum(axis=1).astype(float)}
    vectors = pane_vectors(layout, len(moved), data, errors=u[2] < 0.1 + by)
    np.add.at(vectors, (np.arange(n) // EVENTS, np.full(n, layout.blocks["traffic"].start)), 1)
    return [ClosedPane((first + place) * PANE, {("1", ""): row}) for place, row in enumerate(vectors)]


def taken(watch: Watch, panes: Sequence[ClosedPane]) -> list[Judged]:
    judged: list[Judged] = []

    def walking() -> Walking[None]:
        judged.extend((yield from watch.take(panes, ())))

    Panels().walk_together([walking()])
    return judged


def alerts_of(specification: MonitorSpecification, panes: Sequence[ClosedPane]) -> list[Alert]:
    return [alert for one in taken(Watch(specification, Layout(specification)), panes) for alert in one.alerts]


STEP = np.repeat([0.0, 0.3], [340, 270])  # in the fourth period


def test_a_change_alarms_in_its_period_and_is_the_standard_when_that_is_over() -> None:
    alerts = alerts_of(by_period(DECLARED), history(STEP))
    opened = [alert for alert in alerts if alert.status == "opened"]
    assert {alert.kind for alert in opened} == {"drift", "performance"}
    assert all(340 * PANE < alert.opened_at <= 360 * PANE for alert in opened)
    assert {evidence.name for alert in alerts for evidence in alert.monitors} == {"feature:even", "feature:city", "error_rate"}
    assert {evidence.n_reference for alert in opened for evidence in alert.monitors} == {PERIOD * EVENTS}  # the third period
    resolved = [alert for alert in alerts if alert.status == "resolved"]
    assert len(resolved) == len(opened)
    assert all(500 * PANE < alert.updated_at < 600 * PANE for alert in resolved)  # the period of the change is a mixture
    assert explain([alert for alert in alerts if alert.alert_id == opened[0].alert_id]).wrong == ()
    assert not [alert for alert in alerts_of(DECLARED, history(STEP)) if alert.status == "resolved"]


def test_a_drift_that_is_slow_beside_the_period_is_seen_by_a_declared_reference_alone() -> None:
    panes = history(np.linspace(0.0, 0.15, 900))
    assert alerts_of(DECLARED, panes)
    assert alerts_of(by_period(DECLARED), panes) == []


def test_a_period_that_was_not_watched_from_its_beginning_is_no_reference() -> None:
    moved = np.full(400, 0.3)
    moved[150:] = 0.0  # the first period is half over when the watch begins, and what is in it is not what comes later
    alerts = alerts_of(by_period(DECLARED), history(moved[100:], first=PERIOD // 2))
    assert {evidence.n_reference for alert in alerts for evidence in alert.monitors} <= {5_000.0, 10_000.0}  # those of the declared one; the half period has 2,000
    assert {alert.opened_at < 100 * PANE < alert.updated_at < 300 * PANE for alert in alerts if alert.status == "resolved"} == {True}


@pytest.mark.parametrize("cut", [40, 399, 400, 437])
def test_wherever_the_log_is_cut_the_same_is_said(cut: int) -> None:
    specification, panes = by_period(DECLARED), history(STEP[200:500], first=200)
    whole = alerts_of(specification, panes)
    first = Watch(specification, Layout(specification))
    before = taken(first, panes[: cut - 200 if cut > 200 else cut])
    second = Watch(specification, Layout(specification))
    second.restore(decode_state(encode_state(first.state()), "watch"))
    after = taken(second, panes[cut - 200 if cut > 200 else cut :])
    assert [alert for one in (*before, *after) for alert in one.alerts] == whole


def test_a_period_is_of_whole_panes_and_of_whole_cycles() -> None:
    for period, cycles, story in ((PANE * 3 // 2, (), "a whole number of panes"), (PANE, (), "two or more"), (4 * PANE, (3 * PANE,), "every cycle")):
        changed = DECLARED.reference.model_copy(update={"kind": "previous_period", "period": period})
        with pytest.raises(ValueError, match=story):
            MonitorSpecification.model_validate(dict(DECLARED) | {"reference": changed, "detectors": Detectors(cycles=cycles)})


def test_what_is_left_of_a_period_after_a_takeover_is_no_reference_of_the_outputs() -> None:
    panes = history(np.zeros(330))
    panes = [pane if place < 150 else ClosedPane(pane.start, {("2", ""): pane.groups["1", ""]}) for place, pane in enumerate(panes)]
    watch = Watch(by_period(DECLARED), Layout(DECLARED))

    def compared_with() -> dict[str, float]:
        return {name: present[0] for name, present in watch.state()["acknowledged"]["references"].items()}

    taken(watch, panes[:150])
    assert compared_with()["error_rate"] == compared_with()["feature:even"] == PERIOD * EVENTS
    taken(watch, panes[150:250])  # the half period of version 2 is over
    assert "error_rate" not in compared_with()
    assert compared_with()["feature:even"] == PERIOD * EVENTS
    taken(watch, panes[250:])
    assert compared_with()["error_rate"] == PERIOD * EVENTS
