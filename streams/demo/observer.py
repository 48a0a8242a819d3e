"""Reads what Driftwarden says, from its topics, as any dashboard would."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from kafka import KafkaConsumer, TopicPartition

from detectors.alerts.alert import Alert
from detectors.point import Point, PointKey
from retrainer.versions import Version
from streams.connection import KafkaConnection
from streams.wire import decode_alert, decode_points, decode_version

POLL_MILLISECONDS = 200


class Observer:
    """Follows metrics, alerts and versions in a thread; a record that is delivered twice counts once.

    Read the attributes at any time; they only grow.
    """

    def __init__(self, connection: KafkaConnection) -> None:
        self._names = connection.topics
        self._consumer = KafkaConsumer(**connection.client_arguments(), enable_auto_commit=False, auto_offset_reset="earliest", isolation_level="read_committed")
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._points: dict[PointKey, Point] = {}
        self._newest: dict[tuple[str, tuple[tuple[str, str], ...]], Point] = {}
        self._alerts: dict[tuple[str, int], Alert] = {}
        self._versions: dict[tuple[str, str], Version] = {}
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            topics = (self._names.metrics, self._names.alerts, self._names.versions)
            partitions = [TopicPartition(topic, number) for topic in topics for number in sorted(self._consumer.partitions_for_topic(topic) or ())]
            self._consumer.assign(partitions)
            self._consumer.seek_to_beginning(*partitions)
            while not self._stopping.is_set():
                for partition, records in self._consumer.poll(POLL_MILLISECONDS).items():
                    for record in records:
                        self._take(partition.topic, record.value)
        except Exception as error:  # told by the main thread, which looks for it
            self.error = error
        finally:
            self._consumer.close()

    def _take(self, topic: str, value: bytes) -> None:
        with self._lock:
            if topic == self._names.alerts:
                alert = decode_alert(value)
                self._alerts.setdefault((alert.alert_id, alert.sequence), alert)
            elif topic == self._names.versions:
                version = decode_version(value)
                self._versions[version.version, version.status] = version
            else:
                self._take_points(decode_points(value))

    def _take_points(self, points: Iterable[Point]) -> None:
        for point in points:
            measurement, tags, time = key = point.key
            if not point.replaces(self._points.get(key)):
                continue
            self._points[key] = point
            newest = self._newest.get((measurement, tags))
            if newest is None or newest.time <= time:
                self._newest[measurement, tags] = point

    def stop(self) -> None:
        """Read no more."""
        self._stopping.set()
        self._thread.join(5)

    @property
    def points(self) -> list[Point]:
        """All points, of each the last, or the final one."""
        with self._lock:
            return list(self._points.values())

    @property
    def alerts(self) -> list[Alert]:
        """Alert records in the order in which they came."""
        with self._lock:
            return list(self._alerts.values())

    @property
    def versions(self) -> list[Version]:
        """Version records in the order in which they came."""
        with self._lock:
            return list(self._versions.values())

    def newest(self, measurement: str) -> list[Point]:
        """The newest point of each series of a measurement."""
        with self._lock:
            return [point for (name, _), point in self._newest.items() if name == measurement]

    def final_panes(self) -> set[int]:
        """Starts of the panes of which nothing is provisional any more."""
        with self._lock:
            traffic = [(time, bool(point.fields["final"])) for (name, _, time), point in self._points.items() if name == "traffic"]
        return {time for time, _ in traffic} - {time for time, final in traffic if not final}

    def total(self, field: str) -> int:
        """Sum of a counter over all closed panes."""
        with self._lock:
            return sum(int(point.fields[field]) for (name, _, _), point in self._points.items() if name == "traffic" and point.fields["final"])
