"""Applied monitors, and acknowledgements of their alerts, to records of the ``monitors`` topic and back.

A record that cannot be read is left out by everybody alike, and stops nobody (docs/adr/0045).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakValueDictionary

import msgspec
from pydantic import ValidationError

from detectors.acknowledgement import Acknowledgement
from detectors.errors import EventError
from detectors.monitor import Monitor, Monitors
from detectors.profile import Profile
from detectors.settings.stored import STORED
from detectors.specification import MonitorSpecification


def monitor_key(model: str, revision: int) -> bytes:
    """Key of a revision; compaction keeps every revision until it is deleted."""
    return msgspec.json.encode([model, revision])


def encode_monitor(monitor: Monitor) -> bytes:
    """Bytes of a revision."""
    return msgspec.json.encode({"revision": monitor.revision, "effective_from": monitor.effective_from, "specification": monitor.specification.model_dump(mode="json")})


def decode_monitor(data: bytes) -> Monitor:
    """The revision again.

    Raises
    ------
    EventError
        If this release cannot read it.
    """
    with _explained():
        return _decoded_monitor(data)


def _decoded_monitor(data: bytes) -> Monitor:
    stored = _STORED.decode(data)
    plain: dict[str, Any] = {name: msgspec.json.decode(value) for name, value in stored.specification.items() if name != "reference"}
    if "reference" in stored.specification:
        reference = _REFERENCE.decode(stored.specification["reference"])
        plain["reference"] = {name: _profile(value) if name == "profile" else msgspec.json.decode(value) for name, value in reference.items()}
    specification = MonitorSpecification.model_validate(plain, context=STORED)
    specification.false_alarms.looks(pane=specification.pane, events_per_pane=specification.events_per_pane)  # one in events has to know how many a pane holds
    return Monitor(specification=specification, revision=stored.revision, effective_from=stored.effective_from)


def _profile(data: msgspec.Raw) -> Profile | None:
    """A profile; one object for all monitors that have the same, since a profile is nearly all of a monitor's memory."""
    if bytes(data) == b"null":
        return None
    key = hashlib.sha256(data).digest()
    known = _PROFILES.get(key)
    if known is None:
        known = _PROFILES[key] = Profile.model_validate(msgspec.json.decode(data))
    return known


def acknowledgement_key(one: Acknowledgement) -> bytes:
    """Key of an acknowledgement, beside those of revisions."""
    return msgspec.json.encode([one.model, one.alert_id, one.sequence])


def encode_acknowledgement(one: Acknowledgement) -> bytes:
    """Bytes of an acknowledgement."""
    return msgspec.json.encode(one)


def decode_record(value: bytes) -> Monitor | Acknowledgement:
    """What a record of the topic says: a revision, or that somebody has acknowledged an alert.

    Raises
    ------
    EventError
        If it says neither in a way that this release knows.
    """
    with _explained():
        return _ACKNOWLEDGEMENT.decode(value) if "alert_id" in _PARTS.decode(value) else _decoded_monitor(value)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what bytes of others may come to into one error; an import that fails, say, is no fault of theirs."""
    try:
        yield
    except ValidationError as error:
        first, *others = error.errors(include_url=False, include_context=False, include_input=False)
        more = f", and {len(others)} more" if others else ""
        raise EventError(f"{first['msg']}{more}", ".".join(map(str, first["loc"]))) from error
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
        raise EventError(str(error) or type(error).__name__) from error


def take_record(monitors: Monitors, key: bytes | None, value: bytes | None) -> str:
    """Take a record of the topic: a revision, its deletion, or an acknowledgement.

    Returns
    -------
    str
        "" where it was taken; otherwise what could not be read and is left out, why, what holds instead, and what to do.
    """
    name = _name(key)
    monitors.left_out.pop(name, None)
    if value is None:
        match name:
            case (str(model), int(revision)):  # others are not ours
                monitors.remove(model, revision)
        return ""
    try:
        found = decode_record(value)
    except EventError as fault:
        monitors.left_out[name] = str(fault)
        return _instead(monitors, name, str(fault))
    if isinstance(found, Monitor):
        monitors.add(found)
    else:
        monitors.acknowledge(found)
    return ""


def _name(key: bytes | None) -> tuple[str | int, ...]:
    """What a record is of: ``(model, revision)``, ``(model, alert_id, sequence)``, or the key's own beginning where it is not one of ours."""
    try:
        return tuple(_KEY.decode(key or b""))
    except ValueError:
        return ((key or b"").decode(errors="replace")[:_LONGEST_KEY],)


def _instead(monitors: Monitors, name: tuple[str | int, ...], why: str) -> str:
    match name:
        case (str(model), int(revision)):
            before = monitors.latest(model)
            holds = "nothing else is known of it, so its events are counted as unmonitored and judged by nobody" if before is None else f"revision {before.revision} stays in force"
            return (
                f"revision {revision} of '{model}' cannot be read by this release, and is left out: {why}; {holds}. "
                "Run the release that wrote it, or apply the model's monitor again with this one: driftwarden monitor apply"
            )
        case (str(model), str(alert_id), int()):
            return f"an acknowledgement of alert {alert_id} of '{model}' cannot be read, and is left out: {why}; the alert goes on. Say it again: driftwarden alerts acknowledge"
    return (
        f"key {name[0] if name else ''!r} is none of a monitor or an acknowledgement, and what it holds cannot be read: {why}; it is left out. Whoever wrote it means another topic"
    )


class _Stored(msgspec.Struct):
    revision: int
    effective_from: int
    specification: dict[str, msgspec.Raw]


_PARTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ACKNOWLEDGEMENT = msgspec.json.Decoder(Acknowledgement)
_STORED = msgspec.json.Decoder(_Stored)
_REFERENCE = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KEY = msgspec.json.Decoder(list[str | int])
_LONGEST_KEY = 100
_PROFILES: WeakValueDictionary[bytes, Profile] = WeakValueDictionary()
