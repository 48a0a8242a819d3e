"""What is known of rows beside their columns: appended to in place, in the order in which they came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.event_batch import Bool, Int32, Int64, UInt64
from detectors.near_numbers import NearNumbers

_FIRST = 64
_SHRINK = 4  # times less room at most for what is kept, since what was full once mostly fills again


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
    ids, owner : (n,) as in `RowKeys`.
    row : (n,) numbers; None where no row has one.
    positions, timestamps : of which `position` and `timestamp` are copies, as in `RowKeys`.
    """

    def __init__(self) -> None:
        self._room: dict[str, Any] = {name: np.empty(_FIRST, dtype) for name, dtype in (("ids", np.uint64), ("owner", np.int32))}
        self.positions, self.timestamps = NearNumbers(), NearNumbers()
        self._see(0)

    def _see(self, size: int) -> None:
        self._size = size
        self.ids: UInt64 = self._room["ids"][:size]
        self.owner: Int32 = self._room["owner"][:size]
        self.row: Int64 | None = self._room["row"][:size] if "row" in self._room else None

    def __len__(self) -> int:
        return self._size

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
        first, end = self._size, self._size + len(keys)
        added: dict[str, Any] = {"ids": keys.ids, "owner": keys.owner}
        if row is not None:
            added["row"] = row
        for name, values in added.items():
            self._with_room(name, values.dtype, end)[first:end] = values
        self.positions.append(keys.position)
        self.timestamps.append(keys.timestamp)
        self._see(end)

    def _with_room(self, name: str, dtype: Any, end: int) -> Any:
        array = self._room.get(name)
        if array is None or len(array) < end:
            room = np.empty(max(_FIRST, end, self._size * 3 // 2), dtype if array is None else array.dtype)
            if array is not None:
                room[: self._size] = array[: self._size]
            self._room[name] = array = room
        return array

    def keep(self, rows: Int64) -> None:
        """Keep some rows, in their order; their entries have new numbers."""
        for name, array in self._room.items():
            kept = array.take(rows)
            if len(array) < _SHRINK * max(len(kept), _FIRST):
                array[: len(kept)] = kept
            else:
                self._room[name] = room = np.empty(len(array) // _SHRINK, array.dtype)
                room[: len(kept)] = kept
        self.positions.keep(rows)
        self.timestamps.keep(rows)
        self._see(len(rows))
