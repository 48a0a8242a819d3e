"""`driftwarden models` on a real Kafka."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kafka import KafkaProducer

from detectors.errors import DriftwardenError, SettingsError
from retrainer.approval import unanswered
from retrainer.decision import Decision
from retrainer.versions import Version
from streams.cli.models.overview import evidence
from streams.topics import Topics
from streams.wire import encode_alert, encode_decision, encode_version
from tests.retrainer.concepts import alert
from tests.streams.command_line import run

GATE = {"reason": "superseded by version 2", "labels": 6_100, "difference": 0.07, "interval": [0.04, 0.1], "wealth": 29.3, "threshold": 80.0}
RECORDS = [
    Version(model="churn", version="1", status="registered", at=0, by="bootstrap", cause="bootstrap", trained_on={"rows": 9_000}),
    Version(model="churn", version="1", status="promoted", at=0, gate={"reason": "the first champion"}),
    Version(model="churn", version="2", status="registered", at=1_000, parent="1", cause="a1", trained_on={"rows": 760}),
    Version(model="churn", version="3", status="registered", at=2_000, parent="1", cause="a1", trained_on={"rows": 800}),
    Version(model="churn", version="2", status="promoted", at=3_000, parent="1", cause="a1", gate={"reason": "better by 0.072 on 6200 labels: wealth 100.8 of 80"}),
    Version(model="churn", version="3", status="rejected", at=3_000, parent="1", cause="a1", gate=GATE),
    Version(model="churn", version="4", status="registered", at=4_000, parent="2", cause="pr#12 [x]", trained_on={"rows": 900}),
    Version(model="churn", version="5", status="registered", at=5_000, parent="2", by="ada"),
    Version(model="churn", version="6", status="rejected", at=6_000, parent="2", cause="a2", gate={"reason": "training failed: [/srv/x] not found"}),
    Version(model="churn", version="7", status="registered", at=7_000, parent="2", cause="a3", uri="files:7"),
    Version(model="fraud", version="1", status="registered", at=0),
]
ASKED = Decision(
    model="churn", at=8_000, event="GatePassed", stage="serving", instruction="AskApproval", cause="a3", reason="the gate was passed (better); approval is 'manual'", version="7"
)


def test_a_version_that_passed_the_gate_and_was_not_promoted_is_not_said_to_be_in_it() -> None:
    passed, another = (
        Version(model="churn", version=name, status=status, at=9_000, parent="2", cause="a3", by=by)
        for name, status, by in (("7", "registered", "retrainer"), ("5", "promoted", "ada"))
    )
    asked = unanswered([*RECORDS, passed, another], [ASKED])
    assert evidence(passed) == "in the gate"
    assert evidence(passed, asked["7"]) == "the gate was passed (better); approval is 'manual'; it was not promoted before another version served"


@pytest.mark.kafka
def test_list_and_history_tell_champion_cause_rows_and_evidence(broker: str, topics: Topics) -> None:
    options = ("--bootstrap", broker, "--prefix", topics.prefix)
    assert "no version was announced yet" in run("models", "list", *options).stdout
    producer = KafkaProducer(bootstrap_servers=broker)
    for record in [*RECORDS, RECORDS[1]]:  # a producer that repeats itself does not bring version 1 back
        producer.send(topics.versions, key=record.model.encode(), value=encode_version(record)).get(10)
    producer.send(topics.decisions, key=b"churn", value=encode_decision(ASKED)).get(10)
    producer.close()

    models = {model["model"]: model for model in json.loads(run("models", "list", *options, "--json").stdout)}
    assert {name: model["champion"] for name, model in models.items()} == {"churn": "2", "fraud": None}
    shown = run("models", "list", *options).stdout
    assert "churn" in shown
    assert "fraud" in shown
    assert "version 7 waits for a person" in shown

    told = json.loads(run("models", "history", "churn", *options, "--json").stdout)
    assert [(one["version"], one["status"], one["cause"], one["rows"]) for one in told["versions"]] == [
        ("1", "promoted", "", 9_000),
        ("2", "promoted", "a1", 760),
        ("3", "rejected", "a1", 800),
        ("4", "registered", "pr#12 [x]", 900),
        ("5", "registered", "", None),
        ("6", "rejected", "a2", None),
        ("7", "registered", "a3", None),
    ]
    assert len(told["records"]) == 10
    assert [one["evidence"] for one in told["versions"][3:5]] == ["in the gate", ""]  # what a person brought is in none
    commands = "driftwarden models promote --by NAME churn@7, or rejects it: driftwarden models reject --by NAME churn@7"
    how = f"the gate was passed (better); approval is 'manual'; a person promotes it: {commands}"
    assert (told["waiting"], told["versions"][6]["evidence"]) == (["7"], how)
    assert told["versions"][2]["evidence"] == "superseded by version 2; loss lower by 0.07 (95 % +0.04 to +0.1) on 6,100 labels; evidence 29.3 of 80 needed"
    table = run("models", "history", "churn", *options).stdout
    assert "promoted (champion)" in table
    assert "the first champion" in table
    assert "pr#12 [x]" in table
    assert "[/srv/x] not found" in table
    for command in commands.split(", or rejects it: "):
        assert command in table, "whole, to be copied"
    unknown = run("models", "history", "rent", *options)
    assert isinstance(unknown.exception, SettingsError)
    assert "there are: churn, fraud" in str(unknown.exception)


@pytest.mark.kafka
def test_lineage_card_and_comparison_are_made_of_the_topics(broker: str, topics: Topics, tmp_path: Path) -> None:
    options = ("--bootstrap", broker, "--prefix", topics.prefix)
    producer = KafkaProducer(bootstrap_servers=broker)
    for record in RECORDS:
        producer.send(topics.versions, key=record.model.encode(), value=encode_version(record))
    producer.send(topics.alerts, key=b"loans", value=encode_alert(alert("a1", 500)))
    producer.close()

    lineage = json.loads(run("models", "lineage", "churn@2", *options, "--format", "json").stdout)
    assert [node["label"] for node in lineage["nodes"] if node["kind"] == "cause"] == ["cause bootstrap", "performance alert a1"]
    assert next(node for node in lineage["nodes"] if node["name"] == "cause a1")["details"]["summary"] == "the error rate rose"
    run("models", "lineage", "churn", *options, "--format", "svg", "-o", tmp_path / "lineage.svg")
    assert (tmp_path / "lineage.svg").read_text().startswith("<svg")

    card = run("models", "card", "churn", *options)
    assert card.stdout.startswith("# churn, version 2\n")
    assert "the error rate rose" in card.stdout
    compared = json.loads(run("models", "compare", "churn@2", "churn@3", *options, "--json").stdout)
    assert compared["differences"]["training"]["rows"] == [760, 800]
    table = run("models", "compare", "churn@2", "churn@6", *options).stdout
    assert "[/srv/x] not found" in table
    assert "promoted" in table
    assert "rejected" in table


def test_without_a_broker_the_error_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.whole_topic._BOOTSTRAP_MILLISECONDS", 300)
    done = run("models", "list", "--bootstrap", "127.0.0.1:1")
    assert isinstance(done.exception, DriftwardenError)
    assert "driftwarden broker start" in str(done.exception)
