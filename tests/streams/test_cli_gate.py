"""`driftwarden gate`: the exit code is the verdict."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from retrainer.bootstrap import bootstrap_champion
from retrainer.registry.files import FilesRegistry
from retrainer.trainers.scikit_learn import ScikitLearnTrainer
from tests.retrainer.concepts import specification, table
from tests.streams.command_line import run


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Predictions of four models: of three quality levels, and one that fails in Ulm."""
    rng, n = np.random.default_rng(1), 3_000
    label = rng.choice(["yes", "no"], n)
    city = rng.choice(["Bonn", "Ulm"], n, p=[0.9, 0.1])
    other = np.where(label == "yes", "no", "yes")
    told = {name: np.where(rng.random(n) < wrong, other, label) for name, wrong in (("usual", 0.2), ("good", 0.1), ("bad", 0.3))}
    told["unfair"] = np.where(city == "Ulm", other, told["good"])
    path = tmp_path_factory.mktemp("gate") / "held_out.csv"
    pd.DataFrame({**told, "city": city, "label": label}).to_csv(path, index=False)
    return path


@pytest.mark.parametrize(("challenger", "code", "verdict"), [("good", 0, "promoted"), ("bad", 1, "rejected"), ("usual", 1, "rejected")])
def test_the_exit_code_is_the_verdict(rows: Path, challenger: str, code: int, verdict: str) -> None:
    found = run("gate", "--champion", "usual", "--challenger", challenger, "--data", rows, "--json")
    assert found.exit_code == code
    told = json.loads(found.stdout)
    assert (told["verdict"], told["n"]) == (verdict, 3_000)


def test_too_few_rows_are_inconclusive(rows: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.csv"
    pd.read_csv(rows).head(12).to_csv(few, index=False)
    found = run("gate", "--champion", "usual", "--challenger", "good", "--data", few)
    assert found.exit_code == 2
    assert "more rows are needed" in found.stdout


def test_a_segment_that_pays_for_the_gain_of_the_others_forbids_it(rows: Path) -> None:
    assert run("gate", "--champion", "bad", "--challenger", "unfair", "--data", rows).exit_code == 0
    found = run("gate", "--champion", "bad", "--challenger", "unfair", "--data", rows, "--segment", "city")
    assert found.exit_code == 1
    assert "segment city=Ulm" in found.stdout


def test_artifacts_answer_for_themselves(tmp_path: Path) -> None:
    registry, trainer = FilesRegistry(tmp_path / "models"), ScikitLearnTrainer(iterations=20)
    paths = []
    for concept in ("old", "new"):
        spec = specification().model_copy(update={"model": concept})
        record = bootstrap_champion(*table(1_000, concept, 3), specification=spec, trainer=trainer, registry=registry, at=0)[-1]
        paths.append(registry.root / record.uri.removeprefix("files:"))
    features, label = table(1_500, "new", 4)
    data = tmp_path / "new.csv"
    pd.DataFrame({**features, "label": label}).to_csv(data, index=False)
    monitor = tmp_path / "monitor.yaml"
    monitor.write_text("model: new\nretrain:\n  gate:\n    max_megabytes: 10\n    max_milliseconds: 60000\n")
    found = run("gate", "--champion", paths[0], "--challenger", paths[1], "--data", data, "--monitor", monitor, "--json")
    assert found.exit_code == 0
    told = json.loads(found.stdout)
    assert told["challenger_loss"] < 0.15 < told["champion_loss"]
    assert {check["name"]: check["state"] for check in told["checks"]} == {"calibration": "passed", "size": "passed", "latency": "passed"}
    paths[1].write_bytes(paths[0].read_bytes())
    refused = run("gate", "--champion", paths[0], "--challenger", paths[1], "--data", data)
    assert refused.exit_code == 3


def test_a_challenger_that_does_not_answer_what_is_hard_is_not_better(rows: Path, tmp_path: Path) -> None:
    held_out = pd.read_csv(rows)
    held_out["shy"] = held_out["bad"].where(held_out["bad"] == held_out["label"])
    held_out.loc[:9, "usual"] = None
    rng = np.random.default_rng(2)
    held_out["price"] = rng.normal(size=len(held_out))
    held_out["near"] = held_out["price"] + rng.normal(scale=0.5, size=len(held_out))
    far = held_out["price"] + rng.normal(size=len(held_out))
    held_out["shy_number"] = far.where((far - held_out["price"]).abs() < 0.3)
    path = tmp_path / "shy.csv"
    held_out.to_csv(path, index=False)
    shy = int(held_out["shy"][10:].isna().sum())
    found = run("gate", "--champion", "usual", "--challenger", "shy", "--data", path, "--json")
    told = json.loads(found.stdout)
    assert (found.exit_code, told["verdict"], told["n"], told["silent_champion"], told["silent_challenger"]) == (1, "rejected", 2_990, 10, shy)
    assert told["challenger_loss"] == pytest.approx(shy / 2_990)
    shown = run("gate", "--champion", "usual", "--challenger", "shy", "--data", path)
    assert f"the challenger gave no answer to {shy} of these rows, which count as a loss of 1; 10 more rows that the champion gave no answer to are left out" in shown.stdout
    numbers = run("gate", "--champion", "near", "--challenger", "shy_number", "--data", path, "--label", "price")
    assert numbers.exit_code == 1


def test_a_regression_names_the_scale_of_its_losses(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    price = rng.normal(size=2_000)
    data = tmp_path / "prices.csv"
    pd.DataFrame({"price": price, "usual": price + rng.normal(scale=40, size=2_000), "near": price + rng.normal(scale=20, size=2_000)}).to_csv(data, index=False)
    arguments = ("gate", "--champion", "usual", "--challenger", "near", "--data", data, "--label", "price")
    told = json.loads(run(*arguments, "--json").stdout)
    frame = pd.read_csv(data)
    scale = np.quantile((frame["usual"] - price).abs(), 0.95)
    assert told["loss"] == "absolute error / scale, at most 1"
    assert told["scale"] == pytest.approx(scale, rel=1e-6)
    assert told["champion_loss"] == pytest.approx(np.minimum((frame["usual"] - price).abs() / scale, 1).mean(), rel=1e-6)
    shown = run(*arguments).stdout
    assert f"a loss is the absolute error divided by {scale:.4g}, the 95 % quantile of the champion's, and at most 1" in shown


def test_the_loss_of_classes_is_an_error_rate_and_has_no_scale(rows: Path) -> None:
    told = json.loads(run("gate", "--champion", "usual", "--challenger", "good", "--data", rows, "--json").stdout)
    assert (told["loss"], told["scale"]) == ("error rate", None)
    assert "a loss is" not in run("gate", "--champion", "usual", "--challenger", "good", "--data", rows).stdout


def test_a_segment_of_the_monitor_that_the_data_do_not_have_is_refused_unless_others_are_named(rows: Path, tmp_path: Path) -> None:
    monitor = tmp_path / "monitor.yaml"
    monitor.write_text("model: loans\nsegments: [city, country]\n")
    arguments = ("gate", "--champion", "bad", "--challenger", "unfair", "--data", rows, "--monitor", monitor)
    refused = run(*arguments)
    assert refused.exit_code == 3
    assert "has no column 'country'" in refused.stderr
    assert "--segment" in refused.stderr
    assert run(*arguments, "--segment", "city").exit_code == 1


@pytest.mark.parametrize("arguments", [("--champion", "usual", "--challenger", "nobody"), ("--champion", "usual", "--challenger", "good", "--label", "truth")])
def test_what_cannot_be_judged_is_neither_verdict(rows: Path, arguments: tuple[str, ...]) -> None:
    found = run("gate", *arguments, "--data", rows)
    assert found.exit_code == 3
    assert "there are:" in found.stderr or "columns:" in found.stderr


@pytest.mark.parametrize("arguments", [("--chalenger", "good"), ("--challenger", "good"), ("--challenger", "good", "--challengers", "0")])
def test_a_call_that_cannot_be_read_is_no_verdict_either(rows: Path, arguments: tuple[str, ...]) -> None:
    champion = () if arguments == ("--challenger", "good") else ("--champion", "usual")
    assert run("gate", *champion, *arguments, "--data", rows).exit_code == 3
    assert run("gate", "--help").exit_code == 0


def test_with_a_monitor_an_estimator_of_scikit_learn_answers_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    x, usual = rng.normal(size=400), rng.choice(["no", "yes"], 400)
    label = np.where(x > 0, "yes", "no")
    pd.DataFrame({"x": x, "usual": usual, "label": label}).to_csv(tmp_path / "held_out.csv", index=False)
    skops.io.dump(LogisticRegression().fit(x[:, None], label), tmp_path / "estimator.skops")
    (tmp_path / "monitor.yaml").write_text("model: loans\nfeatures: {x: {type: numeric}}\n")
    arguments = ("gate", "--champion", "usual", "--challenger", tmp_path / "estimator.skops", "--data", tmp_path / "held_out.csv")
    assert "the monitor that says what its columns are" in run(*arguments).stderr
    assert run(*arguments, "--monitor", tmp_path / "monitor.yaml").exit_code == 0


def test_a_column_that_is_no_prediction_and_a_file_that_is_no_model_are_told(rows: Path, tmp_path: Path) -> None:
    column = run("gate", "--champion", "city", "--challenger", "good", "--data", rows)
    assert column.exit_code == 3
    assert "city of" in column.stderr
    assert "got 'Bonn', 'Ulm', expected such as 'no', 'yes'" in column.stderr
    no_model = tmp_path / "model.txt"
    no_model.write_text("none")
    file = run("gate", "--champion", "usual", "--challenger", no_model, "--data", rows)
    assert file.exit_code == 3
    assert "is no model" in file.stderr
