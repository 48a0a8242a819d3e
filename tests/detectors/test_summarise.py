"""The summarise stage: what a pane counts, and the laws that make it safe to read a log again."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detectors.monitor import Monitor, Monitors
from detectors.panes.family_summariser import family_of
from detectors.panes.group_tables import name_within
from detectors.panes.layout import Layout
from detectors.panes.model_summariser import COHORT, ModelSummariser
from detectors.piece import Piece
from detectors.rows.examples import Examples
from detectors.summarise import Flushed, Summarise
from tests.detectors.event_samples import Sent, fetch, label, monitors, prediction, specification

LAYOUT = Layout(specification())
Panes = dict[tuple[int, str], list[float]]


def panes_of(sent: list[Sent], cuts: list[int] | None = None, *, corrections: bool = False) -> Panes:
    """Last summary of every pane, with the log cut into fetches, each its own epoch."""
    stage = Summarise(0, monitors(corrections=corrections))
    found: Panes = {}
    ends = sorted({*(cuts or []), len(sent)})
    first = 0
    for end in ends:
        stage.absorb(fetch(sent[:end], first=first))
        found |= {(one.start, one.version): one.counts.tolist() for one in stage.flush().summaries}
        first = end
    return {key: counts for key, counts in found.items() if any(counts)}


def traffic(panes: Panes, counter: str) -> dict[int, float]:
    totals: dict[int, float] = {}
    for (start, _), counts in panes.items():
        value = LAYOUT.traffic(np.array(counts), counter)
        if value:
            totals[start] = totals.get(start, 0) + value
    return totals


def confusion(panes: Panes) -> np.ndarray:
    total = sum((np.array(counts) for counts in panes.values()), np.zeros(LAYOUT.size))
    return total[LAYOUT.blocks["performance"]].reshape(3, 3)


def test_a_prediction_counts_in_the_pane_of_its_own_time():
    panes = panes_of([prediction(1, 1_000), prediction(2, 9_999), prediction(3, 10_000)])
    assert traffic(panes, "predictions") == {0: 2, 10_000: 1}


def test_what_is_untold_takes_the_cells_of_every_pane_that_was_added_to_until_it_is_told():
    stage, pane = Summarise(0, monitors()), 8 * Layout(specification()).size
    stage.absorb(fetch([prediction(0, 0)]))
    stage.flush()
    assert stage.untold == 0
    sent = [prediction(place, 10_000 * place) for place in range(1, 1_201)]
    stage.absorb(fetch(sent[:900]))  # fewer than are worth counting by themselves: they wait
    assert stage.untold == 900 * pane
    stage.absorb(fetch(sent, first=900))
    assert stage.untold == 1_200 * pane
    stage.flush()
    assert stage.untold == 0


def test_values_fall_into_the_cells_of_their_bins():
    panes = panes_of([prediction(1, 0, age=19.0), prediction(2, 0, age=40.0, plan="gold"), prediction(3, 0, age=float("nan"), plan=None), prediction(4, 0, age=120.0)])
    counts = np.array(panes[0, "1"])
    assert counts[LAYOUT.blocks["feature:age"]].tolist() == [1, 0, 2, 1, 1]
    assert counts[LAYOUT.blocks["feature:plan"]].tolist() == [2, 0, 1, 1]
    assert counts[LAYOUT.blocks["prediction"]].tolist() == [4, 0, 0, 0]


def test_an_event_delivered_twice_counts_once():
    panes = panes_of([prediction(1, 1_000), prediction(1, 1_000), prediction(1, 2_000)])
    assert traffic(panes, "predictions") == {0: 1}
    assert traffic(panes, "duplicates") == {0: 2}


def test_an_event_is_late_when_its_pane_ended_before_the_watermark_at_its_record():
    on_time = [prediction(1, 100_000), prediction(2, 80_000, record=100_000)]
    late = [prediction(1, 100_000), prediction(2, 79_999, record=100_000)]
    assert traffic(panes_of(on_time), "predictions") == {80_000: 1, 100_000: 1}
    assert traffic(panes_of(late), "predictions") == {100_000: 1}
    assert traffic(panes_of(late), "late") == {100_000: 1}


def test_an_outcome_belongs_to_the_later_of_its_two_times():
    panes = panes_of([prediction(1, 1_000, outcome="yes"), label(1, 25_000, "yes")])
    assert traffic(panes, "labels") == {20_000: 1}
    assert confusion(panes).tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_a_label_that_comes_first_waits_for_its_prediction():
    panes = panes_of([label(1, 1_000, "yes"), prediction(1, 2_000, outcome="no")], cuts=[1])
    assert confusion(panes)[1, 0] == 1


def test_a_correction_takes_the_earlier_label_back_while_the_pane_is_open():
    panes = panes_of([prediction(1, 1_000, outcome="yes"), label(1, 5_000, "no"), label(1, 12_000, "yes")], cuts=[2])
    assert confusion(panes).tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert traffic(panes, "corrections") == {10_000: 1}


def test_a_correction_after_the_pane_closed_changes_no_past_pane():
    sent = [prediction(1, 1_000, outcome="yes"), label(1, 5_000, "no"), label(1, 65_000, "yes")]
    panes = panes_of(sent)
    assert confusion(panes).tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert traffic(panes, "corrections") == {60_000: 1}


def test_a_label_that_came_with_its_prediction_is_corrected_where_the_monitor_says_so():
    sent = [prediction(1, 1_000, outcome="yes", label="no"), prediction(2, 1_000, outcome="yes", label="no"), label(1, 12_000, "yes"), label(2, 12_000, "no")]
    panes = panes_of(sent, cuts=[1, 3], corrections=True)
    assert confusion(panes).tolist() == [[0, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert (traffic(panes, "labels"), traffic(panes, "corrections"), traffic(panes, "label_duplicates")) == ({0: 1, 10_000: 1}, {10_000: 1}, {10_000: 1})
    assert confusion(panes_of(sent)).tolist() == [[0, 2, 0], [0, 0, 0], [0, 0, 0]]


def test_the_example_of_a_corrected_label_carries_its_features_and_the_new_label():
    stage = Summarise(0, monitors(corrections=True))
    stage.absorb(fetch([prediction(1, 1_000, outcome="yes", label="no", age=33.0), label(1, 120_000, "yes")]))
    examples = Examples.concatenate([rows.examples() for rows in stage.flush().examples])
    assert (examples.label.tolist(), examples.features["age"].tolist(), examples.event_id.tolist()) == (["no", "yes"], [33.0, 33.0], [1, 1])


def test_a_label_that_repeats_itself_is_a_duplicate():
    panes = panes_of([prediction(1, 1_000, outcome="yes"), label(1, 5_000, "yes"), label(1, 6_000, "yes")])
    assert traffic(panes, "labels") == {0: 1}
    assert traffic(panes, "label_duplicates") == {0: 1}


def test_a_label_past_its_timeout_is_not_joined_however_the_log_is_cut():
    sent = [prediction(1, 1_000, outcome="yes"), prediction(2, 150_000), label(1, 185_000, "yes")]
    assert confusion(panes_of(sent)).sum() == confusion(panes_of(sent, cuts=[1, 2])).sum() == 0


def test_joined_rows_carry_features_prediction_and_label():
    stage = Summarise(3, monitors())
    stage.absorb(fetch([prediction(1, 1_000, outcome="yes", age=55.0, plan="paid"), label(1, 5_000, "no")]))
    (rows,) = stage.flush().examples
    examples = rows.examples()
    assert (examples.prediction.tolist(), examples.label.tolist()) == (["yes"], ["no"])
    assert (examples.features["age"].tolist(), examples.features["plan"].tolist()) == ([55.0], ["paid"])
    assert (examples.partition.tolist(), examples.offset.tolist()) == ([3], [1])


def test_an_event_of_a_cohort_that_has_been_given_up_does_not_restate_it():
    stage = Summarise(0, monitors())
    end = COHORT + 160_000 + 20_000
    sent = [*(prediction(event, event) for event in range(50)), prediction(98, 2_000, record=end - 1), prediction(99, 1_000, record=end), prediction(100, end)]
    told = []
    for first in range(0, len(sent), 50):
        stage.absorb(fetch(sent[: first + 50], first=first))
        told += [cohort.counts[0] for cohort in stage.flush().cohorts if cohort.start == 0]
    assert told == [50, 51]


def test_cohorts_are_the_same_whether_panes_fit_into_them_or_not():
    sent = [prediction(event, event * COHORT // 100, version=str(event % 3)) for event in range(250)]
    labelled = [replace(one, label="yes" if one.event % 7 else "no", record=0) for one in sent]
    told = []
    for pane in (10_000, 7_000):
        stage = Summarise(0, monitors(pane=pane))
        stage.absorb(fetch(labelled))
        told.append([(cohort.start, cohort.version, cohort.counts.tolist()) for cohort in stage.flush().cohorts])
    assert told[0] == told[1]
    assert [counts[0] for start, _, counts in told[0] if start == 0] == [34, 33, 33]
    assert sum(sum(counts[1:]) for _, _, counts in told[0]) == 250


times = st.integers(0, 12).map(lambda step: step * 5_000)
events = st.one_of(
    st.builds(
        prediction,
        st.integers(1, 6),
        times,
        outcome=st.sampled_from(["no", "yes"]),
        age=st.sampled_from([10.0, 30.0, float("nan")]),
        label=st.sampled_from([None, None, "no", "yes"]),
    ),
    st.builds(label, st.integers(1, 6), times, st.sampled_from(["no", "yes"])),
)
logs = st.lists(events, min_size=1, max_size=25)


@settings(max_examples=200)
@given(logs, st.lists(st.integers(0, 25), max_size=6), st.booleans())
def test_how_the_log_is_cut_into_fetches_and_epochs_changes_no_pane(sent, cuts, corrections):
    assert panes_of(sent, [cut for cut in cuts if cut < len(sent)], corrections=corrections) == panes_of(sent, corrections=corrections)


within_lateness = st.lists(st.builds(prediction, st.integers(1, 1_000), st.integers(0, 19_000)), min_size=1, max_size=20, unique_by=lambda one: one.event)


@settings(max_examples=100)
@given(within_lateness, st.randoms())
def test_any_arrival_order_within_lateness_gives_the_same_panes(sent, random):
    shuffled = list(sent)
    random.shuffle(shuffled)
    assert panes_of(shuffled) == panes_of(sent)


def restored(manifest: dict, saved: dict) -> Summarise:
    stage = Summarise(0, monitors(corrections=True))
    stage.restore(manifest, [Piece(key, covered, value) for key, (covered, value) in saved.items()])
    return stage


def absorb_in_two(stage: Summarise, sent: list[Sent], *, first: int) -> None:
    middle = (first + len(sent)) // 2
    if middle > first:
        stage.absorb(fetch(sent[:middle], first=first))
    stage.absorb(fetch(sent, first=middle))


@settings(max_examples=300)
@given(logs, st.integers(0, 25), st.integers(0, 25), st.integers(0, 2**16), st.sampled_from([1, 1_000]))
def test_a_crash_in_the_middle_of_an_epoch_changes_no_pane(sent, first_cut, second_cut, acknowledged, at_once):
    """The first epoch is saved whole, of the second any subset of pieces, and its manifest is lost. Ids of panes that close within an epoch are gone where rows do not wait."""
    cut, end = sorted((min(first_cut, len(sent)), min(second_cut, len(sent))))
    with patch("detectors.summarise.ROWS_AT_ONCE", at_once):
        found = told_through_a_crash(sent, cut, end, acknowledged)
    assert {key: counts for key, counts in found.items() if any(counts)} == panes_of(sent, corrections=True)


def told_through_a_crash(sent: list[Sent], cut: int, end: int, acknowledged: int) -> Panes:
    stage = Summarise(0, monitors(corrections=True))
    found: Panes = {}
    saved: dict = {}
    absorb_in_two(stage, sent[:cut], first=0)
    flushed = stage.flush()
    found |= {(one.start, one.version): one.counts.tolist() for one in flushed.summaries}
    saved |= {piece.key: (piece.covered, piece.value) for piece in flushed.pieces}
    manifest = stage.manifest()
    absorb_in_two(stage, sent[:end], first=cut)
    for place, piece in enumerate(stage.flush().pieces):
        if acknowledged >> (place % 16) & 1:
            saved[piece.key] = (piece.covered, piece.value)
    again = restored(manifest, {key: value for key, value in saved.items() if value[1] is not None})
    absorb_in_two(again, sent, first=cut)
    return found | {(one.start, one.version): one.counts.tolist() for one in again.flush().summaries}


def test_an_event_that_waits_to_be_counted_is_told_from_new_ones_though_its_pane_closes_meanwhile():
    sent = [prediction(1, 1_000), prediction(1, 1_000, record=20_000), prediction(2, 100_000)]
    panes = panes_of(sent[:1])
    stage = Summarise(0, monitors())
    stage.absorb(fetch(sent[:1]))
    stage.flush()
    with patch("detectors.rows.row_store._FEW", 0):  # what has expired is gone at once
        stage.absorb(fetch(sent[:2], first=1))
        stage.absorb(fetch(sent, first=2))
        panes |= {(one.start, one.version): one.counts.tolist() for one in stage.flush().summaries}
    assert (traffic(panes, "predictions"), traffic(panes, "duplicates")) == ({0: 1, 100_000: 1}, {20_000: 1})


def test_ids_of_panes_that_closed_within_an_epoch_are_not_saved():
    sent = [prediction(place, 10 * place) for place in range(9_500)]
    stage = Summarise(0, monitors())
    for first in range(0, 9_000, 1_000):
        stage.absorb(fetch(sent[: first + 1_000], first=first))
    stage.absorb(fetch(sent, first=9_000))  # these wait
    assert {piece.key[3] for piece in stage.flush().pieces if piece.key[0] == "rows" and piece.key[2] == "ids"} == {7, 8, 9}


def test_ids_beyond_the_bound_are_forgotten_the_oldest_first_and_that_is_counted():
    sent = [prediction(event, 1_000 * event) for event in range(5)] + [prediction(event, 1_000 * event) for event in (0, 4)]
    stage, panes = Summarise(0, monitors(max_open_ids=3)), {}
    for first in range(len(sent)):
        stage.absorb(fetch(sent[: first + 1], first=first))
        panes |= {(one.start, one.version): one.counts.tolist() for one in stage.flush().summaries}
    assert (traffic(panes, "predictions"), traffic(panes, "duplicates"), traffic(panes, "given_up")) == ({0: 6}, {0: 1}, {0: 4})  # an event that comes again takes room, too
    assert traffic(panes_of(sent), "duplicates") == {0: 2}
    assert traffic(panes_of(sent), "given_up") == {}


def test_a_bound_of_ids_is_that_of_its_model_alone_and_names_no_state_anew_where_nobody_has_set_it():
    usual, few, same = (specification(**asked) for asked in ({}, {"max_open_ids": 3}, {"max_open_ids": 10_000_000}))
    alike = [family_of(ModelSummariser(Monitor(specification=one))) for one in (usual, few, same)]
    assert (alike[0] == alike[2], alike[0] == alike[1], alike[1][: len(alike[0])] == alike[0]) == (True, False, True)
    assert usual.digest == few.digest == same.digest, "the summaries of both are of the same bins, and merge"
    at_once = [Monitor(specification=one.model_copy(update={"model": model})) for model, one in (("a", few), ("b", usual))]
    stage = Summarise(0, Monitors(at_once))
    sent = [prediction(event % 5, 1_000) for event in range(10)]
    for first in range(10):
        (batch,) = fetch(sent[: first + 1], first=first).batches
        stage.absorb(replace(fetch(sent[: first + 1], first=first), batches=(replace(batch, model="a"), replace(batch, model="b"))))
    counts = {one.model: LAYOUT.traffic(one.counts, "duplicates") for one in stage.flush().summaries}
    assert counts == {"a": 0, "b": 5}


def grouped(sent: list[Sent], cuts: list[int]) -> dict[tuple[int, str, str], float]:
    stage, found = Summarise(0, monitors(max_groups=2)), {}
    first = 0
    for end in [*cuts, len(sent)]:
        stage.absorb(fetch(sent[:end], first=first))
        found |= {(one.start, one.version, one.segment): LAYOUT.traffic(one.counts, "predictions") + LAYOUT.traffic(one.counts, "duplicates") for one in stage.flush().summaries}
        first = end
    return found


def test_versions_beyond_the_bound_of_a_pane_are_counted_together():
    sent = [prediction(event, 1_000 + event, version=f"v{event % 50}") for event in range(1_000)] + [prediction(1_000, 10_000, version="v7")]
    assert grouped(sent, []) == {(0, "v0", ""): 20, (0, "v1", ""): 20, (0, "(other)", ""): 960, (10_000, "v7", ""): 1}


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abcd")), min_size=3, max_size=8), st.sets(st.integers(1, 7)))
@example([(1, "a"), (1, "b"), (2, "c")], {1, 2})
def test_which_versions_are_counted_apart_does_not_depend_on_how_the_log_is_cut(events: list[tuple[int, str]], cuts: set[int]):
    sent = [prediction(event, 1_000, version=version) for event, version in events]  # duplicates are counted after the others of a batch, and may begin a group
    assert grouped(sent, []) == grouped(sent, sorted(cut for cut in cuts if cut < len(sent)))


def test_a_version_whose_segments_are_too_many_keeps_its_name():
    table: dict[tuple[str, str], np.ndarray] = {}
    for version, segment in (("1", "user=1"), ("1", "user=2"), ("1", "user=3"), ("2", "user=4"), ("1", "")):
        table[name_within(table, version, segment, 2)] = np.zeros(1)
    assert list(table) == [("1", "user=1"), ("1", "user=2"), ("1", "(other)"), ("(other)", "(other)"), ("1", "")]


def test_a_prediction_older_than_the_label_timeout_joins_no_label_that_came_before_it():
    early = [label(1, 999_000, "yes"), prediction(1, 900_000, record=1_000_000)]
    assert confusion(panes_of(early)).sum() + traffic(panes_of(early), "late_labels").get(1_000_000, 0) == 1
    too_early = [label(1, 999_000, "yes"), prediction(1, 820_000, record=1_000_000)]
    assert confusion(panes_of(too_early)).sum() + traffic(panes_of(too_early), "late_labels").get(1_000_000, 0) == 0


REVISIONS = Monitors([Monitor(specification=specification(max_groups=revision), revision=revision, effective_from=(revision - 1) * 100_000) for revision in (1, 2, 3)])
LAST_NEEDED = 100_000 + 10_000 + COHORT + 160_000 + 20_000  # of revision 1: until 2 begins, a pane, its cohorts, its labels, lateness


def keep(flushed: Flushed, saved: dict) -> None:
    """Keep what a flush saves."""
    for piece in flushed.pieces:
        saved.pop(piece.key, None)
        if piece.value is not None:
            saved[piece.key] = piece


def revisions_of(saved: dict) -> tuple[set[int], set[int]]:
    """Revisions that have windows, and those that have waiting rows."""
    found: tuple[set[int], set[int]] = (set(), set())
    for key, piece in saved.items():
        found[key[0] == "rows"].update(revision for _, revision in piece.value["members"])
    return found


def test_nothing_is_left_of_a_replaced_revision_when_its_labels_and_cohorts_are_past():
    stage, saved = Summarise(0, REVISIONS), {}
    sent = [prediction(1, 1_000), label(2, 2_000, "no"), prediction(3, 101_000), prediction(4, 201_000), label(1, 202_000, "yes")]
    sent += [label(5, LAST_NEEDED - 1, "no"), label(6, LAST_NEEDED, "no"), label(7, LAST_NEEDED + 200_000, "no"), label(8, LAST_NEEDED + 200_001, "no")]
    windows, rows = [], []
    for end in range(1, len(sent) + 1):
        stage.absorb(fetch(sent[:end], first=end - 1))
        keep(stage.flush(), saved)
        of_windows, of_rows = revisions_of(saved)
        windows.append(of_windows)
        rows.append(of_rows)
    assert windows == [{1}, {1}, {1, 2}, {1, 2, 3}, {1, 2, 3}, {1, 2, 3}, set(), set(), set()]
    assert rows == [{1}, {1}, {1, 2}, {1, 2, 3}, {1, 2, 3}, {1, 2, 3}, {1, 2, 3}, {1, 2, 3}, {3}]
    successor = Summarise(0, REVISIONS)
    successor.restore(stage.manifest(), saved.values())
    keep(successor.flush(), saved)
    assert revisions_of(saved) == (set(), {3})


def test_an_event_of_a_revision_that_is_gone_is_late_and_leaves_nothing_behind():
    stage, saved = Summarise(0, REVISIONS), {}
    sent = [
        prediction(1, 1_000),
        prediction(2, LAST_NEEDED + 10_000),
        prediction(3, 2_000, record=LAST_NEEDED + 10_000),
        prediction(4, LAST_NEEDED + 50_000),
        label(5, LAST_NEEDED + 60_000, "no"),
    ]
    late = 0.0
    for end in range(1, len(sent) + 1):
        stage.absorb(fetch(sent[:end], first=end - 1))
        flushed = stage.flush()
        late += sum(LAYOUT.traffic(one.counts, "late") for one in flushed.summaries if one.revision == 1)
        keep(flushed, saved)
    assert late == 1
    windows, rows = revisions_of(saved)
    assert windows | rows == {2, 3}  # a label may still belong to 2


def test_rows_that_wait_for_more_are_judged_by_the_revisions_that_were_known_when_they_came():
    known = Monitors([Monitor(specification=specification())])
    stage = Summarise(0, known)
    stage.absorb(fetch([prediction(1, 1_000)]))
    known.add(Monitor(specification=specification(max_groups=7), revision=2, effective_from=0))
    stage.absorb(fetch([prediction(1, 1_000), prediction(2, 2_000)], first=1))
    assert [(summary.revision, summary.counts[LAYOUT.blocks["traffic"]][0]) for summary in stage.flush().summaries] == [(1, 1.0), (2, 1.0)]


CHANGED = Monitors([Monitor(specification=specification()), Monitor(specification=specification(lateness=10_000), revision=2, effective_from=30_000)])


def told_of_changed(sent: list[Sent], cuts: list[int]) -> tuple[dict[tuple[int, int, str], list[float]], dict[int, tuple[int, str]]]:
    """Last summary of every pane of two revisions, and by the offset that completed them the joined event and its label."""
    stage, panes, joined, first = Summarise(0, CHANGED), {}, {}, 0
    for end in sorted({*cuts, len(sent)}):
        stage.absorb(fetch(sent[:end], first=first))
        flushed = stage.flush()
        panes |= {(one.revision, one.start, one.version): one.counts.tolist() for one in flushed.summaries}
        for rows in (part.examples() for part in flushed.examples):
            joined |= dict(zip(rows.offset.tolist(), zip(rows.event_id.tolist(), rows.label.tolist(), strict=True), strict=True))
        first = end
    return panes, joined


in_order = st.lists(events, min_size=1, max_size=25).map(lambda sent: sorted(sent, key=lambda one: one.record))


@settings(max_examples=200)
@given(st.one_of(logs, in_order), st.lists(st.integers(1, 24), max_size=6))
@example([label(1, 29_000, "yes"), prediction(1, 30_000)], [1])
@example([label(1, 29_000, "yes", record=30_000), prediction(1, 30_000)], [1])
def test_how_the_log_is_cut_changes_no_join_of_any_revision(sent: list[Sent], cuts: list[int]):
    assert told_of_changed(sent, [cut for cut in cuts if cut < len(sent)]) == told_of_changed(sent, [])


def test_a_label_that_comes_before_the_first_prediction_of_its_revision_is_joined():
    sent = [prediction(9, 1_000), label(1, 29_000, "yes", record=30_000), prediction(1, 30_500)]
    assert told_of_changed(sent, [1, 2])[1] == told_of_changed(sent, [])[1] == {2: (1, "yes")}


def test_a_label_read_before_its_revision_was_in_force_waits_for_none_of_its_predictions():
    sent = [label(1, 29_000, "yes"), prediction(1, 30_500)]
    assert told_of_changed(sent, [1])[1] == told_of_changed(sent, [])[1] == {}
