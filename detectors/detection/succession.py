"""Revisions of one model that follow each other: which of them judges a pane, and what is counted in it by those before it.

A prediction is known to the revision that was in force when it was made, which joins its label, however late that comes. But the label is of a pane that a later revision judges,
as are repeated and late events. Each pane is closed, measured and judged once, by the revision in force at its start, with all of these (docs/adr/0048).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

from detectors.detection.open_panes import Part
from detectors.event_batch import Float64
from detectors.monitor import Monitor
from detectors.panes.carried_counts import CarriedCounts

CohortKey = tuple[int, str]
"""Start, and version."""


class Revision(Protocol):
    """What one revision counts, as others of its model see it."""

    @property
    def monitor(self) -> Monitor:
        """The revision."""

    @property
    def closed_until(self) -> int:
        """Panes that start before have closed."""

    @property
    def succession(self) -> Succession:
        """The others."""

    @property
    def open_panes(self) -> Sequence[int]:
        """Starts, in their order."""

    @property
    def began(self) -> int | None:
        """Start of the first pane with predictions, closed or open; None while there was none."""

    def closes_until(self, time: int) -> int:
        """Panes that start before have closed once event time has come so far."""

    def parts_of(self, start: int) -> list[Part]:
        """Of an open pane; nothing where there is none."""

    def cohort_counts(self, key: CohortKey) -> Float64 | None:
        """Of a cohort; None where there is none."""

    def still_labels(self, key: CohortKey) -> bool:
        """Whether there is such a cohort, and labels of it may come."""

    def count_one_late(self, offset: int) -> None:
        """Count what comes after its pane closed here."""

    def restate_pane(self, start: int) -> None:
        """An earlier revision has counted in a pane that is judged here."""

    def restate_cohort(self, key: CohortKey) -> None:
        """An earlier revision has counted in a cohort."""


class Succession:
    """The other revisions of a model, as one of them sees them.

    Parameters
    ----------
    mine : the revision itself.
    earlier, later : those before it and after it, in their order.
    """

    def __init__(self, mine: Revision, earlier: Sequence[Revision] = (), later: Sequence[Revision] = ()) -> None:
        self._mine, self.earlier, self.later = mine, tuple(earlier), tuple(later)

    @cached_property
    def replaced_from(self) -> int | None:
        """Panes that start then or later are judged by later revisions; None while there is none."""
        return min((one.monitor.effective_from for one in self.later), default=None)

    def judge(self, start: int) -> tuple[Revision, int] | None:
        """The later revision that judges a pane, and its own pane that this one goes into, which is that of its last moment; None where nobody follows yet."""
        if self.replaced_from is None or start < self.replaced_from:
            return None
        last = start + self._mine.monitor.specification.pane - 1
        for one in reversed(self.later):
            pane = one.monitor.specification.pane
            into = last // pane * pane
            if into >= one.monitor.effective_from or start >= one.monitor.effective_from:
                return one, into
        return None

    def watched(self, time: int) -> tuple[int, int | None]:
        """Up to when this revision tells of silences and keeps its alerts, and since when a later one has predictions to judge; None as long as none has.

        Who stops predicting before a new revision has had any prediction is silent, and only the one before knows since when.
        """
        mine = self._mine.closes_until(time)
        if self.replaced_from is None:
            return mine, None
        passed = min(mine, *(one.closes_until(time) for one in self.later))
        followed_from = min((began for one in self.later if (began := one.began) is not None and began < passed), default=None)
        return max(min(mine, self.replaced_from), passed if followed_from is None else followed_from), followed_from

    def handed(self) -> dict[int, list[tuple[Revision, int]]]:
        """Open panes of earlier revisions, by the pane that they go into here, where that is open, too."""
        found: dict[int, list[tuple[Revision, int]]] = {}
        for one in self.earlier:
            for start in one.open_panes:
                judged = one.succession.judge(start)
                if judged is not None and judged[0] is self._mine and judged[1] >= self._mine.closed_until:
                    found.setdefault(judged[1], []).append((one, start))
        return found

    def parts(self, handed: Sequence[tuple[Revision, int]]) -> list[Part]:
        """What earlier revisions have counted in a pane, as this one counts."""
        return [(key, self._carried(one).of(counts)) for one, start in handed for key, counts in one.parts_of(start)]

    def cohort(self, key: CohortKey) -> Float64 | None:
        """A cohort with what earlier revisions have counted in it, as far as that means the same; None where a later revision tells it."""
        mine = self._mine.cohort_counts(key)
        if mine is None or any(one.cohort_counts(key) is not None for one in self.later):
            return None
        for one in self.earlier:
            counts = one.cohort_counts(key)
            if counts is not None and self._carried(one).outcomes:
                mine = mine + counts
        return mine

    def _carried(self, one: Revision) -> CarriedCounts:
        found = self._carriers.get(one.monitor.revision)
        if found is None:
            found = self._carriers[one.monitor.revision] = CarriedCounts(one.monitor.layout, self._mine.monitor.layout)
        return found

    @cached_property
    def _carriers(self) -> dict[int, CarriedCounts]:
        return {}
