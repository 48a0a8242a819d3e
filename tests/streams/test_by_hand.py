"""A person promotes a version, or takes the champion back."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaProducer

from detectors.errors import DriftwardenError
from retrainer.decision import Decision
from retrainer.registry.files import FilesRegistry
from retrainer.versions import Version, champion
from streams.by_hand import decided
from streams.topics import Topics
from streams.wire import encode_decision, encode_version
from tests.streams.command_line import run


def record(version: str, status: str, at: int, uri: str = "files:x") -> Version:
    return msgspec.convert({"model": "loans", "version": version, "status": status, "at": at, "uri": uri}, Version)


RECORDS = [
    record("1", "registered", 0),
    record("1", "promoted", 1),
    record("2", "registered", 2),
    record("3", "rejected", 3, uri=""),
    record("4", "registered", 4),
    record("4", "promoted", 5),
    record("4", "rolled_back", 6),
]


def test_what_a_person_promotes_serves_and_what_is_taken_back_gives_way_to_the_one_before() -> None:
    promoted = decided(RECORDS, "2", "promoted", by="ada", why="asked", at=9)
    assert (promoted.by, promoted.gate, promoted.at) == ("ada", {"reason": "asked"}, 9)
    serving = champion([*RECORDS, promoted])
    assert serving is not None
    assert serving.version == "2"
    back = decided([*RECORDS, promoted], "2", "rolled_back", by="ada", why="it failed", at=10)
    serving = champion([*RECORDS, promoted, back])
    assert serving is not None
    assert serving.version == "1"


def test_a_person_may_promote_again_what_was_taken_back() -> None:
    serving = champion([*RECORDS, decided(RECORDS, "4", "promoted", by="ada", why="it was not its fault", at=9)])
    assert serving is not None
    assert (serving.version, serving.by) == ("4", "ada")


@pytest.mark.parametrize(
    ("version", "status", "why"),
    [
        ("3", "promoted", "has no artifact, as its training failed"),
        ("4", "rolled_back", "does not serve; version 1 does"),
        ("1", "promoted", "serves already"),
        ("2", "rolled_back", "does not serve; version 1 does"),
        ("1", "rolled_back", "nothing would serve without it|nothing would serve without version 1"),
    ],
)
def test_what_cannot_be_decided_is_told(version: str, status: str, why: str) -> None:
    with pytest.raises(DriftwardenError, match=why):
        decided(RECORDS, version, status, by="ada", why="", at=9)  # type: ignore[arg-type]  # a row of a table


@pytest.mark.kafka
def test_a_person_may_say_no_to_a_version_that_waits_and_to_no_other(broker: str, topics: Topics) -> None:
    asked = Decision(model="loans", at=8, event="GatePassed", stage="validating", instruction="AskApproval", cause="a1", reason="the gate was passed", version="2")
    producer = KafkaProducer(bootstrap_servers=broker)
    for one in (*RECORDS[:2], msgspec.structs.replace(RECORDS[2], parent="1"), *RECORDS[3:]):
        producer.send(topics.versions, key=b"loans", value=encode_version(one)).get(10)
    producer.send(topics.decisions, key=b"loans", value=encode_decision(asked)).get(10)
    producer.close()
    options = ("--bootstrap", broker, "--prefix", topics.prefix)
    assert "waits for a person" in run("models", "lineage", "loans", *options).stdout
    refused = run("models", "reject", "loans@1", "--by", "bob", *options).exception
    assert "version 1 of 'loans' does not wait for a person (those that do: 2)" in str(refused)
    assert "version 2 of 'loans' is rejected" in run("models", "reject", "loans@2", "--by", "bob", "--why", "too little for so much", *options).stdout
    told = json.loads(run("models", "history", "loans", "--json", *options).stdout)
    assert (told["champion"], told["waiting"]) == ("1", [])
    assert [(one["by"], one["gate"]) for one in told["records"] if one["version"] == "2" and one["status"] == "rejected"] == [("bob", {"reason": "too little for so much"})]
    assert "waits for a person" not in run("models", "lineage", "loans", *options).stdout


@pytest.mark.kafka
def test_the_commands_announce_it_and_move_the_alias(broker: str, topics: Topics, tmp_path: Path) -> None:
    producer = KafkaProducer(bootstrap_servers=broker)
    for one in RECORDS:
        producer.send(topics.versions, key=b"loans", value=encode_version(one)).get(10)
    producer.close()
    options = ("--by", "ada", "--bootstrap", broker, "--prefix", topics.prefix, "--registry", str(tmp_path))
    told = run("models", "promote", "loans@2", "--why", "passed the gate", *options)
    assert "version 2 of 'loans' serves" in told.stdout
    assert FilesRegistry(tmp_path).alias("loans", "champion") == "2"
    history = json.loads(run("models", "history", "loans", "--json", "--bootstrap", broker, "--prefix", topics.prefix).stdout)
    assert history["champion"] == "2"
    assert "version 1 of 'loans' serves" in run("models", "rollback", "loans@2", *options).stdout
    assert FilesRegistry(tmp_path).alias("loans", "champion") == "1"


@pytest.mark.kafka
def test_the_registry_is_told_what_became_of_a_version_that_a_person_decided_on(broker: str, topics: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    producer = KafkaProducer(bootstrap_servers=broker)
    for one in RECORDS:
        producer.send(topics.versions, key=b"loans", value=encode_version(one)).get(10)
    producer.close()
    noted: list[tuple[str, str]] = []
    monkeypatch.setattr(FilesRegistry, "note", lambda _, record: noted.append((record.version, record.status)))
    options = ("--by", "ada", "--bootstrap", broker, "--prefix", topics.prefix, "--registry", str(tmp_path))
    run("models", "promote", "loans@2", *options)
    run("models", "rollback", "loans@2", *options)
    assert noted == [("2", "promoted"), ("2", "rolled_back")]
