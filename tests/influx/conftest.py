"""A real InfluxDB for the session, and a bucket of its own for each test."""

from __future__ import annotations

import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from streams.child import dying_with_parent
from streams.influx.settings import InfluxSettings
from streams.java import user_cache
from tools.influxd.build import influxd

TOKEN = "of-the-tests"  # noqa: S105  of a server that ends with them

NOBODY = {"token": "of-nobody"}


@dataclass
class Influxd:
    """One that can be stopped and started again on the same data."""

    folder: Path
    port: int
    url: str = field(init=False)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        paths = [f"--{name}-path={self.folder / name}" for name in ("bolt", "sqlite", "engine")]
        command = [str(influxd(cache=user_cache())), "--reporting-disabled", f"--http-bind-address=127.0.0.1:{self.port}", *paths]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(dying_with_parent(command), stdout=log, stderr=subprocess.STDOUT)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                if requests.get(f"{self.url}/health", timeout=1).ok:
                    return
            except requests.ConnectionError:
                time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text()[-3_000:])

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def settings(self, bucket: str, **changed: object) -> InfluxSettings:
        return InfluxSettings.model_validate({"url": self.url, "org": "tests", "bucket": bucket, "token": TOKEN, "group": bucket, "flush_after": "100ms"} | changed)


@pytest.fixture(scope="session")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    """An InfluxDB with an organization and a token; one that cannot start is a failure, never a skip."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Influxd(tmp_path_factory.mktemp("influxd"), port)
    server.start()
    answer = requests.post(f"{server.url}/api/v2/setup", json={"username": "tests", "password": uuid.uuid4().hex, "org": "tests", "bucket": "first", "token": TOKEN}, timeout=30)
    answer.raise_for_status()
    yield server
    server.stop()


@pytest.fixture
def bucket() -> str:
    """A name that no other test has."""
    return f"b{uuid.uuid4().hex[:10]}"
