"""A worker that is told to stop ends soon, whatever its broker does."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.broker import Broker
from streams.topics import Topics, create_topics
from streams.worker import LONGEST_STOP
from tests.streams.delivery_stream import PARTITIONS, delivery_stream

pytestmark = pytest.mark.kafka

SLACK = 10.0  # seconds; a loaded machine takes some to end a process, without the bound it takes 40


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Broker]:
    """A broker of the test's own."""
    broker = Broker(port=0, data=tmp_path / "broker", die_with_parent=True)
    broker.start()
    try:
        yield broker
    finally:
        pid = broker.status().pid
        if pid is not None:
            os.kill(pid, signal.SIGCONT)
        broker.stop()


@pytest.mark.parametrize("fate", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_whose_broker_is_gone_or_silent_ends_within_seconds_of_being_told_to(mortal: Broker, fate: signal.Signals, tmp_path: Path):
    topics = Topics(prefix="t.")
    create_topics(mortal.bootstrap, partitions=PARTITIONS, prefix=topics.prefix)
    with delivery_stream(mortal.bootstrap, topics, tmp_path) as stream:
        stream.apply()
        worker = stream.worker("w0")
        stream.publish_while(lambda: worker.printed.count("reading from") < 2 * PARTITIONS, "its assignment")
        stream.publish(2_000)
        os.kill(mortal.status().pid or 0, fate)
        time.sleep(2.0)
        worker.signal(signal.SIGTERM)
        told = time.monotonic()
        worker.exit_code()
        assert time.monotonic() - told < LONGEST_STOP + SLACK
