"""``python -m bench.scale``: what an installation far larger than this machine would write, by a formula that is held to simulations.

Both stages of every partition run in one process with their codecs, without Kafka: what they would write to each topic is counted. Records and bytes are
a sum of terms in partitions and models; its constants come from some small installations, and it is held to two larger ones that it has not seen.
The rate of events by model and partition is the same everywhere, so that summaries are as full.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.optimize import nnls

from bench.figure import readable
from bench.workload import PANE, Workload
from detectors.detection.shared_pieces import BUCKETS as BUCKETS_OF_DETECTION
from detectors.event_batch import Float64
from detectors.monitor import Monitor, Monitors
from detectors.panes.window_pieces import BUCKETS
from streams.detect_driver import DetectDriver
from streams.partitioner import partition_of
from streams.piece_store import PieceStore
from streams.source_records import SourceRecords
from streams.stage_run import StageDriver
from streams.summarise_driver import SummariseDriver
from streams.topics import Topics

MODELS, PARTITIONS, EVENTS = 10_000, 128, 1_000_000
RATE = EVENTS / MODELS / PARTITIONS
"""Events a second of one model in one partition."""

FITTED = ((10, 1), (10, 4), (40, 2), (20, 6), (60, 6), (30, 12), (200, 2), (500, 1))
HELD = ((80, 8), (800, 2))
"""Models and partitions of the simulated installations."""

SECONDS, STEADY = 50, 30
"""Simulated seconds, one epoch each; those from `STEADY` on are counted: panes close by then."""

TOLERANCE = 0.2
Wrote = Counter[tuple[str, str]]
"""By topic and unit: ``records`` or ``bytes``, a second."""


@dataclass(frozen=True)
class _Stage:
    driver: StageDriver
    store: PieceStore
    state: str

    def epoch(self, number: int, wrote: Wrote) -> list[tuple[int, bytes]]:
        """Flush; returns what goes to the summaries topic: partition and value."""
        self.store.epoch = number
        flushed = self.driver.flush(generation=1, epoch=number, at_end=False, idle=0)
        if flushed is None:
            return []
        bundles: list[tuple[int, bytes]] = []
        for output in flushed.outputs:
            _count(wrote, output.topic, len(output.value or b"") + len(output.key or b""))
            if output.topic == Topics().summaries and output.value is not None and output.partition is not None:
                bundles.append((output.partition, output.value))
        for key, value in [*self.store.entries(flushed.pieces), self.store.manifest(flushed.manifest)]:
            _count(wrote, self.state, len(key) + len(value or b""))
        return bundles


def _count(wrote: Wrote, topic: str, size: int) -> None:
    wrote[topic, "records"] += 1
    wrote[topic, "bytes"] += size


def simulated(models: int, partitions: int) -> Wrote:
    """What an installation writes in a second."""
    topics, per_second = Topics(), max(round(RATE * models * partitions), 1)
    workload = Workload(models=models, beginning=1, per_pane=per_second * PANE // 1_000)
    monitors = Monitors(Monitor(specification=specification) for specification in workload.specifications(lateness=PANE))
    sources = [
        _Stage(SummariseDriver(partition=number, partitions=partitions, monitors=monitors, topics=topics), PieceStore(), topics.state_of(topics.inference_events))
        for number in range(partitions)
    ]
    summaries = [
        _Stage(DetectDriver(partition=number, monitors=monitors, topics=topics, take_learnt=lambda _: None), PieceStore(), topics.state_of(topics.summaries))
        for number in range(partitions)
    ]
    ends, wrote = [0] * partitions, Wrote()
    offsets = [0] * partitions
    for second in range(SECONDS):
        counted = wrote if second >= STEADY else Wrote()
        records = list(workload.records(1 + second * per_second, 1 + (second + 1) * per_second))
        owners = partition_of([record.key for record in records], partitions)
        bundles: list[list[bytes]] = [[] for _ in range(partitions)]
        for number, source in enumerate(sources):
            mine = [records[place] for place in np.flatnonzero(owners == number).tolist()]
            for record in mine:
                _count(counted, topics.inference_events, len(record.value) + len(record.key))
            _absorb(source, offsets, number, [record.value for record in mine], [record.timestamp for record in mine], [record.key for record in mine])
            for target, value in source.epoch(second + 1, counted):
                bundles[target].append(value)
        for number, stage in enumerate(summaries):
            _absorb(stage, ends, number, bundles[number], [0] * len(bundles[number]), [b""] * len(bundles[number]))
            stage.epoch(second + 1, counted)
    return Wrote({key: round(value / (SECONDS - STEADY)) for key, value in wrote.items()})


def _absorb(stage: _Stage, ends: list[int], number: int, values: list[bytes], times: list[int], keys: list[bytes]) -> None:
    if values:
        offsets = np.arange(ends[number], ends[number] + len(values))
        ends[number] += len(values)
        stage.driver.absorb(SourceRecords(offsets=offsets, timestamps=np.array(times, np.int64), keys=keys, values=values), ends[number])


TERMS = ("P^2", "P", "M", "T", "M P", "B P")


def terms(models: int, partitions: int, *, judged: bool = False) -> Float64:
    """What everything that is written grows with.

    P^2 bundles, P manifests, M models, T models that are told in a second since an event of theirs came; and in each partition M models,
    and B buckets of models that share a record: of those that are counted there, or, in the state of detect, of those that are ``judged`` there.
    """
    told = models * -np.expm1(-RATE * partitions)
    most, held = (BUCKETS_OF_DETECTION, models / partitions) if judged else (BUCKETS, models)
    buckets = most * (1 - (1 - 1 / most) ** held)
    return np.array([partitions**2, partitions, models, told, models * partitions, buckets * partitions], np.float64)


def fit(sizes: tuple[tuple[int, int], ...], figures: list[float], *, judged: bool = False) -> Float64:
    """Constants of the terms, none below 0; sizes count alike whatever their scale."""
    weights = 1 / np.maximum(np.array(figures), 1)
    constants, _ = nnls(np.array([terms(*size, judged=judged) for size in sizes]) * weights[:, None], np.array(figures) * weights)
    return np.asarray(constants)


def main() -> int:
    """Print the table; 1 where the formula is further from a simulation than the tolerance."""
    seen = {}
    for size in (*FITTED, *HELD):
        print(f"simulating {size[0]} models, {size[1]} partitions", file=sys.stderr, flush=True)
        seen[size] = simulated(*size)
    table = Table(title=f"{MODELS:,} models x 20 features, {PARTITIONS} partitions, {EVENTS:,} events/s, an epoch a second: written a second", title_justify="left")
    for heading in ("topic", "unit", *TERMS, "formula", *(f"formula / simulated, {models} x {partitions}" for models, partitions in HELD)):
        table.add_column(heading)
    worst = 0.0
    for topic, unit in sorted({key for one in seen.values() for key in one}):
        judged = topic == Topics().state_of(Topics().summaries)
        constants = fit(FITTED, [float(seen[size][topic, unit]) for size in FITTED], judged=judged)
        ratios = [float(terms(*size, judged=judged) @ constants) / max(seen[size][topic, unit], 1) for size in HELD]
        worst = max(worst, *(abs(ratio - 1) for ratio in ratios))
        figure = float(terms(MODELS, PARTITIONS, judged=judged) @ constants)
        table.add_row(topic, unit, *map(readable, constants.tolist()), f"{figure / 1e6:,.1f} MB" if unit == "bytes" else readable(figure), *(f"{ratio:.2f}" for ratio in ratios))
    Console(width=200).print(table)
    if worst > TOLERANCE:
        print(f"the formula is {worst:.0%} away from a simulation; it may be {TOLERANCE:.0%}", file=sys.stderr)
    return int(worst > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
