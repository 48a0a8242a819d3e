"""Rows that wait: columns found by event id, kept in parts that are written once.

Used for the ids of open panes (deduplication) and for predictions, features and labels that wait for each other. Rows are only ever
appended; a row is named by its position in the source partition. They belong to owners, each of which has a bound and finds no row of another.
Rows are grouped by event time, and a group is dropped as a whole when it can no longer matter.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.coded_text import CodedText
from detectors.event_batch import NO_TIME, Bool, Coded, Int64, put_together
from detectors.rows.id_index import Floor, Found, IdIndex, Wanted
from detectors.rows.row_blocks import RowBlocks
from detectors.rows.row_bound import RowBound
from detectors.rows.row_entries import Entries, RowKeys

PART_BYTES = 16 * 1024 * 1024
"""Of the rows that are saved as one part: a fraction of what a piece of state may take, however much was read in an epoch."""

MANY_BYTES = 1024 * 1024
"""Of the rows of one call that are saved by themselves."""

INDEX_BITS = 20
"""A record may hold up to 2**20 events; the rest of a position is the record's offset."""
_MOST_EXPIRED = 0.125  # of those that count may be in the index besides: to leave out each group as it expires would cost more than the rows that came with it
_FEW = 50_000  # but so many always may: their memory is not worth the time
_WORTHWHILE = 8  # the room of rows that were given up is freed when they are such a share of all


def position_of(offset: Int64, index: Int64) -> Int64:
    """One number that orders the rows of a partition: the record's offset, then the place in the record."""
    return (offset << INDEX_BITS) | index


@dataclass(frozen=True)
class Part:
    """Rows of one group as they are saved: never changed, only deleted with their group."""

    group: int
    number: int
    columns: dict[str, Any]  # "id", "owner", "position", "timestamp", and the store's own; coded text as its levels and codes


@dataclass(frozen=True)
class _Added:
    """Rows of one call, as long as they are not saved."""

    keys: RowKeys
    columns: Mapping[str, Coded]

    def take(self, rows: Int64 | Bool) -> _Added:
        return _Added(self.keys.take(rows), {name: column[rows] for name, column in self.columns.items()})


class RowStore:
    """Append-only rows by event id.

    Rows are appended in the order of the log. Those beyond an owner's bound are there until `trim`, but `find` looks past them from where they had to go.

    Parameters
    ----------
    group_length : event time that one group spans, milliseconds.
    max_rows : of each owner; beyond it the rows of its oldest event times are given up.
    """

    def __init__(self, *, group_length: int, max_rows: int) -> None:
        if group_length <= 0:
            raise ValueError(f"group_length must be > 0 ms, got {group_length}; a group that spans no time never holds a row")
        self._length = group_length
        self._index = IdIndex()
        self._blocks = RowBlocks()
        self._bound = RowBound(max_rows)
        self._sizes: dict[int, Int64] = {}
        self._unsaved: list[_Added] = []
        self._parts: dict[int, int] = {}
        self._evicted_groups: set[int] = set()
        self._expired_before = NO_TIME
        self._lying_about = 0
        self._turned_away = np.zeros(0, np.int64)

    @property
    def counts(self) -> Int64:
        """(owners,) rows of each owner."""
        return self._bound.counts

    def __len__(self) -> int:
        return int(self.counts.sum())

    def reach(self, owners: int) -> None:
        """Let rows belong to owners 0 ... owners - 1; before the first of them comes."""
        self._bound.reach(owners)
        self._turned_away = np.zeros(owners, np.int64)

    def find(self, keys: RowKeys, since: Int64 | None = None) -> Found:
        """For each row the latest one of its id that stands before it in the log and still counts.

        Parameters
        ----------
        keys : (n,) rows that may, but need not be in the store.
        since : (n,) event times; rows older than that do not count any more, whether or not their group has been dropped yet.
        """
        return self._index.find(self._wanted(keys, since))

    def _wanted(self, keys: RowKeys, since: Int64 | None) -> Wanted:
        return Wanted(keys.ids, keys.position, since, self._bound.floor(keys.owner, keys.position, self._oldest))

    def column(self, name: str, found: Found, which: Bool) -> Coded:
        """Values of a column for some of the ids that were looked for; every one of them must have been found, and there is at least one."""
        return self.columns([name], found, which)[name]

    def columns(self, names: Iterable[str], found: Found, which: Bool) -> dict[str, Coded]:
        """The same of several columns, in less time than one after the other."""
        return self._blocks.columns(names, found.row[which])

    def append(self, keys: RowKeys, columns: Mapping[str, Coded]) -> None:
        """Add rows, each owner's in the order of the log and behind what it has."""
        added = self._fresh(_Added(keys, columns))
        if len(added.keys):
            self._index.add(added.keys, self._take(added))

    def append_first(self, keys: RowKeys, since: Int64) -> Bool:
        """`append` to a store without columns, and (n,) which rows repeat no row before them that still counts."""
        added = self._fresh(_Added(keys, {}))
        if len(added.keys) < len(keys):
            if len(added.keys):
                self._index.add(added.keys, self._take(added))
            return ~self.find(keys, since).mask
        if not len(keys):
            return np.empty(0, bool)
        self._take(added)
        return self._index.first_of_batch(keys, self._wanted(keys, since))

    def _fresh(self, added: _Added) -> _Added:
        """Without rows that have expired, or would be given up at once."""
        if self._expired_before != NO_TIME and (expired := added.keys.timestamp < self._expired_before).any():
            added = added.take(np.flatnonzero(~expired))
        gone = self._bound.gone(added.keys)
        if gone is None or not gone.any():
            return added
        self._turned_away = self._turned_away + np.bincount(added.keys.owner[gone], minlength=len(self.counts))
        return added.take(np.flatnonzero(~gone))

    def _take(self, added: _Added, *, restored: bool = False) -> Int64 | None:
        """Count rows and keep their columns; returns their numbers, None where there are no columns."""
        keys, columns = added.keys, added.columns
        counts = np.zeros(len(self.counts), np.int64)
        for group, size in self._by_group(keys):
            self._sizes[group] = self._grown(group) + size
            counts += size
        if restored:
            self._bound.restore(counts)
        else:
            self._bound.arrive(keys, counts)
        rows = self._blocks.append(keys.timestamp, columns) if columns else None
        if not restored:
            kept = {} if rows is None else self._blocks.numbers(rows)  # where they are kept, so that what was decoded can be freed
            self._unsaved.append(_Added(keys, {**columns, **kept}))
        return rows

    def _by_group(self, keys: RowKeys) -> list[tuple[int, Int64]]:
        """The groups of some rows, at least one, and how many rows of each owner it has."""
        group = np.floor_divide(keys.timestamp, self._length)
        owners = len(self.counts)
        if int(group.min()) == int(group.max()):  # as nearly always
            return [(int(group[0]), np.bincount(keys.owner, minlength=owners))]
        groups, place = np.unique(group, return_inverse=True)
        counts = np.bincount(place * owners + keys.owner, minlength=len(groups) * owners).reshape(len(groups), owners)
        return list(zip(groups.tolist(), counts, strict=True))

    def _grown(self, group: int) -> Int64:
        size = np.zeros(len(self.counts), np.int64)
        known = self._sizes.get(group)
        if known is not None:
            size[: len(known)] = known
        return size

    def trim(self) -> Int64:
        """Give up the oldest rows beyond the bound; returns (owners,) how many of each. The parts of a group keep them until it goes."""
        given_up, self._turned_away = self._turned_away, np.zeros(len(self.counts), np.int64)
        emptied = []
        for owner, times in self._bound.trim(self._oldest).items():
            given_up[owner] += len(times)
            groups, sizes = np.unique(np.floor_divide(times, self._length), return_counts=True)
            for group, size in zip(groups.tolist(), sizes.tolist(), strict=True):
                self._sizes[group] = self._grown(group)
                self._sizes[group][owner] -= size
                if not self._sizes[group].any():
                    del self._sizes[group]
                    emptied.append(group)
        if given_up.any():
            if emptied:
                self._evicted_groups.update(emptied)
                self._keep_unsaved(lambda keys: np.isin(np.floor_divide(keys.timestamp, self._length), emptied, invert=True))
            self._lying_about += int(given_up.sum())
            if _WORTHWHILE * self._lying_about >= len(self):
                self._lying_about = 0
                self._shed()
        return given_up

    def _oldest(self, owner: int, count: int, before: int) -> Floor:
        entries = self._index.entries
        mine = np.flatnonzero((entries.owner == owner) & (entries.position < before) & self._stays(entries))
        timestamp, position = entries.timestamps.take(mine), entries.positions.take(mine)
        if count < len(timestamp):
            some = np.flatnonzero(timestamp <= np.partition(timestamp, count - 1)[count - 1])
            timestamp, position = timestamp[some], position[some]
        order = np.lexsort((position, timestamp))
        return Floor(timestamp[order], position[order])

    def _stays(self, entries: Entries) -> Bool:
        gone = self._bound.gone(entries)
        stays = entries.timestamp >= self._expired_before
        return stays if gone is None else stays & ~gone

    def _shed(self) -> None:
        """Free the room of what was given up."""
        self._index.keep(self._stays)
        entries = self._index.entries
        if self._blocks and entries.row is not None:
            entries.row[:] = self._blocks.compact(entries.row)

    def _keep_unsaved(self, stays: Callable[[RowKeys], Bool]) -> None:
        kept = [(added, np.flatnonzero(stays(added.keys))) for added in self._unsaved]
        self._unsaved = [added if len(rows) == len(added.keys) else added.take(rows) for added, rows in kept if len(rows)]

    def expire(self, before: int) -> list[int]:
        """Drop the groups whose time ended at or before ``before``; returns their numbers, and those of groups evicted since."""
        if not self._sizes and not self._evicted_groups:
            return []
        gone = [group for group in self._sizes if (group + 1) * self._length <= before]
        if gone:
            for group in gone:
                self._bound.expire(self._grown(group))
                del self._sizes[group]
            horizon = self._expired_before = max(self._expired_before, (max(gone) + 1) * self._length)
            if len(self._index) - len(self) > max(_MOST_EXPIRED * len(self), _FEW):
                self._index.keep(self._stays)
            self._blocks.forget(horizon)
            self._keep_unsaved(lambda keys: keys.timestamp >= horizon)
        gone += sorted(self._evicted_groups.difference(gone))
        self._evicted_groups.clear()
        return gone

    def forget_parts(self, group: int) -> range:
        """Numbers of the saved parts of a dropped group, to delete them; none of one that has begun anew since, which keeps them until it goes for good."""
        return range(0 if group in self._sizes else self._parts.pop(group, 0))

    def unsaved(self) -> list[Part]:
        """Rows added since the last call, as new parts."""
        added, self._unsaved = self._unsaved, []
        return [part for some in _saved_together(added) for part in self._parts_of(some)]

    def _parts_of(self, added: Sequence[_Added]) -> list[Part]:
        columns: dict[str, Any] = {name: put_together([getattr(one.keys, field) for one in added]) for name, field in _KEYS.items()}
        columns |= {name: put_together([one.columns[name] for one in added]) for name in added[0].columns}
        group_of = np.floor_divide(columns["timestamp"], self._length)
        if (group_of[1:] < group_of[:-1]).any():
            order = np.argsort(group_of, kind="stable")
            columns, group_of = {name: column[order] for name, column in columns.items()}, group_of[order]
        bounds = [0, *(np.flatnonzero(group_of[1:] != group_of[:-1]) + 1).tolist(), len(group_of)]
        return [part for first, end in itertools.pairwise(bounds) for part in self._new_parts(int(group_of[first]), {name: column[first:end] for name, column in columns.items()})]

    def _new_parts(self, group: int, columns: dict[str, Any]) -> list[Part]:
        rows = len(columns["timestamp"])
        at_once = max(rows * PART_BYTES // _size(columns.values()), 1)
        return [self._part(group, {name: column[first : first + at_once] for name, column in columns.items()}) for first in range(0, rows, at_once)]

    def _part(self, group: int, columns: dict[str, Any]) -> Part:
        number = self._parts.get(group, 0)
        self._parts[group] = number + 1
        return Part(group, number, {name: column.compact().as_dict() if isinstance(column, CodedText) else column for name, column in columns.items()})

    def restore(self, part: Part) -> None:
        """Take a saved part; a row that is there already, or would be given up, is not added. `restored` follows the last one."""
        self._parts[part.group] = max(self._parts.get(part.group, 0), part.number + 1)
        columns: dict[str, Any] = {name: CodedText.of_dict(column) if isinstance(column, dict) else column for name, column in part.columns.items()}
        keys = RowKeys(*(columns.pop(name) for name in _KEYS))
        known = self._index.find(Wanted(keys.ids, keys.position + 1)).position == keys.position
        added = self._fresh(_Added(keys, columns).take(np.flatnonzero(~known)) if known.any() else _Added(keys, columns))
        if len(added.keys):
            self._index.add(added.keys, self._take(added, restored=True))
            if self._bound.is_far_over:
                self.trim()
        if part.group not in self._sizes:
            self._evicted_groups.add(part.group)

    def restored(self) -> None:
        """Every saved part is there: what the bound has no room for goes again, and is not counted again."""
        self.trim()
        self._turned_away[:] = 0


def _saved_together(added: Iterable[_Added]) -> Iterator[list[_Added]]:
    """Rows that came one after the other; so many by themselves that to put them together with others would cost more than a part of their own."""
    together: list[_Added] = []
    for one in added:
        if _size([one.keys.ids, *one.columns.values()]) < MANY_BYTES:
            together.append(one)
            continue
        yield from filter(None, (together, [one]))
        together = []
    if together:
        yield together


def _size(columns: Iterable[Any]) -> int:
    return sum((column.codes if isinstance(column, CodedText) else column).nbytes for column in columns)


_KEYS = {"id": "ids", "owner": "owner", "position": "position", "timestamp": "timestamp"}
"""Columns of a part that every store has, and what they are called here."""
