"""Our own monitors as they are evaluated: each stream is a column of one bank, so that hundreds of streams cost little more than one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from detectors.budget import FalseAlarmBudget
from detectors.columns.binning import encode
from detectors.detector import Detector
from detectors.evaluation.labelled_streams import LabelledStreams
from detectors.evaluation.watched import Watched
from detectors.event_batch import Float64, Int64
from detectors.monitors.bank import detectors_of
from detectors.monitors.categorical_drift import CategoricalDrift
from detectors.monitors.numeric_drift import NumericDrift
from detectors.monitors.rate_change import Rate, RateChange
from detectors.profile import CategoricalProfile
from detectors.references.reference import profile_of
from detectors.scans.scored_windows import Bank
from detectors.scans.window_bank import WindowBank
from detectors.settings.feature import Feature
from detectors.specification import MonitorSpecification
from detectors.verdict import Status

EVENT = 100  # milliseconds from one event to the next
PANES_AT_ONCE = 256  # a multiple of what a bank scores at once; more would only need more memory


@dataclass(frozen=True, kw_only=True)
class Monitored(ABC):
    """A bank that watches each stream with a monitor of its own, until it alarms.

    Attributes
    ----------
    budget : events between two false alarms that a monitor may raise.
    pane : events in a pane.
    """

    budget: float = 100_000
    pane: int = 10

    def watch(self, streams: LabelledStreams) -> Watched:
        """Pane after pane; events behind the last whole pane are not seen."""
        length, count = streams.values.shape
        panes = length // self.pane
        bank = self._bank(count)
        detector, counts_of = self.prepare(bank, streams.reference)
        state = detector.initial()
        status = np.empty((panes, count), np.uint8)
        for first in range(0, panes, PANES_AT_ONCE):
            end = min(first + PANES_AT_ONCE, panes)
            counts = counts_of(streams.values[first * self.pane : end * self.pane])
            state, verdicts = detector.walk(state, counts, range(first * bank.pane, end * bank.pane, bank.pane))
            status[first:end] = verdicts.status
        learning = (status == Status.LEARNING).sum(axis=0, dtype=np.int64) * self.pane
        return Watched.of_first_alarms(status == Status.DRIFT, pane=self.pane, learning=learning)

    def _bank(self, monitors: int) -> Bank:
        """What a specification gives to its only monitor, for each of so many."""
        budget = FalseAlarmBudget(alarms=1, events=round(self.budget))
        pane = self.pane * EVENT
        specification = MonitorSpecification(model="evaluation", task="regression", pane=pane, windows=(pane,), false_alarms=budget, events_per_pane=float(self.pane))
        (bank,) = (detector.bank for detector in detectors_of(specification) if isinstance(detector, WindowBank))
        return replace(bank, names=tuple(f"stream:{place}" for place in range(monitors)))

    @abstractmethod
    def prepare(self, bank: Bank, reference: Float64) -> tuple[Detector, Callable[[Float64], Float64]]:
        """The detector for references (r, m), and what makes the panes' counts (k, size) of values (k * pane, m)."""

    def _counted(self, cells: Int64, size: int) -> Float64:
        """(k, size) how often each cell comes in each pane, from the cells (k * pane, m) of its events."""
        panes = len(cells) // self.pane
        places = cells.reshape(panes, -1) + np.arange(panes)[:, None] * size
        return np.bincount(places.ravel(), minlength=panes * size).reshape(panes, size).astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class RateMonitor(Monitored):
    """`RateChange`, or another class with its arguments, on streams of 0 and 1.

    Attributes
    ----------
    detector : the class.
    floor : smallest material rise.
    learnt : whether the stream's own first events become the reference; the given one is not looked at.
    """

    detector: type[RateChange] = RateChange
    floor: float = 0.0
    learnt: bool = False

    def prepare(self, bank: Bank, reference: Float64) -> tuple[Detector, Callable[[Float64], Float64]]:
        """Two cells a stream: right, wrong."""
        columns = np.arange(reference.shape[1])
        hits = reference.sum(axis=0)
        rates = [Rate(hits=[2 * at + 1], events=[2 * at, 2 * at + 1], reference=None if self.learnt else (float(hits[at]), float(len(reference)))) for at in columns.tolist()]
        return self.detector(bank, rates=rates, floor=self.floor), lambda values: self._counted(2 * columns + values.astype(np.int64), 2 * len(columns))


@dataclass(frozen=True, kw_only=True)
class NumericMonitor(Monitored):
    """`NumericDrift` on streams of numbers.

    Attributes
    ----------
    shift, deviation_ratio : floors.
    cycles : periods to learn from the reference, in events.
    """

    shift: float = 0.0
    deviation_ratio: float = 1.0
    cycles: Sequence[int] = ()

    def prepare(self, bank: Bank, reference: Float64) -> tuple[Detector, Callable[[Float64], Float64]]:
        """Bins of each stream's own reference."""
        time = np.arange(-len(reference), 0, dtype=np.int64) * EVENT
        periods = [period * EVENT for period in self.cycles]
        columns = {name: reference[:, at] for at, name in enumerate(bank.names)}
        found = profile_of(columns, features=dict.fromkeys(bank.names, Feature(type="numeric")), task="regression", time=time, cycles=periods).features
        profiles = [profile for profile in found.values() if profile.kind == "numeric"]
        blocks = _blocks([len(profile.scores) for profile in profiles])
        detector = NumericDrift(bank, profiles=profiles, blocks=blocks, shift=self.shift, deviation_ratio=self.deviation_ratio)

        def counts_of(values: Float64) -> Float64:
            cells = [block.start + encode(column, profile) for column, profile, block in zip(values.T, profiles, blocks, strict=True)]
            return self._counted(np.stack(cells, axis=1), blocks[-1].stop)

        return detector, counts_of


@dataclass(frozen=True, kw_only=True)
class CategoricalMonitor(Monitored):
    """`CategoricalDrift` on streams of categories, by their numbers 0 to ``levels - 1``.

    Attributes
    ----------
    levels : number of categories.
    floor : of the total variation.
    """

    levels: int
    floor: float = 0.0

    def prepare(self, bank: Bank, reference: Float64) -> tuple[Detector, Callable[[Float64], Float64]]:
        """A cell for each level."""
        names = tuple(str(level) for level in range(self.levels))
        of_streams = [np.bincount(column.astype(np.int64), minlength=self.levels).tolist() for column in reference.T]
        profiles = [CategoricalProfile(levels=names, counts=tuple(counts)) for counts in of_streams]
        blocks = _blocks([self.levels] * len(profiles))
        starts = np.array([block.start for block in blocks])
        detector = CategoricalDrift(bank, profiles=profiles, blocks=blocks, floor=self.floor)
        return detector, lambda values: self._counted(starts + values.astype(np.int64), blocks[-1].stop)


def _blocks(sizes: Sequence[int]) -> list[slice]:
    """Where each column stands in a summary vector: its cells, and two more of what is unseen or out of range, and missing."""
    ends = np.cumsum(np.array(sizes) + 2).tolist()
    return [slice(end - size - 2, end) for end, size in zip(ends, sizes, strict=True)]
