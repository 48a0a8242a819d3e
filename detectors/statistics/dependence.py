"""How much larger the variance of a sum is than independent events would make it.

Neighbouring blocks of 1, 2, 4 ... panes are contrasted where the history merges them: the square of the difference of two blocks' means, scaled to
the variance of one event (the Haar wavelet variance of Percival 1995). All contrasts together, and the squares within panes, are the squares about
the mean, taken apart by scale; those of blocks of 2 ** l panes and longer give the variance of such a block's sum. Where events are independent it is
the same at every length, where they are correlated it grows towards the long-run variance.

A change of level is not dependence, and it is in one contrast of each length only, so the largest of each length is left out, and made up for.

Independent events are the rule, and an estimate that only ever inflates would find every stream a little dependent. So the inflation is 1 unless a
test says otherwise, as soon as the test has enough contrasts to find what matters; before, it is what was estimated, with a Student correction.
Events whose values were found dependent are not presumed independent in their squares, which are less dependent and take the test longer to find out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from detectors.event_batch import Bool, Float64, Int64

MIN_CONTRASTS = 5  # between blocks of two panes or more
MIN_FREEDOM = 6.0
ENOUGH = 100.0  # contrasts, from which on independence is tested: an inflation of 1.7 is then found in nine of ten streams
CHANCE_OF_DEPENDENCE = 0.005  # for independent events, at each length and between neighbouring panes
INDEPENDENT = 1e9  # degrees of freedom, which are as good as infinite
_LEVELS = 2  # an estimate compares single panes with blocks of two
_FEWEST = 3  # contrasts of one length; of fewer, one cannot be left out
_COUNT, _SUM, _LARGEST = range(3)
_PANES, _EVENTS, _WITHIN = range(3)
_COUNTS = np.geomspace(_FEWEST, 1e6, 60)
# Largest of so many squared standard normal values: the quantile at exp(-Euler's constant) / n from above is its mean for large n, the rest was fitted.
_LARGEST_OF = special.chdtri(1, np.exp(-np.euler_gamma) / _COUNTS) + 1.5 / (_COUNTS + 1)
_HEIGHT = -float(special.ndtri(CHANCE_OF_DEPENDENCE))
_SURELY_COMMON = 3.0  # standard errors of the variance of panes by which it must exceed that of independent events before a wave is looked for
LONGEST_WAVE = 0.95  # of a pane's wave that is in the next one, too: by more, no history would be long enough to know
_POWERS = np.linspace(0.0, 0.995, 200)  # autoregressions of single events
_SURELY_LONGER = 3.1  # standard deviations by which a longer block's variance must exceed what is extrapolated: there are many lengths


@dataclass(frozen=True)
class Panes:
    """Closed panes, see `Dependence.with_panes`."""

    events: Float64
    totals: Float64
    squares: Float64
    counted: Bool


@dataclass(frozen=True)
class Pairs:
    """Pairs of neighbouring blocks, see `Dependence.with_contrasts`."""

    levels: Sequence[int]
    events: Float64
    totals: Float64
    counted: Bool


@dataclass(frozen=True)
class Dependence:
    """Sums over contrasts.

    Attributes
    ----------
    contrasts : (l, 3, c) by level (of blocks of 2 ** level panes), two at least, and channel: how many, their sum, and the largest.
    within : (3, c) panes with events, their events, and the squares of single events about their pane's mean.
    inflation : (c,) latest estimate of the long-run variance over the variance of single events, at least 1; nan until armed.
    freedom : (c,) its degrees of freedom, `INDEPENDENT` where events are taken for that.
    """

    contrasts: Float64
    within: Float64
    inflation: Float64
    freedom: Float64

    @staticmethod
    def empty(channels: int) -> Dependence:
        """Nothing seen."""
        return Dependence(np.zeros((_LEVELS, 3, channels)), np.zeros((3, channels)), np.full(channels, np.nan), np.zeros(channels))

    @staticmethod
    def of_state(state: dict[str, Any]) -> Dependence:
        """What is in a detector's state."""
        return Dependence(state["contrasts"], state["within"], state["inflation"], state["freedom"])

    def as_state(self) -> dict[str, Float64]:
        """Arrays by name."""
        return {"contrasts": self.contrasts, "within": self.within, "inflation": self.inflation, "freedom": self.freedom}

    def with_panes(self, events: Float64, totals: Float64, squares: Float64, counted: Bool) -> Dependence:
        """With the squares within ``p`` more panes.

        Parameters
        ----------
        events, totals, squares : (p, c) sums over the events of each pane of 1, of their values and of their squares.
        counted : (p, c) or (p, 1) the channels in which each pane counts.
        """
        within = self._within_after(events, totals, squares, counted)
        return Dependence(self.contrasts, within[-1], self.inflation, self.freedom)

    def _within_after(self, events: Float64, totals: Float64, squares: Float64, counted: Bool) -> Float64:
        """(1 + p, 3, c) `within` before the panes of `with_panes`, and after each of them."""
        seen = counted & (events > 0)
        added = np.empty((1 + len(events), *self.within.shape))
        added[0] = self.within
        rest = np.maximum(squares - totals * totals / np.maximum(events, 1), 0)
        for place, part in enumerate((seen, events * seen, rest * seen)):
            added[1:, place] = part
        # One after another, so that the same panes give the same bits however many come at once.
        after: Float64 = np.add.accumulate(added)
        return after

    def with_contrasts(self, levels: Sequence[int], events: Float64, totals: Float64, counted: Bool) -> Dependence:
        """With ``b`` more pairs of neighbouring blocks.

        Parameters
        ----------
        levels : of each pair; a block of level l spans 2 ** l panes.
        events, totals : (2, b, c) of the blocks of each pair.
        counted : (b, c) or (b, 1) the channels in which each pair counts.
        """
        contrasts, _ = self._contrasts_after(levels, events, totals, counted, ())
        return Dependence(contrasts, self.within, self.inflation, self.freedom)

    def _contrasts_after(self, levels: Sequence[int], events: Float64, totals: Float64, counted: Bool, asked: Sequence[int]) -> tuple[Float64, Float64]:
        """`contrasts` after the pairs of `with_contrasts`, and (e, l, 3, c) as they were after the first so many of them."""
        seen = counted & (events > 0).all(axis=0)
        one, other = np.maximum(events, 1)
        difference = totals[0] / one - totals[1] / other
        contrast = np.where(seen, difference * difference * (one * other / (one + other)), 0.0)
        known = len(self.contrasts)
        sums = np.zeros((max(known, 1 + max(levels, default=0)), *self.contrasts.shape[1:]))
        sums[:known] = self.contrasts
        found, done = np.empty((len(asked), *sums.shape)), 0
        for place, end in enumerate((*asked, len(levels))):
            for level, is_seen, value in zip(levels[done:end], seen[done:end], contrast[done:end], strict=True):
                of_level = sums[level]
                of_level[_COUNT] += is_seen
                of_level[_SUM] += value
                np.maximum(of_level[_LARGEST], value, out=of_level[_LARGEST])
            if place < len(asked):
                found[place] = sums
            done = end
        return sums, found

    def grown(self, panes: Panes, pairs: Pairs, asked: Sequence[tuple[int, int]], of_events: Int64 | None = None) -> tuple[Dependence, Float64]:
        """With more panes and pairs of blocks, and `estimated` among them: the same as one after another, in a fraction of the time.

        Parameters
        ----------
        asked : after how many of the panes, and how many of the pairs, to estimate; ``e`` times.
        of_events : see `estimated`.

        Returns
        -------
        What is known in the end, and (e, 2 c) inflation and freedom as they were estimated each time.
        """
        within = self._within_after(panes.events, panes.totals, panes.squares, panes.counted)
        contrasts, found = self.contrasts, self.contrasts[None]
        if pairs.levels or asked:
            contrasts, found = self._contrasts_after(pairs.levels, pairs.events, pairs.totals, pairs.counted, [end for _, end in asked])
        told = np.concatenate((self.inflation, self.freedom))
        known = np.empty((len(asked), len(told)))
        if asked:
            armed, *estimates = _estimates(found, within[[end for end, _ in asked]], of_events)
            for place, (is_armed, fresh) in enumerate(zip(np.tile(armed, 2), np.concatenate(estimates, axis=1), strict=True)):
                told = known[place] = np.where(is_armed, fresh, told)
        channels = len(self.inflation)
        return Dependence(contrasts, within[-1], told[:channels], told[channels:]), known

    def estimated(self, of_events: Int64 | None = None) -> Dependence:
        """With a fresh estimate in the channels that have enough contrasts; the others keep their last one.

        Parameters
        ----------
        of_events : (c,) the channel by whose test the events of each are dependent, too, besides its own; none but its own where it is not given.
        """
        (armed,), (inflation,), (freedom,) = _estimates(self.contrasts[None], self.within[None], of_events)
        return Dependence(self.contrasts, self.within, np.where(armed, inflation, self.inflation), np.where(armed, freedom, self.freedom))

    def without(self, channels: Bool) -> Dependence:
        """Without what some channels have seen; their last estimate stands until there is a new one."""
        return Dependence(np.where(channels, 0.0, self.contrasts), np.where(channels, 0.0, self.within), self.inflation, self.freedom)


def _estimates(contrasts: Float64, within: Float64, of_events: Int64 | None) -> tuple[Bool, Float64, Float64]:
    """(e, c) each, of the sums (e, l, 3, c) and (e, 3, c) of `Dependence` at several times: where there is enough to estimate from, inflation, and freedom."""
    count, total, largest = np.moveaxis(contrasts, 2, 0)
    panes, events, inside = np.moveaxis(within, 1, 0)
    used = count >= _FEWEST
    count = np.where(used, count, 0.0)
    made_up = count / np.maximum(count - np.interp(count, _COUNTS, _LARGEST_OF), 1e-9)
    total = np.where(used, (total - largest) * made_up, 0.0)
    # Leaving the largest out costs about 1.7 contrasts, by simulation.
    of_longer, count_of_longer, free = (np.cumsum(part[:, ::-1], axis=1)[:, ::-1] for part in (total, count, np.maximum(count - 1.7, 0)))
    with np.errstate(all="ignore"):
        variances = of_longer / count_of_longer
        of_event = (inside + of_longer[:, 0]) / (events - panes + count_of_longer[:, 0])
        of_panes, of_pairs, free_of_panes = variances[:, 0], variances[:, 1], free[:, 0]
        correlation = np.where(of_panes > 0, of_pairs / of_panes - 1, 0.0)  # panes that are all alike
        many = free_of_panes >= ENOUGH
        judged = free >= MIN_FREEDOM
        dependent = (judged & (variances > of_event[:, None] * _quantile(free, _HEIGHT))).any(axis=1) | (correlation * np.sqrt(free_of_panes) > _HEIGHT)
        alone = _of_autoregression(of_panes, inside / (events - panes), free_of_panes, events / panes)
        if of_events is not None:
            dependent |= dependent[:, of_events]
        lasts = alone.lasting(correlation)
        differs = np.where(many, alone.differs(correlation, 1 / np.sqrt(count_of_longer[:, 1])), 1.0)
        # Before independence can be tested the correlation counts as one standard error more than it looks.
        correlation = np.clip(correlation + np.where(many, 0.0, 1 / np.sqrt(count_of_longer[:, 0])), 0, 0.98)
        # Of an autoregression seen through panes of many events the later correlations fall off faster than powers of the first.
        falls_off = np.fmax(correlation ** (1.6 - 0.6 * panes / events), lasts)
        shrink = np.fmin((1 - correlation) / (1 + correlation), (1 - lasts) / (1 + lasts))
        current = of_panes * (differs * (1 + 2 * correlation / (1 - falls_off)) + (1 - differs) * alone.longer)
        freedom = free_of_panes * shrink
        surely = judged & (variances > current[:, None] * _quantile(free, _SURELY_LONGER))
        surely[:, 0] = False
        for time, channel in np.argwhere(surely.any(axis=1)).tolist():  # few
            for level in np.flatnonzero(surely[time, :, channel]).tolist():
                variance, its_freedom = variances[time, level, channel], free[time, level, channel]
                if variance > current[time, channel] * _quantile(its_freedom, _SURELY_LONGER):
                    current[time, channel], freedom[time, channel] = variance, its_freedom
        inflation = np.maximum(current / of_event, 1)
        constant = ~(of_event > 1e-12)
        independent = constant | (many & ~dependent)
    armed = (count_of_longer[:, 1] >= MIN_CONTRASTS) & ((freedom >= MIN_FREEDOM) | constant)
    inflation, freedom = np.where(independent, 1.0, inflation), np.where(constant, free_of_panes, np.where(independent, INDEPENDENT, freedom))
    return armed, inflation, freedom


@dataclass(frozen=True)
class _Autoregression:
    """What panes would be like if the events of each had in common what they do by an autoregression of single events, and by nothing else.

    Attributes
    ----------
    common : (e, c) part of the variance of panes that independent events would not have; nan where it is not surely more than nothing.
    correlation : (e, c) of neighbouring panes.
    longer : (e, c) the long-run variance over that of panes.
    """

    common: Float64
    correlation: Float64
    longer: Float64

    def lasting(self, correlation: Float64) -> Float64:
        """(e, c) what part of what the events of a pane have in common they have in common with the next pane's, too, by the correlation of neighbouring panes.

        A wave that goes through events which are independent but for it is hardly seen from pane to pane, and yet it falls off slowly: as slowly
        as this part says. It is 0 where events have hardly anything in common, or panes no more than an autoregression of single events gives them.
        """
        part = (correlation - self.correlation) / np.maximum(self.common - self.correlation, 1e-9)
        return np.where(np.isnan(part), 0.0, np.clip(part, 0, LONGEST_WAVE))

    def differs(self, correlation: Float64, error: Float64) -> Float64:
        """(e, c) how far the correlation of neighbouring panes, known to an error, contradicts it: 0 not at all, 1 wholly, and where nothing is known.

        Far more neighbours are within panes than panes have, so what they say is surer by half, if it can be believed. A correlation that is larger contradicts from one
        standard error on and wholly from two (firm shrinkage, Gao & Bruce 1997); one that is smaller, which makes nothing look surer than it is, one later.
        """
        apart = (correlation - self.correlation) / (error * (1 - self.correlation**2))
        beyond = np.where(apart > 0, apart - 1, -apart - 2)
        return np.where(np.isnan(beyond), 1.0, np.clip(beyond, 0, 1))


def _of_autoregression(of_panes: Float64, of_events: Float64, free: Float64, size: Float64) -> _Autoregression:
    """By the variances of panes and, about their panes, of single events, in the same unit; degrees of freedom of the variance of panes; events in a pane."""
    common = 1 - of_events / of_panes
    common = np.where(common > _SURELY_COMMON * np.sqrt(2 / free), common, np.nan)  # none where a pane is one event
    correlation, longer = np.full(common.shape, np.nan), np.ones(common.shape)
    known = ~np.isnan(common)
    left = 1 - _POWERS
    for events in np.unique(size[known]).tolist():  # columns that nothing is missing of are alike
        alike = known & (size == events)
        panes = (1 + _POWERS) / left - 2 * _POWERS * (1 - _POWERS**events) / (events * left**2)
        of_pairs = _POWERS * (1 - _POWERS**events) ** 2 / (events * left**2)
        shared = 1 - (events - panes) / (events - 1) / panes
        correlation[alike], longer[alike] = (np.interp(common[alike], shared, values / panes) for values in (of_pairs, (1 + _POWERS) / left))
    return _Autoregression(common, correlation, longer)


def _quantile(freedom: Float64, height: float) -> Float64:
    """Of a chi-square over its degrees of freedom, where a standard normal value has its height (Wilson & Hilferty 1931)."""
    spread = 2 / (9 * freedom)
    quantile: Float64 = (1 - spread + height * np.sqrt(spread)) ** 3
    return quantile
