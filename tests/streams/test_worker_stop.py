"""A worker or a retrainer that is told to stop ends soon, whatever its broker does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.broker import Broker
from streams.topics import Topics, create_topics
from streams.worker import LONGEST_STOP
from tests.streams.delivery_stream import PARTITIONS, delivery_stream
from tests.waiting import PATIENCE, eventually

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


@pytest.mark.parametrize("fate", [signal.SIGKILL, signal.SIGSTOP])
def test_a_retrainer_whose_broker_is_gone_or_silent_ends_within_seconds_of_being_told_to_and_says_so_in_a_line(mortal: Broker, fate: signal.Signals, tmp_path: Path) -> None:
    create_topics(mortal.bootstrap, partitions=PARTITIONS, prefix="t.")
    log = tmp_path / "log"
    environment = os.environ | {"DRIFTWARDEN_BOOTSTRAP": mortal.bootstrap, "DRIFTWARDEN_TOPIC_PREFIX": "t.", "DRIFTWARDEN_METRICS_POINTS_EVERY": "100ms"}
    with log.open("wb") as file:
        retrainer = subprocess.Popen([sys.executable, "-m", "streams.cli", "retrainer", "--registry", str(tmp_path)], env=environment, stderr=file)
    try:
        eventually(lambda: "watching 0 models" in log.read_text(), "its first word")
        os.kill(mortal.status().pid or 0, fate)
        time.sleep(2.0)  # it writes points of itself several times a second
        retrainer.send_signal(signal.SIGTERM)
        told = time.monotonic()
        retrainer.wait(PATIENCE)
        assert time.monotonic() - told < LONGEST_STOP + SLACK
    finally:
        retrainer.kill()
    assert retrainer.returncode == 1, "a transaction was under way"
    assert log.read_text().count("No node available for metadata refresh") <= 1, "what the client says ten times a second is told now and then"
    said = log.read_text().partition("told to stop")[2]  # what came before is the client's word of a connection that was lost
    assert "Traceback" not in said
    assert "what was not announced is done again after the next start" in said
