"""The topic ``monitors``, followed without a group by every process that notifies."""

from __future__ import annotations

import logging
import threading

from kafka import KafkaConsumer, TopicPartition

from detectors.errors import DriftwardenError, EventError
from streams.connection import KafkaConnection
from streams.notify.owners import Owners

logger = logging.getLogger(__name__)

POLL_MILLISECONDS = 200


class OwnersReader:
    """Keeps `Owners` up to date, in a thread of its caller's.

    Parameters
    ----------
    connection : how to reach Kafka.
    stopping : ends it.

    Attributes
    ----------
    owners : as far as they were read.
    caught_up : set when all that was there at the start was read; before that nobody is to be told anything.
    """

    def __init__(self, connection: KafkaConnection, stopping: threading.Event) -> None:
        self._connection = connection
        self._stopping = stopping
        self.owners = Owners()
        self.caught_up = threading.Event()

    def run(self) -> None:
        """Read until told to stop."""
        topic = self._connection.topics.monitors
        consumer = KafkaConsumer(**self._connection.client_arguments(), enable_auto_commit=False, auto_offset_reset="earliest", allow_auto_create_topics=False)
        try:
            if not consumer.partitions_for_topic(topic):
                raise DriftwardenError(f"topic {topic} does not exist on {self._connection.bootstrap}; make it with: driftwarden topics apply")
            partition = TopicPartition(topic, 0)
            consumer.assign([partition])
            consumer.seek_to_beginning(partition)
            end = consumer.end_offsets([partition])[partition]
            while not self._stopping.is_set():
                for records in consumer.poll(POLL_MILLISECONDS).values():
                    for record in records:
                        self._take(record.key, record.value, record.offset)
                if not self.caught_up.is_set() and consumer.position(partition) >= end:
                    self.caught_up.set()
        finally:
            consumer.close()

    def _take(self, key: bytes | None, value: bytes | None, offset: int) -> None:
        try:
            self.owners.take(key, value)
        except EventError as error:
            logger.warning("%s, offset %d: a record that cannot be read is left out: %s", self._connection.topics.monitors, offset, error)
