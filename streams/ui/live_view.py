"""What the topics said of all models, within bounds; one thread writes it, others read it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from detectors.monitor import Monitor, Monitors
from detectors.point import Point
from detectors.specification import MonitorSpecification
from streams.monitor_codec import take_record
from streams.topics import Topics
from streams.ui.bounds import Bounds
from streams.ui.live_model import LiveModel
from streams.view.curves import thresholds_of
from streams.wire import decode_alert, decode_decision, decode_points, decode_version


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How far the page has come in the topics.

    Attributes
    ----------
    state : ``history`` while what was there at the start is read, ``live`` after it, ``away`` while Kafka does not answer.
    behind : records that are still to be read.
    since : of ``away``, wall-clock epoch milliseconds.
    """

    state: Literal["history", "live", "away"] = "history"
    behind: int = 0
    since: int = 0


class LiveView:
    """Models by name; hold `lock` while reading them.

    Parameters
    ----------
    topics : their names.
    bounds : how much is kept.

    Attributes
    ----------
    revision : one more with each change of anything.
    unreadable : records that could not be decoded, or hold a point that cannot be taken; the rest of what they and their topic say is shown.
    """

    def __init__(self, topics: Topics, bounds: Bounds) -> None:
        self.bounds = bounds
        self.lock = threading.RLock()
        self.models: dict[str, LiveModel] = {}
        self.reading = Reading()
        self.revision = 0
        self.unreadable = 0
        self._monitors = Monitors()
        self._thresholds: dict[str, tuple[Monitor, dict[str, float]]] = {}
        self._left_out: set[str] = set()
        self._rejected: dict[str, Point] = {}
        self._take: dict[str, Callable[[bytes | None, bytes | None], None]] = {
            topics.metrics: lambda _, value: self._points(value),
            topics.alerts: lambda _, value: self._alert(value),
            topics.versions: lambda _, value: self._version(value),
            topics.decisions: lambda _, value: self._decision(value),
            topics.monitors: self._monitor,
        }

    def take(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """Take a record of one of the topics."""
        with self.lock:
            self.revision += 1
            try:
                self._take[topic](key, value)
            except Exception:  # whoever may write to Kafka must not be able to stop the page, by whatever means
                self.unreadable += 1

    def told(self, reading: Reading) -> None:
        """Take how far the topics were read."""
        with self.lock:
            if reading != self.reading:
                self.reading = reading
                self.revision += 1

    def specification(self, model: str) -> MonitorSpecification | None:
        """The newest applied one of a model."""
        monitor = self._monitors.latest(model)
        return monitor.specification if monitor else None

    def thresholds(self, model: str) -> dict[str, float]:
        """Where the statistic of each monitor of a model becomes an alarm; found once for each revision, as that takes a while."""
        monitor = self._monitors.latest(model)
        if monitor is None:
            return {}
        known = self._thresholds.get(model)
        if known is None or known[0] is not monitor:
            known = self._thresholds[model] = (monitor, thresholds_of(monitor.specification))
        return known[1]

    @property
    def monitors(self) -> tuple[str, ...]:
        """Models for which a monitor is applied."""
        return self._monitors.models()

    @property
    def rejected(self) -> int:
        """Dead letters, as far as the newest points tell."""
        return sum(int(value) for point in self._rejected.values() if isinstance(value := point.fields.get("rejected", 0), int | float))

    def notes(self) -> list[str]:
        """Which bounds were reached, and what could not be read, in sentences."""
        notes = []
        if self._left_out:
            notes.append(f"More than {self.bounds.models} models: at least {len(self._left_out)} are not shown; start the page with a larger --max-models.")
        if self.unreadable:
            notes.append(f"{self.unreadable} records of the topics hold what could not be read, which is left out.")
        if self.rejected:
            notes.append(f"{self.rejected:,} dead letters: events that could not be read lie in inference.deadletter, each with its reason.")
        return notes

    def _model(self, name: str) -> LiveModel | None:
        model = self.models.get(name)
        if model is None:
            if len(self.models) >= self.bounds.models:
                if len(self._left_out) < self.bounds.models:
                    self._left_out.add(name)
                return None
            model = self.models[name] = LiveModel(name, self.bounds)
        return model

    def _points(self, value: bytes | None) -> None:
        unreadable = False
        for point in decode_points(value or b""):
            try:
                self._point(point)
            except Exception:  # one point hides no other
                unreadable = True
        self.unreadable += unreadable

    def _point(self, point: Point) -> None:
        if point.measurement == "source" and point.model is None:
            self._rejected[point.tags.get("partition", "")] = point
        elif point.measurement != "source" and point.model is not None and (model := self._model(point.model)) is not None:
            model.take_point(point)

    def _alert(self, value: bytes | None) -> None:
        alert = decode_alert(value or b"")
        model = self._model(alert.model)
        if model is not None:
            model.take_alert(alert)

    def _version(self, value: bytes | None) -> None:
        version = decode_version(value or b"")
        model = self._model(version.model)
        if model is not None:
            model.take_version(version)

    def _decision(self, value: bytes | None) -> None:
        decision = decode_decision(value or b"")
        model = self._model(decision.model)
        if model is not None:
            model.take_decision(decision)

    def _monitor(self, key: bytes | None, value: bytes | None) -> None:
        if take_record(self._monitors, key, value):
            self.unreadable += 1
        for name in self._monitors.models():
            model = self._model(name)
            if model is not None:
                model.revision += 1


def now() -> int:
    """Wall-clock time, epoch milliseconds: of the page itself, never of what it shows."""
    return time.time_ns() // 1_000_000
