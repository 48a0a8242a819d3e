"""An Arrow record costs no more memory or time than its bytes allow, whatever it says."""

from __future__ import annotations

import pyarrow as pa
import pytest

from streams.formats.arrow_messages import MAX_BYTES, max_bytes
from streams.formats.arrow_records import ArrowRows
from streams.formats.decoded import MAX_DEAD_LETTERS
from streams.formats.v1 import Decoder
from tests.streams.arrow_samples import as_arrow, categories, decode, event, said, stream
from tests.streams.test_decoder_laws import MONITORS, NOW


def test_a_record_of_more_rows_than_bytes_is_refused_before_its_rows_are_looked_at():
    value = stream(pa.table({"event_id": pa.nulls(99_999)}))
    (dead,) = decode(value).dead_letters
    assert dead.value == value
    assert f"a row for each of the record's {len(value)} bytes" in dead.reason


def test_of_a_record_with_many_bad_rows_only_letters_that_are_kept_are_made(monkeypatch: pytest.MonkeyPatch):
    made: list[int] = []
    source = ArrowRows.source

    def counted(rows: ArrowRows, row: int) -> bytes:
        made.append(row)
        return source(rows, row)

    monkeypatch.setattr(ArrowRows, "source", counted)
    value = as_arrow([event(number, score=7.0) for number in range(1_000)])
    (dead,) = decode(value).dead_letters
    assert (dead.value, dead.path) == (value, "score")
    assert dead.reason.startswith("1000 events of this record; the first: ")
    assert len(made) <= MAX_DEAD_LETTERS
    few = decode(as_arrow([event(number, score=7.0) for number in range(MAX_DEAD_LETTERS)])).dead_letters
    assert [letter.index for letter in few] == list(range(MAX_DEAD_LETTERS))
    assert all(pa.ipc.open_stream(letter.value).read_all().num_rows == 1 for letter in few)


def compressed(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


@pytest.mark.parametrize("coded", [False, True])
def test_a_compressed_stream_that_would_grow_beyond_all_bounds_is_refused(coded: bool):
    large = pa.array(["x" * (MAX_BYTES + 1)])
    value = compressed(pa.table({"event_id": ["a"], "model": ["churn"], "prediction": ["no"], "other": large.dictionary_encode() if coded else large}))
    decoded = decode(value, compressed(pa.table({"event_id": ["b"], "model": ["churn"], "prediction": ["no"]})))
    (dead,) = decoded.dead_letters
    assert (dead.offset, dead.value) == (0, value)
    assert f"at most {max_bytes(value)} bytes of columns" in dead.reason
    assert [len(batch) for batch in decoded.fetch.batches] == [1]


def test_what_says_that_it_becomes_a_gigabyte_is_refused_before_it_is_unpacked():
    value = compressed(pa.table({"event_id": ["a"], "model": ["churn"], "prediction": ["no"], "other": ["x" * 1_000_003]}))
    before, _, after = value.rpartition((1_000_003).to_bytes(8, "little"))  # what stands before the compressed text
    (dead,) = decode(before + (2**30).to_bytes(8, "little") + after).dead_letters
    assert "let Kafka compress" in dead.reason
    assert pa.default_memory_pool().max_memory() < 2**30


@pytest.mark.parametrize("name", ["event_id", "features.plan", "prediction", "model_version"])
def test_a_long_text_that_every_row_means_is_not_written_out_for_each(name: str):
    texts, n = categories("x" * 300_000, None), 10_000
    column = texts.take(pa.array([0] * (n - 1) + [1]))
    outer, _, inner = name.partition(".")
    columns = {"event_id": pa.array([f"e{row}" for row in range(n)]), "model": pa.array(["churn"] * n), "prediction": pa.array(["no"] * n)}
    value = stream(pa.table(columns | {outer: pa.StructArray.from_arrays([column], [inner]) if inner else column}))
    decoded = decode(value)
    (dead,) = decoded.dead_letters
    assert dead.value == value
    assert decoded.fetch.rejected >= n - 1
    assert pa.default_memory_pool().max_memory() < 2**30


def test_a_buffer_may_be_longer_than_what_is_in_it():
    texts = pa.table({"event_id": ["order-0", "order-1"], "model": ["churn"] * 2, "prediction": ["no"] * 2, "timestamp": [NOW] * 2})
    offsets = 12  # bytes
    value = stream(texts)
    longer = value.replace((0).to_bytes(8, "little") + offsets.to_bytes(8, "little"), (0).to_bytes(8, "little") + (offsets + 1).to_bytes(8, "little"))
    assert longer != value
    assert said(decode(longer, decoder=Decoder(MONITORS))) == said(decode(value, decoder=Decoder(MONITORS)))


def test_a_head_of_many_texts_is_read_and_not_remembered():
    many = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int32()), pa.array(["no", "x" * 2**20]))
    table = pa.table({"event_id": ["a", "b"], "model": ["churn"] * 2, "prediction": many, "timestamp": [NOW] * 2})
    decoder, value = Decoder(MONITORS), compressed(table)
    padded = value + bytes(20_000)  # what is behind the end of a stream is not looked at
    for _ in range(2):
        assert [len(batch) for batch in decode(padded, decoder=decoder).fetch.batches] == [2]
    assert len(value) < 20_000
    assert not decoder.arrow._heads
