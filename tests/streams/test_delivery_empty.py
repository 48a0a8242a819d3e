"""Workers that wait at empty topics when a history is published, which one of them is slow to read; and a partition that nobody ever writes to."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from detectors.event_batch import NO_TIME
from streams.bundle_codec import decode_bundle
from streams.partitioner import partition_of
from streams.topics import Topics
from tests.streams.delivery_stream import PARTITIONS, START, STEP, DeliveryStream, delivery_stream
from tests.waiting import eventually

pytestmark = pytest.mark.kafka


def said_to_be_empty(stream: DeliveryStream) -> set[int]:
    """Source partitions of which detect was told so."""
    told = [decode_bundle(record.value, "a bundle") for record in stream.records(stream.topics.summaries)]
    return {bundle.partition for bundle in told if bundle.high == NO_TIME}


def test_a_history_published_to_empty_topics_is_in_its_panes_though_one_worker_reads_it_after_the_other(broker: str, topics: Topics, tmp_path: Path):
    with delivery_stream(broker, topics, tmp_path) as stream:
        stream.apply()
        workers = [stream.worker(name) for name in ("w0", "w1")]
        eventually(lambda: all("inference.events[" in worker.printed for worker in workers), "partitions for both")
        eventually(lambda: said_to_be_empty(stream) == set(range(PARTITIONS)), "that each partition is empty")
        workers[1].signal(signal.SIGSTOP)
        stream.publish(4_000)
        eventually(lambda: sum(bool(stream.committed(partition)) for partition in range(PARTITIONS)) == PARTITIONS // 2, "what one worker has read")
        workers[1].signal(signal.SIGCONT)
        stream.publish(400)
        stream.finish()
        assert stream.counted() == (stream.predictions, stream.labels)


def test_a_partition_that_nobody_writes_to_holds_panes_back_for_a_while_only(broker: str, topics: Topics, tmp_path: Path):
    with delivery_stream(broker, topics, tmp_path) as stream:
        stream.apply()
        stream.worker("w0", idle_after="1s")
        for event in range(2_000):
            at, event_id = START + event * STEP, f"e{event}"
            if int(partition_of([event_id.encode()], PARTITIONS)[0]) < PARTITIONS - 1:
                prediction = {"event_id": event_id, "model": "churn", "model_version": "1", "timestamp": at, "features": {"age": 10.0, "plan": "free"}, "prediction": "no"}
                stream.send(event_id, at, json.dumps(prediction).encode())
                stream.predictions[at // 10_000 * 10_000] += 1
        assert stream.counted()[0] == stream.predictions, "the others have fallen silent, which moves their time past the last pane"
        assert stream.committed(PARTITIONS - 1) in {None, 0}
