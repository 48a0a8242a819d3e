"""What is known of rows beside their columns: appended to in place, in the order in which they came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.event_batch import Bool, Int32, Int64, UInt16, UInt64
from detectors.rows.growing_array import GrowingArray
from detectors.rows.near_numbers import NearNumbers

_FEW = 2**16  # owners, whose numbers take two bytes


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


class Entries:
    """Ids, owners, positions and times of ``n`` rows; with the rows' numbers, or always without.

    Attributes
    ----------
    positions, timestamps : of which `position` and `timestamp` are copies.
    """

    def __init__(self) -> None:
        self._ids, self._owner = GrowingArray(np.uint64), GrowingArray(np.uint16)
        self._row: GrowingArray | None = None
        self.positions, self.timestamps = NearNumbers(), NearNumbers()

    def __len__(self) -> int:
        return len(self._ids.values)

    @property
    def ids(self) -> UInt64:
        """(n,) hashes of event ids."""
        return self._ids.values

    @property
    def owner(self) -> Int32 | UInt16:
        """(n,) whose rows they are."""
        return self._owner.values

    @property
    def row(self) -> Int64 | None:
        """(n,) numbers; None where no row has one."""
        return None if self._row is None else self._row.values

    @property
    def position(self) -> Int64:
        """(n,) where the rows stand in the log."""
        return self.positions.all()

    @property
    def timestamp(self) -> Int64:
        """(n,) event time."""
        return self.timestamps.all()

    def append(self, keys: RowKeys, row: Int64 | None) -> None:
        """Add rows; their entries have the next numbers."""
        self._ids.append(keys.ids)
        if self._owner.values.dtype == np.uint16 and int(keys.owner.max(initial=0)) >= _FEW:
            few, self._owner = self._owner.values, GrowingArray(np.int32)
            self._owner.append(few)
        self._owner.append(keys.owner)
        if row is not None:
            self._row = self._row or GrowingArray(np.int64)
            self._row.append(row)
        self.positions.append(keys.position)
        self.timestamps.append(keys.timestamp)

    def keep(self, rows: Int64) -> None:
        """Keep some rows, in their order; their entries have new numbers."""
        for column in (self._ids, self._owner, self._row, self.positions, self.timestamps):
            if column is not None:
                column.keep(rows)
