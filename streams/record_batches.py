"""Kafka's record batches read straight into columns, where aiokafka would make an object of every record.

A `ConsumerRecord` costs 1.2 us, as much as decoding half of its JSON; what a stage needs of it are an offset, a timestamp, a key and a value.
Which batches count is decided as aiokafka decides it: checksums, aborted transactions and control batches are its own code.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, cast

from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException

from streams.source_records import SourceRecords


class FetchedBatches(PartitionRecords):  # type: ignore[misc]  # aiokafka has no annotations there
    """What one fetch brought of one partition; iterates over `SourceRecords`, one for each record batch that is not empty."""

    next_fetch_offset: int

    @classmethod
    def instead_of(cls, records: PartitionRecords) -> FetchedBatches:
        """Take the place of an iterator that nothing was read of yet."""
        replaced: FetchedBatches = cls.__new__(cls)
        replaced.__dict__ |= records.__dict__
        replaced._records_iterator = replaced._unpack_records()
        return replaced

    def _unpack_records(self) -> Iterator[SourceRecords]:
        while self._records.has_next():
            batch = self._records.next_batch()
            if self._check_crcs and not batch.validate_crc():
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
