"""A topic read from its beginning to the end that it has now, without a group: for commands that print what is there."""

from __future__ import annotations

import logging
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from detectors.errors import DriftwardenError, EventError
from detectors.monitor import Monitors
from retrainer.versions import Version
from streams.connection import KafkaConnection
from streams.monitor_codec import take_record
from streams.unreachable import explained
from streams.wire import decode_version

logger = logging.getLogger(__name__)

_POLL_MILLISECONDS = 500
_BOOTSTRAP_MILLISECONDS = 10_000


def records_of(connection: KafkaConnection, topic: str) -> list[Any]:
    """All records of a topic, each partition's in its order.

    Raises
    ------
    DriftwardenError
        If Kafka does not answer, or the topic does not exist.
    """
    with explained(connection):
        consumer = KafkaConsumer(
            **connection.client_arguments(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            allow_auto_create_topics=False,
            bootstrap_timeout_ms=_BOOTSTRAP_MILLISECONDS,
        )
    try:
        with explained(connection):
            partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
            if not partitions:
                raise DriftwardenError(f"topic {topic} does not exist on {connection.bootstrap}; make it with: driftwarden topics apply")
            consumer.assign(partitions)
            consumer.seek_to_beginning(*partitions)
            ends = consumer.end_offsets(partitions)
            records: list[Any] = []
            while any(consumer.position(partition) < end for partition, end in ends.items()):
                for found in consumer.poll(_POLL_MILLISECONDS).values():
                    records += found
            return records
    finally:
        consumer.close()


def read_monitors(connection: KafkaConnection) -> Monitors:
    """All revisions of all applied monitors, and what was acknowledged; of what cannot be read, and is left out, a line in the log tells."""
    monitors = Monitors()
    told = [left_out for record in records_of(connection, connection.topics.monitors) if (left_out := take_record(monitors, record.key, record.value))]
    if monitors.left_out:
        logger.warning("%s: %d cannot be read; the last of them: %s", connection.topics.monitors, len(monitors.left_out), told[-1])
    return monitors


def read_versions(connection: KafkaConnection) -> dict[str, list[Version]]:
    """Records of versions by model, each once, in the order of their topic; what cannot be read is left out."""
    versions: dict[str, list[Version]] = {}
    seen: set[bytes] = set()
    for record in records_of(connection, connection.topics.versions):
        if record.value is None or record.value in seen:
            continue
        seen.add(record.value)
        try:
            version = decode_version(record.value)
        except EventError:
            continue
        versions.setdefault(version.model, []).append(version)
    return versions
