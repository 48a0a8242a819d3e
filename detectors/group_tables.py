"""Summary vectors by window of event time, model version and segment; so many of a window apart, and the others together."""

from __future__ import annotations

from collections.abc import Collection

from detectors.event_batch import Float64
from detectors.packed_counts import PackedCounts
from detectors.row_groups import GroupKey

Group = tuple[str, str]
"""Model version and segment."""

OTHER = "(other)"
"""Stands for the versions and segments of a window that came after the first `max_groups`."""


_Begun = tuple[GroupKey, Float64, int]
"""A group that a batch may have begun, what its rows add, (size,), and the position in the log of their first."""


class GroupTables:
    """Windows of one kind.

    Groups begin in the order of the log, so that which of them come too late does not depend on how it was cut; therefore a new group counts
    from `settle` on, when all that a batch adds is known.

    Attributes
    ----------
    changed : starts of the windows that were added to and have not been told; and their groups whose vectors nobody else has seen.
    """

    def __init__(self, *, max_groups: int) -> None:
        self._max_groups = max_groups
        self._begun: list[_Begun] = []
        self._tables: dict[int, dict[Group, Float64 | PackedCounts]] = {}
        self._unpacked: set[int] = set()
        self._most_groups = 0  # of any window so far; while they and all that is new are few, no name is lost
        self.changed: dict[int, set[Group]] = {}

    def __contains__(self, start: int) -> bool:
        return start in self._tables

    @property
    def starts(self) -> list[int]:
        """Of the windows."""
        return list(self._tables)

    def vectors(self, start: int) -> dict[Group, Float64]:
        """A window's vectors by group; from `told` on they are never changed, but replaced."""
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
        for start in self._unpacked.difference(self.changed):
            if start in self._tables:
                self._tables[start] = {group: counts if isinstance(counts, PackedCounts) else PackedCounts.of(counts).squeezed() for group, counts in self._tables[start].items()}
        self._unpacked, self.changed = set(self.changed), {}

    def tell_again(self, start: int) -> None:
        """Take a restored window for changed."""
        self.changed.setdefault(start, set())

    def add(self, key: GroupKey, sums: Float64, begin: int) -> None:
        """Add to a group.

        Parameters
        ----------
        key : of the group.
        sums : (size,) what some of its rows add; copied, so it may be a part of something larger.
        begin : position in the log of the first of these rows.
        """
        start, version, segment = key
        table = self._tables.get(start)
        if table is None or (version, segment) not in table:
            self._begun.append((key, sums.copy(), begin))
        else:
            self._add(start, (version, segment), sums)

    def settle(self) -> None:
        """All that a batch adds has been added."""
        if not self._begun:
            return
        names = self._names_in_order() if self._most_groups + len(self._begun) > self._max_groups else {}
        for key, sums, _ in self._begun:
            start, version, segment = key
            self._tables.setdefault(start, {})
            self._add(start, names[key] if names else (version, segment), sums)
            self._most_groups = max(self._most_groups, len(self._tables[start]))
        self._begun = []

    def _add(self, start: int, group: Group, sums: Float64) -> None:
        table, unseen = self._tables[start], self.changed.setdefault(start, set())
        counts = table.get(group)
        if counts is None:
            table[group] = sums.copy()
        elif group not in unseen or isinstance(counts, PackedCounts):
            table[group] = _dense(counts) + sums
        else:
            counts += sums
        unseen.add(group)

    def _names_in_order(self) -> dict[GroupKey, Group]:
        """The group that each new version and segment is counted in."""
        first: dict[GroupKey, int] = {}
        for key, _, begin in self._begun:
            first[key] = min(begin, first.get(key, begin))
        tables = {start: dict.fromkeys(self._tables.get(start, ())) for start, _, _ in first}
        names = {}
        for start, version, segment in sorted(first, key=lambda key: (first[key], key)):
            table = tables[start]
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
