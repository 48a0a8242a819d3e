"""The publisher: right partitions and times, nothing lost on a broker, nothing blocked without one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from kafka import KafkaConsumer, TopicPartition
from kafka.partitioner.default import murmur2 as one_murmur2

from streams.broker import Broker
from streams.formats.event_checks import FIRST_TIME, LAST_TIME
from streams.partitioner import murmur2, partition_of
from streams.published_event import TIMES, Label, Prediction, records_of
from streams.publisher import Publisher, PublisherCounters, PublisherFullError
from streams.topics import Topics, create_topics
from streams.wire import schema
from tests.waiting import PATIENCE

NOWHERE = "127.0.0.1:1"


def _records(bootstrap: str, topic: str) -> list[Any]:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    try:
        partitions = [TopicPartition(topic, partition) for partition in consumer.partitions_for_topic(topic)]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        found: list[Any] = []
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            for records in consumer.poll(500).values():
                found.extend(records)
        return found
    finally:
        consumer.close()


def _events(records: list[Any]) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for record in records for line in record.value.splitlines()]


@pytest.fixture
def publisher(broker: str, topics: Topics) -> Iterator[Publisher]:
    with Publisher(broker, topic_prefix=topics.prefix) as publisher:
        yield publisher


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_many_hashes_at_once_are_those_of_kafka_python_one_by_one(keys: list[bytes]) -> None:
    assert murmur2(keys).tolist() == [one_murmur2(key) & 0xFFFFFFFF for key in keys]


@given(st.lists(st.tuples(st.text(max_size=5), st.integers(0, 100_000)), max_size=60), st.integers(1, 6), st.sampled_from([1, 10_000]), st.sampled_from([60, 1_000_000]))
def test_records_keep_partition_span_size_and_order_and_lose_nothing(events: list[tuple[str, int]], partitions: int, span: int, max_bytes: int) -> None:
    made = [Label(event_id, "m", timestamp, number) for number, (event_id, timestamp) in enumerate(events)]
    records, errors = records_of(made, partitions=partitions, now=50_000, span=span, max_bytes=max_bytes)
    assert not errors
    seen = []
    for record in records:
        lines = [msgspec.json.decode(line) for line in record.value.splitlines()]
        assert record.events == len(lines) > 0
        assert len(lines) == 1 or len(record.value) <= max_bytes + len(lines)
        assert set(partition_of([line["event_id"].encode() for line in lines], partitions)) == {record.partition}
        assert len({line["timestamp"] // span for line in lines}) == 1
        assert record.timestamp == min(max(line["timestamp"] for line in lines), 50_000)
        assert [line["label"] for line in lines] == sorted(line["label"] for line in lines)
        seen.extend(line["label"] for line in lines)
    assert sorted(seen) == list(range(len(events)))


def test_an_event_without_a_form_in_json_is_an_error_and_its_neighbours_are_not() -> None:
    events = [
        Prediction("a", "m", 0, prediction=object()),
        Label("c", "m", 0.5, 1),
        Prediction("b", "m", 0, prediction=np.int64(1), features={"x": np.float32(0.5), "y": float("nan")}),
    ]
    records, errors = records_of(events, partitions=2, now=1, span=1, max_bytes=1000)
    assert len(errors) == 2
    assert "object has no form in JSON" in str(errors[0])
    assert _events(records) == [{"event_id": "b", "model": "m", "timestamp": 0, "prediction": 1, "features": {"x": 0.5, "y": None}}]


def test_whatever_one_event_holds_its_neighbours_are_sent() -> None:
    itself: dict[str, Any] = {}
    itself["x"] = itself
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    bad = [
        Prediction("itself", "m", 0, features=itself),
        Prediction("deep", "m", 0, features={"x": deep}),
        Prediction("early", "m", -(2**70)),
        Prediction("nanoseconds", "m", 1_767_225_600_000_000_000),
        Prediction(7, "m", 0),  # type: ignore[arg-type]
    ]
    good = [Prediction(str(number), "m", number) for number in range(10)]
    records, errors = records_of([event for pair in zip(good, bad * 2, strict=True) for event in pair], partitions=2, now=1, span=10, max_bytes=1000)
    assert [type(error) for error in errors] == [RecursionError, RecursionError, ValueError, ValueError, AttributeError] * 2
    assert sorted(event["event_id"] for event in _events(records)) == sorted(event.event_id for event in good)


def test_the_publisher_takes_the_times_that_the_decoder_takes() -> None:
    assert (TIMES[0], TIMES[-1]) == (FIRST_TIME, LAST_TIME)


@pytest.mark.kafka
def test_what_cannot_be_sent_is_settled_and_holds_up_nothing(publisher: Publisher, broker: str, topics: Topics) -> None:
    itself: dict[str, Any] = {}
    itself["x"] = itself
    for number in range(9):
        publisher.predict(model="m", prediction=1, event_id=str(number))
    publisher.publish(Prediction("bad", "m", 0, features=itself))
    publisher.advance(2**70)
    publisher.advance("today")  # type: ignore[arg-type]
    publisher.publish(Prediction("9", "m", 0, prediction=1))
    assert publisher.flush(PATIENCE)
    assert publisher.counters == PublisherCounters(sent=10, dropped=0, failed=1, waiting=0)
    assert sorted(event["event_id"] for event in _events(_records(broker, topics.inference_events))) == sorted(map(str, range(10)))


@pytest.mark.kafka
def test_every_published_event_arrives_once_in_its_partition_and_follows_the_schema(publisher: Publisher, broker: str, topics: Topics) -> None:
    started = time.time_ns() // 1_000_000
    ids = [
        publisher.predict(model="loans", version="3", features={"age": n, "job": "clerk"}, prediction=n % 2, score=0.5, segments={"land": "se"}, latency_ms=1.5) for n in range(500)
    ]
    publisher.features(event_id="f1", model="loans", features={"age": None})
    for event_id in ids[:100]:
        publisher.label(event_id=event_id, model="loans", label=True, outcome_at=7)
    assert publisher.flush(PATIENCE)
    records = _records(broker, topics.inference_events)
    events = _events(records)
    assert len(set(ids)) == 500
    assert sorted((event["event_id"], event.get("kind", "prediction")) for event in events) == sorted(
        [(event_id, "prediction") for event_id in ids] + [("f1", "features")] + [(event_id, "label") for event_id in ids[:100]]
    )
    for event in events:
        Draft202012Validator(schema(event.get("kind", "prediction"))).validate(event)
    for record in records:
        inside = [msgspec.json.decode(line) for line in record.value.splitlines()]
        assert {one_murmur2(event["event_id"].encode()) % 2**31 % 4 for event in inside} == {record.partition}
        assert record.key == inside[0]["event_id"].encode()
        assert started <= max(event["timestamp"] for event in inside) == record.timestamp
    assert len(records) < len(events) / 5
    assert publisher.counters.sent == 601


@pytest.mark.kafka
def test_history_keeps_its_event_times_and_advance_moves_every_partition(publisher: Publisher, broker: str, topics: Topics) -> None:
    for second in range(100):
        publisher.predict(model="m", prediction=1, timestamp=1_000 * second, event_id=f"e{second}")
    publisher.advance(400_000)
    assert publisher.flush(PATIENCE)
    by_partition: dict[int, list[Any]] = {}
    for record in _records(broker, topics.inference_events):
        by_partition.setdefault(record.partition, []).append(record)
    assert sorted(by_partition) == [0, 1, 2, 3]
    for records in by_partition.values():
        assert msgspec.json.decode(records[-1].value) == {"kind": "time", "timestamp": 400_000}
        times = [record.timestamp for record in records]
        assert times == sorted(times)
        assert times[-1] == 400_000
        assert times[0] < 10_000


@pytest.mark.kafka
def test_what_the_broker_refuses_is_counted_and_its_neighbours_arrive(publisher: Publisher, broker: str, topics: Topics) -> None:
    publisher.predict(model="m", prediction=1, event_id="before")
    publisher.predict(model="m", prediction=1, event_id="huge", features={"text": "x" * 2_000_000})
    publisher.advance(time.time_ns() // 1_000_000 + 7_200_000)  # two hours ahead: the broker refuses it, and kafka-python fails whatever is in flight
    publisher.predict(model="m", prediction=1, event_id="after")
    assert publisher.flush(PATIENCE)
    assert {event["event_id"] for event in _events(_records(broker, topics.inference_events))} == {"before", "after"}
    assert publisher.counters.sent == 2
    assert publisher.counters.failed == 1
    assert publisher.last_error is not None


def test_without_a_broker_nothing_blocks_and_what_does_not_fit_is_counted() -> None:
    publisher = Publisher(NOWHERE, capacity=1_000)
    took = []
    for _ in range(3_000):
        started = time.perf_counter()
        publisher.predict(model="m", prediction=1)
        took.append(time.perf_counter() - started)
    assert sorted(took)[-10] < 0.1, "a machine may stop a process now and then; a publisher that blocks does so at each event that does not fit"
    assert publisher.counters.dropped == 2_000
    assert publisher.counters.waiting == 1_000
    assert not publisher.flush(0.05)
    publisher.close(timeout=0)
    assert publisher.counters.dropped == 3_000


def test_a_strict_publisher_raises_when_full_and_after_close() -> None:
    publisher = Publisher(NOWHERE, capacity=1, strict=True)
    publisher.predict(model="m", prediction=1)
    with pytest.raises(PublisherFullError, match="1 events wait for Kafka"):
        publisher.predict(model="m", prediction=1)
    publisher.close(timeout=0)
    with pytest.raises(PublisherFullError, match="closed"):
        publisher.label(event_id="a", model="m", label=1)


@pytest.mark.kafka
def test_events_published_while_the_broker_is_away_arrive_when_it_is_back(tmp_path: Path) -> None:
    broker = Broker(port=0, data=tmp_path / "kafka", die_with_parent=True)
    bootstrap = broker.start()
    create_topics(bootstrap, partitions=2, prefix="")
    publisher = Publisher(bootstrap, topic_prefix="")
    try:
        publisher.predict(model="m", prediction=1, event_id="0")
        assert publisher.flush(PATIENCE)
        broker.stop()
        for number in range(1, 50):
            publisher.predict(model="m", prediction=1, event_id=str(number))
        assert not publisher.flush(0.5)
        broker.start()
        assert publisher.flush(PATIENCE)
        assert {event["event_id"] for event in _events(_records(bootstrap, "inference.events"))} == {str(number) for number in range(50)}
    finally:
        publisher.close(timeout=1)
        broker.stop()


@pytest.mark.kafka
def test_a_forked_child_publishes_too_with_ids_of_its_own(publisher: Publisher, broker: str, topics: Topics) -> None:
    publisher.predict(model="parent", prediction=1)
    assert publisher.flush(PATIENCE)
    child = os.fork()
    if child == 0:
        publisher.predict(model="child", prediction=1)
        os._exit(0 if publisher.flush(PATIENCE) else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    publisher.predict(model="parent", prediction=1)
    assert publisher.flush(PATIENCE)
    events = _events(_records(broker, topics.inference_events))
    assert sorted(event["model"] for event in events) == ["child", "parent", "parent"]
    assert len({event["event_id"] for event in events}) == 3
