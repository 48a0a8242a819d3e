"""Lines are the same whether they are written from a point or, quickly, from its bytes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.errors import EventError
from detectors.point import Point
from streams.influx.lines import Latest, LineWriter, Told
from streams.wire import decode_points, encode_points

NAMES = st.sampled_from(["psi", "psi_low", "n", "prior.yes", "a b", "a,b", "a=b", "nüll", "null", "x:y", 'q"'])
VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**12), 10**12), st.booleans(), st.text(max_size=8), st.sampled_from(['a":1', "null", "a, b=c"])
)
POINTS = st.builds(
    Point,
    measurement=st.sampled_from(["drift", "odd, one"]),
    tags=st.dictionaries(st.sampled_from(["model", "feature", "a b"]), st.text(st.characters(codec="utf-8"), max_size=6), max_size=3),
    fields=st.dictionaries(NAMES, VALUES, min_size=1, max_size=4).flatmap(lambda fields: st.sampled_from([fields, fields | {"final": True}, fields | {"final": False}])),
    time=st.integers(0, 2 * 10**12),
)


def read(told: Told) -> list[tuple[bytes, float | bytes]]:
    """Plain fields as InfluxDB reads them: 5, 5.0 and 5e0 are one float."""
    pairs = [pair.split(b"=") for pair in told.line[len(told.series) + 1 : -len(told.time) - 1].split(b",")]
    return [(name, value if value in {b"true", b"false"} else float(value)) for name, value in pairs]


@given(st.lists(POINTS, min_size=1, max_size=4))
def test_what_is_written_from_bytes_is_what_is_written_from_points(points: list[Point]) -> None:
    record = encode_points(points)
    quick, slow = LineWriter(max_series=100), LineWriter(max_series=100)
    fast, plain = quick.of_record(record), slow.of(decode_points(record))
    assert [(told.series, told.time, told.final) for told in fast] == [(told.series, told.time, told.final) for told in plain]
    for one, other in zip(fast, plain, strict=True):
        assert one.line == other.line or read(one) == read(other)


def test_plain_numbers_travel_as_they_are() -> None:
    (told,) = LineWriter(max_series=1).of_record(b'{"measurement":"drift","tags":{"model":"churn"},"fields":{"psi":1e-07,"n":5,"final":true},"time":"1970-01-01T00:00:00.005Z"}')
    assert (told.line, told.final) == (b"drift,model=churn psi=1e-07,n=5,final=true 5", True)


@pytest.mark.parametrize("fields", ['{"a":{"b":1}}', '{"a":null}', '{"a":[1]}', "[]", '{"a":1', "{a:1}", pytest.param('{"a":' * 100_000, id="deep")])
def test_fields_that_are_none_are_refused(fields: str) -> None:
    record = b'{"measurement":"drift","tags":{},"fields":%b,"time":5}' % fields.encode()
    with pytest.raises(EventError):
        LineWriter(max_series=1).of_record(record)


def test_a_record_is_taken_whole_or_not_at_all() -> None:
    lines = LineWriter(max_series=1)
    good = [Point(measurement="drift", tags={"model": model}, fields={"psi": 1.0}, time=5) for model in ("churn", "other")]
    with pytest.raises(EventError):
        lines.of_record(encode_points(good) + b"\n{}")
    assert [told.series for told in lines.of_record(encode_points(good))] == [b"drift,model=churn"]


def test_spellings_of_one_series_are_one_series_and_take_a_bounded_memory() -> None:
    lines = LineWriter(max_series=2)
    for spaces in range(10):
        tags = b'{"b":"2",%b"a":"1"}' % (b" " * spaces)
        (told,) = lines.of_record(b'{"measurement":"drift","tags":%b,"fields":{"psi":1},"time":5}' % tags)
        assert told.series == b"drift,a=1,b=2"
    assert len(lines._series_of) <= 2


def test_a_provisional_point_never_replaces_a_final_one() -> None:
    lines, latest = LineWriter(max_series=9), Latest(remembered=9)

    def told(n: int, **final: bool) -> list[bytes]:
        fields = {"n": n, **final}
        return [told.line for told in latest.of(lines.of_record(msgspec.json.encode({"measurement": "traffic", "tags": {}, "fields": fields, "time": 5})))]

    assert [told(1, final=False), told(2, final=True), told(3, final=False), told(4), told(5, final=True)] == [
        [b"traffic n=1,final=false 5"],
        [b"traffic n=2,final=true 5"],
        [],
        [],
        [b"traffic n=5,final=true 5"],
    ]
