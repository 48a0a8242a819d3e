"""Detection for one model revision: panes are merged over the source partitions, close in order, and step the detectors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detectors.acknowledgement import Acknowledgement
from detectors.alerts.alert import Alert
from detectors.bundle import Cohort, FirstRows, Summary
from detectors.detection.closed_pane import ClosedPane, Group
from detectors.detection.learning import Learning
from detectors.detection.open_panes import OpenPanes, Part
from detectors.detection.shared_pieces import Name
from detectors.detection.succession import CohortKey, Succession
from detectors.detection.watch import Judged, Watch
from detectors.detection.window_points import RolledWindow, WindowMeasures
from detectors.duration import format_duration
from detectors.event_batch import NO_TIME, Float64
from detectors.metrics.metric_points import JudgedMonitors, RestatedCohort, learning_points, pane_point, silence_points
from detectors.metrics.objectives import Objectives
from detectors.metrics.rolling_window import PartsOfWindow, RollingWindow
from detectors.metrics.segment_windows import SegmentWindows
from detectors.metrics.worth import worth_of_columns
from detectors.monitor import Monitor
from detectors.monitors.traffic import TRAFFIC_MONITOR
from detectors.panes.gaps import Gaps
from detectors.panes.heard_partitions import HeardPartitions
from detectors.panes.model_summariser import COHORT
from detectors.panes.packed_counts import PackedCounts
from detectors.piece import Piece
from detectors.point import Point
from detectors.references.stream_reference import Learnt, with_stream_profile
from detectors.scans.panels import Walking
from detectors.unlabelled.support import Supporting

_BYTES_OF_POINT = 500  # its tags and fields
_BYTES_OF_JUDGED = 4_000  # verdicts of some forty monitors on a pane, or parts of a window that others have not


@dataclass(kw_only=True)
class Detected:
    """What a flush gives."""

    points: list[Point] = field(default_factory=list)
    judged: list[JudgedMonitors] = field(default_factory=list)
    windows: list[RolledWindow] = field(default_factory=list)  # whose points are measured together with other models'
    cohorts: list[RestatedCohort] = field(default_factory=list)  # as well
    alerts: list[Alert] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)  # of the model alone
    deletions: list[Piece] = field(default_factory=list)
    changed: list[Name] = field(default_factory=list)  # what is saved with other models'
    gone: list[Name] = field(default_factory=list)  # and what need not be any more
    refused: list[str] = field(default_factory=list)
    learnt: list[Learnt] = field(default_factory=list)  # one at most


class ModelDetection:
    """State of one model revision.

    Parameters
    ----------
    monitor : the revision.
    metrics : whether to compute metric points; a replay that nobody charts can do without.
    reached : event time that all source partitions have passed, before lateness is taken off; panes that ended before are closed, whether or not they were ever heard of.

    Attributes
    ----------
    monitor : the revision.
    gaps : spans of event time whose records expired before they were read; panes that they touch are not complete.
    learning : the rows that its reference is to be made of; None where it has one, or a later revision has.
    closed_until : panes that start before have closed, or are judged by later revisions.
    succession : the other revisions of the model.
    """

    def __init__(self, monitor: Monitor, *, metrics: bool = True, reached: int = NO_TIME) -> None:
        self.monitor = monitor
        self._specification = monitor.specification
        self._digest = monitor.digest
        self._refused: set[str] = set()
        self._layout = monitor.layout
        self._metrics = metrics
        self._watch = Watch(monitor.specification, self._layout)
        self._measures = WindowMeasures(self._layout)
        self._windows = {length: RollingWindow(length=length, pane=monitor.specification.pane) for length in monitor.specification.windows}
        self._supported: dict[int, bool] = {}  # by length of the window: whether estimates of the latest rest on rows enough
        self._segments = SegmentWindows(self._layout) if self._specification.segments else None
        self._objectives = Objectives(self._layout) if self._specification.objectives else None
        self._panes = OpenPanes()
        self._cohorts: dict[CohortKey, dict[int, Float64]] = {}
        self.closed_until = NO_TIME if reached == NO_TIME else self._closed_at(reached)
        self._heard = HeardPartitions(monitor.specification.pane) if TRAFFIC_MONITOR in monitor.specification.service.monitors else None
        self._late_after_close = 0
        self.gaps = Gaps()
        self._passed: tuple[Any, ...] | None = None
        self._found = Detected()
        self._changed_cohorts: set[CohortKey] = set()
        self._restated_panes: set[int] = set()
        self._restated_cohorts: set[CohortKey] = set()
        self._labelled_until = NO_TIME
        self._began: int | None = None  # start of the first pane that closed with predictions
        self._stepped = False
        learning = self._specification.reference.learning
        self.learning = None if learning is None else Learning(learning)
        self._said: tuple[Acknowledgement, ...] = ()
        self.succession = Succession(self)
        self.covered = 0

    def absorb(self, partition: int, summaries: Iterable[tuple[Summary, PackedCounts]], cohorts: Iterable[Cohort]) -> None:
        """Take what a source partition says of this revision, panes with their packed counts; cumulative, so it replaces what was said before.

        Counts by another specification are refused.
        """
        for summary, packed in summaries:
            if self._is_refused(summary, partition):
                continue
            if not self._is_closed(summary.start):
                self._panes.put(summary.start, partition, (summary.version, summary.segment), packed)
                if (judged := self.succession.judge(summary.start)) is not None:
                    judged[0].restate_pane(judged[1])
        for cohort in cohorts:
            if self._is_refused(cohort, partition):
                continue
            key = cohort.start, cohort.version
            if key not in self._cohorts:
                self._cohorts[key], self._passed = {}, None  # it may be too old already
            self._cohorts[key][partition] = cohort.counts
            self._changed_cohorts.add(key)
            for one in self.succession.later:
                one.restate_cohort(key)

    def learn_from(self, told: FirstRows, partition: int) -> None:
        """Take rows that the model's reference may be made of."""
        if self.learning is not None and not self._is_refused(told, partition):
            self.learning.add(told.rows)

    def stop_learning(self) -> None:
        """A later revision has a reference, or learns one itself: let go what this one has learnt."""
        if self.learning is not None:
            self._found.deletions += [Piece(self._key("learning", number), 0, None) for number in self.learning.parts]
            self.learning = None

    def _is_refused(self, counted: Summary | Cohort | FirstRows, partition: int) -> bool:
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
        for summary in summaries:
            if self._is_closed(summary.start):
                judged = self.succession.judge(summary.start)
                (self if judged is None else judged[0]).count_one_late(offset)

    def count_one_late(self, offset: int) -> None:
        """Count what comes after its pane closed here."""
        if offset >= self.covered:
            self._late_after_close += 1
            self._stepped = True

    def is_due(self, time: int) -> bool:
        """Whether `advance` may find anything to do that it did not at the last time: most times are in the same pane as the one before."""
        horizon = self._horizon(time - self._specification.lateness)
        return self._passed != (self._closed_at(time), horizon // COHORT, self.succession.replaced_from, self._said)

    def advance(self, time: int) -> Walking[None]:
        """Close the panes that every source partition has passed by a time, before lateness is taken off."""
        watermark = time - self._specification.lateness
        length = self._specification.pane
        passed = {start for start in self._panes.starts if start + length <= watermark}
        handed = self.succession.handed()
        closing = sorted({start for start in passed if self.succession.judge(start) is None} | {start for start in handed if start + length <= watermark})
        if closing:
            yield from self._close([self._taken(start, self.succession.parts(handed.get(start, ()))) for start in closing])
            self._let_go(start for start in closing if start in passed)
            self._stepped = True
        self._let_go([start for start in passed if self.succession.judge(start) is not None and self._is_closed(start)])
        replaced_from = self.succession.replaced_from
        self.closed_until = max(self.closed_until, self._closed_at(time))
        self._tell_learnt()
        self._tell_windows(self.closed_until, measured=self._watch.measured)
        watched_until, followed_from = self.succession.watched(time)
        self._pass_time(watched_until)
        if followed_from is not None:
            resolved = self._watch.close(followed_from)
            self._found.alerts += resolved
            self._stepped |= bool(resolved)
        horizon = self._labelled_until = self._horizon(watermark)
        others = *self.succession.earlier, *self.succession.later
        for key in [key for key in self._cohorts if key[0] <= horizon and not any(one.still_labels(key) for one in others)]:
            del self._cohorts[key]
            self._changed_cohorts.discard(key)
            self._found.gone.append(("cohort", *key))
        self._passed = self._closed_at(time), horizon // COHORT, replaced_from, self._said

    def _tell_learnt(self) -> None:
        """Make the reference, once its rows are all there; told again by whoever takes over before a revision has it."""
        if self.learning is None or self.learning.told:
            return
        rows = self.learning.complete(self.closed_until)
        if rows is not None:
            self.learning.told = True
            self._found.learnt.append(Learnt(model=self.monitor.model, revision=self.monitor.revision, specification=with_stream_profile(self._specification, rows)))

    def _horizon(self, watermark: int) -> int:
        """Cohorts that begin then or before get no more labels."""
        return watermark - COHORT - self._specification.labels.timeout

    def closes_until(self, time: int) -> int:
        """Panes that start before have closed once `advance` has been told of a time."""
        return max(self.closed_until, self._closed_at(time))

    @property
    def began(self) -> int | None:
        """Start of the first pane with predictions, closed or open; None while there was none."""
        if self._began is not None:
            return self._began
        return next((start for start in self.open_panes if any(self._layout.traffic(counts, "predictions") > 0 for _, counts in self.parts_of(start))), None)

    def _closed_at(self, time: int) -> int:
        return (time - self._specification.lateness) // self._specification.pane * self._specification.pane

    def _close(self, panes: list[ClosedPane]) -> Walking[None]:
        measured = self._watch.measured
        for judged in (yield from self._watch.take(panes, self._said)):
            self._found.alerts += judged.alerts
            if self._began is None and self._layout.traffic(judged.total, "predictions") > 0:
                self._began = judged.pane.start
            if self._metrics:
                self._tell_windows(judged.pane.start, measured=measured)  # of those that ended before this pane
                self._measure(judged)
            measured = judged.measured

    def _pass_time(self, until: int) -> None:
        alerts, changed = self._watch.pass_time(until, self._said)
        self._found.alerts += alerts
        quiet = self._watch.quiet(until)
        if self._metrics:
            self._found.points += silence_points(self._layout, quiet)
        self._stepped |= changed or bool(quiet)

    def _measure(self, judged: Judged) -> None:
        start, at = judged.pane.start, judged.pane.start + self._specification.pane
        complete = self._is_complete(start)
        self._found.judged.append(JudgedMonitors(layout=self._layout, at=at, verdicts=[*judged.verdicts]))
        self._found.points += silence_points(self._layout, judged.quiet)
        if self.learning is not None:
            self._found.points += learning_points(self._layout, at, events=self.learning.events, needed=self.learning.most)
        for (version, segment), counts in sorted(judged.pane.groups.items()):
            self._found.points.append(pane_point(self._layout, start, version, segment, counts, final=True, complete=complete, late_after_close=self._late_after_close))
        for window in self._windows.values():
            window.add(start, judged.total)
        if self._segments is not None:
            self._segments.add(start, judged.pane.groups)
        if self._objectives is not None:
            self._objectives.add(start, judged.total)
        self._tell_windows(at, measured=judged.measured)

    def _tell_windows(self, until: int, *, measured: bool) -> None:
        for length, window in self._windows.items():
            completed = window.completed(until)
            self._stepped |= completed is not None
            if completed is not None and not self._is_cut_off(completed[0]):
                at, parts = completed
                supporting = self._supporting(parts)
                if supporting is not None:  # in the order of the windows, since what was said of the one before counts
                    self._supported[length] = supporting.suffices(self._supported.get(length))
                supported, name = self._supported.get(length), format_duration(length)
                rolled = RolledWindow(measures=self._measures, at=at, window=name, parts=parts, measured=measured, supporting=supporting, supported=supported)
                self._found.windows.append(rolled)
        for kept in (self._segments, self._objectives):
            told = [] if kept is None else kept.completed(until)
            self._found.points += [point for point in told if not self._is_cut_off(point.time)]
            self._stepped |= bool(told)

    def _is_cut_off(self, at: int) -> bool:
        """Whether a step that ends then is one in which a later revision took over, which tells it."""
        return self.succession.replaced_from is not None and at > self.succession.replaced_from

    def _supporting(self, parts: PartsOfWindow) -> Supporting | None:
        """Rows of the reference that estimates of a window rest on; None without estimates."""
        estimates = self._measures.estimates
        return None if estimates is None else estimates.supporting(worth_of_columns(self._layout, parts.total()))

    def _is_complete(self, start: int) -> bool:
        return not self.gaps.touch(start, start + self._specification.pane, lateness=self._specification.lateness)

    @property
    def untold(self) -> int:
        """Bytes, about, of what the next flush tells."""
        return _BYTES_OF_POINT * len(self._found.points) + _BYTES_OF_JUDGED * (len(self._found.judged) + len(self._found.windows))

    @property
    def open_severities(self) -> list[str]:
        """Severity of each alert that is open."""
        return self._watch.open_severities

    def flush(self, covered: int) -> Detected:
        """Points, alerts and state since the last flush."""
        found, self._found = self._found, Detected()
        self.covered = max(self.covered, covered)
        found.changed += [("pane", start) for start in sorted(self._panes.changed)] + [("cohort", *key) for key in sorted(self._changed_cohorts)]
        if self._metrics:
            found.points += self._provisional()
            cohorts = ((key, self.succession.cohort(key)) for key in sorted(self._changed_cohorts | self._restated_cohorts))
            found.cohorts += [RestatedCohort(layout=self._layout, start=start, version=version, counts=counts) for (start, version), counts in cohorts if counts is not None]
        for length, window in self._windows.items():
            whole, gone = window.changes()
            found.pieces += [Piece(self._key("window", length, begin), self.covered, part) for begin, part in whole.items()]
            found.deletions += [Piece(self._key("window", length, begin), 0, None) for begin in gone]
        if self.learning is not None:
            parts, merged = self.learning.changes()
            found.pieces += [Piece(self._key("learning", number), self.covered, part) for number, part in parts.items()]
            found.deletions += [Piece(self._key("learning", number), 0, None) for number in merged]
        if self._stepped:
            found.pieces.append(Piece(self._key("model"), self.covered, self._state()))  # restored ahead of the manifest, it reaches further
        self._panes.squeeze()
        self._changed_cohorts, self._restated_panes, self._restated_cohorts, self._stepped = set(), set(), set(), False
        return found

    def _provisional(self) -> Iterable[Point]:
        """Traffic so far of the open panes that were added to since the last flush, here or by earlier revisions."""
        handed = self.succession.handed() if self.succession.earlier else {}
        for start in sorted(self._panes.changed | (self._restated_panes & handed.keys())):
            if self.succession.judge(start) is None or start in handed:
                groups = _added_up([*self.parts_of(start), *self.succession.parts(handed.get(start, ()))])
                for (version, segment), counts in sorted(groups.items()):
                    yield pane_point(self._layout, start, version, segment, counts, final=False, complete=self._is_complete(start))

    def _taken(self, start: int, handed: list[Part]) -> ClosedPane:
        """A pane that closes, with what earlier revisions have counted in it; these keep it until it is theirs to let go."""
        parts = [*self.parts_of(start), *handed]
        return ClosedPane(start, _added_up(parts), self._heard is None or self._is_whole(start, parts, self._heard))

    def _let_go(self, starts: Iterable[int]) -> None:
        for start in starts:
            self._panes.let_go(start)
            self._found.gone.append(("pane", start))

    def _is_closed(self, start: int) -> bool:
        """Whether whoever judges a pane has closed it."""
        judged = self.succession.judge(start)
        return start < self.closed_until if judged is None else judged[1] < judged[0].closed_until

    @property
    def open_panes(self) -> list[int]:
        """Starts, in their order."""
        return self._panes.starts

    def parts_of(self, start: int) -> list[Part]:
        """What is counted in an open pane; nothing where there is none."""
        return self._panes.parts_of(start)

    def cohort_counts(self, key: CohortKey) -> Float64 | None:
        """Sum of a cohort over the source partitions; None where there is none."""
        counts = self._cohorts.get(key)
        return None if counts is None else np.asarray(sum(part for _, part in sorted(counts.items())))

    def still_labels(self, key: CohortKey) -> bool:
        """Whether there is such a cohort, and labels of it may come."""
        return key in self._cohorts and key[0] > self._labelled_until

    def restate_pane(self, start: int) -> None:
        """An earlier revision has counted in a pane that is judged here."""
        self._restated_panes.add(start)

    def restate_cohort(self, key: CohortKey) -> None:
        """An earlier revision has counted in a cohort."""
        self._restated_cohorts.add(key)

    def _is_whole(self, start: int, parts: Iterable[Part], heard: HeardPartitions) -> bool:
        predictions: dict[int, float] = {}
        for (partition, _), counts in parts:
            predictions[partition] = predictions.get(partition, 0.0) + self._layout.traffic(counts, "predictions")
        return heard.all_there(start, predictions) and self._is_complete(start)

    def acknowledge(self, said: Iterable[Acknowledgement]) -> None:
        """What was said of alerts of the model, all of it: each word counts once, from its time on."""
        self._said = tuple(said)

    def _key(self, kind: str, *rest: str | int) -> tuple[str | int, ...]:
        return (kind, self._specification.model, self.monitor.revision, *rest)

    def _state(self) -> dict[str, Any]:
        return {
            "closed_until": self.closed_until,
            "late_after_close": self._late_after_close,
            "began": self._began,
            "windows": {str(length): window.state() for length, window in self._windows.items()},
            "segments": None if self._segments is None else self._segments.state(),
            "objectives": None if self._objectives is None else self._objectives.state(),
            "supported": [[length, supported] for length, supported in self._supported.items()],
            "watch": self._watch.state(),
        } | ({} if self._heard is None else {"partitions": self._heard.state()})

    def shared_state(self, name: Name) -> list[list[Any]] | dict[str, Any] | None:
        """A pane or a cohort as it is saved, by source partition, or as it waits; None where it has closed."""
        kind, start, *rest = name
        if kind == "cohort":
            by_partition = self._cohorts.get((int(start), str(rest[0])))
            return None if by_partition is None else [[partition, counts] for partition, counts in sorted(by_partition.items())]
        return self._panes.state(int(start))

    def restore_shared(self, name: Name, state: Any) -> None:
        """Take what `shared_state` gave."""
        kind, start, *rest = name
        if kind == "cohort":
            self._cohorts[int(start), str(rest[0])] = dict(state)
        else:
            self._panes.restore(int(start), state)

    def restore(self, piece: Piece) -> None:
        """Take a saved piece of the model alone."""
        kind, rest, value = piece.key[0], piece.key[3:], piece.value
        if kind == "window":
            self._windows[int(rest[0])].restore_part(int(rest[1]), value)
        elif kind == "learning":
            if self.learning is not None:
                self.learning.restore(int(rest[0]), value)
        else:
            self.covered = piece.covered
            self.closed_until = max(self.closed_until, value["closed_until"])
            self._late_after_close = value["late_after_close"]
            self._began = value.get("began", None if value["watch"]["version"] is None else self.monitor.effective_from)  # an earlier release did not say it
            for length, window in self._windows.items():
                window.restore(value["windows"][str(length)])
            if self._segments is not None:
                self._segments.restore(value["segments"])
            if self._objectives is not None:
                self._objectives.restore(value["objectives"])
            self._supported = dict(value.get("supported", ()))  # an earlier release said it of each window by itself
            self._watch.restore(value["watch"])
            if self._heard is not None:
                self._heard.restore(value["partitions"])

    def recovered(self) -> None:
        """All pieces have been restored: those that the model's own state has gone beyond, or not come to yet, are left out."""
        for window in self._windows.values():
            window.restored()
        self._let_go(start for start in self._panes.starts if start < self.closed_until and self._is_closed(start))


def _added_up(parts: Iterable[Part]) -> dict[Group, Float64]:
    """Sum over source partitions, in their order, so that every reader gets the same bits."""
    groups: dict[Group, Float64] = {}
    for (_, group), counts in sorted(parts, key=lambda part: part[0][0]):
        groups[group] = groups[group] + counts if group in groups else counts
    return groups
