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
        lane_of = [hash(point.series) % lanes for point in points]
        parts = [[point for point, lane in zip(points, lane_of, strict=True) if lane == number] for number in range(lanes)]
        return [thread.submit(self._write_part, part) for thread, part in zip(self._threads, parts, strict=True) if part]

    def _write_part(self, part: Sequence[Told]) -> bool:
        return self._write([point.line for point in part])

    def ask(self, ask: Callable[[], bool]) -> Future[bool]:
        """Have something asked that is no write, after what was sent before."""
        return self._threads[0].submit(ask)

    def close(self) -> None:
        """Wait for what is under way."""
        for thread in self._threads:
            thread.shutdown()
