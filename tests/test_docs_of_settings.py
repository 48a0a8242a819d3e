"""The page of process settings has every variable, with its default, and its examples are connections."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from kafka.errors import KafkaTimeoutError
from pydantic_settings import BaseSettings

from detectors.duration import parse_duration
from detectors.errors import DriftwardenError
from streams.connection import KafkaConnection, connect
from streams.unreachable import explained
from streams.worker_settings import WorkerSettings

PAGE = (Path(__file__).parents[1] / "docs/settings.md").read_text()
ROWS = dict(re.findall(r"^\| `(DRIFTWARDEN_\w+)` \| (.+?) \| .{15,} \|$", PAGE, re.MULTILINE))


@pytest.mark.parametrize("kind", [KafkaConnection, WorkerSettings])
def test_every_variable_is_described_with_its_default(kind: type[BaseSettings], monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = str(kind.model_config["env_prefix"])
    for name in ROWS:
        monkeypatch.delenv(name, raising=False)
    settings = kind()
    assert kind is WorkerSettings or {f"{prefix}{field}".upper() for field in kind.model_fields} == {name for name in ROWS if not name.startswith("DRIFTWARDEN_WORKER_")}
    for field in kind.model_fields:
        told, default = ROWS[f"{prefix}{field}".upper()], getattr(settings, field)
        if field == "name":
            assert told == "the host's name"
        elif isinstance(default, int):
            assert (int(told.strip("`")) if told.strip("`").isdigit() else parse_duration(told.strip("`"))) == default, field
        else:
            assert told == ("–" if default in {None, ""} else f"`{default}`"), field


@pytest.mark.parametrize(("example", "protocol", "brokers"), [(0, "SASL_SSL", 2), (1, "SSL", 1)])
def test_an_example_is_a_connection_and_what_it_prints_has_no_password(example: int, protocol: str, brokers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    block = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)[example]
    for name, value in re.findall(r"^export (\w+)=(\S+)", block, re.MULTILINE):
        monkeypatch.setenv(name, "lovelace" if name.endswith("PASSWORD") else value)
    connection = connect()
    assert (connection.security_protocol, connection.uses_tls, len(connection.bootstrap.split(","))) == (protocol, True, brokers)
    secret = connection.sasl_password or connection.ssl_password
    assert secret is not None
    assert secret.get_secret_value() == "lovelace"
    assert "lovelace" not in repr(connection)


def test_a_cluster_that_does_not_let_in_is_told_with_what_to_look_at_and_without_the_password() -> None:
    given = {"bootstrap": "kafka:9093", "security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "sasl_username": "ada", "sasl_password": "lovelace"}
    with pytest.raises(DriftwardenError) as told, explained(KafkaConnection(**given)):  # type: ignore[arg-type]  # all are texts, which pydantic takes
        raise KafkaTimeoutError
    assert "user 'ada'" in str(told.value)
    assert "DRIFTWARDEN_SASL_PASSWORD" in str(told.value)
    assert "lovelace" not in str(told.value)
    with pytest.raises(DriftwardenError, match=r"driftwarden broker start.*DRIFTWARDEN_SECURITY_PROTOCOL"), explained(KafkaConnection(bootstrap="kafka:9092")):
        raise KafkaTimeoutError
