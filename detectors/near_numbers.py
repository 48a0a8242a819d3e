"""Whole numbers that lie near each other, such as the times of a store's rows: four bytes each instead of eight."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.event_batch import Int32, Int64

_FIRST = 64
_SHRINK = 4  # times less room at most for what is kept, since what was full once mostly fills again
_FARTHEST = 2**31 - 1


class NearNumbers:
    """An int64 array that is appended to in place, held as distances from one of its numbers; eight bytes each when one is too far away.

    Examples
    --------
    >>> times = NearNumbers()
    >>> times.append(np.array([1_700_000_000_000, 1_700_000_360_000]))
    >>> times.take(np.array([1])).tolist(), times.nbytes // len(times)
    ([1700000360000], 4)
    >>> times.append(np.array([0]))
    >>> times.all().tolist(), times.nbytes // len(times)
    ([1700000000000, 1700000360000, 0], 8)
    """

    def __init__(self) -> None:
        self._base = 0
        self._size = 0
        self._room: npt.NDArray[Any] = np.empty(_FIRST, np.int32)

    def __len__(self) -> int:
        return self._size

    @property
    def nbytes(self) -> int:
        """Of the numbers that are there."""
        return self._size * self._room.itemsize

    def all(self) -> Int64:
        """(n,) all numbers, anew."""
        return self._room[: self._size] + np.int64(self._base)

    def take(self, which: Int64 | Int32) -> Int64:
        """Some of the numbers."""
        return self._room.take(which) + np.int64(self._base)

    def append(self, numbers: Int64) -> None:
        """Add numbers."""
        if not len(numbers):
            return
        if not self._size:
            self._base = int(numbers[0])
        first, end = self._size, self._size + len(numbers)
        farthest = max(int(numbers.max()) - self._base, self._base - int(numbers.min()))
        kind = self._room.dtype if farthest <= _FARTHEST else np.dtype(np.int64)
        if kind != self._room.dtype or len(self._room) < end:
            room = np.empty(max(_FIRST, end, len(self._room) if kind != self._room.dtype else first * 3 // 2), kind)
            room[:first] = self._room[:first]
            self._room = room
        np.subtract(numbers, self._base, out=self._room[first:end], casting="same_kind")
        self._size = end

    def keep(self, which: Int64) -> None:
        """Keep some numbers, in their order; as distances from the first of them."""
        kept = self.take(which)
        room = self._room if len(self._room) < _SHRINK * max(len(kept), _FIRST) else np.empty(len(self._room) // _SHRINK, np.int32)
        if room.dtype != np.int32:
            room = np.empty(len(room), np.int32)
        self._room, self._size = room, 0
        self.append(kept)
