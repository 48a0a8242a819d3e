"""`driftwarden replay`: the same panes and alerts however a file is cut; options over the monitor's own; retraining."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from rich.console import Console
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier

import streams.replay as replay_module
from detectors.errors import SettingsError
from detectors.metric import wilson
from detectors.profile import CategoricalProfile
from detectors.specification import MonitorSpecification
from detectors.statistics.intervals import PARTS
from retrainer.trainers import trainer_named
from retrainer.trainers.scikit_learn import ScikitLearnTrainer
from streams.cli.replay import lives
from streams.file_events import ColumnNames, EventOrder, Rows, rows_of
from streams.file_settings import for_file
from streams.infer import infer
from streams.measured_reference import with_measured_performance
from streams.monitor_file import save_specification
from streams.replay import replay
from streams.tables import Table, read_table
from streams.wire import decode_alert, decode_points
from tests.streams.command_line import run

NAMES = ColumnNames(prediction="said", label="truth", label_delay_rows=37)


def _table(rows: int, seed: int, *, change: int | None = None) -> Table:
    """Two numbers and a class by their sum; from a row on, the first number is shifted and the class is the other one."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=rows), rng.normal(size=rows)
    truth = (a + b > 0).astype(np.int64)
    said = np.where(rng.random(rows) < 0.1, 1 - truth, truth)
    if change is not None:
        a[change:] += 1.0
        truth[change:] = 1 - truth[change:]
    return Table(source="table.csv", columns={"a": a, "b": b, "said": said, "truth": truth})


def _write(table: Table, path: Path) -> Path:
    lines = [",".join(table.columns)] + [",".join(map(str, row)) for row in zip(*table.columns.values(), strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def specification() -> MonitorSpecification:
    base = MonitorSpecification(model="m", pane=20_000, lateness=0, false_alarms="1 per 100000 events", events_per_pane=20.0)  # type: ignore[arg-type]  # as in a file
    return infer(_table(3_000, 1), model="m", label="truth", prediction="said", base=base)


def _finished(replayed: replay_module.Replayed) -> dict[tuple[Any, ...], Any]:
    """Points that are final, by what they are of."""
    points = [point for point in replayed.points if point.measurement != "cohort" and point.fields.get("final", True)]
    return {(point.measurement, point.time, *sorted(point.tags.items())): point.fields for point in points}


@pytest.mark.parametrize("names", [NAMES, ColumnNames(prediction="said", label="truth", label_delay=15_500), ColumnNames(prediction="said", label="truth")])
def test_a_replay_gives_the_same_panes_and_alerts_whatever_rows_at_once(specification: MonitorSpecification, names: ColumnNames, monkeypatch: pytest.MonkeyPatch) -> None:
    live = _table(2_500, 2, change=1_500)
    found = []
    for rows, chunk in ((20_000, 2_500), (20_000, 331), (97, 700)):
        monkeypatch.setattr(replay_module, "ROWS_AT_ONCE", rows)
        tables = [live.take(slice(start, start + chunk)) for start in range(0, 2_500, chunk)]
        found.append(replay(tables, specification, names))
    assert {alert.kind for alert in found[0].opened} >= {"drift", "performance"}
    for other in found[1:]:
        assert other.alerts == found[0].alerts
        assert other.rows == 2_500
        np.testing.assert_equal(_finished(other), _finished(found[0]))


@pytest.mark.parametrize("delay", [0, 1, 500, 1_500, 12_345])
def test_labels_that_come_by_time_have_the_same_place_in_the_log_however_it_is_read(specification: MonitorSpecification, delay: int) -> None:
    table = _table(60, 3)
    table.columns["at"] = np.cumsum(np.random.default_rng(delay).integers(0, 3_000, 60))
    names = ColumnNames(time="at", label="truth", prediction="said", label_delay=delay)
    logs = []
    for size in (60, 7, 1):
        order = EventOrder(specification, names)
        rows: Rows = rows_of(table, specification, names)
        batches = [batch for part in rows.split(size) for batch in order.fetch(part).batches]
        logs.append([(kind, row, high, time) for batch in batches for kind, row, high, time in zip(batch.kind, batch.event_id, batch.high, batch.timestamp, strict=True)])
    assert logs[1] == logs[0]
    assert logs[2] == logs[0]


def test_several_files_are_one_history(specification: MonitorSpecification, tmp_path: Path) -> None:
    live = _table(2_400, 2, change=1_500)
    save_specification(specification, tmp_path / "monitor.yaml")
    whole = _write(live, tmp_path / "whole.csv")
    parts = [_write(live.take(slice(start, start + 800)), tmp_path / f"part{start}.csv") for start in (0, 800, 1_600)]
    options = ("--monitor", tmp_path / "monitor.yaml", "--prediction", "said", "--label", "truth", "--label-delay", "50", "--json")
    one, many = (json.loads(run("replay", *files, *options).stdout) for files in ([whole], parts))
    assert one["rows"] == many["rows"] == 2_400
    assert one["alerts"] == many["alerts"]
    assert one["alerts_opened"] >= 2
    accuracy = one["accuracy"]
    assert accuracy["observed"] == pytest.approx((0.9 * 1_500 + 0.1 * 900) / 2_400, abs=0.02)
    assert accuracy["observed_n"] == one["labelled"] == 2_400
    assert (accuracy["observed_low"], accuracy["observed_high"]) == pytest.approx(wilson(accuracy["observed"] * 2_400, 2_400))


def test_the_files_that_are_asked_for_hold_what_was_found(specification: MonitorSpecification, tmp_path: Path) -> None:
    save_specification(specification, tmp_path / "monitor.yaml")
    live = _write(_table(2_000, 2, change=1_000), tmp_path / "live.csv")
    files = {name: tmp_path / "out" / name for name in ("alerts.jsonl", "metrics.jsonl", "report.html")}
    options = ("--alerts", files["alerts.jsonl"], "--metrics", files["metrics.jsonl"], "--report", files["report.html"])
    done = run("replay", live, "--monitor", tmp_path / "monitor.yaml", "--prediction", "said", "--label", "truth", *options)
    assert done.exit_code == 0, done.output
    alerts = [decode_alert(line) for line in files["alerts.jsonl"].read_bytes().splitlines()]
    assert {alert.kind for alert in alerts} >= {"drift", "performance"}
    assert {point.measurement for point in decode_points(files["metrics.jsonl"].read_bytes())} >= {"traffic", "performance", "drift", "monitor"}
    assert "<html" in files["report.html"].read_text()
    assert done.stderr == "", "a progress bar belongs on a terminal"
    assert "row 1 to row 2,000" in done.stdout
    assert re.search(r"accuracy on 2,000 labelled rows, with 95 % intervals: 0\.\d+ \(0\.\d+ to 0\.\d+\) observed", done.stdout)
    assert re.search(r"0\.\d+ \(0\.\d+ to 0\.\d+\), n 2,000", files["report.html"].read_text())
    assert "2 alerts" in done.stdout
    one = next(alert for alert in alerts if alert.status == "opened")
    life = [msgspec.structs.replace(one, status=status, updated_at=at) for status, at in (("opened", 10), ("resolved", 20), ("updated", 30))]
    assert lives(life[:2]) == [(life[0], 20)]
    assert lives(life) == [(life[2], None)], "it was opened again"


def test_versions_and_latencies_of_a_file_are_told(specification: MonitorSpecification) -> None:
    table = _table(400, 2)
    table.columns["served_by"] = np.repeat(np.array(["1", None, "2"], object), [150, 50, 200])
    table.columns["ms"] = np.where(np.arange(400) < 200, 5.0, np.nan)
    points = replay([table], specification, ColumnNames(prediction="said", label="truth", version="served_by", latency="ms")).points
    traffic = [point for point in points if point.measurement == "traffic"]
    assert {point.tags.get("version", "") for point in traffic} == {"1", "", "2"}
    latest = max((point.fields for point in points if point.measurement == "service"), key=lambda fields: fields["latency_p50_n"])
    assert (latest["latency_p50"], latest["latency_p50_n"]) == pytest.approx((5.0, 200), rel=0.2)


def test_on_a_terminal_of_80_columns_times_are_whole(specification: MonitorSpecification, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.cli.replay.results", lambda: Console(width=80, highlight=False))
    save_specification(specification, tmp_path / "monitor.yaml")
    table = _table(2_000, 2, change=1_000)
    timed = Table(source=table.source, columns={"at": np.arange(2_000) * 1_000 + 1_769_904_000_000, **table.columns})
    done = run("replay", _write(timed, tmp_path / "live.csv"), "--monitor", tmp_path / "monitor.yaml", "--time", "at", "--prediction", "said", "--label", "truth")
    assert done.exit_code == 0, done.output
    assert re.search(r"^ 2026-02-01T00:\d\d:\d\d\.000Z +(drift|performance) ", done.stdout, re.MULTILINE)
    assert "…" not in done.stdout


def test_a_score_that_is_no_probability_is_refused_with_its_row(specification: MonitorSpecification) -> None:
    table = _table(10, 1)
    table = Table(source="table.csv", columns={**table.columns, "percent": np.array([0.5, *[50.0] * 9])})
    with pytest.raises(SettingsError, match=r"column 'percent', row 2: the score is a probability, from 0 to 1; .*; got '50.0'"):
        rows_of(table, specification, ColumnNames(prediction="said", score="percent"))


def test_options_go_over_the_monitors_own(specification: MonitorSpecification) -> None:
    table = _table(10, 1)
    changed = for_file(specification, table, ColumnNames(), pane="1m", lateness="5s", false_alarms="2 per 1000 events")
    assert (changed.pane, changed.lateness, str(changed.false_alarms), changed.events_per_pane) == (60_000, 5_000, "2 per 1000 events", 60.0)
    assert for_file(specification, table, ColumnNames(), pane="7m").windows == (14 * 60_000, 63 * 60_000)  # rounded up to whole panes
    with pytest.raises(SettingsError, match=r"--pane: .*got 'soon'"):
        for_file(specification, table, ColumnNames(), pane="soon")


@pytest.mark.parametrize(
    ("options", "story"),
    [
        (("--label", "truth"), "a label says nothing without a prediction"),
        (("--retrain", "--label", "truth", "--prediction", "said", "--version", "a"), "the champion makes the predictions; leave out --prediction, --version"),
        (("--prediction", "said", "--latency", "a"), "column 'a', row "),
        (("--registry", "models"), "are for --retrain"),
        (("--time-format", "%Y"), "without --time"),
        (("--prediction", "sayd"), "no column 'sayd'"),
        (("--label-delay", "soon"), "got 'soon'"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_with_the_reason(specification: MonitorSpecification, tmp_path: Path, options: tuple[str, ...], story: str) -> None:
    save_specification(specification, tmp_path / "monitor.yaml")
    live = _write(_table(50, 2), tmp_path / "live.csv")
    done = run("replay", live, "--monitor", tmp_path / "monitor.yaml", *options)
    assert isinstance(done.exception, SettingsError)
    assert story in str(done.exception)


def test_retraining_pays_after_the_concept_changed(tmp_path: Path) -> None:
    training = _write(_table(3_000, 1), tmp_path / "training.csv")
    base = MonitorSpecification(model="m", pane=20_000, lateness=0, false_alarms="1 per 100000 events", events_per_pane=20.0)  # type: ignore[arg-type]  # as in a file
    save_specification(infer(read_table(training), model="m", label="truth", base=base), tmp_path / "monitor.yaml")
    live = _write(_table(5_000, 2, change=1_500), tmp_path / "live.csv")
    options = ("--monitor", tmp_path / "monitor.yaml", "--label", "truth", "--label-delay", "100", "--retrain", "--registry", tmp_path / "models", "--json")
    done = run("replay", live, *options, "--report", tmp_path / "report.html")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["accuracy"]["with_retraining"] > told["accuracy"]["without_retraining"] + 0.1
    difference = told["loss_difference"]
    value, low, high, n = (difference[f"with_minus_without_retraining{part}"] for part in PARTS)
    assert value == pytest.approx(told["accuracy"]["without_retraining"] - told["accuracy"]["with_retraining"])
    assert low < value < high < -0.1
    assert (difference["loss"], difference["better"], n) == ("error rate", "below 0", told["labelled"])
    said = rf"{value:.4g} \({low:.4g} to {high:.4g}\) on 5,000 rows, better with retraining \(below 0 is better\)"
    assert re.search(rf"error rate, with retraining minus without.{{0,80}}{said}", (tmp_path / "report.html").read_text(), re.DOTALL)
    assert told["fits"] >= 1
    promoted = [version for version in told["versions"] if version["status"] == "promoted"]
    assert len(promoted) >= 2
    assert promoted[1]["cause"] in {alert["alert_id"] for alert in told["alerts"]}
    assert list((tmp_path / "models" / "m" / "versions").iterdir())


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (400, r"0 \(-0\.\d+ to 0\.\d+\) on 400 rows, neither better nor worse is proven \(below 0 is better\)"),
        (60, r"0 on 60 rows, too few to tell an interval \(below 0 is better\)"),
    ],
)
def test_a_replay_that_promotes_nothing_says_that_no_difference_is_proven(tmp_path: Path, rows: int, said: str) -> None:
    training = _write(_table(1_000, 1), tmp_path / "training.csv")
    base = MonitorSpecification.model_validate({"model": "m", "pane": "20s", "lateness": 0})
    save_specification(infer(read_table(training), model="m", label="truth", base=base), tmp_path / "monitor.yaml")
    done = run("replay", _write(_table(rows, 2), tmp_path / "live.csv"), "--monitor", tmp_path / "monitor.yaml", "--label", "truth", "--retrain")
    assert done.exit_code == 0, done.output
    assert re.search(rf"^error rate with retraining minus without, on the same rows: {said}$", done.stdout, re.MULTILINE), done.stdout


def test_of_a_regression_the_difference_is_one_of_absolute_errors(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 3_000))
    table = Table(source="table.csv", columns={"a": a, "b": b, "truth": 10 * a + b + rng.normal(size=3_000)})
    _write(table.take(slice(0, 1_000)), tmp_path / "training.csv")
    base = MonitorSpecification.model_validate({"model": "m", "task": "regression", "pane": "20s", "lateness": 0, "retrain": {"trainer": "tests.streams.test_cli_replay:line"}})
    save_specification(infer(read_table(tmp_path / "training.csv"), model="m", label="truth", base=base), tmp_path / "monitor.yaml")
    live = table.take(slice(1_000, 3_000))
    live.columns["truth"][500:] *= -1
    done = run("replay", _write(live, tmp_path / "live.csv"), "--monitor", tmp_path / "monitor.yaml", "--label", "truth", "--retrain", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    difference = told["loss_difference"]
    value, low, high, n = (difference[f"with_minus_without_retraining{part}"] for part in PARTS)
    assert (difference["loss"], n) == ("absolute error", 2_000)
    assert value == pytest.approx(told["mae"]["with_retraining"] - told["mae"]["without_retraining"])
    assert low < value < high < -1, "in the label's unit"


def line(matrix: Any, label: Any, context: Any) -> Any:
    return LinearRegression().fit(matrix, label)


class _Unknown(DecisionTreeClassifier):
    """An estimator of a user's own, which no artifact may hold."""


def raises(matrix: Any, label: Any, context: Any) -> Any:
    raise RuntimeError(f"no column [salary] among {matrix.shape[1]}")


def ends(matrix: Any, label: Any, context: Any) -> Any:
    raise SystemExit(0)


def unfitted(matrix: Any, label: Any, context: Any) -> Any:
    return DecisionTreeClassifier()


def unknown(matrix: Any, label: Any, context: Any) -> Any:
    return _Unknown(max_depth=3).fit(matrix, label)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("raises", "raised RuntimeError: no column [salary] among 3"),
        ("ends", "raised SystemExit: 0"),
        ("unfitted", "raised NotFittedError: "),
        ("unknown", "made a model that cannot be stored: the model holds types that are not trusted: tests.streams.test_cli_replay._Unknown; "),
    ],
)
def test_a_trainer_of_a_users_own_that_makes_no_first_champion_is_named_with_its_reason(tmp_path: Path, function: str, reason: str) -> None:
    trainer = f"tests.streams.test_cli_replay:{function}"
    training = _write(_table(400, 1), tmp_path / "training.csv")
    base = MonitorSpecification.model_validate({"model": "m", "pane": "20s", "lateness": 0, "retrain": {"trainer": trainer}})
    save_specification(infer(read_table(training), model="m", label="truth", base=base), tmp_path / "monitor.yaml")
    done = run("replay", _write(_table(50, 2), tmp_path / "live.csv"), "--monitor", tmp_path / "monitor.yaml", "--label", "truth", "--retrain")
    assert isinstance(done.exception, SettingsError), repr(done.exception)
    told = str(done.exception)
    assert told.startswith("no first champion can be trained on training.csv: ")
    assert f"{trainer} {reason}" in told
    assert told.endswith("mend the trainer, or name another one as retrain.trainer in monitor.yaml")


def linear(matrix: Any, label: Any, context: Any) -> Any:
    return LogisticRegression().fit(matrix, label)


def test_a_first_champion_that_cannot_answer_some_rows_of_its_reference_is_measured_on_the_others(tmp_path: Path) -> None:
    table = _table(1_000, 1)
    table.columns["a"][950:960] = np.nan
    training = Table(source="training.csv", columns={name: table.columns[name] for name in ("a", "b", "truth")})
    base = MonitorSpecification.model_validate({"model": "m", "pane": "20s", "lateness": 0, "retrain": {"trainer": "tests.streams.test_cli_replay:linear"}})
    names = ColumnNames(label="truth")
    measured = with_measured_performance(infer(training, model="m", label="truth", base=base), training, names, trainer_named("tests.streams.test_cli_replay:linear"))
    profile = measured.reference.profile
    assert profile is not None
    assert profile.performance is not None
    assert (profile.performance.rows, profile.performance.loss < 0.05) == (190, True)
    assert isinstance(profile.prediction, CategoricalProfile)
    assert (sum(profile.prediction.counts), profile.prediction.unseen) == (190, 0)


def test_a_replay_gives_a_canary_its_share_and_judges_it_by_that(tmp_path: Path) -> None:
    training = _write(_table(3_000, 1), tmp_path / "training.csv")
    keys: dict[str, Any] = {"refresh": [400], "gate": {"min_evidence": 100, "wander": 0, "min_validation_time": "0s"}, "canary": {"share": 0.4}}
    base = MonitorSpecification.model_validate({"model": "m", "pane": "20s", "lateness": 0, "false_alarms": "1 per 100000 events", "events_per_pane": 20.0, "retrain": keys})
    save_specification(infer(read_table(training), model="m", label="truth", base=base), tmp_path / "monitor.yaml")
    done = run("replay", _write(_table(4_000, 2, change=500), tmp_path / "live.csv"), "--monitor", tmp_path / "monitor.yaml", "--label", "truth", "--retrain", "--json")
    assert done.exit_code == 0, done.output
    versions = [version for version in json.loads(done.stdout)["versions"] if version["version"] == "2"]
    assert [version["status"] for version in versions] == ["registered", "canary", "promoted"]
    began, promoted = versions[1:]
    assert promoted["gate"]["labels"] >= 100
    assert promoted["at"] != began["at"]


def test_the_measured_reference_is_the_error_of_a_model_on_rows_that_it_had_not_seen(specification: MonitorSpecification) -> None:
    rng = np.random.default_rng(5)
    columns: dict[str, Any] = {"a": rng.normal(size=1_000), "b": rng.normal(size=1_000), "truth": rng.integers(0, 2, 1_000)}
    coin = infer(Table(source="coin.csv", columns=columns), model="coin", label="truth")
    measured = with_measured_performance(coin, Table(source="coin.csv", columns=columns), ColumnNames(label="truth"), ScikitLearnTrainer())
    profile = measured.reference.profile
    assert profile is not None
    assert profile.performance is not None
    assert profile.performance.rows == 200
    assert profile.performance.loss == pytest.approx(0.5, abs=0.12)
    assert profile.prediction is not None
    assert profile.prediction.kind == "categorical"
    assert sum(profile.prediction.counts) == 200
    few = Table(source="few.csv", columns={name: column[:100] for name, column in columns.items()})
    assert with_measured_performance(coin, few, ColumnNames(label="truth"), ScikitLearnTrainer()) is coin


def test_a_sampled_file_is_told_as_all_of_the_traffic(specification: MonitorSpecification, tmp_path: Path):
    table = _table(8_000, 21)
    right = table.columns["said"] == table.columns["truth"]
    fraction = np.where(right, 0.2, 1.0)
    kept = np.random.default_rng(22).random(8_000) < fraction
    sampled = Table(source="sampled.csv", columns={name: column[kept] for name, column in (table.columns | {"share": fraction}).items()})
    save_specification(specification, tmp_path / "monitor.yaml")
    given = [str(_write(sampled, tmp_path / "sampled.csv")), "--monitor", str(tmp_path / "monitor.yaml"), "--prediction", "said", "--label", "truth", "--json"]
    weighted, plain = (json.loads(run("replay", *given, *more).stdout) for more in (["--sampling-fraction", "share"], []))
    assert weighted["accuracy"]["observed"] == pytest.approx(right.mean(), abs=0.02)
    assert weighted["accuracy"]["observed_low"] < right.mean() < weighted["accuracy"]["observed_high"]
    assert weighted["accuracy"]["observed_n"] > weighted["labelled"], "all of the wrong answers are there, so it tells more than as many rows of all of the traffic would"
    assert plain["accuracy"]["observed"] < 0.75
    assert (len(weighted["alerts"]), len(plain["alerts"]) > 0) == (0, True)
