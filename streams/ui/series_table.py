"""Many series over the same times, the newest points of each, in one array."""

from __future__ import annotations

import bisect
import math

import numpy as np
import numpy.typing as npt

from detectors.event_batch import Float64, Int64

Key = tuple[str, ...]
_SPARE = 8  # a full table drops an eighth of its times at once, so that it is seldom moved


class SeriesTable:
    """Numbers by series and time; nan where a series has none.

    Parameters
    ----------
    points : times that are kept, the newest.
    series : rows; further series are left out until one that has no value at any of the times gives its row back.

    Examples
    --------
    >>> table = SeriesTable(points=2, series=10)
    >>> for time in (10, 20, 30):
    ...     table.put(("accuracy",), time, time / 100)
    >>> table.times.tolist(), table.of(("accuracy",)).round(2).tolist(), table.of(("f1",)).tolist()
    ([20, 30], [0.2, 0.3], [nan, nan])

    Attributes
    ----------
    left_out : series that did not fit.
    full : whether times were dropped.
    """

    def __init__(self, *, points: int, series: int) -> None:
        self._points = points
        self._series = series
        self._rows: dict[Key, int] = {}
        self._left_out: set[Key] = set()
        self._times: list[int] = []
        self._values: npt.NDArray[np.float32] = np.full((4, min(32, points + points // _SPARE + 1)), np.nan, np.float32)
        self.full = False

    @property
    def keys(self) -> tuple[Key, ...]:
        """Of the series, in the order in which they came."""
        return tuple(self._rows)

    @property
    def left_out(self) -> int:
        """Series that did not fit; at most as many more as there may be."""
        return len(self._left_out)

    @property
    def times(self) -> Int64:
        """(n,) epoch milliseconds, ascending."""
        return np.array(self._times[-self._points :], np.int64)

    @property
    def newest_time(self) -> int | None:
        """Epoch milliseconds; None of an empty table."""
        return self._times[-1] if self._times else None

    def of(self, key: Key) -> Float64:
        """(n,) values of a series at `times`; nan where it has none."""
        n = len(self._times)
        if key not in self._rows:
            return np.full(min(n, self._points), np.nan)
        return self._values[self._rows[key], max(0, n - self._points) : n].astype(np.float64)

    def at(self, key: Key, time: int) -> float:
        """One value; nan where there is none."""
        place = bisect.bisect_left(self._times, time)
        if place == len(self._times) or self._times[place] != time or key not in self._rows:
            return math.nan
        return float(self._values[self._rows[key], place])

    def put(self, key: Key, time: int, value: float) -> None:
        """Take a value; it replaces the one of its series and time."""
        column = self._column(time)  # first: it may move rows
        if column is not None:
            row = self._row(key)
            if row is not None:
                self._values[row, column] = value

    def _row(self, key: Key) -> int | None:
        row = self._rows.get(key)
        if row is not None:
            return row
        if len(self._rows) == self._series:
            if len(self._left_out) < self._series:
                self._left_out.add(key)
            return None
        self._left_out.discard(key)
        row = self._rows[key] = len(self._rows)
        if row == len(self._values):
            self._values = np.concatenate([self._values, np.full_like(self._values, np.nan)])
        return row

    def _column(self, time: int) -> int | None:
        times = self._times
        if times and times[-1] == time:
            return len(times) - 1
        place = bisect.bisect_left(times, time)
        if place < len(times) and times[place] == time:
            return place
        if self.full and place == 0:
            return None  # older than all that is kept
        if len(times) == self._values.shape[1]:
            if self._widest > len(times):
                self._widen()
            elif place <= (dropped := len(times) - self._points):
                return None  # as many as are kept are newer
            else:
                self._drop(dropped + 1)
                place -= dropped + 1
        if place < len(times):
            self._values[:, place + 1 : len(times) + 1] = self._values[:, place : len(times)].copy()
            self._values[:, place] = np.nan
        times.insert(place, time)
        return place

    @property
    def _widest(self) -> int:
        return self._points + self._points // _SPARE + 1

    def _widen(self) -> None:
        width = self._values.shape[1]
        wider = np.full((len(self._values), min(2 * width, self._widest)), np.nan, np.float32)
        wider[:, :width] = self._values
        self._values = wider

    def _drop(self, count: int) -> None:
        """Forget the oldest times."""
        del self._times[:count]
        kept = len(self._times)
        self._values[:, :kept] = self._values[:, count : count + kept].copy()
        self._values[:, kept:] = np.nan
        self.full = True
        self._free()

    def _free(self) -> None:
        """Give back the rows of series that ended, such as those of a version that serves no more."""
        told = np.asarray(np.isfinite(self._values).any(axis=1))
        alive = [(key, row) for key, row in self._rows.items() if told[row]]
        if len(alive) == len(self._rows):
            return
        moved = np.full_like(self._values, np.nan)
        moved[: len(alive)] = self._values[[row for _, row in alive]]
        self._values = moved
        self._rows = {key: place for place, (key, _) in enumerate(alive)}
        self._left_out.clear()
