"""Events per CPU second of the pure core: both stages in one process on decoded batches of 10,000, without Kafka and without JSON.

A pane holds 10,000 events of each model, and an epoch 50 batches, which is what a worker that is busy at these rates reads in its second between epochs.
With a thousand models it takes a thousand batches to fill a pane, so a repeat absorbs some of them, closes the panes of all models, and counts the
closing once for a thousand batches.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from bench.batches import fetch
from bench.checks import check_psi
from bench.figure import CheckFailedError, Found, Row, Size, expect
from bench.processes import Stopwatch
from bench.workload import PANE, START, Workload
from detectors.bundle import Bundle
from detectors.detect import Detect, DetectFlushed
from detectors.monitor import Monitor, Monitors
from detectors.point import Point
from detectors.settings.watching import Alerts, Floors
from detectors.specification import MonitorSpecification
from detectors.summarise import Fetch, Summarise

BATCH = 10_000
EVENTS_PER_PANE = 10_000
SMALL_PANE = 1_000
BATCHES_PER_EPOCH = 50
FEATURES = 20


class Core:
    """Both stages, joined as a worker's driver joins them."""

    def __init__(self, specifications: Iterable[MonitorSpecification]) -> None:
        monitors = Monitors(Monitor(specification=specification) for specification in specifications)
        self._summarise = Summarise(0, monitors)
        self._detect = Detect(monitors)
        self._epoch = 0
        self.points: list[Point] = []

    def absorb(self, one: Fetch) -> None:
        """Take a batch."""
        self._summarise.absorb(one)

    def epoch(self) -> DetectFlushed:
        """Hand over what is new, and judge what has closed; returns what detection said."""
        self._epoch += 1
        flushed = self._summarise.flush()
        bundle = Bundle(
            partition=0, partitions=1, generation=1, epoch=self._epoch, high=flushed.high, covered=flushed.covered, summaries=flushed.summaries, cohorts=flushed.cohorts
        )
        self._detect.absorb(bundle, self._epoch)
        detected = self._detect.flush()
        self.points += detected.points
        return detected

    def manifest(self) -> dict[str, Any]:
        """Of detection."""
        return self._detect.manifest()


def one_model(size: Size) -> Found:
    """One model, 20 features: each batch is a pane."""
    return _of_one_model(size, EVENTS_PER_PANE)


def small_panes(size: Size) -> Found:
    """The same with ten panes in each batch and without floors, so that every window is judged; in feature values."""
    without = Floors(rate=0, shift=0, deviation_ratio=1, categories=0)
    found = _of_one_model(size, SMALL_PANE, alerts=Alerts(floors=without))
    return Found(figures=tuple(FEATURES * figure for figure in found.figures), details={**found.details, "features": FEATURES, "events_per_pane": SMALL_PANE})


def _of_one_model(size: Size, per_pane: int, **settings: Any) -> Found:
    batches = BATCHES_PER_EPOCH * size.of(2)
    workload = Workload(features=FEATURES, beginning=2 * BATCH, per_pane=per_pane)
    specification = workload.specifications(**settings)[0]
    core, first = Core([specification]), 0

    def rate(per_epoch: int) -> float:
        nonlocal first
        fetches = [fetch(workload, start, start + BATCH) for start in range(first, first + batches * BATCH, BATCH)]
        first += batches * BATCH
        watch = Stopwatch()
        for number, one in enumerate(fetches, start=1):
            core.absorb(one)
            if number % per_epoch == 0:
                core.epoch()
        return batches * BATCH / watch.seconds

    each_batch = [rate(1), rate(1)][-1]  # the first fills caches and windows
    figures = [rate(BATCHES_PER_EPOCH) for _ in range(size.repeats)]
    _check(core.points, workload, specification, first, closed_until=int(workload.time(np.array([first - 1]))[0]) - PANE)
    return Found(figures=tuple(figures), details={"events": batches * BATCH, "events_per_cpu_second_with_an_epoch_for_each_batch": each_batch})


def thousand_models(size: Size) -> Found:
    """A thousand models in every batch, ten rows of each."""
    models = size.of(1_000, multiple=10)
    batches = BATCHES_PER_EPOCH * size.of(4)
    workload = Workload(models=models, beginning=2 * BATCH, per_pane=batches * BATCH)
    specifications = workload.specifications()
    core, figures, first = Core(specifications), [], 2 * BATCH
    core.absorb(fetch(workload, 0, first))
    core.epoch()
    details: dict[str, float] = {}
    for _ in range(size.repeats):
        absorbing = 0.0
        for start in range(first, first + batches * BATCH, BATCHES_PER_EPOCH * BATCH):
            fetches = [fetch(workload, at, at + BATCH) for at in range(start, start + BATCHES_PER_EPOCH * BATCH, BATCH)]
            watch = Stopwatch()
            for one in fetches:
                core.absorb(one)
            core.epoch()
            absorbing += watch.seconds
        first += batches * BATCH
        closing = _close(core, workload, first)
        panes = models * EVENTS_PER_PANE / (batches * BATCH)
        figures.append(models * EVENTS_PER_PANE / (absorbing * panes + closing))
        details = {
            "absorb_microseconds_per_event": 1e6 * absorbing / (batches * BATCH),
            "absorb_microseconds_per_model_and_batch": 1e6 * absorbing / (batches * models),
            "close_milliseconds_per_pane": 1e3 * closing / models,
        }
    _check(core.points, workload, specifications[0], first, closed_until=int(workload.time(np.array([first]))[0]) - PANE)
    return Found(figures=tuple(figures), details=details | {"models": models, "events": batches * BATCH})


def _close(core: Core, workload: Workload, end: int) -> float:
    """CPU seconds to move event time so that one more pane of every model closes."""
    high = int(workload.time(np.array([end]))[0])
    watch = Stopwatch()
    core.absorb(Fetch(end=end, high=high))
    core.epoch()
    return watch.seconds


def _check(points: list[Point], workload: Workload, specification: MonitorSpecification, end: int, *, closed_until: int) -> None:
    events = workload.events(0, end)
    mine = events.of % workload.models == 0
    closed = mine & (events.time < (closed_until - START) // PANE * PANE + START)
    final = [point for point in points if point.measurement == "traffic" and point.fields["final"] and point.tags["model"] == specification.model]
    expect("predictions in closed panes", sum(int(point.fields["predictions"]) for point in final), int(closed.sum()))
    windows = [point for point in points if point.tags["model"] == specification.model and point.tags.get("window") == "10m"]
    check_psi({(point.time, point.tags["feature"]): point for point in windows if point.measurement == "drift"}, specification, events.time, events.matrix, mine)
    _check_accuracy([point for point in windows if point.measurement == "performance"], workload, end)


def _check_accuracy(points: list[Point], workload: Workload, end: int) -> None:
    events = workload.events(0, end)
    last = max(points, key=lambda point: point.time)
    rows = (events.of % workload.models == 0) & (events.time >= last.time - 600_000) & (events.time < last.time)
    truth = float((events.predicted[rows] == events.label[rows]).mean())
    if abs(float(last.fields["accuracy"]) - truth) > 1e-12:
        raise CheckFailedError(f"accuracy over {int(rows.sum())} rows: got {last.fields['accuracy']}, numpy says {truth}")


ROWS = (
    Row(
        name="core",
        what="pure core: a decoded batch of 10,000, 20 features, panes of 10,000, epochs of 50",
        sense="at least",
        target=2_500_000,
        unit="events/CPU s",
        run=one_model,
    ),
    Row(
        name="core-panes",
        what="the same in panes of 1,000 and with floors of 0: each of the 20 features binned, and its monitor asked at the end of each pane",
        sense="at least",
        target=10_000_000,
        unit="feature values/CPU s",
        run=small_panes,
    ),
    Row(name="core-1000", what="the same with 1,000 models in the batch", sense="at least", target=500_000, unit="events/CPU s", run=thousand_models),
)
