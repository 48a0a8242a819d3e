"""`driftwarden alerts` on a real Kafka."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaProducer

from detectors.alerts.alert import Alert
from detectors.errors import SettingsError
from detectors.monitor import Monitor
from detectors.verdict import Effect, Evidence
from streams.connection import connect
from streams.monitor_codec import encode_monitor, monitor_key
from streams.topics import Topics
from streams.whole_topic import read_monitors
from streams.wire import encode_alert
from tests.detectors.event_samples import specification
from tests.detectors.test_explanation import ALERTS, lives
from tests.streams.command_line import run
from tests.waiting import PATIENCE

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
        process.wait(PATIENCE)


def _file(folder: Path, alerts: list[Alert], *, instead: tuple[str, str] = ("", "")) -> Path:
    path = folder / "alerts.jsonl"
    path.write_text("".join(encode_alert(alert).decode().replace(*instead) + "\n" for alert in alerts))
    return path


def test_explain_says_an_alert_of_a_file_in_words_and_that_its_figures_are_right(tmp_path: Path) -> None:
    told = run("alerts", "explain", ALERTS[0].alert_id[:9], "--file", _file(tmp_path, ALERTS))
    assert told.exit_code == 0, told.output
    for part in (
        ALERTS[0].alert_id,
        "what changed",
        "how surely",
        "what was ruled out",
        "what to do next",
        "figures were computed again from what the alert carries, and are as stated",
    ):
        assert part in told.stdout


def test_explain_as_json_has_every_figure_twice(tmp_path: Path) -> None:
    told = json.loads(run("alerts", "explain", ALERTS[0].alert_id, "--file", _file(tmp_path, ALERTS), "--json").stdout)
    assert (told["reproduced"], len(told["life"])) == (True, len(next(life for life in lives(ALERTS) if life[0] == ALERTS[0])))
    assert all(figure["stated"] == pytest.approx(figure["recomputed"], rel=1e-9, abs=1e-9) for figure in told["figures"])


def test_a_figure_that_cannot_be_reproduced_is_marked_and_the_exit_code_is_1(tmp_path: Path) -> None:
    alert = ALERTS[0]
    threshold = f'"threshold":{alert.monitors[0].threshold!r}'
    told = run("alerts", "explain", alert.alert_id, "--file", _file(tmp_path, ALERTS, instead=(threshold, '"threshold":4.0')))
    assert told.exit_code == 1
    assert f"threshold: stated 4, recomputed {alert.monitors[0].threshold:.10g}" in told.stdout


def test_evidence_that_was_left_out_for_size_is_said_and_is_no_error(tmp_path: Path) -> None:
    opened = max(ALERTS, key=lambda alert: (alert.status != "resolved", len(alert.monitors)))
    path = tmp_path / "alerts.jsonl"
    path.write_bytes(encode_alert(opened, max_bytes=2 * len(encode_alert(opened)) // 3))
    told = run("alerts", "explain", opened.alert_id, "--file", path)
    assert told.exit_code == 0, told.output
    assert "the evidence was left out, as the record would have been too large" in told.stdout
    assert "all " not in told.stdout.splitlines()[-2]
    assert json.loads(run("alerts", "explain", opened.alert_id, "--file", path, "--json").stdout)["left_out"]


@pytest.mark.parametrize(("alert_id", "reason"), [("unheard-of", "no alert 'unheard-of' in"), ("", "no alert '' in")])
def test_an_alert_that_is_not_there_is_told(tmp_path: Path, alert_id: str, reason: str) -> None:
    error = run("alerts", "explain", alert_id, "--file", _file(tmp_path, ALERTS)).exception
    assert isinstance(error, SettingsError)
    assert reason in str(error)


@pytest.mark.kafka
def test_explain_finds_an_alert_in_the_topic(broker: str, topics: Topics) -> None:
    life = lives(ALERTS)[0]
    _send(broker, topics, *life, life[0])
    told = run("alerts", "explain", life[0].alert_id, "--bootstrap", broker, "--prefix", topics.prefix)
    assert told.exit_code == 0, told.output
    assert life[0].summary in told.stdout.replace("\n", "")


@pytest.mark.kafka
def test_an_alert_is_acknowledged_once_beside_the_monitors(broker: str, topics: Topics) -> None:
    options = ("--bootstrap", broker, "--prefix", topics.prefix)
    _send(broker, topics, _alert("churn", 2), _alert("fraud", 1), _alert("fraud", 1, sequence=1))
    refused = run("alerts", "acknowledge", "churn2", "--by", "ann", *options)
    assert "no monitor of 'churn' is applied" in str(refused.exception)
    producer = KafkaProducer(bootstrap_servers=broker)
    producer.send(topics.monitors, key=monitor_key("churn", 1), value=encode_monitor(Monitor(specification=specification()))).get(10)
    producer.close()
    done = json.loads(run("alerts", "acknowledge", "churn2", "--by", "ann", "--note", "new market", *options, "--json").stdout)
    assert done == {"alert_id": "churn2", "model": "churn", "by": "ann", "note": "new market", "effective_from": "1970-01-01T00:00:10.000Z", "new": True}
    assert "ann has acknowledged alert churn2 already" in run("alerts", "acknowledge", "churn2", "--by", "bob", *options).stdout
    (word,) = read_monitors(connect(broker, topic_prefix=topics.prefix)).acknowledgements["churn"].values()
    assert (word.by, word.sequence, word.effective_from) == ("ann", 0, 10_000)
    over = run("alerts", "acknowledge", "fraud1", "--by", "ann", *options)
    assert "alert fraud1 is resolved since" in str(over.exception)
    assert "--by is empty" in str(run("alerts", "acknowledge", "churn2", "--by", " ", *options).exception)
