"""Two workers share the partitions of one source: what an event costs each of them, against one worker alone that has as many to read as each of the two."""

from __future__ import annotations

import time
from statistics import median

from bench.figure import Found, Row, Size
from bench.installation import Installation, Worker, broker_cpu, installation
from bench.stream_rows import sized, steady, told
from bench.workload import PARTITIONS, Workload


def against_one(size: Size) -> Found:
    """Events per CPU second of the slower one of two workers, over those of one alone."""
    workload = sized(Workload(per_pane=600_000), size)
    figures, details = [], {}
    with installation() as installed:
        workers = [steady(installed, workload)]
        place = workload.beginning
        alone, alone_wall = [], []
        for _ in range(size.repeats):
            (rate,), wall, _ = _consume(installed, workload, place, workers)
            place += len(workers) * workload.per_pane
            alone.append(rate)
            alone_wall.append(wall)
        workers.append(installed.worker("two"))
        installed.wait_until(lambda: sorted(map(len, installed.owners().values())) == [PARTITIONS // 2] * 2, "the partitions were not shared")
        place = _settled(installed, workload, place)
        for _ in range(size.repeats):
            rates, wall, broker = _consume(installed, workload, place, workers)
            place += len(workers) * workload.per_pane
            told(f"  {' and '.join(f'{rate:,.0f}' for rate in rates)}, one alone {median(alone):,.0f} events per CPU second")
            figures.append(min(rates) / median(alone))
            details = {"events_per_cpu_second_of_each": rates, "events_per_second_by_the_clock": len(workers) * workload.per_pane / wall, "cores_used_by_the_broker": broker / wall}
    details |= {"events_per_cpu_second_of_one_alone": median(alone), "events_per_second_by_the_clock_of_one_alone": workload.per_pane / median(alone_wall)}
    return Found(figures=tuple(figures), details=details)


def _settled(installed: Installation, workload: Workload, place: int) -> int:
    """Both have read some of the stream."""
    installed.publish(workload.records(place, place + workload.beginning))
    installed.wait_until_read()
    return place + workload.beginning


def _consume(installed: Installation, workload: Workload, place: int, workers: list[Worker]) -> tuple[list[float], float, float]:
    """Events per CPU second of each worker over one more pane of the stream for each, its seconds by the clock, and the broker's CPU seconds."""
    for worker in workers:
        worker.pause()
    before = installed.ends(installed.topics.inference_events)
    installed.publish(workload.records(place, place + len(workers) * workload.per_pane))
    added = [end - start for start, end in zip(before, installed.ends(installed.topics.inference_events), strict=True)]
    cpu, broker, began = [worker.cpu for worker in workers], broker_cpu(installed.bootstrap), time.monotonic()
    for worker in workers:
        worker.go_on()
    installed.wait_until_read()
    owners = installed.owners()
    rates = [sum(added[number] for number in owners[worker.name]) / (worker.cpu - used) for worker, used in zip(workers, cpu, strict=True)]
    return rates, time.monotonic() - began, broker_cpu(installed.bootstrap) - broker


ROWS = (
    Row(
        name="two-workers",
        what="two workers beside the broker on two cores: events per CPU second of the slower one, over one alone",
        sense="at least",
        target=0.9,
        unit="times",
        run=against_one,
    ),
)
