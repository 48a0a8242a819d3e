"""`driftwarden check`: a verdict on each column, an exit code, a report and a monitor that can be applied."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy.signal import lfilter

from detectors.errors import SettingsError
from streams.apply import thresholds_of
from streams.check import check_tables, known_columns
from streams.file_events import ColumnNames
from streams.monitor_file import load_specification
from streams.tables import Table
from tests.streams.command_line import run


def _frame(rows: int, seed: int, *, shift_from: int | None = None, wrong_from: int | None = None) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {f"x{place}": rng.normal(size=rows) for place in range(4)}
    columns["city"] = rng.choice(["Ulm", "Rome", "Oslo"], rows, p=[0.5, 0.3, 0.2])
    truth = (columns["x0"] > 0).astype(int)
    said = np.where(rng.random(rows) < 0.1, 1 - truth, truth)
    if shift_from is not None:
        columns["x1"][shift_from:] += 0.6
        columns["city"][shift_from:] = rng.choice(["Ulm", "Rome", "Oslo"], rows - shift_from, p=[0.2, 0.3, 0.5])
    if wrong_from is not None:
        said[wrong_from:] = np.where(rng.random(rows - wrong_from) < 0.4, 1 - truth[wrong_from:], truth[wrong_from:])
    return pd.DataFrame(columns | {"target": truth, "prediction": said})


@pytest.fixture
def train(tmp_path: Path) -> Path:
    _frame(4_000, 1).to_csv(tmp_path / "train.csv", index=False)
    return tmp_path / "train.csv"


def test_a_file_like_the_reference_is_exit_code_0_and_the_monitor_can_be_applied(train: Path, tmp_path: Path) -> None:
    _frame(4_000, 2).to_parquet(tmp_path / "live.parquet")
    done = run("check", train, tmp_path / "live.parquet", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "no change that matters" in done.stdout
    assert "'target' is taken for the label" in done.stderr
    assert "'prediction' is taken for the prediction" in done.stderr
    monitor = load_specification(tmp_path / "out" / "monitor.yaml")
    assert (monitor.model, str(monitor.false_alarms), set(monitor.features)) == ("train", "1 per 100000 events", {"x0", "x1", "x2", "x3", "city"})
    assert thresholds_of(monitor)
    assert "<html" in (tmp_path / "out" / "report.html").read_text()


def test_three_rows_are_too_few_to_tell_and_the_exit_code_is_2(train: Path, tmp_path: Path) -> None:
    _frame(3, 2).to_csv(tmp_path / "live.csv", index=False)
    done = run("check", train, tmp_path / "live.csv", "--out", tmp_path, "--json")
    assert done.exit_code == 2, done.output
    assert json.loads(done.stdout)["verdict"] == "too little data"
    assert "too little data to tell" in run("check", train, tmp_path / "live.csv", "--out", tmp_path).stdout


def test_a_credit_score_is_a_feature_and_an_ignored_column_is_taken_for_nothing() -> None:
    rng = np.random.default_rng(8)
    reference, live = (Table(source=f"{name}.csv", columns={"x": rng.normal(size=50), "score": rng.integers(300, 850, 50), "y": rng.integers(0, 2, 50)}) for name in "ab")
    notes: list[str] = []
    found = known_columns(reference, live, ColumnNames(), notes.append)
    assert (found.label, found.score) == ("y", None)
    assert "the column 'score' is taken for a feature, not for the score: a score is a probability, from 0 to 1, and it holds 3" in notes[1]
    probable = Table(source="a.csv", columns=reference.columns | {"y_prob": rng.random(50)})
    assert known_columns(probable, live, ColumnNames(), notes.append).score == "y_prob"
    assert known_columns(probable, live, ColumnNames(), notes.append, ignore=["y_prob", "y"]) == ColumnNames()
    with pytest.raises(SettingsError, match="'score' is named by --score and by --ignore"):
        known_columns(reference, live, ColumnNames(score="score"), notes.append, ignore=["score"])
    with pytest.raises(SettingsError, match="got column 'score' with 3"):
        check_tables(reference, live, model="m", names=ColumnNames(prediction="y", label="y", score="score"))


def test_what_changed_is_named_with_its_effect_and_the_row_and_the_exit_code_is_1(train: Path, tmp_path: Path) -> None:
    _frame(6_000, 2, shift_from=3_000).to_csv(tmp_path / "live.csv", index=False)
    done = run("check", train, tmp_path / "live.csv", "--out", tmp_path, "--json")
    assert done.exit_code == 1, done.output
    told = json.loads(done.stdout)
    findings = {finding["name"]: finding for finding in told["findings"]}
    assert told["verdict"] == "drift"
    assert {name for name, finding in findings.items() if finding["drifted"]} == {"feature:x1", "feature:city"}
    for name, truth in (("feature:x1", 0.6), ("feature:city", 0.3)):
        low, high = findings[name]["effect"]["interval"]
        assert low < truth < high
        assert findings[name]["since_row"] == pytest.approx(3_000, abs=300)
        assert findings[name]["psi"]["value"] > 3 * findings[name]["psi"]["null_quantile"]
        assert findings[name]["psi"]["n_current"] == 6_000
    assert findings["feature:x0"]["state"] == "ok"
    assert findings["feature:x0"]["since_row"] is None


def test_a_model_that_became_worse_is_found_though_no_feature_changed(train: Path, tmp_path: Path) -> None:
    _frame(6_000, 3, wrong_from=3_000).to_csv(tmp_path / "live.csv", index=False)
    done = run("check", train, tmp_path / "live.csv", "--out", tmp_path, "--json")
    assert done.exit_code == 1, done.output
    drifted = {finding["name"] for finding in json.loads(done.stdout)["findings"] if finding["drifted"]}
    assert "error_rate" in drifted
    assert not any(name.startswith("feature:") for name in drifted)


def test_a_live_file_without_labels_is_judged_by_its_features(train: Path, tmp_path: Path) -> None:
    _frame(4_000, 2).drop(columns=["target", "prediction"]).assign(new=1.0).to_csv(tmp_path / "live.csv", index=False)
    done = run("check", train, tmp_path / "live.csv", "--out", tmp_path, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert {finding["name"] for finding in told["findings"]} == {f"feature:{name}" for name in ("x0", "x1", "x2", "x3", "city")}
    assert any("not compared: new" in note for note in told["notes"])
    assert any("performance is not compared" in note for note in told["notes"])


def test_predictions_are_not_compared_with_labels(train: Path, tmp_path: Path) -> None:
    """A model that says the frequent class too often is no change."""
    reference = pd.read_csv(train).drop(columns="prediction")
    reference.to_csv(train, index=False)
    _frame(4_000, 2).assign(prediction=0).to_csv(tmp_path / "live.csv", index=False)
    done = run("check", train, tmp_path / "live.csv", "--out", tmp_path, "--json")
    assert "prediction" not in {finding["name"] for finding in json.loads(done.stdout)["findings"] if finding["drifted"]}


def test_with_times_rows_are_put_in_order_before_they_are_judged(train: Path, tmp_path: Path) -> None:
    reference, live = pd.read_csv(train), _frame(6_000, 2, shift_from=3_000)
    reference["at"], live["at"] = np.arange(4_000) * 60_000, np.arange(6_000) * 60_000
    reference.to_csv(train, index=False)
    live.sample(frac=1.0, random_state=1).to_csv(tmp_path / "live.csv", index=False)
    done = run("check", train, tmp_path / "live.csv", "--out", tmp_path, "--time", "at", "--json")
    assert done.exit_code == 1, done.output
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert findings["feature:x1"]["since_row"] == pytest.approx(3_000, abs=300)


def test_a_column_that_neither_file_has_is_refused(train: Path, tmp_path: Path) -> None:
    done = run("check", train, train, "--out", tmp_path, "--label", "truth")
    assert isinstance(done.exception, SettingsError)
    assert "neither file has a column 'truth'" in str(done.exception)


def test_the_monitor_of_a_file_of_rare_events_has_panes_that_hold_some(tmp_path: Path) -> None:
    hourly = _frame(1_000, 1).assign(at=pd.date_range("2016-01-01", periods=1_000, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ"))
    hourly.to_csv(tmp_path / "hourly.csv", index=False)
    done = run("check", tmp_path / "hourly.csv", tmp_path / "hourly.csv", "--out", tmp_path, "--time", "at")
    assert done.exit_code == 0, done.output
    assert load_specification(tmp_path / "monitor.yaml").pane == 3_600_000


def test_a_check_touches_no_monitor_of_the_folder_it_is_called_in(train: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(train.parent)
    Path("monitor.yaml").write_text("model: mine\n")
    done = run("check", train, train)
    assert done.exit_code == 0, done.output
    assert Path("monitor.yaml").read_text() == "model: mine\n"
    assert load_specification("driftwarden-check/monitor.yaml").model == "train"


def test_files_without_a_common_column_are_refused(train: Path, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("only\n1\n2\n")
    with pytest.raises(SettingsError, match="no column in common"):
        raise run("check", train, tmp_path / "other.csv", "--out", tmp_path).exception or AssertionError


def test_on_a_terminal_of_80_columns_no_cell_is_cut(train: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.cli.check.results", lambda: Console(width=80, highlight=False))
    _frame(6_000, 2, shift_from=3_000).to_csv(tmp_path / "live.csv", index=False)
    done = run("check", train, tmp_path / "live.csv", "--out", tmp_path)
    (header,) = [line for line in done.stdout.splitlines() if line.startswith(" column")]
    assert header.split() == ["column", "state", "effect", "(95", "%)", "floor", "since", "row"]
    assert "…" not in done.stdout


def test_a_difference_that_is_not_proven_is_said_in_words_on_the_terminal_and_in_the_report(train: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row resembles the one before: 4,000 of them are as good as 60 independent ones, and 0.3 sigma is nothing for those."""
    resembling = lfilter([1.0], [1.0, -0.97], np.random.default_rng(7).normal(size=(2, 6_000)) * np.sqrt(1 - 0.97**2))[:, 2_000:]
    before, now = resembling - resembling.mean(axis=1, keepdims=True)
    name = "previous_bookings_of_a_customer"
    pd.read_csv(train).assign(**{name: before}).to_csv(train, index=False)
    _frame(4_000, 2).assign(**{name: now + 0.3}).to_csv(tmp_path / "live.csv", index=False)
    monkeypatch.setattr("streams.cli.check.results", lambda: Console(width=80, highlight=False))
    done = run("check", train, tmp_path / "live.csv", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert all(len(line) <= 80 for line in done.stdout.splitlines() if not line.startswith(("no proven", "report", "monitor")))
    assert "…" not in done.stdout
    words = " ".join(done.stdout.split())
    assert f"no proven change, but {name} moved by more than its floor" in words
    assert "moved, within its noise: further from the reference than the floor" in words
    page = (tmp_path / "report.html").read_text()
    assert f"<td>{name}</td><td>moved, within its noise</td>" in page
    assert f"But {name} moved by more than its floor" in page
    assert "rows are independent of each other" in page
    assert "is healthy" not in page


def test_the_help_explains_the_states() -> None:
    words = " ".join(run("check", "--help").stdout.replace("│", " ").split())
    assert '"moved, within its noise" where its interval reaches the floor' in words


def test_the_slice_in_which_the_model_is_wrong_most_of_all_is_found_and_told(train: Path, tmp_path: Path) -> None:
    frame = _frame(4_000, 5)
    oslo = (frame["city"] == "Oslo") & (np.random.default_rng(6).random(4_000) < 0.5)
    frame.loc[oslo, "prediction"] = 1 - frame.loc[oslo, "target"]
    frame.to_csv(tmp_path / "live.csv", index=False)
    done = run("check", train, tmp_path / "live.csv", "--out", tmp_path)
    assert "worst slice: city = Oslo: " in done.stdout, done.output
    (told,) = json.loads(run("check", train, tmp_path / "live.csv", "--out", tmp_path, "--json").stdout)["slices"]
    assert told["where"] == ["city = Oslo"]
    assert told["n"] == (frame["city"] == "Oslo").sum()
    assert told["share"] == pytest.approx(told["wrong"] / told["n"])


def test_of_a_regression_the_slice_with_the_largest_errors_is_found() -> None:
    rng = np.random.default_rng(7)
    truth = {"city": rng.choice(["Ulm", "Rome"], 1_200).astype(object), "size": rng.normal(size=1_200)}
    error = rng.normal(size=1_200) * np.where(truth["city"] == "Rome", 3.0, 1.0)
    reference, live = (
        Table(source=f"{first}.csv", columns={name: column[rows] for name, column in (truth | {"y": truth["size"] * 10, "y_pred": truth["size"] * 10 + error}).items()})
        for first, rows in (("train", slice(0, 600)), ("live", slice(600, None)))
    )
    found = check_tables(reference, live, model="rent", names=ColumnNames(), task="regression").slices
    assert [one.where for one in found] == [("city = Rome",)]
    assert sum(one.wrong for one in found) <= 60


def test_a_file_without_outputs_is_compared_by_its_features_though_the_reference_could_estimate_performance() -> None:
    rng = np.random.default_rng(8)
    truth = rng.choice(np.array(["a", "b", "c"], object), 1_000)
    columns = {"x": rng.normal(size=1_000), "label": truth, "prediction": np.where(rng.random(1_000) < 0.8, truth, "a")}
    live = Table(source="live.csv", columns={"x": rng.normal(size=1_000)})
    found = check_tables(Table(source="train.csv", columns=columns), live, model="m", names=ColumnNames())
    assert [one.name for one in found.findings] == ["feature:x"]
    assert (found.monitor.estimate_performance, found.specification.estimate_performance) == (True, False)
