"""The retrainer on a real Kafka: what it cannot read does not stop it."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from kafka import KafkaProducer

from detectors.monitor import Monitor
from retrainer.decision import Decision
from retrainer.registry.files import FilesRegistry
from retrainer.versions import Request, Version
from streams.allowed_trainers import TrainerSettings
from streams.asking import Asking, read_decisions
from streams.connection import KafkaConnection
from streams.monitor_codec import encode_monitor, monitor_key
from streams.retrainer import RetrainerProcess
from streams.topics import Topics
from streams.wire import encode_decision, encode_request, encode_version
from tests.retrainer.concepts import specification
from tests.streams.command_line import run
from tests.streams.retraining_stream import RetrainingStream
from tests.waiting import PATIENCE, eventually


def test_records_that_cannot_be_read_and_a_trainer_that_cannot_be_loaded_are_named_and_stop_no_other_model(
    broker: str, topics: Topics, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    producer = KafkaProducer(bootstrap_servers=broker)
    garbage = [topics.monitors, topics.versions, topics.alerts, topics.examples, topics.requests]
    for topic in garbage:
        producer.send(topic, key=b"loans", value=b'{"what": "is this"}')
    broken = specification(trainer="no.such.module:fit").model_copy(update={"model": "broken"})
    for monitor in (broken, specification()):
        producer.send(topics.monitors, key=monitor_key(monitor.model, 1), value=encode_monitor(Monitor(specification=monitor)))
        producer.send(topics.requests, key=b"loans", value=encode_request(Request(request_id=f"of {monitor.model}", model=monitor.model, requested_at=0)))
    producer.flush()
    producer.close()

    stopping = threading.Event()
    connection = KafkaConnection(bootstrap=broker, topic_prefix=topics.prefix)
    process = RetrainerProcess(connection, FilesRegistry(tmp_path), trainers=TrainerSettings(modules="no"))
    thread = threading.Thread(target=process.run, args=(stopping,))
    thread.start()
    try:
        eventually(lambda: {one.model for one in read_decisions(connection)} == {"broken", "loans"} or not thread.is_alive(), "a decision on each model")
    finally:
        stopping.set()
        thread.join(PATIENCE)
    assert sorted((one.model, one.cause) for one in read_decisions(connection)) == [("broken", "of broken"), ("loans", "of loans")]
    assert [message for message in map(str, caplog.messages) if "'no.such.module:fit' cannot be imported: ModuleNotFoundError" in message]
    left_out = [record.getMessage() for record in caplog.records if "cannot be read is left out" in record.getMessage()]
    assert sorted(message.split("[")[0] for message in left_out) == sorted(garbage)


def test_a_request_is_sent_answered_and_told_with_the_verdict_as_exit_code(broker: str, topics: Topics, tmp_path: Path) -> None:
    options = ("--bootstrap", broker, "--prefix", topics.prefix)
    stopping = threading.Event()
    process = RetrainerProcess(KafkaConnection(bootstrap=broker, topic_prefix=topics.prefix), FilesRegistry(tmp_path))
    thread = threading.Thread(target=process.run, args=(stopping,))
    thread.start()
    try:
        asked = run("retrain", "request", "loans", "--by", "ci:main", "--id", "r7", "--wait", "60", "--json", *options)
    finally:
        stopping.set()
        thread.join(PATIENCE)
    assert asked.exit_code == 2, "nothing was proved"
    assert json.loads(asked.stdout)["reason"].startswith("no monitor of 'loans' is applied")
    told = [json.loads(line) for line in run("retrain", "decisions", "loans", "--json", *options).stdout.splitlines()]
    assert [(one["cause"], one["instruction"]) for one in told] == [("r7", "DoNothing")]
    assert "no monitor of" in run("retrain", "decisions", "--cause", "r7", *options).stdout


def test_a_request_is_answered_by_the_time_of_events_whenever_it_was_sent(changed: RetrainingStream) -> None:
    changed.run_until(changed.ended)
    today = time.time_ns() // 1_000_000  # the events are of 1970
    changed.ask(Request(request_id="r1", model="loans", requested_at=today))
    changed.run_until(lambda: any(one.cause == "r1" for one in changed.decisions()))
    answered, ended = (next(one.at for one in changed.decisions() if one.cause == cause) for cause in ("r1", "a1"))
    assert ended <= answered < today / 2


def test_a_request_that_is_sent_again_has_the_verdict_of_the_first_time(broker: str, topics: Topics) -> None:
    connection = KafkaConnection(bootstrap=broker, topic_prefix=topics.prefix)
    promoted = Version(model="loans", version="4", status="promoted", at=1, cause="r8", gate={"reason": "better"})
    answered = Decision(model="loans", at=2, event="RetrainRequested", stage="serving", instruction="DoNothing", cause="r8", reason="request r8 was answered already")
    producer = KafkaProducer(bootstrap_servers=broker)
    producer.send(topics.versions, key=b"loans", value=encode_version(promoted))
    producer.flush()
    asking = Asking(Request(request_id="r8", model="loans", requested_at=3), connection)
    producer.send(topics.decisions, key=b"loans", value=encode_decision(answered))
    producer.close()
    outcome = asking.outcome(PATIENCE)
    asking.close()
    assert (outcome.verdict, outcome.version, outcome.reason) == ("promoted", "4", "better")


def test_without_a_retrainer_nothing_is_said_to_go_on(broker: str, topics: Topics) -> None:
    options = ("--bootstrap", broker, "--prefix", topics.prefix)
    asked = run("retrain", "request", "loans", "--id", "r9", "--wait", "1", "--json", *options)
    assert asked.exit_code == 2
    assert asked.stderr.startswith("request r9 was sent; waiting at most 1 s for what comes of it"), "a training may be under way for longer than anybody looks on without a word"
    assert "no retrainer answered within 1 s; is one running?" in json.loads(asked.stdout)["reason"]
