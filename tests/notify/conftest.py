"""Receivers that tests tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.notify.servers import Alertmanager, HttpServer, MailServer, http_server, mail_server


@pytest.fixture(scope="session")
def alertmanager_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    """A real Alertmanager; one that cannot start is a failure, never a skip."""
    server = Alertmanager(tmp_path_factory.mktemp("alertmanager"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def receiver() -> Iterator[HttpServer]:
    """An HTTP server that remembers."""
    with http_server() as server:
        yield server


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[MailServer]:
    """A mail server with STARTTLS and AUTH, whose certificate is in `certificate`."""
    with mail_server(tmp_path) as server:
        yield server
