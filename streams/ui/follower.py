"""Reads the topics of the live page in a thread, from the past on, without a group."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from detectors.errors import DriftwardenError
from detectors.rfc3339 import format_time
from streams.connection import KafkaConnection
from streams.telemetry.figures import Figures
from streams.ui.live_view import LiveView, Reading, now
from streams.unreachable import explained

logger = logging.getLogger(__name__)

POLL_MILLISECONDS = 200
BOOTSTRAP_MILLISECONDS = 10_000
ENDS_EVERY = 5.0  # seconds between looks at how far the topics go, which is also how an absent Kafka is noticed
ENDS_WITHIN_MILLISECONDS = 3_000


class Follower:
    """Follows metrics, alerts, versions, decisions and monitors into a view.

    Alerts, versions, decisions and monitors are read whole; of metrics the newest `Bounds.history` records of each partition.

    Parameters
    ----------
    connection : how to reach Kafka.
    view : that takes what comes.
    failed : called when something of our own went wrong; `error` says what.
    figures : take what it tells of itself; default: nobody looks at them.

    Raises
    ------
    DriftwardenError
        If Kafka does not answer, or a topic does not exist.
    """

    def __init__(self, connection: KafkaConnection, view: LiveView, *, failed: Callable[[], None], figures: Figures | None = None) -> None:
        self._view = view
        self._figures = figures or Figures("ui", "ui")
        self._unreadable = 0
        self._failed = failed
        self.error: Exception | None = None
        self._stopping = threading.Event()
        with explained(connection):
            self._consumer = KafkaConsumer(
                **connection.client_arguments(),
                enable_auto_commit=False,
                auto_offset_reset="earliest",  # what was deleted while we read is not waited for
                isolation_level="read_committed",
                allow_auto_create_topics=False,
                bootstrap_timeout_ms=BOOTSTRAP_MILLISECONDS,
            )
            try:
                self._ends = self._assign(connection)
            except BaseException:
                self._consumer.close()
                raise
        self._thread = threading.Thread(target=self._run, name="driftwarden-ui-follower", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Read no more."""
        self._stopping.set()
        self._thread.join(10.0)

    def _assign(self, connection: KafkaConnection) -> dict[TopicPartition, int]:
        names = connection.topics
        partitions = []
        for topic in (names.monitors, names.versions, names.decisions, names.alerts, names.metrics):
            found = [TopicPartition(topic, number) for number in sorted(self._consumer.partitions_for_topic(topic) or ())]
            if not found:
                raise DriftwardenError(f"topic {topic} does not exist on {connection.bootstrap}; make it with: driftwarden topics apply")
            partitions += found
        self._consumer.assign(partitions)
        self._consumer.seek_to_beginning(*partitions)
        beginnings, ends = self._consumer.beginning_offsets(partitions), self._consumer.end_offsets(partitions)
        for partition in partitions:
            if partition.topic == names.metrics:
                self._consumer.seek(partition, max(beginnings[partition], ends[partition] - self._view.bounds.history))
        return dict(ends)

    def _run(self) -> None:
        try:
            self._follow()
        except Exception as error:  # told by the process, which ends with it: a page that stands still would say that all is well
            self.error = error
            self._failed()
        finally:
            self._consumer.close()

    def _follow(self) -> None:
        looked = time.monotonic()
        away_since = 0
        history = True
        while not self._stopping.is_set():
            try:
                for partition, records in self._consumer.poll(POLL_MILLISECONDS).items():
                    for record in records:
                        self._view.take(partition.topic, record.key, record.value)
                    self._figures.take(Counter({("records",): len(records)}), (partition.topic, str(partition.partition)))
                if time.monotonic() - looked >= ENDS_EVERY:
                    looked = time.monotonic()
                    self._ends = self._consumer.end_offsets(list(self._ends), timeout_ms=ENDS_WITHIN_MILLISECONDS)
                    away_since = 0
                    self._tell_figures()
                behind = sum(max(0, end - self._position(partition)) for partition, end in self._ends.items()) if history else 0
                history = behind > 0
                if not away_since:
                    self._view.told(Reading(state="history" if history else "live", behind=behind))
                    self._figures.waits_for = f"the history is being read: {behind} records are left" if history else ""
            except KafkaError as error:
                away_since = away_since or now()
                logger.warning("Kafka does not answer (%s); what is shown stands still until it does", type(error).__name__)
                self._view.told(Reading(state="away", since=away_since))
                self._figures.waits_for = f"Kafka does not answer since {format_time(away_since)}"
                self._stopping.wait(1.0)

    def _tell_figures(self) -> None:
        for partition, end in self._ends.items():
            self._figures.set("consumer_lag_records", max(0, end - self._position(partition)), partition.topic, str(partition.partition))
        self._figures.set("models", len(self._view.monitors))
        self._figures.count("unreadable_records", by=self._view.unreadable - self._unreadable)
        self._unreadable = self._view.unreadable

    def _position(self, partition: TopicPartition) -> int:
        position: Any = self._consumer.position(partition, timeout_ms=ENDS_WITHIN_MILLISECONDS)
        return int(position or 0)
