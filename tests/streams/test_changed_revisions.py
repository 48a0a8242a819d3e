"""Revisions that read events differently share a log: each takes the events of its own time by its own types, and nothing stops."""

from __future__ import annotations

import itertools
import json

import pytest

from detectors.event_batch import NO_TIME
from detectors.monitor import Monitor, Monitors
from detectors.rows.examples import Examples
from detectors.settings.feature import Feature
from detectors.settings.watching import Labels
from detectors.specification import MonitorSpecification
from detectors.summarise import Flushed, Summarise
from streams.formats.decoded import DeadLetter
from streams.formats.v1 import Decoder
from streams.source_records import SourceRecords
from tests.streams.test_decoder_v1 import Received

CHANGE = 20_000


def specification(**more: object) -> MonitorSpecification:
    labels = Labels(timeout=160_000)
    return MonitorSpecification(**({"model": "churn", "pane": 10_000, "lateness": 20_000, "labels": labels, "features": {"age": Feature()}} | more))  # type: ignore[arg-type]


def monitors(*specifications: MonitorSpecification) -> Monitors:
    return Monitors(Monitor(specification=one, revision=place + 1, effective_from=place * CHANGE or NO_TIME) for place, one in enumerate(specifications))


def run(known: Monitors, *events: dict[str, object]) -> tuple[Flushed, list[DeadLetter]]:
    """Every event is a record and a fetch of its own, with the event's time."""
    decoder, stage, dead = Decoder(known), Summarise(0, known), []
    for offset, event in enumerate(events):
        record = Received(offset, json.dumps({"model": "churn"} | event).encode(), int(event["timestamp"]))  # type: ignore[call-overload]
        decoded = decoder.decode(SourceRecords.of([record]), high=stage.high, end=offset + 1)
        stage.absorb(decoded.fetch)
        dead += decoded.dead_letters
    return stage.flush(), dead


def predicted(event: str, at: int, outcome: object = "no", **more: object) -> dict[str, object]:
    return {"event_id": event, "timestamp": at, "prediction": outcome} | more


def labelled(event: str, at: int, outcome: object) -> dict[str, object]:
    return {"event_id": event, "timestamp": at, "kind": "label", "label": outcome}


def rows(flushed: Flushed) -> dict[int, Examples]:
    """Joined rows by the revision that joined them: their columns differ."""
    of_revision = [list(parts) for _, parts in itertools.groupby(flushed.examples, key=lambda part: (type(part.label), part.numeric_names, tuple(part.categorical)))]
    return {revision: Examples.concatenate([part.examples() for part in parts]) for revision, parts in enumerate(of_revision, 1)}


TYPES = {"none": {}, "numeric": {"age": Feature()}, "categorical": {"age": Feature(type="categorical")}}
VALUES = {"none": 3, "numeric": 3.5, "categorical": "old"}


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations(TYPES, 2)))
def test_a_feature_that_comes_goes_or_changes_its_type_stops_nothing_and_refuses_nothing(before: str, after: str):
    known = monitors(specification(features=TYPES[before]), specification(features=TYPES[after]))
    old, new = {"features": {"age": VALUES[before]}}, {"features": {"age": VALUES[after]}}
    flushed, dead = run(
        known,
        predicted("a", 1_000, label="no", **old),
        predicted("b", 2_000, **old),
        labelled("b", 3_000, "yes"),
        predicted("c", 21_000, label="no", **new),
        predicted("d", 9_000, label="yes", **old),  # of the old revision's time, read after the new one's
        predicted("e", 22_000, **new),
        labelled("e", 23_000, "yes"),
    )
    assert dead == []
    assert {revision: part.label.tolist() for revision, part in rows(flushed).items()} == {1: ["no", "yes", "yes"], 2: ["no", "yes"]}
    for revision, kind in ((1, before), (2, after)):
        values = [value for column in rows(flushed)[revision].features.values() for value in column.tolist()]
        assert values == ([] if kind == "none" else [VALUES[kind]] * len(rows(flushed)[revision]))


def test_a_label_of_the_old_task_still_finds_its_prediction():
    known = monitors(specification(features={}), specification(features={}, task="regression"))
    flushed, dead = run(known, predicted("a", 1_000), labelled("a", 25_000, "yes"), predicted("b", 25_000, 2.5), labelled("b", 26_000, 3))
    assert dead == []
    assert [(part.prediction.tolist(), part.label.tolist()) for part in rows(flushed).values()] == [(["no"], ["yes"]), ([2.5], [3.0])]


def test_a_label_that_no_revision_can_read_is_refused_once():
    known = monitors(specification(task="regression"), specification(task="regression", features={}))
    _, dead = run(known, predicted("a", 1_000, 1.5), labelled("a", 25_000, "yes"))
    assert [(letter.offset, letter.path) for letter in dead] == [(1, "label")]


def test_a_bad_feature_is_refused_once_and_by_the_revision_of_its_time_alone():
    known = monitors(specification(), specification(features={"age": Feature(type="categorical")}))
    flushed, dead = run(known, predicted("a", 1_000, features={"age": "old"}), predicted("b", 21_000, features={"age": "old"}))
    assert [letter.offset for letter in dead] == [0]
    assert [(summary.revision, summary.start) for summary in flushed.summaries] == [(2, 20_000)]


def test_how_far_ahead_and_which_segments_follow_from_the_events_own_time():
    known = monitors(specification(max_ahead=5_000, segments=("city",)), specification(max_ahead=60_000, segments=("plan",)))
    segments = {"segments": {"city": "Rome", "plan": "free"}}
    decoder = Decoder(known)
    values = [predicted(str(at), at, **segments) for at in (4_000, 19_000, 25_000)]
    decoded = decoder.decode(SourceRecords.of([Received(offset, json.dumps({"model": "churn"} | value).encode(), 0) for offset, value in enumerate(values)]), high=0, end=3)
    assert [(letter.offset, letter.path) for letter in decoded.dead_letters] == [(1, "timestamp")]
    assert {one.revisions: one.segment.to_text().tolist() for one in decoded.fetch.batches} == {(1,): ["city=Rome"], (2,): ["plan=free"]}


def test_events_before_any_revision_are_counted_once_whatever_the_revisions_declare():
    known = Monitors([Monitor(specification=specification(), effective_from=20_000), Monitor(specification=specification(features={}), revision=2, effective_from=40_000)])
    flushed, dead = run(known, predicted("a", 1_000), labelled("b", 2_000, "yes"))
    assert (flushed.unmonitored, dead) == ({"churn": 2}, [])


def test_rows_of_different_revisions_become_one_table():
    known = monitors(specification(), specification(features={"age": Feature(type="categorical"), "plan": Feature(type="categorical")}))
    flushed, _ = run(known, predicted("a", 1_000, label="no", features={"age": 3}), predicted("b", 21_000, label="no", features={"age": "old", "plan": "free"}))
    whole = Examples.concatenate(list(rows(flushed).values()))
    assert {name: column.tolist() for name, column in whole.features.items()} == {"age": ["3", "old"], "plan": [None, "free"]}
