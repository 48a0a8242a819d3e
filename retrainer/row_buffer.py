"""The newest labelled rows of a model: what can be trained on, and what a repeated or a corrected row is recognised by."""

from __future__ import annotations

import numpy as np

from detectors.event_batch import Bool, Int64
from detectors.rows.examples import Examples
from detectors.rows.row_store import position_of


class RowBuffer:
    """At least the newest ``capacity`` rows, in the order in which they came.

    Parameters
    ----------
    capacity : rows that `latest` gives at most. Twice as many are kept, so that dropping the old ones costs little.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._parts: list[Examples] = []
        self._rows = 0
        self._forgotten: dict[int, int] = {}  # partition -> largest place that was dropped

    def append(self, rows: Examples) -> None:
        """Take rows that are new."""
        if not len(rows):
            return
        self._parts.append(rows)
        self._rows += len(rows)
        if self._rows > 2 * self.capacity:
            everything = Examples.concatenate(self._parts)
            old = everything.take(slice(0, self._rows - self.capacity))
            for partition in np.unique(old.partition).tolist():
                self._forgotten[partition] = max(self._forgotten.get(partition, -1), int(_place(old)[old.partition == partition].max()))
            self._parts, self._rows = [everything.take(slice(self._rows - self.capacity, None))], self.capacity

    def latest(self) -> Examples | None:
        """The newest ``capacity`` rows; None while there are none."""
        if not self._parts:
            return None
        if len(self._parts) > 1:
            self._parts = [Examples.concatenate(self._parts)]
        return self._parts[0].take(slice(max(0, self._rows - self.capacity), None))

    def unseen(self, rows: Examples) -> Bool:
        """(n,) False for rows whose source record was taken before: at-least-once delivery repeats them."""
        mask = np.zeros(len(rows), np.bool_)
        mask[np.unique(np.stack([rows.partition, _place(rows)]), axis=1, return_index=True)[1]] = True
        for partition in np.unique(rows.partition).tolist():
            mine = rows.partition == partition
            known = [_place(part)[part.partition == partition] for part in self._parts]
            mask[mine] &= _place(rows)[mine] > self._forgotten.get(partition, -1)
            mask[mine] &= ~np.isin(_place(rows)[mine], np.concatenate(known)) if known else True
        return mask

    def forget_what_was_before(self) -> None:
        """Take every row before those at hand for one that was dropped."""
        if not self._parts:
            return
        rows = Examples.concatenate(self._parts)
        for partition in np.unique(rows.partition).tolist():
            first = int(_place(rows)[rows.partition == partition].min())
            self._forgotten[partition] = max(self._forgotten.get(partition, -1), first - 1)

    def first_sight(self, rows: Examples) -> Bool:
        """(n,) False for rows that correct one of the ``capacity`` rows before them."""
        ids = np.concatenate([*(part.event_id for part in self._parts), rows.event_id])
        order = np.argsort(ids, kind="stable")
        repeated = np.flatnonzero(ids[order][1:] == ids[order][:-1]) + 1
        corrected = np.zeros(len(ids), np.bool_)
        corrected[order[repeated]] = order[repeated] - order[repeated - 1] <= self.capacity
        return np.asarray(~corrected[self._rows :])


def _place(rows: Examples) -> Int64:
    return position_of(rows.offset, rows.index)
