"""Rows that wait: columns found by event id, kept in parts that are written once.

Used for the ids of open panes (deduplication) and for predictions, features and labels that wait for each other. Rows are only ever
appended; a row is named by its position in the source partition, so reading a record again finds the row instead of adding a second one.
Rows are grouped by event time, and a group is dropped as a whole when it can no longer matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.coded_text import CodedText
from detectors.event_batch import Bool, Coded, Int64, UInt64, put_together
from detectors.id_index import Found, IdIndex
from detectors.row_blocks import RowBlocks

INDEX_BITS = 20
"""A record may hold up to 2**20 events; the rest of a position is the record's offset."""


def position_of(offset: Int64, index: Int64) -> Int64:
    """One number that orders the rows of a partition: the record's offset, then the place in the record."""
    return (offset << INDEX_BITS) | index


@dataclass(frozen=True)
class Part:
    """Rows of one group as they are saved: never changed, only deleted with their group."""

    group: int
    number: int
    columns: dict[str, Any]  # "id", "position", "timestamp", and the store's own; coded text as its levels and codes


@dataclass(frozen=True)
class _Added:
    """Rows of one call, as long as they are not saved."""

    ids: UInt64
    position: Int64
    timestamp: Int64
    columns: Mapping[str, Coded]


class RowStore:
    """Append-only rows by event id.

    Parameters
    ----------
    group_length : event time that one group spans, milliseconds.
    max_rows : the bound; when it is passed, the rows of the oldest event times are given up and counted in ``evicted``.
    """

    def __init__(self, *, group_length: int, max_rows: int) -> None:
        if group_length <= 0:
            raise ValueError(f"group_length must be > 0 ms, got {group_length}; a group that spans no time never holds a row")
        self._length = group_length
        self._max_rows = max_rows
        self._index = IdIndex()
        self._blocks = RowBlocks()
        self._sizes: dict[int, int] = {}
        self._unsaved: list[_Added] = []
        self._parts: dict[int, int] = {}
        self._evicted_groups: set[int] = set()
        self._last = -1
        self.rows = 0
        self.evicted = 0

    def find(self, ids: UInt64, before: Int64, since: Int64 | None = None) -> Found:
        """For each id the latest row before a position that still counts.

        Parameters
        ----------
        ids : (n,) hashes of event ids.
        before : (n,) positions; rows at them or after are not looked at.
        since : (n,) event times; rows older than that do not count any more, whether or not their group has been dropped yet.
        """
        return self._index.find(ids, before, since)

    def column(self, name: str, found: Found, which: Bool) -> Coded:
        """Values of a column for some of the ids that were looked for; every one of them must have been found, and there is at least one."""
        return self._blocks.column(name, found.row[which])

    def append(self, ids: UInt64, position: Int64, timestamp: Int64, columns: Mapping[str, Coded]) -> list[int]:
        """Add rows that are not there yet; returns the groups that had to go because the store was full."""
        new = self._unknown(ids, position)
        if new is not None:
            ids, position, timestamp, columns = ids[new], position[new], timestamp[new], {name: column[new] for name, column in columns.items()}
        too_old = self._index.gone(timestamp, position)
        if too_old.any() and (count := int(too_old.sum())) <= self.rows + len(ids) - self._max_rows:
            new = np.flatnonzero(~too_old)  # a full store would give them up at once
            ids, position, timestamp, columns = ids[new], position[new], timestamp[new], {name: column[new] for name, column in columns.items()}
            self.evicted += count
        if not len(ids):
            return []
        self._index.add(ids, position, timestamp, self._take(position, timestamp, columns))
        self._unsaved.append(_Added(ids, position, timestamp, columns))
        return self._evict()

    def append_first(self, ids: UInt64, position: Int64, timestamp: Int64, since: Int64) -> Bool:
        """`append` to a store without columns, and (n,) which rows repeat no row before them that still counts."""
        if not len(ids):
            return np.empty(0, bool)
        if self._unknown(ids, position) is not None:
            self.append(ids, position, timestamp, {})
            return ~self.find(ids, position, since).mask
        first = self._index.first_of_batch(ids, position, timestamp, since)
        self._take(position, timestamp, {})
        self._unsaved.append(_Added(ids, position, timestamp, {}))
        self._evict()
        return first

    def _unknown(self, ids: UInt64, position: Int64) -> Int64 | None:
        """Rows that are not there yet; None if none is: all stand behind what has been read, as they do but after a restore."""
        if not len(position) or position[0] > self._last:
            return None
        return np.flatnonzero(self.find(ids, position + 1).position != position)

    def _take(self, position: Int64, timestamp: Int64, columns: Mapping[str, Coded]) -> Int64:
        """Count rows and keep their columns; returns their numbers."""
        self._last = max(self._last, int(position.max()))
        for group, size in _sizes(np.floor_divide(timestamp, self._length)):
            self._sizes[group] = self._sizes.get(group, 0) + size
        self.rows += len(timestamp)
        return self._blocks.append(timestamp, columns) if columns else np.zeros(len(timestamp), np.int64)

    def _evict(self) -> list[int]:
        """Give up the oldest rows beyond the bound; their parts keep them until their group goes. What stays does not depend on how rows were added."""
        excess = self.rows - self._max_rows
        if excess <= 0:
            return []
        times = self._index.drop_oldest(excess)
        sizes = _sizes(np.floor_divide(times, self._length))
        for group, size in sizes:
            self._sizes[group] -= size
        self.rows -= excess
        self.evicted += excess
        self._blocks.forget(int(times[-1]))
        gone = [group for group, _ in sizes if not self._sizes[group]]
        for group in gone:
            del self._sizes[group]
        if gone:
            self._keep_unsaved((gone[-1] + 1) * self._length)
            self._evicted_groups.update(gone)
        return gone

    def _keep_unsaved(self, since: int) -> None:
        self._unsaved = [part for added in self._unsaved for part in _since(added, since)]

    def expire(self, before: int) -> list[int]:
        """Drop the groups whose time ended at or before ``before``; returns their numbers, and those of groups evicted since."""
        if not self._sizes and not self._evicted_groups:
            return []
        gone = [group for group in self._sizes if (group + 1) * self._length <= before]
        if gone:
            self.rows -= sum(self._sizes.pop(group) for group in gone)
            horizon = (max(gone) + 1) * self._length
            self._index.drop_before(horizon)
            self._blocks.forget(horizon)
            self._keep_unsaved(horizon)
        gone += sorted(self._evicted_groups.difference(gone, self._sizes))  # one that has begun anew keeps its parts until it goes for good
        self._evicted_groups.clear()
        return gone

    def forget_parts(self, group: int) -> range:
        """Numbers of the saved parts of a dropped group, to delete them; the group may begin anew."""
        return range(self._parts.pop(group, 0))

    def saved(self) -> list[tuple[int, int]]:
        """Group and number of every part that was saved and not forgotten."""
        return [(group, number) for group, count in self._parts.items() for number in range(count)]

    def unsaved(self) -> list[Part]:
        """Rows added since the last call, as new parts."""
        if not self._unsaved:
            return []
        added, self._unsaved = self._unsaved, []
        columns: dict[str, Any] = {name: put_together([getattr(one, field) for one in added]) for name, field in _KEYS.items()}
        columns |= {name: put_together([one.columns[name] for one in added]) for name in added[0].columns}
        group_of = np.floor_divide(columns["timestamp"], self._length)
        if group_of.min() == group_of.max():
            return [self._part(int(group_of[0]), columns)]
        order = np.argsort(group_of, kind="stable")
        columns = {name: column[order] for name, column in columns.items()}
        groups, starts = np.unique(group_of[order], return_index=True)
        bounds = zip(groups.tolist(), starts.tolist(), [*starts[1:].tolist(), len(order)], strict=True)
        return [self._part(group, {name: column[first:end] for name, column in columns.items()}) for group, first, end in bounds]

    def _part(self, group: int, columns: dict[str, Any]) -> Part:
        number = self._parts.get(group, 0)
        self._parts[group] = number + 1
        return Part(group, number, {name: column.compact().as_dict() if isinstance(column, CodedText) else column for name, column in columns.items()})

    def restore(self, part: Part) -> None:
        """Take a saved part; a row that is there already is not added again."""
        self._parts[part.group] = max(self._parts.get(part.group, 0), part.number + 1)
        columns: dict[str, Any] = {name: CodedText.of_dict(column) if isinstance(column, dict) else column for name, column in part.columns.items()}
        ids, position, timestamp = (columns.pop(name) for name in _KEYS)
        new = np.flatnonzero(self.find(ids, position + 1).position != position)
        if len(new):
            ids, position, timestamp, columns = ids[new], position[new], timestamp[new], {name: column[new] for name, column in columns.items()}
            self._index.add(ids, position, timestamp, self._take(position, timestamp, columns))
            counted = self.evicted
            self._evict()
            self.evicted = counted  # they were counted when they were given up


def _sizes(group: Int64) -> list[tuple[int, int]]:
    """The groups of some rows, at least one, and how many rows each has."""
    if int(group.min()) == int(group.max()):  # as nearly always
        return [(int(group[0]), len(group))]
    groups, sizes = np.unique(group, return_counts=True)
    return list(zip(groups.tolist(), sizes.tolist(), strict=True))


_KEYS = {"id": "ids", "position": "position", "timestamp": "timestamp"}
"""Columns of a part that every store has, and what they are called here."""


def _since(added: _Added, before: int) -> list[_Added]:
    """Rows whose time is not before ``before``."""
    keep = added.timestamp >= before
    if keep.all():
        return [added]
    rows = np.flatnonzero(keep)
    return [_Added(added.ids[rows], added.position[rows], added.timestamp[rows], {name: column[rows] for name, column in added.columns.items()})] if len(rows) else []
