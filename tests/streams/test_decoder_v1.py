"""Wire format v1: bad lines cost their good neighbours nothing, and never stop the decoder."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detectors.monitor import Monitor, Monitors
from detectors.settings.feature import Feature
from detectors.specification import MonitorSpecification
from streams.formats.decoded import Decoded
from streams.formats.event_columns import event_hash
from streams.formats.v1 import Decoder
from streams.source_records import SourceRecords
from tests.detectors.event_samples import specification

NOW = 1_700_000_000_000
MONITORS = Monitors([Monitor(specification=specification()), Monitor(specification=MonitorSpecification(model="rent", task="regression"))])
BAD = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"\xff\xfe",
    b'{"event_id":"x","model":"churn","prediction":"\xff"}',
    b'{"event_id":"x","model":"churn","prediction":"no","features":{"plan":"\xff"}}',
    b'{"event_id":"x","model":"churn","prediction":"no","features":{"age":"old"}}',
    b'{"event_id":"x","model":"churn","prediction":"no","features":null}',
    b'{"event_id":"x","model":"churn","prediction":"no","timestamp":-1e300}',
    b'{"event_id":"x","model":"churn","prediction":"no","timestamp":1e300}',
    b'{"event_id":"x","model":"churn","prediction":"no","timestamp":1' + b"0" * 400 + b"}",
    b'{"event_id":"x","model":"rent","prediction":-1' + b"0" * 400 + b"}",
    b'{"event_id":"x","model":"rent","kind":"label","label":1' + b"0" * 400 + b"}",
    b'{"event_id":"x","model":"rent","prediction":true}',
    b'{"event_id":"x","model":"churn","prediction":"no","timestamp":"0001-01-01T00:00:00+14:00"}',
    b'{"event_id":"x","model":"churn","prediction":"no","features":{"age":1e999}}',
    b'{"event_id":"x","model":"churn","prediction":"no","probabilities":{"yes":2}}',
    b'{"event_id":"x","model":"churn","prediction":"no","x":' + b"[" * 9_000 + b"]" * 9_000 + b"}",
    b'{"event_id":"","model":"churn","prediction":"no"}',
    b'{"event_id":"x","model":"","prediction":"no"}',
    b'{"event_id":"x","model":"churn","kind":"label"}',
]


@dataclass(frozen=True)
class Received:
    offset: int
    value: bytes | None
    timestamp: int = NOW
    key: bytes | None = None


def decode(*values: bytes | None) -> Decoded:
    return Decoder(MONITORS).decode(SourceRecords.of(Received(offset, value) for offset, value in enumerate(values)), high=0, end=len(values))


def good(number: int, style: int) -> bytes:
    event = {"event_id": f"good{number}", "model": "churn", "prediction": "no", "features": {"age": float(number), "plan": "free"}}
    text = json.dumps(event).encode()
    return [text, text.replace(b", ", b",\r "), b"  " + text + b"\r", text.replace(b"free", "fr\u2028ee".encode())][style]


lines = st.lists(st.one_of(st.integers(0, 3), st.sampled_from(BAD[1:])), min_size=1, max_size=6)


@settings(max_examples=200)
@given(st.lists(lines, min_size=1, max_size=6))
def test_every_good_line_is_counted_and_every_bad_one_is_dead_lettered_as_it_was_received(records: list[list[int | bytes]]):
    values, expected, refused = [], [], []
    for record in records:
        texts = []
        for line in record:
            if isinstance(line, int):
                expected.append(f"good{len(expected)}")
                texts.append(good(len(expected) - 1, line))
            else:
                texts.append(line)
                refused.append(line)
        values.append(b"\n".join(texts))
    decoded = decode(*values)
    ids = [identity for batch in decoded.fetch.batches for identity in batch.event_id.tolist()]
    assert ids == [event_hash(identity) for identity in expected]
    assert sorted(dead.value or b"" for dead in decoded.dead_letters) == sorted(refused)
    assert decoded.fetch.rejected == len(refused)
    assert all(dead.reason for dead in decoded.dead_letters)


@settings(max_examples=200)
@given(st.lists(st.one_of(st.binary(max_size=60), st.none()), max_size=5))
def test_no_bytes_stop_the_decoder_and_none_vanish(values: list[bytes | None]):
    decoded = decode(*values)
    assert {dead.offset for dead in decoded.dead_letters} == {offset for offset, value in enumerate(values) if value != b'{"kind":"time"}'}  # which may be drawn, and is no event


@pytest.mark.parametrize("bad", BAD)
def test_each_kind_of_bad_input_is_refused_alone(bad: bytes):
    (dead,) = decode(bad).dead_letters
    assert dead.value == bad


def test_an_event_may_be_written_over_several_lines():
    (batch,) = decode(json.dumps(json.loads(good(7, 0)), indent=2).encode()).fetch.batches
    assert batch.feature("age").tolist() == [7.0]


def test_a_control_record_moves_time_and_is_no_event():
    decoded = decode(b'{"kind":"time"}')
    assert (decoded.fetch.high, decoded.fetch.batches, decoded.dead_letters) == (NOW, (), ())


def test_an_unmonitored_model_is_counted_by_name():
    assert decode(b'{"event_id":1,"model":"fraud","prediction":"no"}').fetch.unmonitored == {"fraud": 1}


def test_a_number_and_its_text_are_the_same_event_id():
    (batch,) = decode(b'{"event_id":7,"model":"churn","prediction":"no"}\n{"event_id":"7","model":"churn","kind":"label","label":"no"}').fetch.batches
    assert len(np.unique(batch.event_id)) == 1


def test_the_story_of_a_dead_letter_is_short_however_long_its_cause():
    for event in ({"kind": "x" * 700_000}, {"model": "rent", "prediction": "x" * 700_000}, {"model": "m" * 700_000}, {"prediction": "no", "probabilities": {"x" * 700_000: 2}}):
        (dead,) = decode(json.dumps({"event_id": "a", "model": "churn"} | event).encode()).dead_letters
        assert 0 < len(dead.reason) <= 200
        assert len(dead.path) <= 200


@pytest.mark.parametrize("bad", [{"prediction": None}, {"prediction": "no", "features": {"age": "old"}}])
def test_bad_events_over_several_lines_share_one_dead_letter_which_holds_their_record(bad: dict[str, object]):
    event = json.dumps({"event_id": "a", "model": "churn"} | bad, indent=1).encode() + b"\n"
    decoded = decode(event * 2_000, event)
    shared, alone = decoded.dead_letters
    assert (shared.offset, shared.index, shared.value) == (0, 0, event * 2_000)
    assert shared.reason.startswith("2000 events of this record; the first: ")
    assert (alone.offset, alone.value) == (1, event)
    assert decoded.fetch.rejected == 2_001


def test_a_record_of_nothing_but_bad_lines_is_one_dead_letter_and_its_good_lines_are_counted():
    record = b"{\n" * 100_000 + good(7, 0)
    decoded = decode(record)
    (dead,) = decoded.dead_letters
    assert (dead.index, dead.value) == (0, record)
    assert decoded.fetch.rejected == 100_000
    assert [len(batch) for batch in decoded.fetch.batches] == [1]


@pytest.mark.parametrize("kept", [{"features": {"plan": "x" * 300_000}}, {"prediction": "x" * 300_000}, {"model_version": "x" * 300_000}, {"segments": {"country": "x" * 300_000}}])
def test_what_would_not_fit_the_records_that_keep_it_is_refused(kept: dict[str, object]):
    (dead,) = decode(json.dumps({"event_id": "a", "model": "churn", "prediction": "no"} | kept).encode()).dead_letters
    assert "bytes, allowed are 262144" in dead.reason


@settings(max_examples=200)
@given(st.text(st.characters(), max_size=4))
@example('weight "kg"')
@example("a\\b")
@example("tab\there")
@example("\ud800")
@example("")
@example("\x7f")
def test_a_feature_whose_name_a_monitor_accepts_can_be_read(name: str):
    try:
        applied = MonitorSpecification(model="churn", features={name: Feature()})
    except ValueError:
        assert re.search('["\\\\\x00-\x1f\ud800-\udfff]', name), "a readable name was refused"
        return
    value = json.dumps({"event_id": "a", "model": "churn", "prediction": "no", "features": {name: 7}}).encode()
    (batch,) = Decoder(Monitors([Monitor(specification=applied)])).decode(SourceRecords.of([Received(0, value)]), high=0, end=1).fetch.batches
    assert batch.feature(name).tolist() == [7.0]


def test_a_large_field_that_nobody_declared_costs_nothing():
    assert decode(json.dumps({"event_id": "a", "model": "churn", "prediction": "no", "image": "x" * 900_000}).encode()).dead_letters == ()
