"""The state topic of a stage: one compacted topic, a partition for each partition of the stage's source.

Read whole at every assignment by a consumer without a group, so that a fault stops the worker instead of being logged and skipped.
"""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from kafka import KafkaAdminClient

from detectors.errors import SettingsError
from streams.connection import KafkaConnection
from streams.state_codec import StateError

POLL_MILLISECONDS = 1_000
MAX_EMPTY_POLLS = 60  # a minute without a byte: the broker is away, and a supervisor should know


async def read_state(connection: KafkaConnection, topic: str, partition: int) -> list[tuple[bytes, bytes]]:
    """Newest value of every key that was not deleted.

    Raises
    ------
    StateError
        If the topic stops answering before its end.
    """
    tp = TopicPartition(topic, partition)
    consumer = AIOKafkaConsumer(**connection.asyncio_arguments(), enable_auto_commit=False, auto_offset_reset="earliest", max_partition_fetch_bytes=2**24)
    await consumer.start()
    try:
        consumer.assign([tp])
        end = (await consumer.end_offsets([tp]))[tp]
        newest: dict[bytes, bytes] = {}
        empty = 0
        while await consumer.position(tp) < end:
            fetched = await consumer.getmany(tp, timeout_ms=POLL_MILLISECONDS)
            records = fetched.get(tp, [])
            empty = 0 if records else empty + 1
            if empty > MAX_EMPTY_POLLS:
                raise StateError(f"state topic {topic}, partition {partition}: no record for {empty} s at offset {await consumer.position(tp)} of {end}; is the broker healthy?")
            for record in records:
                key, value = record.key or b"", record.value
                if value is None:
                    newest.pop(key, None)
                else:
                    newest[key] = value
        return list(newest.items())
    finally:
        await consumer.stop()


async def topic_identities(connection: KafkaConnection, topics: list[str]) -> dict[str, str]:
    """The broker's own id of each topic that exists; a topic made anew has another."""
    return await asyncio.to_thread(_identities, connection, topics)


def _identities(connection: KafkaConnection, topics: list[str]) -> dict[str, str]:
    admin = KafkaAdminClient(**connection.client_arguments())
    try:
        return {described["name"]: str(described["topic_id"]) for described in admin.describe_topics(topics) if not described["error_code"]}
    finally:
        admin.close()


async def partition_counts(connection: KafkaConnection, topics: list[str]) -> dict[str, int]:
    """Partitions of some topics.

    Raises
    ------
    SettingsError
        If one of them does not exist.
    """
    admin = AIOKafkaAdminClient(**connection.asyncio_arguments())
    await admin.start()
    try:
        counts = {described["topic"]: len(described["partitions"]) for described in await admin.describe_topics(topics)}
    finally:
        await admin.close()
    missing = [topic for topic in topics if not counts.get(topic)]
    if missing:
        raise SettingsError(f"Kafka at {connection.bootstrap} has no topic {missing[0]!r}; make the topics with 'driftwarden topics apply'")
    return counts
