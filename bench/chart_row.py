"""How long until people see an event: from its publishing to the message by which the live page's browser draws the chart that counts it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlencode
from urllib.request import urlopen

import msgspec

from bench.figure import Found, Row, Size
from bench.installation import Installation
from bench.live_rows import Seen, event_waits
from streams.broker import free_port


@contextmanager
def watched_page(installed: Installation, model: str) -> Iterator[Seen]:
    """Has the stream of a page of `driftwarden ui` that shows a model, as a browser reads it."""
    port = free_port()
    page = installed.process("ui", "ui", "--port", str(port))
    address, seen = f"http://127.0.0.1:{port}", Seen()
    installed.wait_until(lambda: _is_ready(address), "the page is not ready", patience=60)
    stream = urlopen(f"{address}/api/events?{urlencode({'page': 'model', 'model': model})}", timeout=60)  # noqa: S310  of our own page

    def read() -> None:
        drawn: dict[int, int] = {}
        with suppress(OSError, ValueError):  # the page ends before its reader
            for line in stream:
                if line.startswith(b"data: "):
                    now, sections = time.time() * 1_000, msgspec.json.decode(line.removeprefix(b"data: "))
                    for start, count in told_counts(sections):
                        if drawn.get(start) != count:
                            drawn[start] = count
                            seen.counts.append((now, start, count))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        page.kill()
        thread.join(10)
        stream.close()


def told_counts(sections: dict[str, list[dict[str, list[float]]]]) -> Iterator[tuple[int, int]]:
    """Start of each pane on the chart of the traffic, epoch milliseconds, and the predictions drawn there."""
    for curve in (sections.get("traffic") or [])[:1]:
        for start, count in zip(curve["times"], curve["values"], strict=True):
            yield round(start * 1_000), int(count)


def _is_ready(address: str) -> bool:
    try:
        with urlopen(f"{address}/readyz", timeout=1):  # noqa: S310  as above
            return True
    except OSError:
        return False


def event_to_chart(size: Size) -> Found:
    """99 % of the events are on the chart of an open page within this time."""
    return event_waits(size, watched_page)


ROWS = (
    Row(
        name="chart",
        what="event published to the message that draws it on an open page of driftwarden ui, 20,000 events/s, 99 %",
        sense="at most",
        target=5,
        unit="s",
        run=event_to_chart,
    ),
)
