"""Rows that wait: columns found by event id, kept in parts that are written once.

Used for the ids of open panes (deduplication) and for predictions, features and labels that wait for each other. Rows are only ever
appended; a row is named by its position in the source partition, so reading a record again finds the row instead of adding a second one.
Rows are grouped by event time, and a group is dropped as a whole when it can no longer matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from detectors.event_batch import Bool, Column, Int64, UInt64

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
    columns: dict[str, Column]  # "id", "position", "timestamp", and the store's own


@dataclass
class _Run:
    """Rows sorted by (id, position)."""

    ids: UInt64
    position: Int64
    columns: dict[str, Column]

    @classmethod
    def of(cls, columns: Mapping[str, Column]) -> _Run:
        order = np.lexsort((columns["position"], columns["id"]))
        return cls(columns["id"][order], columns["position"][order], {name: column[order] for name, column in columns.items()})


class Found:
    """Rows found for a list of ids: which were, and the columns of those that were."""

    def __init__(self, size: int) -> None:
        self.mask: Bool = np.zeros(size, dtype=bool)
        self._run = np.zeros(size, dtype=np.int64)
        self._row = np.zeros(size, dtype=np.int64)
        self._position = np.full(size, -1, dtype=np.int64)
        self._runs: list[_Run] = []

    def offer(self, run: _Run, which: Int64, rows: Int64) -> None:
        """Take rows of a run where they are later than what was found so far."""
        better = run.position[rows] > self._position[which]
        which, rows = which[better], rows[better]
        self.mask[which] = True
        self._run[which] = len(self._runs)
        self._row[which] = rows
        self._position[which] = run.position[rows]
        self._runs.append(run)

    def column(self, name: str, rows: Bool | Int64) -> Column:
        """Values of a column for some of the asked ids; every one of them must have been found."""
        which = np.flatnonzero(rows) if rows.dtype == bool else rows
        if not len(which):
            return next((run.columns[name][:0] for run in self._runs), np.empty(0))
        run_of = self._run[which]
        out = np.empty(len(which), dtype=self._runs[int(run_of[0])].columns[name].dtype)
        for number in np.unique(run_of).tolist():
            mine = run_of == number
            out[mine] = self._runs[number].columns[name][self._row[which[mine]]]
        return out

    @property
    def position(self) -> Int64:
        """(n,) position of the row found, -1 where none was."""
        return self._position


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
        self._runs: dict[int, list[_Run]] = {}
        self._unsaved: dict[int, list[dict[str, Column]]] = {}
        self._parts: dict[int, int] = {}
        self._evicted_groups: set[int] = set()
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
        found = Found(len(ids))
        if not len(ids):
            return found
        for runs in self._runs.values():
            for run in runs:
                row = np.searchsorted(run.ids, ids, side="right") - 1
                which = np.flatnonzero((row >= 0) & (run.ids[row] == ids))
                row = row[which]
                while len(which):
                    counts = run.position[row] < before[which]
                    if since is not None:
                        counts &= run.columns["timestamp"][row] >= since[which]
                    found.offer(run, which[counts], row[counts])
                    which, row = which[~counts], row[~counts] - 1
                    same = (row >= 0) & (run.ids[row] == ids[which])
                    which, row = which[same], row[same]
        return found

    def append(self, ids: UInt64, position: Int64, timestamp: Int64, columns: Mapping[str, Column]) -> list[int]:
        """Add rows that are not there yet; returns the groups that had to go because the store was full."""
        known = self.find(ids, position + 1).position == position
        if known.all():
            return []
        new = np.flatnonzero(~known)
        table = {"id": ids[new], "position": position[new], "timestamp": timestamp[new], **{name: column[new] for name, column in columns.items()}}
        group_of = np.floor_divide(table["timestamp"], self._length)
        for group in np.unique(group_of).tolist():
            rows = {name: column[group_of == group] for name, column in table.items()}
            self._add(group, rows)
            self._unsaved.setdefault(group, []).append(rows)
        return self._evict()

    def _add(self, group: int, rows: dict[str, Column]) -> None:
        runs = self._runs.setdefault(group, [])
        runs.append(_Run.of(rows))
        self.rows += len(rows["id"])
        while len(runs) > 1 and len(runs[-2].ids) < 2 * len(runs[-1].ids):  # geometric sizes keep a look-up at O(log n) runs
            last, previous = runs.pop(), runs.pop()
            runs.append(_Run.of({name: np.concatenate([previous.columns[name], last.columns[name]]) for name in last.columns}))

    def _evict(self) -> list[int]:
        gone = []
        while self.rows > self._max_rows:
            oldest, excess = min(self._runs), self.rows - self._max_rows
            if sum(len(run.ids) for run in self._runs[oldest]) <= excess:
                self.evicted += self._drop(oldest)
                gone.append(oldest)
            else:
                self._give_up(oldest, excess)
                self.evicted += excess
        self._evicted_groups.update(gone)
        return gone

    def _give_up(self, group: int, count: int) -> None:
        """Drop the oldest rows of a group that has more; its parts keep them until the group goes. What stays does not depend on how rows were added."""
        runs = self._runs[group]
        time = np.concatenate([run.columns["timestamp"] for run in runs])
        last_time = np.partition(time, count - 1)[count - 1]
        tied = np.sort(np.concatenate([run.position for run in runs])[time == last_time])
        last_position = tied[count - int((time < last_time).sum()) - 1]
        self._runs[group] = []
        for run in runs:
            at = run.columns["timestamp"]
            keep = (at > last_time) | ((at == last_time) & (run.position > last_position))
            if keep.any():
                self._runs[group].append(_Run(run.ids[keep], run.position[keep], {name: column[keep] for name, column in run.columns.items()}))
        self.rows -= count

    def _drop(self, group: int) -> int:
        rows = sum(len(run.ids) for run in self._runs.pop(group))
        self._unsaved.pop(group, None)
        self.rows -= rows
        return rows

    def expire(self, before: int) -> list[int]:
        """Drop the groups whose time ended at or before ``before``; returns their numbers, and those of groups evicted since."""
        gone = [group for group in self._runs if (group + 1) * self._length <= before]
        for group in gone:
            self._drop(group)
        gone += sorted(self._evicted_groups.difference(gone, self._runs))  # one that has begun anew keeps its parts until it goes for good
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
        parts = []
        for group, tables in self._unsaved.items():
            number = self._parts.get(group, 0)
            self._parts[group] = number + 1
            parts.append(Part(group, number, {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}))
        self._unsaved = {}
        return parts

    def restore(self, part: Part) -> None:
        """Take a saved part; a row that is there already is not added again."""
        columns = part.columns
        self._parts[part.group] = max(self._parts.get(part.group, 0), part.number + 1)
        known = self.find(columns["id"], columns["position"] + 1).position == columns["position"]
        rows = {name: column[~known] for name, column in columns.items()}
        if len(rows["id"]):
            self._add(part.group, rows)
            counted = self.evicted
            self._evict()
            self.evicted = counted  # they were counted when they were given up
