"""Positions and times by event id, for millions of ids: sorted runs that are merged as they grow.

A batch becomes a run, and runs are merged while one is not twice as long as the next, so there are few of them and each row is
moved O(log n) times. What is moved is an id and the number of its entry; the rest of what is known of a row stays where it was written.
A table of bits tells most new ids from known ones without a search.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from detectors.event_batch import NO_TIME, Bool, Int32, Int64, UInt64
from detectors.row_entries import Entries, RowKeys

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # spreads ids that are no hashes, such as row numbers
_SMALLEST_FILTER = 12  # bits of a place in the smallest table

_SPARSE, _FULL = 32, 8  # places of the table for each id when it is made, and when it is made anew


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
    """(n,) ids of rows and their entries, sorted by (id, position)."""

    ids: UInt64
    entry: Int64

    @classmethod
    def of(cls, ids: UInt64, entry: Int64, entries: Entries) -> IdRun:
        """Sort rows."""
        order = np.argsort(ids)
        return cls(ids.take(order), entry.take(order))._in_order(entries)

    @classmethod
    def merged(cls, earlier: IdRun, later: IdRun, entries: Entries) -> IdRun:
        """Both."""
        ids, entry = np.concatenate([earlier.ids, later.ids]), np.concatenate([earlier.entry, later.entry])
        order = np.argsort(ids, kind="stable")  # finds the two sorted runs and merges them
        return cls(ids.take(order), entry.take(order))._in_order(entries)

    def _in_order(self, entries: Entries) -> IdRun:
        """With rows of the same id by position, where sorting by id left them otherwise."""
        same = np.flatnonzero(self.ids[1:] == self.ids[:-1])
        if len(same) and (entries.position[self.entry[same + 1]] < entries.position[self.entry[same]]).any():
            order = np.lexsort((entries.position[self.entry], self.ids))
            return IdRun(self.ids, self.entry[order])
        return self

    def __len__(self) -> int:
        return len(self.ids)


class Found:
    """For each id that was looked for: whether a row was found (``mask``), and that row's number, position and time."""

    def __init__(self, size: int) -> None:
        self.mask: Bool = np.zeros(size, bool)
        self.row = np.zeros(size, np.int64)
        self.position = np.full(size, -1, np.int64)
        self.timestamp = np.full(size, NO_TIME, np.int64)

    def offer(self, entries: Entries, which: Int64, entry: Int64) -> None:
        """Take rows where they are later than what was found so far."""
        better = entries.position[entry] > self.position[which]
        which, entry = which[better], entry[better]
        self.mask[which] = True
        if entries.row is not None:
            self.row[which] = entries.row[entry]
        self.position[which] = entries.position[entry]
        self.timestamp[which] = entries.timestamp[entry]


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
    """Rows by id; the caller gives each position once.

    Attributes
    ----------
    entries : what is known of the rows beside their ids.
    """

    def __init__(self) -> None:
        self.entries = Entries()
        self._runs: list[IdRun] = []
        self._bits = _SMALLEST_FILTER
        self._known: Bool = np.zeros(1 << self._bits, bool)
        self._entered = 0

    def __len__(self) -> int:
        return len(self.entries)

    def add(self, keys: RowKeys, row: Int64 | None) -> None:
        """Add rows; with a number for each that `find` will tell, or always without."""
        self._add(IdRun.of(keys.ids, self.entries.append(keys, row), self.entries))

    def _add(self, run: IdRun) -> None:
        self._runs.append(run)
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            later, earlier = self._runs.pop(), self._runs.pop()
            self._runs.append(IdRun.merged(earlier, later, self.entries))
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

    def find(self, wanted: Wanted) -> Found:
        """For each id the latest row that counts."""
        found = Found(len(wanted.ids))
        if not self._runs:
            return found
        asked = np.flatnonzero(self._known[self._places(wanted.ids)])
        if len(asked):
            asked = asked[np.argsort(wanted.ids[asked])]  # a search for ascending ids stays in the processor's cache
            for run in self._runs:
                self._find(run, found, asked, wanted)
        return found

    def first_of_batch(self, keys: RowKeys, wanted: Wanted) -> Bool:
        """Add rows, and say which of them repeat no row before them that counts.

        Parameters
        ----------
        keys : (n,) rows that stand behind all rows in the index; those of an id in the order of their positions.
        wanted : for their own ids and positions.
        """
        repeats = self.find(wanted).mask
        run = IdRun.of(keys.ids, self.entries.append(keys, None), self.entries)
        again = np.flatnonzero(run.ids[1:] == run.ids[:-1])
        if len(again):
            found = Found(len(keys))
            self._find(run, found, np.flatnonzero(np.isin(keys.ids, run.ids[again])), wanted)
            repeats |= found.mask
        self._add(run)
        return ~repeats

    def keep(self, stays: Callable[[Entries], Bool]) -> None:
        """Keep some rows alone."""
        kept = np.flatnonzero(stays(self.entries))
        if len(kept) == len(self.entries):
            return
        place = np.full(len(self.entries), -1, np.int64)
        place[kept] = np.arange(len(kept))
        self.entries = self.entries.take(kept)
        moved = [(run.ids, place.take(run.entry)) for run in self._runs]
        self._runs = [IdRun(ids.take(rows), entry.take(rows)) for ids, entry in moved if len(rows := np.flatnonzero(entry >= 0))]

    def _find(self, run: IdRun, found: Found, which: Int64, wanted: Wanted) -> None:
        entries, ids = self.entries, wanted.ids
        asked = ids[which]
        row = np.searchsorted(run.ids, asked, side="right") - 1
        hit = np.flatnonzero((run.ids[row] == asked) & (row >= 0))
        which, row = which[hit], row[hit]
        row = _before(run, entries.position, row, wanted.before[which])
        while len(which):
            same = np.flatnonzero((row >= 0) & (run.ids[row] == ids[which]))
            which, row = which[same], row[same]
            entry = run.entry[row]
            counts = np.ones(len(row), bool) if wanted.since is None else entries.timestamp[entry] >= wanted.since[which]
            if wanted.floor is not None:
                counts &= ~wanted.floor.take(which).is_above(entries.timestamp[entry], entries.position[entry])
            found.offer(entries, which[counts], entry[counts])
            which, row = which[~counts], row[~counts] - 1


def _before(run: IdRun, position: Int64, row: Int64, before: Int64) -> Int64:
    """From each id's last row back to its last row before a position; by bisection, for an id may be in every row."""
    at_or_after = np.flatnonzero(position[run.entry[row]] >= before)
    if not len(at_or_after):
        return row
    wanted = before[at_or_after]
    low, high = np.searchsorted(run.ids, run.ids[row[at_or_after]], side="left"), row[at_or_after]
    while (low < high).any():
        middle = (low + high) // 2
        earlier = position[run.entry[middle]] < wanted
        low, high = np.where(earlier, middle + 1, low), np.where(earlier, high, middle)
    row = row.copy()
    row[at_or_after] = low - 1
    return row
