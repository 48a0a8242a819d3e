"""`driftwarden influx sink`: points from ``monitoring.metrics``, alerts and versions into InfluxDB.

A point's place is its measurement, tags and time, so writing it twice changes nothing; offsets are committed when InfluxDB has acknowledged what lies
before them. One request is under way while the next is gathered. Where that one is full, too, nothing more is read: Kafka holds what comes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from detectors.errors import EventError
from streams.connection import KafkaConnection
from streams.group_commits import GroupCommits
from streams.influx.annotations import alert_point, version_point
from streams.influx.lines import Latest, LineWriter, Told
from streams.influx.settings import InfluxSettings
from streams.influx.writer import InfluxWriter
from streams.subscription import subscribe
from streams.telemetry.consumer_lag import tell_lag
from streams.telemetry.figures import Figures
from streams.wire import decode_alert, decode_version

logger = logging.getLogger(__name__)

POLL_MILLISECONDS = 50
RECORDS_AT_ONCE = 100
FETCH_BYTES = 4 * 2**20
REMEMBERED = 100_000  # final points: a worker that was replaced and goes on for its session's time restates fewer

FIGURES_EVERY = 2.0  # seconds between two looks at what is told of the process itself

Place = dict[TopicPartition, OffsetAndMetadata]


class InfluxSink:
    """Writes the points of an installation.

    Several may run: they share the partitions.

    Parameters
    ----------
    connection : how to reach Kafka.
    settings : how to reach InfluxDB.
    stopping : ends it.
    figures : take what it tells of itself; default: nobody looks at them.
    """

    def __init__(self, connection: KafkaConnection, settings: InfluxSettings, stopping: threading.Event, figures: Figures | None = None) -> None:
        names = connection.topics
        self._lines = LineWriter(max_series=settings.max_series)
        self._told_of: dict[str, Callable[[bytes], list[Told]]] = {
            names.metrics: self._lines.of_record,
            names.alerts: lambda value: self._lines.of([alert_point(decode_alert(value))]),
            names.versions: lambda value: self._lines.of([version_point(decode_version(value))]),
        }
        self._figures = figures or Figures("influx-sink", settings.group)
        self._figures_told: Counter[str] = Counter()
        self._figures_at = 0.0
        self._settings = settings
        self._stopping = stopping
        self._writer = InfluxWriter(settings, stopping)
        self._commits = GroupCommits("the InfluxDB sink")
        self._latest = Latest(remembered=REMEMBERED)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="influx")
        self._told: list[Told] = []
        self._place: Place = {}
        self._read: dict[TopicPartition, int] = {}
        self._since = 0.0
        self._under_way: tuple[Future[bool], Place] | None = None
        self._consumer = KafkaConsumer(
            **connection.client_arguments(),
            group_id=settings.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=RECORDS_AT_ONCE,
            fetch_max_bytes=FETCH_BYTES,
            max_partition_fetch_bytes=FETCH_BYTES,
        )

    @property
    def written(self) -> int:
        """Points that InfluxDB has acknowledged."""
        return self._writer.written

    @property
    def rejected(self) -> int:
        """Requests, or single points, that InfluxDB refused at least a part of."""
        return self._writer.rejected

    @property
    def left_out(self) -> int:
        """Points of series beyond ``max_series``."""
        return self._lines.left_out

    @property
    def held(self) -> int:
        """Points that wait for the request under way."""
        return len(self._told)

    def run(self) -> None:
        """Read and write until told to stop; a refusal of InfluxDB ends the process with nothing acknowledged."""
        subscribe(self._consumer, list(self._told_of))
        try:
            while not self._stopping.is_set():
                self._poll()
                self._figures.waits_for = ""
                if time.monotonic() - self._figures_at >= FIGURES_EVERY:
                    self._tell_figures()
                if self._under_way is not None and self._under_way[0].done():
                    self._settle()
                if self._under_way is None and (self._is_full or (self._place and time.monotonic() - self._since >= self._settings.flush_after / 1000)):
                    self._begin()
            if self._settle():
                self._begin()
                self._settle()
        finally:
            self._thread.shutdown()
            self._consumer.close(autocommit=False)
            self._writer.close()

    @property
    def _is_full(self) -> bool:
        return len(self._told) >= self._settings.batch_points

    def _poll(self) -> None:
        """What there is; nothing where enough waits. A consumer that does not poll is taken for dead, so it does, without partitions."""
        held = self._consumer.assignment() if self._is_full else set()
        self._consumer.pause(*held)
        polled = self._consumer.poll(POLL_MILLISECONDS)
        self._consumer.resume(*(held & self._consumer.assignment()))
        if polled and not self._place:
            self._since = time.monotonic()
        for partition, records in polled.items():
            for record in records:
                self._take(record)
            self._read[partition] = records[-1].offset + 1
            self._place[partition] = OffsetAndMetadata(self._read[partition], "", -1)

    def _take(self, record: Any) -> None:
        before = self.left_out
        try:
            self._told += self._told_of[record.topic](record.value or b"")
        except EventError as error:
            logger.warning("%s[%d], offset %d: a record that cannot be read is left out: %s", record.topic, record.partition, record.offset, error)
        if self.left_out > before == 0:
            most = self._settings.max_series
            logger.warning("more than %d series: points of further ones are left out; set DRIFTWARDEN_INFLUX_MAX_SERIES, or watch fewer segments and features", most)

    def _begin(self) -> None:
        """Send what waits."""
        lines = self._latest.of(self._told)
        self._told, place, self._place = [], self._place, {}
        self._under_way = self._thread.submit(self._writer.write, lines) if lines else _nothing_to_do(), place

    def _tell_figures(self) -> None:
        self._figures_at = time.monotonic()
        now = Counter(influx_points_written=self.written, influx_points_left_out=self.left_out, influx_requests_rejected=self.rejected)
        for name, count in (now - self._figures_told).items():
            self._figures.count(name, by=count)
        self._figures_told = now
        self._figures.set("influx_points_waiting", self.held)
        tell_lag(self._figures, self._consumer, self._read)

    def _settle(self) -> bool:
        """Commit what the request under way held, when InfluxDB has it. Where it has not, what came later must not be committed either."""
        if self._under_way is None:
            return True
        future, place = self._under_way
        if not future.result():
            return False
        mine = {partition: offset for partition, offset in place.items() if partition in self._consumer.assignment()}  # others were given away: they are written again
        if mine and not self._commits.commit(self._consumer, mine):
            self._place, self._since = mine | self._place, time.monotonic()
        self._under_way = None
        return True


def _nothing_to_do() -> Future[bool]:
    done: Future[bool] = Future()
    done.set_result(True)
    return done
