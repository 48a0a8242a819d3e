"""Kafka's record batches read straight into columns, where aiokafka would make an object of every record.

A `ConsumerRecord` costs 1.2 us, as much as decoding half of its JSON; what a stage needs of it are an offset, a timestamp, a key and a value.
Which batches count is decided as aiokafka decides it: aborted transactions and control batches are its own code.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, cast

import aiokafka.consumer.fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords

from streams.checksums import HAS_INSTRUCTION, checksum
from streams.source_records import SourceRecords

_LENGTH = struct.Struct(">8xi")  # what a batch begins with: its first offset, and the bytes that follow
_MAGIC, _NEWEST = 16, 2  # where the version of a batch stands, and the one that Kafka has written since 0.11
_CHECKED = 21  # bytes of a batch before those that its checksum is of


class CheckedRecords:
    """What aiokafka's `MemoryRecords` is, for bytes that stay where they were received, and with checksums by the processor's own instruction.

    aiokafka's loop takes thirteen times as long, 0.5 us a kilobyte; a copy of each fetch, into memory that is new, takes as much.
    """

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self._start = self._end = 0

    def size_in_bytes(self) -> int:
        """Of all batches, also of one that was cut off."""
        return len(self._data)

    def has_next(self) -> bool:
        """Whether another batch is there, whole."""
        left = len(self._data) - self._end
        return left >= _LENGTH.size and left >= _LENGTH.size + self._length()

    def _length(self) -> int:
        return int(_LENGTH.unpack_from(self._data, self._end)[0])

    def next_batch(self) -> Any:
        """The next batch, in aiokafka's own reader."""
        self._start, self._end = self._end, self._end + _LENGTH.size + max(self._length(), 0)
        batch = self._data[self._start : self._end]
        if len(batch) <= _MAGIC or batch[_MAGIC] < _NEWEST:
            return MemoryRecords(bytes(batch)).next_batch()  # which says what is wrong, or reads what an older Kafka wrote
        return DefaultRecordBatch(batch)

    def is_sound(self, batch: Any) -> bool:
        """Whether the batch, which was given last, has the bytes that were sent."""
        if not HAS_INSTRUCTION or not isinstance(batch, DefaultRecordBatch):
            return bool(batch.validate_crc())
        return bool(checksum([self._data[self._start + _CHECKED : self._end]]) == batch.crc)


class FetchedBatches(PartitionRecords):  # type: ignore[misc]  # aiokafka has no annotations there
    """What one fetch brought of one partition; iterates over `SourceRecords`, one for each record batch that is not empty."""

    next_fetch_offset: int

    @classmethod
    def instead_of(cls, records: PartitionRecords) -> FetchedBatches:
        """Take the place of an iterator that nothing was read of yet."""
        replaced: FetchedBatches = cls.__new__(cls)
        replaced.__dict__ |= records.__dict__
        records.__dict__.clear()  # it and its iterator refer to each other, and would keep megabytes until the garbage collector comes
        replaced._records_iterator = replaced._unpack_records()
        return replaced

    def _unpack_records(self) -> Iterator[SourceRecords]:
        while self._records.has_next():
            batch = self._records.next_batch()
            if self._check_crcs and not self._records.is_sound(batch):
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            if not self._is_skipped(batch):
                columns = SourceRecords.of(batch)
                if len(columns) and columns.offsets[0] < self.next_fetch_offset:  # a batch is given whole, also where reading starts inside it
                    columns = columns.since(self.next_fetch_offset)
                if len(columns):
                    self.next_fetch_offset = int(columns.offsets[-1]) + 1
                    yield columns
            # The batch knows its last offset even if its last record was compacted away; without it the same batch would be fetched again for ever.
            self.next_fetch_offset = batch.next_offset

    def _is_skipped(self, batch: Any) -> bool:
        if self._isolation_level == READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in self._aborted_producers:
                return True
        return bool(batch.is_control_batch)


class Fetches(OrderedDict[Any, Any]):
    """The fetcher's own buffer of what was fetched, with the record batches of some topics left as they are.

    Parameters
    ----------
    topics : whose records are to be read as columns.
    """

    def __init__(self, topics: frozenset[str]) -> None:
        super().__init__()
        self._topics = topics

    def __setitem__(self, tp: Any, result: Any) -> None:
        if tp.topic in self._topics and isinstance(result, FetchResult):
            result._partition_records = FetchedBatches.instead_of(cast(PartitionRecords, result._partition_records))
        super().__setitem__(tp, result)


def install() -> None:
    """Have aiokafka's fetcher hand over `CheckedRecords`, in this process."""
    aiokafka.consumer.fetcher.MemoryRecords = CheckedRecords
