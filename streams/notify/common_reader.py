"""What all receivers ask for, followed without a group by every process that notifies.

A group gives each partition to one of its members: who reads what a person is asked for need not be the one who reads what became of it.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from detectors.errors import DriftwardenError, EventError
from streams.connection import KafkaConnection
from streams.notify.approvals import Approvals
from streams.notify.owners import Owners
from streams.wire import decode_version

logger = logging.getLogger(__name__)

POLL_MILLISECONDS = 200


class CommonReader:
    """Keeps `Owners` and `Approvals` up to date, in a thread of its caller's.

    Parameters
    ----------
    connection : how to reach Kafka.
    stopping : ends it.

    Attributes
    ----------
    owners, approvals : as far as they were read.
    caught_up : set when all that was there at the start was read; before that nobody is to be told anything.
    """

    def __init__(self, connection: KafkaConnection, stopping: threading.Event) -> None:
        self._connection = connection
        self._stopping = stopping
        self.owners = Owners()
        self.approvals = Approvals()
        self.caught_up = threading.Event()

    def run(self) -> None:
        """Read until told to stop."""
        topics = (self._connection.topics.monitors, self._connection.topics.versions)
        consumer = KafkaConsumer(
            **self._connection.client_arguments(), enable_auto_commit=False, auto_offset_reset="earliest", isolation_level="read_committed", allow_auto_create_topics=False
        )
        try:
            for topic in topics:
                if not consumer.partitions_for_topic(topic):
                    raise DriftwardenError(f"topic {topic} does not exist on {self._connection.bootstrap}; make it with: driftwarden topics apply")
            partitions = [TopicPartition(topic, 0) for topic in topics]
            consumer.assign(partitions)
            consumer.seek_to_beginning(*partitions)
            ends = consumer.end_offsets(partitions)
            while not self._stopping.is_set():
                for records in consumer.poll(POLL_MILLISECONDS).values():
                    for record in records:
                        self._take(record)
                if not self.caught_up.is_set() and all(consumer.position(partition) >= end for partition, end in ends.items()):
                    self.caught_up.set()
        finally:
            consumer.close()

    def _take(self, record: Any) -> None:
        try:
            if record.topic == self._connection.topics.versions:
                self.approvals.take(decode_version(record.value or b""))
            else:
                self.owners.take(record.key, record.value)
        except EventError as error:
            logger.warning("%s, offset %d: a record that cannot be read is left out: %s", record.topic, record.offset, error)
