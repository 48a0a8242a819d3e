"""A row of an Arrow table as the JSON event that says the same, for rows that cannot be taken as they are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from detectors.errors import EventError
from detectors.event_batch import Bool, Int64
from streams.formats.arrow_messages import max_bytes
from streams.formats.arrow_records import ArrowRows
from streams.formats.arrow_types import in_one_piece

_TOGETHER = 1_000  # rows whose objects are in memory at once
_NO_FORM = (ValueError, KeyError, TypeError, OverflowError, pa.ArrowException)


@dataclass(frozen=True)
class ArrowSource:
    """What the dead letters keep of a row."""

    rows: ArrowRows
    row: int

    def __bytes__(self) -> bytes:
        return self.rows.source(self.row)


def event_texts(rows: ArrowRows, which: Int64, timestamp: Int64, text_bytes: Int64 | None) -> Iterator[bytes | EventError]:
    """JSON of some rows, or why there is none.

    Parameters
    ----------
    which : the rows.
    timestamp : (n,) event times of all rows, epoch milliseconds.
    text_bytes : (n,) bytes of the texts of each row; None where they are few.
    """
    beyond = np.zeros(len(which), bool) if text_bytes is None else _beyond(rows, which, text_bytes[which])
    written = _written(rows, which[~beyond], timestamp)
    for is_beyond in beyond.tolist():
        yield EventError("the record's events take more when each is written out than a record may; send fewer, or shorter texts") if is_beyond else next(written)


def _beyond(rows: ArrowRows, which: Int64, sizes: Int64) -> Bool:
    """Rows that come after too much of their record: a text that stands once in a dictionary may be meant by every row."""
    record = rows.record[which]
    first = np.flatnonzero(np.diff(record, prepend=-1))
    count = np.diff(first, append=len(record))
    total = np.cumsum(sizes)
    before = np.repeat((total - sizes)[first], count)
    limit = np.repeat([max_bytes(rows.values[place] or b"") for place in record[first].tolist()], count)
    return np.asarray(total - before > limit)


def _written(rows: ArrowRows, which: Int64, timestamp: Int64) -> Iterator[bytes | EventError]:
    table = pa.table(rows.columns)
    times = {}
    if "timestamp" in table.column_names:
        kind = table.schema.field("timestamp").type
        if pa.types.is_timestamp(kind) and kind.tz is not None:  # Python's dates end in the year 9999, and its microseconds are not nanoseconds
            valid = np.asarray(rows.columns["timestamp"].is_valid())
            times = {row: int(timestamp[row]) for row in which.tolist() if valid[row]}
            table = table.drop_columns("timestamp")
    for start in range(0, len(which), _TOGETHER):
        part = which[start : start + _TOGETHER]
        for row, event in zip(part.tolist(), _objects(table, part), strict=True):
            if isinstance(event, EventError):
                yield event
                continue
            if row in times:
                event["timestamp"] = times[row]
            yield msgspec.json.encode(_form(event))


def _objects(table: pa.Table, which: Int64) -> Sequence[dict[str, Any] | EventError]:
    """Rows as objects: all in one go, and each by itself only where one of them has no form in JSON."""
    part = table.take(pa.array(which))
    try:
        return part.to_pylist()  # type: ignore[no-any-return]
    except _NO_FORM:
        columns = dict(zip(part.column_names, map(in_one_piece, part.columns), strict=True))
        return [_object(columns, row) for row in range(len(which))]


def _object(columns: dict[str, pa.Array], row: int) -> dict[str, Any] | EventError:
    try:
        return {name: column[row].as_py() for name, column in columns.items()}
    except _NO_FORM as error:
        return EventError(f"a value has no form in JSON: {error}")


def _form(value: Any) -> Any:
    """What JSON can say; what it cannot becomes an array, which no field of an event may be."""
    if isinstance(value, dict):
        return {name: _form(member) for name, member in value.items() if not _is_nothing(member)}
    if isinstance(value, float) and math.isinf(value):
        return msgspec.Raw(b"1e999" if value > 0 else b"-1e999")
    if isinstance(value, list):  # an embedding; what it may not hold becomes an array in it
        return [None if number is None else _form(number) for number in value]
    return value if isinstance(value, (str, bool, int, float)) else [str(value)]


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
