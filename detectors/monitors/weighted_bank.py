"""A bank that is given events which stand for several each: it judges windows by the events that these are worth.

The history holds sums of weights, sums of their squares, and what the dependence of events is measured by. Whatever the sampling fractions depend on, and however they change, a
window's sums of weights are those of all of the traffic; its design effect says how many events that would tell as much (`detectors.statistics.sampling`). The bank within is given
so many, so that its false-alarm rate is what it is for events that stand for themselves. Of several channels of one monitor the least that any of them is worth counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from typing_extensions import override

from detectors.detector import State
from detectors.event_batch import Bool, Float64
from detectors.monitors.loss_change import LossChange
from detectors.monitors.rate_change import RateChange
from detectors.monitors.slow_rate import SlowRate
from detectors.references.learnt_reference import LEARN_EVENTS, grown, grows
from detectors.scans.history import Cells, Histogram
from detectors.scans.panel import Way
from detectors.scans.scored_windows import Remains, Scored, Told, Windows
from detectors.scans.window_bank import WindowBank
from detectors.statistics.sampling import effective_share

LEAST = 40.0
"""Events of one weight that are worth as much as a window (Kish 1965), from which on it is looked at where its events are of several."""

ENOUGH = 200.0
"""The same, from which on a window's design effect is known to a tenth or so, and speaks for the shorter ones."""

SHARES = 10.0  # that stand for the events of a pane where panes count alike; any number above 1 would do


class WeightedBank(WindowBank):
    """The same monitors, of weighted events.

    Parameters
    ----------
    within : the bank that judges; of what is linear in the counts of a pane, so not one with a statistic of its own.
    cells : in each half of a summary vector, see `Layout`.
    """

    def __init__(self, within: WindowBank, *, cells: int) -> None:
        channels = len(within.channel_monitor)
        own = 2 * within.width + np.arange(3 * channels).reshape(3, channels)
        of_monitors, of_events = within.channel_monitor, within.channel_of_events
        super().__init__(within.bank, width=2 * within.width + 3 * channels, channel_sums=own, channel_monitor=of_monitors, channel_of_events=of_events)
        self._within, self._cells, self._sums = within, cells, within.width
        self._expected = within.expected(within.initial())
        self.one_sided = within.one_sided
        self._monitor_of = np.zeros(within.width, np.int64)
        for monitor, sums in zip(within.channel_monitor.tolist(), within.channel_sums.T, strict=True):
            self._monitor_of[sums] = monitor

    @property
    def floors(self) -> Float64:
        """(m,) those of the bank within."""
        return self._within.floors

    @property
    def thresholds(self) -> tuple[Float64, Float64]:
        """(m,) each: of DRIFT, and of WARNING."""
        return self._within.thresholds

    def initial(self) -> State:
        """State before the first pane; a learnt reference is kept as sums of weights and of their squares, too."""
        within, state = self._within.initial(), super().initial()
        more = {name: value for name, value in within.items() if name not in state}
        return state | more | ({"weighed": np.zeros((2, *_rows_by_monitor(more["learnt"]).shape))} if "learnt" in more else {})

    @override
    def sums_of(self, counts: Float64, starts: Sequence[int]) -> Float64:
        """(k, q) of the weights, of their squares, and the channels."""
        return self._beside(*(self._within.sums_of(half, starts) for half in self._halves(counts)))

    @override
    def way(self, state: State, counts: Float64, starts: Sequence[int], *, gone: bool = False) -> Way:
        """What to walk with through closed panes; a limit that is learnt is that of the weights."""
        if not isinstance(self._within, SlowRate):
            return super().way(state, counts, starts, gone=gone)
        halves = self._halves(counts)
        state, first = self._within.with_limit(state, halves[0])
        return Way(state, counts, self._beside(*(self._within.of_limit(state, half, first) for half in halves)), starts, gone)

    def _halves(self, counts: Float64) -> tuple[Float64, Float64]:
        return counts[..., : self._cells], counts[..., self._cells :]

    def _beside(self, sums: Float64, squares: Float64) -> Float64:
        """Both, and of each channel events, total and sum of squares by which the dependence is measured: it is what it adds to what the weights make.

        What a pane's total deviates by from what is expected has the variance ``w^2 (x - expected)^2``. The means of panes would not do, as a pane may have few events of large
        weights: panes count alike. Where the reference is learnt nothing is expected, and the means have to; the inflation is too large then, where panes are small.
        """
        (events, totals, _), of_squares = (np.moveaxis(part[:, self._within.channel_sums], 1, 0) for part in (sums, squares))
        some, seen = np.maximum(events, 1), events > 0
        unknown = np.isnan(self._expected)
        mean = np.where(unknown, totals / some, np.nan_to_num(self._expected))
        about = np.maximum(of_squares[2] - 2 * mean * of_squares[1] + mean * mean * of_squares[0], 0)
        deviation = totals - mean * events
        channels = [
            np.where(unknown, events, SHARES * seen),
            np.where(unknown, totals, np.sqrt(SHARES) * deviation),
            np.where(unknown, about + totals * totals / some, (SHARES - 1) * about + deviation * deviation),
        ]
        return np.concatenate([sums, squares, *channels], axis=1)

    def effective(self, sums: Float64, state: State | None = None) -> Float64:
        """(..., w, p) sums of the bank within, from those of windows (..., w, q), the longest first, with each monitor's events scaled to what they are worth.

        A short window says too little of its own design effect: one that happens to hold few events of large weights would look as if all had been published. So that of the
        next longer window of `ENOUGH` counts, too, and one of fewer than `LEAST` says nothing. Deviations are from what is expected while nothing has changed, or a window
        of one kind of events would seem to have no variance.
        """
        plain, squares = sums[..., : self._sums], sums[..., self._sums : 2 * self._sums]
        of, of_squares = (np.moveaxis(part[..., self._within.channel_sums], -2, 0) for part in (plain, squares))
        expected = np.full(len(self.channel_monitor), np.nan) if state is None else self._within.expected(state)
        with np.errstate(all="ignore"):
            kish = of[0] * of[0] / of_squares[0]
            mean = np.where(np.isnan(expected), of[1] / of[0], expected)
            own, weighed = (part[2] - 2 * mean * part[1] + mean * mean * part[0] for part in (of, of_squares))
            effect, of_one = np.where(own > 1e-9 * of[2], weighed / own, np.nan), of_squares[0] / of[0]
        if sums.ndim > 1:
            places = np.arange(sums.shape[-2])[:, None]
            longer = np.maximum.accumulate(np.where((kish >= ENOUGH) & ~np.isnan(effect), places, 0), axis=-2)
            effect = np.fmax(effect, np.take_along_axis(effect, longer, axis=-2))
        effect = np.fmax(np.where(np.isnan(effect), of_one, effect), 1.0)
        is_sure = (kish >= LEAST) | (np.abs(effect - of_one) <= 1e-6 * of_one)
        largest = np.ones((*sums.shape[:-1], len(self.names)))
        for channel, monitor in enumerate(self.channel_monitor.tolist()):
            enough = is_sure[..., channel] if state is not None else of[0][..., channel] > 0
            largest[..., monitor] = np.fmax(largest[..., monitor], np.where(enough, effect[..., channel], np.inf))
        scaled: Float64 = plain / largest[..., self._monitor_of]
        return scaled

    @override
    def channels_told(self, sums: Float64, state: State | None = None) -> Float64:
        """(..., 3, c) events, totals and squares that windows are worth."""
        told: Float64 = self.effective(sums, state)[..., self._within.channel_sums]
        return told

    @override
    def events_in(self, sums: Float64) -> Float64:
        """(..., c) events of all of the traffic."""
        events: Float64 = sums[..., self._within.channel_sums[0]]
        return events

    @override
    def cells_of(self, counts: Float64) -> list[Cells]:
        """Bin counts, weighted."""
        return self._within.cells_of(self._halves(counts)[0])

    @override
    def bins_of(self, counts: Float64, monitor: int) -> list[float] | None:
        """Bins of a column, as many events as they are worth."""
        bins = self._within.bins_of(self._halves(counts)[0], monitor)
        if bins is None:
            return None
        sums = self.sums_of(counts[None], (0,))[0]
        channel = self._first_channel(monitor)
        worth, events = self.channels_told(sums)[0, channel], self.events_in(sums)[channel]
        return (np.array(bins) * (worth / events if events > 0 else 0.0)).tolist()  # type: ignore[no-any-return]

    def _first_channel(self, monitor: int) -> int:
        return int(np.flatnonzero(self.channel_monitor == monitor)[0])

    @override
    def score(self, windows: Windows, state: State) -> Scored:
        """The bank within scores what the windows are worth."""
        return self._within.score(replace(windows, sums=self.effective(windows.sums, state)), state)

    @override
    def remains(self, scored: Scored, inflation: Float64, state: State) -> Remains:
        """The same of what is left of a change."""
        return self._within.remains(scored, inflation, state)

    @override
    def ready(self, state: State) -> Bool:
        """(m,) whether the reference is large enough."""
        return self._within.ready(state)

    @override
    def learning(self, state: State) -> bool:
        """Whether a reference is still being learnt."""
        return self._within.learning(state)

    @override
    def learn(self, state: State, sums: Float64, start: int) -> State:
        """Take a pane into a reference that is still being learnt; it is as large as what it is worth."""
        within = self._within
        assert isinstance(within, RateChange | LossChange)  # noqa: S101  no other bank learns
        cells, events = within.learnt_sums, within.learnt_channel[0]
        halves = slice(0, 2 * self._sums)
        fresh, of_buckets = (part[..., halves].reshape(*part.shape[:-1], 2, self._sums)[..., cells] for part in (sums, state["sums"]))
        weighed, since = state["weighed"], state["since"]
        n = self._worth(weighed)[events]
        growing = within.undeclared & grows(n, state)
        first = growing & (n < LEARN_EVENTS)
        larger, older, behind = grown(of_buckets[:, 0, events], weighed[0, events], of_buckets.reshape(len(of_buckets), -1, len(n)), state["starts"])
        older = older.reshape(weighed.shape)
        later = growing & ~first & larger & (self._worth(older)[events] > n)
        weighed = np.where(first, weighed + fresh, np.where(later, older, weighed))
        since = np.where(first, np.maximum(since, start + self.bank.pane), np.where(later, np.maximum(since, behind), since))
        return state | {"weighed": weighed, "learnt": self._worth(weighed).reshape(state["learnt"].shape), "since": since}

    def _worth(self, weighed: Float64) -> Float64:
        """(p, m) a learnt reference (2, p, m) as what it is worth."""
        within: Any = self._within
        places = list(within.learnt_channel)
        of, of_squares = weighed[0, places], weighed[1, places]
        share = np.nan_to_num(effective_share(of[0], of[1], of[2], (of_squares[0], of_squares[1], of_squares[2])))
        worth: Float64 = weighed[0] * share
        return worth

    @override
    def tell(self, state: State, monitor: int, bucket: int, scored: Scored) -> Told:
        """Both sides in effective events, and how many the window's stand for."""
        histogram = Histogram.of_state(state)
        windows = histogram.suffixes()
        worth = self.effective(windows, state)[bucket]
        sums = np.zeros((len(windows), self._sums))
        sums[bucket] = worth
        events = float(self.events_in(windows)[bucket, self._first_channel(monitor)])
        cells: list[Any] = []
        if histogram.cells:
            share = float(worth[self._within.channel_sums[0, self._first_channel(monitor)]]) / events if events > 0 else 0.0
            bins = histogram.cells_since(bucket) * share
            cells = [bins if place == bucket else np.zeros_like(bins) for place in range(len(windows))]
        told = self._within.tell(state | {"sums": sums, "cells": cells}, monitor, bucket, scored)
        return replace(told, basis=told.basis | {"stands_for": events})


def _rows_by_monitor(learnt: Float64) -> Float64:
    """(p, m) of a learnt reference, which one monitor alone keeps as (p,)."""
    return learnt.reshape(len(learnt), -1)
