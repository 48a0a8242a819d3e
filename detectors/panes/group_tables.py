"""Summary vectors by window of event time, model version and segment; so many of a window apart, and the others together."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from detectors.event_batch import Float64
from detectors.panes.packed_counts import VECTORS_AT_ONCE
from detectors.panes.packed_table import PackedTable
from detectors.rows.row_groups import GroupKey

Group = tuple[str, str]
"""Model version and segment."""

OTHER = "(other)"
"""Stands for the versions and segments of a window that came after the first `max_groups`."""

_Begun = tuple[GroupKey, Float64, int]
"""A group that a batch may have begun, what its rows add, (size,), and the position in the log of their first."""


class GroupTables:
    """Windows of one kind.

    Groups begin in the order of the log, so that which of them come too late does not depend on how it was cut; therefore a new group counts
    from `settle` on, when all that a batch adds is known. A window takes the memory of its cells only while it is added to: what has been told waits
    packed, and when nothing was added to it until the next time, squeezed.

    Attributes
    ----------
    changed : starts of the windows that were added to and have not been told.
    """

    def __init__(self, *, max_groups: int) -> None:
        self._max_groups = max_groups
        self._begun: list[_Begun] = []
        self._open: dict[int, dict[Group, Float64]] = {}
        self._waiting: dict[int, PackedTable[Group]] = {}
        self._just_packed: list[int] = []
        self._like: PackedTable[Group] | None = None  # its names are those of most windows
        self._most_groups = 0  # of any window so far; while they and all that is new are few, no name is lost
        self.changed: set[int] = set()

    def __contains__(self, start: int) -> bool:
        return start in self._open or start in self._waiting

    @property
    def starts(self) -> list[int]:
        """Of the windows."""
        return [*self._open, *self._waiting]

    @property
    def open_windows(self) -> int:
        """How many windows take the memory of their cells until they are told."""
        return len(self._open)

    def vectors(self, start: int) -> dict[Group, Float64]:
        """A window's vectors by group; from `told` on they are never changed, but replaced."""
        return dict(self._open[start]) if start in self._open else self._waiting[start].dense()

    def restore(self, start: int, vectors: dict[Group, Float64]) -> None:
        """Begin a window with saved vectors."""
        self._waiting[start] = self._like = PackedTable.of(vectors, like=self._like)
        self._just_packed.append(start)
        self._most_groups = max(self._most_groups, len(vectors))

    def expire(self, until: int) -> list[int]:
        """Give up the windows that start at a time or before it; returns their starts."""
        gone = [start for start in self.starts if start <= until]
        for start in gone:
            self._open.pop(start, None)
            self._waiting.pop(start, None)
        return gone

    @staticmethod
    def told(tables: Iterable[GroupTables]) -> None:
        """What changed in some tables, whose vectors are of one size, has been read."""
        opened: list[tuple[GroupTables, int]] = []
        for one in tables:
            for start in one._just_packed:
                if start in one._waiting:
                    one._waiting[start] = one._waiting[start].squeezed()
            one._just_packed = list(one._open)
            one.changed = set()
            opened += [(one, start) for start in one._open]
        for first in range(0, len(opened), VECTORS_AT_ONCE):
            some = opened[first : first + VECTORS_AT_ONCE]
            packed = PackedTable.of_each([one._open.pop(start) for one, start in some], like=some[0][0]._like)
            for (one, start), table in zip(some, packed, strict=True):
                one._waiting[start] = one._like = table

    def tell_again(self, start: int) -> None:
        """Take a restored window for changed."""
        self.changed.add(start)

    def add(self, key: GroupKey, sums: Float64, begin: int) -> None:
        """Add to a group.

        Parameters
        ----------
        key : of the group.
        sums : (size,) what some of its rows add; copied, so it may be a part of something larger.
        begin : position in the log of the first of these rows.
        """
        start, version, segment = key
        vectors = self._open.get(start)
        known = None if vectors is None else vectors.get((version, segment))
        if known is not None:
            known += sums  # as nearly always, and a thousand models do it for each batch
        elif (version, segment) in self._groups(start):
            self._added_to(start)[version, segment] += sums
        else:
            self._begun.append((key, sums.copy(), begin))

    def settle(self) -> None:
        """All that a batch adds has been added."""
        if not self._begun:
            return
        names = self._names_in_order() if self._most_groups + len(self._begun) > self._max_groups else {}
        for key, sums, _ in self._begun:
            start, version, segment = key
            vectors, group = self._added_to(start), names[key] if names else (version, segment)
            if group in vectors:
                vectors[group] += sums
            else:
                vectors[group] = sums
            self._most_groups = max(self._most_groups, len(vectors))
        self._begun = []

    def _groups(self, start: int) -> Collection[Group]:
        """Of a window; none where it has not begun."""
        if start in self._open:
            return self._open[start]
        return self._waiting[start].keys if start in self._waiting else ()

    def _added_to(self, start: int) -> dict[Group, Float64]:
        """Vectors of a window that nobody else has seen."""
        if start not in self._open:
            self._open[start] = self._waiting.pop(start).dense() if start in self._waiting else {}
            self.changed.add(start)
        return self._open[start]

    def _names_in_order(self) -> dict[GroupKey, Group]:
        """The group that each new version and segment is counted in."""
        first: dict[GroupKey, int] = {}
        for key, _, begin in self._begun:
            first[key] = min(begin, first.get(key, begin))
        tables = {start: dict.fromkeys(self._groups(start)) for start, _, _ in first}
        names = {}
        for start, version, segment in sorted(first, key=lambda key: (first[key], key)):
            table = tables[start]
            name = name_within(table, version, segment, self._max_groups)
            table.setdefault(name)
            names[start, version, segment] = name
        return names


def name_within(table: Collection[Group], version: str, segment: str, limit: int) -> Group:
    """The group that a version and segment are counted in: their own while there is room, then the version's others, then others."""
    if (version, segment) in table or len(table) < limit:
        return version, segment
    known = any(name == version for name, _ in table)
    return version if known else OTHER, OTHER if segment else ""
