"""Training by a command and by a search: what the retrainer survives, and what it tells of it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from detectors.errors import SettingsError
from detectors.event_batch import Column, Float64
from detectors.rows.examples import Examples
from detectors.specification import MonitorSpecification
from retrainer.bootstrap import bootstrap_champion, table_examples
from retrainer.loop import RetrainLoop
from retrainer.registry import load_model
from retrainer.registry.files import FilesRegistry
from retrainer.trainers import Candidate, TrainingContext, TrainingError, check, trainer_named
from retrainer.trainers.online_forest import OnlineForest
from retrainer.trainers.scikit_learn import ScikitLearnModel, ScikitLearnTrainer
from retrainer.trainers.search import SearchTrainer
from retrainer.versions import Version
from tests.retrainer.concepts import alert, specification, stream, table
from tests.waiting import PATIENCE, eventually

READ = """
import json, os, sys
from pathlib import Path
import numpy as np, pyarrow.parquet as pq, skops.io
folder = Path(os.environ["DRIFTWARDEN_TRAINING"])
told, rows = json.loads((folder / "context.json").read_text()), pq.read_table(folder / "rows.parquet")
X, y = np.column_stack([rows.column(name).to_numpy() for name in told["features"]]), rows.column("label").to_numpy()
def leave(model):
    skops.io.dump(model, folder / "model.skops")
"""
NETWORK = """
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
leave(make_pipeline(SimpleImputer(), StandardScaler(), MLPClassifier((32,), max_iter=200, learning_rate_init=0.02, random_state=told["seed"])).fit(X, y))
(folder / "metrics.json").write_text('{"layers": 1}')
"""
BY_NAME = """
import pandas
from sklearn.tree import DecisionTreeClassifier
frame = rows.to_pandas()[sorted(told["features"], reverse=REVERSE)[:HOW_MANY]]
leave(DecisionTreeClassifier(max_depth=4, random_state=1).fit(frame, y))
"""
CONSTANT = """
from sklearn.dummy import DummyClassifier
leave(DummyClassifier(strategy="most_frequent").fit(X, y))
"""


def rows_of(n: int = 200, concept: str = "old") -> Examples:
    features, label = table(n, concept, 3)
    return table_examples(features, label, model="loans", at=0)


def trained(folder: Path, program: str, *, seconds: int = 60, megabytes: int = 4_096, read: bool = True) -> Candidate:
    path = folder / "train it.py"
    path.write_text((READ if read else "") + program)
    spec = specification(limits={"seconds": seconds, "megabytes": megabytes})
    return trainer_named(f"command: {shlex.join([sys.executable, str(path)])}").train(rows_of(), spec, TrainingContext(seed=3, cause="a1"))


def test_a_small_neural_network_is_trained_by_a_command_stored_and_predicts(tmp_path: Path) -> None:
    candidate = trained(tmp_path, NETWORK)
    features, _ = table(500, "old", 9)
    assert candidate.metrics["training_accuracy"] > 0.8
    assert load_model(candidate.model.artifact()).predict(features).tolist() == candidate.model.predict(features).tolist()
    assert candidate.metrics["layers"] == 1
    assert candidate.parameters["estimator"] == "Pipeline"
    check(candidate, rows_of(), specification())


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.filterwarnings("error")
def test_an_estimator_that_was_fitted_on_columns_by_name_is_asked_for_these_in_their_order_without_a_warning(tmp_path: Path, reverse: bool) -> None:
    candidate = trained(tmp_path, BY_NAME.replace("REVERSE", str(reverse)).replace("HOW_MANY", "2"))
    features, _ = table(500, "old", 9)
    names = sorted(features, reverse=reverse)[:2]
    model = load_model(candidate.model.artifact())
    assert isinstance(model, ScikitLearnModel)
    assert list(model.levels) == names
    assert model.predict(features).tolist() == model.predict({name: features[name] for name in names}).tolist()
    assert candidate.metrics["training_accuracy"] == pytest.approx(float(np.mean(model.predict(rows_of().features) == rows_of().label)))


def test_an_estimator_of_a_column_that_it_was_not_given_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"was fitted on 'twice', which is none of the columns that it was given: .*; fit it on these"):
        trained(tmp_path, BY_NAME.replace("REVERSE", "False").replace("[:HOW_MANY]", "").replace("to_pandas()[", "to_pandas().assign(twice=1.0)[['twice'] + "))


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import sys; sys.exit('no luck today')", r"ended with code 1: no luck today$"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "was killed by SIGSEGV"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "was killed by SIGKILL, as the kernel does when memory runs out"),
        ("x = bytearray(1 << 31)", r"ended with code 1: MemoryError; it may take 1024 MB of address space \(retrain.limits.megabytes\)$"),
        ("import numpy; numpy.ones(1 << 28)", r"Unable to allocate .*; it may take 1024 MB of address space \(retrain.limits.megabytes\)$"),
        ("print('nothing to do')", "without a model.skops"),
        ("import os; open(os.environ['DRIFTWARDEN_TRAINING'] + '/model.skops', 'wb').write(b'?')", "model.skops cannot be read"),
    ],
    ids=["crash", "segmentation fault", "killed", "memory", "memory of an array", "no model", "rubbish"],
)
def test_a_command_that_fails_is_a_failed_training_with_its_reason(tmp_path: Path, program: str, reason: str) -> None:
    with pytest.raises(TrainingError, match=reason):
        trained(tmp_path, program, megabytes=1_024, read=False)


def test_a_command_that_takes_longer_than_it_may_is_a_failed_training(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"did not end within 1 s \(retrain.limits.seconds\)"):
        trained(tmp_path, f"import time; time.sleep({10 * PATIENCE})", seconds=1, read=False)


def test_a_command_that_cannot_be_started_is_told() -> None:
    with pytest.raises(TrainingError, match="cannot start 'no-such-program': No such file"):
        trainer_named("command: no-such-program").train(rows_of(), specification(), TrainingContext())
    with pytest.raises(SettingsError, match="names no program"):
        trainer_named("command:")


def test_a_command_is_given_no_secret_of_the_retrainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTWARDEN_INFLUX_TOKEN", "secret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    program = tmp_path / "tell.py"
    program.write_text("import os; print(*sorted(os.environ), file=__import__('sys').stderr); raise SystemExit(1)")
    trainer = trainer_named(f"command: {shlex.join([sys.executable, str(program)])}", variables=("CUDA_VISIBLE_DEVICES",))
    with pytest.raises(TrainingError) as told:
        trainer.train(rows_of(60), specification(), TrainingContext())
    names = str(told.value).split()
    assert {"PATH", "CUDA_VISIBLE_DEVICES", "DRIFTWARDEN_TRAINING"} <= set(names)
    assert "DRIFTWARDEN_INFLUX_TOKEN" not in names


def _has_ended(pid: int) -> bool:
    """Whether a process that was killed is gone, or waits to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_command_leaves_no_process_behind(tmp_path: Path) -> None:
    child = "import os, subprocess, sys, pathlib\n"
    child += f"p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep({10 * PATIENCE})'])\n"
    child += "pathlib.Path(sys.argv[0] + '.pid').write_text(str(p.pid)); sys.exit(1)"
    with pytest.raises(TrainingError, match="ended with code 1"):
        trained(tmp_path, child, read=False)
    pid = int((tmp_path / "train it.py.pid").read_text())
    eventually(lambda: _has_ended(pid), "the end of what the command had started")


def test_a_model_of_one_class_or_of_a_type_that_is_not_trusted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="predicts one class only"):
        check(trained(tmp_path, CONSTANT), rows_of(), specification())
    with pytest.raises(TrainingError, match="not trusted"):
        trained(tmp_path, "class Mine:\n    def predict(self, X): return X\nleave(Mine())")


def logistic(matrix: Float64, label: Column, context: TrainingContext) -> object:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(SimpleImputer(), LogisticRegression(random_state=context.seed)).fit(matrix, label)


def picky(matrix: Float64, label: Column, context: TrainingContext) -> object:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(random_state=context.seed).fit(matrix, label)


def test_a_users_function_may_run_in_a_process_of_its_own() -> None:
    command = f"command: {shlex.quote(sys.executable)} -m retrainer.trainers.child {__name__}:logistic"
    features, _ = table(50, "old", 9)
    apart = trainer_named(command).train(rows_of(), specification(), TrainingContext(seed=3)).model
    here = trainer_named(f"{__name__}:logistic").train(rows_of(), specification(), TrainingContext(seed=3)).model
    assert apart.predict(features).tolist() == here.predict(features).tolist()


def test_in_the_loop_a_crash_is_a_recorded_rejection_and_the_champion_stays(tmp_path: Path) -> None:
    registry = FilesRegistry(tmp_path)
    spec = specification(trainer="command: false", refresh=[60])
    first = bootstrap_champion(*table(200, "old", 99), specification=spec, trainer=ScikitLearnTrainer(iterations=10), registry=registry, at=0)
    model = registry.fetch(first[-1].uri, first[-1].digest)
    loop = RetrainLoop(spec, trainer_named(spec.retrain.trainer), registry, records=first)
    rows = stream([(50, "old"), (100, "new")], model)
    said = loop.on_examples(rows.take(slice(0, 60))) + loop.on_alert(alert("a1", int(rows.labelled_at[50])), int(rows.labelled_at[60])) + loop.on_examples(rows)
    rejected = [one for one in said if isinstance(one, Version)]
    assert [(one.version, one.status) for one in rejected] == [("2", "rejected")]
    assert rejected[0].gate["reason"] == "training failed: 'false' ended with code 1"
    assert loop.champion == first[-1]


def test_in_the_loop_a_model_that_cannot_answer_a_row_is_wrong_there_and_stops_nothing(tmp_path: Path) -> None:
    registry = FilesRegistry(tmp_path)
    spec = specification(trainer=f"{__name__}:picky", refresh=[60])
    first = bootstrap_champion(*table(200, "old", 99), specification=spec, trainer=ScikitLearnTrainer(iterations=10), registry=registry, at=0)
    model = registry.fetch(first[-1].uri, first[-1].digest)
    loop = RetrainLoop(spec, trainer_named(spec.retrain.trainer), registry, records=first)
    rows = stream([(50, "old"), (700, "new")], model)
    rows.features["city"][200::3] = "Oslo"  # no training set has it, and a linear model takes no missing value
    said = loop.on_examples(rows.take(slice(0, 60))) + loop.on_alert(alert("a1", int(rows.labelled_at[50])), int(rows.labelled_at[60])) + loop.on_examples(rows)
    told = [one for one in said if isinstance(one, Version)]
    assert [(one.version, one.status) for one in told] == [("2", "registered"), ("2", "rejected")]
    assert "the challenger gave no answer" in told[-1].gate["reason"]
    assert loop.champion == first[-1]


def test_a_search_weighs_three_families_and_counts_its_fits() -> None:
    rows, spec = rows_of(240), specification()
    one, two = (SearchTrainer(candidates=6).train(rows, spec, TrainingContext(seed=5)) for _ in range(2))
    assert one.model.artifact() == two.model.artifact()
    assert one.parameters == two.parameters
    assert one.metrics["fits"] == 3 * sum(one.parameters["candidates"]) + 1
    assert one.metrics["validation_score"] > 0.6
    with pytest.raises(TrainingError, match="needs 60 rows"):
        SearchTrainer().train(rows_of(59), spec, TrainingContext())


def test_a_search_finds_the_line_where_the_truth_is_one() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 3))
    features: dict[str, Column] = {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2]}
    spec = MonitorSpecification.model_validate({"model": "price", "task": "regression", "features": {name: {} for name in features}})
    found = SearchTrainer(candidates=9).train(table_examples(features, x @ [3.0, -2.0, 1.0], model="price", at=0), spec, TrainingContext())
    assert found.parameters["estimator"] == "Ridge"
    assert found.metrics["training_mae"] < 0.2


def test_an_online_training_goes_on_from_the_champions_forest() -> None:
    trainer, spec = trainer_named("river"), specification()
    first = trainer.train(rows_of(200), spec, TrainingContext()).model
    assert isinstance(first, OnlineForest)
    before = first.artifact()
    new = rows_of(100, "new")
    warm, cold = (trainer.train(new, spec, TrainingContext(mode=mode, parent=first)) for mode in ("online", "batch"))
    assert (warm.parameters["warm_start"], cold.parameters["warm_start"]) == (True, False)
    by_hand = OnlineForest.from_artifact(before)
    by_hand.learn(new.features, new.label)
    assert warm.model.artifact() == by_hand.artifact()
    assert first.artifact() == before
