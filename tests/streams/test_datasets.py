"""Training sets as files and from the topic: `driftwarden datasets`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kafka import KafkaProducer

from detectors.errors import DriftwardenError, SettingsError
from detectors.rows.examples import Examples
from retrainer.training_set import TABLE, TrainingSet, choose, digest
from retrainer.versions import Version
from streams.connection import KafkaConnection
from streams.dataset_files import DatasetFiles
from streams.examples_codec import decode_examples, table_of
from streams.topic_examples import training_set_of
from streams.topics import Topics
from streams.wire import encode_version
from tests.retrainer.test_training_set import cause, rows
from tests.streams.command_line import run


def record_of(examples: Examples) -> bytes:
    """A record of ``monitoring.examples`` with these rows."""
    table = table_of(examples).replace_schema_metadata({"model": examples.model})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    value: bytes = sink.getvalue().to_pybytes()
    return value


def kept(root: Path, since: int, *, n: int = 120) -> TrainingSet:
    chosen = choose(rows(n), cause(since, clock="predicted"), window=5, max_rows=1_000, min_per_class=3)
    DatasetFiles(root).keep(chosen, chosen.lineage("inference.events") | {"model": "churn", "cause": "a1", "at": since})
    return chosen


def test_a_training_set_comes_back_from_parquet_as_it_was_and_a_changed_file_is_refused(tmp_path: Path) -> None:
    chosen = kept(tmp_path, 40)
    found = DatasetFiles(tmp_path).find(chosen.digest[:16])
    assert digest(found.examples()) == chosen.digest
    assert found.lineage["offsets"] == chosen.offsets
    table = pq.read_table(found.path)
    changed = table.set_column(table.column_names.index("label"), "label", pa.array(["c0"] * table.num_rows)).replace_schema_metadata(table.schema.metadata)
    pq.write_table(changed, found.path)
    with pytest.raises(DriftwardenError, match="it was changed"):
        DatasetFiles(tmp_path).find(chosen.digest).examples()


@pytest.mark.parametrize("change", ["cut", "another table", "no table"])
def test_a_training_set_that_cannot_be_read_is_refused_as_one_that_was_changed(tmp_path: Path, change: str) -> None:
    chosen = kept(tmp_path, 40)
    path = DatasetFiles(tmp_path).find(chosen.digest[:16]).path
    whole = path.read_bytes()
    if change == "another table":
        pq.write_table(pa.table({"x": [1.0]}), path)
    else:
        path.write_bytes(whole[:100] + bytes(len(whole) - 108) + whole[-8:] if change == "cut" else b"not a table")
    with pytest.raises(DriftwardenError, match=r"cannot be read: .*Make it again with: driftwarden datasets rebuild"):
        DatasetFiles(tmp_path).rows_of("churn", {"digest": chosen.digest})


def test_the_commands_list_show_and_compare_training_sets(tmp_path: Path) -> None:
    first, second = kept(tmp_path, 40), kept(tmp_path, 60)
    (tmp_path / "churn" / "other.parquet").write_bytes(b"not one of ours")
    options = ("--datasets", tmp_path)
    listed = json.loads(run("datasets", "list", *options, "--json").stdout)
    assert [(one["digest"], one["rows"], one["cause"]) for one in listed] == [(first.digest, 80, "a1"), (second.digest, 60, "a1")]
    assert first.digest[7:19] in run("datasets", "list", "churn", *options).stdout
    assert "no training set" in run("datasets", "list", "rent", *options).stdout
    shown = json.loads(run("datasets", "show", first.digest[7:15], *options, "--json").stdout)
    assert shown["span"]["predicted"] == ["1970-01-01T00:00:00.040Z", "1970-01-01T00:00:00.119Z"]
    assert shown["features"]["x"]["mean"] == pytest.approx(np.arange(40, 120).mean() / 7)
    assert "the digest was computed again" in run("datasets", "show", first.digest, *options).stdout
    told = json.loads(run("datasets", "diff", first.digest, second.digest, *options, "--json").stdout)
    assert (told["both"], told["only_first"], told["only_second"], told["relabelled"]) == (60, 20, 0, 0)
    x = told["features"]["x"]
    both = [np.arange(start, 120) / 7 for start in (40, 60)]
    assert x["apart"] == pytest.approx((both[1].mean() - both[0].mean()) / np.sqrt((both[0].var(ddof=1) + both[1].var(ddof=1)) / 2))
    assert "60 events in both" in run("datasets", "diff", first.digest, second.digest, *options).stdout
    missing = run("datasets", "show", "00", *options)
    assert isinstance(missing.exception, SettingsError)
    assert first.digest[7:23] in str(missing.exception)


def test_of_many_levels_a_comparison_shows_the_most_frequent(tmp_path: Path) -> None:
    table = rows(120)
    table = replace(table, features=table.features | {"article": np.array([f"{place % 90:02}" for place in range(len(table))], object)})
    names = []
    for since in (40, 60):
        chosen = choose(table, cause(since, clock="predicted"), window=5, max_rows=1_000)
        DatasetFiles(tmp_path).keep(chosen, chosen.lineage("inference.events") | {"model": "churn", "cause": "a1", "at": since})
        names.append(chosen.digest)
    shown = run("datasets", "diff", *names, "--datasets", tmp_path).stdout
    assert "04 0.01, and 75" in shown
    assert "79 0.01" not in shown


@pytest.mark.kafka
def test_a_training_set_is_the_same_again_from_its_offsets_on_the_topic(broker: str, topics: Topics, tmp_path: Path) -> None:
    table = rows(150)
    assert np.array_equal(decode_examples(record_of(table))[0].label, table.label)
    chosen = choose(table.take(slice(0, 120)), cause(40, clock="predicted"), window=5, max_rows=1_000, min_per_class=3)
    record = Version(model="churn", version="2", status="registered", at=119, cause="a1", trained_on=chosen.lineage(topics.inference_events))
    producer = KafkaProducer(bootstrap_servers=broker)
    for partition in range(3):
        mine = table.take(table.partition == partition)
        for part in (mine.take(slice(0, 30)), mine.take(slice(20, None))):  # some rows are delivered twice
            producer.send(topics.examples, partition=partition, value=record_of(part))
    table_rows = choose(replace(rows(30), partition=np.full(30, TABLE), offset=np.arange(30), event_id=~rows(30).event_id), cause(None), window=30, max_rows=30)
    both = choose(Examples.concatenate([table_rows.examples, table.take(slice(0, 120))]), cause(None), window=1_000, max_rows=1_000)
    before = {"version": "1", "topic": "churn.csv", "digest": table_rows.digest, "rows": 30}
    later = Version(model="churn", version="3", status="registered", at=119, cause="a2", trained_on=both.lineage(topics.inference_events) | {"before": before})
    for one in (record, later):
        producer.send(topics.versions, key=b"churn", value=encode_version(one))
    producer.close()
    assert training_set_of(KafkaConnection(bootstrap=broker, topic_prefix=topics.prefix), "churn", record.trained_on).digest == chosen.digest
    options = ("--datasets", tmp_path, "--bootstrap", broker, "--prefix", topics.prefix, "--json")
    rebuilt = run("datasets", "rebuild", "churn@2", *options)
    assert (rebuilt.exit_code, json.loads(rebuilt.stdout)["same"]) == (0, True)
    assert digest(DatasetFiles(tmp_path).find(chosen.digest).examples()) == chosen.digest
    refused = run("datasets", "rebuild", "churn@3", *options)
    assert "which version 1 of 'churn' was trained on and no topic holds" in str(refused.exception)
    DatasetFiles(tmp_path).keep(table_rows, table_rows.lineage("churn.csv") | {"model": "churn", "cause": "bootstrap", "at": 0})
    rebuilt = run("datasets", "rebuild", "churn@3", *options)
    assert (rebuilt.exit_code, json.loads(rebuilt.stdout)["same"]) == (0, True)
    shown = run("datasets", "show", both.digest, "--datasets", tmp_path).stdout
    assert "rows 0 to 29 of churn.csv, which the first champion was trained on" in shown
