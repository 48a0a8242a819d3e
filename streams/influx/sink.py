"""`driftwarden influx sink`: points from ``monitoring.metrics``, alerts and versions into InfluxDB.

A point's place is its measurement, tags and time, so writing it twice changes nothing; offsets are committed when InfluxDB has acknowledged what lies
before them. What was read goes out in rounds, of a request in each lane; while one is under way the next waits behind it, and a third is gathered. Where that one is full, too,
nothing more is read: Kafka holds what comes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from detectors.errors import EventError
from streams.connection import KafkaConnection
from streams.group_commits import GroupCommits
from streams.influx.annotations import alert_point, version_point
from streams.influx.lanes import Lanes
from streams.influx.lines import Latest, LineWriter, Told
from streams.influx.settings import InfluxSettings
from streams.influx.writer import InfluxWriter
from streams.subscription import subscribe
from streams.telemetry.consumer_lag import tell_lag
from streams.telemetry.figures import Figures
from streams.wire import decode_alert, decode_version

logger = logging.getLogger(__name__)

POLL_MILLISECONDS = 50
POLL_AT_LEAST_EVERY = 1.0  # seconds: a consumer that does not poll hears nothing of its group, and is taken for dead in the end
ROUNDS = 2  # one under way, and one behind it
COMMIT_AGAIN_AFTER = 1.0  # seconds
ASK_EVERY = 10.0  # seconds without a request after which InfluxDB is asked whether it is there
RECORDS_AT_ONCE = 100
FETCH_BYTES = 4 * 2**20

FIGURES_EVERY = 2.0  # seconds between two looks at what is told of the process itself

Place = dict[TopicPartition, OffsetAndMetadata]


@dataclass(frozen=True, kw_only=True)
class _Round:
    """Points that went out together, and the place in the topics that is reached when all of them are written."""

    requests: list[Future[bool]]
    place: Place
    points: int

    @property
    def is_done(self) -> bool:
        return all(request.done() for request in self.requests)


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
        self._latest = Latest(remembered=settings.max_final)
        self._lanes = Lanes(settings.requests, self._writer.write)
        self._told: list[Told] = []
        self._place: Place = {}
        self._read: dict[TopicPartition, int] = {}
        self._since = self._polled_at = 0.0
        self._rounds: deque[_Round] = deque()
        self._reached: Place = {}  # is written, and not committed
        self._commit_at = 0.0
        self._was_answered = False
        self._answer: Future[bool] | None = None
        self._asked_at = 0.0
        self._consumer = KafkaConsumer(
            **connection.client_arguments(),
            group_id=connection.group(settings.group),
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
        """Points that were read, and are not acknowledged."""
        return len(self._told) + sum(one.points for one in self._rounds)

    def run(self) -> None:
        """Read and write until told to stop; a refusal of InfluxDB ends the process with nothing acknowledged."""
        subscribe(self._consumer, list(self._told_of))
        try:
            while not self._stopping.is_set():
                self._read_on()
                self._settle()
                if len(self._rounds) < ROUNDS and self._is_due:
                    self._begin()
                self._tell()
            if self._settle(to_the_end=True):
                self._begin()
                self._settle(to_the_end=True)
        finally:
            self._stopping.set()  # also where an error ends it: a request that is tried again would be waited for
            self._lanes.close()
            self._consumer.close(autocommit=False)
            self._writer.close()

    @property
    def _is_full(self) -> bool:
        return len(self._told) >= self._settings.batch_points

    @property
    def _is_due(self) -> bool:
        return self._is_full or bool(self._place and time.monotonic() - self._since >= self._settings.flush_after / 1000)

    def _read_on(self) -> None:
        """What there is; nothing where enough waits, but then a request may end."""
        if self._is_full and time.monotonic() - self._polled_at < POLL_AT_LEAST_EVERY:
            wait([request for one in self._rounds for request in one.requests if not request.done()], POLL_MILLISECONDS / 1000, FIRST_COMPLETED)
        else:
            self._poll()

    def _poll(self) -> None:
        self._polled_at = time.monotonic()
        held = self._consumer.assignment() if self._is_full else set()
        self._consumer.pause(*held)
        polled = self._consumer.poll(0 if held else POLL_MILLISECONDS)
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
        points = self._latest.of(self._told)
        self._rounds.append(_Round(requests=self._lanes.send(points), place=self._place, points=len(points)))
        self._told, self._place = [], {}

    def _settle(self, *, to_the_end: bool = False) -> bool:
        """Commit what the rounds held that InfluxDB has, up to the first that it has not; whether that is all of them.

        Parameters
        ----------
        to_the_end : whether to wait for all.
        """
        if to_the_end:
            wait([request for one in self._rounds for request in one.requests])
        for request in [request for one in self._rounds for request in one.requests if request.done()]:
            request.result()  # a refusal for good ends the process
        while self._rounds and self._rounds[0].is_done and all(request.result() for request in self._rounds[0].requests):
            written = self._rounds.popleft()
            self._reached |= written.place
            self._was_answered |= bool(written.requests)
        if self._reached and (to_the_end or time.monotonic() >= self._commit_at):
            mine = {partition: offset for partition, offset in self._reached.items() if partition in self._consumer.assignment()}  # others were given away: they are written again
            done = not mine or self._commits.commit(self._consumer, mine)
            self._reached, self._commit_at = ({}, 0.0) if done else (mine, time.monotonic() + COMMIT_AGAIN_AFTER)
        return not self._rounds

    def _tell(self) -> None:
        """Figures, and whether InfluxDB takes points; where none are sent, it is asked."""
        now = time.monotonic()
        if self._rounds:
            self._asked_at = now
        elif now - self._asked_at >= ASK_EVERY and (self._answer is None or self._answer.done()):
            self._asked_at, self._answer = now, self._lanes.ask(self._writer.ask)
        if self._writer.away:
            self._figures.waits_for = f"InfluxDB does not take points ({self._writer.away}); {self.held} that were read wait, and Kafka holds what comes"
        elif self._was_answered or (self._answer is not None and self._answer.done()):
            self._figures.waits_for = ""
        if now - self._figures_at >= FIGURES_EVERY:
            self._figures_at = now
            self._tell_figures()

    def _tell_figures(self) -> None:
        now = Counter(influx_points_written=self.written, influx_points_left_out=self.left_out, influx_requests_rejected=self.rejected)
        for name, count in (now - self._figures_told).items():
            self._figures.count(name, by=count)
        self._figures_told = now
        self._figures.set("influx_points_waiting", self.held)
        tell_lag(self._figures, self._consumer, self._read)
