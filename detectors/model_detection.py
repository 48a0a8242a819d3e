"""Detection for one model revision: panes are merged over the source partitions, close in order, and step the detectors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, field, replace
from typing import Any

import numpy as np

from detectors.alert import Alert
from detectors.bank import detectors_of
from detectors.bundle import Bundle, Cohort, Summary
from detectors.detector import Detector, State
from detectors.duration import format_duration
from detectors.event_batch import NO_TIME, Float64
from detectors.gaps import Gaps
from detectors.layout import Layout
from detectors.lifecycle import Alarm, Lifecycle, Resolution
from detectors.metric_points import cohort_point, monitor_points, pane_point, window_points
from detectors.model_summariser import COHORT
from detectors.monitor import Monitor
from detectors.piece import Piece
from detectors.point import Point
from detectors.rfc3339 import format_time
from detectors.rolling_window import RollingWindow
from detectors.specification import MonitorSpecification
from detectors.verdict import Status

LEAD_PANES, LEAD_PREDICTIONS = 5, 30  # by chance two versions at 50/50 pass both once in months, whatever their traffic

Group = tuple[str, str]
Panes = dict[int, dict[int, dict[Group, Float64]]]
"""Open panes: start, then source partition, then version and segment."""


@dataclass(kw_only=True)
class Detected:
    """What a flush gives."""

    points: list[Point] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    deletions: list[Piece] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Lead:
    """Panes running in which a version made more than twice the predictions of the one that is watched."""

    version: str
    at: int  # end of the first of them
    panes: int
    predictions: float


class ModelDetection:
    """State of one model revision.

    Parameters
    ----------
    monitor : the revision.
    metrics : whether to compute metric points; a replay that nobody charts can do without.
    reached : event time that all source partitions have passed, before lateness is taken off; panes that ended before are closed, whether or not they were ever heard of.
    """

    def __init__(self, monitor: Monitor, *, metrics: bool = True, reached: int = NO_TIME) -> None:
        self._monitor = monitor
        self._specification = monitor.specification
        self._digest = monitor.specification.digest
        self._refused: set[str] = set()
        self._layout = Layout(monitor.specification)
        self._metrics = metrics
        self._inputs, self._outputs = _by_dependence_on_version(detectors_of(monitor.specification))
        self._states: dict[str, State] = {_name(detector): detector.initial() for detector in (*self._inputs, *self._outputs)}
        self._windows = {length: RollingWindow(length=length, pane=monitor.specification.pane) for length in monitor.specification.windows}
        self._lifecycle = Lifecycle(monitor.specification)
        self._panes: Panes = {}
        self._cohorts: dict[tuple[int, str], dict[int, Float64]] = {}
        self._closed_until = NO_TIME if reached == NO_TIME else self._closed_at(reached)
        self._version: str | None = None
        self._first_version = True
        self._lead: _Lead | None = None
        self._happened: list[tuple[int, str]] = []
        self._late_after_close = 0
        self._gaps = Gaps()
        self._found = Detected()
        self._changed_panes: set[int] = set()
        self._changed_cohorts: set[tuple[int, str]] = set()
        self._stepped = False
        self._replaced_from: int | None = None
        self.covered = 0

    def absorb(self, bundle: Bundle, summaries: Iterable[Summary], cohorts: Iterable[Cohort]) -> None:
        """Take what a bundle says of this revision; cumulative, so it replaces what its partition said before. Counts by another specification are refused."""
        for summary in summaries:
            if self._is_refused(summary, bundle.partition):
                continue
            if summary.start >= self._closed_until:
                self._panes.setdefault(summary.start, {}).setdefault(bundle.partition, {})[summary.version, summary.segment] = summary.counts
                self._changed_panes.add(summary.start)
        for cohort in cohorts:
            if self._is_refused(cohort, bundle.partition):
                continue
            self._cohorts.setdefault((cohort.start, cohort.version), {})[bundle.partition] = cohort.counts
            self._changed_cohorts.add((cohort.start, cohort.version))

    def _is_refused(self, counted: Summary | Cohort, partition: int) -> bool:
        """Whether the bins are others, so that nothing can be added; told once."""
        if counted.digest == self._digest:
            return False
        if counted.digest not in self._refused:
            self._refused.add(counted.digest)
            self._found.refused.append(
                f"model '{counted.model}', revision {counted.revision}: source partition {partition} is counted by the specification {counted.digest}, this worker judges by "
                f"{self._digest}, so those counts are left out; two were applied as one revision, or workers of two releases run: "
                "restart the workers on one release, and if that does not help apply the specification again with a change"
            )
        return True

    def count_late(self, summaries: Iterable[Summary], offset: int) -> None:
        """Count what comes after its pane closed; an offset that the saved state covers was counted before."""
        late = sum(summary.start < self._closed_until for summary in summaries)
        if late and offset >= self.covered:
            self._late_after_close += late
            self._stepped = True

    def advance(self, time: int, gaps: Gaps = Gaps()) -> None:  # noqa: B008  frozen
        """Close the panes that every source partition has passed by a time, before lateness is taken off; those that gaps touch are not complete."""
        self._gaps = gaps
        watermark = time - self._specification.lateness
        length = self._specification.pane
        for start in sorted(start for start in self._panes if start + length <= watermark):
            self._close(start, self._panes.pop(start))
            self._found.deletions.append(Piece(self._key("pane", start), 0, None))
            self._changed_panes.discard(start)
            self._stepped = True
        self._closed_until = max(self._closed_until, self._closed_at(time))
        self._give_up(self._closed_until if self._replaced_from is None else min(self._closed_until, self._replaced_from))
        if self._replaced_from is not None and self._closed_until >= self._replaced_from:
            resolved = self._lifecycle.close(self._replaced_from, "a new revision of the monitor was applied")
            self._found.alerts += resolved
            self._stepped |= bool(resolved)
        horizon = watermark - COHORT - self._specification.labels.timeout
        for key in [key for key in self._cohorts if key[0] <= horizon]:
            del self._cohorts[key]
            self._changed_cohorts.discard(key)
            self._found.deletions.append(Piece(self._key("cohort", *key), 0, None))

    def _closed_at(self, time: int) -> int:
        return (time - self._specification.lateness) // self._specification.pane * self._specification.pane

    def _close(self, start: int, partitions: dict[int, dict[Group, Float64]]) -> None:
        groups = _merged(partitions)
        total = np.asarray(sum(groups[group] for group in sorted(groups)))
        at = start + self._specification.pane
        if self._replaced_from is None or start < self._replaced_from:
            self._judge(start, at, groups, total)
        self._measure(start, at, groups, total)

    def _judge(self, start: int, at: int, groups: dict[Group, Float64], total: Float64) -> None:
        self._give_up(at - 1)
        self._follow_version(at, groups)
        serving = np.asarray(sum((counts for (version, _), counts in sorted(groups.items()) if version == self._version), np.zeros(self._layout.size)))
        alarms: list[Alarm] = []
        resolutions: dict[str, Resolution] = {}
        for detector in (*self._inputs, *self._outputs):
            counts = total if detector in self._inputs else serving
            state, verdicts = detector.step(self._states[_name(detector)], counts, start)
            self._states[_name(detector)] = state
            held = self._lifecycle.held(detector.kind)
            gone = detector.gone(state) if held else ()
            for place, name in enumerate(detector.names if held else ()):
                if name in held:
                    resolutions[name] = Resolution(known=not np.isnan(verdicts.recent_effect[place]), gone=bool(gone[place]))
            drifted = np.flatnonzero(verdicts.status == Status.DRIFT).tolist()
            unknown = [place for place in drifted if not self._lifecycle.knows(detector.kind, detector.names[place])]
            alarms += [Alarm(kind=detector.kind, evidence=detector.evidence(state, place), change_at=int(verdicts.change_at[place])) for place in unknown]
            if self._metrics:
                self._found.points += monitor_points(self._layout, at, detector, verdicts)
        happened = [sentence for when, sentence in self._happened if when > at - self._specification.alerts.cooldown]
        alerts, well = self._lifecycle.step(at, self._version or "", alarms, resolutions, happened)
        self._found.alerts += alerts
        self._restart(dict.fromkeys(well, at))

    def _follow_version(self, at: int, groups: dict[Group, Float64]) -> None:
        """The version whose errors are watched: the first, until another has led it clearly for a stretch; a new one has its own errors, which are learnt anew."""
        sizes: dict[str, float] = {}
        for (version, _), counts in sorted(groups.items()):
            sizes[version] = sizes.get(version, 0) + self._layout.traffic(counts, "predictions")
        served = max(sizes, key=lambda version: (sizes[version], version))
        if sizes[served] <= 0:
            return
        if self._version is not None:
            if sizes[served] <= 2 * sizes.get(self._version, 0):
                self._lead = None
                return
            if self._lead is None or self._lead.version != served:
                self._lead = _Lead(served, at, 0, 0)
            self._lead = replace(self._lead, panes=self._lead.panes + 1, predictions=self._lead.predictions + sizes[served])
            if self._lead.panes < LEAD_PANES or self._lead.predictions < LEAD_PREDICTIONS:
                return
            takeover = f"version {served or '(none)'} took over from {self._version or '(none)'} by {format_time(self._lead.at)}"
            self._happened = [*self._happened[-9:], (self._lead.at, takeover)]
            self._lead = None
            self._first_version = False
            self._found.alerts += self._lifecycle.drop({name for detector in self._outputs for name in detector.names}, at, takeover)
            self._outputs = _of_a_later_version(self._specification)
            for detector in self._outputs:
                self._states[_name(detector)] = detector.initial()
        self._version = served

    def _restart(self, ended: dict[str, int]) -> None:
        for detector in (*self._inputs, *self._outputs):
            for place, name in enumerate(detector.names):
                if name in ended:
                    self._states[_name(detector)] = detector.restart(self._states[_name(detector)], place, ended[name])

    def _give_up(self, until: int) -> None:
        """Resolve alerts that had nothing to judge by for long, though no pane may say so."""
        alerts, given_up = self._lifecycle.give_up(until)
        self._found.alerts += alerts
        self._restart(given_up)
        self._stepped |= bool(given_up)

    def _measure(self, start: int, at: int, groups: dict[Group, Float64], total: Float64) -> None:
        if not self._metrics:
            return
        complete = self._is_complete(start)
        for (version, segment), counts in sorted(groups.items()):
            self._found.points.append(pane_point(self._layout, start, version, segment, counts, final=True, complete=complete, late_after_close=self._late_after_close))
        for length, window in self._windows.items():
            if window.add(start, total):
                self._found.points += window_points(self._layout, at, format_duration(length), window.total())

    def _is_complete(self, start: int) -> bool:
        return not self._gaps.touch(start, start + self._specification.pane, lateness=self._specification.lateness)

    def flush(self, covered: int) -> Detected:
        """Points, alerts and state since the last flush."""
        found, self._found = self._found, Detected()
        self.covered = max(self.covered, covered)
        for start in sorted(self._changed_panes):
            partitions = self._panes[start]
            found.pieces.append(Piece(self._key("pane", start), covered, [[partition, _table(groups)] for partition, groups in sorted(partitions.items())]))
            if self._metrics:
                for (version, segment), counts in sorted(_merged(partitions).items()):
                    found.points.append(pane_point(self._layout, start, version, segment, counts, final=False, complete=self._is_complete(start)))
        for key in sorted(self._changed_cohorts):
            by_partition = sorted(self._cohorts[key].items())
            found.pieces.append(Piece(self._key("cohort", *key), covered, [[partition, counts] for partition, counts in by_partition]))
            if self._metrics:
                cohort = Cohort(model=self._specification.model, revision=self._monitor.revision, digest="", version=key[1], start=key[0], counts=by_partition[0][1])
                found.points.append(cohort_point(self._layout, cohort, np.asarray(sum(counts for _, counts in by_partition))))
        if self._stepped:
            found.pieces.append(Piece(self._key("model"), covered, self._state()))
        self._changed_panes, self._changed_cohorts, self._stepped = set(), set(), False
        return found

    def replace(self, at: int) -> None:
        """A later revision judges panes from a time on: here they are only counted, and alerts that are open then are resolved."""
        self._replaced_from = at

    def _key(self, kind: str, *rest: str | int) -> tuple[str | int, ...]:
        return (kind, self._specification.model, self._monitor.revision, *rest)

    def _state(self) -> dict[str, Any]:
        return {
            "closed_until": self._closed_until,
            "version": self._version,
            "first_version": self._first_version,
            "lead": None if self._lead is None else list(astuple(self._lead)),
            "happened": [list(item) for item in self._happened],
            "late_after_close": self._late_after_close,
            "detectors": dict(self._states),
            "windows": {str(length): window.state() for length, window in self._windows.items()},
            "alerts": self._lifecycle.state(),
        }

    def restore(self, piece: Piece) -> None:
        """Take a saved piece."""
        kind, rest, value = piece.key[0], piece.key[3:], piece.value
        if kind == "pane":
            self._panes[int(rest[0])] = {partition: {(name[0], name[1]): counts for name, counts in groups} for partition, groups in value}
        elif kind == "cohort":
            self._cohorts[int(rest[0]), str(rest[1])] = dict(value)
        else:
            self.covered = piece.covered
            self._closed_until = max(self._closed_until, value["closed_until"])
            self._version, self._first_version = value["version"], value["first_version"]
            self._lead = None if value["lead"] is None else _Lead(*value["lead"])
            self._happened = [(when, sentence) for when, sentence in value["happened"]]
            self._late_after_close = value["late_after_close"]
            if not self._first_version:
                self._outputs = _of_a_later_version(self._specification)
            self._states = dict(value["detectors"])
            for length, window in self._windows.items():
                window.restore(value["windows"][str(length)])
            self._lifecycle.restore(value["alerts"])

    def drop_closed(self) -> None:
        """After recovery: panes that the model's state has closed already, whose pieces had not been deleted yet."""
        for start in [start for start in self._panes if start < self._closed_until]:
            del self._panes[start]
            self._found.deletions.append(Piece(self._key("pane", start), 0, None))


def _name(detector: Detector) -> str:
    return ",".join(detector.names)


def _by_dependence_on_version(detectors: Iterable[Detector]) -> tuple[tuple[Detector, ...], tuple[Detector, ...]]:
    """Detectors of what goes into the model, and of what it makes of it; the latter begin anew with a new version."""
    every = tuple(detectors)
    return tuple(one for one in every if one.group != "performance"), tuple(one for one in every if one.group == "performance")


def _of_a_later_version(specification: MonitorSpecification) -> tuple[Detector, ...]:
    """Error monitors that learn a later version's errors; its outputs are not compared with those of the version that the reference was declared for."""
    profile = specification.reference.profile
    if profile is not None:
        unmeasured = profile.model_copy(update={"performance": None})
        specification = specification.model_copy(update={"reference": specification.reference.model_copy(update={"profile": unmeasured})})
    return tuple(one for one in _by_dependence_on_version(detectors_of(specification))[1] if one.kind == "performance")


def _merged(partitions: dict[int, dict[Group, Float64]]) -> dict[Group, Float64]:
    """Sum over source partitions, in their order, so that every reader gets the same bits."""
    groups: dict[Group, Float64] = {}
    for partition in sorted(partitions):
        for group, counts in partitions[partition].items():
            groups[group] = groups[group] + counts if group in groups else counts
    return groups


def _table(groups: dict[Group, Float64]) -> list[list[Any]]:
    return [[list(group), counts] for group, counts in sorted(groups.items())]
