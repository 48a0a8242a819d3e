"""Plain JSON events are read by compiled loops; what these make of an event is what every other reader makes of it, or nothing."""

from __future__ import annotations

import json
import math
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.event_batch import Float64, Int64
from detectors.monitor import Monitor, Monitors
from detectors.settings.feature import Feature
from detectors.settings.watching import Quality
from detectors.specification import MonitorSpecification
from streams.formats import plain_columns
from streams.formats.decoded import Decoded
from streams.formats.event_schema import KINDS
from streams.formats.id_hashes import span_hashes
from streams.formats.plain_json import PlainReader, coded
from streams.formats.v1 import Decoder
from streams.source_records import SourceRecords
from tests.detectors.event_samples import specification
from tests.streams.test_decoder_laws import NOW, rows

FEATURES = {"age": Feature(), "size": Feature(), "plan": Feature(type="categorical"), "größe": Feature()}
FORMS = {
    "classification": specification(segments=("country", "device")),
    "numbers and categories": MonitorSpecification(model="churn", positive="yes", features=FEATURES),
    "regression": MonitorSpecification(model="churn", task="regression", features=FEATURES, max_ahead=10**15),
    "no other columns": MonitorSpecification(model="churn", features=FEATURES, quality=Quality(monitors=("schema",), ignored=("spare",))),
    "no features": MonitorSpecification(model="churn", features={}),
    "names that JSON writes in another way": MonitorSpecification(model="churn", features={"age": Feature()}, segments=("a\tb", 'a"b')),
}


@contextmanager
def plain_from(fewest: int) -> Iterator[None]:
    """Plain events are looked for among so many."""
    before = plain_columns.FEWEST
    plain_columns.FEWEST = fewest
    try:
        yield
    finally:
        plain_columns.FEWEST = before


def decode(form: str, texts: list[bytes], *, fewest: int) -> Decoded:
    one = FORMS[form]
    revised = one.model_copy(update={"model": "revised", "positive": "a", "max_ahead": 7})
    monitors = Monitors([Monitor(specification=one.model_copy(update={"model": name})) for name in ("churn", "chürn", "alike")])
    monitors.add(Monitor(specification=revised))
    monitors.add(Monitor(specification=revised.model_copy(update={"positive": "b"}), revision=2, effective_from=NOW // 10_000 * 10_000))
    n = len(texts)
    records = SourceRecords(offsets=np.arange(n), timestamps=np.full(n, NOW), keys=[None] * n, values=texts)
    with plain_from(fewest):
        return Decoder(monitors).decode(records, high=NOW, end=n)


def assert_read_alike(form: str, texts: list[bytes]) -> None:
    plain, others = decode(form, texts, fewest=1), decode(form, texts, fewest=10**9)
    assert rows(plain.fetch.batches) == rows(others.fetch.batches)
    assert plain.dead_letters == others.dead_letters
    assert plain.fetch.unmonitored == others.fetch.unmonitored


names = st.sampled_from(["a", "7", "größe", 'a"b', "a\\b", "a\n", "", "true", "None", "x" * 40])
scalars = st.one_of(st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.integers(-3, 3), st.floats(), names)
numbers = st.one_of(st.none(), st.integers(), st.floats(), st.floats(-9, 9).map(lambda value: round(value, 3)), st.sampled_from([-0.0, "1", True, 10**400]))
moments = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 28), timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3, minutes=-30)), None]))
times = st.one_of(
    st.none(),
    st.integers(NOW - 5, NOW + 5),
    st.floats(NOW - 5, NOW + 5),
    st.integers(),
    moments.map(datetime.isoformat),
    moments.map(lambda moment: moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")),
    st.sampled_from(["2024-02-29T12:00:00Z", "2023-02-29T12:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T00:00:60Z", "2024-01-01 00:00:00Z", "2024-01-01T00:00:00.1Z", "now"]),
)
FIELDS = {
    "kind": st.sampled_from(["prediction", "label", "features", "time", "rumour", "labels", "lab"]),
    "timestamp": times,
    "model_version": scalars,
    "features": st.one_of(
        st.dictionaries(st.sampled_from([*FEATURES, "spare", "other"]), st.one_of(numbers, scalars, st.just([1]))), st.sampled_from([None, 7]), st.just({"age": 1.5, "plan": "a"})
    ),
    "prediction": scalars,
    "label": scalars,
    "score": st.one_of(st.none(), st.floats(-0.1, 1.1), st.sampled_from([0, 1, 2, "1"])),
    "latency_ms": numbers,
    "probabilities": st.one_of(st.none(), st.dictionaries(st.sampled_from(["yes", "no"]), st.floats(0, 1))),
    "segments": st.one_of(st.none(), st.dictionaries(st.sampled_from(["country", "device", "other"]), scalars)),
    "status": st.one_of(st.sampled_from([200, 500, "error", "200", 2000, 20, -200, None]), scalars),
    "sampling_fraction": scalars,
    "other": st.one_of(scalars, st.just({}), st.just([])),
}
events = st.fixed_dictionaries({"event_id": scalars, "model": st.sampled_from(["churn", "chürn", "revised", "fraud", "", 7])}, optional=FIELDS)
sound = st.fixed_dictionaries(
    {"event_id": st.integers(0, 99).map(str), "model": st.sampled_from(["churn", "chürn", "revised", "alike"]), "prediction": st.integers(0, 1), "features": st.just({"age": 1.5})},
    optional={"timestamp": st.integers(NOW - 5, NOW), "label": st.integers(0, 1), "kind": st.sampled_from(["prediction", "label"])},
)


@st.composite
def written(draw: st.DrawFn) -> bytes:
    """An event in one of the ways in which JSON may be written."""
    event = draw(st.one_of(sound, sound, events))
    event = {name: event[name] for name in draw(st.permutations(list(event)))}
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", "\r:  ")]))
    text = json.dumps(event, separators=separators, ensure_ascii=draw(st.booleans()))
    if draw(st.integers(0, 5)) == 0:  # a field twice
        text = text[:-1] + draw(st.sampled_from([', "label": "b"}', ', "model": "churn"}', ', "features": {"age": 1, "age": 2}}', "} ", "}}", ',"a":-}', ',"a":01}', ',"a":1.}']))
    return draw(st.sampled_from(["", "", " ", "\t"])).encode() + text.encode()


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(list(FORMS)), st.lists(written(), min_size=1, max_size=12))
def test_plain_events_are_read_as_all_others_are(form: str, texts: list[bytes]):
    assert_read_alike(form, texts)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(list(FORMS)), st.lists(written(), min_size=1, max_size=3), st.data())
def test_no_byte_makes_a_difference(form: str, texts: list[bytes], data: st.DataObject):
    spoilt = []
    for text in texts:
        at = data.draw(st.integers(0, len(text)))
        put = data.draw(st.one_of(st.sampled_from([b"", b'"', b"\\", b"{", b"}", b",", b":", b"0", b"e", b"-", b"\0", b"\xff", b"\xc3", b"null"]), st.binary(max_size=2)))
        spoilt.append(text[:at] + put + text[at + data.draw(st.integers(0, 2)) :])
    assert_read_alike(form, [*texts, *(text for text in spoilt if b"\n" not in text)])


@pytest.mark.parametrize("form", [form for form in FORMS if "another way" not in form])
def test_no_event_that_is_sound_goes_the_other_way(form: str, monkeypatch: pytest.MonkeyPatch):
    texts = [
        json.dumps({"event_id": f"e{place}", "model": "churn", "timestamp": NOW - place, "features": {"age": place / 7}, "prediction": place % 2, "label": 1}).encode()
        for place in range(50)
    ]

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("read by objects")

    monkeypatch.setattr("streams.formats.event_schema.EventReader.decode_each", never)
    found = decode(form, texts, fewest=1)
    assert [len(batch) for batch in found.fetch.batches] == [50]
    with pytest.raises(AssertionError, match="read by objects"):
        decode(form, [*texts, texts[0].replace(b"e0", b"\\u0065")], fewest=1)


def read_numbers(texts: list[str]) -> tuple[list[bool], list[float]]:
    reader = PlainReader(numeric=("x",), categories=(), passed_over=(), segments=(), kinds=KINDS, any_feature=True, regression=False)
    lines = [b'{"event_id":"1","model":"m","features":{"x":%s}}' % text.encode() for text in texts]
    plain, _, _, _, _, matrix = reader.read(*joined(lines), np.zeros(len(lines), np.int64))
    return plain.tolist(), matrix[:, 0].tolist()


def joined(lines: list[bytes]) -> tuple[bytes, Int64]:
    return b"\0".join([*lines, b""]), np.cumsum([0, *(len(line) + 1 for line in lines)])


def bits(value: float) -> bytes:
    return struct.pack("d", value)


digits = st.text("0123456789", min_size=1, max_size=21)
decimals = st.builds(lambda sign, whole, rest, power: f"{sign}{int(whole)}.{rest}e{power}", st.sampled_from(["", "-"]), digits, digits, st.integers(-345, 310))
round_bits = st.builds(lambda bits, point, power: f"{2**bits // 10**point}.{2**bits % 10**point:0{point}}e{power}", st.integers(60, 70), st.integers(1, 20), st.integers(-2, 2))
"""Of which 64 bits keep nothing."""
halfway = st.builds(lambda number, power: f"{2 * number + 1}e{power}", st.integers(2**52, 2**53), st.integers(-2, 2))
"""Whole ones lie in the middle of two doubles."""


@settings(max_examples=1_000, deadline=None)
@given(st.lists(st.one_of(st.floats(allow_nan=False, allow_infinity=False).map(repr), st.floats(-1e3, 1e3).map(repr), decimals, halfway, round_bits), min_size=1, max_size=50))
def test_a_number_becomes_the_nearest_double(texts: list[str]):
    plain, values = read_numbers(texts)
    for text, is_plain, value in zip(texts, plain, values, strict=True):
        assert not is_plain or bits(value) == bits(float(text))


def test_numbers_as_programs_write_them_are_all_plain():
    rng = np.random.default_rng(1)
    values: Float64 = np.concatenate([rng.normal(size=5_000), 10 ** rng.uniform(-300, 300, 5_000), rng.integers(-(10**9), 10**9, 5_000).astype(float)])
    plain, found = read_numbers([repr(value) for value in values.tolist()])
    assert all(plain)
    assert found == values.tolist()


def test_what_is_no_normal_double_is_left_to_others():
    texts = ["1e400", "5e-324", "1e-400", "12345678901234567890123", "0x1", "+1", ".5", "1.", "--1", "1e", "Infinity", "nan"]
    texts += [str(2**64), "1.8446744073709551616", f"{2**64}000"]  # of which 64 bits keep 0
    assert read_numbers(texts)[0] == [False] * len(texts)
    assert read_numbers(["0", "-0", "0.0", "0e5", "00012"])[0] == [True] * 4 + [False]
    assert math.copysign(1, read_numbers(["-0.0"])[1][0]) == -1


def test_texts_are_the_same_where_their_bytes_are():
    rng = np.random.default_rng(2)
    texts = [b"%d" % number for number in rng.integers(0, 300, 2_000)]
    data, bounds = joined(texts)
    starts, ends = bounds[:-1].copy(), bounds[1:] - 1
    starts[::7] = -1
    codes, firsts = coded(data, starts, ends)
    present = [place for place in range(2_000) if place % 7]
    assert (codes[::7] == -1).all()
    levels = list(dict.fromkeys(texts[place] for place in present))
    assert [texts[first] for first in firsts.tolist()] == levels
    assert [levels[code] for code in codes[present].tolist()] == [texts[place] for place in present]
    assert (span_hashes(starts[1:7], (ends - starts)[1:7], np.frombuffer(data, np.uint8)) > 0).all()


@pytest.mark.parametrize("bounds", [[0], [0, 0, 5], [3, 2, 5], [0, 2, 99], [-1, 2, 5]])
def test_bounds_outside_the_data_are_refused(bounds: list[int]):
    reader = PlainReader(numeric=(), categories=(), passed_over=(), segments=(), kinds=KINDS, any_feature=True, regression=False)
    with pytest.raises(ValueError, match="expected bounds that ascend"):
        reader.read(b"{}\0{}\0"[:5], np.array(bounds), np.zeros(max(len(bounds) - 1, 0), np.int64))


def test_the_loops_are_compiled_where_there_is_a_compiler():
    assert plain_columns.COMPILED


def test_without_the_loops_all_is_read_as_before():
    program = (
        "import sys; sys.modules['streams.formats.plain_json'] = None\n"
        "from tests.streams import test_decoder_laws as laws\n"
        "from streams.formats import plain_columns\n"
        'texts = [b\'{"event_id": %d, "model": "churn", "prediction": "no"}\' % place for place in range(100)]\n'
        "print(plain_columns.COMPILED, sum(map(len, laws.decode(texts, 0).fetch.batches)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "100"]
