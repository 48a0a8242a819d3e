"""The background half of `Publisher`: takes events from its queue, and gets them to Kafka whatever happens to the broker.

kafka-python's idempotent producer is unusable after any refusal, and fails every record it holds, good ones too. So a refusal makes a new
producer, and the failed records are sent one by one: only those that are refused again are given up.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from streams.published_event import Advance, Event, SourceRecord, control_records, records_of
from streams.unreachable import what_to_do

if TYPE_CHECKING:
    from streams.connection import KafkaConnection

_log = logging.getLogger("driftwarden.publisher")

_MAX_RECORD_BYTES = 262_144  # a quarter of the broker's limit: headers and a largest event on top stay below it
_EVENTS_AT_ONCE = 5_000
_MAX_RECORDS_IN_FLIGHT = 500
_ANSWER_SECONDS = 30.0
_PAUSE_SECONDS = (0.1, 2.0)  # between attempts to reach a broker, doubling

Packed = tuple[list[SourceRecord], list[Exception]]
"""Records, and an error for each event that has no form on the wire."""


@dataclass
class _Parts:
    """Control records of one call of `advance` that are still under way; the call is settled with the last."""

    left: int


def _settles(record: SourceRecord, whole: _Parts | None) -> int:
    if whole is None:
        return record.events
    whole.left -= 1
    return 1 if whole.left == 0 else 0


class Delivery:
    """One thread that empties a queue into ``inference.events``."""

    def __init__(
        self, connection: KafkaConnection, queue: deque[Event | Advance], *, linger: float, span: int, compression: str | None = None, pack: Callable[..., Packed] = records_of
    ) -> None:
        self._compression = compression
        self._pack = pack
        self._connection = connection
        self._topic = connection.topics.inference_events
        self._queue = queue
        self._linger = linger
        self._span = span
        self.sent = 0
        self.failed = 0
        self.settled = 0
        self.last_error: str | None = None
        self.last_refusal: str | None = None
        self._changed = threading.Condition()
        self._hurry = threading.Event()
        self._stopping = False
        self._abandoned = False
        self._in_flight = 0
        self._numbers = itertools.count()
        self._returned: list[tuple[int, SourceRecord, _Parts | None]] = []
        self._producer: Any = None
        self._thread = threading.Thread(target=self._run, name="driftwarden-publisher", daemon=True)
        self._thread.start()

    def wait_for(self, accepted: int, timeout: float | None) -> bool:
        """Wait until so many queued entries were settled."""
        self._hurry.set()
        with self._changed:
            return self._changed.wait_for(lambda: self.settled >= accepted, timeout)

    def close(self, accepted: int, timeout: float) -> int:
        """Settle what was accepted, stop, and return how many entries are left."""
        self.wait_for(accepted, timeout)
        with self._changed:
            left = accepted - self.settled
            self._stopping = True
            self._abandoned = left > 0
            self._changed.notify_all()
        self._hurry.set()
        self._thread.join(1.0 if self._abandoned else 5.0)
        return left

    def _run(self) -> None:
        while not self._stopping:
            self._hurry.wait(self._linger)
            self._hurry.clear()
            try:
                while (self._queue or self._returned) and not self._abandoned:
                    self._step()
            except Exception as error:  # the thread must outlive whatever a client raises, or the queue would fill for ever
                self.last_error = f"{type(error).__name__}: {error}"
                _log.exception("publishing failed; trying again")
                self._drop_producer()
                time.sleep(_PAUSE_SECONDS[0])
        self._drop_producer()

    def _step(self) -> None:
        partitions = self._partitions()
        if partitions == 0:
            return
        if self._returned:
            self._send_again()
            return
        events: list[Event] = []
        advance: Advance | None = None
        while self._queue and len(events) < _EVENTS_AT_ONCE and advance is None:
            entry = self._queue.popleft()
            if isinstance(entry, Advance):
                advance = entry
            else:
                events.append(entry)
        records, errors = self._pack(events, partitions=partitions, now=time.time_ns() // 1_000_000, span=self._span, max_bytes=_MAX_RECORD_BYTES)
        for error in errors:
            self._refused(1, error, settles=1)
        for record in records:
            self._send(next(self._numbers), record, None)
        if advance is not None:
            self._advance(advance.timestamp, partitions)

    def _advance(self, timestamp: int, partitions: int) -> None:
        try:
            records = control_records(timestamp, partitions=partitions)
        except (TypeError, ValueError) as error:
            self._refused(0, error, settles=1)
            return
        whole = _Parts(partitions)
        for record in records:
            self._send(next(self._numbers), record, whole)

    def _partitions(self) -> int:
        pause = _PAUSE_SECONDS[0]
        while not self._abandoned:
            try:
                if self._producer is None:
                    self._producer = KafkaProducer(
                        **self._connection.client_arguments(),
                        acks="all",
                        enable_idempotence=True,
                        compression_type=self._compression,
                        linger_ms=5,
                        batch_size=_MAX_RECORD_BYTES * 2,
                        max_block_ms=5_000,
                        bootstrap_timeout_ms=5_000,
                        allow_auto_create_topics=False,
                    )
                found = self._producer.partitions_for(self._topic)
                if found:
                    return len(found)
                story = f"topic {self._topic} does not exist on {self._connection.bootstrap}; make it with: driftwarden topics apply"
            except KafkaError as error:
                story = f"Kafka on {self._connection.bootstrap} cannot be reached ({type(error).__name__}); {what_to_do(self._connection, error)}"
            if story != self.last_error:
                _log.warning("%s; events wait, and are dropped when the queue is full", story)
            self.last_error = story
            self._drop_producer()
            with self._changed:
                self._changed.wait_for(lambda: self._abandoned, pause)
            pause = min(pause * 2, _PAUSE_SECONDS[1])
        return 0

    def _send(self, number: int, record: SourceRecord, whole: _Parts | None) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._in_flight < _MAX_RECORDS_IN_FLIGHT or self._abandoned)
            self._in_flight += 1
        try:
            future = self._producer.send(self._topic, record.value, key=record.key, partition=record.partition, timestamp_ms=record.timestamp)
        except Exception as error:  # kafka-python raises assertions and AttributeErrors of its own, too
            self._came_back(number, record, whole, error)
        else:
            future.add_callback(lambda _: self._acknowledged(record, whole))
            future.add_errback(lambda error: self._came_back(number, record, whole, error))

    def _acknowledged(self, record: SourceRecord, whole: _Parts | None) -> None:
        with self._changed:
            self._in_flight -= 1
            self._count_sent(record, whole)

    def _count_sent(self, record: SourceRecord, whole: _Parts | None) -> None:
        self.sent += record.events
        self.settled += _settles(record, whole)
        self._changed.notify_all()

    def _came_back(self, number: int, record: SourceRecord, whole: _Parts | None, error: BaseException) -> None:
        with self._changed:
            self._in_flight -= 1
            self.last_error = f"{type(error).__name__}: {error}"
            heapq.heappush(self._returned, (number, record, whole))
            self._changed.notify_all()

    def _send_again(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._in_flight == 0 or self._abandoned, _ANSWER_SECONDS)
        self._drop_producer()
        while self._returned and not self._abandoned:
            if self._partitions() == 0:
                return
            _, record, whole = self._returned[0]
            try:
                self._producer.send(self._topic, record.value, key=record.key, partition=record.partition, timestamp_ms=record.timestamp).get(_ANSWER_SECONDS)
            except KafkaError as error:
                self._drop_producer()
                if not error.retriable:
                    heapq.heappop(self._returned)
                    self._refused(record.events, error, settles=_settles(record, whole))
                continue
            heapq.heappop(self._returned)
            with self._changed:
                self._count_sent(record, whole)

    def _refused(self, events: int, error: Exception, *, settles: int) -> None:
        with self._changed:
            self.failed += events
            self.settled += settles
            self.last_error = self.last_refusal = f"{type(error).__name__}: {error}"
            self._changed.notify_all()
        _log.warning("%d events were refused: %s", events, self.last_error)

    def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(Exception):  # it is given up either way
                producer.close(timeout=0 if self._abandoned else 5)
