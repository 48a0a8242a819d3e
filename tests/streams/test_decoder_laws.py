"""Wire format v1: a fetch is what its records are, however they are mixed; whatever is taken together must not show."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.event_batch import EventBatch, plain
from detectors.monitor import Monitor, Monitors
from detectors.settings.feature import Feature
from detectors.specification import MonitorSpecification
from streams.formats.decoded import Decoded
from streams.formats.v1 import Decoder
from streams.source_records import SourceRecords
from tests.detectors.event_samples import specification

NOW = 1_700_000_000_000
MONITORS = Monitors(
    [
        Monitor(specification=specification(segments=("country",))),
        Monitor(specification=MonitorSpecification(model="price", task="regression", features={"area": Feature(), "rooms": Feature()}, sampling="weighted")),
        Monitor(specification=MonitorSpecification(model="spam", positive="yes", features={"length": Feature()})),
        Monitor(specification=MonitorSpecification(model="scam", positive="no", features={"length": Feature()}, max_ahead=1)),
        Monitor(specification=MonitorSpecification(model="sham", positive="no", features={"length": Feature()})),
        Monitor(specification=MonitorSpecification(model="sham", positive="yes", features={"length": Feature()}), revision=2, effective_from=NOW // 10_000 * 10_000 + 20_000),
    ]
)

values = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(-2, 2), st.sampled_from(["a", "b", ""]))
numbers = st.one_of(st.none(), st.integers(-3, 3), st.floats(-2, 2), st.just(10**400), st.just("old"))
times = st.one_of(
    st.none(),
    st.integers(NOW - 5, NOW + 5),
    st.floats(NOW - 5, NOW + 5),
    st.sampled_from(["2023-11-14T22:13:20.123456Z", "2023-11-14T23:13:20+01:00", "2023-11-14", 10**400, -(10**17), NOW + 10**9]),
)
features = st.dictionaries(st.sampled_from(["age", "plan", "area", "rooms", "length", "other"]), st.one_of(numbers, values), max_size=4)
events = st.fixed_dictionaries(
    {"event_id": st.one_of(st.integers(0, 9), st.sampled_from(["a", "b", ""])), "model": st.sampled_from(["churn", "price", "spam", "scam", "sham", "fraud", ""])},
    optional={
        "kind": st.sampled_from(["prediction", "label", "features", "time", "rumour"]),
        "timestamp": times,
        "model_version": st.one_of(st.none(), st.integers(1, 2), st.sampled_from(["1", "2"])),
        "features": features,
        "prediction": values,
        "label": values,
        "score": st.one_of(st.none(), st.floats(-0.5, 1.5)),
        "probabilities": st.one_of(st.none(), st.dictionaries(st.sampled_from(["yes", "no"]), st.floats(-0.5, 1.5))),
        "segments": st.one_of(st.none(), st.dictionaries(st.sampled_from(["country", "device"]), values)),
        "latency_ms": st.one_of(st.none(), st.floats(0, 9)),
        "sampling_fraction": st.one_of(st.none(), st.floats(0.1, 1), st.floats(-0.5, 1.5), st.sampled_from([1, True, "half", [1]])),
        "status": st.sampled_from([200, 500, "error"]),
    },
)
plain_events = st.fixed_dictionaries(
    {"event_id": st.integers(0, 99), "model": st.just("churn"), "prediction": st.sampled_from(["no", "yes"]), "features": st.just({"age": 1.5})},
    optional={"timestamp": st.integers(NOW - 5, NOW + 5)},
)
texts = st.one_of(plain_events.map(json.dumps), plain_events.map(json.dumps), events.map(json.dumps), st.sampled_from(["{", "", "null", '{"event_id":1}{"event_id":2}'])).map(
    str.encode
)


def decode(texts: list[bytes], first: int) -> Decoded:
    n = len(texts)
    records = SourceRecords(offsets=np.arange(first, first + n), timestamps=np.full(n, NOW), keys=[None] * n, values=texts)
    return Decoder(MONITORS).decode(records, high=NOW, end=first + n)


def rows(batches: tuple[EventBatch, ...]) -> dict[tuple[Any, ...], list[Any]]:
    """All that a batch says of each event, by its place in the log and the revisions that read it."""
    found: dict[tuple[Any, ...], list[Any]] = {}
    for batch in [part for whole in batches for part in whole.by_model()]:
        columns = [batch.kind, batch.event_id, batch.timestamp, batch.high, batch.version, batch.segment, batch.prediction, batch.label, batch.score, batch.latency, batch.failed]
        columns += [np.ones(len(batch)) if batch.weight is None else batch.weight]
        columns += [batch.feature(name) for name in sorted([*batch.numeric_names, *batch.categorical])]
        for row, place in enumerate(zip(batch.offset.tolist(), batch.index.tolist(), strict=True)):
            assert (*place, batch.revisions) not in found
            found[*place, batch.revisions] = [batch.model, *(repr(plain(column)[row]) for column in columns)]
    return found


@settings(max_examples=300)
@given(st.lists(texts, min_size=1, max_size=40))
def test_a_fetch_is_decoded_as_its_records_would_be_one_by_one(texts: list[bytes]):
    together = decode(texts, 0)
    alone = [decode([text], place) for place, text in enumerate(texts)]
    assert rows(together.fetch.batches) == rows(tuple(batch for one in alone for batch in one.fetch.batches))
    assert together.dead_letters == tuple(letter for one in alone for letter in one.dead_letters)
    unmonitored: dict[str, int] = {}
    for one in alone:
        for model, count in one.fetch.unmonitored.items():
            unmonitored[model] = unmonitored.get(model, 0) + count
    assert together.fetch.unmonitored == unmonitored


@settings(max_examples=100)
@given(st.lists(texts, min_size=1, max_size=20))
def test_json_lines_are_the_events_of_single_records(texts: list[bytes]):
    lines = [text for text in texts if text]
    together = decode([b"\n".join(lines)], 0) if lines else decode([], 0)
    alone = decode(lines, 0)
    assert [row[:3] for row in rows(together.fetch.batches).values()] == [row[:3] for row in rows(alone.fetch.batches).values()]
    assert [(letter.index, letter.reason) for letter in together.dead_letters] == [(letter.offset, letter.reason) for letter in alone.dead_letters]


def test_events_are_in_log_order_also_where_reading_them_together_was_given_up():
    good = [json.dumps({"event_id": place, "model": "churn", "prediction": "no"}).encode() for place in range(200)]
    mixed = [text.replace(b"churn", b"spam") if place % 3 == 1 and place > 40 and place % 25 else text for place, text in enumerate(good)]
    batches = {part.model: part for batch in decode(mixed, 0).fetch.batches for part in batch.by_model()}
    assert sum(len(batch) for batch in batches.values()) == 200
    assert all((np.diff(batch.offset) > 0).all() for batch in batches.values())
