"""Windows by group, against the plainest table there is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detectors.panes.group_tables import GroupTables, name_within

SIZE = 6


class Plain:
    """All that was added, group by group, with the names that a batch gives in the order of the log."""

    def __init__(self, max_groups: int) -> None:
        self.max_groups = max_groups
        self.windows: dict[int, dict[tuple[str, str], list[float]]] = {}

    def absorb(self, rows: list[tuple[tuple[int, str, str], list[float], int]]) -> None:
        names = {}
        for (start, version, segment), _, _ in sorted(rows, key=lambda row: (row[2], row[0])):
            table = self.windows.setdefault(start, {})
            name = names.setdefault((start, version, segment), name_within(table, version, segment, self.max_groups))
            table.setdefault(name, [0.0] * SIZE)
        for (start, version, segment), vector, _ in rows:
            counts = self.windows[start][names[start, version, segment]]
            counts[:] = [known + added for known, added in zip(counts, vector, strict=True)]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_added_told_and_saved_between_the_counts_are_those_of_a_plain_table_and_what_was_told_stays(seed: int) -> None:
    rng = np.random.default_rng(seed)
    max_groups = int(rng.integers(1, 7))
    tables, plain = GroupTables(max_groups=max_groups), Plain(max_groups)
    told: list[tuple[Any, list[float]]] = []
    position = 0
    for _ in range(60):
        rows = []
        for _ in range(int(rng.integers(0, 6))):
            key = (int(rng.integers(0, 4)) * 10, str(rng.integers(0, 3)), str(rng.choice(["", "a", "b"])))
            rows.append((key, rng.poisson(1.0, SIZE).astype(float).tolist(), position + int(rng.integers(0, 1_000))))
        position += 1_000
        sums = np.array([vector for _, vector, _ in rows]).reshape(-1, SIZE)
        for (key, _, begin), vector in zip(rows, sums, strict=True):
            tables.add(key, vector, begin)
        sums[:] = np.nan  # what was given is the giver's
        tables.settle()
        plain.absorb(rows)
        assert set(tables.changed) >= {key[0] for key, _, _ in rows}
        if rng.random() < 0.3:
            told += [(vector, vector.tolist()) for start in tables.changed for vector in tables.vectors(start).values()]
            GroupTables.told([tables])
            assert not tables.changed
        if rng.random() < 0.1:
            saved = {start: tables.vectors(start) for start in tables.starts}
            told += [(vector, vector.tolist()) for table in saved.values() for vector in table.values()]
            tables = GroupTables(max_groups=max_groups)
            for start, table in saved.items():
                tables.restore(start, table)
                tables.tell_again(start)
        assert {start: {group: vector.tolist() for group, vector in tables.vectors(start).items()} for start in tables.starts} == plain.windows
    assert all(vector.tolist() == before for vector, before in told)
