"""Waiting rows against a plain list of them: found by id, saved in parts, bounded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.coded_text import CodedText
from detectors.rows import row_store as row_stores
from detectors.rows.row_entries import RowKeys
from detectors.rows.row_store import Part, RowStore

LENGTH = 10
rows = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 60)), max_size=30)  # id and time; the position is the place in the list


def row_store(max_rows: int = 1_000) -> RowStore:
    store = RowStore(group_length=LENGTH, max_rows=max_rows)
    store.reach(1)
    return store


def keys(ids, position, timestamp) -> RowKeys:  # type: ignore[no-untyped-def]
    ids = np.asarray(ids, np.uint64)
    return RowKeys(ids, np.zeros(len(ids), np.int32), np.asarray(position, np.int64), np.asarray(timestamp, np.int64))


def append(store: RowStore, sent: list[tuple[int, int]], first: int, end: int) -> None:
    position = np.arange(first, max(first, end), dtype=np.int64)
    rows = keys([one for one, _ in sent[first:end]], position, [time for _, time in sent[first:end]])
    store.append(rows, {"value": position * 10.0, "name": CodedText.of([str(one) for one in rows.ids.tolist()])})


def found(store: RowStore, sent: list[tuple[int, int]], before: int, since: int) -> list[int]:
    ids = np.arange(6, dtype=np.uint64)
    result = store.find(keys(ids, np.full(6, before), np.zeros(6)), np.full(6, since, np.int64))
    values = np.full(6, -10, np.int64)
    if result.mask.any():
        values[result.mask] = store.column("value", result, result.mask)
        assert store.column("name", result, result.mask).to_text().tolist() == [str(one) for one in ids[result.mask].tolist()]
    assert (values // 10 == result.position)[result.mask].all()
    return (values // 10).tolist()


def expected(sent: list[tuple[int, int]], before: int, since: int) -> list[int]:
    return [max((place for place, (one, time) in enumerate(sent[:before]) if one == wanted and time >= since), default=-1) for wanted in range(6)]


@settings(max_examples=200)
@given(rows, st.lists(st.integers(0, 30), max_size=4), st.integers(0, 31), st.integers(0, 60))
def test_the_latest_row_before_a_position_is_found_however_rows_were_added(sent: list[tuple[int, int]], cuts: list[int], before: int, since: int):
    store = row_store()
    ends = [*sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    for first, end in zip([0, *ends], ends, strict=False):
        append(store, sent, first, end)
    assert len(store) == len(sent)
    assert found(store, sent, before, since) == expected(sent, before, since)


@settings(max_examples=200)
@given(rows, st.integers(0, 30), st.permutations(range(5)))
def test_a_store_that_is_restored_and_reads_on_finds_the_same(sent: list[tuple[int, int]], cut: int, order: list[int]):
    cut = min(cut, len(sent))
    store = row_store()
    append(store, sent, 0, cut // 2)
    saved: list[Part] = store.unsaved()
    append(store, sent, cut // 2, cut)
    saved += store.unsaved()
    again = row_store()
    for place in sorted(range(len(saved)), key=lambda place: order[place % 5]):
        again.restore(saved[place])
        again.restore(saved[place])  # what is there already is not added again
    again.restored()
    append(again, sent, cut, len(sent))
    assert len(again) == len(sent)
    assert found(again, sent, len(sent), 0) == expected(sent, len(sent), 0)
    numbers = {(part.group, part.number) for part in saved}
    assert all((part.group, part.number) not in numbers for part in again.unsaved())


def test_groups_that_expire_are_gone_with_their_parts_and_do_not_begin_anew():
    store = row_store()
    sent = [(1, 5), (2, 15), (3, 5)]
    append(store, sent, 0, 2)
    assert [(part.group, part.number) for part in store.unsaved()] == [(0, 0), (1, 0)]
    assert store.expire(10) == [0]
    assert list(store.forget_parts(0)) == [0]
    append(store, sent, 2, 3)
    assert (store.unsaved(), len(store)) == ([], 1)


def test_a_full_store_drops_its_oldest_group_and_says_which_parts_to_delete():
    store = row_store(2)
    sent = [(1, 5), (2, 15), (3, 25)]
    append(store, sent, 0, 2)
    store.unsaved()
    append(store, sent, 2, 3)
    assert store.trim().tolist() == [1]
    assert len(store) == 2
    assert store.expire(0) == [0]
    assert list(store.forget_parts(0)) == [0]
    assert store.expire(0) == []


def test_a_group_that_begins_anew_after_it_was_dropped_keeps_what_is_saved_of_it():
    store = row_store(max_rows=4)
    store.reach(2)
    store.append(keys([1, 2, 3, 4], range(4), [1, 2, 11, 12]), {})
    assert [(part.group, part.number) for part in store.unsaved()] == [(0, 0), (1, 0)]
    store.append(keys([5, 6], [4, 5], [13, 14]), {})
    store.trim()
    dropped = store.expire(0)
    store.append(replace(keys([7], [6], [5]), owner=np.ones(1, np.int32)), {})
    dropped += store.expire(0)
    assert [(part.group, part.number) for part in store.unsaved()] == [(0, 1), (1, 1)]
    assert [(group, number) for group in dropped for number in store.forget_parts(group)] == []
    assert [(group, number) for group in store.expire(10) for number in store.forget_parts(group)] == [(0, 0), (0, 1)]


@settings(max_examples=200)
@given(rows, st.lists(st.integers(0, 30), max_size=4), st.integers(0, 60), st.integers(1, 40))
def test_a_row_is_first_when_no_row_before_it_that_still_counts_has_its_id(sent: list[tuple[int, int]], cuts: list[int], since: int, bound: int):
    store = row_store(bound)
    first: list[bool] = []
    ends = [*sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    for start, end in zip([0, *ends], ends, strict=False):
        mine = sent[start:end]
        said = store.append_first(keys([one for one, _ in mine], np.arange(start, max(start, end)), [time for _, time in mine]), np.full(len(mine), since, np.int64))
        first += said.tolist()
        store.trim()
    kept = [sorted((time, place) for place, (_, time) in enumerate(sent[:row]))[-bound:] for row in range(len(sent))]
    assert first == [not any(sent[place][0] == one and time >= since for time, place in kept[row]) for row, (one, _) in enumerate(sent)]


def test_one_id_in_every_row_costs_no_more_than_many_ids():
    store = row_store(10**6)
    n = 50_000
    same, nothing = np.zeros(n, np.uint64), np.zeros(n, np.int64)
    assert store.append_first(keys(same, np.arange(n), nothing), nothing).sum() == 1
    assert store.append_first(keys(same, np.arange(n, 2 * n), nothing), nothing).sum() == 0
    assert (store.find(keys(same, np.arange(n, 2 * n), nothing)).position == np.arange(n - 1, 2 * n - 1)).all()


def test_many_rows_in_many_groups_come_back_as_they_went_in():
    rng, n = np.random.default_rng(3), 200_000
    ids, times, values = rng.permutation(n).astype(np.uint64), rng.integers(0, 50, n), rng.random((n, 3))
    names = CodedText.of([f"n{one % 700}" for one in range(n)])
    store, saved = row_store(n), []
    for start in range(0, n, 7_001):
        mine = slice(start, start + 7_001)
        store.append(keys(ids[mine], np.arange(n)[mine], times[mine]), {"values": values[mine], "names": names[mine]})
        saved += store.unsaved()
    again = row_store(n)
    for part in saved:
        again.restore(part)
    again.restored()
    asked = rng.permutation(n)[:20_000]
    for one in (store, again):
        found = one.find(keys(ids[asked], np.full(len(asked), n), times[asked]))
        assert (found.position == asked).all()
        assert (one.column("values", found, found.mask) == values[asked]).all()
        assert (one.column("names", found, found.mask).to_text() == names[asked].to_text()).all()


def newest(sent: list[tuple[int, int]], bound: int) -> list[int]:
    return sorted(range(len(sent)), key=lambda place: (sent[place][1], place))[-bound:]


@settings(max_examples=300)
@given(rows, st.integers(1, 12), st.lists(st.integers(0, 30), max_size=4), st.integers(0, 30))
def test_a_full_store_finds_the_newest_rows_before_a_position_exactly_to_its_bound_however_they_were_added(sent: list[tuple[int, int]], bound: int, cuts: list[int], before: int):
    store = row_store(bound)
    ends = [*sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    given_up = 0
    for first, end in zip([0, *ends], ends, strict=False):
        append(store, sent, first, end)
        for asked in {max(first, min(before, end)), end}:
            kept = newest(sent[:asked], bound)
            assert found(store, sent, asked, 0) == [max((place for place in kept if sent[place][0] == wanted), default=-1) for wanted in range(6)]
        given_up += int(store.trim().sum())
    assert len(store) == min(bound, len(sent))
    assert given_up == len(sent) - len(store)


@settings(max_examples=100)
@given(rows, st.integers(1, 12))
def test_a_full_store_is_restored_to_its_bound(sent: list[tuple[int, int]], bound: int):
    store = row_store(bound)
    saved: list[Part] = []
    for first in range(0, len(sent), 7):
        append(store, sent, first, min(first + 7, len(sent)))
        store.trim()
        saved += store.unsaved()
    again = row_store(bound)
    for part in saved[::-1]:
        again.restore(part)
    again.restored()
    assert len(again) == len(store)
    assert found(again, sent, len(sent), 0) == found(store, sent, len(sent), 0)


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 60), st.integers(0, 2)), max_size=40), st.integers(1, 8), st.integers(1, 40))
def test_owners_are_bound_each_by_itself(sent: list[tuple[int, int, int]], bound: int, at_once: int):
    store, alone = RowStore(group_length=LENGTH, max_rows=bound), [row_store(bound) for _ in range(3)]
    store.reach(3)
    for first in range(0, len(sent), at_once):
        mine = sorted(range(first, min(first + at_once, len(sent))), key=lambda place: (sent[place][2], place))
        ids, times, owner = (np.array([sent[place][field] for place in mine], dtype) for field, dtype in ((0, np.uint64), (1, np.int64), (2, np.int32)))
        rows = RowKeys(ids | owner.astype(np.uint64) << np.uint64(8), owner, np.array(mine, np.int64), times)
        store.append(rows, {"value": rows.position * 10.0})
        store.trim()
        for place, one in enumerate(alone):
            own = rows.take(owner == place)
            one.append(RowKeys(own.ids, np.zeros(len(own), np.int32), own.position, own.timestamp), {"value": own.position * 10.0})
            one.trim()
    assert store.counts.tolist() == [len(one) for one in alone]
    wanted = np.arange(6, dtype=np.uint64)
    for place, one in enumerate(alone):
        asked = RowKeys(wanted | np.uint64(place << 8), np.full(6, place, np.int32), np.full(6, 100), np.zeros(6, np.int64))
        assert store.find(asked).position.tolist() == one.find(RowKeys(asked.ids, np.zeros(6, np.int32), asked.position, asked.timestamp)).position.tolist()


def test_what_is_saved_at_once_has_parts_of_a_bounded_size(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(row_stores, "PART_BYTES", 1_000)
    sent = [(place % 6, 3) for place in range(200)]
    store = row_store()
    append(store, sent, 0, 200)
    saved = store.unsaved()
    assert [(part.group, part.number) for part in saved] == [(0, number) for number in range(len(saved))]
    assert len(saved) == 8  # of 40 bytes a row
    again = row_store()
    for part in reversed(saved):
        again.restore(part)
    assert found(again, sent, 200, 0) == expected(sent, 200, 0)
    assert [again.forget_parts(group) for group in again.expire(LENGTH)] == [range(8)]


def test_a_row_that_comes_below_the_bound_of_its_owner_is_given_up_once():
    store = RowStore(group_length=10, max_rows=3)
    store.reach(1)

    def first_seen(ids: list[int], times: list[int], first: int) -> list[bool]:
        n = len(ids)
        keys = RowKeys(np.array(ids, np.uint64), np.zeros(n, np.int32), np.arange(first, first + n), np.array(times))
        return store.append_first(keys, np.zeros(n, np.int64)).tolist()

    first_seen([1, 2, 3, 4, 5], [50, 51, 52, 53, 54], 0)
    assert store.trim().tolist() == [2]
    first_seen([6], [10], 5)
    assert store.trim().tolist() == [1]
