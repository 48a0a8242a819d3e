"""Applied monitors, and acknowledgements of their alerts, to records of the ``monitors`` topic and back."""

from __future__ import annotations

import hashlib
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from detectors.acknowledgement import Acknowledgement
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
    """The revision again."""
    stored = _STORED.decode(data)
    plain: dict[str, Any] = {name: msgspec.json.decode(value) for name, value in stored.specification.items() if name != "reference"}
    if "reference" in stored.specification:
        reference = _REFERENCE.decode(stored.specification["reference"])
        plain["reference"] = {name: _profile(value) if name == "profile" else msgspec.json.decode(value) for name, value in reference.items()}
    return Monitor(specification=MonitorSpecification.model_validate(plain, context=STORED), revision=stored.revision, effective_from=stored.effective_from)


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
    """What a record of the topic says: a revision, or that somebody has acknowledged an alert."""
    return _ACKNOWLEDGEMENT.decode(value) if "alert_id" in _PARTS.decode(value) else decode_monitor(value)


def take_record(monitors: Monitors, key: bytes | None, value: bytes | None) -> None:
    """Take a record of the topic: a revision, its deletion, or an acknowledgement."""
    if value is None:
        name = msgspec.json.decode(key or b"[]")
        if isinstance(name, list) and len(name) == 2 and isinstance(name[1], int):  # others are not ours
            monitors.remove(str(name[0]), name[1])
        return
    found = decode_record(value)
    if isinstance(found, Monitor):
        monitors.add(found)
    else:
        monitors.acknowledge(found)


class _Stored(msgspec.Struct):
    revision: int
    effective_from: int
    specification: dict[str, msgspec.Raw]


_PARTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ACKNOWLEDGEMENT = msgspec.json.Decoder(Acknowledgement)
_STORED = msgspec.json.Decoder(_Stored)
_REFERENCE = msgspec.json.Decoder(dict[str, msgspec.Raw])
_PROFILES: WeakValueDictionary[bytes, Profile] = WeakValueDictionary()
