"""A Kafka that asks for a password: every kind of client comes in with it, and is told what to do without it. A worker does in `test_delivery_bad_input`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaProducer

from detectors.errors import DriftwardenError
from streams.alert_subscriber import AlertSubscriber
from streams.connection import connect
from streams.publisher import Publisher
from streams.whole_topic import read_monitors
from tests.sasl import PASSWORD
from tests.streams.command_line import run
from tests.waiting import PATIENCE, eventually

pytestmark = pytest.mark.kafka

WRONG = "byron-1788"
WHAT_TO_DO = "not let in the user 'ada' by SASL_PLAINTEXT and PLAIN: see DRIFTWARDEN_SASL_USERNAME, DRIFTWARDEN_SASL_PASSWORD"


@pytest.fixture(autouse=True)
def environment(sasl_environment: dict[str, str], topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**sasl_environment, "DRIFTWARDEN_TOPIC_PREFIX": topic_prefix}.items():
        monkeypatch.setenv(name, value)


def test_commands_and_applications_come_in_with_the_password_of_the_environment(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    applied = run("topics", "apply", "--partitions", 1)
    assert applied.exit_code == 0, applied.output
    (tmp_path / "monitor.yaml").write_text("model: loans")
    assert run("monitor", "apply", tmp_path / "monitor.yaml").exit_code == 0
    with Publisher() as publisher:
        publisher.predict(model="loans", prediction="granted")
        assert publisher.flush(PATIENCE)
        assert publisher.counters.sent == 1
    with AlertSubscriber(from_beginning=True, idle=0.1) as alerts:
        assert list(alerts) == []
    assert read_monitors(connect()).models() == ("loans",)
    assert PASSWORD not in caplog.text + applied.output


def test_with_a_wrong_password_it_is_said_which_settings_to_look_at_and_not_the_password(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("DRIFTWARDEN_SASL_PASSWORD", WRONG)
    monkeypatch.setattr("streams.cli.options._PATIENCE_MILLISECONDS", 300)
    monkeypatch.setattr("streams.topics.KafkaAdminClient", lambda **given: KafkaAdminClient(**given | {"bootstrap_timeout_ms": 300}))
    monkeypatch.setattr("streams.delivery.KafkaProducer", lambda **given: KafkaProducer(**given | {"bootstrap_timeout_ms": 300}))
    publisher = Publisher()
    publisher.predict(model="loans", prediction="granted")
    told = []
    for command in (partial(run, "topics", "apply"), partial(run, "worker")):
        done = command()
        assert isinstance(done.exception, DriftwardenError)
        told += [str(done.exception), done.output]
    eventually(lambda: publisher.last_error, "an error of the publisher")
    publisher.close(timeout=0)
    told.append(publisher.last_error or "")
    assert [WHAT_TO_DO in one for one in told if one] == [True] * 3
    assert WRONG not in "".join(told) + caplog.text
