"""The wire: what we write follows the schemas, and comes back as it was."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from detectors.alerts.alert import Acknowledged, Alert
from detectors.errors import EventError
from detectors.event_batch import NO_TIME
from detectors.point import Point
from detectors.rfc3339 import format_time, parse_time
from detectors.verdict import Effect, Evidence
from retrainer.decision import Decision
from retrainer.versions import Request, Version
from streams.detect_driver import MAX_ALERT_BYTES
from streams.wire import (
    decode_alert,
    decode_decision,
    decode_points,
    decode_request,
    decode_version,
    encode_alert,
    encode_decision,
    encode_points,
    encode_request,
    encode_version,
    schema,
)

TIMES = st.integers(-62_135_596_800_000, 253_402_300_799_999)  # years 1 to 9999
TEXT = st.text(min_size=1, max_size=8)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)

EVIDENCE = st.builds(
    Evidence,
    name=TEXT,
    statistic=TEXT,
    value=NUMBERS,
    threshold=NUMBERS,
    effect=st.builds(Effect, name=TEXT, value=NUMBERS, interval=st.tuples(NUMBERS, NUMBERS), floor=NUMBERS),
    n_reference=NUMBERS,
    n_current=NUMBERS,
    reference=st.just({"edges": [1.0, 2.0], "counts": [3, 4, 5]}),
    current=st.just({"a": 1}),
)
ALERTS = st.builds(
    Alert,
    alert_id=TEXT,
    sequence=st.integers(0, 99),
    model=TEXT,
    model_version=TEXT,
    segment=st.just(""),
    opened_at=TIMES,
    updated_at=TIMES,
    change_at=TIMES | st.just(NO_TIME),
    summary=TEXT,
    budget=st.just("1 per 30d"),
    monitors=st.lists(EVIDENCE, max_size=2).map(tuple),
    causes=st.lists(TEXT, max_size=2).map(tuple),
    incident=TEXT,
    acknowledged=st.none() | st.builds(Acknowledged, by=TEXT, note=TEXT),
)
VERSIONS = st.builds(Version, model=TEXT, version=TEXT, at=TIMES, metrics=st.dictionaries(TEXT, NUMBERS), digest=st.just("sha256:" + "0" * 64), revision=st.integers(0, 9))
REQUESTS = st.builds(Request, request_id=TEXT, model=TEXT, requested_at=TIMES, since=st.none() | TIMES, until=st.none() | TIMES)


def _validate(name: Any, value: bytes) -> None:
    Draft202012Validator(schema(name), format_checker=Draft202012Validator.FORMAT_CHECKER).validate(msgspec.json.decode(value))


def _an_alert(**changes: Any) -> Alert:
    effect = Effect(name="shift in sigma", value=0.4, interval=(0.3, 0.5), floor=0.1)
    evidence = Evidence(name="feature:salary", statistic="scan", value=7.0, threshold=5.0, effect=effect, n_reference=10, n_current=5)
    fields = {"sequence": 0, "status": "opened", "kind": "drift", "severity": "warning", "model": "m", "model_version": "1", "segment": "", "opened_at": 1, "updated_at": 2}
    rest = {"change_at": 0, "summary": "s", "monitors": (evidence,), "budget": "1 per 30d"}
    return Alert(**({"alert_id": "a"} | fields | rest | changes))


@given(ALERTS)
def test_an_alert_follows_its_schema_and_comes_back_as_it_was(alert: Alert) -> None:
    value = encode_alert(alert)
    _validate("alert", value)
    assert decode_alert(value) == alert


@given(st.builds(Decision, model=TEXT, at=TIMES, stage=st.just("serving"), event=TEXT, instruction=st.just("Postpone"), cause=TEXT, reason=TEXT, version=TEXT))
def test_a_decision_follows_its_schema_and_comes_back_as_it_was(decision: Decision) -> None:
    value = encode_decision(decision)
    _validate("decision", value)
    assert decode_decision(value) == decision
    assert msgspec.json.decode(value)["decision_id"] == decision.decision_id


@given(VERSIONS)
def test_a_version_follows_its_schema_and_comes_back_as_it_was(version: Version) -> None:
    value = encode_version(version)
    _validate("version", value)
    assert decode_version(value) == version


@given(REQUESTS)
def test_a_request_follows_its_schema_and_comes_back_as_it_was(request: Request) -> None:
    value = encode_request(request)
    _validate("request", value)
    assert decode_request(value) == request


@given(TIMES)
def test_times_are_rfc_3339_outside_and_the_same_milliseconds_inside(milliseconds: int) -> None:
    assert parse_time(format_time(milliseconds)) == parse_time(milliseconds) == milliseconds


def test_times_are_accepted_as_epoch_milliseconds_too() -> None:
    content = msgspec.json.decode(encode_version(Version(model="m", version="1", status="promoted", at=1_700_000_000_123)))
    assert content["at"] == "2023-11-14T22:13:20.123Z"
    assert decode_version(msgspec.json.encode(content | {"at": 5})).at == 5
    _validate("version", msgspec.json.encode(content | {"at": 5}))


@pytest.mark.parametrize("time", ["2026-01-31", "2026-01-31T12:00:00", "yesterday", "", 1.5, True, [], {}])
def test_a_date_is_never_guessed(time: object) -> None:
    with pytest.raises(EventError, match="time"):
        parse_time(time)


def test_undefined_numbers_are_null_outside_and_nan_inside() -> None:
    nan = math.nan
    evidence = Evidence(name="x", statistic="s", value=nan, threshold=1, effect=Effect(name="e", value=nan, interval=(nan, 2), floor=nan), n_reference=nan, n_current=nan)
    value = encode_alert(_an_alert(monitors=(evidence,)))
    assert b"NaN" not in value
    _validate("alert", value)
    effect = decode_alert(value).monitors[0].effect
    assert math.isnan(effect.value)
    assert math.isnan(effect.interval[0])
    assert effect.interval[1] == 2


def test_counts_may_be_numpy_arrays() -> None:
    evidence = _an_alert().monitors[0]
    alert = _an_alert(monitors=(Evidence(**{**vars(evidence), "current": {"counts": np.array([1.0, 2.0]), "n": np.int64(3)}}),))
    assert decode_alert(encode_alert(alert)).monitors[0].current == {"counts": [1.0, 2.0], "n": 3}


def test_points_are_json_lines_without_undefined_fields() -> None:
    points = [
        Point(measurement="drift", tags={"model": "m"}, fields={"psi": 0.25, "final": True, "n": 3, "state": "ok", "ks": math.nan}, time=0),
        Point(measurement="drift", tags={}, fields={"psi": math.nan}, time=0),
        Point(measurement="errors", tags={}, fields={"rate": np.float64(0.5)}, time=86_400_000),
    ]
    value = encode_points(points)
    lines = value.splitlines()
    for line in lines:
        _validate("point", line)
    assert msgspec.json.decode(lines[0]) == {
        "measurement": "drift",
        "tags": {"model": "m"},
        "fields": {"psi": 0.25, "final": True, "n": 3, "state": "ok"},
        "time": "1970-01-01T00:00:00.000Z",
    }
    assert [(point.measurement, point.time) for point in decode_points(value)] == [("drift", 0), ("errors", 86_400_000)]
    assert encode_points([]) == b""
    assert decode_points(b"") == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"opened_at": "soon"}, "opened_at"),
        ({"status": "closed"}, "status"),
        ({"sequence": "1"}, "sequence"),
        ({"monitors": [{"name": 3}]}, "monitors[0].name"),
        ({"monitors": [4]}, "monitors[0]"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, object], path: str) -> None:
    content = msgspec.json.decode(encode_alert(_an_alert())) | change
    with pytest.raises(EventError) as refusal:
        decode_alert(msgspec.json.encode(content))
    assert refusal.value.path == path


@pytest.mark.parametrize("value", [b"{", b"[]", b"\xff", b'{"model":"\xff"}', pytest.param(b'{"model":' * 100_000, id="deep"), b"null"])
@pytest.mark.parametrize("decode", [decode_alert, decode_version, decode_request, decode_decision, decode_points])
def test_what_is_no_json_object_is_refused(decode: Callable[[bytes], object], value: bytes) -> None:
    with pytest.raises(EventError, match="JSON"):
        decode(value)


def test_unknown_fields_are_ignored() -> None:
    content = msgspec.json.decode(encode_alert(_an_alert())) | {"invented_later": 1}
    assert decode_alert(msgspec.json.encode(content)) == _an_alert()


@pytest.mark.parametrize("name", ["prediction", "features", "label", "alert", "request", "version", "point"])
def test_every_schema_is_a_schema_and_refuses_the_empty_object(name: Any) -> None:
    Draft202012Validator.check_schema(schema(name))
    with pytest.raises(ValidationError):
        Draft202012Validator(schema(name)).validate({})


def _many_monitors(count: int, *, n_bins: int = 100) -> Alert:
    """Of the first monitor all the others are weaker, each than the one before."""
    (one,) = _an_alert().monitors
    bins = {"edges": list(range(n_bins - 1)), "counts": list(range(n_bins))}
    basis = {"detector": "numbers", "since": "2026-03-01T00:00:00.000Z"}
    changes = ({"name": f"feature:{place}", "value": 6.0 + count - place, "reference": bins, "current": bins, "basis": basis} for place in range(count))
    return _an_alert(monitors=tuple(Evidence(**{**vars(one), **change}) for change in changes))


@pytest.mark.parametrize(("max_bytes", "whole", "edges_twice"), [(1_500, 0, False), (4_000, 2, False), (8_000, 4, False), (14_000, 11, False), (20_000, 12, True)])
def test_an_alert_that_would_be_too_large_keeps_the_evidence_of_its_strongest_monitors(max_bytes: int, whole: int, edges_twice: bool) -> None:
    encoded = encode_alert(_many_monitors(12), max_bytes=max_bytes)
    told = decode_alert(encoded)
    _validate("alert", encoded)
    assert len(encoded) <= max_bytes
    assert [not evidence.left_out for evidence in told.monitors] == [True] * whole + [False] * (len(told.monitors) - whole)
    assert all(bool(evidence.reference) is not evidence.left_out for evidence in told.monitors)
    assert len(told.monitors) + told.more_monitors == 12
    assert {"edges" in evidence.current for evidence in told.monitors} == {edges_twice}


@pytest.mark.parametrize("count", [2_000, 20_000])
def test_an_alert_on_thousands_of_columns_is_a_record_that_kafka_takes(count: int) -> None:
    alert = _many_monitors(count, n_bins=30)
    encoded = encode_alert(alert, max_bytes=MAX_ALERT_BYTES)
    told = decode_alert(encoded)
    assert 0.95 * MAX_ALERT_BYTES < len(encoded) <= MAX_ALERT_BYTES
    assert [evidence.name for evidence in told.monitors] == [evidence.name for evidence in alert.monitors[: len(told.monitors)]]
    assert len(told.monitors) > 1_000
    assert told.more_monitors == count - len(told.monitors) > 0
    assert sum(not evidence.left_out for evidence in told.monitors) > 100
    assert {str(evidence.basis["since"]) for evidence in told.monitors} == {"2026-03-01T00:00:00.000Z"}
