"""What a stream says of itself is what Arrow finds in it, and nothing that it says leads anywhere else."""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import EventError
from streams.formats.arrow_messages import MAX_BYTES, max_bytes, outline

columns = st.sampled_from(
    [
        st.floats(-2, 2),
        st.text(max_size=5),
        st.fixed_dictionaries({"age": st.floats(-2, 2), "plan": st.sampled_from("abc")}),
        st.lists(st.integers(0, 9), max_size=3),
        st.none(),
    ]
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[int], int]:
    """A stream, the rows of each of its batches, and the bytes that its buffers take when they are unpacked."""
    sizes = draw(st.lists(st.integers(0, 20), min_size=1, max_size=4).filter(any))
    kinds = draw(st.lists(columns, min_size=1, max_size=4))
    coded = draw(st.booleans())
    names = [f"c{place}" for place in range(len(kinds))]
    whole = [pa.array(draw(st.lists(kind, min_size=sum(sizes), max_size=sum(sizes)))) for kind in kinds]
    whole = [column.dictionary_encode() if coded and pa.types.is_string(column.type) else column for column in whole]
    table = pa.table(whole, names)
    sink = pa.BufferOutputStream()
    compression = draw(st.sampled_from([None, "lz4", "zstd"]))
    first, unpacked = 0, 0
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        for size in sizes:
            for batch in table.slice(first, size).to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]:
                writer.write_batch(batch)
            first += size
    value = bytes(sink.getvalue().to_pybytes())
    for place, batch in enumerate(pa.ipc.open_stream(value)):
        shared = [column.dictionary for column in batch.columns if place and pa.types.is_dictionary(column.type)]  # which the first one has brought
        unpacked += batch.get_total_buffer_size() - sum(texts.get_total_buffer_size() for texts in shared)
    return value, sizes, unpacked


@settings(max_examples=100)
@given(streams(), st.booleans())
def test_rows_and_bytes_are_told_before_they_are_there(stream: tuple[bytes, list[int], int], again: bool):
    value, sizes, unpacked = stream
    found = outline(value, outline(value)) if again else outline(value)
    assert (found.rows, len(found.batches)) == (sum(sizes), len(sizes))
    assert found.batches[-1][1] == len(value) - 8
    assert unpacked <= _told(value) + 8 * 64 * len(sizes)  # Arrow may have buffers where the stream says that nothing is


def _told(value: bytes) -> int:
    """The bytes that a stream says it takes: the least bound that it is not refused by."""
    low, high = -1, MAX_BYTES
    with pytest.MonkeyPatch.context() as patch:
        while high - low > 1:
            middle = (low + high) // 2
            patch.setattr("streams.formats.arrow_messages.max_bytes", lambda _, bound=middle: bound)
            try:
                outline(value)
            except EventError:
                low = middle
            else:
                high = middle
    return high


@settings(max_examples=200)
@given(streams(), st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=3))
def test_a_damaged_stream_is_refused_or_within_all_bounds(stream: tuple[bytes, list[int], int], changes: list[tuple[float, int]]):
    damaged = bytearray(stream[0])
    for place, byte in changes:
        damaged[int(place * len(damaged))] = byte
    value = bytes(damaged)
    try:
        found = outline(value)
    except EventError:
        return
    assert 0 < found.rows <= len(value)
    assert value.startswith(found.head)
    assert len(found.head) <= found.batches[0][0] < found.batches[-1][1] <= len(value)


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_reason(more: bytes):
    with pytest.raises(EventError, match="Arrow IPC stream"):
        outline(b"\xff\xff\xff\xff" + more)


def test_columns_that_take_more_than_a_record_may_are_refused_however_they_are_sent():
    table = pa.table({"age": np.zeros(max_bytes(bytes(2**30)) // 8 + 1)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(EventError, match=f"at most {MAX_BYTES} bytes of columns"):
        outline(bytes(sink.getvalue().to_pybytes()))


def test_a_dictionary_of_nulls_is_refused_for_how_many_it_says_it_has():
    told = 1_234_567
    column = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int32()), pa.nulls(told))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema({"model_version": column.type})) as writer:
        writer.write_batch(pa.record_batch({"model_version": column}))
    value = bytes(sink.getvalue().to_pybytes()).replace(told.to_bytes(8, "little"), (2**33).to_bytes(8, "little"))
    with pytest.raises(EventError, match=f"got {8 * 2**33} or more"):
        outline(value)


def test_a_big_endian_stream_is_not_read_by_the_head_of_others():
    table = pa.table({"event_id": [1, 2]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    value = bytes(sink.getvalue().to_pybytes())
    (length,) = struct.unpack_from("<i", value, 4)
    metadata = bytearray(value[8 : 8 + length]) + struct.pack("<H6x", 1)  # where the schema will say that its numbers are big-endian
    message = struct.unpack_from("<I", metadata)[0]
    header = message + struct.unpack_from("<H", metadata, message - struct.unpack_from("<i", metadata, message)[0] + 8)[0]
    schema = header + struct.unpack_from("<I", metadata, header)[0]
    struct.pack_into("<H", metadata, schema - struct.unpack_from("<i", metadata, schema)[0] + 4, length - schema)
    numbers = np.array([1, 2])
    big = value[:4] + struct.pack("<i", len(metadata)) + bytes(metadata) + value[8 + length :].replace(numbers.tobytes(), numbers.byteswap().tobytes())
    assert pa.ipc.open_stream(big).read_all() == table
    assert [outline(one, outline(one)).is_plain for one in (value, big)] == [True, False]


def test_a_head_that_goes_on_where_the_one_before_it_ended_is_another():
    def coded(*texts: str) -> bytes:
        sink = pa.BufferOutputStream()
        table = pa.table({"plan": pa.array(texts).dictionary_encode()})
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return bytes(sink.getvalue().to_pybytes())

    value, other = coded("a", "b"), coded("c", "d")
    schema = 8 + struct.unpack_from("<i", value, 4)[0]
    without_dictionary = outline(value[:schema] + value[outline(value).batches[0][0] :])
    assert value.startswith(without_dictionary.head)
    assert outline(value, without_dictionary) == outline(value)
    assert outline(other, without_dictionary).head != outline(value).head
