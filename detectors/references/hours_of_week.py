"""What is expected in each of the 168 hours of a week, from few rows of each.

The mean of an hour is that of the reference's rows in it, shrunk towards the same hour of all days, which is shrunk towards the whole: by as much as hours differ
from each other beyond what chance makes of their few rows (the best linear unbiased prediction of a nested random effects model, Henderson 1975; variances
by the method of moments, Searle 1971). Where nothing has a rhythm, an hour so has the reference of the whole; where each hour is another, its own rows alone.

What an hour's mean is uncertain by counts where a window is judged. A window's reference is the mixture of its hours, and as uncertain as so many rows would
be: a window of one hour has few, one of a week nearly all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.event_batch import Float64, Int64

HOUR = 3_600_000
DAY_HOURS, HOURS = 24, 168
WEEK = HOURS * HOUR
_MONDAY = 72 * HOUR  # 1970 began on a Thursday
_COLUMNS_AT_ONCE = 16


def hour_of_week(time: Int64) -> Int64:
    """Hour of the week in UTC, 0 to 167, of which 0 begins with Monday.

    Parameters
    ----------
    time : epoch milliseconds, any shape.

    Examples
    --------
    >>> hour_of_week(np.array([0, 4 * 24 * HOUR, 4 * 24 * HOUR - 1])).tolist()  # 1970 began on a Thursday
    [72, 0, 167]
    """
    hours: Int64 = (time + _MONDAY) // HOUR % HOURS
    return hours


@dataclass(frozen=True)
class Rhythm:
    """What hours differ by, and how well it is known. Variances are those of a mean, in units of the variance of one event within an hour.

    Attributes
    ----------
    offsets : (168, l) by how much each hour's mean is expected to differ from that of all rows.
    within : sum over ``l`` of the variance of one event about its hour's mean.
    of_hour : (168,) of what is an hour's own.
    of_day_hour : (24,) of what the same hours of all days have in common.
    of_whole : of the mean of all.
    shrunk_hour, shrunk_day_hour : (168,) and (24,) by how much each leans on the next wider mean, from 0 to 1.
    rows : that all of this is from.
    """

    offsets: Float64
    within: float
    of_hour: Float64
    of_day_hour: Float64
    of_whole: float
    shrunk_hour: Float64
    shrunk_day_hour: Float64
    rows: float


def rhythm_of(events: Float64, totals: Float64, squares: Float64) -> Rhythm:
    """What hours of the week differ by.

    Parameters
    ----------
    events : (168,) rows of the reference in each hour.
    totals, squares : (168, l) sums of their values, and of the squares of these; several values of a row, such as which level it has, are shrunk together.

    Examples
    --------
    >>> events = np.full(168, 20.0)
    >>> alike = rhythm_of(events, np.full((168, 1), 2.0), np.full((168, 1), 2.0))  # a rate of .1 in every hour
    >>> float(np.abs(alike.offsets).max()), round(1 / alike.of_whole)
    (0.0, 3360)
    """
    seen = events > 0
    rows = float(events.sum())
    mean = totals.sum(axis=0) / max(rows, 1.0)
    means = np.where(seen[:, None], totals / np.maximum(events, 1e-12)[:, None], 0.0)
    about = float(np.maximum(squares - means * totals, 0).sum())
    free, all_squares = rows - float(seen.sum()), float(np.maximum(squares.sum(axis=0) - mean * totals.sum(axis=0), 0).sum())
    if free < 1 or not all_squares > 0:
        return Rhythm(np.zeros_like(means), all_squares / max(rows, 1.0), np.zeros(HOURS), np.zeros(DAY_HOURS), 1 / max(rows, 1.0), np.ones(HOURS), np.ones(DAY_HOURS), rows)
    within = max(about / free, 1e-6 * all_squares / rows)  # 0 where the hour alone decides
    own, common = _variances(events, means, mean, within)
    with np.errstate(divide="ignore"):
        precision = np.where(seen, 1 / (own + 1 / events), 0.0).reshape(-1, DAY_HOURS)
        of_groups = 1 / precision.sum(axis=0)
    group_precision = 1 / (common + of_groups)
    group_means = np.einsum("dh,dhl->hl", precision, means.reshape(-1, DAY_HOURS, means.shape[1])) / np.maximum(precision.sum(axis=0), 1e-300)[:, None]
    of_whole = 1 / group_precision.sum()
    whole = group_precision @ group_means * of_whole
    trust_group, trust_hour = common * group_precision, own * events / (own * events + 1)
    expected_group = whole + trust_group[:, None] * (group_means - whole)
    expected_group = np.tile(expected_group, (HOURS // DAY_HOURS, 1))
    expected = expected_group + trust_hour[:, None] * (means - expected_group)
    return Rhythm(expected - mean, within, own * (1 - trust_hour), common * (1 - trust_group), float(of_whole), 1 - trust_hour, 1 - trust_group, rows)


def _variances(events: Float64, means: Float64, mean: Float64, within: float) -> tuple[float, float]:
    """Of hours about the same hour of all days, and of these about the whole; in units of the variance within an hour, at least 0."""
    table = events.reshape(-1, DAY_HOURS)
    groups = table.sum(axis=0)
    group_means = np.einsum("dh,dhl->hl", table, means.reshape(-1, DAY_HOURS, means.shape[1])) / np.maximum(groups, 1e-300)[:, None]
    spread = float(events @ ((means - np.tile(group_means, (HOURS // DAY_HOURS, 1))) ** 2).sum(axis=1)) / within
    lost = np.where(groups > 0, (table**2).sum(axis=0) / np.maximum(groups, 1e-300), 0.0)  # rows that a group's mean takes from its hours
    freedom = float((events > 0).sum() - (groups > 0).sum())
    own = max(0.0, (spread - freedom) / max(float((groups - lost).sum()), 1e-12)) if freedom > 0 else 0.0
    rows = float(groups.sum())
    between = float(groups @ ((group_means - mean) ** 2).sum(axis=1)) / within
    by_chance = float((groups > 0).sum()) - 1 + own * (float(lost.sum()) - float((events**2).sum()) / rows)
    common = max(0.0, (between - by_chance) / max(rows - float((groups**2).sum()) / rows, 1e-12))
    return own, common


class HoursOfWeek:
    """Rhythms of several columns side by side.

    Parameters
    ----------
    rhythms : of each column; None where nothing is known of its hours.
    traffic : (168,) rows of the reference in each hour, of all columns about the same: how a window's events are spread over its hours.
    widths : values ``l`` of each column; one by default.
    """

    def __init__(self, rhythms: Sequence[Rhythm | None], traffic: Float64, widths: Sequence[int] = ()) -> None:
        self._traffic = traffic + 1.0  # events may come at an hour in which the reference had none
        known = [rhythm or _unknown(width) for rhythm, width in zip(rhythms, widths or [1] * len(rhythms), strict=True)]
        self.offsets = np.concatenate([rhythm.offsets for rhythm in known], axis=1)
        self._of_hour, self._shrunk_hour = (np.stack([getattr(rhythm, name) for rhythm in known], axis=1) for name in ("of_hour", "shrunk_hour"))
        self._of_day_hour, self._shrunk_day_hour = (np.stack([getattr(rhythm, name) for rhythm in known], axis=1) for name in ("of_day_hour", "shrunk_day_hour"))
        self._of_whole = np.array([rhythm.of_whole for rhythm in known])
        self._rows = np.array([rhythm.rows for rhythm in known])

    def at(self, starts: Sequence[int], pane: int) -> Float64:
        """(k, sum of l) what is expected of each of ``k`` panes beyond the mean of all."""
        found: Float64 = self.offsets[hour_of_week(np.asarray(starts, np.int64) + pane // 2)]
        return found

    def variances(self, begins: Int64, ends: Int64) -> Float64:
        """Variance of what is expected of the mean of windows, for one event's variance of 1.

        Parameters
        ----------
        begins, ends : (..., w) and (...,) epoch milliseconds.

        Returns
        -------
        (..., w, m)
        """
        shares = self._shares(begins, ends).reshape(-1, HOURS)
        found = shares**2 @ self._of_hour
        by_hour = shares.reshape(-1, HOURS // DAY_HOURS, DAY_HOURS).transpose(2, 0, 1)
        for first in range(0, found.shape[1], _COLUMNS_AT_ONCE):
            some = slice(first, first + _COLUMNS_AT_ONCE)
            shrunk = self._shrunk_hour[:, some].reshape(HOURS // DAY_HOURS, DAY_HOURS, -1).transpose(1, 0, 2)
            leaning = by_hour @ shrunk  # (24, n, some): how much a window rests on the same hours of all days
            found[:, some] += np.einsum("hnm,hm->nm", leaning**2, self._of_day_hour[:, some])
            found[:, some] += np.einsum("hnm,hm->nm", leaning, self._shrunk_day_hour[:, some]) ** 2 * self._of_whole[some]
        of_windows: Float64 = found.reshape(*begins.shape, -1)
        return of_windows

    def rows_behind(self, begins: Int64, ends: Int64, rows: Float64) -> Float64:
        """(..., w, m) rows that would make the reference of windows as uncertain as it is.

        Parameters
        ----------
        begins, ends : see `variances`.
        rows : (m,) of the reference of the whole. Where they are other ones than the hours were learnt from, both are uncertain.
        """
        others = np.where(np.abs(self._rows - rows) < 0.5, 0.0, 1 / rows)
        behind: Float64 = 1 / (self.variances(begins, ends) + others)
        return behind

    def _shares(self, begins: Int64, ends: Int64) -> Float64:
        """(..., w, 168) of a window's events that are expected in each hour."""
        ends = np.broadcast_to(np.asarray(ends)[..., None], begins.shape)
        lasting = _elapsed(ends) - _elapsed(np.minimum(begins, ends - 1))
        expected = lasting * self._traffic
        shares: Float64 = expected / expected.sum(axis=-1, keepdims=True)
        return shares


def _unknown(values: int) -> Rhythm:
    """Nothing is known of hours: what is expected is that of the whole, and adds no uncertainty."""
    return Rhythm(np.zeros((HOURS, values)), 0.0, np.zeros(HOURS), np.zeros(DAY_HOURS), 0.0, np.zeros(HOURS), np.zeros(DAY_HOURS), 0.0)


def _elapsed(time: Int64) -> Float64:
    """(..., 168) milliseconds of each hour of the week from a Monday until a time."""
    weeks, rest = np.divmod(time + _MONDAY, WEEK)
    elapsed: Float64 = weeks[..., None] * float(HOUR) + np.clip(rest[..., None] - np.arange(HOURS) * HOUR, 0, HOUR)
    return elapsed
