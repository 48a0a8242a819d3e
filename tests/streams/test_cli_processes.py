"""`driftwarden worker` and `driftwarden retrainer`: what stops them before they begin is told in one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from detectors.errors import DriftwardenError
from streams.topics import Topics
from tests.streams.command_line import run
from tests.waiting import PATIENCE, eventually

NOBODY = "127.0.0.1:1"


@pytest.mark.parametrize("name", ["worker", "retrainer"])
def test_a_broker_that_does_not_answer_is_told_and_what_to_do(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.cli.options._PATIENCE_MILLISECONDS", 200)
    environment = {"DRIFTWARDEN_BOOTSTRAP": NOBODY, "DRIFTWARDEN_REGISTRY": str(tmp_path)}
    error = run(name, environment=environment).exception
    assert isinstance(error, DriftwardenError)
    assert f"no Kafka answers on {NOBODY}" in str(error)


@pytest.mark.parametrize("name", ["worker", "retrainer"])
def test_an_unknown_log_level_is_refused_with_those_that_there_are(name: str) -> None:
    done = run(name, "--log-level", "LOUD")
    assert done.exit_code == 2
    assert "'warning'" in done.stderr.lower()


@pytest.mark.kafka
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("command", "word"), [(["alerts", "--follow"], "waiting for alerts"), (["ui", "--port", "0"], "the page: ")], ids=["alerts", "ui"])
def test_a_command_that_is_told_to_end_clears_up_whoever_tells_it(broker: str, topics: Topics, tmp_path: Path, command: list[str], word: str, number: signal.Signals) -> None:
    said = tmp_path / "said"
    environment = os.environ | {"DRIFTWARDEN_BOOTSTRAP": broker, "DRIFTWARDEN_TOPIC_PREFIX": topics.prefix}
    with said.open("wb") as file, subprocess.Popen([sys.executable, "-m", "streams.cli", *command], env=environment, stderr=file) as process:
        eventually(lambda: word in said.read_text(), "its first word")
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
