"""Positions and times by event id, for millions of ids: what is known of each row, and chains of rows whose ids share a bucket.

A look-up walks its bucket's chain, whole, since rows need not have come in the order of the log. So many steps as `_STEPS` are enough for ids of
which each is in a few rows; for what is left then, see `CrowdedIds`. A batch takes a bounded number of array operations in either case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from detectors.event_batch import NO_TIME, Bool, Int32, Int64, UInt16, UInt64
from detectors.rows.crowded_ids import CrowdedIds
from detectors.rows.id_chains import COMPILED, MANY, NONE, IdChains
from detectors.rows.row_entries import Entries, RowKeys

if COMPILED:
    from detectors.rows.chain_loops import chain_and_walk, walk

_STEPS = 32  # of ids that are in one row each, no chain is half as long
_WIDER = 8  # times as many of the latest entries are looked at in each further round


@dataclass(frozen=True)
class Floor:
    """(n,) times and positions, by (time, position) in that order: rows up to there do not count."""

    timestamp: Int64
    position: Int64

    def is_above(self, timestamp: Int64, position: Int64) -> Bool:
        """(n,) which rows do not count."""
        return np.asarray((timestamp < self.timestamp) | ((timestamp == self.timestamp) & (position <= self.position)))

    def take(self, rows: Int64 | Int32 | UInt16) -> Floor:
        """The floors of some rows."""
        return Floor(self.timestamp[rows], self.position[rows])


class Found:
    """For each id that was looked for: whether a row was found (``mask``), and that row's number, position and time, made where they are asked for: mostly none is found."""

    def __init__(self, size: int) -> None:
        self.mask: Bool = np.zeros(size, bool)

    @cached_property
    def row(self) -> Int64:
        """(n,) 0 where none was found."""
        return np.zeros(len(self.mask), np.int64)

    @cached_property
    def position(self) -> Int64:
        """(n,) -1 where none was found."""
        return np.full(len(self.mask), -1, np.int64)

    @cached_property
    def timestamp(self) -> Int64:
        """(n,) `NO_TIME` where none was found."""
        return np.full(len(self.mask), NO_TIME, np.int64)

    def offer(self, entries: Entries, which: Int64, entry: Int64 | Int32) -> None:
        """Take rows where they are later than what was found so far."""
        position = entries.positions.take(entry)
        better = position > self.position[which]
        which, entry = which[better], entry[better]
        self.mask[which] = True
        if entries.row is not None:
            self.row[which] = entries.row[entry]
        self.position[which] = position[better]
        self.timestamp[which] = entries.timestamps.take(entry)


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

    def take(self, which: Int64) -> Wanted:
        """Some of the ids."""
        since = None if self.since is None else self.since[which]
        return Wanted(self.ids[which], self.before[which], since, None if self.floor is None else self.floor.take(which))

    def counts(self, timestamp: Int64, position: Int64) -> Bool:
        """(n,) whether a row of each id counts, given its time and position."""
        counts = position < self.before
        if self.since is not None:
            counts &= timestamp >= self.since
        if self.floor is not None:
            counts &= ~self.floor.is_above(timestamp, position)
        return counts

    def first_times(self) -> list[Int64]:
        """(n,) times, in one or two ways: the latest row since one of them counts, if any does. At the floor's own time, others than the latest do not."""
        since = np.full(len(self.ids), NO_TIME) if self.since is None else self.since
        if self.floor is None:
            return [since]
        return [np.maximum(since, self.floor.timestamp), np.maximum(since, self.floor.timestamp + 1)]


class IdIndex:
    """Rows by id; the caller gives each position once.

    Attributes
    ----------
    entries : what is known of the rows.
    """

    def __init__(self) -> None:
        self.entries = Entries()
        self._chains = IdChains()

    def __len__(self) -> int:
        return len(self.entries)

    def add(self, keys: RowKeys, row: Int64 | None) -> None:
        """Add rows; with a number for each that `find` will tell, or always without."""
        self.entries.append(keys, row)
        self._chains.extend(self.entries.ids)

    def find(self, wanted: Wanted) -> Found:
        """For each id the latest row that counts."""
        return self._walk(self._chains.latest(wanted.ids), wanted)

    def first_of_batch(self, keys: RowKeys, wanted: Wanted) -> Bool:
        """Add rows, and say which of them repeat no row before them that counts.

        Parameters
        ----------
        keys : (n,) rows that stand behind all rows in the index; those of an id in the order of their positions.
        wanted : for their own ids and positions.
        """
        if COMPILED and len(keys) >= MANY and wanted.floor is None and wanted.since is not None:
            return self._first_of_many(keys, wanted, wanted.since)
        first = len(self)
        self.add(keys, None)
        return ~self._walk(self._chains.before_since(first), wanted).mask

    def _first_of_many(self, keys: RowKeys, wanted: Wanted, since: Int64) -> Bool:
        """The same for so many that compiled code pays, which chains and walks at once."""
        entries, chains, repeats = self.entries, self._chains, np.empty(len(keys), bool)
        entries.append(keys, None)
        first = chains.reach(entries.ids)
        layout = (*entries.positions.layout, *entries.timestamps.layout)
        crowded = chain_and_walk(chains.bucket(keys.ids), first, chains.heads, chains.links, wanted.before, since, entries.ids, *layout, _STEPS, repeats.view(np.uint8))
        if crowded:
            return ~self._walk(chains.before_since(first), wanted).mask
        return np.logical_not(repeats, out=repeats)

    def keep(self, stays: Callable[[Entries], Bool]) -> None:
        """Keep some rows alone."""
        kept = np.flatnonzero(stays(self.entries))
        if len(kept) == len(self.entries):
            return
        self.entries.keep(kept)
        self._chains.anew(self.entries.ids)

    def _walk(self, entry: Int32, wanted: Wanted) -> Found:
        """Find rows in chains that begin with some entries."""
        if COMPILED and len(entry) >= MANY and wanted.floor is None and wanted.since is not None:
            return self._walk_many(entry, wanted, wanted.since)
        found = Found(len(wanted.ids))
        which = np.flatnonzero(entry != NONE)
        entry = entry.take(which)
        for _ in range(_STEPS):
            if not len(which):
                return found
            self._offer(found, which, entry, wanted)
            entry = self._chains.before(entry)
            goes_on = np.flatnonzero(entry != NONE)
            which, entry = which.take(goes_on), entry.take(goes_on)
        self._find_crowded(found, which, wanted)
        return found

    def _walk_many(self, entry: Int32, wanted: Wanted, since: Int64) -> Found:
        """The same for so many that compiled code pays."""
        found, entries = Found(len(wanted.ids)), self.entries
        goes_on, best = entry.copy(), np.empty(len(entry), np.int32)
        layout = (*entries.positions.layout, *entries.timestamps.layout)
        some, crowded = walk(goes_on, wanted.ids, wanted.before, since, entries.ids, *layout, self._chains.links, _STEPS, best)
        if some:
            which = np.flatnonzero(best != NONE)
            found.offer(entries, which, best.take(which))
        if crowded:
            self._find_crowded(found, np.flatnonzero(goes_on != NONE), wanted)
        return found

    def _offer(self, found: Found, which: Int64, entry: Int64 | Int32, wanted: Wanted) -> None:
        """Take those of some entries that have the wanted id and count."""
        same = np.flatnonzero(self.entries.ids.take(entry) == wanted.ids.take(which))
        if len(same):
            which, entry = which[same], entry[same]
            counts = wanted.take(which).counts(self.entries.timestamps.take(entry), self.entries.positions.take(entry))
            found.offer(self.entries, which[counts], entry[counts])

    def _find_crowded(self, found: Found, which: Int64, wanted: Wanted) -> None:
        """Find rows without chains: among the latest entries, then among more of them, for an id that is in every row is mostly found in the latest."""
        entries, size = self.entries, len(wanted.ids)
        while len(which):
            size *= _WIDER
            first = max(len(entries) - size, 0)
            asked = wanted.take(which)
            near = self._chains.of_same_buckets(entries.ids[first:], asked.ids) + first
            if len(near):
                crowd = CrowdedIds(entries, near)
                for since in asked.first_times():
                    entry = crowd.latest(asked.ids, asked.before, since)
                    there = np.flatnonzero(entry != NONE)
                    self._offer(found, which[there], entry[there], wanted)
            if not first:
                return
            which = which[found.position[which] <= entries.positions.take(np.arange(first)).max()]
