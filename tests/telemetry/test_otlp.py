"""Figures arrive at a collector over real HTTP, as OTLP."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from streams.telemetry.figures import Figures
from streams.telemetry.otlp import export


class Collector(ThreadingHTTPServer):
    """Takes what OTLP/HTTP posts."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, ExportMetricsServiceRequest]] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        content = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
        self.server.requests.append((self.path, ExportMetricsServiceRequest.FromString(content)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_figures_arrive_with_their_labels_and_the_name_of_the_process(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
    figures = Figures("worker", "w7")
    figures.count("dead_letters", "not JSON", by=3)
    figures.set("consumer_lag_records", 12, "inference.events", "2")
    figures.observe("epoch_seconds", 0.25, "inference.events")
    end = export(figures)
    assert end is not None
    figures.count("dead_letters", "not JSON", by=2)  # what holds when it is told counts, not what held when it began
    end()
    path, told = collector.requests[-1]
    assert path == "/v1/metrics"
    (of_process,) = told.resource_metrics
    resource = {pair.key: pair.value.string_value for pair in of_process.resource.attributes}
    assert (resource["service.name"], resource["service.instance.id"]) == ("driftwarden-worker", "w7")
    metrics = {metric.name: metric for scope in of_process.scope_metrics for metric in scope.metrics}
    (dead,) = metrics["driftwarden_dead_letters"].sum.data_points
    assert (dead.as_double, {pair.key: pair.value.string_value for pair in dead.attributes}) == (5.0, {"reason": "not JSON"})
    assert metrics["driftwarden_dead_letters"].sum.is_monotonic
    (lag,) = metrics["driftwarden_consumer_lag_records"].gauge.data_points
    assert (lag.as_double, {pair.key: pair.value.string_value for pair in lag.attributes}) == (12.0, {"topic": "inference.events", "partition": "2"})
    assert [metrics[f"driftwarden_epoch_seconds{part}"].sum.data_points[0].as_double for part in ("_sum", "_count")] == [0.25, 1.0]
    assert metrics["process_resident_memory_bytes"].gauge.data_points[0].as_double > 1e6


def test_without_a_collector_nothing_is_exported() -> None:
    assert export(Figures("worker", "w")) is None


def test_a_collector_without_the_extra_is_refused_at_start() -> None:
    program = (
        "import sys; sys.modules['opentelemetry.exporter.otlp.proto.http.metric_exporter'] = None\n"
        "from detectors.errors import SettingsError\nfrom streams.telemetry.figures import Figures\nfrom streams.telemetry.otlp import export\n"
        "try:\n    export(Figures('worker', 'w'))\nexcept SettingsError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", **_environment()}, capture_output=True, text=True, check=True)
    assert "OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not installed" in done.stdout
    assert "pip install 'driftwarden[otel]'" in done.stdout


def _environment() -> dict[str, str]:
    import os

    return {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
