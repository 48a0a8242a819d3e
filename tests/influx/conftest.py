"""A real InfluxDB for the session, and a bucket of its own for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
import requests

from streams.influx.settings import InfluxSettings
from streams.java import user_cache
from tests.server import Server
from tools.influxd.build import influxd

TOKEN = "of-the-tests"  # noqa: S105  of a server that ends with them

NOBODY = {"token": "of-nobody"}


class Influxd(Server):
    """An InfluxDB."""

    READY = "/health"

    def command(self) -> list[str]:
        paths = [f"--{name}-path={self.folder / name}" for name in ("bolt", "sqlite", "engine")]
        return [str(influxd(cache=user_cache())), "--reporting-disabled", f"--http-bind-address=127.0.0.1:{self.port}", *paths]

    def settings(self, bucket: str, **changed: object) -> InfluxSettings:
        return InfluxSettings.model_validate({"url": self.url, "org": "tests", "bucket": bucket, "token": TOKEN, "flush_after": "100ms"} | changed)


@pytest.fixture(scope="session")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    """An InfluxDB with an organization and a token; one that cannot start is a failure, never a skip."""
    server = Influxd(tmp_path_factory.mktemp("influxd"))
    server.start()
    answer = requests.post(f"{server.url}/api/v2/setup", json={"username": "tests", "password": uuid.uuid4().hex, "org": "tests", "bucket": "first", "token": TOKEN}, timeout=30)
    answer.raise_for_status()
    yield server
    server.stop()


@pytest.fixture
def bucket() -> str:
    """A name that no other test has."""
    return f"b{uuid.uuid4().hex[:10]}"
