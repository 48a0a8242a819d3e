"""The index against a plain list of rows: the latest that counts is found, in a bounded number of steps, whatever the ids are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.event_batch import UInt64
from detectors.rows import id_chains, id_index
from detectors.rows.crowded_ids import CrowdedIds
from detectors.rows.id_chains import IdChains
from detectors.rows.id_index import Floor, IdIndex, Wanted
from detectors.rows.row_entries import Entries, RowKeys

Row = tuple[int, int, int]  # id, time, position

ids = st.one_of(st.integers(0, 4), st.sampled_from([0, 2**64 - 1, 2**63]), st.just(3))
batches = st.lists(st.lists(st.tuples(ids, st.integers(0, 9)), max_size=25), max_size=8)
questions = st.lists(st.tuples(ids, st.integers(-1, 210), st.integers(0, 9), st.integers(-1, 9), st.integers(-1, 210)), min_size=1, max_size=12)
"""Id, before, since, and time and position of the floor."""


def keys(rows: list[Row]) -> RowKeys:
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return RowKeys(np.array(columns[0], np.uint64), np.zeros(len(rows), np.int32), np.array(columns[2], np.int64), np.array(columns[1], np.int64))


def wanted(asked: list[tuple[int, int, int, int, int]]) -> Wanted:
    one, before, since, floor_time, floor_position = (np.array(column, np.int64 if place else np.uint64) for place, column in enumerate(zip(*asked, strict=True)))
    return Wanted(one, before, since, Floor(floor_time, floor_position))


def latest(rows: list[Row], one: int, before: int, since: int, floor_time: int, floor_position: int) -> int:
    return max((position for id_, time, position in rows if id_ == one and position < before and time >= since and (time, position) > (floor_time, floor_position)), default=-1)


def one_bucket(self: IdChains, ids: UInt64) -> np.ndarray[Any, Any]:
    return np.zeros(len(ids), np.int64)


def two_buckets(self: IdChains, ids: UInt64) -> np.ndarray[Any, Any]:
    return (ids % np.uint64(2)).astype(np.int64)


@pytest.fixture(params=["as it is", "two buckets", "one bucket", "few steps", "no steps", "few steps, few at a time"])
def crowded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Collisions, and ids that are too many for a walk, are as common as can be."""
    name = str(request.param)
    if "bucket" in name:
        monkeypatch.setattr(IdChains, "bucket", one_bucket if name == "one bucket" else two_buckets)
    if "steps" in name:
        monkeypatch.setattr(id_index, "_STEPS", 0 if name == "no steps" else 2)
    if "at a time" in name:
        monkeypatch.setattr(id_index, "_WIDER", 2)
    monkeypatch.setattr(id_chains, "_SMALLEST", 2)
    return name


@settings(max_examples=60)
@given(batches, st.randoms(use_true_random=False), questions, st.integers(0, 8), st.integers(0, 9))
def check_find(sent: list[list[tuple[int, int]]], random: Any, asked: list[tuple[int, int, int, int, int]], kept_after: int, youngest: int) -> None:
    positions = list(range(sum(map(len, sent))))
    random.shuffle(positions)  # parts that are restored, and late rows, come in any order
    index, rows = IdIndex(), []
    for place, batch in enumerate(sent):
        mine = [(one, time, positions.pop()) for one, time in batch]
        index.add(keys(mine), np.array([position * 10 for *_, position in mine], np.int64))
        rows += mine
        if place == kept_after:
            index.keep(lambda entries: entries.timestamp >= youngest)
            rows = [row for row in rows if row[1] >= youngest]
    assert len(index) == len(rows)
    found = index.find(wanted(asked))
    expected = [latest(rows, *one) for one in asked]
    time_of = {position: time for _, time, position in rows}
    assert found.position.tolist() == expected
    assert found.mask.tolist() == [one >= 0 for one in expected]
    assert found.row[found.mask].tolist() == [one * 10 for one in expected if one >= 0]
    assert found.timestamp[found.mask].tolist() == [time_of[one] for one in expected if one >= 0]
    anything = index.find(Wanted(wanted(asked).ids, np.full(len(asked), 1_000)))
    assert anything.position.tolist() == [latest(rows, one[0], 1_000, 0, -1, -1) for one in asked]


def test_the_latest_row_that_counts_is_found_in_whatever_order_rows_came(crowded: str):
    check_find()


@settings(max_examples=60)
@given(batches, st.integers(0, 9), st.integers(0, 60), st.integers(0, 8))
def check_first(sent: list[list[tuple[int, int]]], floor_time: int, floor_position: int, kept_after: int) -> None:
    index, rows = IdIndex(), []
    for place, batch in enumerate(sent):
        mine = [(one, time, len(rows) + number) for number, (one, time) in enumerate(batch)]
        asked = [(one, position, max(time - 3, 0), floor_time, floor_position) for one, time, position in mine]
        if mine:
            said = index.first_of_batch(keys(mine), wanted(asked))
            assert said.tolist() == [latest(rows + mine, *one) < 0 for one in asked]
        rows += mine
        if place == kept_after:
            index.keep(lambda entries: entries.position % 3 > 0)
            rows = [row if row[2] % 3 else (-1, 0, row[2]) for row in rows]


def test_a_row_is_first_if_no_row_before_it_counts(crowded: str):
    check_first()


def counted(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> list[int]:
    """How many rows each call of a method is about."""
    sizes: list[int] = []
    method: Callable[..., Any] = getattr(owner, name)

    def count(self: Any, *arguments: Any) -> Any:
        sizes.append(len(arguments[1]))
        return method(self, *arguments)

    monkeypatch.setattr(owner, name, count)
    return sizes


@settings(max_examples=60)
@given(batches, st.randoms(use_true_random=False), st.integers(0, 8), st.integers(0, 9), questions, st.sampled_from([0, 2**31, 2**20]))
def check_compiled(sent: list[list[tuple[int, int]]], random: Any, kept_after: int, youngest: int, asked: list[tuple[int, int, int, int, int]], apart: int) -> None:
    positions = list(range(sum(map(len, sent))))
    random.shuffle(positions)
    found = []
    for many in (1, 1_000_000):
        id_index.MANY = id_chains.MANY = many
        index, left = IdIndex(), list(positions)
        for place, batch in enumerate(sent):
            mine = keys([(one, time, left.pop()) for one, time in batch])
            mine = RowKeys(mine.ids, mine.owner, mine.position * max(apart, 1), mine.timestamp + apart * place)  # far apart they take eight bytes each
            index.add(mine, mine.position * 10)
            if place == kept_after:
                index.keep(lambda entries: entries.timestamp >= youngest)
        said = index.find(replace(wanted(asked), before=wanted(asked).before * max(apart, 1), floor=None))
        found.append([getattr(said, name).tolist() for name in ("mask", "row", "position", "timestamp")])
        found[-1].append(index._chains._latest.tolist())
        found[-1].append(index._chains._before[: len(index)].tolist())
    assert found[0] == found[1]


def test_compiled_chains_and_walks_are_those_of_array_operations(crowded: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(id_index, "MANY", id_index.MANY)
    monkeypatch.setattr(id_chains, "MANY", id_chains.MANY)
    check_compiled()


@settings(max_examples=60)
@given(batches, st.integers(0, 8), st.sampled_from([0, 2**31, 2**20]))
def check_first_compiled(sent: list[list[tuple[int, int]]], kept_after: int, apart: int) -> None:
    found = []
    for many in (1, 1_000_000):
        id_index.MANY = id_chains.MANY = many
        index, first, said = IdIndex(), 0, []
        for place, batch in enumerate(sent):
            mine = keys([(one, time, (first + number) * max(apart, 1)) for number, (one, time) in enumerate(batch)])
            first += len(batch)
            if batch:
                said += index.first_of_batch(mine, Wanted(mine.ids, mine.position, since=mine.timestamp - 3)).tolist()
            if place == kept_after:
                index.keep(lambda entries: entries.timestamp % 3 > 0)
        found.append((said, index._chains._latest.tolist(), index._chains._before[: len(index)].tolist()))
    assert found[0] == found[1]


def test_entries_that_are_chained_and_walked_at_once_are_those_of_array_operations(crowded: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(id_index, "MANY", id_index.MANY)
    monkeypatch.setattr(id_chains, "MANY", id_chains.MANY)
    check_first_compiled()


def test_an_id_in_every_row_is_found_in_a_bounded_number_of_steps(monkeypatch: pytest.MonkeyPatch):
    steps, sorted_rows = counted(monkeypatch, IdIndex, "_offer"), counted(monkeypatch, CrowdedIds, "__init__")
    index, size, batches = IdIndex(), 2_000, 10
    nothing = np.zeros(size, np.int64)
    for batch in range(batches):
        del steps[:], sorted_rows[:]
        position = np.arange(batch * size, (batch + 1) * size)
        rows = RowKeys(nothing.astype(np.uint64), nothing.astype(np.int32), position, nothing)
        index.add(rows, None)
        assert (index.find(Wanted(rows.ids, position)).position == position - 1).all()
        assert len(steps) <= 32 + 2
        assert sum(sorted_rows) <= 8 * size  # not those of all batches
    del steps[:], sorted_rows[:]
    old = Wanted(rows.ids, position, since=nothing + 1)
    assert not index.find(old).mask.any()  # no row counts, so all have to be looked at
    assert len(steps) <= 32 + 2
    assert sum(sorted_rows) <= 2 * batches * size


def test_labels_of_one_id_are_looked_up_in_a_bounded_number_of_steps_where_older_ones_do_not_count(monkeypatch: pytest.MonkeyPatch):
    steps = counted(monkeypatch, IdIndex, "_offer")
    index, size = IdIndex(), 20_000
    position, nothing = np.arange(size), np.zeros(size, np.int64)
    times = position[::-1].copy()  # each is older than the one before it
    rows = RowKeys(nothing.astype(np.uint64), nothing.astype(np.int32), position, times)
    index.add(rows, None)
    asked = Wanted(rows.ids, nothing + size, since=position, floor=Floor(position, nothing + size // 2))
    assert index.find(asked).position.tolist() == [latest_since(one, size) for one in range(size)]
    assert len(steps) <= 32 + 2


def latest_since(time: int, size: int) -> int:
    """Times fall from size - 1 to 0; at the floor's own time only rows behind the middle count."""
    position = size - 1 - time
    return position if position > size // 2 else position - 1


def test_ids_that_are_small_numbers_spread_over_the_buckets():
    chains = IdChains()
    chains.extend(np.arange(100_000, dtype=np.uint64))
    assert np.bincount(chains.bucket(np.arange(100_000, dtype=np.uint64))).max() <= 4


def test_a_table_takes_between_four_and_sixteen_bytes_an_entry_and_shrinks_with_what_is_kept():
    entries, chains = Entries(), IdChains()
    for batch in range(40):
        position = np.arange(batch * 1_000, (batch + 1) * 1_000)
        entries.append(RowKeys(position.astype(np.uint64), position.astype(np.int32), position, position), None)
        chains.extend(entries.ids)
        assert 4 <= chains._latest.nbytes / len(entries) <= 16
    for _ in range(5):
        chains.anew(entries.ids[:2_000])
    assert chains._latest.nbytes / 2_000 <= 16


def test_more_rows_than_have_a_number_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(id_chains, "MOST", 100)
    chains = IdChains()
    with pytest.raises(OverflowError, match=r"at most 100 rows, got 200; lower labels\.max_waiting"):
        chains.extend(np.arange(200, dtype=np.uint64))


@pytest.mark.parametrize("kept", [10, 300, 900])
def test_what_is_kept_of_many_rows_is_found_with_what_comes_behind(kept: int):
    index, position, nothing = IdIndex(), np.arange(1_000), np.zeros(1_000, np.int64)
    index.add(RowKeys(position.astype(np.uint64), nothing.astype(np.int32), position, nothing), position * 10)
    index.keep(lambda entries: entries.position >= 1_000 - kept)
    index.add(RowKeys(position.astype(np.uint64), nothing.astype(np.int32), position + 1_000, nothing), position * 10 + 1)
    first = index.find(Wanted(position.astype(np.uint64), nothing + 1_000))
    assert np.flatnonzero(first.mask).tolist() == list(range(1_000 - kept, 1_000))
    assert (first.row == np.where(first.mask, position * 10, 0)).all()
    again = index.find(Wanted(position.astype(np.uint64), nothing + 2_000))
    assert (again.position == position + 1_000).all()
    assert (again.row == position * 10 + 1).all()


def test_owners_take_two_bytes_until_there_are_more_than_those_can_count():
    entries, widths = Entries(), []
    for owners in ([3, 65_535], [65_536, 4], [70_000, 5]):
        one = keys([(0, 0, 0)] * len(owners))
        entries.append(RowKeys(one.ids, np.array(owners, np.int32), one.position, one.timestamp), None)
        widths.append(entries.owner.itemsize)
    entries.keep(np.array([1, 2, 3, 4]))
    assert (entries.owner.tolist(), widths) == ([65_535, 65_536, 4, 70_000], [2, 4, 4])
