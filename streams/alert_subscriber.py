"""`AlertSubscriber`: every record in the life of every alert, once."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Collection, Iterator
from types import TracebackType
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from detectors.alerts.alert import Alert
from detectors.errors import DriftwardenError, EventError
from streams.connection import KafkaConnection, connect
from streams.subscription import subscribe
from streams.unreachable import explained
from streams.wire import decode_alert

_log = logging.getLogger("driftwarden.alerts")

_POLL_MILLISECONDS = 200
_CLOSING_MILLISECONDS = 5_000  # to remember the place where the broker is slow, or away


class AlertSubscriber:
    """Iterates over alerts as they come. Kafka delivers at least once; a record whose ``(alert_id, sequence)`` was seen is skipped.

    An iteration that was left can be taken up again: the next one begins with the alert after the last.

    Parameters
    ----------
    bootstrap : host:port of Kafka; default ``$DRIFTWARDEN_BOOTSTRAP``.
    models : only alerts of these models; default: all.
    group : consumer group that shares the alerts and remembers its place: an alert counts as taken when the next one is asked for. The topic prefix is not put before it.
        Default: none, every subscriber sees all.
    from_beginning : start with the oldest alert kept, not with what comes from now on (for a group: where it has no place yet).
    idle : end the iteration when all that is there was read and nothing came for so many seconds; default: never.
    remembered : number of latest records by which repetitions are known.
    connection, topic_prefix : instead of those from the environment.
    """

    def __init__(
        self,
        bootstrap: str | None = None,
        *,
        models: Collection[str] | None = None,
        group: str | None = None,
        from_beginning: bool = False,
        idle: float | None = None,
        remembered: int = 100_000,
        connection: KafkaConnection | None = None,
        topic_prefix: str | None = None,
    ) -> None:
        if remembered < 1:
            raise ValueError(f"remembered must be >= 1, got {remembered}; nothing could be recognised as a repetition")
        if isinstance(models, str):
            raise TypeError(f"models is a list of names, got the text {models!r}; pass [{models!r}]")
        self._models = None if models is None else frozenset(models)
        self._idle = idle
        self._remembered = remembered
        self._seen: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._group = group
        self._polled: deque[Any] = deque()
        self._taken: dict[TopicPartition, int] = {}  # since the last poll: offset after the last record that the group need not see again
        self.unreadable = 0
        self._closed = False
        self._using = threading.Lock()  # a consumer belongs to one thread at a time, and `close` may come from another
        connection = connection or connect(bootstrap, topic_prefix=topic_prefix)
        self._membership = _Membership(is_settled=group is None)
        self._consumer = _consumer(connection, self._membership, group=group, from_beginning=from_beginning)

    def __iter__(self) -> Iterator[Alert]:
        last = time.monotonic()
        while not self._closed:
            if not self._polled:
                self._poll()
            while self._polled and not self._closed:
                record = self._polled.popleft()
                last = time.monotonic()
                alert = self._alert(record)
                if alert is not None:
                    yield alert
                    last = time.monotonic()
                self._taken[TopicPartition(record.topic, record.partition)] = record.offset + 1
            if self._group is not None:
                self._commit()
            if self._idle is None:
                continue
            if not self._has_read_all():
                last = time.monotonic()
            elif time.monotonic() - last > self._idle:
                return

    def close(self) -> None:
        """Stop; the iteration ends after the alert that it is at."""
        if self._closed:
            return
        self._closed = True
        with self._using:
            if self._group is not None and self._taken:
                place = {partition: OffsetAndMetadata(offset, "", -1) for partition, offset in self._taken.copy().items()}
                self._try_to_commit(place, timeout_ms=_CLOSING_MILLISECONDS)
            self._consumer.close(autocommit=False)

    def __enter__(self) -> AlertSubscriber:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _poll(self) -> None:
        with self._using:
            if not self._closed:
                for records in self._consumer.poll(_POLL_MILLISECONDS).values():
                    self._polled.extend(records)

    def _has_read_all(self) -> bool:
        """Whether nothing is left where this one reads; before its group, and Kafka, have said where that is and how far it goes, nobody knows."""
        with self._using:
            if self._closed:
                return True
            ends = {partition: self._consumer.highwater(partition) for partition in self._consumer.assignment()}
            if not self._membership.is_settled or None in ends.values():
                return False
            return all((self._consumer.position(partition, timeout_ms=_POLL_MILLISECONDS) or 0) >= end for partition, end in ends.items())

    def _alert(self, record: Any) -> Alert | None:
        try:
            alert = decode_alert(record.value or b"")
        except EventError as error:
            self.unreadable += 1
            _log.warning("skipped an unreadable record of %s, partition %d, offset %d: %s", record.topic, record.partition, record.offset, error)
            return None
        name = (alert.alert_id, alert.sequence)
        if name in self._seen or (self._models is not None and alert.model not in self._models):
            return None
        self._seen[name] = None
        if len(self._seen) > self._remembered:
            self._seen.popitem(last=False)
        return alert

    def _commit(self) -> None:
        """All that was polled has been taken."""
        with self._using:
            if not self._closed:
                self._try_to_commit()
                self._taken.clear()

    def _try_to_commit(self, *place: Any, **limits: int) -> None:
        try:
            self._consumer.commit(*place, **limits)
        except KafkaError as error:  # the group was rebalanced: another member reads these again, which at-least-once allows
            _log.warning("could not commit the place in the alerts: %s", error)


class _Membership(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python ships no types
    """Whether the group has said which partitions are this member's, be it none."""

    def __init__(self, *, is_settled: bool) -> None:
        self.is_settled = is_settled

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002  whichever they are
        self.is_settled = False

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:  # noqa: ARG002  as above
        self.is_settled = True


def _consumer(connection: KafkaConnection, membership: _Membership, *, group: str | None, from_beginning: bool) -> Any:
    topic = connection.topics.alerts
    arguments = {"enable_auto_commit": False, "allow_auto_create_topics": False, "auto_offset_reset": "earliest" if from_beginning else "latest"}
    with explained(connection):
        consumer = KafkaConsumer(**connection.client_arguments(), **arguments, group_id=group, bootstrap_timeout_ms=10_000)
    found = consumer.partitions_for_topic(topic)
    if not found:
        consumer.close()
        raise DriftwardenError(f"topic {topic} does not exist on {connection.bootstrap}; make it with: driftwarden topics apply")
    if group is not None:
        subscribe(consumer, [topic], membership)
        return consumer
    partitions = [TopicPartition(topic, partition) for partition in found]
    consumer.assign(partitions)
    if from_beginning:
        consumer.seek_to_beginning(*partitions)
    else:
        consumer.seek_to_end(*partitions)
    for partition in partitions:
        consumer.position(partition)  # settle "the end" now, not at the first poll: what comes in between must not be missed
    return consumer
