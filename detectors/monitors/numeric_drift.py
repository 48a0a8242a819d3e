"""Drift of numeric columns against the declared reference: location and scale from the bin counts of a pane.

For tables of any width: a step is a few numpy calls for all columns. Location is the mean standard score, so its effect is a shift in sigma of
the reference; scale is the variance about the window's own mean, its effect the logarithm of the ratio of standard deviations. Both live
under one threshold. A learnt cycle is subtracted at each pane's midpoint, so a seasonal swing is not drift.

Not for changes that leave mean and variance alone (a column that becomes bimodal), nor for a constant column: it stays `INSUFFICIENT_DATA`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol
from weakref import WeakValueDictionary

import numpy as np
from typing_extensions import override

from detectors.detector import State
from detectors.event_batch import Float64, Int64
from detectors.profile import Cycle, NumericProfile
from detectors.scans.calibration import normal_of_student, of_skewed, threshold
from detectors.scans.history import Cells, Histogram, narrow_each
from detectors.scans.panel import MIN_EVENTS
from detectors.scans.scored_windows import Bank, Remains, Scored, Told, Windows
from detectors.scans.window_bank import WARNING_RATE, WindowBank, interval_of, tolerance
from detectors.statistics.large_deviation import DeviationTable, normal_of_root
from detectors.verdict import Effect

SHIFT_RESOLUTION, RATIO_RESOLUTION = 0.05, 1.075  # stand in for floors of 0 where an alert is resolved
WIDER, NARROWER = 0.7, 1.5  # handicaps of the sides of the scale, see `threshold`: a shift has two sides without one; it is what most often happens, and a column seldom narrows
SWING = 0.1  # of a spread, from which on a variance with its cycle taken off need not be positive, so that the tail of its law says nothing
PHASES = 96  # of a cycle at which it is looked for its widest
GOLDEN = (math.sqrt(5) - 1) / 2
_N, _FIRST, _SECOND, _FOURTH = range(4)


class NumericDrift(WindowBank):
    """A monitor for each numeric column.

    `Verdicts.effect` is a magnitude on the scale of shifts: a scale effect is multiplied by floor of shift / floor of log ratio, so that both
    compare with the one floor; the evidence has each in its own unit and with its sign.

    Parameters
    ----------
    bank : names, budget and times.
    profiles : reference of each column.
    blocks : where each column's bins (then ``missing``, ``out_of_range``) stand in a summary vector.
    shift : floor of the shift, in sigma of the reference.
    deviation_ratio : floor of the ratio of standard deviations, >= 1.
    swing : what is expected at a time, if that is not in the profiles.
    """

    def __init__(self, bank: Bank, *, profiles: Sequence[NumericProfile], blocks: Sequence[slice], shift: float, deviation_ratio: float, swing: Swing | None = None) -> None:
        m = len(profiles)
        columns = np.arange(m)
        channels = np.array([[columns, columns], [_FIRST * m + columns, _SECOND * m + columns], [_SECOND * m + columns, _FOURTH * m + columns]]).reshape(3, 2 * m)
        of_both = np.concatenate((columns, columns))
        super().__init__(bank, width=4 * m, channel_sums=channels, channel_monitor=of_both, channel_of_events=of_both)
        self._shift, self._ratio = shift, deviation_ratio
        self._reference = reference = _reference(profiles, blocks) if swing is None else _Reference(profiles, blocks, swing)
        self.profiles, self.blocks = reference.profiles, reference.blocks
        self._n_reference, self._mean, self._variance = reference.n, reference.mean, reference.variance
        self._rows_of_laws = np.concatenate((reference.n, reference.n))
        self._cycles, self._tails, self._stretch = reference.cycles, reference.tails, reference.stretch
        self._skewness = reference.skewness
        self._crest, self._swings = reference.crest, reference.crest > 1 + SWING
        ease = np.where(np.isnan(self._tails.scale), np.nan, 0.0)  # a constant has no law
        self._at_floor = normal_of_root(0 * ease, ease)
        levels = [threshold(looks, sides=2, handicaps=(WIDER, NARROWER), smallest=bank.smallest) for looks in (bank.looks, bank.looks / WARNING_RATE)]
        self._thresholds = tuple(np.full(m, level) for level in levels)

    @property
    def floors(self) -> Float64:
        """(m,) the floor of the shift in sigma, 0.05 where it is 0."""
        return np.full(len(self.names), self._shift or SHIFT_RESOLUTION)

    @property
    def _shift_per_log_ratio(self) -> float:
        return (self._shift or SHIFT_RESOLUTION) / math.log(self._ratio if self._ratio > 1 else RATIO_RESOLUTION)

    @override
    def sums_of(self, counts: Float64, starts: Sequence[int]) -> Float64:
        """(k, 4 m) events, and sums of the scores about the cycle's expectation to the powers 1, 2 and 4 (the cycle of squares taken off the second)."""
        held = np.concatenate((counts, np.zeros((len(counts), 1))), axis=1)[:, self._reference.cells]
        raw = (held[..., None, :] @ self._reference.powers)[..., 0, :]
        n, s1, s2, s3, s4 = np.moveaxis(raw, -1, 0)
        if not self._cycles:
            return np.concatenate((n, s1, s2, s4), axis=1)
        e, v = (np.stack(part) for part in zip(*(self._cycles.at(start + self.bank.pane // 2) for start in starts), strict=True))
        second = s2 - 2 * e * s1 + e**2 * n
        fourth = s4 - 4 * e * s3 + 6 * e**2 * s2 - 4 * e**3 * s1 + e**4 * n
        return np.concatenate((n, s1 - e * n, second - v * n, fourth - 2 * v * second + v**2 * n), axis=1)

    @override
    def expected(self, state: State) -> Float64:
        """(2 m,) mean scores of the reference, and mean squares, without what a cycle makes of them."""
        del state
        return np.concatenate((self._mean, self._variance + self._mean**2))

    @override
    def cells_of(self, counts: Float64) -> list[Cells]:
        """Bins of all columns, one after another."""
        return narrow_each(counts[:, self._reference.binned])

    @override
    def bins_of(self, counts: Float64, monitor: int) -> list[float]:
        """Bins of a column."""
        start = self.blocks[monitor].start
        found: list[float] = counts[start : start + len(self.profiles[monitor].scores)].tolist()
        return found

    def _compared(self, windows: Windows) -> Float64:
        """(2 m,) rows of what the channels of windows are compared with; (..., w, 2 m) where every window has a reference of its own."""
        del windows  # all have the same
        return self._rows_of_laws

    @override
    def score(self, windows: Windows, state: State) -> Scored:
        """Both channels of all windows; the larger counts."""
        rows_of_laws = self._compared(windows)
        m = len(self.names)
        sums = windows.sums
        n = sums[..., :m]
        m1, m2, m4 = (sums[..., m * i : m * (i + 1)] / n for i in (_FIRST, _SECOND, _FOURTH))
        variance = np.maximum(m2 - m1 * m1, 0)
        shift = m1 - self._mean
        beyond = np.copysign(np.maximum(np.abs(shift) - self._shift, 0), shift)
        # Under the floor's ratio R the window's squares follow the reference's law times R^2, so they are scaled back before they are compared.
        squared = self._ratio**2
        # A window's own mean takes a degree of freedom from the squares about it.
        more, less = variance * (n / np.maximum(n - 1, 1)) / squared - self._variance, variance * squared - self._variance
        change = np.where(more > 0, more, np.minimum(less, 0))
        log_ratio = 0.5 * np.log(variance / self._variance)
        # Most windows are within the floors: what lies beyond is looked up, one place at a time.
        both = windows.of_known(normal_of_student(self._at_floor, windows.known_freedom))
        location, scale = both[..., :m], both[..., m:]
        for channel, deviation in enumerate((beyond, change)):
            flat = np.flatnonzero((n >= MIN_EVENTS) & (deviation != 0))
            if not len(flat):
                continue
            window, column = np.divmod(flat, m)
            law = channel * m + column
            values, of_window, events = deviation.ravel()[flat], variance.ravel()[flat], n.ravel()[flat]
            if channel == 1:
                of_window = np.maximum(m4.ravel()[flat] - m2.ravel()[flat] ** 2, 0) * np.where(values > 0, squared**-2, squared**2)
            rows = rows_of_laws[law] if rows_of_laws.ndim == 1 else rows_of_laws.reshape(-1, 2 * m)[window, law]
            error, freedom = self._error(windows, window, law, events, rows)
            # The law's spread is known as well as its reference is large; a window that is as large says how wide the law is, too.
            share = (events / (events + rows)) ** 2
            wider = np.maximum(1 + share * (of_window * (self._stretch[law] / self._tails.scale[law]) ** 2 - 1), 1)
            counts = error > 0  # the dependence is known
            stretched = values[counts] * self._stretch[law[counts]]
            slope, ease = self._tails.at(stretched, law[counts])
            slope = np.where(self._swings[law[counts]], np.minimum(slope, 1 / self._tails.scale[law[counts]]), slope)
            root = np.abs(stretched) * slope / (error[counts] * np.sqrt(wider[counts]) * self._crest[law[counts]])
            skewness = np.sign(values[counts]) * self._skewness[law[counts]] / np.sqrt(events[counts])
            both.reshape(-1, 2 * m)[window[counts], law[counts]] = normal_of_student(of_skewed(normal_of_root(root, ease), skewness), freedom[counts])
        handicapped = np.sqrt(np.maximum(scale * scale - 2 * np.where(change < 0, NARROWER, WIDER), 0))
        statistic = np.where(np.isnan(scale), location, np.maximum(location, handicapped))
        detail = {"shift": shift, "log_ratio": log_ratio, "location": location, "scale": scale, "variance": variance}
        return Scored(windows, n, statistic, np.fmax(np.abs(shift), np.abs(log_ratio) * self._shift_per_log_ratio), detail)

    def _error(self, windows: Windows, window: Int64, law: Int64, n: Float64, rows: Float64) -> tuple[Float64, Float64]:
        """Standard errors in units of the spread, and their degrees of freedom, at windows and channels that are compared with so many rows."""
        inflation, freedom = windows.known_at(window, law)
        return np.sqrt((1 / n + 1 / rows) * inflation), freedom

    def _rows_at(self, windows: Windows, bucket: int, laws: Int64) -> Float64:
        """Rows of what channels of one window are compared with."""
        rows = self._compared(windows)
        return rows[laws] if rows.ndim == 1 else rows[bucket, laws]

    @override
    def remains(self, scored: Scored, inflation: Float64, state: State) -> Remains:
        """Shift in sigma, and the logarithm of the ratio of deviations."""
        m, n, variance = len(self.names), scored.events, scored.detail["variance"]
        m2, m4 = (scored.windows.sums[..., m * i : m * (i + 1)] / n for i in (_SECOND, _FOURTH))
        kurtosis = np.maximum(m4 - m2 * m2, 2 * variance**2) / variance**2  # a variance is at least as uncertain as a normal column's
        spread = np.stack((np.sqrt(np.maximum(variance, self._variance)), 0.5 * np.sqrt(kurtosis)))
        error = np.sqrt((1 / n + 1 / self._n_reference) * np.stack((inflation[..., :m], inflation[..., m:]))) * spread
        own, of_reference = np.sqrt(self._n_reference / (n + self._n_reference)), np.sqrt(n / (n + self._n_reference))
        allowed = [tolerance(floor, one * of_reference) for floor, one in zip((self._shift, math.log(self._ratio)), error, strict=True)]
        return Remains(np.abs(np.stack((scored.detail["shift"], scored.detail["log_ratio"]))), error * own, np.stack(allowed))

    def tell(self, state: State, monitor: int, bucket: int, scored: Scored) -> Told:
        """The channel that says more, with both windows' bins."""
        detail = {name: values[bucket] for name, values in scored.detail.items()}
        m, profile = len(self.names), self.profiles[monitor]
        n = float(scored.events[bucket, monitor])
        laws = np.array([monitor, m + monitor])
        errors, _ = self._error(scored.windows, np.array([bucket, bucket]), laws, np.array([n, n]), self._rows_at(scored.windows, bucket, laws))
        by_scale = bool(detail["scale"][monitor] > detail["location"][monitor])
        if by_scale:
            # A variance about as uncertain as that of a normal column; the threshold does not depend on this interval.
            value, error = float(detail["log_ratio"][monitor]), float(errors[1]) / np.sqrt(2)
            effect = Effect(name="log ratio of deviations", value=value, interval=interval_of(value, error), floor=float(np.log(self._ratio)))
        else:
            value, error = float(detail["shift"][monitor]), float(errors[0] * np.sqrt(max(detail["variance"][monitor], self._variance[monitor])))
            effect = Effect(name="shift in sigma", value=value, interval=interval_of(value, error), floor=self._shift)
        begin = sum(len(before.scores) for before in self.profiles[:monitor])
        current = Histogram.of_state(state).cells_since(bucket)[begin : begin + len(profile.scores)]
        edges = list(profile.edges)
        return Told(
            statistic="largest (|scale effect| - floor) / se over windows" if by_scale else "largest (|shift| - floor) / se over windows",
            effect=effect,
            n_reference=float(self._n_reference[monitor]),
            n_current=n,
            reference={"edges": edges, "counts": [float(count) for count in profile.counts], "mean": profile.mean, "deviation": profile.deviation},
            current={"edges": edges, "counts": current.tolist()},
            basis={
                "detector": "numbers",
                "scores": list(profile.scores),
                "cycles": [cycle.model_dump(mode="json") for cycle in profile.cycles],
                "shift": self._shift,
                "deviation_ratio": self._ratio,
            },
        )


class Swing(Protocol):
    """What is expected of columns at a time, beyond their means."""

    location_variance: Float64
    """(m,) of the reference's variance, what the expectation explains."""

    def __bool__(self) -> bool:
        """Whether anything is expected."""
        ...

    def largest_square(self) -> Float64:
        """(m,) the most that the variance is expected to exceed its mean by."""
        ...

    def at(self, time: int) -> tuple[Float64, Float64]:
        """(m,) each: expected score, and what the variance is expected to differ by from its mean."""
        ...


class _Reference:
    """What a bank needs to know of its columns, and of nothing else; the same for all models that were made from one reference.

    Attributes
    ----------
    cells : (m, B) where each bin stands in a summary vector; gathered into a rectangle, whose padding points at a cell behind the vector that is always 0.
    powers : (m, B, 5) of the bins' scores.
    n, mean, variance : (m,) of each column.
    tails : of the means, then of the variances.
    skewness : (2 m,) of a value, then of its square.
    stretch : (2 m,) by which deviations are multiplied where a cycle is taken off, before they are looked up in the tails.
    crest : (2 m,) by how much wider than on average they spread where the variance has a cycle, too, at its highest: a window may be all of that part of it.
    """

    def __init__(self, profiles: Sequence[NumericProfile], blocks: Sequence[slice], swing: Swing | None = None) -> None:
        self.profiles, self.blocks = tuple(profiles), tuple(blocks)
        m, bins = len(profiles), max(len(profile.scores) for profile in profiles)
        self.cells = np.full((m, bins), -1)
        scores, weights = np.zeros((m, bins)), np.zeros((m, bins))
        for column, (profile, block) in enumerate(zip(profiles, blocks, strict=True)):
            size = len(profile.scores)
            self.cells[column, :size] = np.arange(block.start, block.start + size)
            scores[column, :size] = np.nan_to_num(profile.scores)
            weights[column, :size] = profile.counts
        self.binned = self.cells[self.cells >= 0]
        self.powers = scores[..., None] ** np.arange(5)
        self.powers[..., 0] = self.cells >= 0
        self.n = weights.sum(axis=1)
        with np.errstate(all="ignore"):
            self.mean, square = (np.nan_to_num((weights * scores**power).sum(axis=1) / self.n) for power in (1, 2))
        self.cycles: Swing = swing or _Cycles([profile.cycles for profile in profiles])
        self.variance = np.maximum(square - self.mean**2 - self.cycles.location_variance, 0.05 * (square - self.mean**2))
        laws = [(scores[column], weights[column]) for column in range(m)]
        self.tails = DeviationTable.of_means(laws).beside(DeviationTable.of_variances(laws))
        self.skewness = np.concatenate([_skewness(weights, values) for values in (scores, (scores - self.mean[:, None]) ** 2)])
        # What is left when a cycle is taken off has a law of about the same shape, but narrower; its squares spread as those of a normal law at least.
        location, scale = np.split(self.tails.scale, 2)
        with np.errstate(all="ignore"):
            left = np.where(self.cycles.location_variance > 0, self.variance / location**2, 1.0)
            narrower = np.where(left < 1, np.maximum(left, np.sqrt(2) * self.variance / scale), 1.0)
        self.stretch = 1 / np.concatenate((np.sqrt(left), narrower))
        with np.errstate(all="ignore"):
            crest = 1 + np.nan_to_num(self.cycles.largest_square() / self.variance)
        self.crest = np.concatenate((np.sqrt(crest), crest))


def _skewness(weights: Float64, values: Float64) -> Float64:
    """(m,) of values (m, B), 0 for a constant."""
    with np.errstate(all="ignore"):
        chances = weights / weights.sum(axis=1, keepdims=True)
        left = values - (chances * values).sum(axis=1, keepdims=True)
        second, third = ((chances * left**power).sum(axis=1) for power in (2, 3))
        skewness: Float64 = np.nan_to_num(third / second**1.5, posinf=0.0, neginf=0.0)
    return skewness


_References = WeakValueDictionary[tuple[tuple[NumericProfile, ...], tuple[int, ...]], _Reference]
_REFERENCES: _References = WeakValueDictionary()
"""Those in use: tails take the most memory of a model, and the most time when it begins."""


def _reference(profiles: Sequence[NumericProfile], blocks: Sequence[slice]) -> _Reference:
    key = tuple(profiles), tuple(block.start for block in blocks)
    known = _REFERENCES.get(key)
    if known is None:
        known = _REFERENCES[key] = _Reference(profiles, blocks)
    return known


class _Cycles:
    """Expected standard score and expected square (about their means) of each column at a time."""

    def __init__(self, cycles: Sequence[tuple[Cycle, ...]]) -> None:
        self._periods = sorted({cycle.period for of_column in cycles for cycle in of_column})
        self.location_variance = np.zeros(len(cycles))
        self._location, self._square = [], []
        for period in self._periods:
            of_period = [(column, cycle) for column, of_column in enumerate(cycles) for cycle in of_column if cycle.period == period]
            width = max(max(len(cycle.location), len(cycle.square)) for _, cycle in of_period)
            location, square = np.zeros((len(cycles), width)), np.zeros((len(cycles), width))
            for column, cycle in of_period:
                location[column, : len(cycle.location)] += cycle.location
                square[column, : len(cycle.square)] += cycle.square
            self._location.append(location)
            self._square.append(square)
            self.location_variance += (location**2).sum(axis=1) / 2

    def __bool__(self) -> bool:
        return bool(self._periods)

    def largest_square(self) -> Float64:
        """(m,) the most that the variance is expected to exceed its mean by."""
        largest = np.zeros(len(self.location_variance))
        for place in range(PHASES * len(self._periods) ** 2):  # multiples of the golden section meet the phases of all periods evenly
            largest = np.maximum(largest, self.at(int(place * GOLDEN % 1 * self._periods[-1]))[1])
        return largest

    def at(self, time: int) -> tuple[Float64, Float64]:
        """(m,) each: expected score, and what the variance is expected to differ by from its mean over the cycle."""
        e, q = np.zeros(len(self.location_variance)), np.zeros(len(self.location_variance))
        for period, location, square in zip(self._periods, self._location, self._square, strict=True):
            angle = 2 * np.pi * (time % period) / period
            harmonics = angle * np.arange(1, location.shape[1] // 2 + 1)
            waves = np.stack((np.cos(harmonics), np.sin(harmonics)), axis=1).ravel()
            e += location @ waves
            q += square @ waves
        # E a^2 = q0 + q(t) and E a = e(t) give the variance q0 + q(t) - e(t)^2; its mean over the cycle is q0 - location_variance.
        return e, q - (e**2 - self.location_variance)
