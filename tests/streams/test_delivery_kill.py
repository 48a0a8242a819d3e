"""Workers killed at every point of the epoch: what was published is counted, once."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest

from streams.topics import Topics
from tests.streams.delivery_stream import delivery_stream

pytestmark = pytest.mark.kafka

SUMMARISE = [
    ("monitoring.summaries", "output", 7),
    ("state.inference.events", "piece", 5),
    ("monitoring.examples", "output", 3),
    ("state.inference.events", "manifest", 9),
]
DETECT = [
    ("monitoring.metrics", "output", 4),
    ("state.monitoring.summaries", "piece", 4),
    ("monitoring.alerts", "output", 1),
    ("state.monitoring.summaries", "manifest", 9),
]
"""Where a worker dies: after so many records of a kind, which is in the middle of an epoch."""


def test_workers_killed_at_every_point_of_the_epoch_lose_nothing_and_count_nothing_twice(broker: str, topics: Topics, tmp_path: Path):
    with delivery_stream(broker, topics, tmp_path) as stream:
        stream.apply()
        other = stream.worker("w1")
        for topic, kind, count in SUMMARISE:
            one = stream.worker("w0", "SIGKILL", topic, kind, str(count))
            stream.publish_while(lambda one=one: one.running, f"death by {topic} {kind}")
            assert one.exit_code() == -signal.SIGKILL
        other.kill()
        names: tuple[str, ...] = ("w0", "w1")  # one of them detects for the model; it dies, and is the one to start again
        pair = {}
        for topic, kind, count in DETECT:
            pair |= {name: stream.worker(name, "SIGKILL", topic, kind, str(count)) for name in names}
            stream.publish_while(lambda pair=pair: all(worker.running for worker in pair.values()), f"death by {topic} {kind}", drifted=topic == "monitoring.alerts")
            names = tuple(name for name, worker in pair.items() if not worker.running)
            assert [pair[name].exit_code() for name in names] == [-signal.SIGKILL]
        for name, worker in pair.items():
            worker.kill()
            stream.worker(name)
        stream.publish(1_000, drifted=True)
        stream.finish()
        assert stream.counted() == (stream.predictions, stream.labels)
        told = stream.alerts()
        once = Counter((alert.alert_id, alert.sequence) for alert in told)
        assert told
        assert max(once.values()) == 1
        assert len(set(stream.alert_records())) == len(told)
