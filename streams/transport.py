"""Faust's Kafka consumer, made to deliver a fetch as one message and to commit what a stage declares.

Faust spends 100 us on every message whatever an agent does with it, and commits a message's offset when its agent has looked at it. For the
source topics of a stage both are wrong: here a partition's whole fetch is one message, in columns (see `streams.record_batches`), reading starts at
what the stage's own state covers, and the committed offset is the one that the stage declares after its outputs and its state were acknowledged.

See docs/adr/0003-faust-at-the-edge.md.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any, Protocol, cast

from aiokafka.structs import ConsumerRecord
from faust.transport import drivers
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams import record_batches, responses
from streams.record_batches import Fetches
from streams.source_records import SourceRecords

logger = logging.getLogger(__name__)

UNKNOWN_END = 2**63 - 1
"""Where a log ends that the broker has not told of yet."""

SCHEME = "driftwarden"
"""URL scheme that selects this transport: ``driftwarden://host:port``."""


@dataclass(frozen=True)
class FetchedRecords:
    """Value of a coalesced message: one partition's fetch.

    ``assignment`` tells fetches of before a rebalance from those after it; ``position`` is the offset that the fetch was to begin at;
    ``arrived``, seconds by `time.monotonic`, is when it was there. Where its first record is behind that, ``beginning`` is the offset at which the log begins by now, else 0.
    """

    assignment: int
    position: int
    records: SourceRecords
    arrived: float
    beginning: int = 0


class Source(Protocol):
    """What the consumer asks of the worker."""

    topics: frozenset[str]

    async def restore(self, tp: TP, *, beginning: int, end: int) -> int:
        """Recover the stage of a partition; returns the offset to read from."""

    async def assigned(self) -> None:
        """Check that the topics are what they were, before anything of an assignment is read."""

    async def revoked(self, tps: set[TP]) -> None:
        """Finish what is under way and drop the stages of some partitions."""


_source: Source | None = None


def install(source: Source) -> None:
    """Register the transport with Faust, reading for a worker; one worker in a process."""
    global _source  # noqa: PLW0603  Faust makes transport and consumer itself, by URL; there is no other way to hand the worker in
    _source = source
    responses.install()
    record_batches.install()
    drivers.TRANSPORTS.aliases[SCHEME] = "streams.transport:Transport"


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Reads the source topics' record batches as columns."""

    async def on_start(self) -> None:
        """Connect; nothing is fetched before topics are subscribed to."""
        await super().on_start()
        self._ensure_consumer()._fetcher._records = Fetches(cast(Consumer, self.consumer).source.topics)


class Consumer(driver.Consumer):
    """Coalesces, seeks and commits for the source topics; leaves every other topic alone."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.source = cast(Source, _source)
        self._assignment = 0
        self._positions: dict[TP, int] = {}
        self._declared: dict[TP, int] = {}
        self._ends: dict[TP, int] = {}

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def declare(self, tp: TP, offset: int) -> None:
        """Say that everything before an offset is durable; never goes back."""
        self._declared[tp] = max(offset, self._declared.get(tp, 0))

    def log_end(self, tp: TP) -> int:
        """Offset after the last record of a partition, as of its last fetch; beyond every offset before the broker has said so."""
        return self._ends.get(tp, UNKNOWN_END)

    def told_at(self, tp: TP) -> float:
        """Wall time at which the broker last said where a partition's log ends, seconds; 0 before it ever did."""
        return (self._thread._ensure_consumer().last_poll_timestamp(tp) or 0) / 1_000 if tp in self.assignment() else 0.0

    async def is_member(self) -> bool:
        """Ask the group whether this process is still what it believes to be: a heartbeat, out of turn."""
        coordinator = self._thread._ensure_consumer()._coordinator
        return coordinator.generation >= 0 and bool(await self._thread.call_thread(coordinator._do_heartbeat))

    @property
    def current_assignment(self) -> int:
        """Number of the assignment; grows with every rebalance."""
        return self._assignment

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let the worker finish and forget, then do what Faust does."""
        self._assignment += 1
        await self.source.revoked({tp for tp in revoked if tp.topic in self.source.topics})
        for tp in revoked:
            self._positions.pop(tp, None)
            self._declared.pop(tp, None)
            self._ends.pop(tp, None)
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """A topic that is made anew shows as a rebalance first."""
        await self.source.assigned()
        await super().on_partitions_assigned(assigned, generation_id)
        if len({frozenset(tp.partition for tp in assigned if tp.topic == topic) for topic in self.source.topics}) > 1:
            # A static member that comes back is given what it had, even if that was made when a topic did not exist.
            logger.warning("assigned %s: partitions of the source topics go together, so something is missing; asking for a new assignment", sorted(assigned))
            coordinator = self._thread._ensure_consumer()._coordinator
            self._thread.thread_loop.call_soon_threadsafe(self._thread.thread_loop.call_later, 1.0, coordinator.request_rejoin)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        assignment = self._assignment
        await self._restore_new(active_partitions or set(), assignment)
        fetched = await super()._getmany(active_partitions, timeout)
        arrived = time.monotonic()
        behind = [tp for tp, batches in fetched.items() if tp in self._positions and batches and int(batches[0].offsets[0]) > self._positions[tp]]
        beginnings = await self.earliest_offsets(*behind) if behind else {}
        if assignment != self._assignment:
            return {}
        self._ends |= {tp: end for tp in self._positions if tp in self.assignment() and (end := self.highwater(tp)) is not None}
        return {tp: self._coalesce(tp, records, arrived, beginnings.get(tp, 0)) if tp.topic in self.source.topics else records for tp, records in fetched.items()}

    async def _restore_new(self, active: set[TP], assignment: int) -> None:
        new = sorted(tp for tp in active if tp.topic in self.source.topics and tp not in self._positions)
        if not new:
            return
        beginnings = await self.earliest_offsets(*new)  # all at once: a request waits for the fetch that is under way
        ends = await self.highwaters(*new)
        starts = await asyncio.gather(*(self.source.restore(tp, beginning=beginnings[tp], end=ends[tp]) for tp in new))
        if assignment != self._assignment:  # revoked while they were being restored, so nobody has dropped them yet
            await self.source.revoked(set(new))
            return
        for tp, start in zip(new, starts, strict=True):
            await self.seek(tp, start)
            self._read_offset[tp] = None
            self._positions[tp] = start
            self._ends[tp] = ends[tp]

    def _coalesce(self, tp: TP, batches: list[SourceRecords], arrived: float, beginning: int) -> list[ConsumerRecord[Any, Any]]:
        if not batches or tp not in self._positions:
            return []
        records = SourceRecords.concatenate(batches)
        last = int(records.offsets[-1])
        value = FetchedRecords(self._assignment, self._positions[tp], records, arrived, beginning)
        self._positions[tp] = last + 1
        return [ConsumerRecord(tp.topic, tp.partition, last, int(records.timestamps[-1]), 0, None, cast(Any, value), None, 0, 0, ())]

    async def perform_seek(self) -> None:
        """Faust seeks to the committed offsets; the source partitions then go back to where their stages read on."""
        await super().perform_seek()
        for tp, position in self._positions.items():
            await self.seek(tp, position)
            self._read_offset[tp] = None

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        if tp.topic not in self.source.topics:  # what a coalesced message leaves between two offsets is no gap
            await super()._add_gap(tp, offset_from, offset_to)

    def _new_offset(self, tp: TP) -> int | None:
        if tp.topic not in self.source.topics:
            return super()._new_offset(tp)
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        return self._declared.get(tp)

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Any:
        declared = [tp for tp in self._declared if topics is None or tp in topics or tp.topic in topics]
        others = [tp for tp in super()._filter_tps_with_pending_acks(topics) if tp not in self._declared]
        return iter(declared + others)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's check for a stuck partition looks at single messages; the watchdog looks at epochs instead."""


class Transport(driver.Transport):
    """Faust's aiokafka transport with the consumer above."""

    Consumer = Consumer
