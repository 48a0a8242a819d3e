"""A rate that rose, by a test whose false-alarm rate is guaranteed: an e-detector (Shin, Ramdas & Rinaldo 2024, "E-detectors").

Somebody bets on every pane that the rate is higher than it should be, at odds that are fair if it is as high as the reference and the floor allow. What one unit, put
on each pane since a start, has become by now is an e-value; the sum over all starts is a Shiryaev-Roberts e-detector, which is expected to be no more than the number of
panes, so that it passes a height on average not before as many panes: ARL >= looks, without a table, for any number of events a pane (their Proposition 2.3).

One bettor would have to know how much the rate has risen, so there are `RISES`, and their mean is the statistic. Bets on a 0 or 1 multiply to what the counts alone
tell. Not for the earliest alarm: a guarantee costs a third to two thirds more events than the scan needs (`detectors.monitors.rate_change`), which is calibrated by simulation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import special
from typing_extensions import override

from detectors.detector import State
from detectors.event_batch import Bool, Float64
from detectors.monitors.rate_change import KNOWN, Rate, RateChange
from detectors.scans.history import Histogram
from detectors.scans.scored_windows import Bank, Scored
from detectors.scans.window_bank import WARNING_RATE
from detectors.verdict import Evidence

RISES: tuple[float, ...] = tuple(float(rise) for rise in 2.0 ** np.arange(-3, 2.5, 0.5))
"""What is bet on: the logarithm of the odds, higher by so much. Half powers of two: whatever the rise, some bettor's wealth grows at .97 of the fastest rate."""

CONFIDENCE = 0.99
"""That the rate before the change was no higher than the bound that bets are made against; of so many references the guarantee holds."""

KEPT = 64
"""Panes that the evidence tells one by one; what was won before them is told as a sum."""

_EVENTS, _HITS, _INFLATION, _HIGHEST = range(4)
_LEAST = 1e-6  # nobody bets against a rate of 0: one hit would prove everything


def highest_rate(hits: Float64, events: Float64, floor: float) -> Float64:
    """The rate that is tolerated: the reference's upper confidence bound (Clopper & Pearson 1934), and the floor.

    Parameters
    ----------
    hits, events : of the reference; one that was stated has no error. nan without events.

    Examples
    --------
    >>> highest_rate(np.array([100.0, 1_000.0]), np.array([1_000.0, 10_000.0]), 0.0).round(3).tolist()
    [0.124, 0.107]
    """
    with np.errstate(all="ignore"):
        bound = np.where(events >= KNOWN, hits / events, special.betaincinv(hits + 1, np.maximum(events - hits, 1e-9), CONFIDENCE))
    highest: Float64 = np.where(events > 0, np.clip(bound + floor, _LEAST, 1 - _LEAST), np.nan)
    return highest


def winnings(panes: Float64) -> Float64:
    """Logarithm of what one unit becomes on each pane.

    Parameters
    ----------
    panes : (k, 4, m) events, hits, inflation by dependence, and the highest rate that is tolerated, of each pane.

    Returns
    -------
    (k, b, m), for each of `RISES`. Dependent events tell less than their number: the winnings' logarithm is divided by the inflation. Independent ones
    still are a fair bet then, as a root of an e-value is one.

    Examples
    --------
    >>> float(np.exp(winnings(np.array([[[1.0], [1.0], [1.0], [0.1]]])))[0, 6, 0].round(3))
    2.32
    """
    events, hits, inflation, highest = np.moveaxis(panes, 1, 0)[:, :, None]
    higher = special.expit(special.logit(highest) + np.array(RISES)[:, None])
    won: Float64 = (hits * np.log(higher / highest) + (events - hits) * np.log((1 - higher) / (1 - highest))) / inflation
    return won


def grown(wealth: Float64, panes: Float64) -> Float64:
    """(k, b, m) logarithm of the wealth after each pane, from that (b, m) before: a unit more is put in on each, and all is bet; a pane without bets changes nothing."""
    won = winnings(panes)
    counts = (panes[:, _EVENTS] > 0) & ~np.isnan(won).any(axis=1)
    after = np.empty(won.shape)
    for place in range(len(panes)):
        wealth = np.where(counts[place], np.logaddexp(wealth, 0.0) + won[place], wealth)
        after[place] = wealth
    return after


def total(wealth: Float64) -> Float64:
    """(..., m) logarithm of the mean wealth (..., b, m) of all bettors, at least 0."""
    mean: Float64 = np.logaddexp.reduce(wealth, axis=-2) - np.log(len(RISES))
    return np.maximum(mean, 0.0)


class RateEDetector(RateChange):
    """A monitor for each rate, as `RateChange`, but an alarm is the e-detector's. What the scan finds tells where the change began, and how large it is.

    Parameters
    ----------
    bank : names, budget and times.
    rates : what to watch.
    floor : smallest material rise, absolute.

    Examples
    --------
    >>> bank = Bank(names=("error_rate",), group="performance", kind="performance", looks=10_000, pane=1_000, resolve_after=60_000)
    >>> detector = RateEDetector(bank, rates=[Rate(hits=[0], events=[0, 1], reference=(1_000, 10_000))], floor=0.0)
    >>> errors = np.where(np.arange(200) < 150, 10, 30)
    >>> state, verdicts = detector.walk(detector.initial(), np.stack((errors, 100 - errors), axis=1).astype(float), range(0, 200_000, 1_000))
    >>> alarm = int((verdicts.status[:, 0] == 4).argmax())
    >>> print(f"drift at pane {alarm}, one unit has become {np.exp(verdicts.statistic[alarm, 0]):,.0f}")
    drift at pane 150, one unit has become 125,024
    """

    has_own_statistic = True

    def __init__(self, bank: Bank, *, rates: Sequence[Rate], floor: float) -> None:
        super().__init__(bank, rates=rates, floor=floor)
        self._thresholds = tuple(np.full(len(rates), np.log(max(looks, np.e))) for looks in (bank.looks, bank.looks / WARNING_RATE))
        hits, events = self._references
        self._highest = highest_rate(hits, events, floor)

    @override
    def initial(self) -> State:
        """State before the first pane: nothing won."""
        nothing = np.full((len(RISES), len(self.names)), -np.inf)
        return super().initial() | {"wealth": nothing, "wealth_before": nothing, "recent": np.empty((0, 4, len(self.names)))}

    @override
    def own_statistic(self, state: State, sums: Float64, inflation: Float64) -> tuple[State, Float64]:
        """Bet on the panes that had events; (k, m) what the wealth is after each."""
        m = len(self.names)
        highest = self._highest if self._all_declared else highest_rate(*self._reference(state), self._floor)
        seen = np.flatnonzero(sums[:, :m].any(axis=1))
        panes = np.stack((sums[seen, :m], sums[seen, m:], inflation[seen], np.broadcast_to(highest, (len(seen), m))), axis=1)
        wealth = np.concatenate((state["wealth"][None], grown(state["wealth"], panes)))
        recent = np.concatenate((state["recent"], panes))
        before, recent = recent[:-KEPT], recent[-KEPT:]
        wealth_before = grown(state["wealth_before"], before)[-1] if len(before) else state["wealth_before"]
        after = np.searchsorted(seen, np.arange(len(sums)), side="right")
        return state | {"wealth": wealth[-1], "wealth_before": wealth_before, "recent": recent}, total(wealth)[after]

    @override
    def restart(self, state: State, monitor: int, at: int) -> State:
        """All is put in anew."""
        mine = np.arange(len(self.names)) == monitor
        recent = state["recent"].copy()
        recent[:, _INFLATION, monitor] = np.nan  # no bet was made
        nothing = {name: np.where(mine, -np.inf, state[name]) for name in ("wealth", "wealth_before")}
        return super().restart(state, monitor, at) | nothing | {"recent": recent}

    @override
    def _evidence(self, state: State, monitor: int, histogram: Histogram, scored: Scored, usable: Bool, since: int | None) -> Evidence:
        found = super()._evidence(state, monitor, histogram, scored, usable, since)
        if not found.basis:
            return found
        wealth, panes = state["wealth_before"][:, [monitor]], state["recent"][..., [monitor]]
        whole = np.concatenate((wealth[None], grown(wealth, panes)))
        names = ("pane_events", "pane_hits", "pane_inflation", "pane_highest")
        told = dict(zip(names, panes[..., 0].T.tolist(), strict=True)) | {"wealth_before": wealth[:, 0].tolist()}
        statistic = f"logarithm of a Shiryaev-Roberts e-detector; without a rise the mean time to an alarm is at least the {self.bank.looks:,.0f} panes of the budget"
        return replace(found, statistic=statistic, value=float(total(whole)[-1, 0]), basis=found.basis | told | {"detector": "e-detector"})

    @override
    def state_of(self, basis: Mapping[str, Any]) -> State:
        """The bets that an evidence tells."""
        names = ("pane_events", "pane_hits", "pane_inflation", "pane_highest")
        recent = np.array([[np.nan if value is None else value for value in basis[name]] for name in names], np.float64).T
        before = np.array([-np.inf if value is None else value for value in basis["wealth_before"]], np.float64)
        return {"recent": recent[..., None], "wealth_before": before[:, None]}
