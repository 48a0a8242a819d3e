"""The detect stage: bundles of pane summaries in, metric points and alerts out.

A function of its log. Bundles say how far each source partition has come; a pane closes when all of them have passed it, and is judged once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, replace
from typing import Any, TypeVar

from detectors.alerts.alert import Alert
from detectors.bundle import Bundle, Cohort, Summary
from detectors.detection.model_detection import Detected, ModelDetection
from detectors.detection.shared_pieces import SharedPieces, name_of
from detectors.detection.succession import Succession
from detectors.detection.window_points import window_points
from detectors.empty_partition import EmptyPartition
from detectors.event_batch import NO_TIME
from detectors.metrics.metric_points import SourceCounts, cohort_points, monitor_points, source_counts, source_points
from detectors.monitor import Monitors
from detectors.panes.gaps import Gaps
from detectors.panes.packed_counts import PackedCounts
from detectors.piece import Piece
from detectors.point import Point
from detectors.references.stream_reference import Learnt
from detectors.scans.panels import Panels

_MODELS_AT_ONCE = 32  # with two rolling windows each; more take no less time each


@dataclass(frozen=True, kw_only=True)
class DetectFlushed:
    """An epoch's worth of output and state; ``refused`` says what was not merged, for the operator, who can mend it.
    ``learnt`` are references to be put in force, as revisions of their models; they are told again after a restart, until these are there.

    ``points`` are made as they are asked for, once, those of a model together: of a thousand models they would take more memory than all that is known of them.
    """

    covered: int
    points: Iterator[Point]
    alerts: tuple[Alert, ...]
    pieces: tuple[Piece, ...]
    refused: tuple[str, ...]
    learnt: tuple[Learnt, ...] = ()


class Detect:
    """Detection of all models of one partition of the summaries topic.

    Parameters
    ----------
    monitors : which revisions are in force; may grow while the stage lives.
    metrics : whether to compute metric points.
    """

    def __init__(self, monitors: Monitors, *, metrics: bool = True) -> None:
        self._monitors = monitors
        self._metrics = metrics
        self._models: dict[tuple[str, int], ModelDetection] = {}
        self._alone: set[str] = set()  # models whose revisions have to be made known to one another
        self._changes = monitors.changes
        self._shared = SharedPieces()
        self._panels = Panels()
        self._sources: dict[int, list[int]] = {}  # source partition: generation, covered, time, whether the last bundle was behind what was known
        self._empty: dict[int, EmptyPartition] = {}
        self._reached = NO_TIME
        self._partitions = 0
        self._gaps: dict[int, Gaps] = {}
        self._own_gaps = Gaps()
        self._unheard: set[int] = set()  # source partitions of which no bundle has come since the last own gap
        self._told: dict[int, SourceCounts] = {}
        self._points: list[Point] = []
        self._pending: dict[int, dict[int, tuple[int, Bundle]]] = {}
        self._deletions: list[Piece] = []
        self._end = 0

    @property
    def covered(self) -> int:
        """Offset up to which bundles are in; parts of a bundle that is not complete are read again."""
        return min([self._end, *(offset for parts in self._pending.values() for offset, _ in parts.values())])

    @property
    def untold(self) -> int:
        """Bytes, about, of what the next flush tells."""
        return sum(detection.untold for detection in self._models.values())

    @property
    def open_severities(self) -> list[str]:
        """Severity of each alert that is open."""
        return [severity for detection in self._models.values() for severity in detection.open_severities]

    def absorb(self, bundle: Bundle, offset: int) -> None:
        """Take a bundle, or a part of one, from an offset of the log."""
        self._end = offset + 1
        parts = self._pending.get(bundle.partition, {})
        latest = max((one.generation for _, one in parts.values()), default=self._sources.get(bundle.partition, [0])[0])
        if bundle.generation < latest:
            return  # from a worker that has been replaced
        if any(_identity(one) != _identity(bundle) for _, one in parts.values()):
            parts = {}  # its worker died in the middle of a bundle, and the next owner has sent the same again
        self._pending[bundle.partition] = parts
        parts[bundle.part] = (offset, bundle)
        if len(parts) == bundle.parts:
            del self._pending[bundle.partition]
            whole = [parts[number][1] for number in range(bundle.parts)]
            self._apply(
                replace(
                    whole[0],
                    summaries=tuple(summary for part in whole for summary in part.summaries),
                    cohorts=tuple(cohort for part in whole for cohort in part.cohorts),
                    first_rows=tuple(rows for part in whole for rows in part.first_rows),
                ),
                offset,
            )

    def skip(self, end: int, *, missed: bool) -> None:
        """Go on behind bundles that are not in the log any more.

        Parameters
        ----------
        end : offset to go on from.
        missed : whether they expired before they were read. Panes of the time that every source partition had not passed may then lack some of their counts.
        """
        self._pending.clear()
        self._end = end
        if missed:
            self._own_gaps = self._own_gaps.opened(self._reached)
            self._unheard = set(self._sources)

    def _apply(self, bundle: Bundle, offset: int) -> None:
        owner, covered, before, repeating = self._sources.get(bundle.partition, [0, -1, NO_TIME, 0])
        time = max(before, self._time_of(bundle))
        self._sources[bundle.partition] = [bundle.generation, max(covered, bundle.covered), time, int(bundle.covered < covered)]
        self._partitions = max(self._partitions, bundle.partitions)
        if (bundle.covered, time) <= (covered, before):
            return  # a new owner begins behind what the one before it had told; panes must not lose what their time says they have
        self._tell_source(bundle)
        self._gaps[bundle.partition] = Gaps(bundle.gaps)
        self._unheard.discard(bundle.partition)
        packed = dict(zip(map(id, bundle.summaries), PackedCounts.of_all([summary.counts for summary in bundle.summaries]), strict=True))
        summaries, cohorts = _by_revision(bundle.summaries), _by_revision(bundle.cohorts)
        told = sorted(summaries.keys() | cohorts.keys())
        for key in told:
            self._detection(*key)
        self._make_known()
        for key in told:
            detection = self._models.get(key)
            if detection is not None:
                mine = summaries.get(key, [])
                if bundle.generation == owner and not repeating:  # a new owner says again what it recovered and what it reads again, closed or not
                    detection.count_late(mine, offset)
                detection.absorb(bundle.partition, [(summary, packed[id(summary)]) for summary in mine], cohorts.get(key, []))
        for rows in bundle.first_rows:
            learning = self._detection(rows.model, rows.revision)
            if learning is not None:
                learning.learn_from(rows, bundle.partition)
        self._make_known()
        self._reached = max(self._reached, self._time())
        if not self._unheard:
            self._own_gaps = self._own_gaps.closed(max(time for _, _, time, _ in self._sources.values()))
        if self._reached != NO_TIME:
            for (model, _), detection in self._models.items() if self._monitors.acknowledgements else ():
                detection.acknowledge(self._monitors.acknowledgements.get(model, {}).values())
            gaps = Gaps(tuple(span for one in (self._own_gaps, *self._gaps.values()) for span in one.spans))
            for detection in self._models.values():
                detection.gaps = gaps
            self._panels.walk_together(detection.advance(self._reached) for detection in self._models.values() if detection.is_due(self._reached))

    def _tell_source(self, bundle: Bundle) -> None:
        if self._metrics:
            self._points += source_points(bundle, self._told.get(bundle.partition, {}))
        self._told[bundle.partition] = source_counts(bundle)

    def _time_of(self, bundle: Bundle) -> int:
        """Event time that the bundle's partition has reached; of one without any record, what the others had reached when it said so the time before."""
        if bundle.high != NO_TIME:
            self._empty.pop(bundle.partition, None)
            return bundle.time
        others = min((time for partition, (_, _, time, _) in self._sources.items() if partition not in self._empty and partition != bundle.partition), default=NO_TIME)
        self._empty[bundle.partition] = self._empty.get(bundle.partition, EmptyPartition()).said_by(bundle, others)
        return self._empty[bundle.partition].time

    def _time(self) -> int:
        """Smallest time of the source partitions; one that nobody has told of yet holds everything back."""
        if len(self._sources) < self._partitions:
            return NO_TIME
        return min((time for _, _, time, _ in self._sources.values()), default=NO_TIME)

    def _detection(self, model: str, revision: int) -> ModelDetection | None:
        monitor = self._monitors.get(model, revision)
        if monitor is None:
            return None  # deleted: nothing retained needs it
        if (model, revision) not in self._models:
            self._models[model, revision] = ModelDetection(monitor, metrics=self._metrics, reached=self._reached)
            self._shared.enter(self._models[model, revision])
            self._alone.add(model)
        return self._models[model, revision]

    def _make_known(self) -> None:
        """Revisions of a model know one another; those behind one that was heard of are there before anything is, so that it does not matter in which order partitions are read."""
        if self._changes != self._monitors.changes:
            self._changes = self._monitors.changes
            self._alone.update(model for model, _ in self._models)
        if not self._alone:
            return
        first: dict[str, int] = {}
        for model, revision in self._models:
            first[model] = min(first.get(model, revision), revision)
        for model in sorted(self._alone):
            applied = [monitor.revision for monitor in self._monitors.of(model) if monitor.revision >= first[model]]
            known = [detection for revision in applied if (detection := self._detection(model, revision)) is not None]
            for place, detection in enumerate(known):
                detection.succession = Succession(detection, known[:place], known[place + 1 :])
        self._alone.clear()

    def flush(self) -> DetectFlushed:
        """What is new since the last flush."""
        sources, self._points = self._points, []
        self._stop_learning()
        pieces, self._deletions = list(self._deletions), []
        covered = self.covered
        models = list(self._models.values())
        found = [detection.flush(self._end) for detection in models]
        told = list(zip(models, found, strict=True))
        pieces += self._shared.changed([(model, name) for model, one in told for name in one.changed], covered)
        self._deletions += self._shared.gone([(model, name) for model, one in told for name in one.gone])
        for one in found:
            pieces += one.pieces
            self._deletions += one.deletions
            one.pieces = []  # they are written at once, and need not wait until the last point is made
        alerts = tuple(alert for one in found for alert in one.alerts)
        refused = tuple(reason for one in found for reason in one.refused)
        learnt = tuple(item for one in found for item in one.learnt)
        return DetectFlushed(covered=covered, points=itertools.chain(sources, _points(found)), alerts=alerts, pieces=tuple(pieces), refused=refused, learnt=learnt)

    def _stop_learning(self) -> None:
        """A model learns under its newest revision alone."""
        for (model, revision), detection in self._models.items():
            if detection.learning is not None and any(later.revision > revision for later in self._monitors.of(model)):
                detection.stop_learning()

    def manifest(self) -> dict[str, Any]:
        """What is saved last in an epoch."""
        return {
            "covered": self.covered,
            "reached": self._reached,
            "partitions": self._partitions,
            "sources": [[partition, *values] for partition, values in self._sources.items()],
            "empty": [[partition, *astuple(empty)] for partition, empty in self._empty.items()],
            "gaps": [[partition, [list(span) for span in gaps.spans]] for partition, gaps in self._gaps.items() if gaps.spans],
            "own_gaps": [list(span) for span in self._own_gaps.spans],
            "unheard": sorted(self._unheard),
            "told": [[partition, model, counters] for partition, counts in self._told.items() for model, counters in counts.items()],
        }

    def restore(self, manifest: dict[str, Any] | None, pieces: Iterable[Piece]) -> int:
        """Take saved state into a fresh stage; returns the offset to read from."""
        if manifest is not None:
            self._end, self._partitions, self._reached = manifest["covered"], manifest["partitions"], manifest["reached"]
            self._sources = {partition: list(values) for partition, *values in manifest["sources"]}
            self._empty = {partition: EmptyPartition(*values) for partition, *values in manifest.get("empty", ())}  # earlier releases did not save it
            self._gaps = {partition: Gaps.of(spans) for partition, spans in manifest["gaps"]}
            self._own_gaps, self._unheard = Gaps.of(manifest["own_gaps"]), set(manifest["unheard"])
            for partition, model, counters in manifest["told"]:
                self._told[partition] = {**self._told.get(partition, {}), model: counters}
        for piece in pieces:
            if not self._restored(piece):
                self._deletions.append(Piece(piece.key, piece.covered, None))
        self._make_known()
        for detection in self._models.values():
            detection.recovered()
        return self._end

    def _restored(self, piece: Piece) -> bool:
        """Give a saved piece to its models; False where nobody needs it."""
        name = name_of(piece.key)
        if name is None:
            detection = self._detection(str(piece.key[1]), int(piece.key[2]))
            if detection is not None:
                detection.restore(piece)
            return detection is not None
        members = [(self._detection(str(model), int(revision)), state) for model, revision, state in piece.value]
        for detection, state in members:
            if detection is not None:
                detection.restore_shared(name, state)
        return any(detection is not None for detection, _ in members)


def _points(found: list[Detected]) -> Iterator[Point]:
    """Of each model together, and of some models at a time: their windows and cohorts are measured together. What was told is let go."""
    while found:
        some, found[:_MODELS_AT_ONCE] = found[:_MODELS_AT_ONCE], []
        ready = [point for one in some for point in (*one.points, *itertools.chain.from_iterable(map(monitor_points, one.judged)))]
        measured = (*window_points([window for one in some for window in one.windows]), *cohort_points([cohort for one in some for cohort in one.cohorts]))
        yield from sorted((*ready, *measured), key=lambda point: point.tags["model"])


_Told = TypeVar("_Told", Summary, Cohort)


def _by_revision(items: Iterable[_Told]) -> dict[tuple[str, int], list[_Told]]:
    """What is told of each revision of each model."""
    found: dict[tuple[str, int], list[_Told]] = {}
    for item in items:
        found.setdefault((item.model, item.revision), []).append(item)
    return found


def _identity(bundle: Bundle) -> tuple[int, int, int]:
    """What the parts of one bundle have in common."""
    return bundle.generation, bundle.epoch, bundle.covered
