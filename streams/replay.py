"""Replay: the same stages over a file, in one process, without a broker and in virtual time.

For trying a monitor on history, for backtests and for tests. What retraining would have done is `streams.retraining_replay`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from detectors.alerts.alert import Alert
from detectors.bundle import Bundle
from detectors.detect import Detect
from detectors.detector import State
from detectors.event_batch import NO_TIME, Column, Float64
from detectors.metric import Metric, rate
from detectors.metrics.performance import weighted_mean
from detectors.monitor import Monitor, Monitors
from detectors.pane import pane_after
from detectors.point import Point
from detectors.references.stream_reference import Learnt
from detectors.rows.labelled_rows import LabelledRows
from detectors.specification import MonitorSpecification, Task
from detectors.statistics.sampling import effective_rate
from detectors.summarise import Fetch, Summarise
from retrainer.decision import Decision
from retrainer.paired_difference import paired_difference
from retrainer.versions import Version
from streams.file_events import ColumnNames, EventOrder, Rows, rows_of
from streams.metric_functions import functions_of
from streams.tables import Table

ROWS_AT_ONCE = 20_000
ROWS_WHILE_LEARNING = 1_000
"""A reference that is learnt from the first rows is in force from the next thousand on."""


class Stages:
    """Both stages of one model in one process: fetches in; examples, points and alerts out."""

    def __init__(self, specification: MonitorSpecification, *, metrics: bool = True) -> None:
        self._monitors = Monitors([Monitor(specification=specification)], functions_of=functions_of)
        self._specification = specification
        self._summarise = Summarise(0, self._monitors)
        self._detect = Detect(self._monitors, metrics=metrics)
        self._epoch = 0
        self.states: dict[str, State] = {}  # of the banks, after the last pane that closed

    @property
    def specification(self) -> MonitorSpecification:
        """What is in force: once a reference was learnt from the first rows, the specification with it."""
        newest = self._monitors.latest(self._specification.model)
        return self._specification if newest is None else newest.specification

    def step(self, fetch: Fetch) -> tuple[tuple[LabelledRows, ...], tuple[Point, ...], tuple[Alert, ...]]:
        """Take a fetch, as one epoch."""
        self._summarise.absorb(fetch)
        return self._tell(self._summarise.high)

    def finish(self, rest: Fetch | None) -> tuple[tuple[LabelledRows, ...], tuple[Point, ...], tuple[Alert, ...]]:
        """Take what is left, and move event time past the last pane and its lateness, so that everything closes."""
        if rest is not None:
            self._summarise.absorb(rest)
        return self._tell(self._summarise.high + self._specification.lateness + self._specification.pane)

    def _tell(self, high: int) -> tuple[tuple[LabelledRows, ...], tuple[Point, ...], tuple[Alert, ...]]:
        self._epoch += 1
        flushed = self._summarise.flush()
        bundle = Bundle(
            partition=0,
            partitions=1,
            generation=1,
            epoch=self._epoch,
            high=high,
            covered=flushed.covered,
            summaries=flushed.summaries,
            cohorts=flushed.cohorts,
            first_rows=flushed.first_rows,
        )
        self._detect.absorb(bundle, self._epoch)
        detected = self._detect.flush()
        states = {int(piece.key[2]): piece.value["watch"]["detectors"] for piece in detected.pieces if piece.key[0] == "model"}
        self.states = states[max(states)] if states else self.states
        for learnt in detected.learnt:
            self._put_in_force(learnt)
        return flushed.examples, tuple(detected.points), detected.alerts

    def _put_in_force(self, learnt: Learnt) -> None:
        """From the first pane that no row has reached, as on Kafka."""
        start = pane_after(self._summarise.high, learnt.specification.pane)
        self._monitors.add(Monitor(specification=learnt.specification, revision=learnt.revision + 1, effective_from=start))


@dataclass
class LossSums:
    """Sums over labelled rows of w, w x and w x^2, where x is a row's loss and w how many rows it stands for; ``weighed`` with w^2 for w."""

    plain: Float64 = field(default_factory=lambda: np.zeros(3))
    weighed: Float64 = field(default_factory=lambda: np.zeros(3))

    def add(self, loss: Float64, weight: Float64) -> None:
        """Count rows, (n,) each."""
        powers = np.stack([np.ones(len(loss)), loss, loss**2])
        self.plain += powers @ weight
        self.weighed += powers @ weight**2

    @property
    def mean(self) -> float:
        """Mean loss; nan without a label."""
        return weighted_mean("loss", self._sums, tuple(self.weighed.tolist())).value

    def metric(self, task: Task) -> Metric:
        """``accuracy``, or the mean absolute error ``mae``: n and the 95 % interval are those of the points of the same name.

        Examples
        --------
        >>> sums = LossSums()
        >>> sums.add(np.repeat([0.0, 1.0], [90, 10]), np.ones(100))
        >>> accuracy = sums.metric("classification")
        >>> accuracy.value, accuracy.n, [round(bound, 3) for bound in accuracy.interval]
        (0.9, 100.0, [0.826, 0.945])
        """
        if task == "regression":
            return weighted_mean("mae", self._sums, tuple(self.weighed.tolist()))
        rows, wrong, _ = self._sums
        hits, events = effective_rate(*(np.array(one) for one in (rows - wrong, rows, self.weighed[0] - self.weighed[1], self.weighed[0])))
        return rate("accuracy", float(np.nan_to_num(hits)), float(np.nan_to_num(events)))

    @property
    def _sums(self) -> tuple[float, float, float]:
        rows, total, squares = self.plain.tolist()
        return rows, total, squares


@dataclass
class Losses:
    """Losses of the predictions that were made, and of those that the first champion would have made, on the same rows.

    ``pairs`` has the stage of a part of the rows, and (2, n): made minus static, and how many rows each stands for.
    """

    rows: int = 0
    made: LossSums = field(default_factory=LossSums)
    static: LossSums = field(default_factory=LossSums)
    pairs: list[tuple[int, Float64]] = field(default_factory=list)

    def add(self, made: Column, label: Column, fraction: Float64, *, static: Column | None = None, stage: int = 0) -> None:
        """Count rows that have the predictions and a label: an error is 1 (classification), or its absolute size (regression), and as often as the row stands for.

        Parameters
        ----------
        static : (n,) of the first champion; None where nothing is compared.
        stage : the same for rows that the same versions answered.
        """
        predictions = [made] if static is None else [made, static]
        if label.dtype == object:
            known = np.all([np.asarray(one != None, bool) for one in (label, *predictions)], axis=0)  # noqa: E711  elementwise
            losses = [(one[known] != label[known]).astype(np.float64) for one in predictions]
        else:
            known = ~np.isnan([label, *predictions]).any(axis=0)
            losses = [np.abs(one[known] - label[known]) for one in predictions]
        weight = 1 / np.nan_to_num(fraction[known], nan=1.0)
        self.made.add(losses[0], weight)
        self.rows += len(weight)
        if static is not None:
            self.static.add(losses[1], weight)
            self.pairs.append((stage, np.stack([losses[0] - losses[1], weight])))

    def difference(self, task: Task) -> Metric:
        """Mean loss with retraining minus that without it, see `paired_difference`: below 0 retraining is better."""
        difference, weight = np.concatenate([part for _, part in self.pairs], axis=1) if self.pairs else np.empty((2, 0))
        stage = np.repeat([stage for stage, _ in self.pairs], [part.shape[1] for _, part in self.pairs]).astype(np.int64)
        return paired_difference(difference, weight, stage, bounded=task == "classification")


@dataclass(kw_only=True)
class Replayed:
    """What a replay gave; ``states`` are the banks' in the end, by the names of their monitors joined by commas."""

    specification: MonitorSpecification
    rows: int = 0
    first: int = NO_TIME
    last: int = NO_TIME
    points: list[Point] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    losses: Losses = field(default_factory=Losses)
    states: dict[str, State] = field(default_factory=dict)

    @property
    def opened(self) -> list[Alert]:
        """Alerts, each once."""
        return [alert for alert in self.alerts if alert.status == "opened"]

    @property
    def fits(self) -> int:
        """Trainings, failed ones too; the first champion's is not counted."""
        trained = {version.version for version in self.versions if version.status in {"registered", "rejected"}} - {"1"}
        return len(trained) + sum(version.status == "updated" and "cause" in version.gate for version in self.versions)

    def take(self, rows: Rows, points: Iterable[Point], alerts: Iterable[Alert]) -> None:
        """Add what some rows gave."""
        if self.rows == 0:
            self.first = int(rows.time[0])
        self.rows += len(rows)
        self.last = max(self.last, int(rows.time.max()))
        self.points += points
        self.alerts += alerts


Progress = Callable[[int], None]


def replay(tables: Iterable[Table], specification: MonitorSpecification, names: ColumnNames, *, metrics: bool = True, progress: Progress = lambda _: None) -> Replayed:
    """Run the stages over a file whose predictions (and labels) are in it.

    Parameters
    ----------
    tables : chunks of one file or of several that follow each other, in order.
    progress : is told the rows of each chunk.
    """
    stages, order = Stages(specification, metrics=metrics), EventOrder(specification, names)
    replayed = Replayed(specification=specification)
    for rows in parts_of(tables, specification, names, ROWS_AT_ONCE if specification.reference.learning is None else ROWS_WHILE_LEARNING):
        _, points, alerts = stages.step(order.fetch(rows))
        replayed.losses.add(rows.prediction, rows.label, rows.fraction)
        replayed.take(rows, points, alerts)
        progress(len(rows))
    _, points, alerts = stages.finish(order.rest())
    replayed.points += points
    replayed.alerts += alerts
    replayed.states, replayed.specification = stages.states, stages.specification
    return replayed


def parts_of(tables: Iterable[Table], specification: MonitorSpecification, names: ColumnNames, size: int) -> Iterator[Rows]:
    """Parts of ``size`` rows (the last may be smaller), however the tables were cut, so that decisions fall at the same rows."""
    waiting: list[Rows] = []
    done = 0
    for table in tables:
        for rows in rows_of(table, specification, names, first=done).split(size):
            waiting.append(rows)
            held = sum(map(len, waiting))
            if held >= size:
                whole = Rows.concatenate(waiting)
                yield whole.take(slice(0, size))
                waiting = [whole.take(slice(size, held))] if held > size else []
        done += len(table)
    if waiting:
        yield Rows.concatenate(waiting)
