"""A rate that rose: error rate, missing values, values out of range, unseen categories. One-sided, as only harm counts.

The statistic is the signed root of the binomial likelihood ratio of a window against the reference's rate plus the floor, shrunk by the
reference's own error; where fewer than five hits are expected, or fewer than five misses seen, the exact binomial tail takes its place. Without a
declared reference the first `LEARN_EVENTS` events become one, which grows (`detectors.references.learnt_reference`). Not for rates of correlated events in
fewer than a few hundred panes: dependence is measured first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special
from typing_extensions import override

from detectors.columns.shared_arrays import shared
from detectors.detector import State
from detectors.event_batch import Bool, Float64, Int64
from detectors.references.learnt_reference import LEARN_EVENTS, grown, grows
from detectors.scans.calibration import normal_of_student, of_skewed, threshold
from detectors.scans.scored_windows import Bank, Remains, Scored, Told, Windows
from detectors.scans.window_bank import MIN_REFERENCE, WARNING_RATE, WindowBank, interval_of, tolerance
from detectors.verdict import Effect

RESOLUTION = 0.01  # stands in for a floor of 0 where an alert is resolved
KNOWN = 1e12  # "events" behind a rate that was stated, not measured
_FEW = 5.0
_RARE = 0.03  # as good as Poisson
_SMALLEST = 1e-290  # tail that can be told; beyond it the root has to do


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Which cells of a summary vector make a rate, and what it was.

    Attributes
    ----------
    hits, events : cells whose sums are the numerator and the denominator (which includes the hits).
    reference : hits and events of the declared reference, or None to learn it from the stream.
    """

    hits: Sequence[int]
    events: Sequence[int]
    reference: tuple[float, float] | None


def excess(hits: Float64, events: Float64, reference_hits: Float64, reference_events: Float64, floor: float) -> Float64:
    """How surely a rate exceeds a reference rate by more than a floor, on the scale of a standard normal; 0 where it is not above.

    Parameters
    ----------
    hits, events : of the windows, any shape.
    reference_hits, reference_events : of the reference, broadcastable to it.
    floor : absolute.

    Examples
    --------
    >>> excess(np.array([60.0]), np.array([400.0]), np.array([1000.0]), np.array([10_000.0]), 0.0).round(1)
    array([3.1])
    >>> excess(np.array([1.0]), np.array([400.0]), np.array([0.0]), np.array([10_000.0]), 0.0).round(1)
    array([2.1])
    """
    base = (reference_hits + 0.5) / (reference_events + 1)
    null = np.minimum(base + floor, 1 - 1e-9)
    rose = hits > events * null
    value = np.where(events > 0, np.zeros(rose.shape), np.nan)
    if rose.any():
        parts = (np.broadcast_to(part, rose.shape)[rose] for part in (hits, events, reference_hits, reference_events, base, null))
        value[rose] = _excess_of_risen(*parts, floor=floor)
    return value


def _excess_of_risen(hits: Float64, events: Float64, reference_hits: Float64, reference_events: Float64, base: Float64, null: Float64, *, floor: float) -> Float64:
    """(n,) `excess` where the rate is above ``null``, which is ``base`` plus the floor.

    Half the chance of exactly so many hits counts as "more": with all of it, or with hits less a half, windows of few events would hardly ever alarm. The
    root is brought to that by its saddlepoint correction (Barndorff-Nielsen's, which without a correction for continuity is of the middle).
    """
    expected, misses = events * null, events - hits
    rate = np.minimum(hits / events, 1 - 0.25 / events)
    odds = np.log(rate / null) - np.log((1 - rate) / (1 - null))
    divergence = hits * odds + events * np.log((1 - rate) / (1 - null))
    root = np.sqrt(2 * np.maximum(divergence, 1e-12))
    steep = np.maximum(odds * np.sqrt(events * rate * (1 - rate)), 1e-6)
    # Near 0 both go to the same number and their ratio to 1, which rounding would not show.
    root = np.where(root > 0.1, root + np.log(steep / root) / np.maximum(root, 0.1), root)
    # The reference's error widens the difference: Var = p(1-p)/n + p0(1-p0)/n0.
    own, other = null * (1 - null) / events, base * (1 - base) / (reference_events + 1)
    shrink = np.sqrt(own / (own + other))
    value: Float64 = np.maximum(root, 0) * shrink
    few = np.minimum(expected, misses) < _FEW
    if few.any():
        k, n, k0, n0 = (part[few] for part in (hits, events, reference_hits, reference_events))
        # Without a floor, given k + k0 hits of rare ones altogether, k is binomial: exact whatever the common rate is.
        rare = (null[few] < _RARE) & (floor == 0)
        others, chance = np.where(rare, k0, n - k), np.where(rare, n / (n + n0), null[few])
        tail, beyond = (_tail(k + more, others + 1 - more, chance) for more in (0, 1))
        exact = np.maximum(-special.ndtri((tail + beyond) / 2), 0)
        value[few] = np.where(tail > _SMALLEST, exact * np.where(rare, 1, shrink[few]), value[few])
    return value


def skewness_of_hits(events: Float64, rate: Float64) -> Float64:
    """Of a binomial count, see `of_skewed`."""
    skewness: Float64 = (1 - 2 * rate) / np.sqrt(events * rate * (1 - rate))
    return skewness


def _tail(hits: Float64, others: Float64, chance: Float64) -> Float64:
    """P(K >= hits) of a binomial of ``hits + others - 1`` trials; 0 where there are fewer."""
    tail: Float64 = np.where(others > 0, special.betainc(hits, np.maximum(others, 1e-300), chance), 0.0)
    return tail


class RateChange(WindowBank):
    """A monitor for each rate; `Verdicts.effect` is the difference from the reference's rate (a fall is negative, and counts as a recent effect of 0).

    Parameters
    ----------
    bank : names, budget and times.
    rates : what to watch.
    floor : smallest material rise, absolute.
    """

    one_sided = True

    def __init__(self, bank: Bank, *, rates: Sequence[Rate], floor: float) -> None:
        m = len(rates)
        columns = np.arange(m)
        # A hit is 0 or 1, so the sum of its squares is the number of hits.
        super().__init__(bank, width=2 * m, channel_sums=np.stack((columns, m + columns, m + columns)), channel_monitor=columns)
        self._floor = floor
        self._declared = np.array([rate.reference is not None for rate in rates])
        self._all_declared = bool(self._declared.all())
        self._references = np.array([rate.reference or (0.0, 0.0) for rate in rates]).T
        self._cells = shared(np.concatenate([np.asarray([*rate.events], np.int64) for rate in rates] + [np.asarray([*rate.hits], np.int64) for rate in rates]))
        lengths = [len(rate.events) for rate in rates] + [len(rate.hits) for rate in rates]
        if 0 in lengths:
            raise ValueError("every rate needs at least one cell for its hits and one for its events")
        self._first = np.cumsum([0, *lengths[:-1]])
        self._thresholds = tuple(np.full(m, threshold(looks, smallest=bank.smallest)) for looks in (bank.looks, bank.looks / WARNING_RATE))

    learnt_channel = (1, 0, 0)
    """Which of the `learnt_sums` are events, total and sum of squares."""

    @property
    def learnt_sums(self) -> Int64:
        """(2, m) places of what a learnt reference is made of among the sums of a pane: hits and events."""
        return np.arange(2 * len(self.names)).reshape(2, -1)[::-1]

    @property
    def undeclared(self) -> Bool:
        """(m,) whose reference is learnt."""
        return np.asarray(~self._declared)

    @property
    def floors(self) -> Float64:
        """(m,) smallest material rise, .01 where it is 0."""
        return np.full(len(self.names), self._floor or RESOLUTION)

    def initial(self) -> State:
        """State before the first pane: nothing learnt."""
        return super().initial() | {"learnt": np.zeros((2, len(self.names)))}

    @override
    def sums_of(self, counts: Float64, starts: Sequence[int]) -> Float64:
        """(k, 2 m) events of each rate, then hits."""
        sums: Float64 = np.add.reduceat(counts[:, self._cells], self._first, axis=1)
        return sums

    def _reference(self, state: State) -> tuple[Float64, Float64]:
        """(m,) each: hits and events, declared or learnt."""
        if self._all_declared:
            return self._references[0], self._references[1]
        hits, events = np.where(self._declared, self._references, state["learnt"])
        return hits, events

    def _compared(self, windows: Windows, state: State) -> tuple[Float64, Float64]:
        """Hits and events of what windows are compared with: (m,) each, or (..., w, m) where every window has a reference of its own."""
        del windows  # all have the same
        return self._reference(state)

    def _hits(self, windows: Windows) -> Float64:
        """(..., w, m)"""
        return windows.sums[..., len(self.names) :]

    @override
    def expected(self, state: State) -> Float64:
        """(m,) the reference's rate and the floor."""
        hits, events = self._reference(state)
        return np.where(events > 0, np.minimum((hits + 0.5) / (events + 1) + self._floor, 1.0), np.nan)

    @override
    def ready(self, state: State) -> Bool:
        """(m,) whether the reference is there."""
        enough: Bool = np.where(self._declared, self._references[1] >= MIN_REFERENCE, state["learnt"][1] >= LEARN_EVENTS)
        return enough

    @override
    def learning(self, state: State) -> bool:
        """Whether the reference of a rate without a declared one still grows."""
        return not self._all_declared and bool((~self._declared & grows(state["learnt"][1], state)).any())

    @override
    def learn(self, state: State, sums: Float64, start: int) -> State:
        """Take the first events into the reference, then the older part of the history; windows begin behind them."""
        learnt, since = state["learnt"], state["since"]
        growing = ~self._declared & grows(learnt[1], state)
        first = growing & (learnt[1] < LEARN_EVENTS)
        m = len(self.names)
        events, hits = sums[:m], sums[m : 2 * m]
        of_buckets = np.stack((state["sums"][:, m : 2 * m], state["sums"][:, :m]), axis=1)
        larger, older, behind = grown(of_buckets[:, 1], learnt[1], of_buckets, state["starts"])
        later = growing & ~first & larger
        learnt = np.where(first, learnt + np.stack((hits, events)), np.where(later, older, learnt))
        return state | {"learnt": learnt, "since": np.where(first, np.maximum(since, start + self.bank.pane), np.where(later, np.maximum(since, behind), since))}

    def score(self, windows: Windows, state: State) -> Scored:
        """Excess over the reference's rate in every window."""
        m = len(self.names)
        events, hits = windows.sums[..., :m], self._hits(windows)
        reference_hits, reference_events = self._compared(windows, state)
        value = excess(hits, events, reference_hits, reference_events, self._floor)
        statistic = windows.of_known(np.zeros(m))
        risen = np.flatnonzero(value)
        if len(risen):
            window, monitor = np.divmod(risen, m)
            inflation, freedom = windows.known_at(window, monitor)
            base = np.minimum((reference_hits + 0.5) / (reference_events + 1) + self._floor, 1 - 1e-9)
            base = base[monitor] if base.ndim == 1 else base.reshape(-1, m)[window, monitor]
            sure = of_skewed(value.reshape(-1, m)[window, monitor], skewness_of_hits(events.reshape(-1, m)[window, monitor], base))
            statistic.reshape(-1, m)[window, monitor] = normal_of_student(sure / np.sqrt(inflation), freedom)
        return Scored(windows, events, statistic, hits / events - reference_hits / reference_events, {"hits": hits})

    @override
    def remains(self, scored: Scored, inflation: Float64, state: State) -> Remains:
        """Rise of the rate; a stated reference has no error, so a floor of 0 gives way to `RESOLUTION` there."""
        reference_hits, reference_events = self._reference(state)
        base = (reference_hits + 0.5) / (reference_events + 1)
        rate = (scored.detail["hits"] + 2) / (scored.events + 4)  # Agresti and Coull: without a hit, too, the rate is not known to be 0
        of_reference = np.sqrt(inflation * base * (1 - base) / (reference_events + 1))
        stated = (reference_events >= KNOWN) & (self._floor == 0)
        allowed = np.where(stated, RESOLUTION, tolerance(self._floor, of_reference))
        rate = np.maximum(rate, np.minimum(base + allowed, 0.5))  # that few were hit by chance says nothing of how much they vary
        own = np.sqrt(inflation * rate * (1 - rate) / scored.events)
        return Remains(scored.effect[None], own[None], allowed[None])

    def tell(self, state: State, monitor: int, bucket: int, scored: Scored) -> Told:
        """Hits and events of both."""
        reference_hits, reference_events = (float(part[monitor] if part.ndim == 1 else part[bucket, monitor]) for part in self._compared(scored.windows, state))
        events, hits = float(scored.events[bucket, monitor]), float(scored.detail["hits"][bucket, monitor])
        value = float(scored.effect[bucket, monitor])
        inflation = float(np.nan_to_num(scored.windows.inflation[bucket, monitor], nan=1.0))
        rates = ((hits + 0.5) / (events + 1), (reference_hits + 0.5) / (reference_events + 1))
        variance = rates[0] * (1 - rates[0]) / max(events, 1) + rates[1] * (1 - rates[1]) / max(reference_events, 1)
        return Told(
            statistic="signed root of the binomial likelihood ratio, largest over windows",
            effect=Effect(name="difference of rates", value=value, interval=interval_of(value, float(np.sqrt(variance * inflation))), floor=self._floor),
            n_reference=reference_events,
            n_current=events,
            reference={"count": reference_hits, "of": reference_events},
            current={"count": hits, "of": events},
            basis={"detector": "rate"},
        )
