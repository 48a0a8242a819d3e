"""The detect stage on Kafka: bundles of ``monitoring.summaries`` in, metric points and alerts out."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from detectors.alerts.alert import Alert
from detectors.detect import Detect
from detectors.monitor import Monitors
from detectors.piece import Piece
from detectors.point import Point
from streams.bundle_codec import decode_bundle
from streams.source_records import SourceRecords
from streams.stage_run import Epoch, Output
from streams.topics import Topics
from streams.wire import encode_alert, encode_points

logger = logging.getLogger(__name__)

POINTS_PER_RECORD = 500
MAX_ALERT_BYTES = 900_000  # below Kafka's default limit; more bins than those of some 150 columns would stop the worker


class DetectDriver:
    """One partition of the summaries topic."""

    def __init__(self, *, partition: int, monitors: Monitors, topics: Topics) -> None:
        self._partition = partition
        self._topics = topics
        self._stage = Detect(monitors)
        self._changed = False

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
        outputs = itertools.chain(self._alerts(flushed.alerts), self._points(flushed.points))
        return Epoch(covered=flushed.covered, outputs=outputs, pieces=flushed.pieces, manifest=self._stage.manifest())

    def _alerts(self, alerts: Iterable[Alert]) -> Iterable[Output]:
        for alert in alerts:
            yield Output(topic=self._topics.alerts, key=alert.model.encode(), value=encode_alert(alert, max_bytes=MAX_ALERT_BYTES), partition=self._partition)

    def _points(self, points: Iterable[Point]) -> Iterable[Output]:
        for model, mine in itertools.groupby(points, key=attrgetter("model")):
            while some := list(itertools.islice(mine, POINTS_PER_RECORD)):
                yield Output(topic=self._topics.metrics, key=model.encode() if model else None, value=encode_points(some), partition=self._partition)
