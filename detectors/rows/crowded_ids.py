"""Rows of ids that very many rows have: sorted, for look-ups that take rounds in the logarithm of their number.

A producer that gives all its events the same id must not bring a worker to a halt. The rows are sorted by (id, position), so those of an id before a
position are a range. Above them stands a pyramid: the latest event time of each two rows, of each four, and so on. The last row that
is young enough is found by climbing from the range's end to the first block that has such a row, and down again.
"""

from __future__ import annotations

import numpy as np

from detectors.event_batch import NO_TIME, Int64, UInt64
from detectors.rows.id_chains import NONE
from detectors.rows.row_entries import Entries


class CrowdedIds:
    """Some entries of an index, at least one.

    Parameters
    ----------
    entries : what is known of all of them.
    which : (n,) the numbers of some.
    """

    def __init__(self, entries: Entries, which: Int64) -> None:
        position = entries.positions.take(which)
        order = np.lexsort((position, entries.ids[which]))
        self._entry = which[order]
        self._ids = entries.ids[self._entry]
        self._positions = np.sort(position)
        self._places = self._place(self._ids, position[order])
        self._pyramid = _pyramid(entries.timestamps.take(self._entry))

    def _place(self, ids: UInt64, position: Int64) -> Int64:
        """(n,) numbers in the order of (id, position), for ids that are there."""
        return np.asarray(np.searchsorted(self._ids, ids) * (len(self._ids) + 1) + np.searchsorted(self._positions, position))

    def latest(self, ids: UInt64, before: Int64, since: Int64) -> Int64:
        """(n,) the latest entry of each id that stands before a position and is not older than a time; or `NONE`."""
        end = np.searchsorted(self._places, self._place(ids, before))
        row = _last_since(self._pyramid, end, since)
        return np.where((row >= 0) & (self._ids[row] == ids), self._entry[row], NONE)


def _pyramid(times: Int64) -> list[Int64]:
    """The times, those of each two, each four ... and at last of all."""
    levels = [times]
    while len(times) > 1:
        if len(times) % 2:
            times = levels[-1] = np.append(times, NO_TIME)
        times = times.reshape(-1, 2).max(axis=1)
        levels.append(times)
    return levels


def _last_since(levels: list[Int64], end: Int64, since: Int64) -> Int64:
    """(n,) the last place before each end whose time is at least ``since``; -1 where there is none."""
    block, height = np.full(len(end), -1, np.int64), np.zeros(len(end), np.int64)
    for level, times in enumerate(levels):
        left_of_end = np.flatnonzero((end % 2 == 1) & (block < 0))  # all others go on with the block above, which ends where they do
        young = left_of_end[times[end[left_of_end] - 1] >= since[left_of_end]]
        block[young], height[young] = end[young] - 1, level
        end = end // 2
    for level in range(len(levels) - 1, 0, -1):
        within = np.flatnonzero((height >= level) & (block >= 0))
        second = 2 * block[within] + 1
        block[within] = np.where(levels[level - 1][second] >= since[within], second, second - 1)
    return block
