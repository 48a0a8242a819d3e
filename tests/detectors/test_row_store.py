"""Waiting rows against a plain list of them: found by id, saved in parts, bounded."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.coded_text import CodedText
from detectors.row_store import Part, RowStore

LENGTH = 10
rows = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 60)), max_size=30)  # id and time; the position is the place in the list


def append(store: RowStore, sent: list[tuple[int, int]], first: int, end: int) -> list[int]:
    ids = np.array([one for one, _ in sent[first:end]], np.uint64)
    times = np.array([time for _, time in sent[first:end]], np.int64)
    position = np.arange(first, first + len(ids), dtype=np.int64)
    return store.append(ids, position, times, {"value": position * 10.0, "name": CodedText.of([str(one) for one in ids.tolist()])})


def found(store: RowStore, sent: list[tuple[int, int]], before: int, since: int) -> list[int]:
    ids = np.arange(6, dtype=np.uint64)
    result = store.find(ids, np.full(6, before, np.int64), np.full(6, since, np.int64))
    values = np.full(6, -10, np.int64)
    if result.mask.any():
        values[result.mask] = store.column("value", result, result.mask)
        assert store.column("name", result, result.mask).to_text().tolist() == [str(one) for one in ids[result.mask].tolist()]
    assert (values // 10 == result.position)[result.mask].all()
    return (values // 10).tolist()


def expected(sent: list[tuple[int, int]], before: int, since: int) -> list[int]:
    return [max((place for place, (one, time) in enumerate(sent[:before]) if one == wanted and time >= since), default=-1) for wanted in range(6)]


@settings(max_examples=200, deadline=None)
@given(rows, st.lists(st.integers(0, 30), max_size=4), st.integers(0, 31), st.integers(0, 60))
def test_the_latest_row_before_a_position_is_found_however_rows_were_added(sent: list[tuple[int, int]], cuts: list[int], before: int, since: int):
    store = RowStore(group_length=LENGTH, max_rows=1_000)
    ends = [*sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    for first, end in zip([0, *ends], ends, strict=False):
        append(store, sent, first, end)
        append(store, sent, max(first - 2, 0), end)  # read again: nothing is added twice
    assert store.rows == len(sent)
    assert found(store, sent, before, since) == expected(sent, before, since)


@settings(max_examples=200, deadline=None)
@given(rows, st.integers(0, 30), st.sets(st.integers(0, 20)))
def test_a_store_that_is_restored_from_any_of_its_newest_parts_and_reads_on_finds_the_same(sent: list[tuple[int, int]], cut: int, lost: set[int]):
    cut = min(cut, len(sent))
    store = RowStore(group_length=LENGTH, max_rows=1_000)
    append(store, sent, 0, cut)
    saved: list[Part] = store.unsaved()
    append(store, sent, cut, len(sent))
    saved += [part for place, part in enumerate(store.unsaved()) if place not in lost]
    again = RowStore(group_length=LENGTH, max_rows=1_000)
    for part in saved:
        again.restore(part)
    append(again, sent, cut, len(sent))
    assert again.rows == len(sent)
    assert found(again, sent, len(sent), 0) == expected(sent, len(sent), 0)
    numbers = {(part.group, part.number) for part in saved}
    assert all((part.group, part.number) not in numbers for part in again.unsaved())


def test_groups_that_expire_are_gone_with_their_parts_and_may_begin_anew():
    store = RowStore(group_length=LENGTH, max_rows=1_000)
    sent = [(1, 5), (2, 15), (3, 5)]
    append(store, sent, 0, 2)
    assert [(part.group, part.number) for part in store.unsaved()] == [(0, 0), (1, 0)]
    assert store.expire(10) == [0]
    assert list(store.forget_parts(0)) == [0]
    append(store, sent, 2, 3)
    assert [(part.group, part.number) for part in store.unsaved()] == [(0, 0)]


def test_a_full_store_drops_its_oldest_group_and_says_which_parts_to_delete():
    store = RowStore(group_length=LENGTH, max_rows=2)
    sent = [(1, 5), (2, 15), (3, 25)]
    append(store, sent, 0, 2)
    store.unsaved()
    assert append(store, sent, 2, 3) == [0]
    assert (store.rows, store.evicted) == (2, 1)
    assert store.expire(0) == [0]
    assert list(store.forget_parts(0)) == [0]
    assert store.expire(0) == []


def test_a_group_numbers_its_parts_on_until_they_are_forgotten():
    store = RowStore(group_length=LENGTH, max_rows=2)
    sent = [(1, 5), (2, 15), (3, 25), (4, 6)]
    append(store, sent, 0, 2)
    store.unsaved()
    append(store, sent, 2, 3)
    store.expire(20)  # makes room
    append(store, sent, 3, 4)
    assert [(part.group, part.number) for part in store.unsaved()] == [(0, 1), (2, 0)]


@settings(max_examples=200, deadline=None)
@given(rows, st.lists(st.integers(0, 30), max_size=4), st.integers(0, 60))
def test_a_row_is_first_when_no_row_before_it_that_still_counts_has_its_id(sent: list[tuple[int, int]], cuts: list[int], since: int):
    store = RowStore(group_length=LENGTH, max_rows=1_000)
    first = np.empty(0, bool)
    ends = [*sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    for start, end in zip([0, *ends], ends, strict=False):
        again = max(start - 2, 0)  # two rows are read again, and are as first as they were
        ids = np.array([one for one, _ in sent[again:end]], np.uint64)
        times = np.array([time for _, time in sent[again:end]], np.int64)
        said = store.append_first(ids, np.arange(again, end, dtype=np.int64), times, np.full(end - again, since, np.int64))
        assert (said[: start - again] == first[again:start]).all()
        first = np.concatenate([first[:again], said])
    assert first.tolist() == [not any(other == one and time >= since for other, time in sent[:row]) for row, (one, _) in enumerate(sent)]
    assert store.rows == len(sent)


def test_one_id_in_every_row_costs_no_more_than_many_ids():
    store = RowStore(group_length=LENGTH, max_rows=10**6)
    n = 50_000
    same, nothing = np.zeros(n, np.uint64), np.zeros(n, np.int64)
    assert store.append_first(same, np.arange(n), nothing, nothing).sum() == 1
    assert store.append_first(same, np.arange(n, 2 * n), nothing, nothing).sum() == 0
    assert (store.find(same, np.arange(n, 2 * n)).position == np.arange(n - 1, 2 * n - 1)).all()


def test_many_rows_in_many_groups_come_back_as_they_went_in():
    rng, n = np.random.default_rng(3), 200_000
    ids, times, values = rng.permutation(n).astype(np.uint64), rng.integers(0, 50, n), rng.random((n, 3))
    names = CodedText.of([f"n{one % 700}" for one in range(n)])
    store, saved = RowStore(group_length=LENGTH, max_rows=n), []
    for start in range(0, n, 7_001):
        mine = slice(start, start + 7_001)
        store.append(ids[mine], np.arange(n)[mine], times[mine], {"values": values[mine], "names": names[mine]})
        saved += store.unsaved()
    again = RowStore(group_length=LENGTH, max_rows=n)
    for part in saved:
        again.restore(part)
    asked = rng.permutation(n)[:20_000]
    for one in (store, again):
        found = one.find(ids[asked], np.full(len(asked), n))
        assert (found.position == asked).all()
        assert (one.column("values", found, found.mask) == values[asked]).all()
        assert (one.column("names", found, found.mask).to_text() == names[asked].to_text()).all()


@settings(max_examples=200, deadline=None)
@given(rows, st.integers(1, 12), st.lists(st.integers(0, 30), max_size=4))
def test_a_full_store_holds_the_newest_rows_exactly_to_its_bound_however_they_were_added(sent: list[tuple[int, int]], bound: int, cuts: list[int]):
    store = RowStore(group_length=LENGTH, max_rows=bound)
    ends = [*sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    for first, end in zip([0, *ends], ends, strict=False):
        append(store, sent, first, end)
    kept = sorted(range(len(sent)), key=lambda place: (sent[place][1], place))[-bound:]
    assert (store.rows, store.evicted) == (len(kept), len(sent) - len(kept))
    assert found(store, sent, len(sent), 0) == [max((place for place in kept if sent[place][0] == wanted), default=-1) for wanted in range(6)]


@settings(max_examples=100, deadline=None)
@given(rows, st.integers(1, 12))
def test_a_full_store_is_restored_to_its_bound_and_counts_nothing_again(sent: list[tuple[int, int]], bound: int):
    store = RowStore(group_length=LENGTH, max_rows=bound)
    saved: list[Part] = []
    for first in range(0, len(sent), 7):
        append(store, sent, first, min(first + 7, len(sent)))
        saved += store.unsaved()
    again = RowStore(group_length=LENGTH, max_rows=bound)
    for part in saved[::-1]:
        again.restore(part)
    assert (again.rows, again.evicted) == (store.rows, 0)
    assert found(again, sent, len(sent), 0) == found(store, sent, len(sent), 0)
