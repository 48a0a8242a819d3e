"""Drift of how numeric columns go together, though each of them may look the same: a broken join, a unit that was swapped for some, another mix of customers.

Correlations of normal scores in recent windows are compared with the reference's. A window's correlations are taken about its own means and spreads, so a column
that moves or widens by itself is told by its own monitor and not here. Three questions are put to each window, under one threshold:

all      have the correlations risen or fallen on the whole? The sum of all pairs, with the tails that its law has in the reference (`detectors.statistics.large_deviation`);
         of the sum of influences, whose law that is, and the sum of correlations the one that says less, as spreads that changed move the former
many     have many of them changed, whichever way? The sum of the pairs' likelihood ratios, a chi-square of as many degrees as pairs are independent
one      has one of them changed by much? The largest of the likelihood ratios, with Bonferroni's allowance for their number

A pair's likelihood ratio is that of two normal columns, which in Fisher's ``d = atanh r - atanh r0`` is ``2 (n - 2) log cosh d``: Student's test exactly where
nothing was correlated before. It is scaled to the error that the correlation has in the reference, whatever the law of the columns together.

Not for events that depend on each other, as in a time series: the second question is not asked where most pairs show it, and with AR(1) .7 in twenty columns the others alarm
some six times as often as they may. Nor for columns of few values, or with a cycle: `detectors.specification` refuses them.
Correlations see straight lines only: of a dependence that leaves every correlation alone nothing is said.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from detectors.acknowledgement import Present
from detectors.detector import State
from detectors.event_batch import Float64, Int64
from detectors.profile import CorrelationProfile
from detectors.references.correlation_reference import LARGEST, pairs_of
from detectors.scans.calibration import normal_of_student, threshold
from detectors.scans.panel import MIN_EVENTS
from detectors.scans.scored_windows import Bank, Remains, Scored, Told, Windows
from detectors.scans.window_bank import WARNING_RATE, WindowBank, interval_of, tolerance
from detectors.statistics.dependence import INDEPENDENT
from detectors.statistics.large_deviation import DeviationTable, normal_of_root
from detectors.verdict import Effect

RESOLUTION = 0.025  # stands in for a floor of 0 where an alert is resolved
FOLDED = float(np.sqrt(2 / np.pi))  # mean of |x| for a standard normal x
_ROWS_AT_ONCE = 128  # windows; more would not fit the processor's caches


class CorrelationDrift(WindowBank):
    """One monitor of all pairs; `Verdicts.effect` is the mean absolute difference of the correlations less what chance makes of it, at least 0.

    Parameters
    ----------
    bank : name, budget and times.
    profile : of the correlations.
    block : where `detectors.panes.correlation_sums` stand in a summary vector.
    floor : of the mean absolute difference.
    reference : rows, correlations (P,) and mean sum of influences that are compared with, instead of the profile's; see `acknowledged`.
    """

    def __init__(self, bank: Bank, *, profile: CorrelationProfile, block: slice, floor: float, reference: tuple[float, Float64, float] | None = None) -> None:
        d = len(profile.features)
        self._first, self._second = pairs_of(d)
        pairs = len(self._first)
        self.profile, self._block, self._floor = profile, block, floor
        # Sums: events; totals of each pair's influence, of each column's scores, of all pairs; then the squares of these.
        self._channels = channels = pairs + d + 1
        places = np.arange(channels)
        super().__init__(bank, width=1 + 2 * channels, channel_sums=np.stack((0 * places, 1 + places, 1 + channels + places)), channel_monitor=np.zeros(channels, np.int64))
        self._pairs, self._columns, self._all = slice(0, pairs), slice(pairs, pairs + d), pairs + d
        self._correlations: Float64
        self._declared, self._deviation = np.asarray(profile.correlations), np.asarray(profile.deviations)
        self._sum_law = DeviationTable.of_means([(np.asarray(profile.sum_values), np.asarray(profile.sum_counts, np.float64))])
        self._sum_deviation = float(self._sum_law.scale[0])
        declared = float(profile.rows), self._declared, 0.0
        rows, self._correlations, self._offset = declared if reference is None else reference
        self._n_reference = np.array([rows])
        self._stretch = (1 - self._declared**2) / self._deviation  # 1 for normal columns
        upper = np.triu_indices(d)
        self._own = np.flatnonzero(upper[0] == upper[1])  # products of a column with itself among the block's
        self._others = np.flatnonzero(upper[0] != upper[1])
        self._one_of_many = np.log(2 * pairs)  # each pair, in each direction, has so small a part that all of them have as much as one question
        handicaps = (self._one_of_many,) * (2 * pairs)
        self._thresholds = tuple(np.array([threshold(looks, sides=3, handicaps=handicaps, smallest=bank.smallest)]) for looks in (bank.looks, bank.looks / WARNING_RATE))

    @property
    def floors(self) -> Float64:
        """(1,) the floor of the mean absolute difference, .025 where it is 0."""
        return np.array([self._floor or RESOLUTION])

    def acknowledged(self, present: Present) -> CorrelationDrift:
        """The same monitor, which compares with what it saw in an acknowledged window; it is learning while there is none."""
        rows, correlations, offset = float(present.events), self._declared, 0.0
        if rows:
            totals, squares = (np.array(present.sums[name]) for name in ("totals", "squares"))
            found, influence = self._correlations_of(np.array([rows]), totals[None], squares[None])
            correlations, offset = np.where(np.isnan(found[0]), self._declared, found[0]), float(influence[0])
        return CorrelationDrift(self.bank, profile=self.profile, block=self._block, floor=self._floor, reference=(rows, correlations, offset))

    @override
    def sums_of(self, counts: Float64, starts: Sequence[int]) -> Float64:
        """(k, 1 + 2 c) rows, then totals of the channels, then their squares: of pairs those that independent rows of the reference's law would have within the pane."""
        d = len(self.profile.features)
        block = counts[:, self._block]
        n, scores, products = block[:, :1], block[:, 1 : 1 + d], block[:, 1 + d :]
        own = products[:, self._own]
        influence = (products[:, self._others] - self._declared * (own[:, self._first] + own[:, self._second]) / 2) / self._deviation
        whole = _row_sums(influence)[:, None] / self._sum_deviation
        known = np.maximum(n, 1)
        within = np.maximum(n - 1, 0)
        return np.concatenate((n, influence, scores, whole, influence**2 / known + within, own, whole**2 / known + within), axis=1)

    def _correlations_of(self, n: Float64, totals: Float64, squares: Float64) -> tuple[Float64, Float64]:
        """Of windows with n (w,) rows, and the channels' totals and squares (w, c): correlations (w, P), nan where a column is constant; mean sums of influences (w,)."""
        one, other = self._first, self._second
        means = totals[:, self._columns] / n[:, None]
        own = squares[:, self._columns] / n[:, None]
        products = totals[:, self._pairs] * (self._deviation / n[:, None]) + self._declared * (own[:, one] + own[:, other]) / 2 - means[:, one] * means[:, other]
        own = np.maximum(own - means**2, 0)
        influence = _row_sums((products - self._declared * (own[:, one] + own[:, other]) / 2) / self._deviation) * (n / np.maximum(n - 1, 1))
        spread = np.sqrt(own)
        with np.errstate(all="ignore"):
            found = products / (spread[:, one] * spread[:, other])
        if not own.all():
            found[~np.isfinite(found)] = np.nan
        return np.clip(found, -LARGEST, LARGEST), influence

    @override
    def score(self, windows: Windows, state: State) -> Scored:
        """The three questions, to every window with enough rows."""
        shape = windows.sums.shape[:-1]
        sums, noted = windows.sums.reshape(-1, self.width), np.broadcast_to(windows.noted, shape).ravel()
        names = ("all", "many", "one", "distance", "chance", "error")
        found = {name: np.full(len(sums), np.nan) for name in names}
        known = self._known(windows)
        usable = np.flatnonzero(sums[:, 0] >= MIN_EVENTS)
        for begin in range(0, len(usable), _ROWS_AT_ONCE):
            some = usable[begin : begin + _ROWS_AT_ONCE]
            for name, values in zip(names, self._scored_windows(sums[some], noted[some], windows, known), strict=True):
                found[name][some] = values
        detail = {name: values.reshape(*shape, 1) for name, values in found.items()}
        sure = np.fmax(np.fmax(np.abs(detail["all"]), detail["many"]), np.sqrt(np.maximum(detail["one"] ** 2 - 2 * self._one_of_many, 0)))
        beyond = detail["distance"] - detail["chance"] - self._floor
        statistic = sure
        if self._floor > 0:
            statistic = np.minimum(sure, normal_of_student(beyond / detail["error"], known[:, 2][noted].reshape(*shape, 1)))
        effect = np.where(np.isnan(detail["distance"]), np.nan, np.maximum(beyond + self._floor, 0))
        return Scored(windows, sums[:, 0].reshape(*shape, 1), statistic, effect, detail)

    def _known(self, windows: Windows) -> Float64:
        """(r, 3) of the rows of what was known of the dependence: inflation of the sum over pairs (Rao & Scott's mean), its freedom, and that of the mean."""
        inflation, freedom = windows.known_inflation[:, self._pairs], windows.known_freedom
        return np.stack((_row_sums(inflation) / len(self._first), freedom[:, self._all], np.median(freedom[:, self._pairs], axis=1)), axis=1)

    def _scored_windows(self, sums: Float64, noted: Int64, windows: Windows, known: Float64) -> tuple[Float64, ...]:
        """(w,) each of `score`'s details, of windows (w, q)."""
        n, rows, c = sums[:, 0], self._n_reference[0], self._channels
        found, influence = self._correlations_of(n, sums[:, 1 : 1 + c], sums[:, 1 + c :])
        found = np.where(np.isnan(found), self._correlations, found)  # a column that became constant says nothing of its pairs
        inflation, freedom_of_all, freedom_of_many = known[noted].T
        per_event = 1 / (n - 1) + 1 / rows
        difference = found - self._correlations

        influence, deviation = influence - self._offset, _row_sums(difference / self._deviation)
        deviation = np.where(influence * deviation > 0, np.copysign(np.minimum(np.abs(influence), np.abs(deviation)), influence), 0.0)
        slope, ease = self._sum_law.at(deviation, np.zeros(len(n), np.int64))
        root = np.abs(deviation) * slope / np.sqrt(per_event * windows.known_inflation[noted, self._all])
        of_all = np.copysign(normal_of_student(normal_of_root(root, ease), freedom_of_all), deviation)

        # Events that depend on each other are as good as fewer of them, and what is known of small windows is of so many.
        effective = n / inflation
        few = effective < MIN_EVENTS
        ratio = np.log((1 - found * self._correlations) ** 2 / ((1 - found * found) * (1 - self._correlations**2)))
        exact = (effective - 2) * ((8 * effective - 15) / (8 * effective - 13)) ** 2  # Wallace's factor, of n - 2 degrees of freedom
        ratio *= self._stretch**2 * (np.where(few, np.nan, exact) * rows / (n + rows))[:, None]
        # By a tenth too small an inflation a sum of 190 ratios is off by a whole standard deviation, so dependent events are not asked for it.
        of_many = np.where(freedom_of_many < INDEPENDENT, np.nan, self._normal_of_sum(_row_sums(ratio), effective))
        of_pair = windows.known_inflation[noted][:, self._pairs] / inflation[:, None]
        largest = np.argmax(ratio / of_pair, axis=1)
        place = np.arange(len(n))
        of_one = normal_of_student(np.sqrt(np.maximum(ratio[place, largest], 0) / of_pair[place, largest]), windows.known_freedom[noted, largest])
        of_all = np.where(few, np.nan, of_all)

        spread = np.sqrt((1 / n + 1 / rows) * inflation)
        distance, chance = _row_sums(np.abs(difference)) / len(self._first), FOLDED * self._deviation.mean() * spread
        return of_all, of_many, of_one, distance, chance, spread * self._error_of_mean

    def _normal_of_sum(self, ratio: Float64, n: Float64) -> Float64:
        """(w,) standard normal values with about the tails of sums (w,) of all ratios in windows of n events.

        Mean, variance and third cumulant are those of a weighted sum of chi-squares, and a chi-square of as much skewness takes its place (Imhof's approximation
        of 1961, after Pearson). Pairs with a column in common are not independent three by three: ``E r12^2 r23^2 r31^2`` makes the third cumulant of d independent
        columns larger by ``(d - 2) / (n - 1)``, which counts in short windows.
        """
        square, cube = self.profile.traces
        degrees = square**3 / cube**2 / (1 + (len(self.profile.features) - 2) / (n - 1)) ** 2
        alike = 1 + (ratio - len(self._first)) / np.sqrt(square * degrees)
        return _normal_of_chi_square(alike, degrees)

    @override
    def remains(self, scored: Scored, inflation: Float64, state: State) -> Remains:
        """Mean absolute difference; what chance makes of it is taken off in squares, as chance and a change add so in every pair."""
        rows, n = self._n_reference[0], scored.events
        spread = np.sqrt((1 / n + 1 / rows) * inflation[..., self._pairs].mean(axis=-1, keepdims=True))
        effect = np.sqrt(np.maximum(scored.detail["distance"] ** 2 - (FOLDED * self._deviation.mean() * spread) ** 2, 0))
        error = spread * self._error_of_mean
        own, of_reference = np.sqrt(rows / (n + rows)), np.sqrt(n / (n + rows))
        return Remains(effect[None], (error * own)[None], tolerance(self._floor, error * of_reference)[None])

    @property
    def _error_of_mean(self) -> float:
        """Standard deviation of a mean of all pairs with any signs, of one row."""
        return float(np.sqrt(np.square(self._deviation).mean() * self.profile.largest / len(self._deviation)))

    @override
    def tell(self, state: State, monitor: int, bucket: int, scored: Scored) -> Told:
        """All correlations before and since."""
        detail = {name: float(values[bucket, 0]) for name, values in scored.detail.items()}
        sums = scored.windows.sums[bucket]
        c, n = self._channels, float(scored.events[bucket, 0])
        current = self._correlations_of(sums[:1], sums[None, 1 : 1 + c], sums[None, 1 + c :])[0][0] if n else np.full(len(self._first), np.nan)
        value = float(scored.effect[bucket, 0])
        low, high = interval_of(value, detail["error"])
        names = self.pair_names
        questions = {
            "sum of all differences / se": abs(detail["all"]),
            "sum of the pairs' likelihood ratios on the normal scale": detail["many"],
            "largest likelihood ratio of a pair, less its price": np.sqrt(max(detail["one"] ** 2 - 2 * self._one_of_many, 0.0)),
        }
        strongest = max(questions, key=lambda name: np.nan_to_num(questions[name], nan=-1.0))
        floored = "smaller of (mean |difference| - floor) / se and " if self._floor > 0 else ""
        return Told(
            statistic=f"{floored}{strongest}, largest over windows",
            effect=Effect(name="mean difference of correlations", value=value, interval=(max(low, 0.0), high), floor=self._floor),
            n_reference=float(self._n_reference[0]),
            n_current=n,
            reference=dict(zip(names, self._correlations.tolist(), strict=True)),
            current=dict(zip(names, current.tolist(), strict=True)),
            basis={"detector": "correlation", "profile": self.profile.model_dump(mode="json"), "offset": self._offset},
        )

    @property
    def pair_names(self) -> list[str]:
        """Of each pair: its two columns."""
        names = self.profile.features
        return [f"{names[one]} ~ {names[other]}" for one, other in zip(self._first.tolist(), self._second.tolist(), strict=True)]


def _row_sums(values: Float64) -> Float64:
    """(w,) sums of rows, whose bits do not depend on how many rows are looked at together: numpy adds up in another order where columns lie one after another."""
    sums: Float64 = np.ascontiguousarray(values).sum(axis=1)
    return sums


def _normal_of_chi_square(ratio: Float64, degrees: Float64) -> Float64:
    """A standard normal value with about the tail of a chi-square over its degrees of freedom (Wilson & Hilferty 1931)."""
    spread = 2 / (9 * degrees)
    value: Float64 = (np.cbrt(ratio) - (1 - spread)) / np.sqrt(spread)
    return value
