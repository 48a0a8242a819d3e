"""The summarise stage's records: what goes to the dead letters always fits a record of Kafka."""

from __future__ import annotations

import pytest
from aiokafka.structs import ConsumerRecord

from detectors.monitor import Monitor, Monitors
from streams.detect_driver import DetectDriver
from streams.source_records import SourceRecords
from streams.stage_run import Output
from streams.summarise_driver import SummariseDriver
from streams.topics import Topics
from streams.wire import decode_points
from tests.detectors.event_samples import monitors, specification

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


def sent_to(model: str, *, offset: int, at: int = 0) -> ConsumerRecord[bytes, bytes]:
    event = f'{{"event_id":"{offset}","model":"{model}","prediction":"no","timestamp":{at}}}'
    return received(event.encode(), offset=offset)


def test_what_nobody_monitors_is_told_by_name_up_to_a_bound_and_the_log_says_when_it_is_reached(caplog: pytest.LogCaptureFixture):
    driver = SummariseDriver(partition=0, partitions=1, monitors=monitors(), topics=TOPICS, max_unmonitored=2)
    manifest, told = None, []
    for offset, model in enumerate(("a", "b", "c", "d", "a")):
        driver.absorb(SourceRecords.of([sent_to(model, offset=offset)]), offset + 1)
        epoch = driver.flush(generation=1, epoch=offset, at_end=False, idle=0)
        assert epoch is not None
        manifest = epoch.manifest
        told.append(len(caplog.records))
    assert manifest is not None
    assert (manifest["unmonitored"], told) == ({"a": 2, "b": 1, "(other models)": 2}, [0, 0, 1, 1, 1])
    assert "more than 2 models that no monitor knows" in caplog.text
    assert "DRIFTWARDEN_WORKER_MAX_UNMONITORED_MODELS" in caplog.text


def test_events_from_before_a_monitor_are_told_once_with_what_to_do(caplog: pytest.LogCaptureFixture):
    known = Monitors([Monitor(specification=specification(), effective_from=100_000)])
    first, successor = (SummariseDriver(partition=0, partitions=1, monitors=known, topics=TOPICS) for _ in range(2))
    manifest, told = None, []
    for place, driver in enumerate((first, first, successor)):
        if driver is successor:
            driver.restore(manifest, ())
            driver.absorb(SourceRecords.of([sent_to("churn", offset=place, at=200_000)]), place + 1)
        else:
            driver.absorb(SourceRecords.of([sent_to("churn", offset=place, at=20_000)]), place + 1)
        epoch = driver.flush(generation=1, epoch=place, at_end=False, idle=0)
        assert epoch is not None
        manifest = epoch.manifest
        told.append(len(caplog.records))
    assert manifest is not None
    assert (manifest["unmonitored"], told) == ({"churn": 2}, [1, 1, 1])
    (line,) = caplog.messages
    assert line.startswith("inference.events[0]: 1 event is of times before the first monitor of 'churn' is in force (1970-01-01T00:01:40")
    assert "Apply a monitor before its model's events are published" in line
