"""What `Publisher.predict` costs the thread that calls it: with a broker, and while none answers.

The calls come one at a time, a thousand a second, as from a service that answers requests; between two of them the thread sleeps, and the
publisher's own thread encodes and sends. Calls without a pause between them are reported beside.
"""

from __future__ import annotations

import time

import numpy as np

from bench.figure import Found, Row, Size, expect
from bench.installation import installation
from bench.processes import no_collection
from bench.workload import CLASSES, Workload
from detectors.event_batch import Float64
from streams.publisher import Publisher

AWAY = "127.0.0.1:1"
"""An address where nobody listens."""

PER_SECOND = 1_000


def _calls(publisher: Publisher, count: int, *, pause: float) -> Float64:
    """(count,) microseconds of each call, by the clock."""
    workload = Workload()
    rows = [dict(zip(workload.names, row, strict=True)) for row in workload.events(0, 1_000).matrix.tolist()]
    took = np.empty(count)
    with no_collection():
        for call in range(count):
            row = rows[call % len(rows)]
            began = time.perf_counter_ns()
            publisher.predict(model="bench-0000", version="1", features=row, prediction=CLASSES[call % 2], score=0.75)
            took[call] = time.perf_counter_ns() - began
            if pause:
                time.sleep(pause)
    return took / 1_000


def _measured(bootstrap: str, prefix: str, size: Size) -> tuple[list[Float64], Float64]:
    calls = size.of(10_000)
    with Publisher(bootstrap, topic_prefix=prefix, capacity=1_000_000) as publisher:
        _calls(publisher, 100, pause=1 / PER_SECOND)
        slow = [_calls(publisher, calls, pause=1 / PER_SECOND) for _ in range(size.repeats)]
        fast = _calls(publisher, calls, pause=0)
        total = 100 + calls * (size.repeats + 1)
        expect("events dropped", publisher.counters.dropped, 0)
        if bootstrap == AWAY:
            expect("events waiting", publisher.counters.waiting, total)
            publisher.close(timeout=0)
        else:
            publisher.flush(60)
            expect("events sent", publisher.counters.sent, total)
    return slow, fast


def _both(size: Size) -> list[tuple[str, list[Float64], Float64]]:
    with installation() as installed:
        here = _measured(installed.bootstrap, installed.topics.prefix, size)
    return [("broker answers", *here), ("broker away", *_measured(AWAY, "", size))]


def mean_of_calls(size: Size) -> Found:
    """Mean time of a call; the worse of the two situations."""
    measured = _both(size)
    worst = max(measured, key=lambda one: float(np.median([part.mean() for part in one[1]])))
    details = {f"{name}, microseconds": float(np.median([part.mean() for part in slow])) for name, slow, _ in measured}
    return Found(figures=tuple(float(part.mean()) for part in worst[1]), details=details | {f"{name}, without pauses": float(fast.mean()) for name, _, fast in measured})


def slowest_calls(size: Size) -> Found:
    """99 % of the calls take at most this long; the worse of the two situations."""
    measured = _both(size)
    quantile = [(name, [float(np.quantile(part, 0.99)) for part in slow], float(np.quantile(fast, 0.99))) for name, slow, fast in measured]
    worst = max(quantile, key=lambda one: float(np.median(one[1])))
    details = {f"{name}, microseconds": float(np.median(slow)) for name, slow, _ in quantile}
    return Found(figures=tuple(worst[1]), details=details | {f"{name}, without pauses": fast for name, _, fast in quantile})


ROWS = (
    Row(name="predict-mean", what="Publisher.predict on the caller's thread, broker there or away", sense="at most", target=5, unit="us", run=mean_of_calls),
    Row(name="predict-p99", what="the same, 99 % of the calls", sense="at most", target=50, unit="us", run=slowest_calls),
)
