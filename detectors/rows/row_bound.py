"""How many rows an owner may keep: beyond the bound the oldest by (time, position) are given up.

Which rows those are is asked at a position of the log, since a row that is given up by the end of a batch may still have been there for a row
of the same batch. Rows that have expired are older than all that have not, so dropping them changes nothing that is said here.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from detectors.event_batch import NO_TIME, Bool, Int32, Int64
from detectors.rows.id_index import Floor
from detectors.rows.row_entries import Entries, RowKeys

_LAST = int(np.iinfo(np.int64).max)
_AT_ONCE = 16  # so large a share of an owner's rows, the oldest, is looked for at a time
_FAR = 8  # so large a share of an owner's bound may be beyond it while rows are restored: to look for the oldest after each part takes longer than to restore them

Oldest = Callable[[int, int, int], Floor]
"""Given an owner, a count and a position: times and positions of the owner's oldest rows before it, in ascending order; so many where there are."""


@dataclass(frozen=True)
class _GivenUp:
    """Rows of one owner that are given up, in the order in which that happens, and the positions of the rows that they make room for."""

    rows: Floor
    makes_room_for: Int64

    def floor(self) -> Floor:
        """(n,) what has been given up after each of them: the youngest so far."""
        code = np.lexsort((self.rows.position, self.rows.timestamp))
        rank = np.empty(len(code), np.int64)
        rank[code] = np.arange(len(code))
        youngest = code[np.maximum.accumulate(rank)]
        return self.rows.take(youngest)


class RowBound:
    """Rows of several owners.

    Parameters
    ----------
    max_rows : of each owner.

    Attributes
    ----------
    counts : (owners,) rows of each.
    """

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows
        self.counts = np.zeros(0, np.int64)
        self._floor = Floor(np.empty(0, np.int64), np.empty(0, np.int64))
        self._is_any_given_up = False
        self._arrived: list[RowKeys] = []
        self._oldest: dict[int, Floor] = {}

    def reach(self, owners: int) -> None:
        """Make room for so many owners."""
        more = owners - len(self.counts)
        if more > 0:
            self.counts = np.concatenate([self.counts, np.zeros(more, np.int64)])
            times, positions = np.full(more, NO_TIME, np.int64), np.full(more, -1, np.int64)
            self._floor = Floor(np.concatenate([self._floor.timestamp, times]), np.concatenate([self._floor.position, positions]))

    def arrive(self, keys: RowKeys, counts: Int64) -> None:
        """Rows that came since the last `trim`, behind those of an earlier one, and how many they are of each owner."""
        self.counts += counts
        self._arrived.append(keys)

    def restore(self, counts: Int64) -> None:
        """So many rows of each owner are there again."""
        self.counts += counts
        self._oldest.clear()

    def expire(self, counts: Int64) -> None:
        """So many rows of each owner have expired."""
        self.counts -= counts
        self._oldest.clear()

    @property
    def is_over(self) -> bool:
        """Whether an owner has too many rows."""
        return bool(len(self.counts)) and int(self.counts.max()) > self._max_rows

    @property
    def is_far_over(self) -> bool:
        """Whether an owner has so many rows too much that they had better go before more are restored."""
        return bool(len(self.counts)) and int(self.counts.max()) > self._max_rows + self._max_rows // _FAR

    def gone(self, rows: RowKeys | Entries) -> Bool | None:
        """(n,) which rows have been given up, or would have been if they had been there; None if none."""
        return self._floor.take(rows.owner).is_above(rows.timestamp, rows.position) if self._is_any_given_up else None

    def floor(self, owner: Int32, before: Int64, oldest: Oldest) -> Floor | None:
        """(n,) up to where rows have been given up when the log is read up to some positions; None where all rows count."""
        if not self._is_any_given_up and not self.is_over:
            return None
        floor = self._floor.take(owner)
        for one in np.flatnonzero(self.counts > self._max_rows).tolist():
            mine = np.flatnonzero(owner == one)
            given_up = self._given_up(one, oldest)
            steps = given_up.floor()
            passed = np.searchsorted(given_up.makes_room_for, before[mine], side="left")
            mine, passed = mine[passed > 0], passed[passed > 0] - 1
            higher = ~floor.take(mine).is_above(steps.timestamp[passed], steps.position[passed])
            floor.timestamp[mine[higher]] = steps.timestamp[passed[higher]]
            floor.position[mine[higher]] = steps.position[passed[higher]]
        return floor

    def trim(self, oldest: Oldest) -> dict[int, Int64]:
        """Give up what is too much; returns the times of those rows by owner."""
        gone = {}
        for one in np.flatnonzero(self.counts > self._max_rows).tolist() if self.is_over else []:
            given_up = self._given_up(one, oldest)
            last = given_up.floor().take(np.array([-1]))
            gone[one] = given_up.rows.timestamp
            self.counts[one] = self._max_rows
            if not self._floor.take(np.array([one])).is_above(last.timestamp, last.position)[0]:
                self._floor.timestamp[one], self._floor.position[one] = last.timestamp[0], last.position[0]
            self._is_any_given_up = True
            known = self._oldest[one]
            left = ~last.is_above(known.timestamp, known.position)
            self._oldest[one] = Floor(known.timestamp[left], known.position[left])
            self._forget_oldest_before_arrived(one)
        self._arrived = []
        return gone

    def _forget_oldest_before_arrived(self, owner: int) -> None:
        """Rows that came are not among the oldest that are known, so that these are not the oldest if one of them is older."""
        known = self._oldest[owner]
        if len(known.timestamp) and any((keys.timestamp[keys.owner == owner] <= known.timestamp[-1]).any() for keys in self._arrived):
            del self._oldest[owner]

    def _given_up(self, owner: int, oldest: Oldest) -> _GivenUp:
        mine = [keys.take(keys.owner == owner) for keys in self._arrived]
        time, position = (np.concatenate([np.empty(0, np.int64), *(getattr(keys, name) for keys in mine)]) for name in ("timestamp", "position"))
        order = np.argsort(position, kind="stable")
        time, position = time[order], position[order]
        excess = int(self.counts[owner]) - self._max_rows
        known = self._oldest.get(owner)
        if known is None or len(known.timestamp) < excess:
            waiting = int(self.counts[owner]) - len(time)
            known = self._oldest[owner] = oldest(owner, max(excess, waiting // _AT_ONCE), int(position[0]) if len(position) else _LAST)
        makes_room_for = position[len(position) - excess :]
        if len(known.timestamp) >= excess and (time > known.timestamp[excess - 1]).all():
            return _GivenUp(Floor(known.timestamp[:excess], known.position[:excess]), makes_room_for)
        rows = list(zip(known.timestamp.tolist(), known.position.tolist(), strict=True))
        gone = []
        for place, row in enumerate(zip(time.tolist(), position.tolist(), strict=True)):
            heapq.heappush(rows, row)
            if place >= len(time) - excess:
                gone.append(heapq.heappop(rows))
        return _GivenUp(Floor(*np.array(gone, np.int64).reshape(-1, 2).T), makes_room_for)
