"""Positions and times by event id, for millions of ids: sorted runs that are merged as they grow.

A batch becomes a run, and runs are merged while one is not twice as long as the next, so there are few of them and each row is
moved O(log n) times; merging two sorted runs costs 3 ns a row. A table of bits tells most new ids from known ones without a search.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.event_batch import NO_TIME, Bool, Int64, UInt64

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # spreads ids that are no hashes, such as row numbers
_SMALLEST_FILTER = 12  # bits of a place in the smallest table
NOWHERE = (NO_TIME, -1)
"""A time and position before every row's."""
_LAST = np.iinfo(np.int64).max
_AT_ONCE = 16  # a full index looks for so large a share of its rows, the oldest, at a time

_SPARSE, _FULL = 32, 8  # places of the table for each id when it is made, and when it is made anew


@dataclass(frozen=True)
class IdRun:
    """Rows sorted by (id, position)."""

    ids: UInt64
    position: Int64
    timestamp: Int64
    row: Int64

    @classmethod
    def of(cls, ids: UInt64, position: Int64, timestamp: Int64, row: Int64) -> IdRun:
        """Sort rows."""
        run = cls(ids, position, timestamp, row).take(np.argsort(ids))
        return run._in_order()

    @classmethod
    def merged(cls, earlier: IdRun, later: IdRun) -> IdRun:
        """Both."""
        ids = np.concatenate([earlier.ids, later.ids])
        order = np.argsort(ids, kind="stable")  # finds the two sorted runs and merges them

        def column(one: Int64, other: Int64) -> Int64:
            return np.concatenate([one, other])[order]

        run = cls(ids[order], column(earlier.position, later.position), column(earlier.timestamp, later.timestamp), column(earlier.row, later.row))
        return run._in_order()

    def _in_order(self) -> IdRun:
        """With rows of the same id by position, where sorting by id left them otherwise."""
        same = np.flatnonzero(self.ids[1:] == self.ids[:-1])
        if len(same) and (self.position[same + 1] < self.position[same]).any():
            return self.take(np.lexsort((self.position, self.ids)))
        return self

    def take(self, rows: Int64 | Bool) -> IdRun:
        """Some of its rows, in ascending order."""
        return IdRun(self.ids[rows], self.position[rows], self.timestamp[rows], self.row[rows])

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class _Oldest:
    """The oldest rows by (time, position): none that is not among them is older than the last of them."""

    timestamp: Int64
    position: Int64

    def __len__(self) -> int:
        return len(self.timestamp)

    def precedes_any(self, run: IdRun) -> bool:
        """Whether some row of a run belongs among them."""
        last = (int(self.timestamp[-1]), int(self.position[-1])) if len(self) else NOWHERE
        return bool(_not_behind(last, run.timestamp, run.position).any())

    def cut(self, count: int) -> tuple[Int64, _Oldest, tuple[int, int]]:
        """The times of the first, the others, and where they part."""
        last = (int(self.timestamp[count - 1]), int(self.position[count - 1]))
        return self.timestamp[:count], _Oldest(self.timestamp[count:], self.position[count:]), last


class Found:
    """For each id that was looked for: whether a row was found (``mask``), and that row's number, position and time."""

    def __init__(self, size: int) -> None:
        self.mask: Bool = np.zeros(size, bool)
        self.row = np.zeros(size, np.int64)
        self.position = np.full(size, -1, np.int64)
        self.timestamp = np.full(size, NO_TIME, np.int64)

    def offer(self, run: IdRun, which: Int64, rows: Int64) -> None:
        """Take rows of a run where they are later than what was found so far."""
        better = run.position[rows] > self.position[which]
        which, rows = which[better], rows[better]
        self.mask[which] = True
        self.row[which] = run.row[rows]
        self.position[which] = run.position[rows]
        self.timestamp[which] = run.timestamp[rows]


class IdIndex:
    """Rows by id. A row is (id, position, timestamp, row number); the caller gives each position once."""

    def __init__(self) -> None:
        self._runs: list[IdRun] = []
        self._horizon = NOWHERE
        self._oldest: _Oldest | None = None
        self._bits = _SMALLEST_FILTER
        self._known: Bool = np.zeros(1 << self._bits, bool)
        self._entered = 0

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def add(self, ids: UInt64, position: Int64, timestamp: Int64, row: Int64) -> None:
        """Add rows."""
        self._add(IdRun.of(ids, position, timestamp, row))

    def _add(self, run: IdRun) -> None:
        if self._horizon != NOWHERE and _not_behind(self._horizon, run.timestamp, run.position).any():
            self._purge()
        if self._oldest is not None and self._oldest.precedes_any(run):
            self._oldest = None
        self._runs.append(run)
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            later, earlier = self._runs.pop(), self._runs.pop()
            self._runs.append(IdRun.merged(earlier, later))
        self._enter(run)

    def _enter(self, run: IdRun) -> None:
        self._entered += len(run)
        if self._entered * _FULL <= len(self._known):
            self._known[self._places(run.ids)] = True
            return
        self._entered = len(self)
        while self._entered * _SPARSE > 1 << self._bits:
            self._bits += 1
        self._known = np.zeros(1 << self._bits, bool)
        for one in self._runs:
            self._known[self._places(one.ids)] = True

    def _places(self, ids: UInt64) -> Int64:
        return ((ids * _GOLDEN) >> np.uint64(64 - self._bits)).view(np.int64)

    def find(self, ids: UInt64, before: Int64, since: Int64 | None = None) -> Found:
        """For each id the latest row before a position that still counts.

        Parameters
        ----------
        ids : (n,) as they were added.
        before : (n,) positions; rows at them or after are not looked at.
        since : (n,) times; older rows do not count.
        """
        found = Found(len(ids))
        if not self._runs:
            return found
        asked = np.flatnonzero(self._known[self._places(ids)])
        if len(asked):
            asked = asked[np.argsort(ids[asked])]  # a search for ascending ids stays in the processor's cache
            for run in self._runs:
                self._find(run, found, asked, ids, before, since)
        return found

    def first_of_batch(self, ids: UInt64, position: Int64, timestamp: Int64, since: Int64) -> Bool:
        """Add rows, and say which of them repeat no row before them that still counts.

        Parameters
        ----------
        ids, position, timestamp : (n,) rows that stand behind all rows in the index, in the order of their positions.
        since : (n,) times, as for `find`.
        """
        repeats = self.find(ids, position, since).mask
        order = np.argsort(ids)
        ordered = ids[order]
        run = IdRun(ordered, position[order], timestamp[order], np.zeros(len(ids), np.int64))
        again = np.flatnonzero(ordered[1:] == ordered[:-1])
        if len(again):
            run = run._in_order()
            found = Found(len(ids))
            self._find(run, found, np.flatnonzero(np.isin(ids, ordered[again])), ids, position, since)
            repeats |= found.mask
        self._add(run)
        return ~repeats

    def gone(self, timestamp: Int64, position: Int64) -> Bool:
        """(n,) which rows would have been given up if they had been there before."""
        return _not_behind(self._horizon, timestamp, position)

    def drop_oldest(self, count: int) -> Int64:
        """Give up rows, the oldest by (time, position); returns their times, ascending."""
        if self._oldest is None or len(self._oldest) < count:
            self._oldest = self._find_oldest(max(count, len(self) // _AT_ONCE))
        times, self._oldest, self._horizon = self._oldest.cut(count)
        self._shed()
        return times

    def drop_before(self, time: int) -> None:
        """Give up rows whose time is before ``time``."""
        if (time - 1, _LAST) > self._horizon:
            self._horizon, self._oldest = (time - 1, _LAST), None
            self._shed()

    def _find_oldest(self, count: int) -> _Oldest:
        runs = [run.take(~self.gone(run.timestamp, run.position)) for run in self._runs]
        timestamp, position = np.concatenate([run.timestamp for run in runs]), np.concatenate([run.position for run in runs])
        if count < len(timestamp):
            some = np.flatnonzero(timestamp <= np.partition(timestamp, count - 1)[count - 1])
            timestamp, position = timestamp[some], position[some]
        order = np.lexsort((position, timestamp))
        return _Oldest(timestamp[order], position[order])

    def _shed(self) -> None:
        """Free the room of what was given up where that is worth the work: in runs that it is half of."""
        runs = []
        for run in self._runs:
            stays = ~self.gone(run.timestamp, run.position)
            runs.append(run.take(stays) if 2 * np.count_nonzero(stays) < len(run) else run)
        self._runs = [run for run in runs if len(run)]

    def _purge(self) -> None:
        """Free all of it, so that a row that is as old may begin anew."""
        runs = [run.take(~self.gone(run.timestamp, run.position)) for run in self._runs]
        self._runs = [run for run in runs if len(run)]
        self._horizon = NOWHERE

    def _find(self, run: IdRun, found: Found, which: Int64, ids: UInt64, before: Int64, since: Int64 | None) -> None:
        wanted = ids[which]
        row = np.searchsorted(run.ids, wanted, side="right") - 1
        hit = np.flatnonzero((run.ids[row] == wanted) & (row >= 0))
        which, row = which[hit], row[hit]
        row = _before(run, row, before[which])
        while len(which):
            same = np.flatnonzero((row >= 0) & (run.ids[row] == ids[which]))
            which, row = which[same], row[same]
            counts = ~self.gone(run.timestamp[row], run.position[row])
            if since is not None:
                counts &= run.timestamp[row] >= since[which]
            found.offer(run, which[counts], row[counts])
            which, row = which[~counts], row[~counts] - 1


def _not_behind(horizon: tuple[int, int], timestamp: Int64, position: Int64) -> Bool:
    """(n,) which rows are at a horizon or before it, by (time, position)."""
    return np.asarray((timestamp < horizon[0]) | ((timestamp == horizon[0]) & (position <= horizon[1])))


def _before(run: IdRun, row: Int64, before: Int64) -> Int64:
    """From each id's last row back to its last row before a position; by bisection, for an id may be in every row."""
    at_or_after = np.flatnonzero(run.position[row] >= before)
    if not len(at_or_after):
        return row
    wanted = before[at_or_after]
    low, high = np.searchsorted(run.ids, run.ids[row[at_or_after]], side="left"), row[at_or_after]
    while (low < high).any():
        middle = (low + high) // 2
        earlier = run.position[middle] < wanted
        low, high = np.where(earlier, middle + 1, low), np.where(earlier, high, middle)
    row = row.copy()
    row[at_or_after] = low - 1
    return row
