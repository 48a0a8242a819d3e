"""The topic prefix separates installations on one Kafka by their consumer groups, too, and a worker whose group is new goes on from its state."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from streams.topics import Topics, create_topics
from tests.consumer_groups import members
from tests.streams.delivery_stream import PARTITIONS, WorkerProcess, delivery_stream
from tests.waiting import eventually

pytestmark = pytest.mark.kafka


def places(worker: WorkerProcess) -> list[tuple[str, int]]:
    """Where a worker began to read: topic without prefix, and offset, each time that it was given a partition."""
    return [(topic, int(offset)) for topic, offset in re.findall(r"(inference\.events|monitoring\.summaries)\[\d\]: reading from offset (\d+)", worker.printed)]


def test_workers_of_two_installations_count_their_own_and_leave_each_other_alone(broker: str, topics: Topics, tmp_path: Path) -> None:
    others = Topics(prefix=f"other-{topics.prefix}")
    create_topics(broker, partitions=PARTITIONS, prefix=others.prefix)
    for installation in (topics, others):
        (tmp_path / installation.prefix).mkdir()
    with delivery_stream(broker, topics, tmp_path / topics.prefix) as one, delivery_stream(broker, others, tmp_path / others.prefix) as other:
        workers = []
        for stream, events in ((one, 1_000), (other, 1_400)):
            stream.apply()
            stream.publish(events)
            workers.append(stream.worker("of-the-same-host"))
            eventually(lambda: len(places(workers[-1])) == 2 * PARTITIONS, "partitions of both topics for a worker alone")
        for stream in (one, other):
            stream.publish(500)
            stream.finish()
        for stream in (one, other):
            assert stream.counted() == (stream.predictions, stream.labels)
        given = [Counter(topic for topic, _ in places(worker)) for worker in workers]
        assert given == [{"inference.events": PARTITIONS, "monitoring.summaries": PARTITIONS}] * 2, "somebody was rebalanced"
        assert [members(broker, f"{installation.prefix}driftwarden") for installation in (topics, others)] == [1, 1]


def test_a_worker_whose_group_has_committed_nothing_goes_on_from_the_state(broker: str, topics: Topics, tmp_path: Path) -> None:
    with delivery_stream(broker, topics, tmp_path) as stream:
        stream.apply()
        stream.publish(1_000)
        before = stream.worker("w0", group="before")
        eventually(lambda: all(stream.committed(partition, group="before") for partition in range(PARTITIONS)), "epochs of the group that was")
        before.stop()
        declared = sorted(stream.committed(partition, group="before") or 0 for partition in range(PARTITIONS))
        assert [stream.committed(partition) for partition in range(PARTITIONS)] == [None] * PARTITIONS
        now = stream.worker("w0")
        stream.publish(1_000)
        stream.finish()
        assert stream.counted() == (stream.predictions, stream.labels)
        assert len(places(now)) == 2 * PARTITIONS
        assert all(offset > 0 for _, offset in places(now)), "both stages go on"
        began = sorted(offset for topic, offset in places(now) if topic == "inference.events")
        assert all(offset >= least for offset, least in zip(began, declared, strict=True)), (began, declared)
