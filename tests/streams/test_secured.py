"""A Kafka that asks who comes, or encrypts: every kind of client comes in, and is told at once which setting to look at where it does not."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from detectors.errors import DriftwardenError
from streams.alert_subscriber import AlertSubscriber
from streams.connection import connect
from streams.model_watcher import ModelWatcher
from streams.publisher import Publisher
from streams.topics import Topics
from streams.whole_topic import read_monitors
from tests.secured import KEY_PASSWORD, PASSWORD, SecuredKafka
from tests.streams.command_line import run
from tests.streams.delivery_stream import delivery_stream
from tests.waiting import PATIENCE, eventually

pytestmark = pytest.mark.kafka

Ways = Callable[[SecuredKafka], dict[str, str]]
WAYS: dict[str, Ways] = {
    "a password, PLAIN": lambda kafka: kafka.with_password(),
    "a password, SCRAM-SHA-256": lambda kafka: kafka.with_password("SCRAM-SHA-256"),
    "a password, SCRAM-SHA-512, and TLS": lambda kafka: kafka.with_password_and_tls(),
    "TLS": lambda kafka: kafka.with_tls(),
    "a certificate": lambda kafka: kafka.with_certificate(),
}

WRONG = "byron-1788"
SECRETS = (WRONG, PASSWORD, KEY_PASSWORD)
WRONG_PASSWORD = {"DRIFTWARDEN_SASL_PASSWORD": WRONG}
USER_IS_REFUSED = "it does not let in the user 'ada' by {}: see DRIFTWARDEN_SASL_USERNAME, DRIFTWARDEN_SASL_PASSWORD"
CA_IS_WRONG = "its certificate is not trusted (unable to get local issuer certificate): see DRIFTWARDEN_SSL_CAFILE"


PATIENT = f"""
import kafka, streams.topics

streams.topics.KafkaAdminClient = lambda **given: kafka.KafkaAdminClient(**given | {{"bootstrap_timeout_ms": {10_000 * PATIENCE}}})
from streams.cli import main

main()
"""
"""The command line with so much patience for a Kafka that is away that whoever waits for a refusal to pass takes longer than a test waits, on any machine."""


def _strangers(kafka: SecuredKafka) -> dict[str, str]:
    signed = kafka.stranger.sign("other")
    return {"DRIFTWARDEN_SSL_CERTFILE": str(signed.certificate), "DRIFTWARDEN_SSL_KEYFILE": str(signed.key)}


REFUSALS: dict[str, tuple[Ways, str]] = {
    "a wrong password, PLAIN": (lambda kafka: kafka.with_password() | WRONG_PASSWORD, USER_IS_REFUSED.format("SASL_PLAINTEXT and PLAIN")),
    "a wrong password, SCRAM-SHA-256": (lambda kafka: kafka.with_password("SCRAM-SHA-256") | WRONG_PASSWORD, USER_IS_REFUSED.format("SASL_PLAINTEXT and SCRAM-SHA-256")),
    "a wrong password, SCRAM-SHA-512, and TLS": (lambda kafka: kafka.with_password_and_tls() | WRONG_PASSWORD, USER_IS_REFUSED.format("SASL_SSL and SCRAM-SHA-512")),
    "a mechanism that is not offered": (lambda kafka: kafka.with_password("SCRAM-SHA-512"), "it does not know users by SCRAM-SHA-512 there: see DRIFTWARDEN_SASL_MECHANISM"),
    "another authority": (lambda kafka: kafka.with_tls() | {"DRIFTWARDEN_SSL_CAFILE": str(kafka.stranger.certificate)}, CA_IS_WRONG),
    "another authority, with a password": (lambda kafka: kafka.with_password_and_tls() | {"DRIFTWARDEN_SSL_CAFILE": str(kafka.stranger.certificate)}, CA_IS_WRONG),
    "another host than the certificate's": (
        lambda kafka: kafka.with_tls() | {"DRIFTWARDEN_BOOTSTRAP": f"localhost:{kafka.ports['TLS']}"},
        "see DRIFTWARDEN_SSL_CAFILE, and whether the certificate names the host of DRIFTWARDEN_BOOTSTRAP",
    ),
    "no certificate of our own": (lambda kafka: kafka.with_tls() | {"DRIFTWARDEN_BOOTSTRAP": f"127.0.0.1:{kafka.ports['MUTUAL']}"}, "or that we have none"),
    "a stranger's certificate": (lambda kafka: kafka.with_certificate() | _strangers(kafka), "see DRIFTWARDEN_SSL_CERTFILE, DRIFTWARDEN_SSL_KEYFILE"),
}


def _set(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("way", WAYS)
def test_commands_and_applications_come_in_with_what_the_environment_says(
    way: str, broker: str, secured: SecuredKafka, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _set({**WAYS[way](secured), "DRIFTWARDEN_TOPIC_PREFIX": topic_prefix}, monkeypatch)
    caplog.set_level(logging.INFO)
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
    assert not [secret for secret in SECRETS if secret in caplog.text + applied.output]


@pytest.mark.parametrize("way", ["a password, SCRAM-SHA-512, and TLS", "a certificate"])  # with PLAIN one comes in `test_delivery_bad_input`
def test_a_worker_counts_every_event_by_way_of(way: str, broker: str, secured: SecuredKafka, topics: Topics, tmp_path: Path) -> None:
    with delivery_stream(broker, topics, tmp_path) as stream:
        stream.apply()
        stream.publish(500)
        worker = stream.worker("w0", environment=WAYS[way](secured))
        stream.finish()
        assert stream.counted() == (stream.predictions, stream.labels)
        assert not [secret for secret in SECRETS if secret in worker.printed]


@pytest.mark.parametrize("what", REFUSALS)
def test_what_a_kafka_refuses_is_told_at_once_with_the_setting_to_look_at_and_without_secrets(
    what: str, broker: str, secured: SecuredKafka, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    way, expected = REFUSALS[what]
    _set(way(secured), monkeypatch)
    monkeypatch.setattr("streams.cli.options._PATIENCE_MILLISECONDS", 1_000 * PATIENCE)  # so that "at once" is not a matter of how busy the machine is
    before = set(threading.enumerate())
    done = run("worker")
    assert isinstance(done.exception, DriftwardenError), done.output
    told = f"{done.exception}"
    assert expected in told
    assert told.startswith(f"no connection to Kafka on {os.environ['DRIFTWARDEN_BOOTSTRAP']} (")
    assert not [secret for secret in SECRETS if secret in told + done.output + caplog.text]
    assert set(threading.enumerate()) <= before


def test_a_command_with_a_wrong_password_ends_as_soon_as_it_is_told_so(broker: str, secured: SecuredKafka) -> None:
    command = [sys.executable, "-c", PATIENT, "topics", "apply"]
    done = subprocess.run(command, env=os.environ | secured.with_password() | WRONG_PASSWORD, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2
    assert USER_IS_REFUSED.format("SASL_PLAINTEXT and PLAIN") in done.stderr
    assert WRONG not in done.stdout + done.stderr


def test_applications_go_on_asking_and_say_what_is_refused(
    broker: str, secured: SecuredKafka, topic_prefix: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    _set(secured.with_password() | WRONG_PASSWORD, monkeypatch)
    publisher = Publisher()
    publisher.predict(model="loans", prediction="granted")
    with ModelWatcher("loans", registry=tmp_path) as watcher:
        eventually(lambda: publisher.last_error and watcher.last_error, "an error of both")
        told = f"{publisher.last_error} {watcher.last_error}"
    publisher.close(timeout=0)
    assert told.count(USER_IS_REFUSED.format("SASL_PLAINTEXT and PLAIN")) == 2
    assert WRONG not in told + caplog.text
