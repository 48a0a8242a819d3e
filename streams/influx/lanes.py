"""Several requests to InfluxDB at a time, without one point overtaking another of the same series.

While InfluxDB answers one request, it has the next ones already. A later value of a point replaces an earlier one, so their order counts: a series has its lane, and a lane one
request at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from streams.influx.lines import Told

Write = Callable[[Sequence[bytes]], bool]


class Lanes:
    """Sends points through lanes; what is sent later through a lane waits for what was sent before.

    Parameters
    ----------
    lanes : requests at a time.
    write : sends lines; whether they are written. Called in a thread of the lane's own.
    """

    def __init__(self, lanes: int, write: Write) -> None:
        self._write = write
        self._threads = [ThreadPoolExecutor(1, thread_name_prefix=f"influx-{number}") for number in range(lanes)]

    def send(self, points: Sequence[Told]) -> list[Future[bool]]:
        """What comes of it, for each lane that got some."""
        lanes = len(self._threads)
        parts: list[list[bytes]] = [[] for _ in range(lanes)]
        for point in points:
            parts[hash(point.series) % lanes].append(point.line)
        return [thread.submit(self._write, part) for thread, part in zip(self._threads, parts, strict=True) if part]

    def ask(self, ask: Callable[[], bool]) -> Future[bool]:
        """Have something asked that is no write, after what was sent before."""
        return self._threads[0].submit(ask)

    def close(self) -> None:
        """Wait for what is under way."""
        for thread in self._threads:
            thread.shutdown()
