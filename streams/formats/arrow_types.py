"""Arrow's many ways to say the same, to the few that columns are read from.

Views and run-end-encoded columns can neither be cut nor put together by Arrow 26; nor can dictionaries whose texts together need a wider index.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from detectors.errors import EventError

FIELDS = frozenset(
    {
        "event_id",
        "model",
        "kind",
        "model_version",
        "timestamp",
        "prediction",
        "label",
        "score",
        "probabilities",
        "segments",
        "latency_ms",
        "status",
        "features",
        "sampling_fraction",
    }
)
"""Columns that are read; they are called as in JSON, and a null is a field that is not there."""
_INT32 = pa.int32().id
_SIMPLE = frozenset(kind.id for kind in (pa.null(), pa.bool_(), pa.int64(), pa.int32(), pa.float64(), pa.float32(), pa.string(), pa.large_string(), pa.timestamp("ms")))


def check_types(schema: pa.Schema) -> None:
    """Refuse a schema with names that cannot be told from each other, or with a type that cannot be read in a column that is.

    Raises
    ------
    EventError
        With the column.
    """
    try:
        names = schema.names
        for kind in schema.types:
            _ = [field.name for field in kind] if pa.types.is_struct(kind) else kind.tz if pa.types.is_timestamp(kind) else None
    except UnicodeDecodeError as error:
        raise EventError(f"not an Arrow IPC stream: a column's name is not UTF-8: {error}") from None
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise EventError("two columns have this name", path=twice)
    for field in schema:
        if field.name in FIELDS:
            _check_type(field.type, field.name)


def _check_type(kind: pa.DataType, name: str) -> None:
    if _is_simple(kind):
        return
    if pa.types.is_struct(kind):
        for field in kind:
            _check_type(field.type, f"{name}.{field.name}")
        return
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    is_nested = value is not kind and (pa.types.is_nested(value) or pa.types.is_dictionary(value))  # which would have to be put into each row
    if is_nested or (not pa.types.is_string_view(value) and is_strange(value)):
        raise EventError(f"expected a column of a type that can be read, got {kind}; send text as string, large_string, string_view or a dictionary of these", path=name)


def in_one_piece(column: pa.ChunkedArray) -> pa.Array:
    """A column's pieces put together."""
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def plain_table(table: pa.Table) -> pa.Table:
    """The same table with columns that can be put together with others of their type; columns that nobody reads are left as they are.

    All pieces of a column have the same dictionary.
    """
    for place, field in enumerate(table.schema):
        if field.name in FIELDS and not _is_plain(field.type):
            column = plain(in_one_piece(table.column(place)))
            table = table.set_column(place, field.with_type(column.type), column)
    return table


def _is_plain(kind: pa.DataType) -> bool:
    return all(_is_simple(field.type) for field in kind) if pa.types.is_struct(kind) else _is_simple(kind)


def plain(column: pa.Array) -> pa.Array:
    """The same column with one of the few types."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return with_texts(column.indices, column.dictionary)
    if pa.types.is_string_view(kind):
        return column.cast(pa.large_string())
    if pa.types.is_struct(kind):
        return _plain_struct(column)
    return column


def _plain_struct(column: pa.StructArray) -> pa.Array:
    changed = {}
    fields = list(column.type)
    for place, field in enumerate(fields):
        if not _is_simple(field.type):
            member = column.field(place)
            found = plain(member)
            if found is not member:
                changed[place] = found
    if not changed:
        return column
    members = [changed[place] if place in changed else column.field(place) for place in range(len(fields))]
    return pa.StructArray.from_arrays(members, fields=[field.with_type(member.type) for field, member in zip(fields, members, strict=True)], mask=column.is_null())


def with_texts(indices: pa.Array, texts: pa.Array) -> pa.DictionaryArray:
    """A dictionary column with indices of one width, and none that leads to a null: a row has a value or it has none."""
    if not texts.null_count:
        return pa.DictionaryArray.from_arrays(indices if indices.type.id == _INT32 else indices.cast(pa.int32()), plain(texts))
    checked = pa.DictionaryArray.from_arrays(indices, texts).indices.cast(pa.int64())
    valid = np.asarray(texts.is_valid())
    place = np.append(np.where(valid, np.cumsum(valid) - 1, -1), -1)
    places = place[checked.fill_null(-1).to_numpy()]
    return pa.DictionaryArray.from_arrays(pa.array(places, pa.int32(), mask=places < 0), plain(texts.drop_null()))


def _is_simple(kind: pa.DataType) -> bool:
    """Whether values of a type are numbers, texts and the like, which is soon said of most."""
    return kind.id in _SIMPLE


def is_strange(kind: pa.DataType) -> bool:
    """Whether there is anything in a type that cannot be cut or put together."""
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_dictionary(kind) or pa.types.is_string_view(kind) or pa.types.is_binary_view(kind) or pa.types.is_run_end_encoded(kind):
        return True
    return any(is_strange(kind.field(place).type) for place in range(kind.num_fields))
