"""What the records of one producer begin with: the schema, and the texts of dictionaries.

It is looked at once. What comes behind it, rows, is then read without: a column with a dictionary has indices only, like any column of integers, and gets
its texts back when all rows of a fetch are one column.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from streams.formats.arrow_messages import Outline
from streams.formats.arrow_types import check_types, is_strange, with_texts

_Path = tuple[str | int, ...]
"""Of a column: its name, and the places of members in objects."""

OPTIONS = pa.ipc.IpcReadOptions(use_threads=False)


class Head:
    """Schema and dictionaries of a stream.

    Parameters
    ----------
    value : a whole stream, for Arrow reads dictionaries with the first rows.

    Attributes
    ----------
    is_readable : whether other streams of the same head can be read by it; not so where a type is rare.

    Raises
    ------
    EventError
        If a column that is read has a type that cannot be, or its name another one, too.
    pa.ArrowException
        If the stream cannot be read.
    """

    def __init__(self, value: bytes) -> None:
        with pa.ipc.open_stream(value, options=OPTIONS) as reader:
            schema: pa.Schema = reader.schema
            first = reader.read_next_batch()
        check_types(schema)
        first.validate(full=True)
        self._indices: pa.Schema | None = None
        self._dictionaries: dict[_Path, pa.Array] = {}
        stored = [_stored(kind) for kind in schema.types]
        self.is_readable = None not in stored
        if self.is_readable:
            self._indices = pa.schema([field.with_type(kind) for field, kind in zip(schema, stored, strict=True)])
            for field, column in zip(schema, first.columns, strict=True):
                self._find(column, (field.name,))

    def _find(self, column: pa.Array, path: _Path) -> None:
        if pa.types.is_dictionary(column.type):
            texts = column.dictionary
            self._dictionaries[path] = pa.concat_arrays([texts, texts.slice(0, 0)])  # a copy, which does not keep all of the record
        elif pa.types.is_struct(column.type):
            for place in range(column.type.num_fields):
                self._find(column.field(place), (*path, place))

    def table(self, streams: Sequence[tuple[bytes, Outline]]) -> pa.Table:
        """All rows of some streams of this head, each column in one piece.

        Raises
        ------
        pa.ArrowException
            If one of them cannot be read.
        """
        batches = []
        for value, outline in streams:
            buffer = pa.py_buffer(value)
            batches += [pa.ipc.read_record_batch(buffer.slice(start, end - start), self._indices) for start, end in outline.batches]
        together = pa.Table.from_batches(batches, self._indices)
        together.validate(full=True)  # or what is put together may lead out of a buffer
        columns = [self._with_texts(column.chunk(0), (name,)) for name, column in zip(together.column_names, together.combine_chunks().columns, strict=True)]
        return pa.Table.from_arrays(columns, together.column_names)

    def _with_texts(self, column: pa.Array, path: _Path) -> pa.Array:
        texts = self._dictionaries.get(path)
        if texts is not None:
            return with_texts(column, texts)
        if not pa.types.is_struct(column.type) or not any(one[: len(path)] == path for one in self._dictionaries):
            return column
        members = [self._with_texts(column.field(place), (*path, place)) for place in range(column.type.num_fields)]
        fields = [field.with_type(member.type) for field, member in zip(column.type, members, strict=True)]
        return pa.StructArray.from_arrays(members, fields=fields, mask=column.is_null())


def _stored(kind: pa.DataType) -> pa.DataType | None:
    """What stands in the rows of a column: indices, where it has a dictionary; None where pieces of it cannot be put together."""
    if pa.types.is_dictionary(kind):
        return None if is_strange(kind.value_type) else kind.index_type
    if pa.types.is_struct(kind):
        members = [_stored(field.type) for field in kind]
        return None if None in members else pa.struct([field.with_type(member) for field, member in zip(kind, members, strict=True)])
    return None if is_strange(kind) else kind
