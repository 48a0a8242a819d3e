"""Wire format v1: bad lines cost their good neighbours nothing, and never stop the decoder."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.formats.decoded import Decoded
from streams.formats.event_columns import event_hash
from streams.formats.v1 import Decoder
from streams.source_records import SourceRecords
from tests.detectors.event_samples import monitors

NOW = 1_700_000_000_000
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
    return Decoder(monitors()).decode(SourceRecords.of(Received(offset, value) for offset, value in enumerate(values)), high=0, end=len(values))


def good(number: int, style: int) -> bytes:
    event = {"event_id": f"good{number}", "model": "churn", "prediction": "no", "features": {"age": float(number), "plan": "free"}}
    text = json.dumps(event).encode()
    return [text, text.replace(b", ", b",\r "), b"  " + text + b"\r", text.replace(b"free", "fr\u2028ee".encode())][style]


lines = st.lists(st.one_of(st.integers(0, 3), st.sampled_from(BAD[1:])), min_size=1, max_size=6)


@settings(max_examples=200, deadline=None)
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


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=60), st.none()), max_size=5))
def test_no_bytes_stop_the_decoder_and_none_vanish(values: list[bytes | None]):
    decoded = decode(*values)
    assert {dead.offset for dead in decoded.dead_letters} == set(range(len(values)))


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
