"""What an application publishes: events of wire format v1, and their records for Kafka.

All events of a record are ids of one partition and lie in one aligned span of event time. The watermark follows the largest record timestamp,
so a record that covered an hour of a history would make its own first events late.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

import msgspec
import numpy as np

from streams.partitioner import partition_of


class Prediction(msgspec.Struct, omit_defaults=True):
    """A model's answer; times in epoch milliseconds."""

    event_id: str
    model: str
    timestamp: int
    model_version: str | None = None
    model_revision: int | None = None
    features: dict[str, Any] | None = None
    prediction: Any = None
    label: Any = None
    score: float | None = None
    probabilities: dict[str, float] | None = None
    segments: dict[str, Any] | None = None
    latency_ms: float | None = None
    status: int | str = 200
    sampling_fraction: float = 1.0


class Features(msgspec.Struct, omit_defaults=True, tag_field="kind", tag="features"):
    """Features from a pipeline, before or without a prediction."""

    event_id: str
    model: str
    timestamp: int
    features: dict[str, Any]


class Label(msgspec.Struct, omit_defaults=True, tag_field="kind", tag="label"):
    """What turned out to be true."""

    event_id: str
    model: str
    timestamp: int
    label: Any
    outcome_at: int | None = None


class Advance(msgspec.Struct, tag_field="kind", tag="time"):
    """Moves event time on, in every partition, and does nothing else."""

    timestamp: int


Event = Prediction | Features | Label


class SourceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record for ``inference.events``, ready to be sent."""

    partition: int
    key: bytes | None
    value: bytes
    timestamp: int
    events: int


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__} has no form in JSON; pass numbers, text, booleans or None")


_ENCODER = msgspec.json.Encoder(enc_hook=_plain)

TIMES = range(-62_135_596_800_000, 253_402_300_800_000)
"""Epoch milliseconds of the years 1 to 9999, which the decoder takes; kafka-python never answers for a record whose time is beyond 64 bits."""


def _milliseconds(time: Any) -> int:
    time = index(time)  # a numpy integer is welcome, a float or a datetime is the caller's mistake
    if time not in TIMES:
        raise ValueError(f"expected a time of the years 1 to 9999 in epoch milliseconds, got {time}; nanoseconds are a million times as large")
    return int(time)


def records_of(events: Sequence[Event], *, partitions: int, now: int, span: int, max_bytes: int) -> tuple[list[SourceRecord], list[Exception]]:
    """Pack events into records.

    Parameters
    ----------
    events : in the order in which they happened; kept within a record.
    partitions : number of partitions of the source topic.
    now : epoch milliseconds. A record is never dated later: an event from the future is then refused alone, and not by the broker with all of its neighbours.
    span : milliseconds of event time that a record may cover; records are in the order of their spans.
    max_bytes : a record is full at this size; a single larger event is a record of its own.

    Returns
    -------
    records and, for each event that cannot be encoded, the error.
    """
    lines: list[tuple[Event, bytes, bytes]] = []
    errors: list[Exception] = []
    for event in events:
        try:
            event.timestamp = _milliseconds(event.timestamp)
            lines.append((event, event.event_id.encode(), _ENCODER.encode(event)))
        except Exception as error:  # whatever an application puts in: a dictionary that holds itself, one that another thread changes
            errors.append(error)
    groups: dict[tuple[int, int], list[tuple[Event, bytes, bytes]]] = {}
    for line, partition in zip(lines, partition_of([key for _, key, _ in lines], partitions).tolist(), strict=True):
        groups.setdefault((line[0].timestamp // span, partition), []).append(line)
    records = []
    for (_, partition), group in sorted(groups.items(), key=lambda item: item[0]):
        first, size = 0, 0
        for place, (_, _, text) in enumerate(group):
            if size + len(text) > max_bytes and place > first:
                records.append(_record(partition, group[first:place], now))
                first, size = place, 0
            size += len(text) + 1
        records.append(_record(partition, group[first:], now))
    return records, errors


def control_records(timestamp: int, *, partitions: int) -> list[SourceRecord]:
    """One record for each partition that moves event time to ``timestamp`` (epoch milliseconds).

    Raises
    ------
    TypeError, ValueError
        If that is no time.
    """
    timestamp = _milliseconds(timestamp)
    value = _ENCODER.encode(Advance(timestamp))
    return [SourceRecord(partition=partition, key=None, value=value, timestamp=timestamp, events=0) for partition in range(partitions)]


def record_time(events: Sequence[Event], now: int) -> int:
    """Timestamp of a record of some events, epoch milliseconds: of the latest, but never in the future."""
    return min(max(event.timestamp for event in events), now)


def _record(partition: int, group: list[tuple[Event, bytes, bytes]], now: int) -> SourceRecord:
    timestamp = record_time([event for event, _, _ in group], now)
    return SourceRecord(partition=partition, key=group[0][1], value=b"\n".join(text for _, _, text in group), timestamp=timestamp, events=len(group))
