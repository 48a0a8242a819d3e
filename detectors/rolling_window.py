"""Rolling sums of pane summaries, in some sixty parts however long the window."""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.event_batch import Float64
from detectors.packed_counts import PackedCounts

STEPS = 30
"""A window moves in steps of a thirtieth of its length (never less than a pane): what leaves a chart's line smooth."""


class RollingWindow:
    """Sum of the panes of ``length`` milliseconds up to the end of a step: always of a whole window, whatever the step.

    Panes are added up between cuts: the ends of steps, and the times at which the windows that end there begin. Where the length is no multiple of the step, the two differ.
    What lies behind the latest cut only waits to be added up again, so it is squeezed: of a thousand models it would be most of a worker's memory, and what is saved with each
    pane takes longer to compress than it takes to unpack what is added up.

    Parameters
    ----------
    length : of the window, milliseconds; a whole number of panes.
    pane : milliseconds.

    Examples
    --------
    >>> window = RollingWindow(length=60_000, pane=10_000)
    >>> for start in range(0, 90_000, 10_000):
    ...     window.add(start, np.array([1.0]))
    ...     told = window.completed(start + 10_000)
    >>> told
    (90000, array([6.]))
    """

    def __init__(self, *, length: int, pane: int) -> None:
        self.length = max(length, pane)
        self.step = max(pane, -(-self.length // STEPS // pane) * pane)
        self._sums: dict[int, Float64 | PackedCounts] = {}  # by the cut that they begin at; only the latest may be dense
        self._due: int | None = None  # end of the step that the last pane is in, until that has been told

    def add(self, start: int, counts: Float64) -> None:
        """Take a closed pane; the step that the one before is in must have been told if it ended by then."""
        self._due = start // self.step * self.step + self.step
        begin = max(self._due - self.step, (start + self.length) // self.step * self.step - self.length)
        if begin in self._sums:
            counts = _dense(self._sums[begin]) + counts
        elif self._sums:
            latest = max(self._sums)
            self._sums[latest] = _packed(self._sums[latest]).squeezed()
        self._sums[begin] = counts

    def completed(self, until: int) -> tuple[int, Float64] | None:
        """End and sum of the window whose last step has panes, and ended by a time; each is told once."""
        if self._due is None or until < self._due:
            return None
        at, self._due = self._due, None
        self._sums = {begin: counts for begin, counts in self._sums.items() if begin >= at - self.length}
        return at, np.asarray(sum(part.dense() for part in self._parts()))  # in their order, so that the same panes give the same bits

    def state(self) -> dict[str, Any]:
        """What to save."""
        parts = self._parts()
        return {"begins": list(self._sums), "parts": [part.as_state() for part in parts], "due": self._due}

    def restore(self, state: dict[str, Any]) -> None:
        """Take saved state."""
        self._sums = {begin: PackedCounts.of_state(part) for begin, part in zip(state["begins"], state["parts"], strict=True)}
        self._due = state["due"]

    def _parts(self) -> list[PackedCounts]:
        """In the order of time, all packed."""
        begins = sorted(self._sums)
        parts = [_packed(self._sums[begin]) for begin in begins]
        self._sums = dict(zip(begins, parts, strict=True))
        return parts


def _dense(counts: Float64 | PackedCounts) -> Float64:
    return counts.dense() if isinstance(counts, PackedCounts) else counts


def _packed(counts: Float64 | PackedCounts) -> PackedCounts:
    return counts if isinstance(counts, PackedCounts) else PackedCounts.of(counts)
