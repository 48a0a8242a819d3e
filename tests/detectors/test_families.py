"""Models of a family share their steps, their stores and their pieces of state, and have what each has in a stage of its own."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.coded_text import CodedText
from detectors.event_batch import EventBatch
from detectors.monitor import Monitor, Monitors
from detectors.piece import Piece
from detectors.rows.row_blocks import ROWS
from detectors.rows.row_entries import RowKeys
from detectors.rows.row_store import RowStore
from detectors.settings.watching import Labels
from detectors.summarise import Fetch, Summarise
from tests.detectors.event_samples import Sent, fetch, label, prediction, specification

MODELS = ("a", "b", "c", "d")
MONITORS = [
    Monitor(
        specification=specification(corrections=model == "d").model_copy(
            update={"model": model, "labels": Labels(timeout=160_000, max_waiting=3, corrections=model == "d")}  # all are a family but the last
        )
    )
    for model in MODELS
]

times = st.integers(0, 12).map(lambda step: step * 5_000)
events = st.one_of(
    st.builds(prediction, st.integers(1, 5), times, outcome=st.sampled_from(["no", "yes"]), label=st.sampled_from([None, None, "no"]), version=st.sampled_from("12")),
    st.builds(label, st.integers(1, 5), times, st.sampled_from(["no", "yes"])),
)
logs = st.lists(st.tuples(events, st.integers(0, len(MODELS) - 1)), min_size=1, max_size=30)
Log = list[tuple[Sent, int]]


def mixed(log: Log, first: int, end: int, *, only: int | None = None) -> Fetch:
    """Rows of many models in one batch, or of one of them by itself."""
    whole = fetch([sent for sent, _ in log[:end]], first=first)
    (batch,) = whole.batches
    of = np.array([model for _, model in log[first:end]], np.int32)
    if only is None:
        return replace(whole, batches=(replace(batch, model="", models=CodedText(MODELS, of)),))
    own = batch.take(of == only)
    return replace(whole, batches=(replace(own, model=MODELS[only]),) if len(own) else ())


class Told:
    """What a stage has said, and what it has saved."""

    def __init__(self) -> None:
        self.windows: dict[object, list[float]] = {}
        self.examples: set[tuple[object, ...]] = set()
        self.saved: dict[object, Piece] = {}
        self.manifest: dict | None = None

    def hear(self, stage: Summarise, *, saving: int = -1, ends: bool = True) -> None:
        """Flush; save some pieces alone, where the epoch does not end."""
        flushed = stage.flush()
        self.windows |= {("pane", one.model, one.version, one.start): one.counts.tolist() for one in flushed.summaries}
        self.windows |= {("cohort", one.model, one.version, one.start): one.counts.tolist() for one in flushed.cohorts}
        for rows in (own.examples() for part in flushed.examples for own in part.by_model()):
            self.examples |= set(zip([rows.model] * len(rows), rows.offset.tolist(), rows.prediction.tolist(), rows.label.tolist(), rows.event_id.tolist(), strict=True))
        for place, piece in enumerate(flushed.pieces):
            if saving >> (place % 16) & 1:
                self.saved.pop(piece.key, None)
                if piece.value is not None:
                    self.saved[piece.key] = piece
        if ends:
            self.manifest = stage.manifest()

    @property
    def counts(self) -> dict[object, list[float]]:
        return {key: counts for key, counts in self.windows.items() if any(counts)}


def alone(log: Log) -> Told:
    told = Told()
    for place, monitor in enumerate(MONITORS):
        stage = Summarise(0, Monitors([monitor]))
        stage.absorb(mixed(log, 0, len(log), only=place))
        told.hear(stage)
    return told


def without_given_up(counts: dict[object, list[float]]) -> dict[object, list[float]]:
    """What was given up is counted where a batch ends, so the place of it depends on the cut."""
    return {key: one if key[0] == "cohort" else [*one[:8], 0.0, *one[9:]] for key, one in counts.items()}  # type: ignore[index]


@settings(max_examples=150)
@given(logs, st.lists(st.integers(1, 30), max_size=4), st.sampled_from(["epochs", "fetches", "fetches that wait"]))
def test_models_of_a_mixed_batch_are_summarised_as_each_alone_however_the_log_is_cut(log: Log, cuts: list[int], into: str):
    stage, told, first = Summarise(0, Monitors(MONITORS)), Told(), 0
    with patch("detectors.summarise.ROWS_AT_ONCE", 1_000 if into == "fetches that wait" else 1):
        for end in sorted({*(cut for cut in cuts if cut < len(log)), len(log)}):
            stage.absorb(mixed(log, first, end))
            if into == "epochs":
                told.hear(stage)
            first = end
    told.hear(stage)
    expected = alone(log)
    found = {key: counts for key, counts in without_given_up(told.counts).items() if any(counts)}
    assert found == {key: counts for key, counts in without_given_up(expected.counts).items() if any(counts)}
    assert told.examples == expected.examples


@settings(max_examples=150)
@given(logs, st.integers(0, 30), st.integers(0, 30), st.integers(0, 2**16))
def test_a_family_goes_on_where_a_worker_died_in_the_middle_of_an_epoch(log: Log, first_cut: int, second_cut: int, acknowledged: int):
    cut, end = sorted((min(first_cut, len(log)), min(second_cut, len(log))))
    stage, told = Summarise(0, Monitors(MONITORS)), Told()
    for first, last, saving in ((0, cut, -1), (cut, end, acknowledged)):
        if first < last:
            stage.absorb(mixed(log, first, last))
        told.hear(stage, saving=saving, ends=saving == -1)
    successor = Summarise(0, Monitors(MONITORS[::-1]))  # whose models have other places
    successor.restore(told.manifest, told.saved.values())
    if cut < len(log):
        successor.absorb(mixed(log, cut, len(log)))
    told.hear(successor)
    expected = alone(log)
    found = {key: counts for key, counts in without_given_up(told.counts).items() if any(counts)}
    assert found == {key: counts for key, counts in without_given_up(expected.counts).items() if any(counts)}
    assert told.examples == expected.examples


def test_a_model_beyond_its_bound_takes_no_more_room_beside_one_that_waits():
    store, bound, at_once = RowStore(group_length=10**9, max_rows=1_000), 1_000, 10_000
    store.reach(2)
    quiet = np.arange(0, 40 * at_once, at_once)
    for first in range(0, 40 * at_once, at_once):
        position = np.arange(first, first + at_once)
        owner = (position % at_once == 0).astype(np.int32)
        order = np.argsort(owner, kind="stable")
        rows = RowKeys(position.astype(np.uint64), owner, position, position).take(order)
        store.append(rows, {"value": rows.position * 2.0})
        store.trim()
    assert store.counts.tolist() == [bound, 40]
    asked = RowKeys(quiet.astype(np.uint64), np.ones(40, np.int32), np.full(40, 10**9), np.zeros(40, np.int64))
    found = store.find(asked)
    assert (found.mask.all(), (store.column("value", found, found.mask) == quiet * 2.0).all()) == (True, True)
    assert len(store._blocks._blocks) * ROWS <= 2 * ROWS


def test_batches_keep_whose_their_rows_are():
    log: Log = [(prediction(event, event), event % 3) for event in range(6)]
    (batch,) = mixed(log, 0, 6).batches
    assert EventBatch.concatenate([batch, batch]).model_of.to_text().tolist() == ["a", "b", "c"] * 4
    assert batch.take(slice(1, 3)).model_of.to_text().tolist() == ["b", "c"]


def test_examples_of_an_epoch_keep_their_model_when_its_family_has_grown_in_it():
    revisions = [Monitor(specification=MONITORS[0].specification, revision=revision, effective_from=10_000 * (revision - 1)) for revision in (1, 2)]
    stage = Summarise(0, Monitors([*revisions, *MONITORS[1:3]]))  # two of the family have one name

    def absorb(log: list[Sent], first: int, of: list[str]) -> None:
        whole = fetch(log, first=first)
        stage.absorb(replace(whole, batches=(replace(whole.batches[0], model="", models=CodedText.of(of)),)))

    log = [prediction(1, 0), prediction(2, 20_000), prediction(3, 20_000), prediction(4, 20_000)]
    absorb(log, 0, ["a", "a", "b", "b"])
    stage.flush()
    log += [label(3, 22_000, "yes")] * 1_000
    absorb(log, 4, ["b"] * 1_000)
    log += [prediction(5, 22_000)] + [label(4, 22_000, "yes")] * 2_000
    absorb(log, 1_004, ["c"] + ["b"] * 2_000)
    assert [(rows.model, rows.event_id.tolist()) for rows in stage.flush().examples] == [("b", [3]), ("b", [4])]
