"""Record batches read as columns: the same records as aiokafka's own, whatever the batches are like."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.record_batches import CheckedRecords, FetchedBatches
from streams.source_records import SourceRecords

TP = TopicPartition("inference.events", 0)
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
PRODUCER = 7
ABORT = (b"\x00\x00\x00\x00", b"\x00\x00\x00\x00\x00\x00")


def batch(base: int, values: list[bytes | None], *, codec: str = "none", transactional: bool = False, control: bool = False, gap: int = 0) -> bytes:
    """A batch whose first offset is ``base``, followed by ``gap`` offsets that were compacted away."""
    builder = DefaultRecordBatchBuilder(2, CODECS[codec], transactional, PRODUCER if transactional else -1, -1, -1, 1 << 20)
    for place, value in enumerate(values):
        key, content = ABORT if control else (b"k%d" % place, value)
        builder.append(place, 1_000 + place, key, content, [("header", b"1")])
    content = bytearray(builder.build())
    content[0:8] = base.to_bytes(8, "big")  # outside of the checksum, which begins at the attributes
    if gap or control:
        attributes = int.from_bytes(content[21:23], "big") | (0x20 if control else 0)
        content[21:23] = attributes.to_bytes(2, "big")
        content[23:27] = (len(values) - 1 + gap).to_bytes(4, "big")
        content[17:21] = calc_crc32c(bytes(content[21:])).to_bytes(4, "big")
    return bytes(content)


def both(data: bytes, *, start: int = 0, aborted: list[tuple[int, int]] | None = None, isolation: int = READ_UNCOMMITTED) -> tuple[PartitionRecords, FetchedBatches]:
    def records(kind: type) -> PartitionRecords:
        return PartitionRecords(TP, kind(data), aborted, start, None, None, True, isolation)

    return records(MemoryRecords), FetchedBatches.instead_of(records(CheckedRecords))


def check_equal(theirs: PartitionRecords, ours: FetchedBatches) -> None:
    expected = [(record.offset, record.timestamp, record.key, record.value) for record in theirs]
    columns = SourceRecords.concatenate([SourceRecords.of([]), *ours])
    assert list(zip(columns.offsets.tolist(), columns.timestamps.tolist(), columns.keys, columns.values, strict=True)) == expected
    assert ours.next_fetch_offset == theirs.next_fetch_offset


@pytest.mark.parametrize("codec", CODECS)
def test_compressed_batches_hold_what_was_sent(codec: str):
    data = batch(5, [b"a" * 300, None, b""], codec=codec) + batch(8, [b"b"], codec=codec)
    assert DefaultRecordBatch(data[: len(batch(5, [b"a" * 300, None, b""], codec=codec))]).compression_type == CODECS[codec]
    check_equal(*both(data))


sizes = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3), st.sampled_from(["plain", "kept", "aborted", "control"])), min_size=1, max_size=6)


@settings(max_examples=100)
@given(sizes, st.integers(0, 12), st.sampled_from([READ_COMMITTED, READ_UNCOMMITTED]))
def test_gaps_aborted_transactions_and_reading_from_inside_a_batch_are_as_aiokafka_has_them(batches: list[tuple[int, int, str]], start: int, isolation: int):
    data, base, aborted = b"", 0, []
    for size, gap, style in batches:
        if style == "aborted":
            aborted.append((PRODUCER, base))
        data += batch(base, [b"%d" % (base + place) for place in range(size)], transactional=style != "plain", control=style == "control", gap=gap)
        base += size + gap
    check_equal(*both(data, start=start, aborted=aborted, isolation=isolation))


@pytest.mark.parametrize("where", [17, 20, 21, 40, len(batch(1, [b"damaged"])) - 1])
def test_a_damaged_batch_is_an_error_and_the_good_ones_before_it_are_given(where: int):
    data = bytearray(batch(0, [b"good"]) + batch(1, [b"damaged"]) + batch(2, [b"never reached"]))
    data[len(batch(0, [b"good"])) + where] ^= 1
    _, ours = both(bytes(data))
    assert next(ours).values == [b"good"]
    with pytest.raises(CorruptRecordException):
        next(ours)


def legacy(values: list[bytes], magic: int) -> bytes:
    """Messages of an old broker, each with a checksum of its own."""
    builder = LegacyRecordBatchBuilder(magic, 0, 1 << 20)
    for place, value in enumerate(values):
        builder.append(place, 1_000 + place, b"k", value)
    return bytes(builder.build())


@pytest.mark.parametrize("magic", [0, 1])
def test_messages_of_an_old_broker_are_checked_by_aiokafka(magic: int):
    records = CheckedRecords(legacy([b"one", b"two"], magic) + b"cut off")
    assert [records.is_sound(records.next_batch()), records.is_sound(records.next_batch()), records.has_next()] == [True, True, False]
    damaged = CheckedRecords(legacy([b"one"], magic)[:-1] + b"X")
    assert not damaged.is_sound(damaged.next_batch())


def test_columns_of_records_that_are_objects_know_where_an_offset_begins():
    _, ours = both(batch(3, [b"x", b"y", b"z"]))
    columns = SourceRecords.concatenate(list(ours))
    assert columns.since(4).values == [b"y", b"z"]
    assert np.array_equal(columns.since(4).timestamps, [1_001, 1_002])


@pytest.mark.parametrize("length", [-5, 0, 3, 20])
def test_a_batch_that_is_too_short_to_be_one_is_an_error(length: int):
    data = bytearray(batch(1, [b"short"]))
    data[8:12] = length.to_bytes(4, "big", signed=True)
    with pytest.raises(CorruptRecordException):
        list(both(bytes(data))[1])


def test_bytes_that_lie_within_others_are_read_where_they_are():
    data = batch(5, [b"a", b"b"]) + batch(7, [b"c"])
    records = CheckedRecords(memoryview(b"before" + data + data[:20])[6:])
    found = [(batch, records.is_sound(batch)) for batch in iter(lambda: records.next_batch() if records.has_next() else None, None)]
    assert [([record.value for record in one], sound) for one, sound in found] == [([b"a", b"b"], True), ([b"c"], True)]


def test_what_was_fetched_is_freed_when_it_has_been_read_and_not_when_the_garbage_collector_comes():
    memory = np.frombuffer(bytearray(batch(0, [b"a"])), np.uint8)
    held = weakref.ref(memory)
    gc.disable()
    try:
        fetched = FetchedBatches.instead_of(PartitionRecords(TP, CheckedRecords(memory.data), [], 0, None, None, True, READ_UNCOMMITTED))
        assert [values for records in fetched for values in records.values] == [b"a"]
        del memory, fetched
        assert held() is None
    finally:
        gc.enable()
