"""What one model's detection says when revisions and versions follow each other."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from detectors.alerts.alert import Alert
from detectors.bundle import Bundle, Summary
from detectors.detect import Detect
from detectors.detection.model_detection import ModelDetection
from detectors.monitor import Monitor, Monitors
from detectors.panes.layout import Layout
from detectors.panes.packed_counts import PackedCounts
from detectors.point import Point
from detectors.profile import PerformanceProfile
from detectors.scans.panels import Panels
from detectors.settings.watching import Alerts, Floors, Reference
from tests.detectors.test_detect import REFERENCE, SPECIFICATION

PANE = 10_000
PROFILE = REFERENCE.profile
assert PROFILE is not None
JUDGED = SPECIFICATION.model_copy(update={"reference": Reference(profile=PROFILE.model_copy(update={"performance": PerformanceProfile(rows=4_000, loss=0.1, deviation=0.3)}))})
LAYOUT = Layout(JUDGED)


def counts_of(predictions: int = 0, *, yes: int | None = None, errors: int = 0, labelled: int = 0) -> np.ndarray:
    """A pane: an unchanged age, so many outputs "yes", so many wrong answers."""
    counts = np.zeros(LAYOUT.size)
    counts[LAYOUT.blocks["traffic"].start] = predictions
    age, output, performance = (LAYOUT.blocks[name].start for name in ("feature:age", "prediction", "performance"))
    counts[age : age + 3] = predictions / 4, predictions / 2, predictions / 4
    yes = predictions // 2 if yes is None else yes
    counts[output : output + 2] = predictions - yes, yes
    counts[performance : performance + 2] = labelled - errors, errors
    return counts


class Stream:
    """A detect stage that is told pane by pane."""

    def __init__(self, *monitors: Monitor) -> None:
        self._monitors, self._digests = Monitors(), dict[int, str]()
        for monitor in monitors:
            self.apply(monitor)
        self.stage = Detect(self._monitors)
        self.alerts: list[Alert] = []
        self.points: list[Point] = []
        self._told = 0

    def apply(self, monitor: Monitor) -> None:
        self._monitors.add(monitor)
        self._digests[monitor.revision] = monitor.specification.digest

    def pane(self, number: int, told: Iterable[tuple[int, str, np.ndarray]], digest: str = "") -> list[Alert]:
        """Revision, version and counts of each summary; the alert records that come of it."""
        summaries = tuple(
            Summary(model="churn", revision=revision, digest=digest or self._digests[revision], version=version, segment="", start=number * PANE, counts=counts)
            for revision, version, counts in told
        )
        self._told += 1
        self.stage.absorb(Bundle(partition=0, partitions=1, generation=1, epoch=self._told, high=(number + 1) * PANE + 5_000, covered=self._told, summaries=summaries), self._told)
        flushed = self.stage.flush()
        self.alerts += flushed.alerts
        self.points += flushed.points
        return list(flushed.alerts)


def test_a_replaced_revision_is_resolved_once_and_the_one_that_follows_judges_labels_of_its_predictions():
    after = JUDGED.model_copy(update={"alerts": Alerts(floors=Floors(rate=0.05))})
    stream, random = Stream(Monitor(specification=JUDGED), Monitor(specification=after, revision=2, effective_from=60 * PANE)), np.random.default_rng(0)
    for pane in range(60):
        stream.pane(pane, [(1, "1", counts_of(200, errors=random.binomial(100, 0.1 if pane < 40 else 0.4), labelled=100))])
    (opened,) = stream.alerts
    assert opened.status == "opened"
    points = len(stream.points)
    for pane in range(60, 120):
        stream.pane(pane, [(1, "1", counts_of(errors=40, labelled=100)), (2, "1", counts_of(200))])
    resolved, again = stream.alerts[1:]
    assert (resolved.alert_id, resolved.status, resolved.updated_at) == (opened.alert_id, "resolved", 60 * PANE)
    assert (again.status, [monitor.name for monitor in again.monitors], again.opened_at > 60 * PANE) == ("opened", ["error_rate"], True)
    judged = [point for point in stream.points[points:] if point.measurement == "monitor" and point.tags["monitor"] == "error_rate"]
    assert len({point.time for point in judged}) == len(judged)  # one revision speaks for the model


def test_an_alert_of_a_revision_whose_successor_becomes_known_late_is_not_resolved_before_it_opened():
    stream, random = Stream(Monitor(specification=JUDGED)), np.random.default_rng(1)
    for pane in range(60):
        stream.pane(pane, [(1, "1", counts_of(200 if pane < 30 else 0, errors=random.binomial(100, 0.1 if pane < 40 else 0.5), labelled=100))])
    stream.apply(Monitor(specification=JUDGED.model_copy(update={"alerts": Alerts(floors=Floors(rate=0.05))}), revision=2, effective_from=30 * PANE))
    stream.pane(60, [(2, "1", counts_of(200))])
    opened, resolved = stream.alerts
    assert resolved.status == "resolved"
    assert resolved.updated_at >= opened.opened_at


def test_a_drift_of_the_outputs_ends_with_the_version_that_made_them():
    stream, random = Stream(Monitor(specification=JUDGED)), np.random.default_rng(0)
    for pane in range(120):
        drifted, version = 40 <= pane < 60, "1" if pane < 60 else "2"
        stream.pane(pane, [(1, version, counts_of(200, yes=random.binomial(200, 0.9 if drifted else 0.5), errors=random.binomial(100, 0.1), labelled=100))])
    opened, resolved = stream.alerts[-2:]
    assert [monitor.name for monitor in opened.monitors] == ["prediction"]
    assert (resolved.alert_id, resolved.status) == (opened.alert_id, "resolved")
    assert "version 2 took over from 1" in resolved.summary
    assert "version 2 took over from 1" in resolved.causes[-1]


def test_errors_are_found_though_two_versions_serve_half_of_the_predictions_each():
    stream, random = Stream(Monitor(specification=JUDGED)), np.random.default_rng(1)
    for pane in range(140):
        first, errors = int(random.binomial(200, 0.5)), random.binomial(50, 0.1 if pane < 100 else 0.6, size=2)
        first = 110 if pane == 0 else first  # version 1 is the one that is watched
        told = [(1, version, counts_of(n, errors=wrong, labelled=50)) for version, n, wrong in zip("12", (first, 200 - first), errors, strict=True)]
        stream.pane(pane, told)
    (opened,) = stream.alerts
    assert (opened.kind, opened.model_version) == ("performance", "1")
    assert opened.opened_at <= 105 * PANE
    assert not opened.causes


def test_a_takeover_needs_a_stretch_and_is_told_with_the_time_at_which_it_began():
    stream = Stream(Monitor(specification=JUDGED))
    versions = "1" * 40 + "2" * 4 + "1" + "2" * 80
    for pane, version in enumerate(versions):
        stream.pane(pane, [(1, version, counts_of(200, errors=10, labelled=100))])
    for pane in range(len(versions), len(versions) + 10):
        stream.pane(pane, [(1, "2", counts_of(200, errors=60, labelled=100))])
    (opened,) = stream.alerts
    assert opened.model_version == "2"
    assert opened.causes == ("version 2 took over from 1 by 1970-01-01T00:07:40.000Z",)


@pytest.mark.parametrize("heard_of", [False, True])
def test_an_alert_of_a_model_whose_labels_stopped_is_given_up_a_week_later_whether_or_not_panes_come(heard_of: bool):
    stream, random = Stream(Monitor(specification=JUDGED)), np.random.default_rng(4)
    for pane in range(60):
        stream.pane(pane, [(1, "1", counts_of(200, errors=random.binomial(100, 0.1 if pane < 40 else 0.4), labelled=100))])
    assert [alert.status for alert in stream.alerts] == ["opened"]
    week = 7 * 24 * 360
    for pane in (2_000, 10_000, week, week + 61, week + 200):
        stream.pane(pane, [(1, "1", counts_of(200))] if heard_of else [])
    (resolved,) = stream.alerts[1:]
    assert (resolved.alert_id, resolved.status) == (stream.alerts[0].alert_id, "resolved")
    assert "nothing to judge by for 7d" in resolved.causes[-1]
    assert week * PANE + 60 * PANE <= resolved.updated_at <= week * PANE + 120 * PANE  # from the last pane that had labels in its last ten minutes
    told = len(stream.alerts)
    for pane in range(week + 201, week + 240):
        stream.pane(pane, [(1, "1", counts_of(200, errors=random.binomial(100, 0.1), labelled=100))])
    assert len(stream.alerts) == told


@pytest.mark.parametrize("flushes", [1, 2, 3])
def test_a_pane_that_waited_is_added_to_like_any_other(flushes: int):
    stage = Detect(Monitors([Monitor(specification=JUDGED)]))

    def told(epoch: int, high: int, *counted: tuple[str, int]) -> list[Point]:
        points: list[Point] = []
        for partition in range(2):
            summaries = tuple(
                Summary(model="churn", revision=1, digest=JUDGED.digest, version=version, segment="", start=0, counts=counts_of(predictions)) for version, predictions in counted
            )
            bundle = Bundle(partition=partition, partitions=2, generation=1, epoch=epoch, high=high, covered=epoch, summaries=summaries)
            stage.absorb(bundle, 2 * epoch + partition)
        for _ in range(flushes):
            points += stage.flush().points
        return points

    told(1, 1_000, ("1", 40), ("2", 8))
    told(2, 1_001, ("1", 80))
    points = told(3, 10 * PANE + JUDGED.lateness)
    found = {point.tags["version"]: point.fields["predictions"] for point in points if point.measurement == "traffic" and point.fields["final"]}
    assert found == {"1": 160, "2": 16}


@pytest.mark.parametrize("at_once", [7, 100])
def test_windows_know_which_version_served_at_their_end_however_many_panes_close_at_once(at_once: int):
    def told(at_once: int) -> dict[int, bool]:
        monitor = Monitor(specification=JUDGED)
        detection, panels, measured = ModelDetection(monitor), Panels(), {}
        for first in range(0, 100, at_once):
            panes = range(first, min(first + at_once, 100))
            summaries = [
                Summary(
                    model="churn",
                    revision=1,
                    digest=monitor.specification.digest,
                    version="1" if pane < 50 else "2",
                    segment="",
                    start=pane * PANE,
                    counts=counts_of(200, errors=10, labelled=100),
                )
                for pane in panes
            ]
            detection.absorb(0, [(summary, PackedCounts.of(summary.counts)) for summary in summaries], ())
            panels.walk_together([detection.advance((panes[-1] + 1) * PANE + 5_000)])
            measured |= {window.at: window.measured for window in detection.flush(0).windows}
        return measured

    one_by_one, together = told(1), told(at_once)
    assert one_by_one == together
    assert sorted(time // PANE for time, measured in together.items() if measured)[-1] == 54  # the fifth pane of version 2 is clear
    assert not together[100 * PANE]
