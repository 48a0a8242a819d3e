"""A version trained again, in a process of its own and from what was announced alone, is the same bit by bit."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from kafka import KafkaProducer

from detectors.errors import DriftwardenError
from detectors.monitor import Monitor
from detectors.rows.examples import Examples
from retrainer.bootstrap import bootstrap_champion
from retrainer.loop import RetrainLoop
from retrainer.provenance import digest_of_source, provenance, source_archive
from retrainer.registry import digest_of
from retrainer.registry.files import FilesRegistry
from retrainer.reproduction import packed, task_of, train_again, unpacked
from retrainer.trainers import TrainingContext
from retrainer.trainers.online_forest import OnlineTrainer
from retrainer.trainers.scikit_learn import ScikitLearnTrainer
from retrainer.training_set import digest
from retrainer.versions import Request, Version
from streams.dataset_files import DatasetFiles
from streams.monitor_codec import encode_monitor, monitor_key
from streams.reproduce import reproduce
from streams.topics import Topics
from streams.wire import encode_version
from tests.retrainer.concepts import specification, stream, table
from tests.streams.command_line import run
from tests.streams.test_datasets import record_of

SPECIFICATION = specification(refresh=[200])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[FilesRegistry, list[Version], Examples]:
    """A registry, the records of version 1 (a table's) and 2 (a request's), and the rows of the topic."""
    registry = FilesRegistry(tmp_path_factory.mktemp("models"))
    records = bootstrap_champion(*table(300, "old", 1), specification=SPECIFICATION, trainer=ScikitLearnTrainer(iterations=5), registry=registry, at=0)
    rows = stream([(400, "new")], registry.fetch(records[0].uri, records[0].digest))
    loop = RetrainLoop(SPECIFICATION, ScikitLearnTrainer(), registry, records=records, topic="monitoring.examples", seed=11, provenance=provenance)
    told = [*loop.on_request(Request(request_id="r1", model="loans", requested_at=0), 0), *loop.on_examples(rows)]
    return registry, [*records, *(one for one in told if isinstance(one, Version))], rows


def chosen(rows: Examples, record: Version) -> Examples:
    from retrainer.training_set import choose_again

    return choose_again(rows, record.trained_on).examples


def test_a_version_is_the_same_again_in_another_process_and_from_its_own_copy_of_the_code(made: tuple[FilesRegistry, list[Version], Examples], tmp_path: Path) -> None:
    registry, records, rows = made
    record = records[2]
    assert (record.version, record.status, record.provenance["seed"]) == ("2", "registered", 11)
    task = task_of(record, chosen(rows, record), SPECIFICATION)
    source = registry.source(record)
    assert source == source_archive()
    done = reproduce(record, task, source=source, folder=tmp_path)
    assert (done.same, done.differences) == (True, {})
    result = json.loads((tmp_path / "result.json").read_bytes())
    assert result["ran"] == str(tmp_path / "code/retrainer/reproduction.py")
    assert result["provenance"]["code"] == digest_of_source() == record.provenance["code"]
    assert (tmp_path / "requirements.txt").read_text().splitlines()[0].count("==") == 1

    other = msgspec.structs.replace(record, digest="sha256:" + "0" * 64)
    (tmp_path / "task.msgpack").unlink()
    assert not reproduce(other, task, folder=tmp_path).same


def test_the_first_champion_is_the_same_again_where_its_rows_were_kept(tmp_path: Path) -> None:
    files, trainer = DatasetFiles(tmp_path / "sets"), ScikitLearnTrainer(iterations=5)
    record = bootstrap_champion(*table(300, "old", 1), specification=SPECIFICATION, trainer=trainer, registry=FilesRegistry(tmp_path / "models"), at=0, keep=files.keep)[0]
    rows = files.rows_of("loans", record.trained_on)
    assert rows is not None
    artifact, _ = train_again(task_of(record, rows, SPECIFICATION), trainer=trainer)
    assert digest_of(artifact) == record.digest
    assert files.rows_of("loans", {"digest": "sha256:00"}) is None


def test_rows_that_are_not_those_of_the_training_and_versions_without_provenance_are_refused(made: tuple[FilesRegistry, list[Version], Examples]) -> None:
    _, records, rows = made
    record = records[2]
    with pytest.raises(DriftwardenError, match="some have expired, or were changed"):
        task_of(record, rows.take(slice(0, 50)), SPECIFICATION)
    with pytest.raises(DriftwardenError, match="without its provenance"):
        task_of(msgspec.structs.replace(record, provenance={}), rows, SPECIFICATION)


def test_a_command_is_given_the_variables_that_the_retrainer_gave_it(made: tuple[FilesRegistry, list[Version], Examples], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, records, rows = made
    program = tmp_path / "train.py"
    program.write_text("import os, sys; sys.exit(', '.join(name + ' ' + os.environ.get(name, 'unknown') for name in ('DEPTH', 'TZ', 'TOKEN')))")
    by_command = specification(trainer=f"command: {shlex.join([sys.executable, str(program)])}")
    monkeypatch.setenv("DEPTH", "3")
    monkeypatch.setenv("TZ", "Europe/Rome")
    monkeypatch.setenv("TOKEN", "secret")
    task = msgspec.structs.replace(task_of(records[2], chosen(rows, records[2]), by_command), variables=("DEPTH",))
    with pytest.raises(DriftwardenError, match="DEPTH 3, TZ Europe/Rome, TOKEN unknown"):
        reproduce(records[2], task)


def test_a_training_that_fails_tells_why(made: tuple[FilesRegistry, list[Version], Examples]) -> None:
    _, records, rows = made
    task = task_of(records[2], chosen(rows, records[2]), SPECIFICATION)
    with pytest.raises(DriftwardenError, match="the file was changed"):
        reproduce(records[2], msgspec.structs.replace(task, rows_digest="sha256:another"))


def test_an_online_training_goes_on_from_the_champion_of_its_time_again(made: tuple[FilesRegistry, list[Version], Examples]) -> None:
    online, rows = specification(trainer="river"), made[2]
    before, after = rows.take(slice(0, 60)), rows.take(slice(60, 120))
    champion = OnlineTrainer().train(before, online, TrainingContext(seed=3)).model
    cause = {"cause": {"mode": "online"}, "cut": 9}
    record = Version(model="loans", version="3", status="registered", at=0, gate=cause, trained_on={"digest": digest(after)}, provenance={"seed": 3})
    trained = OnlineTrainer().train(after, online, TrainingContext(seed=3, mode="online", parent=champion))
    assert trained.parameters["warm_start"]
    artifact, parameters = train_again(task_of(record, after, online, champion=champion.artifact()))
    assert (artifact == trained.model.artifact(), parameters) == (True, trained.parameters)
    assert train_again(task_of(record, after, online))[0] != artifact


def test_the_code_of_a_trainer_of_yours_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print(1)")
    told = [provenance(f"command: python {tmp_path}/train.py --fast")["trainer_code"], provenance(f"{__name__}:made")["trainer_code"], provenance("nowhere:f")["trainer_code"]]
    assert [text[:7] for text in told] == ["sha256:", "sha256:", ""]
    (tmp_path / "train.py").write_text("print(2)")
    assert provenance(f"command: python {tmp_path}/train.py --fast")["trainer_code"] != told[0]


def test_rows_come_back_as_they_were(made: tuple[FilesRegistry, list[Version], Examples]) -> None:
    rows = made[2].take(np.arange(50))  # a copy
    rows.features["x"][:3] = np.nan, np.inf, -0.0
    rows.features["city"][0] = None
    back = unpacked(msgspec.msgpack.decode(msgspec.msgpack.encode(packed(rows))))
    assert digest(back) == digest(rows)
    assert back.features["city"].dtype == object


@pytest.mark.kafka
def test_the_command_reads_all_it_needs_from_the_topics(made: tuple[FilesRegistry, list[Version], Examples], broker: str, topics: Topics) -> None:
    registry, records, rows = made
    producer = KafkaProducer(bootstrap_servers=broker)
    producer.send(topics.monitors, key=monitor_key("loans", 1), value=encode_monitor(Monitor(specification=SPECIFICATION)))
    for record in records:
        trained_on = record.trained_on | ({"topic": topics.inference_events} if record.version == "2" else {})  # the topics of a test have a prefix
        producer.send(topics.versions, key=b"loans", value=encode_version(msgspec.structs.replace(record, trained_on=trained_on)))
    for partition in range(4):
        producer.send(topics.examples, partition=partition, value=record_of(rows.take(rows.partition == partition)))
    producer.close()
    options = ("--bootstrap", broker, "--prefix", topics.prefix, "--registry", registry.root)
    done = run("models", "reproduce", "loans@2", *options, "--json")
    assert done.exit_code == 0, done.exception
    assert json.loads(done.stdout)["same"]
    refused = run("models", "reproduce", "loans@1", *options)
    assert isinstance(refused.exception, DriftwardenError)
    assert "was trained on 'table', not on rows of" in str(refused.exception)


@pytest.mark.kafka
def test_of_an_adaptive_champion_each_training_is_done_again_and_why_the_rest_cannot_be_is_said(broker: str, topics: Topics, tmp_path: Path) -> None:
    adaptive = specification(champion="adaptive", refresh=[200], update_every=150)
    registry = FilesRegistry(tmp_path / "models")
    first = bootstrap_champion(*table(300, "old", 1), specification=adaptive, trainer=ScikitLearnTrainer(iterations=5), registry=registry, at=0)
    rows = stream([(400, "new")], registry.fetch(first[0].uri, first[0].digest))
    loop = RetrainLoop(adaptive, ScikitLearnTrainer(), registry, records=first, topic=topics.inference_events, seed=11, provenance=provenance)
    said = [*loop.on_request(Request(request_id="r1", model="loans", requested_at=0), 0), *loop.on_examples(rows)]
    records = [*first, *(one for one in said if isinstance(one, Version))]
    joined = next(one.revision for one in records if one.cause == "r1")
    assert joined != records[-1].revision, "labels alone were learnt from as well"
    producer = KafkaProducer(bootstrap_servers=broker)
    producer.send(topics.monitors, key=monitor_key("loans", 1), value=encode_monitor(Monitor(specification=adaptive)))
    for record in records:
        producer.send(topics.versions, key=b"loans", value=encode_version(record))
    for partition in range(4):
        producer.send(topics.examples, partition=partition, value=record_of(rows.take(rows.partition == partition)))
    producer.close()
    options = ("--bootstrap", broker, "--prefix", topics.prefix, "--registry", registry.root)
    done = run("models", "reproduce", "loans@1", "--revision", joined, *options)
    assert done.exit_code == 0, done.exception
    assert f"the model that joined version 1 of 'loans' in revision {joined}: the same, bit by bit" in done.stdout
    refused = run("models", "reproduce", "loans@1", "--revision", records[-1].revision, *options)
    assert "has learnt from labels row by row" in str(refused.exception)
    assert str(refused.exception).endswith(f"there are trainings in --revision 0, {joined}")
    nowhere = run("models", "reproduce", "loans@1", "--revision", 99, *options)
    assert "has no revision 99" in str(nowhere.exception)
