"""Trainers make models of use or say why not; the registry gives back what was announced or nothing."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from detectors.errors import SettingsError
from detectors.event_batch import Column, Float64
from detectors.specification import MonitorSpecification
from retrainer.bootstrap import bootstrap_champion, table_examples
from retrainer.registry import DigestError, GoneError, RegistryError, digest_of
from retrainer.registry.files import FilesRegistry
from retrainer.skops_artifact import dump, load
from retrainer.trainers import TrainingContext, TrainingError, check, trainer_named
from retrainer.trainers.scikit_learn import FunctionTrainer, ScikitLearnTrainer
from retrainer.versions import Version
from tests.retrainer.concepts import FEATURES, specification, table

RECORD = Version(model="loans/eu", version="3", status="registered", at=0)


def examples(n: int = 2_000, seed: int = 1):  # type: ignore[no-untyped-def]
    features, label = table(n, "old", seed)
    return table_examples(features, label, model="loans", at=0)


def test_two_thousand_rows_are_learnt_well_and_fast() -> None:
    trainer, rows = ScikitLearnTrainer(), examples()
    trainer.train(rows, specification(), TrainingContext())
    took = []
    for _ in range(3):
        started = perf_counter()
        candidate = trainer.train(rows, specification(), TrainingContext())
        took.append(perf_counter() - started)
    features, label = table(2_000, "old", 2)
    assert np.mean(candidate.model.predict(features) == label) > 0.85  # .95 is the best there is
    assert min(took) < 2.5  # 0.15 s on an idle core; the limit is for a busy one


def test_the_same_rows_and_seed_give_the_same_bytes_and_other_rows_other_ones() -> None:
    trainer = ScikitLearnTrainer(iterations=5)
    made = [trainer.train(examples(500, seed), specification(), TrainingContext()).model.artifact() for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]


def test_missing_and_unknown_values_are_predicted_for() -> None:
    model = ScikitLearnTrainer(iterations=5).train(examples(500), specification(), TrainingContext()).model
    strange = {"x": np.array([np.nan, np.inf]), "y": np.array([0.0, np.nan]), "city": np.array([None, "Atlantis"], object)}
    assert set(model.predict(strange).tolist()) <= {"yes", "no"}
    assert np.isfinite(model.score(strange)).all()
    with pytest.raises(KeyError, match="needs the features"):
        model.predict({"x": np.zeros(1)})


def test_the_score_is_the_probability_of_the_positive_class() -> None:
    candidate = ScikitLearnTrainer(iterations=20).train(examples(), specification(), TrainingContext())
    features, _ = table(500, "old", 3)
    assert ((candidate.model.score(features) > 0.5) == (candidate.model.predict(features) == "yes")).all()


def test_a_regression_learns_numbers_and_has_no_score() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=1_000)
    spec = MonitorSpecification.model_validate({"model": "loans", "task": "regression", "features": {"x": FEATURES["x"]}})
    rows = table_examples({"x": x}, 3 * x, model="loans", at=0)
    candidate = ScikitLearnTrainer().train(rows, spec, TrainingContext())
    check(candidate, rows, spec)
    assert candidate.metrics["training_mae"] < 0.3
    assert np.isnan(candidate.model.score({"x": x})).all()


def test_one_class_only_is_a_reason_not_to_train() -> None:
    rows = examples(300)
    rows.label[:] = "yes"
    with pytest.raises(TrainingError, match="all 300 training rows have the label 'yes'"):
        ScikitLearnTrainer().train(rows, specification(), TrainingContext())


def constant(matrix: Float64, label: Column, context: TrainingContext) -> object:
    return make_pipeline(FunctionTransformer(np.zeros_like), LogisticRegression()).fit(matrix, label)


def logistic(matrix: Float64, label: Column, context: TrainingContext) -> object:
    return make_pipeline(SimpleImputer(), LogisticRegression()).fit(matrix, label)


def test_a_model_that_says_the_same_of_everything_is_refused() -> None:
    rows = examples(300)
    with pytest.raises(TrainingError, match="predicts one class only"):
        check(FunctionTrainer(name="constant", function=constant).train(rows, specification(), TrainingContext()), rows, specification())


def test_a_function_of_the_user_trains_and_is_stored(tmp_path: Path) -> None:
    rows = examples(300)
    candidate = trainer_named(f"{__name__}:logistic").train(rows, specification(), TrainingContext())
    loaded = FilesRegistry(tmp_path)
    model = loaded.fetch(*loaded.register(candidate.model.artifact(), RECORD))
    assert model.predict(rows.features).tolist() == candidate.model.predict(rows.features).tolist()
    assert candidate.parameters["trainer"].endswith(":logistic")


@pytest.mark.parametrize("name", ["xgboost", "no.such.module:train", f"{__name__}:no_such_function", "ends_python:train", "divides_by_zero:train"])
def test_a_trainer_that_does_not_exist_or_cannot_be_imported_is_the_operators_fault(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ends_python.py").write_text("raise SystemExit(3)")
    (tmp_path / "divides_by_zero.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SettingsError, match=r"retrain\.trainer"):
        trainer_named(name)


def test_online_training_is_refused_with_the_reason() -> None:
    with pytest.raises(TrainingError, match="trains in batches"):
        ScikitLearnTrainer().train(examples(10), specification(), TrainingContext(mode="online"))


@pytest.mark.parametrize("estimator", [RandomForestClassifier(5), GradientBoostingClassifier(n_estimators=5), MLPClassifier(max_iter=5)], ids=lambda one: type(one).__name__)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_other_estimators_are_stored_without_pickle_and_predict_the_same(estimator: Any) -> None:
    rng = np.random.default_rng(2)
    matrix = rng.normal(size=(200, 3))
    estimator.fit(matrix, np.where(matrix[:, 0] > 0, "a", "b").astype(object))
    assert (load(dump({"estimator": estimator}))["estimator"].predict(matrix) == estimator.predict(matrix)).all()
    assert dump({"estimator": estimator}) == dump({"estimator": estimator})


def test_a_registry_gives_back_the_model_that_was_registered(tmp_path: Path) -> None:
    registry, rows = FilesRegistry(tmp_path), examples(500)
    model = ScikitLearnTrainer(iterations=5).train(rows, specification(), TrainingContext()).model
    uri, digest = registry.register(model.artifact(), RECORD)
    assert uri == f"files:loans%2Feu/versions/3/{digest[7:19]}/model.skops"
    assert registry.fetch(uri, digest).predict(rows.features).tolist() == model.predict(rows.features).tolist()
    assert registry.register(model.artifact(), RECORD) == (uri, digest)


def test_what_a_retrainer_left_behind_when_it_died_does_not_stand_in_the_way_of_the_next(tmp_path: Path) -> None:
    registry = FilesRegistry(tmp_path)
    before, after = (registry.register(dump({"format": number}), RECORD) for number in (1, 2))
    assert before[0] != after[0]
    assert all((tmp_path / uri.removeprefix("files:")).is_file() for uri, _ in (before, after))


def test_nothing_is_loaded_before_its_digest_matches(tmp_path: Path) -> None:
    registry = FilesRegistry(tmp_path)
    uri, digest = registry.register(dump({"format": 1}), RECORD)
    path = next(tmp_path.rglob("model.skops"))

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "exploded",))  # type: ignore[return-value]

    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DigestError, match="was not loaded"):
        registry.fetch(uri, digest)
    with pytest.raises(Exception, match=r".+"):
        registry.fetch(uri, digest_of(path.read_bytes()))
    assert not (tmp_path / "exploded").exists()


def test_a_type_that_is_not_trusted_is_not_even_stored() -> None:
    with pytest.raises(TypeError, match="not trusted"):
        dump({"path": specification})  # type: ignore[dict-item]


@pytest.mark.parametrize("uri", ["files:../outside", "file:///etc/passwd", "files:loans/versions/9/model.skops"])
def test_a_uri_outside_of_the_registry_is_refused(tmp_path: Path, uri: str) -> None:
    (tmp_path / "outside").write_bytes(b"secret")
    with pytest.raises(RegistryError, match="there is no"):
        FilesRegistry(tmp_path / "registry").fetch(uri, digest_of(b"secret"))


@pytest.mark.parametrize("left", ["loans%2Feu/aliases/champion", "loans%2Feu/versions/3/0123456789ab/version.json", "churn/versions/1/0123456789ab/model.skops", "source/0123.zip"])
def test_an_artifact_is_gone_where_the_registry_holds_anything_else(tmp_path: Path, left: str) -> None:
    uri, digest = FilesRegistry(tmp_path).register(dump({"format": 1}), RECORD)
    shutil.rmtree(tmp_path / "loans%2Feu")
    file = tmp_path / left
    file.parent.mkdir(parents=True)
    file.write_bytes(b"")
    with pytest.raises(GoneError, match="which holds other files"):
        FilesRegistry(tmp_path).artifact(uri, digest)


@pytest.mark.parametrize("what", ["an empty folder", "a folder of something else", "a file", "nothing"])
def test_a_registry_that_may_not_be_mounted_has_lost_nothing(tmp_path: Path, what: str) -> None:
    root = tmp_path / "models"
    if what == "a file":
        root.write_bytes(b"")
    elif what != "nothing":
        root.mkdir()
    if what == "a folder of something else":
        (root / "lost+found").mkdir()
        (root / ".keep").touch()
    with pytest.raises((RegistryError, OSError)) as error:
        FilesRegistry(root).artifact("files:loans/versions/1/0123456789ab/model.skops", "sha256:")
    assert not isinstance(error.value, GoneError)


def test_an_alias_points_at_the_last_version_that_it_was_set_to(tmp_path: Path) -> None:
    registry = FilesRegistry(tmp_path)
    assert registry.alias("loans", "champion") is None
    for version in ("1", "2"):
        registry.set_alias("loans", "champion", version)
    assert registry.alias("loans", "champion") == "2"
    assert [path.name for path in (tmp_path / "loans" / "aliases").iterdir()] == ["champion"]


def test_a_write_that_fails_leaves_the_old_file_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = FilesRegistry(tmp_path)
    registry.set_alias("loans", "champion", "1")

    def full(self: Path, target: Path) -> Path:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        registry.set_alias("loans", "champion", "2")
    assert registry.alias("loans", "champion") == "1"
    assert len(list((tmp_path / "loans" / "aliases").iterdir())) == 1


def test_the_first_champion_is_registered_and_promoted(tmp_path: Path) -> None:
    registry = FilesRegistry(tmp_path)
    features, label = table(500, "old", 4)
    told = bootstrap_champion(features, label, specification=specification(), trainer=ScikitLearnTrainer(iterations=5), registry=registry, at=77, source="train.csv")
    assert [(one.version, one.status, one.at) for one in told] == [("1", "registered", 77), ("1", "promoted", 77)]
    assert told[0].trained_on["rows"] == 500
    assert registry.alias("loans", "champion") == "1"
    assert len(registry.fetch(told[1].uri, told[1].digest).predict(features)) == 500
