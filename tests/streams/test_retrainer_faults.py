"""Faults of the retrainer on a real Kafka: killed in each stage, two of them, a registry that is away, a storm of labels."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detectors.rows.examples import Examples
from retrainer.versions import Request, Version
from streams.asking import read_decisions
from streams.topics import Topics
from tests.retrainer.concepts import alert
from tests.streams.retraining_stream import CHANGE, Death, RetrainingStream
from tests.waiting import PATIENCE, eventually

pytestmark = pytest.mark.kafka


DEATHS: list[Death] = [
    ("before", "Collect"),
    ("after", "Collect"),
    ("during", "training"),
    ("inside", "Train"),
    ("after", "Train"),
    ("inside", "Publish"),
    ("after", "Publish"),
]


def test_a_retrainer_killed_in_each_stage_loses_no_announcement_makes_none_twice_and_answers_the_cause_once(changed: RetrainingStream) -> None:
    for death in DEATHS:
        changed.die(death)
    changed.run_until(changed.ended)
    assert [(one.version, one.status, one.cause) for one in changed.versions()] == [("2", "registered", "a1"), ("2", "promoted", "a1")]
    told = [one.instruction for one in changed.decisions()]
    assert told == ["Collect", "Train", "StartGate", "Publish", "DoNothing"]
    assert changed.fits() == ["a1"] * 3, "one that was killed, one whose transaction was not committed, and the one that was announced"
    assert changed.registry.alias("loans", "champion") == "2"


def test_of_two_retrainers_one_acts_and_the_other_takes_over_when_it_is_killed(changed: RetrainingStream) -> None:
    acting = changed.retrainer("r0", ("after", "Train"))
    eventually(lambda: bool(changed.decisions()))
    waiting = changed.retrainer("r1")
    try:
        acting.join(PATIENCE)
        eventually(changed.ended)
    finally:
        waiting.kill()
        waiting.join()
    assert [(one.version, one.status) for one in changed.versions()] == [("2", "registered"), ("2", "promoted")]
    assert [one.instruction for one in changed.decisions()] == ["Collect", "Train", "StartGate", "Publish", "DoNothing"]
    assert changed.fits() == ["a1"]


@pytest.mark.parametrize("signals", [(signal.SIGTERM, signal.SIGINT), (signal.SIGKILL,)], ids=["told twice", "killed"])
def test_a_retrainer_that_is_to_end_at_once_ends_the_command_that_trains_for_it_and_the_next_one_trains_again(
    broker: str, topics: Topics, tmp_path: Path, signals: tuple[signal.Signals, ...]
) -> None:
    begun, program = tmp_path / "begun", tmp_path / "train.py"
    program.write_text(f"import os, pathlib, time\nwith pathlib.Path({str(begun)!r}).open('a') as file: print(os.getpid(), file=file)\ntime.sleep({10 * PATIENCE})")
    command = f"{sys.executable} {program}"
    stream = RetrainingStream(broker, topics, tmp_path, trainer=f"command: {command}")
    rows = stream.rows([(CHANGE, "old"), (400, "new")])
    stream.alert(alert("a1", int(rows.labelled_at[CHANGE])))
    stream.publish(rows)
    environment = os.environ | {"DRIFTWARDEN_BOOTSTRAP": broker, "DRIFTWARDEN_TOPIC_PREFIX": topics.prefix, "DRIFTWARDEN_TRAINER_COMMANDS": command}
    arguments = [sys.executable, "-m", "streams.cli", "retrainer", "--registry", str(stream.registry.root), "--datasets", str(tmp_path / "datasets"), "--name", "r0"]
    for place in (1, 2):
        log = tmp_path / f"log {place}"
        with log.open("wb") as file:
            process = subprocess.Popen(arguments, env=environment, stderr=file)
        try:
            eventually(lambda count=place: begun.exists() and len(begun.read_text().splitlines()) == count, "a training that is under way")
            for number, later in zip(signals, (*signals[1:], None), strict=True):
                process.send_signal(number)
                if later is not None:
                    eventually(lambda told=log: "a second signal ends it at once" in told.read_text(), "a word of what it waits for")
            process.wait(PATIENCE)
        finally:
            process.kill()
        assert "a training on" in log.read_text()
        pid = int(begun.read_text().splitlines()[-1])
        eventually(lambda gone=Path(f"/proc/{pid}"): not gone.exists() or "\nState:\tZ" in (gone / "status").read_text(), "the end of the command")
    assert stream.versions() == []
    assert [one.instruction for one in stream.decisions()] in ([], ["Collect"])
    stream.close()


@pytest.mark.parametrize("gone", [False, True], ids=["changed", "gone"])
def test_a_model_whose_artifact_was_changed_or_is_gone_is_left_alone_with_the_reason_and_all_others_are_retrained(
    broker: str, topics: Topics, tmp_path: Path, caplog: pytest.LogCaptureFixture, gone: bool
) -> None:
    stream = RetrainingStream(broker, topics, tmp_path)
    rows = stream.rows([(CHANGE, "old"), (2_400, "new")])
    rows = replace(rows, version=np.full(len(rows), "of another service", object))  # so that the champion is asked what it would have said
    stream.publish(rows.take(slice(0, CHANGE + 400)))
    stream.alert(alert("a1", int(rows.labelled_at[CHANGE])))
    file = stream.registry.root / stream.first[-1].uri.removeprefix("files:")
    announced, asked = file.read_bytes(), list[str]()
    if gone:
        file.unlink()
    else:
        file.write_bytes(announced + b"changed")

    def all_are_answered() -> bool:
        if not asked and any("'loans' is not retrained" in record.getMessage() for record in caplog.records):
            stream.announce(Version(model="loans", version="brought", status="registered", at=1, by="ada", uri="files:brought"))  # which serves nobody
            asked.append("r0")
            stream.ask(Request(request_id="r0", model="nobody's", requested_at=0))
        answered = [one.cause for one in read_decisions(stream.connection)]
        if asked == ["r0"] and "r0" in answered:
            asked.append("r1")
            stream.ask(Request(request_id="r1", model="loans", requested_at=0))
        return "r1" in answered

    stream.run_until(all_are_answered)
    why = next(one for one in stream.decisions() if one.cause == "r1")
    assert (why.event, why.instruction) == ("RetrainRequested", "DoNothing")
    assert ("which holds other files" if gone else "it was changed after it was registered, and was not loaded") in why.reason

    file.write_bytes(announced)
    stream.publish(rows.take(slice(CHANGE + 400, None)))
    stream.run_until(stream.ended)
    told = [(one.version, one.status, one.cause) for one in stream.versions() if one.version != "brought"]
    assert (told, stream.fits()) == ([("2", "registered", "a1"), ("2", "promoted", "a1")], ["a1"]), "it goes on where it was"
    stream.close()


def test_a_registry_that_is_away_is_waited_for_and_nothing_is_trained_again(changed: RetrainingStream, caplog: pytest.LogCaptureFixture) -> None:
    root, elsewhere = changed.registry.root, changed.folder / "elsewhere"

    def comes_back() -> bool:
        if elsewhere.exists() and any("the registry could not register" in record.getMessage() for record in caplog.records):
            root.unlink()
            elsewhere.rename(root)
        return not elsewhere.exists() and changed.ended()

    root.rename(elsewhere)
    root.write_text("not a folder: the volume is not mounted")
    changed.run_until(comes_back)
    assert [(one.version, one.status) for one in changed.versions()] == [("2", "registered"), ("2", "promoted")]
    assert changed.fits() == ["a1"]


def test_a_storm_of_labels_trains_no_more_than_the_targets_on_bounded_rows(broker: str, topics: Topics, tmp_path: Path) -> None:
    stream = RetrainingStream(broker, topics, tmp_path, refresh=[200, 400, 4_000], earlier=False, quotas={"max_rows": 3_000})
    try:
        rows = stream.rows([(CHANGE, "old"), (15_000, "new")])
        corrections = Examples(**{**vars(rows), "offset": rows.offset + rows.offset.max() + 1})
        stream.alert(alert("a1", int(rows.labelled_at[CHANGE])))
        stream.publish(Examples.concatenate([rows, corrections]), at_once=8_000)  # each label comes twice
        stream.run_until(lambda: [one.status for one in stream.versions()].count("registered") == 3)
    finally:
        stream.close()
    told = stream.versions()
    assert len(stream.fits()) == len({one.version for one in told}) == 3
    assert [one.status for one in told].count("promoted") >= 1
    trained_on = [one.trained_on["rows"] for one in told if one.status == "registered"]
    assert trained_on[:2] == [200, 400]
    assert 1_500 <= trained_on[2] <= 3_000, "the newest rows that are kept, each event once"


def test_labels_that_are_flipped_for_an_hour_promote_nothing(broker: str, topics: Topics, tmp_path: Path) -> None:
    stream = RetrainingStream(broker, topics, tmp_path, refresh=[200, 400], gate={})  # the defaults of the gate
    try:
        rows = stream.rows([(CHANGE + 3_600 + 3_600 + 7_200, "old")])  # in the end the evidence is against the challengers, not only not for them
        wrong = slice(CHANGE, CHANGE + 3_600)  # an event a second: the training rows, and the first half of what would prove the challenger
        rows.label[wrong] = np.where(rows.label[wrong] == "yes", "no", "yes")
        stream.alert(alert("a1", int(rows.labelled_at[CHANGE])))
        stream.publish(rows, at_once=1_000)
        stream.run_until(stream.ended)
    finally:
        stream.close()
    assert sorted((one.version, one.status) for one in stream.versions()) == [(version, status) for version in "234" for status in ("registered", "rejected")]
    assert {one.version for one in stream.versions() if "before" in one.trained_on} == {"4"}, "what learns from all rows at hand begins with those of the first champion"
    assert stream.registry.alias("loans", "champion") == "1"
