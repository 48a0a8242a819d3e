"""Panes of one revision that have not closed: their counts by source partition, squeezed while nothing is added to them."""

from __future__ import annotations

from typing import Any

from detectors.detection.closed_pane import Group
from detectors.event_batch import Float64
from detectors.panes.packed_counts import PackedCounts
from detectors.panes.packed_table import PackedTable

Part = tuple[tuple[int, Group], Float64]
"""Source partition, version and segment, and counts of a pane."""


class OpenPanes:
    """Counts of panes, and which of them changed since they were told last.

    Most panes wait for the whole lateness without an event more. Those are kept as a table, compressed, until one is added to again.

    Attributes
    ----------
    changed : starts of the panes that were added to since the last `squeeze`.

    Examples
    --------
    >>> import numpy as np
    >>> panes = OpenPanes()
    >>> panes.put(0, 3, ("1", ""), PackedCounts.of(np.array([2.0, 5.0])))
    >>> panes.squeeze()
    >>> panes.starts, panes.changed, panes.parts_of(0)
    ([0], set(), [((3, ('1', '')), array([2., 5.]))])
    """

    def __init__(self) -> None:
        self.changed: set[int] = set()
        self._added: dict[int, dict[int, dict[Group, PackedCounts]]] = {}  # by start, then by source partition
        self._waiting: dict[int, PackedTable[tuple[int, Group]]] = {}
        self._latest_waiting: PackedTable[tuple[int, Group]] | None = None
        self._unsqueezed: set[int] = set()

    @property
    def starts(self) -> list[int]:
        """In their order."""
        return sorted((*self._added, *self._waiting))

    def put(self, start: int, partition: int, group: Group, counts: PackedCounts) -> None:
        """Take what a source partition has counted so far, which replaces what it said before."""
        if start in self._waiting:
            partitions = self._added[start] = {}
            for (told_by, of), waited in self._waiting.pop(start).dense().items():
                partitions.setdefault(told_by, {})[of] = PackedCounts.of(waited)
        self._added.setdefault(start, {}).setdefault(partition, {})[group] = counts
        self.changed.add(start)

    def parts_of(self, start: int) -> list[Part]:
        """What is counted in a pane; nothing where there is none."""
        if start in self._added:
            return [((partition, group), packed.dense()) for partition, groups in self._added[start].items() for group, packed in groups.items()]
        return [*self._waiting[start].dense().items()] if start in self._waiting else []

    def let_go(self, start: int) -> None:
        """Forget a pane."""
        self._added.pop(start, None)
        self._waiting.pop(start, None)
        self.changed.discard(start)

    def squeeze(self) -> None:
        """All has been told: panes that were not added to since the last time wait for their end."""
        for start in self._unsqueezed - self.changed:
            if start in self._added:
                partitions = sorted(self._added.pop(start).items())  # bundles come in any order, and tables of one order share their keys
                vectors = {(partition, group): groups[group].dense() for partition, groups in partitions for group in sorted(groups)}
                self._waiting[start] = self._latest_waiting = PackedTable.of(vectors, like=self._latest_waiting).squeezed()
        self._unsqueezed, self.changed = self.changed, set()

    def state(self, start: int) -> list[list[Any]] | dict[str, Any] | None:
        """A pane as it is saved, by source partition, or as it waits; None where there is none."""
        if (waiting := self._waiting.get(start)) is not None:
            return {"keys": waiting.keys, "counts": waiting.counts.as_state()}
        partitions = self._added.get(start)
        return None if partitions is None else [[partition, _table(groups)] for partition, groups in sorted(partitions.items())]

    def restore(self, start: int, state: Any) -> None:
        """Take what `state` gave."""
        if isinstance(state, dict):
            keys = tuple((partition, (version, segment)) for partition, (version, segment) in state["keys"])
            self._waiting[start] = PackedTable(keys, PackedCounts.of_state(state["counts"]))
        else:
            self._unsqueezed.add(start)
            self._added[start] = {partition: {(of[0], of[1]): PackedCounts.of_state(packed) for of, packed in groups} for partition, groups in state}


def _table(groups: dict[Group, PackedCounts]) -> list[list[Any]]:
    return [[list(group), groups[group].as_state()] for group in sorted(groups)]
