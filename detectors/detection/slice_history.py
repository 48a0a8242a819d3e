"""Errors by slice, pane after pane, in buckets: what an alert of performance asks for the time since a change and the time before."""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.event_batch import Float64
from detectors.scans.history import merges_after


class SliceHistory:
    """Sums of a version's panes, in the buckets of `detectors.scans.history`: some sixty of them, however long it serves.

    Examples
    --------
    >>> history = SliceHistory()
    >>> for start in range(0, 100, 10):
    ...     history.add(start, np.array([1.0]))
    >>> [float(part[0]) for part in history.parted(60)]
    [4.0, 6.0]
    """

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._starts: list[int] = []
        self._sums: list[Float64] = []

    def add(self, start: int, sums: Float64) -> None:
        """Take a closed pane."""
        self._starts.append(start)
        self._sums.append(sums)
        self._sizes, merges, drop = merges_after([*self._sizes, 1])
        for merge in merges:  # from the newest on, so that the places of the older ones stay as they are
            place = merge.position
            self._sums[place] = self._sums[place] + self._sums.pop(place + 1)
            del self._starts[place + 1]
        if drop:
            del self._starts[0], self._sums[0]

    def parted(self, change_at: int) -> tuple[Float64, Float64]:
        """Sums of the buckets that begin at a time or later, and of those before; 0 where there are none."""
        is_now = np.array(self._starts) >= change_at
        sums = np.stack(self._sums)
        return sums[is_now].sum(axis=0), sums[~is_now].sum(axis=0)

    def state(self) -> list[Any]:
        """What to save."""
        return [self._sizes, self._starts, np.stack(self._sums) if self._sums else np.empty((0, 0))]

    def restore(self, state: list[Any]) -> None:
        """Take saved state."""
        self._sizes, self._starts = list(state[0]), list(state[1])
        self._sums = list(state[2])
