"""A real page on a real Kafka in a real browser that may reach nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright
from pydantic import SecretStr

from streams.connection import connect
from streams.telemetry.figures import Figures
from streams.topics import Topics
from streams.ui.access import Access
from streams.ui.bounds import Bounds
from streams.ui.follower import Follower
from streams.ui.live_view import LiveView
from streams.ui.server import Server, address_of
from tests.ui.samples import Teller
from tests.waiting import PATIENCE, eventually
from tools.chromium.install import chromium

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
RED = """canvas => {
  const cells = canvas.getContext("2d").getImageData(0, 0, canvas.width, 20).data;
  let red = 0;
  for (let at = 0; at < cells.length; at += 4) red += cells[at] > 80 && cells[at + 1] < 90 && cells[at + 2] < 60;
  return (4 * red) / cells.length;
}"""
"""Share of the first row that is as red as a drift."""
DRAWN = "canvases => canvases.filter(one => one.getContext('2d').getImageData(0, 0, one.width, one.height).data.some(value => value)).length"


@dataclass
class Served:
    """A running page."""

    address: str
    view: LiveView
    teller: Teller
    figures: Figures

    def until(self, told: str, holds: Callable[[], object]) -> None:
        eventually(holds, told)

    def until_all_is_read(self) -> None:
        """Of topics and partitions none is read before another: what was said last may be read first."""
        self.teller.flush()
        self.until("all is read", lambda: self._records_read() == self.teller.said and self.view.reading.state == "live")

    def _records_read(self) -> float:
        return sum(sample.value for family in self.figures.registry.collect() for sample in family.samples if sample.name == "driftwarden_records_total")


@contextmanager
def serving(topics: Topics, broker: str, *, bounds: Bounds | None = None, token: str | None = None) -> Iterator[Served]:
    connection = connect(broker, topic_prefix=topics.prefix)
    view, teller = LiveView(topics, bounds or Bounds()), Teller(connection)
    access = Access(token=SecretStr(token) if token else None)
    ports: list[int] = []
    figures = Figures("ui", "tests")
    server = Server(view, access, 0, figures=figures, started=ports.append)
    follower = Follower(connection, view, failed=server.stop, figures=figures)
    thread = threading.Thread(target=server.run, name="ui-server")
    thread.start()
    try:
        eventually(lambda: ports, "the server's start")
        yield Served(address_of(access, ports[0]).rstrip("/"), view, teller, figures)
    finally:
        server.stop()
        thread.join(PATIENCE)
        follower.stop()
        teller.close()
        assert follower.error is None
        assert not thread.is_alive()


@pytest.fixture
def served(topics: Topics, broker: str) -> Iterator[Served]:
    with serving(topics, broker) as one:
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=1_000 * PATIENCE)  # it looks until it holds, which on a busy machine takes more than playwright's five seconds
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield launched
        launched.close()


@dataclass
class Watched:
    """A tab, and what went wrong in it."""

    page: Page
    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)


@contextmanager
def tab(browser: Browser, **options: object) -> Iterator[Watched]:
    context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))  # type: ignore[arg-type]  # playwright's own options
    watched = Watched(context.new_page())

    def route(one: Route) -> None:
        if urlsplit(one.request.url).hostname == "127.0.0.1":
            one.continue_()
        else:
            watched.elsewhere.append(one.request.url)
            one.abort()

    context.route("**/*", route)
    watched.page.on("console", lambda message: watched.errors.append(message.text) if message.type in {"error", "warning"} else None)
    watched.page.on("pageerror", lambda error: watched.errors.append(str(error)))
    watched.page.on("dialog", lambda dialog: (watched.errors.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    watched.page.set_default_timeout(1_000 * PATIENCE)
    yield watched
    context.close()
    assert watched.errors == []
    assert watched.elsewhere == []
