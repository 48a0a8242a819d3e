"""A thousand models on one worker in real time, with an hour of history behind them, until nothing should grow any more, and ten minutes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bench.figure import CheckFailedError, Found, Row, Size
from bench.history import write_history
from bench.installation import Installation, Worker, installation
from bench.stream_rows import told
from bench.workload import PANE, PARTITIONS, SourceRecord, Workload

MODELS = 1_000
PER_SECOND = 5_000
"""Fifty events in a pane of each model, which slow cores keep up with, too: a worker that is behind is in no steady state. The row is about memory; others are about speed."""
LATENESS = 300.0  # seconds, the default
SETTLING = 360.0
"""Seconds after the first pane could close: with each closing of all models the heap gains free pieces between those in use, fewer each time, until what is new fits into them."""
STEADY = 600.0
HISTORY = 3_600.0
"""Seconds: the longest rolling window of a specification that names none. A worker that begins empty fills its windows for so long, which is no leak."""
MOST_GROWTH = 1.05
"""Mean memory of the last minute over that of the first one of the ten minutes: more is not flat."""


def memory(size: Size) -> Found:
    """Largest resident memory of the worker in ten minutes of a steady state. One run, however often other rows are repeated: it takes twenty-one minutes."""
    models, lateness, steady = size.of(MODELS), LATENESS * size.factor, STEADY * size.factor
    begin = lateness + SETTLING * size.factor
    workload = Workload(models=models, beginning=1, per_pane=10 * PER_SECOND)  # with their labels: without, each prediction waits for one, for a week by default
    with installation() as installed:
        specifications = workload.specifications(lateness=round(lateness * 1_000))
        installed.apply(specifications)
        until, panes = round(time.time()) * 1_000 // PANE * PANE, round(HISTORY * size.factor * 1_000 / PANE)
        write_history(installed, specifications, features=workload.features, panes=panes, per_pane=workload.per_pane // models, until=until)
        worker = installed.worker()
        installed.wait_until(lambda: len(worker.partitions) == PARTITIONS, "the worker did not begin")
        told(f"  an hour of history is restored: {worker.memory:.0f} MiB")
        seconds, used, share = _watch(installed, worker, workload, begin + steady)
        installed.wait_until_read(patience=15)  # it has kept up
    minute = 60 * size.factor
    first, last = (seconds > begin) & (seconds < begin + minute), seconds > seconds[-1] - minute
    growth = float(used[last].mean() / used[first].mean())
    if size.factor == 1 and growth > MOST_GROWTH:
        raise CheckFailedError(f"memory grew from {used[first].mean():.0f} to {used[last].mean():.0f} MiB in ten minutes; it should be flat")
    details = {"growth_in_ten_minutes": growth, "cores_used": share, "events_per_second": PER_SECOND, "panes_closed_per_second": models / 10}
    return Found(figures=(float(used.max()),), details=details)


def _watch(installed: Installation, worker: Worker, workload: Workload, duration: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Publish in real time; seconds, resident mebibytes at each, and the share of a core that was used in the last half."""
    began, place, samples = time.monotonic(), 0, []
    cpu = half = 0.0
    while (seconds := time.monotonic() - began) < duration:
        end = int(seconds * PER_SECOND)
        if end > place:
            installed.publish(_dated(workload.records(place, end), round(time.time() * 1_000)))
            place = end
        samples.append((seconds, worker.memory))
        if not half and seconds > duration / 2:
            cpu, half = worker.cpu, seconds
        if len(samples) % 60 == 0:
            told(f"  {seconds:.0f} s: {samples[-1][1]:.0f} MiB")
        time.sleep(max(0.0, 0.5 - (time.monotonic() - began - seconds)))
    columns = np.array(samples)
    return columns[:, 0], columns[:, 1], (worker.cpu - cpu) / (time.monotonic() - began - half)


def _dated(records: Iterator[SourceRecord], now: int) -> Iterator[SourceRecord]:
    """The same events, happening now."""
    for record in records:
        head, _, tail = record.value.partition(b'"timestamp":')
        yield replace(record, value=head + b'"timestamp":%d' % now + tail[13:], timestamp=now)


ROWS = (
    Row(
        name="fleet",
        what="1,000 models x 20 features, pane 10 s, lateness 5 min, 5,000 labelled events/s, an hour behind them: memory of one worker, flat over 10 minutes",
        sense="at most",
        target=1_024,
        unit="MiB",
        run=memory,
    ),
)
