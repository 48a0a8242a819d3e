"""monitor.yaml: errors that point, and a round trip that changes nothing."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from detectors.errors import SettingsError
from detectors.references.reference import profile_of
from detectors.settings.feature import Feature
from detectors.settings.watching import Alerts, Floors, Reference
from detectors.specification import MonitorSpecification
from streams.monitor_file import format_specification, load_specification, parse_specification, save_specification

FAULTS = {
    "model: m\nfeatures:\n  salary:\n    type: number\n": "monitor.yaml:4: features.salary.type: expected 'numeric', 'categorical', 'text' or 'embedding', got 'number'",
    "model: m\nlatenes: 5m\n": "monitor.yaml:2: latenes: unknown key; did you mean 'lateness'? known keys: model, owner, task,",
    "model: m\nalerts:\n  floors: {rat: 3}\n": "monitor.yaml:3: alerts.floors.rat: unknown key; did you mean 'rate'? known keys: rate, shift,",
    "model: m\nfeatures:\n  age: {kind: numeric}\n": "monitor.yaml:3: features.age.kind: unknown key; known keys: type, minimum,",
    "model: m\nfeatures:\n  'weight \"kg\"': {}\n": "monitor.yaml:2: features: the name of a feature may not hold quotes, backslashes or control characters, got 'weight \"kg\"'",
    "model: " + "m" * 201 + "\n": "monitor.yaml:1: model: ",
    "task: regression\n": "monitor.yaml:1: model: missing, and it has no default",
    "model: m\n\npane: 0s\n": "monitor.yaml:3: pane: pane must be > 0 ms, got 0 ms; an empty pane would never close",
    "model: m\npane: 10s\nwindows: [1m, 25s, 4s]\n": "monitor.yaml:3: windows: windows must be whole numbers of panes (10s each), got 25s, 4s; "
    "a window is a sum of panes: the nearest that are one: 10s, 20s, 30s",
    "model: m\nlateness: soon\n": "monitor.yaml:2: lateness: a duration is a number and a unit",
    "model: m\nretrain:\n  gate:\n    alpha: 2\n": "monitor.yaml:4: retrain.gate.alpha: expected a number < 1.0, got 2",
    "model: m\nretrain:\n  gate:\n    block: 1.5\n": "monitor.yaml:4: retrain.gate.block: expected a whole number, got 1.5",
    "model: m\nfeatures:\n  age: 3\n": "monitor.yaml:3: features.age: expected keys and values, got 3",
    "model: m\nfeatures:\n  age:\n    minimum: 3\n    maximum: 2\n": "monitor.yaml:4: features.age.minimum: minimum must be <= maximum",
    "model: m\nmodel: n\n": "monitor.yaml:2: model: given twice; keep one",
    "model: m\nwindows: [1h, 0s\n": "monitor.yaml:3: not YAML:",
    "model: m\nquantile: 0.9\n": "monitor.yaml:2: quantile: quantile is what a regression predicts of its label's law, got 0.9 for a classification",
    "model: m\nreference: {period: 7d}\n": "monitor.yaml:2: reference.period: reference.period is that of kind previous_period, got 7d with kind declared; set reference.kind",
    "model: m\ntask: regression\ndetectors:\n  river: [adwin]\n": "monitor.yaml:4: detectors.river: detectors.river watches right and wrong answers",
    "model: m\nobjectives:\n  fast: {metric: answered, target: 0.9}\n  right: {metric: accuracy, target: 0.9}\n": "monitor.yaml:4: objectives.right: objectives.right: ",
    "model: m\nservice:\n  monitors: []\n  silence: 5m\n": "monitor.yaml:4: service.silence: silence is the limit of the monitor of that name",
    "model: m\nquality:\n  monitors: [anomalies]\n": "monitor.yaml:3: quality.monitors: quality.monitors names anomalies",
    "model: m\nestimate_performance: true\n": "monitor.yaml:2: estimate_performance: estimate_performance needs a classifier's reference",
    "- m\n": "monitor.yaml:1: expected keys and values",
    "": "monitor.yaml:1: expected keys and values",
    "model: m\nreference:\n  profile:\n    rows: 1\n    features: {a: {kind: categorical, counts: [many]}}\n": "monitor.yaml:5: reference.profile.features.a.",
}


@pytest.mark.parametrize(("text", "story"), FAULTS.items())
def test_a_fault_is_told_with_its_line_and_path(text: str, story: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_specification(text)
    assert str(caught.value).startswith(story)


@pytest.mark.parametrize(
    ("content", "told"),
    [("detectors:\n  cycles: [1d, 0s]", "cycles must be durations > 0, got 1d, 0s"), ("costs: {yes: {no: .nan}}", "a cost is a finite number, got another for costs.yes.no")],
)
def test_numbers_that_mean_nothing_are_refused(content: str, told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_specification(f"model: m\n{content}\n")
    assert told in str(refused.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_specification("model: ''\npane: 0s\n")
    assert [line.split(" ")[0] for line in str(caught.value).splitlines()] == ["monitor.yaml:1:", "monitor.yaml:2:"]


def test_a_duration_without_a_unit_is_refused_because_it_would_be_milliseconds() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_specification("model: m\npane: 10\nwindows: [10m,\n  60]\nlabels:\n  delay: 2\nlateness: 0\n")
    told = [line.partition(": a duration is a number and a unit")[0] for line in str(caught.value).splitlines()]
    assert told == ["monitor.yaml:2: pane", "monitor.yaml:4: windows.1", "monitor.yaml:6: labels.delay"]


@pytest.mark.parametrize(
    ("content", "line", "told"),
    [
        ("retrain:\n  gate: {max_wait: 400}", 3, "max_wait must be at least min_evidence in whole blocks, got 400, 500 and a block of 50: the first look is after 500"),
        ("retrain:\n  gate: {block: 600, max_wait: 1100, min_evidence: 700}", 3, "got 1100, 700 and a block of 600: the first look is after 1200"),
        ("windows: [1h, 600s, 10m]", 2, "windows must be named once each, got 1h, 10m, 10m"),
        ("segments: [region, region]", 2, "segments must be named once each, got region, region"),
        ("detectors:\n  cycles: [1d, 24h]", 3, "cycles must be named once each, got 1d, 1d"),
        ("features:\n  city: {type: categorical,\n    maximum: 3}", 4, "maximum is that of numbers, and a categorical has no range"),
        ("alerts:\n  floors:\n    latency: 5", 4, "latency must be at most 1, got 5; no change is larger, so none would ever be told (5 % is 0.05)"),
        ("alerts:\n  floors: {correlation: 2.1}", 3, "correlation must be at most 2, got 2.1"),
        ("retrain:\n  champion: adaptive\n  trainer: river", 3, "got trainer: river; each training would fail"),
        ("retrain:\n  policy: never\n  votes: {drift: 1}", 4, "votes start trainings by alerts, which policy: never rules out, got drift"),
        ("labels:\n  delay: 9d", 3, "delay must be at most labels.timeout, got 9d and 7d"),
        ("retrain:\n  policy: any\n  votes: {drift: 0.001}", 2, "votes_needed must be at most what alerts can come to, got 1, where the heaviest counts 0.001"),
        ("retrain:\n  votes_needed: 3\n  remembered: {votes: 2}", 3, "the newest 2 are counted (remembered.votes); no alert would ever start a training"),
        ("false_alarms: 1 per 30d\nretrain:\n  canary:\n    share: 0.2\n    max_time: 10m", 6, "got 10m and 1h; each canary would be rolled back before an event came"),
        ("retrain:\n  gate: {max_loss: 5}", 3, "no challenger would ever be above it (5 % is 0.05)"),
        ("retrain:\n  gate: {min_gain: 5}", 3, "every challenger would be rejected"),
        ("detectors:\n  cycles: [5s]", 3, "a pane holds all of such a cycle"),
        ("alerts:\n  floors: {shift: .inf}", 3, "expected a finite number (leave out a limit that is not wanted), got inf"),
        ("alerts:\n  severity: {performnce: critical}", 3, "got 'performnce'; did you mean 'performance'?"),
    ],
)
def test_settings_that_cannot_be_meant_together_are_refused(content: str, line: int, told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_specification(f"model: m\n{content}\n")
    assert str(refused.value).startswith(f"monitor.yaml:{line}: ")
    assert told in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        "retrain: {votes: {drift: 0}, champion: adaptive}",  # its members earn the next ones without an alert, which policy: never would end
        "retrain: {votes: {performance: 1, drift: 0.25}, votes_needed: 3}",  # three alerts of performance may be open, each of a change of its own
        "retrain: {champion: adaptive, approval: manual}",  # a person is asked for the pool, once
        "retrain: {schedule: 5m, cooldown: 1h}",  # as often as the cooldown allows
        "retrain: {canary: {share: 0.2, max_time: 10m}}\nfalse_alarms: 1 per 1000000 events\nevents_per_pane: 100",  # there is no clock to wait by
        "task: regression\nretrain: {gate: {max_loss: 5}}",
        "detectors: {shares: {performance: 0, features: 0, quality: 0, service: 0}}",  # metrics alone
        "service: {monitors: [silence], silence: 1m}",  # below the floor, which gives way
    ],
)
def test_settings_that_have_a_meaning_together_are_taken(content: str) -> None:
    assert parse_specification(f"model: m\n{content}\n").model == "m"


@pytest.mark.parametrize("content", [{"labels": {"delay": -5}}, {"alerts": {"cooldown": -1}}, {"retrain": {"cooldown": -1}}])
def test_a_duration_before_nothing_is_refused_where_it_is_a_number(content: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        MonitorSpecification.model_validate({"model": "m", **content})


def test_a_file_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"driftwarden monitor infer FILE -o none.yaml"):
        load_specification(tmp_path / "none.yaml")


def test_a_pane_that_does_not_divide_the_default_windows_has_windows_of_its_own() -> None:
    assert parse_specification("model: m\npane: 15m\n").windows == (900_000, 3_600_000)
    assert parse_specification("model: m\npane: 7s\n").windows == (602_000, 3_605_000)


def test_a_refused_pane_is_one_fault() -> None:
    with pytest.raises(SettingsError) as refused:
        parse_specification("model: m\npane: 0s\n")
    assert str(refused.value).count("monitor.yaml:") == 1


def test_a_feature_may_be_called_what_yaml_reads_as_something_else() -> None:
    specification = parse_specification("model: m\nfeatures: {on: {}, 1: {}, null: {}, 2016-05-01: {}}\n")
    assert list(specification.features) == ["on", "1", "null", "2016-05-01"]
    assert list(parse_specification(format_specification(specification)).features) == list(specification.features)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 1_000),
    levels=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8), min_size=1, max_size=5),
    name=st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\'), min_size=1, max_size=8).filter(lambda text: text != "x"),
    floor=st.floats(0, 1e6),
)
def test_writing_and_reading_gives_the_same_specification_and_digest(seed: int, levels: list[str], name: str, floor: float) -> None:
    random = np.random.default_rng(seed)
    features = {"x": Feature(minimum=-3.25), name: Feature(type="categorical")}
    columns = {"x": random.normal(size=300) * 10.0 ** random.integers(-9, 9), name: random.choice(np.array(levels, object), 300)}
    time = np.arange(300) * 60_000
    profile = profile_of(columns, features=features, task="classification", label=random.integers(0, 2, 300), time=time, cycles=(3_600_000,))
    before = MonitorSpecification(model="m", features=features, reference=Reference(source="train.csv", profile=profile), alerts=Alerts(floors=Floors(shift=floor)))
    after = parse_specification(format_specification(before))
    assert after == before
    assert after.digest == before.digest


def test_the_profile_is_last_and_its_lists_take_a_line_each(tmp_path: Path) -> None:
    profile = profile_of({"x": np.arange(100.0)}, features={"x": Feature()}, task="classification")
    specification = MonitorSpecification(model="m", features={"x": Feature()}, reference=Reference(profile=profile))
    save_specification(specification, tmp_path / "monitor.yaml")
    lines = (tmp_path / "monitor.yaml").read_text().splitlines()
    assert lines.index("reference:") > lines.index("features:") > lines.index("false_alarms: 1 per 30d") > lines.index("model: m")
    assert "        counts: [20, 20, 20, 20, 20]" in lines
    assert "  x: {type: numeric}" in lines
    assert load_specification(tmp_path / "monitor.yaml") == specification


def test_every_key_that_is_set_is_written() -> None:
    text = """
model: m
task: regression
quantile: 0.9
max_groups: 7
objectives: {answers: {metric: answered, target: 0.99}}
service: {monitors: [latency, silence], silence: 15m}
"""
    specification = parse_specification(text)
    assert specification.service.silence == 900_000
    assert parse_specification(format_specification(specification)) == specification


def test_the_limit_of_a_silence_that_is_not_watched_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"add silence to service\.monitors"):
        parse_specification("model: m\nservice: {silence: 15m}")
