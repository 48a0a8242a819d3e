"""Training sets: the right rows, one for each event, under a name that says what they hold."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.rows.examples import Examples
from retrainer.messages import Cause, Clock
from retrainer.row_buffer import RowBuffer
from retrainer.training_set import choose, digest


def rows(n: int, *, delay: int = 10, first: int = 0) -> Examples:
    at = np.arange(first, first + n, dtype=np.int64)
    text = np.array([f"c{value % 3}" for value in at.tolist()], object)
    return Examples(
        model="churn",
        partition=at % 3,
        offset=at // 3,
        index=np.zeros(n, np.int64),
        event_id=at.astype(np.uint64),
        predicted_at=at,
        labelled_at=at + delay,
        version=text,
        segment=text,
        prediction=text,
        label=text,
        score=np.full(n, np.nan),
        features={"x": at / 7, "city": text},
    )


def cause(since: int | None, *, until: int | None = None, clock: Clock = "outcome") -> Cause:
    return Cause(cause="a1", kind="drift", since=since, until=until, clock=clock, targets=(1,))


@given(cuts=st.lists(st.integers(0, 60), min_size=5, max_size=5), order=st.permutations(range(6)))
def test_the_same_rows_have_the_same_digest_however_they_were_batched(cuts: list[int], order: list[int]) -> None:
    parts = [rows(60).take(slice(start, stop)) for start, stop in pairwise([0, *sorted(cuts), 60])]
    shuffled = Examples.concatenate([parts[place] for place in order])
    assert choose(shuffled, cause(-100), window=1, max_rows=100).digest == choose(rows(60), cause(-100), window=1, max_rows=100).digest


def test_another_label_or_another_value_gives_another_digest() -> None:
    table = rows(20)
    relabelled, changed = rows(20), rows(20)
    relabelled.label[3] = "other"
    changed.features["x"][3] += 1e-12
    assert len({digest(table), digest(relabelled), digest(changed)}) == 3


def test_a_change_of_performance_is_cut_by_outcome_and_one_of_features_by_prediction() -> None:
    assert choose(rows(50), cause(40), window=5, max_rows=100).examples.labelled_at.min() == 40
    assert choose(rows(50), cause(40, clock="predicted"), window=5, max_rows=100).examples.predicted_at.min() == 40


def test_without_a_change_the_last_window_is_taken_and_with_one_at_most_max_rows() -> None:
    assert sorted(choose(rows(50), cause(None), window=5, max_rows=100).examples.predicted_at.tolist()) == [45, 46, 47, 48, 49]
    assert sorted(choose(rows(50), cause(0), window=5, max_rows=7).examples.predicted_at.tolist()) == list(range(43, 50))


def test_a_window_is_half_open() -> None:
    chosen = choose(rows(50), cause(20, until=23, clock="labelled"), window=5, max_rows=100)
    assert sorted(chosen.examples.labelled_at.tolist()) == [20, 21, 22]


def test_a_correction_replaces_the_row_that_it_corrects() -> None:
    correction = rows(1, first=4)
    fixed = Examples(**{**vars(correction), "label": np.array(["fixed"], object), "offset": np.array([99])})
    chosen = choose(Examples.concatenate([rows(10), fixed]), cause(-100), window=1, max_rows=100).examples
    assert len(chosen) == 10
    assert chosen.label[chosen.event_id == 4].tolist() == ["fixed"]


def test_the_lineage_names_offsets_of_each_partition() -> None:
    told = choose(rows(30), cause(25, clock="predicted"), window=1, max_rows=100).lineage("inference.events")
    assert (told["rows"], told["offsets"]) == (5, {"0": [9, 9], "1": [8, 9], "2": [8, 9]})


def test_the_buffer_keeps_the_newest_rows_and_knows_what_it_has_dropped() -> None:
    buffer = RowBuffer(20)
    for first in range(0, 100, 10):
        buffer.append(rows(10, first=first))
    latest = buffer.latest()
    assert latest is not None
    assert latest.predicted_at.tolist() == list(range(80, 100))
    assert not buffer.unseen(rows(100)).any()
    assert buffer.unseen(rows(5, first=100)).all()
    twice = Examples.concatenate([rows(2, first=100), rows(2, first=100)])
    assert buffer.unseen(twice).tolist() == [True, True, False, False]


@given(ids=st.lists(st.integers(0, 6), min_size=1, max_size=40), cut=st.integers(0, 40))
def test_a_row_is_a_correction_whatever_batch_its_first_one_was_in(ids: list[int], cut: int) -> None:
    table = rows(len(ids))
    table = Examples(**{**vars(table), "event_id": np.array(ids, np.uint64)})
    whole = RowBuffer(8).first_sight(table)
    buffer = RowBuffer(8)
    head, tail = table.take(slice(0, cut)), table.take(slice(cut, None))
    parts = [buffer.first_sight(head)]
    buffer.append(head)
    parts.append(buffer.first_sight(tail))
    assert np.concatenate(parts).tolist() == whole.tolist()
