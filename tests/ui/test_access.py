"""Nobody sees the page who should not, and a browser does nothing with it that it should not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from detectors.errors import SettingsError
from streams.topics import Topics
from streams.ui.access import Access
from tests.ui.conftest import Served, serving
from tests.waiting import PATIENCE

TOKEN = "0123456789abcdef-of-the-tests"  # noqa: S105  of a server that ends with them


@pytest.fixture
def guarded(topics: Topics, broker: str) -> Iterator[Served]:
    with serving(topics, broker, token=TOKEN) as one:
        yield one


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.7"])  # noqa: S104  it is refused
def test_another_address_than_loopback_is_refused_without_a_token(address: str) -> None:
    with pytest.raises(SettingsError, match="set DRIFTWARDEN_UI_TOKEN, or listen on"):
        Access(address=address)
    assert Access(address=address, token=SecretStr(TOKEN)).token is not None


def test_a_token_that_could_be_guessed_and_a_name_for_an_address_are_refused() -> None:
    with pytest.raises(SettingsError, match="fewer than 16 characters"):
        Access(token=SecretStr("secret"))
    with pytest.raises(SettingsError, match="an address is an IP address"):
        Access(address="dashboard.example", token=SecretStr(TOKEN))
    assert "0123456789" not in repr(Access(token=SecretStr(TOKEN)))


def test_only_names_of_this_machine_are_answered(served: Served) -> None:
    port = served.address.rpartition(":")[2]
    for host, code in ((f"localhost:{port}", 200), (f"127.0.0.1:{port}", 200), (f"attacker.example:{port}", 400), ("attacker.example", 400)):
        for path in ("/", "/api/sections", "/static/app.js"):
            assert requests.get(served.address + path, headers={"Host": host}, timeout=PATIENCE).status_code == code


def test_the_token_opens_the_page_and_nothing_else_does(guarded: Served) -> None:
    at = guarded.address
    for path, code in (("/", 401), ("/model?name=x", 401), ("/api/sections", 401), ("/api/events", 401), ("/static/app.js", 401), ("/static/page.css", 200)):
        assert requests.get(at + path, timeout=PATIENCE).status_code == code
    for wrong in ("", TOKEN[:-1], TOKEN + "x", "ä" * 40):
        assert requests.get(f"{at}/api/sections", headers={"Authorization": f"Bearer {wrong}".encode()}, timeout=PATIENCE).status_code == 401
        assert requests.post(f"{at}/login", data={"token": wrong}, timeout=PATIENCE, allow_redirects=False).status_code == 401
    assert requests.get(f"{at}/api/sections", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=PATIENCE).status_code == 200
    assert requests.get(f"{at}/api/sections?token={TOKEN}", timeout=PATIENCE).status_code == 401  # addresses lie about in histories and logs
    answer = requests.post(f"{at}/login", data={"token": TOKEN}, timeout=PATIENCE, allow_redirects=False)
    said = answer.headers["Set-Cookie"]
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert "HttpOnly" in said
    assert "SameSite=strict" in said
    assert TOKEN not in said
    assert requests.get(f"{at}/api/sections", cookies={"driftwarden": answer.cookies["driftwarden"]}, timeout=PATIENCE).status_code == 200
    assert requests.get(f"{at}/api/sections", cookies={"driftwarden": TOKEN}, timeout=PATIENCE).status_code == 401
    assert requests.post(f"{at}/login", data={"token": "x" * 5_000}, timeout=PATIENCE).status_code == 413


def test_the_figures_are_behind_the_token_and_probes_are_answered_under_any_name(guarded: Served) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert requests.get(f"{guarded.address}/metrics", timeout=PATIENCE).status_code == 401
    assert requests.get(f"{guarded.address}/metrics", headers={**bearer, "Host": "attacker.example"}, timeout=PATIENCE).status_code == 400
    guarded.until("it is ready", lambda: requests.get(f"{guarded.address}/readyz", headers={"Host": "10.1.2.3:8600"}, timeout=PATIENCE).text == "ready\n")
    assert requests.get(f"{guarded.address}/healthz", headers={"Host": "10.1.2.3:8600"}, timeout=PATIENCE).text == "alive\n"
    told = requests.get(f"{guarded.address}/metrics", headers=bearer, timeout=PATIENCE)
    families = {family.name: family.samples for family in text_string_to_metric_families(told.text)}
    assert (families["driftwarden_ready"][0].value, families["driftwarden_pages_open"][0].value) == (1, 0)
    with requests.get(f"{guarded.address}/api/events", headers=bearer, stream=True, timeout=PATIENCE):
        again = requests.get(f"{guarded.address}/metrics", headers=bearer | {"Accept": "application/openmetrics-text"}, timeout=PATIENCE)
        assert "\ndriftwarden_pages_open 1.0\n" in again.text
        assert again.headers["Content-Type"].startswith("application/openmetrics-text")


def test_every_answer_tells_the_browser_to_load_run_and_embed_nothing_else(served: Served) -> None:
    for path in ("/", "/static/app.js", "/api/sections", "/api/sections?page=none", "/nothing"):
        headers = requests.get(served.address + path, timeout=PATIENCE).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'self';")
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "server" not in headers


def test_files_outside_of_the_package_are_not_served(served: Served) -> None:
    for path in ("/static/../server.py", "/static/%2e%2e/server.py", "/static/..%2fserver.py", "/static//etc/passwd"):
        assert requests.get(served.address + path, timeout=PATIENCE).status_code == 404
