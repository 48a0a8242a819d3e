"""What a process serves of itself, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text_format

from detectors.errors import SettingsError
from streams.telemetry.catalogue import OF_PROCESS
from streams.telemetry.figures import Figures
from streams.telemetry.server import MetricsServer
from streams.telemetry.settings import MetricsSettings, metrics_settings
from tests.waiting import PATIENCE


@pytest.fixture
def figures() -> Figures:
    return Figures("retrainer", "r1")


@pytest.fixture
def url(figures: Figures) -> Iterator[str]:
    server = MetricsServer(figures, ("127.0.0.1", 0))
    yield f"http://127.0.0.1:{server.port}"
    server.close()


def get(url: str, accept: str = "text/plain") -> tuple[int, str, str]:
    try:
        with urlopen(Request(url, headers={"Accept": accept}), timeout=PATIENCE) as answer:  # noqa: S310  of the test's own server
            return answer.status, answer.read().decode(), answer.headers["Content-Type"]
    except HTTPError as error:
        return error.code, error.read().decode(), ""


@pytest.mark.parametrize(("accept", "parse"), [("text/plain", text_format), ("application/openmetrics-text", open_metrics)])
def test_prometheus_reads_every_figure_with_its_help_and_type(url: str, figures: Figures, accept: str, parse: object) -> None:
    figures.count("versions", 'odd "status"\n')
    figures.set("consumer_lag_records", 12, "monitoring.examples", "3")
    status, text, kind = get(f"{url}/metrics", accept)
    assert (status, kind.split(";")[0]) == (200, accept)
    families = {family.name: family for family in parse(text)}  # type: ignore[operator]
    for figure in OF_PROCESS["retrainer"]:
        assert families[f"driftwarden_{figure.name}"].type == figure.kind
        assert families[f"driftwarden_{figure.name}"].documentation == figure.what
    (version,) = families["driftwarden_versions"].samples
    assert (version.name, version.labels, version.value) == ("driftwarden_versions_total", {"status": 'odd "status"\n'}, 1)
    (lag,) = families["driftwarden_consumer_lag_records"].samples
    assert (lag.labels, lag.value) == ({"topic": "monitoring.examples", "partition": "3"}, 12)
    assert families["process_resident_memory_bytes"].samples[0].value > 1e6


def test_a_process_is_ready_when_it_waits_for_nothing(url: str, figures: Figures) -> None:
    assert get(f"{url}/healthz")[:2] == (200, "alive\n")
    assert get(f"{url}/readyz")[:2] == (503, "it begins\n")
    figures.waits_for = ""
    assert get(f"{url}/readyz")[:2] == (200, "ready\n")
    assert get(f"{url}/else")[0] == 404


def test_an_address_that_is_taken_is_named(url: str, figures: Figures) -> None:
    port = int(url.rpartition(":")[2])
    with pytest.raises(SettingsError, match=f"127.0.0.1 port {port}: Address already in use; give another --metrics-address"):
        MetricsServer(figures, ("127.0.0.1", port))


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1:", "1:2:http", "127.0.0.1:70000"])
def test_an_address_without_a_port_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match=r"such as 127\.0\.0\.1:9464"):
        metrics_settings(address)


def test_nothing_listens_unless_told_and_a_port_alone_is_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert metrics_settings().listens is None
    monkeypatch.setenv("DRIFTWARDEN_METRICS_ADDRESS", "9464")
    assert MetricsSettings().listens == ("127.0.0.1", 9464)
    assert metrics_settings("0.0.0.0:1").listens == ("0.0.0.0", 1)  # noqa: S104  as an operator may say
