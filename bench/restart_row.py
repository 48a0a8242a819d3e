"""A worker that was killed with 500 MB of state: how long until its successor watches again."""

from __future__ import annotations

import time

from bench.figure import Found, Row, Size
from bench.installation import Installation, installation
from bench.stream_rows import told
from bench.workload import PARTITIONS, Workload
from streams.state_log import read_state

STATE_MEGABYTES = 500
STEP = 250_000


def restart(size: Size) -> Found:
    """Seconds from the start of the process until an event that was published after the kill is counted and durable."""
    wanted = STATE_MEGABYTES * size.factor
    figures = []
    with installation() as installed:
        workload = Workload(labels="none", beginning=1, per_pane=STEP)
        installed.apply(workload.specifications())
        worker = installed.worker()
        end, megabytes = 0, 0.0
        while megabytes < wanted:
            installed.publish(workload.records(end, end + size.of(STEP)))
            end += size.of(STEP)
            installed.wait_until_read()
            megabytes = _state_megabytes(installed)
            told(f"  {end:,} predictions wait, {megabytes:,.0f} MB of state")
        for _ in range(size.repeats):
            worker.kill()
            installed.publish(workload.records(end, end + 1_000))
            end += 1_000
            began = time.monotonic()
            worker = installed.worker()
            installed.wait_until_read()
            figures.append(time.monotonic() - began)
            told(f"  {figures[-1]:.1f} s")
        memory = worker.memory
    return Found(figures=tuple(figures), details={"megabytes_of_state": megabytes, "waiting_predictions": end, "worker_mebibytes": memory})


def _state_megabytes(installed: Installation) -> float:
    """Keys and values that a successor reads: the newest of each key."""
    import asyncio  # noqa: PLC0415  the reader of a state topic is the worker's own

    from streams.connection import connect  # noqa: PLC0415

    connection = connect(installed.bootstrap, topic_prefix=installed.topics.prefix)
    topic = installed.topics.state_of(installed.topics.inference_events)
    sizes = 0
    for number in range(PARTITIONS):
        sizes += sum(len(key) + len(value) for key, value in asyncio.run(read_state(connection, topic, number)))
    return sizes / 1e6


ROWS = (Row(name="restart", what="killed with 500 MB of state: until it watches again", sense="at most", target=20, unit="s", run=restart),)
