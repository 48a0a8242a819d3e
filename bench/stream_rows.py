"""Events per CPU second of one worker process, on a real Kafka with four partitions.

The worker is brought to its steady state, then paused while a backlog of one pane of event time is published, and goes on: the CPU seconds
that its process uses until all of it is summarised, judged and durable are what the events cost. Fetching, decoding, deduplication, the label join,
summaries, closed panes, epochs and state are in; starting Python is not.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import Any

from bench.checks import check_stream, closing_time
from bench.figure import Found, Row, Size
from bench.installation import Installation, Worker, broker_cpu, installation
from bench.workload import Workload


def told(message: str) -> None:
    """Progress, for who waits."""
    print(message, file=sys.stderr, flush=True)


def sized(workload: Workload, size: Size) -> Workload:
    """The stream at a size; its panes hold fewer events then."""
    return replace(workload, beginning=size.of(workload.beginning, multiple=1_000), per_pane=size.of(workload.per_pane, multiple=1_000))


def steady(installed: Installation, workload: Workload, **settings: str) -> Worker:
    """A worker that has read the beginning of a stream."""
    installed.apply(workload.specifications())
    installed.publish(workload.records(0, workload.beginning))
    worker = installed.worker(**settings)
    installed.wait_until_read()
    return worker


def consumption(workload: Workload, size: Size) -> Found:
    """Events per CPU second of a worker over a stream, checked."""
    workload = sized(workload, size)
    figures: list[float] = []
    walls: list[float] = []
    broker: list[float] = []
    with installation() as installed:
        worker = steady(installed, workload)
        first = workload.beginning
        for _ in range(size.repeats):
            worker.pause()
            installed.publish(workload.records(first, first + workload.per_pane))
            before, broker_before, began = worker.cpu, broker_cpu(installed.bootstrap), time.monotonic()
            worker.go_on()
            installed.wait_until_read()
            figures.append(workload.per_pane / (worker.cpu - before))
            walls.append(workload.per_pane / (time.monotonic() - began))
            broker.append(1e6 * (broker_cpu(installed.bootstrap) - broker_before) / workload.per_pane)
            told(f"  {figures[-1]:,.0f} events per CPU second, {walls[-1]:,.0f} per second by the clock")
            first += workload.per_pane
        memory = worker.memory
        installed.advance(closing_time(workload, first, 10_000))
        installed.wait_until_read()
        check_stream(installed, workload, workload.specifications()[0], first)
    return Found(
        figures=tuple(figures),
        details={
            "events": workload.per_pane,
            "record_bytes": len(next(workload.records(0, 1)).value),
            "events_per_second_by_the_clock": sorted(walls)[len(walls) // 2],
            "broker_microseconds_per_event": sorted(broker)[len(broker) // 2],
            "worker_mebibytes": memory,
        },
    )


def cost_of_bad_records(size: Size) -> Found:
    """Cost of a stream with one bad record in a thousand, over the cost of the same stream without."""
    clean = Workload(per_pane=300_000)
    whole = consumption(clean, size)
    spoilt = consumption(replace(clean, bad_every=1_000), size)
    return Found(
        figures=tuple(one / other for one, other in zip(whole.figures, spoilt.figures, strict=True)),
        details={"clean_events_per_cpu_second": whole.figure, "events_per_cpu_second": spoilt.figure, "events": whole.details["events"]},
    )


def _row(name: str, what: str, target: float, **stream: Any) -> Row:
    return Row(name=name, what=what, sense="at least", target=target, unit="events/CPU s", run=lambda size: consumption(Workload(**stream), size))


ROWS = (
    _row("single", "JSON records of one event with its label, one model, 20 features", 150_000, per_pane=600_000),
    _row("labels", "the same, 10 % of the records are labels, joined", 110_000, per_pane=500_000, labels="separate"),
    _row("models-100", "the same over 100 models mixed in each fetch", 90_000, models=100, per_pane=450_000, labels="separate"),
    _row("models-1000", "the same over 1,000 models mixed in each fetch", 50_000, models=1_000, per_pane=500_000, labels="separate"),
    _row("features-200", "200 features, one model, label in the event", 35_000, features=200, per_pane=150_000),
    _row("arrow", "Arrow IPC batches of 500, 10 % of the events are labels, joined", 600_000, per_pane=1_000_000, labels="separate", arrow_rows=500),
    Row(name="bad", what="one bad record in 1,000: cost over that of a clean stream", sense="at most", target=1.3, unit="times", run=cost_of_bad_records),
)
