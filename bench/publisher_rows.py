"""What `Publisher.predict` costs the thread that calls it: with a broker, and while none answers.

Between two calls the thread writes an answer as JSON, as a service does that answers requests, while the publisher's own thread encodes and sends.
"""

from __future__ import annotations

import json
import time
from functools import partial
from statistics import median

import numpy as np

from bench.figure import Found, Row, Size, expect
from bench.installation import installation
from bench.processes import no_collection
from bench.workload import CLASSES, Workload
from detectors.event_batch import Float64
from streams.publisher import Publisher

AWAY = "127.0.0.1:1"
"""An address where nobody listens."""


def _calls(publisher: Publisher, count: int) -> Float64:
    """(count,) microseconds of each call, by the clock."""
    workload = Workload()
    rows = [dict(zip(workload.names, row, strict=True)) for row in workload.events(0, 1_000).matrix.tolist()]
    answer, took = {"answers": rows[:5]}, np.empty(count)
    with no_collection():
        for call in range(count):
            row = rows[call % len(rows)]
            began = time.perf_counter_ns()
            publisher.predict(model="bench-0000", version="1", features=row, prediction=CLASSES[call % 2], score=0.75)
            took[call] = time.perf_counter_ns() - began
            json.dumps(answer)
    return took / 1_000


def _measured(bootstrap: str, prefix: str, size: Size) -> list[Float64]:
    calls = size.of(20_000)
    with Publisher(bootstrap, topic_prefix=prefix, capacity=1_000_000) as publisher:
        _calls(publisher, 100)
        took = [_calls(publisher, calls) for _ in range(size.repeats)]
        total = 100 + calls * size.repeats
        expect("events dropped", publisher.counters.dropped, 0)
        if bootstrap == AWAY:
            expect("events waiting", publisher.counters.waiting, total)
            publisher.close(timeout=0)
        else:
            publisher.flush(60)
            expect("events sent", publisher.counters.sent, total)
    return took


def calls(quantile: float, size: Size) -> Found:
    """A quantile of the time of a call; the worse of the two situations."""
    with installation() as installed:
        here = _measured(installed.bootstrap, installed.topics.prefix, size)
    situations = {"broker answers": here, "broker away": _measured(AWAY, "", size)}
    found = {name: [float(np.quantile(part, quantile)) for part in took] for name, took in situations.items()}
    details = {f"{name}, us": median(figures) for name, figures in found.items()} | {f"{name}, mean us": float(np.mean(took)) for name, took in situations.items()}
    return Found(figures=tuple(max(found.values(), key=median)), details=details)


ROWS = (
    Row(name="predict", what="Publisher.predict on the caller's thread, broker there or away: half of the calls", sense="at most", target=5, unit="us", run=partial(calls, 0.5)),
    Row(name="predict-p99", what="the same, 99 % of the calls", sense="at most", target=50, unit="us", run=partial(calls, 0.99)),
)
