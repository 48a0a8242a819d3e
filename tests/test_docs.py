"""What the documents say is true: commands and options exist, examples run, keys and defaults are the code's, links lead somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import typer
import yaml
from kafka import KafkaProducer
from pydantic import BaseModel

from detectors.alerts.alert import Alert
from detectors.metrics.objectives import Objectives
from detectors.metrics.performance import performance
from detectors.panes.layout import Layout
from detectors.profile import CategoricalProfile, Profile
from detectors.settings.feature import Feature
from detectors.settings.watching import Objective, QualityMonitor, Reference, ServiceMonitor
from detectors.specification import MonitorSpecification
from retrainer.bootstrap import bootstrap_champion
from retrainer.registry.files import FilesRegistry
from retrainer.trainers import trainer_named
from streams import cli
from streams.connection import connect
from streams.monitor_file import parse_specification
from streams.topics import Topics
from streams.whole_topic import records_of
from streams.wire import encode_alert, encode_version

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted((ROOT / "docs").rglob("*.md"))


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


# --- the command line ---


@cache
def _program() -> Any:
    for name in cli.COMMANDS:
        cli.register(name)
    return typer.main.get_command(cli.app)


def _fault(program: Any, words: list[str], *, whole: bool = True) -> str | None:
    """Why ``driftwarden WORDS`` cannot be meant; None if it can. With ``whole``, required arguments have to be there."""
    command, path, words = program, "driftwarden", list(words)
    while hasattr(command, "commands"):
        if not words and not whole:
            return None  # the text speaks of a group of commands
        if command.invoke_without_command and words and words[0].startswith("-"):
            break  # options of what the group does by itself
        if not words or words[0] not in command.commands:
            return f"{path} has no command {words[0] if words else '(none)'!r}; it has: {', '.join(command.commands)}"
        path += f" {words[0]}"
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]} | {"--help"}
    strange = [word for word in words if word.startswith("-") and word.partition("=")[0] not in known]
    if strange:
        return f"{path} has no option {strange[0]}; it has: {', '.join(sorted(option for option in known if option.startswith('-')))}"
    if whole:
        given = command.make_parser(type(command).context_class(command, info_name=path)).parse_args(words)[0]
        missing = [parameter.name for parameter in command.params if parameter.required and given.get(parameter.name) in {None, ()}]
        if missing:
            return f"{path} needs {missing[0]}"
    return None


def _shell_lines() -> Iterator[str]:
    for block in _blocks(README, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("driftwarden "):
                yield line.partition(" #")[0].strip()


@pytest.mark.parametrize("line", list(_shell_lines()))
def test_a_command_in_the_readme_exists_with_its_options(line: str) -> None:
    assert _fault(_program(), shlex.split(line)[1:]) is None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_command_in_the_text_exists_with_its_options(page: Path) -> None:
    program = _program()
    mentioned = re.findall(r"`driftwarden ([a-z][^`]*)`", page.read_text())
    assert [fault for words in mentioned if (fault := _fault(program, shlex.split(words), whole=False))] == []


def test_an_unknown_command_an_unknown_option_and_a_missing_argument_would_be_found() -> None:
    program = _program()
    assert "no command 'brokers'" in str(_fault(program, ["brokers", "start"]))
    assert "no option --prot" in str(_fault(program, ["broker", "start", "--prot", "1"]))
    assert "needs file" in str(_fault(program, ["publish", "--monitor", "m"]))
    assert _fault(program, ["broker", "start", "--port", "9093"]) is None


def test_the_makefile_and_the_docker_files_call_commands_that_exist() -> None:
    program = _program()
    words = [[call.split()[0], *re.findall(r"--[a-z-]+", call)] for call in re.findall(r"\$\(BIN\)/driftwarden (.+)", MAKEFILE)]
    words += [service["command"] for service in yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"].values() if "build" in service]
    words += [yaml.safe_load(command) for command in re.findall(r"^CMD (.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)]
    assert len(words) == 2 + 6 + 1
    assert [fault for call in words if (fault := _fault(program, call, whole=False))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_make_target_in_the_text_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    mentioned = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE))
    assert mentioned <= targets


def test_the_first_screen_shows_how_to_begin() -> None:
    first = README.splitlines()[:25]
    assert [line.partition("#")[0].strip() for line in first if line.startswith("make ")] == ["make demo", "make test"]


# --- the Python examples, on a real Kafka ---


@pytest.fixture
def surroundings(broker: str, topics: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Topics:
    """What the examples take for granted: the environment, a promoted model 'loans', and an alert that came and went."""
    monkeypatch.setenv("DRIFTWARDEN_BOOTSTRAP", broker)
    monkeypatch.setenv("DRIFTWARDEN_TOPIC_PREFIX", topics.prefix)
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    features = {"salary": rng.uniform(10_000, 90_000, 400), "age": rng.uniform(20, 70, 400)}
    label = np.where(features["salary"] > 40_000, "granted", "refused").astype(object)
    specification = MonitorSpecification(model="loans", features={"salary": Feature(), "age": Feature()})
    records = bootstrap_champion(features, label, specification=specification, trainer=trainer_named("scikit-learn"), registry=FilesRegistry(tmp_path / "models"), at=0)
    producer = KafkaProducer(bootstrap_servers=broker)
    for record in records:
        producer.send(topics.versions, encode_version(record), key=b"loans").get(10)
    for sequence, status in enumerate(("opened", "resolved")):
        producer.send(topics.alerts, encode_alert(_alert(sequence, status)), key=b"loans").get(10)
    producer.close()
    return topics


def _alert(sequence: int, status: Any) -> Alert:
    return Alert(
        alert_id="a",
        sequence=sequence,
        status=status,
        kind="performance",
        severity="critical",
        model="loans",
        model_version="1",
        segment="",
        opened_at=0,
        updated_at=sequence,
        change_at=0,
        summary="the error rate rose",
        monitors=(),
        budget="1 per 30d",
    )


def _run(name: str) -> None:
    """Run the example that imports a class."""
    (block,) = [block for block in _blocks(README, "python") if f"import {name}" in block]
    exec(block, {})  # noqa: S102  our own README


def test_there_is_one_example_for_each_class_of_the_sdk() -> None:
    assert len(_blocks(README, "python")) == 3


@pytest.mark.kafka
def test_the_publisher_example_publishes_a_prediction_and_its_label(surroundings: Topics) -> None:
    _run("Publisher")
    records = records_of(connect(), surroundings.inference_events)
    events = [yaml.safe_load(line) for record in records for line in record.value.decode().splitlines()]
    assert [(event.get("kind", "prediction"), event.get("prediction", event.get("label"))) for event in events] == [("prediction", "granted"), ("label", "refused")]
    assert events[0]["event_id"] == events[1]["event_id"]


@pytest.mark.kafka
def test_the_alert_example_prints_the_alert_and_ends_when_it_is_resolved(surroundings: Topics, capsys: pytest.CaptureFixture[str]) -> None:
    _run("AlertSubscriber")
    assert capsys.readouterr().out.splitlines() == ["critical: the error rate rose (opened)", "critical: the error rate rose (resolved)"]


@pytest.mark.kafka
def test_the_watcher_example_predicts_with_the_champion(surroundings: Topics, capsys: pytest.CaptureFixture[str]) -> None:
    _run("ModelWatcher")
    printed = capsys.readouterr().out
    assert "['granted']" in printed
    assert printed.replace("['granted']", "").replace("now serving version 1", "").strip() == "", "two threads print, so lines may mix; the callback may come late"


# --- the commands, on a real Kafka ---

RUN_ON = ("broker start", "worker", "alerts --follow", "retrainer", "ui", "influx", "notify run")  # these would not come back; tests of their own run them
CAN_TELL_OF_DRIFT = {"check": {0, 1}}


def _table(n: int, seed: int, *, raised: float = 0.0) -> str:
    rng = np.random.default_rng(seed)
    salary, age = rng.normal(50_000 + raised, 15_000, n), rng.integers(20, 70, n)
    granted = salary > 45_000
    prediction = granted ^ (rng.random(n) < 0.1)
    times = np.datetime64("2026-03-01T00:00:00") + np.arange(n) * np.timedelta64(30, "s")
    words = np.array(["refused", "granted"])
    rows = zip(times, salary.round(2), age, words[prediction.astype(int)], words[granted.astype(int)], strict=True)
    return "at,salary,age,prediction,label\n" + "".join(f"{at}Z,{salary},{age},{predicted},{label}\n" for at, salary, age, predicted, label in rows)


@pytest.mark.kafka
def test_the_commands_of_the_readme_run_one_after_the_other(surroundings: Topics, tmp_path: Path) -> None:
    for name, seed in (("train", 1), ("live", 2), ("history", 3)):
        (tmp_path / f"{name}.csv").write_text(_table(1_500, seed))
    lines = [line for line in [*_shell_lines(), *re.findall(r"`(driftwarden publish [^`]+)`", README)] if not any(line.startswith(f"driftwarden {words}") for words in RUN_ON)]
    assert len(lines) == 12
    for line in lines:
        words = shlex.split(line)[1:]
        told = subprocess.run([sys.executable, "-m", "streams.cli", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert told.returncode in CAN_TELL_OF_DRIFT.get(words[0], {0}), f"{line}\n{told.stdout}\n{told.stderr}"
        print(line, told.stdout, told.stderr)  # shown when a later line fails
    assert (tmp_path / "report.html").stat().st_size > 1_000


# --- monitor.yaml ---


def _keys(model: BaseModel, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and default as it is written."""
    written = model.model_dump(mode="json")
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _keys(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", None if field.is_required() else written[name]


def _as_text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        return f"`[{', '.join(map(str, value))}]`"
    if isinstance(value, dict):
        return "`{" + ", ".join(f"{key}: {item}" for key, item in value.items()) + "}`"
    return f"`{value}`"


def test_every_key_of_a_monitor_is_described_with_its_default() -> None:
    page = (ROOT / "docs/specification.md").read_text()
    rows = re.findall(r"^\| `([^`]+)` \| (.+?) \| (.+) \|$", page, re.MULTILINE)
    described = {key: default for key, default, _ in rows}
    objective = Objective(metric="answered", target=0.9)
    keys = dict([*_keys(MonitorSpecification(model="m")), *_keys(Feature(), "features.NAME."), *_keys(objective, "objectives.NAME.")])
    assert described == {key: _as_text(default) for key, default in keys.items()}
    assert len(rows) == len(described), "a key is described twice"
    assert all(len(meaning) > 20 for _, _, meaning in rows)


def test_the_choices_of_a_key_are_named() -> None:
    page = (ROOT / "docs/specification.md").read_text()
    metrics = ("accuracy", "precision", "recall", "answered", "latency")
    for key, choices in {
        "objectives.NAME.metric": metrics,
        "service.monitors": get_args(ServiceMonitor),
        "quality.monitors": get_args(QualityMonitor),
        "task": ("classification", "regression"),
        "retrain.policy": ("never", "performance", "any"),
        "retrain.approval": ("auto", "manual"),
    }.items():
        (meaning,) = re.findall(rf"^\| `{re.escape(key)}` \| .+? \| (.+) \|$", page, re.MULTILINE)
        assert all(f"`{choice}`" in meaning for choice in choices)


def test_the_example_of_a_monitor_is_one() -> None:
    example, objectives = _blocks((ROOT / "docs/specification.md").read_text(), "yaml")
    assert parse_specification(example).features["salary"].minimum == 0
    assert parse_specification(objectives).objectives["speed"].below == 250


# --- metrics ---


def test_every_metric_of_performance_and_every_field_of_an_objective_is_described() -> None:
    page = (ROOT / "docs/metrics.md").read_text()
    classes = CategoricalProfile(levels=("no", "yes"), counts=(5, 5))
    reference = Reference(profile=Profile(rows=10, features={}, prediction=classes, label=classes))
    objective = Objective(metric="latency", target=0.9, below=250)
    classifier = Layout(MonitorSpecification(model="m", reference=reference, objectives={"speed": objective}, costs={"yes": {"no": 2}}))
    regression = Layout(MonitorSpecification(model="m", task="regression", quantile=0.9))
    named = {metric.name for layout in (classifier, regression) for metric in performance(layout, np.ones(layout.size))}
    objectives = Objectives(classifier)
    objectives.add(0, np.ones(classifier.size))
    named |= {field for point in objectives.completed(86_400_000) for field in point.fields if not field.endswith(("_low", "_high", "_n"))}
    assert len(named) > 35
    assert [name for name in sorted(named) if f"`{name}`" not in page] == []


# --- pages ---


def test_the_index_of_decisions_is_complete_and_each_page_has_its_parts() -> None:
    folder = ROOT / "docs/adr"
    pages = sorted(page.name for page in folder.glob("[0-9]*.md"))
    index = re.findall(r"^\| \[(\d{4})\]\(([^)]+)\) \| (.+) \|$", (folder / "README.md").read_text(), re.MULTILINE)
    assert [file for _, file, _ in index] == pages
    assert [number for number, _, _ in index] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    for number, file, title in index:
        text = (folder / file).read_text()
        assert text.startswith(f"# {number} – {title}\n")
        assert re.findall(r"^\*\*(\w+)[.*]", text, re.MULTILINE) == ["Context", "Considered", "Decision", "Consequences"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_files_that_the_architecture_names_exist() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    named = re.findall(r"`((?:detectors|retrainer|streams)/[\w/]+\.py)`", text)
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_module_of_the_core_has_its_place_in_the_architecture() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    table = text[text.index("## What is where") : text.index("## Topics")]
    listed = {package: sorted(re.findall(r"`(\w+)`", modules)) for package, modules in re.findall(r"^\| `(detectors/[\w/]*)` \|[^|]*\|(.*)\|$", table, re.MULTILINE)}
    packages = [ROOT / "detectors", *(path.parent for path in (ROOT / "detectors").glob("*/__init__.py") if path.parent.name != "evaluation")]
    found = {f"{package.relative_to(ROOT)}/": sorted(path.stem for path in package.iterdir() if path.suffix in {".py", ".pyx"} and path.stem != "__init__") for package in packages}
    assert found == {package: modules for package, modules in listed.items() if package != "detectors/evaluation/"}


def test_the_code_refers_to_decisions_that_exist() -> None:
    code = "\n".join(path.read_text() for package in ("detectors", "retrainer", "streams") for path in (ROOT / package).rglob("*.py"))
    named = set(re.findall(r"docs/[\w/.-]+\.md", code))
    assert "docs/adr/0003-faust-at-the-edge.md" in named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_topic_is_in_the_architecture() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    topics = Topics()
    assert [name for name in topics.all if name not in topics.state and f"`{name}`" not in text] == []
