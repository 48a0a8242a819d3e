"""Whole numbers that lie near each other, such as the times of a store's rows: four bytes each instead of eight."""

from __future__ import annotations

import numpy as np

from detectors.event_batch import Int32, Int64
from detectors.rows.growing_array import GrowingArray

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
        self._distances = GrowingArray(np.int32)

    def __len__(self) -> int:
        return len(self._distances.values)

    @property
    def nbytes(self) -> int:
        """Of the numbers that are there."""
        return int(self._distances.values.nbytes)

    def all(self) -> Int64:
        """(n,) all numbers, anew."""
        return self._distances.values + np.int64(self._base)

    def take(self, which: Int64 | Int32) -> Int64:
        """Some of the numbers."""
        return self._distances.values.take(which) + np.int64(self._base)

    def append(self, numbers: Int64) -> None:
        """Add numbers."""
        if not len(numbers):
            return
        if not len(self):
            self._base = int(numbers[0])
        if self._distances.values.dtype == np.int32 and max(int(numbers.max()) - self._base, self._base - int(numbers.min())) > _FARTHEST:
            near, self._distances = self._distances, GrowingArray(np.int64)
            self._distances.append(near.values)
        self._distances.append(numbers - self._base)

    def keep(self, which: Int64) -> None:
        """Keep some numbers, in their order; in four bytes each again, where they lie near each other now."""
        if self._distances.values.dtype == np.int32:
            self._distances.keep(which)
            return
        kept, self._distances = self.take(which), GrowingArray(np.int32)
        self.append(kept)
