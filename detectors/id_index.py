"""Positions and times by event id, for millions of ids: sorted runs that are merged as they grow.

A batch becomes a run, and runs are merged while one is not twice as long as the next, so there are few of them and each row is
moved O(log n) times; merging two sorted runs costs 3 ns a row. A table of bits tells most new ids from known ones without a search.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.event_batch import NO_TIME, Bool, Int32, Int64, UInt64

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # spreads ids that are no hashes, such as row numbers
_SMALLEST_FILTER = 12  # bits of a place in the smallest table

_SPARSE, _FULL = 32, 8  # places of the table for each id when it is made, and when it is made anew


@dataclass(frozen=True)
class RowKeys:
    """What is known of ``n`` rows beside their columns.

    Attributes
    ----------
    ids : (n,) hashes of event ids, other ones for each owner.
    owner : (n,) whose rows they are.
    position : (n,) where they stand in the log.
    timestamp : (n,) event time.
    """

    ids: UInt64
    owner: Int32
    position: Int64
    timestamp: Int64

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Int64 | Bool) -> RowKeys:
        """Some of the rows."""
        return RowKeys(self.ids[rows], self.owner[rows], self.position[rows], self.timestamp[rows])


@dataclass(frozen=True)
class Floor:
    """(n,) times and positions, by (time, position) in that order: rows up to there do not count."""

    timestamp: Int64
    position: Int64

    def is_above(self, timestamp: Int64, position: Int64) -> Bool:
        """(n,) which rows do not count."""
        return np.asarray((timestamp < self.timestamp) | ((timestamp == self.timestamp) & (position <= self.position)))

    def take(self, rows: Int64 | Int32) -> Floor:
        """The floors of some rows."""
        return Floor(self.timestamp[rows], self.position[rows])


@dataclass(frozen=True)
class IdRun:
    """Rows sorted by (id, position)."""

    keys: RowKeys
    row: Int64

    @classmethod
    def of(cls, keys: RowKeys, row: Int64) -> IdRun:
        """Sort rows."""
        return cls(keys, row).take(np.argsort(keys.ids))._in_order()

    @classmethod
    def merged(cls, earlier: IdRun, later: IdRun) -> IdRun:
        """Both."""
        one, other = earlier.keys, later.keys
        ids = np.concatenate([one.ids, other.ids])
        order = np.argsort(ids, kind="stable")  # finds the two sorted runs and merges them

        def column(of_one: Any, of_other: Any) -> Any:
            return np.concatenate([of_one, of_other]).take(order)

        keys = RowKeys(ids[order], column(one.owner, other.owner), column(one.position, other.position), column(one.timestamp, other.timestamp))
        return cls(keys, column(earlier.row, later.row))._in_order()

    def _in_order(self) -> IdRun:
        """With rows of the same id by position, where sorting by id left them otherwise."""
        ids, position = self.keys.ids, self.keys.position
        same = np.flatnonzero(ids[1:] == ids[:-1])
        if len(same) and (position[same + 1] < position[same]).any():
            return self.take(np.lexsort((position, ids)))
        return self

    def take(self, rows: Int64 | Bool) -> IdRun:
        """Some of its rows, in ascending order."""
        return IdRun(self.keys.take(rows), self.row[rows])

    def __len__(self) -> int:
        return len(self.row)


class Found:
    """For each id that was looked for: whether a row was found (``mask``), and that row's number, position and time."""

    def __init__(self, size: int) -> None:
        self.mask: Bool = np.zeros(size, bool)
        self.row = np.zeros(size, np.int64)
        self.position = np.full(size, -1, np.int64)
        self.timestamp = np.full(size, NO_TIME, np.int64)

    def offer(self, run: IdRun, which: Int64, rows: Int64) -> None:
        """Take rows of a run where they are later than what was found so far."""
        better = run.keys.position[rows] > self.position[which]
        which, rows = which[better], rows[better]
        self.mask[which] = True
        self.row[which] = run.row[rows]
        self.position[which] = run.keys.position[rows]
        self.timestamp[which] = run.keys.timestamp[rows]


@dataclass(frozen=True)
class Wanted:
    """Ids that are looked for: (n,) each, and which rows with that id count.

    Attributes
    ----------
    before : positions; rows at them or after do not count.
    since : event times; older rows do not count.
    floor : rows up to there have been given up.
    """

    ids: UInt64
    before: Int64
    since: Int64 | None = None
    floor: Floor | None = None


class IdIndex:
    """Rows by id; the caller gives each position once."""

    def __init__(self) -> None:
        self.runs: list[IdRun] = []
        self._bits = _SMALLEST_FILTER
        self._known: Bool = np.zeros(1 << self._bits, bool)
        self._entered = 0

    def __len__(self) -> int:
        return sum(map(len, self.runs))

    def add(self, keys: RowKeys, row: Int64) -> None:
        """Add rows, each with a number that `find` will tell."""
        self._add(IdRun.of(keys, row))

    def _add(self, run: IdRun) -> None:
        self.runs.append(run)
        while len(self.runs) > 1 and len(self.runs[-2]) < 2 * len(self.runs[-1]):
            later, earlier = self.runs.pop(), self.runs.pop()
            self.runs.append(IdRun.merged(earlier, later))
        self._enter(run)

    def _enter(self, run: IdRun) -> None:
        self._entered += len(run)
        if self._entered * _FULL <= len(self._known):
            self._known[self._places(run.keys.ids)] = True
            return
        self._entered = len(self)
        while self._entered * _SPARSE > 1 << self._bits:
            self._bits += 1
        self._known = np.zeros(1 << self._bits, bool)
        for one in self.runs:
            self._known[self._places(one.keys.ids)] = True

    def _places(self, ids: UInt64) -> Int64:
        return ((ids * _GOLDEN) >> np.uint64(64 - self._bits)).view(np.int64)

    def find(self, wanted: Wanted) -> Found:
        """For each id the latest row that counts."""
        found = Found(len(wanted.ids))
        if not self.runs:
            return found
        asked = np.flatnonzero(self._known[self._places(wanted.ids)])
        if len(asked):
            asked = asked[np.argsort(wanted.ids[asked])]  # a search for ascending ids stays in the processor's cache
            for run in self.runs:
                _find(run, found, asked, wanted)
        return found

    def first_of_batch(self, keys: RowKeys, wanted: Wanted) -> Bool:
        """Add rows, and say which of them repeat no row before them that counts.

        Parameters
        ----------
        keys : (n,) rows that stand behind all rows in the index; those of an id in the order of their positions.
        wanted : for their own ids and positions.
        """
        repeats = self.find(wanted).mask
        order = np.argsort(keys.ids)
        run = IdRun(keys.take(order), np.zeros(len(keys), np.int64))
        ordered = run.keys.ids
        again = np.flatnonzero(ordered[1:] == ordered[:-1])
        if len(again):
            run = run._in_order()
            found = Found(len(keys))
            _find(run, found, np.flatnonzero(np.isin(keys.ids, ordered[again])), wanted)
            repeats |= found.mask
        self._add(run)
        return ~repeats

    def keep(self, stays: Callable[[RowKeys], Bool]) -> None:
        """Keep some rows alone."""
        runs = []
        for run in self.runs:
            kept = np.flatnonzero(stays(run.keys))
            runs.append(run if len(kept) == len(run) else run.take(kept))
        self.runs = [run for run in runs if len(run)]

    def renumber(self, numbers: Callable[[Int64], Int64]) -> None:
        """Give all rows the numbers that are told for theirs."""
        ends = np.cumsum([len(run) for run in self.runs])
        told = numbers(np.concatenate([np.empty(0, np.int64), *(run.row for run in self.runs)]))
        self.runs = [IdRun(run.keys, row) for run, row in zip(self.runs, np.split(told, ends[:-1]), strict=True)] if self.runs else []


def _find(run: IdRun, found: Found, which: Int64, wanted: Wanted) -> None:
    keys, ids = run.keys, wanted.ids
    asked = ids[which]
    row = np.searchsorted(keys.ids, asked, side="right") - 1
    hit = np.flatnonzero((keys.ids[row] == asked) & (row >= 0))
    which, row = which[hit], row[hit]
    row = _before(keys, row, wanted.before[which])
    while len(which):
        same = np.flatnonzero((row >= 0) & (keys.ids[row] == ids[which]))
        which, row = which[same], row[same]
        counts = np.ones(len(row), bool) if wanted.since is None else keys.timestamp[row] >= wanted.since[which]
        if wanted.floor is not None:
            counts &= ~wanted.floor.take(which).is_above(keys.timestamp[row], keys.position[row])
        found.offer(run, which[counts], row[counts])
        which, row = which[~counts], row[~counts] - 1


def _before(keys: RowKeys, row: Int64, before: Int64) -> Int64:
    """From each id's last row back to its last row before a position; by bisection, for an id may be in every row."""
    at_or_after = np.flatnonzero(keys.position[row] >= before)
    if not len(at_or_after):
        return row
    wanted = before[at_or_after]
    low, high = np.searchsorted(keys.ids, keys.ids[row[at_or_after]], side="left"), row[at_or_after]
    while (low < high).any():
        middle = (low + high) // 2
        earlier = keys.position[middle] < wanted
        low, high = np.where(earlier, middle + 1, low), np.where(earlier, high, middle)
    row = row.copy()
    row[at_or_after] = low - 1
    return row
