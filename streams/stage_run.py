"""One partition of one stage, driven on Kafka: recovery, records in, epochs out.

The epoch is the one unit of durability: outputs are acknowledged, then the pieces of state, then the manifest; only then is the covered
offset declared. Whatever goes wrong in between, the next owner of the partition reads on from a manifest that is complete.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from detectors.piece import Piece
from streams.piece_store import Entry, PieceStore
from streams.source_records import SourceRecords
from streams.state_codec import StateError
from streams.telemetry.figures import FigureCounts

logger = logging.getLogger(__name__)

Item = TypeVar("Item")

MOST_UNDER_WAY = 4 * 1024 * 1024
"""Bytes of outputs that wait for their acknowledgement: several batches of a partition, so that the broker has always something to do."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """A record for a topic."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int | None = None


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What a stage gives when it is flushed."""

    covered: int
    outputs: Iterable[Output]  # made as they are sent; of values, since the stage absorbs on meanwhile
    pieces: tuple[Piece, ...]
    manifest: dict[str, Any]


class StageDriver(Protocol):
    """A stage with its codecs, as the run sees it.

    Attributes
    ----------
    counts : what was counted for the process's own figures since somebody took it.
    """

    counts: FigureCounts

    @property
    def covered(self) -> int:
        """Offset up to which records are in the state."""

    @property
    def pressing(self) -> bool:
        """Whether somebody waits for what the next flush tells."""

    @property
    def untold(self) -> int:
        """Bytes, about, of what the next flush tells, as it lies in memory."""

    @property
    def gauges(self) -> dict[tuple[str, ...], float]:
        """What holds now, by the figure's name and the values of its labels."""

    def restore(self, manifest: dict[str, Any] | None, pieces: Iterable[Piece]) -> int:
        """Take saved state; returns the offset to read from."""

    def absorb(self, records: SourceRecords, end: int) -> None:
        """Take records; ``end`` is the offset after the last."""

    def skip(self, end: int, *, missed: bool) -> None:
        """Go on from an offset: what is before it is not in the log any more; ``missed`` if it was to be read."""

    def manifest(self) -> dict[str, Any]:
        """What ends an epoch: the covered offset, under ``covered``, and what belongs to no piece."""

    def flush(self, *, generation: int, epoch: int, at_end: bool, idle: int) -> Epoch | None:
        """What is new since the last flush; None if nothing is. ``idle``: milliseconds since the partition was found at its end, in coarse steps."""


Send = Callable[[Output], Awaitable[Awaitable[Any]]]
"""Hands a record to the producer; the inner awaitable is its acknowledgement."""


class StageRun:
    """Drives one partition of one stage for one assignment.

    ``max_unflushed`` bounds the bytes of records that are absorbed before the next epoch begins, and of what is made of them, each by as much as one fetch: see `room`.
    """

    def __init__(self, driver: StageDriver, store: PieceStore, *, name: str, state_topic: str, partition: int, send: Send, max_unflushed: int = 64 * 1024 * 1024) -> None:
        self._driver = driver
        self._store = store
        self._name = name
        self._state_topic = state_topic
        self._partition = partition
        self._send = send
        self._epoch_lock = asyncio.Lock()
        self._settled = False
        self._max_unflushed = max_unflushed
        self._unflushed = 0
        self._room = asyncio.Event()
        self._room.set()
        self.position = 0

    async def restore(self, entries: Iterable[tuple[bytes, bytes]], *, beginning: int, end: int) -> int:
        """Recover, take over ownership (acknowledged before any output), and return the offset to read from.

        Raises
        ------
        StateError
            If the state covers more than the log holds: the source topic was made anew, or lost acknowledged records.
        """
        recovered = self._store.recover(entries, f"{self._state_topic}[{self._partition}]")
        start = self._driver.restore(recovered.manifest, recovered.pieces)
        if start > end:
            raise StateError(
                f"{self._name}: its state covers offsets up to {start}, but the log ends at {end}; the topic was made anew or lost records. "
                "To start over, stop all workers, delete the source topic, monitoring.summaries and the state topics of both, and make them again with 'driftwarden topics apply'"
            )
        self.position = start
        if start < beginning and recovered.manifest is not None:
            self._miss(beginning)
        elif start < beginning:
            self._driver.skip(beginning, missed=False)
            self.position = beginning
        await self._write([self._store.manifest(self._driver.manifest())])
        return self.position

    def taken_counts(self) -> FigureCounts:
        """What was counted since the last call."""
        counts, self._driver.counts = self._driver.counts, FigureCounts()
        return counts

    @property
    def gauges(self) -> dict[tuple[str, ...], float]:
        """What holds now, by the figure's name and the values of its labels."""
        return self._driver.gauges

    def _miss(self, beginning: int) -> None:
        self._driver.counts["missed_records",] += beginning - self.position
        logger.warning("%s: offsets %d to %d expired before they were read; they are counted as missed, and their panes are not complete", self._name, self.position, beginning - 1)
        self._driver.skip(beginning, missed=True)
        self.position = beginning

    def absorb(self, position: int, records: SourceRecords, *, beginning: int = 0) -> None:
        """Take a fetch that was to begin at ``position``.

        Offsets may be missing between it and the first record: markers and aborted records of a producer's transactions have offsets, too. Only
        what is before the log's own ``beginning`` has expired.

        Raises
        ------
        StateError
            If the fetch does not go on where the last one ended.
        """
        if position != self.position or records.offsets[0] < self.position:
            raise StateError(
                f"{self._name}: read on to offset {self.position}, then got a fetch at {position} whose first record is {records.offsets[0]}; "
                "the topic was made anew while it was read"
            )
        if self.position < (expired := min(beginning, int(records.offsets[0]))):
            self._miss(expired)
        end = int(records.offsets[-1]) + 1
        self._driver.absorb(records, end)
        self.position = end
        size = sum(map(len, filter(None, records.values)))
        self._unflushed += size
        self._driver.counts["records",] += len(records)
        self._driver.counts["read_bytes",] += size
        if self._ahead >= self._max_unflushed:
            self._room.clear()

    @property
    def _ahead(self) -> int:
        return max(self._unflushed, self._driver.untold)

    @property
    def pressing(self) -> bool:
        """Whether somebody waits for what the next epoch tells."""
        return self._driver.pressing

    @property
    def full(self) -> bool:
        """Whether half of what may be read ahead was read, so that an epoch should begin before reading has to pause."""
        return 2 * self._ahead >= self._max_unflushed

    async def room(self) -> None:
        """Wait until another fetch may be absorbed: while the acknowledgements of an epoch are late, what comes in must not pile up."""
        await self._room.wait()

    async def epoch(self, *, at_end: bool, idle: int = 0) -> int | None:
        """Make everything absorbed so far durable; returns the offset that may be declared, None if nothing was new."""
        async with self._epoch_lock:
            if self._settled:
                return None
            self._store.epoch += 1
            epoch = self._driver.flush(generation=self._store.generation, epoch=self._store.epoch, at_end=at_end, idle=idle)
            self._unflushed = 0
            self._room.set()
            if epoch is None:
                self._store.epoch -= 1
                return None
            entries = self._store.entries(epoch.pieces)  # encoded before anything is awaited: the stage absorbs on meanwhile, and pieces may share its arrays
            manifest = self._store.manifest(epoch.manifest)
            covered, outputs = epoch.covered, epoch.outputs
            del epoch  # while acknowledgements are awaited, its pieces would take a multiple of what they were encoded to
            await self._put_out(outputs)
            del outputs
            await self._write(entries)
            await self._write([manifest])
            return covered

    async def settle(self) -> None:
        """Wait for an epoch that is under way; none begins after it."""
        async with self._epoch_lock:
            self._settled = True
            self._room.set()

    async def _write(self, entries: list[Entry]) -> None:
        await self._put_out(Output(topic=self._state_topic, key=key, value=value, partition=self._partition) for key, value in given_away(entries))

    async def _put_out(self, outputs: Iterable[Output]) -> None:
        """Send records, until all are acknowledged; those that are under way at a time take a bounded memory, however many there are."""
        under_way: deque[tuple[Awaitable[Any], int]] = deque()
        size = 0
        for output in outputs:
            acknowledged, own = await self._send(output), len(output.value or b"")
            under_way.append((acknowledged, own))
            size += own
            while size > MOST_UNDER_WAY:
                acknowledged, own = under_way.popleft()
                await acknowledged
                size -= own
        await asyncio.gather(*(acknowledged for acknowledged, _ in under_way))


def given_away(items: list[Item]) -> Iterator[Item]:
    """Items in their order, of which the list lets go as they are taken: what was sent need not wait for what is to be sent."""
    items.reverse()
    while items:
        yield items.pop()
