"""The first rows of a model without a reference, put together from what source partitions tell, until there are enough to make one of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from detectors.rows.earliest_rows import EarliestRows


class Learning:
    """The earliest rows by event time, ``most`` of them; whatever comes twice counts once, so that rows may be told and restored in any order.

    They are held as they are saved, in parts. New rows are a part; a part that is no more than twice as large as what comes behind it becomes one with it. So a row is
    written about log2(N) times, and all parts together hold at most twice ``most``.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.told = False
        self._parts: dict[int, EarliestRows] = {}
        self._new: list[EarliestRows] = []
        self._last: int | None = None  # time of the last row that is needed, where there are enough
        self._next = 0

    @property
    def events(self) -> int:
        """How many rows are known, about: one that was told twice may count twice until there are enough."""
        return min(self.most, sum(map(len, self._held())))

    @property
    def parts(self) -> Iterable[int]:
        """Numbers of the parts that are saved."""
        return self._parts.keys()

    def add(self, rows: EarliestRows) -> None:
        """Take rows that may be among the first."""
        if self._last is not None:
            rows = rows.take(rows.time <= self._last)
        if len(rows):
            self._new.append(rows)
            self._last = None

    def complete(self, closed_until: int) -> EarliestRows | None:
        """All rows in their order, once nothing earlier can come: every source partition has passed ``closed_until``."""
        if self.events < self.most or (self._last is not None and self._last >= closed_until):
            return None
        rows = self._first(self._held())
        if len(rows) < self.most:
            return None
        self._last = int(rows.time[-1])
        return rows if self._last < closed_until else None

    def changes(self) -> tuple[dict[int, dict[str, Any]], list[int]]:
        """Parts to save by their numbers, and numbers of those that are needed no more once these are."""
        if not self._new:
            return {}, []
        part, gone = self._first(self._new), []
        for number in sorted(self._parts, reverse=True):
            if len(self._parts[number]) > 2 * len(part):
                break
            part = self._first([self._parts.pop(number), part])
            gone.append(number)
        self._new, number, self._next = [], self._next, self._next + 1
        self._parts[number] = part
        return {number: part.as_state()}, gone

    def restore(self, number: int, state: dict[str, Any]) -> None:
        """Take a saved part."""
        self._parts[number] = EarliestRows.of_state(state)
        self._next = max(self._next, number + 1)

    def _held(self) -> list[EarliestRows]:
        return [*self._parts.values(), *self._new]

    def _first(self, parts: list[EarliestRows]) -> EarliestRows:
        together = EarliestRows.concatenate(parts)
        return together.take(together.first(self.most))
