"""Arrow's many ways to say the same, to the few that columns are read from.

Views and run-end-encoded columns can neither be cut nor put together by Arrow 26; nor can dictionaries whose texts together need a wider index.
"""

from __future__ import annotations

import pyarrow as pa

from detectors.errors import EventError

FIELDS = frozenset({"event_id", "model", "kind", "model_version", "timestamp", "prediction", "label", "score", "probabilities", "segments", "latency_ms", "status", "features"})
"""Columns that are read; they are called as in JSON, and a null is a field that is not there."""
_INT32 = pa.int32().id
_SIMPLE = frozenset(kind.id for kind in (pa.null(), pa.bool_(), pa.int64(), pa.int32(), pa.float64(), pa.float32(), pa.string(), pa.large_string(), pa.timestamp("ms")))


def plain_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same batch with columns that can be put together with others of their type; columns that nobody reads are left as they are.

    Raises
    ------
    EventError
        If a column that is read has a type that cannot be.
    """
    changed = {}
    for place, field in enumerate(batch.schema):
        if not _is_simple(field.type) and field.name in FIELDS:
            column = batch.column(place)
            plain = _plain(column, field.name)
            if plain is not column:
                changed[place] = plain
    if not changed:
        return batch
    columns = [changed.get(place, column) for place, column in enumerate(batch.columns)]
    fields = [field.with_type(column.type) for field, column in zip(batch.schema, columns, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields, batch.schema.metadata))


def _plain(column: pa.Array, name: str) -> pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain_dictionary(column, name)
    if pa.types.is_string_view(kind):
        return column.cast(pa.large_string())
    if pa.types.is_struct(kind):
        return _plain_struct(column, name)
    if _is_strange(kind):
        raise EventError(f"expected a column of a type that can be read, got {kind}; send text as string, large_string, string_view or a dictionary of these", path=name)
    return column


def _plain_struct(column: pa.StructArray, name: str) -> pa.Array:
    changed = {}
    fields = list(column.type)
    for place, field in enumerate(fields):
        if not _is_simple(field.type):
            member = column.field(place)
            plain = _plain(member, f"{name}.{field.name}")
            if plain is not member:
                changed[place] = plain
    if not changed:
        return column
    members = [changed[place] if place in changed else column.field(place) for place in range(len(fields))]
    return pa.StructArray.from_arrays(members, fields=[field.with_type(member.type) for field, member in zip(fields, members, strict=True)], mask=column.is_null())


def _plain_dictionary(column: pa.DictionaryArray, name: str) -> pa.Array:
    """Indices of one width, and none that leads to a null: a row has a value or it has none."""
    kind, values = column.type, column.dictionary
    is_other = kind.index_type.id != _INT32 or kind.ordered
    if not is_other and _is_simple(kind.value_type) and not values.null_count:
        return column
    values = _plain(values, name)
    if values.null_count or pa.types.is_nested(values.type) or pa.types.is_dictionary(values.type):
        rows = values.take(column.indices)
        return rows if pa.types.is_nested(rows.type) or pa.types.is_dictionary(rows.type) or pa.types.is_null(rows.type) else rows.dictionary_encode()
    if is_other or values is not column.dictionary:
        return pa.DictionaryArray.from_arrays(column.indices.cast(pa.int32()), values)
    return column


def _is_simple(kind: pa.DataType) -> bool:
    """Whether values of a type are numbers, texts and the like, which is soon said of most."""
    return kind.id in _SIMPLE


def _is_strange(kind: pa.DataType) -> bool:
    """Whether there is anything in a type that cannot be cut or put together."""
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_dictionary(kind) or pa.types.is_string_view(kind) or pa.types.is_binary_view(kind) or pa.types.is_run_end_encoded(kind):
        return True
    return any(_is_strange(kind.field(place).type) for place in range(kind.num_fields))
