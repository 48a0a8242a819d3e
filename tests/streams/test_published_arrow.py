"""The publisher's Arrow records say what its JSON records say, and a worker reads both from one topic, compressed or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from confluent_kafka import Producer
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka import codec

from streams import published_arrow
from streams.formats.arrow_messages import outline
from streams.formats.arrow_records import is_arrow
from streams.formats.decoded import Decoded
from streams.partitioner import partition_of
from streams.published_arrow import arrow_records_of
from streams.published_event import Event, Features, Label, Prediction, SourceRecord, records_of
from streams.publisher import Publisher
from streams.source_records import SourceRecords
from streams.topics import Topics
from tests.streams.arrow_samples import DECODER
from tests.streams.delivery_stream import START, delivery_stream
from tests.streams.test_decoder_laws import NOW, rows
from tests.waiting import PATIENCE

PANE = 10_000
EDGE = [2**53 + 1, 2**70, float("inf"), float("nan"), np.float32(0.1), np.int64(3), np.bool_(True), "\ud800", [1], b"a", "", True, None]
value = st.one_of(st.sampled_from(EDGE), st.integers(-3, 3), st.floats(-2, 2), st.sampled_from(["a", "b"]))


@st.composite
def events(draw: st.DrawFn) -> list[Event]:
    """Mostly of types that make columns, with a few of the others."""
    age, plan, outcome = (
        draw(st.sampled_from([st.floats(-2, 2), st.integers(-3, 3), value])),
        draw(st.sampled_from([st.sampled_from(["a", "b"]), value])),
        draw(st.sampled_from([st.sampled_from(["no", "yes"]), st.integers(0, 1), st.booleans(), st.floats(0, 2), value])),
    )
    objects = st.fixed_dictionaries({"age": age}, optional={"plan": plan, "other": value})
    made: list[Event] = []
    for _ in range(draw(st.integers(1, 20))):
        identity = (draw(st.sampled_from(["a", "b", "c", "d"])), draw(st.sampled_from(["churn", "churn", "price", "fraud"])), NOW + draw(st.integers(-PANE, 5)))
        kind = draw(st.sampled_from([Prediction, Prediction, Label, Features]))
        if kind is Label:
            made.append(Label(*identity, draw(outcome), draw(st.none() | st.integers(0, 5))))
        elif kind is Features:
            made.append(Features(*identity, draw(objects)))
        else:
            made.append(
                Prediction(
                    *identity,
                    draw(st.sampled_from([None, "1", "2"])),
                    draw(st.none() | st.integers(0, 3)),
                    draw(st.none() | objects),
                    draw(outcome),
                    draw(st.none() | outcome),
                    draw(st.none() | st.floats(-0.1, 1)),
                    draw(st.none() | st.just({"yes": 0.25, "no": 0.75})),
                    draw(st.none() | st.dictionaries(st.just("country"), plan)),
                    draw(st.none() | st.floats(0, 9)),
                    draw(st.sampled_from([200, 200, 500, "error"])),
                    draw(st.sampled_from([1.0, 1, 0.5])),
                )
            )
    return made


def decoded(records: list[SourceRecord]) -> Decoded:
    n = len(records)
    source = SourceRecords(offsets=np.arange(n), timestamps=np.full(n, NOW), keys=[None] * n, values=[record.value for record in records])
    return DECODER.decode(source, high=NOW, end=n)


def said(found: Decoded) -> Any:
    return sorted(rows(found.fetch.batches).values(), key=repr), sorted((letter.reason, letter.path) for letter in found.dead_letters), found.fetch.unmonitored


@settings(max_examples=100)
@given(events(), st.sampled_from([200, 2_000, 100_000]))
def test_what_is_published_as_arrow_is_decoded_as_what_is_published_as_json(made: list[Event], max_bytes: int):
    settings = {"partitions": 2, "now": NOW, "span": PANE, "max_bytes": max_bytes}
    plain, refused = records_of(made, **settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(published_arrow, "PAYS_FROM", 2)
        records, errors = arrow_records_of(made, **settings)
    assert said(decoded(records)) == said(decoded(plain))
    assert sorted(map(str, errors)) == sorted(map(str, refused))
    assert sum(record.events for record in records) == len(made) - len(errors)
    assert [record.timestamp // PANE for record in records] == sorted(record.timestamp // PANE for record in records)


def predictions(n: int, *, model: str = "churn", first: int = 0) -> list[Event]:
    return [Prediction(f"e{first + place}", model, START + place % 7, "1", None, {"age": place + 0.5, "plan": "free"}, "no", None, 0.25) for place in range(n)]


def test_columns_keep_partition_and_size_and_order():
    made = predictions(5_000)
    records, errors = arrow_records_of(made, partitions=4, now=NOW * 2, span=PANE, max_bytes=20_000)
    assert not errors
    assert sum(record.events for record in records) == 5_000
    for record in records:
        assert is_arrow(record.value)
        assert len(record.value) <= 20_000
        table = table_of(record.value)
        ids = table["event_id"].to_pylist()
        assert len(ids) == record.events
        assert record.key == ids[0].encode()
        assert set(partition_of([name.encode() for name in ids], 4).tolist()) == {record.partition}
        assert [int(name[1:]) for name in ids] == sorted(int(name[1:]) for name in ids)
        assert record.timestamp == max(table["timestamp"].to_pylist())


def table_of(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(data).read_all()


def test_columns_of_many_events_take_less_than_half_of_their_json():
    rng = np.random.default_rng(0)
    made: list[Event] = [
        Prediction(f"event-{place:010d}", "churn", START, "1", None, {f"feature_{name}": value for name, value in enumerate(row)}, "no", None, 0.25)
        for place, row in enumerate(rng.normal(size=(500, 20)).tolist())
    ]
    sizes = [sum(len(record.value) for record in pack(made, partitions=1, now=NOW, span=PANE, max_bytes=262_144)[0]) for pack in (arrow_records_of, records_of)]
    assert sizes[0] < sizes[1] / 2


def test_few_events_of_a_model_and_ragged_ones_are_sent_as_json_together():
    ragged: list[Event] = [Prediction(f"r{place}", "price", START, prediction=1.5 if place % 2 else "much") for place in range(100)]
    few = predictions(published_arrow.PAYS_FROM - 1, model="spam")
    records, _ = arrow_records_of([*predictions(100), *ragged, *few], partitions=1, now=NOW, span=PANE, max_bytes=100_000)
    assert sorted((is_arrow(record.value), record.events) for record in records) == [(False, 100 + len(few)), (True, 100)]


@pytest.mark.parametrize(("form", "compression", "story"), [("xml", None, "'json' or 'arrow'"), ("json", "zip", "gzip, snappy, lz4, zstd"), ("json", "lz4", "pip install lz4")])
def test_a_form_or_a_compression_that_cannot_be_is_refused_at_once(form: Any, compression: Any, story: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(codec, "has_lz4", lambda: False)
    with pytest.raises(ValueError, match=story):
        Publisher("127.0.0.1:1", form=form, compression_type=compression)


@pytest.mark.kafka
def test_a_worker_reads_json_and_arrow_in_one_topic_with_every_compression(broker: str, topics: Topics, tmp_path: Path):
    with delivery_stream(broker, topics, tmp_path) as stream:
        stream.apply()
        stream.worker("w0")
        styles = [(pack, compression) for pack in (records_of, arrow_records_of) for compression in ("none", "gzip", "snappy", "lz4", "zstd")]
        for number, (pack, compression) in enumerate(styles):
            producer = Producer({"bootstrap.servers": broker, "compression.type": compression, "linger.ms": 20})
            made = predictions(100, first=100 * number)
            made += [Label(event.event_id, "churn", START + 10, "no") for event in made[:50]]
            records, errors = pack(made, partitions=4, now=NOW * 2, span=PANE, max_bytes=100_000)
            assert not errors
            assert {is_arrow(record.value) for record in records} == {pack is arrow_records_of}
            for record in records:
                producer.produce(topics.inference_events, value=record.value, key=record.key, partition=record.partition, timestamp=record.timestamp)
            assert producer.flush(PATIENCE) == 0
        with Publisher(broker, topic_prefix=topics.prefix, form="arrow", compression_type="gzip") as publisher:
            for event in predictions(200, first=10_000):
                publisher.publish(event)
            assert publisher.flush(PATIENCE)
        stream.predictions[START] += 10 * 100 + 200
        stream.labels[START] += 10 * 50
        stream.finish()
        assert stream.counted() == (stream.predictions, stream.labels)
        assert list(stream.records(topics.dead_letters)) == []


@pytest.mark.kafka
def test_the_publisher_sends_columns_compressed_where_it_was_told_to(broker: str, topics: Topics, tmp_path: Path):
    with Publisher(broker, topic_prefix=topics.prefix, form="arrow", compression_type="gzip", linger=0.5) as publisher:
        for event in predictions(400):
            publisher.publish(event)
        publisher.advance(START + PANE)
        assert publisher.flush(PATIENCE)
        assert publisher.counters.sent == 400
        assert publisher._delivery._producer.config["compression_type"] == "gzip"
    with delivery_stream(broker, topics, tmp_path) as stream:
        records = list(stream.records(topics.inference_events))
    assert sum(len(table_of(record.value)) for record in records if is_arrow(record.value)) == 400
    assert [record.value for record in records if not is_arrow(record.value)] == [b'{"kind":"time","timestamp":1700000010000}'] * 4


def test_records_of_the_same_texts_begin_with_the_same_bytes_so_that_they_are_read_together():
    rng = np.random.default_rng(0)
    heads = set()
    for first in range(0, 5_000, 500):
        plans, outcomes = rng.choice(["free", "paid"], 500).tolist(), rng.choice(["no", "yes", "perhaps"], 500).tolist()
        made: list[Event] = [
            Prediction(f"e{first + place}", "churn", START, "1", None, {"plan": plan, "rare": f"{first}-{place}"}, outcome)
            for place, (plan, outcome) in enumerate(zip(plans, outcomes, strict=True))
        ]
        (record,) = arrow_records_of(made, partitions=1, now=NOW, span=PANE, max_bytes=262_144)[0]
        heads.add(outline(record.value).head)
        kinds = pa.ipc.open_stream(record.value).schema.field("features").type
        assert [pa.types.is_dictionary(kinds.field(name).type) for name in ("plan", "rare")] == [True, False]
    assert len(heads) == 1
