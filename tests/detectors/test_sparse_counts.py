"""Vectors as they are saved: many tables at a time become what each becomes alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.panes.sparse_counts import dense, sparse, sparse_each

VALUES = st.sampled_from([0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 255.0, 256.0, 70_000.0, -1.0, 0.25, 1e300, np.nan])


def plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    return {name: plain(item) for name, item in value.items()} if isinstance(value, dict) else value


@given(st.integers(1, 12).flatmap(lambda size: st.lists(st.lists(st.lists(VALUES, min_size=size, max_size=size), min_size=1, max_size=3), max_size=6)))
def test_tables_together_become_what_each_becomes_alone(tables: list[list[list[float]]]) -> None:
    vectors = [[np.array(vector) for vector in table] for table in tables]
    assert [plain(one) for one in sparse_each(vectors)] == [plain(sparse(table)) for table in vectors]


def test_more_tables_than_are_taken_at_once_and_one_that_is_larger_than_that_come_back() -> None:
    generator = np.random.default_rng(1)
    tables = [[generator.poisson(0.1, 5_000).astype(np.float64) for _ in range(count)] for count in (1, 2, 20, 1, 1, 3, 8, 8)]
    saved = list(sparse_each(tables))
    assert [plain(one) for one in saved] == [plain(sparse(table)) for table in tables]
    for one, table in zip(saved, tables, strict=True):
        assert (dense(one) == np.array(table)).all()
