"""Wire format v1 of what Driftwarden says: alerts, requests, versions, points. JSON with RFC 3339 times; the schemas are in ``streams/schemas``.

Undefined numbers (nan) are null on the wire. Unknown fields are ignored, so that a newer writer does not stop an older reader.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from importlib import resources
from typing import Any, Literal, TypeVar

import msgspec
import numpy as np

from detectors.alerts.alert import Alert
from detectors.errors import EventError
from detectors.event_batch import NO_TIME
from detectors.point import Point
from detectors.rfc3339 import format_time, parse_time
from detectors.verdict import Evidence
from retrainer.decision import Decision
from retrainer.versions import Request, Version
from streams.alert_size import fitted
from streams.unreadable import UNREADABLE

_Record = TypeVar("_Record", Alert, Decision, Request, Version, Point)
SchemaName = Literal["prediction", "features", "label", "alert", "request", "decision", "version", "point"]

_ALERT_TIMES = ("opened_at", "updated_at", "change_at")
_REQUEST_TIMES = ("requested_at", "since", "until")
_VERSION_TIMES = ("at",)
_EVIDENCE_NUMBERS = ("value", "threshold", "n_reference", "n_current")


def schema(name: SchemaName) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a kind of record."""
    content: dict[str, Any] = msgspec.json.decode(resources.files("streams.schemas").joinpath(f"{name}.json").read_bytes())
    return content


def encode_alert(alert: Alert, *, max_bytes: int | None = None) -> bytes:
    """One JSON object.

    Parameters
    ----------
    max_bytes : where it would be more, evidence and then names of the weakest monitors are left out, see `streams.alert_size.fitted`.
    """
    return _encode(_alert_as_plain(alert if max_bytes is None else fitted(alert, max_bytes, _size)))


def _size(part: Alert | Evidence) -> int:
    return len(_encode(_alert_as_plain(part) if isinstance(part, Alert) else part))


def _alert_as_plain(alert: Alert) -> dict[str, Any]:
    return _with_times(alert, _ALERT_TIMES)


def decode_alert(value: bytes | str) -> Alert:
    """An alert from its JSON object.

    Raises
    ------
    EventError
        If it is not JSON, or a field is missing or of another type; with its path.
    """
    content = _object(value)
    for evidence in _list(content.get("monitors")):
        _restore_nan(evidence, _EVIDENCE_NUMBERS)
        effect = evidence.get("effect")
        if isinstance(effect, dict):
            _restore_nan(effect, ("value", "floor"))
            if isinstance(effect.get("interval"), list):
                effect["interval"] = [math.nan if bound is None else bound for bound in effect["interval"]]
    return _struct(content, Alert, _ALERT_TIMES)


def encode_request(request: Request) -> bytes:
    """One JSON object."""
    return _encode(_with_times(request, _REQUEST_TIMES))


def decode_request(value: bytes | str) -> Request:
    """A request to retrain from its JSON object; EventError if it is wrong."""
    return _struct(_object(value), Request, _REQUEST_TIMES)


def encode_decision(decision: Decision) -> bytes:
    """One JSON object."""
    return _encode({"decision_id": decision.decision_id} | _with_times(decision, _VERSION_TIMES))


def decode_decision(value: bytes | str) -> Decision:
    """A decision of the retrainer from its JSON object; EventError if it is wrong."""
    return _struct(_object(value), Decision, _VERSION_TIMES)


def encode_version(version: Version) -> bytes:
    """One JSON object."""
    return _encode(_with_times(version, _VERSION_TIMES))


def decode_version(value: bytes | str) -> Version:
    """A version's record from its JSON object; EventError if it is wrong."""
    content = _object(value)
    if isinstance(content.get("metrics"), dict):
        _restore_nan(content["metrics"], tuple(content["metrics"]))
    return _struct(content, Version, _VERSION_TIMES)


def encode_points(points: Iterable[Point]) -> bytes:
    """JSON Lines, one point a line; fields that are not finite, which JSON cannot say, are left out, and points without any field."""
    lines = []
    for point in points:
        line = _line(point, point.fields)
        if _NULL in line or not point.fields:  # rarely, so that most fields need not be looked at one by one
            fields = {name: value for name, value in point.fields.items() if not (isinstance(value, float) and not math.isfinite(value))}
            if not fields:
                continue
            line = _line(point, fields)
        lines.append(line)
    return b"\n".join(lines)


_NULL = b"null"  # what a number that is not finite becomes


def _line(point: Point, fields: dict[str, float | int | bool | str]) -> bytes:
    return _encode({"measurement": point.measurement, "tags": point.tags, "fields": fields, "time": format_time(point.time)})


class _PointOnWire(msgspec.Struct):
    measurement: str
    tags: dict[str, str]
    fields: dict[str, float | int | bool | str]
    time: str | int


_POINTS = msgspec.json.Decoder(_PointOnWire)
_time_of_points = lru_cache(maxsize=1_024)(parse_time)  # a pane's points have its time, thousands of them


def decode_points(value: bytes | str) -> list[Point]:
    """Points from JSON Lines; EventError at the first that is wrong."""
    with suppress(*UNREADABLE, EventError):  # the quick way; the other one tells what is wrong, and where
        return [Point(measurement=one.measurement, tags=one.tags, fields=one.fields, time=_time_of_points(one.time)) for one in _POINTS.decode_lines(value)]
    return [_struct(_object(line), Point, ("time",)) for line in value.splitlines() if line.strip()]


def _encode(content: Any) -> bytes:
    return msgspec.json.encode(content, enc_hook=_plain)


def _with_times(record: Alert | Decision | Request | Version, times: tuple[str, ...]) -> dict[str, Any]:
    content: dict[str, Any] = {field: getattr(record, field) for field in record.__struct_fields__}
    for name in times:
        if content[name] is not None:
            content[name] = None if content[name] == NO_TIME else format_time(content[name])
    return content


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


def _object(value: bytes | str) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(value)
    except UNREADABLE as error:
        raise EventError(f"not JSON: {error}") from None
    if not isinstance(content, dict):
        raise EventError(f"expected a JSON object, got {type(content).__name__}")
    return content


def _list(value: Any) -> Iterator[dict[str, Any]]:
    return (element for element in value if isinstance(element, dict)) if isinstance(value, list) else iter(())


def _restore_nan(content: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        if name in content and content[name] is None:
            content[name] = math.nan


def _struct(content: dict[str, Any], kind: type[_Record], times: tuple[str, ...]) -> _Record:
    for name in times:
        if content.get(name) is not None:
            try:
                content[name] = parse_time(content[name])
            except EventError as error:
                raise EventError(error.reason, name) from None
        elif name == "change_at" and name in content:
            content[name] = NO_TIME
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$.")
        raise EventError(reason, path.rstrip("`")) from None
