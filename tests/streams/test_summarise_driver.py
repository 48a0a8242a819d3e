"""The summarise stage's records: what goes to the dead letters always fits a record of Kafka."""

from __future__ import annotations

import pytest
from aiokafka.structs import ConsumerRecord

from streams.detect_driver import DetectDriver
from streams.source_records import SourceRecords
from streams.stage_run import Output
from streams.summarise_driver import SummariseDriver
from streams.topics import Topics
from streams.wire import decode_points
from tests.detectors.event_samples import monitors

TOPICS = Topics("")


def received(value: bytes | None, key: bytes | None = b"k", offset: int = 0) -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord("inference.events", 0, offset, 0, 0, key, value, None, len(key or b""), len(value or b""), ())


def outputs_of(*records: ConsumerRecord[bytes, bytes], topic: str) -> list[Output]:
    driver = SummariseDriver(partition=0, partitions=1, monitors=monitors(), topics=TOPICS)
    driver.absorb(SourceRecords.of(records), len(records))
    epoch = driver.flush(generation=1, epoch=1, at_end=False, idle=0)
    assert epoch is not None
    return [output for output in epoch.outputs if output.topic == topic]


@pytest.mark.parametrize(("key", "value"), [(b"k", b"x" * 50_000_000), (None, b"x" * 1_000_001), (b"k" * 2_000_000, None), (b"k" * 600_000, b"x" * 600_000)])
def test_a_dead_letter_too_large_for_kafka_is_cut_and_says_how_large_it_was(key: bytes | None, value: bytes | None):
    (dead,) = outputs_of(received(value, key), topic=TOPICS.dead_letters)
    assert len(dead.key or b"") + len(dead.value or b"") + sum(len(name) + len(text) for name, text in dead.headers) <= 1_040_000
    assert dict(dead.headers)["size"] == str(len(key or b"") + len(value or b"")).encode()
    assert (key or b"").startswith(dead.key or b"")
    assert (value or b"").startswith(dead.value or b"")


def test_a_dead_letter_that_fits_is_as_it_was_received():
    (dead,) = outputs_of(received(b"x" * 999_999), topic=TOPICS.dead_letters)
    assert (dead.key, dead.value) == (b"k", b"x" * 999_999)
    assert "size" not in dict(dead.headers)


def test_what_was_refused_and_what_nobody_monitors_becomes_one_metric_point_each_over_all_partitions_of_detection():
    driver = SummariseDriver(partition=1, partitions=3, monitors=monitors(), topics=TOPICS)
    unmonitored = b'{"event_id":"1","model":"fraud","prediction":"no","timestamp":0}'
    driver.absorb(SourceRecords.of([received(b"no JSON"), received(unmonitored, offset=1)]), 2)
    epoch = driver.flush(generation=1, epoch=1, at_end=False, idle=0)
    assert epoch is not None
    points, outputs = [], list(epoch.outputs)
    for target in range(3):
        detect = DetectDriver(partition=target, monitors=monitors(), topics=TOPICS, take_learnt=[].append)
        detect.absorb(SourceRecords.of(received(output.value) for output in outputs if output.topic == TOPICS.summaries and output.partition == target), 1)
        told = detect.flush(generation=1, epoch=1, at_end=False, idle=0)
        assert told is not None
        points += [(output.key, point) for output in told.outputs if output.topic == TOPICS.metrics for point in decode_points(output.value or b"")]
    assert sorted((key or b"", point.measurement, point.tags, point.fields) for key, point in points) == [
        (b"", "source", {"partition": "1"}, {"rejected": 1, "missed": 0}),
        (b"fraud", "source", {"partition": "1", "model": "fraud"}, {"unmonitored": 1}),
    ]
