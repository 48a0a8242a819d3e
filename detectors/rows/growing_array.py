"""An array that is appended to in place."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.event_batch import Int64

_FIRST = 64
_SHRINK = 4  # times less room at most for what is kept, since what was full once mostly fills again


class GrowingArray:
    """Numbers of one type, with room for half as many again.

    Attributes
    ----------
    values : (n,) all of them, in place; another array after `append` and `keep`.

    Examples
    --------
    >>> ids = GrowingArray(np.uint64)
    >>> ids.append(np.array([7, 8, 9]))
    >>> ids.keep(np.array([0, 2]))
    >>> ids.values
    array([7, 9], dtype=uint64)
    """

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._room: npt.NDArray[Any] = np.empty(_FIRST, dtype)
        self.values = self._room[:0]

    def append(self, values: npt.NDArray[Any]) -> None:
        """Add numbers that the type can hold."""
        first, end = len(self.values), len(self.values) + len(values)
        if len(self._room) < end:
            room = np.empty(max(end, first * 3 // 2), self._room.dtype)
            room[:first] = self.values
            self._room = room
        self._room[first:end] = values
        self.values = self._room[:end]

    def keep(self, which: Int64) -> None:
        """Keep some numbers, in their order."""
        kept = self.values.take(which)
        if len(self._room) >= _SHRINK * max(len(kept), _FIRST):
            self._room = np.empty(len(self._room) // _SHRINK, self._room.dtype)
        self._room[: len(kept)] = kept
        self.values = self._room[: len(kept)]
