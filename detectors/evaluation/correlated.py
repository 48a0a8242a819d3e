"""Events of many columns whose correlations change, while each column stays the same: a law of vectors, and our monitor of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from detectors.columns.grid_bins import GridBins
from detectors.detector import Detector
from detectors.evaluation.labelled_streams import LabelledStreams
from detectors.evaluation.monitors import EVENT, PANES_AT_ONCE, Monitored
from detectors.evaluation.watched import Watched
from detectors.event_batch import Float64
from detectors.event_batch import UInt8 as Codes
from detectors.monitors.correlation_drift import CorrelationDrift
from detectors.panes.correlation_sums import CorrelationSums, block_size, scores_of
from detectors.references.correlation_reference import correlation_profile
from detectors.references.reference import numeric_profile
from detectors.rows.row_groups import RowGroups
from detectors.scans.scored_windows import Bank
from detectors.verdict import Status


@dataclass(frozen=True)
class Correlated:
    """Standard normal columns with one correlation between any two, which changes; each stream is so many columns.

    Attributes
    ----------
    before, after : the correlation, from 0 to 1.
    features : columns of a stream.

    Examples
    --------
    >>> values = Correlated(0.0, 0.3, features=4).draw(np.random.default_rng(1), np.ones((20_000, 1)))
    >>> values.shape, round(float(np.corrcoef(values.T)[0, 3]), 1)
    ((20000, 4), 0.3)
    """

    before: float
    after: float
    features: int = 20

    def draw(self, generator: np.random.Generator, weight: Float64, first: int = 0) -> Float64:
        """(n, m d) values of ``m`` streams, the columns of a stream side by side."""
        del first  # every event is like every other
        events, streams = weight.shape
        values = generator.standard_normal((events, streams, self.features), dtype=np.float32)  # of many columns, which are binned: digits would only take memory
        shared = generator.standard_normal((events, streams), dtype=np.float32)
        correlation = self.before + (self.after - self.before) * weight
        values *= np.sqrt(1 - correlation).astype(np.float32)[..., None]
        values += (np.sqrt(correlation) * shared).astype(np.float32)[..., None]
        return values.reshape(events, streams * self.features)  # type: ignore[return-value]  # float32

    def log_ratio(self, values: Float64, first: int = 0) -> Float64:
        """(n, m) of two normal laws."""
        del first
        of_stream = values.reshape(len(values), -1, self.features)
        squares = np.einsum("nmd,nmd->nm", of_stream, of_stream, dtype=np.float64)
        along = of_stream.sum(axis=2, dtype=np.float64) ** 2 / self.features
        return self._log_density(squares, along, self.after) - self._log_density(squares, along, self.before)

    def _log_density(self, squares: Float64, along: Float64, correlation: float) -> Float64:
        """But for what is the same at every correlation; the law has one variance along the mean of the columns, and another across it."""
        mean, rest = 1 + (self.features - 1) * correlation, 1 - correlation
        return -0.5 * (along / mean + (squares - along) / rest + math.log(mean) + (self.features - 1) * math.log(rest))


@dataclass(frozen=True, kw_only=True)
class CorrelationMonitor(Monitored):
    """`CorrelationDrift` on streams of so many columns each.

    Attributes
    ----------
    features : columns of a stream.
    floor : of the mean absolute difference of correlations.
    """

    features: int = 20
    floor: float = 0.0

    @override
    def watch(self, streams: LabelledStreams) -> Watched:
        """One stream after another: each is a bank of its own."""
        length = len(streams.values) // self.pane * self.pane
        count = streams.values.shape[1] // self.features
        columns = [streams.values[:length, at * self.features : (at + 1) * self.features] for at in range(count)]
        references = [streams.reference[:, at * self.features : (at + 1) * self.features] for at in range(count)]
        status = np.stack([self._watched(values, reference) for values, reference in zip(columns, references, strict=True)], axis=1)
        learning = (status == Status.LEARNING).sum(axis=0, dtype=np.int64) * self.pane
        return Watched.of_first_alarms(status == Status.DRIFT, pane=self.pane, learning=learning)

    def _watched(self, values: Float64, reference: Float64) -> Codes:
        """(panes,) status after each pane."""
        detector, counts_of = self.prepare(self._bank(1), reference)
        state, found = detector.initial(), []
        for first in range(0, len(values), PANES_AT_ONCE * self.pane):
            counts = counts_of(values[first : first + PANES_AT_ONCE * self.pane])
            begin = first // self.pane
            state, verdicts = detector.walk(state, counts, range(begin * self.pane * EVENT, (begin + len(counts)) * self.pane * EVENT, self.pane * EVENT))
            found.append(verdicts.status[:, 0])
        return np.concatenate(found)

    @override
    def prepare(self, bank: Bank, reference: Float64) -> tuple[Detector, Callable[[Float64], Float64]]:
        """The block of correlations of one stream, with the reference's own bins."""
        names = [f"x{place}" for place in range(self.features)]
        columns = dict(zip(names, reference.T.astype(np.float64), strict=True))
        profiles = {name: numeric_profile(values) for name, values in columns.items()}
        starts = np.cumsum([0, *(len(profile.counts) + 2 for profile in profiles.values())]).tolist()
        bins = GridBins([np.asarray(profile.edges) for profile in profiles.values()], starts[:-1])
        sums = CorrelationSums(list(profiles.values()), starts=starts[:-1], places=range(self.features), size=starts[-1])
        detector = CorrelationDrift(bank, profile=correlation_profile(columns, profiles), block=slice(0, block_size(self.features)), floor=self.floor)

        def counts_of(values: Float64) -> Float64:
            panes = len(values) // self.pane
            counts = np.zeros((panes, block_size(self.features)))
            groups = RowGroups([(place, "", "") for place in range(panes)], np.repeat(np.arange(panes), self.pane), len(values))
            sums.add(counts, groups, scores_of(sums, bins.cells(values.astype(np.float64))))
            return counts

        return detector, counts_of
