"""The detect stage on Kafka: bundles of ``monitoring.summaries`` in, metric points and alerts out."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, get_args

from detectors.alerts.alert import Alert, Severity
from detectors.detect import Detect
from detectors.monitor import Monitors
from detectors.piece import Piece
from detectors.point import Point
from detectors.references.stream_reference import Learnt
from streams.bundle_codec import decode_bundle
from streams.source_records import SourceRecords
from streams.stage_run import Epoch, Output
from streams.telemetry.figures import FigureCounts
from streams.topics import Topics
from streams.wire import encode_alert, encode_points

logger = logging.getLogger(__name__)

POINTS_PER_RECORD = 500
TRAFFIC_FIGURES = {"predictions": "predictions", "labels": "labels", "duplicates": "duplicate_events", "late": "late_events", "given_up": "state_given_up"}
"""Which figure a field of closed panes' traffic is counted by."""

MAX_ALERT_BYTES = 900_000  # below Kafka's default limit of a record; the bins of more than some 150 columns would stop the worker


class DetectDriver:
    """One partition of the summaries topic.

    Parameters
    ----------
    take_learnt : is given references that are complete, to put them in force.
    """

    def __init__(self, *, partition: int, monitors: Monitors, topics: Topics, take_learnt: Callable[[Learnt], None]) -> None:
        self._partition = partition
        self._topics = topics
        self._stage = Detect(monitors)
        self._take_learnt = take_learnt
        self._changed = False
        self.counts = FigureCounts()

    @property
    def covered(self) -> int:
        """Offset up to which bundles are in the state."""
        return self._stage.covered

    @property
    def pressing(self) -> bool:
        """Whether bundles have come: a source partition writes them once an epoch, and to wait again would be to wait twice."""
        return self._changed

    @property
    def untold(self) -> int:
        """Bytes, about, of what the next flush tells."""
        return self._stage.untold

    @property
    def gauges(self) -> dict[tuple[str, ...], float]:
        """What holds now, by the figure's name and the values of its labels."""
        severities = self._stage.open_severities
        return {("alerts_open", severity): severities.count(severity) for severity in get_args(Severity)}

    def restore(self, manifest: dict[str, Any] | None, pieces: Iterable[Piece]) -> int:
        """Take saved state."""
        return self._stage.restore(manifest, pieces)

    def manifest(self) -> dict[str, Any]:
        """What ends an epoch."""
        return self._stage.manifest()

    def absorb(self, records: SourceRecords, end: int) -> None:
        """Decode and merge."""
        del end  # the stage counts by the bundles' own offsets
        for offset, value in zip(records.offsets.tolist(), records.values, strict=True):
            self._stage.absorb(decode_bundle(value or b"", f"bundle {self._topics.summaries}[{self._partition}]@{offset}"), offset)
        self._changed = True

    def skip(self, end: int, *, missed: bool) -> None:
        """Go on behind bundles that are not in the log any more."""
        self._stage.skip(end, missed=missed)

    def flush(self, *, generation: int, epoch: int, at_end: bool, idle: int) -> Epoch | None:
        """Points and alerts, keyed by their model."""
        del generation, epoch, at_end, idle  # event time comes with the bundles
        if not self._changed:
            return None
        self._changed = False
        flushed = self._stage.flush()
        for refused in flushed.refused:
            logger.error("%s", refused)
        for learnt in flushed.learnt:
            self._take_learnt(learnt)
        outputs = itertools.chain(self._alerts(flushed.alerts), self._points(flushed.points))
        return Epoch(covered=flushed.covered, outputs=outputs, pieces=flushed.pieces, manifest=self._stage.manifest())

    def _alerts(self, alerts: Iterable[Alert]) -> Iterable[Output]:
        for alert in alerts:
            self.counts["alert_records", alert.status, alert.severity] += 1
            yield Output(topic=self._topics.alerts, key=alert.model.encode(), value=encode_alert(alert, max_bytes=MAX_ALERT_BYTES), partition=self._partition)

    def _points(self, points: Iterable[Point]) -> Iterable[Output]:
        for model, mine in itertools.groupby(points, key=attrgetter("model")):
            while some := list(itertools.islice(mine, POINTS_PER_RECORD)):
                self._count(some)
                yield Output(topic=self._topics.metrics, key=model.encode() if model else None, value=encode_points(some), partition=self._partition)

    def _count(self, points: list[Point]) -> None:
        self.counts["points",] += len(points)
        for point in points:
            if point.measurement == "traffic" and point.fields["final"]:
                for field, figure in TRAFFIC_FIGURES.items():
                    if point.fields[field]:
                        self.counts[figure, point.tags["model"]] += int(point.fields[field])
