"""`driftwarden alerts` on a real Kafka."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import msgspec
import pytest
from kafka import KafkaProducer

from detectors.alert import Alert
from detectors.verdict import Effect, Evidence
from streams.topics import Topics
from streams.wire import encode_alert
from tests.streams.command_line import run

EVIDENCE = Evidence(
    name="feature:salary",
    statistic="z",
    value=7.0,
    threshold=5.0,
    effect=Effect(name="shift in sigma", value=0.5, interval=(0.4, 0.6), floor=0.1),
    n_reference=100.0,
    n_current=50.0,
)


def _alert(model: str, number: int, sequence: int = 0) -> Alert:
    return Alert(
        alert_id=f"{model}{number}",
        sequence=sequence,
        status="opened" if sequence == 0 else "resolved",
        kind="drift",
        severity="warning",
        model=model,
        model_version="1",
        segment="",
        opened_at=1_000 * number,
        updated_at=1_000 * number + sequence,
        change_at=0,
        summary=f"{model}: salary [changed]",
        monitors=(EVIDENCE,),
        budget="1 per 30d",
    )


def _send(broker: str, topics: Topics, *records: Alert | bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=broker)
    for record in records:
        if isinstance(record, bytes):
            producer.send(topics.alerts, key=b"x", value=record).get(10)
        else:
            producer.send(topics.alerts, key=record.model.encode(), value=encode_alert(record)).get(10)
    producer.close()


@pytest.mark.kafka
def test_alerts_prints_each_record_once_in_the_order_of_time(broker: str, topics: Topics) -> None:
    first, over = _alert("churn", 2), _alert("churn", 2, sequence=1)
    _send(broker, topics, first, over, first, _alert("fraud", 1), b"nonsense")
    options = ("--bootstrap", broker, "--prefix", topics.prefix)
    told = [json.loads(line) for line in run("alerts", *options, "--json").stdout.splitlines()]
    assert [(alert["alert_id"], alert["sequence"]) for alert in told] == [("fraud1", 0), ("churn2", 0), ("churn2", 1)]
    shown = run("alerts", *options, "--model", "churn")
    assert "churn: salary [changed]" in shown.stdout
    assert "fraud" not in shown.stdout
    assert "left out 1 records" in shown.stderr
    assert "no alert of rent" in run("alerts", *options, "--model", "rent").stdout


@pytest.mark.kafka
def test_follow_goes_on_with_the_alerts_that_come(broker: str, topics: Topics) -> None:
    _send(broker, topics, _alert("churn", 1))
    options = ["alerts", "--follow", "--from-beginning", "--json", "--bootstrap", broker, "--prefix", topics.prefix]
    process = subprocess.Popen([sys.executable, "-u", "-c", "from streams.cli import main; main()", *options], stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    try:
        assert process.stdout is not None
        assert msgspec.json.decode(process.stdout.readline())["alert_id"] == "churn1"
        _send(broker, topics, _alert("churn", 2))
        assert msgspec.json.decode(process.stdout.readline())["alert_id"] == "churn2"
    finally:
        process.terminate()
        process.wait(10)
