"""A real InfluxDB for the bench, with a bucket that Driftwarden has set up."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import urllib3
from influxdb_client import InfluxDBClient

from bench.installation import BenchError, Process
from streams.broker import free_port
from streams.influx.settings import InfluxSettings
from streams.influx.setup import set_up
from streams.java import user_cache
from tools.influxd.build import influxd

PATIENCE = 60.0

ADVISED = {"INFLUXD_PPROF_DISABLED": "true", "GOGC": "300"}
"""What docker-compose.yml puts into its environment, too."""


class InfluxServer(Process):
    """One with the settings that docs/influxdb.md advises, and its data in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.url, self._token = f"http://127.0.0.1:{free_port()}", uuid4().hex
        paths = [f"--{name}-path={folder / name}" for name in ("bolt", "sqlite", "engine")]
        command = [str(influxd(cache=user_cache())), "--reporting-disabled", f"--http-bind-address={self.url.removeprefix('http://')}", *paths]
        super().__init__("influxd", command, ADVISED, folder)
        self._wait()
        account = {"username": "bench", "password": uuid4().hex, "org": "bench", "bucket": "first", "token": self._token}
        answer = urllib3.request("POST", f"{self.url}/api/v2/setup", json=account, timeout=30)
        if answer.status != 201:
            raise BenchError(f"InfluxDB could not be set up ({answer.status}): {answer.data!r}")
        set_up(InfluxSettings.model_validate(self._settings), keep_seconds=0, keep_hourly_seconds=0)

    @property
    def _settings(self) -> dict[str, str]:
        return {"url": self.url, "org": "bench", "bucket": "driftwarden", "token": self._token}

    @property
    def environment(self) -> dict[str, str]:
        """By which a sink finds it."""
        return {f"DRIFTWARDEN_INFLUX_{name.upper()}": value for name, value in self._settings.items()}

    def count(self, field: str) -> int:
        """Points that have a field."""
        flux = f"""from(bucket: "driftwarden") |> range(start: 0) |> filter(fn: (r) => r._field == "{field}") |> count() |> group() |> sum()"""
        with InfluxDBClient(url=self.url, token=self._token, org="bench", timeout=120_000) as client:
            return sum(int(record.get_value()) for table in client.query_api().query(flux) for record in table.records)

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.running:
            with suppress(urllib3.exceptions.HTTPError):
                if urllib3.request("GET", f"{self.url}/health", timeout=1, retries=False).status == 200:
                    return
            time.sleep(0.05)
        raise BenchError(f"InfluxDB does not answer on {self.url}:\n{self.log.read_text()[-3_000:]}")


@contextmanager
def influx_server() -> Iterator[InfluxServer]:
    """One that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="driftwarden-bench-influx-") as folder:
        server = InfluxServer(Path(folder))
        try:
            yield server
        finally:
            server.kill()
