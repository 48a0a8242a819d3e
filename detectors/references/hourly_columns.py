"""Hours of the week of columns and rates, from the tables of their profiles."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from detectors.event_batch import Float64
from detectors.profile import CategoricalProfile, ColumnProfile, NumericProfile, Profile
from detectors.references.hour_tables import MISSING, OUT_OF_RANGE, unpacked
from detectors.references.hours_of_week import HOURS, HoursOfWeek, Rhythm, hour_of_week, rhythm_of

WITHOUT_HOURS = ("unseen:", "type:")
"""Rates by how their names begin that no row of the reference is a hit of."""


class HourlyColumns:
    """What is expected of columns at a time, as `detectors.monitors.numeric_drift.Swing` asks for it.

    Parameters
    ----------
    profiles : of the columns; nothing is expected of one without hours.

    Attributes
    ----------
    location_variance : (m,) of the reference's variance of scores, what its hours explain.
    hours : the rhythms of the scores, then those of their squares about what is expected.
    """

    def __init__(self, profiles: Sequence[NumericProfile]) -> None:
        tables = [None if profile.hours is None else unpacked(profile.hours) for profile in profiles]
        found = [(None, None) if table is None else _rhythms(table) for table in tables]
        traffic = np.mean([table[:, 0] for table in tables if table is not None] or [np.zeros(HOURS)], axis=0)
        locations, spreads = [location for location, _ in found], [spread for _, spread in found]
        self.hours = HoursOfWeek([*locations, *spreads], traffic)
        self.location_variance = np.array([0.0 if table is None or location is None else _explained(table, location) for table, location in zip(tables, locations, strict=True)])
        self._m = len(profiles)

    def __bool__(self) -> bool:
        """There may be hours without a rhythm: they are looked at all the same."""
        return True

    def largest_square(self) -> Float64:
        """(m,) the most that the variance is expected to exceed its mean by."""
        largest: Float64 = np.maximum(self.hours.offsets[:, self._m :].max(axis=0), 0.0)
        return largest

    def at(self, time: int) -> tuple[Float64, Float64]:
        """(m,) each: expected score, and what the variance is expected to differ by from its mean over the week."""
        offsets = self.hours.offsets[hour_of_week(np.asarray(time, np.int64))]
        return offsets[: self._m], offsets[self._m :]


def _rhythms(table: Float64) -> tuple[Rhythm, Rhythm]:
    """Of the scores, and of their squares about what is expected of each hour."""
    n, first, second, third, fourth = table[:, :MISSING].T
    location = rhythm_of(n, first[:, None], second[:, None])
    e = location.offsets[:, 0] + first.sum() / max(n.sum(), 1.0)
    squares = second - 2 * e * first + e**2 * n
    fourths = fourth - 4 * e * third + 6 * e**2 * second - 4 * e**3 * first + e**4 * n
    return location, rhythm_of(n, squares[:, None], fourths[:, None])


def _explained(table: Float64, location: Rhythm) -> float:
    """Of the variance of all rows; what is left is that within an hour, and what an hour's expectation is wrong by."""
    n, first, second = table[:, :3].T
    rows = max(float(n.sum()), 1.0)
    whole = float(second.sum()) / rows - (float(first.sum()) / rows) ** 2
    wrong = float(n @ location.of_hour) / rows
    return max(whole - location.within * (1 + wrong), 0.0)


def categorical_hours(profiles: Sequence[CategoricalProfile]) -> HoursOfWeek:
    """Of categorical columns: a value for each level, and for what is unseen."""
    tables = [None if profile.hours is None else unpacked(profile.hours)[:, :-1] for profile in profiles]  # what is missing is no level
    return _together([None if table is None else (table.sum(axis=1), table) for table in tables], [len(profile.levels) + 1 for profile in profiles])


def quality_hours(columns: Mapping[str, ColumnProfile], rates: Sequence[str], stated: Collection[str]) -> HoursOfWeek:
    """Of the rates ``missing:NAME``, ``out_of_range:NAME`` and ``unseen:NAME``; what was ``stated``, is in no row of the reference, or has no profile, has no hours."""
    whole = [rate in stated or rate.startswith(WITHOUT_HOURS) or rate.partition(":")[2] not in columns for rate in rates]
    return _together([None if is_whole else _quality(rate, columns[rate.partition(":")[2]]) for rate, is_whole in zip(rates, whole, strict=True)], [1] * len(rates))


def error_hours(profile: Profile) -> HoursOfWeek:
    """Of a classifier's wrong answers."""
    table = None if profile.error_hours is None else unpacked(profile.error_hours)
    return _together([None if table is None else (table[:, 0], table[:, 1:])], [1])


def _quality(rate: str, profile: ColumnProfile) -> tuple[Float64, Float64] | None:
    """Rows and hits by hour."""
    if profile.hours is None:
        return None
    table = unpacked(profile.hours)
    if isinstance(profile, NumericProfile):
        values, missing, hits = table[:, 0], table[:, MISSING], table[:, OUT_OF_RANGE]
    else:
        values, missing, hits = table[:, :-1].sum(axis=1), table[:, -1], table[:, -2]
    return (values + missing, missing[:, None]) if rate.startswith("missing:") else (values, hits[:, None])


def _together(counted: Sequence[tuple[Float64, Float64] | None], widths: Sequence[int]) -> HoursOfWeek:
    """Of rows (168,) and counts (168, l); a count is of ones, which are their own squares."""
    rhythms = [None if one is None else rhythm_of(one[0], one[1], one[1]) for one in counted]
    traffic = np.mean([rows for rows, _ in filter(None, counted)] or [np.zeros(HOURS)], axis=0)
    return HoursOfWeek(rhythms, traffic, widths)
