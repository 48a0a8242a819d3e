"""A reference that is learnt is made of the first events by their times: in whatever order they came, however the log was cut, and whoever died in the middle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.bundle import Bundle
from detectors.detect import Detect
from detectors.detection.learning import Learning
from detectors.event_batch import FEATURES, PREDICTION
from detectors.monitor import Monitor, Monitors
from detectors.panes.layout import Layout
from detectors.piece import Piece, PieceKey
from detectors.references.reference import profile_of
from detectors.references.stream_reference import Learnt, keeping_what_was_learnt, with_stream_profile
from detectors.rows.earliest_rows import EarliestRows
from detectors.settings.watching import Reference
from detectors.specification import MonitorSpecification
from detectors.summarise import Fetch, Summarise
from tests.detectors.event_samples import Sent, fetch, label, prediction, specification

N, PARTITIONS, LATENESS = 40, 2, 20_000
LEARNING = specification(lateness=LATENESS).model_copy(update={"reference": Reference().model_copy(update={"learn": N})})
MONITORS = Monitors([Monitor(specification=LEARNING)])


class Stage:
    """One stage of one partition, what it has saved, and a way to die."""

    def __init__(self, make):
        self._make = make
        self.now = make()
        self._manifest: dict[str, object] | None = None
        self._pieces: dict[PieceKey, Piece] = {}
        self.generation = 1

    def save(self, pieces, *, manifest: bool = True) -> None:
        """Keep what was flushed; a worker may die before the manifest."""
        for piece in pieces:
            if piece.value is None:
                self._pieces.pop(piece.key, None)
            else:
                self._pieces[piece.key] = piece
        if manifest:
            self._manifest = self.now.manifest()

    def die(self) -> int:
        """Begin anew from what was saved; returns the offset to read from."""
        self.now, self.generation = self._make(), self.generation + 1
        return self.now.restore(self._manifest, list(self._pieces.values()))


def learnt(logs: list[list[Sent]], cuts: list[list[int]], deaths: set[int]) -> list[Learnt]:
    """What detection says was learnt, epoch by epoch; in epochs of ``deaths`` a source partition's worker or detection's dies, with or without its pieces saved."""
    sources = [Stage(lambda number=number: Summarise(number, MONITORS)) for number in range(PARTITIONS)]
    detect, bundles, told = Stage(lambda: Detect(MONITORS)), [], []
    for epoch, ends in enumerate([*cuts, [len(log) for log in logs], None]):
        for number, (source, log) in enumerate(zip(sources, logs, strict=True)):
            if ends is not None and ends[number] > source.now.covered:
                source.now.absorb(fetch(log[: ends[number]], first=source.now.covered))
            flushed = source.now.flush()
            high = flushed.high if ends is not None else 10**9
            own = {"summaries": flushed.summaries, "cohorts": flushed.cohorts, "first_rows": flushed.first_rows}
            bundles.append(Bundle(partition=number, partitions=PARTITIONS, generation=source.generation, epoch=epoch, high=high, covered=flushed.covered, **own))
            if 3 * epoch + number in deaths:
                source.save(flushed.pieces if epoch % 2 else (), manifest=False)
                source.die()
            else:
                source.save(flushed.pieces)
        for offset in range(detect.now.covered, len(bundles)):
            detect.now.absorb(bundles[offset], offset)
        flushed = detect.now.flush()
        told += flushed.learnt
        if 3 * epoch + 2 in deaths:
            detect.save(flushed.pieces if epoch % 2 else (), manifest=False)
            detect.die()
        else:
            detect.save(flushed.pieces)
    return told


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 100), max_size=6), st.sets(st.integers(0, 23), max_size=6))
def test_the_first_events_by_time_are_the_reference_whatever_happens_on_the_way(seed, cut_at, deaths):
    random = np.random.default_rng(seed)
    at, delay = random.integers(0, 120, 80) * 500, random.integers(0, LATENESS - 10_000, 80)
    age, plan, outcome = (random.choice(values, 80).tolist() for values in ([10.0, 30.0, 31.5, np.nan], ["free", "paid", None], ["no", "yes"]))
    sent = [prediction(number, int(at[number]), age=age[number], plan=plan[number], outcome=outcome[number]) for number in range(80)]
    arrived = [sent[number] for number in np.argsort(at + delay).tolist()]
    twice = [again for one in arrived for again in ([one, one] if one.event % 7 == 0 else [one])]
    labels = [label(one.event, one.at, "yes") for one in arrived[:10]]
    logs = [[one for one in [*twice, *labels] if one.event % PARTITIONS == number] for number in range(PARTITIONS)]
    cuts = [[len(log) * cut // 100 for log in logs] for cut in sorted(cut_at)]

    first = sorted(sent, key=lambda one: (one.at, one.event))[:N]
    columns = {"age": np.array([one.age for one in first]), "plan": np.array([one.plan for one in first], object)}
    outputs = np.array([one.prediction for one in first], object)
    expected = profile_of(columns, features=LEARNING.features, task="classification", prediction=outputs)

    told = learnt(logs, cuts, deaths)
    assert told
    assert {one.specification.reference.profile.model_dump_json() for one in told} == {expected.model_dump_json()}
    assert {one.specification.digest for one in told} == {told[0].specification.digest}
    assert (told[0].model, told[0].revision, told[0].specification.reference.learnt) == ("churn", 1, True)


def summed(specification: MonitorSpecification, told: Fetch) -> np.ndarray:
    stage = Summarise(0, Monitors([Monitor(specification=specification)]))
    stage.absorb(told)
    return sum((one.counts for one in stage.flush().summaries), np.zeros(Layout(specification).size))


def test_panes_of_the_reference_s_own_events_count_what_it_holds_with_features_by_themselves_and_failed_predictions() -> None:
    sent = [prediction(number, number * 500, age=[np.nan, 25.0, 250.0][number % 3], plan=["free", None, "paid", "team"][number % 4]) for number in range(N)]
    plain = fetch(sent)
    numbers = np.arange(N)
    kinds = np.where(numbers % 5 < 2, FEATURES, PREDICTION).astype(np.uint8)
    told = replace(plain, batches=(replace(plain.batches[0], kind=kinds, failed=(kinds == PREDICTION) & (numbers % 7 == 0)),))
    learnt = with_stream_profile(LEARNING, EarliestRows.of(told.batches[0], 0))
    profile, layout, counts = learnt.reference.profile, Layout(learnt), summed(learnt, told)
    assert profile is not None
    age, plan, outcome = (counts[layout.blocks[name]].tolist() for name in ("feature:age", "feature:plan", "prediction"))
    assert age == [*profile.features["age"].counts, profile.features["age"].missing, profile.features["age"].out_of_range]
    assert plan == [*profile.features["plan"].counts, 0, profile.features["plan"].missing]
    assert outcome == [*profile.prediction.counts, 0, 0]
    assert sum(outcome) == np.count_nonzero((kinds == PREDICTION) & (numbers % 7 != 0))


def test_too_few_events_are_no_reference_and_every_pane_says_how_many_there_are() -> None:
    stage, detect = Summarise(0, MONITORS), Detect(MONITORS)
    stage.absorb(fetch([prediction(number, number * 1_000) for number in range(N - 1)]))
    flushed = stage.flush()
    detect.absorb(Bundle(partition=0, partitions=1, generation=1, epoch=1, high=10**6, covered=flushed.covered, summaries=flushed.summaries, first_rows=flushed.first_rows), 0)
    found = detect.flush()
    assert not found.learnt
    points = [point for point in found.points if point.tags.get("monitor") in {"feature:age", "prediction"}]
    assert {(point.tags["monitor"], point.fields["state"], point.fields["events"], point.fields["needed"]) for point in points} == {
        (name, "learning", N - 1, N) for name in ("feature:age", "prediction")
    }


def test_no_row_travels_once_all_first_rows_are_known_and_none_is_held_once_a_later_revision_is() -> None:
    monitors = Monitors([Monitor(specification=LEARNING)])
    stage, detect = Summarise(0, monitors), Detect(monitors)
    sent = [prediction(number, number * 1_000) for number in range(200)]
    rows, saved = [], {}
    for end in range(10, 201, 10):
        stage.absorb(fetch(sent[:end], first=end - 10))
        flushed = stage.flush()
        rows += [len(told.rows) for told in flushed.first_rows]
        detect.absorb(Bundle(partition=0, partitions=1, generation=1, epoch=end, high=flushed.high, covered=end, summaries=flushed.summaries, first_rows=flushed.first_rows), end)
        found = detect.flush()
        saved |= {piece.key: piece.value for piece in found.pieces if piece.key[0] == "learning"}
        for learnt in found.learnt:
            monitors.add(Monitor(specification=learnt.specification, revision=2, effective_from=10**9))
    assert sum(rows) == N
    assert saved
    assert not any(saved.values())


def rows(first: int, n: int) -> EarliestRows:
    numbers = np.arange(first, first + n)
    return EarliestRows(
        time=numbers, event_id=numbers.astype(np.uint64), partition=np.zeros(n, np.int32), position=numbers, answered=np.ones(n, bool), prediction=numbers / 1, columns={}
    )


def test_rows_are_saved_in_few_parts_each_a_few_times() -> None:
    learning, kept, written = Learning(4_096), {}, 0
    for number in range(4_096):
        learning.add(rows(number, 1))
        parts, gone = learning.changes()
        written += sum(len(part["time"]) for part in parts.values())
        kept = {key: part for key, part in (kept | parts).items() if key not in gone}
    assert len(kept) <= 12
    assert written <= 12 * 4_096
    again = Learning(4_096)
    for key, part in kept.items():
        again.restore(key, part)
    complete = again.complete(5_000)
    assert complete is not None
    assert complete.time.tolist() == list(range(4_096))


@pytest.mark.parametrize(
    ("change", "stays"),
    [({}, True), ({"owner": "team"}, True), ({"false_alarms": "1 per 7d"}, True), ({"features": {"age": {"maximum": 90}}}, False), ({"reference": {"learn": 600}}, False)],
)
def test_a_file_that_is_applied_again_keeps_what_was_learnt_unless_it_asks_for_another_reference(change: dict[str, object], stays: bool) -> None:
    plain = {"model": "churn", "features": {"age": {}}, "reference": {"learn": 500}}
    declared = MonitorSpecification.model_validate(plain)
    profile = profile_of({"age": np.arange(500.0)}, features=declared.features, task="classification")
    known = declared.model_copy(update={"reference": declared.reference.model_copy(update={"profile": profile, "learnt": True, "source": "learnt"})})
    kept = keeping_what_was_learnt(MonitorSpecification.model_validate(plain | change), known)
    assert (kept.reference.profile == profile, kept.reference.learning is None) == (stays, stays)
    assert change or kept == known


@pytest.mark.parametrize(
    ("said", "story"),
    [
        ({"reference": {"learn": 100}}, "greater than or equal to 500"),
        ({"reference": {"learn": 500, "profile": {"rows": 0, "features": {}}}}, "leave one of the two out"),
        ({"reference": {"learnt": True}}, "leave learnt out"),
        ({"reference": {"learn": 500}, "detectors": {"cycles": ["1d"]}}, "monitor infer --period"),
        ({"reference": {"learn": 500}, "sampling": "weighted"}, "reference.learn"),
    ],
)
def test_what_cannot_be_learnt_is_refused(said: dict[str, object], story: str) -> None:
    with pytest.raises(ValueError, match=story):
        MonitorSpecification.model_validate({"model": "churn"} | said)
