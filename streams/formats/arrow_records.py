"""Records that are Arrow IPC streams, to tables: all records of one schema together, so that a column of a fetch is one array.

Records of one producer nearly always begin with the same bytes, and are read together (see `streams.formats.arrow_heads`); if that cannot be, halves of
them are, down to the record whose fault it is. Arrow trusts what it reads; what comes from Kafka is validated first, for a wrong offset in a buffer would
end the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from detectors.errors import EventError
from detectors.event_batch import Int64
from streams.formats.arrow_heads import OPTIONS, Head
from streams.formats.arrow_messages import STREAM_START, Outline, outline
from streams.formats.arrow_types import FIELDS, check_types, in_one_piece, plain_table
from streams.formats.decoded import DeadLetter
from streams.source_records import SourceRecords

_MAX_KEPT, _MAX_KEPT_BYTES = 16, 64 * 1024  # heads that are remembered, of so many bytes at most
_MAX_KEPT_COLUMNS = 1024 * 1024  # bytes of a remembered head's texts: what is compressed in 64 kB may take a hundred times that
_UNREADABLE = (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError)


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrowRows:
    """``m`` rows of records that have one schema; those of a record in its order, but not all records in log order.

    Attributes
    ----------
    columns : by their names.
    others : columns that nobody reads.
    record : (m,) the place of each row's record among the records.
    index : (m,) the row's place in its record.
    values : of all records, as received.
    """

    columns: dict[str, pa.Array]
    others: dict[str, pa.ChunkedArray]
    record: Int64
    index: Int64
    values: Sequence[bytes | None]

    def __len__(self) -> int:
        return len(self.record)

    def source(self, row: int) -> bytes:
        """What the dead letters keep of a row: a stream of it by itself; all of its record where a column that nobody reads cannot be cut."""
        try:
            return self._alone(row)
        except pa.ArrowException:
            return self.values[self.record[row]] or b""

    def _alone(self, row: int) -> bytes:
        alone = pa.table(self.columns | self.others).take(pa.array([row]))
        columns = [in_one_piece(column) for column in alone.columns]
        plain = [column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in columns]  # else it would bring all texts of its record
        sink = pa.BufferOutputStream()
        batch = pa.RecordBatch.from_arrays(plain, alone.column_names)
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        return bytes(sink.getvalue().to_pybytes())


def is_arrow(value: bytes | None) -> bool:
    """Whether a record's value is an Arrow IPC stream, or was meant to be one."""
    return value is not None and value[:4] == STREAM_START


@dataclass(frozen=True, slots=True)
class _Stream:
    """A record that may be read, if Arrow can."""

    place: int
    value: bytes
    outline: Outline


class ArrowReader:
    """Reads records of one source partition, and remembers the heads of some."""

    def __init__(self) -> None:
        self._heads: dict[bytes, Head] = {}
        self._seen: dict[bytes, None] = {}
        self._outlines: dict[bytes, Outline] = {}

    def rows(self, records: SourceRecords, which: Sequence[int], dead: list[DeadLetter]) -> list[ArrowRows]:
        """Rows of Arrow IPC streams, those of one schema together; what cannot be read becomes a dead letter.

        Parameters
        ----------
        which : places of the records to look at, ascending.
        dead : where refused records are added.
        """

        def refuse(place: int, error: EventError) -> None:
            dead.append(DeadLetter(offset=int(records.offsets[place]), index=0, value=records.values[place], reason=error.reason, path=error.path))

        by_schema: list[tuple[list[pa.Table], list[_Stream]]] = []
        for streams in self._alike(records, which, refuse):
            for table, read in self._tables(streams, refuse):
                tables, of_schema = _of_schema(by_schema, table.schema)
                tables.append(table)
                of_schema += read
        return [_rows(tables, streams, records.values) for tables, streams in by_schema]

    def _alike(self, records: SourceRecords, which: Sequence[int], refuse: Callable[[int, EventError], None]) -> list[list[_Stream]]:
        """Streams within bounds; those together that can be read so."""
        alike: dict[bytes, list[_Stream]] = {}
        alone: list[list[_Stream]] = []
        for place in which:
            value = records.values[place] or b""
            try:
                found = self._outline(value)
            except EventError as error:
                refuse(place, error)
                continue
            stream = _Stream(place, value, found)
            if found.is_plain:
                alike.setdefault(found.head, []).append(stream)
            else:
                alone.append([stream])
        return [*alike.values(), *alone]

    def _outline(self, value: bytes) -> Outline:
        """That of a stream; its head is not looked at again where one of the last few streams had the same."""
        before = next((known for head, known in reversed(self._outlines.items()) if value.startswith(head)), None)
        found = outline(value, before)
        if found.is_plain and len(found.head) <= _MAX_KEPT_BYTES:
            _keep(self._outlines, found.head, found)
        return found

    def _tables(self, streams: list[_Stream], refuse: Callable[[int, EventError], None]) -> Iterator[tuple[pa.Table, list[_Stream]]]:
        """Streams of one head as one table, or as few tables as need be because some are refused; with the streams that are in each."""
        try:
            yield self._table(streams), streams
        except EventError as error:
            if len(streams) == 1:
                refuse(streams[0].place, error)
                return
            half = len(streams) // 2
            yield from self._tables(streams[:half], refuse)
            yield from self._tables(streams[half:], refuse)

    def _table(self, streams: list[_Stream]) -> pa.Table:
        """All of some streams of one head, or nothing."""
        first = streams[0]
        try:
            head = self._head(first, seen=len(streams) > 1) if first.outline.is_plain else None
            if head is not None and head.is_readable:
                return head.table([(stream.value, stream.outline) for stream in streams])
            return pa.concat_tables([table for stream in streams for table in _alone(stream)])
        except _UNREADABLE as error:
            raise EventError(f"not an Arrow IPC stream: {error}") from None

    def _head(self, stream: _Stream, *, seen: bool) -> Head | None:
        """What is known of a stream's head, of which the least lately used is forgotten; None for one that was not seen before: a record by itself is read in less."""
        key = stream.outline.head
        found = self._heads.pop(key, None) or (Head(stream.value) if seen or key in self._seen else None)
        if len(key) <= _MAX_KEPT_BYTES and stream.outline.head_size <= _MAX_KEPT_COLUMNS:
            _keep(self._heads if found is not None else self._seen, key, found)
        return found


def _keep(known: dict[bytes, Any], key: bytes, value: Any) -> None:
    known.pop(key, None)
    known[key] = value
    if len(known) > _MAX_KEPT:
        del known[next(iter(known))]


def _alone(stream: _Stream) -> list[pa.Table]:
    """The batches of a stream, each of which may have dictionaries of its own."""
    with pa.ipc.open_stream(stream.value, options=OPTIONS) as reader:
        tables = [pa.Table.from_batches([batch]) for batch in reader]
        check_types(reader.schema)
    if sum(map(len, tables)) != stream.outline.rows:
        raise EventError("not an Arrow IPC stream: its batches have other numbers of rows than it says")
    for table in tables:
        table.validate(full=True)
    return [plain_table(table) for table in tables]


def _rows(tables: Sequence[pa.Table], streams: Sequence[_Stream], values: Sequence[bytes | None]) -> ArrowRows:
    table = pa.concat_tables(tables) if len(tables) > 1 else tables[0]
    columns = dict(zip(table.column_names, table.columns, strict=True))
    sizes = [stream.outline.rows for stream in streams]
    return ArrowRows(
        columns={name: in_one_piece(column) for name, column in columns.items() if name in FIELDS},
        others={name: column for name, column in columns.items() if name not in FIELDS},
        record=np.repeat([stream.place for stream in streams], sizes),
        index=np.concatenate([np.arange(size) for size in sizes]),
        values=values,
    )


def _of_schema(known: list[tuple[list[pa.Table], list[_Stream]]], schema: pa.Schema) -> tuple[list[pa.Table], list[_Stream]]:
    """Where tables of a schema are gathered. Producers have few, so that looking along a list costs less than a schema's hash."""
    for gathered in known:
        if gathered[0][0].schema.equals(schema):
            return gathered
    known.append(([], []))
    return known[-1]
