"""Events of wire format v1 as Arrow IPC streams: a third of the cost of JSON for who reads them, and of the bytes.

Columns are called as the fields of the JSON event; ``features``, ``segments`` and ``probabilities`` are structs; null is a field that is not there.
See docs/adr/0010-arrow-on-the-wire.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from operator import index
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streams.partitioner import partition_of
from streams.published_event import Event, Features, Label, SourceRecord, record_time, records_of

PAYS_FROM = 16
"""Events of one model; what names and types of the columns take is saved again by about so many."""

_ROWS_PER_TEXT = 32
"""A dictionary of texts that are rarer would be another one in each record, and every record would have to be read by itself."""

_MAX_TEXTS = 127  # that int8 can count

_EXACT = 2**53  # whole numbers up to here are exact in float64
_OBJECTS = ("features", "segments", "probabilities")


class UnfitError(Exception):
    """Values have no common type, so that they cannot be a column."""


def arrow_records_of(events: Sequence[Event], *, partitions: int, now: int, span: int, max_bytes: int) -> tuple[list[SourceRecord], list[Exception]]:
    """Pack events into records, as `records_of` does: each is an Arrow IPC stream of events of one model.

    Events that are too few for that, or whose values have no common type (a class that is a number here and a text there), are sent as JSON Lines.
    """
    groups: dict[tuple[int, int, str], list[int]] = {}
    sound = [place for place, event in enumerate(events) if _is_sound(event)]
    owners = partition_of([events[place].event_id.encode() for place in sound], partitions).tolist()
    for place, partition in zip(sound, owners, strict=True):
        groups.setdefault((events[place].timestamp // span, partition, events[place].model), []).append(place)
    records: list[SourceRecord] = []
    sent: set[int] = set()
    for (_, partition, _), places in groups.items():
        if len(places) < PAYS_FROM:
            continue
        group = [events[place] for place in places]
        try:
            batch = record_batch(group)
        except UnfitError:
            continue
        sent.update(places)
        for first, end, value in _streams(batch, max_bytes):
            part = group[first:end]
            records.append(SourceRecord(partition=partition, key=part[0].event_id.encode(), value=value, timestamp=record_time(part, now), events=len(part)))
    others, errors = records_of([event for place, event in enumerate(events) if place not in sent], partitions=partitions, now=now, span=span, max_bytes=max_bytes)
    return sorted([*records, *others], key=lambda record: record.timestamp // span), errors


def _is_sound(event: Event) -> bool:
    try:
        event.timestamp = index(event.timestamp)
        return -(2**63) <= event.timestamp < 2**63 and bool(event.event_id.encode()) and type(event.model) is str
    except (TypeError, ValueError, AttributeError):  # the encoder of JSON will say what is wrong
        return False


def record_batch(events: Sequence[Event]) -> pa.RecordBatch:
    """Columns of some events; those without any value are left out.

    Raises
    ------
    UnfitError
        If the values of a field have no common type.

    Examples
    --------
    >>> batch = record_batch([Label("a", "loans", 7, "granted"), Features("b", "loans", 8, {"age": 41})])
    >>> batch.schema.names
    ['event_id', 'model', 'kind', 'timestamp', 'label', 'features']
    >>> batch["features"].to_pylist()
    [None, {'age': 41.0}]
    """
    try:
        columns = {
            "event_id": pa.array([event.event_id for event in events], pa.string()),
            "model": _text([event.model for event in events]),
            "kind": _text([_kind(event) for event in events]),
            "timestamp": pa.array([event.timestamp for event in events], pa.int64()),
            "model_version": _column(_of(events, "model_version"), whole=True),
            "model_revision": _column(_of(events, "model_revision"), whole=True),
            "prediction": _column(_of(events, "prediction")),
            "label": _column(_of(events, "label")),
            "score": _column(_of(events, "score")),
            "latency_ms": _column(_of(events, "latency_ms")),
            "status": _column(_statuses(_of(events, "status")), whole=True),
            "sampling_fraction": _column([None if share == 1 else share for share in _of(events, "sampling_fraction")]),
            "outcome_at": _column(_of(events, "outcome_at"), whole=True),
        }
        columns |= {name: _object(_of(events, name), whole=name == "segments") for name in _OBJECTS}
    except (ValueError, OverflowError, TypeError, pa.ArrowException) as error:
        raise UnfitError(str(error)) from error
    return pa.RecordBatch.from_pydict({name: column for name, column in columns.items() if column is not None})


def _kind(event: Event) -> str | None:
    return "label" if isinstance(event, Label) else "features" if isinstance(event, Features) else None


def _of(events: Sequence[Event], name: str) -> list[Any]:
    return [getattr(event, name, None) for event in events]


def _statuses(values: list[Any]) -> list[Any]:
    """200 is what is meant where nothing is said; whatever else it is, the service failed."""
    failures = [None if status == 200 else status for status in values]
    return failures if len({type(status) for status in failures if status is not None}) < 2 else [None if status is None else str(status) for status in failures]


def _text(values: list[Any]) -> pa.Array | None:
    """Texts; few in many rows as a dictionary in alphabetical order, so that most records begin with the same bytes and are read together."""
    texts = sorted({value for value in values if value is not None})
    if not texts:
        return None
    column = pa.array(values, pa.string())
    if len(texts) > min((len(column) - column.null_count) // _ROWS_PER_TEXT, _MAX_TEXTS):
        return column
    dictionary = pa.array(texts, pa.string())
    return pa.DictionaryArray.from_arrays(pc.index_in(column, dictionary).cast(pa.int8()), dictionary)


def _column(values: list[Any], *, whole: bool = False) -> pa.Array | None:
    """Values of one type, None where there is none; ``whole`` numbers stay whole numbers."""
    types = set(map(type, values)) - {type(None)}
    if any(issubclass(kind, np.generic) for kind in types):
        values = [value.item() if isinstance(value, np.generic) else value for value in values]
        types = set(map(type, values)) - {type(None)}
    if not types:
        return None
    if types == {str}:
        return _text(values)
    if types <= {list, np.ndarray}:
        return _vectors(values)
    if types == {bool}:
        return pa.array(values, pa.bool_())
    if types == {int} and (whole or max(abs(value) for value in values if value is not None) > _EXACT):
        return pa.array(values, pa.int64())
    if types <= {int, float} and not (whole and int in types):
        if int in types and any(type(value) is int and abs(value) > _EXACT for value in values):
            raise UnfitError("integers beyond the precision of a float among floats")
        numbers = np.array(values, np.float64)
        return pa.array(numbers, mask=~np.isfinite(numbers))  # as in JSON, which knows neither nan nor infinity
    raise UnfitError(f"values of the types {', '.join(sorted(kind.__name__ for kind in types))}")


def _vectors(values: list[Any]) -> pa.Array:
    """Embeddings of one dimension."""
    given = np.array([value for value in values if value is not None], np.float64)
    if given.ndim != 2 or not given.shape[1] or not np.isfinite(given).all():
        raise UnfitError("lists of different lengths, or of what is no number")
    missing = np.array([value is None for value in values])
    out = np.zeros((len(values), given.shape[1]))
    out[~missing] = given
    return pa.FixedSizeListArray.from_arrays(pa.array(out.ravel()), given.shape[1], mask=pa.array(missing))


def _object(values: list[Any], *, whole: bool) -> pa.Array | None:
    missing = np.array([value is None for value in values])
    if missing.all():
        return None
    given = [value for value in values if value is not None]
    names = dict.fromkeys(name for value in given for name in value)
    if any(type(name) is not str for name in names):
        raise UnfitError("names that are not text")
    if not missing.any() and all(list(value) == list(names) for value in given):
        members: list[Any] = list(zip(*(value.values() for value in given), strict=True))
    else:
        members = [[None if value is None else value.get(name) for value in values] for name in names]
    columns = {name: _column(list(member), whole=whole) for name, member in zip(names, members, strict=True)}
    found = {name: column for name, column in columns.items() if column is not None}
    if not found:
        return None
    return pa.StructArray.from_arrays(list(found.values()), list(found), mask=pa.array(missing) if missing.any() else None)


def _streams(batch: pa.RecordBatch, max_bytes: int) -> list[tuple[int, int, bytes]]:
    """The batch as streams of at most so many bytes, unless a single row is larger; with the first row of each and the row after its last."""
    parts: list[tuple[int, int, bytes]] = []
    waiting = [(0, len(batch))]
    while waiting:
        first, end = waiting.pop()
        value = _stream(batch.slice(first, end - first))
        pieces = min(-(-len(value) // max_bytes), end - first)
        if pieces > 1:
            cuts = [first + (end - first) * piece // pieces for piece in range(pieces + 1)]
            waiting += reversed(list(pairwise(cuts)))
        else:
            parts.append((first, end, value))
    return parts


def _stream(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())
