"""Training sets: the right rows, one for each event, under a name that says what they hold."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.rows.examples import Examples
from retrainer.leakage import told_by_one
from retrainer.messages import Cause, Clock
from retrainer.row_buffer import RowBuffer
from retrainer.training_set import choose, choose_again, digest


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


@given(
    ids=st.lists(st.integers(0, 40), min_size=1, max_size=80),
    since=st.integers(0, 80),
    most=st.integers(1, 40),
    few=st.integers(0, 6),
    replay=st.sampled_from([0.0, 0.5, 2.0]),
    later=st.integers(0, 20),
    seed=st.integers(0, 99),
)
def test_the_same_offsets_give_the_same_digest_whatever_else_is_read_and_in_whatever_order(
    ids: list[int], since: int, most: int, few: int, replay: float, later: int, seed: int
) -> None:
    everything = rows(len(ids) + later)
    event = np.array(ids + [ids[0]] * later, np.uint64)  # corrections, also some that came after the choice
    partition = (event % 3).astype(np.int64)  # an event stays in its partition
    label = np.array([f"c{value % 7 // 3}" for value in range(len(event))], object)
    place = np.array([int((partition[:row] == partition[row]).sum()) for row in range(len(event))])
    everything = Examples(**{**vars(everything), "event_id": event, "partition": partition, "offset": place // 2, "index": place % 2, "label": label})
    chosen = choose(everything.take(slice(0, len(ids))), cause(since), window=5, max_rows=most, min_per_class=few, replay=replay)
    shuffled = everything.take(np.random.default_rng(seed).permutation(len(everything)))
    assert choose_again(shuffled, chosen.lineage("inference.events")).digest == chosen.digest


def test_a_class_that_the_change_left_too_few_of_is_filled_up_with_the_newest_from_before() -> None:
    table = rows(60)
    rare = Examples(**{**vars(table), "label": np.array(["rare" if at % 10 == 0 else "usual" for at in range(60)], object)})
    chosen = choose(rare, cause(40, clock="predicted"), window=5, max_rows=100, min_per_class=4)
    assert (chosen.classes, chosen.added) == ({"rare": 4, "usual": 18}, 2)
    assert sorted(chosen.examples.predicted_at[chosen.examples.label == "rare"].tolist()) == [20, 30, 40, 50]
    assert chosen.cut == 69


def test_rows_from_before_the_change_are_replayed_as_a_sample_that_is_the_same_each_time() -> None:
    chosen = choose(rows(300), cause(200, clock="predicted"), window=5, max_rows=1_000, replay=0.5)
    old = chosen.examples.predicted_at[chosen.examples.predicted_at < 200]
    assert (len(chosen.examples), len(old), chosen.added) == (150, 50, 50)
    assert old.min() < 50, "from all over the time before"
    assert old.max() > 150
    bounded = choose(rows(300), cause(200, clock="predicted"), window=5, max_rows=60, replay=0.5)
    assert (len(bounded.examples), bounded.added) == (60, 20)


def test_a_row_whose_label_was_known_before_its_prediction_is_not_trained_on() -> None:
    table = rows(20)
    table.labelled_at[[3, 7]] = table.predicted_at[[3, 7]] - 1
    chosen = choose(table, cause(0, clock="predicted"), window=5, max_rows=100)
    assert not {3, 7} & set(chosen.examples.predicted_at.tolist())
    assert chosen.lineage("t")["warnings"] == ["2 rows were left out, as their label was known before the prediction"]


def test_a_feature_that_says_the_label_in_other_words_is_told() -> None:
    rng = np.random.default_rng(5)
    table = rows(300)
    label = np.where(table.features["x"] > 20, "yes", "no").astype(object)
    almost = np.where(rng.random(300) < 0.01, "yes", label).astype(object)
    assert told_by_one(Examples(**{**vars(table), "label": label})) == ("x",)
    assert told_by_one(Examples(**{**vars(table), "label": almost})) == ()
    assert len(told_by_one(Examples(**{**vars(table), "label": table.features["city"]}))) == 1
    price = table.features["x"] * 1.2 + 3
    assert len(told_by_one(Examples(**{**vars(table), "label": price}))) == 1
    assert told_by_one(Examples(**{**vars(table), "label": price + rng.normal(size=300)})) == ()


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
