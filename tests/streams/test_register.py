"""`driftwarden models register`: a model from elsewhere becomes the first champion."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from detectors.errors import DriftwardenError, SettingsError
from detectors.specification import MonitorSpecification
from retrainer.bootstrap import bootstrap_champion
from retrainer.registry import DigestError
from retrainer.registry.files import FilesRegistry
from retrainer.trainers.scikit_learn import ScikitLearnTrainer
from retrainer.versions import Version
from streams.connection import connect
from streams.model_file import read_model
from streams.topics import Topics
from streams.whole_topic import read_versions
from tests.retrainer.concepts import specification, table
from tests.streams.command_line import run

NUMBERS = MonitorSpecification.model_validate({"model": "loans", "features": {"x": {}, "y": {}}})


def artifact(folder: Path) -> Path:
    """Of a registry that another installation has."""
    registry = FilesRegistry(folder)
    record = bootstrap_champion(*table(300, "old", 1), specification=specification(), trainer=ScikitLearnTrainer(iterations=3), registry=registry, at=0)[-1]
    return folder / record.uri.removeprefix("files:")


def estimator(path: Path, features: tuple[str, ...] = ("x", "y")) -> Path:
    columns, label = table(300, "old", 1)
    path.write_bytes(skops.io.dumps(make_pipeline(StandardScaler(), LogisticRegression()).fit(np.column_stack([columns[name] for name in features]), label)))
    return path


@pytest.mark.kafka
def test_the_first_version_serves_and_the_next_one_waits_for_a_word(broker: str, topics: Topics, tmp_path: Path) -> None:
    registry = FilesRegistry(tmp_path / "models")
    options = ("--registry", registry.root, "--by", "ada", "--bootstrap", broker, "--prefix", topics.prefix)
    brought = artifact(tmp_path / "elsewhere")
    told = run("models", "register", brought, *options)
    assert "version 1 of 'loans' serves; sha256:" in told.stdout, told.exception
    assert registry.alias("loans", "champion") == "1"
    monitor = tmp_path / "monitor.yaml"
    monitor.write_text("model: loans\nfeatures: {x: {}, y: {}}\n")
    later = run("models", "register", estimator(tmp_path / "own.skops"), "--monitor", monitor, *options)
    assert "version 2 of 'loans' is registered" in later.stdout, later.exception
    assert "version 1 serves" in later.stdout
    records = read_versions(connect(broker, topic_prefix=topics.prefix))["loans"]
    assert [(one.version, one.status, one.by, one.parent) for one in records] == [("1", "registered", "ada", ""), ("1", "promoted", "ada", ""), ("2", "registered", "ada", "1")]
    assert records[1].gate == {"reason": "the first champion"}
    assert records[0].trained_on["rows"] == 300, "as the other registry says"
    features, label = table(500, "old", 2)
    for record in records[1:]:
        assert np.mean(registry.fetch(record.uri, record.digest).predict(features) == label) > 0.6
    again = run("models", "register", brought, *options)
    assert isinstance(again.exception, DriftwardenError)
    assert "version 1 of 'loans' has this artifact already" in str(again.exception)


@pytest.mark.kafka
def test_of_two_who_register_at_the_same_moment_one_is_told_and_no_number_is_given_twice(broker: str, topics: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = connect(broker, topic_prefix=topics.prefix)
    options = ("--registry", tmp_path / "models", "--bootstrap", broker, "--prefix", topics.prefix)
    mine, theirs = artifact(tmp_path / "mine"), estimator(tmp_path / "theirs.skops")
    monitor = tmp_path / "monitor.yaml"
    monitor.write_text("model: loans\nfeatures: {x: {}, y: {}}\n")

    def another_comes_in_between(registry: FilesRegistry, content: bytes, record: Version) -> tuple[str, str]:
        monkeypatch.undo()
        told = run("models", "register", theirs, "--monitor", monitor, "--by", "bob", *options)
        assert "version 1 of 'loans' serves" in told.stdout, told.exception
        return registry.register(content, record)

    monkeypatch.setattr(FilesRegistry, "register", another_comes_in_between)
    refused = run("models", "register", mine, "--by", "ada", *options)
    assert isinstance(refused.exception, DriftwardenError)
    assert "somebody else registers a version of 'loans' at the same moment" in str(refused.exception)
    assert [(one.version, one.status, one.by) for one in read_versions(connection)["loans"]] == [("1", "registered", "bob"), ("1", "promoted", "bob")]
    again = run("models", "register", mine, "--by", "ada", *options)
    assert "version 2 of 'loans' is registered" in again.stdout, again.exception


def test_an_artifact_that_is_not_the_one_of_its_record_is_not_loaded(tmp_path: Path) -> None:
    path = artifact(tmp_path)
    record = json.loads(path.with_name("version.json").read_bytes())
    path.with_name("version.json").write_bytes(msgspec.json.encode(record | {"digest": "sha256:0"}))
    with pytest.raises(DigestError):
        read_model(path)


def test_a_record_with_a_metric_that_is_not_defined_is_read(tmp_path: Path) -> None:
    registry = FilesRegistry(tmp_path)
    path = artifact(tmp_path)
    record = read_model(path).record
    assert record is not None
    registry.register(path.read_bytes(), msgspec.structs.replace(record, metrics={"auc": float("nan"), "fits": 3.0}))
    again = read_model(path).record
    assert again is not None
    assert np.isnan(again.metrics.pop("auc"))
    assert again.metrics == {"fits": 3.0}


def test_what_is_no_model_is_told_with_what_was_expected(tmp_path: Path) -> None:
    text = tmp_path / "model.txt"
    text.write_text("none")
    with pytest.raises(SettingsError, match=r"is no model: expected an artifact such as model\.skops"):
        read_model(text)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_model(tmp_path / "nowhere.skops")
    own = estimator(tmp_path / "own.skops")
    with pytest.raises(SettingsError, match=r"it holds a Pipeline alone; expected .* the monitor"):
        read_model(own)
    with pytest.raises(SettingsError, match="city of its columns are no numeric features of the monitor"):
        read_model(own, specification())
    with pytest.raises(SettingsError, match=r"expecting 2 features|has 1 features"):
        read_model(own, MonitorSpecification.model_validate({"model": "loans", "features": {"x": {}}}))
    scaler = tmp_path / "scaler.skops"
    scaler.write_bytes(skops.io.dumps(StandardScaler().fit(np.ones((3, 2)))))
    with pytest.raises(SettingsError, match="it has no 'predict'"):
        read_model(scaler, NUMBERS)
