"""Records that are Arrow IPC streams, to tables: all records of one schema together, so that a column of a fetch is one array.

Arrow trusts what it reads; what comes from Kafka is validated first, for a wrong offset in a buffer would end the process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from detectors.errors import EventError
from detectors.event_batch import Int64
from streams.formats.arrow_types import plain_batch
from streams.formats.decoded import DeadLetter
from streams.source_records import SourceRecords

STREAM_START = b"\xff\xff\xff\xff"
"""How every Arrow IPC stream begins; no JSON does, for these bytes are not UTF-8."""

MAX_ROWS = 100_000
"""Of one record: a column of nulls takes no bytes however long it says that it is."""

MAX_BYTES = 16 * 1024 * 1024
"""Of one record's columns: compressed in the stream they take a thousandth of what they take in memory."""

_OPTIONS = pa.ipc.IpcReadOptions(use_threads=False)
_UNREADABLE = (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError)


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrowRows:
    """``m`` rows of records that have one schema, in log order.

    Attributes
    ----------
    table : their columns.
    record : (m,) the place of each row's record among the records.
    index : (m,) the row's place in its record.
    values : of all records, as received.
    """

    table: pa.Table
    record: Int64
    index: Int64
    values: Sequence[bytes | None]

    def __len__(self) -> int:
        return len(self.record)

    def column(self, name: str) -> pa.Array | None:
        """A column in one piece; None where there is none."""
        if name not in self.table.column_names:
            return None
        return in_one_piece(self.table.column(name))

    def source(self, row: int) -> bytes:
        """What the dead letters keep of a row: a stream of it by itself; all of its record where a column that nobody reads cannot be cut."""
        try:
            return self._alone(row)
        except pa.ArrowException:
            return self.values[self.record[row]] or b""

    def _alone(self, row: int) -> bytes:
        alone = self.table.take(pa.array([row]))
        columns = [in_one_piece(column) for column in alone.columns]
        plain = [column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in columns]  # else it would bring all texts of its record
        sink = pa.BufferOutputStream()
        batch = pa.RecordBatch.from_arrays(plain, alone.column_names)
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        return bytes(sink.getvalue().to_pybytes())


def in_one_piece(column: pa.ChunkedArray) -> pa.Array:
    """A column's pieces put together."""
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def is_arrow(value: bytes | None) -> bool:
    """Whether a record's value is an Arrow IPC stream, or was meant to be one."""
    return value is not None and value[:4] == STREAM_START


def arrow_rows(records: SourceRecords, which: Sequence[int], dead: list[DeadLetter]) -> Iterator[ArrowRows]:
    """Rows of Arrow IPC streams, those of one schema together; what cannot be read becomes a dead letter.

    Parameters
    ----------
    which : places of the records to look at, ascending.
    dead : where refused records are added.
    """
    by_schema: list[tuple[pa.Schema, list[tuple[int, int, pa.RecordBatch]]]] = []
    for place in which:
        value = records.values[place] or b""
        try:
            first = 0
            for batch in _batches(value):
                _of_schema(by_schema, batch.schema).append((place, first, batch))
                first += len(batch)
        except EventError as error:
            dead.append(DeadLetter(offset=int(records.offsets[place]), index=0, value=value, reason=error.reason, path=error.path))
    for schema, parts in by_schema:
        sizes = [len(batch) for _, _, batch in parts]
        yield ArrowRows(
            table=pa.Table.from_batches([batch for _, _, batch in parts], schema),
            record=np.repeat([place for place, _, _ in parts], sizes),
            index=np.concatenate([np.arange(first, first + size) for (_, first, _), size in zip(parts, sizes, strict=True)]),
            values=records.values,
        )


def _of_schema(known: list[tuple[pa.Schema, list[tuple[int, int, pa.RecordBatch]]]], schema: pa.Schema) -> list[tuple[int, int, pa.RecordBatch]]:
    """Where batches of a schema are gathered. Producers have few, so that looking along a list costs less than a schema's hash."""
    for other, parts in known:
        if other.equals(schema):
            return parts
    _check_names(schema)
    known.append((schema, []))
    return known[-1][1]


def _batches(value: bytes) -> list[pa.RecordBatch]:
    """All of a stream, or nothing of it."""
    found: list[Any] = []
    rows = size = 0
    try:
        with pa.ipc.open_stream(value, options=_OPTIONS) as reader:
            for batch in reader:
                rows += len(batch)
                if rows > MAX_ROWS:
                    raise EventError(f"expected at most {MAX_ROWS} rows in a record, got {rows} or more")
                if rows > len(value):
                    raise EventError(f"expected at most a row for each of the record's {len(value)} bytes, got {rows} or more")
                size += batch.get_total_buffer_size()
                if size > MAX_BYTES:
                    raise EventError(f"expected at most {MAX_BYTES} bytes of columns in a record, got {size} or more from {len(value)} compressed ones")
                batch.validate(full=True)
                found.append(plain_batch(batch))
    except _UNREADABLE as error:
        raise EventError(f"not an Arrow IPC stream: {error}") from None
    if not rows:
        raise EventError("the record is an Arrow IPC stream without rows")
    return [batch for batch in found if len(batch)]


def _check_names(schema: pa.Schema) -> None:
    try:
        names = schema.names
        kinds = [field.type for field in schema]
        for kind in kinds:
            _ = [field.name for field in kind] if pa.types.is_struct(kind) else kind.tz if pa.types.is_timestamp(kind) else None
    except UnicodeDecodeError as error:
        raise EventError(f"not an Arrow IPC stream: a column's name is not UTF-8: {error}") from None
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise EventError("two columns have this name", path=twice)
