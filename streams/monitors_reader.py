"""The ``monitors`` topic, read whole by every process without a group: a broadcast."""

from __future__ import annotations

import asyncio
import logging
import math
import time

from aiokafka import AIOKafkaConsumer, TopicPartition

from detectors.monitor import Monitors
from streams.connection import KafkaConnection
from streams.monitor_codec import take_record

logger = logging.getLogger(__name__)

POLL_MILLISECONDS = 200


class MonitorsReader:
    """Keeps a `Monitors` up to date.

    `catch_up` before the first event of an assignment; `follow` for as long as the process lives. What cannot be read is told in the log, once, and is left out.
    """

    def __init__(self, connection: KafkaConnection, monitors: Monitors) -> None:
        self._connection = connection
        self._monitors = monitors
        self._consumer: AIOKafkaConsumer | None = None
        self._ends: AIOKafkaConsumer | None = None  # never fetches: on the other's connection a question waits until its fetch is over
        self._reading = asyncio.Lock()
        self._asking = asyncio.Lock()
        self._caught_up = -math.inf
        self._stopped = False

    async def start(self) -> None:
        """Connect, and read what is there."""
        topic = self._connection.topics.monitors
        self._consumer = AIOKafkaConsumer(**self._connection.asyncio_arguments(), enable_auto_commit=False, auto_offset_reset="earliest")
        await self._consumer.start()
        self._ends = AIOKafkaConsumer(**self._connection.asyncio_arguments(), enable_auto_commit=False)
        await self._ends.start()
        self._tp = TopicPartition(topic, 0)
        self._consumer.assign([self._tp])
        await self.catch_up()

    async def catch_up(self, arrived: float = math.inf) -> None:
        """Read up to the end that the topic has now.

        Parameters
        ----------
        arrived : seconds by `time.monotonic` at which the records came whose monitors must be known. Partitions that are fetched together need one question
            to the broker between them: its answer holds for all that had come before it was asked.
        """
        async with self._asking:
            asked = time.monotonic()
            if self._caught_up < arrived:
                await self._read_to_the_end()
                self._caught_up = asked

    async def _read_to_the_end(self) -> None:
        assert self._consumer is not None  # noqa: S101  start comes first
        assert self._ends is not None  # noqa: S101
        end = (await self._ends.end_offsets([self._tp]))[self._tp]
        while await self._consumer.position(self._tp) < end:
            async with self._reading:  # `follow` may be holding it for a poll's time; most often nothing is new and nobody waits
                if await self._consumer.position(self._tp) < end:
                    await self._poll()

    async def follow(self) -> None:
        """Read on until stopped."""
        while not self._stopped:
            async with self._reading:
                if not self._stopped:
                    await self._poll()
            await asyncio.sleep(0)

    async def _poll(self) -> None:
        assert self._consumer is not None  # noqa: S101  start comes first
        for records in (await self._consumer.getmany(self._tp, timeout_ms=POLL_MILLISECONDS)).values():
            for record in records:
                left_out = take_record(self._monitors, record.key, record.value)
                if left_out:
                    logger.error("%s[%d], offset %d: %s", record.topic, record.partition, record.offset, left_out)

    async def stop(self) -> None:
        """Disconnect."""
        self._stopped = True
        async with self._reading:
            for consumer in (self._consumer, self._ends):
                if consumer is not None:
                    await consumer.stop()
