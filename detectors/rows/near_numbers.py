"""Whole numbers that lie near each other, such as the times or the positions of a store's rows: four bytes each instead of eight."""

from __future__ import annotations

import numpy as np

from detectors.event_batch import Int32, Int64
from detectors.rows.growing_array import GrowingArray

_FARTHEST = 2**31 - 1
_ALL_BITS = 62  # of distances that are all 0


class NearNumbers:
    """An int64 array that is appended to in place, held as distances from one of its numbers, without low bits that all have alike; eight bytes each when one is too far away.

    Positions of records that hold one event each lie 2**20 apart, and so in four bytes for two thousand million records.

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
        self._alike = 0  # low bits of the distances that are 0, and left out
        self._distances = GrowingArray(np.int32)

    def __len__(self) -> int:
        return len(self._distances.values)

    @property
    def nbytes(self) -> int:
        """Of the numbers that are there."""
        return int(self._distances.values.nbytes)

    @property
    def layout(self) -> tuple[Int32 | Int64, int, int]:
        """How they are held: distances (n,), what each is from, and by how many low bits it is shifted."""
        return self._distances.values, self._base, self._alike

    def all(self) -> Int64:
        """(n,) all numbers, anew."""
        return self._numbers(self._distances.values)

    def take(self, which: Int64 | Int32) -> Int64:
        """Some of the numbers."""
        return self._numbers(self._distances.values.take(which))

    def _numbers(self, distances: Int64 | Int32) -> Int64:
        return distances + np.int64(self._base) if not self._alike else (distances.astype(np.int64) << self._alike) + np.int64(self._base)

    def append(self, numbers: Int64) -> None:
        """Add numbers."""
        if not len(numbers):
            return
        if not len(self):
            self._base, self._alike = int(numbers[0]), _ALL_BITS
        distances = numbers - self._base
        alike = min(self._alike, _zeros(int(np.bitwise_or.reduce(distances))))
        if alike < self._alike:
            self._lay_out(alike)
        if self._distances.values.dtype == np.int32 and max(int(numbers.max()) - self._base, self._base - int(numbers.min())) >> self._alike > _FARTHEST:
            self._lay_out(0, np.int64)
        self._distances.append(distances >> self._alike)

    def _lay_out(self, alike: int, kind: type[np.int32 | np.int64] = np.int32) -> None:
        """Hold the distances in another way; in eight bytes where they would not fit in four."""
        distances = self._distances.values.astype(np.int64) << (self._alike - alike)
        near = kind is np.int32 and self._distances.values.dtype == np.int32 and int(np.abs(distances).max(initial=0)) <= _FARTHEST
        self._alike = alike if near else 0
        self._distances = GrowingArray(np.int32 if near else np.int64)
        self._distances.append(distances if near else distances << alike)

    def keep(self, which: Int64) -> None:
        """Keep some numbers, in their order; in four bytes each again, where they lie near each other now."""
        if self._distances.values.dtype == np.int32:
            self._distances.keep(which)
            return
        kept, self._distances = self.take(which), GrowingArray(np.int32)
        self.append(kept)


def _zeros(number: int) -> int:
    """Low bits that are 0.

    >>> _zeros(40), _zeros(0)
    (3, 62)
    """
    return min((number & -number).bit_length() - 1, _ALL_BITS) if number else _ALL_BITS
