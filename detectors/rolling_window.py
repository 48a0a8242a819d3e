"""Rolling sums of pane summaries, in at most thirty slots however long the window."""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.event_batch import Float64

SLOTS = 30
"""A window moves in steps of a thirtieth of its length (never less than a pane): what leaves a chart's line smooth."""


class RollingWindow:
    """Sum of the panes of the last ``length`` milliseconds.

    Examples
    --------
    >>> window = RollingWindow(length=60_000, pane=10_000)
    >>> for start in range(0, 90_000, 10_000):
    ...     _ = window.add(start, np.array([1.0]))
    >>> window.total().tolist()
    [6.0]
    """

    def __init__(self, *, length: int, pane: int) -> None:
        self.length = max(length, pane)
        self.step = max(pane, -(-self.length // SLOTS // pane) * pane)
        self._slots: dict[int, Float64] = {}

    def add(self, start: int, counts: Float64) -> bool:
        """Take a closed pane; True when the window has moved by a step since the pane before."""
        slot = start // self.step * self.step
        moved = slot not in self._slots
        self._slots[slot] = self._slots[slot] + counts if slot in self._slots else counts
        for old in [old for old in self._slots if old <= slot - self.length]:
            del self._slots[old]
        return moved

    def total(self) -> Float64:
        """Sum over the window; slots in the order of time, so that the same panes give the same bits."""
        return np.asarray(sum(self._slots[slot] for slot in sorted(self._slots)))

    def state(self) -> dict[str, Any]:
        """What to save."""
        slots = sorted(self._slots)
        return {"slots": slots, "counts": np.stack([self._slots[slot] for slot in slots]) if slots else np.empty((0, 0))}

    def restore(self, state: dict[str, Any]) -> None:
        """Take saved state."""
        self._slots = {slot: counts.copy() for slot, counts in zip(state["slots"], state["counts"], strict=True)}
