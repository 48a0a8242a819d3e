"""A worker that was stopped past its session, replaced, and continued in the middle of an epoch."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from streams.topics import Topics
from tests.streams.delivery_stream import delivery_stream

pytestmark = pytest.mark.kafka

SESSION = 6.0  # seconds: the shortest that Kafka's defaults allow


@pytest.mark.parametrize(("topic", "kind", "count"), [("monitoring.summaries", "output", 7), ("state.inference.events", "piece", 6)])
def test_what_a_replaced_worker_still_writes_when_it_is_continued_changes_nothing(broker: str, topics: Topics, tmp_path: Path, topic: str, kind: str, count: int):
    with delivery_stream(broker, topics, tmp_path) as stream:
        stream.apply()
        stream.worker("w1", session_timeout=f"{SESSION:.0f}s")
        zombie = stream.worker("w0", "SIGSTOP", topic, kind, str(count), session_timeout=f"{SESSION:.0f}s")
        stream.publish_while(lambda: not zombie.is_stopped(), f"stopped by {topic} {kind}")
        end = time.monotonic() + SESSION + 4
        stream.publish_while(lambda: time.monotonic() < end, "the end of its session")
        zombie.signal(signal.SIGCONT)
        end = time.monotonic() + 3
        stream.publish_while(lambda: time.monotonic() < end, "its last words")
        stream.finish()
        assert stream.counted() == (stream.predictions, stream.labels)


def test_a_worker_that_was_stopped_between_epochs_begins_none_before_the_group_has_confirmed_it(broker: str, topics: Topics, tmp_path: Path):
    with delivery_stream(broker, topics, tmp_path) as stream:
        stream.apply()
        stream.worker("w1", session_timeout=f"{SESSION:.0f}s")
        zombie = stream.worker("w0", session_timeout=f"{SESSION:.0f}s")
        stream.publish_while(lambda: "reading from" not in zombie.printed, "its assignment")
        for questions, silence in enumerate((SESSION - 2, SESSION + 4), 1):  # a member still, and one that was replaced
            end = time.monotonic() + 2
            stream.publish_while(lambda end=end: time.monotonic() < end, "its epochs")
            zombie.signal(signal.SIGSTOP)
            end = time.monotonic() + silence
            stream.publish_while(lambda end=end: time.monotonic() < end, "its silence")
            zombie.signal(signal.SIGCONT)
            stream.publish_while(lambda least=questions: zombie.printed.count("no epoch begins before the group says") < least, "its question")
            end = time.monotonic() + 3
            stream.publish_while(lambda end=end: time.monotonic() < end, "its last words")
        stream.finish()
        assert stream.counted() == (stream.predictions, stream.labels)
