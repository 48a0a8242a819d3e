"""Rolling sums of pane summaries, in some sixty parts however long the window."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from detectors.event_batch import Float64
from detectors.panes.packed_counts import PackedCounts

STEPS = 30
"""A window moves in steps of a thirtieth of its length (never less than a pane): what leaves a chart's line smooth."""


@dataclass(frozen=True)
class Cuts:
    """Where rolling windows of ``length`` milliseconds are cut: where steps end, and where the windows that end there begin.

    Where the length is no multiple of the step, the two differ.
    """

    length: int
    pane: int

    @cached_property
    def step(self) -> int:
        """Milliseconds between the ends of two windows."""
        return max(self.pane, -(-self.length // STEPS // self.pane) * self.pane)

    def due(self, start: int) -> int:
        """End of the step that a pane is in."""
        return start // self.step * self.step + self.step

    def begin(self, start: int) -> int:
        """The cut before a pane, or at its start."""
        return max(self.due(start) - self.step, (start + self.length) // self.step * self.step - self.length)


@dataclass(frozen=True)
class PartsOfWindow:
    """A window that has ended: its sum is added up when somebody asks, since of a thousand models all end at once, and wait to be told."""

    parts: tuple[PackedCounts, ...]

    def total(self) -> Float64:
        """(size,) sum of the parts, in their order, so that the same panes give the same bits."""
        return np.asarray(sum(part.dense() for part in self.parts))


class RollingWindow:
    """Sum of the panes of ``length`` milliseconds up to the end of a step: always of a whole window, whatever the step.

    Panes are added up between `Cuts`. What lies behind the latest cut only waits to be added up again, so it is squeezed, and saved once: of a thousand models it would be
    most of a worker's memory, and of what it writes.

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
    >>> end, parts = told
    >>> end, parts.total()
    (90000, array([6.]))
    """

    def __init__(self, *, length: int, pane: int) -> None:
        self.cuts = Cuts(max(length, pane), pane)
        self._parts: dict[int, PackedCounts] = {}  # whole, by the cut that they begin at
        self._latest: tuple[int, Float64 | PackedCounts] | None = None  # the part that panes are added to
        self._due: int | None = None  # end of the step that the last pane is in, until that has been told
        self._whole: list[int] = []  # parts that have not been saved, or may not have been
        self._fresh: dict[int, list[Any]] = {}
        self._gone: list[int] = []

    def add(self, start: int, counts: Float64) -> None:
        """Take a closed pane; the step that the one before is in must have been told if it ended by then."""
        self._due, begin = self.cuts.due(start), self.cuts.begin(start)
        if self._latest is not None:
            known, before = self._latest
            if known == begin:
                counts = _dense(before) + counts
            else:
                self._parts[known] = _packed(before).squeezed()
                self._whole.append(known)
        self._latest = begin, counts

    def completed(self, until: int) -> tuple[int, PartsOfWindow] | None:
        """End and parts of the window whose last step has panes, and ended by a time; each is told once."""
        if self._due is None or until < self._due:
            return None
        at, self._due = self._due, None
        gone = [begin for begin in self._parts if begin < at - self.cuts.length]
        for begin in gone:
            del self._parts[begin]
        self._gone += gone
        return at, PartsOfWindow((*(self._parts[begin] for begin in sorted(self._parts)), *self._packed_latest()))

    def changes(self) -> tuple[dict[int, list[Any]], list[int]]:
        """Parts that became whole since the last time, by the cut that they begin at, as they are saved; and those that are needed no more.

        Until the next time the state has the former, too: of what is saved together any part may be lost.
        """
        self._fresh = {begin: self._parts[begin].as_state() for begin in self._whole if begin in self._parts}
        gone = self._gone
        self._whole, self._gone = [], []
        return self._fresh, gone

    def state(self) -> dict[str, Any]:
        """What to save beside the parts that are whole, which are saved once."""
        begin = None if self._latest is None else self._latest[0]
        return {"begin": begin, "latest": [part.as_state() for part in self._packed_latest()], "fresh": [*self._fresh.items()], "due": self._due}

    def restore(self, state: dict[str, Any]) -> None:
        """Take saved state."""
        self._latest = None if state["begin"] is None else (state["begin"], PackedCounts.of_state(*state["latest"]))
        for begin, part in state["fresh"]:
            self.restore_part(begin, part)
            self._whole.append(begin)
        self._due = state["due"]

    def restore_part(self, begin: int, part: list[Any]) -> None:
        """Take a part that was saved when it became whole."""
        self._parts[begin] = PackedCounts.of_state(part)

    def restored(self) -> None:
        """All has been restored: parts that were saved ahead of the state lack nothing in it, and will be whole again."""
        self._parts = {begin: part for begin, part in self._parts.items() if self._latest is not None and begin < self._latest[0]}

    def _packed_latest(self) -> list[PackedCounts]:
        """The part that panes are added to, if there is one."""
        if self._latest is None:
            return []
        begin, counts = self._latest
        latest = _packed(counts)
        self._latest = begin, latest
        return [latest]


def _dense(counts: Float64 | PackedCounts) -> Float64:
    return counts.dense() if isinstance(counts, PackedCounts) else counts


def _packed(counts: Float64 | PackedCounts) -> PackedCounts:
    return counts if isinstance(counts, PackedCounts) else PackedCounts.of(counts)
