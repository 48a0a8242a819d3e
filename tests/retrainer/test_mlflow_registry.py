"""The registry in MLflow, against a real server: what people find there, and that nothing is loaded that was not announced."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path

import msgspec
import numpy as np
import pytest
from mlflow import MlflowClient

from detectors.errors import SettingsError
from detectors.event_batch import Column
from retrainer.bootstrap import bootstrap_champion, table_examples
from retrainer.canary import canary
from retrainer.loop import RetrainLoop
from retrainer.provenance import digest_of_source, provenance
from retrainer.registry import Alias, DigestError, GoneError, RegistryError, digest_of, registry_at
from retrainer.registry.files import FilesRegistry
from retrainer.registry.mlflow_folder import NEEDED, write_folder
from retrainer.registry.mlflow_registry import MLflowRegistry
from retrainer.trainers import Model, TrainingContext
from retrainer.trainers.scikit_learn import ScikitLearnTrainer
from retrainer.versions import Version
from tests.mlflow_server import environment, running_mlflow
from tests.retrainer.concepts import specification, stream, table
from tests.retrainer.service import BATCH, CHANGE, Service

QUESTIONS: dict[str, Column] = {"x": np.array([0.5, np.nan, -1.0]), "y": np.array([1, 0, 2]), "city": np.array(["Rome", None, "Atlantis"], object)}


@pytest.fixture(scope="module")
def model() -> Model:
    features, label = table(500, "old", 1)
    return ScikitLearnTrainer(iterations=5).train(table_examples(features, label, model="loans", at=0), specification(), TrainingContext()).model


@pytest.fixture
def record() -> Version:
    """The record of a training, of a model that no other test has."""
    return Version(
        model=f"loans/{uuid.uuid4().hex[:8]}",
        version="3",
        status="registered",
        at=1_700_000_000_000,
        cause="alert-1",
        parent="2",
        trained_on={"topic": "monitoring.examples", "offsets": {"0": [5, 900]}, "rows": 500, "digest": "sha256:" + "ab" * 32},
        parameters={"trainer": "scikit-learn", "seed": 7},
        metrics={"training_accuracy": 0.9, "undefined": float("nan"), "f1@0.5": 0.7, "weight of pr#12/0": 0.5},
        provenance=provenance() | {"seed": 7},
    )


def chosen_by_a_person(registry: MLflowRegistry, name: str) -> str | None:
    """Number of the champion in MLflow, where it was not us who put the alias there."""
    pointed = registry.pointed(name)
    return None if pointed is None or pointed.ours else pointed.version


@pytest.fixture
def registry(mlflow_address: str) -> MLflowRegistry:
    return MLflowRegistry(mlflow_address)


@pytest.fixture
def client(mlflow_address: str) -> MlflowClient:
    return MlflowClient(tracking_uri=mlflow_address, registry_uri=mlflow_address)


LOAD_AS_A_USER_OF_MLFLOW = """
import sys
import mlflow, pandas
address, uri = sys.argv[1:]
mlflow.set_tracking_uri(address)
loaded = mlflow.pyfunc.load_model(uri)
frame = pandas.DataFrame({"x": [0.5, None, -1.0], "y": [1, 0, 2], "city": ["Rome", None, "Atlantis"]})
print(",".join(loaded.predict(frame).tolist()), sys.modules["retrainer"].__file__)
"""


def test_a_champion_is_loaded_by_mlflow_where_driftwarden_is_not_installed(registry: MLflowRegistry, record: Version, model: Model, mlflow_address: str, tmp_path: Path) -> None:
    registry.register(model.artifact(), record)
    registry.set_alias(record.model, "champion", "3")
    named = record.model.replace("/", "%2F")
    variables = environment()
    variables["PYTHONPATH"] = variables["PYTHONPATH"].partition(":")[0]  # MLflow's packages alone: our source is not on the path
    hide = (
        "import sys; sys.path[:] = [p for p in sys.path if p]; sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in repr(f)]\n"  # an editable installation is a finder
    )
    command = [sys.executable, "-c", hide + LOAD_AS_A_USER_OF_MLFLOW, mlflow_address, f"models:/{named}@champion"]
    told = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    predicted, source = told.stdout.split()
    assert predicted.split(",") == model.predict(QUESTIONS).tolist()
    assert "driftwarden.zip" in source


def test_a_version_is_a_run_with_its_lineage_and_is_fetched_by_its_digest(registry: MLflowRegistry, record: Version, model: Model, client: MlflowClient) -> None:
    artifact = model.artifact()
    uri, digest = registry.register(artifact, record)
    assert uri.startswith("models:/loans%2F")
    assert uri.endswith("/1")
    assert registry.register(artifact, record) == (uri, digest)  # a retrainer that was killed does it again
    assert registry.fetch(uri, digest).predict(QUESTIONS).tolist() == model.predict(QUESTIONS).tolist()
    with pytest.raises(DigestError, match="was not loaded"):
        registry.fetch(uri, digest_of(b"another"))
    with pytest.raises(GoneError, match="which holds other things"):
        registry.fetch("models:/nothing/1", digest)

    (version,) = client.search_model_versions(f"name = '{uri.split('/')[1]}'")
    run = client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert (run.info.start_time, run.info.run_name) == (record.at, f"{record.model} 3")
    assert run.data.params == {"trainer": "scikit-learn", "seed": "7"}
    assert run.data.metrics == {"training_accuracy": 0.9, "f1_0.5": 0.7, "weight of pr_12/0": 0.5}
    assert {"driftwarden.cause": "alert-1", "driftwarden.parent": "2", "driftwarden.code": digest_of_source()}.items() <= run.data.tags.items()
    (rows,) = run.inputs.dataset_inputs
    assert json.loads(rows.dataset.source)["offsets"] == {"0": [5, 900]}
    assert (rows.dataset.source_type, rows.tags[0].value) == ("kafka", "training")
    announced = registry.source(Version(model=record.model, version="3", status="registered", at=0, digest=digest))
    assert announced is not None
    assert announced[:2] == b"PK"


def test_a_version_is_gone_where_the_server_holds_others_and_a_server_that_holds_none_may_have_lost_all(tmp_path: Path, record: Version, model: Model) -> None:
    with running_mlflow(tmp_path) as address:
        registry, client = MLflowRegistry(address), MlflowClient(tracking_uri=address, registry_uri=address)
        client.create_registered_model("of somebody else")
        for ask in (lambda: registry.artifact("models:/loans/1", ""), lambda: registry.set_alias(record.model, "champion", "3")):
            with pytest.raises(RegistryError) as error:
                ask()
            assert not isinstance(error.value, GoneError)
        for place, version in enumerate("34", 1):
            uri, digest = registry.register(model.artifact(), msgspec.structs.replace(record, version=version))
            client.delete_model_version(uri.split("/")[1], str(place))
            with pytest.raises(GoneError, match="which holds other things"):
                registry.artifact(uri, digest)
        with pytest.raises(GoneError, match="was it deleted"):
            registry.set_alias(record.model, "champion", "3")


def test_a_file_is_gone_where_its_run_has_others_and_a_store_without_any_may_be_away(tmp_path: Path, record: Version, model: Model) -> None:
    with running_mlflow(tmp_path) as address:
        registry = MLflowRegistry(address)
        uri, digest = registry.register(model.artifact(), record)
        store, elsewhere = tmp_path / "artifacts", tmp_path / "elsewhere"
        store.rename(elsewhere)
        with pytest.raises(RegistryError) as error:
            registry.artifact(uri, digest)
        assert not isinstance(error.value, GoneError)
        elsewhere.rename(store)
        (file,) = store.rglob("model.skops")
        file.unlink()
        with pytest.raises(GoneError, match="which holds other things"):
            registry.artifact(uri, digest)


def test_a_verdict_on_a_version_whose_run_somebody_deleted_is_written_to_the_version_alone(registry: MLflowRegistry, record: Version, model: Model, client: MlflowClient) -> None:
    uri, digest = registry.register(model.artifact(), record)
    name, number = uri.split("/")[1:]
    client.delete_run(str(client.get_model_version(name, number).run_id))
    registry.note(msgspec.structs.replace(record, status="rejected", uri=uri, digest=digest))
    assert client.get_model_version(name, number).tags["driftwarden.status"] == "rejected"


def test_verdicts_and_failed_trainings_are_written_down(registry: MLflowRegistry, record: Version, model: Model, client: MlflowClient) -> None:
    uri, digest = registry.register(model.artifact(), record)
    said = {"model": record.model, "at": 1, "gate": {"reason": "not better"}}
    registry.note(Version(version="3", status="rejected", uri=uri, digest=digest, **said))
    (version,) = client.search_model_versions(f"name = '{uri.split('/')[1]}'")
    assert version.tags["driftwarden.status"] == "rejected"
    assert json.loads(client.get_run(version.run_id).data.tags["driftwarden.gate"]) == {"reason": "not better"}

    failed = Version(version="4", status="rejected", parameters={"rows": 20}, **said)
    for _ in range(2):
        registry.note(failed)
    experiment = client.get_experiment_by_name(uri.split("/")[1])
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.`driftwarden.version` = '4'")
    assert [(run.info.status, run.data.tags["driftwarden.status"]) for run in runs] == [("FAILED", "rejected")]


def test_an_alias_that_a_person_moved_is_noticed_and_our_own_is_not(registry: MLflowRegistry, record: Version, model: Model, client: MlflowClient) -> None:
    assert registry.alias(record.model, "champion") is None
    with pytest.raises(RegistryError, match="no version 3"):
        registry.set_alias(record.model, "champion", "3")
    uris = []
    for version in ("3", "4"):
        uris.append(registry.register(model.artifact(), Version(model=record.model, version=version, status="registered", at=0))[0])
        registry.set_alias(record.model, "champion", version)
        assert (registry.alias(record.model, "champion"), chosen_by_a_person(registry, record.model)) == (version, None)
    name = uris[0].split("/")[1]
    client.set_registered_model_alias(name, "champion", "1")
    assert chosen_by_a_person(registry, record.model) == "3"
    registry.take_over(record.model, "3")
    assert chosen_by_a_person(registry, record.model) is None
    assert registry.model_of(name) == record.model
    assert registry.model_of("unheard") is None


def test_an_alias_goes_to_what_was_announced_where_another_artifact_was_stored_under_the_same_number_later(
    registry: MLflowRegistry, record: Version, model: Model, client: MlflowClient
) -> None:
    announced, digest = registry.register(model.artifact(), record)
    features, label = table(300, "new", 2)
    other = ScikitLearnTrainer(iterations=5).train(table_examples(features, label, model="loans", at=0), specification(), TrainingContext()).model
    later, _ = registry.register(other.artifact(), record)
    assert later != announced
    registry.set_alias(record.model, "champion", record.version, digest=digest)
    aliased = client.get_model_version_by_alias(announced.split("/")[1], "champion")
    assert f"models:/{aliased.name}/{aliased.version}" == announced


def test_what_was_stored_under_a_number_and_never_announced_has_no_verdict(registry: MLflowRegistry, record: Version, model: Model, client: MlflowClient) -> None:
    features, label = table(300, "new", 2)
    overtaken = ScikitLearnTrainer(iterations=5).train(table_examples(features, label, model="loans", at=0), specification(), TrainingContext()).model
    brought = msgspec.structs.replace(record, cause="", parent="", by="ada")
    uri, digest = registry.register(model.artifact(), brought)
    other, _ = registry.register(overtaken.artifact(), record)  # by a training that began before ada registered hers, and ended after
    registry.note(msgspec.structs.replace(brought, status="promoted", uri=uri, digest=digest))
    name = uri.split("/")[1]
    assert [client.get_model_version(name, one.split("/")[2]).tags["driftwarden.status"] for one in (uri, other)] == ["promoted", "registered"]


AS_IF_ONLY_THE_REQUIREMENTS_WERE_INSTALLED = """
import re, sys
from importlib.metadata import packages_distributions, requires
installed, todo = {"driftwarden"}, open("model/requirements.txt").read().split()
while todo:
    name = re.match("[A-Za-z0-9._-]+", todo.pop()).group().lower().replace("_", "-")
    if name not in installed:
        installed.add(name)
        todo += [line for line in (requires(name) or ()) if "extra ==" not in line]
class Installed:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        owners = packages.get(name.partition(".")[0])
        if owners and not {owner.lower().replace("_", "-") for owner in owners} & installed:
            return None
        return self.finder.find_spec(name, path, target)
packages = packages_distributions()
sys.meta_path[:] = [Installed(finder) for finder in sys.meta_path]
sys.path[:0] = ["model/code/driftwarden.zip", "model/code"]
import mlflow_loader
print(mlflow_loader._load_pyfunc("model/data").predict({"x": [0.5], "y": [1.0], "city": ["Rome"]}), "pandas" in installed, "kafka-python" in installed)
"""


@pytest.mark.parametrize("alias", ["champion", "challenger"])
def test_the_alias_of_an_adaptive_version_goes_to_its_newest_revision(registry: MLflowRegistry, record: Version, model: Model, client: MlflowClient, alias: Alias) -> None:
    first, _ = registry.register(model.artifact(), Version(model=record.model, version="3", status="registered", at=0))
    registry.set_alias(record.model, alias, "3")
    features, label = table(300, "new", 2)
    learnt = ScikitLearnTrainer(iterations=5).train(table_examples(features, label, model="loans", at=0), specification(), TrainingContext()).model
    revision = Version(model=record.model, version="3", revision=1, status="updated", at=9)
    uri, digest = registry.register(learnt.artifact(), revision)
    registry.note(Version(model=record.model, version="3", revision=1, status="updated", at=9, uri=uri, digest=digest))
    aliased = client.get_model_version_by_alias(first.split("/")[1], alias)
    assert (f"models:/{aliased.name}/{aliased.version}", aliased.tags["driftwarden.revision"]) == (uri, "1")
    assert chosen_by_a_person(registry, record.model) is None


def test_a_canary_is_the_challenger_with_its_share_until_it_serves_all(registry: MLflowRegistry, client: MlflowClient) -> None:
    settings = specification(refresh=[200], gate={"min_validation_time": "0s", "min_evidence": 100, "wander": 0}, canary={"share": 0.4})
    trainer = ScikitLearnTrainer(iterations=20)
    first = bootstrap_champion(*table(1_000, "old", 99), specification=settings, trainer=trainer, registry=registry, at=0)
    rows = stream([(CHANGE, "old"), (2_400, "new")], registry.fetch(first[-1].uri, first[-1].digest))
    service = Service(RetrainLoop(settings, trainer, registry, records=first), registry, rows).run_until_it_shares()

    def tags() -> dict[str, str]:
        for record in service.loop.records[-2:]:
            registry.note(record)
        found = client.get_model_version_by_alias("loans", "challenger").tags
        return {name: found[f"driftwarden.{name}"] for name in ("version", "status", "share") if f"driftwarden.{name}" in found}

    assert tags() == {"version": "2", "status": "canary", "share": "0.4"}
    assert (registry.alias("loans", "champion"), chosen_by_a_person(registry, "loans")) == ("1", None)
    while canary(service.loop.records) is not None:
        service.run(len(service.served) * BATCH, (len(service.served) + 1) * BATCH)
    assert tags() == {"version": "2", "status": "promoted"}
    assert (registry.alias("loans", "champion"), chosen_by_a_person(registry, "loans")) == ("2", None)


def test_a_model_is_loaded_where_there_is_nothing_but_its_requirements(tmp_path: Path, model: Model, record: Version) -> None:
    artifact = model.artifact()
    write_folder(tmp_path / "model", artifact, Version(model="loans", version="1", status="registered", at=0, digest=digest_of(artifact), provenance=record.provenance))
    asked = (tmp_path / "model" / "requirements.txt").read_text().split()
    assert [line.partition("==")[0] for line in asked] == list(NEEDED)
    assert all("==" in line for line in asked)
    told = subprocess.run([sys.executable, "-c", AS_IF_ONLY_THE_REQUIREMENTS_WERE_INSTALLED], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert told.stdout.split()[-1] == "False"


def test_an_artifact_that_was_changed_is_not_loaded_by_mlflow_either(tmp_path: Path, model: Model) -> None:
    artifact = model.artifact()
    write_folder(tmp_path / "model", artifact, Version(model="loans", version="1", status="registered", at=0, digest=digest_of(b"another")))
    program = "import sys; sys.path.insert(0, 'model/code'); import mlflow_loader; mlflow_loader._load_pyfunc('model/data')"
    told = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "was not loaded" in told.stderr


def test_a_registry_is_named_by_its_place() -> None:
    assert isinstance(registry_at("models"), FilesRegistry)
    assert isinstance(registry_at("mlflow:http://127.0.0.1:5000"), MLflowRegistry)
    with pytest.raises(SettingsError, match="did you mean mlflow:http"):
        registry_at("http://127.0.0.1:5000")
    with pytest.raises(SettingsError, match="such as mlflow:http"):
        registry_at("mlflow:")
    with pytest.raises(SettingsError, match="is a file; expected a folder"):
        registry_at(__file__)
    with pytest.raises(RegistryError, match="a uri reads 'models:/MODEL/NUMBER'"):
        registry_at("mlflow:http://127.0.0.1:1").artifact("files:loans/1", "sha256:")
