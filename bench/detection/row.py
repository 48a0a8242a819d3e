"""What a row of the detection bench is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from detectors.evaluation import CategoricalMonitor, CorrelationMonitor, FalseAlarms, Law, Levels, Moved, NumericMonitor, RateMonitor, Watcher
from detectors.evaluation.false_alarms import false_alarms_of
from detectors.evaluation.labelled_streams import null_batches
from detectors.settings.watching import Floors

Column = Literal["rate", "numeric", "categorical", "correlation"]
BUDGET = 100_000
"""Events in which one false alarm is allowed."""
DEFAULT_FLOORS = Floors()
NO_FLOORS = Floors(rate=0, shift=0, deviation_ratio=1, categories=0, correlation=0)
STREAMS = 100
"""Null streams that are watched together."""
LENGTH = 40_000
"""Events of each."""


@dataclass(frozen=True)
class Size:
    """How much of a row is run.

    Attributes
    ----------
    seeds : streams with a change.
    null_events : without one, for each of our monitors; of a detector that takes one value after another a twentieth, and for looking for its setting another.
    """

    seeds: int = 400
    null_events: int = 40_000_000

    def __post_init__(self) -> None:
        if self.seeds < 1 or self.null_events < 1:
            raise ValueError(f"there must be a seed and a null event at least, got {self.seeds} and {self.null_events}")

    @staticmethod
    def of(factor: float) -> Size:
        """Less than the whole, for trying.

        Examples
        --------
        >>> Size.of(0.1)
        Size(seeds=40, null_events=4000000)
        """
        whole = Size()
        return Size(max(round(whole.seeds * factor), 1), max(round(whole.null_events * factor), 1))

    @property
    def rival_events(self) -> int:
        """Null events for a detector that takes one value after another."""
        return max(self.null_events // 20, 1)


@dataclass(frozen=True, kw_only=True)
class DetectionRow:
    """One line of the table.

    Attributes
    ----------
    name, what : what it is asked for by, and in words.
    column : which of our monitors watches it.
    law : before and after the change.
    target : median delay in events that must be reached; none where it is only stated.
    of_row : row of whose median delay the target is a multiple.
    ramp : events that the change takes.
    limit : events within which 99 of 100 changes must be found.
    reference : rows of the reference; 0 where the stream's first events become it.
    cycles : periods that the monitor is told of, in events.
    share : of the budget that the monitor has.
    group : monitors that live on one budget, equally, and whose first alarm is the model's; only false alarms are counted, for each 100,000 events of the model.
    constant : how far the change has come in all events of the null streams: a difference from the reference that lasts, and is within the floor.
    floors : default floors instead of none.
    sets : of streams with a change; more than one where the median is so near to its target that one set would not tell.
    rivals : whether other detectors are run, too.
    allowed : false alarms per 100,000 events at most.
    """

    name: str
    what: str
    column: Column
    law: Law
    target: float | None = None
    of_row: str | None = None
    ramp: int = 0
    limit: int = 1_000
    reference: int = 10_000
    cycles: tuple[int, ...] = ()
    share: float = 1.0
    group: int = 1
    constant: float = 0.0
    floors: bool = False
    sets: int = 1
    rivals: bool = False
    allowed: float = 1.2

    @property
    def only_false_alarms(self) -> bool:
        """Whether no delay is measured."""
        return self.group > 1 or self.constant > 0

    def monitor(self, *, floors: bool = False) -> Watcher:
        """Ours, without floors or with the default ones."""
        least = DEFAULT_FLOORS if floors or self.floors else NO_FLOORS
        budget = BUDGET * self.group / self.share
        if self.column == "rate":
            return RateMonitor(budget=budget, floor=least.rate, learnt=self.reference == 0)
        if self.column == "numeric":
            return NumericMonitor(budget=budget, shift=least.shift, deviation_ratio=least.deviation_ratio, cycles=self.cycles)
        if self.column == "correlation":
            return CorrelationMonitor(budget=budget, floor=least.correlation)
        levels = len(self.law.before) if isinstance(self.law, Levels) else 0
        return CategoricalMonitor(budget=budget, floor=least.categories, levels=levels)

    def within_floor(self) -> float:
        """Share of the change that is as large as the default floor; 1 and more where the whole change is within it.

        Examples
        --------
        >>> from detectors.evaluation import Rate
        >>> round(DetectionRow(name="", what="", column="rate", law=Rate(0.1, 0.2)).within_floor(), 2)
        0.2
        """
        if isinstance(self.law, Moved) and self.law.scale != 1:
            return (DEFAULT_FLOORS.deviation_ratio - 1) / abs(self.law.scale - 1)
        if self.column == "categorical" and isinstance(self.law, Levels):
            return DEFAULT_FLOORS.categories / (0.5 * float(np.abs(np.subtract(self.law.after, self.law.before)).sum()))
        streams = 1 if self.column == "correlation" else 20
        before, after = (self.law.draw(np.random.default_rng(1), np.full((10_000, streams), weight)) for weight in (0.0, 1.0))
        if self.column == "correlation":
            pairs = np.asarray(np.corrcoef(after.T)) - np.asarray(np.corrcoef(before.T))
            return DEFAULT_FLOORS.correlation / float(np.abs(pairs[np.triu_indices(len(pairs), 1)]).mean())
        moved = abs(float(after.mean() - before.mean()))
        return DEFAULT_FLOORS.rate / moved if self.column == "rate" else DEFAULT_FLOORS.shift * float(before.std()) / moved

    def false_alarms(self, events: int, seed: int, *, floors: bool = False) -> FalseAlarms:
        """Of ours on null streams, in so many events of the monitor (of the model, where monitors live on one budget)."""
        streams, length = (self.group, min(LENGTH, events)) if self.group > 1 else (min(STREAMS, -(-events // LENGTH)), min(LENGTH, events))
        monitor, found = self.monitor(floors=floors), FalseAlarms(0, 0)
        for batch in null_batches(self.law, events=events * self.group, length=length, seed=seed, streams=streams, reference=self.reference, weight=self.constant):
            watched = monitor.watch(batch)
            found += false_alarms_of(watched.together(self.group) if self.group > 1 else watched)
        return found
