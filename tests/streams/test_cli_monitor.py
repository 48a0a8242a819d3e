"""`driftwarden monitor`: inferred from a table, applied to a real Kafka, shown again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from kafka import KafkaProducer

import streams.apply
from detectors.errors import DriftwardenError, SettingsError
from detectors.event_batch import NO_TIME
from detectors.specification import MonitorSpecification
from streams.apply import apply_monitor, thresholds_of, write_record
from streams.connection import KafkaConnection, connect
from streams.monitor_codec import monitor_key
from streams.monitor_file import load_specification, save_specification
from streams.topics import Topics
from streams.whole_topic import read_monitors
from tests.streams.command_line import run


@pytest.fixture
def training(tmp_path: Path) -> Path:
    rng = np.random.default_rng(4)
    path = tmp_path / "loans.csv"
    lines = ["at,salary,city,said,truth"]
    for row in range(2_000):
        truth = int(rng.random() < 0.3)
        lines.append(f"{row * 2_000},{rng.normal(3_000, 500):.2f},{rng.choice(['Ulm', 'Rome'])},{truth if rng.random() < 0.9 else 1 - truth},{truth}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_infer_writes_a_specification_that_loads_and_says_what_it_decided(training: Path, tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    done = run("monitor", "infer", training, "-o", path, "--label", "truth", "--prediction", "said", "--time", "at")
    assert done.exit_code == 0, done.output
    specification = load_specification(path)
    assert (specification.model, specification.task, specification.classes) == ("loans", "classification", ("0", "1"))
    assert {name: feature.type for name, feature in specification.features.items()} == {"salary": "numeric", "city": "categorical"}
    assert specification.events_per_pane == pytest.approx(5)
    assert re.search(r"performance on the reference: error rate 0\.1\d* \(95 % 0\.0\d+ to 0\.1\d+\) on 2,000 rows", done.stdout), done.stdout
    assert "state: at most" in done.stdout
    assert "task: classification" in done.stderr


def test_infer_without_times_counts_a_row_as_a_second_and_the_budget_in_events(training: Path, tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    done = run("monitor", "infer", training, "-o", path, "--target", "truth", "--ignore", "at", "--model", "other", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    specification = load_specification(path)
    assert (specification.lateness, str(specification.false_alarms), specification.events_per_pane) == (0, "1 per 100000 events", 10.0)
    assert (told["model"], told["digest"]) == ("other", specification.digest)
    assert told["state_bytes"] > 0
    assert thresholds_of(specification)


def test_a_period_is_a_number_of_rows_where_there_are_no_times_and_a_duration_where_there_are(training: Path, tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    done = run("monitor", "infer", training, "-o", path, "--target", "truth", "--ignore", "at", "--period", "365")
    assert done.exit_code == 0, done.output
    assert load_specification(path).detectors.cycles == (365_000,)
    done = run("monitor", "infer", training, "-o", tmp_path / "other.yaml", "--target", "truth", "--time", "at", "--period", "365")
    assert "a period is a duration, such as 365d" in str(done.exception or done.output)


def test_validate_says_that_a_file_can_be_applied_or_where_it_is_wrong(training: Path, tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    assert run("monitor", "infer", training, "-o", path, "--target", "truth", "--ignore", "at", "--anomalies").exit_code == 0
    done = run("monitor", "validate", path)
    assert done.exit_code == 0, done.output
    assert "can be applied" in done.stdout
    told = json.loads(run("monitor", "validate", path, "--json").stdout)
    named = {name for threshold in told["thresholds"] for name in threshold["monitors"]}
    assert {"anomaly_rate", "constant:salary", "type:salary", "schema"} <= named
    path.write_text(path.read_text().replace("events_per_pane: 10.0\n", ""))
    assert "cannot be calibrated" in str(run("monitor", "validate", path).exception)
    path.write_text("model: m\nquantile: 0.9\n")
    assert f"{path.name}:2: quantile: " in str(run("monitor", "validate", path).exception)


def test_infer_keeps_what_a_person_wrote_in_a_base(training: Path, tmp_path: Path) -> None:
    base = tmp_path / "base.yaml"
    base.write_text("model: loans\nowner: risk\nlateness: 7m\nfeatures:\n  salary: {minimum: 0}\n")
    done = run("monitor", "infer", training, "-o", tmp_path / "monitor.yaml", "--label", "truth", "--ignore", "at", "--base", base)
    assert done.exit_code == 0, done.output
    found = load_specification(tmp_path / "monitor.yaml")
    assert (found.model, found.owner, found.lateness, str(found.false_alarms), found.features["salary"].minimum) == ("loans", "risk", 420_000, "1 per 30d", 0)
    assert found.reference.profile is not None


def test_infer_does_not_replace_a_file_unless_told_to(training: Path, tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text("model: mine\n")
    refused = run("monitor", "infer", training, "-o", path)
    assert isinstance(refused.exception, SettingsError)
    assert path.read_text() == "model: mine\n"
    assert run("monitor", "infer", training, "-o", path, "--force").exit_code == 0
    assert load_specification(path).model == "loans"


def test_a_budget_in_events_without_the_number_of_events_in_a_pane_is_refused() -> None:
    with pytest.raises(SettingsError, match="events_per_pane must be > 0"):
        thresholds_of(MonitorSpecification(model="rent", task="regression", false_alarms="1 per 1000 events"))  # type: ignore[arg-type]  # read as in a file


def test_a_smaller_budget_gives_higher_thresholds() -> None:
    often, seldom = (MonitorSpecification(model="rent", task="regression", false_alarms=budget) for budget in ("1 per 1d", "1 per 365d"))  # type: ignore[arg-type]  # as above
    assert thresholds_of(often)[0].heights[0] < thresholds_of(seldom)[0].heights[0]


@pytest.mark.kafka
def test_a_revision_begins_with_the_pane_after_the_latest_record_and_the_same_again_is_none(broker: str, topics: Topics, tmp_path: Path) -> None:
    options = ("--bootstrap", broker, "--prefix", topics.prefix)
    path = tmp_path / "monitor.yaml"
    specification = MonitorSpecification(model="loans")
    save_specification(specification, path)
    first = run("monitor", "apply", path, *options, "--json")
    assert first.exit_code == 0, first.output
    told = json.loads(first.stdout)
    assert (told["revision"], told["effective_from"], told["new"], told["partitions"]) == (1, None, True, 4)

    producer = KafkaProducer(bootstrap_servers=broker)
    for partition, timestamp in ((0, 1_000_000), (2, 1_234_567), (2, 1_100_000)):
        producer.send(topics.inference_events, partition=partition, value=b"{}", timestamp_ms=timestamp).get(10)
    producer.close()
    again = json.loads(run("monitor", "apply", path, *options, "--json").stdout)
    assert (again["revision"], again["new"]) == (1, False)
    save_specification(specification.model_copy(update={"lateness": 20_000}), path)
    second = run("monitor", "apply", path, *options)
    assert "revision 2 of 'loans' is in force for panes from 1970-01-01T00:20:40" in second.stdout, second.output

    save_specification(MonitorSpecification(model="fraud"), path)
    late = run("monitor", "apply", path, *options)
    hint = "events of times before that are counted as unmonitored"
    assert (hint in late.stdout, hint in second.stdout) == (True, False), late.output

    connection = connect(broker, topic_prefix=topics.prefix)
    assert [(one.revision, one.effective_from) for one in read_monitors(connection).of("loans")] == [(1, NO_TIME), (2, 1_240_000)]
    shown = json.loads(run("monitor", "show", "loans", *options, "--json").stdout)
    assert [one["revision"] for one in shown["revisions"]] == [1, 2]
    assert shown["revisions"][1]["specification"]["lateness"] == "20s"
    assert "the beginning" in run("monitor", "show", "loans", *options).stdout
    unknown = run("monitor", "show", "rent", *options)
    assert "applied: loans" in str(unknown.exception)


@pytest.mark.kafka
def test_of_two_specifications_applied_at_the_same_moment_the_first_written_is_in_force_and_the_other_is_told(
    broker: str, topics: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connect(broker, topic_prefix=topics.prefix)
    options = ("--bootstrap", broker, "--prefix", topics.prefix)
    first, later = (MonitorSpecification(model="loans", lateness=lateness) for lateness in (10_000, 20_000))
    path = tmp_path / "monitor.yaml"
    save_specification(later, path)
    source = streams.apply.source_of

    def first_comes_in_between(asked: KafkaConnection) -> tuple[int, int]:
        monkeypatch.undo()
        apply_monitor(first, connection)
        return source(asked)

    monkeypatch.setattr(streams.apply, "source_of", first_comes_in_between)
    refused = run("monitor", "apply", path, *options)
    assert isinstance(refused.exception, DriftwardenError)
    assert f"(digest {first.digest}, yours is {later.digest}) became revision 1 of 'loans'" in str(refused.exception)
    assert [one.specification.lateness for one in read_monitors(connection).of("loans")] == [10_000]
    assert run("monitor", "apply", path, *options).exit_code == 0
    assert [one.specification.lateness for one in read_monitors(connection).of("loans")] == [10_000, 20_000]

    monkeypatch.setattr(streams.apply, "source_of", first_comes_in_between)
    assert apply_monitor(first, connection).monitor.revision == 3, "both say the same"
    assert [one.specification.lateness for one in read_monitors(connection).of("loans")] == [10_000, 20_000, 10_000]


@pytest.mark.kafka
def test_what_cannot_be_read_hinders_no_command_and_the_monitor_that_is_applied_after_it_is_the_newest(
    broker: str, topics: Topics, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    connection = connect(broker, topic_prefix=topics.prefix)
    options = ("--bootstrap", broker, "--prefix", topics.prefix)
    for key in (monitor_key("loans", 1), monitor_key("rent", 2), b"a key of somebody else"):
        write_record(key, b'{"what": "is this"}', connection)
    unknown = run("monitor", "show", "loans", *options)
    assert "revision 1 of 'loans' cannot be read by this release" in str(unknown.exception)

    path = tmp_path / "monitor.yaml"
    save_specification(MonitorSpecification(model="loans"), path)
    first = json.loads(run("monitor", "apply", path, *options, "--json").stdout)
    write_record(monitor_key("loans", 3), b"3", connection)
    again = json.loads(run("monitor", "apply", path, *options, "--json").stdout)
    assert [(one["revision"], one["new"]) for one in (first, again)] == [(2, True), (4, True)], "the second replaces what a later release may read"
    caplog.clear()
    shown = json.loads(run("monitor", "show", "loans", *options, "--json").stdout)
    assert ([one["revision"] for one in shown["revisions"]], [one["revision"] for one in shown["unreadable"]]) == ([2, 4], [1, 3])
    assert "4 cannot be read; the last of them: revision 3 of 'loans'" in caplog.text


@pytest.mark.kafka
def test_apply_shows_the_thresholds_that_the_budget_comes_to(broker: str, topics: Topics, training: Path, tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    run("monitor", "infer", training, "-o", path, "--label", "truth", "--prediction", "said", "--time", "at")
    applied = apply_monitor(load_specification(path), connect(broker, topic_prefix=topics.prefix))
    watched = {name for threshold in applied.thresholds for name in threshold.monitors}
    assert {"feature:salary", "feature:city", "prediction", "error_rate", "missing:salary", "unseen:city"} <= watched
    # The looks of all monitors together are the budget's: 30 days of panes of 10 s.
    rate = sum(len(threshold.monitors) / threshold.looks for threshold in applied.thresholds)
    assert 1 / rate == pytest.approx(259_200)
