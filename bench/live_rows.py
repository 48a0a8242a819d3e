"""How long people wait: from an event to the metric point that counts it, and from the close of a pane to the alert that it raises.

Both are watched on a stream in real time, 20,000 events a second over some models, whose labels turn wrong one model after the other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from uuid import uuid4

import numpy as np
from confluent_kafka import Consumer, TopicPartition

from bench.figure import CheckFailedError, Found, Row, Size, expect
from bench.installation import Installation, installation
from bench.workload import PANE, PARTITIONS, SourceRecord, Workload
from detectors.event_batch import Float64
from streams.wire import decode_alert, decode_points

PER_SECOND = 20_000
TICK = 0.1
"""Seconds between two bursts of the publisher."""

MODELS = 20
LATENESS = 1_000
ALERT_PANE = 1_200
"""Milliseconds. Monitors have learnt after some 20 panes, so alerts can come within a minute; no multiple of the epoch, so that panes close at every phase of it."""

HEALTHY = 32.0
"""Seconds until the labels of the first model turn wrong; each of the others follows a pane after the one before."""

ALERTED = 0.8
"""Share of the models that must have raised an alert; one whose errors seemed to depend on each other while it learnt waits for more panes."""


@dataclass
class Seen:
    """What came out, and when: (time by the clock in ms, pane's start, predictions counted so far) of one model; (time by the clock, event time) of alerts."""

    counts: list[tuple[float, int, int]] = field(default_factory=list)
    alerts: dict[tuple[str, int], tuple[float, int]] = field(default_factory=dict)


@contextmanager
def watched(installed: Installation, model: str) -> Iterator[Seen]:
    """Reads metrics and alerts as they are written."""
    seen, done = Seen(), threading.Event()
    consumer = Consumer({"bootstrap.servers": installed.bootstrap, "log_level": 0, "group.id": uuid4().hex, "enable.auto.commit": False, "fetch.wait.max.ms": 50})
    topics = installed.topics.metrics, installed.topics.alerts
    consumer.assign([TopicPartition(topic, number, 0) for topic in topics for number in range(PARTITIONS)])

    def read() -> None:
        while not done.is_set():
            for message in consumer.consume(1_000, timeout=0.1):
                now, value = time.time() * 1_000, message.value() or b""
                if message.topic() == installed.topics.alerts:
                    alert = decode_alert(value)
                    seen.alerts.setdefault((alert.alert_id, alert.sequence), (now, alert.updated_at))
                elif message.key() == model.encode():
                    for point in decode_points(b"\n".join(line for line in value.split(b"\n") if b'"measurement":"traffic"' in line)):
                        seen.counts.append((now, point.time, int(point.fields["predictions"])))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join(10)
        consumer.close()


Watch = Callable[[Installation, str], AbstractContextManager[Seen]]
"""Watches what is told of a model, for as long as the block lasts."""


def _live(size: Size, seconds: int, *, pane: int = PANE, watch: Watch = watched) -> tuple[Seen, dict[int, Float64]]:
    """Publish in real time; returns what was seen, and for each pane the time by the clock (ms) at which each event of the first model was published."""
    per_second = size.of(PER_SECOND, multiple=MODELS * 10)
    workload = Workload(models=MODELS, beginning=1, per_pane=per_second * PANE // 1_000)
    tick = round(per_second * TICK)
    published: dict[int, list[Float64]] = {}
    with installation() as installed:
        installed.apply(workload.specifications(lateness=LATENESS, pane=pane))
        worker = installed.worker()
        installed.wait_until(lambda: len(worker.partitions) == PARTITIONS, "the worker did not begin")
        with watch(installed, workload.model(0)) as seen:
            began = time.time()
            for number in range(round(seconds / TICK)):
                now = round(time.time() * 1_000)
                records = (replace(record, timestamp=now) for record in workload.records(number * tick, (number + 1) * tick))
                installed.publish(_now(records, now, wrong=max(0, int((number * TICK - HEALTHY) * 1_000 / ALERT_PANE) + 1)))
                published.setdefault(now // pane * pane, []).append(np.full(-(-tick // MODELS), float(now)))
                wait = began + (number + 1) * TICK - time.time()
                if wait > 0:
                    time.sleep(wait)
                elif wait < -1:
                    raise CheckFailedError(f"the publisher is {-wait:.1f} s behind {per_second} events a second; the machine is too busy to measure a latency")
            installed.wait_until(
                lambda: bool(seen.counts) and sum(_last(seen).values()) >= sum(map(len, map(np.concatenate, published.values()))), "not all was counted", patience=60
            )
            time.sleep(3)
    return seen, {pane: np.concatenate(parts) for pane, parts in published.items()}


def _now(records: Iterable[SourceRecord], now: int, *, wrong: int) -> Iterator[SourceRecord]:
    """Records dated now, which begin with one of the first model; of the first ``wrong`` models every label is "no" whatever was predicted."""
    for place, record in enumerate(records):
        head, _, tail = record.value.partition(b'"timestamp":')
        value = head + b'"timestamp":%d' % now + tail[13:]
        yield replace(record, value=value.replace(b'"label":"yes"', b'"label":"no"') if place % MODELS < wrong else value)


def _last(seen: Seen) -> dict[int, int]:
    """Predictions of each pane as last told."""
    return {start: count for _, start, count in seen.counts}


def event_to_point(size: Size) -> Found:
    """99 % of the events are in a metric point within this time."""
    return event_waits(size, watched)


def event_waits(size: Size, watch: Watch) -> Found:
    """From the publishing of an event until a watcher is told a count of its pane that holds it, of 99 % of the events; the counts are checked."""
    figures, details = [], {}
    for _ in range(size.repeats):
        seen, published = _live(size, seconds=30, watch=watch)
        expect("predictions counted by pane", {start: count for start, count in _last(seen).items() if count}, {start: len(times) for start, times in published.items()})
        waited = []
        for start, times in published.items():
            told = sorted((count, when) for when, pane, count in seen.counts if pane == start)
            counts, whens = np.array([count for count, _ in told]), np.array([when for _, when in told])
            waited.append(whens[np.searchsorted(counts, np.arange(1, len(times) + 1))] - times)
        every = np.concatenate(waited) / 1_000
        figures.append(float(np.quantile(every, 0.99)))
        details = {"median_seconds": float(np.median(every)), "worst_seconds": float(every.max()), "events": len(every) * MODELS}
    return Found(figures=tuple(figures), details=details)


def pane_to_alert(size: Size) -> Found:
    """99 % of the alerts are on their topic within this time after their pane could close."""
    figures, details = [], {}
    for _ in range(size.repeats):
        seen, _ = _live(size, seconds=60, pane=ALERT_PANE)
        models = len({alert for alert, _ in seen.alerts})
        if models < ALERTED * MODELS:
            raise CheckFailedError(f"alerts of {models} of {MODELS} models came, whose error rate went from 10 % to 50 %; expected {ALERTED:.0%} of them")
        waited = np.array([(when - at - LATENESS) / 1_000 for when, at in seen.alerts.values()])
        figures.append(float(np.quantile(waited, 0.99)))
        details = {"median_seconds": float(np.median(waited)), "worst_seconds": float(waited.max()), "alert_records": len(waited)}
    return Found(figures=tuple(figures), details=details)


ROWS = (
    Row(
        name="latency-point", what="event published to the provisional metric point that counts it, 20,000 events/s, 99 %", sense="at most", target=3, unit="s", run=event_to_point
    ),
    Row(name="latency-alert", what="pane closed to record on monitoring.alerts, 99 %", sense="at most", target=2, unit="s", run=pane_to_alert),
)
