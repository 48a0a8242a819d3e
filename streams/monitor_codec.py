"""Applied monitors to records of the ``monitors`` topic and back."""

from __future__ import annotations

import msgspec

from detectors.monitor import Monitor
from detectors.specification import MonitorSpecification


def monitor_key(model: str, revision: int) -> bytes:
    """Key of a revision; compaction keeps every revision until it is deleted."""
    return msgspec.json.encode([model, revision])


def decode_monitor_key(key: bytes) -> tuple[str, int]:
    """Model and revision again."""
    model, revision = msgspec.json.decode(key)
    return str(model), int(revision)


def encode_monitor(monitor: Monitor) -> bytes:
    """Bytes of a revision."""
    return msgspec.json.encode({"revision": monitor.revision, "effective_from": monitor.effective_from, "specification": monitor.specification.model_dump(mode="json")})


def decode_monitor(data: bytes) -> Monitor:
    """The revision again."""
    plain = msgspec.json.decode(data)
    specification = MonitorSpecification.model_validate(plain["specification"])
    return Monitor(specification=specification, revision=plain["revision"], effective_from=plain["effective_from"])
