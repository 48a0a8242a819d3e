"""Drift of categorical columns against the declared reference: two-sample likelihood ratio, and total variation against the floor.

Unseen levels together are one level. Levels that a window expects fewer than five of are judged by exact binomial tails there, those that it
expects less than two of as one level. Where there are more than two, each is also judged alone, as mass often moves to one of them; it pays for being chosen.
The window must differ surely (G2, brought to the normal scale by Wilson and Hilferty, corrected for dependence as Rao and Scott do) and by more
than the floor (total variation less what chance alone makes of it); the statistic is the smaller of the two.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from detectors.detector import State
from detectors.event_batch import Float64
from detectors.monitors.rate_change import excess, skewness_of_hits
from detectors.profile import CategoricalProfile
from detectors.scans.calibration import normal_of_student, of_skewed, threshold_of_many
from detectors.scans.panel import MIN_EVENTS
from detectors.scans.scored_windows import Bank, Remains, Scored, Told, Windows
from detectors.scans.window_bank import WARNING_RATE, WindowBank, interval_of, tolerance
from detectors.statistics.dependence import INDEPENDENT
from detectors.verdict import Effect

RESOLUTION = 0.025  # stands in for a floor of 0 where an alert is resolved
_FEW, _FEWER = 5.0, 2.0  # expected values: below the first a level is judged by an exact tail, below the second together with others that are


class CategoricalDrift(WindowBank):
    """A monitor for each categorical column; `Verdicts.effect` is the total variation distance less what chance makes of it, at least 0.

    Parameters
    ----------
    bank : names, budget and times.
    profiles : reference of each column.
    blocks : where each column's levels (then ``unseen``, ``missing``) stand in a summary vector.
    floor : of the total variation.
    """

    def __init__(self, bank: Bank, *, profiles: Sequence[CategoricalProfile], blocks: Sequence[slice], floor: float) -> None:
        m = len(profiles)
        self._sizes = sizes = np.array([len(profile.levels) + 1 for profile in profiles])
        levels = int(sizes.sum())
        self._column = np.repeat(np.arange(m), sizes)
        super().__init__(bank, width=m + levels, channel_sums=np.stack((self._column, m + np.arange(levels), m + np.arange(levels))), channel_monitor=self._column)
        self.profiles = tuple(profiles)
        self._floor = floor
        self._first = np.cumsum(np.append(0, sizes[:-1]))
        self._cells = np.concatenate([np.arange(block.start, block.start + size) for block, size in zip(blocks, sizes, strict=True)])
        self._counts = np.concatenate([np.array([*profile.counts, profile.unseen], np.float64) for profile in profiles])
        self._n_reference = self._of_columns(self._counts)
        with np.errstate(all="ignore"):
            self._rates = np.nan_to_num(self._counts / self._n_reference[self._column])
        # Rao and Scott's first-order correction: the mean of the levels' inflations, weighted by 1 - p.
        weights = (1 - self._rates) * (self._rates > 0)
        self._weights = weights / np.maximum(self._of_columns(weights), 1e-12)[self._column]
        seen = self._of_columns((self._counts > 0).astype(np.float64))
        self._share_of_freedom = np.maximum(1 - 1 / np.maximum(seen, 1), 0.5)
        # Of two levels one is what the other is not, and G2 sees both.
        sides = np.where(seen > 2, sizes + seen, 0).astype(int)
        with np.errstate(divide="ignore"):
            self._handicap = np.where(sides > 0, np.log(sides), np.inf)
        scans = [(max(int(levels) - 1, 1), int(alone)) for levels, alone in zip(seen, sides, strict=True)]
        self._thresholds = tuple(
            np.array([threshold_of_many(looks, directions, alone=alone, smallest=bank.smallest) for directions, alone in scans])
            for looks in (bank.looks, bank.looks / WARNING_RATE)
        )

    def _of_columns(self, values: Float64) -> Float64:
        """(..., levels) summed to (..., m)."""
        sums: Float64 = np.add.reduceat(values, self._first, axis=-1)
        return sums

    @property
    def floors(self) -> Float64:
        """(m,) the floor of the total variation, .025 where it is 0."""
        return np.full(len(self.names), self._floor or RESOLUTION)

    @override
    def sums_of(self, counts: Float64, starts: Sequence[int]) -> Float64:
        """(k, m + levels) values of each column, then of each level, unseen last in its column."""
        levels = counts[:, self._cells]
        return np.concatenate((self._of_columns(levels), levels), axis=1)

    def _level_counts(self, windows: Windows) -> Float64:
        """(..., w, levels)"""
        return windows.sums[..., len(self.names) :]

    def _compared(self, windows: Windows) -> tuple[Float64, Float64, Float64]:
        """Counts and shares (levels,) and rows (m,) of what windows are compared with; (..., w, levels) and (..., w, m) where every window has a reference of its own."""
        del windows  # all have the same
        return self._counts, self._rates, self._n_reference

    @override
    def expected(self, state: State) -> Float64:
        """(levels,) shares in the reference."""
        del state
        return self._rates

    @override
    def score(self, windows: Windows, state: State) -> Scored:
        """Likelihood ratio and total variation of every window; the ratio only where the variation is beyond the floor."""
        m = len(self.names)
        n, counts = windows.sums[..., :m], self._level_counts(windows)
        n_level = n[..., self._column]
        compared = of_reference, rates, rows = self._compared(windows)
        inflation = self._inflation(windows.known_inflation)[windows.noted]
        unarmed = np.isnan(self._of_columns(windows.known_inflation))[windows.noted]
        freedom = self._freedom(windows.known_inflation, windows.known_freedom)[windows.noted]

        per_event = 1 / n + 1 / rows
        shared = (counts + of_reference) / (n_level + rows[..., self._column])
        by_chance = 0.5 * self._of_columns(np.sqrt(2 / np.pi * np.maximum(shared * (1 - shared), 0)))
        chance = by_chance * np.sqrt(per_event * inflation)
        distance = 0.5 * self._of_columns(np.abs(counts / n_level - rates))
        error = 0.5 * np.sqrt(per_event * inflation)  # a signed sum of indicators has a variance of at most 1 per event
        statistic = normal_of_student((distance - chance - self._floor) / error, freedom)
        if self._floor == 0:
            statistic = self._sure(windows, compared, inflation, freedom)
        elif len(asked := np.flatnonzero(((n >= MIN_EVENTS) & (statistic > 0)).any(axis=-1))):
            some = tuple(part if part.ndim == 1 else part.reshape(-1, part.shape[-1])[asked] for part in compared)
            sure = self._sure(windows.some(asked), some, inflation.reshape(-1, m)[asked], freedom.reshape(-1, m)[asked])
            of_all = statistic.reshape(-1, m)
            of_all[asked] = np.minimum(of_all[asked], sure)
            statistic = of_all.reshape(statistic.shape)
        detail = {"distance": distance, "by_chance": by_chance, "error": error}
        return Scored(windows, n, np.where(unarmed, np.nan, statistic), np.maximum(distance - chance, 0), detail)

    def _sure(self, windows: Windows, compared: Sequence[Float64], inflation: Float64, freedom: Float64) -> Float64:
        """(..., w, m) how surely the windows differ: by the likelihood ratio of all levels, or by the one level that differs most, which pays for being chosen."""
        m = len(self.names)
        n, counts = windows.sums[..., :m], self._level_counts(windows)
        of_reference, rates, rows = compared
        n_level, n0_level = n[..., self._column], rows[..., self._column]
        expected = n_level * rates
        common = expected >= _FEW
        single = (expected >= _FEWER) & ~common
        shared = (counts + of_reference) / (n_level + n0_level)
        terms = np.where(common, _entropy_term(counts, n_level * shared) + _entropy_term(of_reference, n0_level * shared), 0)
        in_common, ref_common, levels = self._of_columns(common * np.stack(np.broadcast_arrays(counts, of_reference, 1.0)))
        hits, reference_hits = self._of_columns(~(common | single) * np.stack(np.broadcast_arrays(counts, of_reference)))
        # G2 among the common levels, given how many values are common at all ...
        both = (in_common + ref_common) / (n + rows)
        ratio = 2 * (self._of_columns(terms) - _entropy_term(in_common, n * both) - _entropy_term(ref_common, rows * both))
        # ... plus each level of few against the others, and what is rarer together, with exact tails.
        alone = self._of_level(n_level, counts, of_reference, rates, n0_level)
        surprise = excess(np.stack((hits, n - hits)), n, np.stack((reference_hits, rows - reference_hits)), rows, 0.0).max(axis=0)
        # Their squares add up as Pearson's do, whose variances are those of Poisson counts: 1 / (1 - p) times a binomial's.
        rare = self._of_columns(np.where(single, (1 - rates) * alone**2, 0)) + (1 - reference_hits / rows) * surprise**2
        degrees = np.maximum(levels + self._of_columns(single * np.ones(1)) + (hits + reference_hits > 0) - 1, 1)
        williams = 1 + self._of_columns(np.where(common, 1 / (n_level * np.maximum(rates, 1e-12)), 0)) / (6 * degrees)
        chi_square = (np.maximum(ratio, 0) / williams + rare) / inflation
        spread = 2 / (9 * degrees)
        of_all = normal_of_student((np.cbrt(chi_square / degrees) - (1 - spread)) / np.sqrt(spread), freedom)
        rarely = np.clip(rates, 0.5 / (n0_level + 1), 1 - 0.5 / (n0_level + 1))
        skewed = of_skewed(alone, skewness_of_hits(n_level, np.where(counts > n_level * rates, rarely, 1 - rarely)))
        own = normal_of_student(np.where(alone > 0, skewed, alone) / np.sqrt(windows.inflation), windows.freedom)
        of_one = np.sqrt(np.maximum(np.maximum.reduceat(own, self._first, axis=-1) ** 2 - 2 * self._handicap, 0))
        larger: Float64 = np.maximum(of_all, of_one)
        return larger

    def _of_level(self, n: Float64, counts: Float64, of_reference: Float64, rates: Float64, n0: Float64) -> Float64:
        """(..., w, levels) how surely the share of each level differs from that in the reference, whichever way."""
        more = counts > n * rates
        sure: Float64 = excess(np.where(more, counts, n - counts), n, np.where(more, of_reference, n0 - of_reference), n0, 0.0)
        return sure

    @override
    def remains(self, scored: Scored, inflation: Float64, state: State) -> Remains:
        """Total variation; what chance makes of it is taken off in squares, as chance and a change add so in every level."""
        n = scored.events
        spread = np.sqrt((1 / n + 1 / self._n_reference) * self._inflation(inflation))
        effect = np.sqrt(np.maximum(scored.detail["distance"] ** 2 - (scored.detail["by_chance"] * spread) ** 2, 0))
        own, of_reference = np.sqrt(self._n_reference / (n + self._n_reference)), np.sqrt(n / (n + self._n_reference))
        return Remains(effect[None], (0.5 * spread * own)[None], tolerance(self._floor, 0.5 * spread * of_reference)[None])

    def _inflation(self, of_levels: Float64) -> Float64:
        """(..., m) of each column, as Rao and Scott mix that of its levels."""
        inflation = self._of_columns(np.where(self._weights > 0, of_levels, 0) * self._weights)
        return np.where(inflation > 0, inflation, 1.0)

    def _freedom(self, inflation: Float64, of_levels: Float64) -> Float64:
        """(r, m) degrees of freedom of a column's inflation, from those of its levels (Satterthwaite 1946); the last level says nothing that the others have not said."""
        parts = np.where(self._weights > 0, inflation, 0) * self._weights
        square = self._of_columns(np.where(self._weights > 0, parts**2 / of_levels, 0))
        freedom: Float64 = np.where(square > 0, self._of_columns(parts) ** 2 / square * self._share_of_freedom, INDEPENDENT)
        return freedom

    def tell(self, state: State, monitor: int, bucket: int, scored: Scored) -> Told:
        """Counts of all levels in both."""
        profile, m = self.profiles[monitor], len(self.names)
        begin = m + int(self._first[monitor])
        current = state["sums"][bucket:, begin : begin + len(profile.levels) + 1].sum(axis=0)
        value = float(scored.effect[bucket, monitor])
        low, high = interval_of(value, float(scored.detail["error"][bucket, monitor]))
        levels = [*profile.levels, "(unseen)"]
        return Told(
            statistic="smaller of G2 and (total variation - floor) / se, largest over windows" if self._floor > 0 else "G2 on the normal scale, largest over windows",
            effect=Effect(name="total variation", value=value, interval=(max(low, 0.0), min(high, 1.0)), floor=self._floor),
            n_reference=float(self._n_reference[monitor]),
            n_current=float(scored.events[bucket, monitor]),
            reference=dict(zip(levels, [float(count) for count in (*profile.counts, profile.unseen)], strict=True)),
            current=dict(zip(levels, current.tolist(), strict=True)),
            basis={"detector": "categories"},
        )


def _entropy_term(observed: Float64, expected: Float64) -> Float64:
    """``observed log(observed / expected)``, 0 where nothing was observed."""
    term: Float64 = np.where(observed > 0, observed * np.log(np.maximum(observed, 1e-300) / np.maximum(expected, 1e-300)), 0.0)
    return term
