"""Records that retention takes away before a worker has read them are counted as missed, and no pane that they belong to seems complete."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from streams.topics import Topics
from streams.wire import decode_points
from tests.streams.delivery_stream import DeliveryStream, delivery_stream
from tests.waiting import eventually

pytestmark = pytest.mark.kafka


def expire(stream: DeliveryStream, partition: int) -> int:
    """Delete all that a partition of the source topic holds; returns where it begins then."""
    place = TopicPartition(stream.topics.inference_events, partition)
    admin = KafkaAdminClient(bootstrap_servers=stream.broker)
    try:
        return int(admin.delete_records({place: -1})[place]["low_watermark"])
    finally:
        admin.close()


def end_of(stream: DeliveryStream, partition: int) -> int:
    """Offset behind the last record of a partition of the source topic."""
    place = TopicPartition(stream.topics.inference_events, partition)
    consumer = KafkaConsumer(bootstrap_servers=stream.broker)
    try:
        return int(consumer.end_offsets([place])[place])
    finally:
        consumer.close()


def told(stream: DeliveryStream) -> tuple[dict[int, tuple[int, bool]], dict[str, int]]:
    """Predictions of each final pane and whether it was said to be complete; what was missed, by partition."""
    panes: dict[int, tuple[int, bool]] = {}
    missed: dict[str, int] = {}
    for record in stream.records(stream.topics.metrics, until=lambda: set(panes) >= {max(stream.predictions)}):
        for point in decode_points(record.value):
            if point.measurement == "traffic" and point.fields["final"]:
                panes[point.time] = int(point.fields["predictions"]), bool(point.fields["complete"])
            if point.measurement == "source" and "missed" in point.fields:
                missed[point.tags["partition"]] = int(point.fields["missed"])
    return panes, missed


@pytest.mark.parametrize("restarted", [True, False])
def test_records_that_expired_are_missed_and_their_panes_are_not_complete(broker: str, topics: Topics, tmp_path: Path, restarted: bool):
    with delivery_stream(broker, topics, tmp_path) as stream:
        stream.apply()
        worker = stream.worker("w0")
        stream.publish(3_000)
        eventually(lambda: stream.committed(1) == end_of(stream, 1), "all of it covered")
        if restarted:
            worker.kill()
        else:
            worker.signal(signal.SIGSTOP)
            eventually(worker.is_stopped, "the stop")
        stream.publish(2_000)
        began, declared = expire(stream, 1), stream.committed(1) or 0
        stream.publish(3_000)
        if restarted:
            worker = stream.worker("w0")
        else:
            worker.signal(signal.SIGCONT)
        time.sleep(1)
        stream.finish()
        panes, missed = told(stream)
        lacking = {start for start, count in stream.predictions.items() if panes.get(start, (0, False))[0] < count}
        incomplete = {start for start, (_, complete) in panes.items() if not complete}
        assert lacking
        assert lacking <= incomplete < set(panes)
        assert list(missed) == ["1"]
        assert missed == {"1": began - declared} if restarted else 0 < missed["1"] <= began - declared
        assert f"inference.events[1]: offsets {began - missed['1']} to {began - 1} expired" in worker.printed
        assert worker.running
