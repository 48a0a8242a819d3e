"""Summary vectors by window of event time, model version and segment; so many of a window apart, and the others together."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from detectors.event_batch import Float64, Int64
from detectors.packed_counts import PackedCounts
from detectors.row_groups import GroupKey

Group = tuple[str, str]
"""Model version and segment."""

OTHER = "(other)"
"""Stands for the versions and segments of a window that came after the first `max_groups`."""


_Added = tuple[Sequence[GroupKey], Float64, Int64]
"""Groups, what their rows add, (groups, size), and the position in the log of each group's first row, (groups,)."""


class GroupTables:
    """Windows of one kind.

    Groups begin in the order of the log, so that which of them come too late does not depend on how it was cut; therefore what is added counts
    from `settle` on, when all that a batch adds is known.

    Attributes
    ----------
    changed : starts of the windows that were added to and have not been told.
    """

    def __init__(self, *, max_groups: int) -> None:
        self._max_groups = max_groups
        self._added: list[_Added] = []
        self._tables: dict[int, dict[Group, Float64 | PackedCounts]] = {}
        self._unpacked: set[int] = set()
        self._most_groups = 0  # of any window so far; while they and all that is new are few, no name is lost
        self.changed: set[int] = set()

    def __contains__(self, start: int) -> bool:
        return start in self._tables

    @property
    def starts(self) -> list[int]:
        """Of the windows."""
        return list(self._tables)

    def vectors(self, start: int) -> dict[Group, Float64]:
        """A window's vectors by group; they are never changed, but replaced."""
        return {group: _dense(counts) for group, counts in self._tables[start].items()}

    def restore(self, start: int, vectors: dict[Group, Float64]) -> None:
        """Begin a window with saved vectors."""
        self._tables[start] = dict(vectors)
        self._most_groups = max(self._most_groups, len(vectors))
        self._unpacked.add(start)

    def expire(self, until: int) -> list[int]:
        """Give up the windows that start at a time or before it; returns their starts."""
        gone = [start for start in self._tables if start <= until]
        for start in gone:
            del self._tables[start]
        return gone

    def told(self) -> None:
        """What changed has been read. A window that has not changed since the last time waits for its end, or for late rows, in little memory."""
        for start in self._unpacked - self.changed:
            if start in self._tables:
                self._tables[start] = {group: counts if isinstance(counts, PackedCounts) else PackedCounts.of(counts).squeezed() for group, counts in self._tables[start].items()}
        self._unpacked, self.changed = self.changed, set()

    def add(self, keys: Sequence[GroupKey], sums: Float64, begins: Int64) -> None:
        """Add a vector for each group of some rows.

        Parameters
        ----------
        keys : of the groups.
        sums : (groups, size) what their rows add; copied when it is settled, so it may be a part of something larger.
        begins : (groups,) position in the log of each group's first row.
        """
        self._added.append((keys, sums, begins))

    def settle(self) -> None:
        """All that a batch adds has been added."""
        new = sum(len(keys) for keys, _, _ in self._added)
        names = self._names_in_order() if self._most_groups + new > self._max_groups else {}
        for keys, sums, _ in self._added:
            for key, vector in zip(keys, sums, strict=True):
                start, version, segment = key
                table = self._tables.setdefault(start, {})
                name = names[key] if names else (version, segment)
                known = table.get(name)
                table[name] = vector.copy() if known is None else _dense(known) + vector
                self._most_groups = max(self._most_groups, len(table))
                self.changed.add(start)
        self._added = []

    def _names_in_order(self) -> dict[tuple[int, str, str], Group]:
        """The group that each version and segment is counted in."""
        first: dict[tuple[int, str, str], int] = {}
        for keys, _, begins in self._added:
            for key, position in zip(keys, begins.tolist(), strict=True):
                first[key] = min(position, first.get(key, position))
        begun = {start: dict.fromkeys(self._tables.get(start, ())) for start, _, _ in first}
        names = {}
        for start, version, segment in sorted(first, key=lambda key: (first[key], key)):
            table = begun[start]
            name = name_within(table, version, segment, self._max_groups)
            table.setdefault(name)
            names[start, version, segment] = name
        return names


def _dense(counts: Float64 | PackedCounts) -> Float64:
    return counts.dense() if isinstance(counts, PackedCounts) else counts


def name_within(table: Collection[Group], version: str, segment: str, limit: int) -> Group:
    """The group that a version and segment are counted in: their own while there is room, then the version's others, then others."""
    if (version, segment) in table or len(table) < limit:
        return version, segment
    known = any(name == version for name, _ in table)
    return version if known else OTHER, OTHER if segment else ""
